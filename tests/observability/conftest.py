"""Links in every state that the page and the server show, on made-up data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from syncd.core.model import Hold, Side
from syncd.observability import page
from syncd.observability.health import LinkHealth
from syncd.observability.heartbeat import CyclePoint
from syncd.observability.page import Look
from syncd.observability.state import State
from syncd.observability.traffic import Budget
from syncd.ports.store import CycleRow, HistoryEntry, LinkStore

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass
class Shelf:
    """What `examine` reads of a link's store."""

    notes: str = ""
    paused: str = ""
    rows: list[CycleRow] = field(default_factory=list)
    waiting: list[Hold] = field(default_factory=list)
    entries: list[HistoryEntry] = field(default_factory=list)

    def get_state(self, name: str) -> str:
        return {"daemon": self.notes, "paused": self.paused}.get(name, "")

    def cycles(self, limit: int = 20) -> list[CycleRow]:
        return self.rows[:limit]

    def holds(self) -> list[Hold]:
        return self.waiting

    def count_later(self, key: int) -> int:  # noqa: ARG002 - the port
        return 0

    def count_pairs(self) -> int:
        return 7

    def history(self, record_id: str = "", *, cycle: str = "", limit: int = 0) -> Any:
        del record_id, cycle
        return self.entries[:limit]

    def as_store(self) -> LinkStore:
        return cast("LinkStore", self)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def points(outcomes: Mapping[int, str], count: int = 60) -> tuple[CyclePoint, ...]:
    """A lively hour, oldest first; `outcomes` names the cycles that did not end well."""
    writes = [0, 0, 2, 0, 1, 0, 0, 5, 0, 0, 0, 1, 0, 3, 0]
    return tuple(
        CyclePoint(
            at=NOW - timedelta(minutes=count - place),
            kind="full" if place == 0 else "incremental",
            outcome=outcomes.get(place, "ok"),
            writes=240 if place == 0 else writes[place % len(writes)],
            seconds=1.4,
            delay=(8.0 + place % 11) if writes[place % len(writes)] and place else None,
        )
        for place in range(count)
    )


HOLDS = (
    Hold(
        ghl_id="Kd82kslAwq1",
        hubspot_id="501",
        group="time",
        reason="conflict",
        detail="both sides changed it",
        since=NOW - timedelta(hours=3),
        starts_at=NOW + timedelta(hours=20),
        values={"ghl": "2026-03-03T08:00:00Z", "hubspot": "2026-03-03T09:30:00Z"},
    ),
    Hold(
        hubspot_id="777",
        reason="no_contact",
        detail="no contact ana@example.com <b>here</b>",
        since=NOW - timedelta(days=2),
        starts_at=NOW + timedelta(days=4),
    ),
    Hold(
        ghl_id="Zz91",
        reason="slot_taken",
        detail="the slot is no longer free",
        since=NOW - timedelta(minutes=5),
        starts_at=NOW + timedelta(days=1),
    ),
)

HISTORY = (
    HistoryEntry(
        at=NOW - timedelta(minutes=2),
        cycle="c1",
        side=Side.HUBSPOT,
        ghl_id="Kd82kslAwq1",
        hubspot_id="501",
        action="update",
        field="start",
        before="2026-03-03T08:00:00Z",
        after="2026-03-03T08:30:00Z",
        why="changed in HighLevel",
    ),
    HistoryEntry(
        at=NOW - timedelta(minutes=2),
        cycle="c1",
        side=Side.HUBSPOT,
        ghl_id="Kd82kslAwq1",
        hubspot_id="501",
        action="update",
        field="title",
        before="Check-up Ana Example",
        after="First visit Ana Example",
        why="changed in HighLevel",
    ),
    HistoryEntry(
        at=NOW - timedelta(days=1),
        cycle="c0",
        side=Side.GHL,
        ghl_id="New1",
        hubspot_id="600",
        action="create",
        why="new in HubSpot",
    ),
)

BUDGETS = {
    "ghl": Budget(used=12, limit=100, seconds=10.0, daily_left=181_204, daily=200_000),
    "hubspot": Budget(used=3, limit=100, seconds=10.0, daily_left=249_000, daily=250_000),
}


def link(name: str = "clinic", state: State = State.OK, **more: Any) -> LinkHealth:
    """A link under a daemon that lives."""
    given: dict[str, Any] = {
        "at": NOW,
        "daemon": True,
        "good_at": NOW - timedelta(seconds=42),
        "next_due": NOW + timedelta(seconds=18),
        "poll_seconds": 60.0,
        "asked_seconds": 60.0,
        "budgets": BUDGETS,
        "pairs": 1204,
        "cycles": points({}),
        "history": HISTORY,
    }
    return LinkHealth(name=name, state=state, **(given | more))


STATES: Mapping[str, Callable[[], list[LinkHealth]]] = {
    "fresh": lambda: [
        link(
            state=State.STARTING,
            good_at=None,
            next_due=NOW,
            pairs=0,
            cycles=(),
            history=(),
            budgets={},
        )
    ],
    "healthy": lambda: [
        link(),
        link(
            "harbour_street",
            poll_seconds=75.2,
            stretched_by="half of HighLevel's 200,000 requests a day",
            pairs=88,
        ),
    ],
    "held": lambda: [link(held=HOLDS)],
    "provider_down": lambda: [
        link(
            state=State.UNREACHABLE,
            detail="HubSpot answers 503: the service is down for maintenance",
            since=NOW - timedelta(minutes=9),
            failures=4,
            good_at=NOW - timedelta(minutes=10),
            next_due=NOW + timedelta(minutes=4),
            cycles=points({56: "unreachable", 57: "unreachable", 58: "unreachable"}, 59),
        ),
        link("harbour_street", pairs=88),
    ],
    "guard_tripped": lambda: [
        link(
            state=State.GUARD,
            detail="31 removals were kept back: look at them with `syncd plan`, "
            "then let them pass once with `--allow-removals`",
            since=NOW - timedelta(minutes=2),
            failures=2,
            good_at=NOW - timedelta(minutes=3),
            cycles=points({58: "guard", 59: "guard"}),
        )
    ],
    "refused": lambda: [
        link(
            state=State.REFUSED,
            detail="HighLevel answers 401: Invalid JWT",
            since=NOW - timedelta(hours=2),
            failures=3,
            good_at=NOW - timedelta(hours=2),
            next_due=NOW + timedelta(minutes=31),
        )
    ],
    "waiting": lambda: [
        link(
            state=State.WAITING,
            detail="the first sync would write more than 25 records on a side "
            "(3 in HighLevel, 412 in HubSpot)",
            planned={"ghl": 3, "hubspot": 412},
            good_at=None,
            cycles=(),
            history=(),
            pairs=0,
        )
    ],
}


@pytest.fixture(params=STATES)
def state_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def look_at() -> Callable[..., Look]:
    """`look_at("held", personal=…)` gives a page's content in that state."""

    def make(name: str, **more: Any) -> Look:
        return Look(at=NOW, version="0.1.0", links=STATES[name](), **more)

    return make


@pytest.fixture(scope="session")
def colours() -> dict[str, dict[str, str]]:
    """The colours of the style sheet by name, `light` and `dark`."""
    style = Path(page.__file__).with_name("style.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root\{([^}]*)\}", style)
    named = re.compile(r"--([\w-]+):(#\w{6})")
    return {"light": dict(named.findall(light)), "dark": dict(named.findall(dark))}


@pytest.fixture
def a_link() -> Callable[..., LinkHealth]:
    return link


@pytest.fixture
def now() -> datetime:
    return NOW
