"""What the tests of both adapters share: virtual time, the way into the sandbox, a free budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from threading import Lock
from typing import TYPE_CHECKING

import httpx
import pytest

from syncd.providers.rate_budget import Permit

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from syncd.providers.message import Response

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class VirtualClock:
    """Time that passes only by sleeping; safe to share between threads."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = Lock()
        self.sleeps: list[float] = []
        self.stopped = False

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            if not self.stopped:
                self._elapsed += seconds

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._elapsed += seconds


class FreeBudget:
    """Lets everything through and remembers what it was shown."""

    zone: tzinfo | None = None

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.observed: list[Response] = []

    def acquire(self, kind: str = "") -> Permit:
        self.kinds.append(kind)
        return Permit()

    # The port gives more than a fake needs.
    def observe(self, response: Response, kind: str = "", **_more: float | None) -> None:  # noqa: ARG002
        self.observed.append(response)

    def available(self, within: float = 0.0) -> int:  # noqa: ARG002 - the port
        return 1_000


class SandboxTransport(httpx.BaseTransport):
    """A WSGI application in this process; connections that it drops are httpx errors."""

    def __init__(self, application: WSGIApplication) -> None:
        self._inner = httpx.WSGITransport(app=application)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._inner.handle_request(request)
            response.read()
        except ConnectionError as error:
            if type(error).__name__ == "AnswerTimedOut":
                raise httpx.ReadTimeout("the sandbox never answered", request=request) from error
            raise httpx.RemoteProtocolError("the sandbox hung up", request=request) from error
        return response


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def free_budget() -> FreeBudget:
    return FreeBudget()


@pytest.fixture(scope="session")
def make_clock() -> type[VirtualClock]:
    """For properties, which need a fresh clock for each example."""
    return VirtualClock


@pytest.fixture(scope="session")
def transport_of() -> type[SandboxTransport]:
    """The way into one of the sandbox's applications, in this process."""
    return SandboxTransport


@pytest.fixture(scope="session")
def make_transport() -> type[SandboxTransport]:
    return SandboxTransport
