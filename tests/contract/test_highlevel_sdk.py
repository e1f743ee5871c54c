"""HighLevel's official Python SDK as a witness: what it writes we find, what we write it finds.

It drives the sandbox over a real socket. It always says `Version: v3`, while
our provider says the dated versions; so this also shows that a record is the
same under both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from answers import sure
from contact_helper import make_contact
from highlevel import HighLevel
from highlevel.error import GHLError

from syncd.core.model import Appointment, Contact, Group, Snapshot
from syncd.ports.provider import CommandKind, Done, ScanRequest, WriteCommand

if TYPE_CHECKING:
    from syncd.sandbox import SandboxServer
    from tests.contract.conftest import Bench

Ask = Callable[[Callable[[HighLevel], Awaitable[Any]]], Any]


@pytest.fixture
def ask(server: SandboxServer) -> Ask:
    """Asks through the official client, pointed at the sandbox: `ask(lambda sdk: …)`."""

    async def answered(question: Callable[[HighLevel], Awaitable[Any]]) -> Any:
        sdk = HighLevel(private_integration_token=server.world.settings.ghl_token, log_level="none")
        sdk.http_client.base_url = server.ghl_url
        try:
            return await question(sdk)
        finally:
            await sdk.close()

    return lambda question: asyncio.run(answered(question))


@pytest.fixture
def ann(bench: Bench) -> str:
    return bench.world.location.add_contact("Ann Example", "ann@example.com", "+15550100101")


def _body(bench: Bench, contact: str, **more: object) -> dict[str, object]:
    return {
        "calendarId": bench.calendars["Team"],
        "locationId": bench.world.location.id,
        "contactId": contact,
        "title": "By the SDK",
        "startTime": bench.at(24).isoformat(),
        "endTime": bench.at(24.5).isoformat(),
        "appointmentStatus": "confirmed",
        "assignedUserId": next(iter(bench.world.location.users)),
        "ignoreFreeSlotValidation": True,
        "toNotify": False,
        **more,
    }


def _change_status(ask: Ask, key: str, status: str) -> None:
    change = {"appointmentStatus": status, "toNotify": False}
    ask(lambda sdk: sdk.calendars.edit_appointment(key, change))


def _book(bench: Bench, contact: str, title: str = "By us") -> str:
    command = WriteCommand(
        key=f"book-{title}",
        kind=CommandKind.CREATE,
        calendar=bench.calendars["Team"],
        wanted=Appointment(
            title=title,
            start=bench.at(48),
            end=bench.at(48.5),
            status="new",
            description="Brings reports.",
            owner=next(iter(bench.world.location.users)),
            contact=contact,
        ),
    )
    (receipt,) = bench.ghl.write([command])
    assert isinstance(receipt, Done), receipt
    return receipt.id


def _seen(bench: Bench, key: str) -> Snapshot:
    found = bench.ghl.fetch([key])[key]
    assert isinstance(found, Snapshot), found
    return found


def _listed(ask: Ask, bench: Bench) -> dict[str, Any]:
    span = [str(int(at.timestamp() * 1000)) for at in (bench.at(0), bench.at(24 * 7))]
    answer = ask(
        lambda sdk: sdk.calendars.get_calendar_events(
            bench.world.location.id, *span, calendar_id=bench.calendars["Team"]
        )
    )
    return {row["id"]: row for row in answer["events"]}


# --- what it writes, we find


def test_we_read_what_it_books(ask: Ask, bench: Bench, ann: str) -> None:
    made = ask(
        lambda sdk: sdk.calendars.create_appointment(
            _body(bench, ann, description="Of the SDK", address="12 Quay Street")
        )
    )
    shown = _seen(bench, made["id"])
    assert shown.appointment == Appointment(
        title="By the SDK",
        start=bench.at(24),
        end=bench.at(24.5),
        status="confirmed",
        description="Of the SDK",
        address="12 Quay Street",
        owner=next(iter(bench.world.location.users)),
        contact=ann,
    )
    scan = bench.ghl.scan(ScanRequest(window=bench.window))
    assert [each.id for each in scan.snapshots] == [made["id"]]


def test_we_read_what_it_changes_and_deletes(ask: Ask, bench: Bench, ann: str) -> None:
    made = ask(lambda sdk: sdk.calendars.create_appointment(_body(bench, ann)))["id"]
    bench.clock.advance(timedelta(minutes=1))
    change = {
        "startTime": bench.at(30).isoformat(),
        "endTime": bench.at(31).isoformat(),
        "appointmentStatus": "showed",
        "ignoreFreeSlotValidation": True,
        "toNotify": False,
    }
    ask(lambda sdk: sdk.calendars.edit_appointment(made, change))
    shown = _seen(bench, made)
    assert (shown.appointment.start, shown.appointment.end) == (bench.at(30), bench.at(31))
    assert shown.appointment.status == "showed"
    assert shown.updated_at == bench.now
    ask(lambda sdk: sdk.calendars.delete_event(made, {}))
    assert _seen(bench, made).gone
    assert not bench.ghl.scan(ScanRequest(window=bench.window)).snapshots


def test_the_newer_names_of_a_status_are_the_older_ones_for_us(
    ask: Ask, bench: Bench, ann: str
) -> None:
    made = ask(lambda sdk: sdk.calendars.create_appointment(_body(bench, ann)))["id"]
    for written, read in (("completed", "showed"), ("active", "confirmed")):
        _change_status(ask, made, written)
        assert _seen(bench, made).appointment.status == read


def test_its_blocked_time_is_no_appointment_and_is_not_deleted_by_us(
    ask: Ask, bench: Bench
) -> None:
    place = bench.world.location
    block = ask(
        lambda sdk: sdk.calendars.create_block_slot(
            {
                "calendarId": bench.calendars["Event"],
                "locationId": place.id,
                "title": "Closed",
                "startTime": bench.at(24).isoformat(),
                "endTime": bench.at(30).isoformat(),
            }
        )
    )["id"]
    assert not bench.ghl.scan(ScanRequest(window=bench.window)).snapshots
    (receipt,) = bench.ghl.write([WriteCommand(key="remove", kind=CommandKind.REMOVE, id=block)])
    assert isinstance(receipt, Done)
    assert not place.blocks[block].deleted


# --- what we write, it finds


def test_it_reads_what_we_book(ask: Ask, bench: Bench, ann: str) -> None:
    ours = _book(bench, ann)
    answer = ask(lambda sdk: sdk.calendars.get_appointment(ours))
    row = answer.get("appointment") or answer["event"]
    assert (row["title"], row["description"]) == ("By us", "Brings reports.")
    assert (row["contactId"], row["appointmentStatus"]) == (ann, "new")
    assert datetime.fromisoformat(row["startTime"]) == bench.at(48)
    assert list(_listed(ask, bench)) == [ours]
    contact = ask(lambda sdk: sdk.contacts.get_appointments_for_contact(ann))
    assert [each["id"] for each in contact["events"]] == [ours]


def test_it_reads_what_we_change_and_misses_what_we_delete(
    ask: Ask, bench: Bench, ann: str
) -> None:
    kept, dropped = _book(bench, ann, "Kept"), _book(bench, ann, "Dropped")
    change = WriteCommand(
        key="update",
        kind=CommandKind.UPDATE,
        id=kept,
        wanted=Appointment(title="Renamed", start=bench.at(50), end=bench.at(51)),
        groups=frozenset({Group.TITLE, Group.TIME}),
    )
    remove = WriteCommand(key="remove", kind=CommandKind.REMOVE, id=dropped)
    assert all(isinstance(each, Done) for each in bench.ghl.write([change, remove]))
    listed = _listed(ask, bench)
    assert [row["title"] for row in listed.values()] == ["Renamed"]
    assert datetime.fromisoformat(listed[kept]["startTime"]) == bench.at(50)
    assert listed[kept]["appointmentStatus"] == "new"
    answer = ask(lambda sdk: sdk.calendars.get_appointment(dropped))
    assert (answer.get("appointment") or answer["event"])["deleted"] is True


def test_it_is_refused_the_slot_that_we_took(ask: Ask, bench: Bench, ann: str) -> None:
    _book(bench, ann)
    wanted = _body(
        bench,
        ann,
        startTime=bench.at(48).isoformat(),
        endTime=bench.at(48.5).isoformat(),
        ignoreFreeSlotValidation=False,
    )
    with pytest.raises(GHLError) as refused:
        ask(lambda sdk: sdk.calendars.create_appointment(wanted))
    assert refused.value.status_code == 400
    start, end = (int(bench.at(hours).timestamp() * 1000) for hours in (46, 50))
    slots = ask(lambda sdk: sdk.calendars.get_slots(bench.calendars["Personal"], start, end, "UTC"))
    offered = [
        datetime.fromisoformat(text)
        for day in slots.values()
        if isinstance(day, dict)
        for text in day["slots"]
    ]
    assert bench.at(48) in offered


# --- contacts and the account


def test_contacts_go_both_ways_and_a_second_one_is_refused(ask: Ask, bench: Bench) -> None:
    place = bench.world.location
    new = {
        "locationId": place.id,
        "firstName": "Cleo",
        "email": "cleo@example.com",
        "phone": "+15550100103",
    }
    theirs = ask(lambda sdk: sdk.contacts.create_contact(new))["contact"]["id"]
    found = sure(bench.ghl.find_contacts(["Cleo@Example.com"], ["+15550100103"]))
    assert [[each.id for each in held] for held in found.values()] == [[theirs], [theirs]]
    ours = make_contact(
        bench.ghl, Contact(first_name="Dario", last_name="Lutz", emails=("dario@example.com",))
    )
    read = ask(lambda sdk: sdk.contacts.get_contact(ours.id))["contact"]
    assert (read["firstName"], read["email"]) == ("Dario", "dario@example.com")
    twin = ask(lambda sdk: sdk.contacts.get_duplicate_contact(place.id, email="dario@example.com"))
    assert twin["contact"]["id"] == ours.id
    with pytest.raises(GHLError) as refused:
        ask(
            lambda sdk: sdk.contacts.create_contact(
                {"locationId": place.id, "email": "dario@example.com"}
            )
        )
    assert refused.value.status_code == 400
    again = make_contact(bench.ghl, Contact(first_name="Dora", emails=("dario@example.com",)))
    assert (again.id, again.first_name) == (ours.id, "Dario")


def test_it_reads_the_same_calendars_users_and_zone(ask: Ask, bench: Bench) -> None:
    place, account = bench.world.location, bench.ghl.prepare()
    calendars = ask(lambda sdk: sdk.calendars.get_calendars(place.id))["calendars"]
    assert {row["id"] for row in calendars} == {each.id for each in account.calendars}
    location = ask(lambda sdk: sdk.locations.get_location(place.id))["location"]
    assert location["timezone"] == account.timezone
    users = ask(lambda sdk: sdk.users.search_users(location["companyId"], location_id=place.id))[
        "users"
    ]
    assert {row["id"]: row["email"] for row in users} == {
        each.id: each.email for each in account.people
    }
