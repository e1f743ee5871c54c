"""One writer per link: the real program, raced against itself and killed, on both databases."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
from running import Running
from stages import OpenStage, Stage, be_quiet, held_up

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

RACERS = 4


@pytest.fixture
def ready(open_stage: OpenStage) -> Stage:
    """A prepared account, and bookings that wait to be mirrored."""
    stage = open_stage()
    assert stage.run("setup").returncode == 0
    for number in range(3):
        stage.clinic.book(f"Visit {number}", hours=2 * number)
    return stage


def titles(stage: Stage) -> list[str]:
    return sorted(r.properties["hs_appointment_name"] for r in stage.clinic.hubspot.records())


def test_of_programs_that_start_at_the_same_instant_one_writes(ready: Stage) -> None:
    with held_up(ready.clinic) as gate, ThreadPoolExecutor(RACERS) as pool:
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


def test_a_killed_sync_is_replaced_at_once(ready: Stage) -> None:
    with held_up(ready.clinic) as gate, ready.start("--sync-now") as holder:
        assert gate.reached.wait(60)
        holder.kill()
        holder.communicate(timeout=60)
        gate.open.set()
    done = ready.run("--sync-now")
    assert done.returncode == 0, done.stdout
    assert titles(ready) == ["Visit 0", "Visit 1", "Visit 2"]
    be_quiet(ready)


def test_a_killed_daemon_is_replaced_at_once(
    ready: Stage, start_daemon: Callable[[Stage], Running]
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
    ready: Stage, start_daemon: Callable[[Stage], Running]
) -> None:
    first = start_daemon(ready)
    for verb in (["run"], []):  # with the address of the first as well, as in one configuration
        second = ready.run(*verb)
        assert second.returncode == 5
        assert f"process {first.process.pid} " in second.stderr
    assert first.process.poll() is None


@pytest.mark.parametrize("open_stage", ["postgres"], indirect=True)
def test_of_two_daemons_one_works_and_the_other_takes_over(
    ready: Stage, start_daemon: Callable[[Stage], Running]
) -> None:
    first = start_daemon(ready)
    first.until("cycle.finished", lambda line: line["hubspot"]["created"] == 3)
    second = start_daemon(ready)
    troubled = second.until("link.troubled")
    assert (troubled["state"], str(first.process.pid) in troubled["detail"]) == ("locked", True)
    ready.clinic.book("Later", hours=50)
    first.process.send_signal(signal.SIGKILL)
    second.until("cycle.finished", lambda line: line["outcome"] == "ok")
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(10) == 0
    assert ready.run("--sync-now").returncode == 0
    assert titles(ready) == ["Later", "Visit 0", "Visit 1", "Visit 2"]
