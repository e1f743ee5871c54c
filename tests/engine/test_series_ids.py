"""An instance of a series whose id is not known any more: moved, or simply not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tampering import Tampering

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def series(harness: SyncHarness) -> list[str]:
    """Twenty weeks, of which those within sixty days are mirrored; the ids of all of them."""
    contact = harness.ghl.add_contact("Ada Winter", "ada@example.com")
    rrule = "RRULE:FREQ=WEEKLY;INTERVAL=1;COUNT=20"
    calendar = harness.calendars["Personal"]
    master = harness.ghl.add_series(calendar, contact, harness.at(48), title="Weekly", rrule=rrule)
    assert harness.sync().hubspot.created == 9
    ids: list[str] = harness.ghl.instances(master)
    return ids


def starts(harness: SyncHarness) -> list[str]:
    return sorted(each.properties["hs_appointment_start"] for each in harness.hubspot.records())


def unknown(harness: SyncHarness, instance: str) -> None:
    """Nothing shows it any more, and its id is not known."""

    def change(path: str, body: Any) -> Any:
        if not path.endswith("/calendars/events"):
            return body
        return body | {"events": [row for row in body["events"] if row["id"] != instance]}

    harness.transport = Tampering(harness, change)
    path = f"/calendars/events/appointments/{instance}$"
    harness.world.faults.add(side="ghl", status=404, path=path, times=None)


@pytest.mark.parametrize("which", [0, 3, 8])
def test_an_instance_that_does_not_answer_is_not_taken_for_one_months_ahead(
    harness: SyncHarness, series: list[str], which: int
) -> None:
    before = starts(harness)
    unknown(harness, series[which])
    for full in (True, False):
        report = harness.sync(full=full)
        assert report.written == []
        assert starts(harness) == before
    assert [hold.reason for hold in harness.sync().held] == ["unreadable"]


def test_while_an_instance_cannot_be_asked_for_what_is_new_in_its_series_waits(
    harness: SyncHarness, series: list[str]
) -> None:
    moved = harness.ghl.move(series[2], harness.at(48 + 24 * 15))
    path = f"/calendars/events/appointments/{series[2]}$"
    harness.world.faults.add(side="ghl", status=500, path=path, times=None)
    report = harness.sync(removals=True)
    assert report.written == []
    assert any(moved in line for line in report.unread), report.unread
    harness.world.faults.clear()
    report = harness.sync()
    assert (report.hubspot.created, report.hubspot.updated) == (0, 1)
    assert harness.sync().written == []
