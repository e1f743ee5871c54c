"""Contacts: by id, by e-mail, by phone, and making one that is missing.

`HubSpotProvider` delegates to this. What was looked up is kept for the cycle,
up to a bound, and what we made ourselves for as long as the process lives, because searches
do not show it at once. Leaves out who is the same person: the core's
`contacts`.
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
from syncd.providers.hubspot.read_split import divided
from syncd.providers.hubspot.reading import SINGLE_READS
from syncd.providers.hubspot.search import chunks
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Record
from syncd.providers.message import Request

_Held = TypeVar("_Held")

REMEMBERED = 10_000
"""Contacts of our own making that are remembered; the oldest are forgotten first."""


BOUND = 20_000
"""Looked-up contacts that are kept between two calls; beyond it they are asked for again."""


_FULL_SEARCH = search.MOST // search.PAGE


@dataclass(slots=True)
class _Further:
    """What this cycle knows of further addresses."""

    everybody: list[Contact] | None = None
    """Those who have any, once all of them were read."""
    tried: bool = False
    refused: bool = False
    """The account cannot be searched for them."""


class Directory:
    """The contacts of one account."""

    def __init__(self, session: Session, *, country: str | Callable[[], str]) -> None:
        self._session, self._country = session, country
        self._by_id: dict[str, Contact] = {}
        self._looked_up: dict[str, tuple[Contact, ...]] = {}
        self._unread: dict[str, ProviderError] = {}
        """Why of some addresses and numbers nothing is known, as of the last `find`."""
        self._made: dict[str, Contact] = {}
        self._further = _Further()
        self._calculated = True
        """Whether the account can be searched by the digits that HubSpot calculates."""

    def new_cycle(self) -> None:
        """Forget what was looked up: people edit contacts."""
        self._by_id.clear()
        self._looked_up.clear()
        self._further = _Further()

    # --- by id

    def by_id(self, ids: Collection[str]) -> dict[str, Contact | ProviderError]:
        """Contacts by the id asked for, or why one cannot be read.

        A merged one answers with its new id.
        """
        _bound(self._by_id)
        unknown = [each for each in dict.fromkeys(ids) if each not in self._by_id]
        read, unread = self._read(unknown)
        self._by_id |= read
        return unread | {each: self._by_id[each] for each in ids if each in self._by_id}

    def _read(
        self, ids: Iterable[str]
    ) -> tuple[dict[str, Contact], dict[str, Contact | ProviderError]]:
        """Contacts by id, and why others cannot be read; unknown ones are in neither."""
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
        """Records by id or by a unique property, and why of some values nothing is known."""
        found: list[Record] = []
        unread: dict[str, ProviderError] = {}

        def ask(part: Sequence[str], attempts: int | None) -> wire.Batch:
            request = self._session.api.batch_read(
                part, PROPERTIES, id_property=by, object_type=CONTACTS
            )
            return self._session.batch(request, attempts)

        for chunk in chunks(values, BATCH):
            for part, answer in divided(self._session, Asked.RECORDS, chunk, ask):
                if isinstance(answer, ProviderError):
                    unread |= dict.fromkeys(part, answer)
                else:
                    found += answer.records
                    unread |= refusals.unread(answer, part)
        return found, unread

    def _single(self, contact_id: str) -> Record | None:
        """A merged contact answers to its old id here."""
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
        """Contacts that have these, or why that is not known; an answer for every key as given."""
        _bound(self._looked_up)
        self._unread.clear()
        self._find_emails(_unknown(emails, self._looked_up))
        self._find_phones(_unknown(phones, self._looked_up))
        return {
            each: self._unread.get(each.casefold()) or self._known(each)
            for each in (*emails, *phones)
        }

    def _known(self, key: str) -> tuple[Contact, ...]:
        """What was found, and what we made and the index may not show yet."""
        made = self._made.get(key.casefold())
        found = self._looked_up.get(key.casefold(), ())
        return found if made is None or made.id in {each.id for each in found} else (*found, made)

    def _find_emails(self, emails: Collection[str]) -> None:
        """By the unique property, which lags behind nothing; then among further addresses."""
        records, unread = self._batch(emails, by="email")
        self._unread |= unread
        read = [each for each in emails if each not in unread]
        self._file(read, map(self._contact, records))
        self._find_further([each for each in read if not self._known(each)])

    def _find_further(self, emails: Sequence[str]) -> None:
        """Among further addresses, which no batch read goes by: few searches for many addresses.

        Contacts that have any are rare, so that reading them all, once in a
        cycle, mostly costs less than a search for every five addresses.
        """
        path, further = self._session.api.objects(CONTACTS), self._further
        if len(emails) > search.EMAILS_PER_SEARCH and not further.tried:
            further.tried = True
            self._read_further(path, math.ceil(len(emails) / search.EMAILS_PER_SEARCH))
        if further.everybody is not None:
            self._file(emails, further.everybody)
            return
        for chunk in chunks(emails, search.EMAILS_PER_SEARCH):
            if further.refused:
                return
            parts = [*divided(self._session, Asked.RECORDS, chunk, self._holders)]
            further.refused = all(isinstance(answer, Rejected) for _, answer in parts)
            for part, answer in () if further.refused else parts:
                if isinstance(answer, ProviderError):
                    self._unread |= dict.fromkeys(part, answer)
                    for each in part:
                        self._looked_up.pop(each, None)
                else:
                    self._file(part, map(self._contact, answer.records))

    def _holders(self, emails: Sequence[str], attempts: int | None) -> wire.Page:
        """Who holds one of these as a further address.

        An account that cannot be searched this way still refuses a second contact
        with the same address, and names the first.
        """
        path = self._session.api.objects(CONTACTS)
        request = search.by_additional_email(path, emails, PROPERTIES)
        return wire.page(self._session.rows(request, attempts))

    def _read_further(self, path: str, searches: int) -> None:
        """Read everybody who has a further address, unless asking one by one is cheaper."""
        found: list[Contact] = []
        after = "0"
        while after:
            page = self._searched(search.with_further_addresses(path, PROPERTIES, after))
            if page is None:
                return
            if not found and math.ceil(page.total / search.PAGE) > min(searches, _FULL_SEARCH):
                return
            found += map(self._contact, page.records)
            after = search.further(page, after)
        self._further.everybody = found

    def _searched(self, request: Request) -> wire.Page | None:
        """A page, or nobody where there is none: then address by address."""
        try:
            return wire.page(self._session.rows(request))
        except ProviderError as error:
            self._session.check(Asked.BESIDE, error)
            # It names nobody, so that it is this kind of search which is refused.
            self._further.refused = isinstance(error, Rejected)
            return None

    def _file(self, emails: Iterable[str], found: Iterable[Contact]) -> None:
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
            after = search.further(page, after)
        return found

    def _phone_page(
        self, path: str, phones: Sequence[str], after: str, attempts: int | None
    ) -> wire.Page:
        if self._calculated:
            request = search.by_phone(path, phones, PROPERTIES, after)
            try:
                return wire.page(self._session.rows(request, attempts))
            except Rejected:
                pass  # The properties made for searching are told of, but listed nowhere.
        request = search.by_phone(path, phones, PROPERTIES, after, calculated=False)
        page = wire.page(self._session.rows(request, attempts))
        self._calculated = False
        return page

    # --- making one

    def create(self, wanted: Contact) -> Contact:
        """Make a contact, or give back the one that has the address already, untouched.

        Raises:
            Rejected: HubSpot does not take it.
            TimedOut: it has no e-mail address, and no answer came.
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
            raise Rejected("HubSpot made a contact without an id", side=Side.HUBSPOT)
        made = self._contact(
            Record(
                id=record.id, properties={**contact_mapping.creation(wanted), **record.properties}
            )
        )
        self._remember(made)
        return made

    def create_all(self, wanted: Sequence[Contact]) -> list[Contact | ProviderError]:
        """Make contacts in batches; what a batch leaves open is made one by one.

        Raises:
            AuthFailed, DailyBudgetSpent, Unavailable: no further one can succeed.
        """
        made: dict[str, Contact] = {}
        if len(wanted) > 1:
            rows = {_trace(each): each for each in wanted if each.emails}
            for chunk in chunks(rows, BATCH):
                made |= self._create_batch({trace: rows[trace] for trace in chunk})
        return [made.get(_trace(each)) or self._create_one(each) for each in wanted]

    def _create_batch(self, rows: Mapping[str, Contact]) -> dict[str, Contact]:
        """What a batch made for sure, found by its address; a silence leaves it all open."""
        inputs = [
            create_row(trace, contact_mapping.creation(each), "", 0) for trace, each in rows.items()
        ]
        try:
            body = self._session.batch(self._session.api.batch_create(inputs, CONTACTS))
        except ProviderError as error:
            self._session.check(Asked.WRITES, error)
            return {}
        made: dict[str, Contact] = {}
        for record in body.records:
            contact = self._contact(record)
            for trace, each in rows.items():
                if contact_mapping.has_email(contact, each.emails[0].casefold()):
                    self._remember(contact)
                    made[trace] = contact
        return made

    def _create_one(self, wanted: Contact) -> Contact | ProviderError:
        try:
            return self.create(wanted)
        except ProviderError as error:
            self._session.check(Asked.WRITE, error)
            return error

    def _existing(self, found: wire.Problem, wanted: Contact) -> Contact | None:
        """The contact that is in the way: the address may be a further one of it."""
        named = contact_mapping.existing_id(found)
        if named:
            return self._read([named])[0].get(named)
        for email in wanted.emails[:1]:
            self._looked_up.pop(email.casefold(), None)
            known = self.find([email], ())[email]
            for each in () if isinstance(known, ProviderError) else known:
                return each
        return None

    def _remember(self, made: Contact) -> None:
        self._by_id[made.id] = made
        for key in (*made.emails, *made.phones):
            self._made[key.casefold()] = made
        while len(self._made) > REMEMBERED:
            del self._made[next(iter(self._made))]


def _trace(wanted: Contact) -> str:
    """A name for a row that no other contact of the batch has."""
    parts = "\x1f".join((*wanted.emails, *wanted.phones, wanted.name))
    return blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _bound(cache: dict[str, _Held]) -> None:
    if len(cache) > BOUND:
        cache.clear()


def _unknown(keys: Iterable[str], known: Collection[str]) -> list[str]:
    """The keys that were not looked up yet, as they are kept: lower case, each once."""
    return [each for each in dict.fromkeys(key.casefold() for key in keys) if each not in known]
