"""What the templates show of a link beside its plain values: tones, record ids, recent writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from syncd.core.model import Hold, Side
from syncd.observability import words
from syncd.observability.state import State
from syncd.ports.store import CONTACT, HistoryEntry

SHOWN_FIELDS = frozenset({"start", "end", "status", "owner", ""})
"""History fields that say nothing about a person; the values of all others are masked."""

SHOWN_GROUPS = frozenset({"time", "status", "owner"})
MOST_HELD = 50
HISTORY = 60
"""Entries of the history that are read: a new record has eight or so."""

MOST_WRITES = 10
"""Writes that are shown of them."""

TONES = {
    State.OK: ("good", "●"),
    State.STARTING: ("warn", "○"),
    State.PAUSED: ("warn", "⏸"),
    State.WAITING: ("warn", "▲"),
    State.GUARD: ("warn", "▲"),
    State.LOCKED: ("warn", "▲"),
    State.FAILED_WRITES: ("warn", "▲"),
    State.UNREACHABLE: ("bad", "✕"),
    State.STALE: ("bad", "✕"),
    State.REFUSED: ("bad", "✕"),
    State.NOT_PREPARED: ("bad", "✕"),
    State.FAULT: ("bad", "✕"),
    State.GONE: ("bad", "✕"),
}
"""The colour of a state, and the mark that says the same without colour."""

_DONE = {
    "create": "created",
    "update": "updated",
    "restore": "restored",
    "adopt": "paired",
    "conflict": "overwritten",
    "undo": "put back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of the recent history, with all its fields."""

    entry: HistoryEntry
    """Its newest entry: instant, title and start."""
    record: str
    done: str
    why: str
    changes: Sequence[HistoryEntry]
    """One for each field, in the order of the write."""


def writes(history: Sequence[HistoryEntry]) -> list[Write]:
    """The last writes of a history, newest first."""
    found = [list(entries) for _, entries in groupby(history, key=_write_of)]
    if len(history) >= HISTORY and len(found) > 1:
        found.pop()  # Its other fields may lie beyond what was read.
    return [_write(entries) for entries in found[:MOST_WRITES]]


def ids(hold: Hold) -> list[str]:
    """The ids of a held record, each with its system."""
    return [f"{side.label} {found}" for side, found in zip(Side, hold.ids, strict=True) if found]


def _write_of(entry: HistoryEntry) -> tuple[str, ...]:
    both = (entry.ghl_id, entry.hubspot_id)
    return (entry.cycle, entry.side.value, entry.record, *both, entry.action)


def _write(entries: list[HistoryEntry]) -> Write:
    first, side = entries[0], entries[0].side.value
    done = _DONE.get(first.action, first.action)
    if first.action == "remove":
        done = "cancelled" if first.field else "archived" if side == "hubspot" else "deleted"
    return Write(
        entry=first,
        record=f"{words.SIDES[side]} {first.hubspot_id if side == 'hubspot' else first.ghl_id}",
        done=f"contact {done}" if first.record == CONTACT else done,
        why="; ".join(dict.fromkeys(entry.why for entry in reversed(entries) if entry.why)),
        changes=[entry for entry in reversed(entries) if entry.field],
    )
