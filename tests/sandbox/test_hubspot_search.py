"""HubSpot's search: operators, limits, an index that lags behind."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxClock, SandboxWorld

Call = Callable[..., Any]
SEARCH = "/crm/objects/2026-03/0-421/search"
CONTACTS = "/crm/objects/2026-03/0-1/search"
NOON_MS = 1772452800000


def body(*filters: dict[str, Any], **more: Any) -> dict[str, Any]:
    groups = [{"filters": list(filters)}] if filters else []
    asked = {"after": "0", "filterGroups": groups, "limit": 200, "properties": [], "sorts": []}
    return asked | more


def where(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    found = {"propertyName": name, "operator": operator} | more
    return found if value is None else found | {"value": value}


@pytest.fixture
def found(hubspot: Call) -> Callable[..., list[str]]:
    """The names of the appointments that filters find, in order."""

    def act(*filters: dict[str, Any], **more: Any) -> list[str]:
        asked = body(*filters, **({"properties": ["hs_appointment_name"]} | more))
        rows = hubspot("POST", SEARCH, json=asked)["results"]
        return [row["properties"]["hs_appointment_name"] for row in rows]

    return act


@pytest.fixture
def three(world: SandboxWorld, clock: SandboxClock) -> list[str]:
    """`Alpha`, `Beta` and `Gamma`, made a minute apart."""
    made = []
    for number, name in enumerate(("Alpha", "Beta", "Gamma")):
        values: dict[str, Any] = {
            "hs_appointment_name": name,
            "hs_appointment_start": clock() + timedelta(days=number),
        }
        if number < 2:
            values["hs_appointment_status"] = ("SCHEDULED", "CANCELLED")[number]
        made.append(world.portal.create(values))
        clock.advance(timedelta(minutes=1))
    return made


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([], ["Alpha", "Beta", "Gamma"]),
        ([where("hs_appointment_name", "EQ", "beta")], ["Beta"]),
        ([where("hs_appointment_name", "NEQ", "Beta")], ["Alpha", "Gamma"]),
        ([where("hs_appointment_name", "IN", values=["alpha", "gamma"])], ["Alpha", "Gamma"]),
        ([where("hs_appointment_name", "IN", values=["Alpha"])], []),
        ([where("hs_appointment_name", "NOT_IN", values=["alpha"])], ["Beta", "Gamma"]),
        ([where("hs_appointment_name", "CONTAINS_TOKEN", "*lph*")], ["Alpha"]),
        ([where("hs_appointment_status", "EQ", "SCHEDULED")], ["Alpha"]),
        ([where("hs_appointment_status", "EQ", "scheduled")], []),
        ([where("hs_appointment_status", "HAS_PROPERTY")], ["Alpha", "Beta"]),
        ([where("hs_appointment_status", "NOT_HAS_PROPERTY")], ["Gamma"]),
        ([where("hs_lastmodifieddate", "GT", str(NOON_MS))], ["Beta", "Gamma"]),
        ([where("hs_lastmodifieddate", "GTE", str(NOON_MS + 60_000))], ["Beta", "Gamma"]),
        ([where("hs_lastmodifieddate", "LT", str(NOON_MS + 60_000))], ["Alpha"]),
        ([where("hs_lastmodifieddate", "LTE", "2026-03-02T12:01:00.000Z")], ["Alpha", "Beta"]),
        (
            [
                where(
                    "hs_lastmodifieddate",
                    "BETWEEN",
                    str(NOON_MS + 1),
                    highValue=str(NOON_MS + 60_000),
                )
            ],
            ["Beta"],
        ),
        (
            [
                where("hs_lastmodifieddate", "GTE", str(NOON_MS)),
                where("hs_appointment_name", "EQ", "gamma"),
            ],
            ["Gamma"],
        ),
        ([where("hs_object_id", "GT", "88100000001")], ["Beta", "Gamma"]),
    ],
)
def test_filters(
    filters: list[dict[str, Any]],
    names: list[str],
    three: list[str],
    found: Callable[..., list[str]],
) -> None:
    assert found(*filters) == names, three


def test_groups_are_alternatives(three: list[str], found: Callable[..., list[str]]) -> None:
    groups = [
        {"filters": [where("hs_appointment_name", "EQ", name)]} for name in ("alpha", "gamma")
    ]
    assert found(filterGroups=groups) == ["Alpha", "Gamma"], three


def test_one_sort_rule_in_either_direction(
    three: list[str], found: Callable[..., list[str]], hubspot: Call
) -> None:
    rule = {"propertyName": "hs_object_id", "direction": "DESCENDING"}
    assert found(sorts=[rule]) == ["Gamma", "Beta", "Alpha"]
    by_start = {"propertyName": "hs_appointment_start", "direction": "ASCENDING"}
    assert found(sorts=[by_start]) == ["Alpha", "Beta", "Gamma"]
    hubspot("POST", SEARCH, json=body(sorts=[rule, by_start]), expect=400)
    assert three


def test_a_write_moves_a_record_within_the_window_of_its_stamp(
    world: SandboxWorld, three: list[str], found: Callable[..., list[str]]
) -> None:
    world.portal.edit(three[0], hs_appointment_name="Alpha 2")
    assert found(where("hs_lastmodifieddate", "GT", str(NOON_MS + 120_000))) == ["Alpha 2"]
    assert found(where("hs_lastmodifieddate", "LT", str(NOON_MS + 60_000))) == []


def test_pages_are_offsets_and_the_total_is_of_all(three: list[str], hubspot: Call) -> None:
    first = hubspot("POST", SEARCH, json=body(limit=2))
    assert (first["total"], len(first["results"])) == (3, 2)
    after = first["paging"]["next"]["after"]
    assert after == "2"
    last = hubspot("POST", SEARCH, json=body(limit=2, after=after))
    assert [row["id"] for row in last["results"]] == three[2:]
    assert "paging" not in last


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 201},
        {"limit": 0.5},
        {"after": "x"},
        {"after": "9801"},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [where("hs_object_id", "GT", "1")] * 7}]},
        {"filterGroups": [{"filters": [where("hs_object_id", "GT", "1")] * 5}] * 4},
        {"filterGroups": [{"filters": [where("nothing", "EQ", "1")]}]},
        {"filterGroups": [{"filters": [where("hs_object_id", "LIKE", "1")]}]},
        {"query": "x" * 3000},
    ],
)
def test_what_a_search_refuses(more: dict[str, Any], hubspot: Call) -> None:
    hubspot("POST", SEARCH, json=body(**more), expect=400)


def test_ten_rows_are_the_default_on_older_paths(world: SandboxWorld, hubspot: Call) -> None:
    for number in range(11):
        world.portal.create({"hs_appointment_name": str(number)})
    answer = hubspot("POST", "/crm/v3/objects/0-421/search", json={})
    assert len(answer["results"]) == 10


def test_archived_records_never_appear(
    world: SandboxWorld, three: list[str], found: Callable[..., list[str]]
) -> None:
    world.portal.archive(three[1])
    assert found() == ["Alpha", "Gamma"]


def test_the_index_shows_what_was_a_while_ago(
    make_world: Callable[..., SandboxWorld],
    clock: SandboxClock,
    hubspot_of: Callable[..., Call],
) -> None:
    world = make_world(search_lag=timedelta(seconds=10))
    call = hubspot_of(world)

    def names() -> list[str]:
        asked = body(
            where("hs_lastmodifieddate", "GTE", str(NOON_MS)), properties=["hs_appointment_name"]
        )
        rows = call("POST", SEARCH, json=asked)["results"]
        return [row["properties"]["hs_appointment_name"] for row in rows]

    record = world.portal.create({"hs_appointment_name": "first"})
    path = f"/crm/objects/2026-03/0-421/{record}"
    assert names() == []
    assert call("GET", path)["id"] == record
    clock.advance(timedelta(seconds=9))
    assert names() == []
    clock.advance(timedelta(seconds=1))
    assert names() == ["first"]
    world.portal.edit(record, hs_appointment_name="second")
    clock.advance(timedelta(seconds=5))
    world.portal.edit(record, hs_appointment_name="third")
    assert names() == ["first"]
    clock.advance(timedelta(seconds=5))
    assert names() == ["second"]
    clock.advance(timedelta(seconds=5))
    assert names() == ["third"]


def test_an_associations_filter_finds_by_contact(
    world: SandboxWorld, three: list[str], person: str, found: Callable[..., list[str]]
) -> None:
    world.portal.associate(three[1], person)
    assert found(where("associations.contact", "EQ", person)) == ["Beta"]
    assert found(where("associations.contact", "NOT_HAS_PROPERTY")) == ["Alpha", "Gamma"]


@pytest.mark.parametrize(("name", "count"), [("lastmodifieddate", 1), ("hs_lastmodifieddate", 0)])
def test_contacts_have_another_name_for_their_stamp_and_the_wrong_one_finds_nothing(
    name: str, count: int, person: str, hubspot: Call
) -> None:
    answer = hubspot("POST", CONTACTS, json=body(where(name, "GTE", "1")))
    assert answer["total"] == count, person


@pytest.mark.parametrize(
    ("phone", "searchable"),
    [
        ("+1 555 0101", "5550101"),
        ("+41 44 668 18 00", "446681800"),
        ("+353 1 234 5678", "12345678"),
        ("044 668 18 00", "446681800"),
    ],
)
def test_phones_are_found_without_their_country_code(
    phone: str, searchable: str, world: SandboxWorld, hubspot: Call
) -> None:
    contact = world.portal.add_contact("Bo", "bo@example.com", phone)
    asked = body(where("hs_searchable_calculated_phone_number", "EQ", searchable))
    assert [row["id"] for row in hubspot("POST", CONTACTS, json=asked)["results"]] == [contact]


def test_a_query_looks_into_secondary_addresses(world: SandboxWorld, hubspot: Call) -> None:
    contact = world.portal.add_contact(
        "Bo", "bo@example.com", hs_additional_emails="old@example.com;older@example.com"
    )
    rows = hubspot("POST", CONTACTS, json=body(query="older@example.com"))["results"]
    assert [row["id"] for row in rows] == [contact]


def test_ten_thousand_rows_are_the_end(world: SandboxWorld, hubspot: Call) -> None:
    for number in range(10_001):
        world.portal.create({"hs_appointment_name": str(number)})
    answer = hubspot("POST", SEARCH, json=body(after="9800"))
    assert (answer["total"], len(answer["results"])) == (10_001, 200)
    hubspot("POST", SEARCH, json=body(after="10000"), expect=400)


def test_a_repeated_search_shows_what_changed_in_between(
    world: SandboxWorld, found: Callable[..., list[str]], three: list[str]
) -> None:
    behind = where("hs_object_id", "GT", three[0])
    assert found(behind, sorts=["hs_object_id"]) == ["Beta", "Gamma"]
    world.portal.edit(three[1], hs_appointment_name="Delta")
    world.portal.create({"hs_appointment_name": "Epsilon"})
    assert found(behind, sorts=["hs_object_id"]) == ["Delta", "Gamma", "Epsilon"]
    world.portal.archive(three[2])
    assert found(behind, sorts=["hs_object_id"]) == ["Delta", "Epsilon"]
    world.portal.restore(three[2])
    assert found(where("hs_object_id", "GT", three[1])) == ["Gamma", "Epsilon"]


def test_a_repeated_search_shows_what_the_index_has_caught_up_with(
    make_world: Callable[..., SandboxWorld],
    hubspot_of: Callable[..., Call],
    clock: SandboxClock,
) -> None:
    world = make_world(search_lag=timedelta(seconds=10))
    world.portal.create({"hs_appointment_name": "Alpha"})
    ask = hubspot_of(world)
    assert ask("POST", SEARCH, json=body())["total"] == 0
    clock.advance(timedelta(seconds=11))
    assert ask("POST", SEARCH, json=body())["total"] == 1


def test_groups_that_lie_behind_different_ids_are_kept_apart(
    hubspot: Call, three: list[str]
) -> None:
    groups = [
        {"filters": [where("hs_object_id", "GT", three[1])]},
        {"filters": [where("hs_appointment_name", "EQ", "alpha")]},
    ]
    asked = body(filterGroups=groups, sorts=["hs_object_id"])
    assert [row["id"] for row in hubspot("POST", SEARCH, json=asked)["results"]] == [
        three[0],
        three[2],
    ]
    for group in groups:
        group["filters"].append(where("hs_object_id", "GT", three[0]))
    groups[0]["filters"].pop(0)
    assert [row["id"] for row in hubspot("POST", SEARCH, json=asked)["results"]] == three[1:]
