"""HighLevel calendars, users and the location."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxClock, SandboxWorld

Call = Callable[..., Any]


@pytest.fixture
def listed(world: SandboxWorld, ghl: Call) -> Callable[..., dict[str, Any]]:
    """The calendars of the location by id."""

    def act(**query: str) -> dict[str, Any]:
        rows = ghl("GET", "/calendars/", params={"locationId": world.location.id} | query)
        return {row["id"]: row for row in rows["calendars"]}

    return act


def test_a_calendar_tells_kind_team_and_slot(
    listed: Callable[..., dict[str, Any]], team: str, users: list[str]
) -> None:
    row = listed()[team]
    assert (row["calendarType"], row["isActive"]) == ("round_robin", True)
    assert (row["slotDuration"], row["slotDurationUnit"]) == (30, "mins")
    assert [member["userId"] for member in row["teamMembers"]] == users[:2]
    assert [member["isPrimary"] for member in row["teamMembers"]] == [True, False]
    assert "timezone" not in row
    assert row["appoinmentPerSlot"] == row["appointmentPerSlot"] == 1


def test_an_event_calendar_has_no_team_and_hours_that_are_an_object(
    listed: Callable[..., dict[str, Any]], event_calendar: str
) -> None:
    row = listed()[event_calendar]
    assert "teamMembers" not in row
    assert row["openHours"] == {}


def test_drafts_are_listed_unless_told_otherwise(
    world: SandboxWorld, listed: Callable[..., dict[str, Any]], team: str
) -> None:
    world.location.deactivate_calendar(team)
    assert listed()[team]["isActive"] is False
    assert team not in listed(showDrafted="false")


def test_a_deleted_calendar_is_gone_with_its_appointments_and_may_come_back(
    world: SandboxWorld,
    listed: Callable[..., dict[str, Any]],
    clock: SandboxClock,
    team: str,
    ada: str,
    ghl: Call,
) -> None:
    row = world.location.book(team, ada, clock())
    early = world.location.book(team, ada, clock())
    world.location.delete(early)
    clock.advance(timedelta(hours=1))
    world.location.delete_calendar(team)
    assert team not in listed()
    assert ghl("GET", f"/calendars/{team}", expect=400)["message"] == "The calendar is not found"
    assert world.location.get(row).deleted
    world.location.restore_calendar(team)
    assert team in listed()
    assert not world.location.get(row).deleted
    assert world.location.get(early).deleted


def test_a_new_user_may_bring_a_personal_calendar(
    world: SandboxWorld, listed: Callable[..., dict[str, Any]]
) -> None:
    before = set(listed())
    user = world.location.add_user("Noa", "noa@example.com", personal_calendar=True)
    (new,) = set(listed()) - before
    assert listed()[new]["teamMembers"][0]["userId"] == user


def test_groups_select_calendars_and_events(
    world: SandboxWorld, ada: str, listed: Callable[..., dict[str, Any]], ghl: Call
) -> None:
    group = world.location.add_group("Dentists")
    calendar = world.location.add_calendar("Chair 1", team=[], group=group)
    row = world.location.book(calendar, ada, "2026-03-03T09:00:00Z")
    assert list(listed(groupId=group)) == [calendar]
    place = {"locationId": world.location.id}
    assert [g["id"] for g in ghl("GET", "/calendars/groups", params=place)["groups"]] == [group]
    span = {"startTime": "0", "endTime": "9999999999999", "groupId": group}
    (event,) = ghl("GET", "/calendars/events", params=place | span)["events"]
    assert (event["id"], event["groupId"]) == (row, group)


def test_users_are_listed_by_location_without_pages(
    world: SandboxWorld, users: list[str], ghl: Call
) -> None:
    body = ghl("GET", "/users/", params={"locationId": world.location.id})
    assert [row["id"] for row in body["users"]] == users
    assert body["users"][0]["roles"]["locationIds"] == [world.location.id]
    assert "count" not in body
    assert ghl("GET", f"/users/{users[0]}")["email"] == "dana.keller@example.com"


def test_a_user_search_needs_the_company_which_the_location_tells(
    world: SandboxWorld, users: list[str], ghl: Call
) -> None:
    ghl("GET", "/users/search", params={"locationId": world.location.id}, expect=422)
    company = ghl("GET", f"/locations/{world.location.id}")["location"]["companyId"]
    body = ghl("GET", "/users/search", params={"companyId": company, "query": "dana"})
    assert ([row["id"] for row in body["users"]], body["count"]) == (users[:1], 1)


def test_the_location_tells_zone_country_and_how_contacts_are_matched(
    world: SandboxWorld, ghl: Call
) -> None:
    place = ghl("GET", f"/locations/{world.location.id}")["location"]
    assert (place["timezone"], place["country"]) == ("Europe/Zurich", "CH")
    assert place["settings"]["contactUniqueIdentifiers"] == ["email", "phone"]


def test_the_zone_of_a_location_may_change(
    world: SandboxWorld, team: str, ada: str, ghl: Call
) -> None:
    row = world.location.book(team, ada, "2026-03-03T09:00:00Z")
    world.location.timezone = "Australia/Sydney"
    event = ghl("GET", f"/calendars/events/appointments/{row}")["appointment"]
    assert event["startTime"] == "2026-03-03T20:00:00+11:00"
