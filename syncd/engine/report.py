"""What a cycle did, as values: the report of contract section 5.

`cycle` fills it in, the verbs print it, the store keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

from syncd.core import essence
from syncd.core.actions import Create, Hold, Remove, Update, Write
from syncd.core.essence import Value
from syncd.core.model import Appointment, Group, GroupKey, Side
from syncd.errors import quoted


class Outcome(StrEnum):
    """How a cycle ended; the exit codes 0 to 7 stand in this order."""

    OK = "ok"
    FAULT = "fault"
    NOT_PREPARED = "not_prepared"
    FAILED_WRITES = "failed_writes"
    GUARD = "guard"
    LOCKED = "locked"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"

    @property
    def code(self) -> int:
        """The exit code of this outcome."""
        return list(Outcome).index(self)


GRAVITY = (1, 6, 2, 4, 5, 7, 3, 0)
"""Exit codes, gravest first (contract section 2)."""


def gravest(codes: list[int]) -> int:
    """The exit code of several links."""
    return min(codes, key=GRAVITY.index, default=0)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was written to one side."""

    created: int = 0
    updated: int = 0
    removed: int = 0
    restored: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedWrite:
    """A write that will be tried again."""

    ghl_id: str
    hubspot_id: str
    side: Side
    action: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWrite:
    """A write as a person reads it: which fields, from what to what, and why."""

    side: Side
    action: str
    ghl_id: str
    hubspot_id: str
    fields: Mapping[str, tuple[str | None, str | None]]
    why: str
    title: str = ""
    starts_at: datetime | None = None
    delay: float | None = None
    """Done: seconds from the vendor's stamp of the change to our write, where it is known."""


@dataclass(slots=True, kw_only=True)
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
    pairs: int = 0
    adopted: int = 0
    unchanged: int = 0
    conflicts: int = 0
    ghl: Tally = field(default_factory=Tally)
    hubspot: Tally = field(default_factory=Tally)
    held: list[Hold] = field(default_factory=list)
    failed: list[FailedWrite] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Parts that could not be read and will be tried again."""
    written: list[PlannedWrite] = field(default_factory=list)
    clock_skew: dict[str, float] = field(default_factory=dict)
    """Seconds that each vendor's clock was ahead of ours, by its `Date` headers."""
    planned: list[PlannedWrite] | None = None
    """With a dry run: what would be written."""
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

    def followed_by(self, again: CycleReport) -> None:
        """Add what a second look at the same records came to; how things stand is its word."""
        for side in Side:
            first, second = self.tally(side), again.tally(side)
            for name in ("created", "updated", "removed", "restored"):
                setattr(first, name, getattr(first, name) + getattr(second, name))
        self.outcome, self.detail = again.outcome, again.detail
        self.pairs, self.adopted = again.pairs, self.adopted + again.adopted
        self.conflicts = max(self.conflicts, again.conflicts)
        self.held, self.failed, self.unread = again.held, again.failed, again.unread
        self.warnings = list(dict.fromkeys(self.warnings + again.warnings))
        self.written += again.written

    def count(self, side: Side, action: str) -> None:
        """One more write of that kind."""
        tally = self.tally(side)
        match action:
            case "create":
                tally.created += 1
            case "update":
                tally.updated += 1
            case "remove":
                tally.removed += 1
            case "restore":
                tally.restored += 1

    def as_json(self) -> dict[str, object]:
        """The link's object in the JSON report."""
        found: dict[str, object] = {
            "outcome": self.outcome.value,
            "cycle": self.kind,
            "pairs": self.pairs,
            "adopted": self.adopted,
            "unchanged": self.unchanged,
            "ghl": _counts(self.ghl),
            "hubspot": _counts(self.hubspot),
            "conflicts": self.conflicts,
            "held": [_held(hold) for hold in self.held],
            "failed": [_failed(write) for write in self.failed],
            "seconds": round(self.seconds, 3),
        }
        if self.timezone:
            found["timezone"] = self.timezone
        if self.detail:
            found["detail"] = self.detail
        if self.delay is not None:
            found["delay"] = round(self.delay, 1)
        if self.clock_skew:
            found["clock_skew"] = dict(self.clock_skew)
        if self.warnings:
            found["warnings"] = list(self.warnings)
        if self.stopped:
            found["stopped"] = True
        if self.unread:
            found["unread"] = list(self.unread)
        if self.planned is not None:
            found["planned"] = [planned_as_json(write) for write in self.planned]
        return found


def _counts(tally: Tally) -> dict[str, int]:
    return {
        "created": tally.created,
        "updated": tally.updated,
        "removed": tally.removed,
        "restored": tally.restored,
        "requests": tally.requests,
    }


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


def planned_as_json(write: PlannedWrite) -> dict[str, object]:
    """One write of the `planned` list."""
    return {
        "side": write.side.value,
        "action": write.action,
        "ghl_id": write.ghl_id or None,
        "hubspot_id": write.hubspot_id or None,
        "fields": {
            name: {"from": before, "to": after} for name, (before, after) in write.fields.items()
        },
        "why": write.why,
    }


# --- from actions to words


def action_of(write: Write) -> str:
    """The report's name for a write."""
    match write:
        case Create():
            return "create"
        case Update():
            return "restore" if write.restores else "update"
        case Remove():
            return "remove"


def ids_of(write: Write) -> tuple[str, str]:
    """The (ghl, hubspot) ids that a write is about, "" where there is none yet."""
    if isinstance(write, Create):
        ids = {write.source.side: write.source.id, write.side: ""}
        if write.pair is not None:
            ids[write.side] = write.pair.id_on(write.side)
        return ids[Side.GHL], ids[Side.HUBSPOT]
    return write.pair.ghl_id, write.pair.hubspot_id


def described(write: Write, delay: float | None = None) -> PlannedWrite:
    """A write in words; `delay` once it is done, see `PlannedWrite`."""
    ghl_id, hubspot_id = ids_of(write)
    match write:
        case Create():
            shown, why = write.wanted, write.why
            fields = _new_fields(write.wanted)
        case Update():
            shown = write.seen.appointment
            why = "; ".join(dict.fromkeys(change.why for change in write.changes))
            fields = {}
            for change in write.changes:
                fields |= field_values(change.group, change.before, change.after)
        case Remove():
            shown, why = write.seen.appointment, write.why
            fields = {"status": (shown.status, write.cancel_as)} if write.cancel_as else {}
    return PlannedWrite(
        side=write.side,
        action=action_of(write),
        ghl_id=ghl_id,
        hubspot_id=hubspot_id,
        fields=fields,
        why=why,
        title=shown.title,
        starts_at=shown.start,
        delay=delay,
    )


def in_one_line(write: PlannedWrite) -> str:
    """A planned write as one line for a person: which record, by its ids on both sides."""
    title = f" {quoted(write.title)}" if write.title else ""
    ids = (("HighLevel", write.ghl_id), ("HubSpot", write.hubspot_id))
    record = ", ".join(f"{side} {each}" for side, each in ids if each)
    return f"{write.side.value}: {write.action}{title}, {record} ({write.why})"


def digest(write: PlannedWrite) -> str:
    """What names a planned write: the same words, the same digest."""
    words = json.dumps(planned_as_json(write), sort_keys=True, ensure_ascii=True)
    return blake2b(words.encode(), digest_size=16).hexdigest()


def _new_fields(wanted: Appointment) -> dict[str, tuple[str | None, str | None]]:
    fields: dict[str, tuple[str | None, str | None]] = {}
    for group in (*Group, *(f"x:{name}" for name, _ in wanted.extras)):
        found = essence.value(wanted, group)
        if not essence.is_empty(found):
            fields |= {name: (None, new) for name, new in essence.said(found, group).items()}
    return fields


def field_values(
    group: GroupKey, before: Value, after: Value
) -> dict[str, tuple[str | None, str | None]]:
    """A group's change as the report's fields: start and end are two, what stays is left out."""
    old, new = essence.said(before, group), essence.said(after, group)
    return {name: (old.get(name), new[name]) for name in new if old.get(name) != new[name]}
