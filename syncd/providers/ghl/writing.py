"""Writing appointments: creates, updates and deletes, several at once.

`provider.write` calls `carry_out`. Before a record is changed it is read
again, and the engine rechecks what else the command depends on: an edit made
since the plan is never overwritten. The current status is sent with every
update, because a PUT without it may reset it (observed 2026-10-06). Leaves out when to write,
and in which order: the engine's work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from threading import Lock

from syncd.core import essence
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

CHECK_INTERVAL = 0.02
"""Seconds between two checks whether the rate budget has capacity."""

SOON = 0.1
"""Seconds before a request is permitted in which a thread may take its command and wait.

No other command can overtake it there, but the request goes out the moment it is permitted.
"""

SERVER_ERROR = 500

UNREACHABLE = 3
"""Commands in a row without an answer after which the vendor counts as down."""


def carry_out(writer: Writer, commands: Iterable[WriteCommand]) -> Iterator[Receipt]:
    """One receipt for each command, as they come.

    Waits for capacity in the rate budget before it takes a command: once accepted
    it cannot be reordered or returned. Closing the iterator lets those in
    flight end and sends no more.

    Raises:
        AuthFailed, DailyBudgetSpent, Unavailable: nothing further can
            succeed; commands without a receipt were not sent.
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
                session.clock.sleep(CHECK_INTERVAL)
                continue
            # The rate budget may permit a request before any answer comes.
            done, _ = wait(in_flight, CHECK_INTERVAL, return_when=FIRST_COMPLETED)
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
        context: LocationContext,
        slots: SlotBook,
        shown_texts: ShownTexts,
        checks: WriteChecks = NO_CHECKS,
    ) -> None:
        self.session = session
        self._checks = checks
        self._location = context
        self._slots = slots
        self._shown_texts = shown_texts
        self._sent = Counter[str]()
        """Requests that each command has sent, by key."""
        self._taking_slot = Lock()
        self._outage = OutageCounter(UNREACHABLE)
        self.fatal: ProviderError | None = None

    def is_over(self) -> bool:
        """Whether no further command is to be accepted."""
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
            return 1  # None for a long time: the attempt raises the budget's reason.
        return max(0, min(self.session.ahead - in_flight, places))

    def promised(self, command: WriteCommand) -> int:
        """How many requests a command in flight is still expected to send."""
        return max(0, _expected_requests(command) - self._sent[command.key])

    def attempt(self, command: WriteCommand) -> Receipt | None:
        """The receipt of one command; None where it was not sent because nothing can succeed."""
        # Two that want the same slot must not both find it free.
        with self._taking_slot if _takes_slot(command, command.groups) else nullcontext():
            if self.fatal is not None or self._checks.cancelled(Side.GHL):
                return None
            return self._attempt(command)

    def _attempt(self, command: WriteCommand) -> Receipt | None:
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
        # Several writes may fail together, on one calendar for example, while all others succeed.
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
        body = mapping.booking(command, self._location)
        if command.validate_slot:
            # The contact must be known before its slot is requested; mostly it is read already.
            self._recheck(command)
            body["startTime"] = self._offered(command)
        self._recheck(command)
        call = protocol.create_event(body)
        answer = wire.enveloped(self._send(command, call))
        if answer is None or answer.location not in {"", self._location.location}:
            raise TimedOut(
                f"{call.request.label} was answered without an id of this location; the next "
                "cycle looks for it",
                side=Side.GHL,
                sent=True,
            )
        sent, calendar = command.wanted, command.calendar
        shown = mapping.shown_after_create(sent, answer, self._location, calendar)
        filled_in, written_at = (
            self._filled_in(command, answer),
            stamp(answer.updated, self._location.zone),
        )
        if filled_in or self._shown_texts.needs_reading(calendar, sent, answer, WRITTEN):
            read = self._read_back(answer.id)
            if read is not None:
                shown = read.appointment if filled_in else shown
                shown = self._shown_texts.learn(calendar, sent, read, WRITTEN, shown, written_at)
        return Done(
            key=command.key,
            id=answer.id,
            returned=self._shown_texts.without_hidden(calendar, sent, answer, WRITTEN, shown),
            updated_at=written_at,
        )

    def _offered(self, command: WriteCommand) -> str:
        wanted = command.wanted
        if wanted.start is None:
            raise Rejected("a booking needs a start", side=Side.GHL, reason="missing_time")
        query = SlotQuery(calendar=command.calendar, start=wanted.start, user=wanted.owner)
        offer = self._slots.offer(self._location, query)
        self._sent[command.key] += 1  # At most: the slots may have been read before.
        if offer is None:
            raise Rejected(
                f"calendar {command.calendar} offers no slot at {wanted.start:%Y-%m-%d %H:%M} UTC",
                side=Side.GHL,
                reason="slot_taken",
            )
        return offer

    def _filled_in(self, command: WriteCommand, answer: wire.Event) -> bool:
        """Whether the vendor filled in a value that the answer leaves out."""
        wanted = command.wanted
        return (
            (not wanted.title and answer.title is None)
            or wanted.end is None
            or mapping.omits_mapped_field(answer, self._location)
            or (
                not wanted.owner
                and answer.assignee is None
                and command.calendar not in self._location.teamless
            )
        )

    def _read_back(self, key: str) -> Snapshot | None:
        """The record right after a write; None where it cannot be read now."""
        try:
            read = reading.get(self.session, self._location, key)
        except FATAL as error:
            # The write itself took effect, and is reported so.
            self.fatal = error
            return None
        except ProviderError:
            return None
        return read if isinstance(read, Snapshot) else None

    def _update(self, command: WriteCommand) -> Done:
        self._recheck(command)
        current, read_at = self._current(command)
        groups = frozenset(command.groups) - {Group.CONTACT}
        refused = tuple(
            Refusal(
                group=group,
                reason="contact_changed",
                detail="HighLevel cannot change whom an appointment is for",
            )
            for group in frozenset(command.groups) - groups
        )
        taking = _takes_slot(command, groups)
        if taking and not self._has_room(command, current):
            groups -= {taking}
            refused += (_slot_taken(taking, current),)
        while groups:
            body = mapping.changes(command, current.appointment, groups, self._location)
            try:
                call = protocol.update_event(command.id, body)
                answer = wire.enveloped(self._send(command, call, read_at))
                break
            except NotFound as error:
                raise Stale(f"it is gone meanwhile: {error}", side=Side.GHL) from error
            except Rejected as error:
                refused_group = _refused_group(error, groups)
                if refused_group is None:
                    return self._in_parts(command, groups, refused, error)
                groups -= {refused_group}
                refused += (Refusal(group=refused_group, reason=error.reason, detail=str(error)),)
            except Unavailable as error:
                # A server may fail on one text; while it is down, nothing is divided.
                if error.status < SERVER_ERROR or len(groups) < 2 or not self.session.answers():
                    raise
                return self._in_parts(command, groups, refused, error)
        else:
            return Done(
                key=command.key, id=command.id, returned=current.appointment, refused=refused
            )
        sent, calendar = command.wanted, current.calendar
        if groups & {Group.TIME, Group.STATUS, Group.OWNER}:
            self._slots.freed(calendar)
        # The id of an instance of a series contains its start (API description): a move changes it.
        key = answer.id if answer else command.id
        shown = mapping.shown_after(sent, current.appointment, answer, groups, self._location)
        written_at = stamp(answer.updated, self._location.zone) if answer else None
        if self._shown_texts.needs_reading(calendar, sent, answer, groups):
            read = self._read_back(key)
            if read is not None:
                shown = self._shown_texts.learn(calendar, sent, read, groups, shown, written_at)
        return Done(
            key=command.key,
            id=key,
            returned=self._shown_texts.without_hidden(calendar, sent, answer, groups, shown),
            updated_at=written_at,
            before=current,
            refused=refused,
        )

    def _in_parts(
        self,
        command: WriteCommand,
        groups: frozenset[GroupKey],
        refused: tuple[Refusal, ...],
        error: Rejected | Unavailable,
    ) -> Done:
        """Send each group alone, the most urgent first, so that a refused one stops no other.

        Contacts are notified once.

        Raises:
            Rejected: no group was accepted; `error`, the refusal of all of them together.
            ProviderError: one failed or was not tried; the next plan finds what was written.
        """
        if len(groups) < 2:
            raise error
        last: Done | None = None
        failing: Unavailable | None = None
        accepted = frozenset[GroupKey]()
        for group in sorted(groups, key=_precedence):
            part = replace(
                command, groups=frozenset({group}), notify=command.notify and not accepted
            )
            if last is not None and command.seen is not None:
                written = with_groups(command.seen.appointment, last.returned, accepted)
                part = replace(part, seen=replace(command.seen, appointment=written))
            try:
                last = self._update(replace(part, id=last.id if last else command.id))
            except Rejected as single:
                refused += (Refusal(group=group, reason=single.reason, detail=str(single)),)
            except Unavailable as single:
                if failing is not None:
                    raise  # Two failures do not come from one text.
                failing = single
            else:
                refused += last.refused
                accepted |= frozenset() if last.refused else {group}
        if failing is not None:
            raise failing
        if last is None:
            raise error
        return replace(last, refused=refused)

    def _remove(self, command: WriteCommand) -> Done:
        done = Done(key=command.key, id=command.id, returned=Appointment())
        # The read also makes sure that this is an appointment: the same request would
        # delete blocked time (API description).
        self._recheck(command)
        shown, read_at = self._read(command)
        if isinstance(shown, Missing):
            if shown.detail == reading.MASTER:
                raise Rejected(shown.detail, side=Side.GHL)
            return done
        if shown.gone:
            return replace(done, returned=shown.appointment)
        _check_unchanged(command, shown)
        try:
            self._send(command, protocol.delete_event(command.id), read_at)
        except NotFound as error:
            return self._deleted_already(command, error)
        self._slots.freed(shown.calendar)
        return replace(done, returned=shown.appointment)

    def _deleted_already(self, command: WriteCommand, error: NotFound) -> Done:
        # An orphan, whose contact was deleted, is refused alike and stays (observed 2026-08-06).
        shown = reading.get(self.session, self._location, command.id)
        if isinstance(shown, Snapshot) and not shown.gone:
            raise Rejected(
                f"{error}; it cannot be deleted because its contact was", side=Side.GHL
            ) from error
        return Done(key=command.key, id=command.id, returned=Appointment())

    # --- what the command depends on

    def _read(self, command: WriteCommand) -> tuple[Snapshot | Missing, float]:
        """The record as it is now, and when it was requested (monotonic)."""
        requested_at = self.session.clock.monotonic()

        def ready() -> None:
            nonlocal requested_at  # The wait for the rate budget makes no reading old.
            requested_at = self.session.clock.monotonic()
            self._sent[command.key] += 1

        try:
            return reading.get(self.session, self._location, command.id, ready), requested_at
        except Rejected as error:
            # The read was refused, not the write.
            raise Transient(
                f"appointment {command.id} could not be read before the write ({error}); "
                "the next cycle tries again",
                side=Side.GHL,
            ) from error

    def _current(self, command: WriteCommand) -> tuple[Snapshot, float]:
        shown, requested_at = self._read(command)
        if isinstance(shown, Missing):
            raise Stale(f"it cannot be found any more: {shown.detail}", side=Side.GHL)
        if shown.gone:
            raise Stale("it was deleted since the plan was made", side=Side.GHL)
        _check_unchanged(command, shown)
        return shown, requested_at

    def _still_gone(self, command: WriteCommand) -> None:
        """See that the deleted appointment which a booking replaces was not restored."""
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
            self._sent[command.key] += 1
            self._checks.verify([command], read_at)

        return self.session.ask(call.when(ready))

    def _has_room(self, command: WriteCommand, current: Snapshot) -> bool:
        """Whether the record's slot is still free for it."""
        wanted = command.wanted if Group.TIME in command.groups else current.appointment
        user = command.wanted.owner or current.appointment.owner
        if wanted.start is None:
            return False
        query = SlotQuery(calendar=current.calendar, start=wanted.start, user=user)
        end = wanted.end or wanted.start
        return has_room(self.session, self._location, self._slots, query, end, command.id)


def _expected_requests(command: WriteCommand) -> int:
    """How many requests a command usually sends at most."""
    return 1 if command.kind is CommandKind.CREATE and not command.validate_slot else 2


def _check_unchanged(command: WriteCommand, shown: Snapshot) -> None:
    groups = command.groups | command.depends_on
    if command.kind is CommandKind.REMOVE and command.seen:
        groups = essence.all_groups(command.seen, shown)
    if command.seen and essence.differing(command.seen, shown, groups):
        raise _changed_meanwhile(command)


def _takes_slot(command: WriteCommand, groups: Collection[GroupKey]) -> GroupKey | None:
    """The group whose update takes a slot that has to be free."""
    if command.kind is not CommandKind.UPDATE:
        return None
    if command.reopens and Group.STATUS in groups:
        return Group.STATUS
    return Group.TIME if command.validate_slot and Group.TIME in groups else None


def _slot_taken(group: GroupKey, record: Snapshot) -> Refusal:
    detail = (
        f"its slot on calendar {record.calendar} was given to somebody else meanwhile"
        if group == Group.STATUS
        else f"somebody else has that time on calendar {record.calendar}"
    )
    return Refusal(group=group, reason="slot_taken", detail=detail)


def _changed_meanwhile(command: WriteCommand) -> Stale:
    return Stale(
        f"appointment {command.id} was changed since the plan was made; the next plan takes it up",
        side=Side.GHL,
    )


_URGENT: tuple[GroupKey, ...] = (Group.STATUS, Group.TIME, Group.OWNER, Group.TITLE)
"""What people act upon first; a refused text must not delay a cancellation."""


def _precedence(group: GroupKey) -> tuple[int, str]:
    return (_URGENT.index(group) if group in _URGENT else len(_URGENT), group)


def _refused_group(error: Rejected, groups: frozenset[GroupKey]) -> GroupKey | None:
    """The group that a refusal is about; the others may still be written."""
    for reason, group in (("slot_taken", Group.TIME), ("outside_team", Group.OWNER)):
        if error.reason == reason and group in groups:
            return group
    return None
