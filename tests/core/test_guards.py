"""The guards over a whole plan, its order, and what it counts (promise 11)."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from plan_cases import (
    ASK,
    DICTIONARY,
    ELSEWHERE,
    GHL,
    GONE,
    HUBSPOT,
    MOVED,
    NOW,
    YESTERDAY,
    Shows,
    ghl,
    hubspot,
    pair,
    rules,
)

from syncd.core.actions import Create, Remove, Update
from syncd.core.contacts import Known
from syncd.core.context import PlanContext
from syncd.core.guards import GuardOverrides, Plan, RecentWrites
from syncd.core.model import Snapshot
from syncd.core.observe import NewRecord, Observed, Sighting
from syncd.core.plan import plan
from syncd.core.policy import Limit, OnRemoval, Policy

SAME_GHL, SAME_HUBSPOT = ghl(), hubspot()
OPEN = Limit(percent=100, at_least=1_000_000)


def sighted(
    number: int, left: Shows = SAME_GHL, right: Shows = SAME_HUBSPOT, **said: Any
) -> Sighting:
    """The pair of that number, as both sides show it."""
    agreed = pair(key=number, **said)
    named = replace(agreed, ghl_id=f"g{number}", hubspot_id=f"{number}")
    ours, theirs = left(named), right(named)
    assert isinstance(theirs, Snapshot)
    return Sighting(pair=named, ghl=ours, hubspot=replace(theirs, external_id=f"g{number}"))


def many(count: int, *, first: int = 1, **edits: Any) -> list[Sighting]:
    """So many pairs of which HighLevel's record shows these edits."""
    return [sighted(first + n, left=ghl(**edits)) for n in range(count)]


def planned(
    sightings: Iterable[Sighting] = (),
    policy: Policy | None = None,
    new_records: Iterable[NewRecord] = (),
    allowed: GuardOverrides | None = None,
    **past: Any,
) -> Plan:
    observed = Observed(sightings=tuple(sightings), new_records=tuple(new_records))
    context = PlanContext(policy=policy or rules(), translator=DICTIONARY)
    return plan(observed, context, RecentWrites(**past), allowed)


# --- limits


@pytest.mark.parametrize(
    ("count", "pairs", "tripped"),
    [
        (5, 0, False),
        (6, 0, True),
        (5, 10, False),
        (6, 29, True),
        (6, 30, False),
        (20, 100, False),
        (21, 100, True),
        (200_000, 1_000_000, False),
        (200_001, 1_000_000, True),
    ],
)
def test_a_limit_is_passed_by_more_than_both(count: int, pairs: int, tripped: bool) -> None:
    assert Limit(percent=20, at_least=5).tripped(count, pairs) is tripped


def test_a_limit_of_nothing_stops_the_first() -> None:
    assert Limit(percent=0, at_least=0).tripped(1, 1000)


# --- removals


def test_removals_within_the_limit_are_done() -> None:
    made = planned(many(5, **GONE), pairs=5)
    assert [write.side for write in made.writes] == [HUBSPOT] * 5
    assert not made.guarded


def test_too_many_removals_are_all_kept_back_and_everything_else_is_done() -> None:
    made = planned([*many(6, **GONE), *many(2, first=7, title="Follow-up")], pairs=8)
    assert all(isinstance(write, Update) for write in made.writes)
    assert len(made.writes) == 2
    assert made.stopped_removals == 6
    assert made.guarded
    assert {(hold.reason, hold.hubspot_id) for hold in made.holds} == {
        ("removal_guard", str(number)) for number in range(1, 7)
    }


def test_what_was_removed_lately_counts() -> None:
    assert planned(many(2, **GONE), pairs=20, removed_lately=4).stopped_removals == 2
    assert not planned(many(1, **GONE), pairs=20, removed_lately=4).guarded


def test_what_was_removed_lately_stops_nothing_by_itself() -> None:
    assert not planned(many(2, title="Follow-up"), pairs=5, removed_lately=50).guarded


def test_removals_count_over_both_sides_together() -> None:
    cancelled = [sighted(10 + n, right=hubspot(**GONE)) for n in range(3)]
    made = planned([*many(3, **GONE), *cancelled], pairs=20)
    assert made.stopped_removals == 6


def test_a_cancellation_that_stands_for_a_removal_counts() -> None:
    policy = rules(ghl_deleted=OnRemoval.CANCEL)
    assert planned(many(6, **GONE), policy, pairs=6).stopped_removals == 6


def test_a_cancellation_by_a_person_does_not_count() -> None:
    made = planned(many(6, status="cancelled"), pairs=6)
    assert len(made.writes) == 6
    assert not made.guarded


def test_removals_that_are_let_pass_are_done() -> None:
    made = planned(many(6, **GONE), allowed=GuardOverrides(removals=True), pairs=6)
    assert len(made.writes) == 6
    assert not made.guarded


def test_letting_changes_pass_lets_no_removal_pass() -> None:
    assert planned(many(6, **GONE), allowed=GuardOverrides(changes=True), pairs=6).guarded


def test_a_removal_that_is_only_settled_is_none() -> None:
    policy = rules(ghl_deleted=OnRemoval.IGNORE)
    made = planned(many(6, **GONE), policy, pairs=6)
    assert len(made.rebases) == 6
    assert not made.guarded


def test_an_edit_that_beats_a_removal_is_none() -> None:
    kept = [sighted(n, ghl(**GONE), hubspot(title="Follow-up")) for n in range(1, 7)]
    made = planned(kept, pairs=6)
    assert all(isinstance(write, Create) for write in made.writes)
    assert not made.guarded


# --- creations and changes

TIGHT = rules(change_guard=Limit(percent=50, at_least=2))


def test_too_many_changes_of_a_side_are_kept_back_on_that_side_only() -> None:
    right = sighted(9, right=hubspot(title="Follow-up"))
    made = planned([*many(3, title="Follow-up"), right], TIGHT, pairs=4)
    assert [(write.side, write.starts_at) for write in made.writes] == [(GHL, right.pair.ghl.start)]
    assert made.stopped_changes == 3


def test_creations_and_changes_count_together() -> None:
    record = ghl()(pair())
    assert isinstance(record, Snapshot)
    newcomer = NewRecord(record=replace(record, id="new"), contact=Known(id="51"))
    made = planned(many(2, title="Follow-up"), TIGHT, [newcomer], pairs=4)
    assert made.stopped_changes == 3
    assert not made.writes


def test_changes_within_the_limit_are_done() -> None:
    assert not planned(many(2, title="Follow-up"), TIGHT, pairs=2).guarded
    assert not planned(many(3, title="Follow-up"), TIGHT, pairs=6).guarded


def test_removals_are_no_changes() -> None:
    policy = rules(change_guard=Limit(percent=0, at_least=1), removal_guard=OPEN)
    made = planned([*many(3, **GONE), *many(1, first=4, title="B")], policy, pairs=4)
    assert len(made.writes) == 4
    assert not made.guarded


def test_a_first_sync_is_not_stopped_by_its_changes() -> None:
    assert not planned(many(3, title="Follow-up"), TIGHT, pairs=3, first=True).guarded


def test_changes_that_are_let_pass_are_done() -> None:
    made = planned(many(3, title="B"), TIGHT, allowed=GuardOverrides(changes=True), pairs=3)
    assert len(made.writes) == 3


def test_both_guards_may_stop_at_once() -> None:
    made = planned([*many(6, **GONE), *many(5, first=7, title="B")], TIGHT, pairs=6)
    assert (made.stopped_removals, made.stopped_changes, made.writes) == (6, 5, ())


# --- conflicts


def test_conflicts_count_fields_and_a_time_is_one_field() -> None:
    both = sighted(1, ghl(title="A", **MOVED), hubspot(title="B", **ELSEWHERE))
    assert planned([both], pairs=1).conflicts == 2
    assert planned([both], ASK, pairs=1).conflicts == 2


def test_what_is_no_conflict_is_not_counted() -> None:
    other = sighted(1, ghl(title="A"), hubspot(**MOVED))
    met = replace(sighted(2, right=hubspot(title="B")), met=True)
    met = replace(met, pair=replace(met.pair, open=frozenset({"title"})))
    assert planned([other, met], pairs=2).conflicts == 0


# --- urgency


def command(made: Plan) -> list[int]:
    return [write.pair.key for write in made.writes if write.pair]


def at(number: int, hours: float, **edits: Any) -> Sighting:
    """A pair that starts in so many hours, and whose title was edited."""
    start = NOW + timedelta(hours=hours)
    when: dict[str, Any] = {"start": start, "end": start + timedelta(minutes=30)}
    return sighted(number, ghl(title="Follow-up", **edits), **when)


def test_what_starts_soonest_goes_first_and_what_is_past_goes_last() -> None:
    made = planned([at(1, 500), at(2, -1), at(3, 2), at(4, 0), at(5, -300), at(6, 30)], pairs=6)
    assert command(made) == [4, 3, 6, 1, 2, 5]


def test_a_move_is_as_urgent_as_the_nearer_of_its_two_starts() -> None:
    soon = NOW + timedelta(hours=1)
    to_soon = {"start": soon, "end": soon + timedelta(minutes=30)}
    far = NOW + timedelta(hours=700)
    to_far = {"start": far, "end": far + timedelta(minutes=30)}
    sightings = [at(1, 2), at(2, 600, **to_soon), at(3, -1, **to_soon), at(4, 1.5, **to_far)]
    assert command(planned(sightings, pairs=4)) == [2, 3, 4, 1]


def test_equally_urgent_writes_keep_their_order() -> None:
    sightings = [at(3, 5), at(1, 5), at(2, 5)]
    assert command(planned(sightings, pairs=3)) == [3, 1, 2]


def test_removals_and_creations_have_their_urgency_too() -> None:
    gone = sighted(1, ghl(**GONE), **YESTERDAY)
    record = ghl(start=NOW + timedelta(hours=1))(pair())
    assert isinstance(record, Snapshot)
    newcomer = NewRecord(record=replace(record, id="new"), contact=Known(id="51"))
    made = planned([gone, at(2, 2)], new_records=[newcomer], pairs=2)
    assert [type(write) for write in made.writes] == [Create, Update, Remove]


# --- the whole


def test_a_settled_world_gives_an_empty_plan() -> None:
    assert planned([sighted(1), sighted(2)], pairs=2) == Plan()


def test_the_same_input_gives_the_same_plan() -> None:
    sightings = [at(1, 3), at(2, 1), sighted(3, ghl(**GONE))]
    assert planned(sightings, pairs=3) == planned(sightings, pairs=3)
