"""Observe: what the poll read becomes sightings of pairs, and records without a pair find theirs.

`cycle` calls `observe` after the poll, `rounds` calls `find` and `observe_turn`
when it polled again. The matching itself is `core.observe`. The rooms beside
this one are entered only where there are records without a pair, or contacts
that changed: `external_ids`, `unpaired_queue`, `match_context`,
`duplicate_check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from syncd.core import left_out
from syncd.core.contacts import ContactBook, Known
from syncd.core.guards import RecentWrites
from syncd.core.model import Group, Missing, Pair, Side, Snapshot
from syncd.core.observe import NewRecord, Observed, Seen, Sighting, UnpairedRecords
from syncd.core.policy import Policy
from syncd.engine.context import CycleContext
from syncd.engine.decisions.pending import Part
from syncd.engine.decisions.validity import Validity, validity
from syncd.engine.observe import contacts, duplicate_check, match_context
from syncd.engine.observe.external_ids import with_carried
from syncd.engine.observe.unpaired_queue import UnpairedQueue
from syncd.engine.poll.poll import PollResult, Unsettled, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one poll shows: pairs, and records without a pair."""

    sightings: tuple[Sighting, ...]
    unpaired: UnpairedRecords
    failures: tuple[str, ...] = ()
    """What of unpaired records could not be read, in words for a person."""
    recheck: frozenset[tuple[Side, str]] = frozenset()
    """The records of `failures`: the next cycle reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is judged in one round of a cycle."""

    polled: PollResult
    """The last poll of both sides."""
    recent: RecentWrites
    sightings: tuple[Sighting, ...] = ()
    queue: UnpairedQueue | None = None
    """Records without a pair that wait for their turn."""
    judged: UnpairedRecords = field(default_factory=UnpairedRecords)
    """Records without a pair that were judged before."""
    fresh: frozenset[str] = frozenset()
    """Ids of records that people changed since the cycle began."""
    rejudged: frozenset[str] = frozenset()
    """Ids of records that changed between plan and write."""
    renewed: frozenset[str] = frozenset()
    """Ids of records whose earlier plans and holds do not count any more."""
    conflicts: int = 0
    """Conflicts of those plans, which are counted anew."""
    settled: frozenset[Part] = frozenset()
    """Parts of decisions that earlier rounds carried out."""
    guarded: bool = False
    """Whether a guard kept something back in an earlier round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that plan has to judge in one round."""

    turn: Turn
    policy: Policy
    """The rules at this moment, with the decisions that still apply."""
    observed: Observed
    found: Found | None = None
    """With the first round of a cycle: what the poll shows."""
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """In a full cycle: what was read and is not synced, by reason."""
    contacts: ContactBook = field(default_factory=ContactBook)
    judged: UnpairedRecords = field(default_factory=UnpairedRecords)
    """The unpaired records whose turn it is."""
    matched: UnpairedRecords = field(default_factory=UnpairedRecords)
    """The unpaired records of this round and all before, with those that no list showed."""
    waiting: int = 0
    """How many records wait for a later turn."""
    unread: tuple[str, ...] = ()
    """Contacts that could not be looked up, in words for a person."""
    unsure: tuple[tuple[NewRecord, str], ...] = ()
    """Records that wait for the next cycle, because they may exist on the other side; and why."""
    validity: Validity | None = None
    """Which of people's decisions still apply, where there are any."""


def observe(polled: PollResult) -> Observation:
    """What a cycle's first poll shows.

    Raises:
        ProviderError: something that the matching needs could not be read.
    """
    found = find(polled)
    queue = None
    if found.unpaired.ghl or found.unpaired.hubspot:
        queue = UnpairedQueue()
        queue.add(found.unpaired)
    turn = Turn(polled=polled, recent=polled.recent, sightings=found.sightings, queue=queue)
    full = polled.context.request.full
    listed = _left_out(polled, found.sightings) if full else {}
    return replace(observe_turn(turn), found=found, left_out=listed)


def find(polled: PollResult) -> Found:
    """The sightings and the unpaired records of one poll; all are judged as they are now.

    Raises:
        ProviderError: HubSpot could not be asked which records carry an id.
    """
    failures: list[str] = []
    recheck: set[tuple[Side, str]] = set()

    def add_unread(side: Side, record_id: str, why: str) -> None:
        failures.append(f"{side} appointment {record_id}: {why}")
        recheck.add((side, record_id))

    ghl, hubspot = unknown(polled, Side.GHL), unknown(polled, Side.HUBSPOT)
    unpaired, hidden = UnpairedRecords(), dict[str, str]()
    if ghl or hubspot:
        unpaired, hidden = _unpaired(polled, ghl, hubspot)
    for record_id, why in hidden.items():
        add_unread(Side.GHL, record_id, why)
    pairs: Iterable[Pair] = polled.pairs.values()
    for (side, record_id), why in polled.unsettled.items():
        add_unread(side, record_id, why)
        pairs = [pair for pair in pairs if pair.id_on(side) != record_id]
    if polled.unsettled:
        unpaired = _settled(unpaired, polled.unsettled)
    sightings = tuple(_sighting(polled, pair) for pair in pairs)
    fingerprints = polled.fingerprints
    for sighting in sightings:
        fingerprints.add(Side.GHL, sighting.pair.ghl_id, sighting.ghl)
        fingerprints.add(Side.HUBSPOT, sighting.pair.hubspot_id, sighting.hubspot)
    for record_id, seen in unpaired.ghl.items():
        fingerprints.add(Side.GHL, record_id, seen)
    for record_id, seen in unpaired.hubspot.items():
        fingerprints.add(Side.HUBSPOT, record_id, seen)
    return Found(
        sightings=sightings,
        unpaired=unpaired,
        failures=tuple(failures),
        recheck=frozenset(recheck),
    )


def _settled(unpaired: UnpairedRecords, unsettled: Unsettled) -> UnpairedRecords:
    """Those of which everything is known that we wrote; the others wait for the next cycle."""
    ghl, hubspot = unpaired.ghl, unpaired.hubspot
    return replace(
        unpaired,
        ghl={each: seen for each, seen in ghl.items() if (Side.GHL, each) not in unsettled},
        hubspot={
            each: seen for each, seen in hubspot.items() if (Side.HUBSPOT, each) not in unsettled
        },
    )


def _sighting(polled: PollResult, pair: Pair) -> Sighting:
    unseen = Missing(detail="it could not be read")
    return Sighting(
        pair=pair,
        ghl=polled.seen[Side.GHL].get(pair.ghl_id, unseen),
        hubspot=polled.seen[Side.HUBSPOT].get(pair.hubspot_id, unseen),
        followed=pair.key in polled.followed,
    )


def _unpaired(
    polled: PollResult, listed: Mapping[str, Seen], swept: Mapping[str, Seen]
) -> tuple[UnpairedRecords, dict[str, str]]:
    """The records that no pair knows, and the bookings whose ids HubSpot records carry.

    And why others wait: whether HubSpot has them already could not be read.
    Nothing is asked about ids that other locations' records carry (promise 2).
    """
    context, scans = polled.context, polled.scans
    ghl = {
        record_id: seen
        for record_id, seen in listed.items()
        if record_id not in polled.suspended
        and (not isinstance(seen, Snapshot) or seen.calendar in scans[Side.GHL].calendars)
    }
    hubspot = {
        record_id: seen
        for record_id, seen in swept.items()
        if isinstance(seen, Snapshot) and (seen.external_id or not seen.gone)
    }
    hidden: dict[str, str] = {}
    if ghl and not scans[Side.HUBSPOT].whole:
        # A whole sweep lists every carrier; else they are asked for, so that nothing
        # that HubSpot has already is mirrored anew.
        carriers = {each: found for each in ghl if (found := polled.carriers.get(each))}
        if asked := set(ghl) - polled.carriers.keys():
            carriers |= context.link.hubspot.find_by_external_id(asked)
        ids = {each.id for each in carriers.values() if isinstance(each, Snapshot)}
        # One whose booking was made anew may carry the old id still.
        paired = set(context.link.store.prints(Side.HUBSPOT, ids) if ids else ())
        for ghl_id, record in carriers.items():
            if isinstance(record, Missing):
                hidden[ghl_id] = record.detail
                del ghl[ghl_id]
            elif record.id not in paired and record.id not in polled.known[Side.HUBSPOT]:
                hubspot[record.id] = record
    return with_carried(context.link, context.policy, hubspot, ghl, ()), hidden


def _left_out(polled: PollResult, sightings: Iterable[Sighting]) -> Mapping[str, tuple[str, ...]]:
    """What was read and is not synced, by reason."""
    read = left_out.Read(
        seen=polled.seen,
        known=polled.known,
        news=polled.changed[Side.HUBSPOT],
        calendars=polled.scans[Side.GHL].calendars,
    )
    return left_out.found_in(read, sightings, polled.context.policy)


# --- whose turn it is, and who belongs together


def observe_turn(turn: Turn) -> Observation:
    """What is judged in this round: the sightings, and the unpaired records whose turn it is.

    Raises:
        ProviderError: a look-up failed.
    """
    context = turn.polled.context
    link, decisions = context.link, context.decisions
    policy = replace(context.policy, now=link.clock.now())
    unpaired = UnpairedRecords()
    if turn.queue is not None:
        unpaired = turn.queue.turn(policy, all_=_all_at_once(turn, turn.queue))
    found = None
    if decisions.words or decisions.undos:
        found = validity(decisions, turn.sightings, unpaired)
        if decisions.words:
            policy = replace(policy, overrides=found.overrides)
    if not (unpaired.ghl or unpaired.hubspot or any(map(_needs_contacts, turn.sightings))):
        if turn.queue is not None:
            turn.queue.took(0.0)
        observed = Observed(sightings=turn.sightings)
        return Observation(
            turn=turn, policy=policy, observed=observed, matched=turn.judged, validity=found
        )
    began = link.clock.monotonic()
    observation = _matched(turn, policy, unpaired)
    if turn.queue is not None:
        turn.queue.took(link.clock.monotonic() - began)
    return replace(observation, validity=found)


def _all_at_once(turn: Turn, queue: UnpairedQueue) -> bool:
    """Whether all unpaired records must be judged together, before anything is written."""
    context = turn.polled.context
    if context.plans_once or queue.may_exceed(context.allowed.covered, turn.recent):
        return True
    return not context.allowed.changes and queue.may_trip(context.policy, turn.recent)


def _needs_contacts(sighting: Sighting) -> bool:
    """Whether it has to be looked up who somebody is on the other side."""
    pair, ghl, hubspot = sighting.pair, sighting.ghl, sighting.hubspot
    if isinstance(ghl, Snapshot) and (
        Group.CONTACT in pair.open or ghl.appointment.contact != pair.ghl.contact
    ):
        return True
    return (
        isinstance(hubspot, Snapshot)
        and bool(hubspot.contacts)
        and pair.hubspot.contact not in ("", *hubspot.contacts)
    )


def _matched(turn: Turn, policy: Policy, unpaired: UnpairedRecords) -> Observation:
    """Who belongs together, once everything was read that could show a record's duplicate."""
    link, judged = turn.polled.context.link, unpaired
    matched, book = match_context.match(turn.polled.context, policy, turn.sightings, unpaired)
    unsure: Mapping[str, str] = {}
    if matched.new_records:
        more = duplicate_check.beside(
            link,
            policy,
            turn.polled.scans,
            [each for each in matched.new_records if not _is_looked_at(turn, each)],
            unpaired,
            turn.fresh,
            doubted=turn.rejudged,
            resting=_inactive(turn.polled.context),
        )
        unsure = more.unsure
        if more.found.ghl or more.found.hubspot:
            unpaired = unpaired.with_more(more.found)
            matched, book = match_context.match(
                turn.polled.context, policy, turn.sightings, unpaired
            )
    waits = tuple(
        (each, unsure[each.record.id]) for each in matched.new_records if each.record.id in unsure
    )
    observed = replace(
        matched,
        sightings=(*turn.sightings, *matched.sightings),
        new_records=tuple(each for each in matched.new_records if each.record.id not in unsure),
    )
    return Observation(
        turn=turn,
        policy=policy,
        observed=observed,
        contacts=book,
        judged=judged,
        matched=turn.judged.with_more(unpaired),
        waiting=len(turn.queue) if turn.queue is not None else 0,
        unread=tuple(contacts.unread(book)),
        unsure=waits,
    )


def _is_looked_at(turn: Turn, new: NewRecord) -> bool:
    """Whether everything where its duplicate would stand was read by id just now."""
    polled, record = turn.polled, new.record
    if not isinstance(new.contact, Known) or record.id in turn.rejudged:
        return False
    spot = (new.contact.id, record.appointment.start)
    age = polled.context.link.clock.monotonic() - polled.polled_at
    return age <= duplicate_check.FRESH and spot in polled.spots[record.side.other]


def _inactive(context: CycleContext) -> frozenset[str]:
    """Calendars that are switched off, where all that are not are synced."""
    if context.link.rules.calendars:
        return frozenset()
    return frozenset(each.id for each in context.translator.calendars.values() if not each.active)
