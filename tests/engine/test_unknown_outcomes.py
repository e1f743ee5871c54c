"""A write whose answer never came is looked for, and done, within the same cycle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.cycle import PAUSES

if TYPE_CHECKING:
    from harness import SyncHarness

BOOKING: dict[str, Any] = {
    "side": "ghl",
    "method": "POST",
    "path": "/calendars/events/appointments$",
}
PERSON: dict[str, Any] = {"side": "ghl", "method": "POST", "path": "/contacts/$"}


@pytest.fixture
def ben(harness: SyncHarness) -> str:
    """A person whom HubSpot alone knows, with an appointment there."""
    person = str(harness.hubspot.add_contact("Ben Wu", "ben@example.com", ""))
    harness.hubspot.create(
        {
            "hs_appointment_start": "2026-03-04T09:00:00Z",
            "hs_appointment_end": "2026-03-04T09:30:00Z",
            "hs_appointment_name": "Check-up",
            "hs_appointment_status": "SCHEDULED",
        },
        contacts=[person],
    )
    return person


@pytest.mark.parametrize("where", [BOOKING, PERSON], ids=["booking", "contact"])
@pytest.mark.parametrize("kind", ["status", "status_after", "drop_before", "drop_after"])
def test_one_lost_answer_costs_no_cycle(
    harness: SyncHarness, ben: str, where: dict[str, Any], kind: str
) -> None:
    harness.world.faults.add(kind=kind, status=503, **where)
    report = harness.sync()
    assert (report.outcome, report.failed) == (Outcome.OK, [])
    assert (report.ghl.created, report.pairs) == (1, 1)
    made = [(Side.GHL, "contact", "create"), (Side.GHL, "appointment", "create")]
    assert [(write.side, write.record, write.action) for write in report.written] == made
    assert report.ghl.contacts_created == 1
    assert (len(harness.ghl.events()), len(harness.ghl.contacts)) == (1, 1)
    harness.world.reset_requests()
    assert harness.sync().outcome is Outcome.OK
    assert harness.world.writes("ghl") + harness.world.writes("hubspot") == []
    assert ben


@pytest.mark.parametrize("where", [BOOKING, PERSON], ids=["booking", "contact"])
def test_two_in_a_row_cost_none_either(
    harness: SyncHarness, ben: str, where: dict[str, Any]
) -> None:
    harness.world.faults.add(status=503, times=2, **where)
    report = harness.sync()
    assert (report.outcome, report.ghl.created, report.failed) == (Outcome.OK, 1, [])
    assert ben


def test_a_service_that_goes_on_failing_is_given_up(harness: SyncHarness, ben: str) -> None:
    harness.world.faults.add(status=503, times=None, **BOOKING)
    report = harness.sync()
    assert report.outcome is Outcome.FAILED_WRITES
    assert [(write.side, write.action) for write in report.failed] == [(Side.GHL, "create")]
    tried = [each for each in harness.world.writes("ghl") if each.path.endswith("/appointments")]
    assert len(tried) == 1 + len(PAUSES)
    harness.world.faults.clear()
    assert harness.sync().ghl.created == 1
    assert ben


def test_what_else_the_cycle_did_is_counted_once(harness: SyncHarness, ben: str) -> None:
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com", "")
    harness.ghl.book(harness.calendars["Team"], contact, harness.at(72), title="Check-up")
    harness.world.faults.add(kind="drop_after", **BOOKING)
    report = harness.sync()
    assert (report.hubspot.created, report.ghl.created, report.pairs) == (1, 1, 2)
    records = sorted(each.record for each in report.written)
    assert records == ["appointment", "appointment", "contact", "contact"]
    assert ben


def test_a_record_without_its_id_is_found_again_too(harness: SyncHarness) -> None:
    """Where an archived record keeps the id, the one that is made anew has to do without."""
    harness.world.settings = replace(harness.world.settings, unique_of_archived="conflict")
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com", "")
    event = harness.ghl.book(harness.calendars["Team"], ann, harness.at(72), title="Check-up")
    harness.sync()
    (first,) = harness.hubspot.records()
    harness.hubspot.archive(first.id)
    harness.ghl.edit(event, title="Follow-up")
    harness.world.faults.add(
        side="hubspot", kind="drop_after", method="POST", path="0-421/batch/create$", nth=2
    )
    report = harness.sync()
    assert (report.outcome, report.hubspot.created) == (Outcome.OK, 1)
    (made,) = harness.hubspot.records()
    assert made.properties["hs_appointment_name"] == "Follow-up"
    harness.world.reset_requests()
    assert (harness.sync().held, harness.world.writes("hubspot")) == ([], [])
