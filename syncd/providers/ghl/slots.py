"""Offered slots, asked for once per calendar and month and remembered for one batch of writes.

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
    """The free slots that one batch of writes has asked for."""

    def __init__(self, line: Line, place: Place) -> None:
        self._line = line
        self._place = place
        self._lock = Lock()
        self._doors: dict[tuple[str, str, int], Lock] = {}
        self._offers: dict[tuple[str, str, int], Mapping[datetime, str]] = {}

    def offer(self, calendar: str, start: datetime, user: str = "") -> str | None:
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
                self._offers[key] = self._ask(calendar, user, _EPOCH + number * BLOCK)
        return self._offers[key].get(start)

    def _ask(self, calendar: str, user: str, since: datetime) -> Mapping[datetime, str]:
        call = protocol.free_slots(
            calendar, since, since + BLOCK - _TICK, self._place.timezone, user
        )
        offered = wire.slots(self._line.ask(call))
        return {
            moment: text
            for text in offered
            if (moment := parse(text, self._place.zone)) is not None
        }
