"""Both vendors' official SDKs refresh tokens at the sandbox: witnesses of its token endpoints."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import hubspot
import pytest
from highlevel import HighLevel

if TYPE_CHECKING:
    from syncd.sandbox import SandboxServer

REDIRECT = "https://sync.example.com/oauth/callback"


def code_from(address: str, **query: str) -> str:
    chosen = httpx.get(address, params={"redirect_uri": REDIRECT, "state": "s", **query})
    return parse_qs(urlsplit(chosen.headers["location"]).query)["code"][0]


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_highlevels_sdk_refreshes_a_rotating_chain(server: SandboxServer) -> None:
    settings = server.world.settings
    client = {"client_id": settings.ghl_client_id, "client_secret": settings.ghl_client_secret}
    code = code_from(
        f"{server.ghl_url}/v2/oauth/chooselocation",
        response_type="code",
        client_id=settings.ghl_client_id,
        location=server.world.location.id,
    )
    form = client | {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    headers = {"User-Agent": "syncd-tests"}
    first = httpx.post(f"{server.ghl_url}/oauth/token", data=form, headers=headers).json()

    async def refreshed(token: str) -> Any:
        sdk = HighLevel(private_integration_token="pit-unused", log_level="none")
        sdk.http_client.base_url = server.ghl_url
        sdk.oauth.client = sdk.http_client
        try:
            return await sdk.oauth.refresh_token(
                token,
                settings.ghl_client_id,
                settings.ghl_client_secret,
                "refresh_token",
                "Location",
            )
        finally:
            await sdk.close()

    second = asyncio.run(refreshed(first["refresh_token"]))
    again = asyncio.run(refreshed(first["refresh_token"]))
    assert second["locationId"] == server.world.location.id
    assert again["refresh_token"] == second["refresh_token"] != first["refresh_token"]


def test_hubspots_sdk_exchanges_and_refreshes(server: SandboxServer) -> None:
    settings = server.world.settings
    code = code_from(
        f"{server.hubspot_url}/oauth/authorize",
        client_id=settings.hubspot_client_id,
        scope="oauth",
        account=str(server.world.portal.portal_id),
    )
    sdk = hubspot.Client.create()
    api = sdk.oauth.tokens_api
    api.api_client.configuration.host = server.hubspot_url
    client = {"client_id": settings.hubspot_client_id}
    client["client_secret"] = settings.hubspot_client_secret
    first = api.create(grant_type="authorization_code", code=code, redirect_uri=REDIRECT, **client)
    second = api.create(grant_type="refresh_token", refresh_token=first.refresh_token, **client)
    assert second.refresh_token == first.refresh_token
    assert second.access_token != first.access_token
    assert second.expires_in == 1800
