"""An instance of a series whose id is not known any more: moved, or simply not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from meddling import Meddling

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def series(town: Town) -> list[str]:
    """Twenty weeks, of which those within sixty days are mirrored; the ids of all of them."""
    contact = town.ghl.add_contact("Ada Winter", "ada@example.com")
    rrule = "RRULE:FREQ=WEEKLY;INTERVAL=1;COUNT=20"
    calendar = town.calendars["Personal"]
    master = town.ghl.add_series(calendar, contact, town.at(48), title="Weekly", rrule=rrule)
    assert town.sync().hubspot.created == 9
    ids: list[str] = town.ghl.instances(master)
    return ids


def starts(town: Town) -> list[str]:
    return sorted(each.properties["hs_appointment_start"] for each in town.hubspot.records())


def unknown(town: Town, instance: str) -> None:
    """Nothing shows it any more, and its id is not known."""

    def change(path: str, body: Any) -> Any:
        if not path.endswith("/calendars/events"):
            return body
        return body | {"events": [row for row in body["events"] if row["id"] != instance]}

    town.transport = Meddling(town, change)
    path = f"/calendars/events/appointments/{instance}$"
    town.world.faults.add(side="ghl", status=404, path=path, times=None)


@pytest.mark.parametrize("which", [0, 3, 8])
def test_an_instance_that_does_not_answer_is_not_taken_for_one_months_ahead(
    town: Town, series: list[str], which: int
) -> None:
    before = starts(town)
    unknown(town, series[which])
    for full in (True, False):
        report = town.sync(full=full)
        assert report.written == []
        assert starts(town) == before
    assert [hold.reason for hold in town.sync().held] == ["unreadable"]


def test_while_an_instance_cannot_be_asked_for_what_is_new_in_its_series_waits(
    town: Town, series: list[str]
) -> None:
    moved = town.ghl.move(series[2], town.at(48 + 24 * 15))
    path = f"/calendars/events/appointments/{series[2]}$"
    town.world.faults.add(side="ghl", status=500, path=path, times=None)
    report = town.sync(removals=True)
    assert report.written == []
    assert any(moved in line for line in report.unread), report.unread
    town.world.faults.clear()
    report = town.sync()
    assert (report.hubspot.created, report.hubspot.updated) == (0, 1)
    assert town.sync().written == []
