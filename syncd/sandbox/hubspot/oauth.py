"""HubSpot's token endpoint: the grants by their names.

Called by `api` for paths below `/oauth`; it takes forms only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from syncd.sandbox.http import ApiError, Request, Response
from syncd.sandbox.hubspot import client_credentials
from syncd.sandbox.hubspot.errors import not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncd.sandbox.world import SandboxWorld

_TOKEN = re.compile(r"^/oauth/(?:v3|2026-03|2026-09)/token$")

GRANTS: Mapping[str, Callable[[SandboxWorld, Mapping[str, str]], Response]] = {
    "client_credentials": client_credentials.grant,
}


def handle(world: SandboxWorld, request: Request) -> Response:
    """The answer to a request below `/oauth`.

    Raises:
        ApiError: the answer is a refusal.
    """
    if request.method != "POST" or not _TOKEN.match(request.path):
        raise not_found(f"Resource not found: {request.method} {request.path}")
    if request.body[:1] in (b"{", b"["):
        raise ApiError(Response(status=415, payload={"message": "Unsupported Media Type"}))
    form = dict(parse_qsl(request.body.decode(errors="replace")))
    grant = GRANTS.get(form.get("grant_type", ""))
    if grant is None:
        body = {"status": "BAD_GRANT_TYPE", "error": "unsupported_grant_type"}
        raise ApiError(Response(status=400, payload=body))
    return grant(world, form)
