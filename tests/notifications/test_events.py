"""What there is to tell: each event once, and only what concerns a person."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.model import Hold
from syncd.notifications.events import (
    NEUTRAL_STATES,
    TRANSIENT_STATES,
    Event,
    LinkStatus,
    Thresholds,
    event_changes,
)
from syncd.observability.state import State

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
THRESHOLDS = Thresholds(held_longer_than=timedelta(hours=24), starts_within=timedelta(hours=24))


class Recipient:
    """Somebody who is told, and remembers as the store does."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def receives(
        self,
        state: State = State.OK,
        holds: Iterable[Hold] = (),
        *,
        now: datetime = NOW,
        lasting: bool = True,
    ) -> list[Event]:
        status = LinkStatus(link="clinic", state=state, lasting=lasting)
        changes = event_changes(status, holds, self.known, THRESHOLDS, now)
        self.known = (self.known - changes.ended) | changes.announced
        return [event.kind for event in changes.new]


@pytest.fixture
def person() -> Recipient:
    return Recipient()


def a_hold(*, hours: float = 0, starts_in: float | None = None, record: str = "g1") -> Hold:
    return Hold(
        ghl_id=record,
        reason="slot_taken",
        detail="",
        since=NOW - timedelta(hours=hours),
        starts_at=None if starts_in is None else NOW + timedelta(hours=starts_in),
    )


def test_every_state_is_told_or_neutral(person: Recipient) -> None:
    for state in State:
        told = Recipient().receives(state)
        expected = [] if state in NEUTRAL_STATES | {State.OK} else [Event.LINK_BROKEN]
        if state in {State.GUARD, State.WAITING}:
            expected = [Event.GUARD_TRIPPED]
        assert told == expected, state
    assert person.receives(State.OK) == []


def test_a_break_is_told_once_and_so_is_its_end(person: Recipient) -> None:
    assert person.receives(State.REFUSED) == [Event.LINK_BROKEN]
    assert person.receives(State.REFUSED) == []
    assert person.receives(State.OK) == [Event.LINK_RECOVERED]
    assert person.receives(State.OK) == []
    assert person.receives(State.REFUSED) == [Event.LINK_BROKEN]


def test_another_kind_of_trouble_is_another_event_with_one_end(person: Recipient) -> None:
    assert person.receives(State.UNREACHABLE) == [Event.LINK_BROKEN]
    assert person.receives(State.REFUSED) == [Event.LINK_BROKEN]
    assert person.receives(State.GUARD) == [Event.GUARD_TRIPPED]
    assert person.receives(State.OK) == [Event.LINK_RECOVERED]


@pytest.mark.parametrize("state", sorted(TRANSIENT_STATES))
def test_what_may_pass_by_itself_is_told_once_it_lasts(person: Recipient, state: State) -> None:
    assert person.receives(state, lasting=False) == []
    assert person.receives(State.OK) == []
    assert person.receives(state, lasting=False) == []
    assert person.receives(state, lasting=True) == [Event.LINK_BROKEN]


@pytest.mark.parametrize("state", sorted(NEUTRAL_STATES))
def test_a_pause_or_a_restart_neither_mends_nor_breaks(person: Recipient, state: State) -> None:
    person.receives(State.REFUSED)
    assert person.receives(state) == []
    assert person.receives(State.REFUSED) == []
    assert person.receives(State.OK) == [Event.LINK_RECOVERED]


def test_a_record_is_told_of_once_it_was_held_for_longer_than_the_limit(person: Recipient) -> None:
    assert person.receives(holds=[a_hold(hours=23)]) == []
    assert person.receives(holds=[a_hold(hours=24)]) == [Event.RECORD_HELD]
    assert person.receives(holds=[a_hold(hours=30)]) == []


def test_a_held_appointment_that_starts_soon_is_told_of_at_once(person: Recipient) -> None:
    assert person.receives(holds=[a_hold(starts_in=25)]) == []
    assert person.receives(holds=[a_hold(starts_in=23)]) == [Event.HELD_STARTS_SOON]
    assert person.receives(holds=[a_hold(starts_in=23)]) == []
    assert Recipient().receives(holds=[a_hold(starts_in=-1)]) == []


def test_an_appointment_that_was_moved_may_start_soon_again(person: Recipient) -> None:
    person.receives(holds=[a_hold(starts_in=2)])
    assert person.receives(holds=[a_hold(starts_in=5)]) == [Event.HELD_STARTS_SOON]


def test_records_that_reach_a_limit_together_are_one_message(person: Recipient) -> None:
    holds = [a_hold(hours=25, record=f"g{number}") for number in range(300)]
    assert person.receives(holds=holds) == [Event.RECORD_HELD]
    one_more = [*holds, a_hold(hours=25, record="late")]
    assert person.receives(holds=one_more) == [Event.RECORD_HELD]


def test_a_record_that_is_held_anew_is_told_of_anew(person: Recipient) -> None:
    person.receives(holds=[a_hold(hours=25)])
    person.receives(holds=[])
    assert person.known == set()
    assert person.receives(holds=[a_hold(hours=25)]) == [Event.RECORD_HELD]


def test_records_are_told_of_while_the_link_is_broken(person: Recipient) -> None:
    told = person.receives(State.REFUSED, [a_hold(hours=25, starts_in=1)])
    assert told == [Event.LINK_BROKEN, Event.HELD_STARTS_SOON, Event.RECORD_HELD]
