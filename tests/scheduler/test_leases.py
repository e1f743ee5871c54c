"""Links are held, lost and taken over."""

from collections.abc import Callable
from typing import Any

from syncd.observability.state import State
from syncd.scheduler import scheduler as module

Build = Callable[..., Any]


def test_links_are_held_between_cycles_and_renewed_well_within_their_lease(build: Build) -> None:
    rig = build("clinic")
    rig.scheduler.check_links()
    assert rig.links["clinic"].is_held
    for _ in range(10):
        rig.run(60)
        assert rig.links["clinic"].is_held
    (lease,) = rig.links["clinic"].leases
    rig.scheduler.renew_leases()
    assert lease.renewed == 1
    assert module.RENEWED_EVERY <= 10


def test_a_link_that_another_holds_is_taken_over_when_it_is_free(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.elsewhere = True
    rig.scheduler.check_links()
    rig.run(30)
    assert rig.scheduler.watches()[0].state is State.LOCKED
    assert clinic.store.notes_written == 0  # the holder's note is not ours to overwrite
    clinic.elsewhere = False
    rig.run(10)
    assert rig.scheduler.watches()[0].state is State.OK


def test_a_lease_lost_between_cycles_is_taken_again(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    rig.run(10)
    clinic.stolen = True
    rig.scheduler.renew_leases()
    assert clinic.leases[0].released == 1
    rig.run(2)
    assert len(clinic.leases) == 2
    assert rig.value("syncd_lease_losses_total", link="clinic") == 1


def test_a_lease_lost_in_mid_cycle_ends_that_cycle_and_is_taken_again(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]

    def lose() -> None:
        clinic.stolen, clinic.during = True, None
        rig.scheduler.renew_leases()

    clinic.during = lose
    rig.run(1)
    assert rig.scheduler.watches()[0].state is State.LOCKED
    assert clinic.leases[0].released == 1
    rig.run(10)
    assert rig.scheduler.watches()[0].state is State.OK
    assert len(clinic.leases) == 2


def test_a_database_that_is_away_loses_no_lease_by_itself(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    rig.links["clinic"].store.is_down = True
    rig.scheduler.renew_leases()
    assert rig.links["clinic"].leases[0].released == 0
