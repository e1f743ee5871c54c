"""`syncd db backup` beside a daemon that writes: a copy that can be worked with at once."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from process_harness import OpenStage, ProcessHarness, be_quiet
from running_program import RunningProgram

from syncd.sandbox import LoggedRequest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

CALLS = 12


class BackedUp:
    """Makes a backup within one of the bookings that the daemon makes, after it was booked."""

    def __init__(self, processes: ProcessHarness, at: int) -> None:
        self.processes, self._left = processes, at
        self.done: Any = None

    def __call__(self, request: LoggedRequest, _: Any) -> None:
        if (request.side, request.method) != ("ghl", "POST") or "appointments" not in request.path:
            return
        self._left -= 1
        if not self._left:
            self.done = self.processes.run("db", "backup", "copy.db")


def test_a_backup_beside_a_daemon_that_writes_is_whole_and_loses_nothing(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes = open_stage()
    assert processes.run("setup").returncode == 0
    for number in range(CALLS):
        processes.accounts.make(f"Call {number}", hours=2 * number)
    processes.accounts.world.after_request = taken = BackedUp(processes, CALLS // 2)
    daemon = start_daemon(processes)
    daemon.until("cycle.finished", lambda line: line["ghl"]["created"] == CALLS)
    processes.accounts.world.after_request = None
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(10) == 0
    assert taken.done.returncode == 0, taken.done.stderr

    with closing(sqlite3.connect(processes.accounts.folder / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
        pairs, intents = (
            copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("pair", "intent")
        )
        assert pairs < CALLS
        assert intents > 0
    processes.env["SYNCD_STORE__URL"] = "sqlite:///copy.db"
    again = processes.run("--sync-now")
    assert again.returncode == 0, again.stdout
    assert (
        len(processes.accounts.ghl.events()) == len(processes.accounts.hubspot.records()) == CALLS
    )
    be_quiet(processes)
