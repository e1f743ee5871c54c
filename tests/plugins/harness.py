"""A whole town in one process: both vendors' sandbox, the real providers, the real store.

The tests of engine, simulation and verbs use it through the `harness` fixture.
Time is virtual and passes only when a test, or a pause, lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from syncd.core.guards import GuardOverrides
from syncd.core.model import Side, Window
from syncd.core.policy import Policy
from syncd.core.status import StatusTable
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.link import Link, Rules
from syncd.engine.report import CycleReport
from syncd.engine.workers import Lane, RunLanes
from syncd.providers.ghl.auth import PrivateToken
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.http import Client
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.providers.rate_budget import Permit, RateBudget
from syncd.sandbox import SandboxSettings, SandboxWorld, application, empty
from syncd.store.announcements import Inbox
from syncd.store.database import Database
from syncd.store.engine import open_engine
from syncd.store.link_store import SqlLinkStore
from syncd.store.retention import prune

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from syncd.providers.message import Response

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

TO_HUBSPOT = {
    "new": "SCHEDULED",
    "confirmed": "SCHEDULED",
    "showed": "COMPLETED",
    "noshow": "NO_SHOW",
    "cancelled": "CANCELLED",
    "invalid": "CANCELLED",
}
TO_GHL = {
    "SCHEDULED": "confirmed",
    "COMPLETED": "showed",
    "NO_SHOW": "noshow",
    "CANCELLED": "cancelled",
}


class HarnessClock:
    """Time that passes only by sleeping and by being put forward; safe between threads."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._lock = Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        return (self.now() - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self._now += by


class NoBudget:
    """Lets every request through: limits have tests of their own."""

    zone: tzinfo | None = None

    def acquire(self, kind: str = "") -> Permit:  # noqa: ARG002 - the port
        return Permit()

    # The port gives more than a fake needs.
    def observe(self, response: Response, kind: str = "", **_more: float | None) -> None:
        """Nothing to learn."""

    def available(self, within: float = 0.0) -> int:  # noqa: ARG002 - the port
        """Always enough."""
        return 1_000


class InProcess(httpx.BaseTransport):
    """A WSGI application in this process; connections that it drops are httpx errors."""

    def __init__(self, app: WSGIApplication) -> None:
        self._inner = httpx.WSGITransport(app=app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._inner.handle_request(request)
            response.read()
        except ConnectionError as error:
            if type(error).__name__ == "AnswerTimedOut":
                raise httpx.ReadTimeout("the sandbox never answered", request=request) from error
            raise httpx.RemoteProtocolError("the sandbox hung up", request=request) from error
        return response


class Shelf:
    """The store, whichever database it is in."""

    def __init__(self, url: str, clock: HarnessClock) -> None:
        self.engine = open_engine(url)
        self._database = Database(self.engine, clock)
        self.inbox = Inbox(self._database)
        """What vendors announce."""

    def link(self, name: str) -> SqlLinkStore:
        """The store as one link sees it."""
        return SqlLinkStore(self._database, name)

    def prune(self, name: str, before: datetime) -> int:
        """Delete what is older than that of a link's history."""
        return prune(self._database, name, before)

    def close(self) -> None:
        """Give back connections."""
        self.engine.dispose()


def policy(location: str, **more: Any) -> Policy:
    """The rules of the default configuration, with the changes that a test wants."""
    epoch = datetime.fromtimestamp(0, UTC)
    window = Window(since=epoch, until=epoch)
    told: dict[str, Any] = {"location_id": location, "window": window, "now": epoch} | more
    return Policy(**told)


def nobody() -> None:
    """Nobody takes the link away."""


def in_turn(lanes: Sequence[Lane]) -> None:
    """Both sides' lanes in this thread, step by step in turn: the same order in every run."""
    waiting = list(lanes)
    while waiting:
        for lane in list(waiting):
            try:
                next(lane)
            except StopIteration:
                waiting.remove(lane)


@dataclass(kw_only=True)
class SyncHarness:
    """One location, one portal, one link; short words for what people and syncd do."""

    world: SandboxWorld
    clock: HarnessClock
    store: Shelf
    rules: Rules
    name: str = "clinic"
    calendars: dict[str, str] = field(default_factory=dict)
    transport: httpx.BaseTransport | None = None
    provider_options: dict[str, Any] = field(default_factory=dict)
    """Of HubSpot's provider."""
    ghl_options: dict[str, Any] = field(default_factory=dict)
    lanes: RunLanes = in_turn
    guard: Callable[[], None] = nobody
    """Raises `LinkLocked` once somebody else has the link; wired as `bootstrap.workshop` does."""
    budgets: Mapping[Side, RateBudget] = field(default_factory=dict)
    """The vendors' limits; none where a side is not named."""
    location: Any = None
    """The HighLevel location, where it is not the world's first."""
    settings_fingerprint: str = ""
    """What stands for the whole configuration: another one, another print."""

    # --- people

    @property
    def ghl(self) -> Any:
        """The HighLevel location, with everything that a person can do there."""
        return self.location or self.world.location

    @property
    def hubspot(self) -> Any:
        """The HubSpot portal, with everything that a person can do there."""
        return self.world.portal

    def at(self, hours: float) -> datetime:
        """So many hours after the town's beginning."""
        return START + timedelta(hours=hours)

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))

    # --- syncd

    def link(self) -> Link:
        """A link as one process sees it: providers without memory of earlier ones."""
        app = self.transport or InProcess(application(self.world))
        settings = self.world.settings
        common: dict[str, Any] = {"clock": self.clock, "transport": app}
        ghl_client = Client(
            side=Side.GHL,
            budget=self.budgets.get(Side.GHL, NoBudget()),
            base_url="http://sandbox/ghl",
            auth=PrivateToken(lambda: self.location.token if self.location else settings.ghl_token),
            **common,
        )
        hubspot_client = Client(
            side=Side.HUBSPOT,
            budget=self.budgets.get(Side.HUBSPOT, NoBudget()),
            base_url="http://sandbox/hubspot",
            auth=Token(settings.hubspot_token),
            **common,
        )
        ghl_client.guard = hubspot_client.guard = self.guard
        ghl = GhlProvider(
            ghl_client,
            location_id=self.ghl.id,
            clock=self.clock,
            calendars=tuple(sorted(self.rules.calendars)),
            default_calendar=self.rules.template.default_calendar,
            concurrency=1,
            **self.ghl_options,
        )
        filter_properties = {
            *self.rules.template.filter,
            *(route.property for route in self.rules.template.routes),
        }
        hubspot = HubSpotProvider(
            hubspot_client,
            location_id=self.ghl.id,
            clock=self.clock,
            search_lag=settings.search_lag,
            default_country=lambda: ghl.country,
            filter_property_names=tuple(sorted(filter_properties)),
            **{"concurrency": 1, **self.provider_options},
        )
        return Link(
            name=self.name,
            ghl=ghl,
            hubspot=hubspot,
            store=self.store.link(self.name),
            clock=self.clock,
            rules=self.rules,
            lanes=self.lanes,
            check_held=self.guard,
            settings_fingerprint=self.settings_fingerprint,
        )

    def setup(self) -> None:
        """Make what HubSpot needs."""
        hubspot = self.link().hubspot
        assert isinstance(hubspot, HubSpotProvider)
        hubspot.setup(tuple(dict.fromkeys(TO_HUBSPOT.values())))

    def sync(
        self, *, full: bool = True, removals: bool = False, changes: bool = False, **more: Any
    ) -> CycleReport:
        """One cycle, as a new process would run it."""
        self.later(seconds=1)
        request = CycleRequest(
            full=full, allowed=GuardOverrides(removals=removals, changes=changes), **more
        )
        return cycle.run(self.link(), request)

    def plan(self) -> CycleReport:
        """A dry run."""
        return self.sync(dry_run=True)

    def obey(self, **rules: Any) -> None:
        """Change the link's rules."""
        self.rules = replace(self.rules, template=replace(self.rules.template, **rules))

    def pairs(self) -> list[Any]:
        """Every pair of the link, by key."""
        store = self.store.link(self.name)
        keys = [key for key, _ in store.rotation(0, 10_000)]
        return store.pairs_by_key(keys)


def build(
    store: Shelf, clock: HarnessClock, settings: SandboxSettings | None = None
) -> SyncHarness:
    """A town with a calendar of each kind, users and owners, properties, and no appointments."""
    world = empty(clock.now, settings or SandboxSettings())
    calendars = {calendar.name: calendar.id for calendar in world.location.calendars.values()}
    rules = Rules(
        template=policy(world.location.id, default_calendar=next(iter(calendars.values()))),
        past=timedelta(days=30),
        future=timedelta(days=365),
        recurring_future=timedelta(days=60),
        statuses=StatusTable(to_hubspot=TO_HUBSPOT, to_ghl=TO_GHL),
    )
    harness = SyncHarness(world=world, clock=clock, store=store, rules=rules, calendars=calendars)
    harness.setup()
    return harness


@pytest.fixture
def harness_clock() -> HarnessClock:
    return HarnessClock()


@pytest.fixture
def harness(sqlite_store_url: str, harness_clock: HarnessClock) -> Iterator[SyncHarness]:
    """A town over a SQLite store."""
    with closing(Shelf(sqlite_store_url, harness_clock)) as shelf:
        yield build(shelf, harness_clock)
