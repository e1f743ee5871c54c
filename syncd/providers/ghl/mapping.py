"""Between HighLevel's words and the core's: appointments, calendars, people; pure.

The provider calls `snapshot` on every event it reads, and `booking` and
`changes` for the bodies of its writes. Leaves out contacts (`people`).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta, tzinfo

from syncd.core import mapped_fields
from syncd.core.essence import text, with_groups
from syncd.core.model import (
    EXTRA_PREFIX,
    Appointment,
    Calendar,
    FieldError,
    Group,
    GroupKey,
    Person,
    Series,
    Side,
    Snapshot,
)
from syncd.ports.provider import WriteCommand
from syncd.providers.ghl import mapped_values, wire
from syncd.providers.ghl.timestamps import parse, stamp, with_offset

_INSTANCE = re.compile(r"(?P<master>.+)_\d{9,14}_\d+")
"""Master id, start in epoch milliseconds, length in seconds (API description, examples)."""

_SAME_STATUS = {"completed": "showed", "active": "confirmed", "pending": "new"}
"""Newer words for three of the six: `completed` is stored as showed (observed), and the
machine words beside the status pair the others."""

_WRITABLE = frozenset({"new", "confirmed", "cancelled", "showed", "noshow", "invalid"})
"""What a write takes for a status (API description, v2)."""

_GROUP_OF_KEY = {
    "title": Group.TITLE,
    "assignedUserId": Group.OWNER,
    "address": Group.ADDRESS,
    "description": Group.DESCRIPTION,
    "contactId": Group.CONTACT,
}
API_SOURCE = "third_party"
"""`createdBy.source` of whatever any API client made, ours or not (observed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationContext:
    """What reading and writing an event takes to know of the location."""

    location: str
    zone: tzinfo = UTC
    timezone: str = "UTC"
    country: str = ""
    teamless: frozenset[str] = frozenset()
    """Calendars without a team: their appointments have no assignee unless one is given."""
    slots: Mapping[str, timedelta] = field(default_factory=dict)
    """How long a slot of each calendar is."""
    mapped_fields: Mapping[str, str] = field(default_factory=dict)
    """Further mapped fields: our name → the field, as `core.mapped_fields` calls it."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Addresses of links, by our name, where they are not the usual ones."""
    calendar_names: Mapping[str, str] = field(default_factory=dict)


def snapshot(
    event: wire.Event, location_context: LocationContext, *, calendar: str = ""
) -> Snapshot:
    """An event as the core sees it; a part that cannot be understood is a flaw, not an error."""
    start, end = parse(event.start, location_context.zone), parse(event.end, location_context.zone)
    calendar = event.calendar or calendar
    return Snapshot(
        side=Side.GHL,
        id=event.id,
        appointment=Appointment(
            title=text(event.title),
            start=start,
            end=end,
            status=_status(event),
            description=text(event.description),
            address=text(event.address),
            owner=text(event.assignee),
            contact=event.contact,
            mapped_fields=_extras(event, location_context, calendar),
        ),
        contacts=(event.contact,) if event.contact else (),
        updated_at=stamp(event.updated, location_context.zone),
        created_at=parse(event.added, location_context.zone),
        gone=event.deleted,
        calendar=calendar,
        location_id=event.location or location_context.location,
        series=series(event),
        by_api=event.source == API_SOURCE,
        field_errors=tuple(_flaws(event, unread_start=start is None, unread_end=end is None)),
    )


def series(event: wire.Event) -> Series | None:
    """The series of an instance: told by the master's id, or by the shape of its own."""
    if event.master and event.master != event.id:
        return Series(master=event.master)
    # Most ids have no part of their own: looking for one first is the cheaper half.
    shape = _INSTANCE.fullmatch(event.id) if "_" in event.id else None
    return Series(master=shape["master"]) if shape else None


def is_master(event: wire.Event) -> bool:
    """Whether an event stands for a whole series: writing to it would write to all of it."""
    return bool(event.rule) and series(event) is None


def booking(command: WriteCommand, location_context: LocationContext) -> dict[str, object]:
    """The body of a create. Never `notes`, which is accepted and dropped (observed)."""
    wanted = command.wanted
    body: dict[str, object] = {
        "calendarId": command.calendar,
        "locationId": location_context.location,
        "contactId": wanted.contact,
        # Automations run by default: say it every time.
        "toNotify": command.notify,
        "ignoreFreeSlotValidation": not command.validate_slot,
    }
    if wanted.status:
        body["appointmentStatus"] = wanted.status
    body |= _times(wanted, location_context)
    for key, value in (
        ("title", wanted.title),
        ("assignedUserId", wanted.owner),
        ("description", wanted.description),
        # An address makes the meeting place custom, so only a real one is sent.
        ("address", wanted.address),
    ):
        if value:
            body[key] = value
    named = {f"{EXTRA_PREFIX}{name}" for name, held in wanted.mapped_fields if held}
    return body | mapped_values.written(wanted, location_context.mapped_fields, named)


def changes(
    command: WriteCommand,
    fresh: Appointment,
    groups: Collection[GroupKey],
    location_context: LocationContext,
) -> dict[str, object]:
    """The body of an update that writes `groups`.

    The status always goes with it, the fresh one unless it is written itself:
    a PUT without it was seen to reset it to confirmed.
    """
    wanted = command.wanted
    body: dict[str, object] = {"toNotify": command.notify}
    status = wanted.status if Group.STATUS in groups else fresh.status
    # A word that may only be read would refuse the whole update.
    if status and (Group.STATUS in groups or status in _WRITABLE):
        body["appointmentStatus"] = status
    validated = command.validate_slot and not {Group.TIME, Group.STATUS, Group.OWNER}.isdisjoint(
        groups
    )
    body["ignoreFreeSlotValidation"] = not validated
    if Group.TIME in groups:
        body |= _times(wanted, location_context)
    if Group.TITLE in groups:
        body["title"] = wanted.title
    if Group.DESCRIPTION in groups:
        body["description"] = wanted.description
    if Group.ADDRESS in groups:
        body["address"] = wanted.address
    if Group.OWNER in groups and wanted.owner:
        body["assignedUserId"] = wanted.owner
    return body | mapped_values.written(wanted, location_context.mapped_fields, groups)


def shown_after(
    sent: Appointment,
    before: Appointment,
    answer: wire.Event | None,
    groups: Collection[GroupKey],
    location_context: LocationContext,
) -> Appointment:
    """What the record shows after a write of `groups`.

    What the answer says, or what was sent where it is silent: write answers
    have neither start nor end (observed). The status is always the answer's,
    because a write may change it unasked.
    """
    after = with_groups(before, sent, groups)
    if answer is None:
        return after
    read = snapshot(answer, location_context).appointment
    told = {
        Group.TITLE: answer.title is not None,
        Group.STATUS: bool(answer.status),
        Group.OWNER: answer.assignee is not None,
        Group.DESCRIPTION: answer.description is not None,
        Group.ADDRESS: answer.address is not None,
        Group.TIME: read.start is not None and read.end is not None,
    }
    heard = [group for group in told if told[group] and (group in groups or group == Group.STATUS)]
    after = with_groups(after, read, heard)
    if Group.OWNER in groups and not sent.owner and answer.assignee is None:
        # HighLevel has no way to take an assignee away.
        after = replace(after, owner=before.owner)
    return after


def as_made(
    sent: Appointment, answer: wire.Event, location_context: LocationContext, calendar: str
) -> Appointment:
    """What a new booking shows, further fields that nobody sent included."""
    groups = {*Group, *(f"{EXTRA_PREFIX}{name}" for name, _ in sent.mapped_fields)}
    shown = shown_after(sent, Appointment(), answer, groups, location_context)
    told = dict(snapshot(answer, location_context, calendar=calendar).appointment.mapped_fields)
    return replace(shown, mapped_fields=tuple(sorted((told | dict(shown.mapped_fields)).items())))


def is_silent(answer: wire.Event, location_context: LocationContext) -> bool:
    """Whether a write's answer may leave out a further field that the booking has."""
    derived = {mapped_fields.STATUS, mapped_fields.CALENDAR_NAME, mapped_fields.HIGHLEVEL_LINK}
    derived |= {"calendarId", "locationId"}
    return mapped_values.is_silent(answer, set(location_context.mapped_fields.values()) - derived)


def calendar(row: wire.CalendarRow) -> Calendar:
    """A calendar as the core sees it."""
    return Calendar(
        id=row.id,
        name=row.name,
        active=row.active,
        kind=row.kind,
        team=row.team,
        primary=row.primary,
        slot_minutes=row.slot_minutes,
    )


def person(row: wire.UserRow) -> Person:
    """A user as the core sees it."""
    return Person(id=row.id, email=row.email, name=row.name, active=not row.deleted)


def _times(wanted: Appointment, location_context: LocationContext) -> dict[str, object]:
    # With the offset: a time without one was seen to end in shifted bookings.
    found = (("startTime", wanted.start), ("endTime", wanted.end))
    return {key: with_offset(moment, location_context.zone) for key, moment in found if moment}


def _status(event: wire.Event) -> str:
    return _SAME_STATUS.get(event.status, event.status)


def _extras(
    event: wire.Event, location_context: LocationContext, calendar: str
) -> tuple[tuple[str, str], ...]:
    if not location_context.mapped_fields:
        return ()
    derived = {
        mapped_fields.STATUS: _status(event),
        mapped_fields.CALENDAR_NAME: location_context.calendar_names.get(calendar, ""),
        "calendarId": calendar,
        "locationId": event.location or location_context.location,
    }
    return mapped_values.read(
        event,
        location_context.mapped_fields,
        derived,
        location_context.templates,
        location_context.zone,
    )


def _flaws(event: wire.Event, *, unread_start: bool, unread_end: bool) -> list[FieldError]:
    found = [
        FieldError(
            group=_GROUP_OF_KEY[key], reason="unreadable", detail=f"{key} is no text in HighLevel"
        )
        for key in sorted(event.broken)
    ]
    if unread_start and event.start in (None, ""):
        found.append(
            FieldError(
                group=Group.TIME, reason="missing_time", detail="it has no start in HighLevel"
            )
        )
    elif unread_start or (unread_end and event.end not in (None, "")):
        found.append(
            FieldError(
                group=Group.TIME,
                reason="unreadable",
                detail="its times in HighLevel cannot be understood",
            )
        )
    return found
