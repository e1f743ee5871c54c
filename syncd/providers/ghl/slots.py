"""Offered slots, asked for once per calendar and month and remembered within a cycle.

`orders` asks here before it books. The very text of the offer matters: with
validation on, a slot that was written in another offset was seen to be
refused as gone. Leaves out moves: an appointment's own time hides its slot, so
those are validated by the API itself.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock

from syncd.providers.ghl import protocol, wire
from syncd.providers.ghl.line import Line
from syncd.providers.ghl.mapping import Place
from syncd.providers.ghl.moments import parse

BLOCK = timedelta(days=31)
"""The longest range that may be asked for (API description; more is a 400, observed)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(milliseconds=1)


class SlotBook:
    """The free slots that this cycle has asked for.

    A slot that was booked since is refused by the API itself; one that was
    freed since is offered in the next cycle.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = Lock()
        self._doors: dict[tuple[str, str, int], Lock] = {}
        self._offers: dict[tuple[str, str, int], Mapping[datetime, str]] = {}

    def forget(self) -> None:
        """A new cycle begins."""
        with self._lock:
            self._doors.clear()
            self._offers.clear()

    def offer(self, place: Place, calendar: str, start: datetime, user: str = "") -> str | None:
        """The offered text for this instant, or None where the slot is not free.

        Raises:
            ProviderError: the slots could not be read.
        """
        number = (start - _EPOCH) // BLOCK
        key = (calendar, user, number)
        with self._lock:
            door = self._doors.setdefault(key, Lock())
        with door:  # Who comes second waits for the first one's answer.
            if key not in self._offers:
                self._offers[key] = self._ask(place, calendar, user, _EPOCH + number * BLOCK)
        return self._offers[key].get(start)

    def _ask(
        self, place: Place, calendar: str, user: str, since: datetime
    ) -> Mapping[datetime, str]:
        call = protocol.free_slots(calendar, since, since + BLOCK - _TICK, place.timezone, user)
        offered = wire.slots(self._line.ask(call))
        return {moment: text for text in offered if (moment := parse(text, place.zone)) is not None}
