"""Both vendors' OAuth in the sandbox: consent, tokens, and every refusal of the tables."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from syncd.sandbox import SandboxClock, SandboxWorld

Call = Callable[..., Any]

REDIRECT = "https://sync.example.com/oauth/callback"


def redirected(client: httpx.Client, path: str, **query: str) -> dict[str, str]:
    """What the consent page hands back."""
    answer = client.get(path, params=query)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(REDIRECT)
    return {
        key: each[0] for key, each in parse_qs(urlsplit(answer.headers["location"]).query).items()
    }


def choose(world: SandboxWorld, client: httpx.Client, **choice: str) -> str:
    told = redirected(
        client,
        "/v2/oauth/chooselocation",
        response_type="code",
        client_id=world.settings.ghl_client_id,
        redirect_uri=REDIRECT,
        scope="contacts.readonly calendars/events.write",
        state="s1",
        **choice,
    )
    assert told["state"] == "s1"
    return told["code"]


def highlevel_form(world: SandboxWorld, grant: str, **more: str) -> dict[str, str]:
    settings = world.settings
    secrets = {"client_id": settings.ghl_client_id, "client_secret": settings.ghl_client_secret}
    return {"grant_type": grant, "redirect_uri": REDIRECT, **secrets, **more}


def hubspot_form(world: SandboxWorld, grant: str, **more: str) -> dict[str, str]:
    settings = world.settings
    secrets = {
        "client_id": settings.hubspot_client_id,
        "client_secret": settings.hubspot_client_secret,
    }
    return {"grant_type": grant, "redirect_uri": REDIRECT, **secrets, **more}


def test_a_highlevel_chain_rotates_and_repeats_itself_for_thirty_seconds(
    world: SandboxWorld, clock: SandboxClock, ghl: Call, ghl_client: httpx.Client
) -> None:
    code = choose(world, ghl_client, location=world.location.id)
    form = highlevel_form(world, "authorization_code", code=code)
    first = ghl("POST", "/oauth/token", data=form)
    assert (first["locationId"], first["userType"]) == (world.location.id, "Location")
    again = ghl("POST", "/oauth/token", data=form, expect=401)
    assert again["error_description"] == "Authorization code not found"

    refresh = highlevel_form(world, "refresh_token", refresh_token=first["refresh_token"])
    second = ghl("POST", "/oauth/token", data=refresh)
    assert second["refresh_token"] != first["refresh_token"]
    clock.advance(timedelta(seconds=30))
    assert ghl("POST", "/oauth/token", data=refresh) == second
    clock.advance(timedelta(seconds=1))
    dead = ghl("POST", "/oauth/token", data=refresh, expect=400)
    assert (dead["error"], dead["error_description"]) == (
        "invalid_grant",
        "This refresh token is invalid",
    )
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    ghl("GET", f"/locations/{world.location.id}", headers=bearer)
    clock.advance(timedelta(days=1))
    ghl("GET", f"/locations/{world.location.id}", headers=bearer, expect=401)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"code": "bogus", "client_secret": "bad"}, 401, "Authorization code not found"),
        ({"client_secret": "bad"}, 401, "Invalid client credentials"),
        ({"grant_type": "password"}, 400, "grant_type is invalid"),
    ],
    ids=["the code is looked at first", "then the client", "an unknown grant"],
)
def test_what_highlevel_refuses(
    world: SandboxWorld,
    ghl: Call,
    ghl_client: httpx.Client,
    change: dict[str, str],
    status: int,
    said: str,
) -> None:
    code = choose(world, ghl_client, location=world.location.id)
    form = highlevel_form(world, "authorization_code", code=code) | change
    assert ghl("POST", "/oauth/token", data=form, expect=status)["error_description"] == said


def test_an_agency_lists_all_its_locations_and_makes_tokens_for_installed_ones(
    world: SandboxWorld, ghl: Call, ghl_client: httpx.Client
) -> None:
    for _ in range(119):
        world.add_location()
    stranger = world.add_location()
    company = world.location.company_id
    installed = [row for row in world.locations if row != stranger.id]
    code = choose(world, ghl_client, company=company, locations=",".join(installed))
    token = ghl("POST", "/oauth/token", data=highlevel_form(world, "authorization_code", code=code))
    assert token["userType"] == "Company"
    assert "locationId" not in token
    bearer = {"Authorization": f"Bearer {token['access_token']}"}

    def listed(**query: str) -> list[dict[str, Any]]:
        app = world.settings.ghl_client_id.partition("-")[0]
        asked = {"companyId": company, "appId": app, "limit": "500"} | query
        found: list[dict[str, Any]] = ghl(
            "GET", "/oauth/installedLocations", params=asked, headers=bearer
        )["locations"]
        return found

    assert len(listed()) == 100  # whatever is asked for
    assert [row["isInstalled"] for row in listed(skip="100")] == [True] * 20 + [False]
    assert not listed(appId=world.settings.ghl_client_id)
    assert len(listed(isInstalled="true", skip="100")) == 20

    form = {"companyId": company, "locationId": installed[5]}
    made = ghl("POST", "/oauth/locationToken", data=form, headers=bearer, expect=201)
    assert (made["locationId"], made["userType"]) == (installed[5], "Location")
    strange = {"locationId": installed[0]}
    form["locationId"] = stranger.id
    ghl("POST", "/oauth/locationToken", data=form, headers=bearer, expect=400)
    refused = ghl("GET", "/calendars", params=strange, headers=bearer, expect=401)
    assert refused["message"].startswith("This authClass type is not allowed")
    own = {"Authorization": f"Bearer {made['access_token']}"}
    ghl("GET", "/calendars", params={"locationId": installed[5]}, headers=own)
    other = ghl("GET", "/calendars", params=strange, headers=own, expect=403)
    assert other["message"] == "The token does not have access to this location."


def test_a_suspended_location_is_not_active_and_comes_back(
    world: SandboxWorld, ghl: Call, ghl_client: httpx.Client
) -> None:
    code = choose(world, ghl_client, location=world.location.id)
    token = ghl("POST", "/oauth/token", data=highlevel_form(world, "authorization_code", code=code))
    form = highlevel_form(world, "refresh_token", refresh_token=token["refresh_token"])
    world.location.suspended = True
    assert ghl("POST", "/oauth/token", data=form, expect=400)["message"] == "Location is not active"
    world.location.suspended = False
    ghl("POST", "/oauth/token", data=form)
    world.oauth.uninstall(world.location.id)
    assert ghl("POST", "/oauth/token", data=form, expect=400)["error"] == "invalid_grant"


def test_a_hubspot_refresh_token_stays_and_forms_only_are_taken(
    world: SandboxWorld, hubspot: Call, hubspot_client: httpx.Client, clock: SandboxClock
) -> None:
    told = redirected(
        hubspot_client,
        "/oauth/authorize",
        client_id=world.settings.hubspot_client_id,
        redirect_uri=REDIRECT,
        scope="oauth",
        state="s2",
        account=str(world.portal.portal_id),
    )
    form = hubspot_form(world, "authorization_code", code=told["code"])
    assert hubspot_client.post("/oauth/2026-09/token", json=form).status_code == 415
    token = hubspot("POST", "/oauth/2026-09/token", data=form)
    assert token["hub_id"] == world.portal.portal_id
    refresh = hubspot_form(world, "refresh_token", refresh_token=token["refresh_token"])
    clock.advance(timedelta(days=400))
    again = hubspot("POST", "/oauth/2026-03/token", data=refresh)
    assert again["refresh_token"] == token["refresh_token"]
    bearer = {"Authorization": f"Bearer {again['access_token']}"}
    hubspot("GET", "/account-info/2026-03/details", headers=bearer)
    clock.advance(timedelta(minutes=30))
    hubspot("GET", "/account-info/2026-03/details", headers=bearer, expect=401)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_id": "x"}, "BAD_CLIENT_ID"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET"),
        ({"grant_type": "x"}, "BAD_GRANT_TYPE"),
        ({"refresh_token": "x"}, "BAD_REFRESH_TOKEN"),
        ({"grant_type": "authorization_code", "code": "x"}, "BAD_AUTH_CODE"),
    ],
)
def test_what_hubspot_refuses(
    world: SandboxWorld, hubspot: Call, change: dict[str, str], status: str
) -> None:
    form = hubspot_form(world, "refresh_token", refresh_token="r") | change
    assert hubspot("POST", "/oauth/2026-09/token", data=form, expect=400)["status"] == status


def test_the_consent_pages_offer_choices_and_a_no(
    world: SandboxWorld, ghl_client: httpx.Client, hubspot_client: httpx.Client
) -> None:
    for client, path, client_id in (
        (ghl_client, "/v2/oauth/chooselocation", world.settings.ghl_client_id),
        (hubspot_client, "/oauth/authorize", world.settings.hubspot_client_id),
    ):
        asked = {"response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT}
        page = client.get(path, params=asked | {"state": "a&b"})
        assert page.status_code == 200
        assert "a%26b" in page.text
        told = redirected(client, path, **asked, state="a&b", deny="true")
        assert told == {"state": "a&b", "error": "access_denied"} | (
            {"error_description": "denied"} if client is hubspot_client else {}
        )
        assert client.get(path, params=asked | {"client_id": "x"}).status_code == 400
