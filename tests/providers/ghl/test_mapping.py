"""Reading HighLevel's JSON, whatever it holds: pure readers, no world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.core.model import Appointment, FieldError, Group, Series, Snapshot
from syncd.ports.provider import CommandKind, WriteCommand
from syncd.providers.ghl import mapping, protocol, wire
from syncd.providers.ghl.mapping import LocationContext
from syncd.providers.ghl.timestamps import is_ambiguous, milliseconds, parse, with_offset
from syncd.providers.message import Response

ZURICH = ZoneInfo("Europe/Zurich")
PLACE = LocationContext(
    location="loc",
    zone=ZURICH,
    timezone="Europe/Zurich",
    mapped_fields={"raw_status": "appointmentStatus", "series": "isRecurring", "who": "users"},
)
NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)

ROW = {
    "id": "e1",
    "calendarId": "c1",
    "locationId": "loc",
    "contactId": "p1",
    "title": "Check-up",
    "appointmentStatus": "confirmed",
    "startTime": "2026-07-01T14:00:00+02:00",
    "endTime": "2026-07-01T14:30:00+02:00",
    "dateUpdated": "2026-06-01T10:00:00.123Z",
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["2026-07-01T14:00:00+02:00", "9999-12-31T23:59:59Z", "1970-01-01 00:00:00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ROW, "userId", "slots", "email"]), inner, max_size=4)
    ),
    max_leaves=8,
)
KEYS = (
    *ROW,
    *("appoinmentStatus", "assignedUserId", "address", "description", "dateAdded", "deleted"),
    *("masterEventId", "rrule", "isRecurring", "createdBy", "users"),
)


def shown(**changes: object) -> Appointment:
    return snapshot(**changes).appointment


def snapshot(**changes: object) -> Snapshot:
    event = wire.event(ROW | changes)
    assert event is not None
    return mapping.snapshot(event, PLACE)


@given(row=st.dictionaries(st.sampled_from(KEYS), JSON))
@example(row={"id": "x", "startTime": "0001-01-01T00:00:00+23:59", "endTime": 10**20})
@example(row={"id": True})
@example(row={"id": "x", "startTime": "\ud800", "title": ["a"]})
def test_no_event_crashes_the_reader(row: dict[str, object]) -> None:
    for event in (wire.event(row), wire.enveloped({"appointment": row})):
        if event is not None:
            read = mapping.snapshot(event, PLACE)
            assert read.id
            assert all(
                each is None or each.tzinfo is UTC
                for each in (read.appointment.start, read.appointment.end)
            )


@given(payload=JSON)
def test_no_answer_crashes_any_reader(payload: object) -> None:
    for read in (
        wire.enveloped,
        wire.events,
        wire.calendars,
        wire.location,
        wire.users,
        wire.contact,
        wire.contacts,
        wire.duplicate_of,
        wire.slots,
    ):
        for body in (payload, {"events": payload, "contact": payload, "calendars": payload}):
            read(body)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
@given(payload=JSON, text=st.text(max_size=40))
def test_no_refusal_crashes_the_reader(status: int, payload: object, text: str) -> None:
    answer = Response(status=status, payload=payload, text=text)
    assert str(protocol.refusal(protocol.get_event("x"), answer, location="loc"))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-07-01T14:00:00+02:00", NOON),
        ("2026-07-01T12:00:00Z", NOON),
        ("2026-07-01T12:00:00.999Z", NOON),
        ("2026-07-01T17:30:00+05:30", NOON),
        ("2026-07-01 14:00:00", NOON),
        ("2026-07-01T14:00:00", NOON),
        (1782907200000, NOON),
        ("1782907200000", NOON),
        ("not a time", None),
        ("", None),
        (None, None),
        (True, None),
        ({}, None),
        (float("inf"), None),
    ],
)
def test_every_format_of_one_instant_is_the_same_instant(
    raw: object, expected: datetime | None
) -> None:
    """Lists, stamps, examples, a contact's appointments and queries all write it otherwise."""
    assert parse(raw, ZURICH) == expected


@given(
    moment=st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - the zone comes next
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    zone=st.sampled_from(
        ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    ),
)
def test_what_is_written_with_an_offset_reads_back_as_the_same_instant(
    moment: datetime, zone: str
) -> None:
    moment = moment.replace(microsecond=0)
    location_context = ZoneInfo(zone)
    assert parse(with_offset(moment, location_context), ZURICH) == moment
    assert parse(milliseconds(moment), ZURICH) == moment


def test_only_local_times_of_the_repeated_hour_are_ambiguous() -> None:
    assert is_ambiguous("2026-10-25 02:30:00", ZURICH)
    assert not is_ambiguous("2026-10-25 03:30:00", ZURICH)
    assert not is_ambiguous("2026-10-25T02:30:00+02:00", ZURICH)
    assert not is_ambiguous(None, ZURICH)


def test_the_misspelt_status_is_tolerated_and_the_right_one_wins() -> None:
    assert shown(appointmentStatus=None, appoinmentStatus="noshow").status == "noshow"
    assert shown(appointmentStatus="showed", appoinmentStatus="noshow").status == "showed"


def test_newer_names_of_a_status_are_read_as_the_known_ones() -> None:
    assert shown(appointmentStatus="completed").status == "showed"
    assert shown(appointmentStatus="active").status == "confirmed"
    assert shown(appointmentStatus="rescheduled").status == "rescheduled"


def test_keys_that_the_description_calls_required_may_be_missing() -> None:
    event = wire.event({"id": "e1"})
    assert event is not None
    read = mapping.snapshot(event, PLACE, calendar="c9")
    assert read.appointment == Appointment(
        mapped_fields=(("raw_status", ""), ("series", ""), ("who", ""))
    )
    assert (read.calendar, read.location_id, read.contacts) == ("c9", "loc", ())
    assert [field_error.reason for field_error in read.field_errors] == ["missing_time"]


def test_a_part_that_cannot_be_understood_is_a_flaw_of_its_group() -> None:
    read = snapshot(description={"a": 1}, endTime="tomorrow")
    assert {(field_error.group, field_error.reason) for field_error in read.field_errors} == {
        (Group.DESCRIPTION, "unreadable"),
        (Group.TIME, "unreadable"),
    }
    assert read.appointment.title == "Check-up"
    assert isinstance(read.field_errors[0], FieldError)


def test_texts_are_compared_trimmed_and_with_one_kind_of_line_end() -> None:
    assert shown(description=" a\r\nb ").description == "a\nb"


def test_a_series_is_found_by_the_master_or_by_the_form_of_the_id() -> None:
    assert snapshot(masterEventId="m1").series == Series(master="m1")
    assert snapshot(id="m1_1729821600000_1800").series == Series(master="m1")
    assert snapshot(id="m_1_1729821600000_1800").series == Series(master="m_1")
    assert snapshot(id="plain_id").series is None


def test_an_instance_with_a_rule_is_no_master() -> None:
    for row, master in (
        (ROW | {"rrule": "RRULE:FREQ=DAILY"}, True),
        (ROW | {"rrule": "RRULE:FREQ=DAILY", "masterEventId": "m"}, False),
        (ROW | {"isRecurring": True}, False),
    ):
        event = wire.event(row)
        assert event is not None
        assert mapping.is_master(event) is master


def test_mapped_fields_are_read_by_their_key() -> None:
    mapped_fields = dict(shown(isRecurring=True, users=["u1", "u2"]).mapped_fields)
    assert mapped_fields == {"raw_status": "confirmed", "series": "true", "who": "u1;u2"}


def test_mapped_fields_reach_into_objects_and_are_distinguished_by_kind() -> None:
    fields = {"source": "createdBy.source", "booked": "dateAdded", "series": "isRecurring"}
    location_context = LocationContext(location="loc", zone=ZURICH, mapped_fields=fields)
    row = ROW | {"createdBy": {"source": "booking_widget"}, "dateAdded": "2026-06-01T10:00:00.123Z"}
    event = wire.event(row)
    assert event is not None
    assert mapping.snapshot(event, location_context).appointment.mapped_fields == (
        ("booked", "2026-06-01T10:00:00Z"),
        ("series", ""),
        ("source", "booking_widget"),
    )


def test_derived_fields_say_what_no_key_holds() -> None:
    location_context = LocationContext(
        location="loc",
        zone=ZURICH,
        mapped_fields={"page": "highlevelLink", "own": "highlevelLink", "desk": "calendarName"},
        templates={"own": "https://app.example.com/{calendar}/{appointment}"},
        calendar_names={"c1": "Front desk"},
    )
    event = wire.event(ROW)
    assert event is not None
    assert dict(mapping.snapshot(event, location_context).appointment.mapped_fields) == {
        "page": "https://app.gohighlevel.com/v2/location/loc/contacts/detail/p1",
        "own": "https://app.example.com/c1/e1",
        "desk": "Front desk",
    }


def test_a_link_to_nobody_is_no_link() -> None:
    location_context = LocationContext(location="loc", mapped_fields={"page": "highlevelLink"})
    event = wire.event({"id": "e1"})
    assert event is not None
    assert mapping.snapshot(event, location_context).appointment.mapped_fields == (("page", ""),)


def test_mapped_fields_are_written_by_their_key() -> None:
    location_context = LocationContext(
        location="loc", zone=ZURICH, mapped_fields={"notes": "description"}
    )
    wanted = Appointment(
        start=NOON, contact="p1", mapped_fields=(("notes", "Knee"), ("other", "x"))
    )
    command = WriteCommand(key="k", kind=CommandKind.CREATE, wanted=wanted, calendar="c1")
    assert mapping.booking(command, location_context)["description"] == "Knee"
    assert "other" not in mapping.booking(command, location_context)
    assert (
        mapping.changes(command, Appointment(), {"x:notes"}, location_context)["description"]
        == "Knee"
    )
    assert "description" not in mapping.changes(command, Appointment(), {"title"}, location_context)


def test_notes_are_never_written() -> None:
    """They are accepted and dropped without a word."""
    wanted = Appointment(start=NOON, end=NOON + timedelta(hours=1), contact="p1", description="d")
    command = WriteCommand(key="k", kind=CommandKind.CREATE, wanted=wanted, calendar="c1")
    assert "notes" not in mapping.booking(command, PLACE)
    assert "rrule" not in mapping.booking(command, PLACE)


def test_a_slot_list_leaves_out_what_is_no_date() -> None:
    offered = wire.slots(
        {
            "2026-07-01": {"slots": ["2026-07-01T14:00:00+02:00", 5]},
            "2026-07-02": {"slots": []},
            "traceId": "abc",
        }
    )
    assert offered == ["2026-07-01T14:00:00+02:00"]


def test_a_calendars_length_and_team_are_read_as_they_come() -> None:
    rows = wire.calendars(
        {
            "calendars": [
                {
                    "id": "c1",
                    "isActive": False,
                    "slotDuration": 1.5,
                    "slotDurationUnit": "hours",
                    "teamMembers": [{"userId": "u1"}, {"userId": "u2", "isPrimary": True}, {}],
                },
                {"id": "c2", "openHours": {}, "slotDuration": "x"},
                {"name": "without an id"},
            ]
        }
    )
    assert rows is not None
    first, second = (mapping.calendar(row) for row in rows)
    assert (first.active, first.slot_minutes, first.team) == (False, 90, ("u1", "u2"))
    assert first.primary == "u2"
    assert (second.active, second.slot_minutes, second.team) == (True, 30, ())


def test_a_refusal_in_a_list_and_one_in_a_text_read_alike() -> None:
    call = protocol.create_event({})
    for message in (
        ["The user id not part of calendar team."],
        "The user id not part of calendar team.",
    ):
        error = protocol.refusal(call, Response(status=422, payload={"message": message}))
        assert getattr(error, "reason", "") == "outside_team"


@pytest.mark.parametrize(
    ("moment", "zone"),
    [
        (datetime(9999, 12, 31, 23, 30, tzinfo=UTC), "Europe/Zurich"),
        (datetime(1, 1, 1, tzinfo=UTC), "America/New_York"),
    ],
)
def test_an_instant_that_the_zone_has_no_date_for_is_written_in_utc(
    moment: datetime, zone: str
) -> None:
    assert datetime.fromisoformat(with_offset(moment, ZoneInfo(zone))) == moment


@pytest.mark.parametrize(
    ("said", "minutes"),
    [
        ("45", 45),
        (45, 45),
        (0.2, 1),
        (0, 30),
        (-5, 30),
        ("", 30),
        (None, 30),
        (True, 30),
        ("inf", 30),
    ],
)
def test_the_length_of_a_slot_is_read_or_the_usual_one(said: object, minutes: int) -> None:
    found = wire.calendars({"calendars": [{"id": "c", "slotDuration": said}]})
    assert [each.slot_minutes for each in found or ()] == [minutes]
