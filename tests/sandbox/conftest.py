"""A world on a standing clock, and callers of both vendors' sides through the WSGI app."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from syncd.sandbox import (
    SandboxClock,
    SandboxSettings,
    SandboxWorld,
    empty,
    ghl_application,
    hubspot_application,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday; Zurich is an hour ahead."""

Call = Callable[..., Any]


def caller(client: httpx.Client) -> Call:
    """`call(method, path, expect=422, …)`: the decoded body of an answer with that status."""

    def call(method: str, path: str, *, expect: int = 200, **more: Any) -> Any:
        response = client.request(method, path, **more)
        assert response.status_code == expect, response.text
        return response.json() if response.content else None

    return call


@pytest.fixture
def clock() -> SandboxClock:
    return SandboxClock(NOON)


@pytest.fixture
def make_world(clock: SandboxClock) -> Callable[..., SandboxWorld]:
    """Builds an `empty` world with other settings."""
    return lambda **settings: empty(clock, SandboxSettings(**settings))


@pytest.fixture
def world(make_world: Callable[..., SandboxWorld]) -> SandboxWorld:
    return make_world()


@pytest.fixture
def ghl_client_of() -> Iterator[Callable[..., httpx.Client]]:
    """Clients of the HighLevel side of any world, with the right headers unless told others."""
    opened: list[httpx.Client] = []

    def make(world: SandboxWorld, **headers: str) -> httpx.Client:
        given = {
            "Authorization": f"Bearer {world.location.token}",
            "Version": "2021-07-28",
            "User-Agent": "syncd-tests",
        }
        transport = httpx.WSGITransport(app=ghl_application(world))
        client = httpx.Client(
            transport=transport, base_url="http://ghl.test", headers=given | headers
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def hubspot_client_of() -> Iterator[Callable[..., httpx.Client]]:
    """Clients of the HubSpot side of any world."""
    opened: list[httpx.Client] = []

    def make(world: SandboxWorld, **headers: str) -> httpx.Client:
        given = {"Authorization": f"Bearer {world.settings.hubspot_token}"}
        transport = httpx.WSGITransport(app=hubspot_application(world))
        client = httpx.Client(
            transport=transport, base_url="http://hs.test", headers=given | headers
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def ghl_client(world: SandboxWorld, ghl_client_of: Callable[..., httpx.Client]) -> httpx.Client:
    return ghl_client_of(world)


@pytest.fixture
def hubspot_client(
    world: SandboxWorld, hubspot_client_of: Callable[..., httpx.Client]
) -> httpx.Client:
    return hubspot_client_of(world)


@pytest.fixture
def ghl(ghl_client: httpx.Client) -> Call:
    return caller(ghl_client)


@pytest.fixture
def hubspot(hubspot_client: httpx.Client) -> Call:
    return caller(hubspot_client)


@pytest.fixture
def ghl_of(ghl_client_of: Callable[..., httpx.Client]) -> Callable[..., Call]:
    """Callers of the HighLevel side of any world."""
    return lambda world, **headers: caller(ghl_client_of(world, **headers))


@pytest.fixture
def hubspot_of(hubspot_client_of: Callable[..., httpx.Client]) -> Callable[..., Call]:
    """Callers of the HubSpot side of any world."""
    return lambda world, **headers: caller(hubspot_client_of(world, **headers))


@pytest.fixture
def team(world: SandboxWorld) -> str:
    """The round robin calendar."""
    return _calendar(world, "Team")


@pytest.fixture
def personal(world: SandboxWorld) -> str:
    return _calendar(world, "Personal")


@pytest.fixture
def event_calendar(world: SandboxWorld) -> str:
    return _calendar(world, "Event")


@pytest.fixture
def users(world: SandboxWorld) -> list[str]:
    """Three: the first two on the team, the third owns the personal calendar."""
    return list(world.location.users)


@pytest.fixture
def ada(world: SandboxWorld) -> str:
    """A HighLevel contact."""
    return world.location.add_contact("Ada Winter", "ada@example.com", "+1 555 0101")


@pytest.fixture
def person(world: SandboxWorld) -> str:
    """A HubSpot contact."""
    return world.portal.add_contact("Ada Winter", "ada@example.com", "+1 555 0101")


@pytest.fixture
def tomorrow() -> datetime:
    """Tuesday at noon UTC: one o'clock in Zurich."""
    return NOON + timedelta(days=1)


def _calendar(world: SandboxWorld, name: str) -> str:
    return next(row.id for row in world.location.calendars.values() if row.name == name)
