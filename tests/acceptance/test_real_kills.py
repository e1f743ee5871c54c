"""The real program, killed with SIGKILL in the middle of a sync, and started again.

The program syncs a clinic against the sandbox in another process's hands. At
some of its requests it is killed, before the vendor acted or after it did
but before the answer left; then it is started again, and the two worlds have
to be those of a run that nobody disturbed. SYNCD_TEST_KILL_POINTS=all kills
at every request.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import program
import pytest
from clinics import Clinic

from syncd.bootstrap import SystemClock
from syncd.sandbox import ConnectionDropped, LoggedRequest, SandboxSettings, empty, serve

pytestmark = pytest.mark.acceptance

SAMPLE = 3
"""A plain run kills at so many requests, spread over the sync."""

Moment = Literal["before", "after"]


@dataclass(slots=True)
class Murder:
    """Kills a process at its k-th request."""

    at: int
    moment: Moment
    pid: int = 0
    seen: int = field(default=0)
    done: bool = False

    def before(self, _: LoggedRequest) -> None:
        self.seen += 1
        if self.seen == self.at and self.moment == "before":
            self._strike()
            raise ConnectionDropped(took_effect=False)

    def after(self, _: LoggedRequest, __: Any) -> None:
        if self.seen == self.at and self.moment == "after" and not self.done:
            self._strike()

    def _strike(self) -> None:
        self.done = True
        os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def open_clinic(tmp_path: Path) -> Iterator[Callable[[], Clinic]]:
    """Clinics that are equal to the last letter, one after another."""
    servers = []

    def make() -> Clinic:
        server = serve(empty(SystemClock().now, SandboxSettings()))
        servers.append(server)
        folder = tmp_path / f"clinic-{len(servers)}"
        folder.mkdir()
        clinic = Clinic(server.__enter__(), folder)
        clinic.configure('\n[defaults.sync]\nfirst_sync = "go"\n')
        return clinic

    yield make
    for server in servers:
        server.__exit__(None, None, None)
    shutil.rmtree(tmp_path, ignore_errors=True)


def environment(clinic: Clinic) -> dict[str, str]:
    settings = clinic.world.settings
    return program.environment(GHL_TOKEN=settings.ghl_token, HUBSPOT_TOKEN=settings.hubspot_token)


def populate(clinic: Clinic) -> None:
    """Bookings on both sides, then a first sync, then edits of every kind on both sides."""
    events = [clinic.book(f"Visit {number}", hours=2 * number) for number in range(6)]
    for number in range(4):
        clinic.make(f"Call {number}", hours=24 + 2 * number)
    first = program.run("--sync-now", cwd=clinic.folder, env=environment(clinic))
    assert first.returncode == 0, first.stderr
    records = {r.properties["hs_appointment_name"]: r.id for r in clinic.hubspot.records()}
    clinic.ghl.edit(events[0], title="Visit 0, moved")
    clinic.ghl.edit(events[1], status="cancelled")
    clinic.ghl.delete(events[2])
    clinic.hubspot.edit(records["Visit 3"], hs_appointment_name="Visit 3, renamed")
    clinic.hubspot.archive(records["Call 0"])
    clinic.hubspot.edit(records["Call 1"], ghl_description="Bring it")
    for number in range(6, 9):
        clinic.book(f"Visit {number}", hours=48 + 2 * number)
        clinic.make(f"Call {number}", hours=72 + 2 * number)


def shape(clinic: Clinic) -> dict[str, Any]:
    """Both worlds without what may differ: ids and stamps."""
    events = {event.id: event for event in clinic.ghl.appointments}
    records = clinic.hubspot.records()
    shown = ("hs_appointment_name", "hs_appointment_start", "hs_appointment_status")
    return {
        "events": sorted(
            (e.title, str(e.start), str(e.end), e.status, e.description or "", e.deleted)
            for e in events.values()
        ),
        "records": sorted(
            (*(r.properties.get(name, "") for name in shown), len(r.links.get("0-1", {})))
            for r in records
        ),
        "carried": sorted(
            (r.properties["hs_appointment_name"], events[r.properties["ghl_appointment_id"]].title)
            for r in records
            if r.properties.get("ghl_appointment_id") in events
        ),
        "contacts": (len(list(clinic.ghl.contacts)), len(clinic.hubspot.contact_records())),
        "notified": clinic.world.notifications,
    }


def killed(clinic: Clinic, at: int, moment: Moment) -> bool:
    """Run a sync that is killed at its k-th request; whether it lived to see it."""
    murder = Murder(at=at, moment=moment)
    clinic.world.before_request, clinic.world.after_request = murder.before, murder.after
    process = program.start("--sync-now", cwd=clinic.folder, env=environment(clinic))
    murder.pid = process.pid
    process.communicate(timeout=60)
    clinic.world.before_request = clinic.world.after_request = None
    return murder.done


def finish(clinic: Clinic) -> None:
    """Start again: the next run takes over at once, and the one after it has nothing to do."""
    again = program.run("--sync-now", cwd=clinic.folder, env=environment(clinic))
    assert again.returncode == 0, again.stderr
    before = clinic.writes()
    quiet = program.run("--sync-now", cwd=clinic.folder, env=environment(clinic))
    assert (quiet.returncode, clinic.writes()) == (0, before), quiet.stdout


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_sync_ends_where_an_untouched_one_does(
    open_clinic: Callable[[], Clinic], moment: Moment
) -> None:
    untouched = open_clinic()
    setup = program.run("setup", cwd=untouched.folder, env=environment(untouched))
    assert setup.returncode == 0, setup.stderr
    populate(untouched)
    untouched.world.reset_requests()
    finish(untouched)
    wanted = shape(untouched)
    requests = len(untouched.world.requests)
    sync = range(2, requests // 2)
    everything = os.getenv("SYNCD_TEST_KILL_POINTS") == "all"  # noqa: TID251
    step = 1 if everything else max(1, len(sync) // SAMPLE)
    kills = 0
    for at in sync[step // 2 :: step]:
        clinic = open_clinic()
        program.run("setup", cwd=clinic.folder, env=environment(clinic))
        populate(clinic)
        kills += killed(clinic, at, moment)
        finish(clinic)
        after = shape(clinic)
        for name, value in wanted.items():
            assert after[name] == value, f"{name}: killed {moment} request {at}"
    assert kills >= 2
