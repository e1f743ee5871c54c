"""Carries out writes: creates, updates, deletes, several at once.

`provider.write` calls `carry_out`. Before it changes a record it reads it
again, and has the engine read what else the order rests on: what somebody
changed since the plan was made is never overwritten, and the status is re-sent
as it is now, because a PUT without it was seen to reset it. Leaves out when to
write, and in which order: the engine's work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from itertools import islice

from syncd.core import preconditions
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
    NO_CHECKS,
    CommandKind,
    Done,
    Failed,
    Receipt,
    Refusal,
    WriteChecks,
    WriteCommand,
)
from syncd.providers.ghl import mapping, protocol, reading, wire
from syncd.providers.ghl.free_slots import SlotBook, SlotQuery
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.reopening import has_room
from syncd.providers.ghl.session import FATAL, Session
from syncd.providers.ghl.shown_texts import WRITTEN, ShownTexts
from syncd.providers.ghl.timestamps import stamp
from syncd.providers.outage import OutageCounter
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


def carry_out(writer: Writer, commands: Iterable[WriteCommand]) -> Iterator[Receipt]:
    """One receipt for each command, as they come.

    Waits for capacity in the rate budget before it takes a command: once taken
    it cannot be reordered or returned. Closing the iterator lets those in
    flight end and sends no more.

    Raises:
        AuthFailed, DailyBudgetSpent, Unavailable: nothing further can
            succeed; orders without a receipt were not sent.
    """
    session, waiting = writer.session, iter(commands)
    in_flight: dict[Future[Receipt | None], WriteCommand] = {}
    over = False
    try:
        while True:
            over = over or writer.is_over()
            promised = sum(map(writer.promised, in_flight.values()))
            room = writer.room(len(in_flight), promised)
            for command in islice(waiting, 0 if over else room):
                in_flight[session.pool.submit(writer.attempt, command)] = command
            if not in_flight:
                if over or room:
                    break
                session.clock.sleep(NAP)
                continue
            # A place may become free before anything is answered.
            done, _ = wait(in_flight, NAP, return_when=FIRST_COMPLETED)
            for future in done:
                del in_flight[future]
                receipt = future.result()
                if receipt is not None:
                    writer.note(receipt)
                    yield receipt
    finally:
        for future in in_flight:
            future.cancel()
        wait(in_flight)
    if writer.fatal is not None:
        raise writer.fatal


class Writer:
    """One batch of writes."""

    def __init__(
        self,
        session: Session,
        location_context: LocationContext,
        slots: SlotBook,
        echoes: ShownTexts,
        checks: WriteChecks = NO_CHECKS,
    ) -> None:
        self.session = session
        self._checks = checks
        self._place = location_context
        self._slots = slots
        self._echoes = echoes
        self._places = Counter[str]()
        """How many places of the rate budget each order has taken."""
        self._outage = OutageCounter(UNREACHABLE)
        self.fatal: ProviderError | None = None

    def is_over(self) -> bool:
        """Whether no further command is to be taken."""
        return (
            self.fatal is not None
            or self._checks.cancelled(Side.GHL)
            or self.session.client.reservation.is_due()
        )

    def note(self, receipt: Receipt) -> None:
        """A command was answered, and not merely too late to be sent."""
        if isinstance(receipt, Done) or not isinstance(receipt.error, Outdated):
            self.session.client.reservation.write_done()

    def room(self, in_flight: int, promised: int) -> int:
        """How many more commands can be sent now, beside requests that are `promised`."""
        if self.fatal is not None:
            return 0
        budget = self.session.client.budget
        places = budget.available(SOON) - promised - self.session.client.reservation.reserved()
        if places <= 0 and not in_flight and budget.available(PATIENCE) <= 0:
            return 1  # There is none for long: the budget says why, to whoever asks for one.
        return max(0, min(self.session.ahead - in_flight, places))

    def promised(self, command: WriteCommand) -> int:
        """How many places of the rate budget an order in flight has yet to take."""
        return max(0, _most(command) - self._places[command.key])

    def attempt(self, command: WriteCommand) -> Receipt | None:
        """The receipt of one order; None where it was not sent because nothing can succeed."""
        if self.fatal is not None:
            return None
        try:
            receipt: Receipt = self._write(command)
        except FATAL as error:
            self.fatal = error
            return None
        except ProviderError as error:
            self._count(error)
            return Failed(key=command.key, error=error)
        self._count(None)
        return receipt

    def _count(self, error: ProviderError | None) -> None:
        error = error.cause if isinstance(error, Outdated) else error
        unanswered = isinstance(error, Transient) and error.side != Side.HUBSPOT
        if not self._outage.add(unanswered=unanswered) or self.fatal is not None:
            return
        self._outage.reset()
        # Some writes may fail together, on one calendar say, and all others pass.
        if not self.session.answers():
            self.fatal = Unavailable(
                f"{UNREACHABLE} writes in a row found HighLevel unreachable "
                f"({error}); the next cycle tries again",
                side=Side.GHL,
            )

    def _write(self, command: WriteCommand) -> Done:
        match command.kind:
            case CommandKind.CREATE:
                return self._create(command)
            case CommandKind.UPDATE:
                return self._update(command)
            case CommandKind.REMOVE:
                return self._remove(command)

    def _create(self, command: WriteCommand) -> Done:
        if command.id:
            self._still_gone(command)
        body = mapping.booking(command, self._place)
        if command.validate_slot:
            # Whose slot is asked for has to be known; mostly it is read already.
            self._recheck(command)
            body["startTime"] = self._offered(command)
        self._recheck(command)
        call = protocol.create_event(body)
        answer = wire.enveloped(self._send(command, call))
        if answer is None:
            raise TimedOut(
                f"{call.request.label} was answered without an id; the next cycle looks for it",
                side=Side.GHL,
                sent=True,
            )
        sent, calendar = command.wanted, command.calendar
        shown = mapping.as_made(sent, answer, self._place, calendar)
        filled_in, left = self._fills_in(command, answer), stamp(answer.updated, self._place.zone)
        if filled_in or self._echoes.unsure(calendar, sent, answer, WRITTEN):
            read = self._read_back(answer.id)
            if read is not None:
                shown = read.appointment if filled_in else shown
                shown = self._echoes.heard(calendar, sent, read, WRITTEN, shown, left)
        return Done(
            key=command.key,
            id=answer.id,
            returned=self._echoes.as_shown(calendar, sent, answer, WRITTEN, shown),
            updated_at=left,
        )

    def _offered(self, command: WriteCommand) -> str:
        wanted = command.wanted
        if wanted.start is None:
            raise Rejected("a booking needs a start", side=Side.GHL, reason="missing_time")
        wish = SlotQuery(calendar=command.calendar, start=wanted.start, user=wanted.owner)
        offer = self._slots.offer(self._place, wish)
        self._places[command.key] += 1  # Or it was read before, and takes none.
        if offer is None:
            raise Rejected(
                f"calendar {command.calendar} offers no slot at {wanted.start:%Y-%m-%d %H:%M} UTC",
                side=Side.GHL,
                reason="slot_taken",
            )
        return offer

    def _fills_in(self, command: WriteCommand, answer: wire.Event) -> bool:
        """Whether the vendor filled something in and did not say what."""
        wanted = command.wanted
        return (
            (not wanted.title and answer.title is None)
            or wanted.end is None
            or mapping.is_silent(answer, self._place)
            or (
                not wanted.owner
                and answer.assignee is None
                and command.calendar not in self._place.teamless
            )
        )

    def _read_back(self, key: str) -> Snapshot | None:
        """What a record shows right after a write; None where it cannot be read now."""
        try:
            read = reading.get(self.session, self._place, key)
        except FATAL as error:
            # The write itself is done, and must be reported so.
            self.fatal = error
            return None
        except ProviderError:
            return None
        return read if isinstance(read, Snapshot) else None

    def _update(self, command: WriteCommand) -> Done:
        self._recheck(command)
        fresh, read_at = self._fresh(command)
        groups = frozenset(command.groups) - {Group.CONTACT}
        refused = tuple(
            Refusal(
                group=group,
                reason="contact_changed",
                detail="HighLevel cannot change whom an appointment is for",
            )
            for group in frozenset(command.groups) - groups
        )
        if command.reopens and Group.STATUS in groups and not self._has_room(command, fresh):
            groups -= {Group.STATUS}
            refused += (Refusal(group=Group.STATUS, reason="slot_taken", detail=_taken(fresh)),)
        while groups:
            body = mapping.changes(command, fresh.appointment, groups, self._place)
            try:
                call = protocol.update_event(command.id, body)
                answer = wire.enveloped(self._send(command, call, read_at))
                break
            except NotFound as error:
                raise Stale(f"it is gone meanwhile: {error}", side=Side.GHL) from error
            except Rejected as error:
                culprit = _culprit(error, groups)
                if culprit is None:
                    return self._in_parts(command, groups, refused, error)
                groups -= {culprit}
                refused += (Refusal(group=culprit, reason=error.reason, detail=str(error)),)
            except Unavailable as error:
                # A server may stumble over one text; while it is down nothing is divided.
                if error.status < SERVER_ERROR or len(groups) < 2 or not self.session.answers():
                    raise
                return self._in_parts(command, groups, refused, error)
        else:
            return Done(key=command.key, id=command.id, returned=fresh.appointment, refused=refused)
        sent, calendar = command.wanted, fresh.calendar
        if groups & {Group.TIME, Group.STATUS, Group.OWNER}:
            self._slots.freed(calendar)
        # An instance of a series is named after its start: a move renames it.
        key = answer.id if answer else command.id
        shown = mapping.shown_after(sent, fresh.appointment, answer, groups, self._place)
        left = stamp(answer.updated, self._place.zone) if answer else None
        if self._echoes.unsure(calendar, sent, answer, groups):
            read = self._read_back(key)
            if read is not None:
                shown = self._echoes.heard(calendar, sent, read, groups, shown, left)
        return Done(
            key=command.key,
            id=key,
            returned=self._echoes.as_shown(calendar, sent, answer, groups, shown),
            updated_at=left,
            before=fresh,
            refused=refused,
        )

    def _in_parts(
        self,
        command: WriteCommand,
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
            part = replace(command, groups=frozenset({group}), notify=command.notify and not taken)
            if last is not None and command.seen is not None:
                written = with_groups(command.seen.appointment, last.returned, taken)
                part = replace(part, seen=replace(command.seen, appointment=written))
            try:
                last = self._update(replace(part, id=last.id if last else command.id))
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

    def _remove(self, command: WriteCommand) -> Done:
        done = Done(key=command.key, id=command.id, returned=Appointment())
        # A get first also makes sure that this is an appointment: the same request would
        # delete blocked time.
        self._recheck(command)
        shown, read_at = self._read(command)
        if isinstance(shown, Missing):
            if shown.detail == reading.MASTER:
                raise Rejected(shown.detail, side=Side.GHL)
            return done
        if shown.gone:
            return replace(done, returned=shown.appointment)
        _stands(command, shown)
        try:
            self._send(command, protocol.delete_event(command.id), read_at)
        except NotFound as error:
            return self._deleted_already(command, error)
        self._slots.freed(shown.calendar)
        return replace(done, returned=shown.appointment)

    def _deleted_already(self, command: WriteCommand, error: NotFound) -> Done:
        # The same words are said of an orphan, whose contact was deleted: that one stays.
        shown = reading.get(self.session, self._place, command.id)
        if isinstance(shown, Snapshot) and not shown.gone:
            raise Rejected(
                f"{error}; it cannot be deleted because its contact was", side=Side.GHL
            ) from error
        return Done(key=command.key, id=command.id, returned=Appointment())

    # --- what the order rests on

    def _read(self, command: WriteCommand) -> tuple[Snapshot | Missing, float]:
        """The record as it is now, and when it was asked for (monotonic)."""
        asked = self.session.clock.monotonic()

        def ready() -> None:
            nonlocal asked  # The wait for a place in the rate budget makes no reading old.
            asked = self.session.clock.monotonic()
            self._places[command.key] += 1

        try:
            return reading.get(self.session, self._place, command.id, ready), asked
        except Rejected as error:
            # The look was refused, not the write: nobody has said anything about that.
            raise Transient(
                f"appointment {command.id} could not be read before the write ({error}); "
                "the next cycle tries again",
                side=Side.GHL,
            ) from error

    def _fresh(self, command: WriteCommand) -> tuple[Snapshot, float]:
        shown, asked = self._read(command)
        if isinstance(shown, Missing):
            raise Stale(f"it cannot be found any more: {shown.detail}", side=Side.GHL)
        if shown.gone:
            raise Stale("it was deleted since the plan was made", side=Side.GHL)
        _stands(command, shown)
        return shown, asked

    def _still_gone(self, command: WriteCommand) -> None:
        """See that the removed appointment which a booking stands for did not come back."""
        shown, _ = self._read(command)
        if isinstance(shown, Snapshot) and not shown.gone:
            raise _changed_meanwhile(command)

    def _recheck(self, command: WriteCommand) -> None:
        """Have what it depends on beside the record itself read again.

        Raises:
            ProviderError: why it may not be sent.
        """
        for checked in self._checks.recheck([command]):
            for failed in checked.failed:
                raise failed.error

    def _send(
        self, command: WriteCommand, call: protocol.Call, read_at: float | None = None
    ) -> object:
        def ready() -> None:
            self._places[command.key] += 1
            self._checks.verify([command], read_at)

        return self.session.ask(call.when(ready))

    def _has_room(self, command: WriteCommand, fresh: Snapshot) -> bool:
        """Whether the record may take its slot again."""
        wanted = command.wanted if Group.TIME in command.groups else fresh.appointment
        user = command.wanted.owner or fresh.appointment.owner
        if wanted.start is None:
            return False
        wish = SlotQuery(calendar=fresh.calendar, start=wanted.start, user=user)
        end = wanted.end or wanted.start
        return has_room(self.session, self._place, self._slots, wish, end, command.id)


def _most(command: WriteCommand) -> int:
    """How many requests the order takes at most, but for what nobody expects."""
    return 1 if command.kind is CommandKind.CREATE and not command.validate_slot else 2


def _stands(command: WriteCommand, shown: Snapshot) -> None:
    rests = command.groups | command.depends_on
    if command.kind is CommandKind.REMOVE and command.seen:
        rests = preconditions.everything(command.seen, shown)
    if command.seen and preconditions.differing(command.seen, shown, rests):
        raise _changed_meanwhile(command)


def _taken(record: Snapshot) -> str:
    return f"its slot on calendar {record.calendar} was given to somebody else meanwhile"


def _changed_meanwhile(command: WriteCommand) -> Stale:
    return Stale(
        f"appointment {command.id} was changed since the plan was made; the next plan takes it up",
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
