"""Two locations on one HubSpot account: what belongs to one link is invisible to the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from harness import SyncHarness

from syncd.core.outcome import Outcome
from syncd.core.policy import Direction, Route
from syncd.engine.report import CycleReport

if TYPE_CHECKING:
    from collections.abc import Iterable

FILTERS = {"north": {"region": ("north",)}, "south": {"region": ("south",)}}


@pytest.fixture
def towns(harness: SyncHarness) -> tuple[SyncHarness, SyncHarness]:
    """A link for the north and one for the south, over one portal and one store."""
    harness.hubspot.add_property("region")
    other = harness.world.add_location(name="South")
    calendar = other.add_calendar("Desk", team=[other.add_user("Sid", "sid@example.com")])
    north = replace(harness, name="north")
    north.obey(filter=FILTERS["north"])
    south = replace(north, name="south", location=other, calendars={"Desk": calendar})
    south.obey(filter=FILTERS["south"], location_id=other.id, default_calendar=calendar)
    return north, south


def person(where: SyncHarness, name: str, *, hubspot: bool = True) -> tuple[str, str]:
    """Somebody whom this location knows, as (HighLevel contact, HubSpot contact)."""
    mail = f"{name.casefold()}@example.com"
    here = where.ghl.add_contact(name, mail)
    return here, where.hubspot.add_contact(name, mail) if hubspot else ""


def book(where: SyncHarness, contact: str, hours: float, **more: Any) -> str:
    return str(
        where.ghl.book(next(iter(where.calendars.values())), contact, where.at(hours), **more)
    )


def make(where: SyncHarness, contact: str, hours: float, **properties: Any) -> str:
    times = {"hs_appointment_start": where.at(hours), "hs_appointment_end": where.at(hours + 0.5)}
    return str(
        where.hubspot.create(
            {"hs_appointment_name": "Intro"} | times | properties, contacts=[contact]
        )
    )


def both(towns: Iterable[SyncHarness], *, full: bool = True) -> list[CycleReport]:
    reports = [each.sync(full=full) for each in towns]
    assert [each.outcome for each in reports] == [Outcome.OK] * 2, reports
    return reports


def at_rest(towns: tuple[SyncHarness, SyncHarness]) -> None:
    """Another cycle of each link, full and incremental, writes nothing and holds nothing."""
    north = towns[0]
    north.world.reset_requests()
    for full in (True, False):
        for report in both(towns, full=full):
            assert (report.held, report.written) == ([], [])
    assert north.world.writes("ghl") == []
    assert [row.path for row in north.world.writes("hubspot")] == []


def test_each_location_s_bookings_arrive_once_under_its_own_name(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    north, south = towns
    ann, sue = person(north, "Ann"), person(south, "Sue")
    events = {north.ghl.id: book(north, ann[0], 48), south.ghl.id: book(south, sue[0], 49)}
    assert [report.hubspot.created for report in both(towns)] == [1, 1]
    carried = {
        record.properties["ghl_location_id"]: record.properties["ghl_appointment_id"]
        for record in north.hubspot.records()
    }
    assert carried == events
    at_rest(towns)


def test_a_person_whom_both_know_at_the_same_hour_is_two_appointments(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    """The same contact and the same start pair nothing across locations."""
    north, south = towns
    ann = person(north, "Ann")
    here = person(south, "Ann", hubspot=False)
    book(north, ann[0], 48)
    book(south, here[0], 48)
    assert [report.hubspot.created for report in both(towns)] == [1, 1]
    assert len(north.hubspot.records()) == 2
    at_rest(towns)


def test_a_record_goes_to_the_location_that_its_filter_names_and_nowhere_else(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    north, south = towns
    person(south, "Ann", hubspot=False)
    contact = person(north, "Ann")[1]
    record = make(north, contact, 50, region="south")
    assert [report.ghl.created for report in both(towns)] == [0, 1]
    assert north.ghl.events() == []
    assert len(south.ghl.events()) == 1
    assert north.hubspot.get(record).properties["ghl_location_id"] == south.ghl.id
    at_rest(towns)


def test_a_record_that_no_filter_names_is_nobody_s(towns: tuple[SyncHarness, SyncHarness]) -> None:
    north, south = towns
    contact = person(north, "Ann")[1]
    make(north, contact, 50, region="west")
    make(north, contact, 52)
    both(towns)
    assert (north.ghl.events(), south.ghl.events()) == ([], [])
    at_rest(towns)


def test_the_location_counts_whatever_the_filter_says(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    """A record that carries its location does not change hands when its property changes."""
    north, south = towns
    event = book(north, person(north, "Ann")[0], 48)
    person(south, "Ann", hubspot=False)
    both(towns)
    (record,) = north.hubspot.records()
    north.hubspot.edit(record.id, region="south", hs_appointment_name="Moved")
    reports = both(towns)
    assert reports[0].ghl.updated == 1
    assert north.ghl.get(event).title == "Moved"
    assert south.ghl.events() == []
    at_rest(towns)


def test_a_removal_in_one_location_removes_nothing_of_the_other(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    north, south = towns
    gone = book(north, person(north, "Ann")[0], 48)
    kept = book(south, person(south, "Sue")[0], 48)
    both(towns)
    north.ghl.delete(gone)
    reports = both(towns)
    assert [report.hubspot.removed for report in reports] == [1, 0]
    (record,) = north.hubspot.records()
    assert record.properties["ghl_appointment_id"] == kept
    at_rest(towns)


def test_an_archived_record_cancels_in_its_own_location_only(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    north, south = towns
    event = book(north, person(north, "Ann")[0], 48)
    other = book(south, person(south, "Sue")[0], 48)
    both(towns)
    mine = next(
        each for each in north.hubspot.records() if each.properties["ghl_appointment_id"] == event
    )
    north.hubspot.archive(mine.id)
    both(towns)
    assert north.ghl.get(event).status == "cancelled"
    assert south.ghl.get(other).status == "confirmed"
    at_rest(towns)


def test_a_store_that_was_lost_makes_nothing_twice(towns: tuple[SyncHarness, SyncHarness]) -> None:
    north, south = towns
    book(north, person(north, "Ann")[0], 48)
    book(south, person(south, "Ann", hubspot=False)[0], 48)
    make(north, person(north, "Bea")[1], 50, region="north")
    both(towns)
    fresh = tuple(replace(each, name=f"{each.name}_again") for each in towns)
    reports = both(fresh)
    assert [report.adopted for report in reports] == [2, 1]
    assert len(north.hubspot.records()) == 3
    assert (len(north.ghl.events()), len(south.ghl.events())) == (2, 1)
    at_rest((fresh[0], fresh[1]))


def test_links_that_only_write_to_hubspot_need_no_filter(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    north, south = towns
    for each in towns:
        each.obey(filter={}, direction=Direction.GHL_TO_HUBSPOT)
    book(north, person(north, "Ann")[0], 48)
    book(south, person(south, "Ann", hubspot=False)[0], 48)
    make(north, north.hubspot.contact_records()[0].id, 60)
    assert [report.hubspot.created for report in both(towns)] == [1, 1]
    assert len(north.hubspot.records()) == 3
    at_rest(towns)


def test_routes_of_one_location_take_nothing_of_the_other(
    towns: tuple[SyncHarness, SyncHarness],
) -> None:
    north, south = towns
    route = Route(property="region", value="south", calendar=next(iter(north.calendars.values())))
    north.obey(routes=(route,))
    person(south, "Ann", hubspot=False)
    make(north, person(north, "Ann")[1], 50, region="south")
    both(towns)
    assert (len(north.ghl.events()), len(south.ghl.events())) == (0, 1)
    at_rest(towns)
