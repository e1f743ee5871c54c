"""Poll: read both sides, and everything that judging them needs.

`cycle` calls `poll`; `observe` and `plan` work on what it gives. A full and
an incremental cycle differ only here: HubSpot is swept or asked for changes,
while HighLevel, which cannot tell what changed, is always listed. What both
sides show as it was agreed is dropped by its print; of the rest, the record
across is read too. A known record that was not listed is asked for by id.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core import observe
from syncd.core.contacts import ContactBook, Known, Resolution
from syncd.core.essence import snapshot_print
from syncd.core.model import Account, Group, Missing, Pair, Scan, Side, Snapshot
from syncd.core.observe import Seen, Sighting, Strangers
from syncd.core.policy import Policy
from syncd.engine import contacts
from syncd.engine.decisions import Decided
from syncd.engine.link import Link
from syncd.ports.provider import ScanRequest
from syncd.ports.store import Hold

CURSOR = "hubspot"
AGAIN = "again"
ROTATION = "rotation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """Everything that was read in one cycle."""

    scans: Mapping[Side, Scan]
    sightings: tuple[Sighting, ...]
    strangers: Strangers
    book: ContactBook
    unchanged: int
    held: Sequence[Hold]
    """What was held when the cycle began."""
    rotated_to: int = 0
    unread: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Gathering:
    """What was seen so far, by side and id."""

    seen: dict[Side, dict[str, Seen]] = field(
        default_factory=lambda: {Side.GHL: {}, Side.HUBSPOT: {}}
    )
    known: dict[Side, set[str]] = field(
        default_factory=lambda: {Side.GHL: set(), Side.HUBSPOT: set()}
    )
    """Ids that a pair has."""
    news: dict[Side, set[str]] = field(
        default_factory=lambda: {Side.GHL: set(), Side.HUBSPOT: set()}
    )
    """Known ids that do not show what was agreed, or were not shown at all."""
    unchanged: int = 0


def poll(link: Link, policy: Policy, decided: Decided, *, full: bool) -> Polled:
    """Read both sides; nothing is written and no cursor moves.

    Raises:
        ProviderError: a side cannot be read at all.
    """
    cursor = "" if full else link.store.cursor(CURSOR)
    scans = {
        Side.GHL: link.ghl.scan(ScanRequest(window=policy.window, calendars=link.rules.calendars)),
        Side.HUBSPOT: link.hubspot.scan(ScanRequest(window=policy.window, cursor=cursor)),
    }
    held = link.store.holds()
    gathered = _Gathering()
    for scan in scans.values():
        _take(link, gathered, scan)
    if not scans[Side.HUBSPOT].complete:
        _read_hits(link, gathered)
    rotated = _look_again(link, gathered, held, decided, full=full)
    vanished = _vanished(link, gathered, scans, policy, full=full)
    pairs = _pairs(link, gathered, vanished)
    _read_across(link, gathered, pairs)
    strangers = _strangers(link, gathered, scans[Side.GHL], full=full)
    book = _contacts(link, policy, gathered, strangers, pairs)
    return Polled(
        scans=scans,
        sightings=tuple(_sightings(gathered, pairs)),
        strangers=_with_neighbours(link, strangers, book),
        book=book,
        unchanged=gathered.unchanged,
        held=held,
        rotated_to=rotated,
        unread=tuple(failure for scan in scans.values() for failure in scan.failures),
    )


# --- what was listed


def _take(link: Link, gathered: _Gathering, scan: Scan) -> None:
    """Sort a scan into known and unknown, news and not."""
    seen = gathered.seen[scan.side]
    seen |= {snapshot.id: snapshot for snapshot in scan.snapshots}
    for record_id, detail in scan.unreadable:
        seen.setdefault(record_id, Missing(detail=detail))
    _mark_known(link, gathered, scan.side, seen.keys())


def _read_hits(link: Link, gathered: _Gathering) -> None:
    """Read what the search index says has changed: the index may still show old values."""
    side = Side.HUBSPOT
    hits = gathered.news[side] | (set(gathered.seen[side]) - gathered.known[side])
    if not hits:
        return
    gathered.seen[side] |= link.hubspot.fetch(hits)
    gathered.news[side] -= hits
    _mark_known(link, gathered, side, hits)


def _mark_known(link: Link, gathered: _Gathering, side: Side, ids: Collection[str]) -> None:
    stored, seen, news = link.store.prints(side, ids), gathered.seen[side], gathered.news[side]
    gathered.known[side].update(stored)
    for record_id, agreed in stored.items():
        shown = seen.get(record_id)
        if isinstance(shown, Snapshot) and snapshot_print(shown) == agreed:
            gathered.unchanged += 1
        else:
            news.add(record_id)


def _look_again(
    link: Link, gathered: _Gathering, held: Sequence[Hold], decided: Decided, *, full: bool
) -> int:
    """Read what was left over from earlier cycles, and the next stretch of the rotation."""
    wanted: dict[Side, set[str]] = {Side.GHL: set(), Side.HUBSPOT: set()}
    for side, record_id in json.loads(link.store.cursor(AGAIN) or "[]"):
        wanted[Side(side)].add(record_id)
    now = link.clock.now()
    for hold in held:
        if full or hold.retry_at is None or hold.retry_at <= now or decided.lets_go(hold):
            wanted[Side.GHL].add(hold.ghl_id)
            wanted[Side.HUBSPOT].add(hold.hubspot_id)
    for revert in decided.reverts:
        gathered.news[Side.GHL].add(revert.ghl_id)
    rotated = _rotate(link, wanted, full=full)
    for side, ids in wanted.items():
        missing = ids - set(gathered.seen[side]) - {""}
        if missing:
            gathered.seen[side] |= link.side(side).fetch(missing)
            _mark_known(link, gathered, side, missing)
    return rotated


def _rotate(link: Link, wanted: dict[Side, set[str]], *, full: bool) -> int:
    """Known HubSpot records are re-read in turn: archives, merges and contacts move no stamp."""
    if full or not link.rules.rotation:
        return 0
    after = int(link.store.cursor(ROTATION) or 0)
    stretch = link.store.rotation(after, link.rules.rotation)
    wanted[Side.HUBSPOT] |= {hubspot_id for _, hubspot_id in stretch}
    return stretch[-1][0] if len(stretch) == link.rules.rotation else 0


# --- what was not listed


def _vanished(
    link: Link, gathered: _Gathering, scans: Mapping[Side, Scan], policy: Policy, *, full: bool
) -> dict[int, Pair]:
    """Pairs of which a record should have been listed and was not, by key.

    Moved instances of a series are found again first; everything else is
    asked for by id. A full cycle asks for those too that no list could have
    shown, on calendars that were deleted, deactivated or are not synced.
    """
    found: dict[int, Pair] = {}
    for side, scan in scans.items():
        if not scan.complete and not scan.calendars:
            continue
        lost = link.store.unshown(side, policy.window, gathered.seen[side])
        pairs = [
            pair
            for pair in link.store.pairs_by_key(lost)
            if side is Side.HUBSPOT or _listed(pair, scan) or (full and scan.complete)
        ]
        if side is Side.GHL:
            pairs = _rejoin(gathered, pairs, found)
        asked = {pair.id_on(side) for pair in pairs}
        if asked:
            gathered.seen[side] |= link.side(side).fetch(asked)
            gathered.known[side] |= asked
        found |= {pair.key: pair for pair in pairs}
    return found


def _listed(pair: Pair, scan: Scan) -> bool:
    """Whether the pair's booking stood, as far as we know, on a calendar that came back whole.

    One on another calendar cannot have been listed. It is left to the next
    full cycle, and where a list failed, to the next that reads them all: a
    calendar that cannot be read just now must not cost a request for each
    of its appointments.
    """
    return not pair.calendar or pair.calendar in scan.calendars


def _rejoin(gathered: _Gathering, pairs: list[Pair], found: dict[int, Pair]) -> list[Pair]:
    """Give moved instances of a series their new id; gives back what is still lost."""
    if not any(pair.series for pair in pairs):
        return pairs
    arrivals = [
        seen
        for record_id, seen in gathered.seen[Side.GHL].items()
        if record_id not in gathered.known[Side.GHL] and isinstance(seen, Snapshot)
    ]
    joined = observe.rejoin_series(pairs, arrivals)
    for pair in pairs:
        instance = joined.get(pair.key)
        if instance is not None:
            found[pair.key] = replace(pair, ghl_id=instance.id, marked=False)
            gathered.known[Side.GHL].add(instance.id)
    return [pair for pair in pairs if pair.key not in joined]


def _pairs(link: Link, gathered: _Gathering, vanished: dict[int, Pair]) -> dict[int, Pair]:
    """Every pair that has to be judged, by key."""
    found: dict[int, Pair] = {}
    for side in Side:
        found |= {p.key: p for p in link.store.pairs_by_id(side, gathered.news[side])}
    return found | vanished


def _read_across(link: Link, gathered: _Gathering, pairs: dict[int, Pair]) -> None:
    """Read the records of the judged pairs that were not seen yet; follow merges."""
    for side in Side:
        ids = {pair.id_on(side) for pair in pairs.values()} - set(gathered.seen[side])
        if ids:
            gathered.seen[side] |= link.side(side).fetch(ids)
            gathered.known[side] |= ids
    _follow_merges(link, gathered, pairs)


def _follow_merges(link: Link, gathered: _Gathering, pairs: dict[int, Pair]) -> None:
    """A merged HubSpot record lives on under another id: the pair goes with it.

    Where records of two pairs were merged, the survivor is the appointment
    whose id it carries.
    """
    seen = gathered.seen[Side.HUBSPOT]
    became: dict[str, list[Pair]] = {}
    for pair in pairs.values():
        missing = seen.get(pair.hubspot_id)
        if isinstance(missing, Missing) and missing.became:
            became.setdefault(missing.became, []).append(pair)
    if not became:
        return
    seen |= link.hubspot.fetch(set(became) - set(seen))
    taken = link.store.prints(Side.HUBSPOT, became)
    for survivor, merged in became.items():
        shown = seen.get(survivor)
        if survivor not in taken and isinstance(shown, Snapshot):
            pair = next((each for each in merged if each.ghl_id == shown.carried_id), merged[0])
            pairs[pair.key] = replace(pair, hubspot_id=survivor, marked=False)
            gathered.known[Side.HUBSPOT].add(survivor)


def _sightings(gathered: _Gathering, pairs: Mapping[int, Pair]) -> Iterable[Sighting]:
    unseen = Missing(detail="it could not be read")
    for pair in pairs.values():
        yield Sighting(
            pair=pair,
            ghl=gathered.seen[Side.GHL].get(pair.ghl_id, unseen),
            hubspot=gathered.seen[Side.HUBSPOT].get(pair.hubspot_id, unseen),
        )


# --- records without a pair


def _strangers(link: Link, gathered: _Gathering, listed: Scan, *, full: bool) -> Strangers:
    """The records that no pair knows, and what the ids that they carry lead to."""
    ghl = {
        record_id: seen
        for record_id, seen in _unknown(gathered, Side.GHL).items()
        if not isinstance(seen, Snapshot) or seen.calendar in listed.calendars
    }
    hubspot = {
        record_id: seen
        for record_id, seen in _unknown(gathered, Side.HUBSPOT).items()
        if isinstance(seen, Snapshot) and (seen.carried_id or not seen.gone)
    }
    if ghl and not full:
        # A sweep lists every carrier; between sweeps they are asked for, so that nothing
        # that HubSpot has already is mirrored anew.
        hubspot |= {
            record.id: record
            for record in link.hubspot.carriers(set(ghl)).values()
            if record.id not in gathered.known[Side.HUBSPOT]
        }
    carried = {record.carried_id for record in hubspot.values() if record.carried_id}
    paired = set(link.store.prints(Side.GHL, carried)) if carried else set()
    asked = carried - paired - set(ghl)
    if asked:
        ghl |= link.ghl.fetch(asked)
    return Strangers(ghl=ghl, hubspot=hubspot, paired_ids=frozenset(paired))


def _unknown(gathered: _Gathering, side: Side) -> dict[str, Seen]:
    known, seen = gathered.known[side], gathered.seen[side]
    if seen.keys() <= known:
        return {}
    return {record_id: shown for record_id, shown in seen.items() if record_id not in known}


def _contacts(
    link: Link,
    policy: Policy,
    gathered: _Gathering,
    strangers: Strangers,
    pairs: Mapping[int, Pair],
) -> ContactBook:
    """Look up across the contacts of strangers, and of pairs whose contact changed or is open."""
    ghl = {
        record.appointment.contact
        for record in strangers.ghl.values()
        if isinstance(record, Snapshot) and _in_play(record, policy)
    }
    for pair in pairs.values():
        seen = gathered.seen[Side.GHL].get(pair.ghl_id)
        if not isinstance(seen, Snapshot):
            continue
        if Group.CONTACT in pair.open or seen.appointment.contact != pair.ghl.contact:
            ghl.add(seen.appointment.contact)
    hubspot = {
        contact
        for record in strangers.hubspot.values()
        if _in_play(record, policy) and policy.belongs(record)
        for contact in (*record.contacts, policy.ruling(record.id).contact)
    }
    left = {
        pair.hubspot.contact
        for pair in pairs.values()
        if isinstance(seen := gathered.seen[Side.HUBSPOT].get(pair.hubspot_id), Snapshot)
        and seen.contacts
        and pair.hubspot.contact not in ("", *seen.contacts)
    }
    return ContactBook(
        merged=contacts.merged(link, left),
        from_ghl=contacts.resolve(link, Side.GHL, ghl),
        from_hubspot=contacts.resolve(link, Side.HUBSPOT, hubspot),
    )


def _in_play(record: Snapshot, policy: Policy) -> bool:
    return not record.gone and policy.window.holds(record.appointment.start)


def _with_neighbours(link: Link, strangers: Strangers, book: ContactBook) -> Strangers:
    """Add the pairs that stand where a stranger's contact and start point to."""
    spots: dict[Side, set[tuple[str, datetime]]] = {Side.GHL: set(), Side.HUBSPOT: set()}
    for record in strangers.ghl.values():
        if isinstance(record, Snapshot):
            spots[Side.HUBSPOT] |= set(_spots(record, book.from_ghl))
    for snapshot in strangers.hubspot.values():
        spots[Side.GHL] |= set(_spots(snapshot, book.from_hubspot))
    return replace(
        strangers,
        paired_at={
            side: tuple(link.store.pairs_at(side, wanted)) if wanted else ()
            for side, wanted in spots.items()
        },
    )


def _spots(record: Snapshot, names: Mapping[str, Resolution]) -> Iterable[tuple[str, datetime]]:
    start = record.appointment.start
    if start is None or record.gone:
        return
    for contact in record.contacts:
        found = names.get(contact)
        if isinstance(found, Known):
            yield (found.id, start)


def read_accounts(link: Link) -> tuple[Account, Account]:
    """What both accounts look like now; checks that they can be synced at all."""
    return link.ghl.prepare(), link.hubspot.prepare()
