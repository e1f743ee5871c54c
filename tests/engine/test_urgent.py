"""What starts soon goes out first, whatever else there is to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness import SyncHarness


def test_an_edit_of_an_appointment_in_two_hours_goes_before_a_backfill(
    harness: SyncHarness,
) -> None:
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    soon = harness.ghl.book(harness.calendars["Event"], contact, harness.at(2), title="Soon")
    harness.sync()
    (record,) = harness.hubspot.records()
    for number in range(150):
        harness.ghl.book(harness.calendars["Event"], contact, harness.at(48 + number))
    harness.hubspot.edit(record.id, hs_appointment_name="Very soon")
    harness.world.reset_requests()
    report = harness.sync()
    assert (report.ghl.updated, report.hubspot.created) == (1, 150)
    writes = [row for side in ("ghl", "hubspot") for row in harness.world.writes(side)]
    first = min(writes, key=harness.world.requests.index)
    assert first.path.endswith(soon), first.path
