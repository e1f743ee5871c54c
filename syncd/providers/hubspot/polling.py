"""Polling appointments: a full list, changes by search, and polls within a cycle.

`HubSpotProvider.scan` delegates to `Poller`. A record that is not listed is
not deleted: only one that is shown as archived is. An answer that cannot be
read is an error, never an empty list. Leaves out reading by id (`reading`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from syncd.core.model import Scan, Side, Snapshot
from syncd.errors import Permanent, ProviderError, Rejected, Unreadable
from syncd.ports.clock import Clock
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.hubspot import mapping, search, wire
from syncd.providers.hubspot.account import AccountReader
from syncd.providers.hubspot.mapping import MODIFIED, PropertyMap
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.search import ChangeWindow
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Record
from syncd.providers.paging import Progress

OVERLAP = timedelta(minutes=10)
"""How far a poll reaches back behind its cursor, and how far the two clocks may differ."""
FULL_SEARCH_INTERVAL = timedelta(minutes=2)
"""How often at least a poll searches the whole overlap, however many records that holds.

Longer than the search index lags behind: ten seconds, at times a minute (observed by developers,
read 2026-07-28).
"""
CLOCK_TOLERANCE = timedelta(seconds=10)
"""How far a poll within a cycle reaches back: what it misses, the next cycle's poll reads."""


@dataclass(frozen=True, slots=True)
class _LastPoll:
    """The poll from cursor `since` to `cursor`, and the modification stamps it delivered, by id."""

    since: str
    cursor: str
    versions: Mapping[str, str]

    def delivered(self, cursor: str) -> Mapping[str, str]:
        """The versions that the caller with this cursor has processed.

        A cursor is committed after everything delivered with it was processed;
        this holds only for a poll that moved the cursor.
        """
        return self.versions if cursor == self.cursor != self.since else {}


class Poller:
    """Finds the appointments of one account that changed."""

    def __init__(
        self,
        session: Session,
        account: AccountReader,
        reader: Reader,
        clock: Clock,
        *,
        search_lag: timedelta,
    ) -> None:
        self._session, self._account, self._reader = session, account, reader
        self._clock, self._lag = clock, search_lag
        self._last = _LastPoll("", "", {})
        self._searched_all_at = -FULL_SEARCH_INTERVAL
        """When the whole overlap, or everything, was read last (monotonic)."""
        self._sorts = deque(search.SORTS)

    def scan(self, cursor: str, created_before: datetime | None = None) -> Scan:
        """What changed since the cursor; everything, without one or with one from the future.

        With `created_before` it is a further poll in the same cycle, see `ScanRequest`.
        """
        try:
            since = search.instant(cursor)
        except ValueError:
            return self._list_all()
        if since > self._clock.now() + OVERLAP:
            # Our clock was ahead when it was written: changes since then would be skipped.
            return self._list_all()
        if created_before is not None:
            return self._repoll(since, created_before)
        return self._changes(cursor, since)

    # --- everything

    def _list_all(self) -> Scan:
        """List every active record, then every archived one."""
        began = self._clock.now()
        self._searched_all_at = self._monotonic()
        found = _FullList(self._account.property_map)
        failures: list[str] = []
        refused = frozenset[str]()
        for page in self._pages(archived=False):
            found.add(page)
        try:
            for page in self._pages(archived=True):
                found.add(page)
        except ProviderError as error:
            if stops(Asked.PART, error) is not Stops.PART:
                raise
            # A paired record that is archived is still requested by id.
            failures.append(f"the list of archived HubSpot appointments: {error}")
            refused = frozenset({"archived"} if isinstance(error, Permanent) else ())
        for each, read in self._reader.fetch(found.contradictory).items():
            found.truncated.pop(each, None)
            if isinstance(read, Snapshot):
                found.snapshots[each] = read
            else:
                found.drop(each, read.detail)
        linked, unread = self._reader.contacts_of(found.truncated)
        for each, contacts in linked.items():
            found.snapshots[each] = self._reader.snapshot(found.truncated[each], contacts)
        for each, why in unread.items():
            found.drop(each, str(why))
        cursor = search.stamp(began - self._lag)
        self._keep_versions("", cursor, found.versions)
        return Scan(
            side=Side.HUBSPOT,
            snapshots=tuple(found.snapshots.values()),
            complete=True,
            unreadable=tuple(found.unreadable),
            failures=tuple(failures),
            refused=refused,
            cursor=cursor,
        )

    def _pages(self, *, archived: bool) -> Iterator[wire.Page]:
        after, progress = "", Progress(Side.HUBSPOT, "appointments")
        while True:
            properties = self._account.property_map.read
            request = self._session.api.list(properties, archived=archived, after=after)
            page = wire.page(self._session.rows(request))
            self._reader.check_properties(page.records)
            yield page
            after = page.after
            if not after:
                return
            progress.page((record.id for record in page.records), after)

    # --- changes

    def _changes(self, cursor: str, since: datetime) -> Scan:
        """Search for versions that were not delivered to this cursor yet.

        The values are the index's, which may be older than the record: they
        say where to look, and the engine reads by id whatever differs from
        the agreed values.
        """
        now = self._clock.now()
        window = ChangeWindow(since=since - OVERLAP, until=now + OVERLAP)
        known = self._last.delivered(cursor)
        found = self._newest(window, known)
        kept = known if found is not None else {}
        if found is None:
            self._searched_all_at = self._monotonic()
            found = {record.id: record for record in self._search(window)}
        versions = dict(map(_version, found.values()))
        changed = {each: found[each] for each, at in versions.items() if known.get(each) != at}
        scan = self._scan_of(changed, now)
        self._keep_versions(cursor, scan.cursor, {**kept, **versions})
        return scan

    def _repoll(self, since: datetime, created_before: datetime) -> Scan:
        """What people changed since the last poll of this cycle, as far as the index shows it.

        These versions are not kept: the next cycle's poll reads all of them once more.
        """
        now = self._clock.now()
        window = ChangeWindow(
            since=since - CLOCK_TOLERANCE, until=now + OVERLAP, created_before=created_before
        )
        return self._scan_of({record.id: record for record in self._search(window)}, now)

    def _scan_of(self, records: Mapping[str, Record], now: datetime) -> Scan:
        snapshots, unread = self._reader.with_contacts(records)
        return Scan(
            side=Side.HUBSPOT,
            snapshots=tuple(snapshots.values()),
            unreadable=tuple((each, str(error)) for each, error in unread.items()),
            cursor=search.stamp(now - self._lag),
        )

    def _newest(self, window: ChangeWindow, known: Mapping[str, str]) -> dict[str, Record] | None:
        """The newest changes on one page, where that page is enough; else None.

        After a first sync the overlap is full of our own writes, and each poll
        would page through them. The page is enough if its last version was
        delivered before, and if the window holds no record beside those of the
        page and those that were delivered. A version that the index shows
        later, behind these, is found by the next search of the whole overlap.
        """
        age = self._monotonic() - self._searched_all_at
        if len(known) < search.PAGE or age > FULL_SEARCH_INTERVAL:
            return None
        try:
            request = window.latest(self._session.api.objects(), self._account.property_map.read)
            page = wire.page(self._session.rows(request))
        except (Unreadable, Rejected):
            return None
        found = {record.id: record for record in page.records}
        stamps = [wire.moment(record.properties.get(MODIFIED)) for record in page.records]
        moments = [each for each in stamps if each is not None]
        in_window = {
            each
            for each, written in known.items()
            if (at := wire.moment(written)) is not None and window.holds(at)
        }
        is_sorted = len(moments) == len(found) and moments == sorted(moments, reverse=True)
        if not found or not is_sorted or page.total != len(in_window | found.keys()):
            return None
        record_id, modified = _version(page.records[-1])
        return found if known.get(record_id) == modified else None

    def _search(self, window: ChangeWindow) -> list[Record]:
        """Every record in the window, sorted by id in whichever form the vendor accepts."""
        for _ in search.SORTS[:-1]:
            try:
                return list(self._results(window, self._sorts[0]))
            except (Unreadable, Rejected):
                # This form is not accepted here, it seems; the next poll begins with the other.
                self._sorts.rotate(-1)
        return list(self._results(window, self._sorts[0]))

    def _results(self, window: ChangeWindow, sort: object) -> Iterator[Record]:
        path, properties, last = self._session.api.objects(), self._account.property_map.read, ""
        while True:
            page = wire.page(self._session.rows(window.page(path, properties, last, sort)))
            yield from page.records
            if not page.records or (not page.after and page.total <= len(page.records)):
                return  # The order within the last page does not matter.
            last = _last_id(page, last)

    def _keep_versions(self, since: str, cursor: str, versions: Mapping[str, str]) -> None:
        """Keep the versions that the next poll will see again."""
        oldest = search.instant(cursor) - OVERLAP
        kept = {
            each: modified
            for each, modified in versions.items()
            if (at := wire.moment(modified)) is not None and at >= oldest
        }
        self._last = _LastPoll(since, cursor, kept)

    def _monotonic(self) -> timedelta:
        return timedelta(seconds=self._clock.monotonic())


@dataclass(slots=True)
class _FullList:
    """What is kept of a whole account, page by page: no more than the core needs."""

    property_map: PropertyMap
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    truncated: dict[str, Record] = field(default_factory=dict)
    """Records whose list of contacts is incomplete."""
    contradictory: set[str] = field(default_factory=set)
    """Records that are listed as active and as archived: they are read by id."""

    def add(self, page: wire.Page) -> None:
        """Add one page; of a record that is listed twice with the same state, the later one."""
        self.unreadable += page.unreadable
        for record in page.records:
            key, self.versions[key] = _version(record)
            before = self.snapshots.get(key)
            if before is not None and before.gone != record.archived:
                self.contradictory.add(key)
            self.snapshots[key] = mapping.snapshot(record, self.property_map)
            self.truncated.pop(key, None)
            if record.more_associated:
                self.truncated[key] = record

    def drop(self, record_id: str, why: str) -> None:
        """The record could not be read."""
        del self.snapshots[record_id]
        self.unreadable.append((record_id, why))


def _version(record: Record) -> tuple[str, str]:
    return (record.id, record.properties.get(MODIFIED, ""))


def _last_id(page: wire.Page, last: str) -> str:
    """The greatest id of a page that is sorted by id and follows the id `last`.

    Raises:
        Unreadable: it is not sorted so; the next page would skip records.
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
