"""While nobody can say who the people of a side are, owners stay as they are, and follow later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from meddling import Meddling

if TYPE_CHECKING:
    from towns import Town

OTHERS = {"a": "amy@example.com", "b": "bob@example.com"}


@pytest.fixture
def users(town: Town) -> dict[str, str]:
    """HighLevel users who are HubSpot owners, too: id across by id."""
    found = {}
    for user in list(town.ghl.users.values())[:2]:
        owner = next((o for o in town.hubspot.owners.values() if o.email == user.email), None)
        found[user.id] = owner.id if owner else town.hubspot.add_owner(user.name, user.email)
    return found


def refused(town: Town) -> None:
    town.world.faults.add(
        side="ghl",
        status=401,
        path="^/users/",
        times=None,
        body={"message": "The token is not authorized for this scope.", "statusCode": 401},
    )


def silent(town: Town) -> None:
    def change(path: str, body: Any) -> Any:
        return {} if "/users/" in path else body

    town.transport = Meddling(town, change)


def nobody(town: Town) -> None:
    def change(path: str, body: Any) -> Any:
        return {"users": []} if "/users/" in path else body

    town.transport = Meddling(town, change)


def readable(town: Town) -> None:
    town.world.faults.clear()
    town.transport = None


WAYS = pytest.mark.parametrize("hide", [refused, silent, nobody])


def owner_in_hubspot(town: Town) -> str:
    (record,) = town.hubspot.records()
    return str(record.properties.get("hubspot_owner_id") or "")


def booked(town: Town, user: str) -> str:
    contact = town.ghl.add_contact("Ada Winter", "ada@example.com")
    made: str = town.ghl.book(
        town.calendars["Team"], contact, town.at(48), title="Visit", assignee=user
    )
    return made


@WAYS
@pytest.mark.parametrize("full", [True, False])
def test_a_reassignment_in_highlevel_follows_when_it_can_be_understood(
    town: Town, users: dict[str, str], hide: Any, full: bool
) -> None:
    one, other = users
    event = booked(town, one)
    town.sync()
    assert owner_in_hubspot(town) == users[one]
    hide(town)
    town.ghl.edit(event, assignee=other)
    for _ in range(2):
        town.later(minutes=5)
        town.sync(full=full)
        assert owner_in_hubspot(town) == users[one]
    town.ghl.edit(event, title="Another title")
    town.sync(full=full)
    assert town.hubspot.records()[0].properties["hs_appointment_name"] == "Another title"
    readable(town)
    town.sync(full=full)
    assert owner_in_hubspot(town) == users[other]
    assert town.sync().written == []


@WAYS
def test_a_new_owner_in_hubspot_follows_when_it_can_be_understood(
    town: Town, users: dict[str, str], hide: Any
) -> None:
    one, other = users
    event = booked(town, one)
    town.sync()
    hide(town)
    (record,) = town.hubspot.records()
    town.hubspot.edit(record.id, hubspot_owner_id=users[other])
    for _ in range(2):
        town.later(minutes=20)
        town.sync(full=False)
        assert town.ghl.get(event).assignee == one
    readable(town)
    town.later(minutes=20)
    town.sync(full=False)
    assert town.ghl.get(event).assignee == other
    assert town.sync().written == []


@WAYS
@pytest.mark.parametrize("full", [True, False])
def test_what_was_made_without_its_owner_gets_it_later(
    town: Town, users: dict[str, str], hide: Any, full: bool
) -> None:
    hide(town)
    one = next(iter(users))
    event = booked(town, one)
    assert town.sync().hubspot.created == 1
    assert owner_in_hubspot(town) == ""
    town.later(minutes=5)
    assert town.sync(full=full).written == []
    readable(town)
    town.sync(full=full)
    assert owner_in_hubspot(town) == users[one]
    assert town.ghl.get(event).assignee == one
    assert town.sync().written == []


@WAYS
def test_what_was_booked_without_its_owner_gets_it_later(
    town: Town, users: dict[str, str], hide: Any
) -> None:
    hide(town)
    town.obey(default_calendar=town.calendars["Team"])
    other = list(users)[1]
    person = town.hubspot.add_contact("Ada Winter", "ada@example.com")
    told = {
        "hs_appointment_name": "Visit",
        "hs_appointment_start": town.at(48),
        "hs_appointment_end": town.at(48.5),
        "hs_appointment_status": "SCHEDULED",
        "hubspot_owner_id": users[other],
    }
    town.hubspot.create(told, [person])
    assert town.sync().ghl.created == 1
    town.sync()
    assert owner_in_hubspot(town) == users[other]
    readable(town)
    town.sync()
    (event,) = town.ghl.events()
    assert (event.assignee, owner_in_hubspot(town)) == (other, users[other])
    assert town.sync().written == []


def test_that_nobody_is_assigned_any_more_needs_no_list(town: Town, users: dict[str, str]) -> None:
    event = booked(town, next(iter(users)))
    town.sync()
    refused(town)
    town.ghl.edit(event, assignee="")
    town.sync()
    assert owner_in_hubspot(town) == ""
