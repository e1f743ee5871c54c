"""Apply: carry a plan out, most urgent first, every write behind its intent.

`cycle` calls `apply`. Writes go in chunks: HubSpot takes batches, HighLevel a
few at once. For each chunk the intents are committed, then the requests are
sent, then `record` commits what came back. A refused or failed write never
stops the others; only what no write can survive (credentials, a vendor that
is gone, a spent budget, a lost lease) ends the stage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import assert_never

from syncd.core import actions
from syncd.core.actions import Create, Hold, Remark, Remove, Update
from syncd.core.contacts import Known, ToMake
from syncd.core.essence import is_empty, value, with_groups, with_value
from syncd.core.guards import Plan, urgency
from syncd.core.model import Appointment, ContactPair, Group, Pair, Side
from syncd.engine import record, report
from syncd.engine.contacts import ContactMaker
from syncd.engine.intents import Recoverable, intent_of
from syncd.engine.link import Link
from syncd.engine.record import Effect
from syncd.engine.report import CycleReport, FailedWrite
from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    Permanent,
    ProviderError,
    Rejected,
    TimedOut,
    Transient,
    Unavailable,
)
from syncd.ports.provider import Done, Failed, Mark, Order, OrderKind

CHUNK = {Side.GHL: 20, Side.HUBSPOT: 100}
"""How many writes share a commit of intents; HubSpot's is its largest batch."""

STOPPING = (AuthFailed, DailyBudgetSpent, Unavailable)
"""What ends the stage for a side: no further write can succeed."""


@dataclass(slots=True, kw_only=True)
class Applied:
    """What came of a plan's writes."""

    report: CycleReport
    pairs: dict[int, Pair] = field(default_factory=dict)
    """The newest state of every pair that was touched, by key."""
    holds: list[Hold] = field(default_factory=list)
    again: list[tuple[Side, str]] = field(default_factory=list)
    """Records that the next cycle has to look at whatever the scans say."""
    stopped: ProviderError | None = None
    interrupted: bool = False


def apply(
    link: Link, plan: Plan, report_: CycleReport, progress: Callable[[int, int], None] | None = None
) -> Applied:
    """Carry out a plan; gives what came of it. Raises only for our own store and lease."""
    return _Stage(link, plan, report_, progress).run()


class _Stage:
    """The writes that are still to be sent, and what came of the others."""

    def __init__(
        self,
        link: Link,
        plan: Plan,
        report_: CycleReport,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.link = link
        self.applied = Applied(report=report_)
        self.cycle = report_.cycle
        self.queues: dict[Side, deque[Recoverable]] = {Side.GHL: deque(), Side.HUBSPOT: deque()}
        self.adopted: dict[tuple[str, str], Pair] = {}
        self.contacts = ContactMaker(link)
        self.remarks: deque[Remark] = deque()
        self.plan = plan
        self.sent = 0
        self.progress = progress

    def run(self) -> Applied:
        """Agree first, then write, then mark."""
        self._agree()
        marking = {
            write.pair.key or id(write.pair)
            for write in self.plan.writes
            if isinstance(write, Update) and write.side is Side.HUBSPOT
        }
        for write in self.plan.writes:
            self.queues[write.side].append(self._current(write))
        for remark in self.plan.remarks:
            if (remark.pair.key or id(remark.pair)) not in marking:
                self.remarks.append(replace(remark, pair=self._agreed(remark.pair)))
        total = sum(len(queue) for queue in self.queues.values())
        while (side := self._next_side()) is not None:
            if self.link.stopping():
                self.applied.interrupted = True
                break
            self._chunk(side)
            if self.progress is not None:
                self.progress(self.sent, total)
        return self.applied

    def _next_side(self) -> Side | None:
        """The side to write to next; marks wait until there is a batch of them, or nothing else."""
        if len(self.remarks) >= CHUNK[Side.HUBSPOT] or not any(self.queues.values()):
            self.queues[Side.HUBSPOT].extendleft(
                self.remarks.popleft() for _ in range(min(len(self.remarks), CHUNK[Side.HUBSPOT]))
            )
        ready = [side for side in Side if self.queues[side]]
        if not ready:
            return None
        # What starts soonest goes first; HubSpot where that is equal, because one request
        # carries a hundred of its writes.
        return min(ready, key=lambda side: (self._urgency(side), side is Side.GHL))

    def _urgency(self, side: Side) -> tuple[int, float]:
        head = self.queues[side][0]
        if isinstance(head, Remark):
            return (3, 0.0)  # after every write of appointments
        return urgency(head, self.link.clock.now())

    # --- agreements without a write

    def _agree(self) -> None:
        """Commit what needs no write: new pairs, and agreements on what is there."""
        rebases = self.plan.rebases
        if not rebases:
            return
        self.link.check_held()
        with self.link.store.begin() as transaction:
            saved = transaction.save_pairs([rebase.pair for rebase in rebases])
            transaction.add_history(
                record.adoption(pair, self.cycle, self.link.clock.now())
                for rebase, pair in zip(rebases, saved, strict=True)
                if not rebase.pair.key
            )
            transaction.save_contacts(
                ContactPair(ghl_id=pair.ghl.contact, hubspot_id=pair.hubspot.contact)
                for rebase, pair in zip(rebases, saved, strict=True)
                if not rebase.pair.key and pair.ghl.contact and pair.hubspot.contact
            )
        self.adopted = {
            (pair.ghl_id, pair.hubspot_id): pair
            for rebase, pair in zip(rebases, saved, strict=True)
        }
        self.applied.report.adopted = sum(1 for rebase in rebases if not rebase.pair.key)
        for pair in saved:
            self.applied.pairs[pair.key] = pair

    def _current(self, write: Recoverable) -> Recoverable:
        """The write with the key that its pair got when it was adopted."""
        if isinstance(write, Create):
            return write
        return replace(write, pair=self._agreed(write.pair))

    def _agreed(self, pair: Pair) -> Pair:
        return pair if pair.key else self.adopted[pair.ghl_id, pair.hubspot_id]

    # --- one chunk

    def _chunk(self, side: Side) -> None:
        """Intents, requests, record; what cannot be sent now is failed or held."""
        queue = self.queues[side]
        writes = [queue.popleft() for _ in range(min(len(queue), CHUNK[side]))]
        self.link.check_held()
        if not self._make_contacts(side, writes):
            return
        sendable = [ready for write in writes if (ready := self._prepared(write)) is not None]
        orders: dict[str, tuple[Recoverable, str]] = {}
        for number, (write, contact) in enumerate(sendable):
            orders[self._key(write, number)] = (write, contact)
        with self.link.store.begin() as transaction:
            now = self.link.clock.now()
            transaction.open_intents(
                intent_of(write, key, now, contact) for key, (write, contact) in orders.items()
            )
        self._send(side, orders)

    def _send(self, side: Side, orders: dict[str, tuple[Recoverable, str]]) -> None:
        unanswered = dict(orders)
        effects: list[Effect] = []
        try:
            for receipt in self.link.side(side).write(
                [self._order(key, write, contact) for key, (write, contact) in orders.items()]
            ):
                write, contact = unanswered.pop(receipt.key)
                match receipt:
                    case Done():
                        effects.append(
                            Effect(key=receipt.key, write=write, done=receipt, contact=contact)
                        )
                        if side is Side.GHL:
                            effects = self._commit(effects)
                    case Failed():
                        self._failed(receipt.key, write, receipt.error)
                    case _:
                        assert_never(receipt)
        except STOPPING as error:
            self._stop(side, error)
        # Whatever else ends a write is no answer: the intents stay, and the next cycle asks.
        self._commit(effects)
        self._unsent(unanswered)

    def _commit(self, effects: list[Effect]) -> list[Effect]:
        """Record what took effect; gives back the empty list to go on with."""
        if not effects:
            return []
        pairs = record.record(self.link, self.cycle, effects, self.applied.pairs)
        for effect, pair in zip(effects, pairs, strict=True):
            self._count(effect, pair)
        return []

    def _count(self, effect: Effect, pair: Pair) -> None:
        write = effect.write
        if isinstance(write, Remark):
            return
        self.sent += 1
        taken = not isinstance(write, Update) or len(effect.done.refused) < len(write.changes)
        if taken:
            self.applied.report.count(write.side, report.action_of(write))
            done = replace(report.described(write), delay=self._delay(write))
            self.applied.report.written.append(done)
        for refusal in effect.done.refused:
            self.applied.holds.append(
                Hold(
                    reason=refusal.reason,
                    detail=refusal.detail,
                    ghl_id=pair.ghl_id,
                    hubspot_id=pair.hubspot_id,
                    group=refusal.group,
                    starts_at=pair.ghl.start,
                )
            )
            self._again(write)
        if isinstance(write, Create) and (write.side is Side.GHL or effect.done.unlinked):
            late = pair.open.intersection(write.late)
            self.remarks.append(Remark(pair=pair, status=write.fill, groups=late))

    def _delay(self, write: Create | Update | Remove) -> float | None:
        """Seconds from the change to now; clocks that disagree make it 0, never less."""
        changed = actions.changed_at(write)
        return max(0.0, (self.link.clock.now() - changed).total_seconds()) if changed else None

    # --- what did not take effect

    def _failed(self, key: str, write: Recoverable, error: ProviderError) -> None:
        """Hold what was refused for good; remember what is to be tried again."""
        self.sent += 1
        ghl_id, hubspot_id = _ids(write)
        self._again(write)
        if not (isinstance(error, TimedOut) and error.sent):
            with self.link.store.begin() as transaction:
                transaction.close_intents([key])
        if isinstance(error, Permanent):
            reason = error.reason if isinstance(error, Rejected) else "rejected"
            self.applied.holds.append(
                Hold(
                    reason=reason,
                    detail=str(error),
                    ghl_id=ghl_id,
                    hubspot_id=hubspot_id,
                    fingerprint=fingerprint_of(write),
                    starts_at=None if isinstance(write, Remark) else actions.starts_at(write),
                )
            )
            return
        self.applied.report.failed.append(
            FailedWrite(
                ghl_id=ghl_id,
                hubspot_id=hubspot_id,
                side=_side(write),
                action="update" if isinstance(write, Remark) else report.action_of(write),
                detail=str(error),
            )
        )

    def _again(self, write: Recoverable) -> None:
        ghl_id, hubspot_id = _ids(write)
        self.applied.again += [
            (side, record_id)
            for side, record_id in ((Side.GHL, ghl_id), (Side.HUBSPOT, hubspot_id))
            if record_id
        ]

    def _stop(self, side: Side, error: ProviderError) -> None:
        """No more writes to this side; the other side's go on."""
        self.applied.stopped = error
        waiting = self.queues[side]
        for write in (*waiting, *(self.remarks if side is Side.HUBSPOT else ())):
            self._put_off(write, error)
        waiting.clear()
        if side is Side.HUBSPOT:
            self.remarks.clear()

    def _unsent(self, unanswered: dict[str, tuple[Recoverable, str]]) -> None:
        """What got no receipt was not sent."""
        if not unanswered:
            return
        with self.link.store.begin() as transaction:
            transaction.close_intents(list(unanswered))
        error = self.applied.stopped or Transient("it was not sent; the next cycle tries again")
        for write, _ in unanswered.values():
            self._put_off(write, error)

    def _put_off(self, write: Recoverable, error: ProviderError) -> None:
        if isinstance(write, Remark):
            self._again(write)
            return
        self._again(write)
        ghl_id, hubspot_id = _ids(write)
        self.applied.report.failed.append(
            FailedWrite(
                ghl_id=ghl_id,
                hubspot_id=hubspot_id,
                side=write.side,
                action=report.action_of(write),
                detail=str(error),
            )
        )

    # --- from actions to orders

    def _make_contacts(self, side: Side, writes: Sequence[Recoverable]) -> bool:
        """Make the contacts that these writes need first; false when nothing more can be sent."""
        wanted = {_source_contact(w): made.contact for w in writes if (made := _to_make(w))}
        try:
            self.contacts.make(side, wanted)
        except STOPPING as error:
            for write in writes:
                self._put_off(write, error)
            self._stop(side, error)
            return False
        return True

    def _prepared(self, write: Recoverable) -> tuple[Recoverable, str] | None:
        """The write with the contact that it is for."""
        if isinstance(write, Create) and isinstance(write.contact, Known):
            return (write, write.contact.id)
        if _to_make(write) is None:
            return (write, "")
        made = self.contacts.made(_side(write), _source_contact(write))
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

    def _order(self, key: str, write: Recoverable, contact: str) -> Order:
        location = self.link.rules.template.location_id
        match write:
            case Create():
                return Order(
                    key=key,
                    kind=OrderKind.CREATE,
                    wanted=replace(write.wanted, contact=contact),
                    groups=_filled(write.wanted),
                    mark=Mark(ghl_id=write.source.id, location_id=location)
                    if write.side is Side.HUBSPOT
                    else None,
                    calendar=write.calendar,
                    validate_slot=write.validate_slot,
                    notify=write.notify,
                )
            case Update():
                return _update_order(key, write, location)
            case Remove() if write.cancel_as:
                return Order(
                    key=key,
                    kind=OrderKind.UPDATE,
                    id=write.seen.id,
                    wanted=Appointment(status=write.cancel_as),
                    groups=frozenset({Group.STATUS}),
                    seen=write.seen,
                    notify=write.notify,
                )
            case Remove():
                return Order(
                    key=key,
                    kind=OrderKind.REMOVE,
                    id=write.seen.id,
                    seen=write.seen,
                    notify=write.notify,
                )
            case Remark():
                return Order(
                    key=key,
                    kind=OrderKind.UPDATE,
                    id=write.pair.hubspot_id,
                    wanted=with_groups(
                        Appointment(status=write.status), write.pair.ghl, write.groups
                    ),
                    groups=write.groups | ({Group.STATUS} if write.status else set()),
                    mark=Mark(ghl_id=write.pair.ghl_id, location_id=location),
                )
            case _:
                assert_never(write)

    def _key(self, write: Recoverable, number: int) -> str:
        """A key that names this write and no other: the pair's version is part of it."""
        version = 0 if isinstance(write, Create) else write.pair.version
        parts = (self.cycle, str(self.sent), str(number), *_ids(write), str(version))
        return blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


def _update_order(key: str, write: Update, location: str) -> Order:
    wanted = Appointment()
    for change in write.changes:
        wanted = with_value(wanted, change.group, change.after)
    mark = None
    if write.side is Side.HUBSPOT and not write.pair.marked and not write.pair.unmarkable:
        mark = Mark(ghl_id=write.pair.ghl_id, location_id=location)
    return Order(
        key=key,
        kind=OrderKind.UPDATE,
        id=write.seen.id,
        wanted=wanted,
        groups=frozenset(change.group for change in write.changes),
        seen=write.seen,
        mark=mark,
        validate_slot=write.validate_slot,
        notify=write.notify,
    )


def _filled(wanted: Appointment) -> frozenset[str]:
    names: Iterator[str] = iter((*Group, *(f"x:{name}" for name, _ in wanted.extras)))
    return frozenset(name for name in names if not is_empty(value(wanted, name)))


def _ids(write: Recoverable) -> tuple[str, str]:
    if isinstance(write, Remark):
        return write.pair.ghl_id, write.pair.hubspot_id
    return report.ids_of(write)


def _to_make(write: Recoverable) -> ToMake | None:
    """The contact that has to be made before the write can be sent."""
    wanted = write.contact if isinstance(write, Create | Update) else None
    return wanted if isinstance(wanted, ToMake) else None


def _source_contact(write: Recoverable) -> str:
    """The id across of the contact that a write is for."""
    if isinstance(write, Create):
        return write.source.appointment.contact
    if isinstance(write, Update):
        for change in write.changes:
            if change.group == Group.CONTACT:
                return str(change.source)
    return ""


def _side(write: Recoverable) -> Side:
    return Side.HUBSPOT if isinstance(write, Remark) else write.side


def fingerprint_of(write: Recoverable) -> str:
    """What a write wants, as a short digest: another wish is tried at once."""
    if isinstance(write, Remark):
        return ""
    said = report.described(write)
    parts = [said.action, said.side.value, *(f"{k}={v[1]}" for k, v in sorted(said.fields.items()))]
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
