"""`GET /oauth/callback`: takes a vendor's redirect, and tells the person what came of it.

The daemon's live listener and the listener of `syncd connect` serve it. The page holds
no code, no token and no state; nothing of the query is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from syncd.connections.attempts import Completed, Ended
from syncd.errors import ConfigError, StoreError
from syncd.observability.listener import Workers
from syncd.observability.redaction import redact

log = structlog.get_logger(__name__)

PATH = "/oauth/callback"

Complete = Callable[[Mapping[str, str]], Completed]

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PATIENCE = 30.0
_STATUS = {Ended.OK: 200, Ended.REFUSED: 403, Ended.UNREACHABLE: 502, Ended.FOREIGN: 400}
_TITLES = {
    Ended.OK: "Connected",
    Ended.REFUSED: "Not connected",
    Ended.UNREACHABLE: "Not connected",
    Ended.FOREIGN: "This page belongs to no running attempt",
}
_NEXT = {
    Ended.OK: "You can close this page.",
    Ended.REFUSED: "Run “syncd connect” again once that is settled.",
    Ended.UNREACHABLE: "Run “syncd connect” again in a moment.",
    Ended.FOREIGN: (
        "It was opened twice, too late, or without “syncd connect”. Nothing was connected: "
        "run “syncd connect highlevel” or “syncd connect hubspot”, and open the address that "
        "it prints."
    ),
}


def route(complete: Complete) -> Route:
    """The route of the redirect."""
    workers = Workers(8, _PATIENCE)

    async def callback(request: Request) -> Response:
        query = dict(request.query_params)
        return await workers.run(lambda: answer(complete, query))

    return Route(PATH, callback, methods=["GET"])


def answer(complete: Complete, query: Mapping[str, str]) -> Response:
    """Complete the attempt of a redirect, and make the page."""
    try:
        done = complete(query)
    except (ConfigError, StoreError) as error:
        log.warning("connect.not_completed", detail=str(error))
        return _page(503, "Not connected yet", redact(str(error)), _RETRY)
    said = "" if done.ended is Ended.FOREIGN else redact(done.detail)
    return _page(_STATUS[done.ended], _TITLES[done.ended], said, _NEXT[done.ended])


_RETRY = (
    "Fix that and load this page again, or run “syncd connect” with --redirected and the address "
    "of this page, on the machine where you began."
)


def _page(status: int, title: str, *paragraphs: str) -> Response:
    body = "".join(f"<p>{escape(text)}</p>" for text in paragraphs if text)
    return HTMLResponse(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>syncd: {escape(title)}</title></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status,
        _HEADERS,
    )
