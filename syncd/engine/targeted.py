"""The poll of a targeted cycle: what was announced, and what belongs to it, by id.

`cycle` calls `poll_announced` in place of `poll`, and `rounds` does so for what
is announced during a long cycle. The announced records and their counterparts
are read by id, and no list is. Of a record without a pair everything is read
that stands at its spot: the appointments of its contact on both sides, and the
pairs that the store knows there. What only a list could tell is left to an
incremental cycle, and nothing is made of it here: an unknown instance of a
series may be a known one that was moved, and a record that is not found may
live on under another id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from syncd.core.contacts import Known
from syncd.core.guards import RecentWrites
from syncd.core.model import Missing, Pair, Scan, Side, Snapshot
from syncd.engine.ahead import Ahead, read_ahead
from syncd.engine.context import CycleContext
from syncd.engine.observe import contacts
from syncd.engine.poll.announced import Record, records_of
from syncd.engine.poll.poll import (
    DAY,
    SURVIVORS,
    PollResult,
    PollState,
    Unsettled,
    changed_pairs,
    mark_known,
    read_other_sides,
    result_of,
    unknown,
)
from syncd.engine.workers import Lane
from syncd.errors import AuthFailed, DailyBudgetSpent, NotFound, ProviderError, Unreadable
from syncd.ports.announcements import Announcement
from syncd.ports.store import TARGETED

Spot = tuple[str, datetime]
"""A contact and a start, in the words of one side."""

HOUR = timedelta(hours=1)

MOST_STEPS = 5
"""How often what stands beside a record may lead to further records beside those."""


def poll_announced(
    context: CycleContext, unsettled: Unsettled = MappingProxyType({})
) -> PollResult:
    """Read what was announced; nothing is written and no cursor moves.

    Raises:
        ProviderError: a side cannot be read at all.
    """
    link, store, request = context.link, context.link.store, context.request
    state = PollState()
    if survivors := store.get_state(SURVIVORS):
        state.fingerprints.load(survivors)
    state.announced = records_of(link, request.announced, context.policy)
    held = store.holds()
    reading = _Reading(context, state)
    # A first sync is one whole: nothing is made of single records before its end.
    waiting = {each for hold in held for each in hold.ids} - {""}
    pairs = {} if context.first else reading.pairs(waiting)
    changes = store.changed_since(context.policy.now - HOUR, TARGETED)
    recent = RecentWrites(
        pairs=context.pairs,
        removed_lately=store.removals_since(context.policy.now - DAY),
        first=context.first,
        changes=changes,
    )
    polled = result_of(context, state, _no_lists(context), pairs, recent)
    return replace(polled, held=held, unsettled=unsettled, left=context.first or bool(reading.left))


def poll_more(
    before: PollResult, announced: Iterable[Announcement], unsettled: Unsettled
) -> PollResult:
    """Read what was announced while a cycle writes; `before` is its last poll.

    Raises:
        ProviderError: a side cannot be read at all.
    """
    context = before.context
    state = PollState(fingerprints=before.fingerprints)
    state.announced = records_of(context.link, announced, context.policy)
    pairs = _Reading(context, state).pairs(set())
    polled = result_of(context, state, _no_lists(context), pairs, before.recent)
    return replace(polled, held=before.held, unsettled=unsettled)


def _no_lists(context: CycleContext) -> dict[Side, Scan]:
    """That no list was read; the calendars are those that are synced."""
    return {
        Side.GHL: Scan(side=Side.GHL, calendars=_synced(context)),
        Side.HUBSPOT: Scan(side=Side.HUBSPOT),
    }


def _synced(context: CycleContext) -> frozenset[str]:
    """The calendars whose appointments are synced."""
    rules, known = context.link.rules, context.translator.calendars
    chosen = rules.calendars or {each.id for each in known.values() if each.active}
    return frozenset({*chosen, rules.template.default_calendar} & known.keys())


class _Reading:
    """What is read for one set of announced records."""

    def __init__(self, context: CycleContext, state: PollState) -> None:
        self._context, self._state, self._link = context, state, context.link
        self._calendars = _synced(context)
        self._ahead = Ahead()
        self.left: set[Record] = set()
        """Records of which nothing is made here: an incremental cycle reads what they need."""

    def pairs(self, waiting: set[str]) -> dict[int, Pair]:
        """Read everything; gives the pairs to judge, with those that are `waiting` in a hold."""
        state, store = self._state, self._link.store
        announced = frozenset[Record]().union(*state.announced.values())
        named = {side: {each for where, each in announced if where is side} for side in Side}
        known: dict[int, Pair] = {}
        for side in Side:
            known |= {pair.key: pair for pair in store.pairs_by_id(side, named[side])}
        for side in Side:
            named[side] |= {pair.id_on(side) for pair in known.values()}
        self._read(named)
        self._follow(announced)
        self._read_beside()
        pairs = changed_pairs(self._link, state, {})
        pairs |= {
            key: pair for key, pair in known.items() if waiting & {pair.ghl_id, pair.hubspot_id}
        }
        read_other_sides(self._context, state, pairs)
        certain = {key: pair for key, pair in pairs.items() if self._is_certain(pair)}
        if self.left:
            self._leave_strangers()
        return certain

    def _read(self, ids: Mapping[Side, Iterable[str]]) -> None:
        """Read records by id, both sides at the same time."""
        state, link = self._state, self._link
        asked = {side: {*ids[side]} - {""} - state.seen[side].keys() for side in Side}

        def lane(side: Side) -> Lane:
            state.seen[side] |= link.side(side).fetch(asked[side])
            yield None

        lanes = [lane(side) for side in Side if asked[side]]
        if lanes:
            link.lanes(lanes)
        for side in Side:
            if asked[side]:
                mark_known(link, state, side, asked[side])

    # --- records without a pair

    def _follow(self, announced: Iterable[Record]) -> None:
        """Read what unknown records were merged into; leave aside those that were not shown."""
        state = self._state
        survivors = {
            seen.became
            for side, record_id in announced
            if record_id not in state.known[side]
            and isinstance(seen := state.seen[side].get(record_id), Missing)
            and seen.became
        }
        self._read({Side.GHL: (), Side.HUBSPOT: survivors})
        for side, record_id in announced:
            seen = state.seen[side].get(record_id)
            if record_id in state.known[side] or not isinstance(seen, Missing):
                continue
            if seen.unread:
                state.add_unread(side, record_id, seen.detail)
                self._drop(side, record_id)
            elif seen.became:
                del state.seen[side][record_id]
                state.announced = {
                    key: records - {(side, record_id)} | {(Side.HUBSPOT, seen.became)}
                    if (side, record_id) in records
                    else records
                    for key, records in state.announced.items()
                }
            else:
                self._leave(side, record_id)

    def _read_beside(self) -> None:
        """Read what stands at the spots of unknown records, and of what is found there."""
        judged: set[Record] = set()
        for _ in range(MOST_STEPS):
            fresh = [each for each in self._strangers() if (each.side, each.id) not in judged]
            if not fresh:
                return
            judged |= {(each.side, each.id) for each in fresh}
            told = [each for each in fresh if self._is_told(each)]
            self._ahead = read_ahead(self._link, told)
            self._state.carriers |= self._ahead.carriers
            self._read_spots(told)
        self._leave_strangers()

    def _strangers(self) -> list[Snapshot]:
        """The unknown records that may be paired or made across."""
        policy = self._context.policy
        return [
            seen
            for side in Side
            for seen in unknown(self._state, side).values()
            if isinstance(seen, Snapshot)
            and not seen.gone
            and policy.window.holds(seen.appointment.start)
            and (side is Side.GHL or policy.belongs(seen))
        ]

    def _is_told(self, record: Snapshot) -> bool:
        """Whether its spot is enough to judge it by; else it is left aside."""
        if record.side is Side.HUBSPOT:
            return True
        if record.calendar and record.calendar not in self._context.translator.calendars:
            self._leave(record.side, record.id)  # The calendar is newer than the last poll.
            return False
        if record.calendar not in self._calendars:
            return False
        if record.series is not None:
            self._leave(record.side, record.id)
            return False
        return True

    def _read_spots(self, records: Iterable[Snapshot]) -> None:
        """Read every appointment of these records' contacts that starts when they do."""
        link, state = self._link, self._state
        for side in Side:
            mine = [each for each in records if each.side is side]
            own = {contact for each in mine for contact in each.contacts}
            if not own:
                continue
            across = contacts.resolve(link, side, own)
            for each in mine:
                start = each.appointment.start
                assert start is not None  # noqa: S101 - the window holds it
                theirs = {
                    found.id
                    for contact in each.contacts
                    if isinstance(found := across.get(contact), Known)
                }
                spots = {side: {(c, start) for c in each.contacts}}
                spots[side.other] = {(c, start) for c in theirs}
                try:
                    self._read_spot(spots)
                except (AuthFailed, DailyBudgetSpent):
                    raise
                except ProviderError as error:
                    state.add_unread(side, each.id, f"what stands beside it: {error}")
                    self._drop(side, each.id)

    def _read_spot(self, spots: Mapping[Side, set[Spot]]) -> None:
        """Read what stands at these spots, by the contacts' own lists and by our pairs.

        Raises:
            ProviderError: a contact's appointments cannot be read now.
        """
        link, state = self._link, self._state
        there: dict[Side, set[str]] = {side: set() for side in Side}

        def lane(side: Side) -> Lane:
            there[side] = set(self._listed(side, spots[side]))
            yield None

        if lanes := [lane(side) for side in Side if spots[side]]:
            link.lanes(lanes)
        mark_known(link, state, Side.HUBSPOT, there[Side.HUBSPOT])
        for side in Side:
            state.spots[side] |= spots[side]
            for pair in link.store.pairs_at(side, spots[side]):
                there[Side.GHL].add(pair.ghl_id)
                there[Side.HUBSPOT].add(pair.hubspot_id)
        self._read(there)
        for side in Side:
            for record_id in there[side] - {""}:
                seen = state.seen[side].get(record_id)
                if isinstance(seen, Missing) and record_id not in state.known[side]:
                    del state.seen[side][record_id]
                    if seen.unread:
                        raise Unreadable(f"{record_id}: {seen.detail}", side=side)

    def _listed(self, side: Side, spots: set[Spot]) -> Iterator[str]:
        """The ids of the living appointments that these contacts have at these spots."""
        for contact in {contact for contact, _ in spots}:
            starts = {start for who, start in spots if who == contact}
            try:
                shown = self._ahead.bookings_of(self._link, side, contact, starts)
            except NotFound:
                continue  # A contact that is gone has none.
            for each in shown:
                if each.gone or (contact, each.appointment.start) not in spots:
                    continue
                if side is Side.HUBSPOT:
                    # These were read by id; HighLevel's list of a contact leaves fields out.
                    self._state.seen[side].setdefault(each.id, each)
                yield each.id

    # --- what is left

    def _is_certain(self, pair: Pair) -> bool:
        """Whether both records could be seen, or are known to be gone; else the pair is left."""
        state = self._state
        for side in Side:
            record_id = pair.id_on(side)
            seen = state.seen[side].get(record_id)
            if not isinstance(seen, Missing) or pair.gone_on(side):
                continue
            if seen.unread:
                state.failures.append(f"{side} appointment {record_id}: {seen.detail}")
                state.recheck.add((side, record_id))
            for each in Side:
                self._drop(each, pair.id_on(each))
                if not seen.unread:
                    self.left.add((each, pair.id_on(each)))
            return False
        return True

    def _leave_strangers(self) -> None:
        """Leave all unknown records: what is in doubt may be the match of any of them."""
        for each in self._strangers():
            self._leave(each.side, each.id)

    def _leave(self, side: Side, record_id: str) -> None:
        """Leave a record to an incremental cycle."""
        self.left.add((side, record_id))
        self._drop(side, record_id)

    def _drop(self, side: Side, record_id: str) -> None:
        self._state.seen[side].pop(record_id, None)


__all__ = ["poll_announced"]
