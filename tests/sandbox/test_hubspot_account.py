"""HubSpot properties, contacts, owners and pipelines."""

from collections.abc import Callable
from typing import Any

import pytest

from syncd.sandbox import SandboxWorld

Call = Callable[..., Any]
PROPERTIES = "/crm/properties/2026-03/0-421"
CONTACTS = "/crm/objects/2026-03/contacts"
OWNERS = "/crm/owners/2026-03"
ID = {
    "name": "ghl_appointment_id",
    "label": "HighLevel id",
    "type": "string",
    "fieldType": "text",
    "groupName": "syncd",
    "hasUniqueValue": True,
}


@pytest.fixture
def group(hubspot: Call) -> str:
    hubspot("POST", f"{PROPERTIES}/groups", json={"name": "syncd", "label": "Sync"}, expect=201)
    return "syncd"


# Properties.


@pytest.mark.parametrize(
    ("kind", "native"), [("native", True), ("none", False), ("pipeline", False)]
)
def test_accounts_differ_in_whether_there_is_a_status(
    kind: str,
    native: bool,
    make_world: Callable[..., SandboxWorld],
    hubspot_of: Callable[..., Call],
) -> None:
    rows = hubspot_of(make_world(hubspot_status=kind))("GET", PROPERTIES)["results"]
    by_name = {row["name"]: row for row in rows}
    assert ("hs_appointment_status" in by_name) is native
    assert {"hs_appointment_name", "hs_appointment_start", "hs_appointment_end"} <= set(by_name)
    if native:
        values = [option["value"] for option in by_name["hs_appointment_status"]["options"]]
        assert values == ["SCHEDULED", "COMPLETED", "CANCELLED", "NO_SHOW"]


def test_a_property_is_made_once(group: str, hubspot: Call) -> None:
    hubspot("GET", f"{PROPERTIES}/{ID['name']}", expect=404)
    made = hubspot("POST", PROPERTIES, json=ID, expect=201)
    assert (made["hasUniqueValue"], made["groupName"]) == (True, group)
    body = hubspot("POST", PROPERTIES, json=ID, expect=409)
    assert body["category"] == "OBJECT_ALREADY_EXISTS"
    assert body["subCategory"] == "Properties.PROPERTY_WITH_NAME_EXISTS"
    assert hubspot("GET", f"{PROPERTIES}/{ID['name']}") == made


def test_a_group_is_made_once(group: str, hubspot: Call) -> None:
    body = {"name": group, "label": "Sync"}
    hubspot("POST", f"{PROPERTIES}/groups", json=body, expect=409)
    names = [row["name"] for row in hubspot("GET", f"{PROPERTIES}/groups")["results"]]
    assert group in names
    assert hubspot("GET", f"{PROPERTIES}/groups/{group}")["label"] == "Sync"
    hubspot("GET", f"{PROPERTIES}/groups/other", expect=404)


def test_the_name_of_an_archived_property_brings_it_back_as_it_was(
    group: str, hubspot: Call
) -> None:
    plain = ID | {"hasUniqueValue": False, "groupName": group}
    hubspot("POST", PROPERTIES, json=plain, expect=201)
    hubspot("DELETE", f"{PROPERTIES}/{ID['name']}", expect=204)
    hubspot("GET", f"{PROPERTIES}/{ID['name']}", expect=404)
    archived = hubspot("GET", PROPERTIES, params={"archived": "true"})["results"]
    assert [row["name"] for row in archived] == [ID["name"]]
    back = hubspot("POST", PROPERTIES, json=ID, expect=201)
    assert back["hasUniqueValue"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"groupName": "nowhere"},
        {"type": "text"},
        {"fieldType": "line"},
        {"name": "Has Capitals"},
        {"label": None},
        {"type": "enumeration", "fieldType": "select"},
    ],
)
def test_a_wrong_definition_is_a_400(change: dict[str, Any], group: str, hubspot: Call) -> None:
    hubspot("POST", PROPERTIES, json=ID | {"groupName": group} | change, expect=400)


def test_ten_properties_can_be_unique(group: str, hubspot: Call) -> None:
    for number in range(10):
        body = ID | {"name": f"unique_{number}", "groupName": group}
        hubspot("POST", PROPERTIES, json=body, expect=201)
    hubspot("POST", PROPERTIES, json=ID, expect=400)


def test_options_are_replaced_as_a_whole(group: str, hubspot: Call) -> None:
    options = [{"label": value, "value": value} for value in ("a", "b")]
    body = ID | {
        "type": "enumeration",
        "fieldType": "select",
        "options": options,
        "hasUniqueValue": False,
        "groupName": group,
    }
    hubspot("POST", PROPERTIES, json=body, expect=201)
    changed = hubspot("PATCH", f"{PROPERTIES}/{ID['name']}", json={"options": options[:1]})
    assert [option["value"] for option in changed["options"]] == ["a"]
    native = f"{PROPERTIES}/hs_appointment_name"
    hubspot("PATCH", native, json={"label": "x"}, expect=400)
    hubspot("DELETE", native, expect=400)


def test_properties_go_in_batches_too(group: str, hubspot: Call) -> None:
    path = f"{PROPERTIES}/batch/create"
    inputs = [ID | {"groupName": group}, ID | {"groupName": group}]
    answer = hubspot("POST", path, json={"inputs": inputs}, expect=207)
    assert (len(answer["results"]), answer["numErrors"]) == (1, 1)
    names = {"inputs": [{"name": ID["name"]}, {"name": "nothing"}]}
    answer = hubspot("POST", f"{PROPERTIES}/batch/read", json=names, expect=207)
    assert [row["name"] for row in answer["results"]] == [ID["name"]]


# Contacts.


def test_an_address_has_one_contact_and_the_refusal_names_it(person: str, hubspot: Call) -> None:
    body = {"properties": {"email": "ADA@example.com", "firstname": "A"}, "associations": []}
    refused = hubspot("POST", CONTACTS, json=body, expect=409)
    assert refused["message"] == f"Contact already exists. Existing ID: {person}"
    assert refused["category"] == "OBJECT_ALREADY_EXISTS"


def test_a_secondary_address_counts_as_taken(world: SandboxWorld, hubspot: Call) -> None:
    contact = world.portal.add_contact("Bo", "bo@example.com", hs_additional_emails="b@example.com")
    body = {"properties": {"email": "b@example.com"}, "associations": []}
    refused = hubspot("POST", CONTACTS, json=body, expect=409)
    assert refused["message"].endswith(contact)


@pytest.mark.parametrize(("resolves", "status"), [(False, 404), (True, 200)])
def test_whether_a_look_up_resolves_secondary_addresses_is_a_setting(
    resolves: bool,
    status: int,
    make_world: Callable[..., SandboxWorld],
    hubspot_of: Callable[..., Call],
) -> None:
    world = make_world(secondary_email_lookup=resolves)
    world.portal.add_contact("Bo", "bo@example.com", hs_additional_emails="b@example.com")
    call = hubspot_of(world)
    query = {"idProperty": "email"}
    call("GET", f"{CONTACTS}/BO@example.com", params=query)
    call("GET", f"{CONTACTS}/b@example.com", params=query, expect=status)


def test_contacts_are_read_in_batches_by_address(person: str, hubspot: Call) -> None:
    body = {
        "inputs": [{"id": "ada@example.com"}, {"id": "nobody@example.com"}],
        "idProperty": "email",
        "properties": ["email", "phone"],
        "propertiesWithHistory": [],
    }
    answer = hubspot("POST", f"{CONTACTS}/batch/read", json=body, expect=207)
    assert [row["id"] for row in answer["results"]] == [person]
    assert answer["errors"][0]["context"]["ids"] == ["nobody@example.com"]


def test_a_contact_needs_an_address_or_a_name(hubspot: Call) -> None:
    for values, status in (({"phone": "+15550101"}, 400), ({"lastname": "Winter"}, 201)):
        body: dict[str, Any] = {"properties": values, "associations": []}
        hubspot("POST", CONTACTS, json=body, expect=status)


def test_an_old_id_of_a_merged_contact_answers_with_the_survivor(
    world: SandboxWorld, person: str, hubspot: Call
) -> None:
    other = world.portal.add_contact("Ada W.", "ada.w@example.com")
    new = world.portal.merge_contacts(person, other)
    query = {"properties": "email,hs_additional_emails,hs_merged_object_ids"}
    shown = hubspot("GET", f"{CONTACTS}/{other}", params=query)
    assert shown["id"] == new != person
    assert shown["properties"]["email"] == "ada@example.com"
    assert shown["properties"]["hs_additional_emails"] == "ada.w@example.com"


def test_erasing_an_unknown_address_blocks_it(hubspot: Call) -> None:
    erased = {"objectId": "gone@example.com", "idProperty": "email"}
    hubspot("POST", f"{CONTACTS}/gdpr-delete", json=erased, expect=204)
    body = {"properties": {"email": "gone@example.com"}, "associations": []}
    hubspot("POST", CONTACTS, json=body, expect=400)


def test_a_deleted_contact_frees_its_address(
    world: SandboxWorld, person: str, hubspot: Call
) -> None:
    record = world.portal.create({}, [person])
    hubspot("DELETE", f"{CONTACTS}/{person}", expect=204)
    assert world.portal.get(record).contacts == []
    body = {"properties": {"email": "ada@example.com"}, "associations": []}
    hubspot("POST", CONTACTS, json=body, expect=201)


# Owners and pipelines.


def test_owners_are_paged_and_departed_ones_hide(world: SandboxWorld, hubspot: Call) -> None:
    ids = list(world.portal.owners)
    world.portal.archive_owner(ids[0])
    first = hubspot("GET", OWNERS, params={"limit": 1})
    assert [row["id"] for row in first["results"]] == ids[1:2]
    rest = hubspot("GET", OWNERS, params={"after": first["paging"]["next"]["after"]})
    assert [row["id"] for row in rest["results"]] == ids[2:]
    (gone,) = hubspot("GET", OWNERS, params={"archived": "true"})["results"]
    assert gone["id"] == ids[0]
    assert "userId" not in gone


def test_an_owner_is_another_number_than_the_user(world: SandboxWorld, hubspot: Call) -> None:
    owner = next(iter(world.portal.owners.values()))
    shown = hubspot("GET", f"{OWNERS}/{owner.id}")
    assert shown["userId"] != int(owner.id)
    by_user = hubspot("GET", f"{OWNERS}/{shown['userId']}", params={"idProperty": "userId"})
    assert by_user == shown
    (found,) = hubspot("GET", OWNERS, params={"email": "DANA.keller@example.com"})["results"]
    assert found["id"] == owner.id


def test_an_owner_may_have_no_address(world: SandboxWorld, hubspot: Call) -> None:
    owner = world.portal.add_owner("Front desk")
    assert "email" not in hubspot("GET", f"{OWNERS}/{owner}")


def test_a_departed_owner_cannot_be_assigned(world: SandboxWorld, hubspot: Call) -> None:
    owner = next(iter(world.portal.owners))
    record = world.portal.create({"hubspot_owner_id": owner})
    world.portal.archive_owner(owner)
    body = {"properties": {"hubspot_owner_id": owner}}
    hubspot("PATCH", f"/crm/objects/2026-03/0-421/{record}", json=body, expect=400)


def test_stages_can_be_read(hubspot: Call) -> None:
    (pipeline,) = hubspot("GET", "/crm/pipelines/2026-03/appointments")["results"]
    path = f"/crm/pipelines/2026-03/0-421/{pipeline['id']}"
    assert hubspot("GET", path) == pipeline
    assert hubspot("GET", f"{path}/stages")["results"] == pipeline["stages"]
    hubspot("GET", "/crm/pipelines/2026-03/0-421/1", expect=404)
