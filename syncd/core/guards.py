"""The guards over a whole plan, and the order that its writes go out in.

Plan calls this last. A guard keeps back removals, or creations and changes,
where there are more than the link's rules allow in one go (promise 11);
everything else is done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core import actions
from syncd.core.actions import Action, Rebase, Remove, Update, Write, WriteExternalId
from syncd.core.context import PlanContext
from syncd.core.model import Hold, Side
from syncd.core.outcome import CHANGES, REMOVALS


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentWrites:
    """What the guards must know of what went before this cycle."""

    pairs: int = 0
    removed_lately: int = 0
    """Records that we removed in the last 24 hours."""
    first: bool = False
    """Whether this is the link's first sync, which the change guard lets pass."""
    changes: Mapping[Side, int] = field(default_factory=dict)
    """Creations and changes that earlier plans of this cycle already hold, by side."""
    contacts: frozenset[tuple[Side, str]] = frozenset()
    """The contacts among them that are not created yet, by `NewContact.key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOverrides:
    """What a person lets the guards pass: all that a cycle finds, or what they were shown."""

    removals: bool = False
    changes: bool = False
    named_removals: frozenset[tuple[str, str]] = frozenset()
    """(ghl id, hubspot id) each."""
    named_changes: frozenset[tuple[str, str, str]] = frozenset()
    """(side, ghl id, hubspot id) each."""
    covered: Mapping[Side, int] | None = None
    """So many writes of a first sync a person let go, by side; None for however many."""

    def lets(self, write: Write) -> bool:
        """Whether this very write may go."""
        ids = write.ids
        if isinstance(write, Remove):
            return self.removals or ids in self.named_removals
        return self.changes or (write.side.value, *ids) in self.named_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBack:
    """A write that a guard keeps back."""

    guard: str
    write: Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A cycle's actions, most urgent first, and what the guards kept back."""

    writes: tuple[Write, ...] = ()
    rebases: tuple[Rebase, ...] = ()
    id_writes: tuple[WriteExternalId, ...] = ()
    holds: tuple[Hold, ...] = ()
    conflicts: int = 0
    stopped_removals: int = 0
    stopped_changes: int = 0
    """Contacts that would be created included."""
    kept_back: tuple[KeptBack, ...] = ()
    uncovered: Mapping[Side, int] = field(default_factory=dict)
    """Writes of a first sync, by side, that are more than a person let go."""

    @property
    def guarded(self) -> bool:
        """Whether anything was kept back."""
        return bool(self.stopped_removals or self.stopped_changes or self.uncovered)


def guard(
    decided: list[Action], context: PlanContext, past: RecentWrites, allowed: GuardOverrides
) -> Plan:
    """Keep back removals, or creations and changes, where there are too many."""
    policy = context.policy
    writes = [each for each in decided if isinstance(each, Write) and each.counted]
    holds = [each for each in decided if isinstance(each, Hold)]
    removals = [write for write in writes if isinstance(write, Remove)]
    kept_back = list[KeptBack]()
    if policy.removal_guard.tripped(
        len(removals) + (past.removed_lately if removals else 0), past.pairs
    ):
        stopped = [write for write in removals if not allowed.lets(write)]
        holds += [_kept_back(write) for write in stopped]
        kept_back += [KeptBack(guard=REMOVALS, write=write) for write in stopped]
    stopped_removals, stopped_changes = len(kept_back), 0
    for side in Side if not past.first else ():
        changed = [w for w in writes if w.side is side and not isinstance(w, Remove)]
        all_changes = count(changed, past.contacts) + past.changes.get(side, 0)
        if policy.change_guard.tripped(all_changes, past.pairs):
            held_up = [write for write in changed if not allowed.lets(write)]
            kept_back += [KeptBack(guard=CHANGES, write=write) for write in held_up]
            stopped_changes += count(held_up, past.contacts)
    uncovered = _uncovered(writes, past, allowed)
    gone = {id(each.write) for each in kept_back}
    writes = [write for write in writes if id(write) not in gone and not uncovered]
    return Plan(
        writes=tuple(sorted(writes, key=lambda write: urgency(write, policy.now))),
        rebases=tuple(each for each in decided if isinstance(each, Rebase)),
        id_writes=tuple(each for each in decided if isinstance(each, WriteExternalId)),
        holds=tuple(holds),
        conflicts=sum(_lost(write) for write in writes)
        + sum(1 for hold in holds if hold.reason == "conflict"),
        stopped_removals=stopped_removals,
        stopped_changes=stopped_changes,
        kept_back=tuple(sorted(kept_back, key=lambda each: urgency(each.write, policy.now))),
        uncovered=uncovered,
    )


def count(writes: Sequence[Write], known: Collection[tuple[Side, str]] = ()) -> int:
    """How many writes these are, with the contacts that they create.

    `known` are contacts that were counted before.
    """
    return len(writes) + sum(new.key not in known for new in actions.new_contacts(writes))


def _uncovered(
    writes: list[Write], past: RecentWrites, allowed: GuardOverrides
) -> Mapping[Side, int]:
    """What a first sync would write, by side, where it is more than a person let go."""
    if not past.first or allowed.covered is None:
        return {}
    counts = {
        side: count(there, past.contacts)
        for side in Side
        if (there := [write for write in writes if write.side is side])
    }
    beyond = any(
        number + past.changes.get(side, 0) > allowed.covered[side]
        for side, number in counts.items()
    )
    return counts if beyond else {}


def _kept_back(write: Remove) -> Hold:
    detail = "too many removals at once: `--allow-removals` lets them pass"
    return Hold.of(write.pair, "", "removal_guard", detail, write.seen.appointment)


def _lost(write: Write) -> int:
    """How many fields of a write overwrite the losing value of a conflict.

    Start and end are one field (promise 4).
    """
    if not isinstance(write, Update):
        return 0
    return sum(change.lost for change in write.changes)


def urgency(write: Write, now: datetime) -> tuple[int, float]:
    """What starts soonest goes first; what is past goes last.

    Of a move, the more urgent of the two starts counts: what was due an hour
    ago and is due in an hour now is urgent.
    """
    return min((_wait(start, now) for start in write.starts), default=(2, 0.0))


def _wait(start: datetime, now: datetime) -> tuple[int, float]:
    ahead = (start - now).total_seconds()
    return (0, ahead) if ahead >= 0 else (1, -ahead)
