"""The newest edit wins, and a stamp that our own write left is nobody's edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tampering import Between

from syncd.core.policy import Winner

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import SyncHarness


@pytest.fixture
def pair(harness: SyncHarness) -> tuple[str, str]:
    """A booking of Ann's, paired; as (appointment, record)."""
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    event = harness.ghl.book(harness.calendars["Team"], ann, harness.at(48), title="Check-up")
    harness.sync()
    harness.later(minutes=5)
    (record,) = harness.hubspot.records()
    return event, record.id


def titles(harness: SyncHarness, pair: tuple[str, str]) -> tuple[str, str]:
    event, record = pair
    return harness.ghl.get(event).title, harness.hubspot.get(record).properties[
        "hs_appointment_name"
    ]


@pytest.mark.parametrize("ghl_first", [True, False])
@pytest.mark.parametrize("written", ["ghl", "hubspot"])
def test_our_own_stamp_makes_no_side_the_newest(
    harness: SyncHarness, pair: tuple[str, str], written: str, ghl_first: bool
) -> None:
    """Both titles were edited, and wait; meanwhile our own writes of another field go out."""
    event, record = pair
    harness.obey(conflict={"title": Winner.HOLD})
    edits: list[Callable[[], object]] = [
        lambda: harness.ghl.edit(event, title="Left"),
        lambda: harness.hubspot.edit(record, hs_appointment_name="Right"),
    ]
    for edit in edits if ghl_first else edits[::-1]:
        harness.later(minutes=1)
        edit()
    assert [hold.reason for hold in harness.sync().held] == ["conflict"]
    for text in ("Bring the scan", "Bring both scans"):
        harness.later(minutes=5)
        if written == "ghl":
            harness.hubspot.edit(record, ghl_description=text)
        else:
            harness.ghl.edit(event, description=text)
        harness.sync()
        assert harness.ghl.get(event).description == text
    assert titles(harness, pair) == ("Left", "Right")
    harness.obey(conflict={})
    harness.later(minutes=1)
    harness.sync()
    # HighLevel has one stamp for all fields: there, the description is an edit like the title.
    newest = "Right" if ghl_first and written == "ghl" else "Left"
    assert titles(harness, pair) == (newest, newest)
    assert harness.sync().written == []


def test_several_writes_of_ours_in_a_row_hide_no_edit(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    event, record = pair
    harness.hubspot.edit(record, ghl_description="Bring the scan")

    def people() -> None:
        harness.later(minutes=1)
        harness.ghl.edit(event, title="Left")
        harness.later(minutes=1)

    harness.obey(fields={"title": harness.rules.template.direction.OFF})
    harness.transport = Between(harness, "GET", "/crm/objects/2026-03/0-421", people)
    harness.sync()
    harness.later(minutes=1)
    harness.obey(fields={})
    harness.hubspot.edit(record, hs_appointment_name="Right")
    harness.sync()
    assert titles(harness, pair) == ("Right", "Right")


def test_an_owner_that_our_own_write_takes_away_is_no_edit(
    harness: SyncHarness, pair: tuple[str, str]
) -> None:
    """HighLevel gives a booking to somebody else while it takes a title."""
    event, record = pair
    owner = harness.hubspot.get(record).properties["hubspot_owner_id"]
    other = next(user for user in harness.ghl.users if user != harness.ghl.get(event).assignee)

    def vendor() -> None:
        shown = harness.ghl.get(event)
        harness.ghl.appointments.change(shown, assignee=other)

    harness.later(seconds=0.123)
    harness.hubspot.edit(record, hs_appointment_name="Follow-up")
    harness.transport = Between(harness, "PUT", "/appointments", vendor)
    harness.sync()
    harness.later(minutes=1)
    assert harness.sync().written == []
    assert harness.hubspot.get(record).properties["hubspot_owner_id"] == owner
