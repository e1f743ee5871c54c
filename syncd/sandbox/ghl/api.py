"""The HighLevel API: its gate (client, token, version, scope) and its table of routes.

Called by `app`, which has logged and metered the request before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.ghl import appointments, blocks, calendars, events, notes, people
from syncd.sandbox.ghl.call import GhlCall
from syncd.sandbox.ghl.checks import refusal
from syncd.sandbox.http import ApiError, Response, Route, Router
from syncd.sandbox.oauth import highlevel as oauth

if TYPE_CHECKING:
    from syncd.sandbox.ghl.location import GhlLocation
    from syncd.sandbox.http import Request
    from syncd.sandbox.world import SandboxWorld

_READ = ("calendars/events.readonly",)
_WRITE = ("calendars/events.write",)
_CONTACTS = ("contacts.readonly",)
_EVENT = "/calendars/events/appointments/{event}"
_NOTES = "/calendars/appointments/{event}/notes"

ROUTES: tuple[Route[GhlCall], ...] = (
    Route("GET", "/calendars/events", events.list_events, _READ),
    Route("GET", "/calendars/blocked-slots", events.blocked_slots, _READ),
    Route("POST", "/calendars/events/appointments", appointments.create, _WRITE),
    Route("GET", _EVENT, events.get_event, _READ),
    Route("PUT", _EVENT, appointments.update, _WRITE),
    Route("POST", "/calendars/events/block-slots", blocks.create_block, _WRITE),
    Route("PUT", "/calendars/events/block-slots/{event}", blocks.update_block, _WRITE),
    Route("DELETE", "/calendars/events/{event}", appointments.delete, _WRITE),
    Route("GET", "/calendars/groups", calendars.list_groups, ("calendars/groups.readonly",)),
    Route("GET", _NOTES, notes.list_notes, _READ),
    Route("POST", _NOTES, notes.create_note, _WRITE),
    Route("PUT", f"{_NOTES}/{{note}}", notes.update_note, _WRITE),
    Route("DELETE", f"{_NOTES}/{{note}}", notes.delete_note, _WRITE),
    Route("GET", "/calendars", calendars.list_calendars, ("calendars.readonly",)),
    Route("GET", "/calendars/{calendar}", calendars.get_calendar, ("calendars.readonly",)),
    Route("GET", "/calendars/{calendar}/free-slots", calendars.free_slots, ("calendars.readonly",)),
    Route("POST", "/contacts/search", people.search_contacts, _CONTACTS),
    Route("GET", "/contacts/search/duplicate", people.find_duplicate, _CONTACTS),
    Route("POST", "/contacts/upsert", people.upsert_contact, ("contacts.write",)),
    Route("GET", "/contacts", people.list_contacts, _CONTACTS),
    Route("POST", "/contacts", people.create_contact, ("contacts.write",)),
    Route("GET", "/contacts/{contact}", people.get_contact, _CONTACTS),
    Route("PUT", "/contacts/{contact}", people.update_contact, ("contacts.write",)),
    Route("DELETE", "/contacts/{contact}", people.delete_contact, ("contacts.write",)),
    Route("GET", "/contacts/{contact}/appointments", events.contact_appointments, _CONTACTS),
    Route("GET", "/users/search", calendars.search_users, ("users.readonly",)),
    Route("GET", "/users", calendars.list_users, ("users.readonly",)),
    Route("GET", "/users/{user}", calendars.get_user, ("users.readonly",)),
    Route("GET", "/locations/{location}", calendars.get_location, ("locations.readonly",)),
)
_CALENDAR_VERSION = "2021-04-15"
_VERSIONS = frozenset({_CALENDAR_VERSION, "2021-07-28", "v3"})
_GONE_IN_V3 = frozenset({("GET", "/users"), ("GET", "/contacts")})


class GhlApi:
    """Answers the requests of one world's HighLevel side."""

    def __init__(self) -> None:
        self._router = Router(ROUTES)

    def account(self, world: SandboxWorld, request: Request) -> GhlLocation | None:
        """The location whose budget a request spends; None where the token is nobody's."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        holder = world.oauth.holder_of(token)
        if holder is not None and (holder.vendor, holder.kind) == ("ghl", "location"):
            return world.locations.get(holder.account)
        return next((row for row in world.locations.values() if token in row.tokens), None)

    def budget(self, world: SandboxWorld, request: Request) -> str:
        """The location or agency whose rate limit a request counts towards; "" for nobody's."""
        location = self.account(world, request)
        if location is not None:
            return location.id
        agency = oauth.company_of(world, request)
        return agency.account if agency is not None else ""

    def handle(self, world: SandboxWorld, request: Request) -> Response:
        """The answer to a request.

        Raises:
            ApiError: the answer is a refusal.
        """
        _known_client(request)
        if oauth.handles(request):
            return oauth.handle(world, request)
        location = self._location(world, request)
        version = _version(request)
        found = self._router.find(request.method, request.path)
        bare = request.path.rstrip("/")
        if found is None or (version == "v3" and (request.method, bare) in _GONE_IN_V3):
            raise _no_route(request)
        # The calendars' own version answers 404 on contacts.
        if version == _CALENDAR_VERSION and not bare.startswith("/calendars"):
            raise _no_route(request)
        route, names = found
        if route.scopes and not world.settings.ghl_scopes.intersection(route.scopes):
            raise refusal(401, "The token is not authorized for this scope.")
        call = GhlCall(world=world, location=location, version=version)
        return route.handler(call, request, names)

    def _location(self, world: SandboxWorld, request: Request) -> GhlLocation:
        location = self.account(world, request)
        if location is None and oauth.company_of(world, request) is not None:
            raise refusal(
                401,
                "This authClass type is not allowed to access this scope. Please reach out to "
                "the Marketplace team to get this rectified.",
            )
        if location is None or not request.headers.get("authorization", "").startswith("Bearer "):
            raise refusal(401, "Invalid token: access token is invalid")
        if location.suspended:
            raise refusal(400, "Location is not active")
        return location


def _known_client(request: Request) -> None:
    agent = request.headers.get("user-agent", "")
    if not agent or agent.lower().startswith("python-urllib"):
        page = "<!DOCTYPE html><html><body><h1>Error 1010: Access denied</h1></body></html>"
        raise ApiError(Response(status=403, text=page, content_type="text/html; charset=UTF-8"))


def _version(request: Request) -> str:
    version = request.headers.get("version")
    if not version:
        raise refusal(401, "version header was not found.")
    if version not in _VERSIONS:
        raise refusal(400, "version header is invalid.")
    return version


def _no_route(request: Request) -> ApiError:
    return refusal(404, f"Cannot {request.method} {request.path}")
