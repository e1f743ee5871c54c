"""Reading appointments: sweeps, changes, records by id or by the id they carry, history.

`HubSpotProvider` delegates to this; the writer reads through it before it
writes. Two rules run through it. Unseen is never gone: only a record shown as
archived is. And an answer that cannot be read is an error, never an empty
list.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from syncd.core.model import Missing, Scan, Side, Snapshot
from syncd.errors import NotFound, Permanent, ProviderError, Rejected, Unreadable
from syncd.ports.clock import Clock
from syncd.ports.provider import Edit
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.hubspot import mapping, refusals, search, wire
from syncd.providers.hubspot.mapping import GHL_ID, MODIFIED, PropertyMap
from syncd.providers.hubspot.protocol import ASSOCIATION_BATCH, BATCH, HISTORY_BATCH
from syncd.providers.hubspot.read_split import divided
from syncd.providers.hubspot.search import ChangeWindow, chunks
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import MERGED_IDS, Record
from syncd.providers.message import Request
from syncd.providers.paging import Progress

OVERLAP = timedelta(minutes=10)
"""How far a poll reaches back behind its cursor, and how far the two clocks may differ."""
WHOLE = timedelta(minutes=2)
"""How often at least a poll searches through all of the overlap, however much that holds.

Longer than an index was seen to lag behind (facts of the vendor: ten seconds, at times a minute).
"""
CLOCKS = timedelta(seconds=10)
"""How far a further look within a cycle reaches back: what it misses, the next poll sees."""
SINGLE_READS = 50
"""Records that are asked for one by one in one call, to learn what they were merged into."""


@dataclass(frozen=True, slots=True)
class _Delivered:
    """What the poll from `begun` to `cursor` had read: the modification stamp by id."""

    begun: str
    cursor: str
    versions: Mapping[str, str]

    def to(self, cursor: str) -> Mapping[str, str]:
        """What was delivered to whoever comes with this cursor.

        A cursor is committed when everything delivered was dealt with, so
        coming with it proves that; unless the poll did not move it.
        """
        return self.versions if cursor == self.cursor != self.begun else {}


class Reader:
    """Reads the appointments of one account."""

    def __init__(
        self, session: Session, clock: Clock, *, search_lag: timedelta, confirm: Callable[[], None]
    ) -> None:
        """`confirm` is asked when a record lacks a property: is it empty, or was it deleted?"""
        self._session, self._clock, self._lag = session, clock, search_lag
        self._confirm = confirm
        self._delivered = _Delivered("", "", {})
        self._whole_at = -WHOLE
        """When everything was listed or searched through (monotonic)."""
        self._sorts = deque(search.SORTS)

    # --- scans

    def scan(
        self, property_map: PropertyMap, cursor: str, made_before: datetime | None = None
    ) -> Scan:
        """What changed since the cursor; everything, without one or with one from the future.

        With `made_before` it is a further look in the same cycle, see `ScanRequest`.
        """
        try:
            since = search.instant(cursor)
        except ValueError:
            return self._sweep(property_map)
        if since > self._clock.now() + OVERLAP:
            # Our clock was ahead when it was written: changes since then would be skipped.
            return self._sweep(property_map)
        if made_before is not None:
            return self._lately(property_map, since, made_before)
        return self._changes(property_map, cursor, since)

    def _sweep(self, property_map: PropertyMap) -> Scan:
        """List every living record, then every archived one."""
        begun = self._clock.now()
        self._whole_at = self._monotonic()
        found = _Swept()
        strange: list[tuple[str, str]] = []
        failures: list[str] = []
        refused = frozenset[str]()
        for page in self._pages(property_map, archived=False):
            found.take(page.records, property_map)
            strange += page.unreadable
        try:
            for page in self._pages(property_map, archived=True):
                found.take(page.records, property_map)
        except ProviderError as error:
            if stops(Asked.PART, error) is not Stops.PART:
                raise
            # A paired record that is archived is asked for by id all the same.
            failures.append(f"the list of archived HubSpot appointments: {error}")
            refused = frozenset({"archived"} if isinstance(error, Permanent) else ())
        for each, shown in self.fetch(property_map, found.doubtful).items():
            found.cut.pop(each, None)
            if isinstance(shown, Snapshot):
                found.snapshots[each] = shown
            else:
                del found.snapshots[each]
                strange.append((each, shown.detail))
        linked, unlinked = self._contacts_of(found.cut)
        for each, contacts in linked.items():
            found.snapshots[each] = mapping.snapshot(found.cut[each], property_map, contacts)
        for each, why in unlinked.items():
            del found.snapshots[each]
            strange.append((each, str(why)))
        cursor = search.stamp(begun - self._lag)
        self._remember("", cursor, found.versions.items())
        return Scan(
            side=Side.HUBSPOT,
            snapshots=tuple(found.snapshots.values()),
            complete=True,
            unreadable=tuple(strange),
            failures=tuple(failures),
            refused=refused,
            cursor=cursor,
        )

    def _pages(self, property_map: PropertyMap, *, archived: bool) -> Iterator[wire.Page]:
        after, progress = "", Progress(Side.HUBSPOT, "appointments")
        while True:
            request = self._session.api.list(property_map.read, archived=archived, after=after)
            page = wire.page(self._session.rows(request))
            self._look_for(property_map, page.records)
            yield page
            after = page.after
            if not after:
                return
            progress.page((record.id for record in page.records), after)

    def _changes(self, property_map: PropertyMap, cursor: str, since: datetime) -> Scan:
        """Search for what changed and was not delivered to this cursor yet.

        The values are the index's, which may be older than the record: they
        say where to look, and the engine reads by id whatever is not as it
        was agreed.
        """
        now = self._clock.now()
        window = ChangeWindow(since=since - OVERLAP, until=now + OVERLAP)
        known = self._delivered.to(cursor)
        found = self._latest(property_map, window, known)
        standing: Mapping[str, str] = known if found is not None else {}
        if found is None:
            self._whole_at = self._monotonic()
            found = {record.id: record for record in self._search(property_map, window)}
        versions = dict(map(_version, found.values()))
        fresh = {each: found[each] for each, at in versions.items() if known.get(each) != at}
        horizon = search.stamp(now - self._lag)
        shown, unlinked = self._with_contacts(property_map, fresh)
        self._remember(cursor, horizon, {**standing, **versions}.items())
        return Scan(
            side=Side.HUBSPOT,
            snapshots=tuple(shown.values()),
            unreadable=tuple((each, str(error)) for each, error in unlinked.items()),
            cursor=horizon,
        )

    def _lately(self, property_map: PropertyMap, since: datetime, made_before: datetime) -> Scan:
        """What people changed since the last look of this cycle, as far as the index shows it.

        What was read before is not remembered here: the next poll reads all of it once more.
        """
        now = self._clock.now()
        window = ChangeWindow(since=since - CLOCKS, until=now + OVERLAP, made_before=made_before)
        found = {record.id: record for record in self._search(property_map, window)}
        shown, unlinked = self._with_contacts(property_map, found)
        return Scan(
            side=Side.HUBSPOT,
            snapshots=tuple(shown.values()),
            unreadable=tuple((each, str(error)) for each, error in unlinked.items()),
            cursor=search.stamp(now - self._lag),
        )

    def _latest(
        self, property_map: PropertyMap, window: ChangeWindow, known: Mapping[str, str]
    ) -> dict[str, Record] | None:
        """The latest changes on one page, where that shows all there is to see; else None.

        The overlap is full of our own writes after a first sync, and would be paged through in
        each poll. The page is enough if it reaches back to a version that was delivered and the
        window holds no record but its own and those of which a version was. What is indexed
        late, behind all of that, is found when the whole overlap is searched again.
        """
        if len(known) < search.PAGE or self._monotonic() - self._whole_at > WHOLE:
            return None
        try:
            page = wire.page(
                self._session.rows(window.latest(self._session.api.objects(), property_map.read))
            )
        except (Unreadable, Rejected):
            return None
        found = {record.id: record for record in page.records}
        stamps = [wire.moment(record.properties.get(MODIFIED)) for record in page.records]
        moments = [each for each in stamps if each is not None]
        standing = {
            each
            for each, written in known.items()
            if (at := wire.moment(written)) is not None and window.holds(at)
        }
        sorted_ = len(moments) == len(found) and moments == sorted(moments, reverse=True)
        if not found or not sorted_ or page.total != len(standing | found.keys()):
            return None
        name, modified = _version(page.records[-1])
        return found if known.get(name) == modified else None

    def _monotonic(self) -> timedelta:
        return timedelta(seconds=self._clock.monotonic())

    def _search(self, property_map: PropertyMap, window: ChangeWindow) -> list[Record]:
        """Every record in the window, sorted by id in whichever way the vendor understands."""
        for _ in search.SORTS[:-1]:
            try:
                return list(self._hits(property_map, window, self._sorts[0]))
            except (Unreadable, Rejected):
                # Not understood here, it seems; the next poll begins with the other way too.
                self._sorts.rotate(-1)
        return list(self._hits(property_map, window, self._sorts[0]))

    def _hits(
        self, property_map: PropertyMap, window: ChangeWindow, sort: object
    ) -> Iterator[Record]:
        last = ""
        while True:
            request = window.page(self._session.api.objects(), property_map.read, last, sort)
            page = wire.page(self._session.rows(request))
            yield from page.records
            if not page.records or (not page.after and page.total <= len(page.records)):
                return  # In which order the last page comes is all one.
            last = _last_id(page, last)

    def _remember(self, begun: str, cursor: str, versions: Iterable[tuple[str, str]]) -> None:
        """Keep which versions were delivered, as far as the next poll will see them again."""
        since = search.instant(cursor) - OVERLAP
        kept = {
            each: modified
            for each, modified in versions
            if (at := wire.moment(modified)) is not None and at >= since
        }
        self._delivered = _Delivered(begun, cursor, kept)

    # --- by id

    def fetch(
        self, property_map: PropertyMap, ids: Collection[str]
    ) -> dict[str, Snapshot | Missing]:
        """Records by id: living, archived (gone), or missing, which proves nothing."""
        records, others, unread = self._read(property_map, ids)
        shown, unlinked = self._with_contacts(property_map, records)
        found: dict[str, Snapshot | Missing] = dict(shown)
        found |= {each: unreadable(error) for each, error in (unread | unlinked).items()}
        merged = wire.merged_into(others.values())
        found |= {each: _merged(merged[each]) for each in ids if each in merged}
        rest = [each for each in dict.fromkeys(ids) if each not in found]
        binned, _, unread = self._read(property_map, rest, archived=True)
        found |= {each: mapping.snapshot(record, property_map) for each, record in binned.items()}
        found |= {each: unreadable(error) for each, error in unread.items()}
        absent = [each for each in rest if each not in found]
        for place, each in enumerate(absent):
            found[each] = (
                self._single(property_map, each)
                if place < SINGLE_READS
                else Missing(detail="HubSpot shows no such appointment", unread=True)
            )
        return found

    def living(
        self, property_map: PropertyMap, ids: Collection[str], *, contacts: bool = True
    ) -> dict[str, Snapshot | ProviderError]:
        """The records among these that are not archived, with their contacts where wanted.

        Also why one of them cannot be read now.
        """
        records, _, unread = self._read(property_map, ids)
        if contacts:
            shown, unlinked = self._with_contacts(property_map, records)
            return {**shown, **unread, **unlinked}
        shown = {each: mapping.snapshot(held, property_map) for each, held in records.items()}
        return {**shown, **unread}

    def _with_contacts(
        self, property_map: PropertyMap, records: Mapping[str, Record]
    ) -> tuple[dict[str, Snapshot], dict[str, ProviderError]]:
        """The records whose contacts can be read, and why those of others cannot."""
        linked, unread = self._contacts_of(record.id for record in records.values())
        return {
            each: mapping.snapshot(record, property_map, linked.get(record.id, ()))
            for each, record in records.items()
            if record.id not in unread
        }, {each: unread[record.id] for each, record in records.items() if record.id in unread}

    def _read(
        self,
        property_map: PropertyMap,
        ids: Collection[str],
        *,
        archived: bool = False,
        by: str = "",
    ) -> tuple[dict[str, Record], dict[str, Record], dict[str, ProviderError]]:
        """Records by the id (or unique value) asked for, and those that answered for another.

        Also why some cannot be read now.
        """
        found: dict[str, Record] = {}
        others: dict[str, Record] = {}
        unread: dict[str, ProviderError] = {}
        properties = (*property_map.read, MERGED_IDS)

        def ask(part: Sequence[str], attempts: int | None) -> wire.Batch:
            request = self._session.api.batch_read(
                part, properties, archived=archived, id_property=by
            )
            return self._session.batch(request, attempts)

        for chunk in chunks(dict.fromkeys(ids), BATCH):
            wanted = set(chunk)
            for part, answer in divided(self._session, Asked.RECORDS, chunk, ask):
                if isinstance(answer, ProviderError):
                    unread |= dict.fromkeys(part, answer)
                    continue
                self._look_for(property_map, answer.records)
                for record in answer.records:
                    key = record.properties.get(by, "").strip() if by else record.id
                    if record.archived == archived and key in wanted:
                        found[key] = record
                    else:
                        others[record.id] = record
                unread |= refusals.unread(answer, wanted)
        return found, others, unread

    def _look_for(self, property_map: PropertyMap, records: Iterable[Record]) -> None:
        """See that each record shows every property that was asked for, be it null."""
        wanted = frozenset(property_map.mapped)
        if not all(record.properties.keys() >= wanted for record in records):
            self._confirm()

    def _single(self, property_map: PropertyMap, record_id: str) -> Snapshot | Missing:
        """Ask for one record alone: a merged one answers with the survivor's id."""
        request = self._session.api.get(record_id, property_map.read)
        try:
            record = wire.record(self._session.ask(request))
        except NotFound:
            record = None
        except ProviderError as error:
            self._session.check(Asked.RECORD, error)
            return unreadable(error)
        if record is None:
            return Missing(
                detail="HubSpot shows no such appointment, archived ones included", absent=True
            )
        self._look_for(property_map, (record,))
        if record.id != record_id:
            return _merged(record)
        contacts, unread = self._contacts_of([record_id])
        if record_id in unread:
            return unreadable(unread[record_id])
        return mapping.snapshot(record, property_map, contacts.get(record_id, ()))

    def find_by_external_id(
        self, property_map: PropertyMap, ghl_ids: Collection[str]
    ) -> dict[str, Snapshot | Missing]:
        """The records that carry these HighLevel ids; a living one goes before an archived one.

        Of an id that cannot be asked for, why.
        """
        records, _, unread = self._read(property_map, ghl_ids, by=GHL_ID)
        shown, unlinked = self._with_contacts(property_map, records)
        found: dict[str, Snapshot | Missing] = dict(shown)
        rest = [
            each
            for each in dict.fromkeys(ghl_ids)
            if each not in found and each not in unread and each not in unlinked
        ]
        binned, _, more = self._read(property_map, rest, archived=True, by=GHL_ID)
        found |= {each: mapping.snapshot(held, property_map) for each, held in binned.items()}
        failed = unread | unlinked | more
        return found | {each: unreadable(error) for each, error in failed.items()}

    def of_contact(self, property_map: PropertyMap, contact: str) -> tuple[Snapshot, ...]:
        """The living records that a contact is associated with, some thousand at most."""
        linked, unread = self.linked_to([contact])
        if contact in unread:
            raise Unreadable(str(unread[contact]), side=Side.HUBSPOT)
        found = self.living(property_map, linked.get(contact, ())).values()
        for each in found:
            if isinstance(each, ProviderError):
                raise Unreadable(str(each), side=Side.HUBSPOT)
        return tuple(each for each in found if isinstance(each, Snapshot))

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, ProviderError]]:
        """The ids of the records of contacts, by contact, and why those of others cannot be read.

        A contact without any is left out.
        """
        return self._linked(self._session.api.appointments_of, contacts)

    def _contacts_of(
        self, ids: Iterable[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, ProviderError]]:
        """The contacts of records, by record, and why those of others cannot be read.

        A record without any is left out.
        """
        return self._linked(self._session.api.associations, ids)

    def _linked(
        self, request: Callable[[Iterable[tuple[str, str]]], Request], ids: Iterable[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, ProviderError]]:
        """What these are associated with, and why that of others cannot be read.

        Who has nothing is left out, by the vendor's own word.
        """
        found: dict[str, tuple[str, ...]] = {}
        unread: dict[str, ProviderError] = {}
        waiting = [(each, "") for each in ids]
        going: dict[str, Progress] = {}

        def ask(part: Sequence[tuple[str, str]], attempts: int | None) -> wire.Json:
            return self._session.rows(request(part), attempts)

        while waiting:
            cut: list[tuple[str, str]] = []
            for chunk in chunks(waiting, ASSOCIATION_BATCH):
                for part, body in divided(self._session, Asked.RECORDS, chunk, ask):
                    if isinstance(body, ProviderError):
                        unread |= {each: body for each, _ in part}
                        continue
                    answered = wire.associations(body)
                    unread |= _left_out(body, {each for each, _ in part} - answered.keys())
                    for each, linked in answered.items():
                        found[each] = tuple(dict.fromkeys((*found.get(each, ()), *linked.ids)))
                        if linked.after:
                            progress = going.setdefault(each, Progress(Side.HUBSPOT, "contacts"))
                            try:
                                progress.page(linked.ids, linked.after)
                            except Unreadable as error:
                                unread[each] = error
                            else:
                                cut.append((each, linked.after))
            waiting = cut
        return found, unread

    # --- history

    def edits(
        self, property_map: PropertyMap, ids: Collection[str]
    ) -> Mapping[str, tuple[Edit, ...]]:
        """When each group was last changed, from the property history."""
        found: dict[str, tuple[Edit, ...]] = {}

        def ask(part: Sequence[str], attempts: int | None) -> wire.Batch:
            request = self._session.api.batch_read(part, (), history=property_map.mapped)
            return self._session.batch(request, attempts)

        for chunk in chunks(dict.fromkeys(ids), HISTORY_BATCH):
            for _, answer in divided(self._session, Asked.RECORDS, chunk, ask):
                if isinstance(answer, wire.Batch):  # Of the others, nothing is known.
                    found |= {each.id: mapping.edits(each, property_map) for each in answer.records}
        return found


def unreadable(error: ProviderError) -> Missing:
    """A record of which nothing is known, because asking for it failed."""
    return Missing(detail=str(error), unread=True)


def _left_out(body: wire.Json, silent: Collection[str]) -> dict[str, ProviderError]:
    """Of those that an associations batch read is silent about, whom it could not read."""
    told = wire.unread_associations(body)
    if told is None:
        return {}
    error = Unreadable(
        "HubSpot's answer leaves out what it is associated with; the next cycle asks again",
        side=Side.HUBSPOT,
    )
    return dict.fromkeys((told & set(silent)) or silent, error)


def _merged(survivor: Record) -> Missing:
    return Missing(detail="it was merged into another appointment", became=survivor.id)


@dataclass(slots=True)
class _Swept:
    """What is kept of a whole portal while it passes by: no more than the core needs."""

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    cut: dict[str, Record] = field(default_factory=dict)
    """Those whose list of contacts was cut off."""
    doubtful: set[str] = field(default_factory=set)
    """Those that are listed as living and as archived: only reading them by id tells."""

    def take(self, records: Iterable[Record], property_map: PropertyMap) -> None:
        """One page more; of a record that is listed twice alike, the later word counts."""
        for record in records:
            key, self.versions[key] = _version(record)
            before = self.snapshots.get(key)
            if before is not None and before.gone != record.archived:
                self.doubtful.add(key)
            self.snapshots[key] = mapping.snapshot(record, property_map)
            self.cut.pop(key, None)
            if record.more_associated:
                self.cut[key] = record


def _version(record: Record) -> tuple[str, str]:
    return (record.id, record.properties.get(MODIFIED, ""))


def _last_id(page: wire.Page, last: str) -> str:
    """The greatest id of a page that is sorted by id and lies behind the last one.

    Raises:
        Unreadable: it does not; going on from it would skip records.
    """
    try:
        numbers = [int(last or -1), *(int(record.id) for record in page.records)]
    except ValueError as error:
        raise Unreadable(
            "HubSpot's search shows ids that are no numbers", side="hubspot"
        ) from error
    if any(one >= other for one, other in pairwise(numbers)):
        raise Unreadable(
            "HubSpot's search does not sort by id, so that changes would be missed; "
            "the next full cycle reads everything by list",
            side="hubspot",
        )
    return str(numbers[-1])
