"""Both providers on one world, the world on a real socket, and towns with people in them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from descriptions import Descriptions, Exchange
from harness import TO_HUBSPOT, HarnessClock, InProcess, NoBudget, Shelf, SyncHarness, build

from syncd.core.model import Side, Window
from syncd.providers.ghl.auth import PrivateToken
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.http import Client
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.sandbox import (
    SandboxServer,
    SandboxSettings,
    SandboxWorld,
    empty,
    ghl_application,
    hubspot_application,
    serve,
)

ROOT = Path(__file__).resolve().parents[2]


class Witness(httpx.BaseTransport):
    """Hands requests on and writes down what was asked and answered."""

    def __init__(self, inner: httpx.BaseTransport, version: str = "") -> None:
        self._inner = inner
        self._version = version
        self.exchanges: list[Exchange] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._version:
            request.headers["Version"] = self._version
        response = self._inner.handle_request(request)
        self.exchanges.append(
            Exchange(
                method=request.method,
                path=request.url.path,
                query=tuple(request.url.params.multi_items()),
                headers={name.lower(): held for name, held in request.headers.items()},
                body=_decoded(request.content),
                status=response.status_code,
                answer=_decoded(response.read()),
            )
        )
        return response


def _decoded(content: bytes) -> Any:
    """JSON, or the text of what is none."""
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")


@dataclass(kw_only=True)
class Bench:
    """One world, the two providers on it, and what they said to each other."""

    world: SandboxWorld
    clock: HarnessClock
    ghl: GhlProvider
    hubspot: HubSpotProvider
    ghl_witness: Witness
    calendars: Mapping[str, str] = field(default_factory=dict)
    """Ids by name: Team, Personal, Class, Collective, Event."""

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def at(self, hours: float) -> datetime:
        return self.now + timedelta(hours=hours)

    @property
    def window(self) -> Window:
        return Window(since=self.at(-24 * 30), until=self.at(24 * 365))


Open = Callable[..., Bench]


@pytest.fixture(scope="module")
def open_bench() -> Iterator[Open]:
    """Makes a bench: `version` is what HighLevel's requests say, `options` are the provider's."""
    with ExitStack() as stack:

        def make(
            *, version: str = "", options: Mapping[str, Any] | None = None, **settings: Any
        ) -> Bench:
            clock = HarnessClock()
            world = empty(clock.now, SandboxSettings(**settings))
            witness = Witness(InProcess(ghl_application(world)), version)
            ghl = GhlProvider(
                Client(
                    side=Side.GHL,
                    base_url="http://ghl.test",
                    auth=PrivateToken(lambda: world.settings.ghl_token),
                    budget=NoBudget(),
                    clock=clock,
                    transport=witness,
                ),
                location_id=world.location.id,
                clock=clock,
                concurrency=1,
                **(options or {}),
            )
            hubspot = HubSpotProvider(
                Client(
                    side=Side.HUBSPOT,
                    base_url="http://hubspot.test",
                    auth=Token(world.settings.hubspot_token),
                    budget=NoBudget(),
                    clock=clock,
                    transport=InProcess(hubspot_application(world)),
                ),
                location_id=world.location.id,
                search_lag=world.settings.search_lag,
                clock=clock,
            )
            stack.callback(ghl.close)
            stack.callback(hubspot.close)
            return Bench(
                world=world,
                clock=clock,
                ghl=ghl,
                hubspot=hubspot,
                ghl_witness=witness,
                calendars={row.name: row.id for row in world.location.calendars.values()},
            )

        yield make


@pytest.fixture
def bench(open_bench: Open) -> Bench:
    """Both accounts ready to be synced."""
    made = open_bench()
    made.hubspot.setup(tuple(dict.fromkeys(TO_HUBSPOT.values())))
    made.ghl.prepare()
    made.hubspot.prepare()
    return made


@pytest.fixture
def server(bench: Bench) -> Iterator[SandboxServer]:
    """The bench's world on a loopback socket."""
    with serve(bench.world) as running:
        yield running


@pytest.fixture(scope="session")
def descriptions_of() -> Callable[[int], Descriptions]:
    """HighLevel's API descriptions, version 2 or 3; skips where they are not at hand."""
    named = os.environ.get("SYNCD_TEST_SPECS")  # noqa: TID251 - where the vendor's files lie
    root = Path(named) if named else ROOT.parent / "shared" / "specs"
    folder = root / "highlevel" if (root / "highlevel").is_dir() else root
    if not (folder / "apps" / "calendars.json").is_file():
        pytest.skip(
            "HighLevel's OpenAPI files are not at hand: set SYNCD_TEST_SPECS to a copy of "
            "the vendor's highlevel-api-docs"
        )
    known: dict[int, Descriptions] = {}

    def find(version: int) -> Descriptions:
        if version not in known:
            known[version] = Descriptions(folder, version)
        return known[version]

    return find


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whom both sides know."""

    ghl: str
    hubspot: str


def meet(harness: SyncHarness, name: str = "Ann Lee", number: int = 1) -> Person:
    """Adds a person to both sides."""
    email = f"{name.split(maxsplit=1)[0].lower()}@example.com"
    phone = f"+1555010{number:04}"
    return Person(
        ghl=harness.ghl.add_contact(name, email, phone),
        hubspot=harness.hubspot.add_contact(name, email, phone),
    )


@pytest.fixture
def make_town(
    sqlite_store_url: str, harness_clock: HarnessClock
) -> Iterator[Callable[..., SyncHarness]]:
    """Builds a town whose sandbox has other settings."""
    with closing(Shelf(sqlite_store_url, harness_clock)) as shelf:
        yield lambda **settings: build(shelf, harness_clock, SandboxSettings(**settings))


@pytest.fixture
def ann(harness: SyncHarness) -> Person:
    return meet(harness)


@pytest.fixture(scope="session")
def met() -> Callable[..., Person]:
    """Adds a person to both sides of a town: `met(town, "Ben Torres", 2)`."""
    return meet
