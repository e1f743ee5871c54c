"""What a cycle promises, in a whole town: promises 1 to 8."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from tampering import Between

from syncd.core.outcome import Outcome
from syncd.core.policy import Direction, OnRemoval, Winner

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        harness.hubspot.add_contact("Ann Lee", "ANN@example.com", "+15550101"),
    )


def properties(harness: SyncHarness, record: str) -> dict[str, Any]:
    return dict(harness.hubspot.get(record).properties)


def only_record(harness: SyncHarness) -> Any:
    (record,) = harness.hubspot.records()
    return record


def only_event(harness: SyncHarness) -> Any:
    (event,) = harness.ghl.events()
    return event


def quiet(harness: SyncHarness) -> None:
    """A second cycle plans nothing and writes nothing."""
    harness.world.reset_requests()
    report = harness.sync()
    assert report.outcome is Outcome.OK, report.detail
    assert harness.world.writes("ghl") == []
    assert [r.path for r in harness.world.writes("hubspot")] == []
    assert report.written == []


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def test_a_booking_in_highlevel_arrives_in_hubspot(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    user = next(iter(harness.ghl.users))
    event = book(
        harness, ann[0], title="Check-up", description="Knee", address="Room 2", assignee=user
    )
    report = harness.sync()
    assert (report.outcome, report.hubspot.created, report.ghl.created) == (Outcome.OK, 1, 0)
    record = only_record(harness)
    held = properties(harness, record.id)
    assert held["hs_appointment_name"] == "Check-up"
    assert held["hs_appointment_start"] == "2026-03-04T09:00:00.000Z"
    assert held["hs_appointment_end"] == "2026-03-04T09:30:00.000Z"
    assert held["hs_appointment_status"] == "SCHEDULED"
    assert held["ghl_description"] == "Knee"
    assert held["ghl_address"] == "Room 2"
    assert held["ghl_appointment_id"] == event
    assert held["ghl_location_id"] == harness.ghl.id
    assert held["hubspot_owner_id"]
    quiet(harness)


def test_a_record_in_hubspot_is_booked_in_highlevel(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.hubspot.create(
        {
            "hs_appointment_name": "Intro",
            "hs_appointment_start": "2026-03-05T10:00:00Z",
            "hs_appointment_end": "2026-03-05T10:30:00Z",
        },
        contacts=[ann[1]],
    )
    report = harness.sync()
    assert (report.outcome, report.ghl.created) == (Outcome.OK, 1), report
    event = only_event(harness)
    assert event.title == "Intro"
    assert event.contact == ann[0]
    assert event.status == "confirmed"
    held = properties(harness, only_record(harness).id)
    assert held["ghl_appointment_id"] == event.id
    assert held["hs_appointment_status"] == "SCHEDULED"
    assert harness.world.notifications == []
    quiet(harness)


def test_a_move_travels_both_ways_and_back(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0])
    harness.sync()
    record = only_record(harness).id
    harness.ghl.move(event, harness.at(50), harness.at(50.5))
    assert harness.sync().hubspot.updated == 1
    assert properties(harness, record)["hs_appointment_start"] == "2026-03-04T11:00:00.000Z"
    harness.hubspot.edit(
        record,
        hs_appointment_start="2026-03-04T09:00:00Z",
        hs_appointment_end="2026-03-04T09:30:00Z",
    )
    assert harness.sync().ghl.updated == 1
    assert harness.ghl.get(event).start == harness.at(48)
    quiet(harness)


def test_edits_of_different_fields_both_survive(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness).id
    harness.ghl.edit(event, title="Follow-up")
    harness.hubspot.edit(record, ghl_description="Bring the scan")
    report = harness.sync()
    assert (report.ghl.updated, report.hubspot.updated, report.conflicts) == (1, 1, 0)
    assert properties(harness, record)["hs_appointment_name"] == "Follow-up"
    assert harness.ghl.get(event).description == "Bring the scan"
    quiet(harness)


@pytest.mark.parametrize(
    ("winner", "title"),
    [(Winner.GHL, "Left"), (Winner.HUBSPOT, "Right"), (Winner.NEWEST, "Right")],
)
def test_the_rule_decides_a_conflict(
    harness: SyncHarness, ann: tuple[str, str], winner: Winner, title: str
) -> None:
    harness.obey(conflict={"title": winner})
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness).id
    harness.ghl.edit(event, title="Left")
    harness.later(seconds=5)
    harness.hubspot.edit(record, hs_appointment_name="Right")
    report = harness.sync()
    assert report.conflicts == 1
    assert harness.ghl.get(event).title == title
    assert properties(harness, record)["hs_appointment_name"] == title
    loser = "Left" if title == "Right" else "Right"
    entries = harness.store.link(harness.name).history(event)
    assert any(entry.action == "conflict" and entry.before == loser for entry in entries)
    quiet(harness)


@pytest.mark.parametrize(("ahead", "title"), [(0, "Right"), (3600, "Right"), (-3600, "Right")])
def test_the_newest_edit_wins_although_a_vendors_clock_is_wrong(
    harness: SyncHarness, ann: tuple[str, str], ahead: int, title: str
) -> None:
    harness.world.settings = replace(harness.world.settings, ghl_skew=timedelta(seconds=ahead))
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness).id
    harness.ghl.edit(event, title="Left")
    harness.later(minutes=5)
    harness.hubspot.edit(record, hs_appointment_name="Right")
    report = harness.sync()
    assert report.clock_skew["ghl"] == pytest.approx(ahead, abs=2)
    assert (harness.ghl.get(event).title, properties(harness, record)["hs_appointment_name"]) == (
        title,
        title,
    )


def test_a_held_conflict_waits_and_stops_nothing_else(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(conflict={"title": Winner.HOLD})
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness).id
    harness.ghl.edit(event, title="Left", address="Room 9")
    harness.hubspot.edit(record, hs_appointment_name="Right")
    report = harness.sync()
    assert [hold.reason for hold in report.held] == ["conflict"]
    assert properties(harness, record)["ghl_address"] == "Room 9"
    assert properties(harness, record)["hs_appointment_name"] == "Right"
    quiet(harness)
    harness.hubspot.edit(record, hs_appointment_name="Left")
    assert harness.sync().held == []


def test_status_changes_travel_and_echoes_do_not(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0], status="new")
    harness.sync()
    record = only_record(harness).id
    quiet(harness)
    assert harness.ghl.get(event).status == "new"
    harness.hubspot.edit(record, hs_appointment_status="COMPLETED")
    harness.sync()
    assert harness.ghl.get(event).status == "showed"
    harness.ghl.edit(event, status="noshow")
    harness.sync()
    assert properties(harness, record)["hs_appointment_status"] == "NO_SHOW"
    quiet(harness)


def test_a_title_edit_never_wipes_the_status(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0], status="noshow")
    harness.sync()
    harness.hubspot.edit(only_record(harness).id, hs_appointment_name="Renamed")
    harness.sync()
    assert harness.ghl.get(event).status == "noshow"
    assert harness.ghl.get(event).title == "Renamed"


@pytest.mark.parametrize("rule", [OnRemoval.ARCHIVE, OnRemoval.CANCEL, OnRemoval.IGNORE])
def test_a_deletion_in_highlevel(
    harness: SyncHarness, ann: tuple[str, str], rule: OnRemoval
) -> None:
    harness.obey(ghl_deleted=rule)
    event = book(harness, ann[0])
    harness.sync()
    record = only_record(harness).id
    harness.ghl.delete(event)
    report = harness.sync()
    archived = [each.id for each in harness.hubspot.archived()]
    status = None if archived else properties(harness, record)["hs_appointment_status"]
    assert report.hubspot.removed == (0 if rule is OnRemoval.IGNORE else 1)
    assert archived == ([record] if rule is OnRemoval.ARCHIVE else [])
    if rule is OnRemoval.CANCEL:
        assert status == "CANCELLED"
    if rule is OnRemoval.IGNORE:
        assert status == "SCHEDULED"
    quiet(harness)


@pytest.mark.parametrize("rule", [OnRemoval.CANCEL, OnRemoval.DELETE, OnRemoval.IGNORE])
def test_an_archive_in_hubspot(harness: SyncHarness, ann: tuple[str, str], rule: OnRemoval) -> None:
    harness.obey(hubspot_archived=rule)
    event = book(harness, ann[0])
    harness.sync()
    harness.hubspot.archive(only_record(harness).id)
    report = harness.sync()
    assert report.ghl.removed == (0 if rule is OnRemoval.IGNORE else 1)
    row = harness.ghl.get(event)
    assert row.deleted == (rule is OnRemoval.DELETE)
    assert row.status == ("cancelled" if rule is OnRemoval.CANCEL else "confirmed")
    quiet(harness)


def test_an_edit_beats_a_deletion(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness).id
    harness.ghl.delete(event)
    harness.hubspot.edit(record, hs_appointment_name="Still on")
    report = harness.sync()
    assert report.ghl.created == 1
    again = only_event(harness)
    assert again.title == "Still on"
    assert again.id != event
    assert properties(harness, record)["ghl_appointment_id"] == again.id
    quiet(harness)


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
def test_what_was_cancelled_and_removed_is_made_again_when_it_is_reopened(
    harness: SyncHarness, ann: tuple[str, str], *, at_once: bool
) -> None:
    events = [book(harness, ann[0], hours) for hours in (48, 72)]
    harness.sync()
    records = {row.properties["ghl_appointment_id"]: row.id for row in harness.hubspot.records()}
    harness.ghl.edit(events[0], status="cancelled")
    harness.hubspot.edit(records[events[1]], hs_appointment_status="CANCELLED")
    if not at_once:
        harness.sync()
    harness.hubspot.archive(records[events[0]])
    harness.ghl.delete(events[1])
    assert harness.sync().written == []
    quiet(harness)
    harness.ghl.edit(events[0], status="confirmed")
    harness.hubspot.edit(records[events[1]], hs_appointment_status="SCHEDULED")
    done = harness.sync()
    assert (done.ghl.created, done.hubspot.created) == (1, 1)
    quiet(harness)


def test_a_restored_record_takes_our_cancellation_back(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0], status="new")
    harness.sync()
    record = only_record(harness).id
    harness.hubspot.archive(record)
    harness.sync()
    assert harness.ghl.get(event).status == "cancelled"
    harness.hubspot.restore(record)
    report = harness.sync()
    assert report.ghl.restored == 1
    assert harness.ghl.get(event).status == "new"
    quiet(harness)


@pytest.mark.parametrize("unique", ["freed", "conflict"])
def test_a_restored_booking_is_made_anew_in_hubspot(
    harness: SyncHarness, ann: tuple[str, str], unique: Literal["freed", "conflict"]
) -> None:
    harness.world.settings = replace(harness.world.settings, unique_of_archived=unique)
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    harness.ghl.delete(event)
    harness.sync()
    assert harness.hubspot.records() == []
    harness.ghl.undelete(event)
    report = harness.sync()
    assert report.hubspot.created == 1, report
    assert properties(harness, only_record(harness).id)["hs_appointment_name"] == "Check-up"
    quiet(harness)
    harness.ghl.edit(event, title="Follow-up")
    harness.sync()
    assert properties(harness, only_record(harness).id)["hs_appointment_name"] == "Follow-up"
    quiet(harness)  # an id that an archived record holds is not tried again after each update


def test_two_filled_systems_meet_without_a_double(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    book(harness, ann[0], title="Check-up")
    harness.hubspot.create(
        {
            "hs_appointment_start": "2026-03-04T09:00:00Z",
            "hs_appointment_end": "2026-03-04T09:30:00Z",
            "hs_appointment_status": "SCHEDULED",
        },
        contacts=[ann[1]],
    )
    report = harness.sync()
    assert (report.adopted, report.ghl.created, report.hubspot.created) == (1, 0, 0)
    held = properties(harness, only_record(harness).id)
    assert held["hs_appointment_name"] == "Check-up"
    assert held["ghl_appointment_id"] == only_event(harness).id
    quiet(harness)


def test_an_empty_store_pairs_everything_again(harness: SyncHarness, ann: tuple[str, str]) -> None:
    book(harness, ann[0], title="Check-up")
    harness.hubspot.create(
        {
            "hs_appointment_name": "Intro",
            "hs_appointment_start": "2026-03-06T10:00:00Z",
            "hs_appointment_end": "2026-03-06T10:30:00Z",
            "hubspot_owner_id": next(iter(harness.hubspot.owners)),
        },
        contacts=[ann[1]],
    )
    harness.sync()
    harness.name = "afresh"
    report = harness.sync()
    assert (report.adopted, report.written) == (2, [])
    quiet(harness)


def test_a_missing_contact_is_made_once(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Bea Moss", "bea@example.com", "+15550102")
    book(harness, contact)
    book(harness, contact, hours=72)
    report = harness.sync()
    assert report.hubspot.created == 2, report
    (made,) = harness.hubspot.contact_records()
    assert made.properties["email"] == "bea@example.com"
    quiet(harness)


def test_a_taken_slot_is_held_and_taken_up_when_it_is_free(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    blocker = book(harness, ann[0], hours=72)
    harness.sync()
    other = harness.hubspot.add_contact("Cy Roe", "cy@example.com", "+15550103")
    start = harness.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.ghl.add_contact("Cy Roe", "cy@example.com", "+15550103")
    harness.hubspot.create({"hs_appointment_start": start}, contacts=[other])
    report = harness.sync()
    assert [hold.reason for hold in report.held] == ["slot_taken"], report
    harness.ghl.delete(blocker)
    report = harness.sync()
    assert report.held == []
    assert report.ghl.created == 1


def test_a_dry_run_writes_nothing_and_tells_all(harness: SyncHarness, ann: tuple[str, str]) -> None:
    book(harness, ann[0], title="Check-up")
    harness.world.reset_requests()
    report = harness.plan()
    assert harness.world.writes("hubspot") == []
    assert report.planned is not None
    (write,) = report.planned
    assert write.fields["title"] == (None, "Check-up")
    assert harness.pairs() == []
    harness.sync()


def test_too_many_removals_are_kept_back(harness: SyncHarness, ann: tuple[str, str]) -> None:
    events = [book(harness, ann[0], hours=24 * day) for day in range(2, 12)]
    harness.sync()
    for event in events[:7]:
        harness.ghl.delete(event)
    report = harness.sync()
    assert report.outcome is Outcome.GUARD
    assert harness.hubspot.archived() == []
    assert {hold.reason for hold in report.held} == {"removal_guard"}
    report = harness.sync(removals=True)
    assert report.hubspot.removed == 7
    assert report.outcome is Outcome.OK


def test_incremental_cycles_carry_both_ways(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    record = only_record(harness).id
    harness.later(minutes=30)
    harness.hubspot.edit(record, hs_appointment_name="Renamed")
    harness.later(minutes=1)
    report = harness.sync(full=False)
    assert report.ghl.updated == 1
    assert harness.ghl.get(event).title == "Renamed"
    harness.ghl.edit(event, address="Room 3")
    assert harness.sync(full=False).hubspot.updated == 1
    harness.hubspot.archive(record)
    assert harness.sync(full=False).ghl.removed == 1


def test_a_booking_takes_the_spot_that_another_leaves_in_the_same_cycle(
    harness: SyncHarness,
) -> None:
    """For the same person and for another: the move is written before the booking is checked."""
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    harness.ghl.add_contact("Bob Ray", "bob@example.com")
    bob = harness.hubspot.add_contact("Bob Ray", "bob@example.com")
    calendar = harness.calendars["Personal"]
    harness.obey(default_calendar=calendar)
    for hours in (48, 72):
        harness.ghl.book(calendar, ann, harness.at(hours))
    harness.sync()
    for number, record in enumerate(sorted(harness.hubspot.records(), key=lambda each: each.id)):
        start = harness.at(48 + 24 * number)
        told = {"hs_appointment_start": start, "hs_appointment_status": "SCHEDULED"}
        harness.hubspot.create(told, [across if number else bob])
        moved = {
            "hs_appointment_start": start + timedelta(hours=9),
            "hs_appointment_end": start + timedelta(hours=9.5),
        }
        harness.hubspot.edit(record.id, **moved)
    report = harness.sync()
    assert (report.held, report.failed) == ([], [])
    assert (report.ghl.created, report.ghl.updated) == (2, 2)
    assert harness.sync().written == []


# --- a record without an end


def endless(harness: SyncHarness, contact: str) -> str:
    start = {"hs_appointment_name": "Intro", "hs_appointment_start": "2026-03-05T10:00:00Z"}
    return str(harness.hubspot.create(start, contacts=[contact]))


def test_a_record_without_an_end_takes_its_bookings(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    record = endless(harness, ann[1])
    report = harness.sync()
    assert (report.ghl.created, report.hubspot.updated) == (1, 0)
    held = properties(harness, record)
    length = only_event(harness).end - only_event(harness).start
    assert length == timedelta(minutes=30)
    assert held["hs_appointment_start"] == "2026-03-05T10:00:00.000Z"
    assert held["hs_appointment_end"] == "2026-03-05T10:30:00.000Z"
    quiet(harness)


@pytest.mark.parametrize(
    "rules",
    [
        {"fields": {"time": Direction.HUBSPOT_TO_GHL}},
        {"direction": Direction.HUBSPOT_TO_GHL},
    ],
)
def test_a_record_without_an_end_keeps_none_where_times_flow_one_way(
    harness: SyncHarness, ann: tuple[str, str], rules: dict[str, Any]
) -> None:
    harness.obey(**rules)
    record = endless(harness, ann[1])
    assert harness.sync().ghl.created == 1
    assert not properties(harness, record).get("hs_appointment_end")
    quiet(harness)


@pytest.mark.parametrize(
    "lost",
    [
        {"side": "ghl", "method": "POST", "path": "/appointments", "kind": "drop_after"},
        {"side": "hubspot", "method": "POST", "path": "/batch/update", "status": 503},
    ],
)
def test_a_record_takes_its_bookings_end_after_an_answer_was_lost(
    harness: SyncHarness, ann: tuple[str, str], lost: dict[str, Any]
) -> None:
    record = endless(harness, ann[1])
    harness.world.faults.add(times=None, **lost)
    harness.sync()
    harness.world.faults.clear()
    assert harness.sync().hubspot.updated == 0, "it goes with the identity"
    assert len(harness.ghl.events()) == 1
    assert properties(harness, record)["hs_appointment_end"]
    quiet(harness)


def test_an_edit_beats_the_end_that_a_record_takes(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """A person moves the record while it is booked: the move stands, and the booking follows."""
    record = endless(harness, ann[1])
    moved = {"hs_appointment_start": "2026-03-05T14:00:00Z"}
    hooked = Between(
        harness, "POST", "/appointments", lambda: harness.hubspot.edit(record, **moved)
    )
    harness.transport = hooked
    harness.sync()
    assert hooked.done
    harness.sync()
    assert properties(harness, record)["hs_appointment_start"] == "2026-03-05T14:00:00.000Z"
    assert only_event(harness).start.hour == 14
    assert properties(harness, record)["ghl_appointment_id"]
    quiet(harness)


def test_a_pair_that_is_met_later_takes_the_end(harness: SyncHarness, ann: tuple[str, str]) -> None:
    record = endless(harness, ann[1])
    start = harness.at(73)
    harness.ghl.book(harness.calendars["Team"], ann[0], start, title="Intro")
    report = harness.sync()
    assert (report.adopted, report.ghl.created) == (1, 0)
    assert properties(harness, record)["hs_appointment_end"]
    quiet(harness)
