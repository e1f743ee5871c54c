"""The sandbox on a loopback socket: HTTP/1.1 with connections kept alive.

Used by the `sandbox` and `demo` verbs and by tests that want a real socket. It stops cleanly:
waiting answers are dropped, open connections are closed.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

from syncd.sandbox.app import SandboxApp, application, headers_of, query_of, status_line
from syncd.sandbox.http import AnswerTimedOut, ConnectionDropped, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socketserver import BaseServer

    from syncd.sandbox.world import SandboxWorld

_HOLD = 300.0
"""How long a request that times out is held, in seconds, unless the client goes first."""


@dataclass(frozen=True, slots=True)
class SandboxServer:
    """A running server and its addresses."""

    url: str
    world: SandboxWorld

    @property
    def ghl_url(self) -> str:
        """The base address of HighLevel's API."""
        return f"{self.url}/ghl"

    @property
    def hubspot_url(self) -> str:
        """The base address of HubSpot's API."""
        return f"{self.url}/hubspot"

    @property
    def control_url(self) -> str:
        """The base address of the control API."""
        return f"{self.url}/control"


@contextmanager
def serve(world: SandboxWorld, host: str = "127.0.0.1", port: int = 0) -> Iterator[SandboxServer]:
    """Serves a world until the block ends; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    server = _Server((host, port), application(world))
    address = f"http://{host}:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
    thread.start()
    try:
        yield SandboxServer(address, world)
    finally:
        world.announcer.close()
        server.stopping.set()
        server.shutdown()
        server.close_connections()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], app: SandboxApp) -> None:
        self.app = app
        self.stopping = Event()
        self._open: set[socket.socket] = set()
        self._guard = Lock()
        super().__init__(address, _Handler)

    def opened(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.discard(connection)

    def close_connections(self) -> None:
        with self._guard:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that go away; other faults come out as usual."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"  # type: ignore[misc]
    disable_nagle_algorithm = True

    def __init__(self, request: socket.socket, client_address: object, server: BaseServer) -> None:
        super().__init__(request, client_address, server)

    def setup(self) -> None:
        self._sandbox.opened(self.request)
        super().setup()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self._sandbox.closed(self.request)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """The world keeps the log."""

    @property
    def _sandbox(self) -> _Server:
        assert isinstance(self.server, _Server)  # noqa: S101 - nobody else makes handlers
        return self.server

    def _serve(self) -> None:
        try:
            response = self._sandbox.app.handle(self._read())
        except AnswerTimedOut:
            self._sandbox.stopping.wait(_HOLD)
            self.close_connection = True
        except ConnectionDropped:
            self.close_connection = True
        else:
            self._send(response)

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query=query_of(parts.query),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )

    def _send(self, response: Response) -> None:
        content = response.content()
        lines = [f"HTTP/1.1 {status_line(response.status)}"]
        lines += [f"{name}: {value}" for name, value in headers_of(response, len(content))]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if response.pause:
            self.wfile.write(head)
            self._sandbox.stopping.wait(response.pause)
            head = b""
        if response.cut_at is not None:
            content, self.close_connection = content[: response.cut_at], True
        # One packet: head and body in two would wait for each other's acknowledgement.
        self.wfile.write(head + content)
