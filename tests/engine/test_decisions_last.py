"""A decision lives until what it asks for is recorded, and means what was shown when it was taken.

Outages, stops and newer edits come between a person's word and the cycle that carries it out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from harness import in_turn

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.core.policy import Limit, Notify, Winner
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.decisions.approval import Approval
from syncd.engine.decisions.basis import shown_of
from syncd.engine.decisions.pending import WAYS, leave_of
from syncd.engine.planned_writes import digest, in_one_line
from syncd.engine.poll.prepare import FIRST
from syncd.errors import LinkLocked
from syncd.sandbox import ConnectionDropped, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness import SyncHarness

    from syncd.engine.workers import Lane

OUTAGE = {
    "ghl": Fault(side="ghl", method="PUT", status=503, times=None),
    "hubspot": Fault(side="hubspot", path="/batch/update", status=503, times=None),
}
"""A side takes no change."""


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com"),
        harness.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


@pytest.fixture
def pair(harness: SyncHarness, ann: tuple[str, str]) -> tuple[str, str]:
    """An appointment that both sides have: (booking, record)."""
    event = str(
        harness.ghl.book(harness.calendars["Event"], ann[0], harness.at(48), title="Check-up")
    )
    harness.sync()
    (record,) = harness.hubspot.records()
    return event, str(record.id)


def decide(harness: SyncHarness, kind: str, **payload: Any) -> None:
    harness.store.link(harness.name).decide(kind, payload, harness.clock.now())


def resolve(harness: SyncHarness, record: str, **way: Any) -> None:
    """As the verb does it: with what is shown."""
    (name,) = way
    holds = [
        shown_of(hold)
        for hold in harness.store.link(harness.name).holds()
        if record in {hold.ghl_id, hold.hubspot_id}
        and (not WAYS[name] or hold.reason in WAYS[name])
    ]
    decide(harness, "resolve", id=record, holds=holds, **way)


def open_decisions(harness: SyncHarness) -> list[str]:
    return [each.kind for each in harness.store.link(harness.name).decisions()]


def titles(harness: SyncHarness, pair: tuple[str, str]) -> tuple[str, str]:
    name = harness.hubspot.get(pair[1]).properties.get("hs_appointment_name", "")
    return harness.ghl.get(pair[0]).title, str(name)


def mistake(harness: SyncHarness, pair: tuple[str, str], side: str) -> None:
    """A wrong title from one side, carried across."""
    if side == "ghl":
        harness.ghl.edit(pair[0], title="Wrong")
    else:
        harness.hubspot.edit(pair[1], hs_appointment_name="Wrong")
    harness.sync()
    assert titles(harness, pair) == ("Wrong", "Wrong")


def reasons(harness: SyncHarness) -> list[str]:
    return [hold.reason for hold in harness.store.link(harness.name).holds()]


# --- undo


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("origin", ["ghl", "hubspot"])
@pytest.mark.parametrize("down", [("ghl",), ("hubspot",), ("ghl", "hubspot")])
def test_an_undo_outlives_an_outage_and_never_reverses_itself(
    harness: SyncHarness, pair: tuple[str, str], origin: str, down: tuple[str, ...], *, full: bool
) -> None:
    mistake(harness, pair, origin)
    decide(harness, "undo", id=pair[1])
    for side in down:
        harness.world.faults.add(OUTAGE[side])
    for _ in range(3):
        assert harness.sync(full=full).outcome.exit_code in {3, 7}
    assert open_decisions(harness) == ["undo"]
    harness.world.faults.clear()
    harness.later(minutes=5)
    harness.sync(full=full)
    assert titles(harness, pair) == ("Check-up", "Check-up")
    assert open_decisions(harness) == []
    assert harness.sync().written == []


def test_an_undo_outlives_a_stop(harness: SyncHarness, pair: tuple[str, str]) -> None:
    mistake(harness, pair, "ghl")
    decide(harness, "undo", id=pair[1])
    cycle.run(replace(harness.link(), stopping=lambda: True), CycleRequest())
    assert open_decisions(harness) == ["undo"]
    harness.sync(full=False)
    assert titles(harness, pair) == ("Check-up", "Check-up")
    assert open_decisions(harness) == []


@pytest.mark.parametrize("edited", ["ghl", "hubspot"])
@pytest.mark.parametrize("origin", ["ghl", "hubspot"])
def test_an_undo_leaves_a_newer_edit_of_either_side_alone_and_says_so(
    harness: SyncHarness, pair: tuple[str, str], origin: str, edited: str
) -> None:
    mistake(harness, pair, origin)
    decide(harness, "undo", id=pair[1])
    if edited == "ghl":
        harness.ghl.edit(pair[0], title="Newer")
    else:
        harness.hubspot.edit(pair[1], hs_appointment_name="Newer")
    done = harness.sync()
    assert titles(harness, pair) == ("Newer", "Newer")
    assert [line for line in done.warnings if "title" in line and "changed since" in line]
    assert open_decisions(harness) == []


def test_an_edit_between_the_halves_of_an_undo_stays(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    mistake(harness, pair, "ghl")
    decide(harness, "undo", id=pair[1])
    harness.world.faults.add(OUTAGE["ghl"])
    harness.sync()
    assert titles(harness, pair) == ("Wrong", "Check-up")
    harness.world.faults.clear()
    harness.ghl.edit(pair[0], title="Newer")
    harness.sync()
    assert titles(harness, pair) == ("Newer", "Newer")
    assert open_decisions(harness) == []


def test_an_undo_of_a_cycle_that_is_half_done_goes_on(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    events = [
        str(
            harness.ghl.book(
                harness.calendars["Event"], ann[0], harness.at(48 + n), title=f"Visit {n}"
            )
        )
        for n in range(3)
    ]
    harness.sync()
    for event in events:
        harness.ghl.edit(event, title="Wrong")
    wrong = harness.sync().cycle
    decide(harness, "undo", cycle=wrong)
    harness.world.faults.add(Fault(side="ghl", method="PUT", status=503, nth=2, times=None))
    harness.sync()
    harness.world.faults.clear()
    harness.later(minutes=5)
    harness.sync()
    assert sorted(harness.ghl.get(event).title for event in events) == [
        f"Visit {n}" for n in range(3)
    ]
    shown = sorted(r.properties["hs_appointment_name"] for r in harness.hubspot.records())
    assert shown == [f"Visit {n}" for n in range(3)]
    assert open_decisions(harness) == []


@pytest.mark.parametrize("down", ["ghl", "hubspot"])
def test_an_undo_of_a_removal_that_is_half_done_goes_on_and_notifies_nobody(
    harness: SyncHarness, pair: tuple[str, str], down: str
) -> None:
    harness.obey(notify=Notify.LIVE)
    harness.hubspot.archive(pair[1])
    harness.sync()
    assert harness.ghl.get(pair[0]).status == "cancelled"
    before = len(harness.world.notifications)
    decide(harness, "undo", id=pair[0])
    making = Fault(side="hubspot", path="/batch/create", status=503, times=None)
    harness.world.faults.add(making if down == "hubspot" else OUTAGE["ghl"])
    harness.sync()
    assert open_decisions(harness) == ["undo"]
    harness.world.faults.clear()
    for _ in range(2):
        harness.later(minutes=5)
        harness.sync()
        assert harness.ghl.get(pair[0]).status == "confirmed"
    assert [r.properties["ghl_appointment_id"] for r in harness.hubspot.records()] == [pair[0]]
    assert (open_decisions(harness), len(harness.world.notifications)) == ([], before)


def test_an_undo_is_not_repeated_when_the_value_is_written_again(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    mistake(harness, pair, "ghl")
    decide(harness, "undo", id=pair[1])
    decide(harness, "undo", id=pair[1])
    harness.sync()
    assert titles(harness, pair) == ("Check-up", "Check-up")
    mistake(harness, pair, "ghl")
    harness.sync()
    assert titles(harness, pair) == ("Wrong", "Wrong")


# --- resolve


@pytest.fixture
def contested(harness: SyncHarness, pair: tuple[str, str]) -> tuple[str, str]:
    """A conflict over the title, held."""
    harness.obey(conflict={"title": Winner.HOLD, "address": Winner.HOLD})
    clash(harness, pair)
    return pair


def clash(harness: SyncHarness, pair: tuple[str, str], *values: str) -> None:
    left, right = values or ("Left", "Right")
    harness.ghl.edit(pair[0], title=left)
    harness.hubspot.edit(pair[1], hs_appointment_name=right)
    harness.sync()
    assert "conflict" in reasons(harness)


@pytest.mark.parametrize("keep", ["ghl", "hubspot"])
def test_a_kept_side_outlives_an_outage(
    harness: SyncHarness, contested: tuple[str, str], keep: str
) -> None:
    resolve(harness, contested[1], keep=keep)
    for fault in OUTAGE.values():
        harness.world.faults.add(fault)
    harness.sync()
    assert open_decisions(harness) == ["resolve"]
    harness.world.faults.clear()
    harness.later(minutes=5)
    harness.sync()
    wanted = "Left" if keep == "ghl" else "Right"
    assert titles(harness, contested) == (wanted, wanted)
    assert open_decisions(harness) == []


def test_a_kept_side_counts_for_what_was_shown_only(
    harness: SyncHarness, contested: tuple[str, str]
) -> None:
    resolve(harness, contested[1], keep="ghl")
    harness.hubspot.edit(contested[1], hs_appointment_name="Right again")
    done = harness.sync()
    assert titles(harness, contested) == ("Left", "Right again")
    assert [line for line in done.warnings if "changed since" in line]
    assert (reasons(harness), open_decisions(harness)) == (["conflict"], [])


def test_what_a_kept_side_was_not_carried_out_for_is_told(
    harness: SyncHarness, contested: tuple[str, str]
) -> None:
    harness.ghl.edit(contested[0], address="Room 1")
    harness.hubspot.edit(contested[1], ghl_address="Room 2")
    harness.sync()
    resolve(harness, contested[1], keep="ghl")
    harness.hubspot.edit(contested[1], ghl_address="Room 3")
    done = harness.sync()
    assert (titles(harness, contested), open_decisions(harness)) == (("Left", "Left"), [])
    assert [(hold.reason, hold.group) for hold in done.held] == [("conflict", "address")]
    assert [line for line in done.warnings if contested[1] in line and "in part" in line]


def test_a_kept_side_does_not_decide_the_next_conflict_while_another_hold_lasts(
    harness: SyncHarness, contested: tuple[str, str]
) -> None:
    harness.ghl.edit(contested[0], address="Here")
    harness.hubspot.edit(contested[1], ghl_address="There")
    harness.sync()
    holds = [
        shown_of(hold) for hold in harness.store.link(harness.name).holds() if hold.group == "title"
    ]
    decide(harness, "resolve", id=contested[1], holds=holds, keep="ghl")
    harness.sync()
    assert titles(harness, contested) == ("Left", "Left")
    assert reasons(harness) == ["conflict"]
    clash(harness, contested, "Left 2", "Right 2")
    assert titles(harness, contested) == ("Left 2", "Right 2")
    assert reasons(harness) == ["conflict", "conflict"]


def test_a_later_word_about_a_conflict_takes_the_place_of_an_earlier_one(
    harness: SyncHarness, contested: tuple[str, str]
) -> None:
    resolve(harness, contested[1], keep="ghl")
    resolve(harness, contested[0], keep="hubspot")
    harness.sync()
    assert titles(harness, contested) == ("Right", "Right")
    assert open_decisions(harness) == []


def test_what_is_separate_is_asked_again_when_the_record_moved_meanwhile(
    harness: SyncHarness, pair: tuple[str, str], ann: tuple[str, str]
) -> None:
    del pair
    event = str(harness.ghl.book(harness.calendars["Class"], ann[0], harness.at(72)))
    harness.sync()
    times = {"hs_appointment_start": harness.at(48), "hs_appointment_end": harness.at(50)}
    twin = str(harness.hubspot.create(times, contacts=[ann[1]]))
    harness.sync()
    assert reasons(harness) == ["possible_duplicate"]
    resolve(harness, twin, separate=True)
    times = {"hs_appointment_start": harness.at(72), "hs_appointment_end": harness.at(74)}
    harness.hubspot.edit(twin, **times)
    done = harness.sync()
    assert (done.ghl.created, reasons(harness)) == (0, ["possible_duplicate"])
    assert [line for line in done.warnings if twin in line]
    assert (open_decisions(harness), bool(event)) == ([], True)


def test_two_records_are_paired_only_as_both_were_shown(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = str(harness.ghl.book(harness.calendars["Class"], ann[0], harness.at(48), title="Here"))
    times = {"hs_appointment_start": harness.at(48), "hs_appointment_end": harness.at(49.5)}
    record = str(harness.hubspot.create(times, contacts=[ann[1]]))
    harness.sync()
    assert reasons(harness) == ["possible_duplicate"] * 2
    holds = [shown_of(hold) for hold in harness.store.link(harness.name).holds()]
    decide(harness, "resolve", id=record, pair_with=event, holds=holds)
    harness.ghl.move(event, harness.at(60), harness.at(61))
    done = harness.sync()
    assert done.adopted == 0
    assert [line for line in done.warnings if record in line]
    assert open_decisions(harness) == []


@pytest.mark.parametrize("again", ["ghl", "hubspot"])
def test_a_word_that_is_said_twice_is_carried_out_once(
    harness: SyncHarness, contested: tuple[str, str], again: str
) -> None:
    for _ in range(2):
        resolve(harness, contested[1], keep=again)
    done = harness.sync()
    assert (open_decisions(harness), done.warnings) == ([], [])
    assert len(set(titles(harness, contested))) == 1


def test_a_taken_slot_is_booked_anyway_for_whom_and_when_was_shown(
    harness: SyncHarness, pair: tuple[str, str], ann: tuple[str, str]
) -> None:
    del pair
    harness.obey(default_calendar=harness.calendars["Event"])
    people = [
        str(harness.hubspot.add_contact(f"{name} Roe", f"{name}@x.org")) for name in ("cy", "di")
    ]
    times = {"hs_appointment_start": harness.at(48), "hs_appointment_end": harness.at(48.5)}
    record = str(harness.hubspot.create(times, contacts=[people[0]]))
    harness.sync()
    assert reasons(harness) == ["slot_taken"]
    resolve(harness, record, book_anyway=True)
    harness.hubspot.dissociate(record, people[0])
    harness.hubspot.associate(record, people[1])
    done = harness.sync()
    assert (done.ghl.created, reasons(harness), open_decisions(harness)) == (0, ["slot_taken"], [])
    resolve(harness, record, book_anyway=True)
    done = harness.sync()
    assert (done.ghl.created, reasons(harness), open_decisions(harness)) == (1, [], [])
    assert ann


def test_what_is_ignored_is_held_no_more_after_a_poll(
    harness: SyncHarness, contested: tuple[str, str]
) -> None:
    resolve(harness, contested[1], ignore=True)
    harness.sync(full=False)
    assert reasons(harness) == []
    harness.world.reset_requests()
    harness.sync(full=False)
    asked = len(harness.world.requests)
    harness.world.reset_requests()
    harness.sync(full=False)
    assert (len(harness.world.requests), reasons(harness)) == (asked, []), (
        "it is not looked at again"
    )


def test_a_stranger_that_is_ignored_is_held_no_more_after_a_poll(harness: SyncHarness) -> None:
    record = harness.hubspot.create({"hs_appointment_start": harness.at(48)}, contacts=[])
    harness.sync()
    assert reasons(harness) == ["no_contact"]
    harness.later(hours=1)
    harness.sync(full=False)
    resolve(harness, record, ignore=True)
    harness.sync(full=False)
    assert reasons(harness) == []


def test_what_is_ignored_is_taken_back_between_sweeps(
    harness: SyncHarness, contested: tuple[str, str]
) -> None:
    resolve(harness, contested[1], ignore=True)
    harness.sync()
    assert reasons(harness) == []
    decide(harness, "retry", id=contested[0])
    harness.sync(full=False)
    assert reasons(harness) == ["conflict"]
    assert open_decisions(harness) == []


# --- retry and what is held


@pytest.fixture
def refused(harness: SyncHarness, pair: tuple[str, str]) -> tuple[str, str]:
    """An edit that HubSpot refused just now, and would take."""
    harness.ghl.edit(pair[0], address="Room 1")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    harness.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    harness.sync()
    harness.world.faults.clear()
    assert reasons(harness) == ["rejected"]
    return pair


@pytest.mark.parametrize("named", [True, False])
def test_a_retry_outlives_an_outage(
    harness: SyncHarness, refused: tuple[str, str], *, named: bool
) -> None:
    decide(harness, "retry", **({"id": refused[0]} if named else {}))
    harness.world.faults.add(OUTAGE["hubspot"])
    harness.sync(full=False)
    assert (open_decisions(harness), reasons(harness)) == (["retry"], ["rejected"])
    harness.world.faults.clear()
    assert harness.sync(full=False).hubspot.updated == 1
    assert (open_decisions(harness), reasons(harness)) == ([], [])


def test_a_retry_of_everything_ends_though_something_else_goes_on_failing(
    harness: SyncHarness, refused: tuple[str, str], ann: tuple[str, str]
) -> None:
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    harness.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    harness.world.faults.add(Fault(side="hubspot", path="/batch/create", status=503, times=None))
    harness.ghl.book(harness.calendars["Class"], ann[0], harness.at(90))
    decide(harness, "retry")
    harness.sync()
    assert (open_decisions(harness), reasons(harness)) == ([], ["rejected"])
    assert refused


@pytest.mark.parametrize("named", [True, False])
def test_a_retry_ends_though_a_guard_goes_on_keeping_back(
    harness: SyncHarness, refused: tuple[str, str], ann: tuple[str, str], *, named: bool
) -> None:
    other = harness.ghl.book(harness.calendars["Class"], ann[0], harness.at(90))
    harness.sync()
    harness.obey(removal_guard=Limit(percent=0, at_least=0))
    harness.ghl.delete(other)
    harness.sync()
    kept_back = next(
        h for h in harness.store.link(harness.name).holds() if h.reason == "removal_guard"
    )
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    harness.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    harness.ghl.edit(refused[0], address="Room 2")
    harness.sync()
    assert sorted(reasons(harness)) == ["rejected", "removal_guard"]
    decide(harness, "retry", **({"id": kept_back.ghl_id} if named else {}))
    harness.sync()
    assert (open_decisions(harness), sorted(reasons(harness))) == (
        [],
        ["rejected", "removal_guard"],
    )
    harness.world.reset_requests()
    harness.sync(full=False)
    assert harness.world.writes("hubspot") == [], "what is refused waits as ever"


def test_a_rebuild_carries_nothing_out_and_closes_nothing(
    harness: SyncHarness, pair: tuple[str, str], contested: tuple[str, str]
) -> None:
    resolve(harness, contested[1], keep="ghl")
    harness.sync(rebuild=True)
    assert open_decisions(harness) == ["resolve"]
    harness.sync()
    assert (titles(harness, pair), open_decisions(harness)) == (("Left", "Left"), [])


def test_a_retry_that_is_refused_again_is_done_and_waits_as_ever(
    harness: SyncHarness, refused: tuple[str, str]
) -> None:
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    harness.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    decide(harness, "retry", id=refused[0])
    harness.sync(full=False)
    assert (open_decisions(harness), reasons(harness)) == ([], ["rejected"])
    harness.world.reset_requests()
    harness.sync(full=False)
    assert harness.world.writes("hubspot") == []


@pytest.mark.usefixtures("contested")
@pytest.mark.parametrize("how", ["stop", "outage", "no answer"])
def test_a_cycle_that_is_cut_short_keeps_what_is_held(
    harness: SyncHarness, ann: tuple[str, str], how: str
) -> None:
    harness.hubspot.create({"hs_appointment_start": harness.at(96)}, contacts=[])
    harness.sync()
    before = sorted(reasons(harness))
    assert before == ["conflict", "no_contact"]
    harness.ghl.book(harness.calendars["Event"], ann[0], harness.at(72))
    link = harness.link()
    if how == "stop":
        link = replace(link, stopping=lambda: True)
    elif how == "outage":
        fault = Fault(side="hubspot", path="/batch/create", status=503, times=None)
        harness.world.faults.add(fault)
    else:
        harness.world.faults.add(Fault(side="ghl", status=503, times=None))
    done = cycle.run(link, CycleRequest())
    assert done.outcome is not Outcome.OK
    assert sorted(reasons(harness)) == before
    assert sorted(hold.reason for hold in done.held) == before


def test_a_refused_write_that_could_not_be_tried_again_is_held_still(
    harness: SyncHarness, refused: tuple[str, str]
) -> None:
    harness.later(minutes=5)
    harness.world.faults.add(OUTAGE["hubspot"])
    harness.sync()
    assert (reasons(harness), bool(refused)) == (["rejected"], True)


# --- approved plans


def test_an_approved_plan_that_an_outage_cut_short_goes_on(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    events = [
        str(harness.ghl.book(harness.calendars["Event"], ann[0], harness.at(48 + n)))
        for n in range(3)
    ]
    harness.sync()
    for n, event in enumerate(events):
        harness.ghl.delete(event) if n else harness.ghl.edit(event, address="Room 1")
    harness.obey(removal_guard=Limit(percent=0, at_least=0))
    plan = harness.plan()
    assert plan.outcome is Outcome.GUARD
    harness.obey(removal_guard=Limit(percent=100, at_least=100))
    plan = harness.plan()
    assert plan.planned is not None
    decide(harness, "apply", writes={digest(w): in_one_line(w) for w in plan.planned})
    harness.obey(removal_guard=Limit(percent=0, at_least=0))
    fault = Fault(side="hubspot", path="/batch/archive", status=503, times=None)
    harness.world.faults.add(fault)
    harness.sync()
    assert open_decisions(harness) == ["apply"]
    harness.world.faults.clear()
    harness.later(minutes=5)
    done = harness.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.OK, 2)
    assert open_decisions(harness) == []


def test_what_is_left_of_an_approved_plan_does_not_keep_the_rest_back(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """One write goes on failing: the next cycle does everything else, too."""
    events = [
        str(harness.ghl.book(harness.calendars["Event"], ann[0], harness.at(48 + n)))
        for n in range(2)
    ]
    harness.sync()
    harness.hubspot.edit(
        next(
            str(r.id)
            for r in harness.hubspot.records()
            if r.properties["ghl_appointment_id"] == events[0]
        ),
        hs_appointment_name="Theirs",
    )
    plan = harness.plan()
    assert plan.planned is not None
    decide(harness, "apply", writes={digest(w): in_one_line(w) for w in plan.planned})
    harness.world.faults.add(
        Fault(side="ghl", method="PUT", path=events[0], status=500, times=None)
    )
    harness.ghl.edit(events[1], address="Room 2")
    harness.sync()
    assert harness.sync().hubspot.updated == 1
    assert open_decisions(harness) == ["apply"]
    harness.world.faults.clear()
    harness.sync()
    assert harness.ghl.get(events[0]).title == "Theirs"
    assert open_decisions(harness) == []


def test_a_first_sync_that_waits_marks_nothing_beside_an_approved_plan(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """Two records that are one appointment already: its identity is a write, too."""
    bookings(harness, ann[0], 2)
    times = {"hs_appointment_start": harness.at(48), "hs_appointment_end": harness.at(48.5)}
    twin = str(harness.hubspot.create(times, contacts=[ann[1]]))
    plan = harness.plan()
    assert plan.planned is not None
    approved = [w for w in plan.planned if w.action == "create"]
    decide(harness, "apply", writes={digest(w): in_one_line(w) for w in approved})
    assert harness.sync(planned_only=True).hubspot.created == 1
    assert not harness.hubspot.get(twin).properties.get("ghl_appointment_id")
    harness.sync()
    assert harness.hubspot.get(twin).properties["ghl_appointment_id"]


def test_an_approved_plan_forgets_nothing_that_was_to_be_looked_at_again(
    harness: SyncHarness, pair: tuple[str, str], ann: tuple[str, str]
) -> None:
    harness.hubspot.edit(pair[1], hs_appointment_name="Theirs")
    harness.world.faults.add(Fault(side="ghl", method="PUT", status=500, times=None))
    harness.sync(full=False)
    harness.later(hours=1)
    other = str(harness.ghl.book(harness.calendars["Class"], ann[0], harness.at(72)))
    harness.sync(full=False)
    harness.world.faults.clear()
    harness.ghl.edit(other, address="Room 1")
    plan = harness.plan()
    assert plan.planned is not None
    shown = [w for w in plan.planned if w.ghl_id == other]
    decide(harness, "apply", writes={digest(w): in_one_line(w) for w in shown})
    assert harness.sync().hubspot.updated == 1
    assert titles(harness, pair) == ("Check-up", "Theirs")
    harness.sync(full=False)
    assert titles(harness, pair) == ("Theirs", "Theirs")


def test_the_history_tells_who_decided(harness: SyncHarness, pair: tuple[str, str]) -> None:
    mistake(harness, pair, "ghl")
    decide(harness, "undo", id=pair[1])
    harness.sync()
    harness.ghl.edit(pair[0], address="Room 1")
    plan = harness.plan()
    assert plan.planned is not None
    decide(harness, "apply", writes={digest(w): in_one_line(w) for w in plan.planned})
    harness.sync()
    told = [
        (e.field, e.author) for e in harness.store.link(harness.name).history(pair[1]) if e.field
    ]
    assert told[:2] == [("address", "apply"), ("title", "cli")]
    assert ("title", "sync") in told[2:]


# --- a first sync that waited for a person


def approval(harness: SyncHarness, hubspot: int, ghl: int = 0) -> Approval:
    """What was shown, and let go now."""
    return Approval(at=harness.clock.now(), shown={Side.HUBSPOT: hubspot, Side.GHL: ghl})


def _hang_up(really: bool) -> None:
    if really:
        raise ConnectionDropped(took_effect=False)


def bookings(harness: SyncHarness, contact: str, number: int, hours: float = 48) -> None:
    for each in range(number):
        harness.ghl.book(harness.calendars["Event"], contact, harness.at(hours + each))


def test_an_approval_covers_up_to_twice_what_was_shown(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    bookings(harness, ann[0], 3)
    given = approval(harness, hubspot=3)
    bookings(harness, ann[0], 3, hours=100)
    done = harness.sync(approval=given)
    assert (done.outcome, done.hubspot.created, done.uncovered) == (Outcome.OK, 6, {})


def test_beyond_that_nothing_is_written_and_the_link_asks_again(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    bookings(harness, ann[0], 3)
    given = approval(harness, hubspot=3)
    bookings(harness, ann[0], 4, hours=100)
    done = harness.sync(approval=given)
    assert (done.outcome, done.hubspot.created) == (Outcome.GUARD, 0)
    assert done.uncovered == {Side.HUBSPOT: 7}
    assert not harness.store.link(harness.name).get_state(FIRST)


def test_a_link_that_is_lost_asks_nobody_anew(harness: SyncHarness, ann: tuple[str, str]) -> None:
    """Whoever has it now judges what the approval covers, and whether to ask again."""

    def taken() -> None:
        raise LinkLocked("clinic", holder="another")

    start = harness.at(40)
    harness.ghl.book(harness.calendars["Event"], ann[0], start)
    harness.hubspot.create({"hs_appointment_start": start}, contacts=[ann[1]])
    bookings(harness, ann[0], 3)
    harness.guard = taken  # The first two are one appointment, which needs no write to agree on.
    done = harness.sync(approval=approval(harness, hubspot=1))
    assert (done.outcome, done.guards, done.uncovered) == (Outcome.LOCKED, [], {})


def test_what_was_written_before_an_outage_counts_with_what_comes_after_it(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    bookings(harness, ann[0], 3)
    given = approval(harness, hubspot=3)
    fault = Fault(side="hubspot", path="/batch/create", status=503, times=None)
    harness.world.faults.add(fault)
    assert harness.sync(approval=given).outcome.exit_code in {3, 7}
    harness.world.faults.clear()
    stops = iter((False, False, False, True))
    link = replace(harness.link(), stopping=lambda: next(stops, True))
    cycle.run(link, CycleRequest(approval=given))
    harness.later(minutes=5)
    written = len(harness.hubspot.records())
    bookings(harness, ann[0], 3, hours=100)
    assert harness.sync(approval=given).outcome is Outcome.OK
    assert (len(harness.hubspot.records()), written in range(4)) == (6, True)
    assert harness.store.link(harness.name).written_since(given.at) == {Side.HUBSPOT: 6}


@pytest.mark.parametrize("trouble", ["create", "book", "calendar"])
def test_a_first_sync_that_an_outage_disturbed_goes_on_as_one(
    harness: SyncHarness, ann: tuple[str, str], trouble: str
) -> None:
    harness.obey(change_guard=Limit(percent=50, at_least=20))
    event, other = harness.calendars["Event"], harness.calendars["Class"]
    if trouble == "book":
        for each in range(30):
            start, end = harness.at(48 + each), harness.at(48.5 + each)
            said = {"hs_appointment_start": start, "hs_appointment_end": end}
            harness.hubspot.create(said, contacts=[ann[1]])
    else:
        bookings(harness, ann[0], 30)
        harness.ghl.book(other, ann[0], harness.at(200.5))
    down = {
        "create": Fault(side="hubspot", path="/batch/create", status=503, times=None),
        "book": Fault(side="ghl", method="POST", path="appointments$", status=503, times=None),
    }
    if trouble == "calendar":
        harness.world.before_request = lambda r: _hang_up(r.query.get("calendarId") == event)
    else:
        harness.world.faults.add(down[trouble])
    assert harness.sync().outcome.exit_code in {3, 7}
    harness.world.faults.clear()
    harness.world.before_request = None
    harness.later(minutes=5)
    done = harness.sync()
    assert (done.outcome, done.failed) == (Outcome.OK, [])
    assert len(harness.pairs()) == (30 if trouble == "book" else 31)
    assert harness.store.link(harness.name).get_state(FIRST)


def test_a_few_records_that_go_on_failing_do_not_hold_a_first_sync_open(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    bookings(harness, ann[0], 3)
    harness.world.faults.add(Fault(side="hubspot", path="/batch/create", status=503, times=None))
    assert harness.sync().outcome is Outcome.FAILED_WRITES
    assert harness.store.link(harness.name).get_state(FIRST)


def test_the_other_side_is_covered_by_its_own_number(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    bookings(harness, ann[0], 3)
    given = approval(harness, hubspot=3)
    harness.hubspot.create({"hs_appointment_start": harness.at(200)}, contacts=[ann[1]])
    done = harness.sync(approval=given)
    assert (done.ghl.created, done.hubspot.created) == (0, 0)
    assert done.uncovered == {Side.HUBSPOT: 3, Side.GHL: 1}


def test_an_approved_plan_goes_out_of_a_first_sync_that_waits(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    bookings(harness, ann[0], 2)
    plan = harness.plan()
    assert plan.planned is not None
    decide(harness, "apply", writes={digest(w): in_one_line(w) for w in plan.planned})
    bookings(harness, ann[0], 2, hours=100)
    done = harness.sync(planned_only=True)
    assert (done.hubspot.created, open_decisions(harness)) == (2, [])
    assert not harness.store.link(harness.name).get_state(FIRST)


# --- guards


def kick(harness: SyncHarness, *, removals: bool = False, changes: bool = False) -> None:
    """As the verb does it: what the guards keep back now."""
    store = harness.store.link(harness.name)
    leave = leave_of(store, harness.clock.now(), removals=removals, changes=changes)
    decide(harness, "kick", allow_removals=removals, allow_changes=changes, **leave)


@pytest.fixture
def three(harness: SyncHarness, ann: tuple[str, str]) -> list[str]:
    """Three bookings that both sides have, and guards that let nothing pass."""
    events = [
        str(harness.ghl.book(harness.calendars["Event"], ann[0], harness.at(48 + n)))
        for n in range(3)
    ]
    harness.sync()
    harness.obey(
        removal_guard=Limit(percent=0, at_least=0), change_guard=Limit(percent=0, at_least=0)
    )
    return events


def test_a_kick_lets_pass_the_removals_that_were_kept_back_then_and_no_more(
    harness: SyncHarness, three: list[str]
) -> None:
    harness.ghl.delete(three[0])
    assert harness.sync().outcome is Outcome.GUARD
    kick(harness, removals=True)
    harness.ghl.delete(three[1])
    done = harness.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.GUARD, 1)
    assert reasons(harness) == ["removal_guard"]
    assert open_decisions(harness) == []
    assert harness.sync().hubspot.removed == 0


def test_a_kick_lets_pass_the_changes_that_were_kept_back_then_and_no_more(
    harness: SyncHarness, three: list[str]
) -> None:
    harness.ghl.edit(three[0], address="Room 1")
    assert harness.sync().outcome is Outcome.GUARD
    kick(harness, changes=True)
    harness.ghl.edit(three[1], address="Room 2")
    done = harness.sync()
    assert (done.outcome, done.hubspot.updated) == (Outcome.GUARD, 1)
    assert open_decisions(harness) == []
    assert harness.sync().hubspot.updated == 0


def test_an_undo_that_a_guard_keeps_back_lives_on(harness: SyncHarness, three: list[str]) -> None:
    harness.ghl.edit(three[0], title="Wrong")
    harness.sync(changes=True)
    decide(harness, "undo", id=three[0])
    done = harness.sync()
    assert (done.outcome, done.warnings, open_decisions(harness)) == (Outcome.GUARD, [], ["undo"])
    kick(harness, changes=True)
    harness.sync()
    assert (harness.ghl.get(three[0]).title == "Wrong", open_decisions(harness)) == (False, [])


def test_what_a_kick_let_pass_outlives_an_outage(harness: SyncHarness, three: list[str]) -> None:
    harness.ghl.delete(three[0])
    harness.sync()
    kick(harness, removals=True)
    harness.world.faults.add(Fault(side="hubspot", path="/batch/archive", status=503, times=None))
    harness.sync()
    assert open_decisions(harness) == ["kick"]
    harness.world.faults.clear()
    done = harness.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.OK, 1)
    assert open_decisions(harness) == []


def test_a_kick_is_not_done_by_an_incremental_cycle(harness: SyncHarness, three: list[str]) -> None:
    kick(harness)
    harness.sync(full=False)
    assert (open_decisions(harness), len(three)) == (["kick"], 3)
    harness.sync()
    assert open_decisions(harness) == []


def test_removals_are_counted_over_a_day_whatever_is_left_of_the_history(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    bookings(harness, ann[0], 8)
    harness.sync()
    events = [str(event.id) for event in harness.ghl.appointments]
    harness.obey(removal_guard=Limit(percent=0, at_least=3))
    for event in events[:3]:
        harness.ghl.delete(event)
    assert harness.sync().hubspot.removed == 3
    harness.later(hours=23)
    harness.store.prune(harness.name, harness.clock.now())
    harness.ghl.delete(events[3])
    assert harness.sync().outcome is Outcome.GUARD
    harness.later(hours=2)
    done = harness.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.OK, 1)


def test_a_decision_stays_open_where_its_record_could_not_be_judged_anew(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """It is for somebody else right before its write, and HighLevel goes down just then."""
    bookings(harness, ann[0], 1)
    harness.sync()
    times = {"hs_appointment_start": harness.at(48), "hs_appointment_end": harness.at(48.5)}
    record = harness.hubspot.create(times, contacts=[ann[1]])
    assert [hold.reason for hold in harness.sync().held] == ["possible_duplicate"]
    resolve(harness, record, separate=True)

    def lanes(lanes_: Sequence[Lane]) -> None:
        harness.hubspot.edit(record, hs_appointment_name="Another")
        harness.hubspot.associate(record, harness.hubspot.add_contact("Bob Ray", "bob@example.com"))
        harness.world.faults.add(Fault(side="ghl", status=503, times=None))
        in_turn(lanes_)

    harness.lanes = lanes
    assert harness.sync().outcome is Outcome.UNREACHABLE
    assert open_decisions(harness) == ["resolve"]
