"""HighLevel's requests as values, and its refusals as our errors; no I/O.

The provider's modules build every request here and pass each answer that is no
success to `refusal`. Each builder names the scope that it needs, so that a
refusal can name the missing one. Paths, keys and `Version` values are those of
HighLevel's own API descriptions (v2, 2026-06-19); where the service behaves
differently, the line says when that was observed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from syncd.core.model import Side
from syncd.errors import AuthFailed, NotFound, ProviderError, Rejected
from syncd.ports.refusals import Asked
from syncd.providers.ghl.timestamps import milliseconds
from syncd.providers.message import Request, Response, segment

CALENDAR_VERSION = "2021-04-15"
VERSION = "2021-07-28"
"""Of contacts, users and locations: the calendars' version is a 404 there (observed 2026-08-06)."""

EVENTS_READ = "calendars/events.readonly"
EVENTS_WRITE = "calendars/events.write"
CALENDARS_READ = "calendars.readonly"
CONTACTS_READ = "contacts.readonly"
CONTACTS_WRITE = "contacts.write"
LOCATIONS_READ = "locations.readonly"
USERS_READ = "users.readonly"

PAGE = 500
"""The largest page of a contact search (observed 2026-07-17)."""

_SLOT_GONE = "no longer available"
_NOT_IN_TEAM = "calendar team"
_EVENT_GONE = ("event id is invalid", "already been deleted")
_NO_CALENDAR = "calendar is not found"
_SUSPENDED = "location is not active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request with the scope that its token needs."""

    request: Request
    scope: str

    @property
    def asked(self) -> Asked:
        """What it is about."""
        return self.request.asked

    def when(self, ready: Callable[[], None] | None) -> Self:
        """The same call with `ready` as in `Request`."""
        return replace(self, request=replace(self.request, ready=ready))


def get_location(location: str) -> Call:
    """GET /locations/{id}: time zone, country, company."""
    return _call("GET", f"/locations/{_segment(location)}", LOCATIONS_READ, Asked.SIDE)


def list_calendars(location: str) -> Call:
    """GET /calendars/: all at once, drafts included (`showDrafted` is true by default)."""
    return _call("GET", "/calendars/", CALENDARS_READ, Asked.SIDE, query={"locationId": location})


def list_users(location: str) -> Call:
    """GET /users/: deprecated, but the only list for a token without a company id."""
    return _call("GET", "/users/", USERS_READ, Asked.BESIDE, query={"locationId": location})


def search_users(location: str, company: str, skip: int, limit: int) -> Call:
    """GET /users/search: where the older list no longer exists; needs the company's id."""
    query = {"companyId": company, "locationId": location, "skip": str(skip), "limit": str(limit)}
    return _call("GET", "/users/search", USERS_READ, Asked.BESIDE, query=query)


def list_events(
    location: str, calendar: str, since: datetime, until: datetime, *, user: str = ""
) -> Call:
    """GET /calendars/events: by the events' own time, no paging, deleted ones left out.

    With a `user`, those of that user instead, on whatever calendar.
    """
    query = {
        "locationId": location,
        # One of calendarId, userId and groupId is required: without, 422 (observed 2026-09-12).
        **({"userId": user} if user else {"calendarId": calendar}),
        "startTime": milliseconds(since),
        "endTime": milliseconds(until),
    }
    return _call("GET", "/calendars/events", EVENTS_READ, Asked.PART, query=query)


def get_event(event: str) -> Call:
    """GET one appointment or instance; a deleted one answers 200 with `deleted: true`."""
    path = f"/calendars/events/appointments/{_segment(event)}"
    return _call("GET", path, EVENTS_READ, Asked.RECORD)


def create_event(body: Mapping[str, object]) -> Call:
    """POST an appointment. There is no key that would make it repeatable."""
    path = "/calendars/events/appointments"
    return _call("POST", path, EVENTS_WRITE, Asked.WRITE, json=body, repeatable=False)


def update_event(event: str, body: Mapping[str, object]) -> Call:
    """PUT some fields of an appointment; not repeatable where it notifies the contact."""
    path = f"/calendars/events/appointments/{_segment(event)}"
    unnotified = body.get("toNotify") is False
    return _call("PUT", path, EVENTS_WRITE, Asked.WRITE, json=body, repeatable=unnotified)


def delete_event(event: str) -> Call:
    """DELETE softly. Not under `appointments`; the description wants a JSON body."""
    path = f"/calendars/events/{_segment(event)}"
    return _call("DELETE", path, EVENTS_WRITE, Asked.WRITE, json={})


def free_slots(
    calendar: str, since: datetime, until: datetime, timezone: str, user: str = ""
) -> Call:
    """GET the offered slots of at most 31 days (more is a 400, observed 2026-08-06)."""
    query = {"startDate": milliseconds(since), "endDate": milliseconds(until), "timezone": timezone}
    if user:
        query["userId"] = user
    path = f"/calendars/{_segment(calendar)}/free-slots"
    return _call("GET", path, CALENDARS_READ, Asked.PART, query=query)


def get_contact(contact: str) -> Call:
    """GET a contact: not delayed, unlike search."""
    return _call("GET", f"/contacts/{_segment(contact)}", CONTACTS_READ, Asked.RECORD)


def search_contacts(location: str, after: tuple[object, ...] = ()) -> Call:
    """POST a search for all contacts, page by page (each row holds its `searchAfter`)."""
    body: dict[str, object] = {"locationId": location, "pageLimit": PAGE}
    if after:
        body["searchAfter"] = list(after)
    return _call("POST", "/contacts/search", CONTACTS_READ, Asked.BESIDE, json=body)


def find_duplicate(location: str, *, email: str = "", number: str = "") -> Call:
    """GET the contact that a create with this e-mail or number would duplicate."""
    query = {"locationId": location}
    if email:
        query["email"] = email
    if number:
        query["number"] = number
    return _call("GET", "/contacts/search/duplicate", CONTACTS_READ, Asked.RECORD, query=query)


def create_contact(body: Mapping[str, object]) -> Call:
    """POST a contact; never the upsert, which overwrites an existing one (API description)."""
    return _call("POST", "/contacts/", CONTACTS_WRITE, Asked.WRITE, json=body, repeatable=False)


def update_contact(contact: str, body: Mapping[str, object]) -> Call:
    """PUT some fields of a contact: only for the doctor, on its own or a nonexistent contact."""
    return _call("PUT", f"/contacts/{_segment(contact)}", CONTACTS_WRITE, Asked.WRITE, json=body)


def delete_contact(contact: str) -> Call:
    """DELETE a contact: only for the probe, on its own contact."""
    return _call("DELETE", f"/contacts/{_segment(contact)}", CONTACTS_WRITE, Asked.WRITE)


def contact_events(contact: str) -> Call:
    """GET a contact's appointments: local times without an offset."""
    path = f"/contacts/{_segment(contact)}/appointments"
    return _call("GET", path, CONTACTS_READ, Asked.RECORD)


def refusal(call: Call, response: Response, *, location: str = "") -> ProviderError:
    """The error of an answer that is no 2xx: `AuthFailed`, `NotFound` or `Rejected`.

    `ports.refusals` says how far it reaches.
    """
    status, text = response.status, response.message.casefold()
    if status in (401, 403):
        return _denied(call, response, location)
    if _SUSPENDED in text:
        return AuthFailed(
            f"HighLevel answers {response.summary}: the sub-account {location} is suspended; "
            "reactivate it, or pause this link",
            side=Side.GHL,
            status=status,
        )
    if status == 404 or (status == 400 and _is_unknown_id(text)):
        return NotFound(f"{call.request.label}: {response.summary}", side=Side.GHL, status=status)
    reason = "rejected"
    if _SLOT_GONE in text:
        reason = "slot_taken"
    elif _NOT_IN_TEAM in text:
        reason = "outside_team"
    return Rejected(f"HighLevel: {response.summary}", side=Side.GHL, status=status, reason=reason)


def _denied(call: Call, response: Response, location: str) -> AuthFailed:
    # A missing scope is a 401 as well, and permanent (observed 2026-08-19).
    if "scope" in response.message.casefold():
        return AuthFailed(
            f"the HighLevel token lacks the scope {call.scope}; add it to the private "
            f"integration ({response.summary})",
            side=Side.GHL,
            status=response.status,
            missing_scope=True,
        )
    if response.status == 403:
        return AuthFailed(
            f"HighLevel answers {response.summary}: check that location_id {location!r} is the "
            "sub-account that the token was made in",
            side=Side.GHL,
            status=403,
        )
    return AuthFailed(
        f"HighLevel refuses the token ({response.summary}); check that it is complete, of the "
        "right sub-account, and not rotated",
        side=Side.GHL,
    )


def _is_unknown_id(text: str) -> bool:
    # Unknown ids are a 404 or a 400 (observed 2026-08-06); a 400 with another text proves nothing.
    return any(known in text for known in (*_EVENT_GONE, _NO_CALENDAR, "not found"))


def _call(
    method: str,
    path: str,
    scope: str,
    asked: Asked,
    *,
    query: Mapping[str, str] | None = None,
    json: object = None,
    repeatable: bool = True,
) -> Call:
    version = CALENDAR_VERSION if path.startswith("/calendars") else VERSION
    return Call(
        request=Request(
            method=method,
            path=path,
            query=query or {},
            json=json,
            headers={"Version": version},
            asked=asked,
            repeatable=repeatable,
        ),
        scope=scope,
    )


def _segment(key: str) -> str:
    return segment(key, Side.GHL)
