"""Which bookings wait for a spot that another appointment is about to leave.

`apply` keeps one for HighLevel's lane. A booking that is checked against free
slots would be refused while the appointment that is moved away, cancelled or
deleted in the same cycle still stands there. Leaves out spots that stay taken:
HighLevel itself refuses those.
"""

from __future__ import annotations

from datetime import datetime

from syncd.core.actions import Create, Remove, Update, Write
from syncd.core.model import Group

_Spot = tuple[str, datetime, datetime]
_LEAVES = frozenset({Group.TIME, Group.STATUS})


class SlotDependencies:
    """The spots of one location that are about to be free."""

    def __init__(self) -> None:
        self._leaving: dict[tuple[str, str], _Spot] = {}

    def expect(self, write: Write) -> None:
        """This write is planned, and may leave a spot."""
        spot = _left_by(write)
        if spot is not None:
            self._leaving[write.ids] = spot

    def settle(self, write: Write) -> None:
        """Whatever became of the write, nobody waits for it any more."""
        self._leaving.pop(write.ids, None)

    def awaited_by(self, write: Write) -> bool:
        """Whether a booking wants a spot that is not free yet."""
        if not self._leaving or not isinstance(write, Create) or not write.validate_slot:
            return False
        start, end = write.wanted.start, write.wanted.end
        if start is None or end is None:
            return False
        return any(
            calendar == write.calendar and since < end and start < until
            for calendar, since, until in self._leaving.values()
        )

    def clear(self) -> None:
        """Nothing that is planned leaves a spot."""
        self._leaving.clear()


def _left_by(write: Write) -> _Spot | None:
    if isinstance(write, Update):
        leaves = any(change.group in _LEAVES for change in write.changes)
    else:
        leaves = isinstance(write, Remove)
    if not leaves or not isinstance(write, Update | Remove):
        return None
    seen = write.seen
    start, end = seen.appointment.start, seen.appointment.end
    return (seen.calendar, start, end) if start and end else None
