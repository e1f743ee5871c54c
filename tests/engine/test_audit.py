"""The audit compares every pair on its own, explains what may differ, and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.policy import Direction, OnRemoval, Winner
from syncd.engine.audit.audit import audit

if TYPE_CHECKING:
    from harness import SyncHarness

    from syncd.engine.audit.report import AuditReport


@pytest.fixture
def ann(harness: SyncHarness) -> tuple[str, str]:
    return (
        harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101"),
        harness.hubspot.add_contact("Ann Lee", "ANN@example.com", "+15550101"),
    )


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def looked(harness: SyncHarness) -> AuditReport:
    """An audit, which writes to no vendor."""
    harness.world.reset_requests()
    harness.later(seconds=1)
    report = audit(harness.link())
    assert harness.world.writes("ghl") == harness.world.writes("hubspot") == []
    assert report.pairs == report.verified + report.explained + report.unexplained  # type: ignore[operator]
    return report


def reasons(report: AuditReport) -> dict[str, str]:
    return {each.name: each.why for each in report.differences}


def test_equal_pairs_are_verified(harness: SyncHarness, ann: tuple[str, str]) -> None:
    user = next(iter(harness.ghl.users))
    for hours in (48, 72, 96):
        book(harness, ann[0], hours, title="Check-up 🦷 <b>&amp;", description="a\nb", assignee=user)
    harness.sync()
    report = looked(harness)
    assert (report.pairs, report.verified, report.differences) == (3, 3, [])
    assert report.exit_code == 0


def test_an_edit_that_waits_for_the_next_cycle_is_pending(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hs_appointment_name="By reception")
    harness.ghl.edit(event, status="noshow")
    report = looked(harness)
    assert reasons(report) == {
        "title": "pending: HighLevel is written",
        "status": "pending: HubSpot is written",
    }
    assert (report.explained, report.unexplained, report.exit_code) == (1, 0, 0)
    harness.sync()
    assert looked(harness).verified == 1


def test_an_edit_of_a_receiving_side_is_one_way(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    harness.obey(fields={"title": Direction.GHL_TO_HUBSPOT, "description": Direction.OFF})
    book(harness, ann[0], title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hs_appointment_name="Mine", ghl_description="Only here")
    harness.sync()
    report = looked(harness)
    assert reasons(report) == {
        "title": "one-way: fields.title is ghl_to_hubspot",
        "description": "off: fields.description",
    }
    assert report.exit_code == 0


def test_a_conflict_that_waits_is_held(harness: SyncHarness, ann: tuple[str, str]) -> None:
    harness.obey(conflict={"title": Winner.HOLD})
    event = book(harness, ann[0], title="Check-up")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hs_appointment_name="One")
    harness.ghl.edit(event, title="Two")
    assert reasons(looked(harness)) == {"title": "held: conflict"}  # before any cycle held it
    harness.sync()
    report = looked(harness)
    assert reasons(report) == {"title": "held: conflict"}
    assert report.differences[0].as_json()["ghl"] == "Two"


def test_a_removal_is_pending_off_or_settled(harness: SyncHarness, ann: tuple[str, str]) -> None:
    event = book(harness, ann[0])
    harness.sync()
    harness.ghl.delete(event)
    assert reasons(looked(harness)) == {"record": "pending: HubSpot is written"}
    harness.obey(ghl_deleted=OnRemoval.IGNORE)
    assert reasons(looked(harness)) == {"record": "off: sync.ghl_deleted is ignore"}
    harness.sync()
    assert reasons(looked(harness)) == {"record": "off: sync.ghl_deleted is ignore"}


def test_a_pair_outside_the_window_is_left_out(
    harness: SyncHarness, ann: tuple[str, str]
) -> None:
    book(harness, ann[0], 48)
    harness.sync()
    harness.later(days=40)
    report = looked(harness)
    assert (report.pairs, dict(report.left_out)) == (0, {"window": 1})
