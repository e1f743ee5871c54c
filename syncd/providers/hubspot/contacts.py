"""Contacts: read, find by e-mail and phone, create; never change one.

`HubSpotProvider` delegates to `ContactBook`. Look-ups are cached for one
cycle, up to a limit; contacts that we created are cached while the process
lives, because searches show them late. Leaves out which contacts are the same
person: the core's `contacts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from syncd.core.model import Contact, Side
from syncd.errors import NotFound, ProviderError, Rejected
from syncd.ports.refusals import Asked
from syncd.providers.hubspot import contact_mapping, refusals, search, wire
from syncd.providers.hubspot.contact_mapping import PROPERTIES
from syncd.providers.hubspot.protocol import BATCH, CONTACTS, create_row
from syncd.providers.hubspot.read_split import divided, read_batches
from syncd.providers.hubspot.reading import SINGLE_READS
from syncd.providers.hubspot.search import chunks
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Record
from syncd.providers.message import Request

_Cached = TypeVar("_Cached")

CREATED_CACHED = 10_000
"""Contacts created by us that are cached; the oldest are dropped first."""

CACHED = 20_000
"""Looked-up contacts that are cached between two calls; with more, all are read again."""

_FULL_SEARCH = search.MOST // search.PAGE


@dataclass(slots=True)
class _AdditionalEmails:
    """The contacts with additional e-mail addresses, as far as this cycle knows them."""

    all: list[Contact] | None = None
    """All contacts that have any, once they were read."""
    tried: bool = False
    refused: bool = False
    """The account does not permit this search."""


class ContactBook:
    """The contacts of one account."""

    def __init__(self, session: Session, *, country: str | Callable[[], str]) -> None:
        self._session, self._country = session, country
        self._by_id: dict[str, Contact] = {}
        self._looked_up: dict[str, tuple[Contact, ...]] = {}
        self._unread: dict[str, ProviderError] = {}
        """Errors by address or number, of the last `find`."""
        self._created: dict[str, Contact] = {}
        self._additional = _AdditionalEmails()
        self._has_calculated = True
        """Whether the account can be searched by the digits that HubSpot calculates."""

    def forget(self) -> None:
        """A new cycle begins: people edit contacts."""
        self._by_id.clear()
        self._looked_up.clear()
        self._additional = _AdditionalEmails()

    # --- by id

    def by_id(self, ids: Collection[str]) -> dict[str, Contact | ProviderError]:
        """Contacts by the requested id, or the error of one that cannot be read.

        A merged one has its new id.
        """
        _limit(self._by_id)
        unknown = [each for each in dict.fromkeys(ids) if each not in self._by_id]
        read, unread = self._read(unknown)
        self._by_id |= read
        return unread | {each: self._by_id[each] for each in ids if each in self._by_id}

    def _read(
        self, ids: Iterable[str]
    ) -> tuple[dict[str, Contact], dict[str, Contact | ProviderError]]:
        """Contacts by id, and the errors of others; unknown ones are in neither."""
        wanted = list(ids)
        records, failed = self._batch(wanted)
        unread: dict[str, Contact | ProviderError] = dict(failed)
        found = {each.id: each for each in records}
        merged = wire.merged_into(records)
        known = {*found, *merged, *unread}
        for each in [each for each in wanted if each not in known][:SINGLE_READS]:
            try:
                record = self._single(each)
            except ProviderError as error:
                self._session.check(Asked.RECORD, error)
                unread[each] = error
                continue
            if record is not None:
                merged[each] = record
        return {
            each: self._contact(record)
            for each in wanted
            if (record := found.get(each) or merged.get(each)) is not None
        }, unread

    def _batch(
        self, values: Iterable[str], *, by: str = ""
    ) -> tuple[list[Record], dict[str, ProviderError]]:
        """Records by id or by a unique property, and errors by value."""
        found: list[Record] = []
        unread: dict[str, ProviderError] = {}

        def request(part: Sequence[str]) -> Request:
            return self._session.api.batch_read(
                part, PROPERTIES, id_property=by, object_type=CONTACTS
            )

        for part, answer in read_batches(self._session, values, request):
            if isinstance(answer, ProviderError):
                unread |= dict.fromkeys(part, answer)
            else:
                found += answer.records
                unread |= refusals.unread(answer, part)
        return found, unread

    def _single(self, contact_id: str) -> Record | None:
        """A merged contact is found by its old id here (reported, read 2026-11-20)."""
        try:
            return wire.record(
                self._session.ask(self._session.api.get(contact_id, PROPERTIES, CONTACTS))
            )
        except NotFound:
            return None

    def _contact(self, record: Record) -> Contact:
        country = self._country if isinstance(self._country, str) else self._country()
        return contact_mapping.contact(record, country)

    # --- by e-mail and phone

    def find(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...] | ProviderError]:
        """Contacts by each e-mail and phone, or an error; a result for every key as given."""
        _limit(self._looked_up)
        self._unread.clear()
        self._find_emails(_not_cached(emails, self._looked_up))
        self._find_phones(_not_cached(phones, self._looked_up))
        return {
            each: self._unread.get(each.casefold()) or self._known(each)
            for each in (*emails, *phones)
        }

    def _known(self, key: str) -> tuple[Contact, ...]:
        """The contacts that were found, and ours that the index may not show yet."""
        created = self._created.get(key.casefold())
        found = self._looked_up.get(key.casefold(), ())
        return (
            found
            if created is None or created.id in {each.id for each in found}
            else (*found, created)
        )

    def _find_emails(self, emails: Collection[str]) -> None:
        """By the unique property, which is not delayed; then among additional addresses."""
        records, unread = self._batch(emails, by="email")
        self._unread |= unread
        read = [each for each in emails if each not in unread]
        self._store_emails(read, map(self._contact, records))
        self._find_further([each for each in read if not self._known(each)])

    def _find_further(self, emails: Sequence[str]) -> None:
        """Among additional addresses, which batch reads do not search.

        Few contacts have any. Reading all of these once in a cycle mostly costs
        fewer requests than one search for every five addresses.
        """
        path, additional = self._session.api.objects(CONTACTS), self._additional
        if len(emails) > search.EMAILS_PER_SEARCH and not additional.tried:
            additional.tried = True
            self._read_further(path, math.ceil(len(emails) / search.EMAILS_PER_SEARCH))
        if additional.all is not None:
            self._store_emails(emails, additional.all)
            return
        for chunk in chunks(emails, search.EMAILS_PER_SEARCH):
            if additional.refused:
                return
            parts = [*divided(self._session, Asked.RECORDS, chunk, self._search_additional)]
            additional.refused = all(isinstance(answer, Rejected) for _, answer in parts)
            for part, answer in () if additional.refused else parts:
                if isinstance(answer, ProviderError):
                    self._unread |= dict.fromkeys(part, answer)
                    for each in part:
                        self._looked_up.pop(each, None)
                else:
                    self._store_emails(part, map(self._contact, answer.records))

    def _search_additional(self, emails: Sequence[str], attempts: int | None) -> wire.Page:
        """Contacts that have one of these as an additional address.

        An account that does not permit this search still refuses a second contact
        with the same address, and names the first (contacts guide).
        """
        path = self._session.api.objects(CONTACTS)
        request = search.by_additional_email(path, emails, PROPERTIES)
        return wire.page(self._session.rows(request, attempts))

    def _read_further(self, path: str, searches: int) -> None:
        """Read all contacts with an additional address, unless single searches are cheaper."""
        found: list[Contact] = []
        after = "0"
        while after:
            page = self._search_page(search.with_additional_emails(path, PROPERTIES, after))
            if page is None:
                return
            if not found and math.ceil(page.total / search.PAGE) > min(searches, _FULL_SEARCH):
                return
            found += map(self._contact, page.records)
            after = search.next_page(page, after)
        self._additional.all = found

    def _search_page(self, request: Request) -> wire.Page | None:
        """A page; None where the search fails: then address by address."""
        try:
            return wire.page(self._session.rows(request))
        except ProviderError as error:
            self._session.check(Asked.BESIDE, error)
            # This search contains no address, so its kind is refused.
            self._additional.refused = isinstance(error, Rejected)
            return None

    def _store_emails(self, emails: Iterable[str], found: Iterable[Contact]) -> None:
        candidates = {each.id: each for each in found}.values()
        for email in emails:
            self._looked_up[email] = tuple(
                each for each in candidates if contact_mapping.has_email(each, email)
            )

    def _find_phones(self, phones: Collection[str]) -> None:
        for chunk in chunks(phones, search.PHONES_PER_SEARCH):
            for part, answer in divided(self._session, Asked.RECORDS, chunk, self._by_phone):
                if isinstance(answer, ProviderError):
                    self._unread |= dict.fromkeys(part, answer)
                    continue
                candidates = {each.id: each for each in map(self._contact, answer)}.values()
                for phone in part:
                    self._looked_up[phone] = tuple(
                        each for each in candidates if phone in each.phones
                    )

    def _by_phone(self, phones: Sequence[str], attempts: int | None) -> list[Record]:
        path, after = self._session.api.objects(CONTACTS), "0"
        found: list[Record] = []
        while after:
            page = self._phone_page(path, phones, after, attempts)
            found += page.records
            after = search.next_page(page, after)
        return found

    def _phone_page(
        self, path: str, phones: Sequence[str], after: str, attempts: int | None
    ) -> wire.Page:
        if self._has_calculated:
            request = search.by_phone(path, phones, PROPERTIES, after)
            try:
                return wire.page(self._session.rows(request, attempts))
            except Rejected:
                pass  # No page documents the calculated properties: an account may lack them.
        request = search.by_phone(path, phones, PROPERTIES, after, calculated=False)
        page = wire.page(self._session.rows(request, attempts))
        self._has_calculated = False
        return page

    # --- creating

    def create(self, wanted: Contact) -> Contact:
        """Create a contact, or give back the existing one with the address, unchanged.

        Raises:
            Rejected: HubSpot refuses it.
            TimedOut: it has no e-mail address, and there was no answer.
        """
        request = self._session.api.create_contact(
            contact_mapping.creation(wanted), repeatable=bool(wanted.emails)
        )
        response = self._session.send(request)
        if response.status == 409:
            existing = self._existing(wire.problem(response.payload), wanted)
            if existing is not None:
                return existing
            raise self._session.refusal(request, response)
        record = wire.record(self._session.body(request, response))
        if record is None:
            raise Rejected("HubSpot created a contact without an id", side=Side.HUBSPOT)
        created = self._contact(
            Record(
                id=record.id, properties={**contact_mapping.creation(wanted), **record.properties}
            )
        )
        self._cache_created(created)
        return created

    def create_all(self, wanted: Sequence[Contact]) -> list[Contact | ProviderError]:
        """Create contacts in batches, and one by one where a batch gave no result.

        Raises:
            AuthFailed, DailyBudgetSpent, Unavailable: no additional one can succeed.
        """
        created: dict[str, Contact] = {}
        if len(wanted) > 1:
            rows = {_trace(each): each for each in wanted if each.emails}
            for chunk in chunks(rows, BATCH):
                created |= self._create_batch({trace: rows[trace] for trace in chunk})
        return [created.get(_trace(each)) or self._create_one(each) for each in wanted]

    def _create_batch(self, rows: Mapping[str, Contact]) -> dict[str, Contact]:
        """The contacts that a batch surely created, by trace; none where there was no answer."""
        inputs = [
            create_row(trace, contact_mapping.creation(each), "", 0) for trace, each in rows.items()
        ]
        try:
            body = self._session.batch(self._session.api.batch_create(inputs, CONTACTS))
        except ProviderError as error:
            self._session.check(Asked.WRITES, error)
            return {}
        created: dict[str, Contact] = {}
        for record in body.records:
            contact = self._contact(record)
            for trace, each in rows.items():
                if contact_mapping.has_email(contact, each.emails[0].casefold()):
                    self._cache_created(contact)
                    created[trace] = contact
        return created

    def _create_one(self, wanted: Contact) -> Contact | ProviderError:
        try:
            return self.create(wanted)
        except ProviderError as error:
            self._session.check(Asked.WRITE, error)
            return error

    def _existing(self, found: wire.Problem, wanted: Contact) -> Contact | None:
        """The existing contact: the address may be an additional one of it."""
        named = contact_mapping.existing_id(found)
        if named:
            return self._read([named])[0].get(named)
        for email in wanted.emails[:1]:
            self._looked_up.pop(email.casefold(), None)
            known = self.find([email], ())[email]
            for each in () if isinstance(known, ProviderError) else known:
                return each
        return None

    def _cache_created(self, created: Contact) -> None:
        self._by_id[created.id] = created
        for key in (*created.emails, *created.phones):
            self._created[key.casefold()] = created
        while len(self._created) > CREATED_CACHED:
            del self._created[next(iter(self._created))]


def _trace(wanted: Contact) -> str:
    """A trace that no other contact of the batch has."""
    parts = "\x1f".join((*wanted.emails, *wanted.phones, wanted.name))
    return blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _limit(cache: dict[str, _Cached]) -> None:
    if len(cache) > CACHED:
        cache.clear()


def _not_cached(keys: Iterable[str], known: Collection[str]) -> list[str]:
    """The keys that were not looked up yet, in lower case, each once."""
    return [each for each in dict.fromkeys(key.casefold() for key in keys) if each not in known]
