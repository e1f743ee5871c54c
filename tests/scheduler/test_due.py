"""What is due when: polls, sweeps, spread, and a new configuration."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import freezegun
import pytest
from apscheduler.events import EVENT_JOB_MISSED, JobEvent

from syncd.core.outcome import Outcome
from syncd.observability.state import State
from syncd.scheduler import scheduler as module
from syncd.scheduler.backoff import LONGEST_SPREAD
from syncd.scheduler.jobs import IntervalTrigger

Build = Callable[..., Any]


def gaps(moments: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(moments)]


def test_the_first_cycle_is_full_and_the_polls_after_it_are_incremental(build: Build) -> None:
    rig = build("clinic")
    rig.run(300)
    clinic = rig.links["clinic"]
    assert clinic.kinds == ["full"] + ["incremental"] * 5
    assert clinic.at == [0, 60, 120, 180, 240, 300]


def test_a_full_cycle_comes_round_at_every_sweep_interval(build: Build) -> None:
    rig = build("clinic", schedule={"sweep_interval": "5m"})
    rig.run(600)
    assert [n for n, kind in enumerate(rig.links["clinic"].kinds) if kind == "full"] == [0, 5, 10]


def test_an_interval_counts_from_beginning_to_beginning(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].takes = 20.0
    rig.run(200)
    assert gaps(rig.links["clinic"].at)[0] == 60


def test_a_cycle_longer_than_the_interval_is_followed_by_one_not_by_a_heap(build: Build) -> None:
    rig = build("clinic")
    rig.links["clinic"].takes = 200.0
    rig.run(1000)
    assert all(gap >= 200 for gap in gaps(rig.links["clinic"].at))


def test_half_a_second_is_a_poll_interval_too(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": 0.5})
    rig.run(10, step=0.125)
    assert len(rig.links["clinic"].at) == 21


def test_the_first_cycles_of_many_links_are_spread(build: Build) -> None:
    names = [f"link{n}" for n in range(10)]
    rig = build(*names)
    rig.run(60)
    starts = [rig.links[name].at[0] for name in names]
    assert starts == sorted(starts)
    assert starts[-1] == pytest.approx(LONGEST_SPREAD * 0.9)


def test_a_link_is_never_worked_on_twice_at_once(build: Build) -> None:
    """Forty threads hammer the claim loop while a cycle is under way."""
    workers = ThreadPoolExecutor(4)
    rig = build("clinic", workers=workers, schedule={"poll_interval": 0.001})
    clinic, inside, seen = rig.links["clinic"], [], []

    def hammer() -> None:
        inside.append(1)
        seen.append(len(inside))
        for _ in range(10):
            rig.scheduler.claim()
        inside.pop()

    clinic.during = hammer
    with ThreadPoolExecutor(8) as crowd:
        for _ in range(40):
            rig.clock.seconds += 1
            crowd.submit(rig.scheduler.claim)
    workers.shutdown(wait=True)
    assert seen
    assert set(seen) == {1}


def test_a_new_link_is_taken_up_and_one_that_is_gone_is_let_go(
    build: Build, settings_of: Any
) -> None:
    rig = build("north", "south")
    rig.run(40)
    rig.links.adopt(settings_of("south", "west"))
    assert rig.scheduler.adopt() == ["west"]
    rig.run(40)
    assert [state.name for state in rig.scheduler.watches()] == ["south", "west"]
    assert rig.links["north"].is_held is False
    assert rig.links["west"].kinds[0] == "full"
    assert rig.links["south"].leases[0].released == 0


def test_a_link_that_leaves_in_mid_cycle_is_let_go_when_the_cycle_ends(
    build: Build, settings_of: Any
) -> None:
    rig = build("north", "south")

    def leave() -> None:
        rig.links["north"].during = None
        rig.links.adopt(settings_of("south"))
        rig.scheduler.adopt()
        assert rig.links["north"].is_held

    rig.links["north"].during = leave
    rig.run(10)
    assert rig.links["north"].is_held is False
    assert [state.name for state in rig.scheduler.watches()] == ["south"]


def test_a_reload_reads_tokens_anew_and_tries_a_refused_link_at_once(build: Build) -> None:
    rig = build("clinic")
    clinic = rig.links["clinic"]
    clinic.outcomes = [Outcome.REFUSED]
    rig.run(30)
    rig.scheduler.adopt()
    rig.run(1)
    assert (clinic.opened, clinic.closed) == (2, 1)
    assert clinic.leases[0].released == 0
    assert rig.scheduler.watches()[0].state is State.OK


def test_the_ticks_come_from_the_scheduler_and_give_due_links_to_workers(build: Build) -> None:
    """The one test with real threads: APScheduler's thread ticks on frozen time."""
    ran = threading.Event()
    with freezegun.freeze_time("2026-03-02 12:00:00") as frozen:
        rig = build("clinic", workers=ThreadPoolExecutor(1))
        rig.links["clinic"].during = ran.set
        rig.scheduler.start()
        try:
            frozen.tick(timedelta(seconds=2))
            rig.scheduler._ticks._scheduler.wakeup()
            assert ran.wait(10)
        finally:
            rig.scheduler.stop_claiming()
            rig.workers.shutdown(wait=True)


def test_a_clock_that_jumps_ahead_by_decades_is_one_tick_not_a_heap() -> None:
    trigger, then = IntervalTrigger(0.02), datetime(1970, 1, 1, tzinfo=UTC)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert trigger.get_next_fire_time(then, now) == now + timedelta(milliseconds=20)
    assert trigger.get_next_fire_time(None, now) == now


def test_a_clock_that_is_set_back_does_not_stop_the_ticks(build: Build) -> None:
    with freezegun.freeze_time("2026-03-02 12:00:00") as frozen:
        rig = build("clinic")
        rig.scheduler.start()
        try:
            frozen.tick(timedelta(days=-2))
            rig.clock.seconds += module.STANDS_STILL + 1
            rig.scheduler.wake()
            job = rig.scheduler._ticks._scheduler.get_job("claim")
            assert job is not None
            assert job.next_run_time <= rig.clock.now()
        finally:
            rig.scheduler.stop_claiming()


def test_a_missed_tick_is_counted(build: Build) -> None:
    rig = build("clinic")
    rig.scheduler._ticks._told(JobEvent(EVENT_JOB_MISSED, "claim", "default"))
    assert rig.value("syncd_missed_ticks_total", job="claim", what="missed") == 1
