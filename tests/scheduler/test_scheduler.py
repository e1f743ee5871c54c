import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import freezegun
import pytest
import structlog
from apscheduler.events import EVENT_JOB_MISSED, JobEvent

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.decisions.approval import Approval
from syncd.engine.decisions.halt import PAUSE_HEARD
from syncd.engine.finish import FIRST
from syncd.observability.state import State
from syncd.observability.traffic import Budget
from syncd.scheduler import scheduler as module
from syncd.scheduler.backoff import LONGEST_SPREAD
from syncd.scheduler.jobs import IntervalTrigger

Build = Callable[..., Any]


class StillRunning:
    running = True


def gaps(moments: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(moments)]


# --- what is due when


def test_the_first_cycle_is_full_and_the_polls_after_it_are_incremental(build: Build) -> None:
    rig = build("clinic")
    rig.run(300)
    clinic = rig.links["clinic"]
    assert clinic.kinds == ["full"] + ["incremental"] * 5
    assert clinic.at == [0, 60, 120, 180, 240, 300]


def test_a_full_cycle_comes_round_at_every_sweep_interval(build: Build) -> None:
    rig = build("clinic", schedule={"sweep_interval": "5m"})
    rig.run(600)
    assert [n for n, kind in enumerate(rig.links["clinic"].kinds) if kind == "full"] == [0, 5, 10]


def test_an_interval_counts_from_beginning_to_beginning(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].takes = 20.0
    rig.run(200)
    assert gaps(rig.links["clinic"].at)[0] == 60


def test_a_cycle_longer_than_the_interval_is_followed_by_one_not_by_a_heap(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].takes = 200.0
    rig.run(1000)
    assert all(gap >= 200 for gap in gaps(rig.links["clinic"].at))


def test_half_a_second_is_a_poll_interval_too(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": 0.5})
    rig.run(10, step=0.125)
    assert len(rig.links["clinic"].at) == 21


def test_the_first_cycles_of_many_links_are_spread(build: Build) -> None:
    names = [f"link{n}" for n in range(10)]
    rig = build(*names)
    rig.run(60)
    starts = [rig.links[name].at[0] for name in names]
    assert starts == sorted(starts)
    assert starts[-1] == pytest.approx(LONGEST_SPREAD * 0.9)


def test_a_link_is_never_worked_on_twice_at_once(build: Build) -> None:
    """Forty threads hammer the claim loop while a cycle is under way."""
    workers = ThreadPoolExecutor(4)
    rig = build("clinic", workers=workers, schedule={"poll_interval": 0.001})
    clinic, inside, seen = rig.links["clinic"], [], []

    def hammer() -> None:
        inside.append(1)
        seen.append(len(inside))
        for _ in range(10):
            rig.scheduler.claim()
        inside.pop()

    clinic.during = hammer
    with ThreadPoolExecutor(8) as crowd:
        for _ in range(40):
            rig.clock.seconds += 1
            crowd.submit(rig.scheduler.claim)
    workers.shutdown(wait=True)
    assert seen
    assert set(seen) == {1}


# --- trouble


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


def test_a_spent_day_waits_for_its_reset(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.outcomes = [Outcome.UNREACHABLE]
    clinic.budgets[Side.HUBSPOT] = Budget(spent_until=rig.clock.now() + timedelta(hours=7))
    rig.run(6 * 3600, step=60)
    assert clinic.at == [0]
    rig.run(2 * 3600, step=60)
    assert clinic.at[1] == 7 * 3600


# --- the day's quota


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


# --- the first sync


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


# --- what people ask for


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


# --- leases


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


# --- notes


def test_a_note_is_written_when_something_changes_and_else_every_half_minute(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "10m"})
    store = rig.links["clinic"].store
    rig.run(20)
    assert store.notes_written == 1
    rig.scheduler.renew_leases()
    assert store.notes_written == 1
    rig.run(15)
    rig.scheduler.renew_leases()
    assert store.notes_written == 2


def test_a_turn_without_news_is_noted_too_so_that_status_knows_what_is_next(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "60s"})
    store = rig.links["clinic"].store
    rig.run(61)
    heartbeat = store.heartbeat
    assert heartbeat is not None
    assert (rig.clock.now() - heartbeat.at).total_seconds() < 2
    assert store.notes_written == 2
    often = build("praxis", schedule={"poll_interval": "2s"})
    for _ in range(60):
        often.run(1)
        heartbeat, (state,) = often.links["praxis"].store.heartbeat, often.scheduler.watches()
        assert heartbeat is not None
        assert heartbeat.working_since is None
        assert heartbeat.next_due == heartbeat.at + timedelta(seconds=state.due - state.noted_at)


def test_a_turn_out_of_turn_is_noted_with_what_is_next(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "60s"})
    rig.run(61)
    rig.scheduler.kick()
    rig.run(3)
    heartbeat, (state,) = rig.links["clinic"].store.heartbeat, rig.scheduler.watches()
    assert heartbeat is not None
    due = rig.clock.now() + timedelta(seconds=state.due - rig.clock.monotonic())
    assert heartbeat.next_due is not None
    assert abs((heartbeat.next_due - due).total_seconds()) < 1


def test_a_cycle_under_way_is_noted_once(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    clinic, (state,) = rig.links["clinic"], rig.scheduler.watches()
    before, notes = clinic.store.notes_written, []

    def during() -> None:
        for _ in range(3):
            rig.scheduler.claim()
        notes.append(clinic.store.heartbeat)

    clinic.during = during
    rig.run(60)
    assert clinic.store.notes_written == before + 2
    assert notes[0].working_since is not None
    assert notes[0].next_due is None
    after = clinic.store.heartbeat
    assert after is not None
    assert (after.working_since, state.working) == (None, False)


def test_a_pause_and_a_resume_are_noticed_without_waiting_for_a_poll(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "1h"})
    rig.run(10)
    clinic, (state,) = rig.links["clinic"], rig.scheduler.watches()
    asked = len(clinic.asked)
    for paused, kind, expected in ((True, "pause", State.PAUSED), (False, "resume", State.OK)):
        clinic.is_paused = paused
        clinic.store.decide(kind, {}, rig.clock.now())
        rig.run(4)
        assert state.state is expected
        assert clinic.store.decisions() == []
    assert len(clinic.asked) == asked + 1


def test_a_daemon_knows_when_its_links_were_good_before_it(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    good = rig.scheduler.watches()[0].good_at
    rig.scheduler.close()
    again = module.Scheduler(rig.links, rig.shift, rig.metrics, workers=rig.workers)
    again.check_links()
    assert good is not None
    assert again.watches()[0].good_at == good


def test_the_last_note_says_goodbye(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    rig.scheduler.stop_claiming()
    rig.scheduler.close()
    heartbeat = rig.links["clinic"].store.heartbeat
    assert heartbeat is not None
    assert heartbeat.stopped
    assert rig.links["clinic"].is_held is False


def test_history_is_kept_as_long_as_the_configuration_says(build: Build) -> None:
    rig = build("clinic", "elsewhere", history_keep="30d")
    rig.links["elsewhere"].elsewhere = True
    rig.scheduler.check_links()
    rig.scheduler.keep_house()
    assert rig.links.pruned == [("clinic", rig.clock.now() - timedelta(days=30))]


# --- a new configuration


def test_a_new_link_is_taken_up_and_one_that_is_gone_is_let_go(
    build: Build, settings_of: Any
) -> None:
    rig = build("north", "south")
    rig.run(40)
    rig.links.adopt(settings_of("south", "west"))
    assert rig.scheduler.adopt() == ["west"]
    rig.run(40)
    assert [state.name for state in rig.scheduler.watches()] == ["south", "west"]
    assert rig.links["north"].is_held is False
    assert rig.links["west"].kinds[0] == "full"
    assert rig.links["south"].leases[0].released == 0


def test_a_link_that_leaves_in_mid_cycle_is_let_go_when_the_cycle_ends(
    build: Build, settings_of: Any
) -> None:
    rig = build("north", "south")

    def leave() -> None:
        rig.links["north"].during = None
        rig.links.adopt(settings_of("south"))
        rig.scheduler.adopt()
        assert rig.links["north"].is_held

    rig.links["north"].during = leave
    rig.run(10)
    assert rig.links["north"].is_held is False
    assert [state.name for state in rig.scheduler.watches()] == ["south"]


def test_a_reload_reads_tokens_anew_and_tries_a_refused_link_at_once(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.outcomes = [Outcome.REFUSED]
    rig.run(30)
    rig.scheduler.adopt()
    rig.run(1)
    assert (clinic.opened, clinic.closed) == (2, 1)
    assert clinic.leases[0].released == 0
    assert rig.scheduler.watches()[0].state is State.OK


# --- is it alive?


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


def test_the_ticks_come_from_the_scheduler_and_give_due_links_to_workers(build: Build) -> None:
    """The one test with real threads: APScheduler's thread ticks on frozen time."""
    ran = threading.Event()
    with freezegun.freeze_time("2026-03-02 12:00:00") as frozen:
        rig = build("clinic", workers=ThreadPoolExecutor(1))
        rig.links["clinic"].during = ran.set
        rig.scheduler.start()
        try:
            frozen.tick(timedelta(seconds=2))
            rig.scheduler._ticks._scheduler.wakeup()
            assert ran.wait(10)
        finally:
            rig.scheduler.stop_claiming()
            rig.workers.shutdown(wait=True)


def test_a_clock_that_jumps_ahead_by_decades_is_one_tick_not_a_heap() -> None:
    trigger, then = IntervalTrigger(0.02), datetime(1970, 1, 1, tzinfo=UTC)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert trigger.get_next_fire_time(then, now) == now + timedelta(milliseconds=20)
    assert trigger.get_next_fire_time(None, now) == now


def test_a_clock_that_is_set_back_does_not_stop_the_ticks(build: Build) -> None:
    with freezegun.freeze_time("2026-03-02 12:00:00") as frozen:
        rig = build("clinic")
        rig.scheduler.start()
        try:
            frozen.tick(timedelta(days=-2))
            rig.clock.seconds += module.STANDS_STILL + 1
            rig.scheduler.wake()
            job = rig.scheduler._ticks._scheduler.get_job("claim")
            assert job is not None
            assert job.next_run_time <= rig.clock.now()
        finally:
            rig.scheduler.stop_claiming()


def test_a_missed_tick_is_counted(build: Build) -> None:
    rig = build("clinic")
    rig.scheduler._ticks._told(JobEvent(EVENT_JOB_MISSED, "claim", "default"))
    assert rig.value("syncd_missed_ticks_total", job="claim", what="missed") == 1
