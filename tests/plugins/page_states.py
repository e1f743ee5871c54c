"""Links in every state that the page shows, on made-up data: for tests and for pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.core.looks import Verified
from syncd.core.model import Hold, Side
from syncd.observability.health import LinkHealth
from syncd.observability.heartbeat import CyclePoint
from syncd.observability.page import Days, Look
from syncd.observability.page.offers import Form, IgnoredRecord, Offers, Underway
from syncd.observability.state import State
from syncd.observability.traffic import Budget
from syncd.ports.store import Event, HistoryEntry

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


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
        title="Check-up Ana Example",
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
        hubspot_id="88100000031",
        reason="ambiguous_match",
        detail="several records on the other side fit it equally well",
        title="Physio Marta Example",
        since=NOW - timedelta(hours=1),
        starts_at=NOW + timedelta(days=3),
        candidates=("g2emAyjmP4IzHcVtAulJ", "kQ93hHsMa81LLp0wRb5T"),
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
        title="First visit Jo Example",
        starts_at=NOW + timedelta(days=6),
    ),
    HistoryEntry(
        at=NOW - timedelta(days=1),
        cycle="c0",
        side=Side.HUBSPOT,
        ghl_id="Old1",
        hubspot_id="588",
        action="remove",
        why="deleted in HighLevel",
        title="Check-up Max Example",
        starts_at=NOW + timedelta(days=2),
        author="page",
        by="Marta",
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
        "timezone": "Europe/Vienna",
    }
    given |= more
    pairs = given["pairs"]
    looked = Verified(count=pairs, pairs=pairs, oldest=NOW - timedelta(hours=5))
    return LinkHealth(name=name, state=state, **({"verified": looked} | given))


GUARDED = tuple(
    Hold(
        ghl_id=f"g{number}",
        hubspot_id=f"{600 + number}",
        reason="removal_guard",
        detail="kept back",
        title=f"Visit {number} Example",
        starts_at=NOW + timedelta(hours=20 + number),
    )
    for number in range(31)
)


def many() -> list[LinkHealth]:
    """As many links as an agency has."""
    found = [link(f"clinic_{number:03}", pairs=40 + number * 7 % 900) for number in range(200)]
    found[17] = link("clinic_017", State.REFUSED, good_at=NOW - timedelta(hours=2))
    found[60] = link("clinic_060", held=HOLDS)
    found[99] = link("clinic_099", State.PAUSED, paused=True)
    found[120] = link("clinic_120", State.WAITING, good_at=None, cycles=(), pairs=0)
    return found


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
            held=GUARDED,
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
    "paused": lambda: [link(state=State.PAUSED, paused=True, next_due=None)],
    "stale": lambda: [
        link(
            state=State.STALE,
            daemon=False,
            detail="no good cycle for more than 180 s",
            since=NOW - timedelta(hours=5),
            good_at=NOW - timedelta(hours=5),
            next_due=None,
        )
    ],
    "many": many,
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


# --- what is around the links


def _events() -> tuple[Event, ...]:
    """A week as a clinic has it, newest first."""
    found = []
    for number in range(160):
        minutes = 7 + number * 61 + (number % 7) * 3
        at = NOW - timedelta(minutes=minutes)
        if not 5 <= at.hour <= 18:
            continue
        side = Side.HUBSPOT if number % 5 else Side.GHL
        fields, action = frozenset({"title"}), "update"
        if number % 3 == 0:
            fields, action = frozenset(), "create"
        elif number % 4 == 0:
            fields = frozenset({"start", "end"})
        elif number % 11 == 0:
            fields, action = frozenset(), "remove"
        found.append(
            Event(at=at, side=side, action=action, fields=fields, cancels=number % 13 == 1)
        )
    return tuple(found)


def _days(link: LinkHealth) -> Days:
    if not link.history:
        return Days()
    troubled = [(point.at, point.outcome) for point in link.cycles if point.outcome != "ok"]
    return Days(events=_events(), trouble=troubled)


def _exits(hold: Hold) -> tuple[Form, ...]:
    record = hold.hubspot_id or hold.ghl_id

    def form(*decisions: str, **more: Any) -> Form:
        return Form(decisions=decisions, link="clinic", record=record, seen="shown", **more)

    match hold.reason:
        case "conflict":
            return (form("keep-ghl", "keep-hubspot", "retry", "ignore"),)
        case "no_contact":
            return (form("contact", asks_contact=True), form("retry", "ignore"))
        case "ambiguous_match":
            return (
                form("pair", other="g2emAyjmP4IzHcVtAulJ", other_side="HighLevel"),
                form("pair", other="kQ93hHsMa81LLp0wRb5T", other_side="HighLevel"),
                form("separate", "retry", "ignore"),
            )
        case _:
            return (form("book-anyway", "retry", "ignore"),)


def offers(link: LinkHealth) -> Offers:
    """What may be decided about a link."""
    words = ("resume",) if link.paused else ("sync", "pause")
    guarded = [hold for hold in link.held if hold.reason == "removal_guard"]
    waits = link.state is State.WAITING
    conflict = any(hold.reason == "conflict" for hold in link.held)
    return Offers(
        link=(Form(decisions=words, link=link.name, seen="in service"),),
        approve=(Form(decisions=("approve",), link=link.name, seen="{}"),) if waits else (),
        first_sync=link.planned,
        guards=(Form(decisions=("allow-removals",), link=link.name, seen="d"),) if guarded else (),
        removals=len(guarded),
        records={hold.ids: _exits(hold) for hold in link.held if hold.reason != "removal_guard"},
        ignored=(
            IgnoredRecord(
                record="88100000042",
                title="Trial visit",
                starts_at=NOW + timedelta(days=2),
                forms=(Form(decisions=("retry",), link=link.name, record="88100000042", seen="i"),),
            ),
        )
        if conflict
        else (),
        underway=(
            Underway(at=NOW - timedelta(seconds=20), told="book 88100000007 anyway", by="Ana"),
        )
        if conflict
        else (),
    )


def shown(name: str, **more: Any) -> Look:
    """What the page shows in that state."""
    links = STATES[name]()
    given: dict[str, Any] = {"days": {link.name: _days(link) for link in links}}
    return Look(at=NOW, version="0.1.0", links=links, **(given | more))


def decided(name: str) -> Look:
    """The same for who may decide, and so sees the names of people."""
    links = STATES[name]()
    return shown(name, personal=True, offers={link.name: offers(link) for link in links})
