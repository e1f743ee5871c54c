"""What people decide: `retry`, `resolve`, `undo`, `apply`, and how cycles carry it out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.policy import Notify, OnRemoval, Winner
from syncd.engine.planned_writes import digest, in_one_line
from syncd.sandbox import Fault

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com"),
        harness.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Event"], contact, harness.at(hours), **more))


def make(harness: SyncHarness, contact: str, hours: float = 96, **more: Any) -> str:
    start = harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(harness.hubspot.create({"hs_appointment_start": start} | more, contacts=[contact]))


def decide(harness: SyncHarness, kind: str, **payload: Any) -> None:
    harness.store.link(harness.name).decide(kind, payload, harness.clock.now())


def title(harness: SyncHarness, record: str) -> str:
    return str(harness.hubspot.get(record).properties.get("hs_appointment_name", ""))


def only_record(harness: SyncHarness) -> str:
    (record,) = harness.hubspot.records()
    return str(record.id)


@pytest.mark.parametrize("keep", ["ghl", "hubspot"])
def test_a_kept_side_wins_a_held_conflict(
    harness: SyncHarness, ann: tuple[str, str], keep: str
) -> None:
    harness.obey(conflict={"title": Winner.HOLD})
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness)
    harness.ghl.edit(event, title="Left")
    harness.hubspot.edit(record, hs_appointment_name="Right")
    assert [hold.reason for hold in harness.sync().held] == ["conflict"]
    decide(harness, "resolve", id=record, keep=keep)
    report_ = harness.sync()
    assert report_.held == []
    wanted = "Left" if keep == "ghl" else "Right"
    assert (harness.ghl.get(event).title, title(harness, record)) == (wanted, wanted)
    harness.ghl.edit(event, title="Again left")
    harness.hubspot.edit(record, hs_appointment_name="Again right")
    assert [hold.reason for hold in harness.sync().held] == ["conflict"], "it counts once"


def double(harness: SyncHarness, ann: tuple[str, str]) -> tuple[str, str]:
    """A pair, and a HubSpot record for the same person and time beside it."""
    event = book(harness, ann[0])
    harness.sync()
    twin = make(harness, ann[1], hours=48, hs_appointment_name="Twin")
    assert [hold.reason for hold in harness.sync().held] == ["possible_duplicate"]
    return event, twin


def test_what_is_separate_is_made_across(harness: SyncHarness, ann: tuple[str, str]) -> None:
    _, twin = double(harness, ann)
    decide(harness, "resolve", id=twin, separate=True)
    harness.sync()
    held = harness.sync().held
    assert [hold.reason for hold in held] in ([], ["slot_taken"])


def test_what_is_separate_may_be_booked_onto_the_same_time(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """The second word about a record adds to the first: it needs both."""
    harness.obey(default_calendar=harness.calendars["Event"])
    _, twin = double(harness, ann)
    decide(harness, "resolve", id=twin, separate=True)
    assert [hold.reason for hold in harness.sync().held] == ["slot_taken"]
    assert [hold.reason for hold in harness.sync().held] == ["slot_taken"]
    decide(harness, "resolve", id=twin, book_anyway=True)
    done = harness.sync()
    assert (done.held, done.ghl.created) == ([], 1)
    assert harness.sync().written == []


def doubtful(harness: SyncHarness, ann: tuple[str, str], calendar: str) -> tuple[str, str]:
    """Two records without a pair that may be one appointment: their ends differ."""
    start, end = harness.at(48), harness.at(49.5)
    event = str(harness.ghl.book(harness.calendars[calendar], ann[0], start, title="Here"))
    spot = {"hs_appointment_start": start, "hs_appointment_end": end}
    record = str(harness.hubspot.create(spot | {"hs_appointment_name": "There"}, contacts=[ann[1]]))
    assert [hold.reason for hold in harness.sync().held] == ["possible_duplicate"] * 2
    return event, record


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("named", ["ghl", "hubspot"])
def test_what_is_separate_is_so_for_both_halves(
    harness: SyncHarness, ann: tuple[str, str], named: str, *, full: bool
) -> None:
    harness.obey(refuse_double_booking=False)
    event, record = doubtful(harness, ann, "Class")
    for _ in range(5):  # until an incremental cycle would not look at it for hours
        harness.later(hours=2)
        harness.sync()
    harness.later(hours=1)
    decide(harness, "resolve", id=event if named == "ghl" else record, separate=True)
    done = harness.sync(full=full)
    assert (done.held, done.ghl.created, done.hubspot.created) == ([], 1, 1)
    after = harness.sync()
    assert (after.held, after.written) == ([], [])


def test_the_other_half_of_what_is_separate_waits_for_its_slot_and_for_nothing_else(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(default_calendar=harness.calendars["Event"])
    event, record = doubtful(harness, ann, "Event")
    decide(harness, "resolve", id=event, separate=True)
    for _ in range(3):
        assert [(each.hubspot_id, each.reason) for each in harness.sync().held] == [
            (record, "slot_taken")
        ]
    decide(harness, "resolve", id=record, book_anyway=True)
    done = harness.sync()
    assert (done.held, done.ghl.created) == ([], 1)
    assert harness.sync().held == []


def test_a_decision_outlives_a_write_that_has_to_be_tried_again(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(refuse_double_booking=False)
    event, _ = doubtful(harness, ann, "Class")
    decide(harness, "resolve", id=event, separate=True)
    for side, path in (("ghl", "/appointments$"), ("hubspot", "/batch/create")):
        harness.world.faults.add(Fault(side=side, method="POST", path=path, status=503, times=None))
    assert harness.sync().outcome.exit_code in {3, 7}
    harness.world.faults.clear()
    harness.later(minutes=5)
    done = harness.sync()
    assert (done.held, done.ghl.created, done.hubspot.created) == ([], 1, 1)


def test_a_decision_outlives_a_guard_that_keeps_its_writes_back(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(refuse_double_booking=False)
    event, _ = doubtful(harness, ann, "Class")
    guard = harness.rules.template.change_guard
    harness.obey(change_guard=replace(guard, percent=0, at_least=0))
    decide(harness, "resolve", id=event, separate=True)
    done = harness.sync()
    assert (done.outcome.value, done.ghl.created, done.hubspot.created) == ("guard", 0, 0)
    harness.obey(change_guard=guard)
    done = harness.sync()
    assert (done.held, done.ghl.created, done.hubspot.created) == ([], 1, 1)


def test_what_was_said_of_both_records_of_a_pair_holds_together(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(conflict={"time": Winner.HOLD})
    event = book(harness, ann[0], hours=48)
    other = harness.ghl.add_contact("Cy Roe", "cy@example.com")
    book(harness, other, hours=72)
    harness.sync()
    record = next(
        row.id for row in harness.hubspot.records() if row.properties["ghl_appointment_id"] == event
    )
    start, end = (harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (72, 72.5))
    harness.hubspot.edit(record, hs_appointment_start=start, hs_appointment_end=end)
    harness.ghl.edit(event, start=harness.at(96), end=harness.at(96.5))
    assert [hold.reason for hold in harness.sync().held] == ["conflict"]
    decide(harness, "resolve", id=event, keep="hubspot")
    assert [hold.reason for hold in harness.sync().held] == ["slot_taken"]
    decide(harness, "resolve", id=record, book_anyway=True)
    done = harness.sync()
    assert (done.held, done.ghl.updated) == ([], 1)
    assert harness.ghl.get(event).start == harness.at(72)


def test_what_is_ignored_is_left_alone_until_it_is_tried_again(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    _, twin = double(harness, ann)
    decide(harness, "resolve", id=twin, ignore=True)
    assert harness.sync().held == []
    assert harness.sync().held == []
    decide(harness, "retry", id=twin)
    assert [hold.reason for hold in harness.sync().held] == ["possible_duplicate"]


def test_a_slot_is_booked_anyway_when_a_person_says_so(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(default_calendar=harness.calendars["Team"])
    user = next(iter(harness.ghl.users))
    harness.ghl.book(harness.calendars["Team"], ann[0], harness.at(96), assignee=user)
    harness.sync()
    other = harness.hubspot.add_contact("Cy Roe", "cy@example.com")
    owners = {row.email: key for key, row in harness.hubspot.owners.items()}
    email = harness.ghl.users[user].email
    twin = make(harness, other, hours=96, hubspot_owner_id=owners[email])
    assert [hold.reason for hold in harness.sync().held] == ["slot_taken"]
    decide(harness, "resolve", id=twin, book_anyway=True)
    done = harness.sync()
    assert (done.held, done.ghl.created) == ([], 1)


@pytest.mark.parametrize("named", ["ghl", "hubspot"])
def test_a_move_onto_a_taken_slot_is_made_when_a_person_says_so(
    harness: SyncHarness, ann: tuple[str, str], named: str
) -> None:
    event = book(harness, ann[0], hours=48)
    other = harness.ghl.add_contact("Cy Roe", "cy@example.com")
    book(harness, other, hours=72)
    harness.sync()
    record = next(
        row for row in harness.hubspot.records() if row.properties["ghl_appointment_id"] == event
    )
    start, end = (harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (72, 72.5))
    harness.hubspot.edit(record.id, hs_appointment_start=start, hs_appointment_end=end)
    assert [hold.reason for hold in harness.sync().held] == ["slot_taken"]
    decide(
        harness, "resolve", id={"ghl": event, "hubspot": str(record.id)}[named], book_anyway=True
    )
    done = harness.sync()
    assert (done.held, done.ghl.updated) == ([], 1)


def test_a_person_names_the_contact(harness: SyncHarness) -> None:
    harness.ghl.add_contact("Ann Lee", None, "+15550101")
    contact = next(iter(harness.ghl.contacts)).id
    across = harness.hubspot.add_contact("Bob Lee", None, "+15550101")
    event = book(harness, contact)
    assert [hold.reason for hold in harness.sync().held] == ["ambiguous_contact"]
    decide(harness, "resolve", id=event, contact=across)
    done = harness.sync()
    assert (done.held, done.hubspot.created) == ([], 1)
    assert list(harness.hubspot.get(only_record(harness)).links["0-1"]) == [across]


def test_a_person_names_the_contact_of_a_record_that_has_none(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    start = harness.at(96)
    bare = str(harness.hubspot.create({"hs_appointment_start": start}, contacts=[]))
    assert [hold.reason for hold in harness.sync().held] == ["no_contact"]
    decide(harness, "resolve", id=bare, contact=ann[1])
    done = harness.sync()
    assert (done.held, done.ghl.created) == ([], 1)
    (event,) = harness.ghl.appointments
    assert event.contact == ann[0]
    again = harness.sync()
    assert (again.held, again.ghl.updated, again.hubspot.updated) == ([], 0, 0)


def test_undo_puts_a_mistaken_edit_back_on_both_sides(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(notify=Notify.LIVE)
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness)
    harness.ghl.edit(event, title="Wrong", address="Nowhere")
    harness.sync()
    before = len(harness.world.notifications)
    decide(harness, "undo", id=record)
    harness.sync()
    assert (harness.ghl.get(event).title, title(harness, record)) == ("Check-up", "Check-up")
    assert not harness.ghl.get(event).address
    assert len(harness.world.notifications) == before
    assert harness.sync().written == []


def test_undo_brings_the_loser_of_a_conflict_back(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(conflict={"title": Winner.GHL})
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness)
    harness.ghl.edit(event, title="Left")
    harness.hubspot.edit(record, hs_appointment_name="Right")
    done = harness.sync()
    assert title(harness, record) == "Left"
    decide(harness, "undo", cycle=done.cycle)
    harness.sync()
    assert (harness.ghl.get(event).title, title(harness, record)) == ("Right", "Right")
    assert harness.sync().written == []


def test_undo_leaves_what_was_edited_since(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness)
    harness.ghl.edit(event, title="Wrong")
    harness.sync()
    harness.hubspot.edit(record, hs_appointment_name="Better")
    decide(harness, "undo", id=record)
    harness.sync()
    assert (harness.ghl.get(event).title, title(harness, record)) == ("Better", "Better")


def test_undo_moves_an_appointment_back(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0])
    harness.sync()
    harness.ghl.move(event, harness.at(60), harness.at(61))
    harness.sync()
    decide(harness, "undo", id=event)
    harness.sync()
    shown = harness.ghl.get(event)
    assert (shown.start, shown.end) == (harness.at(48), harness.at(48.5))
    start = harness.hubspot.get(only_record(harness)).properties["hs_appointment_start"]
    assert start == "2026-03-04T09:00:00.000Z"


def test_an_approved_plan_is_carried_out_exactly(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    events = [book(harness, ann[0], hours=48 + n, title=f"Visit {n}") for n in range(3)]
    harness.sync()
    harness.ghl.edit(events[0], address="Room 1")
    harness.ghl.edit(events[1], address="Room 2")
    plan = harness.plan()
    assert plan.planned is not None
    kept = {digest(write): in_one_line(write) for write in plan.planned}
    harness.ghl.edit(events[1], address="Room 22")  # has moved on since
    harness.ghl.edit(events[2], address="Room 3")  # is not in the plan
    decide(harness, "apply", writes=kept)
    done = harness.sync()
    assert done.hubspot.updated == 1
    assert len([line for line in done.warnings if "left out" in line]) == 1
    assert harness.sync().hubspot.updated == 2


def test_a_refused_write_waits_and_goes_at_once_when_told(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0])
    harness.sync()
    harness.ghl.edit(event, address="Room 1")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    harness.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    assert [hold.reason for hold in harness.sync().held] == ["rejected"]
    harness.world.faults.clear()
    harness.world.reset_requests()
    harness.later(seconds=5)
    assert [hold.reason for hold in harness.sync().held] == ["rejected"]
    assert harness.world.writes("hubspot") == []
    decide(harness, "retry", id=event)
    done = harness.sync()
    assert (done.held, done.hubspot.updated) == ([], 1)


def test_a_refused_write_goes_by_itself_after_its_wait(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0])
    harness.sync()
    harness.ghl.edit(event, address="Room 1")
    said = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}
    harness.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=said, times=None)
    )
    harness.sync()
    harness.world.faults.clear()
    harness.later(minutes=5)
    assert harness.sync().hubspot.updated == 1


REFUSED = {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}


@pytest.fixture
def refused(harness: SyncHarness, ann: tuple[str, str]) -> tuple[str, str]:
    """An edit that HubSpot refused just now, and would take: (booking, record)."""
    event = book(harness, ann[0])
    harness.sync()
    harness.ghl.edit(event, address="Room 1")
    harness.world.faults.add(
        Fault(side="hubspot", path="/batch/update", status=400, body=REFUSED, times=None)
    )
    assert [hold.reason for hold in harness.sync().held] == ["rejected"]
    harness.world.faults.clear()
    assert [hold.reason for hold in harness.sync().held] == ["rejected"], "it waits"
    return event, only_record(harness)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_a_refused_write_goes_at_once_when_its_record_changed_on_either_side(
    harness: SyncHarness, refused: tuple[str, str], side: str, *, full: bool
) -> None:
    event, record = refused
    if side == "ghl":
        harness.ghl.edit(event, description="Bring it")
    else:
        harness.hubspot.edit(record, ghl_description="Bring it")
    done = harness.sync(full=full)
    assert done.held == []
    assert harness.hubspot.get(record).properties["ghl_address"] == "Room 1"


def test_a_refused_write_goes_at_once_when_the_configuration_changed(
    harness: SyncHarness, refused: tuple[str, str]
) -> None:
    harness.settings_fingerprint = "another"
    assert harness.sync().held == []
    assert harness.hubspot.get(refused[1]).properties["ghl_address"] == "Room 1"


@pytest.mark.parametrize("full", [True, False])
def test_a_refused_field_waits_too_while_the_rest_is_written(
    harness: SyncHarness, ann: tuple[str, str], *, full: bool
) -> None:
    event = book(harness, ann[0])
    harness.sync()
    record = only_record(harness)
    harness.ghl.edit(event, address="Room 1", title="Control")
    named = REFUSED | {"errors": [{"message": "no", "context": {"propertyName": ["ghl_address"]}}]}
    harness.world.faults.add(Fault(side="hubspot", path="/batch/update", status=400, body=named))
    (hold,) = harness.sync().held
    assert (hold.reason, hold.group, title(harness, record)) == ("rejected", "address", "Control")
    for seconds in (5, 20, 30):
        harness.later(seconds=seconds)
        harness.world.reset_requests()
        done = harness.sync(full=full)
        if full or done.held:
            assert [each.group for each in done.held] == ["address"]
        assert harness.world.writes("hubspot") == []
    harness.later(minutes=6)
    assert harness.sync(full=full).held == []
    assert harness.hubspot.get(record).properties["ghl_address"] == "Room 1"


def test_a_rebuild_pairs_and_writes_nothing(harness: SyncHarness, ann: tuple[str, str]) -> None:
    book(harness, ann[0], title="Check-up")
    harness.sync()
    make(harness, ann[1], hours=200)
    harness.name = "afresh"
    harness.world.reset_requests()
    done = harness.sync(rebuild=True)
    assert (done.adopted, done.written) == (1, [])
    assert harness.world.writes("ghl") == []
    assert harness.world.writes("hubspot") == []
    assert harness.sync().ghl.created == 1


def test_a_survivor_that_is_edited_is_judged_once_and_then_left_alone(harness: SyncHarness) -> None:
    """The rule leaves it as it is; each poll used to ask for the record across once more."""
    harness.obey(hubspot_archived=OnRemoval.IGNORE)
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    survivor = harness.ghl.book(harness.calendars["Event"], contact, harness.at(48), title="Visit")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.archive(record.id)
    harness.sync()
    harness.ghl.edit(survivor, title="Edited")
    harness.sync(full=False)
    harness.world.reset_requests()
    assert harness.sync(full=False).written == []
    asked = [row.body for row in harness.world.requests_of("hubspot") if "batch/read" in row.path]
    assert record.id not in str(asked)
    harness.hubspot.restore(record.id)
    assert harness.sync().hubspot.updated == 1
    assert harness.hubspot.get(record.id).properties["hs_appointment_name"] == "Edited"


@pytest.mark.parametrize("full", [True, False])
def test_undo_reopens_what_was_cancelled_for_an_archive(
    harness: SyncHarness, ann: tuple[str, str], full: bool
) -> None:
    """The archived record itself stays in the archive: its appointment gets a new one."""
    event = book(harness, ann[0], title="Check-up", status="confirmed")
    harness.sync()
    record = only_record(harness)
    harness.hubspot.archive(record)
    done = harness.sync()
    assert (harness.ghl.get(event).status, done.ghl.removed) == ("cancelled", 1)
    before = len(harness.world.notifications)
    decide(harness, "undo", cycle=done.cycle)
    undone = harness.sync(full=full)
    assert (undone.ghl.updated, undone.hubspot.created) == (1, 1)
    assert harness.ghl.get(event).status == "confirmed"
    assert len(harness.world.notifications) == before
    anew = only_record(harness)
    assert anew != record
    assert harness.hubspot.get(anew).properties["ghl_appointment_id"] == event
    assert harness.hubspot.get(anew).properties["hs_appointment_status"] == "SCHEDULED"
    assert harness.sync().written == []


def test_undo_reopens_both_sides_of_a_cancellation(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0], title="Check-up", status="confirmed")
    harness.sync()
    record = only_record(harness)
    harness.hubspot.edit(record, hs_appointment_status="CANCELLED")
    done = harness.sync()
    assert harness.ghl.get(event).status == "cancelled"
    decide(harness, "undo", cycle=done.cycle)
    harness.sync()
    assert harness.ghl.get(event).status == "confirmed"
    assert harness.hubspot.get(record).properties["hs_appointment_status"] == "SCHEDULED"
    assert harness.sync().written == []


def test_undo_leaves_what_was_made_and_what_was_archived(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    first, second = book(harness, ann[0], title="One"), book(harness, ann[0], hours=60, title="Two")
    made = harness.sync()
    decide(harness, "undo", cycle=made.cycle)
    assert harness.sync().written == []
    harness.ghl.delete(first)
    gone = harness.sync()
    assert gone.hubspot.removed == 1
    decide(harness, "undo", cycle=gone.cycle)
    assert harness.sync().written == []
    assert harness.ghl.get(first).deleted
    assert [r.properties["ghl_appointment_id"] for r in harness.hubspot.records()] == [second]
