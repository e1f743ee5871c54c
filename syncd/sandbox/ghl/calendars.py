"""The HighLevel endpoints of calendars, free slots, groups, users and the location.

Routed by `api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncd.sandbox.ghl import wire
from syncd.sandbox.ghl.checks import (
    known_query,
    milliseconds,
    refusal,
    unprocessable,
)
from syncd.sandbox.ghl.slots import LONGEST_RANGE, offered
from syncd.sandbox.timestamps import from_epoch_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.ghl.call import GhlCall
    from syncd.sandbox.http import Request, Response


def list_calendars(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /calendars/: drafts are included unless `showDrafted` says false."""
    known_query(request, ("locationId", "groupId", "showDrafted"))
    call.own_query(request)
    drafted = request.one("showDrafted", "true")
    if drafted not in ("true", "false"):
        raise unprocessable("showDrafted must be a boolean value")
    group = request.one("groupId")
    shown = [
        wire.calendar(call.location, row)
        for row in call.location.calendars.values()
        if row.deleted_at is None
        and (row.active or drafted == "true")
        and (group is None or row.group == group)
    ]
    return call.answer({"calendars": shown})


def get_calendar(call: GhlCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /calendars/{id}."""
    return call.answer({"calendar": wire.calendar(call.location, call.calendar(names["calendar"]))})


def list_groups(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /calendars/groups."""
    known_query(request, ("locationId",))
    call.own_query(request)
    groups = [
        {
            "id": key,
            "name": name,
            "locationId": call.location.id,
            "description": "",
            "slug": name.lower().replace(" ", "-"),
            "isActive": True,
        }
        for key, name in call.location.groups.items()
    ]
    return call.answer({"groups": groups})


def free_slots(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /calendars/{id}/free-slots: by local date, 31 days at most, a trace id beside."""
    known_query(request, ("startDate", "endDate", "timezone", "userId", "userIds"))
    calendar = call.calendar(names["calendar"])
    start = from_epoch_ms(milliseconds(request, "startDate"))
    end = from_epoch_ms(milliseconds(request, "endDate"))
    if end < start:
        raise refusal(400, "The end date must be after the start date")
    if end - start > LONGEST_RANGE:
        raise refusal(400, "The date range must not be more than 31 days")
    users = [*request.many("userId"), *request.many("userIds"), *request.many("userIds[]")]
    if any(user not in calendar.team for user in users):
        raise unprocessable("The user id not part of calendar team.")
    zone = _zone(request.one("timezone"), call.location.zone)
    days = offered(call.location, calendar, start, end, zone=zone, users=users)
    return call.answer({**days})


def list_users(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /users/: all at once, no paging; gone where the `Version` is v3."""
    known_query(request, ("locationId",))
    call.own_query(request)
    living = [row for row in call.location.users.values() if not row.deleted]
    return call.answer({"users": [wire.user(call.location, row) for row in living]})


def search_users(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /users/search: needs the company's id."""
    known = ("companyId", "query", "skip", "limit", "locationId", "type", "role", "ids", "sort")
    known_query(request, (*known, "sortDirection", "enabled2waySync"))
    if request.one("companyId") != call.location.company_id:
        raise unprocessable("companyId must be a string", "companyId should not be empty")
    if request.one("locationId") not in (None, call.location.id):
        raise refusal(403, "The token does not have access to this location.")
    query = (request.one("query") or "").lower()
    rows = [
        row
        for row in call.location.users.values()
        if query in row.name.lower() or query in row.email.lower()
    ]
    skip, limit = int(request.one("skip") or 0), int(request.one("limit") or 25)
    shown = [wire.user(call.location, row) | {"deleted": row.deleted} for row in rows]
    return call.answer({"users": shown[skip : skip + limit], "count": len(rows)})


def get_user(call: GhlCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /users/{id}."""
    row = call.location.users.get(names["user"])
    if row is None or row.deleted:
        raise refusal(400, "User not found")
    return call.answer(wire.user(call.location, row))


def get_location(call: GhlCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /locations/{id}."""
    call.own(names["location"])
    return call.answer({"location": wire.place(call.location)})


def _zone(name: str | None, default: ZoneInfo) -> ZoneInfo:
    if name is None:
        return default
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise unprocessable("timezone must be a valid IANA time zone") from error
