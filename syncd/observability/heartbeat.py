"""The daemon's heartbeat of a link: its state between two cycles.

Kept in the store under one name, so that `syncd status` beside the daemon
says what the daemon's own page says. Written when something changes, and else
every half minute. Reading is lenient: a note of another version, or a torn
one, is no note.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncd.observability.state import State
from syncd.observability.traffic import Budget

HEARTBEAT = "daemon"
"""The cursor that holds the note."""


CYCLES = 60
"""How many cycles the timeline shows."""

STOPPED = "stopped"
"""In place of an outcome: the process was asked to stop before the cycle had come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclePoint:
    """One cycle in the timeline."""

    at: datetime
    kind: str
    outcome: str
    writes: int = 0
    seconds: float = 0.0
    delay: float | None = None
    """The longest way of a change through this cycle, from the vendor's stamp to our write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollCost:
    """What the polls of a link cost one account."""

    requests: int
    """Of the last poll that found nothing."""
    daily: int
    """Requests a day that the vendor allows; polls use at most half of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The daemon's state of a link, with the time."""

    state: State
    at: datetime
    """When it was written; a daemon that lives writes again within a minute."""
    detail: str = ""
    since: datetime | None = None
    """Since when the link has been in this state."""
    failures: int = 0
    """Cycles in a row that ended in this state."""
    next_due: datetime | None = None
    working_since: datetime | None = None
    good_at: datetime | None = None
    """When the last cycle began in which nothing went wrong."""
    poll_seconds: float = 0.0
    """The interval that is kept."""
    asked_seconds: float = 0.0
    """The interval that the configuration asks for."""
    stretched_by: str = ""
    """The vendor whose daily quota causes the difference, in words; "" if there is none."""
    planned: Mapping[str, int] = field(default_factory=dict)
    """Waiting for a person: the writes that the first sync would make, by side."""
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    pace: Mapping[str, float] = field(default_factory=dict)
    """By side: seconds from `at` on for which the polls' share of the day is spoken for."""
    recent: tuple[CyclePoint, ...] = ()
    """The last cycles, oldest first. An idle cycle leaves no row in the store, so that only the
    daemon knows of it; the note that is kept tells of the last one."""
    guards: tuple[str, ...] = ()
    """The guards that kept something back in the last cycle."""
    hearing: Mapping[str, str] = field(default_factory=dict)
    """What each side announces: off | waiting | heard | deaf."""
    relaxed: bool = False
    """Whether polls are rarer, since both sides announce their changes."""
    polls: Mapping[str, PollCost] = field(default_factory=dict)
    """What its polls cost, by side."""
    stopped: bool = False
    """Whether the daemon stopped in an orderly way."""

    def as_text(self) -> str:
        """The note as it is kept."""
        return json.dumps(
            {
                "state": self.state.value,
                "at": self.at.isoformat(),
                "detail": self.detail,
                "since": _text(self.since),
                "failures": self.failures,
                "next_due": _text(self.next_due),
                "working_since": _text(self.working_since),
                "good_at": _text(self.good_at),
                "poll_seconds": self.poll_seconds,
                "asked_seconds": self.asked_seconds,
                "stretched_by": self.stretched_by,
                "planned": dict(self.planned),
                "budgets": {side: budget.as_json() for side, budget in self.budgets.items()},
                "pace": dict(self.pace),
                "last": _point(self.recent[-1]) if self.recent else None,
                "guards": list(self.guards),
                "hearing": dict(self.hearing),
                "relaxed": self.relaxed,
                "polls": {side: [each.requests, each.daily] for side, each in self.polls.items()},
                "stopped": self.stopped,
            }
        )


def read(text: str) -> Heartbeat | None:
    """The stored heartbeat; None if there is none, or if it is unreadable."""
    try:
        held = json.loads(text)
        return Heartbeat(
            state=State(held["state"]),
            at=datetime.fromisoformat(held["at"]),
            detail=str(held.get("detail", "")),
            since=_instant(held.get("since")),
            failures=int(held.get("failures", 0)),
            next_due=_instant(held.get("next_due")),
            working_since=_instant(held.get("working_since")),
            good_at=_instant(held.get("good_at")),
            poll_seconds=float(held.get("poll_seconds", 0.0)),
            asked_seconds=float(held.get("asked_seconds", 0.0)),
            stretched_by=str(held.get("stretched_by", "")),
            planned={str(side): int(n) for side, n in held.get("planned", {}).items()},
            budgets={
                str(side): Budget.from_json(budget)
                for side, budget in held.get("budgets", {}).items()
            },
            pace={str(side): float(n) for side, n in held.get("pace", {}).items()},
            recent=_points(held.get("last")),
            guards=tuple(str(each) for each in held.get("guards", ())),
            hearing={str(side): str(word) for side, word in held.get("hearing", {}).items()},
            relaxed=bool(held.get("relaxed", False)),
            polls={
                str(side): PollCost(requests=int(requests), daily=int(daily))
                for side, (requests, daily) in held.get("polls", {}).items()
            },
            stopped=bool(held.get("stopped", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _point(point: CyclePoint) -> dict[str, object]:
    """A cycle without a write needs no more."""
    return {
        "at": point.at.isoformat(),
        "kind": point.kind,
        "outcome": point.outcome,
        "writes": point.writes,
        "seconds": point.seconds,
    }


def _points(held: Mapping[str, Any] | None) -> tuple[CyclePoint, ...]:
    if not held:
        return ()
    point = CyclePoint(
        at=datetime.fromisoformat(held["at"]),
        kind=str(held["kind"]),
        outcome=str(held["outcome"]),
        writes=int(held["writes"]),
        seconds=float(held["seconds"]),
    )
    return (point,)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
