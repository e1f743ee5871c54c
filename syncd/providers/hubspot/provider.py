"""HubSpot as the engine sees it: one object per link, implementing `ports.provider`.

Made by `bootstrap`; `setup` and the doctor call it too. A facade over
`account`, `polling`, `reading`, `contacts` and `writing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from syncd.core.model import Account, Contact, GroupKey, Missing, Person, Scan, Side, Snapshot
from syncd.errors import ProviderError, Rejected
from syncd.ports.clock import Clock
from syncd.ports.provider import (
    NO_CHECKS,
    CommandKind,
    Edit,
    Failed,
    NextPoll,
    Reading,
    Receipt,
    ScanRequest,
    WriteChecks,
    WriteCommand,
)
from syncd.providers.client_provider import ClientProvider
from syncd.providers.http import Client
from syncd.providers.hubspot import schema, scopes
from syncd.providers.hubspot.account import AccountReader, Survey
from syncd.providers.hubspot.contacts import ContactBook
from syncd.providers.hubspot.polling import Poller
from syncd.providers.hubspot.protocol import APPOINTMENT_TYPE, BATCH, Api
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.schema import MappedProperty
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.writing import Writer
from syncd.providers.scope_check import ScopeCheck

ACCOUNT_LIFETIME = timedelta(minutes=15)
"""How long properties and owners are cached; an idle poll reads neither."""

CONCURRENCY = 4
"""Batches in flight at once: a batch of a hundred may take the vendor some tenths of a second, and
ten requests a second are permitted."""

REQUESTS_OF_A_READING = 2
"""The records, and their contacts."""


class HubSpotProvider(ClientProvider):
    """One HubSpot account, as far as one link sees it.

    `needs` are the groups that the link syncs: only their properties must
    exist, and `writes` those whose values flow into HubSpot. `filter` and
    `filter_property_names` name properties whose raw values a snapshot holds
    (the core decides which records belong to the link). `mapped_fields` are
    the mapped fields, and `record_link` is the property for the record's own
    URL ("" for none). `default_country` (ISO 3166) is where phone numbers
    without a country code are from; a function where only the other side's
    account knows it. `search_lag` is how late the search index may show a
    change; `concurrency` is how many batches of writes are in flight at once.
    """

    def __init__(
        self,
        client: Client,
        *,
        location_id: str,
        search_lag: timedelta,
        clock: Clock,
        object_type: str = APPOINTMENT_TYPE,
        api_version: str = "2026-03",
        status_property: str = schema.AUTO,
        filter_property_names: tuple[str, ...] = (),
        filter: Mapping[str, tuple[str, ...]] | None = None,  # noqa: A002 - the configuration's word
        default_country: str | Callable[[], str] = "",
        mapped_fields: tuple[MappedProperty, ...] = (),
        record_link: str = "",
        show_held: bool = False,
        needs: frozenset[GroupKey] = schema.ALL_GROUPS,
        writes: frozenset[GroupKey] = schema.ALL_GROUPS,
        account_lifetime: timedelta = ACCOUNT_LIFETIME,
        concurrency: int = CONCURRENCY,
    ) -> None:
        super().__init__(client)
        self.location_id = location_id
        self._session = Session(client, Api(version=api_version, object_type=object_type))
        spec = schema.PropertySpec(
            status_property=status_property,
            needs=needs,
            writes=writes,
            mapped_fields=mapped_fields,
            record_link=record_link,
            show_held=show_held,
            filter_properties=tuple(dict.fromkeys((*filter_property_names, *(filter or {})))),
        )
        self._account = AccountReader(self._session, clock, spec, lifetime=account_lifetime)
        self._reader = Reader(self._session, self._account)
        self._poller = Poller(
            self._session, self._account, self._reader, clock, search_lag=search_lag
        )
        self._writer = Writer(self._session, self._account, self._reader, concurrency=concurrency)
        self._contacts = ContactBook(self._session, country=default_country)

    @property
    def side(self) -> Side:
        """HubSpot."""
        return Side.HUBSPOT

    # --- the account

    def prepare(self, *, cached: bool = False) -> Account:
        """Begin a cycle: see `Provider.prepare`. The account is cached for a while anyway."""
        self._contacts.forget()
        return self._account.account(cached=cached)

    def setup(self, status_values: Sequence[str]) -> list[tuple[str, bool]]:
        """Create our property group and properties; (what, created now) for each.

        `status_values` are the options of `ghl_appointment_status`, which is
        only created where the account has no native status. Safe to repeat.

        Raises:
            NotPrepared: a property exists with settings that cannot be changed.
            AuthFailed: a scope is missing.
            Transient: HubSpot cannot be reached.
        """
        return self._account.setup(status_values)

    def survey(self) -> Survey:
        """For the doctor: everything at once, problems included that would stop a sync.

        Raises:
            NotPrepared: the object is not activated.
            AuthFailed: credentials refused, or a scope is missing.
            Transient: HubSpot cannot be reached.
        """
        return self._account.survey()

    def owners(self) -> tuple[Person, ...]:
        """For the doctor: every owner, deactivated ones included; raises as `survey`."""
        return self._account.owners()

    def portal(self) -> str:
        """For the doctor: the account's own number; raises as `survey`."""
        return self._account.portal()

    @property
    def number(self) -> str:
        """The account's own number as it was last read, by `prepare` too; "" where it was not."""
        return self._account.number

    def forget_account(self) -> None:
        """Read everything about the account again: the token is another one."""
        self._account.forget()

    def check_scopes(self, needed: Collection[str]) -> Iterator[ScopeCheck]:
        """For the doctor: which of these scopes the token has, by harmless requests."""
        return scopes.check(self._session, needed)

    # --- reading

    def scan(self, request: ScanRequest) -> Scan:
        """See `Provider.scan`. HubSpot is searched by change: the window is not used."""
        return self._poller.scan(request.cursor, request.created_before)

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """See `Provider.fetch`."""
        return self._reader.fetch(ids)

    def reread(self, ids: Collection[str]) -> Reading:
        """See `Provider.reread`: one batch."""
        return self._read_at_once(ids, BATCH, REQUESTS_OF_A_READING)

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """See `Provider.find_by_external_id`."""
        return self._reader.find_by_external_id(ghl_ids)

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        """See `Provider.edits`."""
        return self._reader.edits(ids)

    def bookings_of(self, contact: str, starts: Collection[datetime] = ()) -> tuple[Snapshot, ...]:
        """See `Provider.bookings_of`: the contacts of the others are not asked for."""
        return self._reader.of_contact(contact, starts)

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[Mapping[str, Collection[str]], Mapping[str, ProviderError]]:
        """See `Provider.linked_to`."""
        return self._reader.linked_to(contacts)

    # --- contacts

    def contacts(self, ids: Collection[str]) -> Mapping[str, Contact | ProviderError]:
        """See `Provider.contacts`."""
        return self._contacts.by_id(ids)

    def find_contacts(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...] | ProviderError]:
        """See `Provider.find_contacts`."""
        return self._contacts.find(emails, phones)

    def create_contacts(self, contacts: Sequence[Contact]) -> Sequence[Contact | ProviderError]:
        """See `Provider.create_contacts`."""
        return self._contacts.create_all(contacts)

    # --- writing

    def reserve(self, poll: NextPoll | None, *, spare: int = 0) -> None:
        """See `Provider.reserve`: batches always leave enough capacity."""

    def write(
        self, commands: Iterable[WriteCommand], checks: WriteChecks = NO_CHECKS
    ) -> Iterator[Receipt]:
        """See `Provider.write`. A refusal makes the next cycle read the account again."""
        for receipt in self._writer.write(commands, checks):
            if _was_refused(receipt):
                self._account.invalidate()
            yield receipt

    def write_notes(self, notes: Mapping[str, str]) -> Mapping[str, Receipt]:
        """See `Provider.write_notes`. An account without the property gets none."""
        if not self._account.property_map.note:
            return {}
        commands = [
            WriteCommand(key=f"note-{each}", kind=CommandKind.UPDATE, id=each, note=note)
            for each, note in notes.items()
        ]
        return {
            receipt.key.removeprefix("note-"): receipt for receipt in self._writer.write(commands)
        }

    def close(self) -> None:
        """Give back connections."""
        self._client.close()


def _was_refused(receipt: Receipt) -> bool:
    """Whether the vendor refused a value that the cached definitions permit."""
    if isinstance(receipt, Failed):
        return isinstance(receipt.error, Rejected)
    return bool(receipt.refused)
