"""The rounds of one cycle: plan what is known, write for a while, look what people did meanwhile.

`cycle` makes a `Rounds` from what it polled. A cycle with little to write has
one round. In a backfill the newcomers take turns, most urgent first; and
every `Rules.look_again` the writing pauses, both sides are asked what changed
since, and what people did goes out before the rest goes on. So a change by a
person waits for a round, not for the end of a first sync.

Leaves out reading (`poll`), whose turn it is (`newcomers`), the writes
(`apply`) and the end of the cycle (`closing`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from syncd.core import essence, observe
from syncd.core.actions import (
    Hold,
    Remark,
    Remove,
    Update,
    Write,
    new_contact,
    new_contacts,
)
from syncd.core.bench import Bench, Evidence, FirstSync
from syncd.core.contacts import ContactBook
from syncd.core.guards import Allowed, KeptBack, Past, Plan
from syncd.core.model import Side, Snapshot
from syncd.core.observe import Observed, Sighting, Strangers
from syncd.core.policy import Policy
from syncd.core.translate import Dictionary
from syncd.engine import planned, poll, twins
from syncd.engine.apply import Stage
from syncd.engine.contacts import unread
from syncd.engine.decisions import Decided, Part, Undo
from syncd.engine.dictionary import with_contacts
from syncd.engine.errands import Errands
from syncd.engine.evidence import clock_skew, decide
from syncd.engine.fulfilment import MOVED_ON
from syncd.engine.intents import Recoverable
from syncd.engine.link import Link
from syncd.engine.lulls import Lull
from syncd.engine.meeting import acquaint
from syncd.engine.newcomers import Newcomers
from syncd.engine.orders import ids_of
from syncd.engine.poll import Polled
from syncd.engine.recover import recover
from syncd.engine.report import CycleReport, FailedWrite
from syncd.engine.shown import Shown
from syncd.engine.waiting import put_off
from syncd.errors import ProviderError

log = structlog.get_logger(__name__)

LEAST = 5.0
"""Seconds between two looks, however often the link is polled when it has little to do."""

LATE = 1.3
"""A look waits for a lull in the writing, but not for longer than this share of its time."""

MORE = 1
"""Requests that a look sends to HighLevel beside one for every calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What holds for all rounds of a cycle."""

    link: Link
    policy: Policy
    words: Dictionary
    decided: Decided
    allowed: Allowed
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
    looks: list[tuple[tuple[Sighting, ...], Strangers]] = field(default_factory=list)
    """What was judged, round by round."""
    met: dict[Part, bool] = field(default_factory=dict)
    approved: dict[str, tuple[str, str]] = field(default_factory=dict)
    going: list[Write] = field(default_factory=list)
    not_approved: list[Write] = field(default_factory=list)

    @property
    def judged(self) -> set[str]:
        """Ids of the records that were judged."""
        found: set[str] = set()
        for sightings, strangers in self.looks:
            for sighting in sightings:
                found |= {sighting.pair.ghl_id, sighting.pair.hubspot_id}
            found |= {*strangers.ghl, *strangers.hubspot}
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
        setting: Setting,
        polled: Polled,
        said: CycleReport,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.errands = Errands(setting.decided)
        self.stage = Stage(setting.link, said, progress, self.errands)
        self.holds: list[Hold] = []
        self._setting, self._said, self._polled = setting, said, polled
        self._last = polled
        self._sightings: tuple[Sighting, ...] = polled.sightings
        self._fresh: set[str] = set()
        self._strangers = Strangers()
        self._newcomers = Newcomers()
        self._newcomers.add(polled.strangers)
        clock = setting.link.clock
        # What was read is as old as the cycle; the wall clock may have been set back since.
        age = max((clock.now() - setting.began).total_seconds(), 0.0)
        self._looked_until = clock.monotonic()
        self._looked_at = self._looked_until - age
        self._lulled = False
        self._writing_since: float | None = None
        """When the first write after the last look could be sent."""
        self._pairs = setting.link.store.count_pairs()
        self._sums = Sums()
        self._rejudged: set[str] = set()
        said.pairs, said.unread = self._pairs, list(polled.unread)

    # --- what the cycle calls

    def plan(self) -> Plan:
        """What follows from what was seen since the last plan, and from the newcomers' next turn.

        Raises:
            ProviderError: contacts or evidence could not be looked up.
        """
        setting, link = self._setting, self._setting.link
        policy = replace(setting.policy, now=link.clock.now())
        past = self._past()
        strangers = self._newcomers.turn(policy, all_=self._all_at_once(past))
        policy = self._still_ruled(policy, strangers)
        began = link.clock.monotonic()
        met, book = self._met(policy, strangers)
        self._newcomers.took(link.clock.monotonic() - began)
        self._said.unread += unread(book)
        settled = self.errands.settled
        reverts = tuple(u.revert for u in setting.decided.undos if u.part not in settled)
        bench = Bench(
            policy=policy,
            words=with_contacts(setting.words, book),
            book=book,
            evidence=Evidence(
                reverts=reverts,
                skew=clock_skew(link, self._said),
                first_sync=setting.first_sync,
                looked=setting.looked,
            ),
        )
        self._sums.parted |= met.parted
        observed = replace(met, sightings=(*self._sightings, *met.sightings))
        made = decide(link, observed, bench, past, setting.allowed, retried=setting.decided.retries)
        made, waiting = put_off(link, made, self._polled, setting.decided)
        made = self._approved_only(made)
        if setting.rebuild:
            made = replace(made, writes=(), remarks=())
        self._sum_up(made, waiting)
        if bench.words.people_unread:
            self._keep_owners(observed.sightings)
        self._sightings = ()
        return made

    def _keep_owners(self, sightings: Iterable[Sighting]) -> None:
        """Owners that were edited in HubSpot, and that nobody can translate now, are seen again."""
        for sighting in sightings:
            pair, shown = sighting.pair, sighting.hubspot
            if isinstance(shown, Snapshot) and shown.appointment.owner != pair.hubspot.owner:
                self.stage.applied.again.append((Side.HUBSPOT, pair.hubspot_id))

    def _met(self, policy: Policy, strangers: Strangers) -> tuple[Observed, ContactBook]:
        """Who meets whom, once everything was read that could show a newcomer's twin."""
        met, book = self._meet(policy, strangers)
        link, scans = self._setting.link, self._last.scans
        more = twins.beside(
            link,
            policy,
            scans,
            met.newcomers,
            strangers,
            self._fresh,
            doubted=self._rejudged,
            resting=self._resting(),
        )
        if more.found.ghl or more.found.hubspot:
            strangers = strangers.with_more(more.found)
            met, book = self._meet(policy, strangers)
        self._strangers = self._strangers.with_more(strangers)
        self.stage.watch.met = {
            Side.GHL: self._strangers.ghl,
            Side.HUBSPOT: self._strangers.hubspot,
        }
        return self._without_unsure(met, more.unsure), book

    def _resting(self) -> frozenset[str]:
        """Calendars that are switched off, where all that are not are synced."""
        setting = self._setting
        if setting.link.rules.calendars:
            return frozenset()
        return frozenset(each.id for each in setting.words.calendars.values() if not each.active)

    def _meet(self, policy: Policy, strangers: Strangers) -> tuple[Observed, ContactBook]:
        around, book = acquaint(self._setting.link, policy, self._sightings, strangers)
        return observe.meet(around, book, policy, self._setting.words.statuses), book

    def _without_unsure(self, met: Observed, unsure: Mapping[str, str]) -> Observed:
        """Leave out whose twin may be where nobody could look; the next cycle looks again."""
        for newcomer in met.newcomers:
            record = newcomer.record
            if record.id in unsure:
                ids = {record.side: record.id, record.side.other: ""}
                self._said.failed.append(
                    FailedWrite(
                        ghl_id=ids[Side.GHL],
                        hubspot_id=ids[Side.HUBSPOT],
                        side=record.side.other,
                        action="create",
                        detail=unsure[record.id],
                    )
                )
                self.stage.applied.again.append((record.side, record.id))
        sure = tuple(each for each in met.newcomers if each.record.id not in unsure)
        return replace(met, newcomers=sure)

    def apply(self, made: Plan) -> None:
        """Write until everything is written, or it is time to look again.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        self.stage.to_come = len(self._newcomers)
        self.stage.take(made, self._fresh)
        if self._writing_since is None:
            self._writing_since = self._setting.link.clock.monotonic()
        look = self._next_look()
        self.stage.watch.read_at = self._looked_at
        self.stage.watch.calendars = self._last.scans[Side.GHL].calendars
        if look is None:
            self.stage.run()
            return
        early, late = look
        needs = len(self._polled.scans[Side.GHL].calendars) + MORE
        self._lulled = self.stage.run(late, Lull(since=early, needs=needs))

    def goes_on(self) -> bool:
        """Whether there is more to do; looks again where it is time to.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        moved = self._moved()
        if not (moved or self.stage.left or len(self._newcomers)):
            return False
        if self._setting.link.stopping():
            self.stage.applied.interrupted = True
            return False
        if moved:
            self._judge_anew(moved)
            return True
        look, clock = self._next_look(), self._setting.link.clock
        if look is not None and (self._lulled or clock.monotonic() >= look[1]):
            self._look_again()
            self._looked_until, self._writing_since = clock.monotonic(), None
        return True

    def failed(self, error: ProviderError) -> None:
        """A later round could not be planned: what is left waits for the next cycle."""
        self.stage.applied.stopped = error

    @property
    def total(self) -> Plan:
        """What the guards kept back, of all rounds together."""
        return Plan(
            stopped_removals=self._sums.stopped_removals,
            stopped_changes=self._sums.stopped_changes,
            kept_back=tuple(self._sums.kept_back),
            uncovered=self._sums.uncovered,
        )

    @property
    def seen(self) -> Polled:
        """What was polled, with the strangers that came to light later."""
        return replace(self._polled, strangers=self._polled.strangers.with_more(self._strangers))

    @property
    def rebuilding(self) -> bool:
        """Whether nothing is written, whatever is planned."""
        return self._setting.rebuild

    @property
    def sums(self) -> Sums:
        """What the rounds come to, for the end of the cycle."""
        return self._sums

    @property
    def unsent(self) -> set[str]:
        """Ids of records with a write that failed, was not sent, or was kept back."""
        kept_back = {each for kept in self._sums.kept_back for each in ids_of(kept.write)}
        return self.untried | (kept_back - {""})

    @property
    def untried(self) -> set[str]:
        """Ids of records with a write that failed in passing, or was not sent; guards aside."""
        waiting = [*self.stage.waiting(), *self._sums.not_approved]
        found = {each for write in waiting for each in ids_of(write)}
        for failed in self._said.failed:
            found |= {failed.ghl_id, failed.hubspot_id}
        return found - {""}

    @property
    def touched(self) -> Collection[int]:
        """Keys of the pairs that writes were planned for."""
        return self._sums.touched

    @property
    def parted(self) -> Collection[str]:
        """Ids of records that a person parted from another by a word about that other."""
        return self._sums.parted

    # --- what people decided

    def _still_ruled(self, policy: Policy, strangers: Strangers) -> Policy:
        """The policy with the rulings about what still is as it was shown."""
        sums, decided = self._sums, self._setting.decided
        sums.looks.append((self._sightings, strangers))
        if decided.undos:
            sums.met |= _met_already(decided.undos, self._sightings)
        if not decided.words:
            return policy
        seen = _by_side(self._sightings, strangers)

        def records(shown: Shown) -> Mapping[Side, Snapshot]:
            ids = {Side.GHL: str(shown["ghl_id"]), Side.HUBSPOT: str(shown["hubspot_id"])}
            return {side: seen[side][each] for side, each in ids.items() if each in seen[side]}

        rulings, void = decided.rulings(records)
        self.errands.void |= void
        self.errands.faded |= decided.faded(records)
        return replace(policy, rulings=rulings)

    # --- what changed under a write

    def _moved(self) -> list[Recoverable]:
        """Writes that do not stand any more; a record is judged anew once in a cycle."""
        writes, self.stage.applied.moved = self.stage.applied.moved, []
        only = self._setting.decided.only
        for write in writes if only is not None else ():
            # Of an approved plan nothing may go out but what it shows.
            self.errands.give_up(write)
            if not isinstance(write, Remark):
                self._left_out(planned.in_one_line(planned.described(write)))
            self.stage.applied.forget(set(ids_of(write)) - {""})
        if self._setting.frozen or self.total.guarded:
            return []
        moved = [write for write in writes if not self._rejudged & set(ids_of(write))]
        for write in moved:
            self._rejudged |= set(ids_of(write)) - {""}
        return moved

    def _judge_anew(self, writes: Sequence[Recoverable]) -> None:
        link = self._setting.link
        policy = replace(self._setting.policy, now=link.clock.now())
        moved = {
            (side, each)
            for write in writes
            for side, each in zip(Side, ids_of(write), strict=True)
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
        self._said.conflicts -= sum(change.lost for each in updates for change in each.changes)
        ids = {each for _, each in moved}
        self._strangers = self._strangers.without(ids)
        self._take_up(seen, ids)

    # --- looking again

    def _next_look(self) -> tuple[float, float] | None:
        """From when on, and when at last, to look (monotonic); None where no plan may change."""
        given: timedelta | None = self._setting.link.rules.look_again
        if given is None or self._setting.frozen or self.total.guarded:
            return None
        every = max(given.total_seconds(), LEAST)
        # However long looking takes, and planning after it, half of the time is for writing.
        since = self._looked_until if self._writing_since is None else self._writing_since
        least = since + max(every / 2, since - self._looked_at)
        return max(self._looked_at + every, least), max(self._looked_at + LATE * every, least)

    def _look_again(self) -> None:
        """Take up what people did since; a side that cannot be read now is left to the writes."""
        setting, link = self._setting, self._setting.link
        self._looked_at = link.clock.monotonic()
        try:
            # A booking of ours whose answer was lost must not be met as somebody's.
            recovered = recover(link, self._said.cycle)
            self.stage.applied.pairs |= recovered.pairs
            policy = replace(setting.policy, now=link.clock.now())
            seen = poll.news(link, policy, self._last, setting.began, unsettled=recovered.unsettled)
        except ProviderError as error:
            log.info("look.failed", detail=str(error))
            return
        self._last = seen
        self._newcomers.drop(Side.GHL, seen.withdrawn)
        self._strangers = self._strangers.without(seen.withdrawn)
        self._take_up(seen, seen.withdrawn)

    def _take_up(self, seen: Polled, gone: Collection[str]) -> None:
        """Judge these with the next plan; what was to be written of them, and of `gone`, is off."""
        self._sightings = seen.sightings
        strangers = self._with_those_judged(seen.strangers)
        self._newcomers.add(strangers, fresh=True)
        fresh = {*strangers.ghl, *strangers.hubspot}
        for sighting in seen.sightings:
            fresh |= {sighting.pair.ghl_id, sighting.pair.hubspot_id}
            # What was met without a pair before has one now.
            self._newcomers.drop(Side.GHL, [sighting.pair.ghl_id])
            self._newcomers.drop(Side.HUBSPOT, [sighting.pair.hubspot_id])
        self._fresh |= fresh
        self._forget(fresh | set(gone))
        if fresh:
            log.info("look.found", records=len(fresh))

    def _with_those_judged(self, fresh: Strangers) -> Strangers:
        """And those without a pair that stand where one of these does: one may be the other.

        They were planned or held before these came up, and are judged anew together.
        """
        starts = {start for each in _snapshots(fresh) if (start := each.appointment.start)}
        again: dict[Side, dict[str, Snapshot]] = {Side.GHL: {}, Side.HUBSPOT: {}}
        for each in _snapshots(self._strangers):
            if each.appointment.start in starts and each.id not in self._strangers.beside:
                again[each.side][each.id] = each
        store = self._setting.link.store
        for side, records in again.items():
            for known in store.prints(side, records) if records else ():
                del records[known]
        judged = Strangers(ghl=again[Side.GHL], hubspot=again[Side.HUBSPOT])
        return judged.with_more(fresh)

    def _forget(self, ids: Collection[str]) -> None:
        gone = set(ids) - {""}
        self.stage.drop(gone)
        self.holds = [each for each in self.holds if not gone & {each.ghl_id, each.hubspot_id}]

    # --- what guards and reports need

    def _past(self) -> Past:
        setting, waiting = self._setting, self.stage.waiting()
        since = setting.policy.now - timedelta(hours=24)
        removals = sum(isinstance(write, Remove) for write in waiting)
        counts = {
            side: tally.writes - tally.removed
            for side in Side
            for tally in (self._said.tally(side),)
        }
        changing = [write for write in waiting if not isinstance(write, Remove | Remark)]
        contacts = frozenset(new.key for new in new_contacts(changing))
        changes = Counter([*(write.side for write in changing), *(side for side, _ in contacts)])
        return Past(
            pairs=self._pairs,
            removed_lately=setting.link.store.removals_since(since) + removals,
            first=setting.first,
            changes={side: counts[side] + changes[side] for side in Side},
            contacts=contacts,
        )

    def _all_at_once(self, past: Past) -> bool:
        """Whether all newcomers must be judged together, before anything is written."""
        setting = self._setting
        if setting.frozen or self._newcomers.may_exceed(setting.allowed.covered, past):
            return True
        return not setting.allowed.changes and self._newcomers.may_trip(setting.policy, past)

    def _approved_only(self, made: Plan) -> Plan:
        """With an approved plan, only what it shows, exactly as it shows it, goes out."""
        decided, sums = self._setting.decided, self._sums
        if not decided.only_parts:
            return made
        shown = {name: write for write in made.writes for name in planned.digests(write)}
        approved = {name: write for name, write in shown.items() if name in decided.only_parts}
        sums.approved |= {name: ids_of(write) for name, write in approved.items()}
        if decided.only is None:
            return made
        contacts = {
            planned.digest(planned.described_contact(new)): new.key
            for new in new_contacts(made.writes)
        }
        may_make = {key for name, key in contacts.items() if name in decided.only}
        able = {
            name: write
            for name, write in shown.items()
            if name in contacts or (new := new_contact(write)) is None or new.key in may_make
        }
        for words in (words for name, words in decided.only.items() if name not in able):
            self._left_out(words)
        going = {
            id(write) for name, write in able.items() if name in approved and name not in contacts
        }
        sums.going += [each for each in made.writes if id(each) in going]
        sums.not_approved += [each for each in made.writes if id(each) not in going]
        marked = {each for write in sums.going for each in ids_of(write)} - {""}
        return replace(
            made,
            writes=tuple(each for each in made.writes if id(each) in going),
            remarks=tuple(each for each in made.remarks if marked & {*ids_of(each)}),
        )

    def _left_out(self, words: str) -> None:
        self._said.warnings.append(f"{MOVED_ON}: {words}")
        # Beside a daemon, nobody sees the cycle's report.
        log.warning("write.left_out", detail=f"{MOVED_ON}: {words}")

    def _sum_up(self, made: Plan, waiting: list[Hold]) -> None:
        said = self._said
        self.holds += [*made.holds, *waiting]
        said.conflicts += made.conflicts
        self._sums.touched |= {write.pair.key for write in made.writes if write.pair is not None}
        said.unchanged = max(0, self._pairs - len(self._sums.touched))
        said.adopted += sum(1 for rebase in made.rebases if not rebase.pair.key)
        self._sums.stopped_removals += made.stopped_removals
        self._sums.stopped_changes += made.stopped_changes
        self._sums.kept_back += made.kept_back
        self._sums.uncovered.update(made.uncovered)


def _snapshots(strangers: Strangers) -> Iterator[Snapshot]:
    for each in (*strangers.ghl.values(), *strangers.hubspot.values()):
        if isinstance(each, Snapshot):
            yield each


def _by_side(
    sightings: Iterable[Sighting], strangers: Strangers
) -> dict[Side, dict[str, Snapshot]]:
    """Every record that can be seen, by side and id."""
    seen: dict[Side, dict[str, Snapshot]] = {Side.GHL: {}, Side.HUBSPOT: {}}
    for sighting in sightings:
        for side in Side:
            if isinstance(shown := sighting.on(side), Snapshot):
                seen[side][sighting.pair.id_on(side)] = shown
    for record in _snapshots(strangers):
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
            said = essence.said(now, revert.group)
            found[undo.part] = said.items() >= revert.back.items()
    return found
