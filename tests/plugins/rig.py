"""A wired program that does as it is told: virtual time, a store in memory, scripted cycles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import structlog

from syncd.config import Settings
from syncd.core.model import Hold, Side
from syncd.core.outcome import Outcome
from syncd.engine.cycle import CycleRequest
from syncd.engine.planned_writes import PlannedWrite
from syncd.engine.poll.found_changes import FoundChange
from syncd.engine.poll.prepare import FIRST
from syncd.engine.report import CycleReport, Tally
from syncd.errors import ConfigError, LinkLocked, StoreInterrupted
from syncd.observability.heartbeat import HEARTBEAT, Heartbeat, read
from syncd.observability.metrics import Metrics
from syncd.observability.traffic import Budget, Traffic
from syncd.ports.announcements import Announced, Announcement
from syncd.ports.store import CycleRow, Decided, Decision, Event, HistoryEntry, LinkStore, Switch
from syncd.scheduler import Lease, Runner, Scheduler

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def kind_of(request: CycleRequest) -> str:
    """As its report names it."""
    return "full" if request.full else "targeted" if request.targeted else "incremental"


class VirtualClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return 1000.0 + self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class MemoryStore:
    """What the daemon uses of a link's store."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.cursors: dict[str, str] = {FIRST: "yes"}
        self.open: list[Decision] = []
        self.rows: list[CycleRow] = []
        self.waiting: list[Hold] = []
        self.entries: list[HistoryEntry] = []
        self.notes_written = 0
        self.decided = 0
        self.is_down = False
        self.announced: list[Announcement] = []
        self.announced_keys = 0
        self.asked_for_announcements = 0

    def announce(
        self, *records: str, what: Announced = Announced.RECORD, side: Side = Side.GHL
    ) -> None:
        """Something that a vendor announced is stored."""
        for record in records:
            self.announced_keys += 1
            self.announced.append(
                Announcement(
                    key=self.announced_keys,
                    side=side,
                    what=what,
                    record=record,
                    received_at=self.clock.now(),
                )
            )

    def announcements(self) -> list[Announcement]:
        self._up()
        self.asked_for_announcements += 1
        return list(self.announced)

    @contextmanager
    def begin(self) -> Iterator[MemoryStore]:
        self._up()
        yield self

    def set_state(self, name: str, value: str) -> None:
        self.notes_written += name == HEARTBEAT
        self.cursors[name] = value

    def close_decisions(self, ids: Collection[int]) -> None:
        self.open = [each for each in self.open if each.id not in ids]

    def get_state(self, name: str) -> str:
        self._up()
        return self.cursors.get(name, "")

    def decisions(self) -> list[Decision]:
        self._up()
        return list(self.open)

    def decide(self, kind: str, payload: Mapping[str, object], at: datetime) -> int:
        self.decided += 1
        number = self.decided
        self.open.append(Decision(id=number, kind=kind, made_at=at, payload=payload))
        return number

    def cycles(self, limit: int = 20) -> list[CycleRow]:
        self._up()
        return self.rows[:limit]

    def holds(self) -> list[Hold]:
        self._up()
        return list(self.waiting)

    def count_later(self, key: int) -> int:  # noqa: ARG002 - the port
        return 0

    def events(self, since: datetime) -> list[Event]:
        del since
        self._up()
        return []

    def trouble(self, since: datetime) -> list[tuple[datetime, str]]:
        del since
        self._up()
        return []

    def count_pairs(self) -> int:
        return 0

    def history(
        self, record_id: str = "", *, cycle: str = "", limit: int = 0
    ) -> list[HistoryEntry]:
        del record_id, cycle
        return self.entries[: limit or None]

    @property
    def heartbeat(self) -> Heartbeat | None:
        return read(self.cursors.get(HEARTBEAT, ""))

    def _up(self) -> None:
        if self.is_down:
            raise StoreInterrupted("the database is away; it is tried again")


@dataclass
class FakeLease:
    """A lease that is lost when a test says so."""

    owner: FakeLink
    released: int = 0
    renewed: int = 0

    def check(self) -> None:
        if self.owner.stolen:
            raise LinkLocked(self.owner.name, "syncd run on another host")

    def renew(self) -> None:
        self.owner.store._up()
        self.check()
        self.renewed += 1

    def release(self) -> None:
        self.released += 1
        self.owner.is_held = False


@dataclass
class FakeLink:
    """A link whose cycles end as they are told, and who remembers what was asked."""

    name: str
    clock: VirtualClock
    store: MemoryStore
    outcomes: list[Outcome] = field(default_factory=list)
    """What the next cycles come to; OK afterwards."""
    writes: int = 0
    plans: Mapping[Side, int] = field(default_factory=dict)
    """What a dry run finds to do."""
    uncovered: Mapping[Side, int] = field(default_factory=dict)
    """What an approved first sync would write, as it is more than was approved."""
    requests: Mapping[Side, int] = field(default_factory=lambda: {Side.GHL: 2, Side.HUBSPOT: 2})
    takes: float = 0.0
    """How many seconds a cycle lasts."""
    budgets: dict[Side, Budget] = field(default_factory=dict)
    stolen: bool = False
    is_held: bool = False
    elsewhere: bool = False
    """Whether another process has it."""
    token_missing: bool = False
    is_paused: bool = False
    unread: bool = False
    """Whether what was announced cannot be read."""
    lists_needed: bool = False
    """Whether a targeted cycle leaves it to an incremental one."""
    changes: Mapping[Side, Mapping[str, FoundChange]] = field(default_factory=dict)
    """What the next poll finds changed."""
    written: Sequence[tuple[Side, str, str]] = ()
    """What a targeted cycle writes: the side, and both ids."""
    during: Callable[[], None] | None = None
    """Called in the middle of a cycle."""
    asked: list[CycleRequest] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    answers: int = 0
    given_up: int = 0
    leases: list[FakeLease] = field(default_factory=list)

    def cycle(self, request: CycleRequest) -> CycleReport:
        self.asked.append(request)
        self.at.append(self.clock.seconds)
        started = self.clock.now()
        self.clock.seconds += self.takes
        if self.during is not None:
            self.during()
        if request.progress is not None:
            request.progress(1, 1)
        self.answers += sum(self.requests.values())
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.OK
        if self.stolen:
            outcome = Outcome.LOCKED
        tally = {side: Tally(requests=self.requests[side]) for side in Side}
        tally[Side.HUBSPOT] = replace(tally[Side.HUBSPOT], created=self.writes)
        planned = [
            PlannedWrite(side=side, action="create", ghl_id="", hubspot_id="", fields={}, why="")
            for side, count in self.plans.items()
            for _ in range(count)
        ]
        uncovered = self.uncovered if request.approval else {}
        if uncovered:
            outcome = Outcome.GUARD
        if not (request.dry_run or request.planned_only) and outcome is Outcome.OK:
            self.store.cursors[FIRST] = "yes"
        if request.full and not request.dry_run and outcome is Outcome.OK:
            # The engine closes what it carried out.
            self.store.close_decisions({e.id for e in self.store.open if e.kind == "kick"})
        left = self.lists_needed and request.targeted
        closed = frozenset(
            each.key
            for each in request.announced
            if outcome.completed and not (left or self.unread)
        )
        self.store.announced = [e for e in self.store.announced if e.key not in closed]
        changes: Mapping[Side, Mapping[str, FoundChange]] = {}
        if request.changes_since is not None:
            changes, self.changes = self.changes, {}
        return CycleReport(
            link=self.name,
            kind=kind_of(request),
            closed=closed,
            left=left,
            outcome=outcome,
            detail="" if outcome is Outcome.OK else f"it was {outcome.value}",
            started_at=started,
            ghl=tally[Side.GHL],
            hubspot=tally[Side.HUBSPOT],
            planned=planned if request.dry_run else None,
            uncovered=uncovered,
            changes=changes,
            written=[
                PlannedWrite(
                    side=side, action="update", ghl_id=ghl, hubspot_id=hubspot, fields={}, why=""
                )
                for side, ghl, hubspot in (self.written if request.targeted else ())
            ],
        )

    def traffic(self) -> Mapping[Side, Traffic]:
        return {
            side: Traffic(
                budget=self.budgets.get(side, Budget()),
                answers={"200": self.answers, "none": self.given_up},
            )
            for side in Side
        }

    def close(self) -> None:
        self.closed += 1

    @property
    def kinds(self) -> list[str]:
        """The cycles that were asked for: full, incremental, targeted or plan."""
        return ["plan" if each.dry_run else kind_of(each) for each in self.asked]


class FakeLinks:
    """The wired program."""

    def __init__(self, clock: VirtualClock, settings: Settings) -> None:
        self.clock, self.settings = clock, settings
        self.known: dict[str, FakeLink] = {}
        self.pruned: list[tuple[str, datetime]] = []

    def __getitem__(self, name: str) -> FakeLink:
        if name not in self.known:
            self.known[name] = FakeLink(name, self.clock, MemoryStore(self.clock))
        return self.known[name]

    def link_store(self, name: str) -> LinkStore:
        return cast("LinkStore", self[name].store)

    quick_view = link_store

    def lock(self, name: str) -> FakeLease:
        link = self[name]
        link.store._up()
        if link.elsewhere or link.is_held:
            raise LinkLocked(name, "syncd run, process 7 on host web2")
        link.is_held, link.stolen = True, False
        link.leases.append(FakeLease(link))
        return link.leases[-1]

    def lock_all(self, names: Collection[str]) -> tuple[dict[str, Lease], dict[str, str]]:
        taken: dict[str, Lease] = {}
        refused: dict[str, str] = {}
        for name in names:
            try:
                taken[name] = self.lock(name)
            except LinkLocked as error:
                refused[name] = error.holder
        return taken, refused

    def holders(self, names: Collection[str]) -> dict[str, str]:
        del names
        return {}

    def unlock_all(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            lease.release()

    def open_link(self, name: str, lease: object) -> FakeLink:
        del lease
        if self[name].token_missing:
            raise ConfigError([f"links.{name}.ghl.token: the environment variable is not set"])
        self[name].opened += 1
        return self[name]

    def look(self) -> Decided:
        for link in self.known.values():
            link.store._up()
        decisions = {name: link.store.decisions() for name, link in self.known.items()}
        paused = frozenset(name for name, link in self.known.items() if link.is_paused)
        announced = {
            name: max(each.key for each in link.store.announced)
            for name, link in self.known.items()
            if link.store.announced
        }
        return Decided(decisions=decisions, paused=paused, announced=announced)

    def write_notes(self, cursor: str, notes: Mapping[str, str]) -> None:
        for name, value in notes.items():
            with self.link_store(name).begin() as transaction:
                transaction.set_state(cursor, value)

    def waits_for_connection(self, name: str) -> bool:
        del name
        return False

    def paused(self, name: str) -> bool:
        return self[name].is_paused

    def overview(self, states: Sequence[str]) -> dict[str, LinkStore]:
        del states
        return {name: self.link_store(name) for name in self.known}

    def switch(self, names: Collection[str], turn: Switch) -> None:
        for name in names:
            self[name].is_paused = turn.pausing

    def prune(self, name: str, before: datetime) -> bool:
        self.pruned.append((name, before))
        return True

    def adopt(self, settings: Settings) -> None:
        self.settings = settings


class Inline(Executor):
    """Workers that work at once, in the thread that asks."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **more))
        return done


class Later(Inline):
    """Workers that begin when a test lets them."""

    def __init__(self) -> None:
        self.queue: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        self.queue.append(lambda: fn(*args, **more))
        return Future()

    def run(self) -> None:
        while self.queue:
            self.queue.pop(0)()


def settings_of(
    *names: str,
    schedule: Mapping[str, object] | None = None,
    live: Mapping[str, object] | None = None,
    **sync: object,
) -> Settings:
    """A configuration with these links; `live` holds `[live]` and `[apps]`."""
    return Settings.model_validate(
        {
            **(live or {}),
            "schedule": {"poll_interval": "60s", "sweep_interval": "6h", **(schedule or {})},
            "links": {
                name: {
                    "ghl": {"location_id": f"loc-{name}"},
                    "hubspot": {"token": {"env": f"HUBSPOT_{name.upper()}"}},
                    "sync": sync,
                }
                for name in names
            },
        }
    )


@dataclass
class Rig:
    """A scheduler under a test's thumb."""

    links: FakeLinks
    scheduler: Scheduler
    shift: Runner
    clock: VirtualClock
    stop: threading.Event
    metrics: Metrics
    workers: Executor

    def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, with a turn of the claim loop at each step."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self.scheduler.claim()
            self.clock.seconds += step
        self.scheduler.claim()

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


Build = Callable[..., Rig]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def build(clock: VirtualClock) -> Build:
    """`build("clinic", …, schedule={…}, first_sync=…)` gives a rig with these links."""

    def make(*names: str, workers: Executor | None = None, **more: Any) -> Rig:
        links = FakeLinks(clock, settings_of(*names, **more))
        stop, metrics = threading.Event(), Metrics("0.0.0")
        shift = Runner(links, metrics, stop, chance=lambda: 0.0)
        workers = workers or Inline()
        scheduler = Scheduler(links, shift, metrics, workers=workers)
        return Rig(links, scheduler, shift, clock, stop, metrics, workers)

    return make


@pytest.fixture(name="settings_of")
def settings_of_fixture() -> Callable[..., Settings]:
    return settings_of


@pytest.fixture
def inline() -> Executor:
    return Inline()


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[list[Any]]:
    """What is logged, as values: drawing tracebacks in colour takes seconds."""
    with structlog.testing.capture_logs() as logs:
        yield logs
