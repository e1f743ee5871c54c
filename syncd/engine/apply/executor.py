"""Apply: carry a plan out, most urgent first, every write behind its intent.

`cycle` and `rounds` call `apply` with what was planned, and a `WriteExecutor`
carries it out. Both sides are written at the same time, each in a lane of its
own that hands commands to the provider as fast as that takes them: HubSpot
gathers batches, HighLevel keeps its threads busy. Intents are committed before
their requests are sent, and `record` commits what comes back. A refused or
failed write never stops the others; only what no write can survive
(credentials, a vendor that is gone, a spent budget) ends a side, and a lost
lease or store ends everything.

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

from syncd.core.actions import Create, Update, Write, WriteExternalId
from syncd.core.contacts import Known
from syncd.core.guards import Plan, urgency
from syncd.core.model import Group, Pair, Side
from syncd.core.observe import UnpairedRecords
from syncd.engine.apply.commands import command_of, key_of
from syncd.engine.apply.contact_creation import ContactMaker
from syncd.engine.apply.preconditions import Preconditions
from syncd.engine.apply.results import WriteResults
from syncd.engine.apply.slot_dependencies import SlotDependencies
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.decisions.tracker import DecisionTracker
from syncd.engine.link import Link
from syncd.engine.observe.duplicate_check import Watch
from syncd.engine.plan.planning import Planned
from syncd.engine.record import record
from syncd.engine.record.agreements import Agreements
from syncd.engine.record.intents import intent_of
from syncd.engine.record.record import CompletedWrite
from syncd.engine.workers import Lane
from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    Outdated,
    ProviderError,
    TimedOut,
    Transient,
    Unavailable,
)
from syncd.ports.provider import Done, Failed, NextPoll, Receipt, WriteCommand
from syncd.ports.store import SYNC

SOON = 86_400.0
"""Seconds: what starts within them is written before anything else."""

CHUNK = {Side.GHL: 20, Side.HUBSPOT: 100}
"""How many writes share a commit of intents; HubSpot's is its largest batch."""

AHEAD = 100
"""How many further writes a look for what somebody made meanwhile serves."""

LEAST_PAUSE = 5.0
"""Seconds between two polls, however often the link is polled when it has little to write."""

LATE = 1.3
"""A poll waits for a pause in writing, but not for longer than this share of its time."""

POLL_REQUESTS = 1
"""Requests that a poll sends to HighLevel beside one for every calendar."""

GATHER = 0.05
"""Seconds within which answers that follow each other share a commit; until then their intents
speak for them."""

MOST_LATE = 10
"""How often in a cycle a write may wait too long after its records were read, for a place or
because the vendor asked for it; where the vendor fails, once."""

STOPPING = (AuthFailed, DailyBudgetSpent, Unavailable)
"""What ends the stage for a side: no further write can succeed."""


@dataclass(slots=True, kw_only=True)
class InFlight:
    """What a lane has under way: written down, and not recorded yet."""

    unanswered: dict[str, tuple[Write, str]] = field(default_factory=dict)
    effects: list[CompletedWrite] = field(default_factory=list)
    committed_at: float = -GATHER
    all_taken: bool = False
    """Whether the provider took every command, and did not pause for a poll."""


class WriteExecutor:
    """The writes that are still to be sent, and what came of the others."""

    def __init__(
        self,
        link: Link,
        results: WriteResults,
        progress: Callable[[int, int], None] | None = None,
        tracker: DecisionTracker | None = None,
    ) -> None:
        """`tracker` says which decisions the writes carry out; None where there are none."""
        self.link, self.tracker = link, tracker
        self.results = results
        self._progress = progress
        self._lock = RLock()
        self._queues: dict[Side, deque[Write]] = {Side.GHL: deque(), Side.HUBSPOT: deque()}
        self._id_writes: deque[WriteExternalId] = deque()
        self._agreements: Agreements | None = None
        self._contacts: ContactMaker | None = None
        self._preconditions = Preconditions(link, lambda side: not self._may_write(side))
        self._watch: Watch | None = None
        self._late = Counter[tuple[str, str]]()
        self._slots: SlotDependencies | None = None
        self._stopped: dict[Side, ProviderError] = {}
        self._over: set[Side] = set()
        self._broken = False
        self._marks = Event()
        self._numbered = 0
        self._done = self._planned = 0
        self._until: float | None = None
        self.paused_early = False
        """Whether the last run paused for a poll before its latest moment."""
        self._writing_since: float | None = None
        """When the first write after the last poll could be sent (monotonic)."""
        self._owed: set[Side] = set()
        """The sides with something to write that nothing was written to yet in this run."""
        self._fresh: set[str] = set()
        self._expected = 0
        """Writes that may still be planned in this cycle, for the progress."""

    # --- what the cycle calls

    def apply(self, planned: Planned) -> None:
        """Write the plan of one round, until everything is written or it is time to poll again.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        observation, plan = planned.observation, planned.plan
        turn, context = observation.turn, observation.turn.polled.context
        if self.tracker is not None and observation.validity is not None:
            self.tracker.mark_invalid(observation.validity)
        self.enqueue(plan, turn.fresh, observation.waiting)
        calendars = turn.polled.scans[Side.GHL].calendars
        self._watch_for_duplicates(turn.polled.polled_at, calendars, observation.matched)
        once = context.plans_once or turn.guarded or plan.guarded
        requests = len(calendars) + POLL_REQUESTS
        self.run(None if once else self.next_poll(turn.polled.polled_at, requests))

    @property
    def unfinished(self) -> bool:
        """Whether anything is left to be written, judged anew or planned."""
        return self.left or bool(self._expected or self.results.moved)

    def enqueue(self, plan: Plan, fresh: Collection[str] = (), expected: int = 0) -> None:
        """Agree on what needs no write, and put the plan's writes in line.

        `fresh` are the ids of records that people changed since the cycle began,
        `expected` is how many writes may still be planned.
        """
        self._fresh |= set(fresh)
        self._expected = expected
        if plan.rebases:
            self._agreements = self._agreements or Agreements(
                self.link, self.results.cycle, self.results.pairs
            )
            self._agreements.commit(plan)
        marking = {
            write.pair.key or id(write.pair)
            for write in plan.writes
            if isinstance(write, Update) and write.side is Side.HUBSPOT
        }
        for write in plan.writes:
            if self.tracker is not None:
                self.tracker.take(write)
            self._queues[write.side].append(self._current(write))
            if write.side is Side.GHL:
                self._expect(write)
        for side, queue in self._queues.items():
            self._queues[side] = deque(sorted(queue, key=self._place_in_line))
            error = self._stopped.get(side)
            if error is not None:
                self._stop(side, error)
        self._id_writes.extend(
            replace(each, pair=self._agreed(each.pair))
            for each in plan.id_writes
            if (each.pair.key or id(each.pair)) not in marking
        )
        self._planned += len(plan.writes)
        if self._writing_since is None:
            self._writing_since = self.link.clock.monotonic()

    def _current(self, write: Write) -> Write:
        """The write with the key that its pair got when it was adopted."""
        if isinstance(write, Create) or write.pair.key:
            return write
        return replace(write, pair=self._agreed(write.pair))

    def _agreed(self, pair: Pair) -> Pair:
        """The pair with its key."""
        if pair.key or self._agreements is None:
            return pair
        return self._agreements.agreed(pair)

    def _expect(self, write: Write) -> None:
        """A write to HighLevel is in line, and may free a slot."""
        self._slots = self._slots or SlotDependencies()
        self._slots.expect(write)

    def _settle(self, write: Write) -> None:
        """Nothing waits any more for the slot that the write may free."""
        if self._slots is not None:
            self._slots.settle(write)

    def restart(self) -> None:
        """Both sides were polled again: the time for writing begins anew."""
        self._writing_since = None

    def next_poll(self, polled_at: float, requests: int) -> NextPoll | None:
        """When to poll again, with so many requests to HighLevel; None for never.

        However long polling takes, and planning after it, half of the time is for writing.
        """
        every = self.link.rules.look_again
        if every is None:
            return None
        seconds = max(every.total_seconds(), LEAST_PAUSE)
        since = polled_at if self._writing_since is None else self._writing_since
        least = since + max(seconds / 2, since - polled_at)
        return NextPoll(
            requests=requests,
            earliest=max(polled_at + seconds, least),
            latest=max(polled_at + LATE * seconds, least),
        )

    def _place_in_line(self, write: Write) -> tuple[int, tuple[int, float]]:
        """What starts within a day, then what people changed, then the rest of a backfill."""
        if isinstance(write, WriteExternalId):
            return (3, (0, 0.0))
        past, ahead = waits = urgency(write, self.link.clock.now())
        if past == 0 and ahead <= SOON:
            return (0, waits)
        return (1 if not isinstance(write, Create) or self._fresh & {*write.ids} else 2, waits)

    def drop(self, ids: Collection[str]) -> None:
        """Forget what is to be written, failed or was held of these: they are judged anew."""
        gone = set(ids)
        for side, queue in self._queues.items():
            kept = deque(write for write in queue if not gone & {*write.ids})
            for write in queue if len(kept) < len(queue) else ():
                if gone & {*write.ids}:
                    self._settle(write)
            self._planned -= len(queue) - len(kept)
            self._queues[side] = kept
        self._id_writes = deque(each for each in self._id_writes if not gone & {*each.ids})
        self.results.forget(gone)
        if self.tracker is not None:
            self.tracker.drop(gone)

    def waiting(self) -> list[Write]:
        """What is still to be written, but for identities."""
        return [write for queue in self._queues.values() for write in queue]

    def run(self, poll: NextPoll | None = None) -> None:
        """Write until nothing is left, the next poll is due, or the process is to stop.

        What is left waits for the next run. Each side with anything to write gets at least one
        write, however late it is: else what is done between two runs could take all the time.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        self._until = latest = poll.latest if poll else None
        self.link.ghl.reserve(poll)
        self._owed = {side for side, queue in self._queues.items() if queue}
        self._owed |= {Side.HUBSPOT} if self._id_writes else set()
        self._over.clear()
        self.link.lanes([self._lane(side) for side in Side])
        self.paused_early = self._until != latest

    @property
    def left(self) -> bool:
        """Whether anything is still to be sent, identities included."""
        return bool(self._id_writes or any(self._queues.values()))

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

    def _may_write(self, side: Side) -> bool:
        """Whether this run still sends anything to that side."""
        if self._broken or side in self._stopped or self.link.stopping():
            return False
        over = self._until is not None and self.link.clock.monotonic() >= self._until
        return not over or side in self._owed

    def _is_over(self, side: Side) -> bool:
        """Whether nothing more can come for this side."""
        with self._lock:
            if not self._may_write(side):
                return True
            if self._queues[side]:
                return False
            return side is Side.GHL or (Side.GHL in self._over and not self._id_writes)

    def _ready(self, side: Side) -> bool:
        """Whether there is something to send; marks wait for a batch of them, or nothing else."""
        with self._lock:
            if side is Side.HUBSPOT and (
                len(self._id_writes) >= CHUNK[side]
                or (Side.GHL in self._over and not self._queues[side])
            ):
                marks = [
                    self._id_writes.popleft() for _ in range(min(len(self._id_writes), CHUNK[side]))
                ]
                self._queues[side].extendleft(reversed(marks))
            return bool(self._queues[side])

    def _write(self, side: Side) -> Iterator[None]:
        """Hand the queue over to the provider, and record what it answers."""
        in_flight = InFlight()
        try:
            commands = self._commands(side, in_flight)
            for receipt in self.link.side(side).write(commands, self._preconditions):
                self._take_receipt(side, in_flight, receipt)
                yield None
        except STOPPING as error:
            self._stop(side, error)
        else:
            if not in_flight.all_taken and self._may_write(side):
                self._until = self.link.clock.monotonic()  # Also for the other side.
        # Whatever else ends a write is no answer: the intents stay, and the next cycle asks.
        self._commit(in_flight)
        self._put_back(side, in_flight)

    def _commands(self, side: Side, in_flight: InFlight) -> Iterator[WriteCommand]:
        """The orders of a side as its provider takes them; what it answered meanwhile is kept.

        HubSpot's batches are filled up even when the stage shall end;
        HighLevel takes one order at a time, and what it did not take waits.
        """
        while self._may_write(side):
            commands = self._opened(side, in_flight)
            in_flight.all_taken = not commands
            if not commands:
                break
            for command in commands:
                if side is Side.HUBSPOT or self._is_due(in_flight):
                    self._commit(in_flight)
                if side is Side.GHL and not self._may_write(side):
                    return
                yield command
        self._commit(in_flight)

    def _opened(self, side: Side, in_flight: InFlight) -> list[WriteCommand]:
        """The next orders, their contacts made and their intents committed."""
        while True:
            with self._lock:
                self._ready(side)
                writes = self._next_writes(side, in_flight)
            if not writes:
                return []
            if side is Side.GHL and not self._queues[side] and not self._expected:
                self.link.ghl.reserve(None)  # Nothing is left that a poll could come before.
            self._commit(in_flight)
            self.link.check_held()
            writes = self._without_duplicates(side, writes)
            if not self._make_contacts(side, writes):
                return []
            commands = self._open(in_flight, writes)
            if commands:
                return commands

    def _without_duplicates(self, side: Side, writes: Sequence[Write]) -> list[Write]:
        """These but for what somebody made meanwhile, which is judged anew."""
        creates = [write for write in writes if isinstance(write, Create)]
        if not creates or self._watch is None:
            return list(writes)
        with self._lock:
            queued = islice(self._queues[side], AHEAD)
            ahead = [write for write in queued if isinstance(write, Create)]
        doubted = self._watch.look(side, creates, ahead)
        for write, error in doubted:
            self._settle(write)
            self._failed("", write, error)
        left_out = {id(write) for write, _ in doubted}
        return [write for write in writes if id(write) not in left_out]

    def _watch_for_duplicates(
        self, polled_at: float, calendars: frozenset[str], matched: UnpairedRecords
    ) -> None:
        """Look before records are made whether somebody made them since the poll, see `Watch`."""
        if self._watch is None:
            if not any(isinstance(write, Create) for write in self.waiting()):
                return
            self._watch = Watch(self.link, self._lock)
        self._watch.read_at, self._watch.calendars = polled_at, calendars
        self._watch.met = {Side.GHL: matched.ghl, Side.HUBSPOT: matched.hubspot}

    def _next_writes(self, side: Side, in_flight: InFlight) -> list[Write]:
        """What goes next; a booking waits for the write that frees its spot to be answered."""
        queue, writes, later = self._queues[side], list[Write](), list[Write]()
        while queue and len(writes) < CHUNK[side]:
            write = queue.popleft()
            slots = self._slots if side is Side.GHL else None
            (later if slots is not None and slots.awaited_by(write) else writes).append(write)
        if not writes and self._slots is not None and not in_flight.unanswered:
            self._slots.clear()  # What they wait for is not written in this run.
            writes, later = later[: CHUNK[side]], later[CHUNK[side] :]
        queue.extendleft(reversed(later))
        return writes

    def _open(self, in_flight: InFlight, writes: Sequence[Write]) -> list[WriteCommand]:
        location = self.link.rules.template.location_id
        with self._lock:
            sendable = [ready for write in writes if (ready := self._prepared(write)) is not None]
            now = self.link.clock.now()
            opened: dict[str, tuple[Write, str]] = {}
            for write, contact in sendable:
                self._numbered += 1
                opened[key_of(write, self.results.cycle, self._numbered)] = (write, contact)
            with self.link.store.begin() as transaction:
                transaction.open_intents(
                    intent_of(
                        write,
                        key,
                        now,
                        contact,
                        carries=self.tracker.closed_by(write) if self.tracker else (),
                        author=self.tracker.author_of(write) if self.tracker else SYNC,
                    )
                    for key, (write, contact) in opened.items()
                )
            in_flight.unanswered |= opened
            for key, (write, _) in opened.items():
                self._preconditions.open(key, write)
        return [
            command_of(write, key, contact, location) for key, (write, contact) in opened.items()
        ]

    # --- what was answered

    def _take_receipt(self, side: Side, in_flight: InFlight, receipt: Receipt) -> None:
        write, contact = in_flight.unanswered.pop(receipt.key)
        self._preconditions.close(receipt.key)
        self._settle(write)
        match receipt:
            case Done():
                self._preconditions.wrote(write, receipt)
                in_flight.effects.append(
                    CompletedWrite(key=receipt.key, write=write, done=receipt, contact=contact)
                )
                if len(in_flight.effects) >= CHUNK[side] or (
                    side is Side.GHL and self._is_due(in_flight)
                ):
                    self._commit(in_flight)
            case Failed(error=Outdated() as late) if self._is_tried_again(write, late):
                self._put_again(side, receipt.key, write)
                return  # Still nothing was written.
            case Failed():
                self._failed(receipt.key, write, receipt.error)
            case _:
                assert_never(receipt)
        self._owed.discard(side)

    def _is_tried_again(self, write: Write, late: Outdated) -> bool:
        """Whether it is read and sent once more; nothing came of it so far."""
        self._late[write.ids] += 1
        fails = isinstance(late.cause, Unavailable)
        return self._late[write.ids] <= (1 if fails else MOST_LATE)

    def _put_again(self, side: Side, key: str, write: Write) -> None:
        """It waited too long after its records were read: it goes next, and they are read again."""
        with self._lock:
            with self.link.store.begin() as transaction:
                transaction.close_intents([key])
            self._queues[side].appendleft(write)
            if side is Side.GHL:
                self._expect(write)

    def _is_due(self, in_flight: InFlight) -> bool:
        """Whether what took effect is recorded now, rather than with what follows at once."""
        return self.link.clock.monotonic() - in_flight.committed_at >= GATHER

    def _commit(self, in_flight: InFlight) -> None:
        """Record what took effect."""
        if not in_flight.effects:
            return
        in_flight.committed_at = self.link.clock.monotonic()
        effects, in_flight.effects = in_flight.effects, []
        with self._lock:
            if self.tracker is not None:
                effects = [self.tracker.tell(each) for each in effects]
            pairs = record.record(self.link, self.results.cycle, effects, self.results.pairs)
            for effect, pair in zip(effects, pairs, strict=True):
                self._count(effect, pair)
            self._tell()
        self._marks.set()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._planned + self._expected)

    def _count(self, effect: CompletedWrite, pair: Pair) -> None:
        write = effect.write
        if isinstance(write, WriteExternalId):
            return
        self._done += 1
        self.results.add_success(effect, pair, self.link.clock.now())
        if isinstance(write, Create) and (write.side is Side.GHL or effect.done.needs_record_link):
            late = pair.open.intersection(write.follow_up_fields)
            source = write.source if write.side is Side.GHL else None
            self._id_writes.append(
                WriteExternalId(pair=pair, status=write.backfill_status, groups=late, seen=source)
            )

    # --- what did not take effect

    def _failed(self, key: str, write: Write, error: ProviderError) -> None:
        """Hold what was refused for good; remember what is to be tried again."""
        with self._lock:
            if write.counted:
                self._done += 1
            if isinstance(error, Outdated):
                error = error.cause or error
            if key and not (isinstance(error, TimedOut) and error.sent):
                with self.link.store.begin() as transaction:
                    transaction.close_intents([key])
            self.results.add_failure(write, error)
            if isinstance(error, STOPPING) and error.side == write.side.other:
                self.results.stop(error)  # What the writes rest on cannot be read.
            self._tell()

    def _stop(self, side: Side, error: ProviderError) -> None:
        """No more writes to this side; the other side's go on."""
        with self._lock:
            self._stopped[side] = error
            self.results.stop(error)
            waiting = self._queues[side]
            for write in (*waiting, *(self._id_writes if side is Side.HUBSPOT else ())):
                self.results.add_deferred(write, error)
            waiting.clear()
            if side is Side.HUBSPOT:
                self._id_writes.clear()

    def _put_back(self, side: Side, in_flight: InFlight) -> None:
        """What got no receipt was not sent: it waits for the next run, or the next cycle."""
        if not in_flight.unanswered:
            return
        with self._lock:
            with self.link.store.begin() as transaction:
                transaction.close_intents(list(in_flight.unanswered))
            for key in in_flight.unanswered:
                self._preconditions.close(key)
            writes = [write for write, _ in in_flight.unanswered.values()]
            if side not in self._stopped and not self._may_write(side):
                self._queues[side].extendleft(reversed(writes))
                return
            error = self._stopped.get(side) or _not_sent()
            for write in writes:
                self.results.add_deferred(write, error)

    # --- contacts

    def _make_contacts(self, side: Side, writes: Sequence[Write]) -> bool:
        """Make the contacts that these writes need first; false when nothing more can be sent."""
        wanted = [new for write in writes if (new := write.new_contact) is not None]
        if not wanted:
            return True
        if self._contacts is None:
            carried = self.tracker.contact_made if self.tracker else None
            self._contacts = ContactMaker(self.link, self._lock, self.results, carried)
        try:
            self._contacts.make(side, wanted)
        except STOPPING as error:
            for write in writes:
                self.results.add_deferred(write, error)
            self._stop(side, error)
            return False
        return True

    def _prepared(self, write: Write) -> tuple[Write, str] | None:
        """The write with the contact that it is for."""
        if isinstance(write, Create) and isinstance(write.contact, Known):
            return (write, write.contact.id)
        new = write.new_contact
        if new is None or self._contacts is None:
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


def apply(planned: Planned, results: WriteResults) -> WriteExecutor:
    """Write what was planned; what is left when it is time to poll again waits in the executor.

    Raises:
        LinkLocked: another syncd holds the link.
        StoreError: our own store failed.
    """
    context = planned.observation.turn.polled.context
    decisions = context.decisions
    tracker = DecisionTracker(decisions) if decisions != PendingDecisions() else None
    executor = WriteExecutor(context.link, results, context.request.progress, tracker)
    if not context.request.dry_run:
        executor.apply(planned)
    return executor


def _not_sent() -> Transient:
    return Transient("it was not sent; the next cycle tries again")
