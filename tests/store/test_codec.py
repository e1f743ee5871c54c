"""What is stored reads back the same, on this version and the ones beside it."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from syncd.core.model import Appointment, Removal, Response, Series, Side
from syncd.store import codec
from syncd.store.escaping import readable, storable
from syncd.store.types import Instant, Json, Words

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


def through_json(value: object) -> object:
    """What a column of JSON makes of a value."""
    stored = Json().bind_processor(DIALECT)(value)
    assert stored is None or stored.encode()
    return Json().result_processor(DIALECT, None)(stored)


@given(APPOINTMENTS)
def test_an_appointment_reads_back_the_same(appointment: Appointment) -> None:
    stored = through_json(codec.write_appointment(appointment))
    assert isinstance(stored, dict)
    assert codec.read_appointment(stored) == appointment


@given(REMOVALS)
def test_a_removal_reads_back_the_same(removal: Removal | None) -> None:
    stored = through_json(codec.write_removal(removal))
    assert stored is None or isinstance(stored, dict)
    assert codec.read_removal(stored) == removal


def test_a_series_reads_back_the_same() -> None:
    for series in (None, Series(master="m1")):
        assert codec.read_series(codec.write_series(series)) == series


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
    """Whoever adds a field teaches the codec about it, then this list."""
    assert [each.name for each in fields(kind)] == known.split()


def test_what_a_newer_program_stored_beside_is_passed_over() -> None:
    newer = {"title": "Visit", "mood": "good", "start": "2026-03-02T10:00:00+01:00"}
    assert codec.read_appointment(newer) == Appointment(
        title="Visit", start=datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    )
    assert codec.read_removal({"gone": ["ghl"], "by": "x"}) == Removal(gone=frozenset({Side.GHL}))


def test_absent_fields_take_no_room() -> None:
    assert codec.write_appointment(Appointment(title="Visit")) == {"title": "Visit"}


@given(TEXT)
def test_text_is_stored_without_what_a_database_refuses(text: str) -> None:
    stored = storable(text)
    stored.encode()
    assert "\x00" not in stored
    assert readable(stored) == text
    read = Words().result_processor(DIALECT, None)
    assert read is not None
    assert read(stored) == text


def test_ordinary_text_is_stored_as_it_is() -> None:
    for text in ("", "Ada Example", "Zürich 🦷", "a\nb\t\x7f"):
        assert storable(text) == text


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - what must not pass
    with pytest.raises(ValueError, match="without a time zone"):
        Instant().bind_processor(DIALECT)(naive)
    with pytest.raises(ValueError, match="without a time zone"):
        codec.write_appointment(Appointment(start=naive))


def test_an_instant_of_another_zone_is_stored_in_utc() -> None:
    zurich = datetime(2026, 3, 2, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    kept = Instant().bind_processor(DIALECT)(zurich)
    assert kept == "2026-03-02 09:00:00.000000", "the form that SQLAlchemy reads"
    assert json.dumps(codec.write_appointment(Appointment(start=zurich))).count("T09:00:00+00:00")
