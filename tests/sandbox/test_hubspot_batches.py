"""HubSpot batches: partial success, inputs that mean the same record, limits."""

from collections.abc import Callable
from typing import Any

import pytest

from syncd.sandbox import SandboxWorld

Call = Callable[..., Any]
BATCH = "/crm/objects/2026-03/0-421/batch"
UNIQUE = "ghl_appointment_id"


@pytest.fixture
def records(world: SandboxWorld) -> list[str]:
    """Three, the first holding the unique value `one`."""
    world.portal.add_property(UNIQUE, unique=True)
    values: list[dict[str, str]] = [{UNIQUE: "one"}, {}, {}]
    return [world.portal.create({"hs_appointment_name": "x"} | value) for value in values]


def creating(*names: str, traced: bool) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        item: dict[str, Any] = {"properties": {name: "x"}, "associations": []}
        inputs.append(item | ({"objectWriteTraceId": f"t{number}"} if traced else {}))
    return {"inputs": inputs}


def reading(*keys: str, **more: Any) -> dict[str, Any]:
    inputs = [{"id": key} for key in keys]
    return {"inputs": inputs, "properties": [], "propertiesWithHistory": []} | more


# Creating.


def test_without_trace_ids_one_bad_row_sinks_the_batch(world: SandboxWorld, hubspot: Call) -> None:
    body = creating("hs_appointment_name", "nothing", traced=False)
    answer = hubspot("POST", f"{BATCH}/create", json=body, expect=400)
    assert answer["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    assert world.portal.records() == []


def test_with_trace_ids_each_row_stands_for_itself(world: SandboxWorld, hubspot: Call) -> None:
    body = creating("hs_appointment_name", "nothing", "hs_appointment_name", traced=True)
    answer = hubspot("POST", f"{BATCH}/create", json=body, expect=207)
    assert answer["numErrors"] == 1
    (error,) = answer["errors"]
    assert error["context"]["objectWriteTraceId"] == ["t1"]
    assert error["category"] == "VALIDATION_ERROR"
    assert "PROPERTY_DOESNT_EXIST" in error["message"]
    assert len(answer["results"]) == len(world.portal.records()) == 2
    assert all("objectWriteTraceId" not in row for row in answer["results"])


def test_two_rows_of_one_batch_cannot_hold_the_same_unique_value(
    world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    body = {
        "inputs": [
            {"properties": {UNIQUE: "two"}, "associations": [], "objectWriteTraceId": key}
            for key in "ab"
        ]
    }
    answer = hubspot("POST", f"{BATCH}/create", json=body, expect=207)
    assert answer["errors"][0]["context"]["objectWriteTraceId"] == ["b"]
    assert "CONFLICTING_UNIQUE_VALUE" in answer["errors"][0]["message"]
    assert len(world.portal.records()) == len(records) + 1


def test_a_whole_success_is_201_and_in_no_promised_order(hubspot: Call) -> None:
    body = creating("hs_appointment_name", "hs_appointment_name", traced=True)
    answer = hubspot("POST", f"{BATCH}/create", json=body, expect=201)
    ids = [int(row["id"]) for row in answer["results"]]
    assert ids == sorted(ids, reverse=True)
    assert "errors" not in answer


def test_equal_trace_ids_are_refused(hubspot: Call) -> None:
    body = creating("hs_appointment_name", "hs_appointment_name", traced=True)
    body["inputs"][1]["objectWriteTraceId"] = "t0"
    hubspot("POST", f"{BATCH}/create", json=body, expect=400)


def test_partial_failure_may_hide_in_a_201(
    make_world: Callable[..., SandboxWorld], hubspot_of: Callable[..., Call]
) -> None:
    body = creating("hs_appointment_name", "nothing", traced=True)
    world = make_world(errors_inside_200=True)
    answer = hubspot_of(world)("POST", f"{BATCH}/create", json=body, expect=201)
    assert (len(answer["results"]), len(answer["errors"])) == (1, 1)


# Reading.


def test_missing_ids_come_as_one_error_beside_the_others(records: list[str], hubspot: Call) -> None:
    answer = hubspot("POST", f"{BATCH}/read", json=reading(records[0], "7", "8"), expect=207)
    assert [row["id"] for row in answer["results"]] == records[:1]
    (error,) = answer["errors"]
    assert error["category"] == "OBJECT_NOT_FOUND"
    assert error["context"]["ids"] == ["7", "8"]


def test_a_batch_reads_by_a_unique_property(records: list[str], hubspot: Call) -> None:
    answer = hubspot("POST", f"{BATCH}/read", json=reading("one", idProperty=UNIQUE))
    assert [row["id"] for row in answer["results"]] == records[:1]


def test_a_batch_reads_archived_records_only_when_asked(
    world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    world.portal.archive(records[0])
    body = reading(records[0], records[1])
    answer = hubspot("POST", f"{BATCH}/read", json=body, expect=207)
    assert answer["errors"][0]["context"]["ids"] == records[:1]
    answer = hubspot("POST", f"{BATCH}/read?archived=true", json=body, expect=207)
    assert [row["id"] for row in answer["results"]] == records[:1]


def test_an_id_that_was_merged_away_answers_with_the_survivors(
    world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    new = world.portal.merge(records[0], records[1])
    answer = hubspot("POST", f"{BATCH}/read", json=reading(*records))
    assert sorted(row["id"] for row in answer["results"]) == sorted([new, records[2]])


def test_history_is_read_for_fifty_at_most(hubspot: Call) -> None:
    keys = [str(number) for number in range(51)]
    body = reading(*keys, propertiesWithHistory=["hs_appointment_name"])
    answer = hubspot("POST", f"{BATCH}/read", json=body, expect=400)
    assert "50" in answer["message"]
    body["inputs"].pop()
    hubspot("POST", f"{BATCH}/read", json=body, expect=207)


# Updating, upserting, archiving.


def test_an_update_tells_which_records_are_gone(records: list[str], hubspot: Call) -> None:
    inputs = [{"id": key, "properties": {"hs_appointment_name": "y"}} for key in (*records, "7")]
    answer = hubspot("POST", f"{BATCH}/update", json={"inputs": inputs}, expect=207)
    assert len(answer["results"]) == 3
    assert answer["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert answer["errors"][0]["context"]["ids"] == ["7"]
    inputs.pop()
    assert hubspot("POST", f"{BATCH}/update", json={"inputs": inputs})["status"] == "COMPLETE"


@pytest.mark.parametrize("traced", [True, False])
def test_an_update_with_a_bad_value_fails_alone_or_whole(
    traced: bool, world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    names = ("hs_appointment_name", "nothing")
    inputs: list[dict[str, Any]] = [
        {"id": key, "properties": {name: "y"}} for key, name in zip(records, names, strict=False)
    ]
    if traced:
        for item in inputs:
            item["objectWriteTraceId"] = item["id"]
    hubspot("POST", f"{BATCH}/update", json={"inputs": inputs}, expect=207 if traced else 400)
    name = world.portal.get(records[0]).properties["hs_appointment_name"]
    assert name == ("y" if traced else "x")


def test_an_update_by_unique_property(
    world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    item = {"id": "one", "idProperty": UNIQUE, "properties": {"hs_appointment_name": "y"}}
    hubspot("POST", f"{BATCH}/update", json={"inputs": [item]})
    assert world.portal.get(records[0]).properties["hs_appointment_name"] == "y"


def test_an_upsert_tells_what_is_new(
    world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    inputs = [
        {"id": key, "idProperty": UNIQUE, "properties": {"hs_appointment_name": key}}
        for key in ("one", "two")
    ]
    answer = hubspot("POST", f"{BATCH}/upsert", json={"inputs": inputs})
    new = {row["properties"]["hs_appointment_name"]: row["new"] for row in answer["results"]}
    assert new == {"one": False, "two": True}
    created = next(row["id"] for row in answer["results"] if row["new"])
    assert world.portal.get(created).properties[UNIQUE] == "two"
    assert world.portal.get(created).contacts == []
    assert len(world.portal.records()) == len(records) + 1


@pytest.mark.parametrize("name", ["hs_object_id", "hs_appointment_name", None])
def test_an_upsert_needs_a_unique_property(
    name: str | None, records: list[str], hubspot: Call
) -> None:
    item: dict[str, Any] = {"id": records[0], "idProperty": name, "properties": {}}
    hubspot("POST", f"{BATCH}/upsert", json={"inputs": [item]}, expect=400)


def test_an_upsert_takes_no_associations(hubspot: Call, records: list[str]) -> None:
    item = {"id": "one", "idProperty": UNIQUE, "properties": {}, "associations": []}
    hubspot("POST", f"{BATCH}/upsert", json={"inputs": [item]}, expect=400)
    assert records


def test_an_upsert_onto_an_archived_holder_creates_or_conflicts(
    make_world: Callable[..., SandboxWorld], hubspot_of: Callable[..., Call]
) -> None:
    item = {"id": "one", "idProperty": UNIQUE, "properties": {}}
    for habit, status in (("freed", 200), ("conflict", 207)):
        world = make_world(unique_of_archived=habit)
        world.portal.add_property(UNIQUE, unique=True)
        world.portal.archive(world.portal.create({UNIQUE: "one"}))
        call = hubspot_of(world)
        answer = call("POST", f"{BATCH}/upsert", json={"inputs": [item]}, expect=status)
        assert [row["new"] for row in answer["results"]] == ([True] if status == 200 else [])


def test_an_archive_of_some_that_do_not_exist_is_204(
    world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    body = {"inputs": [{"id": records[0]}, {"id": "7"}]}
    hubspot("POST", f"{BATCH}/archive", json=body, expect=204)
    assert [row.id for row in world.portal.archived()] == records[:1]


# What holds for all.


@pytest.mark.parametrize("verb", ["update", "archive", "upsert"])
def test_two_inputs_of_one_record_are_refused_whole(
    verb: str, world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    inputs: list[dict[str, Any]] = [{"id": records[0]}, {"id": records[0]}]
    if verb != "archive":
        for item in inputs:
            item["properties"] = {"hs_appointment_name": "y"}
    if verb == "upsert":
        for item in inputs:
            item |= {"id": "one", "idProperty": UNIQUE}
    hubspot("POST", f"{BATCH}/{verb}", json={"inputs": inputs}, expect=400)
    assert world.portal.get(records[0]).properties["hs_appointment_name"] == "x"
    assert world.portal.archived() == []


def test_two_ids_that_were_merged_are_one_record_in_a_batch(
    world: SandboxWorld, records: list[str], hubspot: Call
) -> None:
    world.portal.merge(records[0], records[1])
    inputs = [{"id": key, "properties": {"hs_appointment_name": "y"}} for key in records[:2]]
    hubspot("POST", f"{BATCH}/update", json={"inputs": inputs}, expect=400)


@pytest.mark.parametrize("verb", ["read", "create", "update", "upsert", "archive"])
def test_a_batch_has_one_to_a_hundred_inputs(verb: str, hubspot: Call) -> None:
    for count in (0, 101):
        items = [
            {"id": str(n), "properties": {}, "associations": [], "idProperty": UNIQUE}
            for n in range(count)
        ]
        known = {
            "read": ("id",),
            "create": ("properties", "associations"),
            "update": ("id", "properties"),
            "upsert": ("id", "properties", "idProperty"),
            "archive": ("id",),
        }[verb]
        inputs = [{key: item[key] for key in known} for item in items]
        more: dict[str, Any] = {"properties": [], "propertiesWithHistory": []}
        body = {"inputs": inputs} | (more if verb == "read" else {})
        hubspot("POST", f"{BATCH}/{verb}", json=body, expect=400)
