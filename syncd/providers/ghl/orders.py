"""Carries out writes: creates, updates, deletes, several at once.

`provider.write` calls `carry_out`. Before it changes a record it reads it
again, and has the engine read what else the order rests on: what somebody
changed since the plan was made is never overwritten, and the status is re-sent
as it is now, because a PUT without it was seen to reset it. Leaves out when to
write, and in which order: the engine's work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from itertools import islice
from threading import Lock

from syncd.core import standing
from syncd.core.essence import with_groups
from syncd.core.model import Appointment, Group, GroupKey, Missing, Side, Snapshot
from syncd.errors import (
    NotFound,
    Outdated,
    ProviderError,
    Rejected,
    Stale,
    TimedOut,
    Transient,
    Unavailable,
)
from syncd.ports.provider import (
    FIRM,
    Done,
    Failed,
    Ground,
    Order,
    OrderKind,
    Receipt,
    Refusal,
)
from syncd.providers.ghl import events, mapping, protocol, wire
from syncd.providers.ghl.echoes import WRITTEN, Echoes
from syncd.providers.ghl.line import FATAL, Line
from syncd.providers.ghl.mapping import Place
from syncd.providers.ghl.moments import stamp
from syncd.providers.ghl.reopening import has_room
from syncd.providers.ghl.slots import SlotBook, Wish
from syncd.providers.retry import PATIENCE

NAP = 0.02
"""Seconds between two looks whether there is room in the rate budget."""

SOON = 0.1
"""Seconds before a place is free in which an order is given to a thread that waits for it.

Nothing can overtake it there, but the place is used at once, whatever else is done meanwhile.
"""

SERVER_ERROR = 500

UNREACHABLE = 3
"""After so many orders in a row without an answer, the vendor is taken to be down."""


def carry_out(
    works: Works,
    orders: Iterable[Order],
    goes_on: Callable[[], bool],
    spare: Callable[[], int] = lambda: 0,
) -> Iterator[Receipt]:
    """One receipt for each order, as they come; orders are taken as there is room for them.

    What was taken and had to wait for the rate budget could neither be taken
    back nor overtaken, so the wait comes first. Closing the iterator lets
    those in flight end and sends no more.

    Raises:
        AuthFailed, DailyBudgetSpent, Unavailable: nothing further can
            succeed; orders without a receipt were not sent.
    """
    line, waiting = works.line, iter(orders)
    in_flight: dict[Future[Receipt | None], Order] = {}
    try:
        while True:
            over = works.fatal is not None or not goes_on()
            promised = sum(map(works.promised, in_flight.values()))
            room = works.room(len(in_flight), promised + spare())
            for order in islice(waiting, 0 if over else room):
                in_flight[line.pool.submit(works.attempt, order)] = order
            if not in_flight:
                if over or room:
                    break
                line.clock.sleep(NAP)
                continue
            # A place may become free before anything is answered.
            done, _ = wait(in_flight, NAP, return_when=FIRST_COMPLETED)
            for future in done:
                del in_flight[future]
                receipt = future.result()
                if receipt is not None:
                    yield receipt
    finally:
        for future in in_flight:
            future.cancel()
        wait(in_flight)
    if works.fatal is not None:
        raise works.fatal


class Works:
    """One batch of writes."""

    def __init__(
        self,
        line: Line,
        place: Place,
        slots: SlotBook,
        echoes: Echoes,
        ground: Ground = FIRM,
    ) -> None:
        self.line = line
        self._ground = ground
        self._place = place
        self._slots = slots
        self._echoes = echoes
        self._lock = Lock()
        self._places = Counter[str]()
        """How many places of the rate budget each order has taken."""
        self._silent_in_row = 0
        self.fatal: ProviderError | None = None

    def room(self, in_flight: int, spare: int = 0) -> int:
        """How many more orders can be sent now, `spare` places of the rate budget left alone."""
        if self.fatal is not None:
            return 0
        budget = self.line.client.budget
        places = budget.free(SOON) - spare
        if places <= 0 and not in_flight and budget.free(PATIENCE) <= 0:
            return 1  # There is none for long: the budget says why, to whoever asks for one.
        return max(0, min(self.line.ahead - in_flight, places))

    def promised(self, order: Order) -> int:
        """How many places of the rate budget an order in flight has yet to take."""
        return max(0, _most(order) - self._places[order.key])

    def attempt(self, order: Order) -> Receipt | None:
        """The receipt of one order; None where it was not sent because nothing can succeed."""
        if self.fatal is not None:
            return None
        try:
            receipt: Receipt = self._write(order)
        except FATAL as error:
            self.fatal = error
            return None
        except ProviderError as error:
            self._count(error)
            return Failed(key=order.key, error=error)
        self._count(None)
        return receipt

    def _count(self, error: ProviderError | None) -> None:
        error = error.cause if isinstance(error, Outdated) else error
        with self._lock:
            silent = isinstance(error, Transient) and error.side != Side.HUBSPOT
            self._silent_in_row = self._silent_in_row + 1 if silent else 0
            if self._silent_in_row < UNREACHABLE or self.fatal is not None:
                return
            self._silent_in_row = 0
        # Some writes may fail together, on one calendar say, and all others pass.
        if not self.line.answers():
            self.fatal = Unavailable(
                f"{UNREACHABLE} writes in a row found HighLevel unreachable "
                f"({error}); the next cycle tries again",
                side=Side.GHL,
            )

    def _write(self, order: Order) -> Done:
        match order.kind:
            case OrderKind.CREATE:
                return self._create(order)
            case OrderKind.UPDATE:
                return self._update(order)
            case OrderKind.REMOVE:
                return self._remove(order)

    def _create(self, order: Order) -> Done:
        if order.id:
            self._still_gone(order)
        body = mapping.booking(order, self._place)
        if order.validate_slot:
            self._look(order)  # Whose slot is asked for has to be known; mostly it is read already.
            body["startTime"] = self._offered(order)
        self._look(order)
        call = protocol.create_event(body)
        answer = wire.enveloped(self._send(order, call))
        if answer is None:
            raise TimedOut(
                f"{call.request.label} was answered without an id; the next cycle looks for it",
                side=Side.GHL,
                sent=True,
            )
        sent, calendar = order.wanted, order.calendar
        shown = mapping.as_made(sent, answer, self._place, calendar)
        filled_in, left = self._fills_in(order, answer), stamp(answer.updated, self._place.zone)
        if filled_in or self._echoes.unsure(calendar, sent, answer, WRITTEN):
            read = self._read_back(answer.id)
            if read is not None:
                shown = read.appointment if filled_in else shown
                shown = self._echoes.heard(calendar, sent, read, WRITTEN, shown, left)
        return Done(
            key=order.key,
            id=answer.id,
            returned=self._echoes.as_shown(calendar, sent, answer, WRITTEN, shown),
            updated_at=left,
        )

    def _offered(self, order: Order) -> str:
        wanted = order.wanted
        if wanted.start is None:
            raise Rejected("a booking needs a start", side=Side.GHL, reason="missing_time")
        wish = Wish(calendar=order.calendar, start=wanted.start, user=wanted.owner)
        offer = self._slots.offer(self._place, wish)
        self._places[order.key] += 1  # Or it was read before, and takes none.
        if offer is None:
            raise Rejected(
                f"calendar {order.calendar} offers no slot at {wanted.start:%Y-%m-%d %H:%M} UTC",
                side=Side.GHL,
                reason="slot_taken",
            )
        return offer

    def _fills_in(self, order: Order, answer: wire.Event) -> bool:
        """Whether the vendor filled something in and did not say what."""
        wanted = order.wanted
        return (
            (not wanted.title and answer.title is None)
            or wanted.end is None
            or mapping.is_silent(answer, self._place)
            or (
                not wanted.owner
                and answer.assignee is None
                and order.calendar not in self._place.teamless
            )
        )

    def _read_back(self, key: str) -> Snapshot | None:
        """What a record shows right after a write; None where it cannot be read now."""
        try:
            read = events.get(self.line, self._place, key)
        except FATAL as error:
            # The write itself is done, and must be reported so.
            self.fatal = error
            return None
        except ProviderError:
            return None
        return read if isinstance(read, Snapshot) else None

    def _update(self, order: Order) -> Done:
        self._look(order)
        fresh, read_at = self._fresh(order)
        groups = frozenset(order.groups) - {Group.CONTACT}
        refused = tuple(
            Refusal(
                group=group,
                reason="contact_changed",
                detail="HighLevel cannot change whom an appointment is for",
            )
            for group in frozenset(order.groups) - groups
        )
        if order.reopens and Group.STATUS in groups and not self._has_room(order, fresh):
            groups -= {Group.STATUS}
            refused += (Refusal(group=Group.STATUS, reason="slot_taken", detail=_taken(fresh)),)
        while groups:
            body = mapping.changes(order, fresh.appointment, groups, self._place)
            try:
                call = protocol.update_event(order.id, body)
                answer = wire.enveloped(self._send(order, call, read_at))
                break
            except NotFound as error:
                raise Stale(f"it is gone meanwhile: {error}", side=Side.GHL) from error
            except Rejected as error:
                culprit = _culprit(error, groups)
                if culprit is None:
                    return self._in_parts(order, groups, refused, error)
                groups -= {culprit}
                refused += (Refusal(group=culprit, reason=error.reason, detail=str(error)),)
            except Unavailable as error:
                # A server may stumble over one text; while it is down nothing is divided.
                if error.status < SERVER_ERROR or len(groups) < 2 or not self.line.answers():
                    raise
                return self._in_parts(order, groups, refused, error)
        else:
            return Done(key=order.key, id=order.id, returned=fresh.appointment, refused=refused)
        sent, calendar = order.wanted, fresh.calendar
        if groups & {Group.TIME, Group.STATUS, Group.OWNER}:
            self._slots.freed(calendar)
        # An instance of a series is named after its start: a move renames it.
        key = answer.id if answer else order.id
        shown = mapping.shown_after(sent, fresh.appointment, answer, groups, self._place)
        left = stamp(answer.updated, self._place.zone) if answer else None
        if self._echoes.unsure(calendar, sent, answer, groups):
            read = self._read_back(key)
            if read is not None:
                shown = self._echoes.heard(calendar, sent, read, groups, shown, left)
        return Done(
            key=order.key,
            id=key,
            returned=self._echoes.as_shown(calendar, sent, answer, groups, shown),
            updated_at=left,
            before=fresh,
            refused=refused,
        )

    def _in_parts(
        self,
        order: Order,
        groups: frozenset[GroupKey],
        refused: tuple[Refusal, ...],
        error: Rejected | Unavailable,
    ) -> Done:
        """Send each group alone, what people act upon first: one that is not taken keeps back none.

        Whoever may be notified is notified once.

        Raises:
            Rejected: no group is taken; `error`, which is what all of them together met.
            ProviderError: one failed, or could not be tried; the next plan knows what was written.
        """
        if len(groups) < 2:
            raise error
        last: Done | None = None
        failing: Unavailable | None = None
        taken = frozenset[GroupKey]()
        for group in sorted(groups, key=_precedence):
            part = replace(order, groups=frozenset({group}), notify=order.notify and not taken)
            if last is not None and order.seen is not None:
                written = with_groups(order.seen.appointment, last.returned, taken)
                part = replace(part, seen=replace(order.seen, appointment=written))
            try:
                last = self._update(replace(part, id=last.id if last else order.id))
            except Rejected as alone:
                refused += (Refusal(group=group, reason=alone.reason, detail=str(alone)),)
            except Unavailable as alone:
                if failing is not None:
                    raise  # It is not about one of them.
                failing = alone
            else:
                refused += last.refused
                taken |= frozenset() if last.refused else {group}
        if failing is not None:
            raise failing
        if last is None:
            raise error
        return replace(last, refused=refused)

    def _remove(self, order: Order) -> Done:
        done = Done(key=order.key, id=order.id, returned=Appointment())
        # A get first also makes sure that this is an appointment: the same request would
        # delete blocked time.
        self._look(order)
        shown, read_at = self._read(order)
        if isinstance(shown, Missing):
            if shown.detail == events.MASTER:
                raise Rejected(shown.detail, side=Side.GHL)
            return done
        if shown.gone:
            return replace(done, returned=shown.appointment)
        _stands(order, shown)
        try:
            self._send(order, protocol.delete_event(order.id), read_at)
        except NotFound as error:
            return self._deleted_already(order, error)
        self._slots.freed(shown.calendar)
        return replace(done, returned=shown.appointment)

    def _deleted_already(self, order: Order, error: NotFound) -> Done:
        # The same words are said of an orphan, whose contact was deleted: that one stays.
        shown = events.get(self.line, self._place, order.id)
        if isinstance(shown, Snapshot) and not shown.gone:
            raise Rejected(
                f"{error}; it cannot be deleted because its contact was", side=Side.GHL
            ) from error
        return Done(key=order.key, id=order.id, returned=Appointment())

    # --- what the order rests on

    def _read(self, order: Order) -> tuple[Snapshot | Missing, float]:
        """The record as it is now, and when it was asked for (monotonic)."""
        asked = self.line.clock.monotonic()

        def ready() -> None:
            nonlocal asked  # The wait for a place in the rate budget makes no reading old.
            asked = self.line.clock.monotonic()
            self._places[order.key] += 1

        try:
            return events.get(self.line, self._place, order.id, ready), asked
        except Rejected as error:
            # The look was refused, not the write: nobody has said anything about that.
            raise Transient(
                f"appointment {order.id} could not be read before the write ({error}); "
                "the next cycle tries again",
                side=Side.GHL,
            ) from error

    def _fresh(self, order: Order) -> tuple[Snapshot, float]:
        shown, asked = self._read(order)
        if isinstance(shown, Missing):
            raise Stale(f"it cannot be found any more: {shown.detail}", side=Side.GHL)
        if shown.gone:
            raise Stale("it was deleted since the plan was made", side=Side.GHL)
        _stands(order, shown)
        return shown, asked

    def _still_gone(self, order: Order) -> None:
        """See that the removed appointment which a booking stands for did not come back."""
        shown, _ = self._read(order)
        if isinstance(shown, Snapshot) and not shown.gone:
            raise _changed_meanwhile(order)

    def _look(self, order: Order) -> None:
        """Have the rest of what it rests on read again."""
        for look in self._ground.look([order]):
            for fallen in look.fallen:
                raise fallen.error

    def _send(self, order: Order, call: protocol.Call, read_at: float | None = None) -> object:
        def ready() -> None:
            self._places[order.key] += 1
            self._ground.assure([order], read_at)

        return self.line.ask(call.when(ready))

    def _has_room(self, order: Order, fresh: Snapshot) -> bool:
        """Whether the record may take its slot again."""
        wanted = order.wanted if Group.TIME in order.groups else fresh.appointment
        user = order.wanted.owner or fresh.appointment.owner
        if wanted.start is None:
            return False
        wish = Wish(calendar=fresh.calendar, start=wanted.start, user=user)
        end = wanted.end or wanted.start
        return has_room(self.line, self._place, self._slots, wish, end, order.id)


def _most(order: Order) -> int:
    """How many requests the order takes at most, but for what nobody expects."""
    return 1 if order.kind is OrderKind.CREATE and not order.validate_slot else 2


def _stands(order: Order, shown: Snapshot) -> None:
    rests = order.groups | order.rests
    if order.kind is OrderKind.REMOVE and order.seen:
        rests = standing.everything(order.seen, shown)
    if order.seen and standing.differing(order.seen, shown, rests):
        raise _changed_meanwhile(order)


def _taken(record: Snapshot) -> str:
    return f"its slot on calendar {record.calendar} was given to somebody else meanwhile"


def _changed_meanwhile(order: Order) -> Stale:
    return Stale(
        f"appointment {order.id} was changed since the plan was made; the next plan takes it up",
        side=Side.GHL,
    )


_FIRST: tuple[GroupKey, ...] = (Group.STATUS, Group.TIME, Group.OWNER, Group.TITLE)
"""What people act upon; a refused text must not keep a cancellation back."""


def _precedence(group: GroupKey) -> tuple[int, str]:
    return (_FIRST.index(group) if group in _FIRST else len(_FIRST), group)


def _culprit(error: Rejected, groups: frozenset[GroupKey]) -> GroupKey | None:
    """The group that a refusal is about, where the rest may still be written."""
    for reason, group in (("slot_taken", Group.TIME), ("outside_team", Group.OWNER)):
        if error.reason == reason and group in groups:
            return group
    return None
