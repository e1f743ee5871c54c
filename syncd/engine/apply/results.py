"""What came of a cycle's writes: counted, told, held, or to be looked at again.

`apply` fills it as the answers come, under its lock; `rounds` and `closing`
read it. It touches neither a vendor nor the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core import essence
from syncd.core.actions import Create, Update, Write
from syncd.core.context import in_words
from syncd.core.essence import slot_fingerprint
from syncd.core.model import Group, GroupKey, Hold, Pair, Side
from syncd.engine import report
from syncd.engine.apply.commands import by_group, fingerprint_of
from syncd.engine.record.record import CompletedWrite
from syncd.engine.report import CycleReport, FailedWrite
from syncd.errors import AuthFailed, Permanent, ProviderError, Rejected, Stale, TimedOut
from syncd.ports.provider import Done


@dataclass(slots=True, kw_only=True)
class WriteResults:
    """What came of a plan's writes."""

    report: CycleReport
    pairs: dict[int, Pair] = field(default_factory=dict)
    """The newest state of every pair that was touched, by key."""
    holds: list[Hold] = field(default_factory=list)
    again: list[tuple[Side, str]] = field(default_factory=list)
    """Records that the next cycle has to look at whatever the scans say."""
    moved: list[Write] = field(default_factory=list)
    """Writes that were not sent because what they rest on has changed: to be judged anew."""
    stopped: ProviderError | None = None
    interrupted: bool = False
    unsure: bool = False
    """Whether a write may or may not have taken effect."""
    lacking: AuthFailed | None = None
    """A scope that some writes need and the credentials lack; everything else was done."""

    def took(self, effect: CompletedWrite, pair: Pair, now: datetime) -> None:
        """A write took effect, but for what was refused of it; identities are not told."""
        write = effect.write
        if not write.counted:
            return
        if not isinstance(write, Update) or len(effect.done.refused) < len(write.changes):
            self.report.count(write.side, write.action)
            self.report.written.append(report.described(write, delay=_delay(write, now)))
        alone: dict[GroupKey, Update] = {}
        if effect.done.refused and isinstance(write, Update):
            alone = by_group(_as_left(write, effect.done))
        for refusal in effect.done.refused:
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
            self.look_again(write)

    def failed(self, write: Write, error: ProviderError) -> None:
        """A write did not take effect: held where it was refused for good, else tried again."""
        self.look_again(write)
        if isinstance(error, AuthFailed):
            self.lacking = error
        if isinstance(error, Stale):
            self.moved.append(write)
        if isinstance(error, Permanent):
            self._refused(write, error)
        else:
            self._told(write, error)

    def put_off(self, write: Write, error: ProviderError) -> None:
        """A write was not sent; the next cycle tries it. A mark that is missing is no failure."""
        self.look_again(write)
        if write.counted:
            self._told(write, error)

    def look_again(self, write: Write) -> None:
        """Have the next cycle look at the records of a write."""
        ghl_id, hubspot_id = write.ids
        self.again += [
            (side, record_id)
            for side, record_id in ((Side.GHL, ghl_id), (Side.HUBSPOT, hubspot_id))
            if record_id
        ]

    def forget(self, ids: set[str]) -> None:
        """What failed or was held of these records: they are judged anew."""
        self.report.failed = [
            each for each in self.report.failed if not ids & {each.ghl_id, each.hubspot_id}
        ]
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
                # What is not tried again by the clock is asked of a person, for what it is.
                fingerprint=slot_fingerprint(write.source)
                if isinstance(write, Create) and reason != "rejected"
                else fingerprint_of(write),
                starts_at=write.starts_at,
                title=write.title,
                values=_wanted(write, Group.TIME),
            )
        )

    def _told(self, write: Write, error: ProviderError) -> None:
        self.unsure |= isinstance(error, TimedOut) and error.sent
        ghl_id, hubspot_id = write.ids
        self.report.failed.append(
            FailedWrite(
                ghl_id=ghl_id,
                hubspot_id=hubspot_id,
                side=write.side,
                action=write.action,
                detail=str(error),
            )
        )


def _wanted(write: Write, group: GroupKey) -> dict[str, str]:
    """What each side shows in a group that was refused, for people."""
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
    """The write as it would be planned next: part of it changed the record."""
    stamp = done.updated_at or write.seen.updated_at
    return replace(write, seen=replace(write.seen, updated_at=stamp))


def _delay(write: Write, now: datetime) -> float | None:
    """Seconds from the change to now; clocks that disagree make it 0, never less."""
    changed = write.changed_at
    return max(0.0, (now - changed).total_seconds()) if changed else None
