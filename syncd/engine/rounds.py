"""The further rounds of a cycle that has much to write: poll, observe, plan and apply again.

`cycle` goes through its steps once and calls `more_rounds` where something is
left then. In a backfill the records without a pair take turns, most urgent
first; and every `Rules.look_again` the writing pauses, both sides are polled
for changes, and those go out before the rest. So a change by a person waits
for a round, not for the end of a first sync. A write that was found to rest on
old values is judged anew, once in a cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from syncd.core.actions import Remove, Update, Write, WriteExternalId, new_contacts
from syncd.core.guards import RecentWrites
from syncd.core.model import Side, Snapshot
from syncd.core.observe import UnpairedRecords
from syncd.engine import planned_writes
from syncd.engine.apply.executor import WriteExecutor
from syncd.engine.cycle_state import Cycle
from syncd.engine.decisions.completion import MOVED_ON
from syncd.engine.observe.sightings import Found, Turn, find, observe_turn
from syncd.engine.observe.unpaired_queue import UnpairedQueue
from syncd.engine.plan.planning import plan
from syncd.engine.poll.poll import poll_changes, repoll
from syncd.engine.recover.recover import recover
from syncd.errors import ProviderError

log = structlog.get_logger(__name__)


def more_rounds(cycle: Cycle, executor: WriteExecutor) -> None:
    """Go on round by round, until nothing is left or nothing more can be done.

    A round that cannot be planned leaves what is left to the next cycle: what
    was written so far has to be kept.

    Raises:
        LinkLocked: another syncd holds the link.
        StoreError: our own store failed.
    """
    rounds = _Rounds(cycle, executor)
    while (turn := rounds.start()) is not None:
        try:
            planned = plan(observe_turn(turn))
        except ProviderError as error:
            cycle.results.stop(error)
            cycle.results.unplanned = turn.renewed
            break
        cycle.rounds.append(planned)
        executor.apply(planned)
    executor.mark_bookings()


class _Rounds:
    """What the rounds of a cycle know of each other."""

    def __init__(self, cycle: Cycle, executor: WriteExecutor) -> None:
        self._cycle, self._executor, self._results = cycle, executor, cycle.results
        turn = cycle.rounds[0].observation.turn
        self._context = turn.polled.context
        self._polled = turn.polled
        self._polled_at = turn.polled.polled_at
        """When a poll was tried last (monotonic)."""
        self._queue = turn.queue or UnpairedQueue()
        self._fresh = self._rejudged = frozenset[str]()

    def start(self) -> Turn | None:
        """Begin the next round: what is judged in it; None where the cycle is over."""
        link = self._context.link
        moved = self._take_stale()
        if not (moved or self._executor.left or len(self._queue)):
            return None
        if link.stopping():
            self._results.interrupt()
            return None
        if moved:
            return self._rejudge(moved)
        if self._executor.called and (turn := self._take_announced()) is not None:
            return turn
        poll_at = None
        if not (self._context.plans_once or self._context.request.targeted or self._guarded):
            poll_at = self._executor.next_poll(self._polled_at, 0)
        late = poll_at is not None and link.clock.monotonic() >= poll_at.latest
        if poll_at is not None and (late or self._executor.paused_early):
            return self._poll()
        return self._turn()

    @property
    def _guarded(self) -> bool:
        """Whether a guard kept something back in this cycle."""
        return any(each.plan.guarded for each in self._cycle.rounds)

    def _turn(
        self, found: Found | None = None, gone: Iterable[str] = (), conflicts: int = 0
    ) -> Turn:
        """The next round; what it found, and what is `gone`, makes earlier plans of it void."""
        before = self._cycle.rounds[-1].observation
        judged, renewed = before.matched.without(frozenset(gone)), frozenset(gone)
        if found is not None:
            renewed |= self._take_up(found, judged)
            self._executor.drop(renewed)
        tracker = self._executor.tracker
        return Turn(
            polled=replace(self._polled, polled_at=self._polled_at),
            recent=self._recent(),
            sightings=found.sightings if found is not None else (),
            queue=self._queue,
            judged=judged,
            fresh=self._fresh,
            rejudged=self._rejudged,
            renewed=renewed,
            settled=frozenset(tracker.settled) if tracker is not None else frozenset(),
            guarded=self._guarded,
            conflicts=conflicts,
        )

    # --- what changed before its write

    def _take_stale(self) -> list[Write]:
        """Writes that rest on old values; a record is judged anew once in a cycle."""
        writes = self._results.take_stale()
        for write in writes if self._context.decisions.only is not None else ():
            # Of an approved plan nothing may go out but what it shows.
            if self._executor.tracker is not None:
                self._executor.tracker.give_up(write)
            if write.counted:
                line = planned_writes.in_one_line(planned_writes.described(write))
                self._results.add_left_out(line)
                log.warning("write.left_out", detail=f"{MOVED_ON}: {line}")
            self._results.forget(set(write.ids) - {""})
        if self._context.plans_once or self._guarded:
            return []
        moved = [write for write in writes if not self._rejudged & set(write.ids)]
        self._rejudged |= {each for write in moved for each in write.ids} - {""}
        return moved

    def _rejudge(self, writes: Sequence[Write]) -> Turn:
        """Read the records of these writes again."""
        moved = {
            (side, each)
            for write in writes
            for side, each in zip(Side, write.ids, strict=True)
            if each
        }
        try:
            found = find(repoll(self._polled, moved))
        except ProviderError as error:
            # They are reported as failed, and the next cycle reads them.
            log.info("look.failed", detail=str(error))
            return self._turn()
        # Their conflicts are counted again where they are still some.
        updates = [write for write in writes if isinstance(write, Update)]
        conflicts = sum(change.lost for each in updates for change in each.changes)
        return self._turn(found, {each for _, each in moved}, conflicts=conflicts)

    # --- what was announced meanwhile

    def _take_announced(self) -> Turn | None:
        """Read what vendors announced since; None where it is somebody else's to read."""
        request = self._context.request
        announced = request.more() if request.more is not None else ()
        self._executor.heed()
        if not announced:
            return None
        from syncd.engine.targeted import poll_more

        try:
            recovered = recover(self._context.link, self._context.cycle)
            self._results.add_pairs(recovered.pairs)
            polled = poll_more(self._polled, announced, recovered.unsettled)
            found = find(polled)
        except ProviderError as error:
            # They stay announced.
            log.info("look.failed", detail=str(error))
            return None
        self._cycle.note_read(announced, polled)
        self._executor.heed()
        return self._turn(found)

    # --- polling again

    def _poll(self) -> Turn:
        """Take up what people changed since; a side that cannot be read is left to the writes."""
        link = self._context.link
        self._polled_at = link.clock.monotonic()
        found, polled = None, None
        try:
            # A booking of ours whose answer was lost must not be matched as somebody's.
            recovered = recover(link, self._context.cycle)
            self._results.add_pairs(recovered.pairs)
            polled = poll_changes(self._polled, recovered.unsettled)
            found = find(polled)
        except ProviderError as error:
            log.info("look.failed", detail=str(error))
        self._executor.restart()
        if found is None or polled is None:
            return self._turn()
        self._polled = polled
        self._queue.drop(Side.GHL, polled.withdrawn)
        return self._turn(found, polled.withdrawn)

    def _take_up(self, found: Found, judged: UnpairedRecords) -> frozenset[str]:
        """Queue what was found for this round; gives the ids of all of it."""
        unpaired = self._with_neighbours(found.unpaired, judged)
        self._queue.add(unpaired, fresh=True)
        fresh = {*unpaired.ghl, *unpaired.hubspot}
        for sighting in found.sightings:
            fresh |= {sighting.pair.ghl_id, sighting.pair.hubspot_id}
            # What had no pair before has one now.
            self._queue.drop(Side.GHL, [sighting.pair.ghl_id])
            self._queue.drop(Side.HUBSPOT, [sighting.pair.hubspot_id])
        fresh.discard("")  # Each record without a pair has it, on the other side.
        self._fresh |= fresh
        if fresh:
            log.info("look.found", records=len(fresh))
        return frozenset(fresh)

    def _with_neighbours(
        self, unpaired: UnpairedRecords, judged: UnpairedRecords
    ) -> UnpairedRecords:
        """And the unpaired records that start at the same time: one may be the other.

        They were planned or held before these came up, and are judged anew together.
        """
        starts = {start for each in _snapshots(unpaired) if (start := each.appointment.start)}
        again: dict[Side, dict[str, Snapshot]] = {Side.GHL: {}, Side.HUBSPOT: {}}
        for each in _snapshots(judged):
            if each.appointment.start in starts and each.id not in judged.beside:
                again[each.side][each.id] = each
        store = self._context.link.store
        for side, records in again.items():
            for known in store.prints(side, records) if records else ():
                del records[known]
        neighbours = UnpairedRecords(ghl=again[Side.GHL], hubspot=again[Side.HUBSPOT])
        return neighbours.with_more(unpaired)

    # --- what the guards need

    def _recent(self) -> RecentWrites:
        """Earlier writes, with those of this cycle that are written or in line."""
        context, waiting = self._context, self._executor.waiting()
        since = context.link.clock.now() - timedelta(hours=24)
        removals = sum(isinstance(write, Remove) for write in waiting)
        changing = [write for write in waiting if not isinstance(write, Remove | WriteExternalId)]
        contacts = frozenset(new.key for new in new_contacts(changing))
        changes = Counter([*(write.side for write in changing), *(side for side, _ in contacts)])
        changes.update(self._polled.recent.changes)
        return RecentWrites(
            pairs=context.pairs,
            removed_lately=context.link.store.removals_since(since) + removals,
            first=context.first,
            changes={side: self._results.changes[side] + changes[side] for side in Side},
            contacts=contacts,
        )


def _snapshots(unpaired: UnpairedRecords) -> Iterator[Snapshot]:
    for each in (*unpaired.ghl.values(), *unpaired.hubspot.values()):
        if isinstance(each, Snapshot):
            yield each
