"""A HubSpot record that carries a pair's id goes on with the pair, where the known one is nowhere.

Whether the id of a merged record leads to the survivor is not documented for
appointments; here it leads nowhere (promise 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from meddling import Meddling

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def merged(town: Town) -> tuple[str, str, str]:
    """An appointment of a pair that was merged into another record: ids of all three."""
    ada = ("Ada Winter", "ada@example.com")
    contact, person = town.ghl.add_contact(*ada), town.hubspot.add_contact(*ada)
    ghl_id = town.ghl.book(town.calendars["Event"], contact, town.at(48), title="Visit")
    assert town.sync().hubspot.created == 1
    (former,) = (each.id for each in town.hubspot.records())
    other = town.hubspot.create({"hs_appointment_name": "Visit"}, [person])
    town.later(minutes=20)
    survivor = town.hubspot.merge(other, former)
    tells_nothing(town, former, other)
    return ghl_id, former, survivor


def tells_nothing(town: Town, *ids: str) -> None:
    """No answer names what was merged into a record."""

    def change(path: str, body: Any) -> Any:
        rows = body.get("results", []) if isinstance(body, dict) else []
        for row in rows if "0-421" in path else ():
            row.get("properties", {}).pop("hs_merged_object_ids", None)
        return body

    town.transport = Meddling(town, change)
    for each in ids:
        town.world.faults.add(
            side="hubspot", method="GET", status=404, path=f"/0-421/{each}$", times=None
        )


@pytest.mark.parametrize("full", [True, False])
def test_the_pair_goes_on_with_the_survivor(
    town: Town, merged: tuple[str, str, str], full: bool
) -> None:
    ghl_id, former, survivor = merged
    assert town.hubspot.get(survivor).properties["ghl_appointment_id"] == ghl_id
    report = town.sync(full=full)
    assert report.held == []
    assert (report.ghl.removed, report.hubspot.created) == (0, 0)
    assert [(each.ghl_id, each.hubspot_id) for each in town.pairs()] == [(ghl_id, survivor)]
    town.ghl.edit(ghl_id, title="Another title")
    town.sync(full=full)
    assert town.hubspot.get(survivor).properties["hs_appointment_name"] == "Another title"
    assert town.sync().written == []
    assert survivor != former


def test_beside_a_known_record_that_is_there_it_is_a_possible_duplicate(town: Town) -> None:
    contact = town.ghl.add_contact("Ada Winter", "ada@example.com")
    ghl_id = town.ghl.book(town.calendars["Event"], contact, town.at(48), title="Visit")
    town.sync()
    (former,) = (each.id for each in town.hubspot.records())
    told = dict(town.hubspot.get(former).properties)
    town.hubspot.archive(former)
    copy = town.hubspot.create(
        {
            "hs_appointment_name": "Visit",
            "hs_appointment_start": told["hs_appointment_start"],
            "ghl_appointment_id": ghl_id,
        },
        [],
    )
    report = town.sync(removals=True)
    assert [hold.reason for hold in report.held if hold.hubspot_id == copy] != []
    assert (ghl_id, copy) not in {(each.ghl_id, each.hubspot_id) for each in town.pairs()}
