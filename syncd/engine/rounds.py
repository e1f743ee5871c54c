"""The rounds of one cycle: plan what is known, write for a while, look what people did meanwhile.

`cycle` makes a `Rounds` from what it polled. A cycle with little to write has
one round. In a backfill the newcomers take turns, most urgent first; and
every `Rules.look_again` the writing pauses, both sides are asked what changed
since, and what people did goes out before the rest goes on. So a change by a
person waits for a round, not for the end of a first sync.

Leaves out reading (`poll`), whose turn it is (`new_records`), the writes
(`apply`) and the end of the cycle (`closing`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from syncd.core import essence, observe
from syncd.core.actions import Remove, Update, Write, WriteExternalId, new_contacts
from syncd.core.contacts import ContactBook
from syncd.core.context import Evidence, FirstSync, PlanContext
from syncd.core.guards import GuardOverrides, KeptBack, Plan, RecentWrites
from syncd.core.model import Hold, Side, Snapshot
from syncd.core.observe import Observed, Sighting, UnpairedRecords
from syncd.core.policy import Policy
from syncd.core.translate import Translator
from syncd.engine import planned_writes
from syncd.engine.apply.executor import WriteExecutor
from syncd.engine.decisions.basis import Shown
from syncd.engine.decisions.completion import MOVED_ON
from syncd.engine.decisions.pending import Part, PendingDecisions, Undo
from syncd.engine.decisions.tracker import DecisionTracker
from syncd.engine.link import Link
from syncd.engine.observe import duplicate_check
from syncd.engine.observe.contacts import unread
from syncd.engine.observe.match_context import load_match_context
from syncd.engine.observe.unpaired_queue import UnpairedQueue
from syncd.engine.plan.backoff import put_off
from syncd.engine.plan.evidence import clock_skew, decide
from syncd.engine.plan.translation import with_contacts
from syncd.engine.poll import poll
from syncd.engine.poll.poll import PollResult
from syncd.engine.recover.recover import recover
from syncd.engine.report import CycleReport, FailedWrite
from syncd.errors import ProviderError
from syncd.ports.provider import NextPoll

log = structlog.get_logger(__name__)

LEAST = 5.0
"""Seconds between two looks, however often the link is polled when it has little to do."""

LATE = 1.3
"""A look waits for a lull in the writing, but not for longer than this share of its time."""

MORE = 1
"""Requests that a look sends to HighLevel beside one for every calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleContext:
    """What holds for all rounds of a cycle."""

    link: Link
    policy: Policy
    words: Translator
    decided: PendingDecisions
    allowed: GuardOverrides
    first: bool
    """Whether this is the link's first sync."""
    began: datetime
    """When this cycle had not made anything yet."""
    first_sync: FirstSync = field(default_factory=FirstSync)
    looked: Mapping[Side, datetime] = field(default_factory=dict)
    """When each side was looked at last, before this cycle."""
    dry_run: bool = False
    rebuild: bool = False

    @property
    def frozen(self) -> bool:
        """Whether the first plan is the only one: nothing is written, or what a person read."""
        return self.dry_run or self.rebuild or self.decided.only is not None


@dataclass(slots=True, kw_only=True)
class Sums:
    """What the rounds come to."""

    touched: set[int] = field(default_factory=set)
    parted: set[str] = field(default_factory=set)
    stopped_removals: int = 0
    stopped_changes: int = 0
    kept_back: list[KeptBack] = field(default_factory=list)
    uncovered: Counter[Side] = field(default_factory=Counter)
    looks: list[tuple[tuple[Sighting, ...], UnpairedRecords]] = field(default_factory=list)
    """What was judged, round by round."""
    met: dict[Part, bool] = field(default_factory=dict)
    approved: dict[str, tuple[str, str]] = field(default_factory=dict)
    going: list[Write] = field(default_factory=list)
    not_approved: list[Write] = field(default_factory=list)

    @property
    def judged(self) -> set[str]:
        """Ids of the records that were judged."""
        found: set[str] = set()
        for sightings, unpaired in self.looks:
            for sighting in sightings:
                found |= {sighting.pair.ghl_id, sighting.pair.hubspot_id}
            found |= {*unpaired.ghl, *unpaired.hubspot}
        return found - {""}

    @property
    def pairs(self) -> dict[int, bool]:
        """Keys of the pairs that were judged, and whether both records could be seen."""
        return {
            sighting.pair.key: all(isinstance(sighting.on(side), Snapshot) for side in Side)
            for sightings, _ in self.looks
            for sighting in sightings
        }


class Rounds:
    """One cycle's rounds, and what came of them so far."""

    def __init__(
        self,
        cycle_context: CycleContext,
        polled: PollResult,
        report: CycleReport,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.tracker = DecisionTracker(cycle_context.decided)
        self.executor = WriteExecutor(cycle_context.link, report, progress, self.tracker)
        self.holds: list[Hold] = []
        self._cycle_context, self._report, self._polled = cycle_context, report, polled
        self._last = polled
        self._sightings: tuple[Sighting, ...] = polled.sightings
        self._fresh: set[str] = set()
        self._unpaired = UnpairedRecords()
        self._queue = UnpairedQueue()
        self._queue.add(polled.unpaired)
        clock = cycle_context.link.clock
        # What was read is as old as the cycle; the wall clock may have been set back since.
        age = max((clock.now() - cycle_context.began).total_seconds(), 0.0)
        self._looked_until = clock.monotonic()
        self._looked_at = self._looked_until - age
        self._lulled = False
        self._writing_since: float | None = None
        """When the first write after the last look could be sent."""
        self._pairs = cycle_context.link.store.count_pairs()
        self._totals = Sums()
        self._rejudged: set[str] = set()
        report.pairs, report.unread = self._pairs, list(polled.unread)

    # --- what the cycle calls

    def plan(self) -> Plan:
        """What follows from what was seen since the last plan, and from the newcomers' next turn.

        Raises:
            ProviderError: contacts or evidence could not be looked up.
        """
        cycle_context, link = self._cycle_context, self._cycle_context.link
        policy = replace(cycle_context.policy, now=link.clock.now())
        past = self._past()
        unpaired = self._queue.turn(policy, all_=self._all_at_once(past))
        policy = self._still_ruled(policy, unpaired)
        began = link.clock.monotonic()
        met, book = self._met(policy, unpaired)
        self._queue.took(link.clock.monotonic() - began)
        self._report.unread += unread(book)
        settled = self.tracker.settled
        reverts = tuple(u.revert for u in cycle_context.decided.undos if u.part not in settled)
        context = PlanContext(
            policy=policy,
            words=with_contacts(cycle_context.words, book),
            book=book,
            evidence=Evidence(
                reverts=reverts,
                skew=clock_skew(link, self._report),
                first_sync=cycle_context.first_sync,
                looked=cycle_context.looked,
            ),
        )
        self._totals.parted |= met.parted
        observed = replace(met, sightings=(*self._sightings, *met.sightings))
        made = decide(
            link,
            observed,
            context,
            past,
            cycle_context.allowed,
            retried=cycle_context.decided.retries,
        )
        made, waiting = put_off(link, made, self._polled, cycle_context.decided)
        made = self._approved_only(made)
        if cycle_context.rebuild:
            made = replace(made, writes=(), id_writes=())
        self._sum_up(made, waiting)
        if context.words.people_unread:
            self._keep_owners(observed.sightings)
        self._sightings = ()
        return made

    def _keep_owners(self, sightings: Iterable[Sighting]) -> None:
        """Owners that were edited in HubSpot, and that nobody can translate now, are seen again."""
        for sighting in sightings:
            pair, shown = sighting.pair, sighting.hubspot
            if isinstance(shown, Snapshot) and shown.appointment.owner != pair.hubspot.owner:
                self.executor.applied.again.append((Side.HUBSPOT, pair.hubspot_id))

    def _met(self, policy: Policy, unpaired: UnpairedRecords) -> tuple[Observed, ContactBook]:
        """Who meets whom, once everything was read that could show a newcomer's twin."""
        met, book = self._meet(policy, unpaired)
        link, scans = self._cycle_context.link, self._last.scans
        more = duplicate_check.beside(
            link,
            policy,
            scans,
            met.new_records,
            unpaired,
            self._fresh,
            doubted=self._rejudged,
            resting=self._resting(),
        )
        if more.found.ghl or more.found.hubspot:
            unpaired = unpaired.with_more(more.found)
            met, book = self._meet(policy, unpaired)
        self._unpaired = self._unpaired.with_more(unpaired)
        self.executor.watch.met = {
            Side.GHL: self._unpaired.ghl,
            Side.HUBSPOT: self._unpaired.hubspot,
        }
        return self._without_unsure(met, more.unsure), book

    def _resting(self) -> frozenset[str]:
        """Calendars that are switched off, where all that are not are synced."""
        cycle_context = self._cycle_context
        if cycle_context.link.rules.calendars:
            return frozenset()
        return frozenset(
            each.id for each in cycle_context.words.calendars.values() if not each.active
        )

    def _meet(self, policy: Policy, unpaired: UnpairedRecords) -> tuple[Observed, ContactBook]:
        around, book = load_match_context(
            self._cycle_context.link, policy, self._sightings, unpaired
        )
        return observe.meet(around, book, policy, self._cycle_context.words.statuses), book

    def _without_unsure(self, met: Observed, unsure: Mapping[str, str]) -> Observed:
        """Leave out whose twin may be where nobody could look; the next cycle looks again."""
        for newcomer in met.new_records:
            record = newcomer.record
            if record.id in unsure:
                ids = {record.side: record.id, record.side.other: ""}
                self._report.failed.append(
                    FailedWrite(
                        ghl_id=ids[Side.GHL],
                        hubspot_id=ids[Side.HUBSPOT],
                        side=record.side.other,
                        action="create",
                        detail=unsure[record.id],
                    )
                )
                self.executor.applied.again.append((record.side, record.id))
        sure = tuple(each for each in met.new_records if each.record.id not in unsure)
        return replace(met, new_records=sure)

    def apply(self, made: Plan) -> None:
        """Write until everything is written, or it is time to look again.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        self.executor.to_come = len(self._queue)
        self.executor.take(made, self._fresh)
        if self._writing_since is None:
            self._writing_since = self._cycle_context.link.clock.monotonic()
        look = self._next_look()
        self.executor.watch.read_at = self._looked_at
        self.executor.watch.calendars = self._last.scans[Side.GHL].calendars
        if look is None:
            self.executor.run()
            return
        early, late = look
        needs = len(self._polled.scans[Side.GHL].calendars) + MORE
        self._lulled = self.executor.run(NextPoll(requests=needs, earliest=early, latest=late))

    def goes_on(self) -> bool:
        """Whether there is more to do; looks again where it is time to.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        moved = self._moved()
        if not (moved or self.executor.left or len(self._queue)):
            return False
        if self._cycle_context.link.stopping():
            self.executor.applied.interrupted = True
            return False
        if moved:
            self._judge_anew(moved)
            return True
        look, clock = self._next_look(), self._cycle_context.link.clock
        if look is not None and (self._lulled or clock.monotonic() >= look[1]):
            self._look_again()
            self._looked_until, self._writing_since = clock.monotonic(), None
        return True

    def failed(self, error: ProviderError) -> None:
        """A later round could not be planned: what is left waits for the next cycle."""
        self.executor.applied.stopped = error

    @property
    def total(self) -> Plan:
        """What the guards kept back, of all rounds together."""
        return Plan(
            stopped_removals=self._totals.stopped_removals,
            stopped_changes=self._totals.stopped_changes,
            kept_back=tuple(self._totals.kept_back),
            uncovered=self._totals.uncovered,
        )

    @property
    def seen(self) -> PollResult:
        """What was polled, with the strangers that came to light later."""
        return replace(self._polled, unpaired=self._polled.unpaired.with_more(self._unpaired))

    @property
    def rebuilding(self) -> bool:
        """Whether nothing is written, whatever is planned."""
        return self._cycle_context.rebuild

    @property
    def sums(self) -> Sums:
        """What the rounds come to, for the end of the cycle."""
        return self._totals

    @property
    def unsent(self) -> set[str]:
        """Ids of records with a write that failed, was not sent, or was kept back."""
        kept_back = {each for kept in self._totals.kept_back for each in kept.write.ids}
        return self.untried | (kept_back - {""})

    @property
    def untried(self) -> set[str]:
        """Ids of records with a write that failed in passing, or was not sent; guards aside."""
        waiting = [*self.executor.waiting(), *self._totals.not_approved]
        found = {each for write in waiting for each in write.ids}
        for failed in self._report.failed:
            found |= {failed.ghl_id, failed.hubspot_id}
        return found - {""}

    @property
    def touched(self) -> Collection[int]:
        """Keys of the pairs that writes were planned for."""
        return self._totals.touched

    @property
    def parted(self) -> Collection[str]:
        """Ids of records that a person parted from another by a word about that other."""
        return self._totals.parted

    # --- what people decided

    def _still_ruled(self, policy: Policy, unpaired: UnpairedRecords) -> Policy:
        """The policy with the rulings about what still is as it was shown."""
        sums, decided = self._totals, self._cycle_context.decided
        sums.looks.append((self._sightings, unpaired))
        if decided.undos:
            sums.met |= _met_already(decided.undos, self._sightings)
        if not decided.words:
            return policy
        seen = _by_side(self._sightings, unpaired)

        def records(shown: Shown) -> Mapping[Side, Snapshot]:
            ids = {Side.GHL: str(shown["ghl_id"]), Side.HUBSPOT: str(shown["hubspot_id"])}
            return {side: seen[side][each] for side, each in ids.items() if each in seen[side]}

        overrides, void = decided.overrides(records)
        self.tracker.void |= void
        self.tracker.faded |= decided.faded(records)
        return replace(policy, overrides=overrides)

    # --- what changed under a write

    def _moved(self) -> list[Write]:
        """Writes that do not stand any more; a record is judged anew once in a cycle."""
        writes, self.executor.applied.moved = self.executor.applied.moved, []
        only = self._cycle_context.decided.only
        for write in writes if only is not None else ():
            # Of an approved plan nothing may go out but what it shows.
            self.tracker.give_up(write)
            if write.counted:
                self._left_out(planned_writes.in_one_line(planned_writes.described(write)))
            self.executor.applied.forget(set(write.ids) - {""})
        if self._cycle_context.frozen or self.total.guarded:
            return []
        moved = [write for write in writes if not self._rejudged & set(write.ids)]
        for write in moved:
            self._rejudged |= set(write.ids) - {""}
        return moved

    def _judge_anew(self, writes: Sequence[Write]) -> None:
        link = self._cycle_context.link
        policy = replace(self._cycle_context.policy, now=link.clock.now())
        moved = {
            (side, each)
            for write in writes
            for side, each in zip(Side, write.ids, strict=True)
            if each
        }
        try:
            seen = poll.again(link, policy, self._last, moved)
        except ProviderError as error:
            # They are told as failed, and the next cycle looks at them.
            log.info("look.failed", detail=str(error))
            return
        # Their conflicts are counted again where they are still some.
        updates = [write for write in writes if isinstance(write, Update)]
        self._report.conflicts -= sum(change.lost for each in updates for change in each.changes)
        ids = {each for _, each in moved}
        self._unpaired = self._unpaired.without(ids)
        self._take_up(seen, ids)

    # --- looking again

    def _next_look(self) -> tuple[float, float] | None:
        """From when on, and when at last, to look (monotonic); None where no plan may change."""
        given: timedelta | None = self._cycle_context.link.rules.look_again
        if given is None or self._cycle_context.frozen or self.total.guarded:
            return None
        every = max(given.total_seconds(), LEAST)
        # However long looking takes, and planning after it, half of the time is for writing.
        since = self._looked_until if self._writing_since is None else self._writing_since
        least = since + max(every / 2, since - self._looked_at)
        return max(self._looked_at + every, least), max(self._looked_at + LATE * every, least)

    def _look_again(self) -> None:
        """Take up what people did since; a side that cannot be read now is left to the writes."""
        cycle_context, link = self._cycle_context, self._cycle_context.link
        self._looked_at = link.clock.monotonic()
        try:
            # A booking of ours whose answer was lost must not be met as somebody's.
            recovered = recover(link, self._report.cycle)
            self.executor.applied.pairs |= recovered.pairs
            policy = replace(cycle_context.policy, now=link.clock.now())
            seen = poll.news(
                link, policy, self._last, cycle_context.began, unsettled=recovered.unsettled
            )
        except ProviderError as error:
            log.info("look.failed", detail=str(error))
            return
        self._last = seen
        self._queue.drop(Side.GHL, seen.withdrawn)
        self._unpaired = self._unpaired.without(seen.withdrawn)
        self._take_up(seen, seen.withdrawn)

    def _take_up(self, seen: PollResult, gone: Collection[str]) -> None:
        """Judge these with the next plan; what was to be written of them, and of `gone`, is off."""
        self._sightings = seen.sightings
        unpaired = self._with_those_judged(seen.unpaired)
        self._queue.add(unpaired, fresh=True)
        fresh = {*unpaired.ghl, *unpaired.hubspot}
        for sighting in seen.sightings:
            fresh |= {sighting.pair.ghl_id, sighting.pair.hubspot_id}
            # What was met without a pair before has one now.
            self._queue.drop(Side.GHL, [sighting.pair.ghl_id])
            self._queue.drop(Side.HUBSPOT, [sighting.pair.hubspot_id])
        self._fresh |= fresh
        self._forget(fresh | set(gone))
        if fresh:
            log.info("look.found", records=len(fresh))

    def _with_those_judged(self, fresh: UnpairedRecords) -> UnpairedRecords:
        """And those without a pair that stand where one of these does: one may be the other.

        They were planned or held before these came up, and are judged anew together.
        """
        starts = {start for each in _snapshots(fresh) if (start := each.appointment.start)}
        again: dict[Side, dict[str, Snapshot]] = {Side.GHL: {}, Side.HUBSPOT: {}}
        for each in _snapshots(self._unpaired):
            if each.appointment.start in starts and each.id not in self._unpaired.beside:
                again[each.side][each.id] = each
        store = self._cycle_context.link.store
        for side, records in again.items():
            for known in store.prints(side, records) if records else ():
                del records[known]
        judged = UnpairedRecords(ghl=again[Side.GHL], hubspot=again[Side.HUBSPOT])
        return judged.with_more(fresh)

    def _forget(self, ids: Collection[str]) -> None:
        gone = set(ids) - {""}
        self.executor.drop(gone)
        self.holds = [each for each in self.holds if not gone & {each.ghl_id, each.hubspot_id}]

    # --- what guards and reports need

    def _past(self) -> RecentWrites:
        cycle_context, waiting = self._cycle_context, self.executor.waiting()
        since = cycle_context.policy.now - timedelta(hours=24)
        removals = sum(isinstance(write, Remove) for write in waiting)
        counts = {
            side: tally.writes - tally.removed
            for side in Side
            for tally in (self._report.tally(side),)
        }
        changing = [write for write in waiting if not isinstance(write, Remove | WriteExternalId)]
        contacts = frozenset(new.key for new in new_contacts(changing))
        changes = Counter([*(write.side for write in changing), *(side for side, _ in contacts)])
        return RecentWrites(
            pairs=self._pairs,
            removed_lately=cycle_context.link.store.removals_since(since) + removals,
            first=cycle_context.first,
            changes={side: counts[side] + changes[side] for side in Side},
            contacts=contacts,
        )

    def _all_at_once(self, past: RecentWrites) -> bool:
        """Whether all newcomers must be judged together, before anything is written."""
        cycle_context = self._cycle_context
        if cycle_context.frozen or self._queue.may_exceed(cycle_context.allowed.covered, past):
            return True
        return not cycle_context.allowed.changes and self._queue.may_trip(
            cycle_context.policy, past
        )

    def _approved_only(self, made: Plan) -> Plan:
        """With an approved plan, only what it shows, exactly as it shows it, goes out."""
        decided, sums = self._cycle_context.decided, self._totals
        if not decided.only_parts:
            return made
        shown = {name: write for write in made.writes for name in planned_writes.digests(write)}
        approved = {name: write for name, write in shown.items() if name in decided.only_parts}
        sums.approved |= {name: write.ids for name, write in approved.items()}
        if decided.only is None:
            return made
        contacts = {
            planned_writes.digest(planned_writes.described_contact(new)): new.key
            for new in new_contacts(made.writes)
        }
        may_make = {key for name, key in contacts.items() if name in decided.only}
        able = {
            name: write
            for name, write in shown.items()
            if name in contacts or (new := write.new_contact) is None or new.key in may_make
        }
        for words in (words for name, words in decided.only.items() if name not in able):
            self._left_out(words)
        going = {
            id(write) for name, write in able.items() if name in approved and name not in contacts
        }
        sums.going += [each for each in made.writes if id(each) in going]
        sums.not_approved += [each for each in made.writes if id(each) not in going]
        has_external_id = {each for write in sums.going for each in write.ids} - {""}
        return replace(
            made,
            writes=tuple(each for each in made.writes if id(each) in going),
            id_writes=tuple(each for each in made.id_writes if has_external_id & {*each.ids}),
        )

    def _left_out(self, words: str) -> None:
        self._report.warnings.append(f"{MOVED_ON}: {words}")
        # Beside a daemon, nobody sees the cycle's report.
        log.warning("write.left_out", detail=f"{MOVED_ON}: {words}")

    def _sum_up(self, made: Plan, waiting: list[Hold]) -> None:
        report = self._report
        self.holds += [*made.holds, *waiting]
        report.conflicts += made.conflicts
        self._totals.touched |= {write.pair.key for write in made.writes if write.pair is not None}
        report.unchanged = max(0, self._pairs - len(self._totals.touched))
        report.adopted += sum(1 for rebase in made.rebases if not rebase.pair.key)
        self._totals.stopped_removals += made.stopped_removals
        self._totals.stopped_changes += made.stopped_changes
        self._totals.kept_back += made.kept_back
        self._totals.uncovered.update(made.uncovered)


def _snapshots(unpaired: UnpairedRecords) -> Iterator[Snapshot]:
    for each in (*unpaired.ghl.values(), *unpaired.hubspot.values()):
        if isinstance(each, Snapshot):
            yield each


def _by_side(
    sightings: Iterable[Sighting], unpaired: UnpairedRecords
) -> dict[Side, dict[str, Snapshot]]:
    """Every record that can be seen, by side and id."""
    seen: dict[Side, dict[str, Snapshot]] = {Side.GHL: {}, Side.HUBSPOT: {}}
    for sighting in sightings:
        for side in Side:
            if isinstance(shown := sighting.on(side), Snapshot):
                seen[side][sighting.pair.id_on(side)] = shown
    for record in _snapshots(unpaired):
        seen[record.side][record.id] = record
    return seen


def _met_already(undos: Iterable[Undo], sightings: Iterable[Sighting]) -> dict[Part, bool]:
    """Of what is to be undone and can be seen: whether it shows what is to be put back."""
    shown = {sighting.pair.key: sighting for sighting in sightings}
    found: dict[Part, bool] = {}
    for undo in undos:
        revert = undo.revert
        sighting = shown.get(revert.pair_key)
        record = sighting.on(revert.side) if sighting else None
        if isinstance(record, Snapshot):
            now = essence.value(record.appointment, revert.group)
            report = essence.to_report_fields(now, revert.group)
            found[undo.part] = report.items() >= revert.back.items()
    return found
