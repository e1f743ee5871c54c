"""HubSpot's official Python SDK as a witness: what it writes we find, what we write it finds.

It drives the sandbox over a real socket, on the older paths (`/crm/v3`,
`/crm/v4`) that are all it knows, while our provider uses the dated ones. Its
generated models refuse answers that lack what HubSpot's own descriptions
demand, so it also vouches for the sandbox's answers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import hubspot
import pytest
from answers import sure
from contact_helper import make_contact
from hubspot.crm.associations.v4 import (
    AssociationSpec,
    BatchInputPublicFetchAssociationsBatchRequest,
)
from hubspot.crm.associations.v4 import PublicFetchAssociationsBatchRequest as Fetch
from hubspot.crm.contacts import ApiException as ContactRefused
from hubspot.crm.contacts import SimplePublicObjectInputForCreate as NewContact
from hubspot.crm.objects import (
    ApiException,
    BatchInputSimplePublicObjectBatchInput,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchInputSimplePublicObjectId,
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicAssociationsForObject,
    PublicObjectId,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInput,
    SimplePublicObjectBatchInputForCreate,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectId,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.objects import AssociationSpec as InlineSpec

from syncd.core.model import Appointment, Contact, Group, Missing, Snapshot
from syncd.ports.provider import CommandKind, Done, ExternalIds, ScanRequest, WriteCommand
from syncd.providers.hubspot.mapping import GHL_ID

if TYPE_CHECKING:
    from syncd.sandbox import SandboxServer
    from tests.contract.conftest import Bench

KIND = "0-421"
SHOWN = ["hs_appointment_name", "hs_appointment_start", "hs_appointment_end", GHL_ID]


@pytest.fixture
def sdk(server: SandboxServer) -> Any:
    """The official client, pointed at the sandbox."""
    token = server.world.settings.hubspot_token
    return hubspot.Client.create(access_token=token, host=server.hubspot_url)


@pytest.fixture
def ada(bench: Bench) -> str:
    return bench.world.portal.add_contact("Ada Winter", "ada@example.com", "+15550100101")


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _properties(bench: Bench, title: str = "By the SDK", **more: str) -> dict[str, str]:
    return {
        "hs_appointment_name": title,
        "hs_appointment_start": _written(bench.at(24)),
        "hs_appointment_end": _written(bench.at(24.5)),
        "hs_appointment_status": "SCHEDULED",
        **more,
    }


def _made_by_sdk(sdk: Any, bench: Bench, contact: str = "", **more: str) -> str:
    kind = InlineSpec(association_category="HUBSPOT_DEFINED", association_type_id=906)
    link = PublicAssociationsForObject(types=[kind], to=PublicObjectId(id=contact))
    body = SimplePublicObjectInputForCreate(
        properties=_properties(bench, **more), associations=[link] if contact else []
    )
    return str(sdk.crm.objects.basic_api.create(KIND, body).id)


def _made_by_us(bench: Bench, ghl_id: str, contact: str = "", title: str = "By us") -> str:
    command = WriteCommand(
        key=f"create-{ghl_id}",
        kind=CommandKind.CREATE,
        wanted=Appointment(
            title=title,
            start=bench.at(48),
            end=bench.at(48.5),
            status="SCHEDULED",
            contact=contact,
        ),
        external_ids=ExternalIds(ghl_id=ghl_id, location_id=bench.world.location.id),
    )
    (receipt,) = bench.hubspot.write([command])
    assert isinstance(receipt, Done), receipt
    return receipt.id


def _seen(bench: Bench, key: str) -> Snapshot:
    found = bench.hubspot.fetch([key])[key]
    assert isinstance(found, Snapshot), found
    return found


# --- what it writes, we find


def test_we_read_what_it_creates_with_its_contact(sdk: Any, bench: Bench, ada: str) -> None:
    made = _made_by_sdk(sdk, bench, ada)
    shown = _seen(bench, made)
    assert shown.appointment == Appointment(
        title="By the SDK",
        start=bench.at(24),
        end=bench.at(24.5),
        status="SCHEDULED",
        contact=ada,
    )
    assert not shown.field_errors
    swept = bench.hubspot.scan(ScanRequest(window=bench.window))
    assert [each.id for each in swept.snapshots] == [made]


def test_we_notice_what_it_updates_and_archives(sdk: Any, bench: Bench) -> None:
    moved, dropped = _made_by_sdk(sdk, bench), _made_by_sdk(sdk, bench)
    cursor = bench.hubspot.scan(ScanRequest(window=bench.window)).cursor
    bench.clock.advance(timedelta(minutes=1))
    start = {"hs_appointment_start": _written(bench.at(23))}
    sdk.crm.objects.basic_api.update(KIND, moved, SimplePublicObjectInput(properties=start))
    sdk.crm.objects.basic_api.archive(KIND, dropped)
    scan = bench.hubspot.scan(ScanRequest(window=bench.window, cursor=cursor))
    assert [(each.id, each.appointment.start) for each in scan.snapshots] == [(moved, bench.at(23))]
    assert _seen(bench, dropped).gone


def test_what_it_upserts_by_the_unique_property_carries_our_external_id(
    sdk: Any, bench: Bench
) -> None:
    ours = _made_by_us(bench, "GhlEvent0001")
    inputs = [
        SimplePublicObjectBatchInputUpsert(
            id=key, id_property=GHL_ID, properties=_properties(bench, title)
        )
        for key, title in (("GhlEvent0001", "Changed"), ("GhlEvent0002", "New"))
    ]
    answer = sdk.crm.objects.batch_api.upsert(
        KIND, BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)
    )
    assert {each.new for each in answer.results} == {True, False}
    found = bench.hubspot.find_by_external_id(["GhlEvent0001", "GhlEvent0002"])
    shown = {key: each for key, each in found.items() if isinstance(each, Snapshot)}
    assert shown["GhlEvent0001"].id == ours
    titles = {key: each.appointment.title for key, each in shown.items()}
    assert titles == {"GhlEvent0001": "Changed", "GhlEvent0002": "New"}


def test_we_read_its_batches(sdk: Any, bench: Bench) -> None:
    api = sdk.crm.objects.batch_api
    rows = [
        SimplePublicObjectBatchInputForCreate(
            properties=_properties(bench, f"Batch {n}", **{GHL_ID: f"GhlBatch{n:04}"}),
            associations=[],
        )
        for n in range(3)
    ]
    made = api.create(KIND, BatchInputSimplePublicObjectBatchInputForCreate(inputs=rows)).results
    assert sorted(bench.hubspot.find_by_external_id(["GhlBatch0000", "GhlBatch0002"])) == [
        "GhlBatch0000",
        "GhlBatch0002",
    ]
    api.update(
        KIND,
        BatchInputSimplePublicObjectBatchInput(
            inputs=[
                SimplePublicObjectBatchInput(id=each.id, properties={"ghl_address": "Room 2"})
                for each in made
            ]
        ),
    )
    ids = [each.id for each in made]
    assert {_seen(bench, key).appointment.address for key in ids} == {"Room 2"}
    api.archive(
        KIND,
        BatchInputSimplePublicObjectId(inputs=[SimplePublicObjectId(id=key) for key in ids]),
    )
    assert all(_seen(bench, key).gone for key in ids)


def test_we_see_the_contacts_that_it_associates_without_a_stamp_moving(
    sdk: Any, bench: Bench, ada: str
) -> None:
    made = _made_by_sdk(sdk, bench)
    before = _seen(bench, made)
    bench.clock.advance(timedelta(minutes=1))
    ben = bench.world.portal.add_contact("Ben Torres", "ben@example.com")
    v4 = sdk.crm.associations.v4.basic_api
    v4.create_default(KIND, made, "0-1", ada)
    kind = AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=906)
    v4.create(KIND, made, "0-1", ben, [kind])
    after = _seen(bench, made)
    assert set(after.contacts) == {ada, ben}
    assert after.updated_at == before.updated_at
    v4.archive(KIND, made, "0-1", ada)
    assert _seen(bench, made).contacts == (ben,)


# --- what we write, it finds


def test_it_reads_what_we_create_by_either_id(sdk: Any, bench: Bench, ada: str) -> None:
    ours = _made_by_us(bench, "GhlEvent0001", ada)
    api = sdk.crm.objects.basic_api
    by_id = api.get_by_id(KIND, ours, properties=SHOWN, associations=["contacts"])
    by_mark = api.get_by_id(KIND, "GhlEvent0001", id_property=GHL_ID, properties=SHOWN)
    assert by_id.properties["hs_appointment_name"] == "By us"
    assert datetime.fromisoformat(by_id.properties["hs_appointment_start"]) == bench.at(48)
    assert by_mark.id == by_id.id == ours
    assert [each.id for each in by_id.associations["contacts"].results] == [ada]


def test_it_finds_what_we_create_by_search_and_list(sdk: Any, bench: Bench) -> None:
    ours = {_made_by_us(bench, f"GhlEvent{n:04}", title=f"Visit {n}") for n in range(3)}
    wanted = Filter(property_name=GHL_ID, operator="EQ", value="GhlEvent0001")
    search = PublicObjectSearchRequest(
        filter_groups=[FilterGroup(filters=[wanted])],
        properties=SHOWN,
        sorts=["hs_object_id"],
        limit=10,
        after="0",
    )
    hits = sdk.crm.objects.search_api.do_search(KIND, search)
    assert [each.properties["hs_appointment_name"] for each in hits.results] == ["Visit 1"]
    assert hits.total == 1
    first = sdk.crm.objects.basic_api.get_page(KIND, limit=2, properties=SHOWN)
    rest = sdk.crm.objects.basic_api.get_page(KIND, limit=2, after=first.paging.next.after)
    assert {each.id for each in (*first.results, *rest.results)} == ours


def test_it_sees_our_updates_in_the_history(sdk: Any, bench: Bench) -> None:
    ours = _made_by_us(bench, "GhlEvent0001")
    bench.clock.advance(timedelta(minutes=5))
    command = WriteCommand(
        key="update-1",
        kind=CommandKind.UPDATE,
        id=ours,
        wanted=Appointment(title="Moved"),
        groups=frozenset({Group.TITLE}),
    )
    list(bench.hubspot.write([command]))
    body = BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=ours)],
        properties=[],
        properties_with_history=["hs_appointment_name"],
    )
    (record,) = sdk.crm.objects.batch_api.read(KIND, body).results
    stamps = record.properties_with_history["hs_appointment_name"]
    assert [each.value for each in stamps] == ["Moved", "By us"]
    edits = {each.group: each.at for each in bench.hubspot.edits([ours])[ours]}
    assert edits[Group.TITLE] == stamps[0].timestamp


def test_it_sees_our_archives_and_our_contact_changes(sdk: Any, bench: Bench, ada: str) -> None:
    ours = _made_by_us(bench, "GhlEvent0001", ada)
    ben = bench.world.portal.add_contact("Ben Torres", "ben@example.com")
    change = WriteCommand(
        key="contact",
        kind=CommandKind.UPDATE,
        id=ours,
        wanted=Appointment(contact=ben),
        groups=frozenset({Group.CONTACT}),
        replaced=ada,
    )
    list(bench.hubspot.write([change]))
    rows = sdk.crm.associations.v4.batch_api.get_page(
        KIND, "0-1", BatchInputPublicFetchAssociationsBatchRequest(inputs=[Fetch(id=ours)])
    )
    assert [str(to.to_object_id) for row in rows.results for to in row.to] == [ben]
    list(bench.hubspot.write([WriteCommand(key="remove", kind=CommandKind.REMOVE, id=ours)]))
    binned = sdk.crm.objects.basic_api.get_page(KIND, archived=True)
    assert [(each.id, each.archived) for each in binned.results] == [(ours, True)]
    with pytest.raises(ApiException) as refused:
        sdk.crm.objects.basic_api.get_by_id(KIND, ours)
    assert refused.value.status == 404


# --- refusals, contacts and the account


def test_a_batch_that_fails_in_part_answers_both_clients_alike(sdk: Any, bench: Bench) -> None:
    _made_by_us(bench, "GhlEvent0001")
    rows = [
        SimplePublicObjectBatchInputForCreate(
            properties=_properties(bench, **{GHL_ID: key}),
            associations=[],
            object_write_trace_id=f"row-{key}",
        )
        for key in ("GhlEvent0001", "GhlEvent0002")
    ]
    answer = sdk.crm.objects.batch_api.create(
        KIND, BatchInputSimplePublicObjectBatchInputForCreate(inputs=rows)
    )
    assert answer.num_errors == 1
    assert answer.errors[0].context["objectWriteTraceId"] == ["row-GhlEvent0001"]
    assert [each.properties[GHL_ID] for each in answer.results] == ["GhlEvent0002"]


def test_a_record_that_is_not_there_is_an_error_of_its_own_in_a_batch(
    sdk: Any, bench: Bench
) -> None:
    made = _made_by_sdk(sdk, bench)
    body = BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=key) for key in (made, "999999999")],
        properties=SHOWN,
        properties_with_history=[],
    )
    answer = sdk.crm.objects.batch_api.read(KIND, body)
    assert [each.id for each in answer.results] == [made]
    assert answer.errors[0].category == "OBJECT_NOT_FOUND"
    assert isinstance(bench.hubspot.fetch(["999999999"])["999999999"], Missing)


def test_contacts_go_both_ways_and_a_second_one_is_refused(sdk: Any, bench: Bench) -> None:
    api = sdk.crm.contacts.basic_api
    theirs = api.create(
        NewContact(
            properties={"email": "cleo@example.com", "firstname": "Cleo", "phone": "+15550100103"},
            associations=[],
        )
    ).id
    found = sure(bench.hubspot.find_contacts(["Cleo@Example.com"], ["+15550100103"]))
    assert [[each.id for each in held] for held in found.values()] == [[theirs], [theirs]]
    dario = Contact(first_name="Dario", emails=("dario@example.com",))
    made = make_contact(bench.hubspot, dario)
    read = api.get_by_id("dario@example.com", id_property="email")
    assert (read.id, read.properties["firstname"]) == (made.id, "Dario")
    with pytest.raises(ContactRefused) as refused:
        api.create(NewContact(properties={"email": "dario@example.com"}, associations=[]))
    assert refused.value.status == 409
    assert made.id in refused.value.body
    assert make_contact(bench.hubspot, replace(dario, first_name="Dora")) == made


def test_it_reads_the_properties_that_our_setup_made(sdk: Any, bench: Bench) -> None:
    known = {each.name: each for each in sdk.crm.properties.core_api.get_all(KIND).results}
    assert known[GHL_ID].has_unique_value
    assert known[GHL_ID].group_name in {
        each.name for each in sdk.crm.properties.groups_api.get_all(KIND).results
    }
    account = bench.hubspot.prepare()
    values = [each.value for each in known[account.status_property].options]
    assert account.status_values == tuple(values)


def test_it_reads_the_same_owners_and_the_same_association_type(sdk: Any, bench: Bench) -> None:
    owners = {each.id: each.email for each in sdk.crm.owners.owners_api.get_page().results}
    people = bench.hubspot.prepare().people
    assert {each.id: each.email for each in people if each.active} == owners
    labels = sdk.crm.associations.v4.schema.definitions_api.get_all(KIND, "0-1").results
    assert 906 in [each.type_id for each in labels]
