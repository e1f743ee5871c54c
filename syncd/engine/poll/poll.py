"""Poll: read both sides, and everything that judging them needs.

`cycle` calls `poll`; `observe` and `plan` work on what it gives. A full and
an incremental cycle differ only here: HubSpot is swept or asked for changes,
while HighLevel, which cannot tell what changed, is always listed. What both
sides show as it was agreed is dropped by its print; of the rest, the record
across is read too. A known record that was not listed is asked for by id.

A cycle that has much to write looks again now and then (`news`), so that what
people do meanwhile need not wait for its end. Then, what shows the same as
when this cycle looked at it last is dropped too (`SeenFingerprints`): it was judged, and
is written, held or waiting.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from syncd.core import left_out
from syncd.core.essence import snapshot_fingerprint
from syncd.core.model import Account, Group, Hold, Missing, Pair, Scan, Side, Snapshot
from syncd.core.observe import Seen, Sighting, UnpairedRecords
from syncd.core.policy import Policy
from syncd.core.series import rejoin_series
from syncd.engine.backoff import waits
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.link import Link
from syncd.engine.observe.external_ids import with_carried
from syncd.ports.provider import ScanRequest

CURSOR = "hubspot"
AGAIN = "again"
ROTATION = "rotation"
SURVIVORS = "survivors"
"""The cursor that holds what survivors of settled removals showed when they were left alone."""

PEOPLE = "people_unread"
"""The cursor that says that an earlier cycle could not read who the people of a side are."""

MOST_SURVIVORS = 1_000
STRETCH = 1_000


@dataclass(slots=True)
class SeenFingerprints:
    """What this cycle has looked at and not found as agreed: its prints, by side and id."""

    prints: dict[Side, dict[str, str]] = field(
        default_factory=lambda: {Side.GHL: {}, Side.HUBSPOT: {}}
    )
    lost: set[str] = field(default_factory=set)
    """HighLevel ids that were not listed where they should have been."""

    def same(self, side: Side, record_id: str, shown: Seen) -> bool:
        """Whether it shows what it showed before."""
        before = self.prints[side].get(record_id)
        return before is not None and before == _print(shown)

    def note(self, side: Side, record_id: str, shown: Seen) -> None:
        """It was judged as it shows itself now."""
        self.prints[side][record_id] = _print(shown)

    def recall(self, survivors: str) -> None:
        """What an earlier cycle judged and left alone, see `survivors`."""
        for side, record_id, shown in json.loads(survivors or "[]"):
            self.prints[Side(side)][record_id] = shown


def _print(shown: Seen) -> str:
    if isinstance(shown, Missing):
        return f"missing: {shown.detail}"
    # A record on another calendar is another matter, though its essence is the same.
    return f"{snapshot_fingerprint(shown)} {shown.calendar} {' '.join(shown.contacts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """Everything that was read at once."""

    scans: Mapping[Side, Scan]
    sightings: tuple[Sighting, ...]
    unpaired: UnpairedRecords
    unchanged: int = 0
    held: Sequence[Hold] = ()
    """What was held when the cycle began."""
    rotated_to: int = 0
    unread: tuple[str, ...] = ()
    looked: SeenFingerprints = field(default_factory=SeenFingerprints)
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """In a full cycle: what was read and is not synced, by reason."""
    withdrawn: frozenset[str] = frozenset()
    """HighLevel records that were there when this cycle looked last, unpaired, and are not now."""
    people_unread: bool = False
    """Whether owners could not be understood."""
    again: frozenset[tuple[Side, str]] = frozenset()
    """Unpaired records of which something could not be read."""


@dataclass(slots=True, kw_only=True)
class PollState:
    """What was seen so far, by side and id."""

    looked: SeenFingerprints = field(default_factory=SeenFingerprints)
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
    followed: set[int] = field(default_factory=set)
    """Keys of the pairs of which a record goes by another id now."""
    unchanged: int = 0
    failures: list[str] = field(default_factory=list)
    """What of single records could not be read, in words for a person."""
    again: set[tuple[Side, str]] = field(default_factory=set)
    """The records of which that is so: the next cycle looks at them."""
    absent: dict[Side, set[str]] = field(
        default_factory=lambda: {Side.GHL: set(), Side.HUBSPOT: set()}
    )
    """Ids that were asked for because something waits on them, and that nothing was shown for."""
    put_off: set[str] = field(default_factory=set)
    """Of these, HighLevel's that nothing is made of before they were."""

    def unread(self, side: Side, record_id: str, why: Missing) -> None:
        """Of an unpaired record something could not be read: it waits for the next cycle."""
        self.failures.append(f"{side} appointment {record_id}: {why.detail}")
        self.again.add((side, record_id))


Unsettled = Mapping[tuple[Side, str], str]
"""Records that have to wait, because what became of a write of ours cannot be told; and why."""


def poll(
    link: Link,
    policy: Policy,
    decided: PendingDecisions,
    *,
    full: bool,
    people_unread: bool = False,
    unsettled: Unsettled = MappingProxyType({}),
) -> PollResult:
    """Read both sides; nothing is written and no cursor moves.

    `people_unread` says that owners cannot be understood in this cycle.

    Raises:
        ProviderError: a side cannot be read at all.
    """
    cursor = "" if full else link.store.cursor(CURSOR)
    scans = _scans(link, policy, ScanRequest(window=policy.window, cursor=cursor))
    held = link.store.holds()
    gathered = PollState()
    if not full:
        gathered.looked.recall(link.store.cursor(SURVIVORS))
    _take_all(link, gathered, scans)
    rotated = _look_again(link, gathered, held, decided, full=full)
    if link.store.cursor(PEOPLE) and not people_unread:
        gathered.news[Side.GHL] |= _without_owner(link)
    vanished = _vanished(link, gathered, scans, policy, full=full)
    undone = link.store.pairs_by_key(decided.undone)
    pairs = {pair.key: pair for pair in undone} | _pairs(link, gathered, vanished)
    _follow_carriers(link, gathered, pairs, policy)
    _read_across(link, gathered, pairs)
    unpaired = _settled(gathered, pairs, _unpaired(link, gathered, scans, policy), unsettled)
    sightings = _judged(gathered, pairs, unpaired)
    return PollResult(
        scans=scans,
        sightings=sightings,
        unpaired=unpaired,
        unchanged=gathered.unchanged,
        held=held,
        rotated_to=rotated,
        unread=(
            *(failure for scan in scans.values() for failure in scan.failures),
            *gathered.failures,
        ),
        looked=gathered.looked,
        again=frozenset(gathered.again),
        people_unread=people_unread,
        left_out=_left_out(gathered, sightings, scans[Side.GHL], policy) if full else {},
    )


def news(
    link: Link,
    policy: Policy,
    before: PollResult,
    began: datetime,
    *,
    unsettled: Unsettled = MappingProxyType({}),
) -> PollResult:
    """What happened since this cycle, which began then, looked last.

    Costs HighLevel a list per calendar, and HubSpot a search for what changed
    since; what we made ourselves meanwhile is not searched for.

    Raises:
        ProviderError: a side cannot be read at all.
    """
    cursor = before.scans[Side.HUBSPOT].cursor
    asked = ScanRequest(window=policy.window, cursor=cursor, created_before=began)
    scans = _scans(link, policy, asked)
    gathered = PollState(looked=before.looked)
    _take_all(link, gathered, scans)
    vanished = _vanished(link, gathered, scans, policy, full=False)
    pairs = _pairs(link, gathered, vanished)
    _follow_carriers(link, gathered, pairs, policy)
    _read_across(link, gathered, pairs)
    unpaired = _settled(gathered, pairs, _unpaired(link, gathered, scans, policy), unsettled)
    return PollResult(
        scans=scans,
        sightings=_judged(gathered, pairs, unpaired),
        unpaired=unpaired,
        looked=gathered.looked,
        withdrawn=_withdrawn(link, before.scans[Side.GHL], scans[Side.GHL]),
    )


def again(
    link: Link, policy: Policy, before: PollResult, records: Collection[tuple[Side, str]]
) -> PollResult:
    """These records as they are now, to be judged anew, whatever they showed before.

    Raises:
        ProviderError: a side cannot be read.
    """
    gathered = PollState(looked=before.looked)
    for side in Side:
        ids = {record_id for where, record_id in records if where is side}
        for record_id in ids:
            gathered.looked.prints[side].pop(record_id, None)
        if ids:
            gathered.seen[side] |= link.side(side).fetch(ids)
            _mark_known(link, gathered, side, ids)
    pairs = _pairs(link, gathered, {})
    _follow_carriers(link, gathered, pairs, policy)
    _read_across(link, gathered, pairs)
    unpaired = _unpaired(link, gathered, before.scans, policy)
    return PollResult(
        scans=before.scans,
        sightings=_judged(gathered, pairs, unpaired),
        unpaired=unpaired,
        looked=gathered.looked,
    )


def survivors(before: str, polled: PollResult, busy: Collection[int], held: frozenset[str]) -> str:
    """What survivors of settled removals show, for `SeenFingerprints.recall`: nothing follows.

    Their agreed values stay as they were, so that an edit counts when the
    record across comes back; without this, each poll would judge them anew.
    `busy` are keys of pairs that are written, `held` ids of records that wait.
    """
    prints = polled.looked.prints
    left = {
        (side, record_id): shown
        for side, record_id, shown in json.loads(before or "[]")
        if prints[Side(side)].get(record_id) == shown
    }
    for sighting in polled.sightings:
        pair = sighting.pair
        if pair.removal is None or pair.key in busy or held & {pair.ghl_id, pair.hubspot_id}:
            continue
        for side in Side:
            record_id, shown = pair.id_on(side), sighting.on(side)
            if not pair.gone_on(side) and isinstance(shown, Snapshot) and not shown.gone:
                left[side.value, record_id] = prints[side][record_id]
    newest = list(left.items())[-MOST_SURVIVORS:]
    return json.dumps([[*names, shown] for names, shown in newest]) if newest else ""


def _withdrawn(link: Link, before: Scan, now: Scan) -> frozenset[str]:
    """Records without a pair that were listed before and are not any more."""
    if not now.complete:
        return frozenset()
    listed = {record.id for record in now.snapshots} | {each for each, _ in now.unreadable}
    left = {record.id for record in before.snapshots} - listed
    return frozenset(left - set(link.store.prints(Side.GHL, left)))


def _scans(link: Link, policy: Policy, hubspot: ScanRequest) -> dict[Side, Scan]:
    ghl = ScanRequest(window=policy.window, calendars=link.rules.calendars)
    return {Side.GHL: link.ghl.scan(ghl), Side.HUBSPOT: link.hubspot.scan(hubspot)}


def _judged(
    gathered: PollState, pairs: Mapping[int, Pair], unpaired: UnpairedRecords
) -> tuple[Sighting, ...]:
    """What is judged now, and remembered as it is."""
    sightings = tuple(_sightings(gathered, pairs))
    for sighting in sightings:
        gathered.looked.note(Side.GHL, sighting.pair.ghl_id, sighting.ghl)
        gathered.looked.note(Side.HUBSPOT, sighting.pair.hubspot_id, sighting.hubspot)
    for record_id, seen in unpaired.ghl.items():
        gathered.looked.note(Side.GHL, record_id, seen)
    for record_id, seen in unpaired.hubspot.items():
        gathered.looked.note(Side.HUBSPOT, record_id, seen)
    return sightings


# --- what was listed


def _take_all(link: Link, gathered: PollState, scans: Mapping[Side, Scan]) -> None:
    for scan in scans.values():
        _take(link, gathered, scan)
        _confirm_removals(link, gathered, scan)
    if not scans[Side.HUBSPOT].complete:
        _read_hits(link, gathered)


def _take(link: Link, gathered: PollState, scan: Scan) -> None:
    """Sort a scan into known and unknown, news and not."""
    seen = gathered.seen[scan.side]
    seen.update((snapshot.id, snapshot) for snapshot in scan.snapshots)
    for record_id, detail in scan.unreadable:
        seen.setdefault(record_id, Missing(detail=detail))
    _mark_known(link, gathered, scan.side, seen.keys())


def _confirm_removals(link: Link, gathered: PollState, scan: Scan) -> None:
    """Read by id what a list shows as removed, where that is news: no list's word alone removes."""
    news = gathered.news[scan.side]
    told = {each.id for each in scan.snapshots if each.gone and each.id in news}
    if told:
        gathered.seen[scan.side] |= link.side(scan.side).fetch(told)
        news -= told
        _mark_known(link, gathered, scan.side, told)


def _read_hits(link: Link, gathered: PollState) -> None:
    """Read what the search index says has changed: the index may still show old values."""
    side = Side.HUBSPOT
    hits = gathered.news[side] | _unknown(gathered, side).keys()
    if not hits:
        return
    shown = link.hubspot.fetch(hits)
    gathered.seen[side] |= shown
    gathered.news[side] -= hits
    _mark_known(link, gathered, side, hits)
    for record_id, seen in shown.items():
        if isinstance(seen, Missing) and seen.unread and record_id not in gathered.known[side]:
            gathered.unread(side, record_id, seen)


def _mark_known(link: Link, gathered: PollState, side: Side, ids: Collection[str]) -> None:
    stored, seen, news = link.store.prints(side, ids), gathered.seen[side], gathered.news[side]
    gathered.known[side].update(stored)
    noted, unchanged = gathered.looked.prints[side], 0
    for record_id, agreed in stored.items():
        shown = seen.get(record_id)
        if isinstance(shown, Snapshot) and snapshot_fingerprint(shown) == agreed:
            unchanged += 1
            if noted:
                noted.pop(record_id, None)
        elif shown is None or not gathered.looked.same(side, record_id, shown):
            news.add(record_id)
    gathered.unchanged += unchanged


def _look_again(
    link: Link, gathered: PollState, held: Sequence[Hold], decided: PendingDecisions, *, full: bool
) -> int:
    """Read what was left over from earlier cycles, and the next stretch of the rotation."""
    wanted: dict[Side, set[str]] = {Side.GHL: set(), Side.HUBSPOT: set()}
    for side, record_id in json.loads(link.store.cursor(AGAIN) or "[]"):
        wanted[Side(side)].add(record_id)
    now = link.clock.now()
    for hold in held:
        due = full or not waits(hold, now)
        if due or decided.lets_go(hold) or decided.touches(hold, held):
            wanted[Side.GHL].add(hold.ghl_id)
            wanted[Side.HUBSPOT].add(hold.hubspot_id)
    for side in Side:
        wanted[side] |= decided.named(side, held)
    rotated = _rotate(link, wanted, full=full)
    for side, ids in wanted.items():
        missing = ids - set(gathered.seen[side]) - {""}
        if missing:
            shown = link.side(side).fetch(missing)
            gathered.seen[side] |= shown
            _mark_known(link, gathered, side, missing)
            absent = {each for each, seen in shown.items() if isinstance(seen, Missing)}
            gathered.absent[side] |= absent
    return rotated


def _rotate(link: Link, wanted: dict[Side, set[str]], *, full: bool) -> int:
    """Known HubSpot records are re-read in turn: archives, merges and contacts move no stamp."""
    if full or not link.rules.rotation:
        return 0
    after = int(link.store.cursor(ROTATION) or 0)
    stretch = link.store.rotation(after, link.rules.rotation)
    wanted[Side.HUBSPOT] |= {hubspot_id for _, hubspot_id in stretch}
    return stretch[-1][0] if len(stretch) == link.rules.rotation else 0


def _without_owner(link: Link) -> set[str]:
    """HighLevel ids of pairs whose owner was never agreed on: asked once, when people are known."""
    found: set[str] = set()
    after = 0
    while stretch := link.store.rotation(after, STRETCH):
        after = stretch[-1][0]
        pairs = link.store.pairs_by_key([key for key, _ in stretch])
        found |= {pair.ghl_id for pair in pairs if Group.OWNER in pair.open}
    return found


# --- what was not listed


def _vanished(
    link: Link, gathered: PollState, scans: Mapping[Side, Scan], policy: Policy, *, full: bool
) -> dict[int, Pair]:
    """Pairs of which a record should have been listed and was not, by key.

    Everything that is missing is asked for by id; then moved instances of a
    series are found again. A full cycle asks for those too that no list could have
    shown, on calendars that were deleted, deactivated or are not synced.
    """
    found: dict[int, Pair] = {}
    for side, scan in scans.items():
        if not scan.complete and not scan.calendars:
            continue
        seen: AbstractSet[str] = gathered.seen[side].keys()
        if gathered.absent[side]:
            seen = seen - gathered.absent[side]
        if side is Side.GHL and gathered.looked.lost:
            seen = seen | gathered.looked.lost
        lost = link.store.missing_from_scan(side, policy.window, seen)
        pairs = [
            pair
            for pair in link.store.pairs_by_key(lost)
            if side is Side.HUBSPOT or _listed(pair, scan) or (full and scan.complete)
        ]
        asked = {pair.id_on(side) for pair in pairs}
        if asked:
            gathered.seen[side] |= link.side(side).fetch(asked - gathered.absent[side])
            gathered.known[side] |= asked
        found |= {pair.key: pair for pair in pairs}
        if side is Side.GHL:
            gathered.looked.lost |= asked
            found |= _rejoined(gathered, pairs, policy)
    return found


def _listed(pair: Pair, scan: Scan) -> bool:
    """Whether the pair's booking stood, as far as we know, on a calendar that came back whole.

    One on another calendar cannot have been listed. It is left to the next
    full cycle, and where a list failed, to the next that reads them all: a
    calendar that cannot be read just now must not cost a request for each
    of its appointments.
    """
    return not pair.calendar or pair.calendar in scan.calendars


def _rejoined(gathered: PollState, lost: Iterable[Pair], policy: Policy) -> dict[int, Pair]:
    """Give moved instances of a series their new id, where the old one is not known any more.

    One that is still there, or was deleted, did not move. Of one that could
    not be asked for, nothing is known: what is new in its series waits.
    """
    seen, known = gathered.seen[Side.GHL], gathered.known[Side.GHL]
    lost = [pair for pair in lost if pair.series and isinstance(seen[pair.ghl_id], Missing)]
    if not lost:
        return {}
    listed = [shown for shown in seen.values() if isinstance(shown, Snapshot) and shown.series]
    until = policy.series_until
    arrivals = [
        shown
        for shown in listed
        if shown.id not in known
        and not (until and shown.appointment.start and shown.appointment.start > until)
    ]
    open_ = {p.series.master: s for p in lost if p.series and (s := _unread(seen[p.ghl_id]))}
    for shown in arrivals:
        if shown.series and shown.series.master in open_:
            why = f"it may be an instance that could not be read: {open_[shown.series.master]}"
            gathered.unread(Side.GHL, shown.id, Missing(detail=why))
            gathered.put_off.add(shown.id)
    arrivals = [shown for shown in arrivals if shown.id not in gathered.put_off]
    unknown = [pair for pair in lost if not _unread(seen[pair.ghl_id])]
    joined = rejoin_series(unknown, arrivals, listed)
    known |= {instance.id for instance in joined.values()}
    gathered.followed |= joined.keys()
    return {
        pair.key: replace(pair, ghl_id=joined[pair.key].id, has_external_id=False)
        for pair in unknown
        if pair.key in joined
    }


def _unread(seen: Seen) -> str:
    """Why there is no word on a record, where asking for it failed."""
    return seen.detail if isinstance(seen, Missing) and seen.unread else ""


def _pairs(link: Link, gathered: PollState, vanished: dict[int, Pair]) -> dict[int, Pair]:
    """Every pair that has to be judged, by key."""
    found: dict[int, Pair] = {}
    for side in Side:
        found |= {p.key: p for p in link.store.pairs_by_id(side, gathered.news[side])}
    return found | vanished


def _read_across(link: Link, gathered: PollState, pairs: dict[int, Pair]) -> None:
    """Read the records of the judged pairs that were not seen yet; follow merges."""
    for side in Side:
        ids = {pair.id_on(side) for pair in pairs.values()} - set(gathered.seen[side])
        if ids:
            gathered.seen[side] |= link.side(side).fetch(ids)
            gathered.known[side] |= ids
    _follow_merges(link, gathered, pairs)


def _follow_carriers(
    link: Link, gathered: PollState, pairs: dict[int, Pair], policy: Policy
) -> None:
    """A record that carries a pair's id is the pair's, where the one that it knows is nowhere.

    So it is after a merge of which the old id tells nothing (promise 6).
    """
    carriers = {
        shown.external_id: shown
        for shown in _unknown(gathered, Side.HUBSPOT).values()
        if isinstance(shown, Snapshot)
        and shown.external_id
        and not shown.gone
        and policy.belongs(shown)
    }
    found = link.store.pairs_by_id(Side.GHL, carriers) if carriers else []
    seen, known = gathered.seen[Side.HUBSPOT], gathered.known[Side.HUBSPOT]
    asked = {pair.hubspot_id for pair in found} - seen.keys()
    if asked:
        seen |= link.hubspot.fetch(asked)
        known |= asked
    for pair in found:
        former, survivor = seen.get(pair.hubspot_id), carriers[pair.ghl_id].id
        if isinstance(former, Missing) and (former.absent or former.became == survivor):
            current = pairs.get(pair.key, pair)
            pairs[pair.key] = replace(current, hubspot_id=survivor, has_external_id=False)
            known.add(survivor)
            gathered.followed.add(pair.key)


def _follow_merges(link: Link, gathered: PollState, pairs: dict[int, Pair]) -> None:
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
    taken = {*link.store.prints(Side.HUBSPOT, became), *(p.hubspot_id for p in pairs.values())}
    for survivor, merged in became.items():
        shown = seen.get(survivor)
        if survivor not in taken and isinstance(shown, Snapshot):
            pair = next((each for each in merged if each.ghl_id == shown.external_id), merged[0])
            pairs[pair.key] = replace(pair, hubspot_id=survivor, has_external_id=False)
            gathered.known[Side.HUBSPOT].add(survivor)
            gathered.followed.add(pair.key)


def _sightings(gathered: PollState, pairs: Mapping[int, Pair]) -> Iterable[Sighting]:
    unseen = Missing(detail="it could not be read")
    for pair in pairs.values():
        yield Sighting(
            pair=pair,
            ghl=gathered.seen[Side.GHL].get(pair.ghl_id, unseen),
            hubspot=gathered.seen[Side.HUBSPOT].get(pair.hubspot_id, unseen),
            followed=pair.key in gathered.followed,
        )


# --- records without a pair


def _unpaired(
    link: Link, gathered: PollState, scans: Mapping[Side, Scan], policy: Policy
) -> UnpairedRecords:
    """The records that no pair knows, and what the ids that they carry lead to.

    Nothing is asked about ids that other locations' records carry (promise 2).
    """
    listed = scans[Side.GHL].calendars
    ghl = {
        record_id: seen
        for record_id, seen in _unknown(gathered, Side.GHL).items()
        if record_id not in gathered.put_off
        and (not isinstance(seen, Snapshot) or seen.calendar in listed)
    }
    hubspot = {
        record_id: seen
        for record_id, seen in _unknown(gathered, Side.HUBSPOT).items()
        if isinstance(seen, Snapshot) and (seen.external_id or not seen.gone)
    }
    if ghl and not scans[Side.HUBSPOT].whole:
        # A whole sweep lists every carrier; else they are asked for, so that nothing
        # that HubSpot has already is mirrored anew.
        for ghl_id, record in link.hubspot.find_by_external_id(set(ghl)).items():
            if isinstance(record, Missing):
                gathered.unread(Side.GHL, ghl_id, record)
                del ghl[ghl_id]  # Whether it has its twin already is not known: it waits.
            elif record.id not in gathered.known[Side.HUBSPOT]:
                hubspot[record.id] = record
    return with_carried(link, policy, hubspot, ghl, ())


def _left_out(
    gathered: PollState, sightings: Iterable[Sighting], listed: Scan, policy: Policy
) -> dict[str, tuple[str, ...]]:
    """What was read and is not synced, by reason."""
    read = left_out.Read(
        seen=gathered.seen,
        known=gathered.known,
        news=gathered.news[Side.HUBSPOT],
        calendars=listed.calendars,
    )
    return left_out.found_in(read, sightings, policy)


def _settled(
    gathered: PollState, pairs: dict[int, Pair], unpaired: UnpairedRecords, unsettled: Unsettled
) -> UnpairedRecords:
    """Those of whom everything is known that we wrote; the others are left to the next cycle."""
    for (side, record_id), why in unsettled.items():
        gathered.unread(side, record_id, Missing(detail=why, unread=True))
        for key in [key for key, pair in pairs.items() if pair.id_on(side) == record_id]:
            del pairs[key]
    return replace(
        unpaired,
        ghl={key: seen for key, seen in unpaired.ghl.items() if (Side.GHL, key) not in unsettled},
        hubspot={
            key: seen
            for key, seen in unpaired.hubspot.items()
            if (Side.HUBSPOT, key) not in unsettled
        },
    )


def _unknown(gathered: PollState, side: Side) -> dict[str, Seen]:
    known, seen = gathered.known[side], gathered.seen[side]
    if seen.keys() <= known:
        return {}
    same = gathered.looked.same
    return {
        record_id: shown
        for record_id, shown in seen.items()
        if record_id not in known and not same(side, record_id, shown)
    }


def read_accounts(link: Link) -> tuple[Account, Account]:
    """What both accounts look like now; checks that they can be synced at all."""
    return link.ghl.prepare(), link.hubspot.prepare()
