"""HubSpot's OAuth: the consent page and the token endpoint of the dated versions.

Called by the gate of `hubspot.api`. Forms only; a refresh token stays as it is
(observed by three teams in 2026-09).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from syncd.sandbox.http import ApiError, JsonObject, Request, Response
from syncd.sandbox.hubspot import client_credentials
from syncd.sandbox.oauth import consent
from syncd.sandbox.oauth.apps import Holder, fits_challenge, form_of

if TYPE_CHECKING:
    from syncd.sandbox.world import SandboxWorld

_SECONDS = 1800
_PATH = re.compile(r"^/oauth/(?:v1|v3|2026-03|2026-09)/(token(?:/introspect|/revoke)?)/?$")

Form = Mapping[str, str]


def handles(request: Request) -> bool:
    """Whether the path is one of these."""
    return request.path.startswith("/oauth/")


def handle(world: SandboxWorld, request: Request) -> Response:
    """The answer to a request.

    Raises:
        ApiError: the answer is a refusal.
    """
    if (request.method, request.path.rstrip("/")) == ("GET", "/oauth/authorize"):
        return _authorize(world, request)
    found = _PATH.match(request.path)
    if found is None or request.method != "POST":
        raise ApiError(Response(status=404, payload={"message": "resource not found"}))
    form = form_of(request)
    if form is None:
        body = {"status": "error", "message": "Content-Type must be a form"}
        raise ApiError(Response(status=415, payload=body))
    match found[1]:
        case "token":
            return _token(world, form)
        case "token/introspect":
            _known_client(world, form)
            return Response(payload=_introspected(world, form))
    _known_client(world, form)
    if token := world.oauth.refresh.get(form.get("token", "")):
        token.dead = True  # An access token that was issued before goes on.
    return Response()


def _authorize(world: SandboxWorld, request: Request) -> Response:
    settings = world.settings
    if request.one("client_id") != settings.hubspot_client_id:
        return consent.error_page("Authorization failed", "client ID mismatch")
    scopes = (request.one("scope") or "").split()
    required = settings.hubspot_required_scopes
    if required is not None and set(scopes) != required:
        detail = f"the scopes are not those of the app: {' '.join(sorted(required))}"
        return consent.error_page("Authorization failed because of scopes", detail)
    if request.flag("deny"):
        return consent.redirect(request, error="access_denied", error_description="denied")
    if account := request.one("account"):
        holder = Holder(vendor="hubspot", kind="account", account=account, scopes=tuple(scopes))
        return consent.redirect(request, code=world.oauth.code(holder, request))
    choices = {f"Install in account {each}": {"account": str(each)} for each in _accounts(world)}
    return consent.page(request, "Choose an account", choices | {"Deny": {"deny": "true"}})


def _accounts(world: SandboxWorld) -> list[int]:
    return [world.portal.portal_id]


def _token(world: SandboxWorld, form: Form) -> Response:
    grant = GRANTS.get(form.get("grant_type", ""))
    if grant is None:
        raise refused("BAD_GRANT_TYPE", "unsupported_grant_type", "unknown grant type")
    _known_client(world, form)
    return grant(world, form)


def _exchanged(world: SandboxWorld, form: Form) -> Response:
    code = world.oauth.codes.get(form.get("code", ""))
    if code is None or code.used or code.client_id != form.get("client_id"):
        raise refused("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code")
    if code.redirect_uri != form.get("redirect_uri"):
        raise refused("BAD_REDIRECT_URI", "invalid_request", "missing or invalid redirect uri")
    if not fits_challenge(code, form.get("code_verifier", "")):
        raise refused("BAD_CODE_VERIFIER", "invalid_grant", "the code verifier does not match")
    code.used = True
    return _answer(world, code.holder, world.oauth.refresh_token(code.holder))


def _refreshed(world: SandboxWorld, form: Form) -> Response:
    token = form.get("refresh_token", "")
    found = world.oauth.refresh.get(token)
    if found is not None and found.holder.account in world.oauth.deleted_portals:
        raise refused("BAD_HUB", "access_denied", "missing or unknown hub id")
    if found is None or found.dead or found.holder.vendor != "hubspot":
        raise refused(
            "BAD_REFRESH_TOKEN", "invalid_grant", "refresh token is invalid, expired or revoked"
        )
    return _answer(world, found.holder, token)


def _introspected(world: SandboxWorld, form: Form) -> JsonObject:
    holder = world.oauth.holder_of(form.get("token", ""))
    if holder is None:
        return {"active": False}
    return {
        "active": True,
        "hub_id": int(holder.account),
        "client_id": world.settings.hubspot_client_id,
        "scopes": list(holder.scopes),
    }


def _answer(world: SandboxWorld, holder: Holder, refresh: str) -> Response:
    token: JsonObject = {
        "access_token": world.oauth.access_token(holder, _SECONDS),
        "expires_in": _SECONDS,
        "refresh_token": refresh,
        "token_type": "bearer",
        "token_use": "access_token",
        "hub_id": int(holder.account),
        "scopes": list(holder.scopes),
        "user_id": 7_100_456,
        "id_token": None,
    }
    return Response(payload=token)


def _known_client(world: SandboxWorld, form: Form) -> None:
    if form.get("client_id") != world.settings.hubspot_client_id:
        raise refused("BAD_CLIENT_ID", "invalid_client", "missing or unknown client id")
    if form.get("client_secret") != world.settings.hubspot_client_secret:
        raise refused("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")


def refused(status: str, error: str, message: str) -> ApiError:
    """400 with HubSpot's own word for it."""
    body = {"status": status, "error": error, "error_description": message, "message": message}
    return ApiError(Response(status=400, payload=body))


GRANTS: Mapping[str, Callable[[SandboxWorld, Form], Response]] = {
    "authorization_code": _exchanged,
    "refresh_token": _refreshed,
    "client_credentials": client_credentials.grant,
}
"""What each grant type gives, once the client is known."""
