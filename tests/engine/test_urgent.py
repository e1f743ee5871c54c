"""What starts soon goes out first, whatever else there is to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towns import Town


def test_an_edit_of_an_appointment_in_two_hours_goes_before_a_backfill(town: Town) -> None:
    contact = town.ghl.add_contact("Ann Lee", "ann@example.com")
    town.hubspot.add_contact("Ann Lee", "ann@example.com")
    soon = town.ghl.book(town.calendars["Event"], contact, town.at(2), title="Soon")
    town.sync()
    (record,) = town.hubspot.records()
    for number in range(150):
        town.ghl.book(town.calendars["Event"], contact, town.at(48 + number))
    town.hubspot.edit(record.id, hs_appointment_name="Very soon")
    town.world.reset_requests()
    report = town.sync()
    assert (report.ghl.updated, report.hubspot.created) == (1, 150)
    writes = [row for side in ("ghl", "hubspot") for row in town.world.writes(side)]
    first = min(writes, key=town.world.requests.index)
    assert first.path.endswith(soon), first.path
