"""The HighLevel endpoints that write blocked time. Deleting it is `appointments.delete`.

Routed by `api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from syncd.sandbox.ghl import wire
from syncd.sandbox.ghl.checks import EVENT_GONE, body_of, fields, moment, refusal, unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.ghl.call import GhlCall
    from syncd.sandbox.http import Request, Response

_UTC = ZoneInfo("UTC")
_TYPES = dict.fromkeys(
    ("title", "calendarId", "assignedUserId", "locationId", "startTime", "endTime"), str
)


def create_block(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """POST /calendars/events/block-slots: a calendar or a user, not both."""
    body = body_of(request)
    fields(body, _TYPES, required=("locationId", "startTime", "endTime"))
    call.own(body["locationId"])
    calendar, user = body.get("calendarId"), body.get("assignedUserId")
    if (calendar is None) == (user is None):
        raise unprocessable("Either calendarId or assignedUserId can be set, not both")
    if calendar is not None and call.calendar(calendar).kind != "event":
        raise refusal(400, "The calendar is not an event calendar.")
    start, end = moment(body, "startTime", _UTC), moment(body, "endTime", _UTC)
    assert start is not None  # noqa: S101 - required above
    assert end is not None  # noqa: S101
    block = call.location.block(
        start, end, calendar=calendar, user=user, title=body.get("title", "")
    )
    return call.answer(wire.block(call.location, call.location.blocks[block]), 201)


def update_block(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """PUT /calendars/events/block-slots/{id}: title and times; the holder stays."""
    body = body_of(request)
    fields(body, _TYPES)
    row = call.location.blocks.get(names["event"])
    if row is None or row.deleted:
        raise refusal(400, EVENT_GONE)
    row.title = body.get("title", row.title)
    row.start = moment(body, "startTime", _UTC) or row.start
    row.end = moment(body, "endTime", _UTC) or row.end
    row.updated = call.location.stamp()
    return call.answer(wire.block(call.location, row), 201)
