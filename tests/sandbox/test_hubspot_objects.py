"""HubSpot records one by one: values, reads, history, archive, merge."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxClock, SandboxWorld

Call = Callable[..., Any]
OBJECTS = "/crm/objects/2026-03/0-421"
CONTACTS = "/crm/objects/2026-03/0-1"


def link(contact: str, kind: int = 906) -> dict[str, Any]:
    kinds = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}]
    return {"to": {"id": contact}, "types": kinds}


@pytest.fixture
def record(world: SandboxWorld, person: str, tomorrow: datetime) -> str:
    return world.portal.create(
        {
            "hs_appointment_name": "Check-up",
            "hs_appointment_start": tomorrow,
            "hs_appointment_end": tomorrow + timedelta(minutes=30),
            "hs_appointment_status": "SCHEDULED",
        },
        [person],
    )


# Values.


def test_a_create_answers_201_and_links_its_contacts(
    world: SandboxWorld, person: str, hubspot: Call
) -> None:
    body = {"properties": {"hs_appointment_name": "New"}, "associations": [link(person)]}
    answer = hubspot("POST", OBJECTS, json=body, expect=201)
    assert answer["properties"]["hs_appointment_name"] == "New"
    assert answer["properties"]["hs_object_id"] == answer["id"]
    assert answer["archived"] is False
    assert world.portal.get(answer["id"]).contacts == [person]


@pytest.mark.parametrize(("kind", "status"), [(906, 201), (578, 400), (907, 400), (966, 400)])
def test_only_the_right_association_type_is_taken(
    kind: int, status: int, person: str, hubspot: Call
) -> None:
    body = {"properties": {}, "associations": [link(person, kind)]}
    hubspot("POST", OBJECTS, json=body, expect=status)


def test_a_create_with_an_unknown_contact_makes_nothing(world: SandboxWorld, hubspot: Call) -> None:
    body = {"properties": {"hs_appointment_name": "x"}, "associations": [link("5")]}
    hubspot("POST", OBJECTS, json=body, expect=404)
    assert world.portal.records() == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("hs_appointment_colour", "red", "PROPERTY_DOESNT_EXIST"),
        ("hs_appointment_status", "scheduled", "INVALID_OPTION"),
        ("hs_appointment_status", "RESCHEDULED", "INVALID_OPTION"),
        ("hs_appointment_start", "tomorrow", "INVALID_DATE"),
        ("hs_appointment_start", "2026-03-03T12:00:00", "INVALID_DATE"),
        ("hubspot_owner_id", "999", "INVALID_OWNER_ID"),
        ("hs_object_id", "1", "READ_ONLY_VALUE"),
        ("hs_lastmodifieddate", "1", "READ_ONLY_VALUE"),
        ("hs_pipeline_stage", "no such stage", "INVALID_OPTION"),
    ],
)
def test_a_bad_value_is_told_in_errors_and_inside_the_message(
    name: str, value: str, code: str, world: SandboxWorld, record: str, hubspot: Call
) -> None:
    before = world.portal.get(record)
    body = hubspot("PATCH", f"{OBJECTS}/{record}", json={"properties": {name: value}}, expect=400)
    assert body["category"] == "VALIDATION_ERROR"
    assert body["errors"][0]["code"] == code
    assert f'"error": "{code}"' in body["message"]
    assert f'"name": "{name}"' in body["message"]
    assert world.portal.get(record) == before


@pytest.mark.parametrize("value", [5, 1.5, True, None, ["x"]])
def test_values_are_texts_only(value: object, record: str, hubspot: Call) -> None:
    body = {"properties": {"hs_appointment_name": value}}
    hubspot("PATCH", f"{OBJECTS}/{record}", json=body, expect=400)


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-03T12:00:00Z",
        "2026-03-03T12:00:00.000Z",
        "2026-03-03T13:00:00+01:00",
        "1772539200000",
    ],
)
def test_an_instant_is_taken_in_any_notation_and_shown_in_one(
    value: str, record: str, hubspot: Call
) -> None:
    body = {"properties": {"hs_appointment_start": value}}
    answer = hubspot("PATCH", f"{OBJECTS}/{record}", json=body)
    assert answer["properties"]["hs_appointment_start"] == "2026-03-03T12:00:00.000Z"


def test_an_empty_text_clears(record: str, hubspot: Call) -> None:
    body = {"properties": {"hs_appointment_name": ""}}
    hubspot("PATCH", f"{OBJECTS}/{record}", json=body)
    shown = hubspot("GET", f"{OBJECTS}/{record}", params={"properties": "hs_appointment_name"})
    assert shown["properties"]["hs_appointment_name"] is None


@pytest.mark.parametrize(
    ("settings", "status", "value"),
    [
        ({"hubspot_status": "native"}, 200, "CANCELLED"),
        ({"hubspot_status": "native"}, 400, "CANCELED"),
        ({"cancelled_spelling": "CANCELED"}, 200, "CANCELED"),
        ({"status_values": ("SCHEDULED", "CANCELLED")}, 400, "NO_SHOW"),
        ({"hubspot_status": "none"}, 400, "CANCELLED"),
        ({"hubspot_status": "pipeline"}, 400, "CANCELLED"),
    ],
)
def test_accounts_differ_in_what_a_status_may_be(
    settings: dict[str, Any],
    status: int,
    value: str,
    make_world: Callable[..., SandboxWorld],
    hubspot_of: Callable[..., Call],
) -> None:
    world = make_world(**settings)
    record = world.portal.create({"hs_appointment_name": "x"})
    body = {"properties": {"hs_appointment_status": value}}
    hubspot_of(world)("PATCH", f"{OBJECTS}/{record}", json=body, expect=status)


def test_an_account_that_works_by_stages_gives_the_first_one(
    make_world: Callable[..., SandboxWorld], hubspot_of: Callable[..., Call]
) -> None:
    world = make_world(hubspot_status="pipeline")
    record = world.portal.create({"hs_appointment_name": "x"})
    (pipeline,) = hubspot_of(world)("GET", "/crm/pipelines/2026-03/0-421")["results"]
    first, second = (stage["id"] for stage in pipeline["stages"][:2])
    assert world.portal.get(record).properties["hs_pipeline_stage"] == first
    assert pipeline["stages"][0]["metadata"] == {}
    body = {"properties": {"hs_pipeline_stage": second}}
    hubspot_of(world)("PATCH", f"{OBJECTS}/{record}", json=body)
    assert world.portal.get(record).properties["hs_pipeline_stage"] == second


def test_every_write_moves_the_stamp_even_one_of_the_same_value(
    record: str, clock: SandboxClock, hubspot: Call
) -> None:
    clock.advance(timedelta(milliseconds=1234))
    body = {"properties": {"hs_appointment_name": "Check-up"}}
    answer = hubspot("PATCH", f"{OBJECTS}/{record}", json=body)
    assert answer["updatedAt"] == "2026-03-02T12:00:01.234Z"
    assert answer["properties"]["hs_lastmodifieddate"] == answer["updatedAt"]
    assert answer["createdAt"] == "2026-03-02T12:00:00.000Z"


def test_required_properties_count_from_the_newer_version_on(
    world: SandboxWorld, hubspot: Call
) -> None:
    world.portal.required = {"hs_appointment_name"}
    body: dict[str, Any] = {"properties": {}, "associations": []}
    hubspot("POST", OBJECTS, json=body, expect=201)
    refused = hubspot("POST", "/crm/objects/2026-09/0-421", json=body, expect=400)
    assert refused["errors"][0]["code"] == "MISSING_REQUIRED_PROPERTY"


# Reading.


def test_an_unknown_property_is_left_out_of_a_read_without_a_word(
    record: str, hubspot: Call
) -> None:
    query = {"properties": "hs_appointment_name,hs_meeting_title"}
    shown = hubspot("GET", f"{OBJECTS}/{record}", params=query)["properties"]
    assert set(shown) == {
        "hs_appointment_name",
        "hs_object_id",
        "hs_createdate",
        "hs_lastmodifieddate",
    }


def test_associations_come_only_where_there_are_any(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    alone = world.portal.create({"hs_appointment_name": "alone"})
    query = {"associations": "contacts"}
    shown = hubspot("GET", f"{OBJECTS}/{record}", params=query)
    assert shown["associations"] == {
        "contacts": {"results": [{"id": person, "type": "appointment_to_contact"}]}
    }
    assert "associations" not in hubspot("GET", f"{OBJECTS}/{alone}", params=query)
    (row, _) = hubspot("GET", OBJECTS, params={"associations": "0-1"})["results"]
    assert row["associations"] == shown["associations"]


def test_inline_associations_may_come_in_the_dated_shape(
    make_world: Callable[..., SandboxWorld], hubspot_of: Callable[..., Call]
) -> None:
    world = make_world(inline_associations="dated")
    contact = world.portal.add_contact("Ada")
    record = world.portal.create({}, [contact])
    shown = hubspot_of(world)("GET", f"{OBJECTS}/{record}", params={"associations": "contacts"})
    (item,) = shown["associations"]["contacts"]["results"]
    assert item["toObjectId"] == contact
    assert item["associationTypes"][0]["typeId"] == 906


def test_history_is_newest_first_and_tells_who_wrote(
    world: SandboxWorld, record: str, clock: SandboxClock, hubspot: Call
) -> None:
    clock.advance(timedelta(minutes=1))
    hubspot("PATCH", f"{OBJECTS}/{record}", json={"properties": {"hs_appointment_name": "Ours"}})
    clock.advance(timedelta(minutes=1))
    world.portal.edit(record, hs_appointment_name="Theirs")
    query = {"propertiesWithHistory": "hs_appointment_name"}
    shown = hubspot("GET", f"{OBJECTS}/{record}", params=query)["propertiesWithHistory"]
    entries = shown["hs_appointment_name"]
    assert [entry["value"] for entry in entries] == ["Theirs", "Ours", "Check-up"]
    kinds = [entry["sourceType"] for entry in entries]
    assert kinds == ["CRM_UI", "INTEGRATION", "CRM_UI"]
    assert entries[0]["timestamp"] == "2026-03-02T12:02:00.000Z"
    assert "updatedByUserId" in entries[0]
    assert "updatedByUserId" not in entries[1]


def test_a_list_goes_on_with_the_id_of_the_next_record(world: SandboxWorld, hubspot: Call) -> None:
    wanted = [world.portal.create({"hs_appointment_name": str(n)}) for n in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = hubspot("GET", OBJECTS, params=query)
        seen += [row["id"] for row in page["results"]]
        if "paging" not in page:
            break
        query["after"] = page["paging"]["next"]["after"]
        assert query["after"] in wanted
    assert seen == wanted


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": "100"}, 200),
        ({"limit": "101"}, 400),
        ({"limit": "0"}, 400),
        ({"after": "x"}, 400),
        ({"limit": "50", "propertiesWithHistory": "hs_appointment_name"}, 200),
        ({"limit": "51", "propertiesWithHistory": "hs_appointment_name"}, 400),
    ],
)
def test_pages_have_limits(query: dict[str, str], status: int, hubspot: Call) -> None:
    hubspot("GET", OBJECTS, params=query, expect=status)


# Archiving.


def test_an_archived_record_is_seen_only_by_asking_for_archived_ones(
    world: SandboxWorld, record: str, clock: SandboxClock, hubspot: Call
) -> None:
    living = world.portal.create({"hs_appointment_name": "living"})
    clock.advance(timedelta(minutes=1))
    hubspot("DELETE", f"{OBJECTS}/{record}", expect=204)
    hubspot("GET", f"{OBJECTS}/{record}", expect=404)
    assert [row["id"] for row in hubspot("GET", OBJECTS)["results"]] == [living]
    (row,) = hubspot("GET", OBJECTS, params={"archived": "true"})["results"]
    assert (row["id"], row["archived"]) == (record, True)
    assert row["archivedAt"] == "2026-03-02T12:01:00.000Z"
    hubspot("GET", f"{OBJECTS}/{record}", params={"archived": "true"})
    hubspot("GET", f"{OBJECTS}/{living}", params={"archived": "true"}, expect=404)


def test_archiving_what_does_not_exist_answers_204(hubspot: Call) -> None:
    hubspot("DELETE", f"{OBJECTS}/1", expect=204)


def test_after_ninety_days_an_archived_record_is_gone_for_good(
    world: SandboxWorld, record: str, clock: SandboxClock, hubspot: Call
) -> None:
    world.portal.archive(record)
    clock.advance(timedelta(days=90))
    hubspot("GET", f"{OBJECTS}/{record}", params={"archived": "true"}, expect=404)
    with pytest.raises(KeyError):
        world.portal.restore(record)


def test_a_restored_record_has_its_id_its_contacts_and_a_new_stamp(
    world: SandboxWorld, record: str, person: str, clock: SandboxClock, hubspot: Call
) -> None:
    world.portal.archive(record)
    clock.advance(timedelta(days=1))
    world.portal.restore(record)
    shown = hubspot("GET", f"{OBJECTS}/{record}", params={"associations": "contacts"})
    assert shown["updatedAt"] == "2026-03-03T12:00:00.000Z"
    assert shown["associations"]["contacts"]["results"][0]["id"] == person


def test_an_archived_record_cannot_be_updated(
    world: SandboxWorld, record: str, hubspot: Call
) -> None:
    world.portal.archive(record)
    body = {"properties": {"hs_appointment_name": "x"}}
    hubspot("PATCH", f"{OBJECTS}/{record}", json=body, expect=404)


def test_an_erased_record_leaves_nothing_in_the_bin(
    world: SandboxWorld, record: str, hubspot: Call
) -> None:
    hubspot("POST", f"{OBJECTS}/gdpr-delete", json={"objectId": record}, expect=204)
    hubspot("GET", f"{OBJECTS}/{record}", params={"archived": "true"}, expect=404)
    assert world.portal.records() == world.portal.archived() == []


# Merging.


def test_a_merge_mints_a_new_id_and_both_old_ids_lead_there(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    bo = world.portal.add_contact("Bo", "bo@example.com")
    other = world.portal.create({"hs_appointment_name": "Twin"}, [bo])
    world.portal.edit(other, hs_appointment_end=datetime(2026, 3, 9, tzinfo=UTC))
    new = world.portal.merge(record, other)
    assert new not in (record, other)
    for old in (record, other, new):
        query = {"properties": "hs_appointment_name,hs_merged_object_ids"}
        shown = hubspot("GET", f"{OBJECTS}/{old}", params=query)
        assert shown["id"] == new
        assert shown["properties"]["hs_appointment_name"] == "Check-up"
        assert shown["properties"]["hs_merged_object_ids"] == f"{record};{other}"
    assert [row["id"] for row in hubspot("GET", OBJECTS)["results"]] == [new]
    assert hubspot("GET", OBJECTS, params={"archived": "true"})["results"] == []
    assert sorted(world.portal.get(new).contacts) == sorted([person, bo])


def test_a_merge_may_keep_the_primary_id(
    make_world: Callable[..., SandboxWorld], hubspot_of: Callable[..., Call]
) -> None:
    world = make_world(merge_keeps_primary_id=True)
    one, two = (world.portal.create({"hs_appointment_name": n}) for n in "ab")
    body = {"primaryObjectId": one, "objectIdToMerge": two}
    call = hubspot_of(world)
    assert call("POST", f"{OBJECTS}/merge", json=body)["id"] == one
    assert call("GET", f"{OBJECTS}/{two}")["id"] == one
    assert [row["id"] for row in call("GET", OBJECTS)["results"]] == [one]


def test_a_chain_of_merges_ends_at_the_last_survivor(world: SandboxWorld, hubspot: Call) -> None:
    one, two, three = (world.portal.create({"hs_appointment_name": n}) for n in "abc")
    last = world.portal.merge(three, world.portal.merge(one, two))
    for old in (one, two, three):
        assert hubspot("GET", f"{OBJECTS}/{old}")["id"] == last


# Unique properties.


def test_a_record_is_found_by_a_unique_property_only(
    world: SandboxWorld, record: str, hubspot: Call
) -> None:
    world.portal.add_property("ghl_appointment_id", unique=True)
    world.portal.edit(record, ghl_appointment_id="abc")
    query = {"idProperty": "ghl_appointment_id"}
    assert hubspot("GET", f"{OBJECTS}/abc", params=query)["id"] == record
    hubspot("GET", f"{OBJECTS}/abd", params=query, expect=404)
    for name in ("hs_object_id", "hs_appointment_name", "nothing"):
        hubspot("GET", f"{OBJECTS}/abc", params={"idProperty": name}, expect=400)
    body = {"properties": {"hs_appointment_name": "by value"}}
    hubspot("PATCH", f"{OBJECTS}/abc", params=query, json=body)
    assert world.portal.get(record).properties["hs_appointment_name"] == "by value"


def test_a_unique_value_has_one_holder(world: SandboxWorld, record: str, hubspot: Call) -> None:
    world.portal.add_property("ghl_appointment_id", unique=True)
    world.portal.edit(record, ghl_appointment_id="abc")
    body = {"properties": {"ghl_appointment_id": "abc"}, "associations": []}
    refused = hubspot("POST", OBJECTS, json=body, expect=400)
    assert refused["errors"][0]["code"] == "CONFLICTING_UNIQUE_VALUE"
    world.portal.edit(record, ghl_appointment_id="")
    hubspot("POST", OBJECTS, json=body, expect=201)


@pytest.mark.parametrize(("habit", "status"), [("freed", 201), ("conflict", 400)])
def test_the_value_of_an_archived_holder_is_free_or_not(
    habit: str,
    status: int,
    make_world: Callable[..., SandboxWorld],
    hubspot_of: Callable[..., Call],
) -> None:
    world = make_world(unique_of_archived=habit)
    world.portal.add_property("ghl_appointment_id", unique=True)
    record = world.portal.create({"ghl_appointment_id": "abc"})
    world.portal.archive(record)
    body = {"properties": {"ghl_appointment_id": "abc"}, "associations": []}
    hubspot_of(world)("POST", OBJECTS, json=body, expect=status)
    world.portal.restore(record)
    holders = [r for r in world.portal.records() if r.properties["ghl_appointment_id"] == "abc"]
    assert len(holders) == (2 if habit == "freed" else 1)
