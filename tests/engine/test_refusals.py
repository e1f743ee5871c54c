"""How far a refusal reaches: a field, a record, a part of a side, a side (promise 10).

One row is one refusal of one thing. Everything else goes on in the same
cycle, nothing is made because of what could not be read, and what was left
out follows once the vendor answers again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from refusing_transport import RefusingTransport, naming

from syncd.core.model import Group, Side
from syncd.core.outcome import Outcome
from syncd.core.policy import Direction, Route
from syncd.engine.report import CycleReport

if TYPE_CHECKING:
    from harness import SyncHarness

NO = [400, 403, 404, 409, 422, 500, 503]


def person(harness: SyncHarness, name: str, *, across: bool = True) -> tuple[str, str]:
    mail = f"{name}@example.com"
    here = harness.ghl.add_contact(name, mail)
    return here, harness.hubspot.add_contact(name, mail) if across else ""


def book(
    harness: SyncHarness, contact: str, hours: float = 48, calendar: str = "Event", **more: Any
) -> str:
    return str(harness.ghl.book(harness.calendars[calendar], contact, harness.at(hours), **more))


def record(harness: SyncHarness, contact: str, hours: float = 96, **properties: Any) -> str:
    start = harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(harness.hubspot.create({"hs_appointment_start": start} | properties, [contact]))


def carried(harness: SyncHarness) -> set[str]:
    return {each.properties.get("ghl_appointment_id", "") for each in harness.hubspot.records()}


def told(report: CycleReport, record_id: str) -> list[str]:
    """What the report says of a record: reasons of its holds, and `failed`."""
    said = [each.reason for each in report.held if record_id in (each.ghl_id, each.hubspot_id)]
    return said + [
        "failed" for each in report.failed if record_id in (each.ghl_id, each.hubspot_id)
    ]


# --- parts of HighLevel


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500, 503])
def test_one_calendar_that_cannot_be_listed_stops_no_other(
    harness: SyncHarness, status: int
) -> None:
    ann, _ = person(harness, "ann")
    there, elsewhere = book(harness, ann, 48, "Event"), book(harness, ann, 60, "Team")
    closed = RefusingTransport(
        harness, naming(harness.calendars["Team"], "/calendars/events"), status
    )
    report = harness.sync()
    assert (report.outcome, report.hubspot.created) == (Outcome.FAILED_WRITES, 1)
    assert any(harness.calendars["Team"] in part for part in report.unread)
    assert carried(harness) == {there}
    closed.on = False
    assert harness.sync().outcome is Outcome.OK
    assert carried(harness) == {there, elsewhere}


def test_a_location_of_which_no_calendar_may_be_read_is_refused(harness: SyncHarness) -> None:
    RefusingTransport(harness, naming("", "/ghl/calendars/events"), 403)
    assert harness.sync().outcome is Outcome.REFUSED


# --- ids of others


def test_nothing_is_asked_about_the_ids_of_another_location(harness: SyncHarness) -> None:
    _, ann = person(harness, "ann")
    harness.hubspot.create(
        {
            "hs_appointment_start": "2026-03-06T09:00:00Z",
            "ghl_appointment_id": "TheirAppointment0001",
            "ghl_location_id": "SomewhereElse0000001",
        },
        [ann],
    )
    record(harness, ann)
    theirs = RefusingTransport(harness, naming("TheirAppointment0001", "/ghl/"), 403)
    for full in (True, False, True):
        report = harness.sync(full=full)
        assert report.outcome is Outcome.OK
        assert report.held == []
    assert theirs.hits == []
    assert len(harness.ghl.events()) == 1


@pytest.mark.parametrize("status", NO)
def test_an_id_that_may_not_be_asked_for_holds_its_own_record(
    harness: SyncHarness, status: int
) -> None:
    _, ann = person(harness, "ann")
    strange = record(harness, ann, ghl_appointment_id="WhoseIsThis000000001")
    record(harness, ann, 120)
    RefusingTransport(harness, naming("WhoseIsThis000000001", "/ghl/"), status)
    report = harness.sync()
    assert report.outcome is Outcome.OK
    assert (report.ghl.created, told(report, strange)) == (1, ["unreadable"])


@pytest.mark.parametrize("carries", ["x" * 12_000, "é" * 12_000, "..", ".", "a/../b", "?#%2e"])
def test_no_id_that_a_person_typed_reaches_beyond_its_record(
    harness: SyncHarness, carries: str
) -> None:
    _, ann = person(harness, "ann")
    strange = record(harness, ann, ghl_appointment_id=carries)
    record(harness, ann, 120)
    report = harness.sync()
    assert report.outcome is Outcome.OK
    assert (report.ghl.created, told(report, strange)) == (1, ["unreadable"])
    assert all(len(hold.detail) < 1_000 for hold in report.held)


# --- people


@pytest.mark.parametrize("mail", [f"{'a' * 12_000}@example.com", f"{'é' * 12_000}@example.com"])
@pytest.mark.parametrize("side", list(Side))
def test_an_address_of_any_length_holds_its_own_record(
    harness: SyncHarness, side: Side, mail: str
) -> None:
    ann, anns = person(harness, "ann")
    if side is Side.GHL:
        strange = book(harness, harness.ghl.add_contact("Long", mail), 24)
        book(harness, ann)
    else:
        strange = record(harness, harness.hubspot.add_contact("Long", mail), 24)
        record(harness, anns)
    report = harness.sync()
    assert report.outcome in (Outcome.OK, Outcome.FAILED_WRITES)
    assert report.tally(side.other).created >= 1
    assert report.tally(side.other).created == 2 or told(report, strange)


LOOK_UPS = {
    Side.GHL: ("/ghl/contacts/", "/hubspot/crm/objects/2026-03/contacts"),
    Side.HUBSPOT: ("/hubspot/crm/objects/2026-03/contacts", "/ghl/contacts/"),
}
"""Where a contact of each side is read, and where it is looked for across."""


@pytest.mark.parametrize("status", [*NO, 401])
@pytest.mark.parametrize("across", [False, True], ids=["its own side", "the other side"])
@pytest.mark.parametrize("side", list(Side))
def test_one_contact_that_cannot_be_looked_up_stops_no_other(
    harness: SyncHarness, side: Side, across: bool, status: int
) -> None:
    ann, bob = person(harness, "ann", across=True), person(harness, "bob", across=True)
    if side is Side.GHL:
        theirs, other = book(harness, ann[0], 24), book(harness, bob[0], 48)
    else:
        theirs, other = record(harness, ann[1], 24), record(harness, bob[1], 48)
    own = ann[0] if side is Side.GHL else ann[1]
    named = naming("ann@example.com" if across else own, LOOK_UPS[side][across])
    stone = RefusingTransport(harness, lambda asked: named(_at_sign(asked)), status)
    for full in (True, False):
        report = harness.sync(full=full)
        assert stone.hits
        if status == 404 and not across and side is Side.GHL:
            break  # That is the word for somebody who is not there.
        assert told(report, other) == []
        assert len(harness.hubspot.contact_records()) == 2
        assert len(harness.ghl.contacts) == 2
        assert told(report, theirs) == ["unreadable" if status >= 500 else "rejected"], status
    assert len(harness.ghl.events()) == (2 if side is Side.GHL else 1)
    assert report.outcome in (Outcome.OK, Outcome.FAILED_WRITES)
    stone.on = False
    harness.later(hours=7)
    assert harness.sync().outcome is Outcome.OK
    assert (len(harness.ghl.events()), len(harness.hubspot.records())) == (2, 2)


@pytest.mark.parametrize("status", [403, 422, 500])
def test_a_known_person_who_cannot_be_read_is_not_made_again(
    harness: SyncHarness, status: int
) -> None:
    ann, anns = person(harness, "ann")
    book(harness, ann)
    harness.sync()
    again = book(harness, ann, 60)
    stone = RefusingTransport(harness, naming(anns, "/crm/objects/2026-03/contacts"), status)
    report = harness.sync()
    assert told(report, again) == ["unreadable" if status >= 500 else "rejected"]
    assert len(harness.hubspot.contact_records()) == 1
    stone.on = False
    assert harness.sync().hubspot.created == 1


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("side", list(Side))
def test_a_twin_of_whom_nothing_is_known_keeps_the_other_waiting(
    harness: SyncHarness, side: Side, status: int
) -> None:
    """Nothing is made because of what could not be read."""
    ann, anns = person(harness, "ann")
    book(harness, ann, 48, title="Check-up")
    record(harness, anns, 48, hs_appointment_end="2026-03-04T09:30:00Z")
    key = ann if side is Side.GHL else anns
    stone = RefusingTransport(harness, naming(key, LOOK_UPS[side][False]), status)
    harness.sync()
    assert (len(harness.ghl.events()), len(harness.hubspot.records())) == (1, 1)
    stone.on = False
    harness.later(hours=7)
    harness.sync()
    assert (len(harness.ghl.events()), len(harness.hubspot.records())) == (1, 1)
    assert len(harness.pairs()) == 1


@pytest.mark.parametrize("status", [400, 403, 413, 422, 500])
@pytest.mark.parametrize("side", list(Side))
def test_a_contact_that_cannot_be_made_stops_no_other(
    harness: SyncHarness, side: Side, status: int
) -> None:
    ann, bob = person(harness, "ann", across=False), person(harness, "bob", across=False)
    if side is Side.GHL:
        cleo, dan = (harness.hubspot.add_contact(n, f"{n}@example.com") for n in ("cleo", "dan"))
        theirs, other = record(harness, cleo, 24), record(harness, dan, 48)
        stone = RefusingTransport(harness, naming("cleo@", "/ghl/contacts/", "POST"), status)
    else:
        theirs, other = book(harness, ann[0], 24), book(harness, bob[0], 48)
        stone = RefusingTransport(harness, _makes("ann@"), status)
    report = harness.sync()
    assert told(report, other) == []
    assert told(report, theirs) == ["failed" if status >= 500 else "rejected"]
    stone.on = False
    harness.later(hours=7)
    harness.sync()
    assert harness.plan().planned == []


@pytest.mark.parametrize("side", list(Side))
def test_without_the_scope_to_make_contacts_all_others_are_synced(
    harness: SyncHarness, side: Side
) -> None:
    ann, anns = person(harness, "ann")
    settings = harness.world.settings
    if side is Side.HUBSPOT:
        lacking: dict[str, Any] = {
            "hubspot_scopes": settings.hubspot_scopes - {"crm.objects.contacts.write"}
        }
        bob = harness.ghl.add_contact("Bob", "bob@example.com")
        theirs, other = book(harness, bob, 24), book(harness, ann, 60)
    else:
        lacking = {"ghl_scopes": settings.ghl_scopes - {"contacts.write"}}
        theirs = record(harness, harness.hubspot.add_contact("Bob", "bob@example.com"), 24)
        other = record(harness, anns, 60)
    harness.world.settings = replace(settings, **lacking)
    report = harness.sync()
    assert report.outcome is Outcome.REFUSED
    assert "contacts.write" in report.detail
    assert (told(report, theirs), told(report, other)) == (["rejected"], [])
    assert len(harness.pairs()) == 1


def _at_sign(asked: httpx.Request) -> httpx.Request:
    """The request with its query as it was before it was encoded."""
    url = str(asked.url).replace("%40", "@")
    return httpx.Request(asked.method, httpx.URL(url), content=asked.read())


def _makes(mail: str) -> Any:
    """Creations of a contact with that address, alone or in a batch."""
    named = naming(mail, "/objects/2026-03/contacts", "POST")
    return lambda asked: named(asked) and asked.url.path.endswith(("/contacts", "/create"))


# --- one field


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_text_that_is_refused_keeps_no_cancellation_back(
    harness: SyncHarness, status: int
) -> None:
    ann, _ = person(harness, "ann")
    visit = book(harness, ann)
    harness.sync()
    (shown,) = harness.hubspot.records()
    harness.hubspot.edit(
        shown.id, hs_appointment_status="CANCELLED", ghl_description="what nobody takes"
    )
    stone = RefusingTransport(harness, naming("what nobody takes", "/ghl/calendars/events"), status)
    report = harness.sync()
    assert harness.ghl.get(visit).status == "cancelled"
    (hold,) = report.held
    assert (hold.reason, hold.group, hold.ghl_id) == ("rejected", "description", visit)
    assert "there is a stone in the way" in hold.detail
    stone.on = False
    harness.later(hours=7)
    assert harness.sync().held == []
    assert harness.ghl.get(visit).description == "what nobody takes"


# --- what a sync can do without


BESIDE = {
    "users": ("ghl", r"^/users/"),
    "owners": ("hubspot", r"^/crm/owners/"),
    "account details": ("hubspot", r"^/account-info/"),
    "activation": ("hubspot", r"^/crm/object-library/"),
    "labels": ("hubspot", r"/labels$"),
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429, 500, 503])
@pytest.mark.parametrize("what", list(BESIDE))
def test_what_a_sync_can_do_without_stops_nothing(
    harness: SyncHarness, what: str, status: int
) -> None:
    harness.ghl.add_user("Uma", "uma@example.com")
    ann, anns = person(harness, "ann")
    visit, other = book(harness, ann), record(harness, anns, 120)
    side, path = BESIDE[what]
    harness.world.faults.add(
        side=side, path=path, status=status, times=None, body={"message": "No"}
    )
    report = harness.sync()
    assert report.outcome is Outcome.OK
    assert harness.world.faults.hits
    assert (report.ghl.created, report.hubspot.created) == (1, 1)
    assert visit in carried(harness)
    assert linked(harness, carrier(harness, visit)) == [anns]
    assert (told(report, other), told(report, visit)) == ([], [])
    owners = [each for each in report.warnings if each.startswith("owners cannot be matched")]
    assert len(owners) == (what in ("users", "owners"))
    harness.world.faults.clear()
    report = harness.sync()
    assert (report.outcome, report.written) == (Outcome.OK, [])


@pytest.mark.parametrize("what", ["users", "owners"])
@pytest.mark.parametrize("body", [{}, [], {"users": None, "results": None}, "what?"])
def test_people_of_whom_nothing_is_said_are_unread_and_not_gone(
    harness: SyncHarness, what: str, body: object
) -> None:
    mail = "uma@example.com"
    uma, owner = harness.ghl.add_user("Uma", mail), harness.hubspot.add_owner("Uma", mail)
    harness.ghl.set_team(harness.calendars["Team"], [uma])
    ann, _ = person(harness, "ann")
    visit = book(harness, ann, calendar="Team", assignee=uma)
    harness.sync()
    assert harness.hubspot.get(carrier(harness, visit)).properties["hubspot_owner_id"] == owner
    side, path = BESIDE[what]
    harness.world.faults.add(side=side, path=path, status=200, times=None, body=body)
    harness.later(hours=2)
    harness.ghl.edit(visit, title="Moved to another room")
    for _ in range(2):
        assert harness.sync().outcome is Outcome.OK
    shown = harness.hubspot.get(carrier(harness, visit)).properties
    assert shown["hubspot_owner_id"] == owner
    assert shown["hs_appointment_name"] == "Moved to another room"


def carrier(harness: SyncHarness, ghl_id: str) -> str:
    """The HubSpot record that carries this id."""
    (found,) = (
        each.id
        for each in harness.hubspot.records()
        if each.properties.get("ghl_appointment_id") == ghl_id
    )
    return str(found)


def linked(harness: SyncHarness, record_id: str) -> list[str]:
    return sorted(harness.hubspot.get(record_id).links.get("0-1", {}))


# --- properties that cannot hold what is written


@pytest.mark.parametrize(
    "name",
    [
        "hs_appointment_name",
        "hs_appointment_start",
        "hubspot_owner_id",
        "ghl_appointment_id",
        "ghl_location_id",
        "ghl_description",
    ],
)
def test_a_property_that_cannot_be_written_is_said_before_the_first_write(
    harness: SyncHarness, name: str
) -> None:
    book(harness, person(harness, "ann")[0])
    harness.hubspot.appointments.definitions[name].read_only = True
    report = harness.sync()
    assert report.outcome is Outcome.NOT_PREPARED
    assert name in report.detail
    assert "read-only" in report.detail
    assert harness.hubspot.records() == []
    harness.hubspot.appointments.definitions[name].read_only = False
    assert harness.sync().hubspot.created == 1


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("hs_lastmodifieddate", "something else"),
        ("hs_duration", "number"),
        ("hs_appointment_name", "something else"),
        ("ghl_appointment_id", "something else"),
        ("locked", "read-only"),
        ("day", "datetime"),
    ],
)
def test_a_status_property_that_holds_no_status_is_refused(
    harness: SyncHarness, name: str, word: str
) -> None:
    harness.hubspot.add_property("day", type="datetime")
    harness.hubspot.add_property(
        "locked", type="enumeration", options=["SCHEDULED"], read_only=True
    )
    book(harness, person(harness, "ann")[0])
    harness.provider_options = {"status_property": name}
    report = harness.sync()
    assert report.outcome is Outcome.NOT_PREPARED
    assert name in report.detail
    assert word in report.detail


def test_where_nothing_is_written_to_it_a_property_may_be_read_only(harness: SyncHarness) -> None:
    _, anns = person(harness, "ann")
    record(harness, anns)
    harness.hubspot.appointments.definitions["hs_appointment_name"].read_only = True
    harness.provider_options = {"writes": frozenset({"status"})}
    harness.obey(fields={Group.TITLE: Direction.HUBSPOT_TO_GHL})
    assert harness.sync().ghl.created == 1


# --- what a lost answer leaves open


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("where", ["contact's list", "calendar's list"])
def test_a_booking_that_cannot_be_looked_for_waits_and_stops_no_other(
    harness: SyncHarness, where: str, status: int
) -> None:
    (ann, anns), (_, bobs) = person(harness, "ann"), person(harness, "bob")
    theirs = record(harness, anns, 48)
    # It is booked, the answer is lost, and what it left open cannot be looked for at first.
    harness.world.faults.add(
        side="ghl", method="POST", path="/calendars/events/appointments", kind="timeout_after"
    )
    away = (
        naming("", f"/contacts/{ann}/appointments")
        if where == "contact's list"
        else naming(harness.calendars["Team"], "/calendars/events", "GET")
    )
    stone = RefusingTransport(
        harness, lambda asked: bool(harness.ghl.events()) and away(asked), status
    )
    harness.sync()
    assert stone.hits
    other = record(harness, bobs, 72)
    report = harness.sync()
    assert report.outcome is Outcome.FAILED_WRITES
    assert any(theirs in each for each in report.unread)
    assert len([each for each in harness.ghl.events() if each.contact == ann]) == 1
    if where == "contact's list":
        assert report.ghl.created == 1
        assert told(report, other) == []
    stone.on = False
    harness.later(hours=7)
    for _ in range(2):
        assert harness.sync().outcome is Outcome.OK
    assert len(harness.ghl.events()) == len(harness.pairs()) == 2
    assert harness.plan().planned == []


@pytest.mark.parametrize("status", [403, 422, 500, 503])
def test_slots_that_cannot_be_read_stop_no_booking_elsewhere(
    harness: SyncHarness, status: int
) -> None:
    """As many in a row as would otherwise be taken for an outage."""
    harness.hubspot.add_property("room")
    elsewhere = Route(property="room", value="2", calendar=harness.calendars["Event"], assignee="")
    harness.obey(routes=(elsewhere,), default_calendar=harness.calendars["Team"])
    theirs = [record(harness, person(harness, f"p{n}")[1], 24 + n) for n in range(6)]
    other = record(harness, person(harness, "zoe")[1], 96, room="2")
    stone = RefusingTransport(
        harness, naming("", f"/calendars/{harness.calendars['Team']}/free-slots"), status
    )
    report = harness.sync()
    assert stone.hits
    assert told(report, other) == []
    assert report.ghl.created == 1
    for each in theirs:
        assert told(report, each) == ["failed" if status >= 500 else "rejected"]
    assert report.outcome is (Outcome.FAILED_WRITES if status >= 500 else Outcome.OK)


@pytest.mark.parametrize("alone", [True, False])
def test_a_conditionally_demanded_value_holds_its_creation_alone(
    harness: SyncHarness, *, alone: bool
) -> None:
    """No API tells such rules beforehand; the record waits with the property's name."""
    harness.provider_options = {"api_version": "2026-09"}
    harness.hubspot.add_property("visit_reason")
    harness.hubspot.conditional["hs_appointment_status", "NO_SHOW"] = "visit_reason"
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    calendar = harness.calendars["Team"]
    missed = harness.ghl.book(calendar, contact, harness.at(48), status="noshow")
    if not alone:
        for hours in (72, 96):
            harness.ghl.book(calendar, contact, harness.at(hours))
    report = harness.sync()
    assert (report.outcome, report.hubspot.created) == (Outcome.OK, 0 if alone else 2)
    (held,) = report.held
    assert (held.ghl_id, held.reason) == (missed, "rejected")
    assert "(visit_reason) in HubSpot" in held.detail
    assert harness.sync().hubspot.writes == 0
    del harness.hubspot.conditional["hs_appointment_status", "NO_SHOW"]
    harness.later(days=2)  # it is tried again by itself
    assert harness.sync().hubspot.created == 1
