"""What people decide: the first sync, kicks, plans and pauses."""

from collections.abc import Callable
from typing import Any

import pytest

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.decisions.approval import Approval
from syncd.engine.decisions.halt import PAUSE_HEARD
from syncd.engine.poll.prepare import FIRST
from syncd.observability.state import State

Build = Callable[..., Any]


def test_a_large_first_sync_is_planned_and_waits_for_a_person(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = {Side.HUBSPOT: 26, Side.GHL: 3}
    rig.run(120)
    assert set(clinic.kinds) == {"plan"}
    heartbeat = clinic.store.heartbeat
    assert heartbeat is not None
    assert heartbeat.state is State.WAITING
    assert dict(heartbeat.planned) == {"hubspot": 26, "ghl": 3}
    assert "syncd kick --approve" in heartbeat.detail


def test_an_approval_lets_the_first_sync_go_and_is_then_done(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = {Side.HUBSPOT: 26}
    rig.run(10)
    clinic.store.decide("kick", {"approve": True}, rig.clock.now())
    rig.run(5)
    assert clinic.kinds == ["plan", "full"]
    assert clinic.store.open == []
    assert rig.scheduler.watches()[0].state is State.OK


def test_an_approval_outlives_a_first_sync_that_was_cut_short(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = {Side.HUBSPOT: 26}
    clinic.outcomes = [Outcome.UNREACHABLE]
    clinic.store.decide("kick", {"approve": True}, rig.clock.now())
    rig.run(10)
    assert len(clinic.store.open) == 1
    rig.run(120)
    assert clinic.kinds[:2] == ["full", "full"]
    assert clinic.store.open == []


def test_an_approval_says_how_much_was_shown(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = {Side.HUBSPOT: 26}
    rig.run(10)
    at = rig.clock.now()
    clinic.store.decide("kick", {"approve": True, "shown": {"hubspot": 26}}, at)
    rig.run(5)
    assert clinic.asked[-1].approval == Approval(at=at, shown={Side.HUBSPOT: 26})
    rig.run(120)
    assert clinic.asked[-1].approval is None


def test_a_first_sync_that_outgrew_its_approval_asks_again(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = clinic.uncovered = {Side.HUBSPOT: 70}
    clinic.store.decide("kick", {"approve": True, "shown": {"hubspot": 26}}, rig.clock.now())
    rig.run(10)
    assert (clinic.kinds, clinic.store.open) == (["full"], [])
    heartbeat = clinic.store.heartbeat
    assert heartbeat is not None
    assert (heartbeat.state, dict(heartbeat.planned)) == (State.WAITING, {"hubspot": 70})
    rig.run(120)
    assert set(clinic.kinds[1:]) == {"plan"}


def test_an_approved_plan_goes_out_while_the_first_sync_waits(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = {Side.HUBSPOT: 26}
    rig.run(10)
    clinic.store.decide("apply", {"writes": {"digest": "words"}}, rig.clock.now())
    rig.run(4)
    assert clinic.kinds == ["plan", "full", "plan"]
    assert clinic.asked[1].planned_only
    assert rig.scheduler.watches()[0].state is State.WAITING


@pytest.mark.parametrize(("plans", "sync"), [({Side.GHL: 25}, "ask"), ({Side.GHL: 900}, "go")])
def test_a_small_first_sync_or_one_that_may_go_waits_for_nobody(
    build: Build, plans: dict[Side, int], sync: str
) -> None:
    rig = build("clinic", first_sync=sync)
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = plans
    rig.run(10)
    assert clinic.kinds[-1] == "full"
    assert rig.scheduler.watches()[0].state is State.OK


def test_a_first_sync_done_elsewhere_ends_the_waiting(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.store.cursors.pop(FIRST)
    clinic.plans = {Side.HUBSPOT: 26}
    rig.run(10)
    clinic.store.cursors[FIRST] = "yes"
    rig.run(120)
    assert clinic.kinds[-1] != "plan"
    assert rig.scheduler.watches()[0].state is State.OK


def test_a_queued_kick_runs_a_full_cycle_at_once(build: Build) -> None:
    """What it lets the guards pass is the engine's to read: it may not be more than was shown."""
    rig = build("clinic")
    clinic = rig.links["clinic"]
    rig.run(10)
    clinic.store.decide("kick", {"allow_removals": True}, rig.clock.now())
    rig.run(4)
    assert clinic.kinds == ["full", "full"]
    assert (clinic.asked[1].allowed.removals, clinic.asked[1].allowed.changes) == (False, False)
    assert clinic.store.open == []


def test_another_decision_makes_the_link_due_at_once_and_only_once(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    rig.run(10)
    clinic.store.decide("retry", {}, rig.clock.now())
    rig.run(30)
    assert clinic.kinds == ["full", "incremental"]
    assert len(clinic.store.open) == 1  # carrying it out is the engine's work


def test_an_approved_plan_is_carried_out_by_a_full_cycle(build: Build) -> None:
    """It was made by one: what an incremental cycle does not see would be left out."""
    rig = build("clinic")
    clinic = rig.links["clinic"]
    rig.run(10)
    clinic.store.decide("apply", {"writes": {"digest": "words"}}, rig.clock.now())
    rig.run(4)
    assert clinic.kinds == ["full", "full"]


def test_a_kick_that_met_an_outage_is_still_to_be_done(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    rig.run(10)
    clinic.outcomes = [Outcome.UNREACHABLE]
    clinic.store.decide("kick", {"allow_changes": True}, rig.clock.now())
    rig.run(120)
    assert clinic.kinds[:3] == ["full", "full", "full"]
    assert clinic.store.open == []


def test_a_kick_by_signal_makes_every_link_run_a_full_cycle(build: Build) -> None:
    rig = build("north", "south")
    rig.run(40)
    rig.scheduler.kick()
    rig.scheduler.claim()
    assert [rig.links[name].kinds[-1] for name in ("north", "south")] == ["full", "full"]


def test_a_paused_link_is_left_alone_until_it_is_resumed(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.is_paused = True
    rig.run(120)
    assert clinic.asked == []
    assert rig.scheduler.watches()[0].state is State.PAUSED
    clinic.is_paused = False
    rig.run(120)
    assert clinic.asked


def test_a_cycle_that_runs_ends_when_its_link_is_paused(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    rig.run(10)
    heard: list[bool] = []

    def pause() -> None:
        halted = clinic.asked[-1].halted
        assert halted is not None
        heard.append(halted())
        clinic.is_paused = True
        clinic.clock.seconds += PAUSE_HEARD
        heard.append(halted())

    clinic.during = pause
    rig.run(60)
    assert heard[:2] == [False, True]
