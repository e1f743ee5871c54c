"""The status of a link, from the store and the daemon's heartbeat.

The daemon's page and `/healthz`, and `syncd status` beside it or without it,
all ask `examine`, so that they cannot disagree. What is read is plain values;
how it looks is the business of `page` and the verb.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.core import looks
from syncd.core.looks import Verified
from syncd.core.model import Hold
from syncd.core.outcome import worst_code
from syncd.observability.heartbeat import (
    CYCLES,
    HEARTBEAT,
    STOPPED,
    CyclePoint,
    Heartbeat,
    PollCost,
    read,
)
from syncd.observability.state import State
from syncd.observability.traffic import Budget
from syncd.ports.store import LEFT_OUT, PAUSED, TARGETED, CycleRow, HistoryEntry, StatusReader

FRESH = timedelta(seconds=90)
"""A daemon that lives has written its note at most so long ago (it does so every 30 s)."""


JUST = timedelta(seconds=2)
"""A cycle that began less than this ago is told as due: the store knows of it a second later than
the daemon, and both shall say the same."""

DAY = 86_400.0

STALE_AFTER = 3
"""Intervals without a good cycle after which a link is stale (`docs/exit-codes.md`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHealth:
    """The complete status of a link at one moment."""

    name: str
    at: datetime
    state: State
    detail: str = ""
    since: datetime | None = None
    failures: int = 0
    daemon: bool = False
    """Whether a daemon looks after the link."""
    paused: bool = False
    """Whether a person took the link out of service."""
    good_at: datetime | None = None
    next_due: datetime | None = None
    """Never past; None while a cycle runs, while the link is paused, and without a daemon."""
    working_since: datetime | None = None
    guards: tuple[str, ...] = ()
    """The guards that keep something back."""
    poll_seconds: float = 0.0
    asked_seconds: float = 0.0
    stretched_by: str = ""
    hearing: Mapping[str, str] = field(default_factory=dict)
    """What each side announces: off | waiting | heard | deaf."""
    relaxed: bool = False
    """Whether polls are rarer, since both sides announce their changes."""
    polls: Mapping[str, PollCost] = field(default_factory=dict)
    """What its polls cost, by side."""
    planned: Mapping[str, int] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    pairs: int = 0
    verified: Verified = field(default_factory=Verified)
    unexplained: int = 0
    """Pairs whose differences the last audit could not explain."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What the last full cycle read and did not sync, by reason."""
    held: tuple[Hold, ...] = ()
    cycles: tuple[CyclePoint, ...] = ()
    """Oldest first."""
    history: tuple[HistoryEntry, ...] = ()
    """Newest first."""
    timezone: str = ""
    """The location's time zone, as the last cycles found it."""

    @property
    def lag(self) -> float | None:
        """Seconds since the last good cycle began; None where there was none."""
        return (self.at - self.good_at).total_seconds() if self.good_at else None

    @property
    def code(self) -> int:
        """The exit code of the state."""
        return self.state.code

    @property
    def remedy(self) -> str:
        """What a person does about it."""
        return self.state.remedy(self.name, self.guards)

    @property
    def polls_per_day(self) -> Mapping[str, Mapping[str, int]]:
        """Requests a day that idle polls use, that they would use unrelaxed, and that they may."""
        if not self.poll_seconds or not self.asked_seconds:
            return {}
        return {
            side: {
                "requests": round(cost.requests * DAY / self.poll_seconds),
                "unrelaxed": round(cost.requests * DAY / self.asked_seconds),
                "at_most": cost.daily // 2,
            }
            for side, cost in self.polls.items()
            if cost.requests
        }

    @property
    def reasons(self) -> Mapping[str, int]:
        """Held records by reason, most of them first."""
        return dict(Counter(hold.reason for hold in self.held).most_common())

    def as_json(self) -> dict[str, object]:
        """One link in the JSON of `status` and `/healthz`; no value of a record is in it."""
        last = self.cycles[-1] if self.cycles else None
        return {
            "state": self.state.value,
            "exit_code": self.code,
            "detail": self.detail,
            "remedy": self.remedy,
            "since": _text(self.since),
            "failures": self.failures,
            "daemon": self.daemon,
            "paused": self.paused,
            "last_good_cycle": _text(self.good_at),
            "lag_seconds": None if self.lag is None else round(self.lag, 1),
            "last_cycle": None
            if last is None
            else {
                "started_at": _text(last.at),
                "cycle": last.kind,
                "outcome": last.outcome,
                "writes": last.writes,
                "seconds": last.seconds,
            },
            "next_due": _text(_next_second(self.next_due)),
            "working_since": _text(self.working_since),
            "poll_seconds": round(self.poll_seconds, 3),
            "poll_interval_seconds": round(self.asked_seconds, 3),
            "stretched_by": self.stretched_by or None,
            "live": {side: self.hearing.get(side, "off") for side in ("ghl", "hubspot")},
            "polls_per_day": self.polls_per_day,
            "first_sync_would_write": dict(self.planned) or None,
            "pairs": self.pairs,
            "verified": self.verified.count,
            "oldest_verification": _text(self.verified.oldest),
            "unexplained": self.unexplained,
            "left_out": dict(self.left_out),
            "held": {"total": len(self.held), "reasons": dict(self.reasons)},
            "budget": {side: budget.as_json() for side, budget in self.budgets.items()},
        }


def examine(
    name: str,
    store: StatusReader,
    now: datetime,
    *,
    heartbeat: Heartbeat | None = None,
    history: int = 0,
    max_age: timedelta | None = None,
    dead: bool = False,
) -> LinkHealth:
    """The status of a link; `heartbeat` is given if the daemon itself asks.

    `dead` says that no daemon holds the link, however fresh its last word is.

    It is stale without a good cycle for `max_age`, or else for three of the
    intervals in which it last ran.

    Raises:
        StoreError: our own store failed.
    """
    said = heartbeat or read(store.get_state(HEARTBEAT))
    trusted = trust(store, now)
    rows = store.cycles(CYCLES)
    daemon = said is not None and not said.stopped and now - said.at <= FRESH
    paused_at = store.get_state(PAUSED)
    good = [row.started_at for row in rows if row.outcome == "ok" and row.kind != TARGETED]
    if said is not None and said.good_at is not None:
        good.append(said.good_at)
    said_by = said if daemon else None
    seen = _Seen(said=said_by, last=said, rows=rows, now=now, own=heartbeat is not None)
    condition = _condition(seen) if not paused_at else _paused(paused_at)
    if not paused_at:
        condition = _stale(condition, seen, max(good, default=None), max_age) or condition
    state, detail, since = condition
    return LinkHealth(
        name=name,
        at=now,
        state=state,
        detail=detail,
        since=since,
        failures=said.failures if said and daemon else 0,
        daemon=daemon and not dead,
        paused=bool(paused_at),
        good_at=max(good, default=None),
        next_due=None if paused_at or dead else seen.next_due,
        working_since=None if dead else seen.working_since,
        guards=_guards(said, rows) if state is State.GUARD else (),
        poll_seconds=said.poll_seconds if said else 0.0,
        asked_seconds=said.asked_seconds if said else 0.0,
        stretched_by=said.stretched_by if said else "",
        hearing=said.hearing if said else {},
        relaxed=said.relaxed if said else False,
        polls=said.polls if said else {},
        planned=said.planned if said and state is State.WAITING else {},
        budgets=said.budgets if said and daemon else {},
        pairs=trusted.pairs,
        verified=trusted.verified,
        unexplained=trusted.unexplained,
        left_out=_left_out(store.get_state(LEFT_OUT)),
        held=tuple(store.holds()),
        cycles=_timeline(rows, said),
        history=tuple(store.history(limit=history)) if history else (),
        timezone=next((str(found) for row in rows if (found := row.report.get("timezone"))), ""),
    )


STATES = (HEARTBEAT, PAUSED, LEFT_OUT, looks.LOOK, looks.AUDITED)
"""The state keys that the status of a link rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How many pairs a link has, and how many of them were verified lately."""

    pairs: int
    verified: Verified
    unexplained: int


def trust(store: StatusReader, now: datetime) -> Trust:
    """The figures of verified pairs.

    Raises:
        StoreError: our own store failed.
    """
    pairs, look = store.count_pairs(), looks.read(store.get_state(looks.LOOK))
    later = store.count_later(look.through) if look is not None else 0
    audited = looks.read_audited(store.get_state(looks.AUDITED))
    return Trust(
        pairs=pairs,
        verified=looks.verified(look, pairs, later, now),
        unexplained=int(audited.get("unexplained") or 0),
    )


def worst(links: Iterable[LinkHealth]) -> int:
    """The exit code of several links: that of the worst."""
    return worst_code(link.code for link in links)


def by_trouble(links: Iterable[LinkHealth]) -> list[LinkHealth]:
    """The links with the worst state first; equal ones by their holds, then by name."""
    return sorted(links, key=lambda link: (link.state.severity, -len(link.held), link.name))


def _timeline(rows: list[CycleRow], said: Heartbeat | None) -> tuple[CyclePoint, ...]:
    """The last cycles, oldest first: stored ones, and idle ones from the daemon's heartbeat."""
    points = {point.at: point for point in (said.recent if said else ())}
    points |= {point.at: point for point in map(point_of, rows)}
    return tuple(points[at] for at in sorted(points)[-CYCLES:])


def point_of(row: CycleRow) -> CyclePoint:
    """A finished cycle in the timeline; its report is read leniently."""
    delay = row.report.get("delay")
    return CyclePoint(
        at=row.started_at,
        kind=row.kind,
        outcome=STOPPED if row.report.get("stopped") else row.outcome,
        writes=sum(_writes(row.report.get(side)) for side in ("ghl", "hubspot")),
        seconds=_number(row.report.get("seconds")),
        delay=_number(delay) if delay is not None else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The state of a link in the store and in the daemon's heartbeat."""

    said: Heartbeat | None
    """The heartbeat of a running daemon."""
    last: Heartbeat | None
    """The last heartbeat of any daemon."""
    rows: list[CycleRow]
    now: datetime
    own: bool = False
    """Whether it is the daemon that asks: it is there, and only its schedule may have stopped."""

    @property
    def working_since(self) -> datetime | None:
        """Since when a cycle runs; one that has just begun is told as due now."""
        since = self.said.working_since if self.said else None
        return since if since is not None and self.now - since >= JUST else None

    @property
    def begun(self) -> datetime | None:
        """The earliest that is known of it."""
        last = self.last
        known = [last.since, last.working_since, last.at] if last is not None else []
        return min((at for at in (*known, *(r.started_at for r in self.rows)) if at), default=None)

    @property
    def next_due(self) -> datetime | None:
        if self.said is None or self.working_since is not None:
            return None
        resumed = self.said.state is State.PAUSED
        return self.now if resumed or not self.said.next_due else max(self.said.next_due, self.now)


_Condition = tuple[State, str, datetime | None]
"""State, detail, and since when."""


def _paused(at: str) -> _Condition:
    try:
        return State.PAUSED, "", datetime.fromisoformat(at)
    except ValueError:
        return State.PAUSED, "", None


def _condition(seen: _Seen) -> _Condition:
    """The heartbeat of a running daemon, else the stored state."""
    said, last = seen.said, seen.rows[0] if seen.rows else None
    if said is not None and said.state is not State.PAUSED:
        return said.state, said.detail, said.since
    said = seen.last
    if said is not None and said.state is State.PAUSED and not last:
        return State.STARTING, "in service again; no cycle has run yet", None
    if last is not None and (
        said is None or said.state is State.PAUSED or last.finished_at > said.at
    ):
        # A command ran after the last heartbeat: its cycle is newer.
        detail = str(last.report.get("detail", ""))
        return State.of(last.outcome), detail, last.started_at
    if said is None:
        return State.STARTING, "no cycle has run yet", None
    if said.stopped:
        return said.state, said.detail, said.since
    words = f"it stopped unexpectedly; its last sign of life was at {said.at:%Y-%m-%d %H:%M:%S} UTC"
    return State.GONE, words, said.at


def _stale(
    condition: _Condition, seen: _Seen, good_at: datetime | None, max_age: timedelta | None
) -> _Condition | None:
    """Whether the schedule has stopped, though nobody paused the link (`docs/exit-codes.md`).

    A worse state takes precedence. A running daemon has not stopped
    while it begins, works, or does what it can.
    """
    state, detail, _ = condition
    if state not in {State.OK, State.STARTING, State.FAILED_WRITES, State.GONE}:
        return None
    limit = max_age or _three_intervals(seen)
    if limit is None or (max_age is None and _goes_on(state, seen, limit)):
        return None
    since = good_at or seen.begun
    if since is not None and seen.now - since <= limit:
        return None
    told = f"no good cycle for more than {limit.total_seconds():g} s"
    return State.STALE, f"{told}; {detail}" if detail else told, since


def _three_intervals(seen: _Seen) -> timedelta | None:
    """None where it never ran in intervals; a cycle may last longer than its interval."""
    if seen.last is None or not seen.last.poll_seconds:
        return None
    lasted = max((point.seconds for point in _timeline(seen.rows, seen.last)[-1:]), default=0.0)
    return timedelta(seconds=STALE_AFTER * max(seen.last.poll_seconds, lasted))


def _goes_on(state: State, seen: _Seen, limit: timedelta) -> bool:
    said = seen.said
    if said is None:
        return False
    if said.working_since or said.state in {State.STARTING, State.PAUSED}:
        return True
    if seen.own and said.next_due is not None and seen.now - said.next_due <= limit:
        return True
    lately = next((row.finished_at for row in seen.rows if row.kind != TARGETED), None)
    return state is State.FAILED_WRITES and lately is not None and seen.now - lately <= limit


def _guards(said: Heartbeat | None, rows: list[CycleRow]) -> tuple[str, ...]:
    """The guards that kept something back in the last cycle."""
    if said is not None and said.guards and not (rows and rows[0].finished_at > said.at):
        return said.guards
    found = rows[0].report.get("guards") if rows else None
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _left_out(kept: str) -> dict[str, int]:
    try:
        return {str(reason): int(number) for reason, number in json.loads(kept or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _writes(counts: Any) -> int:
    if not isinstance(counts, dict):
        return 0
    return sum(
        int(_number(counts.get(kind)))
        for kind in ("created", "updated", "removed", "restored", "contacts_created")
    )


def _number(held: Any) -> float:
    return float(held) if isinstance(held, int | float) else 0.0


def _next_second(moment: datetime | None) -> datetime | None:
    """The whole second that is not before it: cut off, it would be past while it is not."""
    if moment is None or not moment.microsecond:
        return moment
    return moment.replace(microsecond=0) + timedelta(seconds=1)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
