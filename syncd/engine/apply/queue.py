"""The queue of writes: what is still to be sent to each side, most urgent first.

The executor keeps one, and touches it only under its lock. A booking that is
checked against free slots waits here for the writes that free its slot: it
would be refused while the appointment that is moved, cancelled or deleted in
the same cycle still takes it. Leaves out slots that stay taken: HighLevel
itself refuses those. What a lane has sent and not recorded yet is `InFlight`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.actions import Create, Remove, Update, Write, WriteExternalId
from syncd.core.guards import urgency
from syncd.core.model import Group, Side
from syncd.engine.record.record import CompletedWrite

SOON = 86_400.0
"""Seconds: appointments that start within them are written before anything else."""

CHUNK = {Side.GHL: 20, Side.HUBSPOT: 100}
"""How many writes are sent together and share a commit; HubSpot's is its largest batch."""

MARK_WITHIN = 10.0
"""Seconds for which the external id of a booking waits for a batch: until it is written, only the
store knows that the two records are one appointment."""

_FREES_SLOT = frozenset({Group.TIME, Group.STATUS})

_Slot = tuple[str, datetime, datetime]
"""Calendar, start and end."""

GATHER = 0.05
"""Seconds within which receipts that follow each other share a commit; until then their intents
are kept."""


@dataclass(slots=True, kw_only=True)
class InFlight:
    """Writes of a lane in flight: intent committed, result not yet recorded."""

    unanswered: dict[str, tuple[Write, str]] = field(default_factory=dict)
    """The write and its contact, by key."""
    completed: list[CompletedWrite] = field(default_factory=list)
    committed_at: float = -GATHER
    all_taken: bool = False
    """Whether the provider took every command, and did not pause for a poll."""

    def is_due(self, now: float) -> bool:
        """Whether to commit now, and not together with the receipts that follow at once."""
        return now - self.committed_at >= GATHER


class WriteQueue:
    """The writes of a cycle that are not sent yet, by side."""

    def __init__(self) -> None:
        self._writes: dict[Side, deque[Write]] = {side: deque() for side in Side}
        self._id_writes: deque[WriteExternalId] = deque()
        """External ids wait until they fill a batch, are due, or nothing else is left."""
        self._waits_since = float("-inf")
        """When the first of these began to wait (monotonic)."""
        self._urgent: set[str] = set()
        """Ids of records that people changed since the cycle began."""
        self._freed: dict[tuple[str, str], _Slot] = {}
        """Slots that are free once these writes are answered, by the ids of the write."""

    def __bool__(self) -> bool:
        return bool(self._id_writes or any(self._writes.values()))

    def add(self, writes: Iterable[Write], urgent: Collection[str], now: datetime) -> None:
        """Put writes in line; `urgent` are the ids of records that people changed lately."""
        self._urgent |= set(urgent)
        for write in writes:
            self._writes[write.side].append(write)
            self._expect_slot(write)
        for side, queue in self._writes.items():
            self._writes[side] = deque(sorted(queue, key=lambda each: self._priority(each, now)))

    def add_external_id(self, write: WriteExternalId, at: float) -> None:
        """Put the write of an external id in line, `at` a moment (monotonic)."""
        if not self._id_writes:
            self._waits_since = at
        self._id_writes.append(write)

    def give_back(self, side: Side, writes: Sequence[Write]) -> None:
        """Put writes that were not sent in front of all others."""
        self._writes[side].extendleft(reversed(writes))
        for write in writes:
            self._expect_slot(write)

    def settle(self, write: Write) -> None:
        """The write was answered, or will not be sent: no booking waits for its slot any more."""
        if write.side is Side.GHL:
            self._freed.pop(write.ids, None)

    def drop(self, ids: Collection[str]) -> int:
        """Take the writes of these records out of the queue; gives how many that were.

        Writes of external ids do not count.
        """
        gone, dropped = set(ids), 0
        for side, queue in self._writes.items():
            kept = deque(write for write in queue if not {*write.ids} & gone)
            if len(kept) < len(queue):
                for write in queue:
                    if {*write.ids} & gone:
                        self.settle(write)
                dropped += len(queue) - len(kept)
                self._writes[side] = kept
        self._id_writes = deque(each for each in self._id_writes if not {*each.ids} & gone)
        return dropped

    def set_aside(self) -> dict[Side, list[Write]]:
        """Take everything out but external ids, which all wait for a batch then."""
        aside: dict[Side, list[Write]] = {}
        for side, queue in self._writes.items():
            self._id_writes.extend(each for each in queue if isinstance(each, WriteExternalId))
            aside[side] = [each for each in queue if not isinstance(each, WriteExternalId)]
            queue.clear()
        return aside

    def clear(self, side: Side) -> list[Write]:
        """Take everything out that is for this side."""
        found = [*self._writes[side], *(self._id_writes if side is Side.HUBSPOT else ())]
        self._writes[side].clear()
        if side is Side.HUBSPOT:
            self._id_writes.clear()
        return found

    def waiting(self, side: Side | None = None) -> list[Write]:
        """What is still to be written, without external ids that wait for a batch."""
        return [write for each in ([side] if side else Side) for write in self._writes[each]]

    def count_urgent(self, side: Side) -> int:
        """How many of these writes are about records that people changed lately."""
        return sum(bool(self._urgent & {*write.ids}) for write in self._writes[side])

    def has_writes(self, side: Side) -> bool:
        """Whether anything but waiting external ids is in line for this side."""
        return bool(self._writes[side])

    @property
    def has_external_ids(self) -> bool:
        """Whether external ids wait for a batch."""
        return bool(self._id_writes)

    def release_external_ids(self, at: float, *, alone: bool) -> None:
        """Put a batch of external ids in line: one that is full, due, or all that is left."""
        size, waiting = CHUNK[Side.HUBSPOT], bool(self._id_writes)
        due = waiting and at - self._waits_since >= MARK_WITHIN
        if len(self._id_writes) >= size or due or (alone and not self._writes[Side.HUBSPOT]):
            batch = [self._id_writes.popleft() for _ in range(min(len(self._id_writes), size))]
            self._writes[Side.HUBSPOT].extendleft(reversed(batch))

    def take(self, side: Side, *, none_in_flight: bool) -> list[Write]:
        """Take the next writes out, without bookings whose slot is not free yet.

        Where only such bookings are left and no write is in flight, nothing can
        free their slots in this run: they are taken as they are.
        """
        queue, writes, later = self._writes[side], list[Write](), list[Write]()
        while queue and len(writes) < CHUNK[side]:
            write = queue.popleft()
            (later if self._waits_for_slot(write) else writes).append(write)
        if not writes and none_in_flight and side is Side.GHL:
            self._freed.clear()
            writes, later = later[: CHUNK[side]], later[CHUNK[side] :]
        queue.extendleft(reversed(later))
        return writes

    def _priority(self, write: Write, now: datetime) -> tuple[int, tuple[int, float]]:
        """Appointments that start within a day, then people's changes, then the backfill."""
        if isinstance(write, WriteExternalId):
            return (3, (0, 0.0))
        past, ahead = waits = urgency(write, now)
        if past == 0 and ahead <= SOON:
            return (0, waits)
        return (1 if not isinstance(write, Create) or self._urgent & {*write.ids} else 2, waits)

    def _expect_slot(self, write: Write) -> None:
        if write.side is not Side.GHL or not isinstance(write, Update | Remove):
            return
        if isinstance(write, Update) and not any(
            change.group in _FREES_SLOT for change in write.changes
        ):
            return
        seen, shown = write.seen, write.seen.appointment
        if shown.start and shown.end:
            self._freed[write.ids] = (seen.calendar, shown.start, shown.end)

    def _waits_for_slot(self, write: Write) -> bool:
        """Whether a booking needs a slot that is not free yet."""
        if not self._freed or not isinstance(write, Create) or not write.validate_slot:
            return False
        start, end = write.wanted.start, write.wanted.end
        if start is None or end is None:
            return False
        return any(
            calendar == write.calendar and since < end and start < until
            for calendar, since, until in self._freed.values()
        )
