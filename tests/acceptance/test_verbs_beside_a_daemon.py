"""What people decide beside a running daemon waits in the store, and is done in its next cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from running import Running
from stages import OpenStage

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


def wrote(side: str, kind: str) -> Callable[[Any], bool]:
    return lambda line: bool(line[side][kind])


def test_decisions_are_carried_out_by_the_daemon(
    open_stage: OpenStage, start_daemon: Callable[..., Running]
) -> None:
    stage = open_stage()
    clinic = stage.clinic
    assert stage.run("setup").returncode == 0
    booked = clinic.book("Check-up")
    nobodys = clinic.make("Nobody's", hours=3, contact=False)
    daemon = start_daemon(stage)
    daemon.until("cycle.finished", wrote("hubspot", "created"))

    def decide(*args: str, by: str = str(daemon.process.pid)) -> None:
        done = stage.run(*args)
        assert done.returncode == 0, done.stderr
        assert by in done.stdout, "who does it, or what lets it be done"

    contact = clinic.hubspot.add_contact("Human", "human@example.com")
    decide("resolve", nobodys, "--contact", contact)
    daemon.until("cycle.finished", wrote("ghl", "created"))

    clinic.ghl.edit(booked, title="Wrong")
    daemon.until("cycle.finished", wrote("hubspot", "updated"))
    decide("undo", booked)
    daemon.until("cycle.finished", wrote("ghl", "updated"))
    assert clinic.ghl.get(booked).title == "Check-up"

    assert stage.run("link", "pause", "clinic").returncode == 0
    daemon.until("link.troubled")
    clinic.ghl.edit(booked, address="Room 1")
    assert stage.run("plan", "--link", "clinic", "--out", "plan.json").returncode == 0
    clinic.ghl.edit(booked, address="Room 2")
    decide("apply", "plan.json", by="syncd link resume clinic")
    assert stage.run("link", "resume", "clinic").returncode == 0
    told = daemon.until("write.left_out")
    assert booked in told["detail"]
    full = daemon.until("cycle.finished")
    assert (full["kind"], full["hubspot"]["updated"]) == ("full", 0)
    daemon.until("cycle.finished", wrote("hubspot", "updated"))
