"""Contacts: read, find by e-mail and phone, create; never change one.

`provider` calls `ContactBook`, which caches within a cycle what it read, up
to a limit. Search lags behind writes by about ten seconds (observed
2026-09-12), and the duplicate look-up may return another contact, so contacts
that a search does not show are read by id, and results of a look-up are checked.
"""

import math
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from threading import Lock

from syncd.core.model import Contact
from syncd.errors import NotFound, ProviderError, TimedOut
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.ghl import protocol, wire
from syncd.providers.ghl.session import FATAL, Session, check_own, unreadable
from syncd.providers.phones import normalized

SEARCH_FROM = 20
"""From so many missing contacts on, pages of 500 are cheaper than single reads."""

CACHED = 20_000
"""Contacts that are cached at most."""


def contact(row: wire.ContactRow, country: str) -> Contact:
    """A contact in the core's terms; numbers in E.164, by its own or the location's country."""
    return Contact(
        id=row.id,
        first_name=row.first_name,
        last_name=row.last_name,
        emails=row.emails,
        phones=normalized(row.phones, row.country or country),
    )


class ContactBook:
    """The contacts of one location, cached for one cycle."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = Lock()
        self._by_id: OrderedDict[str, Contact | None] = OrderedDict()
        self._found: dict[str, tuple[Contact, ...]] = {}
        self._searched = False
        self._reset_pages()

    def forget(self) -> None:
        """A new cycle begins."""
        with self._lock:
            self._by_id.clear()
            self._found.clear()
            self._searched = False
            self._reset_pages()

    def _reset_pages(self) -> None:
        self._after: tuple[object, ...] = ()
        self._paged = 0
        self._pages: int | None = None
        """Pages left; None before the first."""

    def contacts(self, ids: Collection[str], country: str) -> dict[str, Contact | ProviderError]:
        """Contacts by id, or the error of one that cannot be read; unknown ones are left out.

        Raises:
            AuthFailed, DailyBudgetSpent, Transient: none can be read.
        """
        wanted = dict.fromkeys(filter(None, ids))
        missing = [key for key in wanted if key not in self._by_id]
        known: dict[str, Contact | ProviderError | None] = {
            key: self._by_id[key] for key in wanted if key in self._by_id
        }
        if len(missing) > SEARCH_FROM:
            known |= self._from_search(missing, country)
        rest = [key for key in missing if key not in known]
        known |= self._session.each(lambda key: self._get(key, country), rest)
        return {key: found for key, found in known.items() if found is not None}

    def find(
        self, emails: Collection[str], phones: Collection[str], country: str
    ) -> dict[str, tuple[Contact, ...] | ProviderError]:
        """Contacts by each e-mail and each phone (E.164), by the keys as given.

        A failed look-up has its error here: an empty result means that there is no such contact.

        Raises:
            AuthFailed, DailyBudgetSpent, Transient: none can be looked up.
        """
        failed: dict[str, ProviderError] = {}
        wanted = dict.fromkeys((*emails, *phones))
        missing = [key for key in wanted if _key(key) not in self._found]
        if len(missing) > SEARCH_FROM and not self._searched:
            self._searched = True
            self._from_search([], country, lookups=len(missing))
            self._index()
            missing = [key for key in missing if _key(key) not in self._found]
        for key, found in self._session.each(lambda key: self._look_up(key, country), missing):
            if isinstance(found, ProviderError):
                failed[key] = found
            else:
                self._found[_key(key)] = found
        return {key: failed.get(key) or self._found.get(_key(key), ()) for key in wanted}

    def create_all(self, wanted: Sequence[Contact], country: str) -> list[Contact | ProviderError]:
        """Create contacts, several at once; HighLevel has no batch for it.

        Raises:
            AuthFailed, DailyBudgetSpent, Transient: no further one can succeed.
        """
        return [
            found
            for _, found in self._session.each(lambda each: self.create(each, country), wanted)
        ]

    def create(self, wanted: Contact, country: str) -> Contact:
        """Create a contact, or give back the existing one that the refusal names.

        Raises:
            ProviderError: it was refused, or (`TimedOut` with `sent`) may have been created.
        """
        body: dict[str, object] = {"locationId": self._session.location}
        body |= {
            key: held
            for key, held in (
                ("firstName", wanted.first_name),
                ("lastName", wanted.last_name),
                ("email", next(iter(wanted.emails), "")),
                ("phone", next(iter(wanted.phones), "")),
            )
            if held
        }
        call = protocol.create_contact(body)
        try:
            response = self._session.client.send(call.request)
        except TimedOut as error:
            found = self._existing_after(wanted, country) if error.sent else None
            if found is None:
                raise
            return found
        created = wire.contact(response.payload) if response.ok else None
        if created is not None:
            check_own(call, self._session.location, created.location)
            return self._cache_created(contact(created, country))
        # Where duplicates are not allowed, the refusal names the existing contact (observed
        # 2026-09-12). And a 422 may come although the contact was created (reported, read
        # 2026-11-20).
        duplicate = wire.duplicate_of(response.payload)
        found = self._existing_after(wanted, country, duplicate)
        if found is not None:
            return found
        if response.ok:
            raise unreadable(call)
        raise self._session.refusal(call, response)

    def _get(self, key: str, country: str) -> Contact | None:
        call = protocol.get_contact(key)
        try:
            row = wire.contact(self._session.ask(call))
        except NotFound:
            found = None
        else:
            if row is None:
                raise unreadable(call)
            check_own(call, self._session.location, row.location)
            found = contact(row, country)
        self._cache(key, found)
        return found

    def _look_up(self, key: str, country: str) -> tuple[Contact, ...]:
        """The contact with this e-mail or number; not delayed, unlike search."""
        is_email = "@" in key
        call = protocol.find_duplicate(
            self._session.location, email=key if is_email else "", number="" if is_email else key
        )
        payload = self._session.ask(call)
        if not isinstance(payload, Mapping) or "contact" not in payload:
            raise unreadable(call)
        row = wire.contact(payload)
        if row is None:
            if payload["contact"]:  # Something that is no contact does not mean that there is none.
                raise unreadable(call)
            return ()
        check_own(call, self._session.location, row.location)
        found: Contact | None = contact(row, country)
        if found is not None and not _has(found, key):
            # `matchingField` is not reliable (observed 2026-07-17): read the contact.
            found = self._get(row.id, country)
        if found is None or not _has(found, key):
            return ()
        self._cache(found.id, found)
        return (found,)

    def _existing_after(self, wanted: Contact, country: str, duplicate: str = "") -> Contact | None:
        """The contact that a creation found or made, as far as it can be read now."""
        try:
            return self._get(duplicate, country) if duplicate else self._existing(wanted, country)
        except FATAL:
            raise
        except ProviderError:
            return None

    def _existing(self, wanted: Contact, country: str) -> Contact | None:
        for key in (*wanted.emails[:1], *wanted.phones[:1]):
            found = self._look_up(key, country)
            if found:
                return found[0]
        return None

    def _from_search(
        self, missing: Collection[str], country: str, *, lookups: int = 0
    ) -> dict[str, Contact]:
        """Contacts from pages of a search, while these are cheaper than single reads.

        Each page is read once in a cycle: the next call continues after the last one.
        """
        lookups = lookups or len(missing)
        open_ids = set(missing)
        while self._pages is None or 0 < self._pages < (len(open_ids) if missing else lookups):
            try:
                call = protocol.search_contacts(self._session.location, self._after)
                rows, total = wire.contacts(self._session.ask(call))
                for row in rows:
                    check_own(call, self._session.location, row.location)
            except ProviderError as error:
                if stops(Asked.BESIDE, error) is not Stops.NOTHING:
                    raise
                self._pages = 0  # No search here: read one by one.
                break
            fresh = {row.id for row in rows} - self._by_id.keys()
            for row in rows:
                self._cache(row.id, contact(row, country))
            self._paged += len(rows)
            open_ids -= {row.id for row in rows}
            self._after = rows[-1].search_after if rows else ()
            left = math.ceil((total - self._paged) / protocol.PAGE)
            # A page without a new contact may be followed by any number of such pages.
            self._pages = left if self._after and fresh else 0
        held = {key: self._by_id.get(key) for key in missing}
        return {key: found for key, found in held.items() if found is not None}

    def _index(self) -> None:
        by_key: dict[str, list[Contact]] = {}
        for found in filter(None, self._by_id.values()):
            for key in (*found.emails, *found.phones):
                by_key.setdefault(_key(key), []).append(found)
        for key, several in by_key.items():
            self._found.setdefault(key, tuple(several))

    def _cache(self, key: str, found: Contact | None) -> None:
        with self._lock:
            self._by_id[key] = found
            while len(self._by_id) > CACHED:
                self._by_id.popitem(last=False)

    def _cache_created(self, created: Contact) -> Contact:
        self._cache(created.id, created)
        for key in (*created.emails, *created.phones):
            self._found[_key(key)] = (*self._found.get(_key(key), ()), created)
        return created


def _key(text: str) -> str:
    return text.strip().casefold()


def _has(found: Contact, key: str) -> bool:
    return _key(key) in {_key(each) for each in (*found.emails, *found.phones)}
