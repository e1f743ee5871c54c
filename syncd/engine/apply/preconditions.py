"""The ground of a stage's writes: what each rests on, read again right before it is sent.

`apply` opens every order here, the adapters ask before they send. Whatever the
poll read may be minutes old by then. So the record across is read again by id
(HubSpot in batches, for all orders that are open; HighLevel one by one, which
costs it a request for each update of HubSpot), and compared with what the
decision was made from (`core.standing`). The record that is written itself is
read by its adapter, in the same moment. Nothing goes out that rests on a
reading older than `FRESH`: it is read again first.

Leaves out what is done with an order that does not stand any more: the record
is judged anew (`rounds`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from syncd.core import essence
from syncd.core.actions import Remove, Update
from syncd.core.essence import Value
from syncd.core.model import EXTRA_PREFIX, Group, GroupKey, Missing, Side, Snapshot
from syncd.core.preconditions import Precondition, moved_on, source_of
from syncd.engine.link import Link
from syncd.engine.record.intents import AnyWrite
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
from syncd.ports import provider
from syncd.ports.provider import Done, Failed, Look, WriteCommand

FRESH = 5.0
"""Seconds that a reading may be old when a write that rests on it is sent (promise 9)."""

RECENT = 2.0
"""Seconds for which a reading serves further orders; the rest of `FRESH` is for their way out."""

MOST = {Side.GHL: 30, Side.HUBSPOT: 100}
"""Records that are read at once: HubSpot's largest batch, and of HighLevel's what takes a second
or two of its threads."""

NEEDS = {Side.GHL: 1, Side.HUBSPOT: 2}
"""Requests of one reading: HubSpot's contacts are asked for apart."""

AWHILE = 60.0
"""Seconds for which room for a reading is waited for."""

NAP = 0.05
"""Seconds between two looks whether there is room."""

SOON = 1.0
"""Seconds within which HighLevel's rate budget has to have room for a reading."""

_BLINDING = (AuthFailed, DailyBudgetSpent, Unavailable)
_NAMES = {Side.GHL: "the HighLevel appointment", Side.HUBSPOT: "the HubSpot appointment"}


@dataclass(slots=True, kw_only=True)
class _Opened:
    """An order that is not answered yet."""

    footing: Precondition | None
    read_at: float = float("-inf")
    """When the record across was asked for (monotonic)."""
    shown: Snapshot | Missing | ProviderError | None = None


class Preconditions(provider.Preconditions):
    """What the open orders of one stage rest on; safe between threads."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._opened: dict[str, _Opened] = {}
        self._asking = {side: Lock() for side in Side}
        self._ours: dict[tuple[Side, str], dict[GroupKey, set[Value]]] = {}
        """What we write to records ourselves, and what stood there before."""
        self._blind: dict[Side, ProviderError] = {}
        """Sides that cannot be read any more in this stage, and why."""

    def open(self, key: str, write: AnyWrite) -> None:
        """An order for this write is about to be sent."""
        self._opened[key] = _Opened(footing=source_of(write))
        match write:
            case Update(side=side, seen=seen):
                for change in write.changes:
                    self._note(side, seen.id, change.group, change.before, change.after)
            case Remove(side=side, seen=seen) if write.cancel_as:
                self._note(side, seen.id, Group.STATUS, write.cancel_as)

    def wrote(self, write: AnyWrite, done: Done) -> None:
        """What the vendor made of a write: nobody else did that."""
        if isinstance(write, Update):
            for change in write.changes:
                shown = essence.value(done.returned, change.group)
                self._note(write.side, done.id, change.group, shown)

    def _note(self, side: Side, record_id: str, group: GroupKey, *values: Value) -> None:
        self._ours.setdefault((side, record_id), {}).setdefault(group, set()).update(values)

    def close(self, key: str) -> None:
        """The order is answered, or was not sent."""
        self._opened.pop(key, None)

    # --- what the adapters ask

    def look(self, commands: Sequence[WriteCommand]) -> Iterator[Look]:
        """See `ports.provider.Preconditions.look`."""
        rested = [command for command in commands if self._footing(command)]
        firm = [command for command in commands if not self._footing(command)]
        if not rested:
            yield Look(standing=firm)
            return
        while rested:
            part = rested[: self._most(rested[0])]
            del rested[: len(part)]
            found = self._looked(part)
            yield Look(standing=(*firm, *found.standing), fallen=found.fallen)
            firm = []

    def verify(self, commands: Sequence[WriteCommand], read_at: float | None = None) -> None:
        """See `ports.provider.Preconditions.verify`; the client itself checks the lease."""
        opened = [self._opened[command.key] for command in commands if self._footing(command)]
        readings = [each.read_at for each in opened] + ([] if read_at is None else [read_at])
        if readings and self._link.clock.monotonic() - min(readings) > FRESH:
            raise Outdated

    # --- looking

    def _footing(self, command: WriteCommand) -> Precondition | None:
        opened = self._opened.get(command.key)
        return opened.footing if opened is not None else None

    def _most(self, command: WriteCommand) -> int:
        footing = self._footing(command)
        if footing is None or footing.seen.side is Side.HUBSPOT:
            return MOST[Side.HUBSPOT]
        # What would have to wait for its place would make the others' readings old.
        return max(1, min(MOST[Side.GHL], self._link.ghl.available(SOON)))

    def _looked(self, commands: Sequence[WriteCommand]) -> Look:
        """Read what these rest on, which are all of one side."""
        opened = {command.key: self._opened[command.key] for command in commands}
        footings = [each.footing for each in opened.values() if each.footing is not None]
        side = footings[0].seen.side
        with self._asking[side]:
            due = self._due(opened.values())
            if due:
                self._read(side, due if side is Side.GHL else self._with_others(due))
        standing, fallen = list[WriteCommand](), list[Failed]()
        for command in commands:
            error = self._judged(opened[command.key])
            if error is None:
                standing.append(command)
            else:
                fallen.append(Failed(key=command.key, error=error))
        return Look(standing=standing, fallen=fallen)

    def _due(self, opened: Iterable[_Opened]) -> list[_Opened]:
        """Those whose reading is too old to serve."""
        now = self._link.clock.monotonic()
        return [each for each in opened if each.footing and now - each.read_at > RECENT]

    def _with_others(self, due: Sequence[_Opened]) -> list[_Opened]:
        """These, and what else fits into a batch of HubSpot's: it is sent next."""
        mine = {id(each) for each in due}
        others = [
            each
            for each in self._due(list(self._opened.values()))
            if id(each) not in mine and each.footing and each.footing.seen.side is Side.HUBSPOT
        ]
        return [*due, *others][: MOST[Side.HUBSPOT]]

    def _await_room(self, side: Side) -> None:
        """Wait until a reading can be sent at once: what it waits for would make it old."""
        provider, clock = self._link.side(side), self._link.clock
        needs = min(NEEDS[side], provider.available(AWHILE))
        until = clock.monotonic() + AWHILE
        while (
            provider.available() < needs and clock.monotonic() < until and not self._link.stopping()
        ):
            clock.sleep(NAP)

    def _read(self, side: Side, opened: Sequence[_Opened]) -> None:
        self._await_room(side)
        asked = self._link.clock.monotonic()
        error = self._blind.get(side)
        shown: Mapping[str, Snapshot | Missing] = {}
        if error is None:
            ids = [each.footing.seen.id for each in opened if each.footing]
            try:
                shown = self._link.side(side).fetch(ids)
            except ProviderError as refused:
                error = _as_reading(refused)
                if isinstance(error, _BLINDING):
                    self._blind[side] = error
        for each in opened:
            if each.footing is not None:
                unseen = error or Missing(detail="it was not answered for")
                each.shown = shown.get(each.footing.seen.id, unseen)
                each.read_at = asked

    def _judged(self, opened: _Opened) -> ProviderError | None:
        """Why the order may not be sent, if it may not."""
        footing, shown = opened.footing, opened.shown
        if footing is None or shown is None:
            return None
        if isinstance(shown, ProviderError):
            return shown
        seen = footing.seen
        name = f"{_NAMES[seen.side]} {seen.id}"
        if isinstance(shown, Missing) and shown.unread:
            detail = f"{name} could not be read before the write ({shown.detail})"
            return Transient(f"{detail}; the next cycle tries again", side=seen.side)
        if isinstance(shown, Missing):
            detail = f"{name} could not be read before the write ({shown.detail})"
            return Stale(f"{detail}; the next cycle looks for it", side=seen.side)
        moved = moved_on(footing, shown, self._ours.get((seen.side, seen.id)))
        if not moved:
            return None
        what = ", ".join(each.removeprefix(EXTRA_PREFIX) for each in moved)
        return Stale(
            f"{name} was changed since it was read ({what}); it is judged anew", side=seen.side
        )


def _as_reading(error: ProviderError) -> ProviderError:
    """A reading that was not answered: nothing of a write is in doubt because of it."""
    return Unavailable(str(error), side=error.side) if isinstance(error, TimedOut) else error
