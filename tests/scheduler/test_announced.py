"""When and how the scheduler takes up what vendors announced: pace, trouble, quota."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.observability.state import State
from syncd.ports.announcements import Announced

if TYPE_CHECKING:
    from rig import Build, FakeLink, Later, Rig


@pytest.fixture
def rig(build: Build) -> Rig:
    """A link in service, whose first cycle is over."""
    rig = build("clinic")
    rig.scheduler.check_links()
    rig.run(2)
    clinic = rig.links["clinic"]
    assert clinic.kinds == ["full"]
    return rig


@pytest.fixture
def clinic(rig: Rig) -> FakeLink:
    return rig.links["clinic"]


def after(clinic: FakeLink) -> list[tuple[str, float]]:
    """The cycles since the first one: kinds, and when they began."""
    return list(zip(clinic.kinds, clinic.at, strict=True))[1:]


def deliver(rig: Rig, clinic: FakeLink, *records: str, **more: Any) -> None:
    """A delivery comes to this process."""
    clinic.store.announce(*records, **more)
    rig.scheduler.announced(["clinic"])


def test_a_delivery_to_this_process_is_taken_up_at_once(rig: Rig, clinic: FakeLink) -> None:
    due, good = rig.scheduler.watches()[0].due, rig.scheduler.watches()[0].good_at
    deliver(rig, clinic, "one", "two")
    at = rig.clock.seconds
    rig.scheduler.claim()
    assert after(clinic) == [("targeted", at)]
    assert [each.record for each in clinic.asked[-1].announced] == ["one", "two"]
    rig.run(5)
    assert len(clinic.asked) == 2
    # The next poll is due when it was, and nothing says that one has run.
    assert (rig.scheduler.watches()[0].due, rig.scheduler.watches()[0].good_at) == (due, good)


def test_one_that_another_process_stored_is_found_within_two_seconds(
    rig: Rig, clinic: FakeLink
) -> None:
    clinic.store.announce("one")
    rig.run(2)
    assert [kind for kind, _ in after(clinic)] == ["targeted"]


def test_without_announcements_the_store_is_not_asked_for_any(rig: Rig, clinic: FakeLink) -> None:
    rig.run(600)
    assert len(clinic.asked) == 11
    assert clinic.store.asked_for_announcements == 0


def test_there_is_a_second_at_least_between_two(rig: Rig, clinic: FakeLink) -> None:
    clinic.takes = 0.3
    deliver(rig, clinic, "one")
    rig.run(0.4, step=0.1)
    deliver(rig, clinic, "two")
    deliver(rig, clinic, "two")
    rig.run(3, step=0.1)
    (_, first), (_, second) = after(clinic)
    assert 1.3 <= second - first <= 1.5


@pytest.mark.parametrize("takes", [0.1, 0.3, 0.6, 1.0])
def test_ten_deliveries_in_five_seconds_are_three_cycles(
    rig: Rig, clinic: FakeLink, takes: float
) -> None:
    clinic.takes, began = takes, rig.clock.seconds
    for number in range(10):
        while rig.clock.seconds < began + number / 2:
            rig.run(0.02, step=0.02)
        deliver(rig, clinic, f"record {number}")
        rig.scheduler.claim()
    rig.run(5, step=0.1)
    cycles = [at for kind, at in after(clinic) if kind == "targeted"]
    assert len(cycles) <= 3, cycles
    assert not clinic.store.announced


@pytest.mark.parametrize(("every", "takes"), [(3, 0.1), (3, 0.6), (5, 0.6), (1, 0.3)])
def test_a_change_in_a_burst_waits_two_seconds_at_most(
    rig: Rig, clinic: FakeLink, every: int, takes: float
) -> None:
    clinic.takes, came, idle = takes, dict[str, float](), rig.clock.seconds
    for tenth in range(100):
        if tenth % every == 0:
            deliver(rig, clinic, f"record {tenth}")
            came[f"record {tenth}"] = rig.clock.seconds
        rig.run(0.1, step=0.1)
    rig.run(5, step=0.1)
    assert not clinic.store.announced
    for asked, at in list(zip(clinic.asked, clinic.at, strict=True))[1:]:
        late = [at - max(came[each.record], idle) for each in asked.announced]
        assert max(late) <= 2.0 + 0.1, (asked, late)
        idle = at + takes
    assert len(after(clinic)) <= 6  # in ten seconds


def test_what_comes_after_a_burst_waits_for_nothing(rig: Rig, clinic: FakeLink) -> None:
    clinic.takes = 0.1
    for number in range(3):
        deliver(rig, clinic, f"record {number}", f"another {number}")
        rig.run(2, step=0.1)
        assert not clinic.store.announced, number


@pytest.mark.parametrize(("takes", "pause", "most"), [(0.5, 1.5, 0.2), (0.1, 0.0, 1.2)])
def test_edits_of_one_person_after_another_are_not_gathered(
    takes: float, pause: float, most: float, rig: Rig, clinic: FakeLink
) -> None:
    clinic.takes, late = takes, []
    for number in range(8):
        deliver(rig, clinic, f"record {number}")
        came = rig.clock.seconds
        while clinic.store.announced:
            rig.run(0.1, step=0.1)
        late.append(clinic.at[-1] - came)
        rig.run(pause, step=0.1)
    assert max(late) <= most, late


@pytest.mark.parametrize(
    ("what", "count", "kind"),
    [
        (Announced.LINK, 1, "incremental"),
        (Announced.FULL, 1, "full"),
        (Announced.RECORD, 51, "incremental"),
        (Announced.RECORD, 50, "targeted"),
        (Announced.CONTACT, 1, "targeted"),
    ],
)
def test_the_kind_of_the_cycle(
    rig: Rig, clinic: FakeLink, what: Announced, count: int, kind: str
) -> None:
    deliver(rig, clinic, *(f"record {each}" for each in range(count)), what=what)
    rig.run(2)
    assert [each for each, _ in after(clinic)] == [kind]
    assert not clinic.store.announced


def test_what_is_announced_while_it_is_paused_waits_for_the_resume(
    rig: Rig, clinic: FakeLink
) -> None:
    clinic.is_paused = True
    clinic.store.decide("pause", {}, rig.clock.now())
    rig.run(3)
    deliver(rig, clinic, "one")
    rig.run(300)
    assert after(clinic) == []
    clinic.is_paused = False
    clinic.store.decide("resume", {}, rig.clock.now())
    rig.run(3)
    assert [kind for kind, _ in after(clinic)] == ["incremental"]
    assert not clinic.store.announced


def test_what_comes_during_a_cycle_leads_to_one_more(build: Build, later: Later) -> None:
    rig = build("clinic", workers=later)
    rig.scheduler.check_links()
    rig.scheduler.claim()
    later.run()
    clinic = rig.links["clinic"]
    deliver(rig, clinic, "one")
    clinic.during = lambda: deliver(rig, clinic, "one") if len(clinic.asked) == 2 else None
    for _ in range(4):
        rig.clock.seconds += 1.0
        rig.scheduler.claim()
        later.run()
    assert clinic.kinds == ["full", "targeted", "targeted"]
    assert [[each.key for each in one.announced] for one in clinic.asked[1:]] == [[1], [2]]


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.FAILED_WRITES])
def test_what_failed_is_tried_again_within_a_minute(
    rig: Rig, clinic: FakeLink, outcome: Outcome
) -> None:
    clinic.outcomes = [outcome] * 12
    clinic.unread = outcome is Outcome.FAILED_WRITES
    deliver(rig, clinic, "one")
    rig.run(400)
    times = [at for _, at in after(clinic)]
    assert max(b - a for a, b in pairwise(times)) <= 60.0
    clinic.unread = False
    clinic.outcomes.clear()
    rig.run(60)
    assert not clinic.store.announced


def test_a_trouble_of_the_link_stops_targeted_cycles_as_well(rig: Rig, clinic: FakeLink) -> None:
    clinic.outcomes = [Outcome.REFUSED] * 2
    deliver(rig, clinic, "one")
    rig.run(3)
    assert rig.scheduler.watches()[0].state is State.REFUSED
    deliver(rig, clinic, "two")
    rig.run(500)
    assert len(after(clinic)) == 1
    rig.run(1500)
    assert [kind for kind, _ in after(clinic)][:2] == ["targeted", "incremental"]


def test_what_needs_the_lists_is_polled_at_once(rig: Rig, clinic: FakeLink) -> None:
    clinic.lists_needed = True
    deliver(rig, clinic, "one")
    rig.run(2)
    assert [kind for kind, _ in after(clinic)] == ["targeted", "incremental"]
    assert not clinic.store.announced


def test_a_store_that_fails_meanwhile_loses_nothing(rig: Rig, clinic: FakeLink) -> None:
    deliver(rig, clinic, "one")
    clinic.store.is_down = True
    rig.run(10)
    clinic.store.is_down = False
    rig.run(120)
    assert not clinic.store.announced


def test_they_count_as_polls_towards_half_of_a_day(rig: Rig, clinic: FakeLink) -> None:
    clinic.requests = {Side.GHL: 11_000, Side.HUBSPOT: 1}
    deliver(rig, clinic, "one")
    rig.run(2)
    deliver(rig, clinic, "two")
    rig.run(60)
    assert [kind for kind, _ in after(clinic)] == ["targeted"]
    assert clinic.store.announced


def test_a_decision_has_its_poll_at_once_which_takes_them_along(rig: Rig, clinic: FakeLink) -> None:
    clinic.store.decide("retry", {}, rig.clock.now())
    clinic.store.announce("one")
    rig.run(3)
    assert after(clinic)[0][0] == "incremental"
    assert not clinic.store.announced


def test_a_long_cycle_is_given_what_comes_meanwhile(build: Build, later: Later) -> None:
    rig = build("clinic", workers=later)
    rig.scheduler.check_links()
    clinic, given = rig.links["clinic"], []

    def during() -> None:
        request = clinic.asked[-1]
        if len(clinic.asked) > 1 or request.called is None or request.more is None:
            return
        assert not request.called()
        assert clinic.store.asked_for_announcements == 0
        deliver(rig, clinic, "one")
        assert request.called()
        given.append([each.record for each in request.more()])
        assert not request.called()
        deliver(rig, clinic, "whole link", what=Announced.LINK)
        given.append([each.record for each in request.more()])

    clinic.during = during
    for _ in range(8):
        rig.scheduler.claim()
        later.run()
        rig.clock.seconds += 1.0
    # What is no single record waits for the end of the cycle, and so does what it did not read.
    assert given == [["one"], []]
    assert clinic.kinds == ["full", "incremental"]
    assert not clinic.store.announced
