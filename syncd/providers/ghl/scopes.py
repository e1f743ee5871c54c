"""Tries the token's scopes one by one, with requests that can change nothing.

The doctor asks through `provider`. HighLevel has no request that lists the
scopes of a private integration; a missing one is a 401 that says so. Writes
are tried on an id that no record can have.
"""

from collections.abc import Collection, Iterator

from syncd.errors import AuthFailed, DailyBudgetSpent, ProviderError, Transient, Unreadable
from syncd.providers.ghl import protocol
from syncd.providers.ghl.session import Session
from syncd.providers.scope_check import Access, Trial

NOBODY = "syncdDoctorNoSuchId0"
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


def trials(session: Session, scopes: Collection[str]) -> Iterator[Trial]:
    """What became of each of these scopes, in the order of `SCOPES`.

    Raises:
        Transient: HighLevel cannot be reached, or the day's budget is spent.
    """
    for scope in SCOPES:
        if scope in scopes:
            yield _trial(session, scope)


def _trial(session: Session, scope: str) -> Trial:
    try:
        _try(session, _call(session.location, scope))
    except AuthFailed as error:
        # A 403 is about the location or the record, a suspended location about neither.
        access = Access.MISSING if error.missing_scope else Access.UNKNOWN
        return Trial(scope=scope, access=access, detail=str(error))
    except (DailyBudgetSpent, Unreadable) as error:
        return Trial(scope=scope, access=Access.UNKNOWN, detail=str(error))
    except Transient as error:
        if not session.answers():
            raise
        return Trial(scope=scope, access=Access.UNKNOWN, detail=str(error))
    except ProviderError:
        pass  # It was looked for and is not there: so it may be looked for.
    return Trial(scope=scope, access=Access.GRANTED)


def _try(session: Session, call: protocol.Call) -> None:
    """Ask, and take a refusal as it is: how far it reaches is not the question here."""
    response = session.client.send(call.request)
    if not response.ok:
        raise protocol.refusal(call, response, location=session.location)


def _call(location: str, scope: str) -> protocol.Call:
    calls = {
        protocol.LOCATIONS_READ: protocol.get_location(location),
        protocol.CALENDARS_READ: protocol.list_calendars(location),
        protocol.EVENTS_READ: protocol.get_event(NOBODY),
        protocol.EVENTS_WRITE: protocol.update_event(NOBODY, {"toNotify": False}),
        protocol.CONTACTS_READ: protocol.get_contact(NOBODY),
        protocol.CONTACTS_WRITE: protocol.update_contact(NOBODY, {}),
        protocol.USERS_READ: protocol.list_users(location),
    }
    return calls[scope]
