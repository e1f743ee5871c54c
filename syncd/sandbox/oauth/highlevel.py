"""HighLevel's OAuth: the page that chooses a location, tokens, installed locations.

Called by the gate of `ghl.api`. The endpoint looks at the code before the client
(measured 2026-08-19), refresh tokens rotate with a grace of 30 seconds (HighLevel's
changelog), and the token of an agency names no location.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from syncd.sandbox.ghl.checks import refusal
from syncd.sandbox.http import ApiError, JsonObject, Request, Response
from syncd.sandbox.oauth import consent
from syncd.sandbox.oauth.apps import Holder, fits_challenge, form_of, narrowed
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from syncd.sandbox.world import SandboxWorld

GRACE = 30.0
"""Seconds in which a refresh token that was used gives the same answer again."""

LARGEST_PAGE = 100
_WORD = re.compile(r"[A-Z]")
_LOCATION_SECONDS = 86_400
_SECONDS = 86_399
_SCOPES = ("oauth.readonly", "oauth.write")


def handles(request: Request) -> bool:
    """Whether the path is one of these."""
    return request.path.startswith(("/oauth/", "/v2/oauth/"))


def handle(world: SandboxWorld, request: Request) -> Response:
    """The answer to a request.

    Raises:
        ApiError: the answer is a refusal.
    """
    match request.method, request.path.rstrip("/"):
        case "GET", "/v2/oauth/chooselocation" | "/oauth/chooselocation":
            return _choose(world, request)
        case "POST", "/oauth/token":
            return _token(world, request)
        case "POST", "/oauth/locationToken":
            return _location_token(world, request)
        case "GET", "/oauth/installedLocations":
            return _installed_locations(world, request)
        case "POST", "/oauth/reconnect":
            raise refusal(400, "API endpoint has been removed")
    raise refusal(404, f"Cannot {request.method} {request.path}")


def company_of(world: SandboxWorld, request: Request) -> Holder | None:
    """The agency whose token a request shows."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    holder = world.oauth.holder_of(token)
    is_agency = holder is not None and (holder.vendor, holder.kind) == ("ghl", "agency")
    return holder if is_agency else None


def _choose(world: SandboxWorld, request: Request) -> Response:
    if request.one("client_id") != world.settings.ghl_client_id:
        return consent.error_page("error.noappfound", "there is no app with this client_id")
    if request.one("response_type") != "code" or not request.one("redirect_uri"):
        return consent.error_page("error.invalid", "response_type and redirect_uri are needed")
    scopes = tuple((request.one("scope") or "").split())
    if request.flag("deny"):
        return consent.redirect(request, error="access_denied")
    if location := request.one("location"):
        row = world.locations.get(location)
        if row is None:
            return consent.error_page("error.nolocation", "there is no such location")
        world.oauth.installed.add(location)
        holder = Holder(
            vendor="ghl", kind="location", account=row.id, company=row.company_id, scopes=scopes
        )
        return consent.redirect(request, code=world.oauth.code(holder, request))
    if company := request.one("company"):
        chosen = request.many("locations") or [
            row.id for row in world.locations.values() if row.company_id == company
        ]
        world.oauth.installed.update(chosen)
        holder = Holder(
            vendor="ghl", kind="agency", account=company, company=company, scopes=scopes
        )
        return consent.redirect(request, code=world.oauth.code(holder, request))
    choices = {f"Install in {row.name}": {"location": row.id} for row in world.locations.values()}
    companies = dict.fromkeys(row.company_id for row in world.locations.values())
    choices |= {f"Install in agency {each}": {"company": each} for each in companies}
    return consent.page(request, "Choose a location", choices | {"Deny": {"deny": "true"}})


def _token(world: SandboxWorld, request: Request) -> Response:
    form = form_of(request)
    if form is None:
        try:
            form = {str(key): str(value) for key, value in (request.json() or {}).items()}
        except (ValueError, AttributeError):
            raise _oauth(400, "invalid_request", "the body is neither a form nor JSON") from None
    if request.headers.get("version") == "v3":
        # The operation's text and the vendor's own SDK speak so there (oauth-v3.json).
        form = {_WORD.sub(lambda at: f"_{at[0].lower()}", key): form[key] for key in form}
    match form.get("grant_type"):
        case "authorization_code":
            return Response(payload=_exchanged(world, form))
        case "refresh_token":
            return Response(payload=_refreshed(world, form))
    raise _oauth(400, "unsupported_grant_type", "grant_type is invalid")


def _exchanged(world: SandboxWorld, form: dict[str, str]) -> JsonObject:
    code = world.oauth.codes.get(form.get("code", ""))
    # A code of another client key is not found either.
    if code is None or code.used or code.client_id != form.get("client_id"):
        raise _oauth(401, "UnAuthorized!", "Authorization code not found")
    _known_client(world, form)
    if code.redirect_uri != form.get("redirect_uri", code.redirect_uri):
        raise _oauth(400, "invalid_grant", "redirect_uri does not match")
    if not fits_challenge(code, form.get("code_verifier", "")):
        raise _oauth(400, "invalid_grant", "code_verifier does not match")
    code.used = True
    return _answer(world, code.holder)


def _refreshed(world: SandboxWorld, form: dict[str, str]) -> JsonObject:
    _known_client(world, form)
    token = form.get("refresh_token", "")
    found = world.oauth.refresh.get(token)
    row = world.locations.get(found.holder.account) if found else None
    if row is not None and row.suspended:
        raise refusal(400, "Location is not active")
    answer = world.oauth.rotated(token, GRACE, lambda holder: _answer(world, holder))
    if answer is None:
        status = world.settings.ghl_dead_refresh_status
        raise _oauth(status, "invalid_grant", "This refresh token is invalid")
    return answer


def _location_token(world: SandboxWorld, request: Request) -> Response:
    agency = _agency(world, request)
    form = form_of(request) or {}
    row = world.locations.get(form.get("locationId", ""))
    if form.get("companyId") != agency.account or row is None or row.company_id != agency.account:
        raise refusal(403, "The token does not have access to this location.")
    if row.id not in world.oauth.installed:
        raise refusal(400, "The app is not installed in this location")
    if row.suspended:
        raise refusal(400, "Location is not active")
    holder = narrowed(agency, kind="location", account=row.id)
    answer = _answer(world, holder, _LOCATION_SECONDS)
    return Response(status=201, payload=answer | {"traceId": world.ids.trace()})


def _installed_locations(world: SandboxWorld, request: Request) -> Response:
    agency = _agency(world, request)
    # The app's id is the client id before its dash; anything else finds nothing.
    ours = request.one("appId") == world.settings.ghl_client_id.partition("-")[0]
    rows = [
        row
        for row in world.locations.values()
        if ours and row.company_id == agency.account == request.one("companyId")
    ]
    if (wanted := request.one("isInstalled")) is not None:
        rows = [r for r in rows if (r.id in world.oauth.installed) == (wanted == "true")]
    skip, limit = _number(request, "skip", 0), _number(request, "limit", 20)
    shown = [
        {
            "_id": row.id,
            "name": row.name,
            "address": "",
            "isInstalled": row.id in world.oauth.installed,
            "installedAt": iso_ms(world.time_at("ghl")),
        }
        for row in rows[skip : skip + min(limit, LARGEST_PAGE)]
    ]
    answer = {"locations": shown, "count": len(rows), "installToFutureLocations": False}
    return Response(payload=answer)


def _agency(world: SandboxWorld, request: Request) -> Holder:
    if not request.headers.get("version"):
        raise refusal(401, "version header was not found.")
    agency = company_of(world, request)
    if agency is None:
        raise refusal(401, "Invalid JWT")
    return agency


def _known_client(world: SandboxWorld, form: dict[str, str]) -> None:
    settings = world.settings
    expected = settings.ghl_client_id, settings.ghl_client_secret
    if (form.get("client_id"), form.get("client_secret")) != expected:
        raise _oauth(401, "invalid_client", "Invalid client credentials")


def _answer(world: SandboxWorld, holder: Holder, seconds: int = _SECONDS) -> JsonObject:
    agency = holder.kind == "agency"
    answer: JsonObject = {
        "access_token": world.oauth.access_token(holder, seconds),
        "token_type": "Bearer",
        "expires_in": seconds,
        "refresh_token": world.oauth.refresh_token(holder),
        "scope": " ".join(dict.fromkeys((*holder.scopes, *_SCOPES))),
        "refreshTokenId": world.ids.ghl(),
        "userType": "Company" if agency else "Location",
        "companyId": holder.company,
        "isBulkInstallation": agency,
        "userId": "SandboxUserAAAAAA001",
    }
    return answer if agency else answer | {"locationId": holder.account}


def _oauth(status: int, error: str, description: str) -> ApiError:
    body = {"error": error, "error_description": description}
    return ApiError(Response(status=status, payload=body))


def _number(request: Request, key: str, otherwise: int) -> int:
    try:
        return int(request.one(key) or otherwise)
    except ValueError:
        raise refusal(422, [f"{key} must be a number string"]) from None
