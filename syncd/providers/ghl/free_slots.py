"""Offered slots, asked for in months and remembered within a cycle.

`commands` asks here before it books. The months are counted from the beginning
of the cycle, so that bookings may come in any order and no day is asked for
twice. The very text of the offer matters: with
validation on, a slot that was written in another offset was seen to be
refused as gone. Leaves out moves: an appointment's own time hides its slot, so
those are validated by the API itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from syncd.ports.clock import Clock
from syncd.providers.ghl import protocol, wire
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.session import Session, unreadable
from syncd.providers.ghl.timestamps import parse

SPAN = timedelta(days=31)
"""The longest range that may be asked for (API description; more is a 400, observed)."""

_LEAD = timedelta(minutes=1)
_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotQuery:
    """A start on a calendar, for one of its team or for anybody."""

    calendar: str
    start: datetime
    user: str = ""


@dataclass(slots=True)
class _Month:
    """What is offered in one range of 31 days, once somebody has asked."""

    asking: Lock = field(default_factory=Lock)
    offers: Mapping[datetime, str] | None = None


class SlotBook:
    """The free slots that this cycle has asked for.

    A slot that was booked since is refused by the API itself; one that we
    freed since is asked for again, one that somebody else freed is offered in
    the next cycle.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session, self._clock = session, clock
        self._lock = Lock()
        self._months: dict[tuple[str, str, int], _Month] = {}
        self._first = clock.now() - _LEAD

    def forget(self) -> None:
        """A new cycle begins."""
        with self._lock:
            self._months.clear()
            self._first = self._clock.now() - _LEAD

    def offer(self, location_context: LocationContext, wish: SlotQuery) -> str | None:
        """The offered text for this instant, or None where the slot is not free.

        Raises:
            ProviderError: the slots could not be read.
        """
        with self._lock:
            number = (wish.start - self._first) // SPAN
            since = self._first + number * SPAN
            month = self._months.setdefault((wish.calendar, wish.user, number), _Month())
        with month.asking:  # Who comes second waits for the first one's answer.
            if month.offers is None:
                month.offers = self._ask(location_context, wish, since)
            return month.offers.get(wish.start)

    def freed(self, calendar: str) -> None:
        """An appointment of that calendar went elsewhere: what it offers is asked for again."""
        with self._lock:
            for key in [each for each in self._months if each[0] == calendar]:
                del self._months[key]

    def _ask(
        self, location_context: LocationContext, wish: SlotQuery, since: datetime
    ) -> Mapping[datetime, str]:
        call = protocol.free_slots(
            wish.calendar, since, since + SPAN - _TICK, location_context.timezone, wish.user
        )
        offered = wire.slots(self._session.ask(call))
        if offered is None:
            raise unreadable(call)
        return {
            moment: text
            for text in offered
            if (moment := parse(text, location_context.zone)) is not None
        }
