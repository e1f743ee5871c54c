"""Something that changes our writes back is told apart from a person who changes their mind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from towns import Town


@pytest.fixture
def pair(town: Town) -> tuple[str, str]:
    """One appointment that both sides have, as (HighLevel id, HubSpot id)."""
    contact = town.ghl.add_contact("Ann Lee", "ann@example.com")
    town.hubspot.add_contact("Ann Lee", "ann@example.com")
    event = town.ghl.book(town.calendars["Event"], contact, town.at(48), title="Check-up")
    town.sync()
    (record,) = town.hubspot.records()
    return str(event), str(record.id)


@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_a_person_may_go_back_and_forth_as_often_as_they_like(
    town: Town, pair: tuple[str, str], side: str
) -> None:
    event, record = pair
    for times in range(12):
        title = f"Word {times % 2}"
        if side == "ghl":
            town.ghl.edit(event, title=title)
        else:
            town.hubspot.edit(record, hs_appointment_name=title)
        assert town.sync().held == []
        assert town.ghl.get(event).title == title
        assert town.hubspot.get(record).properties["hs_appointment_name"] == title


def test_two_automations_that_never_agree_are_held(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    held: list[str] = []
    writes = 0
    for _ in range(6):
        town.hubspot.edit(record, hs_appointment_name="Theirs")
        writes += town.sync().ghl.updated
        town.ghl.edit(event, title="Ours")
        done = town.sync()
        writes += done.hubspot.updated
        held = [hold.reason for hold in done.held]
    assert (held, writes) == (["oscillation"], 3)


def test_a_status_that_is_emptied_each_time_is_held(town: Town, pair: tuple[str, str]) -> None:
    _, record = pair
    property_ = "hs_appointment_status"
    held: list[str] = []
    writes = 0
    for _ in range(6):
        town.hubspot.edit(record, **{property_: ""})
        done = town.sync()
        writes += done.hubspot.updated
        held = [hold.reason for hold in done.held]
    assert (held, writes) == (["oscillation"], 3)
