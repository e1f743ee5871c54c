"""The real program, killed with SIGKILL in the middle of a sync, and started again.

The program syncs a clinic against the sandbox in another process's hands. At
some of its requests it is killed, before the vendor acted or after it did
but before the answer left; then it is started again, and the two worlds have
to be those of a run that nobody disturbed. All of it on SQLite and again on
PostgreSQL. On demand at every request:

    SYNCD_TEST_KILL_POINTS=all pytest tests/acceptance/test_real_kills.py
"""

from __future__ import annotations

import os
import signal

import pytest
from process_harness import (
    Disturbance,
    Moment,
    OpenStage,
    ProcessHarness,
    be_quiet,
    disturbed,
    finish,
    populate,
    same,
    shape,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3600)]

SAMPLE = 2
"""A plain run kills at so many requests, spread over the sync."""


def killed(processes: ProcessHarness, at: int, moment: Moment) -> bool:
    """Run a sync that is killed at its k-th request; whether it lived to see it."""
    pid: list[int] = []
    murder = Disturbance(at, moment, lambda: os.kill(pid[0], signal.SIGKILL), drop=True)
    with disturbed(processes, murder), processes.start("--sync-now") as process:
        pid.append(process.pid)
        process.communicate(timeout=60)
    return murder.done


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_sync_ends_where_an_untouched_one_does(
    open_stage: OpenStage, moment: Moment, *, every_point: bool
) -> None:
    start = open_stage()
    populate(start)
    untouched = open_stage(like=start)
    assert untouched.run("--sync-now").returncode == 0
    requests = len(untouched.accounts.world.requests)
    be_quiet(untouched)
    wanted = shape(untouched)
    step = 1 if every_point else requests // SAMPLE
    kills = 0
    for at in range(1 + step // 2, requests + 1, step):
        processes = open_stage(like=start)
        kills += killed(processes, at, moment)
        finish(processes)
        same(processes, wanted, f"killed {moment} request {at}")
    assert kills >= SAMPLE
