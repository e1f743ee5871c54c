"""HighLevel as the engine sees it: one object per link, implementing `ports.provider`.

Made by `bootstrap`. A facade over `account`, `reading`, `contacts` and
`writing`; it holds what belongs to one cycle, which begins with `prepare`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from syncd.core.model import Account, Contact, Missing, Scan, Side, Snapshot
from syncd.errors import ProviderError
from syncd.ports.clock import Clock
from syncd.ports.provider import (
    NO_CHECKS,
    Edit,
    NextPoll,
    Reading,
    Receipt,
    ScanRequest,
    WriteChecks,
    WriteCommand,
)
from syncd.providers.client_provider import ClientProvider
from syncd.providers.ghl import reading, scopes
from syncd.providers.ghl.account import AccountReader
from syncd.providers.ghl.contacts import ContactBook
from syncd.providers.ghl.free_slots import SlotBook
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.session import Session
from syncd.providers.ghl.shown_texts import ShownTexts
from syncd.providers.ghl.writing import Writer, carry_out
from syncd.providers.http import Client
from syncd.providers.scope_check import ScopeCheck

READ_AT_ONCE = 30
"""Records of one reading: what takes the threads a second or two."""

SOON = 1.0
"""Seconds within which the rate budget has to permit the requests of one reading."""


class GhlProvider(ClientProvider):
    """One HighLevel location.

    `calendars` are the ids to sync (empty: every active one);
    `default_calendar` is always synced too. `concurrency` is how many
    requests are in flight at once; the client's pool must be as large.
    `mapped_fields` maps our name of a mapped field to HighLevel's (see `core.mapped_fields`),
    `templates` our name of a link to its URL template where that is not the default.
    """

    def __init__(
        self,
        client: Client,
        *,
        location_id: str,
        clock: Clock,
        calendars: tuple[str, ...] = (),
        default_calendar: str = "",
        concurrency: int = 8,
        mapped_fields: Mapping[str, str] | None = None,
        templates: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(client)
        self._session = Session(client, clock=clock, location=location_id, concurrency=concurrency)
        self._account = AccountReader(
            self._session, clock, calendars=calendars, default_calendar=default_calendar
        )
        self._contacts = ContactBook(self._session)
        self._slots = SlotBook(self._session, clock)
        self._shown_texts = ShownTexts()
        self._mapped_fields = dict(mapped_fields or {})
        self._templates = dict(templates or {})

    @property
    def side(self) -> Side:
        """HighLevel."""
        return Side.GHL

    @property
    def country(self) -> str:
        """ISO 3166 code of the location, for its phone numbers; known once `prepare` has run."""
        return self._location().country

    def prepare(self, *, cached: bool = False) -> Account:
        """Read the account; a new cycle begins."""
        self._contacts.forget()
        self._slots.forget()
        return (self._account.last if cached else None) or self._account.read()

    def scan(self, request: ScanRequest) -> Scan:
        """List every appointment that starts in the window, calendar by calendar."""
        calendars = self._account.synced(request.calendars)
        return reading.scan(self._session, self._location(), request.window, calendars)

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """Read appointments by id; deleted ones are `gone`."""
        return reading.fetch(self._session, self._location(), ids)

    def reread(self, ids: Collection[str]) -> Reading:
        """As many as can be sent within a second: a longer wait would make the others old."""
        permitted = self._client.budget.available(SOON)
        return self._read_at_once(ids, max(1, min(READ_AT_ONCE, permitted)), 1)

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:  # noqa: ARG002 - the port
        """HighLevel has no field for an external id."""
        return {}

    def contacts(self, ids: Collection[str]) -> Mapping[str, Contact | ProviderError]:
        """Contacts by id."""
        return self._contacts.contacts(ids, self._location().country)

    def find_contacts(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...] | ProviderError]:
        """Contacts by e-mail and by phone."""
        return self._contacts.find(emails, phones, self._location().country)

    def create_contacts(self, contacts: Sequence[Contact]) -> Sequence[Contact | ProviderError]:
        """Create contacts, or give back the existing ones."""
        return self._contacts.create_all(contacts, self._location().country)

    def reserve(self, poll: NextPoll | None, *, spare: int = 0) -> None:
        """See `Provider.reserve`."""
        self._client.reservation.announce(poll, spare)

    def write(
        self, commands: Iterable[WriteCommand], checks: WriteChecks = NO_CHECKS
    ) -> Iterator[Receipt]:
        """Carry out writes, several at once."""
        writer = Writer(self._session, self._location(), self._slots, self._shown_texts, checks)
        return carry_out(writer, commands)

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:  # noqa: ARG002 - the port
        """HighLevel has no history of fields, only the record's `updated_at`."""
        return {}

    def bookings_of(
        self,
        contact: str,
        starts: Collection[datetime] = (),  # noqa: ARG002 - the port
    ) -> tuple[Snapshot, ...]:
        """The appointments of a contact."""
        return reading.bookings_of(self._session, self._location(), contact)

    def linked_to(
        self,
        contacts: Collection[str],  # noqa: ARG002 - the port
    ) -> tuple[Mapping[str, Collection[str]], Mapping[str, ProviderError]]:
        """HighLevel lists the appointments of one contact at a time: `bookings_of`."""
        return {}, {}

    def check_scopes(self, needed: Collection[str]) -> Iterator[ScopeCheck]:
        """For the doctor: which of these scopes the token has, by harmless requests."""
        return scopes.check(self._session, needed)

    def close(self) -> None:
        """End the threads and the connections."""
        self._session.close()

    def _location(self) -> LocationContext:
        row, zone = self._account.location_context()
        return LocationContext(
            location=self._session.location,
            zone=zone,
            timezone=zone.key,
            country=row.country,
            teamless=self._account.teamless,
            slots=self._account.slots,
            mapped_fields=self._mapped_fields,
            templates=self._templates,
            calendar_names=self._account.names,
        )
