"""Reading appointments: by id, by external id, of a contact, and their property history.

`HubSpotProvider` delegates to this; the poller and the writer read through
it. A record that is not found is not deleted: only one that is shown as
archived is. An answer that cannot be read is an error, never an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from syncd.core.model import Missing, Side, Snapshot
from syncd.errors import NotFound, ProviderError, Unreadable
from syncd.ports.provider import Edit
from syncd.ports.refusals import Asked
from syncd.providers.hubspot import mapping, refusals, wire
from syncd.providers.hubspot.account import AccountReader
from syncd.providers.hubspot.mapping import GHL_ID
from syncd.providers.hubspot.protocol import ASSOCIATION_BATCH, HISTORY_BATCH
from syncd.providers.hubspot.read_split import divided, read_batches
from syncd.providers.hubspot.search import chunks
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import MERGED_IDS, Record
from syncd.providers.message import Request
from syncd.providers.paging import Progress

SINGLE_READS = 50
"""Records that one call reads one by one, to find the records they were merged into."""


class Reader:
    """Reads the appointments of one account."""

    def __init__(self, session: Session, account: AccountReader) -> None:
        self._session, self._account = session, account

    def snapshot(self, record: Record, contacts: tuple[str, ...] | None = None) -> Snapshot:
        """The record in the core's terms; `contacts` where they were read separately."""
        return mapping.snapshot(record, self._account.property_map, contacts)

    # --- by id

    def fetch(self, ids: Collection[str]) -> dict[str, Snapshot | Missing]:
        """Records by id: active, archived (`gone`), or missing, which proves nothing."""
        records, others, unread = self._read(ids)
        active, unlinked = self.with_contacts(records)
        found: dict[str, Snapshot | Missing] = dict(active)
        found |= {each: unreadable(error) for each, error in (unread | unlinked).items()}
        merged = wire.merged_into(others.values())
        found |= {each: _merged(merged[each]) for each in ids if each in merged}
        rest = [each for each in dict.fromkeys(ids) if each not in found]
        archived, _, unread = self._read(rest, archived=True)
        found |= {each: self.snapshot(record) for each, record in archived.items()}
        found |= {each: unreadable(error) for each, error in unread.items()}
        absent = [each for each in rest if each not in found]
        for place, each in enumerate(absent):
            found[each] = (
                self._single(each)
                if place < SINGLE_READS
                else Missing(detail="HubSpot shows no such appointment", unread=True)
            )
        return found

    def active(
        self, ids: Collection[str], *, contacts: bool = True
    ) -> dict[str, Snapshot | ProviderError]:
        """The records among these that are not archived, with their contacts where wanted.

        The error of a record that cannot be read now stands in its place.
        """
        records, _, unread = self._read(ids)
        if contacts:
            found, unlinked = self.with_contacts(records)
            return {**found, **unread, **unlinked}
        return {**{each: self.snapshot(held) for each, held in records.items()}, **unread}

    def with_contacts(
        self, records: Mapping[str, Record]
    ) -> tuple[dict[str, Snapshot], dict[str, ProviderError]]:
        """The records whose contacts can be read, and the errors of the others."""
        linked, unread = self.contacts_of(record.id for record in records.values())
        return {
            each: self.snapshot(record, linked.get(record.id, ()))
            for each, record in records.items()
            if record.id not in unread
        }, {each: unread[record.id] for each, record in records.items() if record.id in unread}

    def _read(
        self, ids: Collection[str], *, archived: bool = False, by: str = ""
    ) -> tuple[dict[str, Record], dict[str, Record], dict[str, ProviderError]]:
        """Records by the requested id (or unique value), other records of the answer, and errors.

        Other records are survivors of merges, by their own id.
        """
        found: dict[str, Record] = {}
        others: dict[str, Record] = {}
        unread: dict[str, ProviderError] = {}
        properties = (*self._account.property_map.read, MERGED_IDS)

        def request(part: Sequence[str]) -> Request:
            return self._session.api.batch_read(part, properties, archived=archived, id_property=by)

        for part, answer in read_batches(self._session, ids, request):
            if isinstance(answer, ProviderError):
                unread |= dict.fromkeys(part, answer)
                continue
            self.check_properties(answer.records)
            wanted = set(part)
            for record in answer.records:
                key = record.properties.get(by, "").strip() if by else record.id
                if record.archived == archived and key in wanted:
                    found[key] = record
                else:
                    others[record.id] = record
            unread |= refusals.unread(answer, wanted)
        return found, others, unread

    def check_properties(self, records: Iterable[Record]) -> None:
        """Check that no requested property was deleted: an empty one is shown as null.

        Raises:
            NotPrepared: one was deleted.
        """
        wanted = frozenset(self._account.property_map.mapped)
        if not all(record.properties.keys() >= wanted for record in records):
            self._account.confirm()

    def _single(self, record_id: str) -> Snapshot | Missing:
        """Read one record alone: the id of a merged one is answered with the survivor.

        No report shows that a batch read finds archived appointments, so the
        single read, which is described alike, is asked for them as well.
        """
        try:
            record = self._alone(record_id) or self._alone(record_id, archived=True)
        except ProviderError as error:
            self._session.check(Asked.RECORD, error)
            return unreadable(error)
        if record is None:
            return Missing(
                detail="HubSpot shows no such appointment, archived ones included", absent=True
            )
        self.check_properties((record,))
        if record.id != record_id:
            return _merged(record)
        contacts, unread = self.contacts_of([record_id])
        if record_id in unread:
            return unreadable(unread[record_id])
        return self.snapshot(record, contacts.get(record_id, ()))

    def _alone(self, record_id: str, *, archived: bool = False) -> Record | None:
        properties = self._account.property_map.read
        request = self._session.api.get(record_id, properties, archived=archived)
        with suppress(NotFound):
            return wire.record(self._session.ask(request))
        return None

    def find_by_external_id(self, ghl_ids: Collection[str]) -> dict[str, Snapshot | Missing]:
        """The records that hold these HighLevel ids; an active one before an archived one.

        Where an id cannot be looked up, the reason.
        """
        records, _, unread = self._read(ghl_ids, by=GHL_ID)
        active, unlinked = self.with_contacts(records)
        found: dict[str, Snapshot | Missing] = dict(active)
        failed = unread | unlinked
        known = found.keys() | failed.keys()
        rest = [each for each in dict.fromkeys(ghl_ids) if each not in known]
        archived, _, more = self._read(rest, archived=True, by=GHL_ID)
        found |= {each: self.snapshot(record) for each, record in archived.items()}
        return found | {each: unreadable(error) for each, error in (failed | more).items()}

    # --- associations

    def of_contact(self, contact: str, starts: Collection[datetime] = ()) -> tuple[Snapshot, ...]:
        """The active records that a contact is associated with, some thousand at most.

        With `starts`, those that start then: the contacts of others are not asked for.

        Raises:
            Unreadable: one of them cannot be read now.
        """
        linked, unread = self.linked_to([contact])
        _check_all_read(unread)
        records, _, unread = self._read(linked.get(contact, ()))
        _check_all_read(unread)
        if starts:
            records = {
                each: record
                for each, record in records.items()
                if self.snapshot(record).appointment.start in starts
            }
        found, unread = self.with_contacts(records)
        _check_all_read(unread)
        return tuple(found.values())

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, ProviderError]]:
        """The record ids of each contact that has any, and the errors by contact."""
        return self._linked(self._session.api.appointments_of, contacts)

    def contacts_of(
        self, ids: Iterable[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, ProviderError]]:
        """The contact ids of each record that has any, and the errors by record."""
        return self._linked(self._session.api.associations, ids)

    def _linked(
        self, request: Callable[[Iterable[tuple[str, str]]], Request], ids: Iterable[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, ProviderError]]:
        """The associated ids by id, and the errors by id; ids without associations are left out."""
        found: dict[str, tuple[str, ...]] = {}
        unread: dict[str, ProviderError] = {}
        open_pages = [(each, "") for each in ids]
        paging: dict[str, Progress] = {}

        def ask(part: Sequence[tuple[str, str]], attempts: int | None) -> wire.Json:
            return self._session.rows(request(part), attempts)

        while open_pages:
            further: list[tuple[str, str]] = []
            for chunk in chunks(open_pages, ASSOCIATION_BATCH):
                for part, body in divided(self._session, Asked.RECORDS, chunk, ask):
                    if isinstance(body, ProviderError):
                        unread |= {each: body for each, _ in part}
                        continue
                    answered = wire.associations(body)
                    unread |= _left_out(body, {each for each, _ in part} - answered.keys())
                    for each, linked in answered.items():
                        found[each] = tuple(dict.fromkeys((*found.get(each, ()), *linked.ids)))
                        if linked.after:
                            progress = paging.setdefault(each, Progress(Side.HUBSPOT, "contacts"))
                            try:
                                progress.page(linked.ids, linked.after)
                            except Unreadable as error:
                                unread[each] = error
                            else:
                                further.append((each, linked.after))
            open_pages = further
        return found, unread

    # --- history

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        """When each group was last changed, from the property history."""
        found: dict[str, tuple[Edit, ...]] = {}
        property_map = self._account.property_map

        def request(part: Sequence[str]) -> Request:
            return self._session.api.batch_read(part, (), history=property_map.mapped)

        for _, answer in read_batches(self._session, ids, request, HISTORY_BATCH):
            if isinstance(answer, wire.Batch):  # Of the others, no edit is known.
                found |= {each.id: mapping.edits(each, property_map) for each in answer.records}
        return found


def unreadable(error: ProviderError) -> Missing:
    """A record whose state is unknown, because reading it failed."""
    return Missing(detail=str(error), unread=True)


def _check_all_read(unread: Mapping[str, ProviderError]) -> None:
    for error in unread.values():
        raise Unreadable(str(error), side=Side.HUBSPOT)


def _left_out(body: wire.Json, missing: Collection[str]) -> dict[str, ProviderError]:
    """The errors of the ids that an associations batch read could not read."""
    failed = wire.unread_associations(body)
    if failed is None:
        return {}
    error = Unreadable(
        "HubSpot's answer leaves out what it is associated with; the next cycle asks again",
        side=Side.HUBSPOT,
    )
    return dict.fromkeys((failed & set(missing)) or missing, error)


def _merged(survivor: Record) -> Missing:
    return Missing(detail="it was merged into another appointment", became=survivor.id)
