"""Who gets in at HighLevel, and in which words the others are turned away."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from syncd.sandbox import GHL_SCOPES, SandboxWorld

Call = Callable[..., Any]


def test_a_wrong_token_is_refused_with_401(
    world: SandboxWorld, ghl_of: Callable[..., Call]
) -> None:
    body = ghl_of(world, Authorization="Bearer pit-wrong")(
        "GET", f"/locations/{world.location.id}", expect=401
    )
    assert body == {
        "statusCode": 401,
        "message": "Invalid token: access token is invalid",
        "error": "Unauthorized",
    }


def test_a_missing_scope_is_a_401_with_a_text_of_its_own(world: SandboxWorld, ghl: Call) -> None:
    less = GHL_SCOPES - {"calendars/events.write"}
    world.settings = replace(world.settings, ghl_scopes=less)
    body = ghl("POST", "/calendars/events/appointments", json={}, expect=401)
    assert body["message"] == "The token is not authorized for this scope."
    ghl("GET", "/calendars/", params={"locationId": world.location.id})


@pytest.mark.parametrize("agent", ["", "Python-urllib/3.11"])
def test_urllib_and_nameless_clients_get_a_page_instead_of_an_answer(
    agent: str, world: SandboxWorld, ghl_client_of: Callable[..., httpx.Client]
) -> None:
    client = ghl_client_of(world, **{"User-Agent": agent})
    response = client.get(f"/locations/{world.location.id}")
    assert response.status_code == 403
    assert "Error 1010" in response.text
    assert response.headers["content-type"].startswith("text/html")


def test_the_version_header_is_needed(
    world: SandboxWorld, ghl_client_of: Callable[..., httpx.Client]
) -> None:
    client = ghl_client_of(world)
    del client.headers["Version"]
    assert client.get(f"/locations/{world.location.id}").status_code == 401
    client.headers["Version"] = "2019-01-01"
    assert client.get(f"/locations/{world.location.id}").status_code == 400


@pytest.mark.parametrize(
    ("version", "path", "status"),
    [
        ("2021-04-15", "/calendars/?locationId={location}", 200),
        ("2021-04-15", "/contacts/{contact}", 404),
        ("2021-04-15", "/users/?locationId={location}", 404),
        ("2021-07-28", "/contacts/{contact}", 200),
        ("2021-07-28", "/users/?locationId={location}", 200),
        ("v3", "/contacts/{contact}", 200),
        ("v3", "/users/?locationId={location}", 404),
        ("v3", "/contacts/?locationId={location}", 404),
    ],
)
def test_versions_open_different_doors(
    version: str,
    path: str,
    status: int,
    world: SandboxWorld,
    ada: str,
    ghl_of: Callable[..., Call],
) -> None:
    path = path.format(location=world.location.id, contact=ada)
    ghl_of(world, Version=version)("GET", path, expect=status)


def test_another_location_is_refused_with_403(world: SandboxWorld, ghl: Call) -> None:
    other = world.add_location()
    body = ghl("GET", "/calendars/", params={"locationId": other.id}, expect=403)
    assert body["message"] == "The token does not have access to this location."
    ghl("GET", f"/locations/{other.id}", expect=403)


def test_each_location_has_a_token_of_its_own(
    world: SandboxWorld, ghl_of: Callable[..., Call]
) -> None:
    other = world.add_location(timezone="Asia/Tokyo")
    call = ghl_of(world, Authorization=f"Bearer {other.token}")
    shown = call("GET", f"/locations/{other.id}")["location"]
    assert shown["timezone"] == "Asia/Tokyo"


def test_during_a_rotation_both_tokens_are_valid(
    world: SandboxWorld, ghl_of: Callable[..., Call]
) -> None:
    world.location.tokens.add("pit-new")
    path = f"/locations/{world.location.id}"
    ghl_of(world, Authorization="Bearer pit-new")("GET", path)
    ghl_of(world)("GET", path)


def test_a_suspended_location_says_so(world: SandboxWorld, ghl: Call) -> None:
    world.location.suspended = True
    body = ghl("GET", f"/locations/{world.location.id}", expect=400)
    assert body["message"] == "Location is not active"


def test_an_unknown_query_key_is_refused_by_name(world: SandboxWorld, ghl: Call) -> None:
    query = {"locationId": world.location.id, "page": "2"}
    body = ghl("GET", "/users/", params=query, expect=422)
    assert body["message"] == ["property page should not exist"]


def test_every_answer_carries_a_trace_id_and_the_rate_headers(
    world: SandboxWorld, ghl_client: httpx.Client
) -> None:
    response = ghl_client.get(f"/locations/{world.location.id}")
    assert response.json()["traceId"]
    assert response.headers["X-RateLimit-Max"] == "100"
    assert response.headers["X-RateLimit-Remaining"] == "99"
    assert response.headers["X-RateLimit-Interval-Milliseconds"] == "10000"
    assert response.headers["X-RateLimit-Limit-Daily"] == "200000"
    assert response.headers["X-RateLimit-Daily-Remaining"] == "199999"
    assert response.headers["x-ratelimit-daily-reset"] == str(24 * 3600 * 1000)
