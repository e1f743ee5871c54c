"""The deadline of a whole exchange, for `http`.

The time-outs of a socket begin anew with every byte. So each exchange has one
deadline, and every wait on the network is limited to the time that is left:
for the connection, each part of the head and each part of the body. When the
process stops or the client closes, the deadline moves close. `watch` puts the
limited network below an httpx client; waits are split, so that a stop is
noticed during one.
"""

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from syncd.ports.clock import Clock

GRACE = 4.0
"""Seconds that a request in flight has left when the process is asked to stop; a write that is cut
off then is resolved by its intent."""

_SLICE = 0.25
"""Seconds after which a wait checks whether it is to end."""

_PIECE = 65_536
"""Bytes that are sent at once."""

_SHORTEST = 0.001


class Deadline:
    """The deadline of each thread's exchange (monotonic seconds)."""

    def __init__(self, clock: Clock, stopping: Callable[[], bool]) -> None:
        self._clock, self._stopping = clock, stopping
        self._thread = threading.local()
        self._all_end = float("inf")

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """Limit the exchange of this thread to so many seconds."""
        self._thread.ends = self._clock.monotonic() + seconds
        try:
            yield
        finally:
            self._thread.ends = float("inf")

    def end_all(self) -> None:
        """End every exchange."""
        self._all_end = self._clock.monotonic()

    @property
    def refuses(self) -> bool:
        """Whether no exchange may begin."""
        return self._left_of_all() <= GRACE / 2

    def left(self) -> float:
        """Seconds that this thread's exchange has left."""
        ends: float = getattr(self._thread, "ends", float("inf"))
        return min(ends - self._clock.monotonic(), self._left_of_all())

    def clamp(self, seconds: float | None, late: type[Exception]) -> float:
        """A wait of so many seconds, limited to the time that is left.

        Raises:
            Exception: `late`, where no time is left.
        """
        left = self.left()
        if left <= 0:
            raise late("the time for a whole answer is over")
        return max(_SHORTEST, left if seconds is None else min(seconds, left))

    def _left_of_all(self) -> float:
        now = self._clock.monotonic()
        if self._stopping():
            self._all_end = min(self._all_end, now + GRACE)
        return self._all_end - now


def watch(client: httpx.Client, deadline: Deadline) -> None:
    """Limit every connection of the client to the deadline.

    httpx accepts a network backend only with a new transport, which would lose its proxies.
    Where a version stores its pools elsewhere, the time-out of each read and the check after
    each part of a body remain.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - see above
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if pool is not None and backend is not None:
            pool._network_backend = _Backend(backend, deadline)  # noqa: SLF001 - see above


class _Backend(httpcore.NetworkBackend):
    """Opens connections with a deadline."""

    def __init__(self, inner: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect."""
        stream = self._inner.connect_tcp(
            host,
            port,
            timeout=self._deadline.clamp(timeout, httpcore.ConnectTimeout),
            local_address=local_address,
            socket_options=socket_options,
        )
        return _Stream(stream, self._deadline)

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a local socket."""
        return _Stream(
            self._inner.connect_unix_socket(
                path,
                timeout=self._deadline.clamp(timeout, httpcore.ConnectTimeout),
                socket_options=socket_options,
            ),
            self._deadline,
        )


class _Stream(httpcore.NetworkStream):
    """A connection whose waits are limited."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read bytes."""
        waited = 0.0
        while True:
            left = self._deadline.clamp(timeout, httpcore.ReadTimeout)
            piece = min(_SLICE, left)
            try:
                return self._inner.read(max_bytes, timeout=piece)
            except httpcore.ReadTimeout:
                waited += piece
                if timeout is not None and waited >= timeout:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        for start in range(0, len(buffer), _PIECE):
            left = self._deadline.clamp(timeout, httpcore.WriteTimeout)
            self._inner.write(buffer[start : start + _PIECE], timeout=left)

    def close(self) -> None:
        """Close it."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Start TLS."""
        left = self._deadline.clamp(timeout, httpcore.ConnectTimeout)
        stream = self._inner.start_tls(ssl_context, server_hostname=server_hostname, timeout=left)
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """A property of the connection."""
        return self._inner.get_extra_info(info)
