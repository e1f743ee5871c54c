"""What there is to tell: each event once, and only what concerns a person."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.model import Hold
from syncd.notifications.events import NEUTRAL, PASSING, Event, LinkStatus, Terms, news_of
from syncd.observability.state import State

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TERMS = Terms(held_longer_than=timedelta(hours=24), starts_within=timedelta(hours=24))


class Listener:
    """Somebody who is told, and remembers as the store does."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def hears(
        self,
        state: State = State.OK,
        holds: Iterable[Hold] = (),
        *,
        now: datetime = NOW,
        lasting: bool = True,
    ) -> list[Event]:
        standing = LinkStatus(link="clinic", state=state, lasting=lasting)
        news = news_of(standing, holds, self.known, TERMS, now)
        self.known = (self.known - news.over) | news.told
        return [item.event for item in news.items]


@pytest.fixture
def person() -> Listener:
    return Listener()


def a_hold(*, hours: float = 0, starts_in: float | None = None, record: str = "g1") -> Hold:
    return Hold(
        ghl_id=record,
        reason="slot_taken",
        detail="",
        since=NOW - timedelta(hours=hours),
        starts_at=None if starts_in is None else NOW + timedelta(hours=starts_in),
    )


def test_every_state_is_told_or_neutral(person: Listener) -> None:
    for state in State:
        told = Listener().hears(state)
        expected = [] if state in NEUTRAL | {State.OK} else [Event.LINK_BROKEN]
        if state in {State.GUARD, State.WAITING}:
            expected = [Event.GUARD_TRIPPED]
        assert told == expected, state
    assert person.hears(State.OK) == []


def test_a_break_is_told_once_and_so_is_its_end(person: Listener) -> None:
    assert person.hears(State.REFUSED) == [Event.LINK_BROKEN]
    assert person.hears(State.REFUSED) == []
    assert person.hears(State.OK) == [Event.LINK_RECOVERED]
    assert person.hears(State.OK) == []
    assert person.hears(State.REFUSED) == [Event.LINK_BROKEN]


def test_another_kind_of_trouble_is_another_event_with_one_end(person: Listener) -> None:
    assert person.hears(State.UNREACHABLE) == [Event.LINK_BROKEN]
    assert person.hears(State.REFUSED) == [Event.LINK_BROKEN]
    assert person.hears(State.GUARD) == [Event.GUARD_TRIPPED]
    assert person.hears(State.OK) == [Event.LINK_RECOVERED]


@pytest.mark.parametrize("state", sorted(PASSING))
def test_what_may_pass_by_itself_is_told_once_it_lasts(person: Listener, state: State) -> None:
    assert person.hears(state, lasting=False) == []
    assert person.hears(State.OK) == []
    assert person.hears(state, lasting=False) == []
    assert person.hears(state, lasting=True) == [Event.LINK_BROKEN]


@pytest.mark.parametrize("state", sorted(NEUTRAL))
def test_a_pause_or_a_restart_neither_mends_nor_breaks(person: Listener, state: State) -> None:
    person.hears(State.REFUSED)
    assert person.hears(state) == []
    assert person.hears(State.REFUSED) == []
    assert person.hears(State.OK) == [Event.LINK_RECOVERED]


def test_a_record_is_told_of_once_it_was_held_for_longer_than_the_limit(person: Listener) -> None:
    assert person.hears(holds=[a_hold(hours=23)]) == []
    assert person.hears(holds=[a_hold(hours=24)]) == [Event.RECORD_HELD]
    assert person.hears(holds=[a_hold(hours=30)]) == []


def test_a_held_appointment_that_starts_soon_is_told_of_at_once(person: Listener) -> None:
    assert person.hears(holds=[a_hold(starts_in=25)]) == []
    assert person.hears(holds=[a_hold(starts_in=23)]) == [Event.HELD_STARTS_SOON]
    assert person.hears(holds=[a_hold(starts_in=23)]) == []
    assert Listener().hears(holds=[a_hold(starts_in=-1)]) == []


def test_an_appointment_that_was_moved_may_start_soon_again(person: Listener) -> None:
    person.hears(holds=[a_hold(starts_in=2)])
    assert person.hears(holds=[a_hold(starts_in=5)]) == [Event.HELD_STARTS_SOON]


def test_records_that_reach_a_limit_together_are_one_message(person: Listener) -> None:
    holds = [a_hold(hours=25, record=f"g{number}") for number in range(300)]
    assert person.hears(holds=holds) == [Event.RECORD_HELD]
    one_more = [*holds, a_hold(hours=25, record="late")]
    assert person.hears(holds=one_more) == [Event.RECORD_HELD]


def test_a_record_that_is_held_anew_is_told_of_anew(person: Listener) -> None:
    person.hears(holds=[a_hold(hours=25)])
    person.hears(holds=[])
    assert person.known == set()
    assert person.hears(holds=[a_hold(hours=25)]) == [Event.RECORD_HELD]


def test_records_are_told_of_while_the_link_is_broken(person: Listener) -> None:
    told = person.hears(State.REFUSED, [a_hold(hours=25, starts_in=1)])
    assert told == [Event.LINK_BROKEN, Event.HELD_STARTS_SOON, Event.RECORD_HELD]
