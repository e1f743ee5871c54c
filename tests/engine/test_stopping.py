"""A cycle that is asked to stop: what is in hand is finished, the rest waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.report import Outcome

if TYPE_CHECKING:
    from towns import Town


def test_a_cycle_with_nothing_left_to_write_is_whole_although_it_was_asked_to_stop(
    town: Town,
) -> None:
    link = replace(town.link(), stopping=lambda: True)
    assert cycle.run(link, CycleRequest()).outcome is Outcome.OK


def test_what_was_not_written_waits_for_the_next_cycle(town: Town) -> None:
    contact = town.ghl.add_contact("Ann Lee", "ann@example.com")
    for hours in (48, 72):
        town.ghl.book(town.calendars["Event"], contact, town.at(hours))
    link = replace(town.link(), stopping=lambda: True)
    report = cycle.run(link, CycleRequest())
    assert (report.outcome, report.hubspot.created) == (Outcome.FAILED_WRITES, 0)
    assert town.sync(full=False).hubspot.created == 2


def test_a_cycle_that_a_stop_broke_off_is_told_as_that_and_not_as_an_outage(town: Town) -> None:
    town.world.faults.add(side="hubspot", status=503, times=1000)
    link = replace(town.link(), stopping=lambda: True)
    report = cycle.run(link, CycleRequest(full=False))
    assert (report.outcome, report.stopped) == (Outcome.FAILED_WRITES, True)
    (row, *_) = link.store.cycles()
    assert row.report["stopped"] is True
    assert "stopped before its end" in str(row.report["detail"])
