"""How long an exchange may last as a whole, whatever comes in drops: a part of `http`.

The time-outs of a socket begin anew with every byte. So each exchange has an
end, and every wait on the network asks how much is left: for the connection,
each piece of the head and each piece of the body. A stop of the process, and
the end of the client, bring that end near. `watch` puts the watched network
below an httpx client; the waits are cut into slices, so that a stop is
noticed in the middle of one.
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
"""Seconds that a request under way has left when the process is asked to stop; what is known of a
write that is cut off then is in its intent."""

_SLICE = 0.25
"""Seconds after which a wait looks whether it is to end."""

_PIECE = 65_536
"""Bytes that are handed to the network at once."""

_SHORTEST = 0.001


class Deadline:
    """The end of each thread's exchange (monotonic seconds)."""

    def __init__(self, clock: Clock, stopping: Callable[[], bool]) -> None:
        self._clock, self._stopping = clock, stopping
        self._thread = threading.local()
        self._all_end = float("inf")

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """The exchange of this thread lasts so long at most."""
        self._thread.ends = self._clock.monotonic() + seconds
        try:
            yield
        finally:
            self._thread.ends = float("inf")

    def end_all(self) -> None:
        """No exchange goes on."""
        self._all_end = self._clock.monotonic()

    @property
    def refuses(self) -> bool:
        """Whether nothing may begin any more."""
        return self._left_of_all() <= GRACE / 2

    def left(self) -> float:
        """Seconds that this thread's exchange still has."""
        ends: float = getattr(self._thread, "ends", float("inf"))
        return min(ends - self._clock.monotonic(), self._left_of_all())

    def clamp(self, seconds: float | None, late: type[Exception]) -> float:
        """What is left of a wait of so many seconds, but for what the exchange has.

        Raises:
            Exception: the `late` one, where nothing is left.
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


def watch(client: httpx.Client, allowance: Deadline) -> None:
    """Have every connection of the client keep to the allowance.

    httpx offers no way to bring a network backend of one's own but a transport written anew,
    which would lose its proxies. Where a version keeps its pools elsewhere, the time-outs of
    each read and the look after each piece of a body are left.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - see above
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if pool is not None and backend is not None:
            pool._network_backend = _Backend(backend, allowance)  # noqa: SLF001 - see above


class _Backend(httpcore.NetworkBackend):
    """Opens connections that are watched."""

    def __init__(self, inner: httpcore.NetworkBackend, allowance: Deadline) -> None:
        self._inner, self._allowance = inner, allowance

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
            timeout=self._allowance.clamp(timeout, httpcore.ConnectTimeout),
            local_address=local_address,
            socket_options=socket_options,
        )
        return _Stream(stream, self._allowance)

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a socket of this machine."""
        return _Stream(
            self._inner.connect_unix_socket(
                path,
                timeout=self._allowance.clamp(timeout, httpcore.ConnectTimeout),
                socket_options=socket_options,
            ),
            self._allowance,
        )


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait has an end."""

    def __init__(self, inner: httpcore.NetworkStream, allowance: Deadline) -> None:
        self._inner, self._allowance = inner, allowance

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Wait for bytes."""
        waited = 0.0
        while True:
            left = self._allowance.clamp(timeout, httpcore.ReadTimeout)
            piece = min(_SLICE, left)
            try:
                return self._inner.read(max_bytes, timeout=piece)
            except httpcore.ReadTimeout:
                waited += piece
                if timeout is not None and waited >= timeout:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Hand bytes over."""
        for start in range(0, len(buffer), _PIECE):
            left = self._allowance.clamp(timeout, httpcore.WriteTimeout)
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
        """Go on in TLS."""
        left = self._allowance.clamp(timeout, httpcore.ConnectTimeout)
        stream = self._inner.start_tls(ssl_context, server_hostname=server_hostname, timeout=left)
        return _Stream(stream, self._allowance)

    def get_extra_info(self, info: str) -> Any:
        """Whatever is known of it."""
        return self._inner.get_extra_info(info)
