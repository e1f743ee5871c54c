"""Poll: read both sides, and every record that judging them needs.

`cycle` calls `poll`; `observe` works on the result. A full and an incremental
cycle differ only here: HubSpot is swept or asked for changes, while HighLevel,
which cannot tell what changed, is always listed. A record that shows what was
agreed is recognised by its fingerprint and left out; of every other one the
record on the other side is read too. A known record that was not listed is
asked for by id.

A cycle that has much to write polls again now and then (`poll_changes`), so
that changes by people need not wait for its end. A record that shows the same
as at the last poll of this cycle is then left out too (`SeenFingerprints`): it
was judged, and is written, held or waiting.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from syncd.core import looks
from syncd.core.essence import snapshot_fingerprint
from syncd.core.guards import RecentWrites
from syncd.core.model import Group, Hold, Missing, Pair, Scan, Side, Snapshot
from syncd.core.observe import Seen
from syncd.core.policy import Policy
from syncd.core.series import rejoin_series
from syncd.engine.backoff import waits
from syncd.engine.context import CycleContext
from syncd.engine.link import Link
from syncd.engine.record import held_notes
from syncd.ports.provider import ScanRequest
from syncd.ports.store import HELD_NOTES

CURSOR = "hubspot"
"""State of a link: HubSpot's cursor."""

RECHECK = "again"
"""State of a link: the records that the next cycle reads whatever the scans say."""

ROTATION = "rotation"
"""State of a link: the pair key that the rotation has come to."""

SURVIVORS = "survivors"
"""State of a link: what survivors of settled removals showed when they were left alone."""

PEOPLE = "people_unread"
"""State of a link: that an earlier cycle could not read who the people of a side are."""

MOST_SURVIVORS = 1_000
STRETCH = 1_000
"""Pairs that are read at once from the store."""

DAY = timedelta(hours=24)

Unsettled = Mapping[tuple[Side, str], str]
"""Records that have to wait because the outcome of a write of ours is unknown; and why."""


@dataclass(slots=True)
class SeenFingerprints:
    """What this cycle has judged and not found as agreed: fingerprints by side and id."""

    by_side: dict[Side, dict[str, str]] = field(
        default_factory=lambda: {Side.GHL: {}, Side.HUBSPOT: {}}
    )
    lost: set[str] = field(default_factory=set)
    """HighLevel ids that were not listed where they should have been."""

    def has(self, side: Side, record_id: str, shown: Seen) -> bool:
        """Whether the record shows what it showed when it was judged."""
        before = self.by_side[side].get(record_id)
        return before is not None and before == fingerprint_of(shown)

    def add(self, side: Side, record_id: str, shown: Seen) -> None:
        """The record is judged as it is shown now."""
        self.by_side[side][record_id] = fingerprint_of(shown)

    def load(self, survivors: str) -> None:
        """Add what an earlier cycle judged and left alone, see `survivors`."""
        for side, record_id, shown in json.loads(survivors):
            self.by_side[Side(side)][record_id] = shown


def fingerprint_of(shown: Seen) -> str:
    """A digest of what a record shows, for telling whether it has been judged as it is."""
    if isinstance(shown, Missing):
        return f"missing: {shown.detail}"
    # Another calendar matters, though the essence is the same.
    return f"{snapshot_fingerprint(shown)} {shown.calendar} {' '.join(shown.contacts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What was read at one time, with the cycle's context."""

    context: CycleContext
    recent: RecentWrites
    """Earlier writes, as the guards count them."""
    polled_at: float
    """When reading began (monotonic)."""
    scans: Mapping[Side, Scan]
    seen: Mapping[Side, Mapping[str, Seen]]
    """Every record that was read or asked for, by side and id."""
    known: Mapping[Side, AbstractSet[str]]
    """Ids that a pair has."""
    changed: Mapping[Side, AbstractSet[str]]
    """Known ids that do not show what was agreed."""
    pairs: Mapping[int, Pair]
    """The pairs to judge, by key, with the ids by which their records go now."""
    followed: AbstractSet[int] = frozenset()
    """Keys of the pairs of which a record goes by another id now."""
    suspended: AbstractSet[str] = frozenset()
    """HighLevel ids of which nothing is made yet."""
    unsettled: Unsettled = field(default_factory=dict)
    held: Sequence[Hold] = ()
    """What was held when the cycle began."""
    rotated_to: int = 0
    failures: tuple[str, ...] = ()
    """Parts and records that could not be read, in words for a person."""
    fingerprints: SeenFingerprints = field(default_factory=SeenFingerprints)
    withdrawn: frozenset[str] = frozenset()
    """HighLevel records without a pair that the last poll listed, and this one did not."""
    recheck: frozenset[tuple[Side, str]] = frozenset()
    """Unpaired records of which something could not be read: the next cycle reads them."""
    not_asked: frozenset[int] = frozenset()
    """Keys of pairs that no list showed, and that could not be asked for by id either."""
    announced: Mapping[int, frozenset[tuple[Side, str]]] = field(default_factory=dict)
    """By key of an announcement, the records that had to be read for it."""
    carriers: Mapping[str, Snapshot | Missing | None] = field(default_factory=dict)
    """HubSpot records by the HighLevel id that they carry; None: it was asked, and none does."""
    spots: Mapping[Side, AbstractSet[tuple[str, datetime]]] = field(
        default_factory=lambda: {side: frozenset() for side in Side}
    )
    """Contacts and starts, in the words of a side, of which everything there was read by id."""
    left: bool = False
    """Whether an announced record was left to an incremental cycle, which reads the lists."""


@dataclass(slots=True, kw_only=True)
class PollState:
    """What was read so far, by side and id."""

    fingerprints: SeenFingerprints = field(default_factory=SeenFingerprints)
    seen: dict[Side, dict[str, Seen]] = field(
        default_factory=lambda: {Side.GHL: {}, Side.HUBSPOT: {}}
    )
    known: dict[Side, set[str]] = field(
        default_factory=lambda: {Side.GHL: set(), Side.HUBSPOT: set()}
    )
    """Ids that a pair has."""
    changed: dict[Side, set[str]] = field(
        default_factory=lambda: {Side.GHL: set(), Side.HUBSPOT: set()}
    )
    """Known ids that do not show what was agreed, or were not shown at all."""
    followed: set[int] = field(default_factory=set)
    """Keys of the pairs of which a record goes by another id now."""
    failures: list[str] = field(default_factory=list)
    """What of single records could not be read, in words for a person."""
    recheck: set[tuple[Side, str]] = field(default_factory=set)
    """The records of `failures`: the next cycle reads them."""
    absent: dict[Side, set[str]] = field(
        default_factory=lambda: {Side.GHL: set(), Side.HUBSPOT: set()}
    )
    """Ids that were asked for because something depends on them, and that were not shown."""
    suspended: set[str] = field(default_factory=set)
    """HighLevel ids of which nothing is made before the `absent` ones could be read."""
    not_asked: set[int] = field(default_factory=set)
    """See `PollResult`."""
    announced: dict[int, frozenset[tuple[Side, str]]] = field(default_factory=dict)
    """See `PollResult.announced`."""
    carriers: dict[str, Snapshot | Missing | None] = field(default_factory=dict)
    """See `PollResult.carriers`."""
    spots: dict[Side, set[tuple[str, datetime]]] = field(
        default_factory=lambda: {Side.GHL: set(), Side.HUBSPOT: set()}
    )
    """See `PollResult.spots`."""

    def add_unread(self, side: Side, record_id: str, why: str) -> None:
        """Something of an unpaired record could not be read: it waits for the next cycle."""
        self.failures.append(f"{side} appointment {record_id}: {why}")
        self.recheck.add((side, record_id))


def poll(context: CycleContext, unsettled: Unsettled = MappingProxyType({})) -> PollResult:
    """Read both sides; nothing is written and no cursor moves.

    Raises:
        ProviderError: a side cannot be read at all.
    """
    link, store, full = context.link, context.link.store, context.request.full
    cursor = "" if full else store.get_state(CURSOR)
    scans = _scans(context, ScanRequest(window=context.policy.window, cursor=cursor))
    held = store.holds()
    state = PollState()
    if not full and (survivors := store.get_state(SURVIVORS)):
        state.fingerprints.load(survivors)
    _take_scans(link, state, scans)
    rotated = _read_expected(context, state, held)
    if store.get_state(PEOPLE) and not context.translator.people_unread:
        state.changed[Side.GHL] |= _without_owner(link)
    vanished = _vanished(context, state, scans, full=full)
    undone = {undo.revert.pair_key for undo in context.decisions.undos}
    pairs = {pair.key: pair for pair in store.pairs_by_key(undone)} if undone else {}
    pairs |= changed_pairs(link, state, vanished)
    read_other_sides(context, state, pairs)
    recent = RecentWrites(
        pairs=context.pairs,
        removed_lately=store.removals_since(context.policy.now - DAY),
        first=context.first,
    )
    polled = result_of(context, state, scans, pairs, recent)
    return replace(polled, held=held, rotated_to=rotated, unsettled=unsettled)


def poll_changes(before: PollResult, unsettled: Unsettled) -> PollResult:
    """Read what happened since the last poll of this cycle.

    Costs HighLevel a list per calendar, and HubSpot a search for what changed
    since; records that this cycle made are not searched for.

    Raises:
        ProviderError: a side cannot be read at all.
    """
    context, link = before.context, before.context.link
    polled_at = link.clock.monotonic()
    request = ScanRequest(
        window=context.policy.window,
        cursor=before.scans[Side.HUBSPOT].cursor,
        created_before=context.began,
    )
    scans = _scans(context, request)
    state = PollState(fingerprints=before.fingerprints)
    _take_scans(link, state, scans)
    vanished = _vanished(context, state, scans, full=False)
    pairs = changed_pairs(link, state, vanished)
    read_other_sides(context, state, pairs)
    polled = result_of(context, state, scans, pairs, before.recent)
    withdrawn = _withdrawn(link, before.scans[Side.GHL], scans[Side.GHL])
    return replace(
        polled,
        polled_at=polled_at,
        held=before.held,
        unsettled=unsettled,
        withdrawn=withdrawn,
    )


def repoll(before: PollResult, records: Collection[tuple[Side, str]]) -> PollResult:
    """Read these records, to be judged anew whatever they showed before.

    Raises:
        ProviderError: a side cannot be read.
    """
    context, link = before.context, before.context.link
    state = PollState(fingerprints=before.fingerprints)
    for side in Side:
        ids = {record_id for where, record_id in records if where is side}
        for record_id in ids:
            state.fingerprints.by_side[side].pop(record_id, None)
        if ids:
            state.seen[side] |= link.side(side).fetch(ids)
            mark_known(link, state, side, ids)
    pairs = changed_pairs(link, state, {})
    read_other_sides(context, state, pairs)
    return result_of(context, state, before.scans, pairs, before.recent)


def result_of(
    context: CycleContext,
    state: PollState,
    scans: Mapping[Side, Scan],
    pairs: Mapping[int, Pair],
    recent: RecentWrites,
) -> PollResult:
    """What was read, as one value."""
    if context.link.rules.show_held:
        notes = context.link.store.get_state(HELD_NOTES)
        state.seen[Side.HUBSPOT] = held_notes.without_notes(state.seen[Side.HUBSPOT], notes)
    failures = (*(each for scan in scans.values() for each in scan.failures), *state.failures)
    return PollResult(
        context=context,
        recent=recent,
        polled_at=context.began_at,
        scans=scans,
        seen=state.seen,
        known=state.known,
        changed=state.changed,
        pairs=pairs,
        followed=state.followed,
        suspended=state.suspended,
        failures=failures,
        fingerprints=state.fingerprints,
        recheck=frozenset(state.recheck),
        not_asked=frozenset(state.not_asked),
        announced=state.announced,
        carriers=state.carriers,
        spots=state.spots,
    )


def _withdrawn(link: Link, before: Scan, now: Scan) -> frozenset[str]:
    """Records without a pair that were listed before and are not any more."""
    if not now.complete:
        return frozenset()
    listed = {record.id for record in now.snapshots} | {each for each, _ in now.unreadable}
    left = {record.id for record in before.snapshots} - listed
    return frozenset(left - set(link.store.prints(Side.GHL, left)))


def _scans(context: CycleContext, hubspot: ScanRequest) -> dict[Side, Scan]:
    link = context.link
    ghl = ScanRequest(window=hubspot.window, calendars=link.rules.calendars)
    return {Side.GHL: link.ghl.scan(ghl), Side.HUBSPOT: link.hubspot.scan(hubspot)}


# --- what was listed


def _take_scans(link: Link, state: PollState, scans: Mapping[Side, Scan]) -> None:
    for scan in scans.values():
        _take(link, state, scan)
        _confirm_removals(link, state, scan)
    if not scans[Side.HUBSPOT].complete:
        _read_hits(link, state)


def _take(link: Link, state: PollState, scan: Scan) -> None:
    """Sort a scan's records into known and unknown, changed and not."""
    seen = state.seen[scan.side]
    seen.update((snapshot.id, snapshot) for snapshot in scan.snapshots)
    for record_id, detail in scan.unreadable:
        seen.setdefault(record_id, Missing(detail=detail))
    mark_known(link, state, scan.side, seen.keys())


def _confirm_removals(link: Link, state: PollState, scan: Scan) -> None:
    """Read by id what a list newly shows as removed: a list alone removes nothing."""
    changed = state.changed[scan.side]
    removed = {each.id for each in scan.snapshots if each.gone and each.id in changed}
    if removed:
        state.seen[scan.side] |= link.side(scan.side).fetch(removed)
        changed -= removed
        mark_known(link, state, scan.side, removed)


def _read_hits(link: Link, state: PollState) -> None:
    """Read what the search index says has changed: the index may still show old values."""
    side = Side.HUBSPOT
    hits = state.changed[side] | unknown(state, side).keys()
    if not hits:
        return
    shown = link.hubspot.fetch(hits)
    state.seen[side] |= shown
    state.changed[side] -= hits
    mark_known(link, state, side, hits)
    for record_id, seen in shown.items():
        if isinstance(seen, Missing) and seen.unread and record_id not in state.known[side]:
            state.add_unread(side, record_id, seen.detail)


def mark_known(link: Link, state: PollState, side: Side, ids: Collection[str]) -> None:
    """Note which of these records a pair has, and which do not show what was agreed."""
    stored, seen, changed = link.store.prints(side, ids), state.seen[side], state.changed[side]
    state.known[side].update(stored)
    judged = state.fingerprints.by_side[side]
    for record_id, agreed in stored.items():
        shown = seen.get(record_id)
        if isinstance(shown, Snapshot) and snapshot_fingerprint(shown) == agreed:
            if judged:
                judged.pop(record_id, None)
        elif not judged or shown is None or not state.fingerprints.has(side, record_id, shown):
            changed.add(record_id)


def _read_expected(context: CycleContext, state: PollState, held: Sequence[Hold]) -> int:
    """Read what earlier cycles left over, what decisions name, and the next of the rotation."""
    link, decisions, full = context.link, context.decisions, context.request.full
    wanted: dict[Side, set[str]] = {Side.GHL: set(), Side.HUBSPOT: set()}
    for side, record_id in json.loads(link.store.get_state(RECHECK) or "[]"):
        wanted[Side(side)].add(record_id)
    for where, record_id in _announced(context, state) if context.request.announced else ():
        wanted[where].add(record_id)
    for hold in held:
        due = full or not waits(hold, link.clock.now())
        if due or decisions.lets_go(hold) or decisions.touches(hold, held):
            wanted[Side.GHL].add(hold.ghl_id)
            wanted[Side.HUBSPOT].add(hold.hubspot_id)
    for side in Side if decisions.words else ():
        wanted[side] |= decisions.named(side, held)
    rotated = _rotate(link, wanted, full=full)
    doubted = looks.doubted(link.store.get_state(looks.AUDITED)) if full else {}
    for side, ids in doubted.items():
        wanted[side] |= ids
    for side, ids in wanted.items():
        missing = ids - set(state.seen[side]) - {""}
        if missing:
            shown = link.side(side).fetch(missing)
            state.seen[side] |= shown
            mark_known(link, state, side, missing)
            absent = {each for each, seen in shown.items() if isinstance(seen, Missing)}
            state.absent[side] |= absent
        # What an audit could not explain is judged, whatever its fingerprint says.
        state.changed[side] |= doubted.get(side, set()) & state.known[side]
    return rotated


def _announced(context: CycleContext, state: PollState) -> Iterable[tuple[Side, str]]:
    """The records that were announced; what the search index shows of them may be old."""
    from syncd.engine.poll.announced import records_of

    state.announced = records_of(context.link, context.request.announced, context.policy)
    found = frozenset[tuple[Side, str]]().union(*state.announced.values())
    known, changed = state.known[Side.HUBSPOT], state.changed[Side.HUBSPOT]
    for side, record_id in found:
        if side is Side.HUBSPOT and record_id in known and record_id not in changed:
            state.seen[side].pop(record_id, None)
    return found


def _rotate(link: Link, wanted: dict[Side, set[str]], *, full: bool) -> int:
    """Read known HubSpot records again in turn: archives, merges and contacts move no stamp."""
    if full or not link.rules.rotation:
        return 0
    after = int(link.store.get_state(ROTATION) or 0)
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
    context: CycleContext, state: PollState, scans: Mapping[Side, Scan], *, full: bool
) -> dict[int, Pair]:
    """Pairs of which a record should have been listed and was not, by key.

    Everything that is missing is asked for by id; then moved instances of a
    series are found again. A full cycle asks for those too that no list could have
    shown, on calendars that were deleted, deactivated or are not synced.
    """
    link, policy = context.link, context.policy
    found: dict[int, Pair] = {}
    for side, scan in scans.items():
        if not scan.complete and not scan.calendars:
            continue
        seen: AbstractSet[str] = state.seen[side].keys()
        if state.absent[side]:
            seen = seen - state.absent[side]
        if side is Side.GHL and state.fingerprints.lost:
            seen = seen | state.fingerprints.lost
        lost = link.store.missing_from_scan(side, policy.window, seen)
        pairs = [
            pair
            for pair in link.store.pairs_by_key(lost)
            if side is Side.HUBSPOT or _listed(pair, scan) or (full and scan.complete)
        ]
        state.not_asked |= {*lost} - {pair.key for pair in pairs}
        asked = {pair.id_on(side) for pair in pairs}
        if asked:
            state.seen[side] |= link.side(side).fetch(asked - state.absent[side])
            state.known[side] |= asked
        found |= {pair.key: pair for pair in pairs}
        if side is Side.GHL:
            state.fingerprints.lost |= asked
            moved = [pair for pair in pairs if pair.series]
            found |= _rejoined(state, moved, policy) if moved else {}
    return found


def _listed(pair: Pair, scan: Scan) -> bool:
    """Whether the pair's booking stood, as far as we know, on a calendar that came back whole.

    One on another calendar cannot have been listed. It is left to the next
    full cycle, and where a list failed, to the next that reads them all: a
    calendar that cannot be read just now must not cost a request for each
    of its appointments.
    """
    return not pair.calendar or pair.calendar in scan.calendars


def _rejoined(state: PollState, lost: Iterable[Pair], policy: Policy) -> dict[int, Pair]:
    """Give moved instances of a series their new id, where the old one is not known any more.

    One that is still there, or was deleted, did not move. Of one that could
    not be asked for, nothing is known: what is new in its series waits.
    """
    seen, known = state.seen[Side.GHL], state.known[Side.GHL]
    lost = [pair for pair in lost if isinstance(seen[pair.ghl_id], Missing)]
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
            state.add_unread(Side.GHL, shown.id, why)
            state.suspended.add(shown.id)
    arrivals = [shown for shown in arrivals if shown.id not in state.suspended]
    nowhere = [pair for pair in lost if not _unread(seen[pair.ghl_id])]
    joined = rejoin_series(nowhere, arrivals, listed)
    known |= {instance.id for instance in joined.values()}
    state.followed |= joined.keys()
    return {
        pair.key: replace(pair, ghl_id=joined[pair.key].id, has_external_id=False)
        for pair in nowhere
        if pair.key in joined
    }


def _unread(seen: Seen) -> str:
    """Why there is no word on a record, where asking for it failed."""
    return seen.detail if isinstance(seen, Missing) and seen.unread else ""


def changed_pairs(link: Link, state: PollState, vanished: dict[int, Pair]) -> dict[int, Pair]:
    """Every pair of which a record changed or vanished, by key."""
    found: dict[int, Pair] = {}
    for side in Side:
        found |= {p.key: p for p in link.store.pairs_by_id(side, state.changed[side])}
    return found | vanished


def read_other_sides(context: CycleContext, state: PollState, pairs: dict[int, Pair]) -> None:
    """Read the records of the judged pairs that were not seen yet; follow merges."""
    _follow_carriers(context, state, pairs)
    for side in Side:
        ids = {pair.id_on(side) for pair in pairs.values()} - set(state.seen[side])
        if ids:
            state.seen[side] |= context.link.side(side).fetch(ids)
            state.known[side] |= ids
    _follow_merges(context.link, state, pairs)


def _follow_carriers(context: CycleContext, state: PollState, pairs: dict[int, Pair]) -> None:
    """Give a pair the record that carries its id, where its own record is nowhere.

    That is so after a merge that the old id does not show (promise 6).
    """
    link, policy = context.link, context.policy
    carriers = {
        shown.external_id: shown
        for shown in unknown(state, Side.HUBSPOT).values()
        if isinstance(shown, Snapshot)
        and shown.external_id
        and not shown.gone
        and policy.belongs(shown)
    }
    found = link.store.pairs_by_id(Side.GHL, carriers) if carriers else []
    seen, known = state.seen[Side.HUBSPOT], state.known[Side.HUBSPOT]
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
            state.followed.add(pair.key)


def _follow_merges(link: Link, state: PollState, pairs: dict[int, Pair]) -> None:
    """Give a pair the record that its HubSpot record was merged into.

    Where records of two pairs were merged, the survivor is the appointment
    whose id it carries.
    """
    seen = state.seen[Side.HUBSPOT]
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
            state.known[Side.HUBSPOT].add(survivor)
            state.followed.add(pair.key)


def unknown(read: PollState | PollResult, side: Side) -> dict[str, Seen]:
    """The records that no pair knows and that this cycle has not judged as they are now, by id."""
    known, seen = read.known[side], read.seen[side]
    if seen.keys() <= known:
        return {}
    has = read.fingerprints.has
    return {
        record_id: shown
        for record_id, shown in seen.items()
        if record_id not in known and not has(side, record_id, shown)
    }
