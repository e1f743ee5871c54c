"""A decision lives until what it asks for is recorded, and means what was shown when it was taken.

Outages, stops and newer edits come between a person's word and the cycle that carries it out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Side
from syncd.core.policy import Limit, Notify, Winner
from syncd.engine import cycle, report
from syncd.engine.approval import Approval
from syncd.engine.closing import FIRST
from syncd.engine.cycle import CycleRequest
from syncd.engine.decisions import WAYS, leave_of
from syncd.engine.report import Outcome
from syncd.engine.shown import shown_of
from syncd.sandbox import ConnectionDropped, Fault

if TYPE_CHECKING:
    from towns import Town

OUTAGE = {
    "ghl": Fault(side="ghl", method="PUT", status=503, times=None),
    "hubspot": Fault(side="hubspot", path="/batch/update", status=503, times=None),
}
"""A side takes no change."""


@pytest.fixture
def ann(town: Town) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        town.ghl.add_contact("Ann Lee", "ann@example.com"),
        town.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


@pytest.fixture
def pair(town: Town, ann: tuple[str, str]) -> tuple[str, str]:
    """An appointment that both sides have: (booking, record)."""
    event = str(town.ghl.book(town.calendars["Event"], ann[0], town.at(48), title="Check-up"))
    town.sync()
    (record,) = town.hubspot.records()
    return event, str(record.id)


def decide(town: Town, kind: str, **payload: Any) -> None:
    town.store.link(town.name).decide(kind, payload, town.clock.now())


def resolve(town: Town, record: str, **way: Any) -> None:
    """As the verb does it: with what is shown."""
    (name,) = way
    holds = [
        shown_of(hold)
        for hold in town.store.link(town.name).holds()
        if record in {hold.ghl_id, hold.hubspot_id}
        and (not WAYS[name] or hold.reason in WAYS[name])
    ]
    decide(town, "resolve", id=record, holds=holds, **way)


def open_decisions(town: Town) -> list[str]:
    return [each.kind for each in town.store.link(town.name).decisions()]


def titles(town: Town, pair: tuple[str, str]) -> tuple[str, str]:
    name = town.hubspot.get(pair[1]).properties.get("hs_appointment_name", "")
    return town.ghl.get(pair[0]).title, str(name)


def mistake(town: Town, pair: tuple[str, str], side: str) -> None:
    """A wrong title from one side, carried across."""
    if side == "ghl":
        town.ghl.edit(pair[0], title="Wrong")
    else:
        town.hubspot.edit(pair[1], hs_appointment_name="Wrong")
    town.sync()
    assert titles(town, pair) == ("Wrong", "Wrong")


def reasons(town: Town) -> list[str]:
    return [hold.reason for hold in town.store.link(town.name).holds()]


# --- undo


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("origin", ["ghl", "hubspot"])
@pytest.mark.parametrize("down", [("ghl",), ("hubspot",), ("ghl", "hubspot")])
def test_an_undo_outlives_an_outage_and_never_reverses_itself(
    town: Town, pair: tuple[str, str], origin: str, down: tuple[str, ...], *, full: bool
) -> None:
    mistake(town, pair, origin)
    decide(town, "undo", id=pair[1])
    for side in down:
        town.world.faults.add(OUTAGE[side])
    for _ in range(3):
        assert town.sync(full=full).outcome.code in {3, 7}
    assert open_decisions(town) == ["undo"]
    town.world.faults.clear()
    town.later(minutes=5)
    town.sync(full=full)
    assert titles(town, pair) == ("Check-up", "Check-up")
    assert open_decisions(town) == []
    assert town.sync().written == []


def test_an_undo_outlives_a_stop(town: Town, pair: tuple[str, str]) -> None:
    mistake(town, pair, "ghl")
    decide(town, "undo", id=pair[1])
    cycle.run(replace(town.link(), stopping=lambda: True), CycleRequest())
    assert open_decisions(town) == ["undo"]
    town.sync(full=False)
    assert titles(town, pair) == ("Check-up", "Check-up")
    assert open_decisions(town) == []


@pytest.mark.parametrize("edited", ["ghl", "hubspot"])
@pytest.mark.parametrize("origin", ["ghl", "hubspot"])
def test_an_undo_leaves_a_newer_edit_of_either_side_alone_and_says_so(
    town: Town, pair: tuple[str, str], origin: str, edited: str
) -> None:
    mistake(town, pair, origin)
    decide(town, "undo", id=pair[1])
    if edited == "ghl":
        town.ghl.edit(pair[0], title="Newer")
    else:
        town.hubspot.edit(pair[1], hs_appointment_name="Newer")
    done = town.sync()
    assert titles(town, pair) == ("Newer", "Newer")
    assert [line for line in done.warnings if "title" in line and "changed since" in line]
    assert open_decisions(town) == []


def test_an_edit_between_the_halves_of_an_undo_stays(town: Town, pair: tuple[str, str]) -> None:
    mistake(town, pair, "ghl")
    decide(town, "undo", id=pair[1])
    town.world.faults.add(OUTAGE["ghl"])
    town.sync()
    assert titles(town, pair) == ("Wrong", "Check-up")
    town.world.faults.clear()
    town.ghl.edit(pair[0], title="Newer")
    town.sync()
    assert titles(town, pair) == ("Newer", "Newer")
    assert open_decisions(town) == []


def test_an_undo_of_a_cycle_that_is_half_done_goes_on(town: Town, ann: tuple[str, str]) -> None:
    events = [
        str(town.ghl.book(town.calendars["Event"], ann[0], town.at(48 + n), title=f"Visit {n}"))
        for n in range(3)
    ]
    town.sync()
    for event in events:
        town.ghl.edit(event, title="Wrong")
    wrong = town.sync().cycle
    decide(town, "undo", cycle=wrong)
    town.world.faults.add(Fault(side="ghl", method="PUT", status=503, nth=2, times=None))
    town.sync()
    town.world.faults.clear()
    town.later(minutes=5)
    town.sync()
    assert sorted(town.ghl.get(event).title for event in events) == [f"Visit {n}" for n in range(3)]
    shown = sorted(r.properties["hs_appointment_name"] for r in town.hubspot.records())
    assert shown == [f"Visit {n}" for n in range(3)]
    assert open_decisions(town) == []


@pytest.mark.parametrize("down", ["ghl", "hubspot"])
def test_an_undo_of_a_removal_that_is_half_done_goes_on_and_notifies_nobody(
    town: Town, pair: tuple[str, str], down: str
) -> None:
    town.obey(notify=Notify.LIVE)
    town.hubspot.archive(pair[1])
    town.sync()
    assert town.ghl.get(pair[0]).status == "cancelled"
    before = len(town.world.notifications)
    decide(town, "undo", id=pair[0])
    making = Fault(side="hubspot", path="/batch/create", status=503, times=None)
    town.world.faults.add(making if down == "hubspot" else OUTAGE["ghl"])
    town.sync()
    assert open_decisions(town) == ["undo"]
    town.world.faults.clear()
    for _ in range(2):
        town.later(minutes=5)
        town.sync()
        assert town.ghl.get(pair[0]).status == "confirmed"
    assert [r.properties["ghl_appointment_id"] for r in town.hubspot.records()] == [pair[0]]
    assert (open_decisions(town), len(town.world.notifications)) == ([], before)


def test_an_undo_is_not_repeated_when_the_value_is_written_again(
    town: Town, pair: tuple[str, str]
) -> None:
    mistake(town, pair, "ghl")
    decide(town, "undo", id=pair[1])
    decide(town, "undo", id=pair[1])
    town.sync()
    assert titles(town, pair) == ("Check-up", "Check-up")
    mistake(town, pair, "ghl")
    town.sync()
    assert titles(town, pair) == ("Wrong", "Wrong")


# --- resolve


@pytest.fixture
def contested(town: Town, pair: tuple[str, str]) -> tuple[str, str]:
    """A conflict over the title, held."""
    town.obey(conflict={"title": Winner.HOLD, "address": Winner.HOLD})
    clash(town, pair)
    return pair


def clash(town: Town, pair: tuple[str, str], *values: str) -> None:
    left, right = values or ("Left", "Right")
    town.ghl.edit(pair[0], title=left)
    town.hubspot.edit(pair[1], hs_appointment_name=right)
    town.sync()
    assert "conflict" in reasons(town)


@pytest.mark.parametrize("keep", ["ghl", "hubspot"])
def test_a_kept_side_outlives_an_outage(town: Town, contested: tuple[str, str], keep: str) -> None:
    resolve(town, contested[1], keep=keep)
    for fault in OUTAGE.values():
        town.world.faults.add(fault)
    town.sync()
    assert open_decisions(town) == ["resolve"]
    town.world.faults.clear()
    town.later(minutes=5)
    town.sync()
    wanted = "Left" if keep == "ghl" else "Right"
    assert titles(town, contested) == (wanted, wanted)
    assert open_decisions(town) == []


def test_a_kept_side_counts_for_what_was_shown_only(town: Town, contested: tuple[str, str]) -> None:
    resolve(town, contested[1], keep="ghl")
    town.hubspot.edit(contested[1], hs_appointment_name="Right again")
    done = town.sync()
    assert titles(town, contested) == ("Left", "Right again")
    assert [line for line in done.warnings if "changed since" in line]
    assert (reasons(town), open_decisions(town)) == (["conflict"], [])


def test_what_a_kept_side_was_not_carried_out_for_is_told(
    town: Town, contested: tuple[str, str]
) -> None:
    town.ghl.edit(contested[0], address="Room 1")
    town.hubspot.edit(contested[1], ghl_address="Room 2")
    town.sync()
    resolve(town, contested[1], keep="ghl")
    town.hubspot.edit(contested[1], ghl_address="Room 3")
    done = town.sync()
    assert (titles(town, contested), open_decisions(town)) == (("Left", "Left"), [])
    assert [(hold.reason, hold.group) for hold in done.held] == [("conflict", "address")]
    assert [line for line in done.warnings if contested[1] in line and "in part" in line]


def test_a_kept_side_does_not_decide_the_next_conflict_while_another_hold_lasts(
    town: Town, contested: tuple[str, str]
) -> None:
    town.ghl.edit(contested[0], address="Here")
    town.hubspot.edit(contested[1], ghl_address="There")
    town.sync()
    holds = [shown_of(hold) for hold in town.store.link(town.name).holds() if hold.group == "title"]
    decide(town, "resolve", id=contested[1], holds=holds, keep="ghl")
    town.sync()
    assert titles(town, contested) == ("Left", "Left")
    assert reasons(town) == ["conflict"]
    clash(town, contested, "Left 2", "Right 2")
    assert titles(town, contested) == ("Left 2", "Right 2")
    assert reasons(town) == ["conflict", "conflict"]


def test_a_later_word_about_a_conflict_takes_the_place_of_an_earlier_one(
    town: Town, contested: tuple[str, str]
) -> None:
    resolve(town, contested[1], keep="ghl")
    resolve(town, contested[0], keep="hubspot")
    town.sync()
    assert titles(town, contested) == ("Right", "Right")
    assert open_decisions(town) == []


def test_what_is_separate_is_asked_again_when_the_record_moved_meanwhile(
    town: Town, pair: tuple[str, str], ann: tuple[str, str]
) -> None:
    del pair
    event = str(town.ghl.book(town.calendars["Class"], ann[0], town.at(72)))
    town.sync()
    times = {"hs_appointment_start": town.at(48), "hs_appointment_end": town.at(50)}
    twin = str(town.hubspot.create(times, contacts=[ann[1]]))
    town.sync()
    assert reasons(town) == ["possible_duplicate"]
    resolve(town, twin, separate=True)
    times = {"hs_appointment_start": town.at(72), "hs_appointment_end": town.at(74)}
    town.hubspot.edit(twin, **times)
    done = town.sync()
    assert (done.ghl.created, reasons(town)) == (0, ["possible_duplicate"])
    assert [line for line in done.warnings if twin in line]
    assert (open_decisions(town), bool(event)) == ([], True)


def test_two_records_are_paired_only_as_both_were_shown(town: Town, ann: tuple[str, str]) -> None:
    event = str(town.ghl.book(town.calendars["Class"], ann[0], town.at(48), title="Here"))
    times = {"hs_appointment_start": town.at(48), "hs_appointment_end": town.at(49.5)}
    record = str(town.hubspot.create(times, contacts=[ann[1]]))
    town.sync()
    assert reasons(town) == ["possible_duplicate"] * 2
    holds = [shown_of(hold) for hold in town.store.link(town.name).holds()]
    decide(town, "resolve", id=record, pair_with=event, holds=holds)
    town.ghl.move(event, town.at(60), town.at(61))
    done = town.sync()
    assert done.adopted == 0
    assert [line for line in done.warnings if record in line]
    assert open_decisions(town) == []


@pytest.mark.parametrize("again", ["ghl", "hubspot"])
def test_a_word_that_is_said_twice_is_carried_out_once(
    town: Town, contested: tuple[str, str], again: str
) -> None:
    for _ in range(2):
        resolve(town, contested[1], keep=again)
    done = town.sync()
    assert (open_decisions(town), done.warnings) == ([], [])
    assert len(set(titles(town, contested))) == 1


def test_a_taken_slot_is_booked_anyway_for_whom_and_when_was_shown(
    town: Town, pair: tuple[str, str], ann: tuple[str, str]
) -> None:
    del pair
    town.obey(default_calendar=town.calendars["Event"])
    people = [
        str(town.hubspot.add_contact(f"{name} Roe", f"{name}@x.org")) for name in ("cy", "di")
    ]
    times = {"hs_appointment_start": town.at(48), "hs_appointment_end": town.at(48.5)}
    record = str(town.hubspot.create(times, contacts=[people[0]]))
    town.sync()
    assert reasons(town) == ["slot_taken"]
    resolve(town, record, book_anyway=True)
    town.hubspot.dissociate(record, people[0])
    town.hubspot.associate(record, people[1])
    done = town.sync()
    assert (done.ghl.created, reasons(town), open_decisions(town)) == (0, ["slot_taken"], [])
    resolve(town, record, book_anyway=True)
    done = town.sync()
    assert (done.ghl.created, reasons(town), open_decisions(town)) == (1, [], [])
    assert ann


def test_what_is_ignored_is_held_no_more_after_a_poll(
    town: Town, contested: tuple[str, str]
) -> None:
    resolve(town, contested[1], ignore=True)
    town.sync(full=False)
    assert reasons(town) == []
    town.world.reset_requests()
    town.sync(full=False)
    asked = len(town.world.requests)
    town.world.reset_requests()
    town.sync(full=False)
    assert (len(town.world.requests), reasons(town)) == (asked, []), "it is not looked at again"


def test_a_stranger_that_is_ignored_is_held_no_more_after_a_poll(town: Town) -> None:
    record = town.hubspot.create({"hs_appointment_start": town.at(48)}, contacts=[])
    town.sync()
    assert reasons(town) == ["no_contact"]
    town.later(hours=1)
    town.sync(full=False)
    resolve(town, record, ignore=True)
    town.sync(full=False)
    assert reasons(town) == []


def test_what_is_ignored_is_taken_back_between_sweeps(
    town: Town, contested: tuple[str, str]
) -> None:
    resolve(town, contested[1], ignore=True)
    town.sync()
    assert reasons(town) == []
    decide(town, "retry", id=contested[0])
    town.sync(full=False)
    assert reasons(town) == ["conflict"]
    assert open_decisions(town) == []


# --- retry and what is held


@pytest.fixture
def refused(town: Town, pair: tuple[str, str]) -> tuple[str, str]:
    """An edit that HubSpot refused just now, and would take."""
    town.ghl.edit(pair[0], address="Room 1")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    town.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    town.sync()
    town.world.faults.clear()
    assert reasons(town) == ["rejected"]
    return pair


@pytest.mark.parametrize("named", [True, False])
def test_a_retry_outlives_an_outage(town: Town, refused: tuple[str, str], *, named: bool) -> None:
    decide(town, "retry", **({"id": refused[0]} if named else {}))
    town.world.faults.add(OUTAGE["hubspot"])
    town.sync(full=False)
    assert (open_decisions(town), reasons(town)) == (["retry"], ["rejected"])
    town.world.faults.clear()
    assert town.sync(full=False).hubspot.updated == 1
    assert (open_decisions(town), reasons(town)) == ([], [])


def test_a_retry_of_everything_ends_though_something_else_goes_on_failing(
    town: Town, refused: tuple[str, str], ann: tuple[str, str]
) -> None:
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    town.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    town.world.faults.add(Fault(side="hubspot", path="/batch/create", status=503, times=None))
    town.ghl.book(town.calendars["Class"], ann[0], town.at(90))
    decide(town, "retry")
    town.sync()
    assert (open_decisions(town), reasons(town)) == ([], ["rejected"])
    assert refused


@pytest.mark.parametrize("named", [True, False])
def test_a_retry_ends_though_a_guard_goes_on_keeping_back(
    town: Town, refused: tuple[str, str], ann: tuple[str, str], *, named: bool
) -> None:
    other = town.ghl.book(town.calendars["Class"], ann[0], town.at(90))
    town.sync()
    town.obey(removal_guard=Limit(percent=0, at_least=0))
    town.ghl.delete(other)
    town.sync()
    kept_back = next(h for h in town.store.link(town.name).holds() if h.reason == "removal_guard")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    town.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    town.ghl.edit(refused[0], address="Room 2")
    town.sync()
    assert sorted(reasons(town)) == ["rejected", "removal_guard"]
    decide(town, "retry", **({"id": kept_back.ghl_id} if named else {}))
    town.sync()
    assert (open_decisions(town), sorted(reasons(town))) == ([], ["rejected", "removal_guard"])
    town.world.reset_requests()
    town.sync(full=False)
    assert town.world.writes("hubspot") == [], "what is refused waits as ever"


def test_a_rebuild_carries_nothing_out_and_closes_nothing(
    town: Town, pair: tuple[str, str], contested: tuple[str, str]
) -> None:
    resolve(town, contested[1], keep="ghl")
    town.sync(rebuild=True)
    assert open_decisions(town) == ["resolve"]
    town.sync()
    assert (titles(town, pair), open_decisions(town)) == (("Left", "Left"), [])


def test_a_retry_that_is_refused_again_is_done_and_waits_as_ever(
    town: Town, refused: tuple[str, str]
) -> None:
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    town.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    decide(town, "retry", id=refused[0])
    town.sync(full=False)
    assert (open_decisions(town), reasons(town)) == ([], ["rejected"])
    town.world.reset_requests()
    town.sync(full=False)
    assert town.world.writes("hubspot") == []


@pytest.mark.usefixtures("contested")
@pytest.mark.parametrize("how", ["stop", "outage", "no answer"])
def test_a_cycle_that_is_cut_short_keeps_what_is_held(
    town: Town, ann: tuple[str, str], how: str
) -> None:
    town.hubspot.create({"hs_appointment_start": town.at(96)}, contacts=[])
    town.sync()
    before = sorted(reasons(town))
    assert before == ["conflict", "no_contact"]
    town.ghl.book(town.calendars["Event"], ann[0], town.at(72))
    link = town.link()
    if how == "stop":
        link = replace(link, stopping=lambda: True)
    elif how == "outage":
        fault = Fault(side="hubspot", path="/batch/create", status=503, times=None)
        town.world.faults.add(fault)
    else:
        town.world.faults.add(Fault(side="ghl", status=503, times=None))
    done = cycle.run(link, CycleRequest())
    assert done.outcome is not Outcome.OK
    assert sorted(reasons(town)) == before
    assert sorted(hold.reason for hold in done.held) == before


def test_a_refused_write_that_could_not_be_tried_again_is_held_still(
    town: Town, refused: tuple[str, str]
) -> None:
    town.later(minutes=5)
    town.world.faults.add(OUTAGE["hubspot"])
    town.sync()
    assert (reasons(town), bool(refused)) == (["rejected"], True)


# --- approved plans


def test_an_approved_plan_that_an_outage_cut_short_goes_on(
    town: Town, ann: tuple[str, str]
) -> None:
    events = [
        str(town.ghl.book(town.calendars["Event"], ann[0], town.at(48 + n))) for n in range(3)
    ]
    town.sync()
    for n, event in enumerate(events):
        town.ghl.delete(event) if n else town.ghl.edit(event, address="Room 1")
    town.obey(removal_guard=Limit(percent=0, at_least=0))
    plan = town.plan()
    assert plan.outcome is Outcome.GUARD
    town.obey(removal_guard=Limit(percent=100, at_least=100))
    plan = town.plan()
    assert plan.planned is not None
    decide(town, "apply", writes={report.digest(w): report.in_one_line(w) for w in plan.planned})
    town.obey(removal_guard=Limit(percent=0, at_least=0))
    fault = Fault(side="hubspot", path="/batch/archive", status=503, times=None)
    town.world.faults.add(fault)
    town.sync()
    assert open_decisions(town) == ["apply"]
    town.world.faults.clear()
    town.later(minutes=5)
    done = town.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.OK, 2)
    assert open_decisions(town) == []


def test_what_is_left_of_an_approved_plan_does_not_keep_the_rest_back(
    town: Town, ann: tuple[str, str]
) -> None:
    """One write goes on failing: the next cycle does everything else, too."""
    events = [
        str(town.ghl.book(town.calendars["Event"], ann[0], town.at(48 + n))) for n in range(2)
    ]
    town.sync()
    town.hubspot.edit(
        next(
            str(r.id)
            for r in town.hubspot.records()
            if r.properties["ghl_appointment_id"] == events[0]
        ),
        hs_appointment_name="Theirs",
    )
    plan = town.plan()
    assert plan.planned is not None
    decide(town, "apply", writes={report.digest(w): report.in_one_line(w) for w in plan.planned})
    town.world.faults.add(Fault(side="ghl", method="PUT", path=events[0], status=500, times=None))
    town.ghl.edit(events[1], address="Room 2")
    town.sync()
    assert town.sync().hubspot.updated == 1
    assert open_decisions(town) == ["apply"]
    town.world.faults.clear()
    town.sync()
    assert town.ghl.get(events[0]).title == "Theirs"
    assert open_decisions(town) == []


def test_a_first_sync_that_waits_marks_nothing_beside_an_approved_plan(
    town: Town, ann: tuple[str, str]
) -> None:
    """Two records that are one appointment already: its identity is a write, too."""
    bookings(town, ann[0], 2)
    times = {"hs_appointment_start": town.at(48), "hs_appointment_end": town.at(48.5)}
    twin = str(town.hubspot.create(times, contacts=[ann[1]]))
    plan = town.plan()
    assert plan.planned is not None
    approved = [w for w in plan.planned if w.action == "create"]
    decide(town, "apply", writes={report.digest(w): report.in_one_line(w) for w in approved})
    assert town.sync(planned_only=True).hubspot.created == 1
    assert not town.hubspot.get(twin).properties.get("ghl_appointment_id")
    town.sync()
    assert town.hubspot.get(twin).properties["ghl_appointment_id"]


def test_an_approved_plan_forgets_nothing_that_was_to_be_looked_at_again(
    town: Town, pair: tuple[str, str], ann: tuple[str, str]
) -> None:
    town.hubspot.edit(pair[1], hs_appointment_name="Theirs")
    town.world.faults.add(Fault(side="ghl", method="PUT", status=500, times=None))
    town.sync(full=False)
    town.later(hours=1)
    other = str(town.ghl.book(town.calendars["Class"], ann[0], town.at(72)))
    town.sync(full=False)
    town.world.faults.clear()
    town.ghl.edit(other, address="Room 1")
    plan = town.plan()
    assert plan.planned is not None
    shown = [w for w in plan.planned if w.ghl_id == other]
    decide(town, "apply", writes={report.digest(w): report.in_one_line(w) for w in shown})
    assert town.sync().hubspot.updated == 1
    assert titles(town, pair) == ("Check-up", "Theirs")
    town.sync(full=False)
    assert titles(town, pair) == ("Theirs", "Theirs")


def test_the_history_tells_who_decided(town: Town, pair: tuple[str, str]) -> None:
    mistake(town, pair, "ghl")
    decide(town, "undo", id=pair[1])
    town.sync()
    town.ghl.edit(pair[0], address="Room 1")
    plan = town.plan()
    assert plan.planned is not None
    decide(town, "apply", writes={report.digest(w): report.in_one_line(w) for w in plan.planned})
    town.sync()
    told = [(e.field, e.author) for e in town.store.link(town.name).history(pair[1]) if e.field]
    assert told[:2] == [("address", "apply"), ("title", "cli")]
    assert ("title", "sync") in told[2:]


# --- a first sync that waited for a person


def approval(town: Town, hubspot: int, ghl: int = 0) -> Approval:
    """What was shown, and let go now."""
    return Approval(at=town.clock.now(), shown={Side.HUBSPOT: hubspot, Side.GHL: ghl})


def _hang_up(really: bool) -> None:
    if really:
        raise ConnectionDropped(took_effect=False)


def bookings(town: Town, contact: str, number: int, hours: float = 48) -> None:
    for each in range(number):
        town.ghl.book(town.calendars["Event"], contact, town.at(hours + each))


def test_an_approval_covers_up_to_twice_what_was_shown(town: Town, ann: tuple[str, str]) -> None:
    bookings(town, ann[0], 3)
    given = approval(town, hubspot=3)
    bookings(town, ann[0], 3, hours=100)
    done = town.sync(approval=given)
    assert (done.outcome, done.hubspot.created, done.uncovered) == (Outcome.OK, 6, {})


def test_beyond_that_nothing_is_written_and_the_link_asks_again(
    town: Town, ann: tuple[str, str]
) -> None:
    bookings(town, ann[0], 3)
    given = approval(town, hubspot=3)
    bookings(town, ann[0], 4, hours=100)
    done = town.sync(approval=given)
    assert (done.outcome, done.hubspot.created) == (Outcome.GUARD, 0)
    assert done.uncovered == {Side.HUBSPOT: 7}
    assert not town.store.link(town.name).cursor(FIRST)


def test_what_was_written_before_an_outage_counts_with_what_comes_after_it(
    town: Town, ann: tuple[str, str]
) -> None:
    bookings(town, ann[0], 3)
    given = approval(town, hubspot=3)
    fault = Fault(side="hubspot", path="/batch/create", status=503, times=None)
    town.world.faults.add(fault)
    assert town.sync(approval=given).outcome.code in {3, 7}
    town.world.faults.clear()
    stops = iter((False, False, False, True))
    link = replace(town.link(), stopping=lambda: next(stops, True))
    cycle.run(link, CycleRequest(approval=given))
    town.later(minutes=5)
    written = len(town.hubspot.records())
    bookings(town, ann[0], 3, hours=100)
    assert town.sync(approval=given).outcome is Outcome.OK
    assert (len(town.hubspot.records()), written in range(4)) == (6, True)
    assert town.store.link(town.name).written_since(given.at) == {Side.HUBSPOT: 6}


@pytest.mark.parametrize("trouble", ["create", "book", "calendar"])
def test_a_first_sync_that_an_outage_disturbed_goes_on_as_one(
    town: Town, ann: tuple[str, str], trouble: str
) -> None:
    town.obey(change_guard=Limit(percent=50, at_least=20))
    event, other = town.calendars["Event"], town.calendars["Class"]
    if trouble == "book":
        for each in range(30):
            start, end = town.at(48 + each), town.at(48.5 + each)
            said = {"hs_appointment_start": start, "hs_appointment_end": end}
            town.hubspot.create(said, contacts=[ann[1]])
    else:
        bookings(town, ann[0], 30)
        town.ghl.book(other, ann[0], town.at(200.5))
    down = {
        "create": Fault(side="hubspot", path="/batch/create", status=503, times=None),
        "book": Fault(side="ghl", method="POST", path="appointments$", status=503, times=None),
    }
    if trouble == "calendar":
        town.world.before_request = lambda r: _hang_up(r.query.get("calendarId") == event)
    else:
        town.world.faults.add(down[trouble])
    assert town.sync().outcome.code in {3, 7}
    town.world.faults.clear()
    town.world.before_request = None
    town.later(minutes=5)
    done = town.sync()
    assert (done.outcome, done.failed) == (Outcome.OK, [])
    assert len(town.pairs()) == (30 if trouble == "book" else 31)
    assert town.store.link(town.name).cursor(FIRST)


def test_a_few_records_that_go_on_failing_do_not_hold_a_first_sync_open(
    town: Town, ann: tuple[str, str]
) -> None:
    bookings(town, ann[0], 3)
    town.world.faults.add(Fault(side="hubspot", path="/batch/create", status=503, times=None))
    assert town.sync().outcome is Outcome.FAILED_WRITES
    assert town.store.link(town.name).cursor(FIRST)


def test_the_other_side_is_covered_by_its_own_number(town: Town, ann: tuple[str, str]) -> None:
    bookings(town, ann[0], 3)
    given = approval(town, hubspot=3)
    town.hubspot.create({"hs_appointment_start": town.at(200)}, contacts=[ann[1]])
    done = town.sync(approval=given)
    assert (done.ghl.created, done.hubspot.created) == (0, 0)
    assert done.uncovered == {Side.HUBSPOT: 3, Side.GHL: 1}


def test_an_approved_plan_goes_out_of_a_first_sync_that_waits(
    town: Town, ann: tuple[str, str]
) -> None:
    bookings(town, ann[0], 2)
    plan = town.plan()
    assert plan.planned is not None
    decide(town, "apply", writes={report.digest(w): report.in_one_line(w) for w in plan.planned})
    bookings(town, ann[0], 2, hours=100)
    done = town.sync(planned_only=True)
    assert (done.hubspot.created, open_decisions(town)) == (2, [])
    assert not town.store.link(town.name).cursor(FIRST)


# --- guards


def kick(town: Town, *, removals: bool = False, changes: bool = False) -> None:
    """As the verb does it: what the guards keep back now."""
    store = town.store.link(town.name)
    leave = leave_of(store, town.clock.now(), removals=removals, changes=changes)
    decide(town, "kick", allow_removals=removals, allow_changes=changes, **leave)


@pytest.fixture
def three(town: Town, ann: tuple[str, str]) -> list[str]:
    """Three bookings that both sides have, and guards that let nothing pass."""
    events = [
        str(town.ghl.book(town.calendars["Event"], ann[0], town.at(48 + n))) for n in range(3)
    ]
    town.sync()
    town.obey(removal_guard=Limit(percent=0, at_least=0), change_guard=Limit(percent=0, at_least=0))
    return events


def test_a_kick_lets_pass_the_removals_that_were_kept_back_then_and_no_more(
    town: Town, three: list[str]
) -> None:
    town.ghl.delete(three[0])
    assert town.sync().outcome is Outcome.GUARD
    kick(town, removals=True)
    town.ghl.delete(three[1])
    done = town.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.GUARD, 1)
    assert reasons(town) == ["removal_guard"]
    assert open_decisions(town) == []
    assert town.sync().hubspot.removed == 0


def test_a_kick_lets_pass_the_changes_that_were_kept_back_then_and_no_more(
    town: Town, three: list[str]
) -> None:
    town.ghl.edit(three[0], address="Room 1")
    assert town.sync().outcome is Outcome.GUARD
    kick(town, changes=True)
    town.ghl.edit(three[1], address="Room 2")
    done = town.sync()
    assert (done.outcome, done.hubspot.updated) == (Outcome.GUARD, 1)
    assert open_decisions(town) == []
    assert town.sync().hubspot.updated == 0


def test_an_undo_that_a_guard_keeps_back_lives_on(town: Town, three: list[str]) -> None:
    town.ghl.edit(three[0], title="Wrong")
    town.sync(changes=True)
    decide(town, "undo", id=three[0])
    done = town.sync()
    assert (done.outcome, done.warnings, open_decisions(town)) == (Outcome.GUARD, [], ["undo"])
    kick(town, changes=True)
    town.sync()
    assert (town.ghl.get(three[0]).title == "Wrong", open_decisions(town)) == (False, [])


def test_what_a_kick_let_pass_outlives_an_outage(town: Town, three: list[str]) -> None:
    town.ghl.delete(three[0])
    town.sync()
    kick(town, removals=True)
    town.world.faults.add(Fault(side="hubspot", path="/batch/archive", status=503, times=None))
    town.sync()
    assert open_decisions(town) == ["kick"]
    town.world.faults.clear()
    done = town.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.OK, 1)
    assert open_decisions(town) == []


def test_a_kick_is_not_done_by_an_incremental_cycle(town: Town, three: list[str]) -> None:
    kick(town)
    town.sync(full=False)
    assert (open_decisions(town), len(three)) == (["kick"], 3)
    town.sync()
    assert open_decisions(town) == []


def test_removals_are_counted_over_a_day_whatever_is_left_of_the_history(
    town: Town, ann: tuple[str, str]
) -> None:
    bookings(town, ann[0], 8)
    town.sync()
    events = [str(event.id) for event in town.ghl.appointments]
    town.obey(removal_guard=Limit(percent=0, at_least=3))
    for event in events[:3]:
        town.ghl.delete(event)
    assert town.sync().hubspot.removed == 3
    town.later(hours=23)
    town.store.prune(town.name, town.clock.now())
    town.ghl.delete(events[3])
    assert town.sync().outcome is Outcome.GUARD
    town.later(hours=2)
    done = town.sync()
    assert (done.outcome, done.hubspot.removed) == (Outcome.OK, 1)
