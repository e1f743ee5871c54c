"""How far a refusal reaches: a field, a record, a part of a side, a side (contract 4.10).

One row is one refusal of one thing. Everything else goes on in the same
cycle, nothing is made because of what could not be read, and what was left
out follows once the vendor answers again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from refusing import Refusing, naming

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
