"""A HubSpot record that carries a pair's id goes on with the pair, where the known one is nowhere.

Whether the id of a merged record leads to the survivor is not documented for
appointments; here it leads nowhere (promise 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tampering import Tampering

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def merged(harness: SyncHarness) -> tuple[str, str, str]:
    """An appointment of a pair that was merged into another record: ids of all three."""
    ada = ("Ada Winter", "ada@example.com")
    contact, person = harness.ghl.add_contact(*ada), harness.hubspot.add_contact(*ada)
    ghl_id = harness.ghl.book(harness.calendars["Event"], contact, harness.at(48), title="Visit")
    assert harness.sync().hubspot.created == 1
    (former,) = (each.id for each in harness.hubspot.records())
    other = harness.hubspot.create({"hs_appointment_name": "Visit"}, [person])
    harness.later(minutes=20)
    survivor = harness.hubspot.merge(other, former)
    tells_nothing(harness, former, other)
    return ghl_id, former, survivor


def tells_nothing(harness: SyncHarness, *ids: str) -> None:
    """No answer names what was merged into a record."""

    def change(path: str, body: Any) -> Any:
        rows = body.get("results", []) if isinstance(body, dict) else []
        for row in rows if "0-421" in path else ():
            row.get("properties", {}).pop("hs_merged_object_ids", None)
        return body

    harness.transport = Tampering(harness, change)
    for each in ids:
        harness.world.faults.add(
            side="hubspot", method="GET", status=404, path=f"/0-421/{each}$", times=None
        )


@pytest.mark.parametrize("full", [True, False])
def test_the_pair_goes_on_with_the_survivor(
    harness: SyncHarness, merged: tuple[str, str, str], full: bool
) -> None:
    ghl_id, former, survivor = merged
    assert harness.hubspot.get(survivor).properties["ghl_appointment_id"] == ghl_id
    report = harness.sync(full=full)
    assert report.held == []
    assert (report.ghl.removed, report.hubspot.created) == (0, 0)
    assert [(each.ghl_id, each.hubspot_id) for each in harness.pairs()] == [(ghl_id, survivor)]
    harness.ghl.edit(ghl_id, title="Another title")
    harness.sync(full=full)
    assert harness.hubspot.get(survivor).properties["hs_appointment_name"] == "Another title"
    assert harness.sync().written == []
    assert survivor != former


def test_beside_a_known_record_that_is_there_it_is_a_possible_duplicate(
    harness: SyncHarness,
) -> None:
    contact = harness.ghl.add_contact("Ada Winter", "ada@example.com")
    ghl_id = harness.ghl.book(harness.calendars["Event"], contact, harness.at(48), title="Visit")
    harness.sync()
    (former,) = (each.id for each in harness.hubspot.records())
    told = dict(harness.hubspot.get(former).properties)
    harness.hubspot.archive(former)
    copy = harness.hubspot.create(
        {
            "hs_appointment_name": "Visit",
            "hs_appointment_start": told["hs_appointment_start"],
            "ghl_appointment_id": ghl_id,
        },
        [],
    )
    report = harness.sync(removals=True)
    assert [hold.reason for hold in report.held if hold.hubspot_id == copy] != []
    assert (ghl_id, copy) not in {(each.ghl_id, each.hubspot_id) for each in harness.pairs()}
