"""Both sides are written at the same time, and what goes wrong on one ends the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Barrier, Event, current_thread
from typing import TYPE_CHECKING

import pytest
from harness import in_turn

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.workers import RunLanes, side_by_side
from syncd.errors import LinkLocked

if TYPE_CHECKING:
    from harness import SyncHarness


def test_lanes_run_at_the_same_time() -> None:
    meeting = Barrier(2, timeout=10)
    seen: list[str] = []

    def lane() -> Iterator[None]:
        for _ in range(3):
            meeting.wait()
            seen.append(current_thread().name)
            yield None

    side_by_side([lane(), lane()])
    assert len(set(seen)) == 2
    assert len(seen) == 6


def test_a_lane_that_waits_goes_on_with_the_news() -> None:
    news, heard = Event(), list[str]()

    def waits() -> Iterator[Event | None]:
        yield news
        heard.append("news")

    def tells() -> Iterator[Event | None]:
        yield None
        news.set()

    side_by_side([tells(), waits()])
    assert heard == ["news"]


def test_what_a_lane_raises_is_raised_when_all_have_ended() -> None:
    ended: list[str] = []

    def fails() -> Iterator[None]:
        yield None
        raise LinkLocked("clinic", holder="another")

    def works() -> Iterator[None]:
        yield None
        ended.append("works")

    with pytest.raises(LinkLocked):
        side_by_side([fails(), works()])
    assert ended == ["works"]


@pytest.mark.parametrize("lanes", [side_by_side, in_turn])
def test_both_sides_are_written_and_marked_in_one_cycle(
    harness: SyncHarness, lanes: RunLanes
) -> None:
    harness.lanes = lanes
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    for number in range(30):
        harness.ghl.book(harness.calendars["Event"], contact, harness.at(300 + number))
        start = harness.at(48 + number).strftime("%Y-%m-%dT%H:%M:%SZ")
        harness.hubspot.create(
            {"hs_appointment_start": start, "hs_appointment_status": "SCHEDULED"}, [across]
        )
    report = harness.sync()
    assert (report.ghl.created, report.hubspot.created) == (30, 30)
    assert len(harness.pairs()) == 60
    assert all(pair.has_external_id for pair in harness.pairs())
    assert harness.sync().written == []


@pytest.mark.parametrize("side", Side)
def test_a_lost_lease_ends_both_lanes(harness: SyncHarness, side: Side) -> None:
    """Whichever side finds out; nothing is written after."""
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    harness.ghl.book(harness.calendars["Event"], contact, harness.at(300))
    harness.hubspot.create({"hs_appointment_start": "2026-03-06T09:00:00Z"}, [across])
    harness.lanes = lambda lanes: side_by_side(lanes if side is Side.GHL else lanes[::-1])

    def lost() -> None:
        raise LinkLocked("clinic", holder="another")

    link = replace(harness.link(), check_held=lost)
    harness.world.reset_requests()
    assert cycle.run(link, CycleRequest()).outcome is Outcome.LOCKED
    assert [*harness.world.writes("ghl"), *harness.world.writes("hubspot")] == []
