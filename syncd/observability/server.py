"""The daemon's own listener: health, metrics and the status page, read-only.

The daemon opens it and hands it a `Panel` to ask. On loopback everything is
open to the machine's users; a request that names another host is turned away,
so that no web page can read it through a name that it points here. Elsewhere
all but the two probes needs the token, as a bearer or as a browser's password.
"""

from __future__ import annotations

import hmac
import json
import socket
import sys
import threading
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import parse_qs, urlsplit

import structlog

from syncd.errors import ConfigError, StoreError, exit_code
from syncd.observability import page
from syncd.observability.health import worst
from syncd.observability.metrics import CONTENT_TYPE
from syncd.observability.page import Look
from syncd.observability.redaction import redact
from syncd.observability.visits import ANSWER, CONNECTIONS, Visits

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 16
"""Pages that are made at once; more are refused, but the probes never are."""

_Made = tuple[HTTPStatus, str, bytes]
"""Status, content type and body of an answer."""

_HTML = "text/html; charset=utf-8"
_JSON = "application/json; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"
_SAFE: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{page.STYLE_HASH}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Panel(Protocol):
    """What the server shows; asked anew for every request, from any thread."""

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
    """A listening server; made by `listen`, ended by `close`."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.1,), name="status", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def ask_for(self, token: str | None) -> None:
        """From now on this is the token that whoever asks must show, or none."""
        self._server.token = token

    def close(self) -> None:
        """Listen no more; requests under way may end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def listen(address: tuple[str, int], panel: Panel, *, token: str | None = None) -> StatusServer:
    """Open the listener.

    Raises:
        ConfigError: the address cannot be had.
    """
    host, port = address
    try:
        (family, *_, found), *_ = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        server = _Server(cast("tuple[str, int]", found[:2]), family, panel, token)
    except (OSError, UnicodeError) as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        why = getattr(error, "strerror", None) or error
        problem = (
            f"http.listen: {shown} cannot be listened on ({why}); "
            'choose another address or port, or "" for no listener'
        )
        raise ConfigError([problem]) from error
    return StatusServer(server)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS

    def __init__(
        self, address: tuple[str, int], family: int, panel: Panel, token: str | None
    ) -> None:
        self.address_family = family
        self.panel, self.token = panel, token
        self.visits = Visits()
        self.places = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Take the address as it is: asking a name server for its name could take long."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a thread of its own; somebody slow may have to go."""
        self.visits.enter(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the place back at the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.visits.leave(request)

    def service_actions(self) -> None:
        """Between two connections, and several times a second."""
        self.visits.tidy()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of our errors; anything else is a bug and logged."""
        del request, client_address
        if not isinstance(error := sys.exc_info()[1], OSError):
            log.error("status.failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"  # type: ignore[misc]
    server_version = "syncd"
    sys_version = ""
    timeout = ANSWER
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Wait for a request, which has its time, and answer it."""
        self._server.visits.receiving(self.connection)
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer; the only verbs are GET and HEAD, since nothing can be changed here."""
        self._server.visits.answering(self.connection)
        parts = urlsplit(self.path)
        match parts.path:
            case "/livez":
                self._probe(self._panel.unhealthy_reason())
            case "/readyz":
                self._probe(self._panel.not_ready())
            case "/" | "/healthz" | "/metrics" if not self._admitted():
                pass
            case "/":
                self._show(lambda: self._page(personal="personal" in parse_qs(parts.query)))
            case "/healthz":
                self._show(self._health)
            case "/metrics":
                self._show(lambda: (HTTPStatus.OK, CONTENT_TYPE, self._panel.metrics()))
            case _:
                self._answer(
                    HTTPStatus.NOT_FOUND, _PLAIN, b"there are: / /livez /readyz /healthz /metrics\n"
                )

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Requests are not logged: probes come every few seconds."""

    # --- who may ask

    def _admitted(self) -> bool:
        """Whether the client may see more than the probes; tells it off where not."""
        token = self._server.token
        if token is not None:
            if hmac.compare_digest(self._shown_token().encode(), token.encode()):
                return True
            self._answer(
                HTTPStatus.UNAUTHORIZED,
                _PLAIN,
                b"the token of http.token is needed, as a bearer or as the password\n",
                {"WWW-Authenticate": 'Basic realm="syncd", charset="UTF-8"'},
            )
            return False
        if _names_this_machine(self.headers.get("Host", "localhost")):
            return True
        self._answer(
            HTTPStatus.MISDIRECTED_REQUEST,
            _PLAIN,
            b"ask as localhost; for any other name set http.token\n",
        )
        return False

    def _shown_token(self) -> str:
        kind, _, held = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return held.strip()
        if kind.lower() == "basic":
            with suppress(NoBase64, UnicodeDecodeError):
                return b64decode(held, validate=True).decode().partition(":")[2]
        return ""

    # --- what is answered

    def _probe(self, trouble: str) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
        self._answer(status, _PLAIN, f"{trouble or 'ok'}\n".encode())

    def _show(self, make: Callable[[], _Made]) -> None:
        """Make something that takes a while, where not too many ask, and send it."""
        places = self._server.places
        if not places.acquire(blocking=False):
            busy = b"too many ask at once; try again in a moment\n"
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, _PLAIN, busy, {"Retry-After": "1"})
            return
        try:
            made = make()
        finally:
            places.release()
        self._answer(*made)

    def _page(self, *, personal: bool) -> _Made:
        try:
            shown = page.render(self._panel.look(personal=personal))
        except StoreError as error:
            shown = page.unavailable(self._panel.version, str(error))
            return HTTPStatus.SERVICE_UNAVAILABLE, _HTML, shown.encode()
        return HTTPStatus.OK, _HTML, shown.encode()

    def _health(self) -> _Made:
        try:
            found = health(self._panel.look(personal=False))
        except StoreError as error:
            found = {
                "version": 1,
                "status": "store",
                "exit_code": exit_code(error),
                "detail": redact(str(error)),
            }
        status = HTTPStatus.OK if found["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return status, _JSON, f"{json.dumps(found, indent=2)}\n".encode()

    def _answer(
        self, status: HTTPStatus, kind: str, body: bytes, more: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **_SAFE,
            **(more or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def _server(self) -> _Server:
        return cast("_Server", self.server)

    @property
    def _panel(self) -> Panel:
        return self._server.panel


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
        "daemon": {"version": look.version, "ailment": look.unhealthy_reason or None},
        "links": {
            link.name: _redacted(link.as_json())
            for link in sorted(look.links, key=lambda link: link.name)
        },
    }


def _redacted(told: dict[str, object]) -> dict[str, object]:
    """The words of vendors may hold anything."""
    return told | {"detail": redact(str(told["detail"]))}
