"""Further fields of HighLevel, mapped to properties of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.bootstrap import maps
from syncd.bootstrap.rules import rules_of
from syncd.config import LinkSettings
from syncd.core.policy import Direction
from syncd.engine.report import Outcome

if TYPE_CHECKING:
    from towns import Town

STATUS = {"ghl": "appointmentStatus", "hubspot": "raw_status"}
CALENDAR = {"ghl": "calendarName", "hubspot": "calendar_name"}
PAGE = {"ghl": "highlevelLink", "hubspot": "ghl_page"}
RECORD = {"ghl": "hubspotLink", "hubspot": "record_page"}
NOTES = {"ghl": "description", "hubspot": "visit_notes", "direction": "both"}
BOOKED = {"ghl": "dateAdded", "hubspot": "booked_at"}


def mapping(town: Town, **wanted: dict[str, str]) -> None:
    """Configure these maps, as a user would, and make their properties."""
    settings = LinkSettings.model_validate(
        {
            "ghl": {"location_id": town.ghl.id},
            "map": wanted,
            "fields": {"description": "off"} if "notes" in wanted else {},
        }
    )
    configure(town, settings)
    for each in wanted.values():
        kind = "datetime" if each["ghl"] == "dateAdded" else "string"
        town.hubspot.add_property(each["hubspot"], type=kind)


def configure(town: Town, settings: LinkSettings) -> None:
    """Have the link do what these settings say of further fields."""
    template = rules_of(settings).template
    town.obey(
        extras=template.extras,
        fields=template.fields,
        conflict=template.conflict,
        status_echoes=template.status_echoes,
    )
    town.ghl_options = {
        "extra_fields": maps.fields(settings),
        "templates": maps.templates(settings),
    }
    town.provider_options = {
        "extras": maps.properties(settings),
        "record_link": maps.record_link(settings),
    }


@pytest.fixture
def ann(town: Town) -> tuple[str, str]:
    return (
        town.ghl.add_contact("Ann Lee", "ann@example.com"),
        town.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


def book(town: Town, contact: str, hours: float = 48, **more: Any) -> str:
    return str(town.ghl.book(town.calendars["Team"], contact, town.at(hours), **more))


def record(town: Town) -> Any:
    (found,) = town.hubspot.records()
    return found


def held(town: Town, name: str) -> str:
    return str(record(town).properties.get(name, "") or "")


def quiet(town: Town) -> None:
    """The next two cycles, a full and an incremental one, write nothing."""
    town.world.reset_requests()
    for full in (True, False):
        report = town.sync(full=full)
        assert report.outcome is Outcome.OK, report.detail
    assert [row.path for row in town.world.writes("ghl")] == []
    assert [row.path for row in town.world.writes("hubspot")] == []


def make(town: Town, contact: str, **properties: Any) -> str:
    times = {
        "hs_appointment_name": "Intro",
        "hs_appointment_start": town.at(50),
        "hs_appointment_end": town.at(50.5),
    }
    return str(town.hubspot.create(times | properties, contacts=[contact]))


def test_a_booking_arrives_with_what_highlevel_alone_knows(
    town: Town, ann: tuple[str, str]
) -> None:
    mapping(town, word=STATUS, calendar=CALENDAR, page=PAGE, booked=BOOKED)
    book(town, ann[0], status="new")
    assert town.sync().hubspot.created == 1
    assert held(town, "raw_status") == "new"
    assert held(town, "hs_appointment_status") == "SCHEDULED"
    assert held(town, "calendar_name") == "Team"
    assert held(town, "ghl_page") == (
        f"https://app.gohighlevel.com/v2/location/{town.ghl.id}/contacts/detail/{ann[0]}"
    )
    assert held(town, "booked_at") == "2026-03-02T09:00:00.000Z"
    quiet(town)


def test_the_record_s_own_page_is_written_in_the_cycle_that_makes_it(
    town: Town, ann: tuple[str, str]
) -> None:
    mapping(town, link=RECORD)
    book(town, ann[0])
    report = town.sync()
    assert (report.hubspot.created, report.hubspot.updated) == (1, 0)
    found = record(town)
    assert found.properties["record_page"] == (
        f"https://app.hubspot.example/contacts/24600001/record/0-421/{found.id}"
    )
    quiet(town)


def test_a_booking_that_was_born_in_hubspot_shows_them_in_the_same_cycle(
    town: Town, ann: tuple[str, str]
) -> None:
    """The next cycle finds nothing to do, whatever HighLevel filled in."""
    mapping(town, word=STATUS, calendar=CALENDAR, page=PAGE, link=RECORD, booked=BOOKED)
    made = make(town, ann[1])
    report = town.sync()
    assert (report.outcome, report.ghl.created) == (Outcome.OK, 1), report.detail
    assert report.hubspot.updated == 0
    calendar = town.ghl.calendars[town.rules.template.default_calendar]
    assert held(town, "raw_status") == "confirmed"
    assert held(town, "calendar_name") == calendar.name
    assert held(town, "ghl_page").endswith(ann[0])
    assert held(town, "record_page").endswith(f"/record/0-421/{made}")
    assert held(town, "booked_at")
    quiet(town)


def test_a_mark_that_fails_leaves_them_to_the_next_cycle(town: Town, ann: tuple[str, str]) -> None:
    mapping(town, word=STATUS, calendar=CALENDAR, link=RECORD)
    make(town, ann[1])
    town.world.faults.add(side="hubspot", path="/batch/update$", status=503, times=None)
    assert town.sync().ghl.created == 1
    assert held(town, "calendar_name") == ""
    town.world.faults.clear()
    town.sync()
    assert held(town, "raw_status") == "confirmed"
    assert held(town, "calendar_name")
    assert held(town, "record_page")
    assert len(town.ghl.events()) == 1
    quiet(town)


def test_a_property_that_refuses_a_value_holds_that_field_only(
    town: Town, ann: tuple[str, str]
) -> None:
    town.hubspot.add_property("calendar_name", type="enumeration", options=("Team",))
    settings = {"ghl": {"location_id": town.ghl.id}, "map": {"calendar": CALENDAR}}
    configure(town, LinkSettings.model_validate(settings))
    event = book(town, ann[0], title="Check-up")
    town.sync()
    other = next(id_ for name, id_ in town.calendars.items() if name != "Team")
    town.ghl.edit(event, calendar=other, title="Follow-up")
    report = town.sync()
    assert [hold.reason for hold in report.held] == ["rejected"]
    assert (held(town, "hs_appointment_name"), held(town, "calendar_name")) == ("Follow-up", "Team")


def test_a_status_that_hubspot_sends_is_repeated_at_once(town: Town, ann: tuple[str, str]) -> None:
    mapping(town, word=STATUS)
    event = book(town, ann[0])
    town.sync()
    town.hubspot.edit(record(town).id, hs_appointment_status="COMPLETED")
    town.sync()
    assert town.ghl.get(event).status == "showed"
    assert held(town, "raw_status") == "showed"
    quiet(town)


def test_a_status_that_several_share_is_told_apart(town: Town, ann: tuple[str, str]) -> None:
    mapping(town, word=STATUS)
    event = book(town, ann[0], status="new")
    town.sync()
    town.ghl.edit(event, status="confirmed")
    report = town.sync()
    assert report.hubspot.updated == 1
    assert held(town, "raw_status") == "confirmed"
    quiet(town)


def test_what_flows_one_way_is_not_written_back(town: Town, ann: tuple[str, str]) -> None:
    """An edit on the receiving side stays until the sending side changes the field."""
    mapping(town, calendar=CALENDAR)
    event = book(town, ann[0])
    town.sync()
    town.hubspot.edit(record(town).id, calendar_name="My own words")
    quiet(town)
    assert held(town, "calendar_name") == "My own words"
    other = next(name for name in town.calendars if name != "Team")
    town.ghl.edit(event, calendar=town.calendars[other])
    town.sync()
    assert held(town, "calendar_name") == other
    quiet(town)


def test_a_field_that_both_sides_take_travels_both_ways(town: Town, ann: tuple[str, str]) -> None:
    mapping(town, notes=NOTES)
    event = book(town, ann[0], description="Knee")
    town.sync()
    assert held(town, "visit_notes") == "Knee"
    assert held(town, "ghl_description") == ""
    town.hubspot.edit(record(town).id, visit_notes="Both knees")
    assert town.sync().ghl.updated == 1
    assert town.ghl.get(event).description == "Both knees"
    town.ghl.edit(event, description="Hip")
    town.sync()
    assert held(town, "visit_notes") == "Hip"
    quiet(town)


def test_such_a_field_is_booked_along_and_cleared_again(town: Town, ann: tuple[str, str]) -> None:
    mapping(town, notes=NOTES)
    made = make(town, ann[1], visit_notes="Bring the scan")
    town.sync()
    (event,) = town.ghl.events()
    assert event.description == "Bring the scan"
    town.hubspot.edit(made, visit_notes="")
    town.sync()
    assert not town.ghl.get(event.id).description
    quiet(town)


@pytest.mark.parametrize(("rule", "winner"), [("ghl", "Hip"), ("hubspot", "Elbow")])
def test_each_field_has_a_conflict_rule_of_its_own(
    town: Town, ann: tuple[str, str], rule: str, winner: str
) -> None:
    mapping(town, notes=NOTES | {"conflict": rule})
    event = book(town, ann[0], description="Knee", title="Check-up")
    town.sync()
    town.ghl.edit(event, description="Hip")
    town.hubspot.edit(record(town).id, visit_notes="Elbow")
    assert town.sync().conflicts == 1
    assert (town.ghl.get(event).description, held(town, "visit_notes")) == (winner, winner)
    quiet(town)


def test_a_conflict_that_is_held_stops_that_field_only(town: Town, ann: tuple[str, str]) -> None:
    mapping(town, notes=NOTES | {"conflict": "hold"})
    event = book(town, ann[0], description="Knee", title="Check-up")
    town.sync()
    town.ghl.edit(event, description="Hip", title="Follow-up")
    town.hubspot.edit(record(town).id, visit_notes="Elbow")
    report = town.sync()
    assert [hold.reason for hold in report.held] == ["conflict"]
    assert held(town, "hs_appointment_name") == "Follow-up"
    assert held(town, "visit_notes") == "Elbow"


def test_two_equal_records_that_meet_are_left_alone(town: Town, ann: tuple[str, str]) -> None:
    """Nothing but the mark is written."""
    mapping(town, calendar=CALENDAR, notes=NOTES)
    book(town, ann[0], 50, title="Intro", description="Knee", status="confirmed")
    make(
        town,
        ann[1],
        hs_appointment_status="SCHEDULED",
        calendar_name="Team",
        visit_notes="Knee",
        hubspot_owner_id=next(iter(town.hubspot.owners)),
    )
    assert town.plan().planned == []
    report = town.sync()
    assert report.adopted == 1
    assert (report.ghl.updated, report.hubspot.updated, report.hubspot.created) == (0, 0, 0)
    quiet(town)


def test_a_map_that_is_added_later_fills_what_is_there(town: Town, ann: tuple[str, str]) -> None:
    book(town, ann[0])
    town.sync()
    mapping(town, calendar=CALENDAR, link=RECORD)
    report = town.sync()
    assert report.hubspot.updated == 1
    assert held(town, "calendar_name") == "Team"
    assert held(town, "record_page")
    quiet(town)


def test_a_page_that_is_wanted_later_is_written_with_the_mark(
    town: Town, ann: tuple[str, str]
) -> None:
    book(town, ann[0])
    town.sync()
    mapping(town, link=RECORD)
    report = town.sync()
    assert (report.hubspot.updated, bool(held(town, "record_page"))) == (0, True)
    quiet(town)


def test_a_map_that_is_taken_away_leaves_the_pairs_at_rest(
    town: Town, ann: tuple[str, str]
) -> None:
    mapping(town, calendar=CALENDAR)
    book(town, ann[0])
    town.sync()
    mapping(town)
    town.sync()
    town.world.reset_requests()
    report = town.sync(full=False)
    assert report.unchanged
    assert [row.path for row in town.world.writes("hubspot")] == []
    assert "/batch/read" not in " ".join(
        row.path for row in town.world.requests_of("hubspot", "GET")
    )
    assert dict(town.pairs()[0].hubspot.extras) == {}


def test_a_link_that_only_reads_hubspot_writes_no_page_there(
    town: Town, ann: tuple[str, str]
) -> None:
    mapping(town, calendar=CALENDAR)
    town.obey(direction=Direction.HUBSPOT_TO_GHL)
    make(town, ann[1])
    assert town.sync().ghl.created == 1
    assert held(town, "calendar_name") == ""
    quiet(town)


def test_further_fields_cost_no_request(town: Town, ann: tuple[str, str]) -> None:
    def requests(hours: float, *, full: bool) -> int:
        book(town, ann[0], hours)
        town.world.reset_requests()
        town.sync(full=full)
        return len(town.world.requests_of("ghl")) + len(town.world.requests_of("hubspot"))

    book(town, ann[0], 40)
    town.sync()
    plain = [requests(60, full=True), requests(62, full=False)]
    mapping(town, word=STATUS, calendar=CALENDAR, page=PAGE, booked=BOOKED)
    town.sync()
    assert [requests(64, full=True), requests(66, full=False)] == plain
