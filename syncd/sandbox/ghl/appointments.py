"""The HighLevel endpoints that write appointments: create, update, delete.

Routed by `api`; reads are in `events`, blocked time in `blocks`. Each rule is beside the line
that implements it; all were observed on the live service or reported by developers unless a
comment says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from syncd.sandbox import rewriting
from syncd.sandbox.ghl import wire
from syncd.sandbox.ghl.checks import (
    EVENT_GONE,
    NO_ASSIGNEE,
    NOT_IN_TEAM,
    SLOT_GONE,
    body_of,
    fields,
    moment,
    refusal,
    unprocessable,
)
from syncd.sandbox.ghl.records import FREEING, STATUSES, GhlAppointment, GhlCalendar
from syncd.sandbox.ghl.slots import Wish, accepts
from syncd.sandbox.timestamps import to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from syncd.sandbox.ghl.call import GhlCall
    from syncd.sandbox.http import JsonObject, Request, Response

_UTC = ZoneInfo("UTC")
"""A written time without an offset is read as UTC, which is how bookings come out shifted."""

_EDIT_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(
        (
            *("title", "appointmentStatus", "assignedUserId", "description", "address"),
            *("meetingLocationType", "meetingLocationId", "rrule", "calendarId"),
            *("startTime", "endTime"),
        ),
        str,
    ),
    **dict.fromkeys(
        ("overrideLocationConfig", "ignoreDateRange", "toNotify", "ignoreFreeSlotValidation"), bool
    ),
    # Undocumented: accepted, and dropped without an error.
    "notes": (str, list),
}
_CREATE_TYPES = {**_EDIT_TYPES, "locationId": str, "contactId": str}
_REQUIRED = ("calendarId", "locationId", "contactId", "startTime")
_MEETING_TYPES = ("custom", "zoom", "gmeet", "phone", "address", "ms_teams", "google")


def create(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """POST /calendars/events/appointments: identical creates make duplicates."""
    body = body_of(request)
    fields(body, _CREATE_TYPES, required=_REQUIRED)
    call.own(body["locationId"])
    status = _status(call, body) or "confirmed"
    calendar = call.calendar(body["calendarId"])
    if body["contactId"] not in call.location.contacts:
        raise refusal(400, "The contact is not found")
    start = moment(body, "startTime", _UTC)
    assert start is not None  # noqa: S101 - `fields` has seen to it
    end = moment(body, "endTime", _UTC) or start + calendar.slot
    assignee = _assignee(call, calendar, body.get("assignedUserId"))
    if not body.get("ignoreFreeSlotValidation"):
        _bookable(
            call,
            Wish(
                calendar=calendar,
                start=start,
                end=end,
                assignee=assignee,
                text=body["startTime"],
                ignore_range=bool(body.get("ignoreDateRange")),
            ),
        )
    row = _inserted(call, body, _Booking(calendar, start, end, assignee, status))
    call.notify(body, "created", row.id)
    return call.answer(_answer(call, body, row), call.world.settings.create_status)


def update(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """PUT /calendars/events/appointments/{id}: without a status it goes back to confirmed."""
    body = body_of(request)
    fields(body, _EDIT_TYPES)
    row = call.event(names["event"])
    if row.deleted:
        # Unknown of the live service; the harsher guess.
        raise refusal(400, EVENT_GONE)
    changes = _changes(call, body, row)
    if not body.get("ignoreFreeSlotValidation"):
        _validate_move(call, body, row, changes)
    if row.series and (changes["start"] != row.start):
        call.location.shift(row, changes["start"] - row.start)
    call.location.appointments.change(row, updated=call.location.stamp(), **changes)
    call.location.renamed(row)
    call.notify(body, "updated", row.id)
    return call.answer(_answer(call, body, row))


def delete(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """DELETE /calendars/events/{id}: softly; it wants a JSON body; blocked time as well."""
    body_of(request)
    location, event = call.location, names["event"]
    block = location.blocks.get(event)
    if block is not None and not block.deleted:
        block.deleted = True
        return call.answer({"succeeded": True})
    row = location.appointments.get(event)
    if row is None or row.deleted or row.orphaned:
        raise refusal(400, EVENT_GONE)
    location.delete(event)
    return call.answer({"succeeded": True})


@dataclass(frozen=True, slots=True)
class _Booking:
    calendar: GhlCalendar
    start: datetime
    end: datetime
    assignee: str | None
    status: str


def _inserted(call: GhlCall, body: JsonObject, booking: _Booking) -> GhlAppointment:
    location = call.location
    stamp = location.stamp()
    validated = not body.get("ignoreFreeSlotValidation")
    # The rule of a series counts only if the slot is not checked.
    rrule = None if validated else body.get("rrule")
    row = GhlAppointment(
        id=location.ids.ghl(),
        calendar=booking.calendar.id,
        contact=body["contactId"],
        title=_text(call, body.get("title"))
        or location.rendered_title(booking.calendar.id, body["contactId"]),
        status=booking.status,
        start=_time(call, booking.start),
        end=_time(call, booking.end),
        added=stamp,
        updated=stamp,
        assignee=booking.assignee,
        address=_text(call, body.get("address")),
        description=_text(call, body.get("description")),
        source="third_party",
        meeting_location_type=_meeting_type(body),
        rrule=rrule,
        series=rrule is not None,
    )
    location.appointments.insert(row)
    if rrule is not None:
        location.expand(row)
    return row


def _changes(call: GhlCall, body: JsonObject, row: GhlAppointment) -> dict[str, Any]:
    status = _status(call, body)
    calendar = call.calendar(body.get("calendarId") or row.calendar)
    assignee = row.assignee
    if body.get("assignedUserId") or calendar.id != row.calendar:
        assignee = _assignee(call, calendar, body.get("assignedUserId") or row.assignee)
    start = moment(body, "startTime", _UTC) or row.start
    # A start alone keeps the length.
    end = moment(body, "endTime", _UTC) or start + (row.end - row.start)
    changes: dict[str, Any] = {
        "calendar": calendar.id,
        "assignee": assignee,
        "start": _time(call, start),
        "end": _time(call, end),
    }
    if status is not None:
        changes["status"] = status
    elif call.world.settings.status_reset_on_put:
        changes["status"] = "confirmed"
    for key in ("title", "address", "description"):
        if body.get(key) is not None:
            changes[key] = _text(call, body[key])
    if changes.get("title") == "":
        changes["title"] = call.location.rendered_title(calendar.id, row.contact)
    if _meeting_type(body) is not None:
        changes["meeting_location_type"] = _meeting_type(body)
    return changes


def _text(call: GhlCall, given: str | None) -> str | None:
    return given if given is None else rewriting.text(given, call.world.settings.ghl_texts)


def _time(call: GhlCall, given: datetime) -> datetime:
    rounds = call.world.settings.ghl_rounds_times
    return rewriting.instant(to_milliseconds(given), rounds=rounds)


def _answer(call: GhlCall, body: JsonObject, row: GhlAppointment) -> JsonObject:
    """The answer to a write; with the sent values if the service repeats them."""
    told = wire.written(call.location, row)
    if call.world.settings.ghl_repeats:
        told |= {key: body[key] for key in ("title", "address", "description") if body.get(key)}
    return told


def _validate_move(
    call: GhlCall, body: JsonObject, row: GhlAppointment, changes: Mapping[str, Any]
) -> None:
    if not call.world.settings.moves_validated:
        return
    status = changes.get("status", row.status)
    moved = (changes["start"], changes["end"]) != (row.start, row.end)
    reopened = (
        call.world.settings.reopening_validated and row.status in FREEING and status not in FREEING
    )
    elsewhere = (changes["calendar"], changes["assignee"]) != (row.calendar, row.assignee)
    if status in FREEING or not (moved or reopened or elsewhere):
        return
    wish = Wish(
        calendar=call.location.calendars[changes["calendar"]],
        start=changes["start"],
        end=changes["end"],
        assignee=changes["assignee"],
        text=body.get("startTime"),
        but=row.id,
        ignore_range=bool(body.get("ignoreDateRange")),
    )
    _bookable(call, wish, moved=moved)


def _bookable(call: GhlCall, wish: Wish, *, moved: bool = True) -> None:
    if not accepts(call.location, wish, moved=moved):
        raise refusal(400, SLOT_GONE)


def _status(call: GhlCall, body: JsonObject) -> str | None:
    status = body.get("appointmentStatus")
    if status is None:
        return None
    if status == "completed":
        return "showed"
    if status == "active" and call.version == "v3":
        return "confirmed"
    if status not in STATUSES:
        raise unprocessable("appointmentStatus must be a valid enum value")
    return str(status)


def _assignee(call: GhlCall, calendar: GhlCalendar, wanted: str | None) -> str | None:
    if wanted:
        if wanted not in calendar.team:
            raise unprocessable(NOT_IN_TEAM)
        return wanted
    if len(calendar.team) > 1 and call.world.settings.assignee_required:
        raise unprocessable(NO_ASSIGNEE)
    return calendar.primary


def _meeting_type(body: JsonObject) -> str | None:
    kind = body.get("meetingLocationType")
    if kind is not None and kind not in _MEETING_TYPES:
        raise unprocessable(f"meetingLocationType must be one of {', '.join(_MEETING_TYPES)}")
    if kind is None and body.get("address"):
        return "custom"
    return kind
