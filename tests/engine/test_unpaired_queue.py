"""Whose turn it is in a backfill: the fresh ones, then what starts soonest, never half a tie."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.model import Appointment, Side, Snapshot, Window
from syncd.core.observe import UnpairedRecords
from syncd.core.policy import Policy
from syncd.engine.observe.unpaired_queue import FIRST_TURN, UnpairedQueue

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = Policy(location_id="loc", window=Window(since=NOW, until=NOW), now=NOW)


def record(side: Side, name: str, hours: float) -> Snapshot:
    """A record that starts so many hours from now."""
    start = NOW + timedelta(hours=hours)
    return Snapshot(side=side, id=name, appointment=Appointment(start=start))


def bookings(hours: range) -> UnpairedRecords:
    return UnpairedRecords(ghl={f"g{each}": record(Side.GHL, f"g{each}", each) for each in hours})


def names(turn: UnpairedRecords) -> set[str]:
    return {*turn.ghl, *turn.hubspot}


def expected(hours: range) -> set[str]:
    return {f"g{each}" for each in hours}


def test_what_starts_soonest_comes_first_and_nothing_comes_twice() -> None:
    waiting = UnpairedQueue()
    waiting.add(bookings(range(1, 3 * FIRST_TURN + 1)))
    turns = [names(waiting.turn(POLICY)) for _ in range(4)]
    assert turns == [
        expected(range(1, FIRST_TURN + 1)),
        expected(range(FIRST_TURN + 1, 2 * FIRST_TURN + 1)),
        expected(range(2 * FIRST_TURN + 1, 3 * FIRST_TURN + 1)),
        set(),
    ]


def test_what_came_in_between_takes_the_next_turn_where_it_is_fresh() -> None:
    waiting = UnpairedQueue()
    waiting.add(bookings(range(1, 3 * FIRST_TURN + 1)))
    waiting.turn(POLICY)
    waiting.add(bookings(range(9_000, 9_003)), fresh=True)
    assert names(waiting.turn(POLICY)) >= expected(range(9_000, 9_003))


def test_what_is_not_there_any_more_takes_no_turn() -> None:
    waiting = UnpairedQueue()
    waiting.add(bookings(range(1, 3 * FIRST_TURN + 1)))
    waiting.turn(POLICY)
    waiting.drop(Side.GHL, [f"g{FIRST_TURN + 1}"])
    turn = names(waiting.turn(POLICY))
    assert turn == expected(range(FIRST_TURN + 2, 2 * FIRST_TURN + 2))
    assert len(waiting) == FIRST_TURN - 1


def test_records_that_may_be_one_appointment_take_the_same_turn() -> None:
    waiting = UnpairedQueue()
    waiting.add(bookings(range(1, 2 * FIRST_TURN)))
    same_start = record(Side.HUBSPOT, "h1", 1)
    carrier = replace(record(Side.HUBSPOT, "h2", 5_000), external_id="g2")
    waiting.add(UnpairedRecords(hubspot={"h1": same_start, "h2": carrier}))
    assert names(waiting.turn(POLICY)) >= {"g1", "h1", "g2", "h2"}


def test_the_line_is_formed_once_for_all_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    formed = []
    form = UnpairedQueue._groups

    def counted(waiting: UnpairedQueue, policy: Policy) -> object:
        formed.append(policy)
        return form(waiting, policy)

    monkeypatch.setattr(UnpairedQueue, "_groups", counted)
    waiting = UnpairedQueue()
    waiting.add(bookings(range(1, 20 * FIRST_TURN)))
    while len(waiting):
        waiting.turn(POLICY)
    assert len(formed) == 1
