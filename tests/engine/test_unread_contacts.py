"""While nobody can say who the people of a side are, owners stay as they are, and follow later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tampering import Tampering

if TYPE_CHECKING:
    from harness import SyncHarness

OTHERS = {"a": "amy@example.com", "b": "bob@example.com"}


@pytest.fixture
def users(harness: SyncHarness) -> dict[str, str]:
    """HighLevel users who are HubSpot owners, too: id across by id."""
    found = {}
    for user in list(harness.ghl.users.values())[:2]:
        owner = next((o for o in harness.hubspot.owners.values() if o.email == user.email), None)
        found[user.id] = owner.id if owner else harness.hubspot.add_owner(user.name, user.email)
    return found


def refused(harness: SyncHarness) -> None:
    harness.world.faults.add(
        side="ghl",
        status=401,
        path="^/users/",
        times=None,
        body={"message": "The token is not authorized for this scope.", "statusCode": 401},
    )


def silent(harness: SyncHarness) -> None:
    def change(path: str, body: Any) -> Any:
        return {} if "/users/" in path else body

    harness.transport = Tampering(harness, change)


def nobody(harness: SyncHarness) -> None:
    def change(path: str, body: Any) -> Any:
        return {"users": []} if "/users/" in path else body

    harness.transport = Tampering(harness, change)


def readable(harness: SyncHarness) -> None:
    harness.world.faults.clear()
    harness.transport = None


WAYS = pytest.mark.parametrize("hide", [refused, silent, nobody])


def owner_in_hubspot(harness: SyncHarness) -> str:
    (record,) = harness.hubspot.records()
    return str(record.properties.get("hubspot_owner_id") or "")


def booked(harness: SyncHarness, user: str) -> str:
    contact = harness.ghl.add_contact("Ada Winter", "ada@example.com")
    made: str = harness.ghl.book(
        harness.calendars["Team"], contact, harness.at(48), title="Visit", assignee=user
    )
    return made


@WAYS
@pytest.mark.parametrize("full", [True, False])
def test_a_reassignment_in_highlevel_follows_when_it_can_be_understood(
    harness: SyncHarness, users: dict[str, str], hide: Any, full: bool
) -> None:
    one, other = users
    event = booked(harness, one)
    harness.sync()
    assert owner_in_hubspot(harness) == users[one]
    hide(harness)
    harness.ghl.edit(event, assignee=other)
    for _ in range(2):
        harness.later(minutes=5)
        harness.sync(full=full)
        assert owner_in_hubspot(harness) == users[one]
    harness.ghl.edit(event, title="Another title")
    harness.sync(full=full)
    assert harness.hubspot.records()[0].properties["hs_appointment_name"] == "Another title"
    readable(harness)
    harness.sync(full=full)
    assert owner_in_hubspot(harness) == users[other]
    assert harness.sync().written == []


@WAYS
def test_a_new_owner_in_hubspot_follows_when_it_can_be_understood(
    harness: SyncHarness, users: dict[str, str], hide: Any
) -> None:
    one, other = users
    event = booked(harness, one)
    harness.sync()
    hide(harness)
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hubspot_owner_id=users[other])
    for _ in range(2):
        harness.later(minutes=20)
        harness.sync(full=False)
        assert harness.ghl.get(event).assignee == one
    readable(harness)
    harness.later(minutes=20)
    harness.sync(full=False)
    assert harness.ghl.get(event).assignee == other
    assert harness.sync().written == []


@WAYS
@pytest.mark.parametrize("full", [True, False])
def test_what_was_made_without_its_owner_gets_it_later(
    harness: SyncHarness, users: dict[str, str], hide: Any, full: bool
) -> None:
    hide(harness)
    one = next(iter(users))
    event = booked(harness, one)
    assert harness.sync().hubspot.created == 1
    assert owner_in_hubspot(harness) == ""
    harness.later(minutes=5)
    assert harness.sync(full=full).written == []
    readable(harness)
    harness.sync(full=full)
    assert owner_in_hubspot(harness) == users[one]
    assert harness.ghl.get(event).assignee == one
    assert harness.sync().written == []


@WAYS
def test_what_was_booked_without_its_owner_gets_it_later(
    harness: SyncHarness, users: dict[str, str], hide: Any
) -> None:
    hide(harness)
    harness.obey(default_calendar=harness.calendars["Team"])
    other = list(users)[1]
    person = harness.hubspot.add_contact("Ada Winter", "ada@example.com")
    told = {
        "hs_appointment_name": "Visit",
        "hs_appointment_start": harness.at(48),
        "hs_appointment_end": harness.at(48.5),
        "hs_appointment_status": "SCHEDULED",
        "hubspot_owner_id": users[other],
    }
    harness.hubspot.create(told, [person])
    assert harness.sync().ghl.created == 1
    harness.sync()
    assert owner_in_hubspot(harness) == users[other]
    readable(harness)
    harness.sync()
    (event,) = harness.ghl.events()
    assert (event.assignee, owner_in_hubspot(harness)) == (other, users[other])
    assert harness.sync().written == []


def test_that_nobody_is_assigned_any_more_needs_no_list(
    harness: SyncHarness, users: dict[str, str]
) -> None:
    event = booked(harness, next(iter(users)))
    harness.sync()
    refused(harness)
    harness.ghl.edit(event, assignee="")
    harness.sync()
    assert owner_in_hubspot(harness) == ""
