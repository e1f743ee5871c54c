"""Answers that come in drops, for ever or too large: every exchange has an end."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from syncd.bootstrap.clock import SystemClock
from syncd.core.model import Side
from syncd.errors import TimedOut, Unavailable
from syncd.providers import deadlines, http
from syncd.providers.ghl.session import Session
from syncd.providers.http import Client
from syncd.providers.message import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.providers.conftest import FreeBudget

GET = Request(method="GET", path="/things")
LIMIT = 0.4
"""Seconds that an exchange may take here."""

ENOUGH = 10.0
"""Seconds by which everything here is over, on a machine that has much else to do."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Free:
    """Credentials that nobody needs."""

    def headers(self) -> dict[str, str]:
        return {}

    def renewed(self, refused: object) -> bool:  # noqa: ARG002 - the port
        return False


@contextmanager
def vendor(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that talks to every connection as it likes, until the test is over."""
    over = threading.Event()

    def serve(link: socket.socket) -> None:
        with link:
            try:
                link.recv(65_536)
                talk(link, over)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def accept() -> None:
            while not over.is_set():
                try:
                    link, _ = listener.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=serve, args=(link,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def drops(before: bytes, drop: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def talk(link: socket.socket, over: threading.Event) -> None:
        link.sendall(before)
        while not over.wait(0.02):
            link.sendall(drop)

    return talk


class Silence:
    """Takes a request, and never answers."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def __call__(self, link: socket.socket, over: threading.Event) -> None:
        del link
        self.asked.set()
        over.wait()


def flood(link: socket.socket, over: threading.Event) -> None:
    link.sendall(HEAD + b"Connection: close\r\n\r\n[")
    while not over.is_set():
        link.sendall(b"1," * 100_000)


def client(
    url: str, budget: FreeBudget, *, timeout: float = LIMIT, stop: threading.Event | None = None
) -> Client:
    stop = stop or threading.Event()
    return Client(
        side=Side.GHL,
        base_url=url,
        auth=Free(),
        budget=budget,
        clock=SystemClock(stop),
        timeout=timeout,
        attempts=1,
        stopping=stop.is_set,
    )


@pytest.mark.parametrize(
    "talk",
    [
        drops(b"", b"H"),
        drops(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        drops(HEAD, b"X-More: y\r\n"),
        drops(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        drops(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        drops(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        Silence(),
    ],
    ids=["status line", "a header", "headers", "body", "chunks", "informational", "silence"],
)
def test_an_answer_in_drops_is_given_up(
    free_budget: FreeBudget, talk: Callable[[socket.socket, threading.Event], None]
) -> None:
    began = time.monotonic()  # noqa: TID251 - the real time is what this is about
    with vendor(talk) as url:
        asked = client(url, free_budget)
        with pytest.raises(TimedOut):
            asked.send(GET)
        asked.close()
    assert time.monotonic() - began < ENOUGH  # noqa: TID251 - see above


def test_an_answer_without_an_end_is_given_up_for_its_size(
    free_budget: FreeBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LARGEST", 3_000_000)
    with vendor(flood) as url:
        asked = client(url, free_budget, timeout=60.0)
        with pytest.raises(TimedOut, match="longer than"):
            asked.send(GET)
        asked.close()


def test_a_stop_ends_what_is_in_flight_and_nothing_more_is_sent(
    free_budget: FreeBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "GRACE", 0.3)
    stop = threading.Event()
    began = time.monotonic()  # noqa: TID251 - see above
    silence = Silence()
    with vendor(silence) as url, ThreadPoolExecutor() as pool:
        asked = client(url, free_budget, timeout=60.0, stop=stop)
        under_way = pool.submit(asked.send, GET)
        silence.asked.wait()
        stop.set()
        with pytest.raises(TimedOut):
            under_way.result(ENOUGH)
        with pytest.raises(Unavailable, match="asked to stop"):
            asked.send(GET)
        assert asked.requests == 1
        asked.close()
    assert time.monotonic() - began < ENOUGH  # noqa: TID251 - see above


def test_closing_a_session_waits_for_no_answer(free_budget: FreeBudget) -> None:
    """A cycle that was refused on one calendar does not wait for another one that hangs."""
    began = time.monotonic()  # noqa: TID251 - see above
    silence = Silence()
    with vendor(silence) as url:
        asked = client(url, free_budget, timeout=60.0)
        line = Session(asked, clock=SystemClock(), location="loc", concurrency=2)
        under_way = line.pool.submit(asked.send, GET)
        silence.asked.wait()
        line.close()
        assert isinstance(under_way.exception(), TimedOut)
    assert time.monotonic() - began < ENOUGH  # noqa: TID251 - see above


def test_a_vendor_that_never_answers_is_waited_for_less_and_less(
    free_budget: FreeBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SHORT_TIMEOUT", 0.05)
    began = time.monotonic()  # noqa: TID251 - see above
    with vendor(Silence()) as url:
        asked = client(url, free_budget, timeout=LIMIT)
        for _ in range(40):
            with pytest.raises(TimedOut):
                asked.send(GET)
        assert asked.requests == 40
        asked.close()
    assert time.monotonic() - began < 40 * LIMIT / 2  # noqa: TID251 - see above
