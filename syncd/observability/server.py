"""The daemon's own listener: health, metrics, and the page, which decides where a token is set.

The daemon opens it and hands it a `Panel` to ask. On loopback everything is
open to the machine's users, to read; a request that names another host is turned
away, so that no web page can read it through a name that it points here. Elsewhere
all but the two probes needs a token. Decisions need `[http] token` everywhere.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Protocol
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from syncd.errors import StoreError
from syncd.observability import page
from syncd.observability.admission import Access, Caller, caller, names_this_machine
from syncd.observability.health import worst
from syncd.observability.listener import Limits, Workers, serve
from syncd.observability.metrics import CONTENT_TYPE
from syncd.observability.page import Address, Look, NotDecided, Press
from syncd.observability.redaction import redact

MOST_AT_ONCE = 16
"""Pages that are rendered at once; more are refused, but the probes never are."""

PATIENCE = 10.0
"""Seconds that the store has for a page."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{page.style_hash()}'; "
        f"script-src '{page.script_hash()}'; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    # With no-referrer a browser would send `Origin: null` with a form.
    "Referrer-Policy": "same-origin",
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

    def look(
        self, *, personal: bool, link: str = "", decides: bool = False, detail: bool = False
    ) -> Look:
        """Every link as it is now, or one.

        With `detail`, as the page shows it; with `decides`, with what a person may decide.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def decide(self, press: Press) -> None:
        """Write down what a person decided.

        Raises:
            NotDecided: nothing was done, and why.
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
        access: Access | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Begin to serve; port 0 takes any free one.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        self._panel, self._access = panel, access or Access()
        self._workers = Workers(MOST_AT_ONCE, PATIENCE)
        app = Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/", self._decide, methods=["POST"]),
                Route("/livez", self._live),
                Route("/readyz", self._ready),
                Route("/healthz", self._health),
                Route("/metrics", self._metrics),
            ],
            exception_handlers={404: _not_found, 405: self._not_allowed},
        )
        app.router.redirect_slashes = False
        self._listener = serve("http.listen", address, app, limits=limits, headers=_HEADERS)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._listener.address

    def ask_for(self, access: Access) -> None:
        """Set what requests need from now on."""
        self._access = access

    def close(self) -> None:
        """Listen no more; requests in progress have a moment to end."""
        self._listener.close()

    # --- answers

    async def _live(self, _: Request) -> Response:
        return _probe(self._panel.unhealthy_reason())

    async def _ready(self, _: Request) -> Response:
        return _probe(self._panel.not_ready())

    async def _page(self, request: Request) -> Response:
        who = self._admit(request)
        address = Address.read(request.query_params)
        return await self._workers.run(lambda: self._render(who, address))

    async def _decide(self, request: Request) -> Response:
        if self._access.token is None:
            return await self._not_allowed(request, HTTPException(405))
        who = caller(request.headers, self._access)
        if not who.decides:
            raise _not_admitted("the token of http.token decides, and no other\n")
        if not self._access.is_own_origin(request.headers):
            raise HTTPException(403, "decisions are taken from the page itself only\n")
        form = _fields(await request.body())
        if not self._access.proves(form.get("proof", "")):
            raise HTTPException(403, "the form is not of this page: load the page anew\n")
        press = Press(by=who.name, **{name: form.get(name, "") for name in _FORM})
        address = Address.read(request.query_params)
        if address.link != press.link:
            address = replace(address, link="")
        return await self._workers.run(lambda: self._answer(who, press, address))

    def _answer(self, who: Caller, press: Press, address: Address) -> Response:
        try:
            self._panel.decide(press)
        except NotDecided as refusal:
            whole = replace(address, link="") if refusal.status == 404 else address
            return self._render(who, whole, refusal)
        except StoreError as error:
            return HTMLResponse(page.unavailable(self._panel.version, str(error)), 503)
        return Response(status_code=303, headers={"Location": address.url})

    async def _health(self, request: Request) -> Response:
        self._admit(request)
        return await self._workers.run(self._judge)

    async def _metrics(self, request: Request) -> Response:
        self._admit(request)
        text = await self._workers.run(self._panel.metrics)
        return Response(text, media_type=CONTENT_TYPE)

    def _render(self, who: Caller, address: Address, refusal: NotDecided | None = None) -> Response:
        # Names of people only for who may decide, and may be hidden from who looks over a shoulder.
        personal, link = who.decides and not address.hides, address.link
        try:
            look = self._panel.look(personal=personal, link=link, decides=who.decides, detail=True)
        except StoreError as error:
            return HTMLResponse(page.unavailable(self._panel.version, str(error)), 503)
        missing = bool(link) and not look.links
        proof = self._access.proof() if who.decides else ""
        shown = page.render(look, address, proof=proof, refusal=str(refusal or ""))
        return HTMLResponse(shown, refusal.status if refusal else 404 if missing else 200)

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

    def _admit(self, request: Request) -> Caller:
        """Allow requests that may see more than the probes.

        Raises:
            HTTPException: 401 without a token; 421 for the name of another host.
        """
        who = caller(request.headers, self._access)
        if not who.reads:
            raise _not_admitted("a token of [http] is needed, as a bearer or as the password\n")
        host = request.headers.get("Host", "localhost")
        if self._access.is_open and not names_this_machine(host):
            raise HTTPException(421, "ask as localhost; for any other name set http.token\n")
        return who

    async def _not_allowed(self, request: Request, _: Exception) -> Response:
        decides = request.url.path == "/" and self._access.token is not None
        allowed = "GET, HEAD, POST" if decides else "GET, HEAD"
        told = "" if decides else "; decisions on the page need http.token"
        return PlainTextResponse(f"allowed: {allowed}{told}\n", 405, {"Allow": allowed})


_FORM = ("decision", "link", "record", "seen", "other", "contact")
_MOST_FIELDS = 50


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form; of one that comes twice, the first."""
    try:
        found = parse_qs(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _not_admitted(told: str) -> HTTPException:
    return HTTPException(401, told, {"WWW-Authenticate": 'Basic realm="syncd", charset="UTF-8"'})


def _probe(trouble: str) -> Response:
    return PlainTextResponse(f"{trouble or 'ok'}\n", 503 if trouble else 200)


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("there are: / /livez /readyz /healthz /metrics\n", 404)


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
