"""The three-way comparison, and what is the same whichever side is called left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from memory_sides import GHL, HUBSPOT, NOW, policy

from syncd.core import essence, merge
from syncd.core.actions import Action, Create, Rebase, Remove, Update, WriteExternalId
from syncd.core.context import PlanContext
from syncd.core.merge import Comparison
from syncd.core.model import (
    Appointment,
    Calendar,
    Group,
    Hold,
    Missing,
    Pair,
    Removal,
    Response,
    Side,
    Snapshot,
)
from syncd.core.observe import Seen, Sighting
from syncd.core.plan import judge
from syncd.core.policy import OnRemoval, Policy, Winner
from syncd.core.status import GHL_STATUSES, StatusTable
from syncd.core.translate import Translator

VALUES = ("", "A", "B", "C")
MIRROR = {
    Comparison.LEFT: Comparison.RIGHT,
    Comparison.RIGHT: Comparison.LEFT,
    Comparison.CONVERGED: Comparison.CONVERGED,
    Comparison.BOTH: Comparison.BOTH,
    Comparison.UNCHANGED: Comparison.UNCHANGED,
}


def equal(one: object, other: object) -> bool:
    return one == other


def test_compare_is_the_three_way_table() -> None:
    for base, left, right in product(VALUES, repeat=3):
        outcome = merge.compare((base, base), (left, right), equal)
        if left == base == right:
            assert outcome is Comparison.UNCHANGED
        elif left == right:
            assert outcome is Comparison.CONVERGED
        elif right == base:
            assert outcome is Comparison.LEFT
        elif left == base:
            assert outcome is Comparison.RIGHT
        else:
            assert outcome is Comparison.BOTH


def test_compare_is_the_same_from_either_side() -> None:
    for here, there, left, right in product(VALUES, repeat=4):
        one = merge.compare((here, there), (left, right), equal)
        other = merge.compare((there, here), (right, left), equal)
        assert other is MIRROR[one]


def test_what_a_vendor_made_of_a_value_is_no_change() -> None:
    for here, there in product(VALUES, repeat=2):
        assert merge.compare((here, there), (here, there), equal) is Comparison.UNCHANGED


def test_a_first_meeting_fills_in_and_contests_the_rest() -> None:
    for left, right in product(VALUES, repeat=2):
        outcome = merge.compare_unagreed((left, right), equal)
        assert merge.compare_unagreed((right, left), equal) is MIRROR[outcome]
        if left == right:
            assert outcome is Comparison.CONVERGED
        elif not right:
            assert outcome is Comparison.LEFT
        elif left:
            assert outcome is Comparison.BOTH


def test_a_time_without_an_end_says_less_and_one_without_a_start_says_nothing() -> None:
    start, end = NOW, NOW + timedelta(hours=1)
    assert merge.compare_unagreed(((start, end), (start, None)), equal) is Comparison.LEFT
    assert merge.compare_unagreed(((start, None), (start, end)), equal) is Comparison.RIGHT
    assert merge.compare_unagreed(((start, None), (end, end)), equal) is Comparison.BOTH
    assert merge.compare_unagreed(((None, end), (start, end)), equal) is Comparison.RIGHT
    assert merge.compare_unagreed(((None, None), (None, end)), equal) is Comparison.CONVERGED


# --- the whole planner, seen in a mirror

SAME_WORDS = Translator(
    statuses=StatusTable(
        to_hubspot={status: status for status in GHL_STATUSES},
        to_ghl={status: status for status in GHL_STATUSES},
    ),
    contacts={"ann": "ann"},
    calendars={"cal": Calendar(id="cal")},
)
"""Both sides speak one language, so that a side can be taken for the other."""

TEXTS = st.sampled_from(("A", "B", "C"))
STARTS = st.sampled_from([NOW + timedelta(days=days) for days in (-1, 1, 2)])
SHOWN = st.builds(
    lambda title, description, start, minutes, status: Appointment(
        title=title,
        description=description,
        start=start,
        end=start + timedelta(minutes=minutes),
        status=status,
        contact="ann",
    ),
    TEXTS,
    TEXTS,
    STARTS,
    st.sampled_from((30, 45)),
    st.sampled_from(("confirmed", "showed", "cancelled")),
)
RULES = st.sampled_from((OnRemoval.CANCEL, OnRemoval.DELETE, OnRemoval.IGNORE))
WINNERS = st.sampled_from((Winner.GHL, Winner.HUBSPOT, Winner.HOLD))
REMOVALS = st.one_of(
    st.none(),
    st.builds(
        Removal,
        gone=st.sampled_from((frozenset({GHL}), frozenset({HUBSPOT}), frozenset(Side))),
        response=st.sampled_from(Response),
        status_before=st.sampled_from(("confirmed", "showed")),
    ),
)
SWAPPED = {Winner.GHL: Winner.HUBSPOT, Winner.HUBSPOT: Winner.GHL, Winner.HOLD: Winner.HOLD}


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    """A pair and what each side shows: mostly small steps away from what was agreed."""
    agreed = Pair(
        key=1,
        ghl_id="x",
        hubspot_id="x",
        ghl=draw(SHOWN),
        hubspot=draw(SHOWN),
        calendar="cal",
        removal=draw(REMOVALS),
        open=draw(st.sampled_from((frozenset[str](), frozenset({"title"})))),
        has_external_id=True,
    )
    return Sighting(pair=agreed, ghl=_seen(draw, agreed, GHL), hubspot=_seen(draw, agreed, HUBSPOT))


def _seen(draw: st.DrawFn, agreed: Pair, side: Side) -> Seen:
    if draw(st.integers(0, 9)) == 0:
        return Missing(detail="not shown")
    shown, other = agreed.shown_on(side), draw(SHOWN)
    for group in draw(st.sets(st.sampled_from(("title", "time", "status", "description")))):
        shown = essence.with_value(shown, group, essence.value(other, group))
    return _record(side, shown, gone=draw(st.integers(0, 2)) == 0)


def _record(side: Side, shown: Appointment, *, gone: bool) -> Snapshot:
    marks: dict[str, str] = (
        {"calendar": "cal"} if side is GHL else {"external_id": "x", "location_id": "loc"}
    )
    return Snapshot(
        side=side,
        id="x",
        appointment=shown,
        contacts=("ann",),
        gone=gone,
        **marks,  # type: ignore[arg-type]  # two text fields by name
    )


@st.composite
def rules(draw: st.DrawFn) -> Policy:
    groups = ("title", "time", "status", "description")
    return policy(
        conflict={group: draw(WINNERS) for group in groups},
        first_meeting=draw(WINNERS),
        ghl_deleted=draw(RULES),
        hubspot_archived=draw(RULES),
        refuse_double_booking=False,
    )


def mirrored_rules(one: Policy) -> Policy:
    return replace(
        one,
        conflict={group: SWAPPED[winner] for group, winner in one.conflict.items()},
        first_meeting=SWAPPED[one.first_meeting],
        ghl_deleted=one.hubspot_archived,
        hubspot_archived=one.ghl_deleted,
    )


def mirrored(one: Sighting) -> Sighting:
    pair = one.pair
    removal = pair.removal and replace(
        pair.removal, gone=frozenset(side.other for side in pair.removal.gone)
    )
    return Sighting(
        pair=replace(pair, ghl=pair.hubspot, hubspot=pair.ghl, removal=removal),
        ghl=_turned(one.hubspot),
        hubspot=_turned(one.ghl),
    )


def _turned(seen: Seen) -> Seen:
    if isinstance(seen, Missing):
        return seen
    return _record(seen.side.other, seen.appointment, gone=seen.gone)


def told(action: Action, *, turn: bool) -> tuple[Any, ...]:
    """An action without what only one side has, said of the other side where `turn` is set."""

    def side(given: Side) -> Side:
        return given.other if turn else given

    match action:
        case Update():
            changes = {(str(c.group), c.before, c.after, c.lost) for c in action.changes}
            return ("update", side(action.side), frozenset(changes), action.restores)
        case Create():
            return ("create", side(action.side), replace(action.wanted, owner=""))
        case Remove():
            return ("remove", side(action.side), action.cancel_as)
        case Rebase():
            pair = action.pair
            shown = (pair.hubspot, pair.ghl) if turn else (pair.ghl, pair.hubspot)
            removal = pair.removal
            gone = frozenset(side(each) for each in removal.gone) if removal else None
            return ("rebase", shown, gone, removal and removal.response, pair.open)
        case WriteExternalId():
            return ("remark",)
        case Hold():
            return ("hold", action.reason, str(action.group))


@given(sighting=sightings(), rule=rules())
def test_in_a_mirror_the_plan_is_mirrored(sighting: Sighting, rule: Policy) -> None:
    here = judge(sighting, PlanContext(policy=rule, translator=SAME_WORDS))
    there = judge(
        mirrored(sighting), PlanContext(policy=mirrored_rules(rule), translator=SAME_WORDS)
    )
    assert {told(action, turn=False) for action in here} == {
        told(action, turn=True) for action in there
    }


@given(sighting=sightings(), rule=rules())
def test_unseen_never_removes_and_never_writes(sighting: Sighting, rule: Policy) -> None:
    context = PlanContext(policy=rule, translator=SAME_WORDS)
    for side in Side:
        blind: Mapping[str, Any] = {side.value: Missing(detail="not shown")}
        for action in judge(replace(sighting, **blind), context):
            assert isinstance(action, Hold | Rebase)


@given(sighting=sightings(), rule=rules())
def test_only_one_side_s_word_can_remove(sighting: Sighting, rule: Policy) -> None:
    """A removal is carried out only where the other side says gone and this one says living."""
    for action in judge(sighting, PlanContext(policy=rule, translator=SAME_WORDS)):
        if isinstance(action, Remove):
            across, here = sighting.on(action.side.other), sighting.on(action.side)
            assert isinstance(across, Snapshot)
            assert isinstance(here, Snapshot)
            assert across.gone
            assert not here.gone
            assert not sighting.pair.gone_on(action.side.other)


@given(sighting=sightings(), rule=rules())
def test_start_and_end_are_never_mixed(sighting: Sighting, rule: Policy) -> None:
    seen = [each for each in (sighting.ghl, sighting.hubspot) if isinstance(each, Snapshot)]
    times = {essence.value(each.appointment, Group.TIME) for each in seen}
    for action in judge(sighting, PlanContext(policy=rule, translator=SAME_WORDS)):
        if isinstance(action, Update):
            written = {c.after for c in action.changes if c.group == Group.TIME}
            assert written <= times
        if isinstance(action, Create):
            assert essence.value(action.wanted, Group.TIME) in times
