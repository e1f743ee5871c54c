"""The real program between two vendors, and what happens to it at its k-th request.

Acceptance tests play a history on a `ProcessHarness`, disturb one sync of it with a
`Disturbance`, and compare the two worlds with those of a stage that nobody
disturbed.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from forkserver import Child, ForkServer
from vendor_accounts import VendorAccounts

from syncd.sandbox import ConnectionDropped, LoggedRequest

Moment = Literal["before", "after"]
"""Of a request: before the vendor acted, or after it did but before the answer left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessHarness:
    """A clinic, and the environment in which the program finds its tokens and its store."""

    accounts: VendorAccounts
    env: dict[str, str]
    database: str
    """The name of the PostgreSQL database; "" where the store is a file."""
    forkserver: ForkServer

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end, in the clinic's folder."""
        return self.forkserver.run(*args, cwd=self.accounts.folder, env=self.env)

    def start(self, *args: str) -> Child:
        """Start the program in the clinic's folder."""
        return self.forkserver.start(*args, cwd=self.accounts.folder, env=self.env)


OpenStage = Callable[..., ProcessHarness]
"""The fixture `open_stage`: stages that are equal, one after another."""


@dataclass(slots=True)
class Disturbance:
    """Does something once, at the k-th request that arrives."""

    at: int
    moment: Moment
    act: Callable[[], object]
    drop: bool = False
    """Whether the request is lost too, as it is where the program dies before it was heard."""
    seen: int = field(default=0)
    done: bool = False

    def before(self, _: LoggedRequest) -> None:
        """The vendor has not acted yet."""
        self.seen += 1
        if self.seen == self.at and self.moment == "before":
            self._strike()
            if self.drop:
                raise ConnectionDropped(took_effect=False)

    def after(self, _: LoggedRequest, __: Any) -> None:
        """The vendor has acted; its answer has not left."""
        if self.seen >= self.at and self.moment == "after" and not self.done:
            self._strike()

    def _strike(self) -> None:
        self.done = True
        self.act()


class disturbed:  # noqa: N801 - reads as the sentence that it stands in
    """While the block runs, the disturbance waits for its request."""

    def __init__(self, processes: ProcessHarness, disturbance: Disturbance) -> None:
        self._world, self._disturbance = processes.accounts.world, disturbance

    def __enter__(self) -> Disturbance:
        self._world.before_request = self._disturbance.before
        self._world.after_request = self._disturbance.after
        return self._disturbance

    def __exit__(self, *_: object) -> None:
        self._world.before_request = self._world.after_request = None


class Gate:
    """Holds up the first write to HubSpot until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: LoggedRequest) -> None:
        """Wait before a record is made."""
        if request.side == "hubspot" and request.path.endswith(("/create", "/upsert")):
            self.reached.set()
            self.open.wait(60)


class held_up:  # noqa: N801 - reads as the sentence that it stands in
    """While the block runs, HubSpot's first write waits for `open`."""

    def __init__(self, accounts: VendorAccounts) -> None:
        self._world, self._gate = accounts.world, Gate()

    def __enter__(self) -> Gate:
        self._world.before_request = self._gate
        return self._gate

    def __exit__(self, *_: object) -> None:
        self._gate.open.set()
        self._world.before_request = None


def populate(processes: ProcessHarness) -> None:
    """Bookings on both sides, then a first sync, then edits of every kind on both sides."""
    accounts = processes.accounts
    setup = processes.run("setup")
    assert setup.returncode == 0, setup.stderr
    events = [accounts.book(f"Visit {number}", hours=2 * number) for number in range(6)]
    for number in range(4):
        accounts.make(f"Call {number}", hours=24 + 2 * number)
    first = processes.run("--sync-now")
    assert first.returncode == 0, first.stderr
    records = {r.properties["hs_appointment_name"]: r.id for r in accounts.hubspot.records()}
    accounts.ghl.edit(events[0], title="Visit 0, moved")
    accounts.ghl.edit(events[1], status="cancelled")
    accounts.ghl.delete(events[2])
    accounts.hubspot.edit(records["Visit 3"], hs_appointment_name="Visit 3, renamed")
    accounts.hubspot.archive(records["Call 0"])
    accounts.hubspot.edit(records["Call 1"], ghl_description="Bring it")
    for number in range(6, 9):
        accounts.book(f"Visit {number}", hours=48 + 2 * number)
        accounts.make(f"Call {number}", hours=72 + 2 * number)


def finish(processes: ProcessHarness) -> None:
    """Sync again: the next run goes on where the last ended, the one after has nothing to do."""
    again = processes.run("--sync-now")
    assert again.returncode == 0, again.stderr
    be_quiet(processes)


def be_quiet(processes: ProcessHarness) -> None:
    """One more sync sends no write."""
    before = processes.accounts.writes()
    quiet = processes.run("--sync-now")
    assert (quiet.returncode, processes.accounts.writes()) == (0, before), quiet.stdout


def shape(processes: ProcessHarness) -> dict[str, Any]:
    """Both worlds without what may differ: ids and stamps."""
    accounts = processes.accounts
    events = {event.id: event for event in accounts.ghl.appointments}
    records = accounts.hubspot.records()
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
        "contacts": (len(list(accounts.ghl.contacts)), len(accounts.hubspot.contact_records())),
        "notified": accounts.world.notifications,
    }


def same(processes: ProcessHarness, wanted: dict[str, Any], words: str) -> None:
    """The stage looks as one that nobody disturbed; `words` say what this one went through."""
    found = shape(processes)
    for name, value in wanted.items():
        assert found[name] == value, f"{name}: {words}"
