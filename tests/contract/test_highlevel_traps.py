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

from syncd.core.policy import OnRemoval
from syncd.engine.report import CycleReport, Outcome

if TYPE_CHECKING:
    from towns import Town

    from syncd.sandbox import LoggedRequest
    from tests.contract.conftest import Person

MakeTown = Callable[..., "Town"]
Met = Callable[..., "Person"]


def book(town: Town, contact: str, hours: float = 48, calendar: str = "Team", **more: Any) -> str:
    more.setdefault("title", "Check-up")
    return str(town.ghl.book(town.calendars[calendar], contact, town.at(hours), **more))


def held(town: Town) -> dict[str, str]:
    """The properties of the only living HubSpot record."""
    (record,) = town.hubspot.records()
    return dict(record.properties)


def only(town: Town) -> str:
    (record,) = town.hubspot.records()
    return str(record.id)


def settled(town: Town) -> CycleReport:
    """A cycle that writes nothing."""
    town.world.reset_requests()
    report = town.sync()
    assert report.outcome is Outcome.OK, report
    assert town.world.writes("ghl") == []
    assert town.world.writes("hubspot") == []
    return report


def reasons(report: CycleReport) -> list[str]:
    return [hold.reason for hold in report.held]


def sent(town: Town, method: str, part: str) -> list[LoggedRequest]:
    return [row for row in town.world.requests_of("ghl", method) if part in row.path]


# --- reading: 1 to 4, 9 to 12, 33


def test_trap_1_an_appointment_that_answers_200_may_be_deleted(town: Town, ann: Person) -> None:
    event = book(town, ann.ghl)
    town.sync()
    town.ghl.delete(event)
    town.sync()
    assert [each.properties["ghl_appointment_id"] for each in town.hubspot.archived()] == [event]
    settled(town)
    assert town.ghl.events() == []


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("how", ["another calendar", "out of the window", "deactivated", "empty"])
def test_trap_2_what_a_list_does_not_show_is_not_deleted(
    town: Town, ann: Person, how: str, full: bool
) -> None:
    town.rules = replace(town.rules, calendars=frozenset([town.calendars["Team"]]))
    event = book(town, ann.ghl)
    town.sync()
    match how:
        case "another calendar":
            town.ghl.edit(event, calendar=town.calendars["Personal"])
        case "out of the window":
            town.ghl.move(event, town.at(24 * 500))
        case "deactivated":
            town.ghl.deactivate_calendar(town.calendars["Team"])
        case _:
            town.world.faults.add(side="ghl", kind="empty_list", path="/calendars/events$")
    report = town.sync(full=full)
    assert (report.hubspot.removed, town.hubspot.archived()) == (0, [])
    assert town.sync(full=full).hubspot.removed == 0
    assert only(town)


@pytest.mark.parametrize("hours", [24 * 300, -24 * 20])
def test_trap_3_edits_far_ahead_and_in_the_past_are_found_without_a_watermark(
    town: Town, ann: Person, hours: float
) -> None:
    event = book(town, ann.ghl, hours)
    town.sync()
    town.later(hours=1)
    town.ghl.edit(event, title="Renamed")
    assert town.sync(full=False).hubspot.updated == 1
    assert held(town)["hs_appointment_name"] == "Renamed"


def test_trap_4_calendars_come_and_go_by_themselves(town: Town, ann: Person) -> None:
    kept = book(town, ann.ghl)
    town.sync()
    town.ghl.add_user("Nora Field", "nora.field@example.com", personal_calendar=True)
    fresh = list(town.ghl.calendars)[-1]
    town.ghl.book(fresh, ann.ghl, town.at(60))
    assert town.sync(full=False).hubspot.created == 1
    # One whose list is refused is not one without appointments.
    refusal = {"statusCode": 400, "message": "The calendar is not found"}
    town.world.faults.add(
        side="ghl", status=400, body=refusal, path="/calendars/events$", times=None
    )
    report = town.sync()
    assert report.unread
    assert (report.hubspot.removed, town.hubspot.archived()) == (0, [])
    assert town.ghl.get(kept).title == "Check-up"


@pytest.mark.parametrize(
    "zone", ["Europe/Zurich", "America/Denver", "Asia/Kolkata", "Australia/Lord_Howe"]
)
def test_trap_9_an_offset_never_looks_like_an_edit(
    make_town: MakeTown, met: Met, zone: str
) -> None:
    town = make_town(location_timezone=zone)
    ann = met(town)
    starts = [town.at(24 * day) for day in (5, 27, 34, 240, 250)]
    for start in starts:
        town.ghl.book(town.calendars["Event"], ann.ghl, start)
    town.sync()
    settled(town)
    moved = town.hubspot.records()[0].id
    later = town.at(24 * 5 + 3).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.hubspot.edit(moved, hs_appointment_start=later, hs_appointment_end=later)
    town.sync()
    settled(town)
    assert sorted(each.start for each in town.ghl.events()) == [
        starts[0] + timedelta(hours=3),
        *starts[1:],
    ]


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/Denver", "Australia/Sydney"])
def test_trap_10_local_times_without_an_offset_still_find_our_own_booking(
    make_town: MakeTown, met: Met, zone: str
) -> None:
    town = make_town(location_timezone=zone)
    ann = met(town)
    start = town.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.hubspot.create(
        {"hs_appointment_name": "Intro", "hs_appointment_start": start}, [ann.hubspot]
    )
    town.world.faults.add(side="ghl", kind="drop_after", method="POST", path="/appointments$")
    town.sync()
    town.sync()
    assert not town.world.faults.pending
    (event,) = town.ghl.events()
    assert held(town)["ghl_appointment_id"] == event.id
    settled(town)


def test_trap_11_the_zone_is_the_locations_and_may_change(town: Town, ann: Person) -> None:
    book(town, ann.ghl)
    town.sync()
    before = held(town)["hs_appointment_start"]
    town.ghl.timezone = "America/New_York"
    settled(town)
    assert held(town)["hs_appointment_start"] == before


def test_trap_12_keys_that_are_described_as_required_may_be_missing(
    town: Town, ann: Person
) -> None:
    event = book(town, ann.ghl, calendar="Event", title="")
    report = town.sync()
    assert (report.hubspot.created, report.held) == (1, [])
    shown = held(town)
    assert shown["ghl_appointment_id"] == event
    assert not shown.get("hubspot_owner_id")
    settled(town)


def test_trap_33_blocked_time_is_neither_synced_nor_deleted(town: Town, ann: Person) -> None:
    block = town.ghl.block(town.at(40), town.at(44), calendar=town.calendars["Event"])
    event = book(town, ann.ghl)
    town.obey(hubspot_archived=OnRemoval.DELETE)
    assert town.sync().hubspot.created == 1
    town.hubspot.archive(only(town))
    assert town.sync().ghl.removed == 1
    assert town.ghl.get(event).deleted
    assert not town.ghl.blocks[block].deleted


# --- writing: 5 to 8, 13 to 16


def test_trap_6_nothing_that_is_synced_writes_to_people(town: Town, ann: Person) -> None:
    event = book(town, ann.ghl)
    start = town.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.hubspot.create({"hs_appointment_start": start}, [ann.hubspot])
    town.sync()
    (first, second) = (each.id for each in town.hubspot.records())
    for record in (first, second):
        town.hubspot.edit(record, hs_appointment_name="Renamed", hs_appointment_status="COMPLETED")
    town.sync()
    town.hubspot.archive(first)
    town.sync()
    assert town.ghl.get(event).title == "Renamed"
    assert town.world.notifications == []
    assert len(town.world.writes("ghl")) >= 3


@pytest.mark.parametrize("kind", ["timeout_after", "drop_after", "timeout_before", "status_after"])
def test_trap_7_a_create_without_an_answer_is_never_sent_twice(
    town: Town, ann: Person, kind: str
) -> None:
    town.obey(refuse_double_booking=False)
    start = town.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.hubspot.create(
        {"hs_appointment_name": "Intro", "hs_appointment_start": start}, [ann.hubspot]
    )
    town.world.faults.add(side="ghl", kind=kind, method="POST", path="/appointments$", status=502)
    for _ in range(3):
        town.sync()
    assert not town.world.faults.pending
    (event,) = town.ghl.events()
    assert held(town)["ghl_appointment_id"] == event.id
    settled(town)


@pytest.mark.parametrize(
    ("hours", "status"), [(-48, "COMPLETED"), (-24, "SCHEDULED"), (72, "CANCELLED")]
)
def test_trap_8_what_takes_no_slot_is_recorded_whatever_is_free(
    town: Town, ann: Person, met: Met, hours: float, status: str
) -> None:
    ben = met(town, "Ben Torres", 2)
    book(town, ben.ghl, hours)
    town.sync()
    start = town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.hubspot.create(
        {"hs_appointment_start": start, "hs_appointment_status": status}, [ann.hubspot]
    )
    report = town.sync()
    assert (report.ghl.created, report.held) == (1, []), report


def test_trap_8_a_slot_that_is_taken_is_not_booked_over(town: Town, ann: Person, met: Met) -> None:
    ben = met(town, "Ben Torres", 2)
    book(town, ben.ghl, 72)
    town.sync()
    start = town.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.hubspot.create({"hs_appointment_start": start}, [ann.hubspot])
    report = town.sync()
    assert (report.ghl.created, reasons(report)) == (0, ["slot_taken"])


def test_trap_13_notes_are_never_written_and_never_synced(town: Town, ann: Person) -> None:
    event = book(town, ann.ghl, notes="Of the calendar")
    town.sync()
    assert not held(town).get("ghl_description")
    town.hubspot.edit(only(town), ghl_description="Of HubSpot")
    town.sync()
    row = town.ghl.get(event)
    assert (row.description, row.notes) == ("Of HubSpot", "Of the calendar")
    assert all("notes" not in (row.body or {}) for row in town.world.writes("ghl"))
    settled(town)


@pytest.mark.parametrize("status", ["new", "confirmed", "showed", "noshow", "cancelled", "invalid"])
def test_trap_14_a_status_survives_the_round_trip_through_fewer_words(
    town: Town, ann: Person, status: str
) -> None:
    event = book(town, ann.ghl, status=status)
    town.sync()
    settled(town)
    town.hubspot.edit(only(town), hs_appointment_name="Renamed")
    town.sync()
    assert (town.ghl.get(event).status, town.ghl.get(event).title) == (status, "Renamed")
    settled(town)


def test_trap_14_completed_is_read_as_the_showed_that_it_is_stored_as(
    town: Town, ann: Person
) -> None:
    event = book(town, ann.ghl)
    town.sync()
    town.hubspot.edit(only(town), hs_appointment_status="COMPLETED")
    town.sync()
    assert town.ghl.get(event).status == "showed"
    settled(town)


def test_trap_15_an_assignee_outside_the_team_holds_the_owner_alone(
    town: Town, ann: Person
) -> None:
    dana, _, ines = town.ghl.users
    event = book(town, ann.ghl, assignee=dana)
    town.sync()
    owners = {each.email: each.id for each in town.hubspot.owners.values()}
    town.hubspot.edit(
        only(town),
        hubspot_owner_id=owners[town.ghl.users[ines].email],
        hs_appointment_name="Renamed",
    )
    report = town.sync()
    assert reasons(report) == ["outside_team"]
    assert (town.ghl.get(event).title, town.ghl.get(event).assignee) == ("Renamed", dana)
    # Team membership changes later: what was held goes through.
    town.ghl.set_team(town.calendars["Team"], [dana, ines])
    town.later(hours=2)
    assert town.sync().held == []
    assert town.ghl.get(event).assignee == ines
    settled(town)


def test_trap_16_a_contact_cannot_be_changed_by_an_update(
    town: Town, ann: Person, met: Met
) -> None:
    ben = met(town, "Ben Torres", 2)
    event = book(town, ann.ghl)
    town.sync()
    record = only(town)
    town.hubspot.associate(record, ben.hubspot)
    town.hubspot.dissociate(record, ann.hubspot)
    town.hubspot.edit(record, hs_appointment_name="Renamed")
    report = town.sync()
    assert reasons(report) == ["contact_changed"]
    assert (town.ghl.get(event).contact, town.ghl.get(event).title) == (ann.ghl, "Renamed")
    assert all("contactId" not in (row.body or {}) for row in sent(town, "PUT", "/appointments/"))
    assert len(town.ghl.events()) == 1


def test_trap_16_a_contact_that_was_merged_in_highlevel_goes_over_to_hubspot(
    town: Town, ann: Person, met: Met
) -> None:
    ben = met(town, "Ben Torres", 2)
    book(town, ann.ghl)
    town.sync()
    town.ghl.merge_contacts(ben.ghl, ann.ghl)
    report = town.sync()
    assert (report.hubspot.created, report.hubspot.removed) == (0, 0)
    (record,) = town.hubspot.records()
    assert list(record.links["0-1"]) == [ben.hubspot]
    settled(town)


# --- contacts: 17 to 19


def test_trap_17_contacts_are_never_upserted(town: Town) -> None:
    tagged = town.ghl.add_contact(
        "Ann Lee",
        "ann.old@example.com",
        "+15550100001",
        tags=["vip"],
        additionalEmails=["ann@example.com"],
    )
    before = replace(town.ghl.contacts[tagged])
    person = town.hubspot.add_contact("Ann Lee", "ann.old@example.com", "+15550100001")
    start = town.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.hubspot.create({"hs_appointment_start": start}, [person])
    stranger = town.hubspot.add_contact("Cy Roe", "cy@example.com", "+15550100003")
    town.hubspot.create({"hs_appointment_start": start}, [stranger])
    town.obey(refuse_double_booking=False)
    assert town.sync().ghl.created == 2
    assert town.ghl.contacts[tagged] == before
    assert not sent(town, "POST", "upsert")
    assert not sent(town, "PUT", "/contacts")
    (made,) = sent(town, "POST", "/contacts/")[-1:]
    assert set(made.body) <= {"locationId", "firstName", "lastName", "email", "phone"}


def test_trap_18_a_contact_that_search_does_not_show_yet_is_not_made_twice(
    make_town: MakeTown,
) -> None:
    town = make_town(contact_search_lag=timedelta(seconds=10))
    person = town.hubspot.add_contact("Cy Roe", "cy@example.com", "+15550100003")
    for hours in (72, 96):
        start = town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
        town.hubspot.create({"hs_appointment_start": start}, [person])
    town.sync()
    town.hubspot.create(
        {"hs_appointment_start": town.at(120).strftime("%Y-%m-%dT%H:%M:%SZ")}, [person]
    )
    town.sync()
    assert len(town.ghl.events()) == 3
    assert len(list(town.ghl.contacts)) == 1


def test_trap_19_an_orphan_is_no_removal_and_stops_nothing(
    town: Town, ann: Person, met: Met
) -> None:
    ben = met(town, "Ben Torres", 2)
    book(town, ann.ghl)
    other = book(town, ben.ghl, 60)
    town.sync()
    town.ghl.delete_contact(ann.ghl)
    town.ghl.edit(other, title="Renamed")
    report = town.sync()
    assert report.hubspot.updated >= 1
    assert (report.hubspot.removed, town.hubspot.archived()) == (0, [])
    # It can never be deleted: that is held in the vendor's words, and not tried for ever.
    town.obey(hubspot_archived=OnRemoval.DELETE)
    orphan = next(
        each.id for each in town.hubspot.records() if each.properties["ghl_appointment_id"] != other
    )
    town.hubspot.archive(orphan)
    report = town.sync()
    assert reasons(report) == ["rejected"]
    assert "its contact was" in report.held[0].detail
    assert len(town.ghl.events()) == 2
    assert town.sync(full=False).failed == []


# --- credentials and quotas: 25, 30, 31


def test_trap_25_a_missing_scope_is_told_apart_from_an_expired_token(
    town: Town, ann: Person
) -> None:
    book(town, ann.ghl)
    town.sync()
    scopes = town.world.settings.ghl_scopes
    town.world.settings = replace(
        town.world.settings, ghl_scopes=scopes - {"calendars/events.write"}
    )
    town.hubspot.edit(only(town), hs_appointment_name="Renamed")
    town.world.reset_requests()
    report = town.sync()
    assert report.outcome is Outcome.REFUSED
    assert "calendars/events.write" in report.detail
    assert len(sent(town, "PUT", "/appointments/")) == 1
    town.world.settings = replace(town.world.settings, ghl_scopes=scopes)
    assert town.sync().ghl.updated == 1


def test_trap_30_each_endpoint_is_asked_in_its_own_version(town: Town, ann: Person) -> None:
    book(town, ann.ghl)
    town.sync()
    versions = {
        row.path.split("/")[1]: row.headers["version"] for row in town.world.requests_of("ghl")
    }
    assert versions == {
        "calendars": "2021-04-15",
        "contacts": "2021-07-28",
        "locations": "2021-07-28",
        "users": "2021-07-28",
    }


def test_trap_31_every_request_names_its_client(town: Town, ann: Person) -> None:
    book(town, ann.ghl)
    town.sync()
    agents = {row.headers["user-agent"].split("/")[0] for row in town.world.requests}
    assert agents == {"syncd"}


# --- series, restores, echoes: 26 to 29


def test_trap_26_a_series_that_moves_is_moves_and_never_removals(town: Town, ann: Person) -> None:
    master = town.ghl.add_series(town.calendars["Team"], ann.ghl, town.at(48))
    town.sync()
    before = {each.id for each in town.hubspot.records()}
    assert len(before) == 4
    town.ghl.move_series(master, timedelta(hours=2))
    report = town.sync()
    assert (report.hubspot.updated, report.hubspot.created, report.hubspot.removed) == (4, 0, 0)
    assert {each.id for each in town.hubspot.records()} == before
    settled(town)
    assert all(master != each.properties["ghl_appointment_id"] for each in town.hubspot.records())


def test_trap_27_a_restored_calendar_brings_its_appointments_back(town: Town, ann: Person) -> None:
    calendar = town.calendars["Event"]
    events = [book(town, ann.ghl, hours, "Event") for hours in (48, 72)]
    town.sync()
    town.ghl.delete_calendar(calendar)
    town.sync()
    assert len(town.hubspot.archived()) == 2
    town.later(days=2)
    town.ghl.restore_calendar(calendar)
    town.sync()
    living = {each.properties["ghl_appointment_id"] for each in town.hubspot.records()}
    assert living == set(events)
    settled(town)


def test_trap_28_our_own_writes_are_no_news(town: Town, ann: Person) -> None:
    event = book(town, ann.ghl)
    town.sync()
    record = only(town)
    for number in range(3):
        town.hubspot.edit(record, hs_appointment_name=f"Right {number}")
        town.sync(full=False)
        settled(town)
        town.ghl.edit(event, title=f"Left {number}", status="showed")
        town.sync(full=False)
        settled(town)
    assert held(town)["hs_appointment_name"] == "Left 2"


def test_trap_29_what_another_program_made_is_not_taken_for_ours(
    town: Town, ann: Person, met: Met
) -> None:
    ben = met(town, "Ben Torres", 2)
    theirs = book(town, ben.ghl, 72, source="third_party", title="Of another program")
    start = town.at(72).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.obey(refuse_double_booking=False)
    town.hubspot.create({"hs_appointment_start": start}, [ann.hubspot])
    town.world.faults.add(side="ghl", kind="timeout_before", method="POST", path="/appointments$")
    town.sync()
    report = town.sync()
    assert report.outcome is Outcome.OK
    carried = {each.properties["ghl_appointment_id"] for each in town.hubspot.records()}
    assert theirs in carried
    assert len(carried) == len(town.ghl.events()) == 2
    settled(town)
