"""The daemon's own listener: health, metrics and the status page, read-only.

The daemon opens it and hands it a `Panel` to ask. On loopback everything is
open to the machine's users; a request that names another host is turned away,
so that no web page can read it through a name that it points here. Elsewhere
all but the two probes needs the token, as a bearer or as a browser's password.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from contextlib import suppress
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from syncd.errors import StoreError
from syncd.observability import page
from syncd.observability.health import worst
from syncd.observability.listener import Limits, Workers, serve
from syncd.observability.metrics import CONTENT_TYPE
from syncd.observability.page import Look
from syncd.observability.redaction import redact

MOST_AT_ONCE = 16
"""Pages that are rendered at once; more are refused, but the probes never are."""

PATIENCE = 10.0
"""Seconds that the store has for a page."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{page.style_hash()}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Panel(Protocol):
    """The source of the server's answers; called for every request, from any thread."""

    @property
    def version(self) -> str:
        """The version that runs."""
        ...

    def unhealthy_reason(self) -> str:
        """Why the process should be started again; "" while it is sound."""
        ...

    def not_ready(self) -> str:
        """Why the daemon does not work yet, or no longer; "" while it does."""
        ...

    def look(self, *, personal: bool) -> Look:
        """Every link as it is now.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def metrics(self) -> bytes:
        """The numbers in Prometheus' format."""
        ...


class StatusServer:
    """The listener with its app; ended by `close`."""

    def __init__(
        self,
        address: tuple[str, int],
        panel: Panel,
        *,
        token: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Begin to serve; port 0 takes any free one.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        self._panel, self._token = panel, token
        self._workers = Workers(MOST_AT_ONCE, PATIENCE)
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/livez", self._live),
                Route("/readyz", self._ready),
                Route("/healthz", self._health),
                Route("/metrics", self._metrics),
            ],
            exception_handlers={404: _not_found},
        )
        app.router.redirect_slashes = False
        self._listener = serve("http.listen", address, app, limits=limits, headers=_HEADERS)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._listener.address

    def ask_for(self, token: str | None) -> None:
        """Set the token that requests need from now on, or none."""
        self._token = token

    def close(self) -> None:
        """Listen no more; requests in progress have a moment to end."""
        self._listener.close()

    # --- answers

    async def _live(self, _: Request) -> Response:
        return _probe(self._panel.unhealthy_reason())

    async def _ready(self, _: Request) -> Response:
        return _probe(self._panel.not_ready())

    async def _page(self, request: Request) -> Response:
        self._admit(request)
        personal = bool(request.query_params.get("personal"))
        return await self._workers.run(lambda: self._render(personal=personal))

    async def _health(self, request: Request) -> Response:
        self._admit(request)
        return await self._workers.run(self._judge)

    async def _metrics(self, request: Request) -> Response:
        self._admit(request)
        text = await self._workers.run(self._panel.metrics)
        return Response(text, media_type=CONTENT_TYPE)

    def _render(self, *, personal: bool) -> Response:
        try:
            return HTMLResponse(page.render(self._panel.look(personal=personal)))
        except StoreError as error:
            return HTMLResponse(page.unavailable(self._panel.version, str(error)), 503)

    def _judge(self) -> Response:
        try:
            found = health(self._panel.look(personal=False))
        except StoreError as error:
            found = {
                "version": 1,
                "status": "store",
                "exit_code": error.outcome.exit_code,
                "detail": redact(str(error)),
            }
        status = 200 if found["status"] == "ok" else 503
        kind = "application/json; charset=utf-8"
        return Response(f"{json.dumps(found, indent=2)}\n", status, media_type=kind)

    # --- who may ask

    def _admit(self, request: Request) -> None:
        """Allow requests that may see more than the probes.

        Raises:
            HTTPException: 401 without the token; 421 for the name of another host.
        """
        if self._token is not None:
            if not hmac.compare_digest(_shown_token(request).encode(), self._token.encode()):
                raise HTTPException(
                    401,
                    "the token of http.token is needed, as a bearer or as the password\n",
                    {"WWW-Authenticate": 'Basic realm="syncd", charset="UTF-8"'},
                )
        elif not _names_this_machine(request.headers.get("Host", "localhost")):
            raise HTTPException(421, "ask as localhost; for any other name set http.token\n")


def _shown_token(request: Request) -> str:
    kind, _, held = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return held.strip()
    if kind.lower() == "basic":
        with suppress(ValueError):
            return b64decode(held, validate=True).decode().partition(":")[2]
    return ""


def _probe(trouble: str) -> Response:
    return PlainTextResponse(f"{trouble or 'ok'}\n", 503 if trouble else 200)


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("there are: / /livez /readyz /healthz /metrics\n", 404)


def _names_this_machine(host: str) -> bool:
    """Whether a Host header stands for loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def health(look: Look) -> dict[str, object]:
    """The JSON of `/healthz`: 200 with `ok`, else 503 with `trouble`."""
    code = 1 if look.unhealthy_reason else worst(look.links)
    return {
        "version": 1,
        "status": "trouble" if code else "ok",
        "exit_code": code,
        "at": look.at.isoformat(timespec="seconds"),
        "daemon": {"version": look.version, "problem": look.unhealthy_reason or None},
        "links": {
            link.name: _redacted(link.as_json())
            for link in sorted(look.links, key=lambda link: link.name)
        },
    }


def _redacted(told: dict[str, object]) -> dict[str, object]:
    """The words of vendors may hold anything."""
    return told | {"detail": redact(str(told["detail"]))}
