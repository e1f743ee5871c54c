"""What people decide: `retry`, `resolve`, `undo`, `apply`, and how cycles carry it out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.policy import Notify, OnRemoval, Winner
from syncd.engine import report
from syncd.sandbox import Fault

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def ann(town: Town) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        town.ghl.add_contact("Ann Lee", "ann@example.com"),
        town.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


def book(town: Town, contact: str, hours: float = 48, **more: Any) -> str:
    return str(town.ghl.book(town.calendars["Event"], contact, town.at(hours), **more))


def make(town: Town, contact: str, hours: float = 96, **more: Any) -> str:
    start = town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(town.hubspot.create({"hs_appointment_start": start} | more, contacts=[contact]))


def decide(town: Town, kind: str, **payload: Any) -> None:
    town.store.link(town.name).decide(kind, payload, town.clock.now())


def title(town: Town, record: str) -> str:
    return str(town.hubspot.get(record).properties.get("hs_appointment_name", ""))


def only_record(town: Town) -> str:
    (record,) = town.hubspot.records()
    return str(record.id)


@pytest.mark.parametrize("keep", ["ghl", "hubspot"])
def test_a_kept_side_wins_a_held_conflict(town: Town, ann: tuple[str, str], keep: str) -> None:
    town.obey(conflict={"title": Winner.HOLD})
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town)
    town.ghl.edit(event, title="Left")
    town.hubspot.edit(record, hs_appointment_name="Right")
    assert [hold.reason for hold in town.sync().held] == ["conflict"]
    decide(town, "resolve", id=record, keep=keep)
    report_ = town.sync()
    assert report_.held == []
    wanted = "Left" if keep == "ghl" else "Right"
    assert (town.ghl.get(event).title, title(town, record)) == (wanted, wanted)
    town.ghl.edit(event, title="Again left")
    town.hubspot.edit(record, hs_appointment_name="Again right")
    assert [hold.reason for hold in town.sync().held] == ["conflict"], "it counts once"


def double(town: Town, ann: tuple[str, str]) -> tuple[str, str]:
    """A pair, and a HubSpot record for the same person and time beside it."""
    event = book(town, ann[0])
    town.sync()
    twin = make(town, ann[1], hours=48, hs_appointment_name="Twin")
    assert [hold.reason for hold in town.sync().held] == ["possible_duplicate"]
    return event, twin


def test_what_is_separate_is_made_across(town: Town, ann: tuple[str, str]) -> None:
    _, twin = double(town, ann)
    decide(town, "resolve", id=twin, separate=True)
    town.sync()
    held = town.sync().held
    assert [hold.reason for hold in held] in ([], ["slot_taken"])


def test_what_is_separate_may_be_booked_onto_the_same_time(
    town: Town, ann: tuple[str, str]
) -> None:
    """The second word about a record adds to the first: it needs both."""
    town.obey(default_calendar=town.calendars["Event"])
    _, twin = double(town, ann)
    decide(town, "resolve", id=twin, separate=True)
    assert [hold.reason for hold in town.sync().held] == ["slot_taken"]
    assert [hold.reason for hold in town.sync().held] == ["slot_taken"]
    decide(town, "resolve", id=twin, book_anyway=True)
    done = town.sync()
    assert (done.held, done.ghl.created) == ([], 1)
    assert town.sync().written == []


def doubtful(town: Town, ann: tuple[str, str], calendar: str) -> tuple[str, str]:
    """Two records without a pair that may be one appointment: their ends differ."""
    start, end = town.at(48), town.at(49.5)
    event = str(town.ghl.book(town.calendars[calendar], ann[0], start, title="Here"))
    spot = {"hs_appointment_start": start, "hs_appointment_end": end}
    record = str(town.hubspot.create(spot | {"hs_appointment_name": "There"}, contacts=[ann[1]]))
    assert [hold.reason for hold in town.sync().held] == ["possible_duplicate"] * 2
    return event, record


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("named", ["ghl", "hubspot"])
def test_what_is_separate_is_so_for_both_halves(
    town: Town, ann: tuple[str, str], named: str, *, full: bool
) -> None:
    town.obey(refuse_double_booking=False)
    event, record = doubtful(town, ann, "Class")
    for _ in range(5):  # until an incremental cycle would not look at it for hours
        town.later(hours=2)
        town.sync()
    town.later(hours=1)
    decide(town, "resolve", id=event if named == "ghl" else record, separate=True)
    done = town.sync(full=full)
    assert (done.held, done.ghl.created, done.hubspot.created) == ([], 1, 1)
    after = town.sync()
    assert (after.held, after.written) == ([], [])


def test_the_other_half_of_what_is_separate_waits_for_its_slot_and_for_nothing_else(
    town: Town, ann: tuple[str, str]
) -> None:
    town.obey(default_calendar=town.calendars["Event"])
    event, record = doubtful(town, ann, "Event")
    decide(town, "resolve", id=event, separate=True)
    for _ in range(3):
        assert [(each.hubspot_id, each.reason) for each in town.sync().held] == [
            (record, "slot_taken")
        ]
    decide(town, "resolve", id=record, book_anyway=True)
    done = town.sync()
    assert (done.held, done.ghl.created) == ([], 1)
    assert town.sync().held == []


def test_a_decision_outlives_a_write_that_has_to_be_tried_again(
    town: Town, ann: tuple[str, str]
) -> None:
    town.obey(refuse_double_booking=False)
    event, _ = doubtful(town, ann, "Class")
    decide(town, "resolve", id=event, separate=True)
    for side, path in (("ghl", "/appointments$"), ("hubspot", "/batch/create")):
        town.world.faults.add(Fault(side=side, method="POST", path=path, status=503, times=None))
    assert town.sync().outcome.code in {3, 7}
    town.world.faults.clear()
    town.later(minutes=5)
    done = town.sync()
    assert (done.held, done.ghl.created, done.hubspot.created) == ([], 1, 1)


def test_a_decision_outlives_a_guard_that_keeps_its_writes_back(
    town: Town, ann: tuple[str, str]
) -> None:
    town.obey(refuse_double_booking=False)
    event, _ = doubtful(town, ann, "Class")
    guard = town.rules.template.change_guard
    town.obey(change_guard=replace(guard, percent=0, at_least=0))
    decide(town, "resolve", id=event, separate=True)
    done = town.sync()
    assert (done.outcome.value, done.ghl.created, done.hubspot.created) == ("guard", 0, 0)
    town.obey(change_guard=guard)
    done = town.sync()
    assert (done.held, done.ghl.created, done.hubspot.created) == ([], 1, 1)


def test_what_was_said_of_both_records_of_a_pair_holds_together(
    town: Town, ann: tuple[str, str]
) -> None:
    town.obey(conflict={"time": Winner.HOLD})
    event = book(town, ann[0], hours=48)
    other = town.ghl.add_contact("Cy Roe", "cy@example.com")
    book(town, other, hours=72)
    town.sync()
    record = next(
        row.id for row in town.hubspot.records() if row.properties["ghl_appointment_id"] == event
    )
    start, end = (town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (72, 72.5))
    town.hubspot.edit(record, hs_appointment_start=start, hs_appointment_end=end)
    town.ghl.edit(event, start=town.at(96), end=town.at(96.5))
    assert [hold.reason for hold in town.sync().held] == ["conflict"]
    decide(town, "resolve", id=event, keep="hubspot")
    assert [hold.reason for hold in town.sync().held] == ["slot_taken"]
    decide(town, "resolve", id=record, book_anyway=True)
    done = town.sync()
    assert (done.held, done.ghl.updated) == ([], 1)
    assert town.ghl.get(event).start == town.at(72)


def test_what_is_ignored_is_left_alone_until_it_is_tried_again(
    town: Town, ann: tuple[str, str]
) -> None:
    _, twin = double(town, ann)
    decide(town, "resolve", id=twin, ignore=True)
    assert town.sync().held == []
    assert town.sync().held == []
    decide(town, "retry", id=twin)
    assert [hold.reason for hold in town.sync().held] == ["possible_duplicate"]


def test_a_slot_is_booked_anyway_when_a_person_says_so(town: Town, ann: tuple[str, str]) -> None:
    town.obey(default_calendar=town.calendars["Team"])
    user = next(iter(town.ghl.users))
    town.ghl.book(town.calendars["Team"], ann[0], town.at(96), assignee=user)
    town.sync()
    other = town.hubspot.add_contact("Cy Roe", "cy@example.com")
    owners = {row.email: key for key, row in town.hubspot.owners.items()}
    email = town.ghl.users[user].email
    twin = make(town, other, hours=96, hubspot_owner_id=owners[email])
    assert [hold.reason for hold in town.sync().held] == ["slot_taken"]
    decide(town, "resolve", id=twin, book_anyway=True)
    done = town.sync()
    assert (done.held, done.ghl.created) == ([], 1)


@pytest.mark.parametrize("named", ["ghl", "hubspot"])
def test_a_move_onto_a_taken_slot_is_made_when_a_person_says_so(
    town: Town, ann: tuple[str, str], named: str
) -> None:
    event = book(town, ann[0], hours=48)
    other = town.ghl.add_contact("Cy Roe", "cy@example.com")
    book(town, other, hours=72)
    town.sync()
    record = next(
        row for row in town.hubspot.records() if row.properties["ghl_appointment_id"] == event
    )
    start, end = (town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (72, 72.5))
    town.hubspot.edit(record.id, hs_appointment_start=start, hs_appointment_end=end)
    assert [hold.reason for hold in town.sync().held] == ["slot_taken"]
    decide(town, "resolve", id={"ghl": event, "hubspot": str(record.id)}[named], book_anyway=True)
    done = town.sync()
    assert (done.held, done.ghl.updated) == ([], 1)


def test_a_person_names_the_contact(town: Town) -> None:
    town.ghl.add_contact("Ann Lee", None, "+15550101")
    contact = next(iter(town.ghl.contacts)).id
    across = town.hubspot.add_contact("Bob Lee", None, "+15550101")
    event = book(town, contact)
    assert [hold.reason for hold in town.sync().held] == ["ambiguous_contact"]
    decide(town, "resolve", id=event, contact=across)
    done = town.sync()
    assert (done.held, done.hubspot.created) == ([], 1)
    assert list(town.hubspot.get(only_record(town)).links["0-1"]) == [across]


def test_a_person_names_the_contact_of_a_record_that_has_none(
    town: Town, ann: tuple[str, str]
) -> None:
    start = town.at(96)
    bare = str(town.hubspot.create({"hs_appointment_start": start}, contacts=[]))
    assert [hold.reason for hold in town.sync().held] == ["no_contact"]
    decide(town, "resolve", id=bare, contact=ann[1])
    done = town.sync()
    assert (done.held, done.ghl.created) == ([], 1)
    (event,) = town.ghl.appointments
    assert event.contact == ann[0]
    again = town.sync()
    assert (again.held, again.ghl.updated, again.hubspot.updated) == ([], 0, 0)


def test_undo_puts_a_mistaken_edit_back_on_both_sides(town: Town, ann: tuple[str, str]) -> None:
    town.obey(notify=Notify.LIVE)
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town)
    town.ghl.edit(event, title="Wrong", address="Nowhere")
    town.sync()
    before = len(town.world.notifications)
    decide(town, "undo", id=record)
    town.sync()
    assert (town.ghl.get(event).title, title(town, record)) == ("Check-up", "Check-up")
    assert not town.ghl.get(event).address
    assert len(town.world.notifications) == before
    assert town.sync().written == []


def test_undo_brings_the_loser_of_a_conflict_back(town: Town, ann: tuple[str, str]) -> None:
    town.obey(conflict={"title": Winner.GHL})
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town)
    town.ghl.edit(event, title="Left")
    town.hubspot.edit(record, hs_appointment_name="Right")
    done = town.sync()
    assert title(town, record) == "Left"
    decide(town, "undo", cycle=done.cycle)
    town.sync()
    assert (town.ghl.get(event).title, title(town, record)) == ("Right", "Right")
    assert town.sync().written == []


def test_undo_leaves_what_was_edited_since(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town)
    town.ghl.edit(event, title="Wrong")
    town.sync()
    town.hubspot.edit(record, hs_appointment_name="Better")
    decide(town, "undo", id=record)
    town.sync()
    assert (town.ghl.get(event).title, title(town, record)) == ("Better", "Better")


def test_undo_moves_an_appointment_back(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0])
    town.sync()
    town.ghl.move(event, town.at(60), town.at(61))
    town.sync()
    decide(town, "undo", id=event)
    town.sync()
    shown = town.ghl.get(event)
    assert (shown.start, shown.end) == (town.at(48), town.at(48.5))
    start = town.hubspot.get(only_record(town)).properties["hs_appointment_start"]
    assert start == "2026-03-04T09:00:00.000Z"


def test_an_approved_plan_is_carried_out_exactly(town: Town, ann: tuple[str, str]) -> None:
    events = [book(town, ann[0], hours=48 + n, title=f"Visit {n}") for n in range(3)]
    town.sync()
    town.ghl.edit(events[0], address="Room 1")
    town.ghl.edit(events[1], address="Room 2")
    plan = town.plan()
    assert plan.planned is not None
    kept = {report.digest(write): report.in_one_line(write) for write in plan.planned}
    town.ghl.edit(events[1], address="Room 22")  # has moved on since
    town.ghl.edit(events[2], address="Room 3")  # is not in the plan
    decide(town, "apply", writes=kept)
    done = town.sync()
    assert done.hubspot.updated == 1
    assert len([line for line in done.warnings if "left out" in line]) == 1
    assert town.sync().hubspot.updated == 2


def test_a_refused_write_waits_and_goes_at_once_when_told(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0])
    town.sync()
    town.ghl.edit(event, address="Room 1")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    town.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    assert [hold.reason for hold in town.sync().held] == ["rejected"]
    town.world.faults.clear()
    town.world.reset_requests()
    town.later(seconds=5)
    assert [hold.reason for hold in town.sync().held] == ["rejected"]
    assert town.world.writes("hubspot") == []
    decide(town, "retry", id=event)
    done = town.sync()
    assert (done.held, done.hubspot.updated) == ([], 1)


def test_a_refused_write_goes_by_itself_after_its_wait(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0])
    town.sync()
    town.ghl.edit(event, address="Room 1")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    town.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    town.sync()
    town.world.faults.clear()
    town.later(minutes=5)
    assert town.sync().hubspot.updated == 1


REFUSED = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}


@pytest.fixture
def refused(town: Town, ann: tuple[str, str]) -> tuple[str, str]:
    """An edit that HubSpot refused just now, and would take: (booking, record)."""
    event = book(town, ann[0])
    town.sync()
    town.ghl.edit(event, address="Room 1")
    town.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=REFUSED, times=None)
    )
    assert [hold.reason for hold in town.sync().held] == ["rejected"]
    town.world.faults.clear()
    assert [hold.reason for hold in town.sync().held] == ["rejected"], "it waits"
    return event, only_record(town)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_a_refused_write_goes_at_once_when_its_record_changed_on_either_side(
    town: Town, refused: tuple[str, str], side: str, *, full: bool
) -> None:
    event, record = refused
    if side == "ghl":
        town.ghl.edit(event, description="Bring it")
    else:
        town.hubspot.edit(record, ghl_description="Bring it")
    done = town.sync(full=full)
    assert done.held == []
    assert town.hubspot.get(record).properties["ghl_address"] == "Room 1"


def test_a_refused_write_goes_at_once_when_the_configuration_changed(
    town: Town, refused: tuple[str, str]
) -> None:
    town.settings_print = "another"
    assert town.sync().held == []
    assert town.hubspot.get(refused[1]).properties["ghl_address"] == "Room 1"


@pytest.mark.parametrize("full", [True, False])
def test_a_refused_field_waits_too_while_the_rest_is_written(
    town: Town, ann: tuple[str, str], *, full: bool
) -> None:
    event = book(town, ann[0])
    town.sync()
    record = only_record(town)
    town.ghl.edit(event, address="Room 1", title="Control")
    named = REFUSED | {"errors": [{"message": "no", "context": {"propertyName": ["ghl_address"]}}]}
    town.world.faults.add(Fault(side="hubspot", path="/batch/update", status=400, body=named))
    (hold,) = town.sync().held
    assert (hold.reason, hold.group, title(town, record)) == ("rejected", "address", "Control")
    for seconds in (5, 20, 30):
        town.later(seconds=seconds)
        town.world.reset_requests()
        done = town.sync(full=full)
        if full or done.held:
            assert [each.group for each in done.held] == ["address"]
        assert town.world.writes("hubspot") == []
    town.later(minutes=6)
    assert town.sync(full=full).held == []
    assert town.hubspot.get(record).properties["ghl_address"] == "Room 1"


def test_a_rebuild_pairs_and_writes_nothing(town: Town, ann: tuple[str, str]) -> None:
    book(town, ann[0], title="Check-up")
    town.sync()
    make(town, ann[1], hours=200)
    town.name = "afresh"
    town.world.reset_requests()
    done = town.sync(rebuild=True)
    assert (done.adopted, done.written) == (1, [])
    assert town.world.writes("ghl") == []
    assert town.world.writes("hubspot") == []
    assert town.sync().ghl.created == 1


def test_a_survivor_that_is_edited_is_judged_once_and_then_left_alone(town: Town) -> None:
    """The rule leaves it as it is; each poll used to ask for the record across once more."""
    town.obey(hubspot_archived=OnRemoval.IGNORE)
    contact = town.ghl.add_contact("Ann Lee", "ann@example.com")
    survivor = town.ghl.book(town.calendars["Event"], contact, town.at(48), title="Visit")
    town.sync()
    (record,) = town.hubspot.records()
    town.hubspot.archive(record.id)
    town.sync()
    town.ghl.edit(survivor, title="Edited")
    town.sync(full=False)
    town.world.reset_requests()
    assert town.sync(full=False).written == []
    asked = [row.body for row in town.world.requests_of("hubspot") if "batch/read" in row.path]
    assert record.id not in str(asked)
    town.hubspot.restore(record.id)
    assert town.sync().hubspot.updated == 1
    assert town.hubspot.get(record.id).properties["hs_appointment_name"] == "Edited"


@pytest.mark.parametrize("full", [True, False])
def test_undo_reopens_what_was_cancelled_for_an_archive(
    town: Town, ann: tuple[str, str], full: bool
) -> None:
    """The archived record itself stays in the archive: its appointment gets a new one."""
    event = book(town, ann[0], title="Check-up", status="confirmed")
    town.sync()
    record = only_record(town)
    town.hubspot.archive(record)
    done = town.sync()
    assert (town.ghl.get(event).status, done.ghl.removed) == ("cancelled", 1)
    before = len(town.world.notifications)
    decide(town, "undo", cycle=done.cycle)
    undone = town.sync(full=full)
    assert (undone.ghl.updated, undone.hubspot.created) == (1, 1)
    assert town.ghl.get(event).status == "confirmed"
    assert len(town.world.notifications) == before
    anew = only_record(town)
    assert anew != record
    assert town.hubspot.get(anew).properties["ghl_appointment_id"] == event
    assert town.hubspot.get(anew).properties["hs_appointment_status"] == "SCHEDULED"
    assert town.sync().written == []


def test_undo_reopens_both_sides_of_a_cancellation(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], title="Check-up", status="confirmed")
    town.sync()
    record = only_record(town)
    town.hubspot.edit(record, hs_appointment_status="CANCELLED")
    done = town.sync()
    assert town.ghl.get(event).status == "cancelled"
    decide(town, "undo", cycle=done.cycle)
    town.sync()
    assert town.ghl.get(event).status == "confirmed"
    assert town.hubspot.get(record).properties["hs_appointment_status"] == "SCHEDULED"
    assert town.sync().written == []


def test_undo_leaves_what_was_made_and_what_was_archived(town: Town, ann: tuple[str, str]) -> None:
    first, second = book(town, ann[0], title="One"), book(town, ann[0], hours=60, title="Two")
    made = town.sync()
    decide(town, "undo", cycle=made.cycle)
    assert town.sync().written == []
    town.ghl.delete(first)
    gone = town.sync()
    assert gone.hubspot.removed == 1
    decide(town, "undo", cycle=gone.cycle)
    assert town.sync().written == []
    assert town.ghl.get(first).deleted
    assert [r.properties["ghl_appointment_id"] for r in town.hubspot.records()] == [second]
