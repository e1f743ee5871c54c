"""HighLevel contacts: the duplicate rules, the traps of upsert, a search that lags behind."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxClock, SandboxWorld

Call = Callable[..., Any]


@pytest.fixture
def place(world: SandboxWorld) -> dict[str, str]:
    return {"locationId": world.location.id}


def test_a_duplicate_is_refused_and_names_the_one_that_exists(
    ada: str, place: dict[str, str], ghl: Call
) -> None:
    body = ghl("POST", "/contacts/", json=place | {"email": "ADA@example.com"}, expect=400)
    assert body["message"] == "This location does not allow duplicated contacts."
    assert body["meta"]["contactId"] == ada
    assert body["meta"]["matchingField"] == "email"


def test_a_location_may_allow_duplicates(
    world: SandboxWorld, ada: str, place: dict[str, str], ghl: Call
) -> None:
    world.location.allow_duplicate_contacts = True
    created = ghl("POST", "/contacts/", json=place | {"email": "ada@example.com"}, expect=201)
    assert created["contact"]["id"] != ada


def test_a_created_contact_reads_back(place: dict[str, str], ghl: Call) -> None:
    body = place | {"name": "Bo Lind Berg", "email": "Bo@example.com", "phone": "+1 (555) 010-2000"}
    key = ghl("POST", "/contacts/", json=body, expect=201)["contact"]["id"]
    contact = ghl("GET", f"/contacts/{key}")["contact"]
    assert (contact["firstName"], contact["lastName"]) == ("Bo", "Lind Berg")
    assert (contact["email"], contact["emailLowerCase"]) == ("Bo@example.com", "bo@example.com")
    assert contact["phone"] == "+15550102000"


@pytest.mark.parametrize("key", ["additionalEmails", "nickname"])
def test_a_property_that_is_not_writable_is_refused(
    key: str, place: dict[str, str], ghl: Call
) -> None:
    body = ghl("POST", "/contacts/", json=place | {key: ["x"]}, expect=422)
    assert body["message"] == [f"property {key} should not exist"]


def test_an_unknown_contact_is_a_400(ghl: Call) -> None:
    assert ghl("GET", "/contacts/nobody", expect=400)["message"] == "Contact not found"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"email": "Ada@Example.com"}, True),
        ({"number": "+15550101"}, True),
        ({"email": "nobody@example.com"}, False),
        ({"email": "nobody@example.com", "number": "+15550101"}, True),
    ],
)
def test_the_duplicate_look_up_shows_the_contact_or_null(
    query: dict[str, str], found: bool, ada: str, place: dict[str, str], ghl: Call
) -> None:
    contact = ghl("GET", "/contacts/search/duplicate", params=place | query)["contact"]
    assert (contact and contact["id"]) == (ada if found else None)


def test_an_upsert_updates_by_the_first_field_that_matches_and_ignores_the_other(
    world: SandboxWorld, ada: str, place: dict[str, str], ghl: Call
) -> None:
    bo = world.location.add_contact("Bo", "bo@example.com", "+1 555 0102")
    body = place | {"email": "ada@example.com", "phone": "+15550102"}
    answer = ghl("POST", "/contacts/upsert", json=body)
    assert (answer["new"], answer["contact"]["id"]) == (False, ada)
    assert answer["contact"]["phone"] == "+15550101"
    assert answer["succeded"] is answer["succeeded"] is True
    assert world.location.contacts[bo].phone == "+15550102"


def test_an_upsert_replaces_all_tags(
    world: SandboxWorld, ada: str, place: dict[str, str], ghl: Call
) -> None:
    world.location.edit_contact(ada, tags=["vip", "patient"])
    ghl("POST", "/contacts/upsert", json=place | {"email": "ada@example.com", "tags": ["new"]})
    assert world.location.contacts[ada].tags == ["new"]


def test_an_upsert_of_a_secondary_address_loses_the_primary_one(
    world: SandboxWorld, ada: str, place: dict[str, str], ghl: Call
) -> None:
    world.location.edit_contact(ada, additionalEmails=["old@example.com"])
    answer = ghl("POST", "/contacts/upsert", json=place | {"email": "old@example.com"})
    assert answer["contact"]["id"] == ada
    assert answer["contact"]["email"] == "old@example.com"
    assert world.location.contacts.by_email("ada@example.com") == []


def test_an_upsert_makes_what_it_does_not_find(place: dict[str, str], ghl: Call) -> None:
    answer = ghl("POST", "/contacts/upsert", json=place | {"email": "new@example.com"})
    assert answer["new"] is True


def test_a_search_needs_location_and_page_limit(place: dict[str, str], ghl: Call) -> None:
    body = ghl("POST", "/contacts/search", json=place, expect=422)
    assert body["message"] == ["pageLimit should not be empty"]
    ghl("POST", "/contacts/search", json={"pageLimit": 10}, expect=422)
    ghl("POST", "/contacts/search", json=place | {"pageLimit": 501}, expect=422)


def test_a_search_pages_by_search_after(
    world: SandboxWorld, place: dict[str, str], clock: SandboxClock, ghl: Call
) -> None:
    wanted = []
    for number in range(5):
        wanted.append(world.location.add_contact(f"N{number}"))
        clock.advance(timedelta(seconds=number % 2))
    seen: list[str] = []
    body: dict[str, Any] = place | {"pageLimit": 2}
    while rows := ghl("POST", "/contacts/search", json=body)["contacts"]:
        seen += [row["id"] for row in rows]
        body["searchAfter"] = rows[-1]["searchAfter"]
    assert sorted(seen) == sorted(wanted)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ([{"field": "email", "operator": "eq", "value": "ADA@example.com"}], 1),
        ([{"field": "email", "operator": "not_eq", "value": "ada@example.com"}], 1),
        ([{"field": "phone", "operator": "exists"}], 1),
        ([{"field": "dateUpdated", "operator": "range", "value": {"gte": 1}}], 2),
        ([{"field": "dateUpdated", "operator": "range", "value": {"lte": 1}}], 0),
        (
            [
                {
                    "group": "OR",
                    "filters": [
                        {"field": "firstName", "operator": "contains", "value": "ad"},
                        {"field": "firstName", "operator": "contains", "value": "bo"},
                    ],
                }
            ],
            2,
        ),
    ],
)
def test_filters_of_a_search(
    filters: list[dict[str, Any]],
    count: int,
    world: SandboxWorld,
    ada: str,
    place: dict[str, str],
    ghl: Call,
) -> None:
    world.location.add_contact("Bo", "bo@example.com")
    body = place | {"pageLimit": 10, "filters": filters}
    assert ghl("POST", "/contacts/search", json=body)["total"] == count, ada


def test_a_flat_gte_is_refused(place: dict[str, str], ada: str, ghl: Call) -> None:
    flat = [{"field": "dateUpdated", "operator": "gte", "value": 1}]
    ghl("POST", "/contacts/search", json=place | {"pageLimit": 10, "filters": flat}, expect=422)
    assert ada


def test_a_search_lags_behind_and_a_get_does_not(
    make_world: Callable[..., SandboxWorld], clock: SandboxClock, ghl_of: Callable[..., Call]
) -> None:
    world = make_world(contact_search_lag=timedelta(seconds=10))
    ghl = ghl_of(world)
    body = {"locationId": world.location.id, "pageLimit": 10}
    key = world.location.add_contact("Ada", "ada@example.com")
    assert ghl("POST", "/contacts/search", json=body)["contacts"] == []
    assert ghl("GET", f"/contacts/{key}")["contact"]["firstName"] == "Ada"
    clock.advance(timedelta(seconds=10))
    world.location.edit_contact(key, firstName="Adele")
    (row,) = ghl("POST", "/contacts/search", json=body)["contacts"]
    assert row["firstName"] == "Ada"
    clock.advance(timedelta(seconds=10))
    (row,) = ghl("POST", "/contacts/search", json=body)["contacts"]
    assert row["firstName"] == "Adele"


@pytest.mark.parametrize(
    ("version", "flags"), [("2021-07-28", {"succeded"}), ("v3", {"succeded", "succeeded"})]
)
def test_a_deletion_answers_with_the_flags_of_its_version(
    version: str,
    flags: set[str],
    world: SandboxWorld,
    ada: str,
    ghl_of: Callable[..., Call],
) -> None:
    answer = ghl_of(world, Version=version)("DELETE", f"/contacts/{ada}")
    assert set(answer) == flags | {"traceId"}


def test_merging_contacts_re_points_their_appointments(
    world: SandboxWorld, ada: str, team: str, ghl: Call
) -> None:
    twin = world.location.add_contact("Ada W.", "ada.w@example.com")
    row = world.location.book(team, twin, "2026-03-03T09:00:00Z")
    world.location.merge_contacts(ada, twin)
    event = ghl("GET", f"/calendars/events/appointments/{row}")["appointment"]
    assert event["contactId"] == ada
    ghl("GET", f"/contacts/{twin}", expect=400)
