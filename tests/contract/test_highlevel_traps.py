"""HighLevel's traps, walked into by a whole link: what a naive sync would get wrong.

Each test is one trap of `tests/TRAPS.md`, on the sandbox with the real
providers, engine and store. What a single provider does about it has tests
of its own beside that provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.outcome import Outcome
from syncd.core.policy import OnRemoval
from syncd.engine.report import CycleReport

if TYPE_CHECKING:
    from harness import SyncHarness

    from syncd.sandbox import LoggedRequest
    from tests.contract.conftest import Person

MakeTown = Callable[..., "SyncHarness"]
Met = Callable[..., "Person"]


def book(
    harness: SyncHarness, contact: str, hours: float = 48, calendar: str = "Team", **more: Any
) -> str:
    more.setdefault("title", "Check-up")
    return str(harness.ghl.book(harness.calendars[calendar], contact, harness.at(hours), **more))


def held(harness: SyncHarness) -> dict[str, str]:
    """The properties of the only living HubSpot record."""
    (record,) = harness.hubspot.records()
    return dict(record.properties)


def only(harness: SyncHarness) -> str:
    (record,) = harness.hubspot.records()
    return str(record.id)


def settled(harness: SyncHarness) -> CycleReport:
    """A cycle that writes nothing."""
    harness.world.reset_requests()
    report = harness.sync()
    assert report.outcome is Outcome.OK, report
    assert harness.world.writes("ghl") == []
    assert harness.world.writes("hubspot") == []
    return report


def reasons(report: CycleReport) -> list[str]:
    return [hold.reason for hold in report.held]


def sent(harness: SyncHarness, method: str, part: str) -> list[LoggedRequest]:
    return [row for row in harness.world.requests_of("ghl", method) if part in row.path]


# --- reading: 1 to 4, 9 to 12, 33


def test_trap_1_an_appointment_that_answers_200_may_be_deleted(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    harness.ghl.delete(event)
    harness.sync()
    assert [each.properties["ghl_appointment_id"] for each in harness.hubspot.archived()] == [event]
    settled(harness)
    assert harness.ghl.events() == []


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("how", ["another calendar", "out of the window", "deactivated", "empty"])
def test_trap_2_what_a_list_does_not_show_is_not_deleted(
    harness: SyncHarness, ann: Person, how: str, full: bool
) -> None:
    harness.rules = replace(harness.rules, calendars=frozenset([harness.calendars["Team"]]))
    event = book(harness, ann.ghl)
    harness.sync()
    match how:
        case "another calendar":
            harness.ghl.edit(event, calendar=harness.calendars["Personal"])
        case "out of the window":
            harness.ghl.move(event, harness.at(24 * 500))
        case "deactivated":
            harness.ghl.deactivate_calendar(harness.calendars["Team"])
        case _:
            harness.world.faults.add(side="ghl", kind="empty_list", path="/calendars/events$")
    report = harness.sync(full=full)
    assert (report.hubspot.removed, harness.hubspot.archived()) == (0, [])
    assert harness.sync(full=full).hubspot.removed == 0
    assert only(harness)


@pytest.mark.parametrize("hours", [24 * 300, -24 * 20])
def test_trap_3_edits_far_ahead_and_in_the_past_are_found_without_a_watermark(
    harness: SyncHarness, ann: Person, hours: float
) -> None:
    event = book(harness, ann.ghl, hours)
    harness.sync()
    harness.later(hours=1)
    harness.ghl.edit(event, title="Renamed")
    assert harness.sync(full=False).hubspot.updated == 1
    assert held(harness)["hs_appointment_name"] == "Renamed"


def test_trap_4_calendars_come_and_go_by_themselves(harness: SyncHarness, ann: Person) -> None:
    kept = book(harness, ann.ghl)
    harness.sync()
    harness.ghl.add_user("Nora Field", "nora.field@example.com", personal_calendar=True)
    fresh = list(harness.ghl.calendars)[-1]
    harness.ghl.book(fresh, ann.ghl, harness.at(60))
    assert harness.sync(full=False).hubspot.created == 1
    # One whose list is refused is not one without appointments.
    refusal = {"statusCode": 400, "message": "The calendar is not found"}
    harness.world.faults.add(
        side="ghl", status=400, body=refusal, path="/calendars/events$", times=None
    )
    report = harness.sync()
    assert report.unread
    assert (report.hubspot.removed, harness.hubspot.archived()) == (0, [])
    assert harness.ghl.get(kept).title == "Check-up"


@pytest.mark.parametrize(
    "zone", ["Europe/Zurich", "America/Denver", "Asia/Kolkata", "Australia/Lord_Howe"]
)
def test_trap_9_an_offset_never_looks_like_an_edit(
    make_town: MakeTown, met: Met, zone: str
) -> None:
    harness = make_town(location_timezone=zone)
    ann = met(harness)
    starts = [harness.at(24 * day) for day in (5, 27, 34, 240, 250)]
    for start in starts:
        harness.ghl.book(harness.calendars["Event"], ann.ghl, start)
    harness.sync()
    settled(harness)
    moved = harness.hubspot.records()[0].id
    later = harness.at(24 * 5 + 3).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.edit(moved, hs_appointment_start=later, hs_appointment_end=later)
    harness.sync()
    settled(harness)
    assert sorted(each.start for each in harness.ghl.events()) == [
        starts[0] + timedelta(hours=3),
        *starts[1:],
    ]


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/Denver", "Australia/Sydney"])
def test_trap_10_local_times_without_an_offset_still_find_our_own_booking(
    make_town: MakeTown, met: Met, zone: str
) -> None:
    harness = make_town(location_timezone=zone)
    ann = met(harness)
    start = harness.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.create(
        {"hs_appointment_name": "Intro", "hs_appointment_start": start}, [ann.hubspot]
    )
    harness.world.faults.add(side="ghl", kind="drop_after", method="POST", path="/appointments$")
    harness.sync()
    harness.sync()
    assert not harness.world.faults.pending
    (event,) = harness.ghl.events()
    assert held(harness)["ghl_appointment_id"] == event.id
    settled(harness)


def test_trap_11_the_zone_is_the_locations_and_may_change(
    harness: SyncHarness, ann: Person
) -> None:
    book(harness, ann.ghl)
    harness.sync()
    before = held(harness)["hs_appointment_start"]
    harness.ghl.timezone = "America/New_York"
    settled(harness)
    assert held(harness)["hs_appointment_start"] == before


def test_trap_12_keys_that_are_described_as_required_may_be_missing(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl, calendar="Event", title="")
    report = harness.sync()
    assert (report.hubspot.created, report.held) == (1, [])
    shown = held(harness)
    assert shown["ghl_appointment_id"] == event
    assert not shown.get("hubspot_owner_id")
    settled(harness)


def test_trap_33_blocked_time_is_neither_synced_nor_deleted(
    harness: SyncHarness, ann: Person
) -> None:
    block = harness.ghl.block(harness.at(40), harness.at(44), calendar=harness.calendars["Event"])
    event = book(harness, ann.ghl)
    harness.obey(hubspot_archived=OnRemoval.DELETE)
    assert harness.sync().hubspot.created == 1
    harness.hubspot.archive(only(harness))
    assert harness.sync().ghl.removed == 1
    assert harness.ghl.get(event).deleted
    assert not harness.ghl.blocks[block].deleted


# --- writing: 5 to 8, 13 to 16


def test_trap_6_nothing_that_is_synced_writes_to_people(harness: SyncHarness, ann: Person) -> None:
    event = book(harness, ann.ghl)
    start = harness.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.create({"hs_appointment_start": start}, [ann.hubspot])
    harness.sync()
    (first, second) = (each.id for each in harness.hubspot.records())
    for record in (first, second):
        harness.hubspot.edit(
            record, hs_appointment_name="Renamed", hs_appointment_status="COMPLETED"
        )
    harness.sync()
    harness.hubspot.archive(first)
    harness.sync()
    assert harness.ghl.get(event).title == "Renamed"
    assert harness.world.notifications == []
    assert len(harness.world.writes("ghl")) >= 3


@pytest.mark.parametrize("kind", ["timeout_after", "drop_after", "timeout_before", "status_after"])
def test_trap_7_a_create_without_an_answer_is_never_sent_twice(
    harness: SyncHarness, ann: Person, kind: str
) -> None:
    harness.obey(refuse_double_booking=False)
    start = harness.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.create(
        {"hs_appointment_name": "Intro", "hs_appointment_start": start}, [ann.hubspot]
    )
    harness.world.faults.add(
        side="ghl", kind=kind, method="POST", path="/appointments$", status=502
    )
    for _ in range(3):
        harness.sync()
    assert not harness.world.faults.pending
    (event,) = harness.ghl.events()
    assert held(harness)["ghl_appointment_id"] == event.id
    settled(harness)


@pytest.mark.parametrize(
    ("hours", "status"), [(-48, "COMPLETED"), (-24, "SCHEDULED"), (72, "CANCELLED")]
)
def test_trap_8_what_takes_no_slot_is_recorded_whatever_is_free(
    harness: SyncHarness, ann: Person, met: Met, hours: float, status: str
) -> None:
    ben = met(harness, "Ben Torres", 2)
    book(harness, ben.ghl, hours)
    harness.sync()
    start = harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.create(
        {"hs_appointment_start": start, "hs_appointment_status": status}, [ann.hubspot]
    )
    report = harness.sync()
    assert (report.ghl.created, report.held) == (1, []), report


def test_trap_8_a_slot_that_is_taken_is_not_booked_over(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    book(harness, ben.ghl, 72)
    harness.sync()
    start = harness.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.create({"hs_appointment_start": start}, [ann.hubspot])
    report = harness.sync()
    assert (report.ghl.created, reasons(report)) == (0, ["slot_taken"])


def test_trap_13_notes_are_never_written_and_never_synced(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl, notes="Of the calendar")
    harness.sync()
    assert not held(harness).get("ghl_description")
    harness.hubspot.edit(only(harness), ghl_description="Of HubSpot")
    harness.sync()
    row = harness.ghl.get(event)
    assert (row.description, row.notes) == ("Of HubSpot", "Of the calendar")
    assert all("notes" not in (row.body or {}) for row in harness.world.writes("ghl"))
    settled(harness)


@pytest.mark.parametrize("status", ["new", "confirmed", "showed", "noshow", "cancelled", "invalid"])
def test_trap_14_a_status_survives_the_round_trip_through_fewer_words(
    harness: SyncHarness, ann: Person, status: str
) -> None:
    event = book(harness, ann.ghl, status=status)
    harness.sync()
    settled(harness)
    harness.hubspot.edit(only(harness), hs_appointment_name="Renamed")
    harness.sync()
    assert (harness.ghl.get(event).status, harness.ghl.get(event).title) == (status, "Renamed")
    settled(harness)


def test_trap_14_completed_is_read_as_the_showed_that_it_is_stored_as(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    harness.hubspot.edit(only(harness), hs_appointment_status="COMPLETED")
    harness.sync()
    assert harness.ghl.get(event).status == "showed"
    settled(harness)


def test_trap_15_an_assignee_outside_the_team_holds_the_owner_alone(
    harness: SyncHarness, ann: Person
) -> None:
    dana, _, ines = harness.ghl.users
    event = book(harness, ann.ghl, assignee=dana)
    harness.sync()
    owners = {each.email: each.id for each in harness.hubspot.owners.values()}
    harness.hubspot.edit(
        only(harness),
        hubspot_owner_id=owners[harness.ghl.users[ines].email],
        hs_appointment_name="Renamed",
    )
    report = harness.sync()
    assert reasons(report) == ["outside_team"]
    assert (harness.ghl.get(event).title, harness.ghl.get(event).assignee) == ("Renamed", dana)
    # Team membership changes later: what was held goes through.
    harness.ghl.set_team(harness.calendars["Team"], [dana, ines])
    harness.later(hours=2)
    assert harness.sync().held == []
    assert harness.ghl.get(event).assignee == ines
    settled(harness)


def test_trap_16_a_contact_cannot_be_changed_by_an_update(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    event = book(harness, ann.ghl)
    harness.sync()
    record = only(harness)
    harness.hubspot.associate(record, ben.hubspot)
    harness.hubspot.dissociate(record, ann.hubspot)
    harness.hubspot.edit(record, hs_appointment_name="Renamed")
    report = harness.sync()
    assert reasons(report) == ["contact_changed"]
    assert (harness.ghl.get(event).contact, harness.ghl.get(event).title) == (ann.ghl, "Renamed")
    assert all(
        "contactId" not in (row.body or {}) for row in sent(harness, "PUT", "/appointments/")
    )
    assert len(harness.ghl.events()) == 1


def test_trap_16_a_contact_that_was_merged_in_highlevel_goes_over_to_hubspot(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    book(harness, ann.ghl)
    harness.sync()
    harness.ghl.merge_contacts(ben.ghl, ann.ghl)
    report = harness.sync()
    assert (report.hubspot.created, report.hubspot.removed) == (0, 0)
    (record,) = harness.hubspot.records()
    assert list(record.links["0-1"]) == [ben.hubspot]
    settled(harness)


# --- contacts: 17 to 19


def test_trap_17_contacts_are_never_upserted(harness: SyncHarness) -> None:
    tagged = harness.ghl.add_contact(
        "Ann Lee",
        "ann.old@example.com",
        "+15550100001",
        tags=["vip"],
        additionalEmails=["ann@example.com"],
    )
    before = replace(harness.ghl.contacts[tagged])
    person = harness.hubspot.add_contact("Ann Lee", "ann.old@example.com", "+15550100001")
    start = harness.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.hubspot.create({"hs_appointment_start": start}, [person])
    stranger = harness.hubspot.add_contact("Cy Roe", "cy@example.com", "+15550100003")
    harness.hubspot.create({"hs_appointment_start": start}, [stranger])
    harness.obey(refuse_double_booking=False)
    assert harness.sync().ghl.created == 2
    assert harness.ghl.contacts[tagged] == before
    assert not sent(harness, "POST", "upsert")
    assert not sent(harness, "PUT", "/contacts")
    (made,) = sent(harness, "POST", "/contacts/")[-1:]
    assert set(made.body) <= {"locationId", "firstName", "lastName", "email", "phone"}


def test_trap_18_a_contact_that_search_does_not_show_yet_is_not_made_twice(
    make_town: MakeTown,
) -> None:
    harness = make_town(contact_search_lag=timedelta(seconds=10))
    person = harness.hubspot.add_contact("Cy Roe", "cy@example.com", "+15550100003")
    for hours in (72, 96):
        start = harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
        harness.hubspot.create({"hs_appointment_start": start}, [person])
    harness.sync()
    harness.hubspot.create(
        {"hs_appointment_start": harness.at(120).strftime("%Y-%m-%dT%H:%M:%SZ")}, [person]
    )
    harness.sync()
    assert len(harness.ghl.events()) == 3
    assert len(list(harness.ghl.contacts)) == 1


def test_trap_19_an_orphan_is_no_removal_and_stops_nothing(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    book(harness, ann.ghl)
    other = book(harness, ben.ghl, 60)
    harness.sync()
    harness.ghl.delete_contact(ann.ghl)
    harness.ghl.edit(other, title="Renamed")
    report = harness.sync()
    assert report.hubspot.updated >= 1
    assert (report.hubspot.removed, harness.hubspot.archived()) == (0, [])
    # It can never be deleted: that is held in the vendor's words, and not tried for ever.
    harness.obey(hubspot_archived=OnRemoval.DELETE)
    orphan = next(
        each.id
        for each in harness.hubspot.records()
        if each.properties["ghl_appointment_id"] != other
    )
    harness.hubspot.archive(orphan)
    report = harness.sync()
    assert reasons(report) == ["rejected"]
    assert "its contact was" in report.held[0].detail
    assert len(harness.ghl.events()) == 2
    assert harness.sync(full=False).failed == []


# --- credentials and quotas: 25, 30, 31


def test_trap_25_a_missing_scope_is_distinguished_from_an_expired_token(
    harness: SyncHarness, ann: Person
) -> None:
    book(harness, ann.ghl)
    harness.sync()
    scopes = harness.world.settings.ghl_scopes
    harness.world.settings = replace(
        harness.world.settings, ghl_scopes=scopes - {"calendars/events.write"}
    )
    harness.hubspot.edit(only(harness), hs_appointment_name="Renamed")
    harness.world.reset_requests()
    report = harness.sync()
    assert report.outcome is Outcome.REFUSED
    assert "calendars/events.write" in report.detail
    assert len(sent(harness, "PUT", "/appointments/")) == 1
    harness.world.settings = replace(harness.world.settings, ghl_scopes=scopes)
    assert harness.sync().ghl.updated == 1


def test_trap_30_each_endpoint_is_asked_in_its_own_version(
    harness: SyncHarness, ann: Person
) -> None:
    book(harness, ann.ghl)
    harness.sync()
    versions = {
        row.path.split("/")[1]: row.headers["version"] for row in harness.world.requests_of("ghl")
    }
    assert versions == {
        "calendars": "2021-04-15",
        "contacts": "2021-07-28",
        "locations": "2021-07-28",
        "users": "2021-07-28",
    }


def test_trap_31_every_request_names_its_client(harness: SyncHarness, ann: Person) -> None:
    book(harness, ann.ghl)
    harness.sync()
    agents = {row.headers["user-agent"].split("/")[0] for row in harness.world.requests}
    assert agents == {"syncd"}


# --- series, restores, echoes: 26 to 29


def test_trap_26_a_series_that_moves_is_moves_and_never_removals(
    harness: SyncHarness, ann: Person
) -> None:
    master = harness.ghl.add_series(harness.calendars["Team"], ann.ghl, harness.at(48))
    harness.sync()
    before = {each.id for each in harness.hubspot.records()}
    assert len(before) == 4
    harness.ghl.move_series(master, timedelta(hours=2))
    report = harness.sync()
    assert (report.hubspot.updated, report.hubspot.created, report.hubspot.removed) == (4, 0, 0)
    assert {each.id for each in harness.hubspot.records()} == before
    settled(harness)
    assert all(
        master != each.properties["ghl_appointment_id"] for each in harness.hubspot.records()
    )


def test_trap_27_a_restored_calendar_brings_its_appointments_back(
    harness: SyncHarness, ann: Person
) -> None:
    calendar = harness.calendars["Event"]
    events = [book(harness, ann.ghl, hours, "Event") for hours in (48, 72)]
    harness.sync()
    harness.ghl.delete_calendar(calendar)
    harness.sync()
    assert len(harness.hubspot.archived()) == 2
    harness.later(days=2)
    harness.ghl.restore_calendar(calendar)
    harness.sync()
    living = {each.properties["ghl_appointment_id"] for each in harness.hubspot.records()}
    assert living == set(events)
    settled(harness)


def test_trap_28_our_own_writes_are_no_news(harness: SyncHarness, ann: Person) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    record = only(harness)
    for number in range(3):
        harness.hubspot.edit(record, hs_appointment_name=f"Right {number}")
        harness.sync(full=False)
        settled(harness)
        harness.ghl.edit(event, title=f"Left {number}", status="showed")
        harness.sync(full=False)
        settled(harness)
    assert held(harness)["hs_appointment_name"] == "Left 2"


def test_trap_29_what_another_program_made_is_not_taken_for_ours(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    theirs = book(harness, ben.ghl, 72, source="third_party", title="Of another program")
    start = harness.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    harness.obey(refuse_double_booking=False)
    harness.hubspot.create({"hs_appointment_start": start}, [ann.hubspot])
    harness.world.faults.add(
        side="ghl", kind="timeout_before", method="POST", path="/appointments$"
    )
    harness.sync()
    report = harness.sync()
    assert report.outcome is Outcome.OK
    carried = {each.properties["ghl_appointment_id"] for each in harness.hubspot.records()}
    assert theirs in carried
    assert len(carried) == len(harness.ghl.events()) == 2
    settled(harness)
