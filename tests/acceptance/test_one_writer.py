"""One writer per link: the real program, raced against itself and killed, on both databases."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import pytest
from postgres_server import PostgresServer
from process_harness import OpenStage, ProcessHarness, be_quiet, held_up
from running_program import RunningProgram

from syncd.sandbox import LoggedRequest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

RACERS = 4


@pytest.fixture
def ready(open_stage: OpenStage) -> ProcessHarness:
    """A prepared account, and bookings that wait to be mirrored."""
    processes = open_stage()
    assert processes.run("setup").returncode == 0
    for number in range(3):
        processes.accounts.book(f"Visit {number}", hours=2 * number)
    return processes


@dataclass(slots=True)
class Bookings:
    """Does something before the k-th booking."""

    at: int
    act: Callable[[], None]
    seen: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: LoggedRequest) -> None:
        if request.method == "POST" and request.path.endswith("/events/appointments"):
            self.seen += 1
            if self.seen == self.at:
                self.act()
                self.done.set()


def titles(processes: ProcessHarness) -> list[str]:
    return sorted(r.properties["hs_appointment_name"] for r in processes.accounts.hubspot.records())


def test_of_programs_that_start_at_the_same_instant_one_writes(ready: ProcessHarness) -> None:
    with held_up(ready.accounts) as gate, ThreadPoolExecutor(RACERS) as pool:
        racers = [ready.start("--sync-now", "--json") for _ in range(RACERS)]
        ends = [pool.submit(racer.communicate, timeout=120) for racer in racers]
        codes = []
        for number, end in enumerate(as_completed(ends), 1):
            report = json.loads(end.result()[0])
            codes.append((report["exit_code"], report["links"]["clinic"]["outcome"]))
            if number == RACERS - 1:  # all but the one that is held up within its first write
                gate.open.set()
    assert codes == [(5, "locked")] * (RACERS - 1) + [(0, "ok")]
    assert titles(ready) == ["Visit 0", "Visit 1", "Visit 2"]
    be_quiet(ready)


def test_a_killed_sync_is_replaced_at_once(ready: ProcessHarness) -> None:
    with held_up(ready.accounts) as gate, ready.start("--sync-now") as holder:
        assert gate.reached.wait(60)
        holder.kill()
        holder.communicate(timeout=60)
        gate.open.set()
    done = ready.run("--sync-now")
    assert done.returncode == 0, done.stdout
    assert titles(ready) == ["Visit 0", "Visit 1", "Visit 2"]
    be_quiet(ready)


def test_a_killed_daemon_is_replaced_at_once(
    ready: ProcessHarness, start_daemon: Callable[[ProcessHarness], RunningProgram]
) -> None:
    daemon = start_daemon(ready)
    daemon.until("cycle.finished", lambda line: line["hubspot"]["created"] == 3)
    beside = ready.run("--sync-now")
    assert beside.returncode == 5
    assert str(daemon.process.pid) in beside.stdout
    daemon.process.kill()
    daemon.process.wait(60)
    be_quiet(ready)


@pytest.mark.parametrize("open_stage", ["sqlite"], indirect=True)
def test_beside_the_daemon_of_a_file_a_second_one_ends_at_once_and_names_the_first(
    ready: ProcessHarness, start_daemon: Callable[[ProcessHarness], RunningProgram]
) -> None:
    first = start_daemon(ready)
    for verb in (["run"], []):  # with the address of the first as well, as in one configuration
        second = ready.run(*verb)
        assert second.returncode == 5
        assert f"process {first.process.pid} " in second.stderr
    assert first.process.poll() is None


@pytest.mark.parametrize("open_stage", ["postgres"], indirect=True)
def test_a_holder_that_slept_beyond_its_lease_writes_nothing_more(
    ready: ProcessHarness, postgres: PostgresServer
) -> None:
    """It is stopped in the middle of its bookings; another does the rest, and then it wakes."""
    for number in range(30):
        ready.accounts.make(f"Call {number}", hours=24 + 2 * number)
    sleeper = ready.start("--sync-now", "--json")

    def fall_asleep() -> None:
        os.kill(sleeper.pid, signal.SIGSTOP)
        postgres.cut_connections(ready.database)

    bookings = Bookings(at=5, act=fall_asleep)
    ready.accounts.world.before_request = bookings
    assert bookings.done.wait(60)
    ready.accounts.world.before_request = None
    successor = ready.run("--sync-now", "--json")
    assert successor.returncode == 0, successor.stdout
    before = ready.accounts.writes()
    os.kill(sleeper.pid, signal.SIGCONT)
    told, _ = sleeper.communicate(timeout=60)
    report = json.loads(told)
    assert (report["exit_code"], report["links"]["clinic"]["outcome"]) == (5, "locked"), told
    # A thread that had passed its check before it slept may send the one request.
    assert ready.accounts.writes() - before <= 8
    assert {event.title for event in ready.accounts.ghl.appointments} >= {
        f"Call {number}" for number in range(30)
    }


@pytest.mark.parametrize("open_stage", ["postgres"], indirect=True)
def test_of_two_daemons_one_works_and_the_other_takes_over(
    ready: ProcessHarness, start_daemon: Callable[[ProcessHarness], RunningProgram]
) -> None:
    first = start_daemon(ready)
    first.until("cycle.finished", lambda line: line["hubspot"]["created"] == 3)
    second = start_daemon(ready)
    troubled = second.until("link.troubled")
    assert (troubled["state"], str(first.process.pid) in troubled["detail"]) == ("locked", True)
    ready.accounts.book("Later", hours=50)
    first.process.send_signal(signal.SIGKILL)
    second.until("cycle.finished", lambda line: line["outcome"] == "ok")
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(10) == 0
    assert ready.run("--sync-now").returncode == 0
    assert titles(ready) == ["Later", "Visit 0", "Visit 1", "Visit 2"]
