"""Worlds to start from, the log of requests, and that two equal runs are equal."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxClock, SandboxSettings, SandboxWorld, empty, seeded

Call = Callable[..., Any]


def test_the_seeded_clinic_is_believable(clock: SandboxClock) -> None:
    world = seeded(clock)
    rows = world.location.events()
    assert len(rows) == 12
    assert {row.status for row in rows} == {"new", "confirmed", "cancelled", "showed", "noshow"}
    kinds = {row.kind for row in world.location.calendars.values()}
    assert kinds == {"round_robin", "personal", "event"}
    records = world.portal.records()
    assert len(records) == 6
    assert all(len(record.contacts) == 1 for record in records)
    assert not any("ghl_appointment_id" in record.properties for record in records)
    owners = {owner.email for owner in world.portal.owners.values()}
    assert owners == {user.email for user in world.location.users.values()}


def test_some_seeded_records_stand_for_the_same_booking(clock: SandboxClock) -> None:
    world = seeded(clock)
    people = {row.id: row.properties["email"] for row in world.portal.contact_records()}
    theirs = {
        (people[row.contacts[0]], row.properties["hs_appointment_start"][:16])
        for row in world.portal.records()
    }
    ours = {
        (world.location.contacts[row.contact].email, row.start.isoformat()[:16])
        for row in world.location.events()
    }
    assert len(theirs & ours) == 3
    assert len(theirs - ours) == 3


@pytest.mark.parametrize("hour", [0, 12, 23])
@pytest.mark.parametrize("weekday", range(7))
def test_what_the_clinic_books_in_hubspot_is_free_whatever_the_day(
    ghl_of: Callable[..., Call], clock: SandboxClock, weekday: int, hour: int
) -> None:
    clock.advance(timedelta(days=weekday, hours=hour))
    world = seeded(clock)
    zone = world.location.zone
    booked = {row.start for row in world.location.events()}
    starts = {
        datetime.fromisoformat(row.properties["hs_appointment_start"])
        for row in world.portal.records()
    }
    assert {start.astimezone(zone).weekday() for start in booked | starts} <= set(range(5))
    calendar = next(each for each in world.location.calendars.values() if "First" in each.name)
    query = {
        "startDate": int(clock().timestamp() * 1000),
        "endDate": int((clock() + timedelta(days=30)).timestamp() * 1000),
    }
    days = ghl_of(world)("GET", f"/calendars/{calendar.id}/free-slots", params=query)
    offered = {
        datetime.fromisoformat(slot)
        for day in days.values()
        if isinstance(day, dict)
        for slot in day["slots"]
    }
    assert starts - booked <= offered
    assert len(starts - booked) == 3


@pytest.mark.parametrize("kind", ["native", "none", "pipeline"])
def test_any_kind_of_account_can_be_seeded(kind: Any, clock: SandboxClock) -> None:
    world = seeded(clock, SandboxSettings(hubspot_status=kind))
    assert len(world.portal.records()) == 6


def test_an_empty_world_has_staff_and_calendars_and_no_bookings(world: SandboxWorld) -> None:
    assert world.location.events() == []
    assert world.portal.records() == []
    assert len(world.location.users) == len(world.portal.owners) == 3
    kinds = {row.kind for row in world.location.calendars.values()}
    assert kinds == {"round_robin", "personal", "class_booking", "collective", "event"}
    names = world.portal.appointments.definitions
    assert not [name for name in names if name.startswith("ghl_")]


def test_two_equal_runs_are_equal(clock: SandboxClock) -> None:
    one, two = seeded(clock), seeded(clock)
    assert one.location.events() == two.location.events()
    assert one.portal.records() == two.portal.records()


def test_ids_have_the_vendors_shapes_and_never_repeat(world: SandboxWorld) -> None:
    ids = [world.ids.ghl() for _ in range(5000)]
    assert len(set(ids)) == 5000
    assert all(len(key) == 20 and key.isalnum() for key in ids)
    assert world.portal.create({}).isdigit()


def test_records_given_out_are_copies(world: SandboxWorld, team: str, ada: str) -> None:
    row = world.location.book(team, ada, "2026-03-03T09:00:00Z", title="before")
    record = world.portal.create({"hs_appointment_name": "before"})
    mine, theirs = world.location.get(row), world.portal.get(record)
    world.location.edit(row, title="after")
    world.portal.edit(record, hs_appointment_name="after")
    assert mine.title == theirs.properties["hs_appointment_name"] == "before"


def test_a_persons_edits_move_the_stamps(
    world: SandboxWorld, team: str, ada: str, clock: SandboxClock
) -> None:
    row = world.location.book(team, ada, "2026-03-03T09:00:00Z")
    record = world.portal.create({})
    clock.advance(timedelta(minutes=1))
    world.location.move(row, "2026-03-03T10:00:00Z")
    world.portal.edit(record, hs_appointment_name="x")
    assert world.location.get(row).updated == world.portal.get(record).updated == clock()


def test_a_persons_mistakes_are_errors_in_the_test_that_makes_them(
    world: SandboxWorld, team: str, ada: str
) -> None:
    row = world.location.book(team, ada, "2026-03-03T09:00:00Z")
    with pytest.raises(TypeError, match="colour"):
        world.location.edit(row, colour="red")
    with pytest.raises(ValueError, match="time zone"):
        world.location.move(row, world.now().replace(tzinfo=None))
    with pytest.raises(ValueError, match="does not exist"):
        world.portal.create({"hs_colour": "red"})
    with pytest.raises(KeyError):
        world.portal.create({}, ["5"])
    with pytest.raises(KeyError):
        world.location.delete("nobody")


def test_requests_are_logged_with_query_body_and_status(
    world: SandboxWorld, ghl: Call, hubspot: Call
) -> None:
    ghl("GET", "/calendars/", params={"locationId": world.location.id})
    body: dict[str, Any] = {"properties": {}, "associations": []}
    hubspot("POST", "/crm/objects/2026-03/0-421", json=body, expect=201)
    read, write = world.requests
    assert (read.side, read.query, read.status) == (
        "ghl",
        {"locationId": world.location.id},
        200,
    )
    assert (write.side, write.body, write.status) == ("hubspot", body, 201)
    assert world.writes("ghl") == []
    assert world.writes("hubspot") == [write]
    assert world.requests_of("hubspot", "POST") == [write]
    world.reset_requests()
    assert world.requests == []


def test_searches_and_batch_reads_are_no_writes(world: SandboxWorld, hubspot: Call) -> None:
    body = {"inputs": [{"id": "1"}], "properties": [], "propertiesWithHistory": []}
    hubspot("POST", "/crm/objects/2026-03/0-421/batch/read", json=body, expect=207)
    assert world.writes("hubspot") == []


def test_large_worlds_stay_quick(clock: SandboxClock, hubspot_of: Callable[..., Call]) -> None:
    """5,000 records on each side; a quadratic step anywhere would not end in time."""
    world = empty(clock)
    calendar = next(iter(world.location.calendars))
    contact = world.location.add_contact("Ada")
    for number in range(5_000):
        world.location.book(calendar, contact, clock() + timedelta(minutes=number))
        world.portal.create({"hs_appointment_name": str(number)})
    asked = {"limit": "100", "after": str(88_100_004_950)}
    page = hubspot_of(world)("GET", "/crm/objects/2026-03/0-421", params=asked)
    assert len(page["results"]) == 51
    assert len(world.location.events()) == 5_000
