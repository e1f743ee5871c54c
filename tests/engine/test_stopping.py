"""A cycle that is asked to stop: what is in hand is finished, the rest waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness import NoBudget

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import PAUSES, CycleRequest

if TYPE_CHECKING:
    from harness import HarnessClock, SyncHarness

    from syncd.providers.rate_budget import Permit


def test_a_cycle_with_nothing_left_to_write_is_whole_although_it_was_asked_to_stop(
    harness: SyncHarness,
) -> None:
    link = replace(harness.link(), stopping=lambda: True)
    assert cycle.run(link, CycleRequest()).outcome is Outcome.OK


def test_what_was_not_written_waits_for_the_next_cycle(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    for hours in (48, 72):
        harness.ghl.book(harness.calendars["Event"], contact, harness.at(hours))
    link = replace(harness.link(), stopping=lambda: True)
    report = cycle.run(link, CycleRequest())
    assert (report.outcome, report.hubspot.created) == (Outcome.FAILED_WRITES, 0)
    assert harness.sync(full=False).hubspot.created == 2


def test_a_cycle_that_a_stop_broke_off_is_told_as_that_and_not_as_an_outage(
    harness: SyncHarness,
) -> None:
    harness.world.faults.add(side="hubspot", status=503, times=1000)
    link = replace(harness.link(), stopping=lambda: True)
    report = cycle.run(link, CycleRequest(full=False))
    assert (report.outcome, report.stopped) == (Outcome.FAILED_WRITES, True)
    (row, *_) = link.store.cycles()
    assert row.report["stopped"] is True
    assert "stopped before its end" in str(row.report["detail"])


def test_a_stop_while_it_waits_to_look_for_a_lost_answer_ends_the_cycle(
    harness: SyncHarness,
) -> None:
    person = harness.hubspot.add_contact("Ben Wu", "ben@example.com", "")
    times = {"hs_appointment_start": harness.at(48), "hs_appointment_end": harness.at(49)}
    harness.hubspot.create(
        {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()}, contacts=[person]
    )
    harness.world.faults.add(
        side="ghl", method="POST", path="/appointments$", kind="drop_after", times=1
    )
    asked = harness.clock.monotonic()
    # The wait for the look is the first in which time passes; the stop comes in it.
    link = replace(harness.link(), stopping=lambda: harness.clock.monotonic() >= asked + PAUSES[0])
    harness.world.reset_requests()
    report = cycle.run(link, CycleRequest())
    assert (report.outcome, report.stopped) == (Outcome.FAILED_WRITES, True)
    sweeps = [r for r in harness.world.requests_of("hubspot", "GET") if "/objects/" in r.path]
    assert len(sweeps) == 2  # living and archived ones, once each
    assert harness.sync().outcome is Outcome.OK
    assert len(harness.ghl.events()) == 1


class FullBudget(NoBudget):
    """Full for half a minute from the moment when a reading before a write first asks."""

    def __init__(self, clock: HarnessClock) -> None:
        self.clock, self.asked_at = clock, float("inf")

    def acquire(self, kind: str = "") -> Permit:
        left = self.asked_at + 30 - self.clock.monotonic()
        if 0 < left <= 30:
            self.clock.sleep(left)
        return super().acquire(kind)

    def available(self, within: float = 0.0) -> int:
        self.asked_at = min(self.asked_at, self.clock.monotonic())
        over = self.clock.monotonic() + within >= self.asked_at + 30
        return 1_000 if over else 0


def test_a_pause_stops_a_write_whose_reading_waits_for_the_rate_budget(
    harness: SyncHarness,
) -> None:
    person = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.ghl.book(harness.calendars["Event"], person, harness.at(48), title="First")
    harness.sync()
    (record,) = harness.hubspot.records()
    harness.hubspot.edit(record.id, hs_appointment_name="Second")
    budget = FullBudget(harness.clock)
    harness.budgets = {Side.HUBSPOT: budget}
    harness.world.reset_requests()
    report = harness.sync(halted=lambda: harness.clock.monotonic() >= budget.asked_at + 10)
    assert harness.world.writes("ghl") == []
    assert (report.outcome, report.stopped) == (Outcome.FAILED_WRITES, True)
    harness.budgets = {}
    assert harness.sync(full=False).ghl.updated == 1


def test_a_booking_that_was_made_before_a_stop_carries_its_id(harness: SyncHarness) -> None:
    person = harness.hubspot.add_contact("Ben Wu", "ben@example.com", "")
    for hours in (48, 72):
        times = {"hs_appointment_start": hours, "hs_appointment_end": hours + 1}
        harness.hubspot.create(
            {name: f"{harness.at(at):%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()},
            contacts=[person],
        )
    link = harness.link()
    stopped = replace(link, stopping=lambda: any(harness.ghl.appointments))
    report = cycle.run(stopped, CycleRequest())
    assert (report.outcome, report.ghl.created) == (Outcome.FAILED_WRITES, 1)
    (booking,) = harness.ghl.appointments
    carried = [record.properties.get("ghl_appointment_id") for record in harness.hubspot.records()]
    assert sorted(carried, key=str) == sorted([None, booking.id], key=str)
