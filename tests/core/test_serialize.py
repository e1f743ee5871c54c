"""What is stored reads back the same, on this version and the ones beside it."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from syncd.core.actions import Change
from syncd.core.essence import Value
from syncd.core.model import Appointment, Removal, Response, Series, Side, Snapshot
from syncd.core.serialize import (
    read_appointment,
    read_change,
    read_removal,
    read_series,
    read_snapshot,
    write_appointment,
    write_change,
    write_removal,
    write_series,
    write_snapshot,
)
from syncd.store.types import Json

TEXT = st.text(max_size=40) | st.text(alphabet="\x00\ud800\udfff\ue000\ue00a01f", max_size=12)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 253_402_300_799).map(lambda second: EPOCH + timedelta(seconds=second))
"""To the last second of the year 9999."""

APPOINTMENTS = st.builds(
    Appointment,
    **dict.fromkeys(("title", "status", "description", "address", "owner", "contact"), TEXT),
    start=st.none() | INSTANTS,
    end=st.none() | INSTANTS,
    mapped_fields=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
)
REMOVALS = st.none() | st.builds(
    Removal,
    gone=st.frozensets(st.sampled_from(Side)),
    response=st.sampled_from(Response),
    status_before=TEXT,
    status_agreed=TEXT,
)
DIALECT = sqlite.dialect()


def through_json(value: object) -> Any:
    """What a column of JSON makes of a value."""
    stored = Json().bind_processor(DIALECT)(value)
    assert stored is None or stored.encode()
    return Json().result_processor(DIALECT, None)(stored)


@given(APPOINTMENTS)
def test_an_appointment_reads_back_the_same(appointment: Appointment) -> None:
    stored = through_json(write_appointment(appointment))
    assert isinstance(stored, dict)
    assert read_appointment(stored) == appointment


@given(REMOVALS)
def test_a_removal_reads_back_the_same(removal: Removal | None) -> None:
    stored = through_json(write_removal(removal))
    assert stored is None or isinstance(stored, dict)
    assert read_removal(stored) == removal


def test_a_series_reads_back_the_same() -> None:
    for series in (None, Series(master="m1")):
        assert read_series(write_series(series)) == series


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (
            Appointment,
            "title start end status description address owner contact mapped_fields",
        ),
        (Series, "master"),
        (Removal, "gone response status_before status_agreed"),
    ],
)
def test_no_field_was_added_that_would_not_be_stored(kind: type, known: str) -> None:
    """Whoever adds a field teaches `serialize` about it, then this list."""
    assert [each.name for each in fields(kind)] == known.split()


def test_what_a_newer_program_stored_beside_is_passed_over() -> None:
    newer = {"title": "Visit", "mood": "good", "start": "2026-03-02T10:00:00+01:00"}
    assert read_appointment(newer) == Appointment(
        title="Visit", start=datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    )
    assert read_removal({"gone": ["ghl"], "by": "x"}) == Removal(gone=frozenset({Side.GHL}))


def test_absent_fields_take_no_room() -> None:
    assert write_appointment(Appointment(title="Visit")) == {"title": "Visit"}


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - what must not pass
    with pytest.raises(ValueError, match="without a time zone"):
        write_appointment(Appointment(start=naive))


def test_an_instant_of_another_zone_is_stored_in_utc() -> None:
    zurich = datetime(2026, 3, 2, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    assert write_appointment(Appointment(start=zurich)) == {"start": "2026-03-02T09:00:00+00:00"}


@given(APPOINTMENTS, TEXT, st.sampled_from(["", "m1"]))
def test_what_a_write_was_decided_from_reads_back_the_same(
    appointment: Appointment, calendar: str, master: str
) -> None:
    record = Snapshot(
        side=Side.GHL,
        id="g1",
        appointment=appointment,
        contacts=("c1", "c2"),
        calendar=calendar,
        external_id="e1",
        location_id="l1",
        series=Series(master=master) if master else None,
    )
    assert read_snapshot(Side.GHL, through_json(write_snapshot(record))) == record


@given(TEXT | st.tuples(st.none() | INSTANTS, st.none() | INSTANTS))
def test_a_change_reads_back_the_same(value: Value) -> None:
    change = Change(group="x:room", before=value, after=value, source=value, why="w", lost=True)
    assert read_change(through_json(write_change(change))) == change
