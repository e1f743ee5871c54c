"""Apply: carry a plan out, most urgent first, every write behind its intent.

`rounds` makes a `Stage`, gives it plans and lets it run. Both sides are
written at the same time, each in a lane of its own that hands orders to the
provider as fast as that takes them: HubSpot gathers batches, HighLevel keeps
its threads busy. Intents are committed before their requests are sent, and
`record` commits what comes back. A refused or failed write never stops the
others; only what no write can survive (credentials, a vendor that is gone, a
spent budget) ends a side, and a lost lease or store ends everything.

The lanes share the store and what is known so far; both are touched only
under one lock, which is never held while a vendor is asked.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from threading import Event, RLock
from typing import assert_never

from syncd.core.actions import Create, Remark, Update
from syncd.core.contacts import Known
from syncd.core.guards import Plan, urgency
from syncd.core.model import Group, Pair, Side
from syncd.engine import record
from syncd.engine.agreeing import Agreements
from syncd.engine.applied import Applied
from syncd.engine.contacts import ContactMaker
from syncd.engine.decisions import Decided
from syncd.engine.errands import Errands
from syncd.engine.ground import Ground
from syncd.engine.intents import Recoverable, intent_of
from syncd.engine.lanes import Lane
from syncd.engine.link import Link
from syncd.engine.lulls import Lull, Pace
from syncd.engine.orders import (
    ids_of,
    key_of,
    new_contact,
    order_of,
    side_of,
)
from syncd.engine.record import Effect
from syncd.engine.report import CycleReport
from syncd.engine.spots import Spots
from syncd.engine.twins import Watch
from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    Outdated,
    ProviderError,
    TimedOut,
    Transient,
    Unavailable,
)
from syncd.ports.provider import Done, Failed, Order, Receipt

SOON = 86_400.0
"""Seconds: what starts within them is written before anything else."""

CHUNK = {Side.GHL: 20, Side.HUBSPOT: 100}
"""How many writes share a commit of intents; HubSpot's is its largest batch."""

AHEAD = 100
"""How many further writes a look for what somebody made meanwhile serves."""

GATHER = 0.05
"""Seconds within which answers that follow each other share a commit; until then their intents
speak for them."""

MOST_LATE = 10
"""How often in a cycle a write may wait too long after its records were read, for a place or
because the vendor asked for it; where the vendor fails, once."""

STOPPING = (AuthFailed, DailyBudgetSpent, Unavailable)
"""What ends the stage for a side: no further write can succeed."""


@dataclass(slots=True, kw_only=True)
class _Hand:
    """What a lane has under way: written down, and not recorded yet."""

    unanswered: dict[str, tuple[Recoverable, str]] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    committed_at: float = -GATHER


class Stage:
    """The writes that are still to be sent, and what came of the others."""

    def __init__(
        self,
        link: Link,
        said: CycleReport,
        progress: Callable[[int, int], None] | None = None,
        errands: Errands | None = None,
    ) -> None:
        self.link = link
        self._errands = errands or Errands(Decided())
        self.applied = Applied(report=said)
        self._progress = progress
        self._lock = RLock()
        self._queues: dict[Side, deque[Recoverable]] = {Side.GHL: deque(), Side.HUBSPOT: deque()}
        self._remarks: deque[Remark] = deque()
        self._agreements = Agreements(link, self.applied)
        self._contacts = ContactMaker(link, self._lock, said, self._errands.contact_made)
        self._ground = Ground(link)
        self.watch = Watch(link, self._lock)
        self._late = Counter[tuple[str, str]]()
        self._spots = Spots()
        self._stopped: dict[Side, ProviderError] = {}
        self._over: set[Side] = set()
        self._broken = False
        self._marks = Event()
        self._numbered = 0
        self._done = self._planned = 0
        self._pace = Pace(link)
        self._owed: set[Side] = set()
        """The sides with something to write that nothing was written to yet in this run."""
        self._fresh: set[str] = set()
        self.to_come = 0
        """Writes that may still be planned in this cycle, for the progress."""

    # --- what the cycle calls

    def take(self, plan: Plan, fresh: Collection[str] = ()) -> None:
        """Agree on what needs no write, and put the plan's writes in line.

        `fresh` are the ids of records that people touched since the cycle began.
        """
        self._fresh |= set(fresh)
        self._agreements.commit(plan)
        marking = {
            write.pair.key or id(write.pair)
            for write in plan.writes
            if isinstance(write, Update) and write.side is Side.HUBSPOT
        }
        for write in plan.writes:
            self._errands.take(write)
            self._queues[write.side].append(self._agreements.current(write))
            if write.side is Side.GHL:
                self._spots.expect(write)
        for side, queue in self._queues.items():
            self._queues[side] = deque(sorted(queue, key=self._place_in_line))
            error = self._stopped.get(side)
            if error is not None:
                self._stop(side, error)
        for remark in plan.remarks:
            if (remark.pair.key or id(remark.pair)) not in marking:
                self._remarks.append(replace(remark, pair=self._agreements.agreed(remark.pair)))
        self._planned += len(plan.writes)

    def _place_in_line(self, write: Recoverable) -> tuple[int, tuple[int, float]]:
        """What starts within a day, then what people changed, then the rest of a backfill."""
        if isinstance(write, Remark):
            return (3, (0, 0.0))
        past, ahead = waits = urgency(write, self.link.clock.now())
        if past == 0 and ahead <= SOON:
            return (0, waits)
        return (1 if not isinstance(write, Create) or self._fresh & {*ids_of(write)} else 2, waits)

    def drop(self, ids: Collection[str]) -> None:
        """Forget what is to be written, failed or was held of these: they are judged anew."""
        gone = set(ids)
        for side, queue in self._queues.items():
            kept = deque(write for write in queue if not gone & {*ids_of(write)})
            for write in queue if len(kept) < len(queue) else ():
                if gone & {*ids_of(write)}:
                    self._spots.settle(write)
            self._planned -= len(queue) - len(kept)
            self._queues[side] = kept
        self._remarks = deque(each for each in self._remarks if not gone & {*ids_of(each)})
        self.applied.forget(gone)
        self._errands.drop(gone)

    def waiting(self) -> list[Recoverable]:
        """What is still to be written, but for identities."""
        return [write for queue in self._queues.values() for write in queue]

    def run(self, until: float | None = None, lull: Lull | None = None) -> bool:
        """Write until nothing is left, that moment (monotonic) has come, or the process shall stop.

        What is left waits for the next run. Something is written to each side that anything is
        written to, however late it is: else what goes between two runs could take all the time.

        Returns:
            Whether it ended early, in a lull.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        self._pace.begin(until, lull)
        self._owed = {side for side, queue in self._queues.items() if queue}
        self._owed |= {Side.HUBSPOT} if self._remarks else set()
        self._over.clear()
        self.link.lanes([self._lane(side) for side in Side])
        return self._pace.until != until

    @property
    def left(self) -> bool:
        """Whether anything is still to be sent, identities included."""
        return bool(self._remarks or any(self._queues.values()))

    # --- one side's lane

    def _lane(self, side: Side) -> Lane:
        """Everything that is written to a side; a step is a receipt, or a wait for marks."""
        try:
            while True:
                if side is Side.HUBSPOT:
                    self._marks.clear()  # Before looking, so that no mark is missed.
                if self._is_over(side):
                    return
                if self._ready(side):
                    yield from self._write(side)
                else:
                    yield self._marks
        except BaseException:
            self._broken = True  # The other lane has to end too.
            raise
        finally:
            with self._lock:
                self._over.add(side)
            self._marks.set()

    def _goes_on(self, side: Side) -> bool:
        if self._broken or side in self._stopped or self.link.stopping():
            return False
        return not self._pace.is_over(side) or side in self._owed

    def _spare(self) -> int:
        """Places that HighLevel's lane leaves alone."""
        return self._pace.spare() if self._queues[Side.GHL] or self.to_come else 0

    def _is_over(self, side: Side) -> bool:
        """Whether nothing more can come for this side."""
        with self._lock:
            if not self._goes_on(side):
                return True
            if self._queues[side]:
                return False
            return side is Side.GHL or (Side.GHL in self._over and not self._remarks)

    def _ready(self, side: Side) -> bool:
        """Whether there is something to send; marks wait for a batch of them, or nothing else."""
        with self._lock:
            if side is Side.HUBSPOT and (
                len(self._remarks) >= CHUNK[side]
                or (Side.GHL in self._over and not self._queues[side])
            ):
                marks = [
                    self._remarks.popleft() for _ in range(min(len(self._remarks), CHUNK[side]))
                ]
                self._queues[side].extendleft(reversed(marks))
            return bool(self._queues[side])

    def _write(self, side: Side) -> Iterator[None]:
        """Hand the queue over to the provider, and record what it answers."""
        hand = _Hand()
        try:
            orders = self._orders(side, hand)
            for receipt in self.link.side(side).write(
                orders, lambda: self._goes_on(side), self._spare, self._ground
            ):
                self._take_receipt(side, hand, receipt)
                yield None
        except STOPPING as error:
            self._stop(side, error)
        # Whatever else ends a write is no answer: the intents stay, and the next cycle asks.
        self._commit(hand)
        self._put_back(side, hand)

    def _orders(self, side: Side, hand: _Hand) -> Iterator[Order]:
        """The orders of a side as its provider takes them; what it answered meanwhile is kept.

        HubSpot's batches are filled up even when the stage shall end;
        HighLevel takes one order at a time, and what it did not take waits.
        """
        while self._goes_on(side) and (orders := self._opened(side, hand)):
            for order in orders:
                if side is Side.HUBSPOT or self._is_due(hand):
                    self._commit(hand)
                if side is Side.GHL and not self._goes_on(side):
                    return
                yield order
        self._commit(hand)

    def _opened(self, side: Side, hand: _Hand) -> list[Order]:
        """The next orders, their contacts made and their intents committed."""
        while True:
            with self._lock:
                self._ready(side)
                writes = self._next_writes(side, hand)
            if not writes:
                return []
            self._commit(hand)
            self.link.check_held()
            writes = self._without_twins(side, writes)
            if not self._make_contacts(side, writes):
                return []
            orders = self._open(hand, writes)
            if orders:
                return orders

    def _without_twins(self, side: Side, writes: Sequence[Recoverable]) -> list[Recoverable]:
        """These but for what somebody made meanwhile, which is judged anew."""
        creates = [write for write in writes if isinstance(write, Create)]
        with self._lock:
            queued = islice(self._queues[side], AHEAD)
            ahead = [write for write in queued if isinstance(write, Create)]
        doubted = self.watch.look(side, creates, ahead) if creates else []
        for write, error in doubted:
            self._spots.settle(write)
            self._failed("", write, error)
        left_out = {id(write) for write, _ in doubted}
        return [write for write in writes if id(write) not in left_out]

    def _next_writes(self, side: Side, hand: _Hand) -> list[Recoverable]:
        """What goes next; a booking waits for the write that frees its spot to be answered."""
        queue, writes, later = self._queues[side], list[Recoverable](), list[Recoverable]()
        while queue and len(writes) < CHUNK[side]:
            write = queue.popleft()
            (later if side is Side.GHL and self._spots.awaited_by(write) else writes).append(write)
        if not writes and not hand.unanswered:
            self._spots.clear()  # What they wait for is not written in this run.
            writes, later = later[: CHUNK[side]], later[CHUNK[side] :]
        queue.extendleft(reversed(later))
        return writes

    def _open(self, hand: _Hand, writes: Sequence[Recoverable]) -> list[Order]:
        location = self.link.rules.template.location_id
        with self._lock:
            sendable = [ready for write in writes if (ready := self._prepared(write)) is not None]
            now = self.link.clock.now()
            opened: dict[str, tuple[Recoverable, str]] = {}
            for write, contact in sendable:
                self._numbered += 1
                opened[key_of(write, self.applied.report.cycle, self._numbered)] = (write, contact)
            with self.link.store.begin() as transaction:
                transaction.open_intents(
                    intent_of(
                        write,
                        key,
                        now,
                        contact,
                        carries=self._errands.closed_by(write),
                        author=self._errands.author_of(write),
                    )
                    for key, (write, contact) in opened.items()
                )
            hand.unanswered |= opened
            for key, (write, _) in opened.items():
                self._ground.open(key, write)
        return [order_of(write, key, contact, location) for key, (write, contact) in opened.items()]

    # --- what was answered

    def _take_receipt(self, side: Side, hand: _Hand, receipt: Receipt) -> None:
        write, contact = hand.unanswered.pop(receipt.key)
        self._ground.close(receipt.key)
        self._spots.settle(write)
        match receipt:
            case Done():
                self._ground.wrote(write, receipt)
                hand.effects.append(
                    Effect(key=receipt.key, write=write, done=receipt, contact=contact)
                )
                if len(hand.effects) >= CHUNK[side] or (side is Side.GHL and self._is_due(hand)):
                    self._commit(hand)
            case Failed(error=Outdated() as late) if self._is_tried_again(write, late):
                self._put_again(side, receipt.key, write)
                return  # Still nothing was written.
            case Failed():
                self._failed(receipt.key, write, receipt.error)
            case _:
                assert_never(receipt)
        self._owed.discard(side)

    def _is_tried_again(self, write: Recoverable, late: Outdated) -> bool:
        """Whether it is read and sent once more; nothing came of it so far."""
        self._late[ids_of(write)] += 1
        fails = isinstance(late.cause, Unavailable)
        return self._late[ids_of(write)] <= (1 if fails else MOST_LATE)

    def _put_again(self, side: Side, key: str, write: Recoverable) -> None:
        """It waited too long after its records were read: it goes next, and they are read again."""
        with self._lock:
            with self.link.store.begin() as transaction:
                transaction.close_intents([key])
            self._queues[side].appendleft(write)
            if side is Side.GHL:
                self._spots.expect(write)

    def _is_due(self, hand: _Hand) -> bool:
        """Whether what took effect is recorded now, rather than with what follows at once."""
        return self.link.clock.monotonic() - hand.committed_at >= GATHER

    def _commit(self, hand: _Hand) -> None:
        """Record what took effect."""
        if not hand.effects:
            return
        hand.committed_at = self.link.clock.monotonic()
        effects, hand.effects = hand.effects, []
        with self._lock:
            effects = [self._errands.tell(each) for each in effects]
            pairs = record.record(self.link, self.applied.report.cycle, effects, self.applied.pairs)
            for effect, pair in zip(effects, pairs, strict=True):
                self._count(effect, pair)
            self._tell()
        self._marks.set()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._planned + self.to_come)

    def _count(self, effect: Effect, pair: Pair) -> None:
        write = effect.write
        if isinstance(write, Remark):
            return
        self._done += 1
        self.applied.took(effect, pair, self.link.clock.now())
        if isinstance(write, Create) and (write.side is Side.GHL or effect.done.unlinked):
            late = pair.open.intersection(write.late)
            source = write.source if write.side is Side.GHL else None
            self._remarks.append(Remark(pair=pair, status=write.fill, groups=late, seen=source))

    # --- what did not take effect

    def _failed(self, key: str, write: Recoverable, error: ProviderError) -> None:
        """Hold what was refused for good; remember what is to be tried again."""
        with self._lock:
            if not isinstance(write, Remark):
                self._done += 1
            if isinstance(error, Outdated):
                error = error.cause or error
            if key and not (isinstance(error, TimedOut) and error.sent):
                with self.link.store.begin() as transaction:
                    transaction.close_intents([key])
            self.applied.failed(write, error)
            if isinstance(error, STOPPING) and error.side == side_of(write).other:
                self.applied.stopped = error  # What the writes rest on cannot be read.
            self._tell()

    def _stop(self, side: Side, error: ProviderError) -> None:
        """No more writes to this side; the other side's go on."""
        with self._lock:
            self._stopped[side] = self.applied.stopped = error
            waiting = self._queues[side]
            for write in (*waiting, *(self._remarks if side is Side.HUBSPOT else ())):
                self.applied.put_off(write, error)
            waiting.clear()
            if side is Side.HUBSPOT:
                self._remarks.clear()

    def _put_back(self, side: Side, hand: _Hand) -> None:
        """What got no receipt was not sent: it waits for the next run, or the next cycle."""
        if not hand.unanswered:
            return
        with self._lock:
            with self.link.store.begin() as transaction:
                transaction.close_intents(list(hand.unanswered))
            for key in hand.unanswered:
                self._ground.close(key)
            writes = [write for write, _ in hand.unanswered.values()]
            if side not in self._stopped and not self._goes_on(side):
                self._queues[side].extendleft(reversed(writes))
                return
            error = self._stopped.get(side) or _not_sent()
            for write in writes:
                self.applied.put_off(write, error)

    # --- contacts

    def _make_contacts(self, side: Side, writes: Sequence[Recoverable]) -> bool:
        """Make the contacts that these writes need first; false when nothing more can be sent."""
        wanted = [new for write in writes if (new := new_contact(write)) is not None]
        try:
            self._contacts.make(side, wanted)
        except STOPPING as error:
            for write in writes:
                self.applied.put_off(write, error)
            self._stop(side, error)
            return False
        return True

    def _prepared(self, write: Recoverable) -> tuple[Recoverable, str] | None:
        """The write with the contact that it is for."""
        if isinstance(write, Create) and isinstance(write.contact, Known):
            return (write, write.contact.id)
        new = new_contact(write)
        if new is None:
            return (write, "")
        made = self._contacts.made(new.side, new.source)
        if isinstance(made, ProviderError):
            self._failed("", write, made)
            return None
        if isinstance(write, Update):
            changes = tuple(
                replace(each, after=made) if each.group == Group.CONTACT else each
                for each in write.changes
            )
            write = replace(write, changes=changes)
        return (write, made)


def _not_sent() -> Transient:
    return Transient("it was not sent; the next cycle tries again")
