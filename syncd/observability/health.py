"""How a link fares, put together from the store and the daemon's note.

The daemon's page and `/healthz`, and `syncd status` beside it or without it,
all ask `examine`, so that they cannot disagree. What is read is plain values;
how it looks is the business of `page` and the verb.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.observability.note import CYCLES, NOTE, STOPPED, CyclePoint, Note, read
from syncd.observability.state import State, gravest
from syncd.observability.traffic import Budget
from syncd.ports.store import CycleRow, HistoryEntry, Hold, LinkStore

FRESH = timedelta(seconds=90)
"""A daemon that lives has written its note at most so long ago (it does so every 30 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHealth:
    """Everything that there is to say of a link at one moment."""

    name: str
    at: datetime
    state: State
    detail: str = ""
    since: datetime | None = None
    failures: int = 0
    daemon: bool = False
    """Whether a daemon looks after the link."""
    good_at: datetime | None = None
    next_due: datetime | None = None
    working_since: datetime | None = None
    poll_seconds: float = 0.0
    asked_seconds: float = 0.0
    stretched_by: str = ""
    planned: Mapping[str, int] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    pairs: int = 0
    held: tuple[Hold, ...] = ()
    cycles: tuple[CyclePoint, ...] = ()
    """Oldest first."""
    history: tuple[HistoryEntry, ...] = ()
    """Newest first."""

    @property
    def lag(self) -> float | None:
        """Seconds since the last good cycle began; None where there was none."""
        return (self.at - self.good_at).total_seconds() if self.good_at else None

    @property
    def code(self) -> int:
        """The exit code that says the same."""
        return self.state.code

    @property
    def remedy(self) -> str:
        """What a person does about it."""
        return self.state.remedy(self.name)

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
            "next_due": _text(self.next_due),
            "working_since": _text(self.working_since),
            "poll_seconds": round(self.poll_seconds, 3),
            "poll_interval_seconds": round(self.asked_seconds, 3),
            "stretched_by": self.stretched_by or None,
            "first_sync_would_write": dict(self.planned) or None,
            "pairs": self.pairs,
            "held": {"total": len(self.held), "reasons": dict(self.reasons)},
            "budget": {side: budget.as_json() for side, budget in self.budgets.items()},
        }


def examine(
    name: str,
    store: LinkStore,
    now: datetime,
    *,
    note: Note | None = None,
    history: int = 0,
    paused: bool = False,
) -> LinkHealth:
    """Look at a link; `note` is the daemon's own, where the daemon asks itself.

    Raises:
        StoreError: our own store failed.
    """
    said = note or read(store.cursor(NOTE))
    rows = store.cycles(CYCLES)
    daemon = said is not None and not said.stopped and now - said.at <= FRESH
    good = [row.started_at for row in rows if row.outcome == "ok"]
    if said is not None and said.good_at is not None:
        good.append(said.good_at)
    state, detail, since = _condition(said, rows, daemon=daemon, paused=paused)
    return LinkHealth(
        name=name,
        at=now,
        state=state,
        detail=detail,
        since=since,
        failures=said.failures if said and daemon else 0,
        daemon=daemon,
        good_at=max(good, default=None),
        next_due=said.next_due if said and daemon else None,
        working_since=said.working_since if said and daemon else None,
        poll_seconds=said.poll_seconds if said else 0.0,
        asked_seconds=said.asked_seconds if said else 0.0,
        stretched_by=said.stretched_by if said else "",
        planned=said.planned if said and state is State.WAITING else {},
        budgets=said.budgets if said and daemon else {},
        pairs=store.count_pairs(),
        held=tuple(store.holds()),
        cycles=_timeline(rows, said),
        history=tuple(store.history(limit=history)) if history else (),
    )


def worst(links: Iterable[LinkHealth]) -> int:
    """The exit code of several links: that of the gravest."""
    return gravest([link.code for link in links])


def by_trouble(links: Iterable[LinkHealth]) -> list[LinkHealth]:
    """The links with the gravest state first; those alike by what is held, then by name."""
    return sorted(links, key=lambda link: (link.state.gravity, -len(link.held), link.name))


def _timeline(rows: list[CycleRow], said: Note | None) -> tuple[CyclePoint, ...]:
    """The last cycles, oldest first: those that were kept, and idle ones by the daemon's word."""
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


def _condition(
    said: Note | None, rows: list[CycleRow], *, daemon: bool, paused: bool
) -> tuple[State, str, datetime | None]:
    """State, detail and since when: the daemon's word while it lives, else what is known."""
    if daemon and said is not None:
        return said.state, said.detail, said.since
    if paused:
        return State.PAUSED, "", None
    last = rows[0] if rows else None
    if last is not None and (said is None or last.finished_at > said.at):
        # A command ran since the daemon last spoke: its cycle is the latest word.
        detail = str(last.report.get("detail", ""))
        return State.of(last.outcome), detail, last.started_at
    if said is None:
        return State.STARTING, "no cycle has run yet", None
    if said.stopped:
        return said.state, said.detail, said.since
    words = f"it was last heard of at {said.at:%Y-%m-%d %H:%M:%S} UTC and said no goodbye"
    return State.GONE, words, said.at


def _writes(counts: Any) -> int:
    if not isinstance(counts, dict):
        return 0
    return sum(
        int(_number(counts.get(kind)))
        for kind in ("created", "updated", "removed", "restored", "contacts_created")
    )


def _number(held: Any) -> float:
    return float(held) if isinstance(held, int | float) else 0.0


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
