"""Apply: send the planned writes, most urgent first, each after its intent.

`cycle` and `rounds` call `apply`, and a `WriteExecutor` sends what stands in
its `WriteQueue`. Both sides are written at the same time, each in a lane of
its own that hands commands to the provider as fast as it takes them: HubSpot
gathers batches, HighLevel keeps its threads busy. Intents are committed before
their requests are sent, and `record` commits the receipts. A refused or failed
write never stops the others; only an error after which no write can succeed
(credentials, an unreachable vendor, a used-up quota) ends a side, and a lost
lease or store ends everything.

The lanes share the store and everything below; both are used under one lock,
which is never held during a request to a vendor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from threading import RLock
from typing import assert_never

from syncd.core.actions import Create, Update, Write, WriteExternalId
from syncd.core.contacts import Known
from syncd.core.guards import Plan
from syncd.core.model import Pair, Side
from syncd.core.observe import UnpairedRecords
from syncd.engine.apply.contact_creation import ContactMaker, with_contact
from syncd.engine.apply.preconditions import Preconditions
from syncd.engine.apply.queue import CHUNK, InFlight, WriteQueue
from syncd.engine.apply.results import WriteResults
from syncd.engine.apply.run import (
    HEED_EVERY,
    LATE,
    LEAST_PAUSE,
    MOST_PASSED_OVER,
    POLL_REQUESTS,
    Run,
)
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.decisions.tracker import DecisionTracker
from syncd.engine.link import Link
from syncd.engine.observe.duplicate_check import Watch
from syncd.engine.plan.planning import Planned
from syncd.engine.record import record
from syncd.engine.record.record import CompletedWrite
from syncd.engine.workers import Lane
from syncd.engine.writes import command_of, intent_of, key_of
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
from syncd.ports.store import BY_RULE

AHEAD = 100
"""How many further creations one search for duplicates serves."""

MOST_LATE = 10
"""How often in a cycle a write may be too late after its records were read, because of the rate
limit or of a pause that the vendor asked for; where the vendor fails, once."""

REQUESTS_OF_A_WRITE = 3
"""Requests that a write to HighLevel takes: its record read, perhaps free slots, the write."""

STOPPING = (AuthFailed, DailyBudgetSpent, Unavailable)
"""The errors that end a side: no further write can succeed."""


class WriteExecutor:
    """Sends the writes of one cycle, and collects their results."""

    def __init__(
        self,
        link: Link,
        results: WriteResults,
        progress: Callable[[int, int], None] | None = None,
        tracker: DecisionTracker | None = None,
    ) -> None:
        """`tracker` says which decisions the writes carry out; None where there are none."""
        self.link, self.tracker, self.results = link, tracker, results
        self._progress = progress
        self._done = self._planned = 0
        self._expected = 0
        """Writes that may still be planned in this cycle, for the progress."""
        self._lock = RLock()
        self._queue = WriteQueue()
        self._run = Run()
        self._adopted: dict[tuple[str, str], Pair] = {}
        """Pairs that were adopted in this cycle, by their ids."""
        self._contacts: ContactMaker | None = None
        self._watch: Watch | None = None
        self._preconditions = Preconditions(link, lambda side: not self._may_write(side))
        self._late = Counter[tuple[str, str]]()
        self._stopped: dict[Side, ProviderError] = {}
        self._numbered = 0
        self._called: Callable[[], bool] | None = None
        """Whether anything was announced since the cycle looked last; None where none asks."""
        self._heeds_from = float("-inf")
        self._passed_over = 0
        """Runs in a row after which a side had written nothing."""
        self._spare = 0
        self._writing_since: float | None = None
        """When the first write after the last poll could be sent (monotonic)."""

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
        once = context.plans_once or turn.guarded or plan.guarded or context.request.targeted
        self._called = None if once else context.request.called
        self._spare = 0 if once else context.request.spare
        requests = len(calendars) + POLL_REQUESTS
        self.run(None if once else self.next_poll(turn.polled.polled_at, requests))

    @property
    def unfinished(self) -> bool:
        """Whether anything is left to be written, judged anew or planned."""
        return self.left or bool(self._expected or self.results.stale)

    @property
    def called(self) -> bool:
        """Whether to pause for what vendors announced; any thread may ask."""
        if self._called is None or self.link.clock.monotonic() < self._heeds_from:
            return False
        return self._called()

    def heed(self) -> None:
        """What was announced has been taken up: now some writes go out first."""
        self._heeds_from = self.link.clock.monotonic() + HEED_EVERY

    @property
    def paused_early(self) -> bool:
        """Whether the last run paused for a poll before the poll's latest moment."""
        return self._run.paused

    def enqueue(self, plan: Plan, fresh: Collection[str] = (), expected: int = 0) -> None:
        """Agree on what needs no write, and put the plan's writes in line.

        `fresh` are the ids of records that people changed since the cycle began,
        `expected` is how many writes may still be planned.
        """
        self._expected = expected
        if plan.rebases:
            self.link.check_held()
            agreed = record.agree(self.link, self.results.cycle, plan.rebases)
            self._adopted |= {(pair.ghl_id, pair.hubspot_id): pair for pair in agreed}
            self.results.add_pairs({pair.key: pair for pair in agreed})
        # An update of a HubSpot record writes its external id as well.
        with_external_id = {
            write.ids
            for write in plan.writes
            if isinstance(write, Update) and write.side is Side.HUBSPOT
        }
        if self.tracker is not None:
            for write in plan.writes:
                self.tracker.take(write)
        self._queue.add(map(self._current, plan.writes), fresh, self.link.clock.now())
        for side, error in self._stopped.items():
            self._stop(side, error)
        for each in plan.id_writes:
            if each.ids not in with_external_id:
                write = replace(each, pair=self._agreed(each.pair))
                self._queue.add_external_id(write, self.link.clock.monotonic())
        self._planned += len(plan.writes)
        if self._writing_since is None:
            self._writing_since = self.link.clock.monotonic()

    def _current(self, write: Write) -> Write:
        """The write with the key that its pair got with the adoption."""
        if isinstance(write, Create) or write.pair.key:
            return write
        return replace(write, pair=self._agreed(write.pair))

    def _agreed(self, pair: Pair) -> Pair:
        """The pair with its key."""
        return pair if pair.key else self._adopted[pair.ghl_id, pair.hubspot_id]

    def restart(self) -> None:
        """Both sides were polled again: the time for writing starts again."""
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

    def drop(self, ids: Collection[str]) -> None:
        """Forget what is to be written, failed or was held of these: they are planned anew."""
        self._planned -= self._queue.drop(ids)
        self.results.forget(set(ids))
        if self.tracker is not None:
            self.tracker.drop(ids)

    def waiting(self) -> list[Write]:
        """What is still to be written, without external ids."""
        return self._queue.waiting()

    def run(self, poll: NextPoll | None = None) -> None:
        """Write until nothing is left, the next poll is due, or the process is to stop.

        What is left waits for the next run. Each side with anything to write gets at least one
        write, however late it is: else what is done between two runs could take all the time.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        # What people changed goes out first, and may use what is kept for it.
        urgent = REQUESTS_OF_A_WRITE * self._queue.count_urgent(Side.GHL) if self._spare else 0
        self.link.ghl.reserve(poll, spare=max(0, self._spare - urgent))
        sides = {side for side in Side if self._queue.has_writes(side)}
        sides |= {Side.HUBSPOT} if self._queue.has_external_ids else set()
        self._passed_over = self._passed_over + 1 if self._run.not_written else 0
        self._run = Run(until=poll.latest if poll else None, not_written=sides)
        self.link.lanes([self._lane(side) for side in Side])

    def mark_bookings(self) -> None:
        """Write the ids that still wait, at the end of a cycle that was cut short.

        Where the store is lost, nothing else ties such a booking to its HubSpot record. Once the
        process stops, the client sends requests for two more seconds only.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: our own store failed.
        """
        aside = self._queue.set_aside()
        if self._queue.has_external_ids:
            self._run = Run(ended={Side.GHL}, closing=True)
            self.link.lanes([self._lane(Side.HUBSPOT)])
        for side, writes in aside.items():
            self._queue.give_back(side, writes)

    @property
    def left(self) -> bool:
        """Whether anything is still to be sent, external ids included."""
        return bool(self._queue)

    # --- one side's lane

    def _lane(self, side: Side) -> Lane:
        """Everything that is written to a side; a step is a receipt, or a wait for more."""
        run = self._run
        try:
            while True:
                if side is Side.HUBSPOT:
                    run.changed.clear()  # First, so that no change is missed.
                if self._is_over(side):
                    return
                if self._prepare(side):
                    yield from self._write(side)
                else:
                    yield run.changed
        except BaseException:
            run.failed = True
            raise
        finally:
            with self._lock:
                run.ended.add(side)
            run.changed.set()

    def _may_write(self, side: Side) -> bool:
        """Whether this run still sends anything to that side."""
        run = self._run
        if run.failed or side in self._stopped:
            return False
        if run.closing or self.link.stopping():
            return run.closing
        over = run.until is not None and self.link.clock.monotonic() >= run.until
        if side in run.not_written and (over or self._passed_over >= MOST_PASSED_OVER):
            return True
        return not (over or self.called)

    def _is_over(self, side: Side) -> bool:
        """Whether nothing more can come for this side."""
        with self._lock:
            if not self._may_write(side):
                return True
            if self._queue.has_writes(side):
                return False
            ghl_ended = Side.GHL in self._run.ended
            return side is Side.GHL or (ghl_ended and not self._queue.has_external_ids)

    def _prepare(self, side: Side) -> bool:
        """Have external ids join the queue in batches; gives whether there is anything to send."""
        with self._lock:
            if side is Side.HUBSPOT:
                now = self.link.clock.monotonic()
                self._queue.release_external_ids(now, alone=Side.GHL in self._run.ended)
            return self._queue.has_writes(side)

    def _write(self, side: Side) -> Iterator[None]:
        """Hand the queue to the provider, and record its receipts."""
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
                # The provider pauses for the poll, and so does the other side.
                self._run.until, self._run.paused = self.link.clock.monotonic(), True
        # Any other error is no receipt: the intents stay, and the next cycle looks for the effect.
        self._commit(in_flight)
        self._put_back(side, in_flight)

    def _commands(self, side: Side, in_flight: InFlight) -> Iterator[WriteCommand]:
        """The commands of a side as its provider takes them; receipts are committed in between.

        HubSpot's batches are filled even at the end of a run; HighLevel takes
        one command at a time, and those that it did not take wait.
        """
        while self._may_write(side):
            commands = self._opened(side, in_flight)
            in_flight.all_taken = not commands
            if not commands:
                break
            for command in commands:
                if side is Side.HUBSPOT or in_flight.is_due(self.link.clock.monotonic()):
                    self._commit(in_flight)
                if side is Side.GHL and not self._may_write(side):
                    return
                yield command
        self._commit(in_flight)

    def _opened(self, side: Side, in_flight: InFlight) -> list[WriteCommand]:
        """The next commands, their contacts created and their intents committed."""
        while True:
            with self._lock:
                self._prepare(side)
                writes = self._queue.take(side, none_in_flight=not in_flight.unanswered)
            if not writes:
                return []
            more = self._queue.has_writes(side) or self._expected
            if side is Side.GHL and not more:
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
        """These without records that somebody created meanwhile, which are planned anew."""
        creates = [write for write in writes if isinstance(write, Create)]
        if not creates or self._watch is None:
            return list(writes)
        with self._lock:
            queued = self._queue.waiting(side)[:AHEAD]
            ahead = [write for write in queued if isinstance(write, Create)]
        doubted = self._watch.look(side, creates, ahead)
        for write, error in doubted:
            self._queue.settle(write)
            self._failed("", write, error)
        left_out = {id(write) for write, _ in doubted}
        return [write for write in writes if id(write) not in left_out]

    def _watch_for_duplicates(
        self, polled_at: float, calendars: frozenset[str], matched: UnpairedRecords
    ) -> None:
        """Have creations checked for records that somebody created since the poll, see `Watch`."""
        if self._watch is None:
            if not any(isinstance(write, Create) for write in self.waiting()):
                return
            self._watch = Watch(self.link, self._lock)
        self._watch.read_at, self._watch.calendars = polled_at, calendars
        self._watch.met = {Side.GHL: matched.ghl, Side.HUBSPOT: matched.hubspot}

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
                        author=self.tracker.author_of(write) if self.tracker else BY_RULE,
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
        self._queue.settle(write)
        match receipt:
            case Done():
                self._preconditions.wrote(write, receipt)
                in_flight.completed.append(
                    CompletedWrite(key=receipt.key, write=write, done=receipt, contact=contact)
                )
                if len(in_flight.completed) >= CHUNK[side] or (
                    side is Side.GHL and in_flight.is_due(self.link.clock.monotonic())
                ):
                    self._commit(in_flight)
            case Failed(error=Outdated() as late) if self._retry_late(write, late):
                self._put_again(side, receipt.key, write)
                return  # Nothing was written yet.
            case Failed():
                self._failed(receipt.key, write, receipt.error)
            case _:
                assert_never(receipt)
        self._run.not_written.discard(side)

    def _retry_late(self, write: Write, late: Outdated) -> bool:
        """Count that it was too late; gives whether to send it once more."""
        self._late[write.ids] += 1
        fails = isinstance(late.cause, Unavailable)
        return self._late[write.ids] <= (1 if fails else MOST_LATE)

    def _put_again(self, side: Side, key: str, write: Write) -> None:
        """Send it next: its records were read too long ago, and are read again."""
        with self._lock:
            with self.link.store.begin() as transaction:
                transaction.close_intents([key])
            self._queue.give_back(side, [write])

    def _commit(self, in_flight: InFlight) -> None:
        """Record the completed writes."""
        if not in_flight.completed:
            return
        in_flight.committed_at = self.link.clock.monotonic()
        completed, in_flight.completed = in_flight.completed, []
        with self._lock:
            if self.tracker is not None:
                completed = [self.tracker.tell(each) for each in completed]
            pairs = record.record(self.link, self.results.cycle, completed, self.results.pairs)
            for each, pair in zip(completed, pairs, strict=True):
                self._count(each, pair)
            self._tell()
        self._run.changed.set()

    def _tell(self) -> None:
        """Report the progress."""
        if self._progress is not None:
            self._progress(self._done, self._planned + self._expected)

    def _count(self, completed: CompletedWrite, pair: Pair) -> None:
        write = completed.write
        if isinstance(write, WriteExternalId):
            return
        self._done += 1
        self.results.add_success(completed, pair, self.link.clock.now())
        if isinstance(write, Create) and (
            write.side is Side.GHL or completed.done.needs_record_link
        ):
            late = pair.open.intersection(write.follow_up_fields)
            source = write.source if write.side is Side.GHL else None
            self._queue.add_external_id(
                WriteExternalId(pair=pair, status=write.backfill_status, groups=late, seen=source),
                self.link.clock.monotonic(),
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
                self.results.stop(error)  # The sources of the writes cannot be read.
            self._tell()

    def _stop(self, side: Side, error: ProviderError) -> None:
        """Defer all writes to this side; the other side goes on."""
        with self._lock:
            self._stopped[side] = error
            self.results.stop(error)
            for write in self._queue.clear(side):
                self.results.add_deferred(write, error)

    def _put_back(self, side: Side, in_flight: InFlight) -> None:
        """Writes without a receipt were not sent: they wait for the next run, or the next cycle."""
        if not in_flight.unanswered:
            return
        with self._lock:
            with self.link.store.begin() as transaction:
                transaction.close_intents(list(in_flight.unanswered))
            for key in in_flight.unanswered:
                self._preconditions.close(key)
            writes = [write for write, _ in in_flight.unanswered.values()]
            if side not in self._stopped and not self._may_write(side):
                self._queue.give_back(side, writes)
                return
            error = self._stopped.get(side) or _not_sent()
            for write in writes:
                self.results.add_deferred(write, error)

    # --- contacts

    def _make_contacts(self, side: Side, writes: Sequence[Write]) -> bool:
        """Create the contacts that these writes need; false where nothing more can be sent."""
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
        """The write with its contact; None where that could not be created."""
        if isinstance(write, Create) and isinstance(write.contact, Known):
            return (write, write.contact.id)
        new = write.new_contact
        if new is None or self._contacts is None:
            return (write, "")
        made = self._contacts.made(new.side, new.source)
        if isinstance(made, ProviderError):
            self._failed("", write, made)
            return None
        return (with_contact(write, made), made)


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
