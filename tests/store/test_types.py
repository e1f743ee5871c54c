"""What the column types make of text and instants."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from syncd.store.escaping import readable, storable
from syncd.store.types import Instant, Words

TEXT = st.text(max_size=40) | st.text(alphabet="\x00\ud800\udfff\ue000\ue00a01f", max_size=12)
DIALECT = sqlite.dialect()


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


def test_an_instant_of_another_zone_is_stored_in_utc() -> None:
    zurich = datetime(2026, 3, 2, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    kept = Instant().bind_processor(DIALECT)(zurich)
    assert kept == "2026-03-02 09:00:00.000000", "the form that SQLAlchemy reads"
