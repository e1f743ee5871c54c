"""Links in trouble: back-off, the day's quota, and whether the daemon is alive."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import structlog

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.observability.state import State
from syncd.observability.traffic import Budget
from syncd.scheduler import scheduler as module

Build = Callable[..., Any]


class StillRunning:
    running = True


def gaps(moments: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(moments)]


def test_a_link_in_trouble_backs_off_while_the_others_go_on(build: Build) -> None:
    rig = build("down", "well")
    rig.links["down"].outcomes = [Outcome.UNREACHABLE] * 4
    rig.run(1200)
    assert gaps(rig.links["down"].at)[:4] == [60, 120, 240, 300]
    assert len(rig.links["well"].at) == 20


def test_recovery_ends_the_back_off(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].outcomes = [Outcome.UNREACHABLE] * 3
    rig.run(600)
    assert gaps(rig.links["clinic"].at)[3:5] == [60, 60]


def test_refused_credentials_wait_long_and_the_state_says_what_to_do(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].outcomes = [Outcome.REFUSED] * 2
    rig.run(700)
    assert rig.links["clinic"].at == [0, 600]
    (state,) = rig.scheduler.watches()
    assert state.state is State.REFUSED
    assert "syncd doctor" in state.state.remedy("clinic")


def test_a_missing_token_takes_only_its_link_out_of_service(build: Build) -> None:
    rig = build("tokenless", "well")
    rig.links["tokenless"].token_missing = True
    rig.scheduler.check_links()
    rig.run(120)
    states = {state.name: state.state for state in rig.scheduler.watches()}
    assert states == {"tokenless": State.NOT_PREPARED, "well": State.OK}
    heartbeat = rig.links["tokenless"].store.heartbeat
    assert heartbeat is not None
    assert "links.tokenless.ghl.token" in heartbeat.detail


def test_a_broken_store_is_counted_and_tried_again(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].store.is_down = True
    rig.run(60)
    assert rig.links["clinic"].at == []
    assert (rig.value("syncd_store_errors_total", link="clinic") or 0) > 0
    rig.links["clinic"].store.is_down = False
    rig.run(300)
    assert rig.scheduler.watches()[0].state is State.OK


@pytest.mark.parametrize("away", [5, 60, 600])
def test_all_links_run_within_ten_seconds_of_the_return_of_the_store(
    build: Build, away: int
) -> None:
    rig = build("one", "two")
    rig.run(50)
    links = [rig.links["one"], rig.links["two"]]
    for link in links:
        link.store.is_down = True
    rig.run(10 + away)  # Their next cycles are due ten seconds in.
    before = [len(link.at) for link in links]
    for link in links:
        link.store.is_down = False
    rig.run(10)
    assert all(len(link.at) > n for link, n in zip(links, before, strict=True))


def test_a_bug_in_one_link_is_a_fault_of_that_link_only(build: Build) -> None:
    rig = build("buggy", "well")

    def crash() -> None:
        raise ZeroDivisionError

    rig.links["buggy"].during = crash
    rig.run(120)
    states = {state.name: state.state for state in rig.scheduler.watches()}
    assert states == {"buggy": State.FAULT, "well": State.OK}
    assert "ZeroDivisionError" in rig.scheduler.watches()[0].detail


def test_only_the_first_failure_and_the_recovery_are_logged(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].outcomes = [Outcome.OK, *[Outcome.UNREACHABLE] * 4]
    with structlog.testing.capture_logs() as logs:
        rig.run(1200)
    events = [(line["event"], line.get("cycles")) for line in logs]
    assert events == [("link.troubled", None), ("link.recovered", 4)]


def test_a_pause_is_no_trouble_and_idle_cycles_are_told_together(build: Build) -> None:
    rig = build("clinic")
    with structlog.testing.capture_logs() as logs:
        rig.links["clinic"].is_paused = True
        rig.run(60)
        rig.links["clinic"].is_paused = False
        rig.run(600)
        rig.scheduler.sum_up()
        rig.scheduler.sum_up()
    told = [(line["event"], line["log_level"]) for line in logs]
    assert told == [("link.paused", "info"), ("link.resumed", "info"), ("cycles.idle", "info")]
    assert logs[-1]["cycles"] > 5
    assert logs[-1]["links"] == 1


def test_a_spent_day_waits_for_its_reset(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.outcomes = [Outcome.UNREACHABLE]
    clinic.budgets[Side.HUBSPOT] = Budget(spent_until=rig.clock.now() + timedelta(hours=7))
    rig.run(6 * 3600, step=60)
    assert clinic.at == [0]
    rig.run(2 * 3600, step=60)
    assert clinic.at[1] == 7 * 3600


def test_polls_are_stretched_and_the_note_says_so(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "10s"})
    clinic = rig.links["clinic"]
    clinic.requests = {Side.GHL: 61, Side.HUBSPOT: 3}
    rig.run(86_400, step=10)
    assert sum(clinic.requests[Side.GHL] for _ in clinic.at) <= 100_000 + 61
    # The first hours may be faster than the long run bears; the last ones keep to it.
    assert gaps(clinic.at)[-1] >= 50
    heartbeat = rig.scheduler.notes()["clinic"]
    assert heartbeat.poll_seconds == pytest.approx(61 * 86_400 / 100_000)
    assert heartbeat.stretched_by == "half of HighLevel's 200,000 requests a day"


def test_what_a_cycle_writes_is_not_charged_to_the_polls(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "10s"})
    clinic = rig.links["clinic"]
    rig.run(60)
    clinic.writes, clinic.requests = 500, {Side.GHL: 5000, Side.HUBSPOT: 5000}
    rig.run(600)
    assert gaps(clinic.at)[-1] == 10
    assert rig.scheduler.notes()["clinic"].stretched_by == ""


def test_a_claim_loop_that_stands_still_is_a_problem(build: Build) -> None:
    rig = build("clinic")
    rig.scheduler.start()
    try:
        assert rig.scheduler.unhealthy_reason() == ""
        rig.clock.seconds += module.TURN_LIMIT + 1
        assert "claim loop" in rig.scheduler.unhealthy_reason()
    finally:
        rig.scheduler.stop_claiming()
    assert "does not run" in rig.scheduler.unhealthy_reason()


def test_a_worker_without_a_sign_of_life_is_a_problem(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "10s"})
    found = []

    def hang() -> None:
        rig.clock.seconds += module.STUCK_AFTER - 1
        rig.scheduler.claim()
        found.append(rig.scheduler.unhealthy_reason())
        rig.links["clinic"].answers += 1  # an answer came in
        rig.clock.seconds += 2
        rig.scheduler.claim()
        found.append(rig.scheduler.unhealthy_reason())
        rig.clock.seconds += module.STUCK_AFTER + 1
        rig.scheduler.claim()
        found.append(rig.scheduler.unhealthy_reason())

    rig.links["clinic"].during = hang
    rig.scheduler._ticks = StillRunning()
    rig.run(1)
    assert found[0] == found[1] == ""
    assert "clinic" in found[2]


def test_a_service_that_does_not_answer_shows_before_the_cycle_gives_up(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "60s"})
    rig.run(10)
    (state,), clinic, states = rig.scheduler.watches(), rig.links["clinic"], []

    def hang() -> None:
        for _ in range(12):
            rig.clock.seconds += 10
            clinic.given_up += 1
            rig.scheduler.renew_leases()
            states.append(state.state)

    clinic.during, clinic.outcomes = hang, [Outcome.UNREACHABLE]
    rig.run(60)
    assert states.index(State.UNREACHABLE) * 10 < 2 * 60
    heartbeat = clinic.store.heartbeat
    assert heartbeat is not None
    assert heartbeat.state is State.UNREACHABLE
    clinic.during = None
    rig.run(300)
    assert state.state is State.OK


def test_a_long_cycle_of_our_own_work_is_no_silence(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "5s"})
    rig.run(10)
    (state,), states = rig.scheduler.watches(), []

    def work() -> None:
        rig.clock.seconds += 500
        rig.scheduler.renew_leases()
        states.append(state.state)

    rig.links["clinic"].during = work
    rig.run(10)
    assert set(states) == {State.OK}


def test_what_a_stop_broke_off_is_no_trouble_of_the_link(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    clinic = rig.links["clinic"]
    clinic.outcomes, clinic.during = [Outcome.UNREACHABLE], rig.stop.set
    rig.run(60)
    assert rig.scheduler.watches()[0].state is State.OK
