"""Between HighLevel's terms and the core's: appointments, calendars, users. Pure.

`reading` calls `snapshot` for every event, `writing` calls `booking` and
`changes` for the bodies of its requests. Leaves out contacts (`contacts`).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta, tzinfo

from syncd.core import mapped_fields
from syncd.core.essence import text, with_groups
from syncd.core.model import (
    MAPPED_PREFIX,
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
"""Newer names of three of the six: `completed` is stored as showed, and `statusDetails` pairs the
others (observed 2026-09-12)."""

_WRITABLE = frozenset({"new", "confirmed", "cancelled", "showed", "noshow", "invalid"})
"""The statuses that a write accepts (API description, v2)."""

_GROUP_OF_KEY = {
    "title": Group.TITLE,
    "assignedUserId": Group.OWNER,
    "address": Group.ADDRESS,
    "description": Group.DESCRIPTION,
    "contactId": Group.CONTACT,
}
API_SOURCE = "third_party"
"""`createdBy.source` of what an API client created, ours or not (observed 2026-07-17)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationContext:
    """What is needed of the location to read and write events."""

    location: str
    zone: tzinfo = UTC
    timezone: str = "UTC"
    country: str = ""
    teamless: frozenset[str] = frozenset()
    """Calendars without a team: their appointments have no assignee unless one is given."""
    slots: Mapping[str, timedelta] = field(default_factory=dict)
    """The length of a slot, by calendar."""
    mapped_fields: Mapping[str, str] = field(default_factory=dict)
    """Mapped fields: our name → the field, as in `core.mapped_fields`."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """URL templates of links, by our name, where they are not the default."""
    calendar_names: Mapping[str, str] = field(default_factory=dict)


def snapshot(event: wire.Event, context: LocationContext, *, calendar: str = "") -> Snapshot:
    """An event in the core's terms; an unreadable part is a `FieldError`, not an exception."""
    start, end = parse(event.start, context.zone), parse(event.end, context.zone)
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
            mapped_fields=_mapped_fields(event, context, calendar),
        ),
        contacts=(event.contact,) if event.contact else (),
        updated_at=stamp(event.updated, context.zone),
        created_at=parse(event.added, context.zone),
        gone=event.deleted,
        calendar=calendar,
        location_id=event.location or context.location,
        series=series(event),
        by_api=event.source == API_SOURCE,
        field_errors=tuple(
            _field_errors(event, unread_start=start is None, unread_end=end is None)
        ),
    )


def series(event: wire.Event) -> Series | None:
    """The series of an instance, by the master's id or by the form of its own id."""
    if event.master and event.master != event.id:
        return Series(master=event.master)
    # Most ids have no underscore: checking for one first is cheaper.
    parts = _INSTANCE.fullmatch(event.id) if "_" in event.id else None
    return Series(master=parts["master"]) if parts else None


def is_master(event: wire.Event) -> bool:
    """Whether an event is a whole series: a write to it would change every instance."""
    return bool(event.rule) and series(event) is None


def booking(command: WriteCommand, context: LocationContext) -> dict[str, object]:
    """The body of a create. Never `notes`: accepted and dropped (observed 2026-08-06)."""
    wanted = command.wanted
    body: dict[str, object] = {
        "calendarId": command.calendar,
        "locationId": context.location,
        "contactId": wanted.contact,
        # Automations run by default (API description): always explicit.
        "toNotify": command.notify,
        "ignoreFreeSlotValidation": not command.validate_slot,
    }
    if wanted.status:
        body["appointmentStatus"] = wanted.status
    body |= _times(wanted, context)
    for key, value in (
        ("title", wanted.title),
        ("assignedUserId", wanted.owner),
        ("description", wanted.description),
        # An address sets the meeting location to custom (API description): only a real one is sent.
        ("address", wanted.address),
    ):
        if value:
            body[key] = value
    mapped = {f"{MAPPED_PREFIX}{name}" for name, held in wanted.mapped_fields if held}
    return body | mapped_values.written(wanted, context.mapped_fields, mapped)


def changes(
    command: WriteCommand,
    current: Appointment,
    groups: Collection[GroupKey],
    context: LocationContext,
) -> dict[str, object]:
    """The body of an update that writes `groups`.

    The status is always sent, the current one unless it is written itself: a
    PUT without it may reset it to confirmed (observed 2026-10-06).
    """
    wanted = command.wanted
    body: dict[str, object] = {"toNotify": command.notify}
    status = wanted.status if Group.STATUS in groups else current.status
    # A status that can only be read would refuse the whole update.
    if status and (Group.STATUS in groups or status in _WRITABLE):
        body["appointmentStatus"] = status
    # Of an appointment that keeps its slot nothing is checked: people book outside the hours.
    taking = {Group.TIME, Group.OWNER} | ({Group.STATUS} if command.reopens else set())
    body["ignoreFreeSlotValidation"] = not command.validate_slot or taking.isdisjoint(groups)
    if Group.TIME in groups:
        body |= _times(wanted, context)
    if Group.TITLE in groups:
        body["title"] = wanted.title
    if Group.DESCRIPTION in groups:
        body["description"] = wanted.description
    if Group.ADDRESS in groups:
        body["address"] = wanted.address
    if Group.OWNER in groups and wanted.owner:
        body["assignedUserId"] = wanted.owner
    return body | mapped_values.written(wanted, context.mapped_fields, groups)


def shown_after(
    sent: Appointment,
    before: Appointment,
    answer: wire.Event | None,
    groups: Collection[GroupKey],
    context: LocationContext,
) -> Appointment:
    """What the record shows after a write of `groups`.

    The values of the answer, or those that were sent where it leaves them out:
    answers to writes have neither start nor end (observed 2026-07-17). The
    status is always the answer's, because a write may change it by itself.
    """
    after = with_groups(before, sent, groups)
    if answer is None:
        return after
    read = snapshot(answer, context).appointment
    present = {
        Group.TITLE: answer.title is not None,
        Group.STATUS: bool(answer.status),
        Group.OWNER: answer.assignee is not None,
        Group.DESCRIPTION: answer.description is not None,
        Group.ADDRESS: answer.address is not None,
        Group.TIME: read.start is not None and read.end is not None,
    }
    answered = [
        group for group in present if present[group] and (group in groups or group == Group.STATUS)
    ]
    after = with_groups(after, read, answered)
    if Group.OWNER in groups and not sent.owner and answer.assignee is None:
        # HighLevel cannot remove an assignee (API description).
        after = replace(after, owner=before.owner)
    return after


def shown_after_create(
    sent: Appointment, answer: wire.Event, context: LocationContext, calendar: str
) -> Appointment:
    """What a new booking shows, mapped fields that were not sent included."""
    groups = {*Group, *(f"{MAPPED_PREFIX}{name}" for name, _ in sent.mapped_fields)}
    shown = shown_after(sent, Appointment(), answer, groups, context)
    filled = dict(snapshot(answer, context, calendar=calendar).appointment.mapped_fields)
    return replace(shown, mapped_fields=tuple(sorted((filled | dict(shown.mapped_fields)).items())))


def omits_mapped_field(answer: wire.Event, context: LocationContext) -> bool:
    """Whether a write's answer may leave out a mapped field that the booking has."""
    derived = {mapped_fields.STATUS, mapped_fields.CALENDAR_NAME, mapped_fields.HIGHLEVEL_LINK}
    derived |= {"calendarId", "locationId"}
    return mapped_values.is_missing(answer, set(context.mapped_fields.values()) - derived)


def calendar(row: wire.CalendarRow) -> Calendar:
    """A calendar in the core's terms."""
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
    """A user in the core's terms."""
    return Person(id=row.id, email=row.email, name=row.name, active=not row.deleted)


def _times(wanted: Appointment, context: LocationContext) -> dict[str, object]:
    # With the offset: without one, bookings were shifted (reported, read 2026-11-20).
    found = (("startTime", wanted.start), ("endTime", wanted.end))
    return {key: with_offset(moment, context.zone) for key, moment in found if moment}


def _status(event: wire.Event) -> str:
    return _SAME_STATUS.get(event.status, event.status)


def _mapped_fields(
    event: wire.Event, context: LocationContext, calendar: str
) -> tuple[tuple[str, str], ...]:
    if not context.mapped_fields:
        return ()
    derived = {
        mapped_fields.STATUS: _status(event),
        mapped_fields.CALENDAR_NAME: context.calendar_names.get(calendar, ""),
        "calendarId": calendar,
        "locationId": event.location or context.location,
    }
    return mapped_values.read(
        event, context.mapped_fields, derived, context.templates, context.zone
    )


def _field_errors(event: wire.Event, *, unread_start: bool, unread_end: bool) -> list[FieldError]:
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
