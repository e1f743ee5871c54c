"""Free slots, requested in ranges of 31 days and cached within a cycle.

`writing` asks here before it books. The ranges are counted from the beginning
of the cycle, so that bookings may come in any order and no day is requested
twice. The exact text of the offer matters: with validation, a slot written in
another offset was refused as no longer available (reported, read 2026-11-20).
Leaves out moves: an appointment's own time hides its slot, so the API
validates those itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from syncd.ports.clock import Clock
from syncd.providers.ghl import protocol, wire
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.session import Session, unreadable
from syncd.providers.ghl.timestamps import parse, shifted

SPAN = timedelta(days=31)
"""The longest range of one request (API description; more is a 400, observed 2026-08-06)."""

_LEAD = timedelta(minutes=1)
_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotQuery:
    """A start on a calendar, for one user of its team or for any."""

    calendar: str
    start: datetime
    user: str = ""


@dataclass(slots=True)
class _Range:
    """The offers of one range of 31 days, once they were requested."""

    lock: Lock = field(default_factory=Lock)
    offers: Mapping[datetime, str] | None = None


class SlotBook:
    """The free slots that this cycle has requested.

    A slot that was booked since is refused by the API itself. A slot that we
    freed since is requested again; one that somebody else freed is found in
    the next cycle.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session, self._clock = session, clock
        self._lock = Lock()
        self._ranges: dict[tuple[str, str, int], _Range] = {}
        self._first = clock.now() - _LEAD

    def forget(self) -> None:
        """A new cycle begins."""
        with self._lock:
            self._ranges.clear()
            self._first = self._clock.now() - _LEAD

    def offer(self, context: LocationContext, query: SlotQuery) -> str | None:
        """The offered text for this instant, or None where the slot is not free.

        Raises:
            ProviderError: the slots could not be read.
        """
        with self._lock:
            number = (query.start - self._first) // SPAN
            since = shifted(self._first, number * SPAN)
            range_ = self._ranges.setdefault((query.calendar, query.user, number), _Range())
        with range_.lock:  # A second thread waits for the answer of the first.
            if range_.offers is None:
                range_.offers = self._request(context, query, since)
            return range_.offers.get(query.start)

    def freed(self, calendar: str) -> None:
        """An appointment left that calendar: its slots are requested again."""
        with self._lock:
            for key in [each for each in self._ranges if each[0] == calendar]:
                del self._ranges[key]

    def _request(
        self, context: LocationContext, query: SlotQuery, since: datetime
    ) -> Mapping[datetime, str]:
        call = protocol.free_slots(
            query.calendar, since, shifted(since, SPAN - _TICK), context.timezone, query.user
        )
        offered = wire.slots(self._session.ask(call))
        if offered is None:
            raise unreadable(call)
        return {
            moment: text for text in offered if (moment := parse(text, context.zone)) is not None
        }
