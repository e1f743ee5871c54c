"""Checks the scopes of a private integration, with requests that can change nothing.

`provider` calls this for the doctor. HighLevel has no request that lists the
scopes of a private integration; a missing one is a 401 that says so (observed
2026-07-17). Writes are checked with an id that no record can have.
"""

from collections.abc import Collection, Iterator

from syncd.errors import DailyBudgetSpent, Unreadable
from syncd.providers.ghl import protocol
from syncd.providers.ghl.session import Session
from syncd.providers.scope_check import ScopeCheck, check_scopes

UNKNOWN_ID = "syncdDoctorNoSuchId0"
"""An id that no record has."""

SCOPES = (
    protocol.LOCATIONS_READ,
    protocol.CALENDARS_READ,
    protocol.EVENTS_READ,
    protocol.EVENTS_WRITE,
    protocol.CONTACTS_READ,
    protocol.CONTACTS_WRITE,
    protocol.USERS_READ,
)
"""Everything that a link may need."""

APP_SCOPES = (*SCOPES, "oauth.readonly", "oauth.write")
"""What a Marketplace app asks for; the last two are for an agency's locations and their tokens."""


def check(session: Session, needed: Collection[str]) -> Iterator[ScopeCheck]:
    """The result for each needed scope, in the order of `SCOPES`; see `check_scopes`."""

    def request(scope: str) -> None:
        call = _call(session.location, scope)
        response = session.client.send(call.request)
        if not response.ok:  # As it is: how far a refusal reaches does not matter here.
            raise protocol.refusal(call, response, location=session.location)

    scopes = [each for each in SCOPES if each in needed]
    inconclusive = (DailyBudgetSpent, Unreadable)
    return check_scopes(scopes, request, session.answers, inconclusive=inconclusive)


def _call(location: str, scope: str) -> protocol.Call:
    calls = {
        protocol.LOCATIONS_READ: protocol.get_location(location),
        protocol.CALENDARS_READ: protocol.list_calendars(location),
        protocol.EVENTS_READ: protocol.get_event(UNKNOWN_ID),
        protocol.EVENTS_WRITE: protocol.update_event(UNKNOWN_ID, {"toNotify": False}),
        protocol.CONTACTS_READ: protocol.get_contact(UNKNOWN_ID),
        protocol.CONTACTS_WRITE: protocol.update_contact(UNKNOWN_ID, {}),
        protocol.USERS_READ: protocol.list_users(location),
    }
    return calls[scope]
