"""The results of a cycle's writes: done, failed, held, or to be read again.

The executor adds them as receipts come, under its lock; `rounds` and `finish`
read them, and the report is built from them. Leaves out requests and the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core import essence
from syncd.core.actions import Create, Update, Write
from syncd.core.essence import in_words, slot_fingerprint
from syncd.core.model import Group, GroupKey, Hold, Pair, Side
from syncd.engine import planned_writes
from syncd.engine.planned_writes import PlannedWrite, by_group, fingerprint_of
from syncd.engine.record.record import CompletedWrite
from syncd.errors import AuthFailed, Permanent, ProviderError, Rejected, Stale, TimedOut
from syncd.ports.provider import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedWrite:
    """A write that will be tried again."""

    ghl_id: str
    hubspot_id: str
    side: Side
    action: str
    detail: str


@dataclass(slots=True, kw_only=True)
class WriteResults:
    """The results of all writes of a cycle."""

    cycle: str
    """Id of the cycle."""
    written: list[PlannedWrite] = field(default_factory=list)
    changes: Counter[Side] = field(default_factory=Counter)
    """Number of those that are no removals, by side."""
    failed: list[FailedWrite] = field(default_factory=list)
    """Writes that will be tried again."""
    pairs: dict[int, Pair] = field(default_factory=dict)
    """The newest state of every pair that was touched, by key."""
    holds: list[Hold] = field(default_factory=list)
    to_recheck: list[tuple[Side, str]] = field(default_factory=list)
    """Records that the next cycle has to read, whatever the scans show."""
    stale: list[Write] = field(default_factory=list)
    """Writes that were not sent because a record has changed: to be planned anew."""
    unplanned: frozenset[str] = frozenset()
    """Ids of records whose earlier plans do not count any more, and that no round judged anew."""
    stopped: ProviderError | None = None
    """Why no further write could succeed."""
    interrupted: bool = False
    """Whether the process was asked to stop while writes were left."""
    left_out: list[str] = field(default_factory=list)
    """Writes of an approved plan that were left out, in words for a person."""
    outcome_unknown: bool = False
    """Whether a write may or may not have taken completed."""
    missing_scope: AuthFailed | None = None
    """Why writes failed that need a scope which the credentials lack; the others were sent."""

    def stop(self, error: ProviderError) -> None:
        """No further write can succeed."""
        self.stopped = error

    def interrupt(self) -> None:
        """The process was asked to stop, and writes are left."""
        self.interrupted = True

    def add_pairs(self, pairs: Mapping[int, Pair]) -> None:
        """Pairs as they are after an earlier write was recovered."""
        self.pairs.update(pairs)

    def take_stale(self) -> list[Write]:
        """Give the writes to be planned anew, and forget them."""
        found, self.stale = self.stale, []
        return found

    def add_left_out(self, line: str) -> None:
        """A write of an approved plan was left out; `line` tells a person which."""
        self.left_out.append(line)

    def count(self, write: PlannedWrite) -> None:
        """One more write took completed."""
        self.written.append(write)
        self.changes[write.side] += write.action != "remove"

    def add_success(self, completed: CompletedWrite, pair: Pair, now: datetime) -> None:
        """A write took effect, but for refused groups; writes of external ids are not reported."""
        write = completed.write
        if not write.counted:
            return
        if not isinstance(write, Update) or len(completed.done.refused) < len(write.changes):
            self.count(planned_writes.described(write, delay=_delay(write, now)))
        alone: dict[GroupKey, Update] = {}
        if completed.done.refused and isinstance(write, Update):
            alone = by_group(_as_left(write, completed.done))
        for refusal in completed.done.refused:
            self.holds.append(
                Hold(
                    reason=refusal.reason,
                    detail=refusal.detail,
                    ghl_id=pair.ghl_id,
                    hubspot_id=pair.hubspot_id,
                    group=refusal.group,
                    fingerprint=fingerprint_of(alone[refusal.group])
                    if refusal.group in alone
                    else "",
                    starts_at=pair.ghl.start,
                    title=pair.ghl.title,
                    values=_wanted(write, refusal.group),
                )
            )
            self.recheck(write)

    def add_failure(self, write: Write, error: ProviderError) -> None:
        """A write had no effect: held where it was refused for good, else tried again."""
        self.recheck(write)
        if isinstance(error, AuthFailed):
            self.missing_scope = error
        if isinstance(error, Stale):
            self.stale.append(write)
        if isinstance(error, Permanent):
            self._refused(write, error)
        else:
            self._add_failed(write, error)

    def add_deferred(self, write: Write, error: ProviderError) -> None:
        """A write was not sent; the next cycle tries it. A missing external id is no failure."""
        self.recheck(write)
        if write.counted:
            self._add_failed(write, error)

    def recheck(self, write: Write) -> None:
        """Have the next cycle read the records of a write."""
        ghl_id, hubspot_id = write.ids
        self.to_recheck += [
            (side, record_id)
            for side, record_id in ((Side.GHL, ghl_id), (Side.HUBSPOT, hubspot_id))
            if record_id
        ]

    def forget(self, ids: set[str]) -> None:
        """Forget failures and holds of these records: they are planned anew."""
        self.failed = [each for each in self.failed if not ids & {each.ghl_id, each.hubspot_id}]
        self.holds = [each for each in self.holds if not ids & {each.ghl_id, each.hubspot_id}]

    def _refused(self, write: Write, error: Permanent) -> None:
        ghl_id, hubspot_id = write.ids
        reason = error.reason if isinstance(error, Rejected) else "rejected"
        self.holds.append(
            Hold(
                reason=reason,
                detail=str(error),
                ghl_id=ghl_id,
                hubspot_id=hubspot_id,
                # A hold that is not retried by time is decided by a person, for this slot.
                fingerprint=slot_fingerprint(write.source)
                if isinstance(write, Create) and reason != "rejected"
                else fingerprint_of(write),
                starts_at=write.starts_at,
                title=write.title,
                values=_wanted(write, Group.TIME),
            )
        )

    def _add_failed(self, write: Write, error: ProviderError) -> None:
        self.outcome_unknown |= isinstance(error, TimedOut) and error.sent
        ghl_id, hubspot_id = write.ids
        self.failed.append(
            FailedWrite(
                ghl_id=ghl_id,
                hubspot_id=hubspot_id,
                side=write.side,
                action=write.action,
                detail=str(error),
            )
        )


def _wanted(write: Write, group: GroupKey) -> dict[str, str]:
    """The values of both sides in a refused group, for people."""
    if isinstance(write, Create):
        source = write.source
        return {source.side.value: in_words(essence.value(source.appointment, group))}
    if not isinstance(write, Update):
        return {}
    found = next((change for change in write.changes if change.group == group), None)
    if found is None:
        return {}
    shown = {write.side: found.before, write.side.other: found.source}
    return {side.value: in_words(value) for side, value in shown.items()}


def _as_left(write: Update, done: Done) -> Update:
    """The write as it will be planned next: the record has changed with its other groups."""
    stamp = done.updated_at or write.seen.updated_at
    return replace(write, seen=replace(write.seen, updated_at=stamp))


def _delay(write: Write, now: datetime) -> float | None:
    """Seconds from the change to now; 0 where clocks differ."""
    changed = write.changed_at
    return max(0.0, (now - changed).total_seconds()) if changed else None
