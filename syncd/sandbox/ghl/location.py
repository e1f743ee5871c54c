"""One HighLevel location in memory, and a person's edits in its web pages.

`world.SandboxWorld` makes locations; tests, the demo and the control API edit them; the API
handlers read and write through the same records. `appointment_index` and `contact_index`
find them; `slots` works out slots, `series` series, `wire` the JSON.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from syncd.sandbox.announcing.changes import GhlChange
from syncd.sandbox.ghl import series, wire
from syncd.sandbox.ghl.appointment_index import AppointmentIndex
from syncd.sandbox.ghl.contact_index import ContactIndex
from syncd.sandbox.ghl.records import GhlAppointment, GhlBlock, GhlCalendar, GhlNote, GhlUser
from syncd.sandbox.timestamps import instant, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncd.sandbox.context import SandboxContext
    from syncd.sandbox.ghl.records import GhlContact
    from syncd.sandbox.ids import Ids
    from syncd.sandbox.settings import SandboxSettings

ALL_WEEK = frozenset(range(7))
RESTORE_WINDOW = timedelta(minutes=30)
"""A restored calendar brings back what was deleted this long before or after it."""

_EDITABLE = frozenset(
    {
        *("title", "status", "assignee", "address", "description", "notes", "users"),
        *("calendar", "contact", "start", "end"),
    }
)


class GhlLocation:
    """A location: calendars, users, contacts and appointments.

    Public methods are a person's edits; each moves the modification stamp of what it changes.
    Records that they return are copies.
    """

    def __init__(
        self,
        context: SandboxContext,
        *,
        id: str,  # noqa: A002 - the vendor's word
        name: str,
        timezone: str,
        token: str,
        country: str,
    ) -> None:
        self.id = id
        self.name = name
        self.timezone = timezone
        self.tokens = {token}
        self.token = token
        self.country = country
        self.company_id = "SandboxCompanyAAA001"
        self.suspended = False
        self.allow_duplicate_contacts = context.settings().allow_duplicate_contacts
        self.calendars: dict[str, GhlCalendar] = {}
        self.users: dict[str, GhlUser] = {}
        self.groups: dict[str, str] = {}
        self.blocks: dict[str, GhlBlock] = {}
        self.notes: dict[str, GhlNote] = {}
        self.contacts = ContactIndex(context, self._contact_told)
        self.appointments = AppointmentIndex(self._appointment_told)
        self._context = context

    # A person's edits of appointments.

    def book(
        self,
        calendar: str,
        contact: str,
        start: datetime | str,
        minutes: float = 30,
        *,
        title: str | None = None,
        status: str = "confirmed",
        assignee: str | None = None,
        address: str | None = None,
        description: str | None = None,
        **extra: Any,
    ) -> str:
        """Books without any check, as a person may; returns the id.

        An empty title becomes the contact's name, a missing assignee the calendar's first
        team member. `extra` are further fields of `GhlAppointment` (notes, users, source, …).

        Raises:
            KeyError: no such calendar or contact.
        """
        with self._context.lock:
            begins = to_milliseconds(instant(start))
            stamp = self.stamp()
            row = GhlAppointment(
                id=self._context.ids.ghl(),
                calendar=calendar,
                contact=contact,
                title=title or self.rendered_title(calendar, contact),
                status=status,
                start=begins,
                end=begins + timedelta(minutes=minutes),
                added=stamp,
                updated=stamp,
                assignee=assignee or self.calendars[calendar].primary,
                address=address,
                description=description,
                **extra,
            )
            self.appointments.insert(row)
            return row.id

    def edit(self, appointment: str, **fields: Any) -> str:
        """Changes fields of an appointment; returns its id afterwards.

        Fields: title, status, assignee, address, description, notes, users, calendar, start,
        end, and contact (which only a merge of contacts does). The id changes where an
        instance of a series moves.

        Raises:
            KeyError: no such appointment.
            TypeError: no such field.
        """
        unknown = set(fields) - _EDITABLE
        if unknown:
            raise TypeError(f"appointments have no {', '.join(sorted(unknown))}")
        with self._context.lock:
            for key in {"start", "end"} & set(fields):
                fields[key] = to_milliseconds(instant(fields[key]))
            row = self.appointments[appointment]
            self.appointments.change(row, updated=self.stamp(), **fields)
            return self.renamed(row)

    def move(
        self, appointment: str, start: datetime | str, end: datetime | str | None = None
    ) -> str:
        """Moves an appointment, keeping its length unless `end` is given; returns its id."""
        begins = instant(start)
        with self._context.lock:
            row = self.appointments[appointment]
            return self.edit(appointment, start=begins, end=end or begins + (row.end - row.start))

    def delete(self, appointment: str) -> None:
        """Deletes softly: get by id still answers, lists leave it out."""
        with self._context.lock:
            self._delete(self.appointments[appointment])

    def undelete(self, appointment: str) -> None:
        """What restoring a calendar does to one of its appointments."""
        with self._context.lock:
            row = self.appointments[appointment]
            self.appointments.change(row, deleted=False, deleted_at=None, updated=self.stamp())

    def get(self, appointment: str) -> GhlAppointment:
        """A copy of an appointment, deleted ones included.

        Raises:
            KeyError: no such appointment.
        """
        with self._context.lock:
            return _copy(self.appointments[appointment])

    def events(self) -> list[GhlAppointment]:
        """Copies of all active appointments, instances included, by start."""
        with self._context.lock:
            living = (a for a in self.appointments if not a.deleted and not a.series)
            return sorted(map(_copy, living), key=lambda row: (row.start, row.id))

    def add_series(
        self,
        calendar: str,
        contact: str,
        start: datetime | str,
        minutes: float = 30,
        *,
        rrule: str = "RRULE:FREQ=WEEKLY;INTERVAL=1;COUNT=4",
        **fields: Any,
    ) -> str:
        """Books a series; returns the master's id. Instances are `instances(master)`."""
        with self._context.lock:
            master = self.book(
                calendar, contact, start, minutes, **fields, rrule=rrule, series=True
            )
            self.expand(self.appointments[master])
            return master

    def instances(self, master: str) -> list[str]:
        """The ids of the active instances of a series, by start."""
        with self._context.lock:
            rows = [a for a in self.appointments if a.master == master and not a.deleted]
            return [row.id for row in sorted(rows, key=lambda row: row.start)]

    def move_series(self, master: str, by: timedelta) -> list[str]:
        """Moves a whole series; returns the instances' new ids."""
        with self._context.lock:
            self.shift(self.appointments[master], by)
            return self.instances(master)

    def expand(self, master: GhlAppointment) -> None:
        """Makes the instances of a master."""
        for row in series.instances(master, self.zone):
            self.appointments.insert(row)

    def shift(self, master: GhlAppointment, by: timedelta) -> None:
        """Moves a master and each active instance by the same amount of local time."""
        stamp = self.stamp()
        rows = [self.appointments[key] for key in self.instances(master.id)]
        # Later ones first, where they move forward: two instances must never share an id.
        rows.sort(key=lambda row: row.start, reverse=by > timedelta(0))
        for row in [master, *rows]:
            start, length = series.later(row.start, by, self.zone), row.end - row.start
            self.appointments.change(row, start=start, end=start + length, updated=stamp)
            self.renamed(row)

    def renamed(self, row: GhlAppointment) -> str:
        """Gives a moved instance the id that its new time asks for; returns the id in force."""
        if row.master is not None and row.id != series.instance_id(row):
            self.appointments.rename(row, series.instance_id(row))
        return row.id

    # A person's edits of calendars, users and contacts.

    def add_calendar(
        self,
        name: str = "",
        *,
        kind: str = "round_robin",
        team: Sequence[str] = (),
        slot_minutes: float = 30,
        interval_minutes: float | None = None,
        buffer_minutes: float = 0,
        pre_buffer_minutes: float = 0,
        opens: time = time(0),
        closes: time | None = None,
        open_days: Iterable[int] = ALL_WEEK,
        notice: timedelta = timedelta(0),
        **extra: Any,
    ) -> str:
        """Adds a calendar, open around the clock unless told otherwise; returns its id."""
        with self._context.lock:
            calendar = GhlCalendar(
                id=self._context.ids.ghl(),
                name=name or kind.replace("_", " ").title(),
                kind=kind,
                team=list(team),
                slot=timedelta(minutes=slot_minutes),
                interval=timedelta(minutes=interval_minutes or slot_minutes),
                buffer=timedelta(minutes=buffer_minutes),
                pre_buffer=timedelta(minutes=pre_buffer_minutes),
                opens=opens,
                closes=closes,
                open_days=frozenset(open_days),
                notice=notice,
                **extra,
            )
            self.calendars[calendar.id] = calendar
            return calendar.id

    def delete_calendar(self, calendar: str) -> None:
        """Deletes a calendar and, with it, all of its appointments."""
        with self._context.lock:
            self.calendars[calendar].deleted_at = self.stamp()
            for row in self.appointments.of_calendar(calendar):
                self._delete(row)

    def restore_calendar(self, calendar: str) -> None:
        """Restores a calendar and the records deleted with it, with the same ids."""
        with self._context.lock:
            gone_at = self.calendars[calendar].deleted_at
            self.calendars[calendar].deleted_at = None
            for row in self.appointments:
                if row.calendar == calendar and row.deleted_at is not None and gone_at is not None:  # noqa: SIM102
                    if abs(row.deleted_at - gone_at) <= RESTORE_WINDOW:
                        self.appointments.change(row, deleted=False, deleted_at=None)

    def deactivate_calendar(self, calendar: str, *, active: bool = False) -> None:
        """Makes a calendar a draft; its appointments stay. `active=True` brings it back."""
        with self._context.lock:
            self.calendars[calendar].active = active

    def set_team(self, calendar: str, team: Sequence[str]) -> None:
        """Replaces the team of a calendar."""
        with self._context.lock:
            self.calendars[calendar].team = list(team)

    def add_group(self, name: str) -> str:
        """Adds a calendar group; returns its id."""
        with self._context.lock:
            group = self._context.ids.ghl()
            self.groups[group] = name
            return group

    def add_user(
        self, name: str, email: str, phone: str = "", *, personal_calendar: bool = False
    ) -> str:
        """Adds a user; returns its id. The service makes a personal calendar with one."""
        with self._context.lock:
            user = GhlUser(id=self._context.ids.ghl(), name=name, email=email, phone=phone)
            self.users[user.id] = user
            if personal_calendar:
                self.add_calendar(f"{name}'s Personal Calendar", kind="personal", team=[user.id])
            return user.id

    def add_contact(
        self, name: str = "", email: str | None = None, phone: str | None = None, **fields: Any
    ) -> str:
        """Adds a contact without looking for duplicates; returns its id.

        `fields` are the API's other names: additionalEmails, tags, timezone, address1, ….
        """
        with self._context.lock:
            values = {"name": name, "email": email, "phone": phone, **fields}
            return self.contacts.add(values).id

    def edit_contact(self, contact: str, **fields: Any) -> None:
        """Changes a contact; `fields` are the API's names."""
        with self._context.lock:
            self.contacts.change(self.contacts[contact], fields)

    def delete_contact(self, contact: str) -> None:
        """Deletes a contact; its appointments become orphans that nobody can delete."""
        with self._context.lock:
            self.contacts.remove(contact)
            for row in self.appointments.of_contact(contact):
                if not row.deleted:
                    self.appointments.change(row, orphaned=True, status="invalid")

    def merge_contacts(self, survivor: str, other: str) -> None:
        """Merges `other` away: its appointments go over to the survivor."""
        with self._context.lock:
            for row in self.appointments.of_contact(other):
                self.appointments.change(row, contact=survivor, updated=self.stamp())
            self.contacts.remove(other)

    def block(
        self,
        start: datetime | str,
        end: datetime | str,
        *,
        calendar: str | None = None,
        user: str | None = None,
        title: str = "Blocked",
    ) -> str:
        """Blocks time of a calendar or of a user; returns the id."""
        with self._context.lock:
            stamp = self.stamp()
            block = GhlBlock(
                id=self._context.ids.ghl(),
                title=title,
                start=instant(start),
                end=instant(end),
                calendar=calendar,
                user=user,
                added=stamp,
                updated=stamp,
            )
            self.blocks[block.id] = block
            return block.id

    # Also used by the API handlers.

    @property
    def zone(self) -> ZoneInfo:
        """The location's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def settings(self) -> SandboxSettings:
        """The settings of the world."""
        return self._context.settings()

    @property
    def ids(self) -> Ids:
        """The ids of the world."""
        return self._context.ids

    def stamp(self) -> datetime:
        """The current instant, to the millisecond."""
        return to_milliseconds(self._context.now())

    def living_calendar(self, calendar: str | None) -> GhlCalendar | None:
        """A calendar that is not deleted."""
        found = self.calendars.get(calendar or "")
        return found if found is not None and found.deleted_at is None else None

    def rendered_title(self, calendar: str, contact: str) -> str:
        """The title that the service gives where the booking has none."""
        template = self.calendars[calendar].title_template
        person = self.contacts.get(contact)
        return template.replace("{{contact.name}}", person.name if person else "")

    def _appointment_told(self, word: str, row: GhlAppointment) -> None:
        announcer = self._context.announcer
        if announcer.active:
            announcer.took_place(
                GhlChange(
                    type=word,
                    location=self.id,
                    record=row.id,
                    calendar=row.calendar,
                    shown={"appointment": wire.announced(self, row)},
                    at=self.stamp(),
                )
            )

    def _contact_told(self, word: str, row: GhlContact) -> None:
        announcer = self._context.announcer
        if announcer.active:
            shown = {"id": row.id, "name": row.name, "email": row.email, "phone": row.phone}
            announcer.took_place(
                GhlChange(type=word, location=self.id, record=row.id, shown=shown, at=self.stamp())
            )

    def _delete(self, row: GhlAppointment) -> None:
        stamp = self.stamp()
        moves = {"updated": stamp} if self.settings.delete_moves_date_updated else {}
        self.appointments.change(row, deleted=True, deleted_at=stamp, **moves)
        if row.series:
            for instance in self.instances(row.id):
                self._delete(self.appointments[instance])


def _copy(row: GhlAppointment) -> GhlAppointment:
    return replace(row, users=list(row.users))
