"""Properties ↔ appointment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import Appointment, FieldError, Group
from syncd.ports.provider import Edit, ExternalIds
from syncd.providers.hubspot import mapping
from syncd.providers.hubspot.wire import Record, Stamp

COLUMNS = mapping.PropertyMap(
    status="hs_appointment_status",
    mapped_fields=(("room", "clinic_room"),),
    filter_properties=("region",),
)
FULL = Appointment(
    title="Check-up",
    start=datetime(2026, 11, 23, 15, tzinfo=UTC),
    end=datetime(2026, 11, 23, 15, 30, tzinfo=UTC),
    status="SCHEDULED",
    description="Bring papers",
    address="1 Main St",
    owner="77",
    mapped_fields=(("room", "3"),),
)


def _record(**properties: str) -> Record:
    return Record(id="501", properties=properties)


@given(
    held=st.dictionaries(
        st.sampled_from(COLUMNS.read),
        st.text(max_size=20) | st.integers().map(str) | st.datetimes().map(str),
    )
)
def test_no_values_can_crash_the_reading_of_a_record(held: dict[str, str]) -> None:
    found = mapping.snapshot(_record(**held), COLUMNS)
    assert found.id == "501"
    shown = mapping.properties(found.appointment, COLUMNS.groups, COLUMNS)
    again = mapping.appointment(shown, COLUMNS)
    assert replace(again, contact="") == replace(found.appointment, contact="")


def test_what_is_written_reads_back_as_the_same_appointment() -> None:
    written = mapping.properties(FULL, COLUMNS.groups, COLUMNS)
    assert mapping.appointment(written, COLUMNS) == FULL


def test_only_the_groups_asked_for_are_written() -> None:
    assert mapping.properties(FULL, [Group.TITLE], COLUMNS) == {"hs_appointment_name": "Check-up"}


def test_a_contact_is_no_property() -> None:
    assert mapping.properties(replace(FULL, contact="7"), [Group.CONTACT], COLUMNS) == {}


def test_times_are_sent_in_utc_with_z_to_the_second() -> None:
    local = timezone(timedelta(hours=-5))
    wanted = Appointment(start=datetime(2026, 11, 23, 10, 0, 0, 999_000, tzinfo=local))
    written = mapping.properties(wanted, [Group.TIME], COLUMNS)
    assert written["hs_appointment_start"] == "2026-11-23T15:00:00Z"


def test_an_empty_string_clears_and_null_is_never_sent() -> None:
    written = mapping.properties(Appointment(), COLUMNS.groups, COLUMNS)
    assert set(written.values()) == {""}
    assert "hs_appointment_end" in written


def test_milliseconds_and_zones_are_no_difference() -> None:
    one = mapping.appointment({"hs_appointment_start": "2026-11-23T15:00:00.000Z"}, COLUMNS)
    for written in ("1795446000123", "2026-11-23T16:00:00+01:00", "2026-11-23T07:00:00.9-08:00"):
        assert mapping.appointment({"hs_appointment_start": written}, COLUMNS) == one


def test_a_missing_start_is_a_flaw_of_the_time() -> None:
    found = mapping.snapshot(_record(hs_appointment_name="A"), COLUMNS)
    assert [(field_error.group, field_error.reason) for field_error in found.field_errors] == [
        (Group.TIME, "missing_time")
    ]


@pytest.mark.parametrize("name", ["hs_appointment_start", "hs_appointment_end"])
def test_a_time_that_cannot_be_read_is_a_flaw_and_the_rest_is_read(name: str) -> None:
    held = {"hs_appointment_start": "2026-11-23T15:00:00Z", "hs_appointment_name": "A"}
    found = mapping.snapshot(_record(**(held | {name: "tea time"})), COLUMNS)
    assert [(field_error.group, field_error.reason) for field_error in found.field_errors] == [
        (Group.TIME, "unreadable")
    ]
    assert found.appointment.title == "A"


def test_an_end_before_the_start_is_left_for_the_core_to_judge() -> None:
    held = {
        "hs_appointment_start": "2026-11-23T15:00:00Z",
        "hs_appointment_end": "2026-11-23T14:00:00Z",
    }
    assert mapping.snapshot(_record(**held), COLUMNS).field_errors == ()


def test_text_is_trimmed_and_otherwise_kept_as_written() -> None:
    written = "  \u202eשלם 🦷 <b>x</b>\r\nsecond  "
    found = mapping.appointment({"ghl_description": written}, COLUMNS)
    assert found.description == "\u202eשלם 🦷 <b>x</b>\nsecond"


def test_an_unknown_status_value_passes_through_raw() -> None:
    assert mapping.appointment({"hs_appointment_status": "On Hold"}, COLUMNS).status == "On Hold"


@pytest.mark.parametrize(("contacts", "meant"), [((), ""), (("7",), "7"), (("7", "8"), "")])
def test_which_of_several_contacts_is_meant_is_left_open(
    contacts: tuple[str, ...], meant: str
) -> None:
    found = mapping.snapshot(_record(), COLUMNS, contacts)
    assert (found.appointment.contact, found.contacts) == (meant, contacts)


def test_filter_properties_and_external_ids_are_read_raw() -> None:
    found = mapping.snapshot(
        _record(region="north", ghl_appointment_id=" g1 ", ghl_location_id="L"), COLUMNS
    )
    assert found.filter_properties == {"region": "north"}
    assert (found.external_id, found.location_id) == ("g1", "L")


def test_id_and_location_are_written_together() -> None:
    assert mapping.external_id_properties(ExternalIds(ghl_id="g1", location_id="L")) == {
        "ghl_appointment_id": "g1",
        "ghl_location_id": "L",
    }


def test_what_came_back_counts_and_what_was_sent_fills_the_gaps() -> None:
    sent = {"hs_appointment_name": "A", "hs_appointment_status": "SCHEDULED"}
    shown = mapping.returned(sent, {"hs_appointment_name": "A (rendered)"}, COLUMNS, "7")
    assert (shown.title, shown.status, shown.contact) == ("A (rendered)", "SCHEDULED", "7")


def test_the_latest_stamp_of_start_and_end_dates_the_time() -> None:
    early, late = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    record = Record(
        id="501",
        properties={},
        history={
            "hs_appointment_start": (Stamp(value="b", at=early), Stamp(value="a", at=None)),
            "hs_appointment_end": (Stamp(value="a", at=early), Stamp(value="b", at=late)),
        },
    )
    assert mapping.edits(record, COLUMNS) == (Edit(group=Group.TIME, at=late),)


def test_no_flaw_is_invented_for_a_sound_record() -> None:
    field_errors: tuple[FieldError, ...] = mapping.snapshot(
        _record(hs_appointment_start="2026-11-23T15:00:00Z"), COLUMNS
    ).field_errors
    assert field_errors == ()
