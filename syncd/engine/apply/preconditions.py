"""The preconditions of writes: the record that each depends on, read again before it is sent.

The executor opens every command here, the adapters check it before they send.
The poll's reading may be minutes old by then. So the record on the other side
is read again by id (HubSpot in batches, for all open commands; HighLevel one
by one, which costs a request for each update of HubSpot), and compared with
the values of the decision (`core.preconditions`). The adapter itself reads the
record that is written, at the same time. No write is sent that depends on a
reading older than `FRESH`: the record is read again first.

Leaves out the records of commands that failed here: they are planned anew
(`rounds`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from syncd.core import essence
from syncd.core.actions import Precondition, Remove, Update, Write
from syncd.core.essence import Value
from syncd.core.model import MAPPED_PREFIX, Group, GroupKey, Missing, Side, Snapshot
from syncd.engine.link import Link
from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    Outdated,
    ProviderError,
    Stale,
    TimedOut,
    Transient,
    Unavailable,
)
from syncd.ports.provider import CheckedCommands, Done, Failed, Reading, WriteChecks, WriteCommand

FRESH = 5.0
"""The largest age in seconds of a reading when a write that depends on it is sent (promise 9)."""

RECENT = 2.0
"""Seconds for which a reading serves further commands; the rest of `FRESH` is for sending them."""

_UNREADABLE = (AuthFailed, DailyBudgetSpent, Unavailable)
_NAMES = {Side.GHL: "the HighLevel appointment", Side.HUBSPOT: "the HubSpot appointment"}


@dataclass(slots=True, kw_only=True)
class _Opened:
    """A command without a receipt."""

    precondition: Precondition | None
    read_at: float = float("-inf")
    """When the record on the other side was requested (monotonic)."""
    shown: Snapshot | Missing | ProviderError | None = None


class Preconditions(WriteChecks):
    """The preconditions of the open commands of one cycle; safe between threads."""

    def __init__(self, link: Link, cancelled: Callable[[Side], bool]) -> None:
        self._link, self._cancelled = link, cancelled
        self._opened: dict[str, _Opened] = {}
        self._asking = {side: Lock() for side in Side}
        self._ours: dict[tuple[Side, str], dict[GroupKey, set[Value]]] = {}
        """Values that we write to records ourselves, and the values before."""
        self._unreadable: dict[Side, ProviderError] = {}
        """Sides that cannot be read any more in this cycle, and why."""

    def open(self, key: str, write: Write) -> None:
        """A command for this write is about to be sent."""
        self._opened[key] = _Opened(precondition=write.precondition)
        match write:
            case Update(side=side, seen=seen):
                for change in write.changes:
                    self._note(side, seen.id, change.group, change.before, change.after)
            case Remove(side=side, seen=seen) if write.cancel_as:
                self._note(side, seen.id, Group.STATUS, write.cancel_as)

    def wrote(self, write: Write, done: Done) -> None:
        """A write took effect: the values that the vendor returned are no edit of a person."""
        if isinstance(write, Update):
            for change in write.changes:
                shown = essence.value(done.returned, change.group)
                self._note(write.side, done.id, change.group, shown)

    def _note(self, side: Side, record_id: str, group: GroupKey, *values: Value) -> None:
        self._ours.setdefault((side, record_id), {}).setdefault(group, set()).update(values)

    def close(self, key: str) -> None:
        """The command has its receipt, or was not sent."""
        self._opened.pop(key, None)

    # --- for the adapters

    def cancelled(self, side: Side) -> bool:
        """See `ports.provider.WriteChecks.cancelled`."""
        return self._cancelled(side)

    def recheck(self, commands: Sequence[WriteCommand]) -> Iterator[CheckedCommands]:
        """See `ports.provider.WriteChecks.recheck`."""
        dependent = [command for command in commands if self._precondition(command)]
        free = [command for command in commands if not self._precondition(command)]
        if not dependent:
            yield CheckedCommands(valid=free)
        while dependent:
            checked, dependent = self._checked(dependent)
            yield CheckedCommands(valid=(*free, *checked.valid), failed=checked.failed)
            free = []

    def verify(self, commands: Sequence[WriteCommand], read_at: float | None = None) -> None:
        """See `ports.provider.WriteChecks.verify`; the client itself checks the lease."""
        opened = [self._opened[command.key] for command in commands if self._precondition(command)]
        readings = [each.read_at for each in opened] + ([] if read_at is None else [read_at])
        if readings and self._link.clock.monotonic() - min(readings) > FRESH:
            raise Outdated

    # --- reading

    def _precondition(self, command: WriteCommand) -> Precondition | None:
        opened = self._opened.get(command.key)
        return opened.precondition if opened is not None else None

    def _checked(
        self, commands: Sequence[WriteCommand]
    ) -> tuple[CheckedCommands, list[WriteCommand]]:
        """Check those whose sources, all of one side, can be read now; and the rest."""
        opened = {command.key: self._opened[command.key] for command in commands}
        side = next(each.precondition.seen.side for each in opened.values() if each.precondition)
        with self._asking[side]:
            due = self._due(opened.values())
            read = self._read(side, due if side is Side.GHL else self._with_others(due))
        unread = {id(each) for each in due} - {id(each) for each in read}
        valid, failed, rest = list[WriteCommand](), list[Failed](), list[WriteCommand]()
        for command in commands:
            if id(opened[command.key]) in unread:
                rest.append(command)
                continue
            error = self._judged(opened[command.key])
            if error is None:
                valid.append(command)
            else:
                failed.append(Failed(key=command.key, error=error))
        return CheckedCommands(valid=valid, failed=failed), rest

    def _due(self, opened: Iterable[_Opened]) -> list[_Opened]:
        """Those whose reading is too old."""
        now = self._link.clock.monotonic()
        return [each for each in opened if each.precondition and now - each.read_at > RECENT]

    def _with_others(self, due: Sequence[_Opened]) -> list[_Opened]:
        """These, and other open commands with a HubSpot source: its batch has room for them."""
        if not due:
            return []
        mine = {id(each) for each in due}
        others = [
            each
            for each in self._due(list(self._opened.values()))
            if id(each) not in mine
            and each.precondition
            and each.precondition.seen.side is Side.HUBSPOT
        ]
        return [*due, *others]

    def _read(self, side: Side, opened: Sequence[_Opened]) -> list[_Opened]:
        """Read their sources; gives those that were requested."""
        sources = [(each, each.precondition.seen.id) for each in opened if each.precondition]
        if not sources:
            return []
        reading = self._reading(side, list(dict.fromkeys(record_id for _, record_id in sources)))
        missing = reading.error or Missing(detail="the answer left it out")
        read = [(each, record_id) for each, record_id in sources if record_id in reading.asked]
        for each, record_id in read:
            each.shown = reading.records.get(record_id, missing)
            each.read_at = reading.at
        return [each for each, _ in read]

    def _reading(self, side: Side, ids: Sequence[str]) -> Reading:
        if side in self._unreadable:
            at = self._link.clock.monotonic()
            return Reading(at=at, asked=ids, error=self._unreadable[side])
        began = self._link.clock.monotonic()
        reading = self._link.side(side).reread(ids)
        # A pause or a stop may come while the reading waits for the rate budget: no write follows.
        at = began if self._link.stopping() else reading.at
        error = reading.error
        if isinstance(error, TimedOut):
            # It was no write: nothing can have taken effect.
            error = Unavailable(str(error), side=error.side)
        if isinstance(error, _UNREADABLE):
            self._unreadable[side] = error
        return replace(reading, at=at, error=error)

    def _judged(self, opened: _Opened) -> ProviderError | None:
        """Why the command may not be sent, if it may not."""
        precondition, shown = opened.precondition, opened.shown
        if precondition is None or shown is None:
            return None
        if isinstance(shown, ProviderError):
            return shown
        seen = precondition.seen
        name = f"{_NAMES[seen.side]} {seen.id}"
        if isinstance(shown, Missing) and shown.unread:
            detail = f"{name} could not be read before the write ({shown.detail})"
            return Transient(f"{detail}; the next cycle tries again", side=seen.side)
        if isinstance(shown, Missing):
            detail = f"{name} could not be read before the write ({shown.detail})"
            return Stale(f"{detail}; the next cycle looks for it", side=seen.side)
        moved = precondition.broken_by(shown, self._ours.get((seen.side, seen.id)))
        if not moved:
            return None
        what = ", ".join(each.removeprefix(MAPPED_PREFIX) for each in moved)
        return Stale(
            f"{name} was changed since it was read ({what}); it is judged anew", side=seen.side
        )
