"""Serves an ASGI app in a thread with an event loop of its own, within limits.

`server` serves the status page with it. uvicorn speaks HTTP; this module adds
the limits that uvicorn does not have: a deadline for receiving a request and
for answering it, the size of a request, and the number of connections. Where
all places are taken, the slowest client makes room for the newest. Blocking
work runs in `Workers`, never on the loop. Signals stay the daemon's: uvicorn
installs no handlers outside the main thread.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore, Thread
from typing import Any, TypeVar, cast

import h11
import structlog
import uvicorn
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from syncd.errors import ConfigError

log = structlog.get_logger(__name__)

GRACE = 0.3
"""Seconds that requests in progress have left when a listener is closed."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may take from the others; times in seconds, sizes in bytes."""

    connections: int = 256
    """Connections at once."""
    receive: float = 10.0
    """For a whole request to arrive, counted from the connection or the answer before it."""
    answer: float = 15.0
    """For an answer to be made and sent."""
    header: int = 32_768
    """The request line with all headers."""
    body: int = 65_536
    buffered: int = 64 * 2**20
    """All bodies together that have arrived and are not answered yet."""


class Listener:
    """An app that is being served; made by `serve`, ended by `close`."""

    def __init__(
        self,
        bound: socket.socket,
        app: ASGIApp,
        limits: Limits,
        headers: Mapping[str, str],
        refused: Callable[[int], None],
    ) -> None:
        host, port = bound.getsockname()[:2]
        self.address: tuple[str, int] = (host, port)
        """Host and port that it listens on."""
        self._socket = bound
        self._connections: _Connections = {}
        made = partial(_Connection, limits, self._connections, refused)
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", made),
            interface="asgi3",
            lifespan="off",
            ws="none",
            workers=1,
            proxy_headers=False,
            server_header=False,
            headers=list(headers.items()),
            h11_max_incomplete_event_size=limits.header,
            log_config=None,
            log_level=logging.CRITICAL,  # Clients cause its warnings; our app's errors we log.
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._runner = asyncio.Runner()
        self._thread = Thread(target=self._run, name=f"listener-{port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more; requests in progress have `GRACE` to end."""
        self._server.should_exit = True
        self._thread.join(GRACE)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._runner.get_loop().call_soon_threadsafe(self._drop_all)
            self._thread.join(GRACE)

    def _run(self) -> None:
        with self._runner as runner:
            try:
                runner.run(self._serve())
            except Exception:
                log.exception("listener.failed", address=self.address)

    async def _serve(self) -> None:
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()
            self._drop_all()
            await asyncio.sleep(0)  # The transports close their sockets.

    def _drop_all(self) -> None:
        for connection in list(self._connections):
            connection.drop()


def serve(
    key: str,
    address: tuple[str, int],
    app: ASGIApp,
    *,
    limits: Limits | None = None,
    headers: Mapping[str, str] | None = None,
    refused: Callable[[int], None] = lambda _: None,
) -> Listener:
    """Serve an app on an address; port 0 takes any free one.

    `key` is the configuration key of the address. `headers` go with every answer. `refused` is told
    the status of requests that the app is not asked about, because they are too large.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    host, port = address
    try:
        bound = _bind(host, port)
    except (OSError, UnicodeError) as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        why = getattr(error, "strerror", None) or error
        problem = (
            f"{key}: {shown} cannot be listened on ({why}); "
            'choose another address or port, or "" for no listener'
        )
        raise ConfigError([problem]) from error
    given = {"Server": "syncd", **(headers or {})}
    return Listener(bound, app, limits or Limits(), given, refused)


def _bind(host: str, port: int) -> socket.socket:
    (family, kind, _, _, found), *_ = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    bound = socket.socket(family, kind)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(found)
        bound.listen()
    except OSError:
        bound.close()
        raise
    return bound


class _Connection(H11Protocol):
    """One client. It either sends a request or is answered; both have a deadline."""

    def __init__(
        self,
        limits: Limits,
        connections: _Connections,
        refused: Callable[[int], None],
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self._limits, self._connections, self._refused = limits, connections, refused
        self._app, self.app = self.app, self._respond
        self._half_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self.answering = False
        self.held = 0
        """Bytes of the body that have arrived and are not answered yet."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place; the slowest client leaves where there is none."""
        if len(self._connections) >= self._limits.connections:
            # Oldest first; a client that has not sent its request goes before one that has.
            min(self._connections, key=lambda each: each.answering).drop()
        self._connections[self] = None
        super().connection_made(transport)
        self._enter(answering=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._leave()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection of a client that has sent all and waits for its answer."""
        self._half_closed = True
        return self._in_progress

    def send_400_response(self, msg: str) -> None:
        """Refuse what uvicorn cannot read, and close; headers without an end are too large."""
        del msg
        too_large = len(self.conn.trailing_data[0]) > self._limits.header
        refusal = h11.Response(status_code=431 if too_large else 400, headers=[_CLOSE, _EMPTY])
        self.transport.write(self.conn.send(refusal) or b"")
        self.transport.close()

    def drop(self) -> None:
        """Close it at once."""
        self._leave()
        self.transport.abort()

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the whole request, and have the app answer it."""
        try:
            app = self._app
            try:
                body = await self._receive(scope, receive)
            except HTTPException as refused:
                self._refused(refused.status_code)
                app, body = PlainTextResponse(f"{refused.detail}\n", refused.status_code), b""
            if body is not None:
                if scope["path"].startswith(("http://", "https://")):
                    # The target of a request may be a whole address (RFC 9112, 3.2.2).
                    scope["path"] = "/" + "".join(scope["path"].split("/", 3)[3:])
                self._enter(answering=True)
                await app(scope, _replay(body, receive), send)
        except Exception:
            log.exception("request.failed")
            raise
        finally:
            self.held = 0
            self._enter(answering=False)
            if self._half_closed and not self._in_progress:
                self.transport.close()

    async def _receive(self, scope: Scope, receive: Receive) -> bytes | None:
        """The request's body; None where the client has gone.

        Raises:
            HTTPException: the request is too large.
        """
        header = len(scope["raw_path"]) + len(scope["query_string"])
        header += sum(len(name) + len(value) for name, value in scope["headers"])
        if header > self._limits.header:
            raise HTTPException(431)
        pieces, size, status = [], 0, 0
        while (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            pieces.append(message["body"])
            self.held = size
            if size > self._limits.body:
                status = 413
            elif sum(each.held for each in self._connections) > self._limits.buffered:
                status = status or 503
            if status:
                pieces.clear()
                self.held = 0
            if not message["more_body"]:
                # Only now: a client reads its answer once it has sent everything.
                if status:
                    raise HTTPException(status)
                return b"".join(pieces)
        return None

    @property
    def _in_progress(self) -> bool:
        return self.conn.our_state in {h11.SEND_RESPONSE, h11.SEND_BODY}

    def _enter(self, *, answering: bool) -> None:
        if self not in self._connections:
            return
        self.answering = answering
        if self._timer is not None:
            self._timer.cancel()
        seconds = self._limits.answer if answering else self._limits.receive
        self._timer = self.loop.call_later(seconds, self.drop)

    def _leave(self) -> None:
        self._connections.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()


_CLOSE, _EMPTY = ("Connection", "close"), ("Content-Length", "0")

_Connections = dict[_Connection, None]
"""Every open connection, oldest first."""


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that begins with a body that was received already."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


class Workers:
    """Threads for blocking work: a bounded number at once, each waited for a bounded time."""

    def __init__(self, places: int, patience: float) -> None:
        """`patience` is in seconds."""
        self._places, self._patience = BoundedSemaphore(places), patience

    async def run(self, work: Callable[[], T]) -> T:
        """Run it; work that takes too long keeps its place until it ends.

        Raises:
            HTTPException: 503, all places are taken or it took too long.
        """
        if not self._places.acquire(blocking=False):
            detail = "too many ask at once; try again in a moment\n"
            raise HTTPException(503, detail, {"Retry-After": "1"})
        result: Future[T] = Future()
        result.set_running_or_notify_cancel()  # From here on it cannot be cancelled.
        Thread(target=self._run, args=(work, result), name="listener-work", daemon=True).start()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(result), self._patience)
        except TimeoutError:
            detail = f"no answer within {self._patience:g} s; try again in a moment\n"
            raise HTTPException(503, detail, {"Retry-After": "1"}) from None

    def _run(self, work: Callable[[], T], result: Future[T]) -> None:
        try:
            try:
                found = work()
            finally:
                self._places.release()
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            result.set_exception(error)
        else:
            result.set_result(found)
