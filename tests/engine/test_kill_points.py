"""Killed at any moment, the next cycle ends where the uninterrupted run ends (promise 9).

A script of sixty operations by people, in six phases with a cycle after
each. Every request that is sent, every answer that is received and every
commit of the store is a point; at each the run is stopped (before, after with
the answer lost, after), started again, and both worlds and the store are
compared with the run that nobody stopped. A plain run takes a sample of the
points. On demand, all of them (about half an hour):

    SYNCD_TEST_KILL_POINTS=all pytest tests/engine/test_kill_points.py
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import httpx
import pytest
from harness import HarnessClock, InProcess, Shelf, SyncHarness, build, in_turn

from syncd.core.outcome import Outcome
from syncd.core.policy import Winner
from syncd.engine.workers import RunLanes, side_by_side
from syncd.sandbox import FaultScript, SandboxWorld, application

Moment = Literal["before", "lost", "after"]
PHASES = 6
SAMPLE = 37
"""A plain run takes every so-manieth point."""


class Killed(BaseException):
    """The process is gone."""


@dataclass(slots=True)
class CrashInjector:
    """Counts the points that a run passes, and ends it at one of them."""

    at: int = 0
    moment: Moment = "before"
    passed: int = 0
    lock: Lock = field(default_factory=Lock)

    def point(self) -> bool:
        """Whether this is the point; past it no thread of the dead process does anything."""
        with self.lock:
            self.passed += 1
            if self.passed > self.at > 0:
                raise Killed
            return self.passed == self.at


class Watched(httpx.BaseTransport):
    """Requests on the way to the sandbox, as points."""

    def __init__(self, world: SandboxWorld, crashes: CrashInjector) -> None:
        self._inner = InProcess(application(world))
        self._executioner = crashes

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._executioner.point():
            if self._executioner.moment != "before":
                self._inner.handle_request(request)
            raise Killed
        response = self._inner.handle_request(request)
        if self._executioner.point():
            raise Killed
        return response


class WatchedLink:
    """One link's share of the store, with another way to begin."""

    def __init__(self, link: Any, begin: Any) -> None:
        self._link = link
        self.begin = begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


class WatchedShelf(Shelf):
    """The store, its commits as points."""

    crashes: CrashInjector

    def link(self, name: str) -> Any:
        link = super().link(name)
        begin, crashes = link.begin, self.crashes

        @contextmanager
        def watched() -> Iterator[Any]:
            mine = crashes.point()
            with begin() as transaction:
                yield transaction
                if mine and crashes.moment == "before":
                    raise Killed
            if mine:
                raise Killed

        return WatchedLink(link, watched)


class Script:
    """What people do, phase by phase; ten operations each, on both sides."""

    def __init__(self, harness: SyncHarness) -> None:
        self.harness = harness

    def run(self, phase: int) -> None:
        getattr(self, f"phase_{phase}")()

    def events(self) -> list[Any]:
        return sorted(
            self.harness.ghl.appointments,
            key=lambda event: (event.start, event.contact, event.id),
        )

    def book(self, number: int, **more: Any) -> None:
        harness = self.harness
        contacts = sorted(contact.id for contact in harness.ghl.contacts)
        harness.ghl.book(
            harness.calendars["Team"],
            contacts[number % len(contacts)],
            harness.at(30 + 7 * number),
            title=f"Visit {number}",
            **more,
        )

    def record(self, number: int, **more: Any) -> None:
        harness = self.harness
        contacts = [c.id for c in harness.hubspot.contact_records()]
        start = harness.at(400 + 5 * number)
        stamp = start.strftime("%Y-%m-%dT%H:%M:%SZ")
        harness.hubspot.create(
            {"hs_appointment_name": f"Call {number}", "hs_appointment_start": stamp} | more,
            contacts=[contacts[number % len(contacts)]],
        )

    def titled(self, title: str) -> Any:
        (record,) = [
            each
            for each in self.harness.hubspot.records()
            if each.properties.get("hs_appointment_name") == title
        ]
        return record

    def event(self, title: str) -> Any:
        (event,) = [e for e in self.events() if e.title == title and not e.deleted]
        return event

    def phase_0(self) -> None:
        for number in range(4):
            who = (f"Pat {'ABCD'[number]}", f"p{number}@example.com", f"+1555010{number}")
            self.harness.ghl.add_contact(*who)
            if number < 2:
                self.harness.hubspot.add_contact(*who)
        self.harness.hubspot.add_contact("Quin Ode", "quin@example.com", "+15550109")
        for number in range(6):
            self.book(number, status=("new", "confirmed", "showed")[number % 3])
        for number in range(4):
            self.record(number, hs_appointment_status="SCHEDULED")

    def phase_1(self) -> None:
        for number in range(3):
            event = self.event(f"Visit {number}")
            start = self.harness.at(31 + 7 * number)
            self.harness.ghl.move(event.id, start, start + (event.end - event.start))
        for number in range(3):
            self.harness.hubspot.edit(self.titled(f"Call {number}").id, ghl_description="Bring it")
        self.book(6)
        self.record(6)
        self.harness.ghl.edit(self.event("Visit 5").id, address="Room 5")
        self.harness.hubspot.edit(self.titled("Visit 4").id, hs_appointment_status="COMPLETED")

    def phase_2(self) -> None:
        self.harness.ghl.edit(self.event("Visit 3").id, title="Left", address="Here")
        self.harness.later(seconds=3)
        self.harness.hubspot.edit(self.titled("Visit 3").id, hs_appointment_name="Right")
        self.harness.ghl.delete(self.event("Visit 0").id)
        self.harness.hubspot.archive(self.titled("Call 0").id)
        for number in range(1, 3):
            start = self.harness.at(30 + 7 * number)  # back to where it was at first
            event = self.event(f"Visit {number}")
            self.harness.ghl.move(event.id, start, start + (event.end - event.start))
        for number in range(1, 4):
            self.harness.hubspot.edit(self.titled(f"Call {number}").id, hubspot_owner_id="")

    def phase_3(self) -> None:
        deleted = next(e for e in self.events() if e.title == "Visit 0")
        self.harness.ghl.undelete(deleted.id)
        for record in self.harness.hubspot.archived():
            if record.properties["hs_appointment_name"] == "Call 0":
                self.harness.hubspot.restore(record.id)
        self.harness.ghl.delete(self.event("Visit 1").id)
        self.harness.hubspot.edit(self.titled("Visit 1").id, hs_appointment_name="Visit 1, please")
        for number in range(7, 10):
            self.book(number)
            self.record(number)

    def phase_4(self) -> None:
        for number in range(7, 10):
            self.harness.hubspot.edit(self.titled(f"Visit {number}").id, ghl_address="Annexe")
            self.harness.ghl.edit(self.event(f"Call {number}").id, status="noshow")
        for number in range(2, 4):
            self.harness.ghl.edit(self.event(f"Call {number}").id, description="Moved")
            self.harness.hubspot.archive(self.titled(f"Call {number}").id)

    def phase_5(self) -> None:
        for number in range(10, 14):
            self.book(number, status="new")
            self.record(number)
        self.harness.ghl.add_contact("Rae Sun", "rae@example.com", "+15550110")
        self.harness.hubspot.add_contact("Sol Tan", "sol@example.com", "+15550111")


def shape(harness: SyncHarness) -> dict[str, Any]:
    """Both worlds and the store, without what may differ: ids, stamps, the order of creation."""
    events = {e.id: e for e in harness.ghl.appointments}
    records = {r.id: r for r in harness.hubspot.records()}
    names = {row.id: row.email for row in harness.ghl.contacts}
    return {
        "events": sorted(
            (
                e.title,
                str(e.start),
                str(e.end),
                e.status,
                e.address or "",
                e.description or "",
                names[e.contact],
                e.assignee or "",
                e.deleted,
            )
            for e in events.values()
        ),
        "records": sorted(
            tuple(
                sorted(
                    (k, v)
                    for k, v in r.properties.items()
                    if k.startswith(("hs_appointment", "ghl_desc", "ghl_addr", "hubspot_owner_id"))
                )
            )
            for r in records.values()
        ),
        "archived": len(harness.hubspot.archived()),
        "contacts": sorted(
            c.properties.get("email", "") for c in harness.hubspot.contact_records()
        ),
        "ghl contacts": sorted(names.values()),
        "carried": sorted(
            events[r.properties["ghl_appointment_id"]].title
            for r in records.values()
            if r.properties.get("ghl_appointment_id") in events
        ),
        "pairs": sorted(
            (
                p.ghl.title,
                p.hubspot.title,
                p.ghl.status,
                p.hubspot.status,
                p.removal is not None,
                bool(p.open),
                p.has_external_id,
                events[p.ghl_id].title,
            )
            for p in harness.pairs()
        ),
        "open intents": harness.store.link(harness.name).intents(),
    }


@dataclass(kw_only=True)
class Checkpoint:
    """The world, the store and the time just before a phase's cycle."""

    world: SandboxWorld
    store: Path
    clock: Any
    after: dict[str, Any]
    points: int


class Rehearsal:
    """The uninterrupted run, with a checkpoint before each cycle."""

    def __init__(
        self,
        store_url: str,
        folder: Path,
        script: Callable[[SyncHarness], Script] = Script,
        phases: int = PHASES,
    ) -> None:
        self.folder, self.script = folder, script
        self.path = Path(store_url.removeprefix("sqlite:///"))
        self.clock = HarnessClock()
        self.checkpoints: list[Checkpoint] = []
        with closing(WatchedShelf(store_url, self.clock)) as shelf:
            shelf.crashes = CrashInjector()
            self.first = build(shelf, self.clock)
            for phase in range(phases):
                self._phase(self.first, shelf, phase)

    def _phase(self, harness: SyncHarness, shelf: WatchedShelf, phase: int) -> None:
        self.script(harness).run(phase)
        world, now = harness.world.copied(), self.clock.now()
        store = self.folder / f"phase-{phase}.db"
        shutil.copy(self.path, store)
        for suffix in ("-wal", "-shm"):
            if (beside := self.path.with_name(self.path.name + suffix)).exists():
                shutil.copy(beside, store.with_name(store.name + suffix))
        shelf.crashes = CrashInjector()
        harness.transport = Watched(harness.world, shelf.crashes)
        report = harness.sync()
        assert report.outcome is Outcome.OK, report
        assert report.written
        self.checkpoints.append(
            Checkpoint(
                world=world,
                store=store,
                clock=now,
                after=shape(harness),
                points=shelf.crashes.passed,
            )
        )

    def killed_at(
        self, phase: int, at: int, moment: Moment, lanes: RunLanes = in_turn
    ) -> tuple[dict[str, Any], SyncHarness]:
        """The phase's cycle, killed at a point, then a fresh start until it is quiet."""
        checkpoint = self.checkpoints[phase]
        self.clock._now = checkpoint.clock
        world = checkpoint.world.copied()
        world.faults = FaultScript(world.lock, world.copied)
        run = self.folder / "run.db"
        for suffix in ("", "-wal", "-shm"):
            target = run.with_name(run.name + suffix)
            target.unlink(missing_ok=True)
            source = checkpoint.store.with_name(checkpoint.store.name + suffix)
            if source.exists():
                shutil.copy(source, target)
        with closing(WatchedShelf(f"sqlite:///{run}", self.clock)) as shelf:
            harness = replace(self.first, world=world, store=shelf, lanes=lanes)
            shelf.crashes = CrashInjector(at=at, moment=moment)
            harness.transport = Watched(world, shelf.crashes)
            with pytest.raises(Killed):
                harness.sync()
            shelf.crashes = CrashInjector()
            harness.transport = None
            report = harness.sync()
            assert report.outcome is Outcome.OK, report
            again = harness.sync()
            assert again.written == [], again.written
            return shape(harness), harness


@pytest.fixture(scope="module")
def rehearsal(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    folder = tmp_path_factory.mktemp("kills")
    path = folder / "syncd.db"
    shutil.copy(sqlite_template, path)
    return Rehearsal(f"sqlite:///{path}", folder)


def test_the_script_has_over_four_hundred_points(rehearsal: Rehearsal) -> None:
    assert sum(checkpoint.points for checkpoint in rehearsal.checkpoints) > 400


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("phase", range(PHASES))
@pytest.mark.parametrize("moment", ["before", "lost", "after"])
def test_a_kill_at_any_point_leaves_no_trace(
    rehearsal: Rehearsal, phase: int, moment: Moment
) -> None:
    checkpoint = rehearsal.checkpoints[phase]
    step = 1 if os.getenv("SYNCD_TEST_KILL_POINTS") == "all" else SAMPLE  # noqa: TID251
    for at in range(1 + phase % step, checkpoint.points + 1, step):
        after, _ = rehearsal.killed_at(phase, at, moment)
        for name, wanted in checkpoint.after.items():
            assert after[name] == wanted, f"{name}: killed {moment} point {at} of phase {phase}"


@pytest.mark.parametrize("moment", ["before", "lost", "after"])
def test_a_kill_while_both_sides_are_written_at_once_leaves_no_trace(
    rehearsal: Rehearsal, moment: Moment
) -> None:
    """The last phase books and mirrors; most of its points are writes, in either order."""
    phase = PHASES - 1
    checkpoint = rehearsal.checkpoints[phase]
    step = 1 if os.getenv("SYNCD_TEST_KILL_POINTS") == "all" else SAMPLE // 2  # noqa: TID251
    for at in range(checkpoint.points // 2, checkpoint.points, step):
        after, _ = rehearsal.killed_at(phase, at, moment, side_by_side)
        for name, wanted in checkpoint.after.items():
            assert after[name] == wanted, f"{name}: killed {moment} point {at} of phase {phase}"


class Decisions(Script):
    """What people decide about what went before: an undo, a conflict, a contact, a retry."""

    def phase_0(self) -> None:
        """A mistake that was carried across, and three records that wait."""
        harness = self.harness
        harness.obey(conflict={"title": Winner.HOLD})
        people = [("Ann Lee", "ann@example.com"), ("Bo Day", "bo@example.com")]
        across = [
            (str(harness.ghl.add_contact(*each)), str(harness.hubspot.add_contact(*each)))
            for each in people
        ]
        events = [
            str(harness.ghl.book(harness.calendars["Class"], across[0][0], harness.at(40 + 9 * n)))
            for n in range(3)
        ]
        harness.sync()
        records = {r.properties["ghl_appointment_id"]: str(r.id) for r in harness.hubspot.records()}
        for event in events:
            harness.ghl.edit(event, title=f"Visit {event[:4]}")
        harness.sync()
        harness.ghl.edit(events[0], title="Wrong")
        harness.sync()
        harness.ghl.edit(events[1], title="Left")
        harness.hubspot.edit(records[events[1]], hs_appointment_name="Right")
        alone = str(harness.hubspot.create({"hs_appointment_start": harness.at(300)}, contacts=[]))
        assert len(harness.sync().held) == 2
        decide = harness.store.link(harness.name).decide
        decide("undo", {"id": events[0]}, harness.clock.now())
        decide("resolve", {"id": events[1], "keep": "hubspot"}, harness.clock.now())
        decide("resolve", {"id": alone, "contact": across[1][1]}, harness.clock.now())


@pytest.fixture(scope="module")
def decided(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    folder = tmp_path_factory.mktemp("decided")
    path = folder / "syncd.db"
    shutil.copy(sqlite_template, path)
    return Rehearsal(f"sqlite:///{path}", folder, Decisions, 1)


@pytest.mark.parametrize("step", [11, pytest.param(3, marks=pytest.mark.hunt)])
@pytest.mark.parametrize("moment", ["before", "lost", "after"])
def test_a_kill_at_any_point_loses_no_decision_and_repeats_none(
    decided: Rehearsal, moment: Moment, step: int
) -> None:
    (checkpoint,) = decided.checkpoints
    for at in range(1, checkpoint.points + 1, step):
        after, harness = decided.killed_at(0, at, moment)
        for name, wanted in checkpoint.after.items():
            assert after[name] == wanted, f"{name}: killed {moment} point {at}"
        with closing(Shelf(f"sqlite:///{decided.folder / 'run.db'}", decided.clock)) as shelf:
            assert shelf.link(harness.name).decisions() == [], f"killed {moment} point {at}"
