"""Which orders travel together: full batches, nobody overtaken for long, no record twice.

`provider.writing` calls this. Pure. Leaves out what is sent for an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from syncd.ports.provider import CommandKind, WriteCommand
from syncd.providers.hubspot.protocol import BATCH

PATIENCE = 2 * BATCH
"""An order goes out before so many later ones do, even if its batch is not full: what is
urgent stands in front, and must not wait for the end of a backfill."""


def batches(commands: Iterable[WriteCommand]) -> Iterator[list[WriteCommand]]:
    """Batches of one kind each, of at most `BATCH` orders, in about the order given.

    Two orders for one record never share a batch, for that refuses all of it,
    and keep their order.
    """
    waiting = _Waiting()
    for place, command in enumerate(commands):
        yield from waiting.taken_before(command)
        waiting.add(place, command)
        yield from waiting.due(place)
    yield from waiting.rest()


class _Waiting:
    def __init__(self) -> None:
        self._held: dict[CommandKind, list[WriteCommand]] = {}
        self._since: dict[CommandKind, int] = {}
        self._records: dict[str, CommandKind] = {}

    def taken_before(self, command: WriteCommand) -> Iterator[list[WriteCommand]]:
        """The batch that holds another order for the same record."""
        kind = self._records.get(record_of(command))
        if kind is not None:
            yield self._take(kind)

    def add(self, place: int, command: WriteCommand) -> None:
        self._held.setdefault(command.kind, []).append(command)
        self._since.setdefault(command.kind, place)
        self._records[record_of(command)] = command.kind

    def due(self, place: int) -> Iterator[list[WriteCommand]]:
        """What is full, and what has waited long enough; the oldest first."""
        for kind, since in sorted(self._since.items(), key=lambda each: each[1]):
            if len(self._held[kind]) >= BATCH or place - since >= PATIENCE:
                yield self._take(kind)

    def rest(self) -> Iterator[list[WriteCommand]]:
        for kind, _ in sorted(self._since.items(), key=lambda each: each[1]):
            yield self._take(kind)

    def _take(self, kind: CommandKind) -> list[WriteCommand]:
        taken = self._held.pop(kind)
        del self._since[kind]
        for command in taken:
            self._records.pop(record_of(command), None)
        return taken


def record_of(command: WriteCommand) -> str:
    """What two orders under way must not share: a record, or the identity that a new one gets."""
    if command.id:
        return command.id
    return f"new {command.external_ids.ghl_id}" if command.external_ids else f"key {command.key}"
