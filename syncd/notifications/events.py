"""What there is to tell of a link: pure, from how it fares, what is held, and what was told.

`desk` calls `news_of` after every cycle. An event is told once: its key is
remembered until the event is over. Leaves out how the message looks
(`message`) and how it travels (`channels`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syncd.core.model import Hold
from syncd.observability.state import State


class Event(StrEnum):
    """What people are told of."""

    LINK_BROKEN = "link_broken"
    LINK_RECOVERED = "link_recovered"
    GUARD_TRIPPED = "guard_tripped"
    RECORD_HELD = "record_held"
    HELD_STARTS_SOON = "held_starts_soon"


GUARDS = frozenset({State.GUARD, State.WAITING})
"""Nothing is broken there, but nothing goes on until a person lets it."""

NEUTRAL = frozenset({State.STARTING, State.PAUSED, State.LOCKED, State.GONE})
"""What neither breaks a link nor mends it: a person's wish, or another syncd's work."""

PASSING = frozenset({State.UNREACHABLE, State.FAILED_WRITES})
"""What often mends itself with the next cycle: told only once it has lasted."""

_LINK, _HELD, _SOON = "link", "held", "soon"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """How a link fares after a cycle."""

    link: str
    state: State
    detail: str = ""
    since: datetime | None = None
    guards: tuple[str, ...] = ()
    """The guards that keep something back, where that is known."""
    lasting: bool = True
    """Whether the state has outlived a second cycle or two poll intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long a record may wait before people are told."""

    held_longer_than: timedelta
    starts_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One event that people are to be told of."""

    event: Event
    was: str = ""
    """Of a recovery: the state that is over."""
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What is to be told now, and what to remember of it."""

    items: tuple[Item, ...] = ()
    told: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.items or self.told or self.over)


def news_of(
    standing: LinkStatus, holds: Iterable[Hold], told: Collection[str], terms: Terms, now: datetime
) -> Events:
    """What is new since people were told last; `told` are the keys of what they know."""
    waiting = list(holds)
    of_link = _of_link(standing, {key for key in told if _kind(key) == _LINK})
    late = _of_holds(_HELD, waiting, told, lambda hold: _is_late(hold, terms, now))
    soon = _of_holds(_SOON, waiting, told, lambda hold: _is_soon(hold, terms, now))
    parts = (of_link, soon, late)
    return Events(
        items=tuple(item for part in parts for item in part.items),
        told=frozenset().union(*(part.told for part in parts)),
        over=frozenset().union(*(part.over for part in parts)),
    )


def _of_link(standing: LinkStatus, known: set[str]) -> Events:
    """At most one event: it broke, it recovered, or neither."""
    state = standing.state
    if state in NEUTRAL:
        return Events()
    if state is State.OK:
        was = ", ".join(sorted(key.partition(" ")[2] for key in known))
        items = (Item(event=Event.LINK_RECOVERED, was=was),) if known else ()
        return Events(items=items, over=frozenset(known))
    key = f"{_LINK} {state}"
    if key in known or (state in PASSING and not standing.lasting):
        return Events()
    event = Event.GUARD_TRIPPED if state in GUARDS else Event.LINK_BROKEN
    return Events(items=(Item(event=event),), told=frozenset({key}), over=frozenset(known))


def _of_holds(
    kind: str, holds: Iterable[Hold], told: Collection[str], fits: Callable[[Hold], bool]
) -> Events:
    """One item for all the records that reached the limit since people were told last."""
    standing = {_key(kind, hold): hold for hold in holds}
    fresh = {key: hold for key, hold in standing.items() if key not in told and fits(hold)}
    over = frozenset(key for key in told if _kind(key) == kind and key not in standing)
    if not fresh:
        return Events(over=over)
    event = Event.RECORD_HELD if kind == _HELD else Event.HELD_STARTS_SOON
    item = Item(event=event, holds=tuple(fresh.values()))
    return Events(items=(item,), told=frozenset(fresh), over=over)


def _key(kind: str, hold: Hold) -> str:
    """What makes it the same event; one that was moved may start soon a second time."""
    name = f"{kind} {hold.ghl_id or '-'} {hold.hubspot_id or '-'} {hold.group or '-'} {hold.reason}"
    if kind == _SOON and hold.starts_at is not None:
        return f"{name} {hold.starts_at:%Y-%m-%dT%H:%M}"
    return name


def _kind(key: str) -> str:
    return key.partition(" ")[0]


def _is_late(hold: Hold, terms: Terms, now: datetime) -> bool:
    return hold.since is not None and now - hold.since >= terms.held_longer_than


def _is_soon(hold: Hold, terms: Terms, now: datetime) -> bool:
    return hold.starts_at is not None and now <= hold.starts_at <= now + terms.starts_within


__all__ = ["Event", "Events", "Item", "LinkStatus", "Terms", "news_of"]
