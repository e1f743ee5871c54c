"""How long a change took: from the vendor's stamp of it to our write on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def booked(harness: SyncHarness) -> str:
    contact = harness.ghl.add_contact("Pat Example", "pat@example.com")
    booked: str = harness.ghl.book(
        harness.calendars["Event"], contact, harness.at(24), title="Visit"
    )
    return booked


def test_an_incremental_cycle_tells_how_long_the_slowest_change_took(
    harness: SyncHarness, booked: str
) -> None:
    harness.sync()
    harness.ghl.edit(booked, title="First visit")
    harness.later(seconds=40)
    report = harness.sync(full=False)
    assert report.hubspot.updated == 1
    # The cycle itself begins a second later, and pauses may add to it.
    assert report.delay is not None
    assert 41 <= report.delay < 60
    assert report.as_json()["delay"] == round(report.delay, 1)


def test_a_full_cycle_also_takes_up_what_is_old_and_says_nothing(
    harness: SyncHarness, booked: str
) -> None:
    del booked
    report = harness.sync()
    assert report.hubspot.created == 1
    assert report.delay is None
    assert "delay" not in report.as_json()


def test_a_cycle_without_a_write_has_no_delay(harness: SyncHarness) -> None:
    harness.sync()
    assert harness.sync(full=False).delay is None
