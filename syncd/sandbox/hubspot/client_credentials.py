"""The client-credentials grant of HubSpot's token endpoint: a token of the app, not of an account.

Such a token reads the Webhooks Journal and no record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.http import ApiError, JsonObject, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.world import SandboxWorld

_NEEDED = "developer.webhooks_journal.read"


def grant(world: SandboxWorld, form: Mapping[str, str]) -> Response:
    """A token for half an hour, without a refresh token.

    Raises:
        ApiError: another client, or an app that may not read a journal.
    """
    settings, journal = world.settings, world.announcer.journal
    if form.get("client_id") != settings.hubspot_client_id:
        raise _refused("BAD_CLIENT_ID", "invalid_client", "missing or invalid client id")
    if form.get("client_secret") != settings.hubspot_client_secret:
        raise _refused("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
    scopes = form.get("scope", "").split()
    if journal.rules.token_refused or _NEEDED not in scopes:
        raise _refused("BAD_SCOPES", "invalid_scope", "the scope could not be recognized")
    body: JsonObject = {
        "access_token": journal.new_token(),
        "expires_in": 1800,
        "token_type": "bearer",
        "token_use": "client_credentials",
        "scopes": scopes,
    }
    return Response(payload=body)


def _refused(status: str, error: str, message: str) -> ApiError:
    body = {"status": status, "error": error, "error_description": message, "message": message}
    return ApiError(Response(status=400, payload=body))
