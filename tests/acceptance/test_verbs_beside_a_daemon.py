"""What people decide beside a running daemon waits in the store, and is done in its next cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from process_harness import OpenStage
from running_program import RunningProgram

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


def wrote(side: str, kind: str) -> Callable[[Any], bool]:
    return lambda line: bool(line[side][kind])


def test_decisions_are_carried_out_by_the_daemon(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes = open_stage()
    accounts = processes.accounts
    assert processes.run("setup").returncode == 0
    booked = accounts.book("Check-up")
    nobodys = accounts.make("Nobody's", hours=3, contact=False)
    daemon = start_daemon(processes)
    daemon.until("cycle.finished", wrote("hubspot", "created"))

    def decide(*args: str, by: str = str(daemon.process.pid)) -> None:
        done = processes.run(*args)
        assert done.returncode == 0, done.stderr
        assert by in done.stdout, "who does it, or what lets it be done"

    contact = accounts.hubspot.add_contact("Human", "human@example.com")
    decide("resolve", nobodys, "--contact", contact)
    daemon.until("cycle.finished", wrote("ghl", "created"))

    accounts.ghl.edit(booked, title="Wrong")
    daemon.until("cycle.finished", wrote("hubspot", "updated"))
    decide("undo", booked, "--yes")
    daemon.until("cycle.finished", wrote("ghl", "updated"))
    assert accounts.ghl.get(booked).title == "Check-up"

    assert processes.run("link", "pause", "clinic").returncode == 0
    daemon.until("link.paused")
    accounts.ghl.edit(booked, address="Room 1")
    assert processes.run("plan", "--link", "clinic", "--out", "plan.json").returncode == 0
    accounts.ghl.edit(booked, address="Room 2")
    decide("apply", "plan.json", by="syncd link resume clinic")
    assert processes.run("link", "resume", "clinic").returncode == 0
    told = daemon.until("write.left_out")
    assert booked in told["detail"]
    full = daemon.until("cycle.finished")
    assert (full["kind"], full["hubspot"]["updated"]) == ("full", 0)
    daemon.until("cycle.finished", wrote("hubspot", "updated"))
