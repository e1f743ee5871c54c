"""Rate limits: rolling windows that refuse what comes too fast, in the vendors' words."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from syncd.sandbox import RateLimit, SandboxClock, SandboxWorld

Call = Callable[..., Any]
OBJECTS = "/crm/objects/2026-03/0-421"
SEARCH = {"after": "0", "filterGroups": [], "limit": 1, "properties": [], "sorts": []}


@pytest.fixture
def strict(make_world: Callable[..., SandboxWorld]) -> Callable[..., SandboxWorld]:
    return lambda **more: make_world(enforce_limits=True, **more)


def test_nothing_is_refused_unless_limits_are_enforced(
    make_world: Callable[..., SandboxWorld], hubspot_of: Callable[..., Call]
) -> None:
    world = make_world(hubspot_limit=RateLimit(requests=1, seconds=10))
    call = hubspot_of(world)
    for _ in range(3):
        call("GET", OBJECTS)
    assert world.meters.refused == 0


def test_the_hubspot_window_rolls(
    strict: Callable[..., SandboxWorld], clock: SandboxClock, hubspot_of: Callable[..., Call]
) -> None:
    world = strict(hubspot_limit=RateLimit(requests=2, seconds=10))
    call = hubspot_of(world)
    call("GET", OBJECTS)
    clock.advance(timedelta(seconds=6))
    call("GET", OBJECTS)
    body = call("GET", OBJECTS, expect=429)
    assert body["errorType"] == "RATE_LIMIT"
    assert body["policyName"] == "TEN_SECONDLY_ROLLING"
    clock.advance(timedelta(seconds=4))
    call("GET", OBJECTS)
    call("GET", OBJECTS, expect=429)
    assert world.meters.refused == 2


def test_searches_have_a_window_of_their_own(
    strict: Callable[..., SandboxWorld],
    clock: SandboxClock,
    hubspot_client_of: Callable[..., httpx.Client],
) -> None:
    client = hubspot_client_of(strict())
    for _ in range(5):
        assert client.post(f"{OBJECTS}/search", json=SEARCH).status_code == 200
    refused = client.post(f"{OBJECTS}/search", json=SEARCH)
    assert refused.json()["policyName"] == "SECONDLY"
    assert "Retry-After" not in refused.headers
    assert client.get(OBJECTS).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert client.post(f"{OBJECTS}/search", json=SEARCH).status_code == 200


def test_the_hubspot_day_ends_at_midnight_of_the_account(
    strict: Callable[..., SandboxWorld], clock: SandboxClock, hubspot_of: Callable[..., Call]
) -> None:
    call = hubspot_of(strict(hubspot_daily=1))
    call("GET", OBJECTS)
    clock.advance(timedelta(hours=10, minutes=59))
    assert call("GET", OBJECTS, expect=429)["policyName"] == "DAILY"
    clock.advance(timedelta(minutes=1))
    call("GET", OBJECTS)


def test_each_location_has_a_window_and_a_day_of_its_own(
    strict: Callable[..., SandboxWorld], clock: SandboxClock, ghl_of: Callable[..., Call]
) -> None:
    world = strict(ghl_limit=RateLimit(requests=1, seconds=10), ghl_daily=2)
    other = world.add_location()
    one = ghl_of(world)
    two = ghl_of(world, Authorization=f"Bearer {other.token}")
    path, second = f"/locations/{world.location.id}", f"/locations/{other.id}"
    one("GET", path)
    assert one("GET", path, expect=429)["message"] == "Too Many Requests"
    two("GET", second)
    clock.advance(timedelta(seconds=10))
    one("GET", path)
    clock.advance(timedelta(seconds=10))
    one("GET", path, expect=429)
    # The day began with the first use, not at midnight.
    clock.advance(timedelta(hours=24, seconds=-21))
    one("GET", path, expect=429)
    clock.advance(timedelta(seconds=1))
    one("GET", path)


def test_a_429_may_say_when_to_come_back(
    strict: Callable[..., SandboxWorld], ghl_client_of: Callable[..., httpx.Client]
) -> None:
    world = strict(ghl_limit=RateLimit(requests=1, seconds=10), retry_after=True)
    client = ghl_client_of(world)
    path = f"/locations/{world.location.id}"
    assert client.get(path).headers["X-RateLimit-Remaining"] == "0"
    refused = client.get(path)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.headers["X-RateLimit-Max"] == "1"


def test_every_answer_takes_the_set_latency(
    clock: SandboxClock,
    make_world: Callable[..., SandboxWorld],
    hubspot_of: Callable[..., Call],
) -> None:
    world = make_world(latency=0.12)
    pauses: list[float] = []
    world.sleep = pauses.append
    call = hubspot_of(world)
    call("GET", OBJECTS)
    call("GET", OBJECTS)
    assert pauses == [0.12, 0.12]
    assert clock() == world.now()
