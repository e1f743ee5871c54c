"""What the templates show of a link beside its plain values: tones, counts, waiting records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import quote

from syncd.core.model import Hold, Side
from syncd.core.outcome import OPENS
from syncd.observability import words
from syncd.observability.health import LinkHealth
from syncd.observability.state import State
from syncd.ports.store import CONTACT, SYNC, Event, HistoryEntry

if TYPE_CHECKING:
    from syncd.observability.page.offers import Form
    from syncd.observability.page.render import Days, Look

SHOWN_FIELDS = frozenset({"start", "end", "status", "owner", ""})
"""History fields that say nothing about a person; the values of all others are masked."""

SHOWN_GROUPS = frozenset({"time", "status", "owner"})
MOST_HELD = 50
MOST_GUARDED = 20
HISTORY = 240
"""Entries of the history that are read: a new record has eight or so."""

MOST_WRITES = 30
"""Records that are shown of them."""

ASKS = frozenset({State.WAITING, State.GUARD})
"""States that ask for a person's approval."""

SYNCS = frozenset({State.OK, State.GUARD})
"""States in which what the last cycle found is known to be in sync, but for what is held."""

TONES = {
    State.OK: ("good", "●"),
    State.STARTING: ("warn", "○"),
    State.PAUSED: ("warn", "‖"),
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

_ICONS = {
    "good": ("#1a6e37", "M9 17l5 5 9-11"),
    "warn": ("#8a5a00", "M16 8v10M16 23v1"),
    "bad": ("#a4201a", "M10 10l12 12M22 10L10 22"),
}

_DONE = {
    "create": "created",
    "update": "changed",
    "restore": "restored",
    "adopt": "paired",
    "conflict": "overwritten",
    "undo": "put back",
}

LABELS = {
    "sync": "Sync now",
    "pause": "Pause",
    "resume": "Resume",
    "approve": "Approve the first sync",
    "allow-removals": "Let the removals pass",
    "allow-changes": "Let the changes pass",
    "retry": "Try again",
    "keep-ghl": f"Keep {Side.GHL.label}'s value",
    "keep-hubspot": f"Keep {Side.HUBSPOT.label}'s value",
    "separate": "It is an appointment of its own",
    "book-anyway": "Book it anyway",
    "ignore": "Ignore it",
}
"""What a button says, by its decision."""


def label(form: Form, decision: str, look: Look) -> str:
    """What a button of this form says."""
    if decision == "pair":
        other = form.other
        if form.other_title and look.personal:
            other = f"{form.other_title} ({form.other})"
        return f"Same appointment as {form.other_side} {other}".replace("  ", " ")
    if decision == "contact":
        if form.asks_contact:
            return "Use this contact"
        return f"It is for {look.name(form.link, 'contact', Side.HUBSPOT, form.contact)}"
    if not form.link:
        return f"{LABELS[decision]} all links"
    return LABELS[decision]


def icon(tone: str) -> str:
    """The icon of the page in the colour of its state, with a mark that says the same."""
    colour, mark = _ICONS[tone]
    drawn = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>"
        f"<circle cx='16' cy='16' r='15' fill='{colour}'/>"
        f"<path d='{mark}' fill='none' stroke='#fff' stroke-width='4' stroke-linecap='round'/>"
        "</svg>"
    )
    return f"data:image/svg+xml,{quote(drawn)}"


# --- what waits


_MENTIONED = {"calendar": "calendar", "user": "owner"}
"""How a name is kept, by the word that stands before an id in a reason."""

_MENTIONS = re.compile(r"\b(calendar|user) ([\w-]{5,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A held record, with everything that it is held for."""

    ids: tuple[str, str]
    holds: tuple[Hold, ...]

    @property
    def first(self) -> Hold:
        """The oldest of its holds."""
        return self.holds[0]

    @property
    def anchor(self) -> str:
        """A name for its place in the document."""
        return "-".join(each for each in self.ids if each)


def waiting(link: LinkHealth) -> list[Waiting]:
    """The records that wait for a decision of their own, in the order in which they are held."""
    found: dict[tuple[str, str], list[Hold]] = {}
    for hold in link.held:
        if hold.reason != "removal_guard":
            found.setdefault(hold.ids, []).append(hold)
    return [Waiting(ids=ids, holds=tuple(holds)) for ids, holds in found.items()]


def in_sync(link: LinkHealth) -> int:
    """How many pairs are in sync: those of which nothing is held."""
    held = {hold.ids for hold in link.held if all(hold.ids)}
    return max(0, link.pairs - len(held))


def guarded(link: LinkHealth) -> list[Hold]:
    """The removals that the guard keeps back, in the order of the calendar."""
    kept = [hold for hold in link.held if hold.reason == "removal_guard"]
    return sorted(kept, key=lambda hold: hold.starts_at or link.at)


def openers(link: LinkHealth) -> list[str]:
    """The commands that let the guards of a link pass."""
    guards = set(link.guards) | ({"removal_guard"} if guarded(link) else set())
    return [
        f"syncd kick --link {link.name} {option}"
        for guard, option in OPENS.items()
        if guard in guards or not guards
    ]


def ids(hold: Hold, look: Look, link: LinkHealth) -> list[tuple[str, str]]:
    """The ids of a held record, each with its system, and where its product shows it."""
    return [
        (f"{side.label} {found}", place(side, found, look, link))
        for side, found in zip(Side, hold.ids, strict=True)
        if found
    ]


def mentioned(hold: Hold) -> list[tuple[str, str]]:
    """The calendars and HighLevel users that a reason names by id: kind and id."""
    return [(_MENTIONED[word], found) for word, found in _MENTIONS.findall(hold.detail)]


def detail(hold: Hold, look: Look, link: LinkHealth) -> str:
    """The details of a reason, calendars and users by name."""

    def named(found: re.Match[str]) -> str:
        word, key = found.groups()
        return f"{word} {look.name(link.name, _MENTIONED[word], Side.GHL, key)}"

    return _MENTIONS.sub(named, hold.detail)


def held_value(hold: Hold, side: str, look: Look, link: LinkHealth) -> str:
    """What a side has; owners and contacts by name."""
    value = hold.values[side] or ""
    if value and hold.group in {"owner", "contact"}:
        return look.name(link.name, hold.group, Side(side), value)
    return value


def place(side: Side, record: str, look: Look, link: LinkHealth) -> str:
    """Where a product shows an appointment; HighLevel documents no page of one."""
    below = look.places.get(link.name, "")
    return f"{below}{quote(record, safe='')}" if side is Side.HUBSPOT and below else ""


# --- what happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What happened to appointments in some days."""

    created: int = 0
    moved: int = 0
    changed: int = 0
    cancelled: int = 0
    removed: int = 0
    conflicts: int = 0

    def told(self) -> list[tuple[str, int]]:
        """Each with its name."""
        return [(name, getattr(self, name)) for name in Sums.__slots__]


def sums(events: Iterable[Event]) -> Sums:
    """Count each appointment of each cycle once, by the weightiest that happened to it."""
    found = dict.fromkeys(Sums.__slots__, 0)
    for event in events:
        found[_kind(event)] += 1
        found["conflicts"] += event.action == "conflict"
    return Sums(**found)


def _kind(event: Event) -> str:
    if event.action in {"create", "restore"}:
        return "created"
    if event.action == "remove":
        return "removed"
    if event.cancels:
        return "cancelled"
    return "moved" if "start" in event.fields else "changed"


def days(told: Days, now: datetime, zone: tzinfo) -> tuple[Sums, Sums]:
    """Today, by the calendar of the zone, and the last seven days with today."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    today = [event for event in told.events if event.at >= midnight]
    week = [event for event in told.events if event.at >= midnight - timedelta(days=6)]
    return sums(today), sums(week)


def last_change(link: LinkHealth) -> datetime | None:
    """When syncd last wrote something."""
    found = [entry.at for entry in link.history[:1]]
    found += [point.at for point in link.cycles if point.writes]
    return max(found, default=None)


def changed_value(entry: HistoryEntry, value: str | None, look: Look, link: LinkHealth) -> str:
    """A value of the history; owners and contacts by name."""
    if value and entry.field in {"owner", "contact"}:
        return look.name(link.name, entry.field, entry.side, value)
    return value or ""


def delay(link: LinkHealth) -> float | None:
    """How many seconds the last change took to the other side."""
    found = [point.delay for point in link.cycles if point.delay is not None]
    return found[-1] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of the recent history, with all its fields."""

    entry: HistoryEntry
    """Its newest entry: instant, title and start."""
    record: str
    record_id: str
    done: str
    why: str
    by: str
    """Who decided it, where it was a person."""
    gone: bool
    """Whether the appointment is no longer there."""
    changes: Sequence[HistoryEntry]
    """One for each field, in the order of the write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfCycle:
    """The writes of one cycle, newest first."""

    cycle: str
    at: datetime
    writes: Sequence[Write]


def history(entries: Sequence[HistoryEntry]) -> list[OfCycle]:
    """The last writes by cycle, newest first."""
    found = [list(each) for _, each in groupby(entries, key=_write_of)]
    if len(entries) >= HISTORY and len(found) > 1:
        found.pop()  # Its other fields may lie beyond what was read.
    writes = [_write(each) for each in found[:MOST_WRITES]]
    return [
        OfCycle(cycle=cycle, at=(together := list(each))[0].entry.at, writes=together)
        for cycle, each in groupby(writes, key=lambda write: write.entry.cycle)
    ]


def _write_of(entry: HistoryEntry) -> tuple[str, ...]:
    return (entry.cycle, entry.side.value, entry.record, entry.ghl_id, entry.hubspot_id)


def _write(entries: list[HistoryEntry]) -> Write:
    first, side = entries[0], entries[0].side
    actions = {entry.action for entry in entries}
    whole = next((entry.action for entry in entries if not entry.field), "")
    action = whole or ("update" if actions - {"undo"} else "undo")
    done = _DONE.get(action, action)
    if action == "remove":
        cancels = any(entry.field for entry in entries)
        done = "cancelled" if cancels else "archived" if side is Side.HUBSPOT else "deleted"
    return Write(
        entry=first,
        record=side.label,
        record_id=first.hubspot_id if side is Side.HUBSPOT else first.ghl_id,
        done=f"contact {done}" if first.record == CONTACT else done,
        why="; ".join(dict.fromkeys(entry.why for entry in reversed(entries) if entry.why)),
        by="" if first.author == SYNC else first.by or words.text(first.author),
        gone=action == "remove",
        changes=[entry for entry in reversed(entries) if entry.field],
    )
