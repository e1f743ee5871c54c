"""Counter-examples that the simulation found, each shrunk to what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Side
from syncd.engine.report import Outcome

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def ann(town: Town) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        town.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        town.hubspot.add_contact("Ann Lee", "ann@example.com", "+15550101"),
    )


def book(town: Town, contact: str, hours: float = 48, **more: Any) -> str:
    return str(town.ghl.book(town.calendars["Team"], contact, town.at(hours), **more))


def create(town: Town, contact: str, hours: float = 48, **more: Any) -> str:
    given = {
        "hs_appointment_name": "Check-up",
        "hs_appointment_start": town.at(hours),
        "hs_appointment_end": town.at(hours + 0.5),
        "hs_appointment_status": "SCHEDULED",
    }
    return str(town.hubspot.create(given | more, contacts=[contact]))


def test_an_adoption_that_only_lacks_its_mark_is_marked(town: Town, ann: tuple[str, str]) -> None:
    user = next(iter(town.ghl.users))
    owner = next(iter(town.hubspot.owners))
    event = book(town, ann[0], title="Check-up", assignee=user)
    record = create(town, ann[1], hubspot_owner_id=owner)
    report = town.sync()
    assert (report.outcome, report.adopted, report.written) == (Outcome.OK, 1, [])
    assert town.hubspot.get(record).properties["ghl_appointment_id"] == event


@pytest.mark.parametrize("primary", [0, 1])
def test_of_two_merged_pairs_the_survivor_is_the_one_whose_id_it_carries(
    town: Town, ann: tuple[str, str], primary: int
) -> None:
    events = [book(town, ann[0], hours=hours, title=f"At {hours}") for hours in (48, 72)]
    town.sync()
    records = [record.id for record in town.hubspot.records()]
    survivor = town.hubspot.merge(records[primary], records[1 - primary])
    carried = town.hubspot.get(survivor).properties["ghl_appointment_id"]
    report = town.sync()
    assert [pair.ghl_id for pair in town.pairs() if pair.hubspot_id == survivor] == [carried]
    assert [hold.reason for hold in report.held] == ["unreadable"]
    assert [(row.title, row.start) for row in map(town.ghl.get, events)] == [
        ("At 48", town.at(48)),
        ("At 72", town.at(72)),
    ]


def test_a_merge_is_followed_where_nothing_else_is_to_be_done(
    town: Town, ann: tuple[str, str]
) -> None:
    """The survivor of a removal that is settled is merged with a record that has no pair."""
    event = book(town, ann[0], status="cancelled")
    town.sync()
    [record] = town.hubspot.records()
    town.ghl.delete(event)
    town.sync()
    survivor = town.hubspot.merge(record.id, create(town, ann[1], hours=72))
    report = town.sync()
    assert (report.outcome, report.written) == (Outcome.OK, [])
    known = town.store.link(town.name).pairs_by_id(Side.HUBSPOT, [survivor])
    assert [pair.ghl_id for pair in known] == [event]
