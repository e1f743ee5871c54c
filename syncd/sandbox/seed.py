"""Worlds to start from: `empty` for tests, `seeded` with believable data for people.

All names, addresses and numbers are made up (example.com, +1 555 01xx).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from syncd.sandbox.world import SandboxWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncd.sandbox.settings import SandboxSettings

STAFF = (
    ("Dana Keller", "dana.keller@example.com"),
    ("Milo Brandt", "milo.brandt@example.com"),
    ("Ines Okafor", "ines.okafor@example.com"),
)
_PEOPLE = (
    ("Ada Winter", "ada.winter@example.com", "+1 555 0101"),
    ("Ben Torres", "ben.torres@example.com", "+1 555 0102"),
    ("Cleo Marsh", "cleo.marsh@example.com", "+1 555 0103"),
    ("Dario Lutz", "dario.lutz@example.com", "+1 555 0104"),
    ("Elin Sand", "elin.sand@example.com", "+1 555 0105"),
    ("Finn Abara", "finn.abara@example.com", "+1 555 0106"),
    ("Gia Novak", "gia.novak@example.com", "+1 555 0107"),
    ("Hugo Reyes", "hugo.reyes@example.com", "+1 555 0108"),
)
_HOURS: dict[str, Any] = {"opens": time(8), "closes": time(18), "open_days": range(5)}


def empty(now: Callable[[], datetime], settings: SandboxSettings | None = None) -> SandboxWorld:
    """One calendar per kind, three users who are owners too, nobody booked, nothing set up.

    The calendars' names are `Team`, `Personal`, `Class`, `Collective` and `Event`; all are open
    around the clock with slots of 30 minutes.
    """
    world = SandboxWorld(now, settings)
    location = world.location
    users = [location.add_user(name, email) for name, email in STAFF]
    for name, email in STAFF:
        world.portal.add_owner(name, email)
    location.add_calendar("Team", kind="round_robin", team=users[:2])
    location.add_calendar("Personal", kind="personal", team=users[2:])
    location.add_calendar("Class", kind="class_booking", team=users[:1], per_slot=8)
    location.add_calendar("Collective", kind="collective", team=users)
    location.add_calendar("Event", kind="event")
    return world


def seeded(now: Callable[[], datetime], settings: SandboxSettings | None = None) -> SandboxWorld:
    """A clinic with bookings in both systems, some of which are the same booking."""
    world = SandboxWorld(now, settings)
    clinic = _Clinic(world)
    clinic.bookings_in_highlevel()
    clinic.bookings_in_hubspot()
    return world


@dataclass(frozen=True, slots=True)
class _Row:
    """One booking in HighLevel: who, when (working days from today, local hour), what."""

    person: int
    calendar: str
    day: int
    at: time
    title: str
    status: str = "confirmed"
    description: str | None = None
    address: str | None = None


_ROOM = "12 Quay Street, room 2"
_ROWS = (
    _Row(0, "first", -6, time(9), "First consultation", "showed", "Brings earlier reports."),
    _Row(1, "first", -5, time(10, 30), "First consultation", "noshow"),
    _Row(2, "check", -2, time(14), "Check-up", "showed", None, _ROOM),
    _Row(3, "check", 1, time(9), "Check-up", "confirmed", "Asked for the early slot.", _ROOM),
    _Row(4, "first", 1, time(11), "First consultation", "new"),
    _Row(5, "check", 2, time(8, 30), "Check-up", "confirmed", None, _ROOM),
    _Row(6, "first", 2, time(15), "First consultation", "cancelled", "Called in: on holiday."),
    _Row(0, "check", 5, time(10), "Follow-up", "confirmed", None, _ROOM),
    _Row(1, "open", 6, time(18), "Evening lecture", "confirmed"),
    _Row(2, "open", 6, time(18), "Evening lecture", "confirmed"),
    _Row(7, "first", 8, time(13, 30), "First consultation", "confirmed"),
    _Row(4, "check", 12, time(16), "Follow-up", "new", None, _ROOM),
)


class _Clinic:
    """Fills one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        location, portal = world.location, world.portal
        users = [location.add_user(name, email) for name, email in STAFF]
        self._owners = [portal.add_owner(name, email) for name, email in STAFF]
        self._calendars = {
            "first": location.add_calendar(
                "First consultations", kind="round_robin", team=users[:2], **_HOURS
            ),
            "check": location.add_calendar(
                "Dr Okafor's check-ups", kind="personal", team=users[2:], **_HOURS
            ),
            "open": location.add_calendar("Open evenings", kind="event", slot_minutes=60),
        }
        self._contacts = [
            location.add_contact(name, email, phone) for name, email, phone in _PEOPLE
        ]
        # HubSpot knows six of the eight, and one person whom HighLevel does not know.
        self._people = [portal.add_contact(*person) for person in _PEOPLE[:6]]
        self._people.append(portal.add_contact("Iris Vale", "iris.vale@example.com", "+1 555 0109"))

    def bookings_in_highlevel(self) -> None:
        """Twelve, of all states."""
        for row in _ROWS:
            self._world.location.book(
                self._calendars[row.calendar],
                self._contacts[row.person],
                self._moment(row),
                60 if row.calendar == "open" else 30,
                title=row.title,
                status=row.status,
                description=row.description,
                address=row.address,
            )

    def bookings_in_hubspot(self) -> None:
        """Six: three that stand for bookings above, three of its own."""
        for number, owner in ((0, 0), (3, 2), (7, 2)):
            row = _ROWS[number]
            self._add(row, self._people[row.person], self._owners[owner])
        for number, day, title in (
            (5, 3, "Second opinion"),
            (6, 4, "Phone call"),
            (1, 9, "Review"),
        ):
            row = _Row(number, "first", day, time(9, 30), title, "confirmed")
            self._add(row, self._people[number], self._owners[0])

    def _add(self, row: _Row, contact: str, owner: str) -> None:
        start = self._moment(row)
        values = {
            "hs_appointment_name": row.title,
            "hs_appointment_start": start,
            "hs_appointment_end": start + timedelta(minutes=30),
            "hubspot_owner_id": owner,
        }
        if self._world.settings.hubspot_status == "native":
            values["hs_appointment_status"] = "COMPLETED" if row.status == "showed" else "SCHEDULED"
        self._world.portal.create(values, [contact])

    def _moment(self, row: _Row) -> datetime:
        zone = self._world.location.zone
        today = self._world.now().astimezone(zone).date()
        return datetime.combine(_working_day(today, row.day), row.at, zone)


def _working_day(today: date, number: int) -> date:
    """The day so many working days from today: the clinic is closed at weekends, whenever it is."""
    step = timedelta(days=1 if number > 0 else -1)
    day = today
    for _ in range(abs(number)):
        day += step
        while day.weekday() not in _HOURS["open_days"]:
            day += step
    return day
