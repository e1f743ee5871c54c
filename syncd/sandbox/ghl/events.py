"""The HighLevel endpoints that read appointments: lists, one, a contact's.

Routed by `api`. A list goes by the event's own time: there is no paging, no order, no filter by
status or change.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from syncd.sandbox.ghl import wire
from syncd.sandbox.ghl.checks import known_query, milliseconds, refusal, unprocessable
from syncd.sandbox.timestamps import from_epoch_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from syncd.sandbox.ghl.call import GhlCall
    from syncd.sandbox.ghl.records import GhlAppointment
    from syncd.sandbox.http import Request, Response

_LIST_QUERY = ("locationId", "calendarId", "userId", "groupId", "startTime", "endTime")


def list_events(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /calendars/events: by the event's own time, no paging, deleted rows left out."""
    rows, start, end = _selected(call, request)
    within = _window(call, start, end)
    shown = [
        wire.event(call.location, row)
        for row in rows
        if within(row) and (not row.series or call.world.settings.list_masters)
    ]
    return call.answer({"events": sorted(shown, key=lambda row: str(row["id"]))})


def blocked_slots(call: GhlCall, request: Request, __: Mapping[str, str]) -> Response:
    """GET /calendars/blocked-slots: the other list of occupied time."""
    _, start, end = _selected(call, request)
    calendar, user = request.one("calendarId"), request.one("userId")
    blocks = [
        wire.block(call.location, row)
        for row in call.location.blocks.values()
        if not row.deleted
        and row.start < end
        and row.end > start
        and (calendar is None or row.calendar == calendar)
        and (user is None or row.user == user)
    ]
    return call.answer({"events": blocks})


def get_event(call: GhlCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /calendars/events/appointments/{id}: a deleted one is answered like an active one."""
    row = call.event(names["event"])
    return call.answer({call.world.settings.get_envelope: wire.event_details(call.location, row)})


def contact_appointments(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /contacts/{id}/appointments: local times without an offset."""
    known_query(request, ())
    contact = names["contact"]
    rows = [
        r for r in call.location.appointments.of_contact(contact) if not r.deleted and not r.series
    ]
    if contact not in call.location.contacts and not rows:
        raise refusal(400, "Contact not found")
    return call.answer({"events": [wire.contact_event(call.location, row) for row in rows]})


def _selected(
    call: GhlCall, request: Request
) -> tuple[Iterable[GhlAppointment], datetime, datetime]:
    known_query(request, _LIST_QUERY)
    call.own_query(request)
    span = [_instant(request, key) for key in ("startTime", "endTime")]
    calendar, user = request.one("calendarId"), request.one("userId")
    group = request.one("groupId")
    if not (calendar or user or group):
        raise unprocessable("Either calendarId, userId or groupId is required")
    location = call.location
    if calendar:
        rows: Iterable[GhlAppointment] = location.appointments.of_calendar(
            call.calendar(calendar).id
        )
    else:
        living = [c.id for c in location.calendars.values() if c.deleted_at is None]
        rows = (row for key in living for row in location.appointments.of_calendar(key))
    if user:
        rows = (row for row in rows if user == row.assignee or user in row.users)
    if group:
        rows = (row for row in rows if location.calendars[row.calendar].group == group)
    return rows, span[0], span[1]


def _instant(request: Request, key: str) -> datetime:
    # The service took windows up to 9999999999999; years that Python lacks are cut.
    farthest = 253_000_000_000_000
    value = milliseconds(request, key)
    return from_epoch_ms(max(-60_000_000_000_000, min(value, farthest)))


def _window(call: GhlCall, start: datetime, end: datetime) -> Callable[[GhlAppointment], bool]:
    if call.world.settings.list_rule == "start":
        return lambda row: start <= row.start <= end
    # A row without a length is seen where it starts.
    return lambda row: row.start <= end and max(row.end, row.start + timedelta(seconds=1)) > start
