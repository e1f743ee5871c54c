"""How long a change took: from the vendor's stamp of it to our write on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def booked(town: Town) -> str:
    contact = town.ghl.add_contact("Pat Example", "pat@example.com")
    booked: str = town.ghl.book(town.calendars["Event"], contact, town.at(24), title="Visit")
    return booked


def test_an_incremental_cycle_tells_how_long_the_slowest_change_took(
    town: Town, booked: str
) -> None:
    town.sync()
    town.ghl.edit(booked, title="First visit")
    town.later(seconds=40)
    report = town.sync(full=False)
    assert report.hubspot.updated == 1
    # The cycle itself begins a second later, and pauses may add to it.
    assert report.delay is not None
    assert 41 <= report.delay < 60
    assert report.as_json()["delay"] == round(report.delay, 1)


def test_a_full_cycle_also_takes_up_what_is_old_and_says_nothing(town: Town, booked: str) -> None:
    del booked
    report = town.sync()
    assert report.hubspot.created == 1
    assert report.delay is None
    assert "delay" not in report.as_json()


def test_a_cycle_without_a_write_has_no_delay(town: Town) -> None:
    town.sync()
    assert town.sync(full=False).delay is None
