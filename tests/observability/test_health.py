from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.core.model import Hold
from syncd.observability import words as page_words
from syncd.observability.health import LinkHealth, by_trouble, examine, point_of, worst
from syncd.observability.heartbeat import CyclePoint, Heartbeat
from syncd.observability.state import State
from syncd.ports.store import CycleRow

MINUTE = timedelta(minutes=1)


def a_note(at: datetime, state: State = State.OK, **more: Any) -> Heartbeat:
    """The word of a daemon that polls every minute."""
    return replace(Heartbeat(state=state, at=at, poll_seconds=60.0), **more)


def row(at: datetime, outcome: str = "ok", **report: Any) -> CycleRow:
    return CycleRow(
        cycle="c",
        kind="full",
        started_at=at,
        finished_at=at + timedelta(seconds=2),
        outcome=outcome,
        report={"ghl": {"created": 1}, "hubspot": {"updated": 2}, "seconds": 2.0} | report,
    )


def test_a_link_that_never_ran_is_starting(shelf: Any, now: datetime) -> None:
    found = examine("clinic", shelf.as_store(), now)
    assert (found.state, found.daemon, found.lag) == (State.STARTING, False, None)


def test_the_word_of_a_daemon_that_lives_counts(shelf: Any, now: datetime) -> None:
    shelf.notes = Heartbeat(
        state=State.REFUSED, at=now - timedelta(seconds=20), detail="401", failures=2
    ).as_text()
    shelf.rows = [row(now - timedelta(seconds=10))]
    found = examine("clinic", shelf.as_store(), now)
    assert (found.state, found.detail, found.daemon, found.code) == (State.REFUSED, "401", True, 6)


def test_a_daemon_that_was_killed_has_no_next_cycle(shelf: Any, now: datetime) -> None:
    shelf.notes = a_note(now, next_due=now + MINUTE).as_text()
    assert examine("clinic", shelf.as_store(), now).next_due == now + MINUTE
    found = examine("clinic", shelf.as_store(), now, dead=True)
    assert (found.daemon, found.next_due, page_words.next_cycle(found)) == (
        False,
        None,
        "no daemon runs",
    )


def test_a_daemon_that_fell_silent_is_gone_and_that_is_grave(shelf: Any, now: datetime) -> None:
    shelf.notes = Heartbeat(state=State.OK, at=now - timedelta(minutes=2)).as_text()
    found = examine("clinic", shelf.as_store(), now)
    assert (found.state, found.code, found.daemon) == (State.GONE, 1, False)
    assert "syncd run" in found.remedy


def test_a_daemon_that_said_goodbye_is_not_missed(shelf: Any, now: datetime) -> None:
    shelf.notes = Heartbeat(state=State.OK, at=now - timedelta(days=2), stopped=True).as_text()
    found = examine("clinic", shelf.as_store(), now)
    assert (found.state, found.code, found.next_due) == (State.OK, 0, None)


def test_what_a_command_did_later_is_the_latest_word(shelf: Any, now: datetime) -> None:
    shelf.notes = Heartbeat(
        state=State.REFUSED, at=now - timedelta(hours=2), stopped=True
    ).as_text()
    shelf.rows = [row(now - timedelta(hours=1), "guard", detail="31 removals were kept back")]
    found = examine("clinic", shelf.as_store(), now)
    assert (found.state, found.detail) == (State.GUARD, "31 removals were kept back")


def test_a_paused_link_is_paused_with_or_without_a_daemon(shelf: Any, now: datetime) -> None:
    shelf.rows, shelf.paused = [row(now)], now.isoformat()
    found = examine("clinic", shelf.as_store(), now)
    assert (found.state, found.paused, found.since) == (State.PAUSED, True, now)
    for state in (State.OK, State.REFUSED):
        shelf.notes = a_note(now, state, next_due=now + MINUTE).as_text()
        found = examine("clinic", shelf.as_store(), now)
        assert (found.state, found.code, found.next_due) == (State.PAUSED, 0, None)
        assert page_words.next_cycle(found) == "none while it is paused"


def test_a_resume_is_told_before_the_daemon_has_noticed_it(shelf: Any, now: datetime) -> None:
    shelf.notes = a_note(now, State.PAUSED, next_due=now + MINUTE).as_text()
    shelf.rows = [row(now - timedelta(days=3))]
    found = examine("clinic", shelf.as_store(), now)
    assert (found.state, found.paused, found.next_due) == (State.OK, False, now)
    # Told in whole seconds, it is not past either.
    soon = replace(found, next_due=now + timedelta(seconds=0.2)).as_json()
    assert soon["next_due"] == (now + timedelta(seconds=1)).isoformat()
    shelf.rows = []
    assert examine("clinic", shelf.as_store(), now).state is State.STARTING


def test_the_next_cycle_is_never_past_while_the_link_is_idle(shelf: Any, now: datetime) -> None:
    shelf.notes = a_note(now, next_due=now - MINUTE).as_text()
    found = examine("clinic", shelf.as_store(), now)
    assert found.next_due == now
    assert page_words.next_cycle(found) == "now"


def test_a_cycle_is_told_of_once_everybody_can_know_of_it(shelf: Any, now: datetime) -> None:
    for seconds, working in ((1, False), (3, True)):
        since = now - timedelta(seconds=seconds)
        shelf.notes = a_note(now, next_due=None, working_since=since).as_text()
        found = examine("clinic", shelf.as_store(), now)
        assert (found.working_since is not None, found.next_due is None) == (working, working)


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize("state", [State.OK, State.FAILED_WRITES])
def test_a_schedule_that_has_stopped_is_stale(
    shelf: Any, now: datetime, state: State, *, stopped: bool
) -> None:
    for minutes, stale in ((2.9, False), (3.1, True)):
        good = now - timedelta(minutes=minutes)
        shelf.notes = a_note(good, state, good_at=good, stopped=stopped).as_text()
        found = examine("clinic", shelf.as_store(), now)
        assert (found.state is State.STALE, found.code == 7) == (stale, stale)
        shelf.paused = good.isoformat()
        assert examine("clinic", shelf.as_store(), now).state is State.PAUSED
        shelf.paused = ""


def test_a_daemon_that_was_killed_leaves_a_stale_link_at_once(shelf: Any, now: datetime) -> None:
    good = now - timedelta(seconds=30)
    shelf.notes = a_note(good, good_at=good, poll_seconds=5).as_text()
    assert examine("clinic", shelf.as_store(), now).state is State.STALE


def test_what_is_graver_than_stale_keeps_its_word(shelf: Any, now: datetime) -> None:
    for state in (State.REFUSED, State.GUARD, State.UNREACHABLE, State.NOT_PREPARED):
        shelf.notes = a_note(now, state, good_at=now - timedelta(days=1)).as_text()
        assert examine("clinic", shelf.as_store(), now).state is state


def test_a_daemon_that_works_has_not_stopped(shelf: Any, now: datetime) -> None:
    old = now - timedelta(days=1)
    shelf.notes = a_note(now, good_at=old, working_since=now - MINUTE * 9).as_text()
    assert examine("clinic", shelf.as_store(), now).state is State.OK
    shelf.notes = a_note(now, State.STARTING, good_at=old).as_text()
    assert examine("clinic", shelf.as_store(), now).state is State.STARTING
    shelf.notes = a_note(now, State.FAILED_WRITES, good_at=old).as_text()
    shelf.rows = [row(now - MINUTE, "failed_writes")]
    assert examine("clinic", shelf.as_store(), now).state is State.FAILED_WRITES


def test_what_never_ran_in_intervals_is_stale_by_the_age_that_is_asked_for(
    shelf: Any, now: datetime
) -> None:
    store = shelf.as_store()
    assert examine("clinic", store, now).state is State.STARTING
    assert examine("clinic", store, now, max_age=MINUTE).state is State.STALE
    shelf.rows = [row(now - MINUTE * 10)]
    assert examine("clinic", store, now).state is State.OK
    assert examine("clinic", store, now, max_age=MINUTE * 15).state is State.OK
    assert examine("clinic", store, now, max_age=MINUTE * 5).state is State.STALE
    shelf.rows = [row(now - MINUTE, "failed_writes"), row(now - MINUTE * 10)]
    assert examine("clinic", store, now, max_age=MINUTE * 5).state is State.STALE


def test_the_remedy_names_only_the_guard_that_stopped_something(shelf: Any, now: datetime) -> None:
    shelf.rows = [row(now, "guard", guards=["removal_guard"])]
    found = examine("clinic", shelf.as_store(), now)
    assert "--allow-removals" in found.remedy
    assert "--allow-changes" not in found.remedy
    shelf.notes = a_note(now + MINUTE, State.GUARD, guards=("change_guard",)).as_text()
    found = examine("clinic", shelf.as_store(), now + MINUTE)
    assert "--allow-changes" in found.remedy
    assert "--allow-removals" not in found.remedy


def test_the_lag_counts_from_the_last_good_cycle(shelf: Any, now: datetime) -> None:
    shelf.rows = [
        row(now - timedelta(minutes=1), "unreachable"),
        row(now - timedelta(minutes=5)),
        row(now - timedelta(minutes=9)),
    ]
    assert examine("clinic", shelf.as_store(), now).lag == 300


def test_the_note_remembers_a_good_cycle_that_left_no_row(shelf: Any, now: datetime) -> None:
    shelf.notes = Heartbeat(state=State.OK, at=now, good_at=now - timedelta(seconds=30)).as_text()
    shelf.rows = [row(now - timedelta(hours=1))]
    assert examine("clinic", shelf.as_store(), now).lag == 30


def test_the_timeline_is_oldest_first_and_reads_reports_leniently(
    shelf: Any, now: datetime
) -> None:
    shelf.rows = [row(now), row(now - timedelta(minutes=1), delay=4.5)]
    first, last = examine("clinic", shelf.as_store(), now).cycles
    assert (first.at < last.at, first.writes, first.delay, last.delay) == (True, 3, 4.5, None)
    strange = CycleRow(
        cycle="", kind="?", started_at=now, finished_at=now, outcome="new", report={"ghl": "?"}
    )
    assert point_of(strange).writes == 0


def test_idle_cycles_leave_no_row_but_the_daemon_knows_of_them(shelf: Any, now: datetime) -> None:
    kept = row(now - timedelta(minutes=9))
    idle = CyclePoint(at=now - timedelta(minutes=1), kind="incremental", outcome="ok")
    known = CyclePoint(at=kept.started_at, kind="full", outcome="ok")
    heartbeat = Heartbeat(state=State.OK, at=now, good_at=idle.at, recent=(known, idle))
    shelf.rows, shelf.notes = [kept], heartbeat.as_text()
    told = examine("clinic", shelf.as_store(), now, heartbeat=heartbeat)
    beside = examine("clinic", shelf.as_store(), now)
    assert [point.kind for point in told.cycles] == ["full", "incremental"]
    assert beside.cycles == told.cycles
    assert beside.lag == 60


def test_a_cycle_that_a_stop_broke_off_has_an_outcome_of_its_own_in_the_timeline(
    shelf: Any, now: datetime
) -> None:
    shelf.rows = [row(now, "failed_writes", stopped=True)]
    (point,) = examine("clinic", shelf.as_store(), now).cycles
    assert point.outcome == "stopped"


def test_the_json_says_no_value_of_a_record(shelf: Any, now: datetime) -> None:
    shelf.waiting = [Hold(reason="conflict", detail="Ana Example", values={"ghl": "Ana Example"})]
    found = examine("clinic", shelf.as_store(), now).as_json()
    assert found["held"] == {"total": 1, "reasons": {"conflict": 1}}
    assert "Ana" not in str(found)


def test_trouble_stands_first(a_link: Callable[..., LinkHealth]) -> None:
    links = [
        a_link("b"),
        a_link("a"),
        a_link("held", held=(Hold(reason="conflict", detail=""),)),
        a_link("refused", State.REFUSED),
        a_link("paused", State.PAUSED),
        a_link("gone", State.GONE),
    ]
    names = [link.name for link in by_trouble(links)]
    assert names == ["gone", "refused", "paused", "held", "a", "b"]
    assert worst(links) == 1


@pytest.mark.parametrize("state", State)
def test_the_json_has_the_same_keys_in_every_state(
    a_link: Callable[..., LinkHealth], state: State
) -> None:
    found = a_link(state=state).as_json()
    assert list(found) == [
        "state",
        "exit_code",
        "detail",
        "remedy",
        "since",
        "failures",
        "daemon",
        "paused",
        "last_good_cycle",
        "lag_seconds",
        "last_cycle",
        "next_due",
        "working_since",
        "poll_seconds",
        "poll_interval_seconds",
        "stretched_by",
        "live",
        "polls_per_day",
        "first_sync_would_write",
        "pairs",
        "verified",
        "oldest_verification",
        "unexplained",
        "left_out",
        "held",
        "budget",
    ]
