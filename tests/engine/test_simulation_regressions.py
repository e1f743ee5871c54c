"""Counter-examples that the simulation found, each shrunk to what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Side
from syncd.core.outcome import Outcome

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        harness.hubspot.add_contact("Ann Lee", "ann@example.com", "+15550101"),
    )


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def create(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    given = {
        "hs_appointment_name": "Check-up",
        "hs_appointment_start": harness.at(hours),
        "hs_appointment_end": harness.at(hours + 0.5),
        "hs_appointment_status": "SCHEDULED",
    }
    return str(harness.hubspot.create(given | more, contacts=[contact]))


def test_an_adoption_that_only_lacks_its_mark_is_marked(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    user = next(iter(harness.ghl.users))
    owner = next(iter(harness.hubspot.owners))
    event = book(harness, ann[0], title="Check-up", assignee=user)
    record = create(harness, ann[1], hubspot_owner_id=owner)
    report = harness.sync()
    assert (report.outcome, report.adopted, report.written) == (Outcome.OK, 1, [])
    assert harness.hubspot.get(record).properties["ghl_appointment_id"] == event


@pytest.mark.parametrize("primary", [0, 1])
def test_of_two_merged_pairs_the_survivor_is_the_one_whose_id_it_carries(
    harness: SyncHarness, ann: tuple[str, str], primary: int
) -> None:
    events = [book(harness, ann[0], hours=hours, title=f"At {hours}") for hours in (48, 72)]
    harness.sync()
    records = [record.id for record in harness.hubspot.records()]
    survivor = harness.hubspot.merge(records[primary], records[1 - primary])
    carried = harness.hubspot.get(survivor).properties["ghl_appointment_id"]
    report = harness.sync()
    assert [pair.ghl_id for pair in harness.pairs() if pair.hubspot_id == survivor] == [carried]
    assert [hold.reason for hold in report.held] == ["unreadable"]
    assert [(row.title, row.start) for row in map(harness.ghl.get, events)] == [
        ("At 48", harness.at(48)),
        ("At 72", harness.at(72)),
    ]


def test_a_merge_is_followed_where_nothing_else_is_to_be_done(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    """The survivor of a removal that is settled is merged with a record that has no pair."""
    event = book(harness, ann[0], status="cancelled")
    harness.sync()
    [record] = harness.hubspot.records()
    harness.ghl.delete(event)
    harness.sync()
    survivor = harness.hubspot.merge(record.id, create(harness, ann[1], hours=72))
    report = harness.sync()
    assert (report.outcome, report.written) == (Outcome.OK, [])
    known = harness.store.link(harness.name).pairs_by_id(Side.HUBSPOT, [survivor])
    assert [pair.ghl_id for pair in known] == [event]
