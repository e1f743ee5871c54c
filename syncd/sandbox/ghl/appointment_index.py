"""The appointments of one HighLevel location, findable by calendar, contact and day.

Held by `location`; the handlers, `slots` and `series` read and write through it. It keeps no
stamps and asks no questions: those are its callers'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.timestamps import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from syncd.sandbox.ghl.records import GhlAppointment

_LONGEST = 400
"""Days that a row is filed under at most: an end years later must not fill the index."""


class AppointmentIndex:
    """Appointments by id, deleted ones and masters of series included."""

    def __init__(self, told: Callable[[str, GhlAppointment], None] | None = None) -> None:
        self._told = told or (lambda _word, _row: None)
        self._rows: dict[str, GhlAppointment] = {}
        self._by_calendar: dict[str, dict[str, None]] = {}
        self._by_contact: dict[str, dict[str, None]] = {}
        self._by_day: dict[int, dict[str, None]] = {}

    def __getitem__(self, key: str) -> GhlAppointment:
        return self._rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[GhlAppointment]:
        return iter(list(self._rows.values()))

    def get(self, key: str) -> GhlAppointment | None:
        """A row, or None."""
        return self._rows.get(key)

    def of_calendar(self, calendar: str) -> list[GhlAppointment]:
        """The active rows of a calendar, in no particular order."""
        return [self._rows[key] for key in self._by_calendar.get(calendar, ())]

    def of_contact(self, contact: str) -> list[GhlAppointment]:
        """All rows of a contact, deleted ones included."""
        return [self._rows[key] for key in self._by_contact.get(contact, ())]

    def near(self, start: datetime, end: datetime) -> Iterator[GhlAppointment]:
        """The active rows on the days that a span touches; some occur twice."""
        for day in range(_day(start), _day(end) + 1):
            for key in self._by_day.get(day, ()):
                yield self._rows[key]

    def insert(self, row: GhlAppointment) -> None:
        """Puts a new row in its place."""
        self._rows[row.id] = row
        self._file(row)
        self._told("AppointmentCreate", row)

    def change(self, row: GhlAppointment, **fields: Any) -> None:
        """Sets fields of a row and keeps it findable."""
        self._unfile(row)
        for key, value in fields.items():
            setattr(row, key, value)
        self._file(row)
        if "orphaned" not in fields:  # of a deleted contact the service tells no more than that
            word = "AppointmentDelete" if fields.get("deleted") else "AppointmentUpdate"
            self._told(word, row)

    def rename(self, row: GhlAppointment, new_id: str) -> None:
        """Gives a row another id: the old one is unknown from now on."""
        self._unfile(row)
        del self._rows[row.id]
        row.id = new_id
        self.insert(row)

    def _file(self, row: GhlAppointment) -> None:
        self._by_contact.setdefault(row.contact, {})[row.id] = None
        if row.deleted:
            return
        self._by_calendar.setdefault(row.calendar, {})[row.id] = None
        for day in _days(row):
            self._by_day.setdefault(day, {})[row.id] = None

    def _unfile(self, row: GhlAppointment) -> None:
        self._by_contact.get(row.contact, {}).pop(row.id, None)
        self._by_calendar.get(row.calendar, {}).pop(row.id, None)
        for day in _days(row):
            self._by_day.get(day, {}).pop(row.id, None)


def _day(moment: datetime) -> int:
    return (moment - EPOCH).days


def _days(row: GhlAppointment) -> range:
    first = _day(row.start)
    return range(first, max(first, min(_day(row.end), first + _LONGEST)) + 1)
