"""The records of a HighLevel location, as the service keeps them.

Made and changed by `location.GhlLocation` alone; `wire` turns them into JSON. Instants are
aware and in UTC; a None stands for a key that the service leaves out of its answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

STATUSES = ("new", "confirmed", "cancelled", "showed", "noshow", "invalid")
FREEING = frozenset({"cancelled", "invalid"})
"""The statuses that leave the slot to others."""

DAYS = timedelta(days=1)


@dataclass(slots=True, kw_only=True)
class GhlUser:
    """A member of the location's staff."""

    id: str
    name: str
    email: str
    phone: str = ""
    deleted: bool = False


@dataclass(slots=True, kw_only=True)
class GhlCalendar:
    """A calendar; it has no time zone of its own, the location's counts."""

    id: str
    name: str
    kind: str
    team: list[str]
    slot: timedelta
    interval: timedelta
    buffer: timedelta
    pre_buffer: timedelta
    opens: time
    closes: time | None
    """None: open until midnight."""
    open_days: frozenset[int]
    """Monday is 0."""
    notice: timedelta
    per_slot: int = 1
    active: bool = True
    auto_confirm: bool = True
    group: str | None = None
    title_template: str = "{{contact.name}}"
    deleted_at: datetime | None = None

    @property
    def primary(self) -> str | None:
        """The first member of the team; None on an event calendar."""
        return self.team[0] if self.team else None


@dataclass(slots=True, kw_only=True)
class GhlContact:
    """A person who books."""

    id: str
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    added: datetime
    updated: datetime
    additional_emails: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    fields: dict[str, object] = field(default_factory=dict)
    """Everything else, under the names that the API uses (address1, timezone, source, …)."""

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(slots=True, kw_only=True)
class GhlAppointment:
    """A booking, an instance of a series, or (with `rrule` and no master) a series."""

    id: str
    calendar: str
    contact: str
    title: str
    status: str
    start: datetime
    end: datetime
    added: datetime
    updated: datetime
    assignee: str | None = None
    users: list[str] = field(default_factory=list)
    address: str | None = None
    description: str | None = None
    notes: str | None = None
    source: str = "calendar_page"
    created_by: str | None = None
    meeting_location_type: str | None = None
    rrule: str | None = None
    master: str | None = None
    series: bool = False
    """This row is the master of a series, not an appointment of its own."""
    deleted: bool = False
    deleted_at: datetime | None = None
    orphaned: bool = False
    """Its contact was deleted: nobody can delete it any more."""

    def occupies(self) -> bool:
        """Whether it takes its slot."""
        return not self.deleted and not self.series and self.status not in FREEING


@dataclass(slots=True, kw_only=True)
class GhlBlock:
    """Blocked time of a calendar or of a user."""

    id: str
    title: str
    start: datetime
    end: datetime
    added: datetime
    updated: datetime
    calendar: str | None = None
    user: str | None = None
    deleted: bool = False


@dataclass(slots=True, kw_only=True)
class GhlNote:
    """A note on an appointment: another thing than the `notes` text of the event."""

    id: str
    appointment: str
    body: str
    user: str | None
    added: datetime
