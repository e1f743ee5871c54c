"""The newest edit wins, and a stamp that our own write left is nobody's edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from meddling import Between

from syncd.core.policy import Winner

if TYPE_CHECKING:
    from collections.abc import Callable

    from towns import Town


@pytest.fixture
def pair(town: Town) -> tuple[str, str]:
    """A booking of Ann's, paired; as (appointment, record)."""
    ann = town.ghl.add_contact("Ann Lee", "ann@example.com")
    town.hubspot.add_contact("Ann Lee", "ann@example.com")
    event = town.ghl.book(town.calendars["Team"], ann, town.at(48), title="Check-up")
    town.sync()
    town.later(minutes=5)
    (record,) = town.hubspot.records()
    return event, record.id


def titles(town: Town, pair: tuple[str, str]) -> tuple[str, str]:
    event, record = pair
    return town.ghl.get(event).title, town.hubspot.get(record).properties["hs_appointment_name"]


@pytest.mark.parametrize("ghl_first", [True, False])
@pytest.mark.parametrize("written", ["ghl", "hubspot"])
def test_our_own_stamp_makes_no_side_the_newest(
    town: Town, pair: tuple[str, str], written: str, ghl_first: bool
) -> None:
    """Both titles were edited, and wait; meanwhile our own writes of another field go out."""
    event, record = pair
    town.obey(conflict={"title": Winner.HOLD})
    edits: list[Callable[[], object]] = [
        lambda: town.ghl.edit(event, title="Left"),
        lambda: town.hubspot.edit(record, hs_appointment_name="Right"),
    ]
    for edit in edits if ghl_first else edits[::-1]:
        town.later(minutes=1)
        edit()
    assert [hold.reason for hold in town.sync().held] == ["conflict"]
    for text in ("Bring the scan", "Bring both scans"):
        town.later(minutes=5)
        if written == "ghl":
            town.hubspot.edit(record, ghl_description=text)
        else:
            town.ghl.edit(event, description=text)
        town.sync()
        assert town.ghl.get(event).description == text
    assert titles(town, pair) == ("Left", "Right")
    town.obey(conflict={})
    town.later(minutes=1)
    town.sync()
    # HighLevel has one stamp for all fields: there, the description is an edit like the title.
    newest = "Right" if ghl_first and written == "ghl" else "Left"
    assert titles(town, pair) == (newest, newest)
    assert town.sync().written == []


def test_several_writes_of_ours_in_a_row_hide_no_edit(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    town.hubspot.edit(record, ghl_description="Bring the scan")

    def people() -> None:
        town.later(minutes=1)
        town.ghl.edit(event, title="Left")
        town.later(minutes=1)

    town.obey(fields={"title": town.rules.template.direction.OFF})
    town.transport = Between(town, "GET", "/crm/objects/2026-03/0-421", people)
    town.sync()
    town.later(minutes=1)
    town.obey(fields={})
    town.hubspot.edit(record, hs_appointment_name="Right")
    town.sync()
    assert titles(town, pair) == ("Right", "Right")


def test_an_owner_that_our_own_write_takes_away_is_no_edit(
    town: Town, pair: tuple[str, str]
) -> None:
    """HighLevel gives a booking to somebody else while it takes a title."""
    event, record = pair
    owner = town.hubspot.get(record).properties["hubspot_owner_id"]
    other = next(user for user in town.ghl.users if user != town.ghl.get(event).assignee)

    def vendor() -> None:
        shown = town.ghl.get(event)
        town.ghl.appointments.change(shown, assignee=other)

    town.later(seconds=0.123)
    town.hubspot.edit(record, hs_appointment_name="Follow-up")
    town.transport = Between(town, "PUT", "/appointments", vendor)
    town.sync()
    town.later(minutes=1)
    assert town.sync().written == []
    assert town.hubspot.get(record).properties["hubspot_owner_id"] == owner
