"""The events of a link that people are notified of; pure.

`notifier` calls `event_changes` after every cycle, with the link's status, its
holds and the events announced so far. An event is announced once: its key is
stored until the event has ended. `message` formats an event, `channels` sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syncd.core.model import Hold
from syncd.observability.state import State


class Event(StrEnum):
    """The kinds of events, as a message names them."""

    LINK_BROKEN = "link_broken"
    LINK_RECOVERED = "link_recovered"
    GUARD_TRIPPED = "guard_tripped"
    RECORD_HELD = "record_held"
    HELD_STARTS_SOON = "held_starts_soon"
    DIFFERENCE_UNEXPLAINED = "difference_unexplained"


GUARD_STATES = frozenset({State.GUARD, State.WAITING})
"""Nothing is broken, but a person has to approve writes."""

NEUTRAL_STATES = frozenset({State.STARTING, State.PAUSED, State.LOCKED, State.GONE})
"""States that neither break a link nor end a break: a person's wish, or another syncd's work."""

TRANSIENT_STATES = frozenset({State.UNREACHABLE, State.FAILED_WRITES})
"""States that often end with the next cycle: announced only when they last."""

_LINK, _HELD, _SOON, _AUDIT = "link", "held", "soon", "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """The status of a link after a cycle."""

    link: str
    state: State
    detail: str = ""
    since: datetime | None = None
    guards: tuple[str, ...] = ()
    """The guards that keep writes back, if known."""
    unexplained: int | None = None
    """After an audit: how many pairs differ without a reason."""
    lasting: bool = True
    """Whether the state has lasted for a second cycle or two poll intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """How long a record may be held before people are notified."""

    held_longer_than: timedelta
    starts_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One event to notify people of."""

    kind: Event
    was: str = ""
    """Of a recovery: the state that has ended."""
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventChanges:
    """New events, and the keys to add to and to remove from the announced ones."""

    new: tuple[NewEvent, ...] = ()
    announced: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.new or self.announced or self.ended)


def event_changes(
    status: LinkStatus,
    holds: Iterable[Hold],
    announced: Collection[str],
    thresholds: Thresholds,
    now: datetime,
) -> EventChanges:
    """The changes since the last notification; `announced` are the keys of earlier events."""
    held = list(holds)
    of_link = _of_link(status, {key for key in announced if _kind(key) == _LINK})
    late = _of_holds(_HELD, held, announced, lambda hold: _is_late(hold, thresholds, now))
    soon = _of_holds(_SOON, held, announced, lambda hold: _is_soon(hold, thresholds, now))
    parts = (of_link, soon, late, _of_audit(status, _AUDIT in announced))
    return EventChanges(
        new=tuple(event for part in parts for event in part.new),
        announced=frozenset().union(*(part.announced for part in parts)),
        ended=frozenset().union(*(part.ended for part in parts)),
    )


def _of_link(status: LinkStatus, known: set[str]) -> EventChanges:
    """At most one event: the link broke, or it recovered."""
    state = status.state
    if state in NEUTRAL_STATES:
        return EventChanges()
    if state is State.OK:
        was = ", ".join(sorted(key.partition(" ")[2] for key in known))
        new = (NewEvent(kind=Event.LINK_RECOVERED, was=was),) if known else ()
        return EventChanges(new=new, ended=frozenset(known))
    key = f"{_LINK} {state}"
    if key in known or (state in TRANSIENT_STATES and not status.lasting):
        return EventChanges()
    kind = Event.GUARD_TRIPPED if state in GUARD_STATES else Event.LINK_BROKEN
    return EventChanges(
        new=(NewEvent(kind=kind),), announced=frozenset({key}), ended=frozenset(known)
    )


def _of_audit(status: LinkStatus, known: bool) -> EventChanges:  # noqa: FBT001 - one caller
    """An audit found differences without a reason, or none any more."""
    if status.unexplained is None or bool(status.unexplained) is known:
        return EventChanges()
    if known:
        return EventChanges(ended=frozenset({_AUDIT}))
    new = NewEvent(kind=Event.DIFFERENCE_UNEXPLAINED)
    return EventChanges(new=(new,), announced=frozenset({_AUDIT}))


def _of_holds(
    kind: str, holds: Iterable[Hold], announced: Collection[str], fits: Callable[[Hold], bool]
) -> EventChanges:
    """One event for all records that reached the limit since the last notification."""
    current = {_key(kind, hold): hold for hold in holds}
    fresh = {key: hold for key, hold in current.items() if key not in announced and fits(hold)}
    ended = frozenset(key for key in announced if _kind(key) == kind and key not in current)
    if not fresh:
        return EventChanges(ended=ended)
    new = NewEvent(
        kind=Event.RECORD_HELD if kind == _HELD else Event.HELD_STARTS_SOON,
        holds=tuple(fresh.values()),
    )
    return EventChanges(new=(new,), announced=frozenset(fresh), ended=ended)


def _key(kind: str, hold: Hold) -> str:
    """The identity of an event; an appointment that was moved may start soon a second time."""
    name = f"{kind} {hold.ghl_id or '-'} {hold.hubspot_id or '-'} {hold.group or '-'} {hold.reason}"
    if kind == _SOON and hold.starts_at is not None:
        return f"{name} {hold.starts_at:%Y-%m-%dT%H:%M}"
    return name


def _kind(key: str) -> str:
    return key.partition(" ")[0]


def _is_late(hold: Hold, thresholds: Thresholds, now: datetime) -> bool:
    return hold.since is not None and now - hold.since >= thresholds.held_longer_than


def _is_soon(hold: Hold, thresholds: Thresholds, now: datetime) -> bool:
    return hold.starts_at is not None and now <= hold.starts_at <= now + thresholds.starts_within


__all__ = ["Event", "EventChanges", "LinkStatus", "NewEvent", "Thresholds", "event_changes"]
