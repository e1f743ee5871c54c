"""Every history of three values on two sides, up to six steps, against an oracle.

A step is an edit on either side, or a cycle. The oracle is written down here
and nowhere else: three-way by value against the last agreed state, a conflict
by policy. The planner's answer is played through `judge` and `actions.updated`
in memory. Both are functions of their state, so each distinct state is played
once and every history is still walked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from typing import Literal

import pytest
from memory_sides import NOW, STATUSES, WORDS, policy

from syncd.core import actions, essence
from syncd.core.actions import Rebase, Update
from syncd.core.context import PlanContext
from syncd.core.model import Appointment, Group, Hold, Pair, Side, Snapshot
from syncd.core.observe import Sighting
from syncd.core.plan import judge
from syncd.core.policy import Policy, Winner

GHL, HUBSPOT = Side.GHL, Side.HUBSPOT
LENGTH = 6
SYNC: Literal["sync"] = "sync"
Step = tuple[Side, int] | Literal["sync"]
STEPS: tuple[Step, ...] = (*product(Side, range(3)), SYNC)


@dataclass(frozen=True, slots=True)
class Tongue:
    """Three values of one group, as each side says them, and what HubSpot stores of a text."""

    group: Group
    ghl: tuple[str, str, str]
    hubspot: tuple[str, str, str]
    to_hubspot: Callable[[str], str]
    to_ghl: Callable[[str], str]
    stands_for: Callable[[str, str], bool]
    """Whether HubSpot's value already stands for HighLevel's."""


def _same(text: str) -> str:
    return text


def _cut(text: str) -> str:
    return text[:3]


def _equal(ghl: str, hubspot: str) -> bool:
    return ghl == hubspot


TITLES = Tongue(Group.TITLE, ("A", "B", "C"), ("A", "B", "C"), _same, _same, _equal)
CUT = Tongue(Group.TITLE, ("Ann one", "Ann two", "Bob"), ("Ann", "Bob", "Cid"), _cut, _same, _equal)
"""HubSpot keeps three letters, so that two of HighLevel's values look alike there."""
SHARED = Tongue(
    Group.STATUS,
    ("new", "confirmed", "showed"),
    ("SCHEDULED", "COMPLETED", "NO_SHOW"),
    lambda ghl: STATUSES.to_hubspot[ghl],
    lambda hubspot: STATUSES.to_ghl[hubspot],
    lambda ghl, hubspot: STATUSES.to_hubspot[ghl] == hubspot or STATUSES.to_ghl[hubspot] == ghl,
)
"""Two of HighLevel's statuses share one of HubSpot's."""
TONGUES = {"titles": TITLES, "a vendor that cuts": CUT, "statuses that share a word": SHARED}


# --- the oracle: written down, by value, without any of the core


@dataclass(frozen=True, slots=True)
class Truth:
    """What each side shows, what was agreed, and who edited last."""

    ghl: str
    hubspot: str
    base: tuple[str, str]
    last: Side | None = None
    held: bool = False


def oracle(truth: Truth, tongue: Tongue, winner: Winner) -> Truth:
    """What one cycle makes of it."""
    ghl, hubspot = truth.ghl, truth.hubspot
    left, right = ghl != truth.base[0], hubspot != truth.base[1]
    if left and right and not tongue.stands_for(ghl, hubspot):
        if winner is Winner.HOLD:
            return replace(truth, held=True)
        left = winner is Winner.GHL or (winner is Winner.NEWEST and truth.last is GHL)
        right = not left
    elif left and right:
        left = right = False
    if left:
        hubspot = tongue.to_hubspot(ghl)
    elif right and not tongue.stands_for(ghl, hubspot):
        ghl = tongue.to_ghl(hubspot)
    return Truth(ghl, hubspot, (ghl, hubspot), truth.last)


# --- the core, played in memory


@dataclass(frozen=True, slots=True)
class Played:
    """The same, as the core keeps it."""

    pair: Pair
    ghl: Appointment
    hubspot: Appointment
    last: Side | None = None
    """Who edited last: all that the instants of the edits can tell."""
    held: bool = False
    wrote: int = 0
    """What the last cycle wrote."""


EARLY, LATE = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 22, 1, tzinfo=UTC)


def _start(tongue: Tongue) -> Played:
    common = Appointment(start=NOW + timedelta(days=1), end=NOW + timedelta(days=1, hours=1))
    ghl = essence.with_value(replace(common, contact="ann"), tongue.group, tongue.ghl[0])
    hubspot = essence.with_value(replace(common, contact="51"), tongue.group, tongue.hubspot[0])
    pair = Pair(
        key=1,
        ghl_id="g",
        hubspot_id="h",
        ghl=ghl,
        hubspot=hubspot,
        calendar="cal",
        has_external_id=True,
    )
    return Played(pair, ghl, hubspot)


def _edit(played: Played, tongue: Tongue, side: Side, number: int) -> Played:
    if side is GHL:
        shown = essence.with_value(played.ghl, tongue.group, tongue.ghl[number])
        return replace(played, ghl=shown, last=GHL)
    shown = essence.with_value(played.hubspot, tongue.group, tongue.hubspot[number])
    return replace(played, hubspot=shown, last=HUBSPOT)


def _sighting(played: Played) -> Sighting:
    return Sighting(
        pair=played.pair,
        ghl=Snapshot(
            side=GHL,
            id="g",
            appointment=played.ghl,
            contacts=("ann",),
            calendar="cal",
            updated_at=LATE if played.last is GHL else EARLY,
        ),
        hubspot=Snapshot(
            side=HUBSPOT,
            id="h",
            appointment=played.hubspot,
            contacts=("51",),
            external_id="g",
            location_id="loc",
            updated_at=LATE if played.last is HUBSPOT else EARLY,
        ),
    )


def _cycle(played: Played, tongue: Tongue, rules: Policy) -> Played:
    """One cycle: judge, write as the vendor would, settle."""
    pair, held, wrote = played.pair, False, 0
    shown = {GHL: played.ghl, HUBSPOT: played.hubspot}
    for action in judge(_sighting(played), PlanContext(policy=rules, translator=WORDS)):
        match action:
            case Hold():
                held = True
            case Rebase():
                pair = action.pair
            case Update():
                [change] = action.changes
                stored = change.after
                if tongue is CUT and action.side is HUBSPOT:
                    stored = _cut(str(stored))
                written = essence.with_value(shown[action.side], change.group, stored)
                shown[action.side] = written
                pair = actions.updated(action, pair, written, frozenset())
                wrote += 1
            case _:
                pytest.fail(f"a history of edits asks for {action}")
    # A version tells operations apart, not states: without it, equal states are one.
    return Played(replace(pair, version=1), shown[GHL], shown[HUBSPOT], played.last, held, wrote)


def _values(played: Played, tongue: Tongue) -> tuple[str, str]:
    ghl = essence.value(played.ghl, tongue.group)
    hubspot = essence.value(played.hubspot, tongue.group)
    assert isinstance(ghl, str)
    assert isinstance(hubspot, str)
    return ghl, hubspot


# --- every history


def _walks(length: int) -> Iterator[tuple[Step, ...]]:
    """Every history of exactly so many steps; shorter ones are their beginnings."""
    return product(STEPS, repeat=length)


@pytest.mark.parametrize("winner", Winner)
@pytest.mark.parametrize("tongue", TONGUES.values(), ids=TONGUES.keys())
def test_every_history_ends_as_the_oracle_says(tongue: Tongue, winner: Winner) -> None:
    rules = policy(conflict={tongue.group: winner})

    @cache
    def step(played: Played, truth: Truth, taken: Step) -> tuple[Played, Truth]:
        if taken == SYNC:
            after, told = _cycle(played, tongue, rules), oracle(truth, tongue, winner)
            assert _values(after, tongue) == (told.ghl, told.hubspot)
            assert after.held == told.held
            assert _cycle(after, tongue, rules).wrote == 0, "a second cycle writes nothing"
            return replace(after, held=False, wrote=0), replace(told, held=False)
        side, number = taken
        name = (tongue.ghl if side is GHL else tongue.hubspot)[number]
        edited = replace(truth, ghl=name) if side is GHL else replace(truth, hubspot=name)
        return _edit(played, tongue, side, number), replace(edited, last=side)

    agreed = (tongue.ghl[0], tongue.hubspot[0])
    beginning = (_start(tongue), Truth(*agreed, agreed))
    reached = {beginning}
    walked = 0
    # Level by level over distinct states: with `step` a function of its state, this walks
    # every one of the 7^1 + … + 7^6 histories, each followed by a cycle.
    for _ in range(LENGTH):
        reached = {step(*state, taken) for state in reached for taken in STEPS}
        walked += len(reached)
        for state in reached:
            step(*state, SYNC)
    assert walked > 100


def test_walking_states_is_walking_histories() -> None:
    """Level by level over states reaches exactly what history after history reaches."""
    tongue, rules = TITLES, policy(conflict={"title": Winner.NEWEST})

    def play(history: tuple[Step, ...]) -> Played:
        played = _start(tongue)
        for taken in history:
            if taken == SYNC:
                played = replace(_cycle(played, tongue, rules), held=False, wrote=0)
            else:
                played = _edit(played, tongue, *taken)
        return played

    by_history = {play(history) for history in _walks(3)}
    by_state = {_start(tongue)}
    for _ in range(3):
        by_state = {
            replace(_cycle(played, tongue, rules), held=False, wrote=0)
            if taken == SYNC
            else _edit(played, tongue, *taken)
            for played in by_state
            for taken in STEPS
        }
    assert by_state == by_history
    assert len(list(_walks(3))) == 7**3


def test_moved_then_moved_back_is_seen() -> None:
    """A-B-A across two cycles: the engine that keeps hashes from before its write loses this."""
    tongue, rules = TITLES, policy()
    played = _cycle(_edit(_start(tongue), tongue, GHL, 1), tongue, rules)
    assert _values(played, tongue) == ("B", "B")
    played = _cycle(_edit(played, tongue, HUBSPOT, 0), tongue, rules)
    assert _values(played, tongue) == ("A", "A")
