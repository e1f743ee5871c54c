"""A clinic in the sandbox, and our provider in front of it, in one process and virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from syncd.core.model import Appointment, Missing, Scan, Side, Snapshot, Window
from syncd.ports.provider import CommandKind, Done, Failed, Receipt, ScanRequest, WriteCommand
from syncd.providers.ghl.auth import PrivateToken
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.http import Client
from syncd.sandbox import SandboxSettings, SandboxWorld, application, empty

if TYPE_CHECKING:
    from syncd.providers.rate_budget import RateBudget
    from syncd.sandbox import LoggedRequest
    from tests.providers.conftest import FreeBudget, SandboxTransport, VirtualClock

Find = Callable[..., Any]


@dataclass(kw_only=True)
class Clinic:
    """A world, a provider, and short words for what tests do with both."""

    world: SandboxWorld
    provider: GhlProvider
    now: datetime
    calendars: dict[str, str] = field(default_factory=dict)
    """Ids by name: Team, Personal, Class, Collective, Event."""
    users: list[str] = field(default_factory=list)
    contact: str = ""
    """Ann."""

    @property
    def window(self) -> Window:
        return Window(since=self.now - timedelta(days=30), until=self.now + timedelta(days=365))

    def at(self, hours: float) -> datetime:
        return self.now + timedelta(hours=hours)

    def book(self, hours: float = 24, calendar: str = "Team", **more: Any) -> str:
        contact = more.pop("contact", self.contact)
        return self.world.location.book(self.calendars[calendar], contact, self.at(hours), **more)

    def scan(self) -> Scan:
        return self.provider.scan(ScanRequest(window=self.window))

    def see(self, key: str) -> Snapshot:
        found = self.provider.fetch([key])[key]
        assert isinstance(found, Snapshot), found
        return found

    def miss(self, key: str) -> Missing:
        found = self.provider.fetch([key])[key]
        assert isinstance(found, Missing), found
        return found

    def write(self, **command: Any) -> Receipt:
        command.setdefault("key", "order-1")
        (receipt,) = self.provider.write([WriteCommand(**command)])
        return receipt

    def create(self, hours: float = 24, calendar: str = "Team", **more: Any) -> Receipt:
        options = {k: more.pop(k) for k in ("validate_slot", "notify") if k in more}
        wanted: dict[str, Any] = {
            "title": "Check-up",
            "start": self.at(hours),
            "end": self.at(hours + 0.5),
            "status": "confirmed",
            "contact": self.contact,
            "owner": self.users[0] if calendar == "Team" else "",
        } | more
        return self.write(
            kind=CommandKind.CREATE,
            wanted=Appointment(**wanted),
            calendar=self.calendars[calendar],
            **options,
        )

    def update(self, key: str, *groups: str, seen: Snapshot | None = None, **more: Any) -> Receipt:
        options = {k: more.pop(k) for k in ("validate_slot", "notify") if k in more}
        return self.write(
            kind=CommandKind.UPDATE,
            id=key,
            wanted=Appointment(**more),
            groups=frozenset(groups),
            seen=seen,
            **options,
        )

    def remove(self, key: str, seen: Snapshot | None = None) -> Receipt:
        return self.write(kind=CommandKind.REMOVE, id=key, seen=seen)

    def sent(self, method: str, path: str = "") -> list[LoggedRequest]:
        return [row for row in self.world.requests_of("ghl", method) if path in row.path]


def done(receipt: Receipt) -> Done:
    assert isinstance(receipt, Done), receipt
    return receipt


def failed(receipt: Receipt) -> Failed:
    assert isinstance(receipt, Failed), receipt
    return receipt


Open = Callable[..., Clinic]


@pytest.fixture
def open_clinic(
    clock: VirtualClock,
    free_budget: FreeBudget,
    make_transport: type[SandboxTransport],
) -> Iterator[Open]:
    """Makes a clinic; keyword arguments are the sandbox's settings, or the provider's."""
    opened: list[GhlProvider] = []

    def make(
        *,
        token: str = "",
        location: str = "",
        options: Callable[[SandboxWorld], dict[str, Any]] | None = None,
        transport: httpx.BaseTransport | None = None,
        budget: RateBudget | None = None,
        **settings: Any,
    ) -> Clinic:
        world = empty(clock.now, SandboxSettings(**settings))
        client = Client(
            side=Side.GHL,
            base_url="http://127.0.0.1:9/ghl",
            auth=PrivateToken(lambda: token or world.settings.ghl_token),
            budget=budget or free_budget,
            clock=clock,
            transport=transport or make_transport(application(world)),
            concurrency=4,
        )
        provider = GhlProvider(
            client,
            location_id=location or world.location.id,
            clock=clock,
            concurrency=4,
            **(options(world) if options else {}),
        )
        opened.append(provider)
        location_context = world.location
        return Clinic(
            world=world,
            provider=provider,
            now=clock.now(),
            calendars={row.name: row.id for row in location_context.calendars.values()},
            users=list(location_context.users),
            contact=location_context.add_contact("Ann Example", "ann@example.com", "+15550100101"),
        )

    yield make
    for provider in opened:
        provider.close()


@pytest.fixture
def clinic(open_clinic: Open) -> Clinic:
    return open_clinic()


@pytest.fixture
def is_done() -> Callable[[Receipt], Done]:
    return done


@pytest.fixture
def is_failed() -> Callable[[Receipt], Failed]:
    return failed
