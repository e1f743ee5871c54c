"""Checks the scopes of a token, with requests that can change nothing.

`HubSpotProvider` calls this for the doctor. Writes are checked with an empty
batch: a missing scope is refused first, and named; with the scope, the batch
is refused for being empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from syncd.errors import NotPrepared
from syncd.providers.hubspot import refusals
from syncd.providers.hubspot.protocol import CONTACTS
from syncd.providers.hubspot.session import Session
from syncd.providers.message import Request
from syncd.providers.scope_check import ScopeCheck, check_scopes

RECORDS_READ = "crm.objects.appointments.read"
RECORDS_WRITE = "crm.objects.appointments.write"
CONTACTS_READ = "crm.objects.contacts.read"
CONTACTS_WRITE = "crm.objects.contacts.write"
OWNERS_READ = "crm.objects.owners.read"
SCHEMA_WRITE = "crm.schemas.appointments.write"

SCOPES = (RECORDS_READ, RECORDS_WRITE, CONTACTS_READ, CONTACTS_WRITE, OWNERS_READ, SCHEMA_WRITE)
"""Everything that a link, and `setup`, may need."""

APP_SCOPES = ("oauth", *SCOPES)
"""What an OAuth app asks for: the same for every configuration, since HubSpot installs only what
equals the list of the app itself."""

UNKNOWN_PROPERTY = "syncd_doctor_no_such_property"


def check(session: Session, needed: Collection[str]) -> Iterator[ScopeCheck]:
    """The result for each needed scope, in the order of `SCOPES`; see `check_scopes`."""

    def request(scope: str) -> None:
        needing = _request(session, scope)
        response = session.send(needing)
        if not response.ok:  # As it is: how far a refusal reaches does not matter here.
            raise refusals.refusal(needing, response)

    scopes = [each for each in SCOPES if each in needed]
    return check_scopes(scopes, request, session.answers, inconclusive=(NotPrepared,))


def _request(session: Session, scope: str) -> Request:
    api = session.api
    requests = {
        RECORDS_READ: api.first_of(),
        RECORDS_WRITE: api.batch_update(()),
        CONTACTS_READ: api.first_of(CONTACTS),
        CONTACTS_WRITE: api.batch_update((), CONTACTS),
        OWNERS_READ: api.owners(archived=False),
        SCHEMA_WRITE: api.update_property(UNKNOWN_PROPERTY, {}),
    }
    return requests[scope]
