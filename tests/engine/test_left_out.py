"""What a full cycle reads and does not sync, counted by reason, and what it could not look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from syncd.core.left_out import REASONS
from syncd.core.outcome import Outcome
from syncd.ports.store import LEFT_OUT, LEFT_OUT_IDS

if TYPE_CHECKING:
    from harness import SyncHarness


def record(harness: SyncHarness, hours: float = 96, **more: Any) -> str:
    start = harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    number = len(harness.hubspot.contact_records())
    contact = harness.hubspot.add_contact("Ann Lee", f"ann{number}@example.org")
    return str(harness.hubspot.create({"hs_appointment_start": start, **more}, contacts=[contact]))


def test_what_is_left_out_is_counted_by_reason(harness: SyncHarness) -> None:
    harness.obey(filter={"hs_appointment_name": frozenset({"", "Ours"})})
    year = 24 * 500.0
    far, past = record(harness, year), record(harness, -24 * 31.0)
    theirs = record(harness, hs_appointment_name="Theirs")
    elsewhere = record(harness, ghl_location_id="elsewhere")
    ours = record(harness, hs_appointment_name="Ours")
    report = harness.sync()
    assert report.left_out == {"window": 2, "filter": 1, "location": 1}
    assert report.as_json()["left_out"] == report.left_out
    assert json.loads(harness.link().store.get_state(LEFT_OUT)) == report.left_out
    named = json.loads(harness.link().store.get_state(LEFT_OUT_IDS))
    assert named == {"window": [far, past], "filter": [theirs], "location": [elsewhere]}
    harness.later(days=60)
    assert harness.sync().left_out == {"window": 3, "filter": 1, "location": 1}
    assert "left_out" not in harness.sync(full=False).as_json()
    assert harness.plan().left_out == {"window": 3, "filter": 1, "location": 1}
    assert ours


def test_what_a_person_ignores_is_left_out_once(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    event = harness.ghl.book(harness.calendars["Event"], contact, harness.at(48))
    harness.sync()
    for ruled in (event, record(harness)):
        harness.link().store.decide("resolve", {"id": ruled, "ignore": True}, harness.clock.now())
    harness.sync()
    assert harness.sync().left_out == {"ignored": 2}


def test_instances_too_far_ahead_are_left_out_as_series(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.ghl.add_series(harness.calendars["Event"], contact, harness.at(48))
    harness.obey(sync_series=False)
    assert harness.sync().left_out == {"series": 4}


def test_only_the_reasons_of_the_contract_are_given() -> None:
    told = {"window", "calendar", "filter", "location", "series", "ignored", "merged"}
    assert set(REASONS) == told


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_cycle_that_could_not_look_would_count_is_unknown(
    harness: SyncHarness, *, dry_run: bool
) -> None:
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.ghl.book(harness.calendars["Event"], contact, harness.at(48))
    harness.sync()
    harness.world.faults.add(side="hubspot", path=".", status=503, times=None)
    with structlog.testing.capture_logs() as logs:
        report = harness.sync(dry_run=dry_run)
    said: Any = report.as_json()
    assert report.outcome is Outcome.UNREACHABLE
    assert (said["pairs"], said["looked"]) == (1, False)
    assert [said[key] for key in ("adopted", "unchanged", "conflicts", "left_out")] == [None] * 4
    assert said["hubspot"]["created"] == (None if dry_run else 0)
    assert said["hubspot"]["requests"] > 0
    (line,) = (each for each in logs if each["event"] == "cycle.finished")
    assert (line["pairs"], line["held"], line["conflicts"]) == (1, None, None)


def test_a_dry_run_is_marked_in_the_log(harness: SyncHarness) -> None:
    has_external_id = structlog.contextvars.merge_contextvars
    for dry_run in (True, False):
        with structlog.testing.capture_logs(processors=[has_external_id]) as logs:
            harness.sync(dry_run=dry_run)
        assert {each["dry_run"] for each in logs} == {dry_run}
