"""What a cycle promises, in a whole town: promises 1 to 8."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from meddling import Between

from syncd.core.policy import Direction, OnRemoval, Winner
from syncd.engine.report import Outcome

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def ann(town: Town) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        town.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        town.hubspot.add_contact("Ann Lee", "ANN@example.com", "+15550101"),
    )


def properties(town: Town, record: str) -> dict[str, Any]:
    return dict(town.hubspot.get(record).properties)


def only_record(town: Town) -> Any:
    (record,) = town.hubspot.records()
    return record


def only_event(town: Town) -> Any:
    (event,) = town.ghl.events()
    return event


def quiet(town: Town) -> None:
    """A second cycle plans nothing and writes nothing."""
    town.world.reset_requests()
    report = town.sync()
    assert report.outcome is Outcome.OK, report.detail
    assert town.world.writes("ghl") == []
    assert [r.path for r in town.world.writes("hubspot")] == []
    assert report.written == []


def book(town: Town, contact: str, hours: float = 48, **more: Any) -> str:
    return str(town.ghl.book(town.calendars["Team"], contact, town.at(hours), **more))


def test_a_booking_in_highlevel_arrives_in_hubspot(town: Town, ann: tuple[str, str]) -> None:
    user = next(iter(town.ghl.users))
    event = book(
        town, ann[0], title="Check-up", description="Knee", address="Room 2", assignee=user
    )
    report = town.sync()
    assert (report.outcome, report.hubspot.created, report.ghl.created) == (Outcome.OK, 1, 0)
    record = only_record(town)
    held = properties(town, record.id)
    assert held["hs_appointment_name"] == "Check-up"
    assert held["hs_appointment_start"] == "2026-03-04T09:00:00.000Z"
    assert held["hs_appointment_end"] == "2026-03-04T09:30:00.000Z"
    assert held["hs_appointment_status"] == "SCHEDULED"
    assert held["ghl_description"] == "Knee"
    assert held["ghl_address"] == "Room 2"
    assert held["ghl_appointment_id"] == event
    assert held["ghl_location_id"] == town.ghl.id
    assert held["hubspot_owner_id"]
    quiet(town)


def test_a_record_in_hubspot_is_booked_in_highlevel(town: Town, ann: tuple[str, str]) -> None:
    town.hubspot.create(
        {
            "hs_appointment_name": "Intro",
            "hs_appointment_start": "2026-03-05T10:00:00Z",
            "hs_appointment_end": "2026-03-05T10:30:00Z",
        },
        contacts=[ann[1]],
    )
    report = town.sync()
    assert (report.outcome, report.ghl.created) == (Outcome.OK, 1), report
    event = only_event(town)
    assert event.title == "Intro"
    assert event.contact == ann[0]
    assert event.status == "confirmed"
    held = properties(town, only_record(town).id)
    assert held["ghl_appointment_id"] == event.id
    assert held["hs_appointment_status"] == "SCHEDULED"
    assert town.world.notifications == []
    quiet(town)


def test_a_move_travels_both_ways_and_back(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0])
    town.sync()
    record = only_record(town).id
    town.ghl.move(event, town.at(50), town.at(50.5))
    assert town.sync().hubspot.updated == 1
    assert properties(town, record)["hs_appointment_start"] == "2026-03-04T11:00:00.000Z"
    town.hubspot.edit(
        record,
        hs_appointment_start="2026-03-04T09:00:00Z",
        hs_appointment_end="2026-03-04T09:30:00Z",
    )
    assert town.sync().ghl.updated == 1
    assert town.ghl.get(event).start == town.at(48)
    quiet(town)


def test_edits_of_different_fields_both_survive(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town).id
    town.ghl.edit(event, title="Follow-up")
    town.hubspot.edit(record, ghl_description="Bring the scan")
    report = town.sync()
    assert (report.ghl.updated, report.hubspot.updated, report.conflicts) == (1, 1, 0)
    assert properties(town, record)["hs_appointment_name"] == "Follow-up"
    assert town.ghl.get(event).description == "Bring the scan"
    quiet(town)


@pytest.mark.parametrize(
    ("winner", "title"),
    [(Winner.GHL, "Left"), (Winner.HUBSPOT, "Right"), (Winner.NEWEST, "Right")],
)
def test_the_rule_decides_a_conflict(
    town: Town, ann: tuple[str, str], winner: Winner, title: str
) -> None:
    town.obey(conflict={"title": winner})
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town).id
    town.ghl.edit(event, title="Left")
    town.later(seconds=5)
    town.hubspot.edit(record, hs_appointment_name="Right")
    report = town.sync()
    assert report.conflicts == 1
    assert town.ghl.get(event).title == title
    assert properties(town, record)["hs_appointment_name"] == title
    loser = "Left" if title == "Right" else "Right"
    entries = town.store.link(town.name).history(event)
    assert any(entry.action == "conflict" and entry.before == loser for entry in entries)
    quiet(town)


@pytest.mark.parametrize(("ahead", "title"), [(0, "Right"), (3600, "Right"), (-3600, "Right")])
def test_the_newest_edit_wins_although_a_vendors_clock_is_wrong(
    town: Town, ann: tuple[str, str], ahead: int, title: str
) -> None:
    town.world.settings = replace(town.world.settings, ghl_skew=timedelta(seconds=ahead))
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town).id
    town.ghl.edit(event, title="Left")
    town.later(minutes=5)
    town.hubspot.edit(record, hs_appointment_name="Right")
    report = town.sync()
    assert report.clock_skew["ghl"] == pytest.approx(ahead, abs=2)
    assert (town.ghl.get(event).title, properties(town, record)["hs_appointment_name"]) == (
        title,
        title,
    )


def test_a_held_conflict_waits_and_stops_nothing_else(town: Town, ann: tuple[str, str]) -> None:
    town.obey(conflict={"title": Winner.HOLD})
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town).id
    town.ghl.edit(event, title="Left", address="Room 9")
    town.hubspot.edit(record, hs_appointment_name="Right")
    report = town.sync()
    assert [hold.reason for hold in report.held] == ["conflict"]
    assert properties(town, record)["ghl_address"] == "Room 9"
    assert properties(town, record)["hs_appointment_name"] == "Right"
    quiet(town)
    town.hubspot.edit(record, hs_appointment_name="Left")
    assert town.sync().held == []


def test_status_changes_travel_and_echoes_do_not(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], status="new")
    town.sync()
    record = only_record(town).id
    quiet(town)
    assert town.ghl.get(event).status == "new"
    town.hubspot.edit(record, hs_appointment_status="COMPLETED")
    town.sync()
    assert town.ghl.get(event).status == "showed"
    town.ghl.edit(event, status="noshow")
    town.sync()
    assert properties(town, record)["hs_appointment_status"] == "NO_SHOW"
    quiet(town)


def test_a_title_edit_never_wipes_the_status(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], status="noshow")
    town.sync()
    town.hubspot.edit(only_record(town).id, hs_appointment_name="Renamed")
    town.sync()
    assert town.ghl.get(event).status == "noshow"
    assert town.ghl.get(event).title == "Renamed"


@pytest.mark.parametrize("rule", [OnRemoval.ARCHIVE, OnRemoval.CANCEL, OnRemoval.IGNORE])
def test_a_deletion_in_highlevel(town: Town, ann: tuple[str, str], rule: OnRemoval) -> None:
    town.obey(ghl_deleted=rule)
    event = book(town, ann[0])
    town.sync()
    record = only_record(town).id
    town.ghl.delete(event)
    report = town.sync()
    archived = [each.id for each in town.hubspot.archived()]
    status = None if archived else properties(town, record)["hs_appointment_status"]
    assert report.hubspot.removed == (0 if rule is OnRemoval.IGNORE else 1)
    assert archived == ([record] if rule is OnRemoval.ARCHIVE else [])
    if rule is OnRemoval.CANCEL:
        assert status == "CANCELLED"
    if rule is OnRemoval.IGNORE:
        assert status == "SCHEDULED"
    quiet(town)


@pytest.mark.parametrize("rule", [OnRemoval.CANCEL, OnRemoval.DELETE, OnRemoval.IGNORE])
def test_an_archive_in_hubspot(town: Town, ann: tuple[str, str], rule: OnRemoval) -> None:
    town.obey(hubspot_archived=rule)
    event = book(town, ann[0])
    town.sync()
    town.hubspot.archive(only_record(town).id)
    report = town.sync()
    assert report.ghl.removed == (0 if rule is OnRemoval.IGNORE else 1)
    row = town.ghl.get(event)
    assert row.deleted == (rule is OnRemoval.DELETE)
    assert row.status == ("cancelled" if rule is OnRemoval.CANCEL else "confirmed")
    quiet(town)


def test_an_edit_beats_a_deletion(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town).id
    town.ghl.delete(event)
    town.hubspot.edit(record, hs_appointment_name="Still on")
    report = town.sync()
    assert report.ghl.created == 1
    again = only_event(town)
    assert again.title == "Still on"
    assert again.id != event
    assert properties(town, record)["ghl_appointment_id"] == again.id
    quiet(town)


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
def test_what_was_cancelled_and_removed_is_made_again_when_it_is_reopened(
    town: Town, ann: tuple[str, str], *, at_once: bool
) -> None:
    events = [book(town, ann[0], hours) for hours in (48, 72)]
    town.sync()
    records = {row.properties["ghl_appointment_id"]: row.id for row in town.hubspot.records()}
    town.ghl.edit(events[0], status="cancelled")
    town.hubspot.edit(records[events[1]], hs_appointment_status="CANCELLED")
    if not at_once:
        town.sync()
    town.hubspot.archive(records[events[0]])
    town.ghl.delete(events[1])
    assert town.sync().written == []
    quiet(town)
    town.ghl.edit(events[0], status="confirmed")
    town.hubspot.edit(records[events[1]], hs_appointment_status="SCHEDULED")
    done = town.sync()
    assert (done.ghl.created, done.hubspot.created) == (1, 1)
    quiet(town)


def test_a_restored_record_takes_our_cancellation_back(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], status="new")
    town.sync()
    record = only_record(town).id
    town.hubspot.archive(record)
    town.sync()
    assert town.ghl.get(event).status == "cancelled"
    town.hubspot.restore(record)
    report = town.sync()
    assert report.ghl.restored == 1
    assert town.ghl.get(event).status == "new"
    quiet(town)


@pytest.mark.parametrize("unique", ["freed", "conflict"])
def test_a_restored_booking_is_made_anew_in_hubspot(
    town: Town, ann: tuple[str, str], unique: Literal["freed", "conflict"]
) -> None:
    town.world.settings = replace(town.world.settings, unique_of_archived=unique)
    event = book(town, ann[0], title="Check-up")
    town.sync()
    town.ghl.delete(event)
    town.sync()
    assert town.hubspot.records() == []
    town.ghl.undelete(event)
    report = town.sync()
    assert report.hubspot.created == 1, report
    assert properties(town, only_record(town).id)["hs_appointment_name"] == "Check-up"
    quiet(town)
    town.ghl.edit(event, title="Follow-up")
    town.sync()
    assert properties(town, only_record(town).id)["hs_appointment_name"] == "Follow-up"
    quiet(town)  # an id that an archived record holds is not tried again after each update


def test_two_filled_systems_meet_without_a_double(town: Town, ann: tuple[str, str]) -> None:
    book(town, ann[0], title="Check-up")
    town.hubspot.create(
        {
            "hs_appointment_start": "2026-03-04T09:00:00Z",
            "hs_appointment_end": "2026-03-04T09:30:00Z",
            "hs_appointment_status": "SCHEDULED",
        },
        contacts=[ann[1]],
    )
    report = town.sync()
    assert (report.adopted, report.ghl.created, report.hubspot.created) == (1, 0, 0)
    held = properties(town, only_record(town).id)
    assert held["hs_appointment_name"] == "Check-up"
    assert held["ghl_appointment_id"] == only_event(town).id
    quiet(town)


def test_an_empty_store_pairs_everything_again(town: Town, ann: tuple[str, str]) -> None:
    book(town, ann[0], title="Check-up")
    town.hubspot.create(
        {
            "hs_appointment_name": "Intro",
            "hs_appointment_start": "2026-03-06T10:00:00Z",
            "hs_appointment_end": "2026-03-06T10:30:00Z",
            "hubspot_owner_id": next(iter(town.hubspot.owners)),
        },
        contacts=[ann[1]],
    )
    town.sync()
    town.name = "afresh"
    report = town.sync()
    assert (report.adopted, report.written) == (2, [])
    quiet(town)


def test_a_missing_contact_is_made_once(town: Town) -> None:
    contact = town.ghl.add_contact("Bea Moss", "bea@example.com", "+15550102")
    book(town, contact)
    book(town, contact, hours=72)
    report = town.sync()
    assert report.hubspot.created == 2, report
    (made,) = town.hubspot.contact_records()
    assert made.properties["email"] == "bea@example.com"
    quiet(town)


def test_a_taken_slot_is_held_and_taken_up_when_it_is_free(
    town: Town, ann: tuple[str, str]
) -> None:
    blocker = book(town, ann[0], hours=72)
    town.sync()
    other = town.hubspot.add_contact("Cy Roe", "cy@example.com", "+15550103")
    start = town.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.ghl.add_contact("Cy Roe", "cy@example.com", "+15550103")
    town.hubspot.create({"hs_appointment_start": start}, contacts=[other])
    report = town.sync()
    assert [hold.reason for hold in report.held] == ["slot_taken"], report
    town.ghl.delete(blocker)
    report = town.sync()
    assert report.held == []
    assert report.ghl.created == 1


def test_a_dry_run_writes_nothing_and_tells_all(town: Town, ann: tuple[str, str]) -> None:
    book(town, ann[0], title="Check-up")
    town.world.reset_requests()
    report = town.plan()
    assert town.world.writes("hubspot") == []
    assert report.planned is not None
    (write,) = report.planned
    assert write.fields["title"] == (None, "Check-up")
    assert town.pairs() == []
    town.sync()


def test_too_many_removals_are_kept_back(town: Town, ann: tuple[str, str]) -> None:
    events = [book(town, ann[0], hours=24 * day) for day in range(2, 12)]
    town.sync()
    for event in events[:7]:
        town.ghl.delete(event)
    report = town.sync()
    assert report.outcome is Outcome.GUARD
    assert town.hubspot.archived() == []
    assert {hold.reason for hold in report.held} == {"removal_guard"}
    report = town.sync(removals=True)
    assert report.hubspot.removed == 7
    assert report.outcome is Outcome.OK


def test_incremental_cycles_carry_both_ways(town: Town, ann: tuple[str, str]) -> None:
    event = book(town, ann[0], title="Check-up")
    town.sync()
    record = only_record(town).id
    town.later(minutes=30)
    town.hubspot.edit(record, hs_appointment_name="Renamed")
    town.later(minutes=1)
    report = town.sync(full=False)
    assert report.ghl.updated == 1
    assert town.ghl.get(event).title == "Renamed"
    town.ghl.edit(event, address="Room 3")
    assert town.sync(full=False).hubspot.updated == 1
    town.hubspot.archive(record)
    assert town.sync(full=False).ghl.removed == 1


def test_a_booking_takes_the_spot_that_another_leaves_in_the_same_cycle(town: Town) -> None:
    """For the same person and for another: the move is written before the booking is checked."""
    ann = town.ghl.add_contact("Ann Lee", "ann@example.com")
    across = town.hubspot.add_contact("Ann Lee", "ann@example.com")
    town.ghl.add_contact("Bob Ray", "bob@example.com")
    bob = town.hubspot.add_contact("Bob Ray", "bob@example.com")
    calendar = town.calendars["Personal"]
    town.obey(default_calendar=calendar)
    for hours in (48, 72):
        town.ghl.book(calendar, ann, town.at(hours))
    town.sync()
    for number, record in enumerate(sorted(town.hubspot.records(), key=lambda each: each.id)):
        start = town.at(48 + 24 * number)
        told = {"hs_appointment_start": start, "hs_appointment_status": "SCHEDULED"}
        town.hubspot.create(told, [across if number else bob])
        moved = {
            "hs_appointment_start": start + timedelta(hours=9),
            "hs_appointment_end": start + timedelta(hours=9.5),
        }
        town.hubspot.edit(record.id, **moved)
    report = town.sync()
    assert (report.held, report.failed) == ([], [])
    assert (report.ghl.created, report.ghl.updated) == (2, 2)
    assert town.sync().written == []


# --- a record without an end


def endless(town: Town, contact: str) -> str:
    start = {"hs_appointment_name": "Intro", "hs_appointment_start": "2026-03-05T10:00:00Z"}
    return str(town.hubspot.create(start, contacts=[contact]))


def test_a_record_without_an_end_takes_its_bookings(town: Town, ann: tuple[str, str]) -> None:
    record = endless(town, ann[1])
    report = town.sync()
    assert (report.ghl.created, report.hubspot.updated) == (1, 0)
    held = properties(town, record)
    length = only_event(town).end - only_event(town).start
    assert length == timedelta(minutes=30)
    assert held["hs_appointment_start"] == "2026-03-05T10:00:00.000Z"
    assert held["hs_appointment_end"] == "2026-03-05T10:30:00.000Z"
    quiet(town)


@pytest.mark.parametrize(
    "rules",
    [
        {"fields": {"time": Direction.HUBSPOT_TO_GHL}},
        {"direction": Direction.HUBSPOT_TO_GHL},
    ],
)
def test_a_record_without_an_end_keeps_none_where_times_flow_one_way(
    town: Town, ann: tuple[str, str], rules: dict[str, Any]
) -> None:
    town.obey(**rules)
    record = endless(town, ann[1])
    assert town.sync().ghl.created == 1
    assert not properties(town, record).get("hs_appointment_end")
    quiet(town)


@pytest.mark.parametrize(
    "lost",
    [
        {"side": "ghl", "method": "POST", "path": "/appointments", "kind": "drop_after"},
        {"side": "hubspot", "method": "POST", "path": "/batch/update", "status": 503},
    ],
)
def test_a_record_takes_its_bookings_end_after_an_answer_was_lost(
    town: Town, ann: tuple[str, str], lost: dict[str, Any]
) -> None:
    record = endless(town, ann[1])
    town.world.faults.add(times=None, **lost)
    town.sync()
    town.world.faults.clear()
    assert town.sync().hubspot.updated == 0, "it goes with the identity"
    assert len(town.ghl.events()) == 1
    assert properties(town, record)["hs_appointment_end"]
    quiet(town)


def test_an_edit_beats_the_end_that_a_record_takes(town: Town, ann: tuple[str, str]) -> None:
    """A person moves the record while it is booked: the move stands, and the booking follows."""
    record = endless(town, ann[1])
    moved = {"hs_appointment_start": "2026-03-05T14:00:00Z"}
    hooked = Between(town, "POST", "/appointments", lambda: town.hubspot.edit(record, **moved))
    town.transport = hooked
    town.sync()
    assert hooked.done
    town.sync()
    assert properties(town, record)["hs_appointment_start"] == "2026-03-05T14:00:00.000Z"
    assert only_event(town).start.hour == 14
    assert properties(town, record)["ghl_appointment_id"]
    quiet(town)


def test_a_pair_that_is_met_later_takes_the_end(town: Town, ann: tuple[str, str]) -> None:
    record = endless(town, ann[1])
    start = town.at(73)
    town.ghl.book(town.calendars["Team"], ann[0], start, title="Intro")
    report = town.sync()
    assert (report.adopted, report.ghl.created) == (1, 0)
    assert properties(town, record)["hs_appointment_end"]
    quiet(town)
