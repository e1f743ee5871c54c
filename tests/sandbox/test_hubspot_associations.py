"""HubSpot associations: two shapes, no empty lists, no stamp that moves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxClock, SandboxWorld

Call = Callable[..., Any]
OBJECTS = "/crm/objects/2026-03/0-421"
ASSOCIATIONS = "/crm/associations/2026-03/0-421/0-1"


@pytest.fixture
def record(world: SandboxWorld) -> str:
    return world.portal.create({"hs_appointment_name": "x"})


def test_the_default_route_needs_no_type(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    path = f"{OBJECTS}/{record}/associations/default/0-1/{person}"
    for _ in range(2):
        answer = hubspot("PUT", path)
        assert answer["results"][0]["associationSpec"]["associationTypeId"] == 906
    assert world.portal.get(record).contacts == [person]


def test_a_pair_is_put_with_a_list_of_types(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    path = f"{OBJECTS}/{record}/associations/0-1/{person}"
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 906}
    hubspot("PUT", path, json={}, expect=400)
    hubspot("PUT", path, json=[], expect=400)
    hubspot("PUT", path, json=[kind | {"associationTypeId": 578}], expect=400)
    assert world.portal.get(record).contacts == []
    hubspot("PUT", path, json=[kind], expect=201)
    assert world.portal.get(record).contacts == [person]


def test_the_guides_route_exists_in_v3_only(record: str, person: str, hubspot: Call) -> None:
    tail = f"/{record}/associations/contacts/{person}/906"
    hubspot("PUT", f"{OBJECTS}{tail}", expect=404)
    hubspot("PUT", f"/crm/v3/objects/0-421{tail}")
    hubspot("PUT", f"/crm/v3/objects/0-421/{record}/associations/contacts/{person}/578", expect=400)


def test_an_unknown_end_is_a_404(record: str, person: str, hubspot: Call) -> None:
    for one, other in ((record, "5"), ("5", person)):
        hubspot("PUT", f"{OBJECTS}/{one}/associations/default/0-1/{other}", expect=404)


def test_the_two_shapes_of_a_records_associations(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    world.portal.associate(record, person)
    dated = hubspot("GET", f"{OBJECTS}/{record}/associations/contacts")["results"]
    kind = {"category": "HUBSPOT_DEFINED", "typeId": 906, "label": None}
    assert dated == [{"toObjectId": person, "associationTypes": [kind]}]
    old = hubspot("GET", f"/crm/v3/objects/0-421/{record}/associations/contacts")["results"]
    assert old == [{"id": person, "type": "appointment_to_contact"}]
    four = hubspot("GET", f"/crm/v4/objects/0-421/{record}/associations/contacts")["results"]
    assert four[0]["toObjectId"] == int(person)


def test_deleting_a_pair_is_204_whatever_there_was(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    world.portal.associate(record, person)
    for _ in range(2):
        hubspot("DELETE", f"{OBJECTS}/{record}/associations/0-1/{person}", expect=204)
    assert world.portal.get(record).contacts == []
    back = hubspot("GET", f"/crm/objects/2026-03/0-1/{person}/associations/0-421")
    assert back["results"] == []


def test_associations_go_both_ways(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    world.portal.associate(record, person)
    body = {"inputs": [{"id": person}]}
    path = "/crm/associations/2026-03/0-1/0-421/batch/read"
    (row,) = hubspot("POST", path, json=body)["results"]
    assert row["to"][0]["toObjectId"] == record
    assert row["to"][0]["associationTypes"][0]["typeId"] == 907


@pytest.mark.parametrize(("habit", "status"), [("absent", 200), ("errors", 207)])
def test_who_has_none_is_absent_or_an_error_but_no_empty_list(
    habit: str,
    status: int,
    make_world: Callable[..., SandboxWorld],
    hubspot_of: Callable[..., Call],
) -> None:
    world = make_world(associations_of_none=habit)
    contact = world.portal.add_contact("Ada")
    linked = world.portal.create({}, [contact])
    alone = world.portal.create({})
    body = {"inputs": [{"id": linked}, {"id": alone}]}
    answer = hubspot_of(world)("POST", f"{ASSOCIATIONS}/batch/read", json=body, expect=status)
    assert [row["from"]["id"] for row in answer["results"]] == [linked]
    told = [error["context"]["fromObjectId"] for error in answer.get("errors", [])]
    assert told == ([[alone]] if status == 207 else [])


def test_a_batch_associates_by_default_and_tells_what_it_could_not(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    pairs = [{"from": {"id": record}, "to": {"id": key}} for key in (person, "5")]
    path = f"{ASSOCIATIONS}/batch/associate/default"
    answer = hubspot("POST", path, json={"inputs": pairs}, expect=207)
    assert (len(answer["results"]), answer["numErrors"]) == (1, 1)
    assert world.portal.get(record).contacts == [person]


def test_a_batch_archives_pairs(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    world.portal.associate(record, person)
    body = {"inputs": [{"from": {"id": record}, "to": [{"id": person}]}]}
    hubspot("POST", f"{ASSOCIATIONS}/batch/archive", json=body, expect=204)
    assert world.portal.get(record).contacts == []


def test_a_change_of_associations_moves_no_stamp(
    world: SandboxWorld, record: str, person: str, clock: SandboxClock, hubspot: Call
) -> None:
    before = world.portal.get(record).updated
    clock.advance(timedelta(minutes=1))
    hubspot("PUT", f"{OBJECTS}/{record}/associations/default/0-1/{person}")
    hubspot("DELETE", f"{OBJECTS}/{record}/associations/0-1/{person}", expect=204)
    world.portal.associate(record, person)
    assert world.portal.get(record).updated == before


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/crm/associations/2026-03/0-421/0-1/labels", 906),
        ("/crm/associations/2026-03/0-1/0-421/labels", 907),
        ("/crm/associations/2026-09/contacts/appointments/labels", 907),
    ],
)
def test_labels_tell_the_type(path: str, kind: int, hubspot: Call) -> None:
    (label,) = hubspot("GET", path)["results"]
    assert label == {"category": "HUBSPOT_DEFINED", "typeId": kind, "label": None}


def test_a_merged_contact_takes_its_appointments_along(
    world: SandboxWorld, record: str, person: str, hubspot: Call
) -> None:
    world.portal.associate(record, person)
    other = world.portal.add_contact("Ada W.", "ada.w@example.com")
    new = world.portal.merge_contacts(other, person)
    assert world.portal.get(record).contacts == [new]
    body = {"inputs": [{"id": record}]}
    (row,) = hubspot("POST", f"{ASSOCIATIONS}/batch/read", json=body)["results"]
    assert row["to"][0]["toObjectId"] == new


def test_a_contact_merged_meanwhile_is_found_on_a_restored_appointment(
    world: SandboxWorld, record: str, person: str
) -> None:
    world.portal.associate(record, person)
    world.portal.archive(record)
    new = world.portal.merge_contacts(world.portal.add_contact("Ada W."), person)
    world.portal.restore(record)
    assert world.portal.get(record).contacts == [new]
