"""Tries the token's scopes one by one, with requests that can change nothing.

`HubSpotProvider` delegates to this for the doctor. Writes are tried with a
batch of none, which is refused for being empty once the scope is there; the
refusal of a missing scope comes first and names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from syncd.errors import AuthFailed, NotPrepared, ProviderError, Transient
from syncd.providers.hubspot import refusals
from syncd.providers.hubspot.protocol import CONTACTS
from syncd.providers.hubspot.session import Session
from syncd.providers.message import Request
from syncd.providers.scope_check import Access, Trial

RECORDS_READ = "crm.objects.appointments.read"
RECORDS_WRITE = "crm.objects.appointments.write"
CONTACTS_READ = "crm.objects.contacts.read"
CONTACTS_WRITE = "crm.objects.contacts.write"
OWNERS_READ = "crm.objects.owners.read"
SCHEMA_WRITE = "crm.schemas.appointments.write"

SCOPES = (RECORDS_READ, RECORDS_WRITE, CONTACTS_READ, CONTACTS_WRITE, OWNERS_READ, SCHEMA_WRITE)
"""Everything that a link, and `setup`, may need."""

NOBODY = "syncd_doctor_no_such_property"


def trials(session: Session, scopes: Collection[str]) -> Iterator[Trial]:
    """What became of each of these scopes, in the order of `SCOPES`.

    Raises:
        Transient: HubSpot cannot be reached, or the day's budget is spent.
    """
    for scope in SCOPES:
        if scope in scopes:
            yield _trial(session, scope)


def _trial(session: Session, scope: str) -> Trial:
    try:
        _try(session, _request(session, scope))
    except AuthFailed as error:
        access = Access.MISSING if error.missing_scope else Access.UNKNOWN
        return Trial(scope=scope, access=access, detail=str(error))
    except Transient as error:
        if not session.answers():
            raise
        return Trial(scope=scope, access=Access.UNKNOWN, detail=str(error))
    except ProviderError:
        pass  # An empty batch, or a property that is not there: it was looked at.
    except NotPrepared as error:
        return Trial(scope=scope, access=Access.UNKNOWN, detail=str(error))
    return Trial(scope=scope, access=Access.GRANTED)


def _try(session: Session, request: Request) -> None:
    """Ask, and take a refusal as it is: how far it reaches is not the question here."""
    response = session.send(request)
    if not response.ok:
        raise refusals.refusal(request, response)


def _request(session: Session, scope: str) -> Request:
    api = session.api
    requests = {
        RECORDS_READ: api.first_of(),
        RECORDS_WRITE: api.batch_update(()),
        CONTACTS_READ: api.first_of(CONTACTS),
        CONTACTS_WRITE: api.batch_update((), CONTACTS),
        OWNERS_READ: api.owners(archived=False),
        SCHEMA_WRITE: api.update_property(NOBODY, {}),
    }
    return requests[scope]
