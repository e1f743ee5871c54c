"""What a cycle did, as values: the report of `docs/report.md`.

`finish` builds it from what the steps gave, the verbs print it, the store keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core.model import Hold, Side
from syncd.core.outcome import Outcome
from syncd.engine.planned_writes import (
    PlannedWrite,
    described,
    digest,
    field_values,
    in_one_line,
    planned_as_json,
)
from syncd.ports.store import APPOINTMENT, CONTACT

WRITES = ("created", "updated", "removed", "restored", "contacts_created")
"""What a tally counts of writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was written to one side."""

    created: int = 0
    updated: int = 0
    removed: int = 0
    restored: int = 0
    contacts_created: int = 0
    requests: int = 0

    @property
    def writes(self) -> int:
        """All of them together."""
        return sum(getattr(self, name) for name in WRITES)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            **{name: count + getattr(other, name) for name, count in self.as_json().items()}
        )

    def as_json(self) -> dict[str, int]:
        """The side's counts in the JSON report, and in the log."""
        return {name: getattr(self, name) for name in (*WRITES, "requests")}


def tally(side: Side, writes: Iterable[PlannedWrite], requests: int = 0) -> Tally:
    """What these writes and so many requests are to a side."""
    counts = Counter((each.action, each.record) for each in writes if each.side is side)
    return Tally(
        created=counts["create", APPOINTMENT],
        updated=counts["update", APPOINTMENT],
        removed=counts["remove", APPOINTMENT],
        restored=counts["restore", APPOINTMENT],
        contacts_created=counts["create", CONTACT],
        requests=requests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedWrite:
    """A write that will be tried again."""

    ghl_id: str
    hubspot_id: str
    side: Side
    action: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChange:
    """A record that a poll found changed."""

    stamp: datetime
    """The vendor's (UTC)."""
    shown: str
    """A digest of what it shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """Everything that one cycle of one link did."""

    link: str
    cycle: str = ""
    kind: str = "full"
    outcome: Outcome = Outcome.OK
    detail: str = ""
    started_at: datetime | None = None
    timezone: str = ""
    """The location's time zone, in which people read its times; "" until it is known."""
    seconds: float = 0.0
    dry_run: bool = False
    pairs: int | None = None
    """Known pairs; None where our own store could not be asked."""
    adopted: int = 0
    unchanged: int = 0
    conflicts: int = 0
    ghl: Tally = field(default_factory=Tally)
    hubspot: Tally = field(default_factory=Tally)
    held: Sequence[Hold] = field(default_factory=list)
    failed: Sequence[FailedWrite] = field(default_factory=list)
    warnings: Sequence[str] = field(default_factory=list)
    unread: Sequence[str] = field(default_factory=list)
    """Parts that could not be read and will be tried again."""
    written: Sequence[PlannedWrite] = field(default_factory=list)
    clock_skew: Mapping[str, float] = field(default_factory=dict)
    """Seconds that each vendor's clock was ahead of ours, by its `Date` headers."""
    planned: Sequence[PlannedWrite] | None = None
    """With a dry run: what would be written."""
    left_out: Mapping[str, int] | None = None
    """What a full cycle read and does not sync, by reason; None where it did not look."""
    looked: bool = False
    """Whether both sides could be read; else there are no counts of what stands there."""
    guards: Sequence[str] = field(default_factory=list)
    """The guards that kept something back."""
    uncovered: Mapping[Side, int] = field(default_factory=dict)
    """What a first sync would write, by side, where it is more than a person let go."""
    held_anew: bool = False
    """Whether other records are held than before it."""
    decisions: Sequence[int] = ()
    """The decisions of people that it took up."""
    closed: frozenset[int] = frozenset()
    """Keys of the announcements that were closed with the cycle."""
    left: bool = False
    """With a targeted cycle: whether an incremental one has to read what it could not."""
    changes: Mapping[Side, Mapping[str, FoundChange]] = field(default_factory=dict)
    """What the first poll found changed, by side and id, where it was asked for."""
    stopped: bool = False
    """Whether the process was asked to stop before the cycle had come to its end."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to keep of it: an incremental cycle that met no change."""
        nothing = Tally()
        return (
            self.kind != "full"
            and self.outcome is Outcome.OK
            and not (self.adopted or self.conflicts or self.failed or self.unread)
            and all(replace(self.tally(side), requests=0) == nothing for side in Side)
        )

    @property
    def delay(self) -> float | None:
        """The longest way of a change through this cycle, in seconds.

        A full cycle also takes up what is old, so that only incremental ones say.
        """
        if self.kind == "full":
            return None
        return max((write.delay for write in self.written if write.delay is not None), default=None)

    def tally(self, side: Side) -> Tally:
        """The counts of that side."""
        return self.ghl if side is Side.GHL else self.hubspot

    def counts(self, side: Side) -> dict[str, int | None]:
        """The side's counts; what a dry run would write is not known where it could not look."""
        counted: dict[str, int | None] = {**self.tally(side).as_json()}
        if self.dry_run and not self.looked:
            counted |= dict.fromkeys(WRITES)
        return counted

    def followed_by(self, second: CycleReport) -> CycleReport:
        """Add a further pass: counts add up, its outcome and its holds replace ours."""
        return replace(
            self,
            ghl=self.ghl + second.ghl,
            hubspot=self.hubspot + second.hubspot,
            outcome=second.outcome,
            detail=second.detail,
            pairs=second.pairs,
            adopted=self.adopted + second.adopted,
            left_out=second.left_out or self.left_out,
            looked=self.looked or second.looked,
            closed=self.closed | second.closed,
            left=self.left or second.left,
            conflicts=max(self.conflicts, second.conflicts),
            held=second.held,
            failed=second.failed,
            unread=second.unread,
            warnings=[*dict.fromkeys((*self.warnings, *second.warnings))],
            written=[*self.written, *second.written],
        )

    def as_json(self) -> dict[str, object]:
        """The link's object in the JSON report."""
        found: dict[str, object] = {
            "outcome": self.outcome.value,
            "cycle": self.kind,
            "pairs": self.pairs,
            "adopted": self.adopted if self.looked else None,
            "unchanged": self.unchanged if self.looked else None,
            "ghl": self.counts(Side.GHL),
            "hubspot": self.counts(Side.HUBSPOT),
            "conflicts": self.conflicts if self.looked else None,
            "held": [_held(hold) for hold in self.held],
            "failed": [_failed(write) for write in self.failed],
            "seconds": round(self.seconds, 3),
        }
        if self.kind == "full":
            found["left_out"] = None if self.left_out is None else dict(self.left_out)
        if not self.looked:
            found["looked"] = False
        if self.timezone:
            found["timezone"] = self.timezone
        if self.detail:
            found["detail"] = self.detail
        if self.delay is not None:
            found["delay"] = round(self.delay, 1)
        if self.clock_skew:
            found["clock_skew"] = dict(self.clock_skew)
        for name in ("warnings", "guards", "unread", "decisions"):
            if values := list(getattr(self, name)):
                found[name] = values
        if self.stopped:
            found["stopped"] = True
        if self.planned is not None:
            found["planned"] = [planned_as_json(write) for write in self.planned]
        return found


def _held(hold: Hold) -> dict[str, object]:
    return {
        "ghl_id": hold.ghl_id or None,
        "hubspot_id": hold.hubspot_id or None,
        "title": hold.title or None,
        "reason": hold.reason,
        "field": hold.group or None,
        "detail": hold.detail,
        "values": dict(hold.values),
    }


def _failed(write: FailedWrite) -> dict[str, object]:
    return {
        "ghl_id": write.ghl_id or None,
        "hubspot_id": write.hubspot_id or None,
        "side": write.side.value,
        "action": write.action,
        "detail": write.detail,
    }


__all__ = [
    "CycleReport",
    "FailedWrite",
    "PlannedWrite",
    "Tally",
    "described",
    "digest",
    "field_values",
    "in_one_line",
    "planned_as_json",
]
