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
from refusing import Refusing, naming

from syncd.core.model import Group, Side
from syncd.core.policy import Direction, Route
from syncd.engine.report import CycleReport, Outcome

if TYPE_CHECKING:
    from towns import Town

NO = [400, 403, 404, 409, 422, 500, 503]


def person(town: Town, name: str, *, across: bool = True) -> tuple[str, str]:
    mail = f"{name}@example.com"
    here = town.ghl.add_contact(name, mail)
    return here, town.hubspot.add_contact(name, mail) if across else ""


def book(town: Town, contact: str, hours: float = 48, calendar: str = "Event", **more: Any) -> str:
    return str(town.ghl.book(town.calendars[calendar], contact, town.at(hours), **more))


def record(town: Town, contact: str, hours: float = 96, **properties: Any) -> str:
    start = town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(town.hubspot.create({"hs_appointment_start": start} | properties, [contact]))


def carried(town: Town) -> set[str]:
    return {each.properties.get("ghl_appointment_id", "") for each in town.hubspot.records()}


def told(report: CycleReport, record_id: str) -> list[str]:
    """What the report says of a record: reasons of its holds, and `failed`."""
    said = [each.reason for each in report.held if record_id in (each.ghl_id, each.hubspot_id)]
    return said + [
        "failed" for each in report.failed if record_id in (each.ghl_id, each.hubspot_id)
    ]


# --- parts of HighLevel


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500, 503])
def test_one_calendar_that_cannot_be_listed_stops_no_other(town: Town, status: int) -> None:
    ann, _ = person(town, "ann")
    there, elsewhere = book(town, ann, 48, "Event"), book(town, ann, 60, "Team")
    closed = Refusing(town, naming(town.calendars["Team"], "/calendars/events"), status)
    report = town.sync()
    assert (report.outcome, report.hubspot.created) == (Outcome.FAILED_WRITES, 1)
    assert any(town.calendars["Team"] in part for part in report.unread)
    assert carried(town) == {there}
    closed.on = False
    assert town.sync().outcome is Outcome.OK
    assert carried(town) == {there, elsewhere}


def test_a_location_of_which_no_calendar_may_be_read_is_refused(town: Town) -> None:
    Refusing(town, naming("", "/ghl/calendars/events"), 403)
    assert town.sync().outcome is Outcome.REFUSED


# --- ids of others


def test_nothing_is_asked_about_the_ids_of_another_location(town: Town) -> None:
    _, ann = person(town, "ann")
    town.hubspot.create(
        {
            "hs_appointment_start": "2026-03-06T09:00:00Z",
            "ghl_appointment_id": "TheirAppointment0001",
            "ghl_location_id": "SomewhereElse0000001",
        },
        [ann],
    )
    record(town, ann)
    theirs = Refusing(town, naming("TheirAppointment0001", "/ghl/"), 403)
    for full in (True, False, True):
        report = town.sync(full=full)
        assert report.outcome is Outcome.OK
        assert report.held == []
    assert theirs.hits == []
    assert len(town.ghl.events()) == 1


@pytest.mark.parametrize("status", NO)
def test_an_id_that_may_not_be_asked_for_holds_its_own_record(town: Town, status: int) -> None:
    _, ann = person(town, "ann")
    strange = record(town, ann, ghl_appointment_id="WhoseIsThis000000001")
    record(town, ann, 120)
    Refusing(town, naming("WhoseIsThis000000001", "/ghl/"), status)
    report = town.sync()
    assert report.outcome is Outcome.OK
    assert (report.ghl.created, told(report, strange)) == (1, ["unreadable"])


@pytest.mark.parametrize("carries", ["x" * 12_000, "é" * 12_000, "..", ".", "a/../b", "?#%2e"])
def test_no_id_that_a_person_typed_reaches_beyond_its_record(town: Town, carries: str) -> None:
    _, ann = person(town, "ann")
    strange = record(town, ann, ghl_appointment_id=carries)
    record(town, ann, 120)
    report = town.sync()
    assert report.outcome is Outcome.OK
    assert (report.ghl.created, told(report, strange)) == (1, ["unreadable"])
    assert all(len(hold.detail) < 1_000 for hold in report.held)


# --- people


@pytest.mark.parametrize("mail", [f"{'a' * 12_000}@example.com", f"{'é' * 12_000}@example.com"])
@pytest.mark.parametrize("side", list(Side))
def test_an_address_of_any_length_holds_its_own_record(town: Town, side: Side, mail: str) -> None:
    ann, anns = person(town, "ann")
    if side is Side.GHL:
        strange = book(town, town.ghl.add_contact("Long", mail), 24)
        book(town, ann)
    else:
        strange = record(town, town.hubspot.add_contact("Long", mail), 24)
        record(town, anns)
    report = town.sync()
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
    town: Town, side: Side, across: bool, status: int
) -> None:
    ann, bob = person(town, "ann", across=True), person(town, "bob", across=True)
    if side is Side.GHL:
        theirs, other = book(town, ann[0], 24), book(town, bob[0], 48)
    else:
        theirs, other = record(town, ann[1], 24), record(town, bob[1], 48)
    own = ann[0] if side is Side.GHL else ann[1]
    named = naming("ann@example.com" if across else own, LOOK_UPS[side][across])
    stone = Refusing(town, lambda asked: named(_at_sign(asked)), status)
    for full in (True, False):
        report = town.sync(full=full)
        assert stone.hits
        if status == 404 and not across and side is Side.GHL:
            break  # That is the word for somebody who is not there.
        assert told(report, other) == []
        assert len(town.hubspot.contact_records()) == 2
        assert len(town.ghl.contacts) == 2
        assert told(report, theirs) == ["unreadable" if status >= 500 else "rejected"], status
    assert len(town.ghl.events()) == (2 if side is Side.GHL else 1)
    assert report.outcome in (Outcome.OK, Outcome.FAILED_WRITES)
    stone.on = False
    town.later(hours=7)
    assert town.sync().outcome is Outcome.OK
    assert (len(town.ghl.events()), len(town.hubspot.records())) == (2, 2)


@pytest.mark.parametrize("status", [403, 422, 500])
def test_a_known_person_who_cannot_be_read_is_not_made_again(town: Town, status: int) -> None:
    ann, anns = person(town, "ann")
    book(town, ann)
    town.sync()
    again = book(town, ann, 60)
    stone = Refusing(town, naming(anns, "/crm/objects/2026-03/contacts"), status)
    report = town.sync()
    assert told(report, again) == ["unreadable" if status >= 500 else "rejected"]
    assert len(town.hubspot.contact_records()) == 1
    stone.on = False
    assert town.sync().hubspot.created == 1


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("side", list(Side))
def test_a_twin_of_whom_nothing_is_known_keeps_the_other_waiting(
    town: Town, side: Side, status: int
) -> None:
    """Nothing is made because of what could not be read."""
    ann, anns = person(town, "ann")
    book(town, ann, 48, title="Check-up")
    record(town, anns, 48, hs_appointment_end="2026-03-04T09:30:00Z")
    key = ann if side is Side.GHL else anns
    stone = Refusing(town, naming(key, LOOK_UPS[side][False]), status)
    town.sync()
    assert (len(town.ghl.events()), len(town.hubspot.records())) == (1, 1)
    stone.on = False
    town.later(hours=7)
    town.sync()
    assert (len(town.ghl.events()), len(town.hubspot.records())) == (1, 1)
    assert len(town.pairs()) == 1


@pytest.mark.parametrize("status", [400, 403, 413, 422, 500])
@pytest.mark.parametrize("side", list(Side))
def test_a_contact_that_cannot_be_made_stops_no_other(town: Town, side: Side, status: int) -> None:
    ann, bob = person(town, "ann", across=False), person(town, "bob", across=False)
    if side is Side.GHL:
        cleo, dan = (town.hubspot.add_contact(n, f"{n}@example.com") for n in ("cleo", "dan"))
        theirs, other = record(town, cleo, 24), record(town, dan, 48)
        stone = Refusing(town, naming("cleo@", "/ghl/contacts/", "POST"), status)
    else:
        theirs, other = book(town, ann[0], 24), book(town, bob[0], 48)
        stone = Refusing(town, _makes("ann@"), status)
    report = town.sync()
    assert told(report, other) == []
    assert told(report, theirs) == ["failed" if status >= 500 else "rejected"]
    stone.on = False
    town.later(hours=7)
    town.sync()
    assert town.plan().planned == []


@pytest.mark.parametrize("side", list(Side))
def test_without_the_scope_to_make_contacts_all_others_are_synced(town: Town, side: Side) -> None:
    ann, anns = person(town, "ann")
    settings = town.world.settings
    if side is Side.HUBSPOT:
        lacking: dict[str, Any] = {
            "hubspot_scopes": settings.hubspot_scopes - {"crm.objects.contacts.write"}
        }
        bob = town.ghl.add_contact("Bob", "bob@example.com")
        theirs, other = book(town, bob, 24), book(town, ann, 60)
    else:
        lacking = {"ghl_scopes": settings.ghl_scopes - {"contacts.write"}}
        theirs = record(town, town.hubspot.add_contact("Bob", "bob@example.com"), 24)
        other = record(town, anns, 60)
    town.world.settings = replace(settings, **lacking)
    report = town.sync()
    assert report.outcome is Outcome.REFUSED
    assert "contacts.write" in report.detail
    assert (told(report, theirs), told(report, other)) == (["rejected"], [])
    assert len(town.pairs()) == 1


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
def test_a_text_that_is_refused_keeps_no_cancellation_back(town: Town, status: int) -> None:
    ann, _ = person(town, "ann")
    visit = book(town, ann)
    town.sync()
    (shown,) = town.hubspot.records()
    town.hubspot.edit(
        shown.id, hs_appointment_status="CANCELLED", ghl_description="what nobody takes"
    )
    stone = Refusing(town, naming("what nobody takes", "/ghl/calendars/events"), status)
    report = town.sync()
    assert town.ghl.get(visit).status == "cancelled"
    (hold,) = report.held
    assert (hold.reason, hold.group, hold.ghl_id) == ("rejected", "description", visit)
    assert "there is a stone in the way" in hold.detail
    stone.on = False
    town.later(hours=7)
    assert town.sync().held == []
    assert town.ghl.get(visit).description == "what nobody takes"


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
def test_what_a_sync_can_do_without_stops_nothing(town: Town, what: str, status: int) -> None:
    town.ghl.add_user("Uma", "uma@example.com")
    ann, anns = person(town, "ann")
    visit, other = book(town, ann), record(town, anns, 120)
    side, path = BESIDE[what]
    town.world.faults.add(side=side, path=path, status=status, times=None, body={"message": "No"})
    report = town.sync()
    assert report.outcome is Outcome.OK
    assert town.world.faults.hits
    assert (report.ghl.created, report.hubspot.created) == (1, 1)
    assert visit in carried(town)
    assert linked(town, carrier(town, visit)) == [anns]
    assert (told(report, other), told(report, visit)) == ([], [])
    owners = [each for each in report.warnings if each.startswith("owners cannot be matched")]
    assert len(owners) == (what in ("users", "owners"))
    town.world.faults.clear()
    report = town.sync()
    assert (report.outcome, report.written) == (Outcome.OK, [])


@pytest.mark.parametrize("what", ["users", "owners"])
@pytest.mark.parametrize("body", [{}, [], {"users": None, "results": None}, "what?"])
def test_people_of_whom_nothing_is_said_are_unread_and_not_gone(
    town: Town, what: str, body: object
) -> None:
    mail = "uma@example.com"
    uma, owner = town.ghl.add_user("Uma", mail), town.hubspot.add_owner("Uma", mail)
    town.ghl.set_team(town.calendars["Team"], [uma])
    ann, _ = person(town, "ann")
    visit = book(town, ann, calendar="Team", assignee=uma)
    town.sync()
    assert town.hubspot.get(carrier(town, visit)).properties["hubspot_owner_id"] == owner
    side, path = BESIDE[what]
    town.world.faults.add(side=side, path=path, status=200, times=None, body=body)
    town.later(hours=2)
    town.ghl.edit(visit, title="Moved to another room")
    for _ in range(2):
        assert town.sync().outcome is Outcome.OK
    shown = town.hubspot.get(carrier(town, visit)).properties
    assert shown["hubspot_owner_id"] == owner
    assert shown["hs_appointment_name"] == "Moved to another room"


def carrier(town: Town, ghl_id: str) -> str:
    """The HubSpot record that carries this id."""
    (found,) = (
        each.id
        for each in town.hubspot.records()
        if each.properties.get("ghl_appointment_id") == ghl_id
    )
    return str(found)


def linked(town: Town, record_id: str) -> list[str]:
    return sorted(town.hubspot.get(record_id).links.get("0-1", {}))


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
    town: Town, name: str
) -> None:
    book(town, person(town, "ann")[0])
    town.hubspot.appointments.definitions[name].read_only = True
    report = town.sync()
    assert report.outcome is Outcome.NOT_PREPARED
    assert name in report.detail
    assert "read-only" in report.detail
    assert town.hubspot.records() == []
    town.hubspot.appointments.definitions[name].read_only = False
    assert town.sync().hubspot.created == 1


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
    town: Town, name: str, word: str
) -> None:
    town.hubspot.add_property("day", type="datetime")
    town.hubspot.add_property("locked", type="enumeration", options=["SCHEDULED"], read_only=True)
    book(town, person(town, "ann")[0])
    town.provider_options = {"status_property": name}
    report = town.sync()
    assert report.outcome is Outcome.NOT_PREPARED
    assert name in report.detail
    assert word in report.detail


def test_where_nothing_is_written_to_it_a_property_may_be_read_only(town: Town) -> None:
    _, anns = person(town, "ann")
    record(town, anns)
    town.hubspot.appointments.definitions["hs_appointment_name"].read_only = True
    town.provider_options = {"writes": frozenset({"status"})}
    town.obey(fields={Group.TITLE: Direction.HUBSPOT_TO_GHL})
    assert town.sync().ghl.created == 1


# --- what a lost answer leaves open


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("where", ["contact's list", "calendar's list"])
def test_a_booking_that_cannot_be_looked_for_waits_and_stops_no_other(
    town: Town, where: str, status: int
) -> None:
    (ann, anns), (_, bobs) = person(town, "ann"), person(town, "bob")
    theirs = record(town, anns, 48)
    # It is booked, the answer is lost, and what it left open cannot be looked for at first.
    town.world.faults.add(
        side="ghl", method="POST", path="/calendars/events/appointments", kind="timeout_after"
    )
    away = (
        naming("", f"/contacts/{ann}/appointments")
        if where == "contact's list"
        else naming(town.calendars["Team"], "/calendars/events", "GET")
    )
    stone = Refusing(town, lambda asked: bool(town.ghl.events()) and away(asked), status)
    town.sync()
    assert stone.hits
    other = record(town, bobs, 72)
    report = town.sync()
    assert report.outcome is Outcome.FAILED_WRITES
    assert any(theirs in each for each in report.unread)
    assert len([each for each in town.ghl.events() if each.contact == ann]) == 1
    if where == "contact's list":
        assert report.ghl.created == 1
        assert told(report, other) == []
    stone.on = False
    town.later(hours=7)
    for _ in range(2):
        assert town.sync().outcome is Outcome.OK
    assert len(town.ghl.events()) == len(town.pairs()) == 2
    assert town.plan().planned == []


@pytest.mark.parametrize("status", [403, 422, 500, 503])
def test_slots_that_cannot_be_read_stop_no_booking_elsewhere(town: Town, status: int) -> None:
    """As many in a row as would otherwise be taken for an outage."""
    town.hubspot.add_property("room")
    elsewhere = Route(property="room", value="2", calendar=town.calendars["Event"], assignee="")
    town.obey(routes=(elsewhere,), default_calendar=town.calendars["Team"])
    theirs = [record(town, person(town, f"p{n}")[1], 24 + n) for n in range(6)]
    other = record(town, person(town, "zoe")[1], 96, room="2")
    stone = Refusing(town, naming("", f"/calendars/{town.calendars['Team']}/free-slots"), status)
    report = town.sync()
    assert stone.hits
    assert told(report, other) == []
    assert report.ghl.created == 1
    for each in theirs:
        assert told(report, each) == ["failed" if status >= 500 else "rejected"]
    assert report.outcome is (Outcome.FAILED_WRITES if status >= 500 else Outcome.OK)
