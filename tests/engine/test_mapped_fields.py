"""Mapped fields of HighLevel, mapped to properties of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.bootstrap import mapped_fields
from syncd.bootstrap.rules import rules_of
from syncd.config import LinkSettings
from syncd.core.outcome import Outcome
from syncd.core.policy import Direction

if TYPE_CHECKING:
    from harness import SyncHarness

STATUS = {"ghl": "appointmentStatus", "hubspot": "raw_status"}
CALENDAR = {"ghl": "calendarName", "hubspot": "calendar_name"}
PAGE = {"ghl": "highlevelLink", "hubspot": "ghl_page"}
RECORD = {"ghl": "hubspotLink", "hubspot": "record_page"}
NOTES = {"ghl": "description", "hubspot": "visit_notes", "direction": "both"}
BOOKED = {"ghl": "dateAdded", "hubspot": "booked_at"}


def mapping(harness: SyncHarness, **wanted: dict[str, str]) -> None:
    """Configure these maps, as a user would, and make their properties."""
    settings = LinkSettings.model_validate(
        {
            "ghl": {"location_id": harness.ghl.id},
            "map": wanted,
            "fields": {"description": "off"} if "notes" in wanted else {},
        }
    )
    configure(harness, settings)
    for each in wanted.values():
        kind = "datetime" if each["ghl"] == "dateAdded" else "string"
        harness.hubspot.add_property(each["hubspot"], type=kind)


def configure(harness: SyncHarness, settings: LinkSettings) -> None:
    """Have the link do what these settings say of mapped fields."""
    template = rules_of(settings).template
    harness.obey(
        mapped_fields=template.mapped_fields,
        fields=template.fields,
        conflict=template.conflict,
        status_echoes=template.status_echoes,
    )
    harness.ghl_options = {
        "mapped_fields": mapped_fields.fields(settings),
        "templates": mapped_fields.templates(settings),
    }
    harness.provider_options = {
        "mapped_fields": mapped_fields.properties(settings),
        "record_link": mapped_fields.record_link(settings),
    }


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com"),
        harness.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def record(harness: SyncHarness) -> Any:
    (found,) = harness.hubspot.records()
    return found


def held(harness: SyncHarness, name: str) -> str:
    return str(record(harness).properties.get(name, "") or "")


def quiet(harness: SyncHarness) -> None:
    """The next two cycles, a full and an incremental one, write nothing."""
    harness.world.reset_requests()
    for full in (True, False):
        report = harness.sync(full=full)
        assert report.outcome is Outcome.OK, report.detail
    assert [row.path for row in harness.world.writes("ghl")] == []
    assert [row.path for row in harness.world.writes("hubspot")] == []


def make(harness: SyncHarness, contact: str, **properties: Any) -> str:
    times = {
        "hs_appointment_name": "Intro",
        "hs_appointment_start": harness.at(50),
        "hs_appointment_end": harness.at(50.5),
    }
    return str(harness.hubspot.create(times | properties, contacts=[contact]))


def test_a_booking_arrives_with_what_highlevel_alone_knows(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, word=STATUS, calendar=CALENDAR, page=PAGE, booked=BOOKED)
    book(harness, ann[0], status="new")
    assert harness.sync().hubspot.created == 1
    assert held(harness, "raw_status") == "new"
    assert held(harness, "hs_appointment_status") == "SCHEDULED"
    assert held(harness, "calendar_name") == "Team"
    assert held(harness, "ghl_page") == (
        f"https://app.gohighlevel.com/v2/location/{harness.ghl.id}/contacts/detail/{ann[0]}"
    )
    assert held(harness, "booked_at") == "2026-03-02T09:00:00.000Z"
    quiet(harness)


def test_the_record_s_own_page_is_written_in_the_cycle_that_makes_it(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, link=RECORD)
    book(harness, ann[0])
    report = harness.sync()
    assert (report.hubspot.created, report.hubspot.updated) == (1, 0)
    found = record(harness)
    assert found.properties["record_page"] == (
        f"https://app.hubspot.example/contacts/24600001/record/0-421/{found.id}"
    )
    quiet(harness)


def test_a_booking_that_was_born_in_hubspot_shows_them_in_the_same_cycle(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """The next cycle finds nothing to do, whatever HighLevel filled in."""
    mapping(harness, word=STATUS, calendar=CALENDAR, page=PAGE, link=RECORD, booked=BOOKED)
    made = make(harness, ann[1])
    report = harness.sync()
    assert (report.outcome, report.ghl.created) == (Outcome.OK, 1), report.detail
    assert report.hubspot.updated == 0
    calendar = harness.ghl.calendars[harness.rules.template.default_calendar]
    assert held(harness, "raw_status") == "confirmed"
    assert held(harness, "calendar_name") == calendar.name
    assert held(harness, "ghl_page").endswith(ann[0])
    assert held(harness, "record_page").endswith(f"/record/0-421/{made}")
    assert held(harness, "booked_at")
    quiet(harness)


def test_a_mark_that_fails_leaves_them_to_the_next_cycle(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, word=STATUS, calendar=CALENDAR, link=RECORD)
    make(harness, ann[1])
    harness.world.faults.add(side="hubspot", path="/batch/update$", status=503, times=None)
    assert harness.sync().ghl.created == 1
    assert held(harness, "calendar_name") == ""
    harness.world.faults.clear()
    harness.sync()
    assert held(harness, "raw_status") == "confirmed"
    assert held(harness, "calendar_name")
    assert held(harness, "record_page")
    assert len(harness.ghl.events()) == 1
    quiet(harness)


def test_a_property_that_refuses_a_value_holds_that_field_only(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.hubspot.add_property("calendar_name", type="enumeration", options=("Team",))
    settings = {"ghl": {"location_id": harness.ghl.id}, "map": {"calendar": CALENDAR}}
    configure(harness, LinkSettings.model_validate(settings))
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    other = next(id_ for name, id_ in harness.calendars.items() if name != "Team")
    harness.ghl.edit(event, calendar=other, title="Follow-up")
    report = harness.sync()
    assert [hold.reason for hold in report.held] == ["rejected"]
    assert (held(harness, "hs_appointment_name"), held(harness, "calendar_name")) == (
        "Follow-up",
        "Team",
    )


def test_a_status_that_hubspot_sends_is_repeated_at_once(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, word=STATUS)
    event = book(harness, ann[0])
    harness.sync()
    harness.hubspot.edit(record(harness).id, hs_appointment_status="COMPLETED")
    harness.sync()
    assert harness.ghl.get(event).status == "showed"
    assert held(harness, "raw_status") == "showed"
    quiet(harness)


def test_a_status_that_several_share_is_told_apart(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, word=STATUS)
    event = book(harness, ann[0], status="new")
    harness.sync()
    harness.ghl.edit(event, status="confirmed")
    report = harness.sync()
    assert report.hubspot.updated == 1
    assert held(harness, "raw_status") == "confirmed"
    quiet(harness)


def test_what_flows_one_way_is_not_written_back(harness: SyncHarness, ann: tuple[str, str]) -> None:
    """An edit on the receiving side stays until the sending side changes the field."""
    mapping(harness, calendar=CALENDAR)
    event = book(harness, ann[0])
    harness.sync()
    harness.hubspot.edit(record(harness).id, calendar_name="My own words")
    quiet(harness)
    assert held(harness, "calendar_name") == "My own words"
    other = next(name for name in harness.calendars if name != "Team")
    harness.ghl.edit(event, calendar=harness.calendars[other])
    harness.sync()
    assert held(harness, "calendar_name") == other
    quiet(harness)


def test_a_field_that_both_sides_take_travels_both_ways(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, notes=NOTES)
    event = book(harness, ann[0], description="Knee")
    harness.sync()
    assert held(harness, "visit_notes") == "Knee"
    assert held(harness, "ghl_description") == ""
    harness.hubspot.edit(record(harness).id, visit_notes="Both knees")
    assert harness.sync().ghl.updated == 1
    assert harness.ghl.get(event).description == "Both knees"
    harness.ghl.edit(event, description="Hip")
    harness.sync()
    assert held(harness, "visit_notes") == "Hip"
    quiet(harness)


def test_such_a_field_is_booked_along_and_cleared_again(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, notes=NOTES)
    made = make(harness, ann[1], visit_notes="Bring the scan")
    harness.sync()
    (event,) = harness.ghl.events()
    assert event.description == "Bring the scan"
    harness.hubspot.edit(made, visit_notes="")
    harness.sync()
    assert not harness.ghl.get(event.id).description
    quiet(harness)


@pytest.mark.parametrize(("rule", "winner"), [("ghl", "Hip"), ("hubspot", "Elbow")])
def test_each_field_has_a_conflict_rule_of_its_own(
    harness: SyncHarness, ann: tuple[str, str], rule: str, winner: str
) -> None:
    mapping(harness, notes=NOTES | {"conflict": rule})
    event = book(harness, ann[0], description="Knee", title="Check-up")
    harness.sync()
    harness.ghl.edit(event, description="Hip")
    harness.hubspot.edit(record(harness).id, visit_notes="Elbow")
    assert harness.sync().conflicts == 1
    assert (harness.ghl.get(event).description, held(harness, "visit_notes")) == (winner, winner)
    quiet(harness)


def test_a_conflict_that_is_held_stops_that_field_only(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, notes=NOTES | {"conflict": "hold"})
    event = book(harness, ann[0], description="Knee", title="Check-up")
    harness.sync()
    harness.ghl.edit(event, description="Hip", title="Follow-up")
    harness.hubspot.edit(record(harness).id, visit_notes="Elbow")
    report = harness.sync()
    assert [hold.reason for hold in report.held] == ["conflict"]
    assert held(harness, "hs_appointment_name") == "Follow-up"
    assert held(harness, "visit_notes") == "Elbow"


def test_two_equal_records_that_meet_are_left_alone(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """Nothing but the mark is written."""
    mapping(harness, calendar=CALENDAR, notes=NOTES)
    book(harness, ann[0], 50, title="Intro", description="Knee", status="confirmed")
    make(
        harness,
        ann[1],
        hs_appointment_status="SCHEDULED",
        calendar_name="Team",
        visit_notes="Knee",
        hubspot_owner_id=next(iter(harness.hubspot.owners)),
    )
    assert harness.plan().planned == []
    report = harness.sync()
    assert report.adopted == 1
    assert (report.ghl.updated, report.hubspot.updated, report.hubspot.created) == (0, 0, 0)
    quiet(harness)


def test_a_map_that_is_added_later_fills_what_is_there(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    book(harness, ann[0])
    harness.sync()
    mapping(harness, calendar=CALENDAR, link=RECORD)
    report = harness.sync()
    assert report.hubspot.updated == 1
    assert held(harness, "calendar_name") == "Team"
    assert held(harness, "record_page")
    quiet(harness)


def test_a_page_that_is_wanted_later_is_written_with_the_mark(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    book(harness, ann[0])
    harness.sync()
    mapping(harness, link=RECORD)
    report = harness.sync()
    assert (report.hubspot.updated, bool(held(harness, "record_page"))) == (0, True)
    quiet(harness)


def test_a_map_that_is_taken_away_leaves_the_pairs_at_rest(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, calendar=CALENDAR)
    book(harness, ann[0])
    harness.sync()
    mapping(harness)
    harness.sync()
    harness.world.reset_requests()
    report = harness.sync(full=False)
    assert report.unchanged
    assert [row.path for row in harness.world.writes("hubspot")] == []
    assert "/batch/read" not in " ".join(
        row.path for row in harness.world.requests_of("hubspot", "GET")
    )
    assert dict(harness.pairs()[0].hubspot.mapped_fields) == {}


def test_a_link_that_only_reads_hubspot_writes_no_page_there(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    mapping(harness, calendar=CALENDAR)
    harness.obey(direction=Direction.HUBSPOT_TO_GHL)
    make(harness, ann[1])
    assert harness.sync().ghl.created == 1
    assert held(harness, "calendar_name") == ""
    quiet(harness)


def test_further_fields_cost_no_request(harness: SyncHarness, ann: tuple[str, str]) -> None:
    def requests(hours: float, *, full: bool) -> int:
        book(harness, ann[0], hours)
        harness.world.reset_requests()
        harness.sync(full=full)
        return len(harness.world.requests_of("ghl")) + len(harness.world.requests_of("hubspot"))

    book(harness, ann[0], 40)
    harness.sync()
    plain = [requests(60, full=True), requests(62, full=False)]
    mapping(harness, word=STATUS, calendar=CALENDAR, page=PAGE, booked=BOOKED)
    harness.sync()
    assert [requests(64, full=True), requests(66, full=False)] == plain
