"""What the vendors' deliveries name, one row for each shape that was seen or must be survived."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.live.highlevel_events import named_appointment, read_event
from syncd.live.hubspot_events import read_events
from syncd.ports.announcements import Announced

APPOINTMENT = {"id": "apt1", "calendarId": "cal", "title": "Check-up"}
ENVELOPE = {
    "type": "AppointmentUpdate",
    "locationId": "loc",
    "appId": "app",
    "appointment": APPOINTMENT,
    "timestamp": "2026-11-29T08:00:01.000Z",
    "webhookId": "w-1",
}
WITHOUT_TYPE = {name: value for name, value in ENVELOPE.items() if name != "type"}


@pytest.mark.parametrize(
    ("sent", "what", "record"),
    [
        (ENVELOPE, Announced.RECORD, "apt1"),
        ({"data": ENVELOPE}, Announced.RECORD, "apt1"),
        ({**WITHOUT_TYPE, "data": {"type": "AppointmentDelete"}}, Announced.RECORD, "apt1"),
        # The documentation's examples of Update and Delete carry this type.
        ({**ENVELOPE, "type": "AppointmentCreate"}, Announced.RECORD, "apt1"),
        ({**ENVELOPE, "type": "SomethingNew"}, Announced.RECORD, "apt1"),
        ({**WITHOUT_TYPE, "type": None}, Announced.RECORD, "apt1"),
        ({"type": "AppointmentDelete", "id": "apt2"}, Announced.RECORD, "apt2"),
        ({"type": "ContactDelete", "id": "con1"}, Announced.CONTACT, "con1"),
        ({"type": "ContactCreate", "id": "con1"}, None, ""),
        ({"type": "TaskCreate", "id": "t"}, None, ""),
        ({"type": "INSTALL", "companyId": "c"}, None, ""),
        ({"type": "AppointmentCreate", "appointment": {"id": "../../contacts"}}, None, ""),
        ({"type": "AppointmentCreate", "appointment": {"id": "a" * 200}}, None, ""),
        ({"type": "AppointmentCreate", "appointment": [1]}, None, ""),
        ({"type": ["AppointmentCreate"]}, None, ""),
        ({"data": "AppointmentCreate"}, None, ""),
        ([ENVELOPE], None, ""),
        (None, None, ""),
        (7, None, ""),
    ],
)
def test_highlevels_deliveries(sent: Any, what: Announced | None, record: str) -> None:
    event = read_event(sent)
    assert (event.what, event.record) == (what, record)


@pytest.mark.parametrize("sent", [ENVELOPE, {"data": ENVELOPE}, {**ENVELOPE, "data": {}}])
def test_the_envelope_of_highlevels_deliveries(sent: Any) -> None:
    event = read_event(sent)
    assert (event.app, event.location, event.delivery) == ("app", "loc", "w-1")
    assert event.at == datetime(2026, 11, 29, 8, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("sent", ["\ud800", "loc\0", "Zürich"])
def test_an_id_that_no_store_takes_is_one_that_nobody_has(sent: str) -> None:
    event = read_event({"type": "UNINSTALL", "locationId": sent, "companyId": sent})
    for found in (event.location, event.agency):
        assert "?" in found
        assert found.isprintable()
        assert found.isascii()


def test_a_stamp_may_be_a_number() -> None:
    sent = {**ENVELOPE, "timestamp": 1_795_939_201_000}
    assert read_event(sent).at == datetime(2026, 11, 29, 8, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "stamp", [None, True, 10**30, "yesterday", "0001-01-01T00:00:00+14:00", [1]]
)
def test_a_stamp_that_cannot_be_read_is_none(stamp: Any) -> None:
    assert read_event({**ENVELOPE, "timestamp": stamp}).at is None


@pytest.mark.parametrize(
    ("sent", "record"),
    [
        ({"calendar": {"appointmentId": "apt1"}}, "apt1"),
        ({"appointmentId": "apt1"}, "apt1"),
        ({"appointment": {"id": 77}}, "77"),
        ({"calendar": "Reception", "appointmentId": "apt1"}, "apt1"),
        ({"contact_id": "con1"}, ""),
        ({"appointmentId": "{{appointment.id}}"}, ""),
        ({"appointmentId": ""}, ""),
        ([], ""),
        ("apt1", ""),
    ],
)
def test_a_workflows_webhook(sent: Any, record: str) -> None:
    assert named_appointment(sent) == record


GENERIC = {
    "eventId": 1,
    "subscriptionId": 5,
    "portalId": 148,
    "occurredAt": 1_796_000_000_000,
    "subscriptionType": "object.propertyChange",
    "attemptNumber": 0,
    "objectId": 201,
    "objectTypeId": "0-421",
    "propertyName": "hs_appointment_start",
}
ASSOCIATION = {
    "eventId": 2,
    "portalId": 148,
    "subscriptionType": "object.associationChange",
    "fromObjectTypeId": "0-421",
    "fromObjectId": 201,
    "toObjectTypeId": "0-1",
    "toObjectId": 301,
}
TURNED = {
    **ASSOCIATION,
    "fromObjectTypeId": "0-1",
    "fromObjectId": 301,
    "toObjectTypeId": "0-421",
    "toObjectId": 201,
}


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        (GENERIC, [("record", "201")]),
        ({**GENERIC, "subscriptionType": "object.deletion"}, [("record", "201")]),
        ({**GENERIC, "objectTypeId": "appointment"}, [("record", "201")]),
        ({**GENERIC, "objectTypeId": None, "objectType": "APPOINTMENT"}, [("record", "201")]),
        ({**GENERIC, "objectTypeId": "2-77"}, [("record", "201")]),
        ({**GENERIC, "objectTypeId": "0-3"}, []),
        (ASSOCIATION, [("record", "201")]),
        (TURNED, [("record", "201")]),
        (
            {
                **GENERIC,
                "subscriptionType": "object.merge",
                "primaryObjectId": 201,
                "newObjectId": 201,
                "mergedObjectIds": [202, "203", None],
            },
            [("record", "201")] * 3 + [("record", "202"), ("record", "203")],
        ),
        (
            {**GENERIC, "objectTypeId": "0-1", "subscriptionType": "object.deletion"},
            [("contact", "201")],
        ),
        (
            {"portalId": 148, "subscriptionType": "contact.privacyDeletion", "objectId": 9},
            [("contact", "9")],
        ),
        ({"portalId": 148, "subscriptionType": "contact.propertyChange", "objectId": 9}, []),
        ({**GENERIC, "portalId": None}, []),
        ({**GENERIC, "portalId": True}, []),
        ({**GENERIC, "objectId": "../9"}, []),
        ({**GENERIC, "objectId": 2**70}, []),
        ({}, []),
        ("event", []),
    ],
)
def test_hubspots_events(sent: Any, named: list[tuple[str, str]]) -> None:
    for delivery in (sent, [sent]):
        assert [(each.what.value, each.record) for each in read_events(delivery)] == named


def test_one_event_that_cannot_be_understood_stops_no_other() -> None:
    named = read_events([None, {"portalId": []}, GENERIC, 7])
    assert [each.record for each in named] == ["201"]


def test_a_repeated_event_is_known_by_all_that_makes_it_one() -> None:
    def identity(**changed: object) -> str:
        (event,) = read_events([json.loads(json.dumps({**GENERIC, **changed}))])
        return event.delivery

    assert identity() == identity(attemptNumber=3)
    for name, value in (
        ("eventId", 2),
        ("portalId", 149),
        ("subscriptionId", 6),
        ("objectId", 202),
        ("propertyName", "hs_appointment_end"),
        ("occurredAt", 1),
    ):
        assert identity() != identity(**{name: value})
    assert identity(eventId=None) == ""


def test_the_time_of_an_event() -> None:
    (event,) = read_events([GENERIC])
    assert event.at == datetime(2026, 11, 30, 0, 53, 20, tzinfo=UTC)
    (event,) = read_events([{**GENERIC, "occurredAt": 10**18}])
    assert event.at is None
