"""Is its twin there now? What has to be read before a record without a pair is made across.

`sightings` asks `beside` before new records are planned: where this cycle's reading of a side
could not show a twin (HubSpot was only asked for changes, a part failed, a
calendar was refused), the contact's own appointments there are read. What is
found takes part in the meeting, whatever its retry time; who cannot be asked
for has to wait. `apply` asks `Watch` again before bookings and records are
sent that were planned a while ago. Leaves out the matching: `core.observe`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core.actions import Create
from syncd.core.contacts import Known
from syncd.core.model import Scan, Side, Snapshot, Window
from syncd.core.observe import NewRecord, Seen, UnpairedRecords
from syncd.core.policy import Policy
from syncd.engine.link import Link
from syncd.engine.observe.external_ids import with_carried
from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    ProviderError,
    Stale,
    Transient,
)
from syncd.ports.provider import ScanRequest

MatchKey = tuple[str, datetime]
"""A contact and a start, in the words of the side that is asked."""

FRESH = 5.0
"""Seconds: a reading that is not older is as good as a look."""

STALE = 30.0
"""Seconds after which one looks however little was written meanwhile."""

SHARE = 4
"""So many records are made for each request of a look, where that takes longer than `FRESH`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """What a look beside the lists showed."""

    found: UnpairedRecords = field(default_factory=UnpairedRecords)
    unsure: Mapping[str, str] = field(default_factory=dict)
    """Why a twin cannot be ruled out, by the id of the record that has to wait."""


def beside(
    link: Link,
    policy: Policy,
    scans: Mapping[Side, Scan],
    new_records: Sequence[NewRecord],
    unpaired: UnpairedRecords,
    fresh: Collection[str],
    *,
    doubted: Collection[str] = (),
    resting: frozenset[str] = frozenset(),
) -> Duplicates:
    """Look for duplicates of new records that the lists of this cycle could not show.

    `unpaired` have met already; `fresh` are ids of records that came up after
    the lists were read, `doubted` those of which `Watch` saw that somebody made
    the twin meanwhile; `resting` are HighLevel's calendars that are switched
    off, of which no list was asked for.
    """
    unlisted = _Resting(link, policy, resting - scans[Side.GHL].calendars)
    ghl, unsure = _in_ghl(link, scans[Side.GHL], new_records, unpaired.ghl, doubted, unlisted)
    swept = scans[Side.HUBSPOT]
    mirrored = [each for each in new_records if each.record.side is Side.GHL]
    if swept.passing:
        # Who carries its id may be among what was not read.
        why = f"HubSpot may have it already: {'; '.join(swept.failures)}"
        unsure |= {each.record.id: why for each in mirrored}
        mirrored = []
    asked = [each for each in mirrored if not swept.whole or each.record.id in fresh]
    hubspot, unread = _in_hubspot(link, policy, _match_keys(asked), unpaired.hubspot)
    for new_record in asked:
        for spot in _match_keys([new_record]) & unread.keys():
            why = f"HubSpot may have it already, which could not be read: {unread[spot]}"
            unsure[new_record.record.id] = why
    found = replace(with_carried(link, policy, hubspot, ghl, unpaired.ghl), beside=frozenset(ghl))
    return Duplicates(found=found, unsure=unsure)


def _in_ghl(
    link: Link,
    scan: Scan,
    new_records: Iterable[NewRecord],
    known: Mapping[str, Seen],
    doubted: Collection[str],
    resting: _Resting,
) -> tuple[dict[str, Snapshot], dict[str, str]]:
    """Twins that were not listed, and who waits until they are."""
    found: dict[str, Snapshot] = {}
    unsure: dict[str, str] = {}
    for new_record in new_records:
        record, contact = new_record.record, new_record.contact
        start = record.appointment.start
        if record.side is Side.GHL or not isinstance(contact, Known) or start is None:
            continue
        if scan.passing:
            unsure[record.id] = f"it may be booked already: {'; '.join(scan.failures)}"
            continue
        spot = (contact.id, start)
        try:
            if scan.whole and record.id not in doubted and resting.is_free(spot):
                continue
            found |= _booked(link, spot, known)
        except ProviderError as error:
            if _ends_all(error):
                raise
            unsure[record.id] = f"it may be booked already, and its contact's list fails: {error}"
    return found, unsure


class _Resting:
    """What stands on calendars that are switched off: listed once, when it is asked for."""

    def __init__(self, link: Link, policy: Policy, calendars: frozenset[str]) -> None:
        self._link, self._window, self._calendars = link, policy.window, calendars
        self._taken: set[MatchKey] | None = None
        self._whole = True

    def is_free(self, spot: MatchKey) -> bool:
        """Whether nothing of the contact's stands there; where that is unknown, it is not."""
        if not self._calendars:
            return True
        if self._taken is None:
            asked = ScanRequest(window=self._window, calendars=self._calendars)
            scan = self._link.ghl.scan(asked)
            self._whole = self._calendars <= scan.calendars
            self._taken = {
                (contact, start)
                for each in scan.snapshots
                if each.calendar in self._calendars and not each.gone
                if (start := each.appointment.start) is not None
                for contact in each.contacts
            }
        return self._whole and spot not in self._taken


def _ends_all(error: ProviderError) -> bool:
    """Whether nothing else can be asked either; else it is this look alone that failed."""
    refused = isinstance(error, AuthFailed) and not error.missing_scope
    return refused or isinstance(error, DailyBudgetSpent)


def _match_keys(new_records: Iterable[NewRecord]) -> set[MatchKey]:
    return {
        (each.contact.id, start)
        for each in new_records
        if isinstance(each.contact, Known) and (start := each.record.appointment.start) is not None
    }


def _booked(link: Link, spot: MatchKey, known: Collection[str]) -> dict[str, Snapshot]:
    """HighLevel's living appointments at this spot that no pair has, and that were not seen.

    Raises:
        ProviderError: one of them could not be read.
    """
    contact, start = spot
    shown = link.ghl.bookings_of(contact)
    ids = {each.id for each in shown if not each.gone and each.appointment.start == start}
    found: dict[str, Snapshot] = {}
    for record_id, seen in _unpaired(link, Side.GHL, ids - set(known)).items():
        if isinstance(seen, Snapshot):
            found |= {record_id: seen} if _stands_at(seen, {spot}) else {}
        elif seen.unread:
            raise Transient(f"{record_id}: {seen.detail}", side=Side.GHL)
    return found


def _in_hubspot(
    link: Link, policy: Policy, match_keys: Collection[MatchKey], known: Collection[str]
) -> tuple[dict[str, Snapshot], dict[MatchKey, str]]:
    """HubSpot's living records at these spots that no pair has and that were not seen.

    And why others cannot be read, by the spots that are open because of that.
    """
    if not match_keys:
        return {}, {}
    linked, errors = link.hubspot.linked_to({contact for contact, _ in match_keys})
    unread = {spot: str(errors[spot[0]]) for spot in match_keys if spot[0] in errors}
    found: dict[str, Snapshot] = {}
    ids = {record_id for each in linked.values() for record_id in each}
    for record_id, seen in _unpaired(link, Side.HUBSPOT, ids - set(known)).items():
        if isinstance(seen, Snapshot):
            if policy.belongs(seen) and _stands_at(seen, match_keys):
                found[record_id] = seen
        elif seen.unread:
            whose = {contact for contact, each in linked.items() if record_id in each}
            unread |= {spot: seen.detail for spot in match_keys if spot[0] in whose}
    return found, unread


def _unpaired(link: Link, side: Side, ids: Collection[str]) -> Mapping[str, Seen]:
    """These records as they are now, without those that have a pair."""
    asked = set(ids) - set(link.store.prints(side, ids) if ids else ())
    return link.side(side).fetch(asked) if asked else {}


def _stands_at(record: Snapshot, match_keys: Collection[MatchKey]) -> bool:
    start = record.appointment.start
    return not record.gone and any((contact, start) in match_keys for contact in record.contacts)


# --- right before a record is sent


@dataclass(frozen=True, slots=True)
class _Shown:
    """What stood at a spot, or why that cannot be told."""

    ids: frozenset[str] = frozenset()
    error: ProviderError | None = None


class Watch:
    """Looks whether somebody made a record meanwhile that waited in line to be made.

    A reading serves for `FRESH`, and so do the lists of the poll. HighLevel is
    listed around the times of what comes next, or asked for the contacts where
    those are fewer than calendars, and mostly for no more than a fifth of what
    is sent; HubSpot shows the records of a hundred contacts at once. Both
    sides' lanes look, each for itself; the store is read under `lock`.
    """

    def __init__(self, link: Link, lock: AbstractContextManager[object]) -> None:
        self._link, self._lock = link, lock
        self.read_at = float("-inf")
        """When the lists were read (monotonic)."""
        self.calendars: frozenset[str] = frozenset()
        """HighLevel's that were listed."""
        self.met: Mapping[Side, Collection[str]] = dict.fromkeys(Side, ())
        """Records that met what is written now, and were found to be others."""
        self._shown: dict[Side, dict[MatchKey, _Shown]] = {side: {} for side in Side}
        self._ours: dict[Side, set[MatchKey]] = {side: set() for side in Side}
        self._looked_at = dict.fromkeys(Side, float("-inf"))
        self._made = dict.fromkeys(Side, 0)
        """Records that were sent since the last look."""

    def look(
        self, side: Side, creates: Sequence[Create], ahead: Iterable[Create]
    ) -> list[tuple[Create, ProviderError]]:
        """Which of these may not be sent, and why; `ahead` are some that come next."""
        now = self._link.clock.monotonic()
        match_keys = {id(each): spot for each in creates if (spot := _spot_of(each))}
        ours = self._ours[side]
        wanted = set(match_keys.values()) - ours
        # What stands where we made something just now may be that.
        ours |= set(match_keys.values())
        if wanted:
            more = {spot for each in ahead if (spot := _spot_of(each))} - ours
            if self._is_due(side, wanted, more, now):
                self._looked_at[side], self._made[side] = now, 0
                self._shown[side] = self._read(side, wanted | more)
        self._made[side] += len(creates)
        shown = self._shown[side]
        return [
            (create, error)
            for create in creates
            if (spot := match_keys.get(id(create))) is not None
            and spot in wanted
            and spot in shown
            and (error := self._error(side, shown[spot])) is not None
        ]

    def _is_due(
        self, side: Side, wanted: Collection[MatchKey], more: Collection[MatchKey], now: float
    ) -> bool:
        if now - self.read_at <= FRESH:
            return False
        age = now - self._looked_at[side]
        if age <= FRESH and self._shown[side].keys() >= set(wanted):
            return False
        contacts = len({contact for contact, _ in (*wanted, *more)})
        costs = min(contacts, len(self.calendars) + 1)
        cheap = side is Side.HUBSPOT or self._made[side] >= SHARE * costs
        return cheap or min(age, now - self.read_at) > STALE

    def _error(self, side: Side, shown: _Shown) -> ProviderError | None:
        if shown.error is not None:
            return shown.error
        ids = shown.ids - set(self.met[side])
        with self._lock:
            strange = ids - set(self._link.store.prints(side, ids) if ids else ())
        if not strange:
            return None
        return Stale(
            f"somebody made it meanwhile, it seems ({', '.join(sorted(strange))}); "
            "both are judged together",
            side=side,
        )

    def _read(self, side: Side, match_keys: Collection[MatchKey]) -> dict[MatchKey, _Shown]:
        try:
            found = self._in_ghl(match_keys) if side is Side.GHL else self._in_hubspot(match_keys)
        except ProviderError as error:
            return {spot: _Shown(error=_as_waiting(error)) for spot in match_keys}
        return {
            spot: _Shown(error=_as_waiting(each))
            if isinstance(each := found.get(spot, frozenset[str]()), ProviderError)
            else _Shown(ids=each)
            for spot in match_keys
        }

    def _in_ghl(
        self, match_keys: Collection[MatchKey]
    ) -> Mapping[MatchKey, frozenset[str] | ProviderError]:
        found: dict[MatchKey, set[str]] = defaultdict(set)
        if len({contact for contact, _ in match_keys}) <= len(self.calendars):
            shown: Iterable[Snapshot] = (
                each
                for contact in {contact for contact, _ in match_keys}
                for each in self._link.ghl.bookings_of(contact)
            )
        else:
            starts = [start for _, start in match_keys]
            window = Window(since=min(starts), until=max(starts))
            scan = self._link.ghl.scan(ScanRequest(window=window, calendars=self.calendars))
            if scan.passing:
                raise Transient("; ".join(scan.failures), side=Side.GHL)
            shown = scan.snapshots
        for each in shown:
            start = each.appointment.start
            for contact in each.contacts if start and not each.gone else ():
                if start is not None and (contact, start) in match_keys:
                    found[contact, start].add(each.id)
        return {spot: frozenset(ids) for spot, ids in found.items()}

    def _in_hubspot(
        self, match_keys: Collection[MatchKey]
    ) -> Mapping[MatchKey, frozenset[str] | ProviderError]:
        linked, errors = self._link.hubspot.linked_to({contact for contact, _ in match_keys})
        ids = {each for records in linked.values() for each in records} - set(
            self.met[Side.HUBSPOT]
        )
        with self._lock:
            strange = ids - set(self._link.store.prints(Side.HUBSPOT, ids) if ids else ())
        seen = self._link.hubspot.fetch(strange) if strange else {}
        found: dict[MatchKey, frozenset[str] | ProviderError] = {}
        for spot in match_keys:
            contact, start = spot
            if contact in errors:
                found[spot] = errors[contact]
                continue
            mine = {each: seen[each] for each in linked.get(contact, ()) if each in seen}
            found[spot] = frozenset(
                name
                for name, shown in mine.items()
                if isinstance(shown, Snapshot)
                and not shown.gone
                and shown.appointment.start == start
            )
        return found


def _spot_of(create: Create) -> MatchKey | None:
    """Where the record will stand, for a contact that is there; what is made anew has a pair."""
    start, contact = create.wanted.start, create.contact
    if create.pair is not None or start is None or not isinstance(contact, Known):
        return None
    return (contact.id, start)


def _as_waiting(error: ProviderError) -> ProviderError:
    """Nothing was refused and nothing is in doubt: the write was not sent."""
    detail = f"it may have been made meanwhile, which could not be read: {error}"
    return Transient(f"{detail}; the next cycle tries again", side=error.side)
