"""Groups commands into batches: full ones, in about the order given, no record twice. Pure.

`writing` calls this. Leaves out what is sent for a command.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from syncd.ports.provider import CommandKind, WriteCommand
from syncd.providers.hubspot.protocol import BATCH

MAX_DELAY = 2 * BATCH
"""Later commands after which a command is sent even if its batch is not full: urgent commands come
first, and must not wait for the end of a backfill."""


def batches(commands: Iterable[WriteCommand]) -> Iterator[list[WriteCommand]]:
    """Batches of one kind each, of at most `BATCH` commands, in about the order given.

    Two commands for one record never share a batch, which would be refused as a
    whole (using-object-apis guide), and keep their order.
    """
    queue = _Queue()
    for position, command in enumerate(commands):
        yield from queue.with_same_record(command)
        queue.add(position, command)
        yield from queue.due(position)
    yield from queue.remaining()


class _Queue:
    def __init__(self) -> None:
        self._commands: dict[CommandKind, list[WriteCommand]] = {}
        self._since: dict[CommandKind, int] = {}
        self._records: dict[str, CommandKind] = {}

    def with_same_record(self, command: WriteCommand) -> Iterator[list[WriteCommand]]:
        """The batch that holds another command for the same record."""
        kind = self._records.get(record_of(command))
        if kind is not None:
            yield self._take(kind)

    def add(self, position: int, command: WriteCommand) -> None:
        self._commands.setdefault(command.kind, []).append(command)
        self._since.setdefault(command.kind, position)
        self._records[record_of(command)] = command.kind

    def due(self, position: int) -> Iterator[list[WriteCommand]]:
        """Full batches, and those that have waited long enough; the oldest first."""
        for kind, since in sorted(self._since.items(), key=lambda each: each[1]):
            if len(self._commands[kind]) >= BATCH or position - since >= MAX_DELAY:
                yield self._take(kind)

    def remaining(self) -> Iterator[list[WriteCommand]]:
        for kind, _ in sorted(self._since.items(), key=lambda each: each[1]):
            yield self._take(kind)

    def _take(self, kind: CommandKind) -> list[WriteCommand]:
        batch = self._commands.pop(kind)
        del self._since[kind]
        for command in batch:
            self._records.pop(record_of(command), None)
        return batch


def record_of(command: WriteCommand) -> str:
    """What two commands in flight must not share: a record, or the external id of a new one."""
    if command.id:
        return command.id
    return f"new {command.external_ids.ghl_id}" if command.external_ids else f"key {command.key}"
