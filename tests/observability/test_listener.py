"""The listener on real sockets: slow, large, broken and many clients, and a quick end."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from time import monotonic  # noqa: TID251 - the sockets' own time is what this is about
from urllib.request import Request as WriteCommand
from urllib.request import urlopen

import pytest
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from syncd.errors import ConfigError
from syncd.observability.listener import Limits, Listener, Workers, serve

SHORT = 0.2
"""Seconds of a deadline that a test waits for."""

ENOUGH = 10.0
"""Seconds by which everything here is over, on a machine that has much else to do."""

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

Serve = Callable[..., Listener]


class App:
    """Answers with the body that it was sent, once it may."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.asked = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self.workers = Workers(places=2, patience=ENOUGH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        if request.url.path == "/slow":
            self.asked.release()
            await self.workers.run(self.go_on.wait)
        if request.url.path == "/broken":
            raise RuntimeError("a fault of ours")
        response = Response(self.answer or body or b"ok")
        await response(scope, receive, send)


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def served(app: App) -> Iterator[Serve]:
    """`served(connections=2, …)` serves the app within these limits."""
    listeners: list[Listener] = []

    def make(**limits: float) -> Listener:
        found = serve("x.listen", ("127.0.0.1", 0), app, limits=Limits(**limits))  # type: ignore[arg-type]
        listeners.append(found)
        return found

    yield make
    app.go_on.set()
    for each in listeners:
        each.close()


@pytest.fixture
def client() -> Iterator[Callable[[Listener], socket.socket]]:
    with ExitStack() as stack:

        def connect(to: Listener) -> socket.socket:
            return stack.enter_context(socket.create_connection(to.address, timeout=ENOUGH))

        yield connect


Client = Callable[[Listener], socket.socket]


def read(link: socket.socket) -> HTTPResponse:
    """The next answer, with its body in `.text`."""
    answer = HTTPResponse(link)
    answer.begin()
    answer.text = answer.read().decode()  # type: ignore[attr-defined]
    return answer


def status_of(link: socket.socket) -> int:
    return read(link).status


def is_closed(link: socket.socket) -> bool:
    """Whether the other end closes it, within a while."""
    try:
        return link.recv(1) == b""
    except ConnectionResetError:
        return True


def ask(to: Listener, path: str = "/", body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection(*to.address, timeout=ENOUGH)
    try:
        connection.request("POST" if body else "GET", path, body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# --- deadlines


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: loc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
)
def test_a_request_that_does_not_arrive_in_time_is_dropped(
    served: Serve, client: Client, begun: bytes
) -> None:
    link = client(served(receive=SHORT))
    link.sendall(begun)
    assert is_closed(link)


@pytest.mark.parametrize(
    "begun",
    [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n"],
)
def test_drops_do_not_move_the_deadline(served: Serve, client: Client, begun: bytes) -> None:
    link = client(served(receive=SHORT))
    link.sendall(begun)
    link.settimeout(0.01)
    until = monotonic() + ENOUGH
    while monotonic() < until:
        try:
            link.sendall(b"x")
            if not link.recv(1):
                return
        except TimeoutError:
            continue
        except OSError:
            return
    pytest.fail("it was listened to for ever")


def test_the_deadline_counts_anew_after_each_answer(served: Serve, client: Client) -> None:
    link = client(served(receive=SHORT))
    for _ in range(3):
        link.sendall(GET)
        assert status_of(link) == 200
    assert is_closed(link)


def test_an_answer_that_takes_too_long_is_dropped(served: Serve, client: Client, app: App) -> None:
    app.go_on.clear()
    link = client(served(answer=SHORT))
    link.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    assert is_closed(link)


def test_an_answer_that_nobody_takes_is_dropped(served: Serve, client: Client, app: App) -> None:
    app.answer = b"x" * 20_000_000
    listener = served(receive=SHORT, answer=SHORT)
    link = client(listener)
    link.sendall(GET)
    assert link.recv(1)
    until = monotonic() + ENOUGH
    while listener._connections and monotonic() < until:
        threading.Event().wait(0.01)
    assert not listener._connections


# --- sizes


def header_of(size: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * size + b"\r\n\r\n"


@pytest.mark.parametrize("size", [900, 20_000])
def test_a_request_with_large_headers_is_answered_up_to_the_limit(
    served: Serve, client: Client, size: int
) -> None:
    link = client(served())
    link.sendall(header_of(size))
    assert status_of(link) == 200


def test_headers_above_the_limit_are_refused(served: Serve, client: Client) -> None:
    link = client(served(header=1000))
    link.sendall(header_of(1100))
    assert status_of(link) == 431
    link.sendall(GET)
    assert status_of(link) == 200


@pytest.mark.parametrize("line", [b"X: " + b"y" * 3000, b"X-Many: y\r\n" * 300])
def test_headers_without_an_end_are_refused_and_the_client_dropped(
    served: Serve, client: Client, line: bytes
) -> None:
    link = client(served(header=1000))
    link.sendall(b"GET / HTTP/1.1\r\n" + line)
    assert status_of(link) == 431
    assert is_closed(link)


def test_a_body_arrives_whole_up_to_the_limit(served: Serve) -> None:
    listener = served(body=300_000)
    body = os.urandom(300_000)
    assert ask(listener, body=body) == (200, body)


@pytest.mark.parametrize("size", [1001, 3_000_000])
def test_a_body_above_the_limit_is_refused_once_it_is_sent(served: Serve, size: int) -> None:
    assert ask(served(body=1000), body=b"x" * size)[0] == 413


def test_a_client_that_closes_after_its_answer_reads_the_refusal_of_its_body(served: Serve) -> None:
    host, port = served(body=1000).address
    order = WriteCommand(f"http://{host}:{port}/", data=b"x" * 3_000_000)
    with pytest.raises(OSError, match="413"):
        urlopen(order, timeout=ENOUGH)  # noqa: S310 - loopback; it sends `Connection: close`


def test_a_chunked_body_counts_as_well(served: Serve, client: Client) -> None:
    listener = served(body=1000)
    link = client(listener)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    link.sendall(head + b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
    answer = read(link)
    assert (answer.status, answer.text) == (200, "abcde")  # type: ignore[attr-defined]
    link.sendall(head + b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n")
    assert status_of(link) == 413


def test_a_client_may_ask_before_it_sends_its_body(served: Serve, client: Client) -> None:
    link = client(served())
    link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert link.recv(1000).startswith(b"HTTP/1.1 100 ")
    link.sendall(b"hi")
    assert read(link).text == "hi"  # type: ignore[attr-defined]


# --- the protocol


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\nnonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/x.y\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_logged_by_nobody(
    served: Serve, client: Client, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    listener = served(receive=SHORT)
    link = client(listener)
    link.sendall(sent)
    got = link.recv(1000)
    assert got == b"" or got.startswith(b"HTTP/1.1 400 ")
    assert ask(listener)[0] == 200
    assert caplog.records == []


def test_an_old_client_gets_an_answer_and_an_end(served: Serve, client: Client) -> None:
    link = client(served())
    link.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert read(link).text == "ok"  # type: ignore[attr-defined]
    assert is_closed(link)


def test_requests_in_a_row_are_answered_in_a_row(served: Serve, client: Client) -> None:
    link = client(served())
    link.sendall(b"".join(_post(b"%d" % number) for number in range(50)))
    with link.makefile("rb") as answers:
        for number in range(50):
            while answers.readline().strip():
                pass
            assert answers.read(len(str(number))) == b"%d" % number


def _post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("path", [b"/", b"/slow"])
def test_a_client_that_will_send_no_more_still_gets_its_answers(
    served: Serve, client: Client, app: App, path: bytes
) -> None:
    app.go_on.clear()
    link = client(served())
    link.sendall(GET + b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    link.shutdown(socket.SHUT_WR)
    if path == b"/slow":
        assert app.asked.acquire(timeout=ENOUGH)
        app.go_on.set()
    got = b""
    while piece := link.recv(65_536):
        got += piece
    assert got.count(b"HTTP/1.1 200 ") == 2


def test_half_a_request_and_an_end_is_an_end(served: Serve, client: Client) -> None:
    link = client(served())
    link.sendall(b"GET / HTTP/1.1\r\nHo")
    link.shutdown(socket.SHUT_WR)
    assert is_closed(link)


def test_head_has_no_body_and_the_connection_goes_on(served: Serve, client: Client) -> None:
    link = client(served())
    link.sendall(GET.replace(b"GET", b"HEAD") + GET)
    got = b""
    while not got.endswith(b"\r\n\r\nok"):
        got += link.recv(65_536)
    assert (got.count(b"HTTP/1.1 200"), got.count(b"ok")) == (2, 1)


def test_a_client_that_goes_away_is_no_fault(
    served: Serve, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    app.go_on.clear()
    listener = served()
    with structlog.testing.capture_logs() as logs:
        for sent in (b"", b"GET", b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", _post(b"abc")[:-2]):
            link = socket.create_connection(listener.address)
            link.sendall(sent)
            if b"slow" in sent:
                app.asked.acquire()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # resets
            link.close()
        app.go_on.set()
        assert ask(listener)[0] == 200
        listener.close()
    assert (logs, caplog.records) == ([], [])


def test_a_fault_of_the_app_is_logged_and_answered(served: Serve) -> None:
    listener = served()
    with structlog.testing.capture_logs() as logs:
        assert ask(listener, "/broken")[0] == 500
        listener.close()
    assert [line["event"] for line in logs] == ["request.failed"]


# --- many clients


@pytest.mark.parametrize("crowd", [8, 16, 48])
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: loc", b"GET /"])
def test_slow_clients_keep_nobody_from_an_answer(
    served: Serve, client: Client, crowd: int, begun: bytes
) -> None:
    listener = served(connections=16)
    for _ in range(crowd):
        client(listener).sendall(begun)
    for _ in range(5):
        assert ask(listener) == (200, b"ok")
    assert len(listener._connections) <= 16


def test_clients_that_take_no_answer_keep_nobody_from_one(
    served: Serve, client: Client, app: App
) -> None:
    app.answer = b"x" * 8_000_000
    listener = served(connections=4)
    for _ in range(4):
        link = client(listener)
        link.sendall(GET)
        assert link.recv(1)
    app.answer = None
    assert ask(listener) == (200, b"ok")


def test_a_client_that_waits_for_its_answer_is_the_last_to_leave(
    served: Serve, client: Client, app: App
) -> None:
    app.go_on.clear()
    listener = served(connections=3)
    first = client(listener)
    first.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    assert app.asked.acquire(timeout=ENOUGH)
    idle = [client(listener) for _ in range(5)]
    assert [is_closed(link) for link in idle[:3]] == [True, True, True]
    app.go_on.set()
    assert status_of(first) == 200


def test_two_hundred_visitors_at_once_are_all_answered(served: Serve, client: Client) -> None:
    listener = served()
    links = [client(listener) for _ in range(200)]
    for link in links:
        link.sendall(GET)
    assert {status_of(link) for link in links} == {200}
    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(lambda _: ask(listener), range(200))) == {(200, b"ok")}


# --- workers


def test_workers_are_bounded_and_a_place_comes_back_with_the_work() -> None:
    workers, go_on = Workers(places=1, patience=SHORT), threading.Event()

    async def play() -> list[object]:
        slow = workers.run(go_on.wait)
        busy = workers.run(lambda: "busy")
        found = list(await asyncio.gather(slow, busy, return_exceptions=True))
        # It gave up waiting, but the work is not over.
        found += await asyncio.gather(workers.run(lambda: "still"), return_exceptions=True)
        go_on.set()
        while True:
            with suppress(HTTPException):
                return [*found, await workers.run(lambda: "free")]

    slow, busy, still, free = asyncio.run(play())
    assert [getattr(each, "status_code", each) for each in (slow, busy, still)] == [503, 503, 503]
    assert free == "free"


def test_what_work_raises_is_raised_where_it_was_asked_for() -> None:
    def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        asyncio.run(Workers(places=1, patience=ENOUGH).run(fail))


# --- start and end


@pytest.mark.parametrize("error", [OSError(99, "Cannot assign it"), UnicodeError("label empty")])
def test_an_address_that_cannot_be_had_is_a_configuration_error(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConfigError, match=r"Cannot assign it|label empty") as refused:
        serve("x.listen", ("::2", 1), PlainTextResponse("ok"))
    assert str(refused.value).startswith("x.listen: [::2]:1 cannot be listened on (")


def test_a_port_that_is_taken_is_a_configuration_error(served: Serve) -> None:
    with pytest.raises(ConfigError, match=r"x\.listen: .* cannot be listened on"):
        serve("x.listen", served().address, PlainTextResponse("ok"))


def test_signals_stay_where_they_were(served: Serve) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert ask(served())[0] == 200
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("variable", ["WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "UVICORN_PORT"])
def test_the_environment_of_uvicorn_changes_nothing(
    served: Serve, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "nonsense")
    assert ask(served())[0] == 200


def test_the_end_is_quick_whatever_clients_do(served: Serve, client: Client, app: App) -> None:
    app.answer, listener = b"x" * 8_000_000, served()
    for sent in (b"", b"GET / HT", GET, _post(b"abc")[:-1]):
        client(listener).sendall(sent)
    app.go_on.clear()
    waiting = client(listener)
    waiting.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    assert app.asked.acquire(timeout=ENOUGH)
    began = monotonic()
    listener.close()
    assert monotonic() - began < 3.0
    assert not listener._thread.is_alive()
    assert not listener._connections
    assert is_closed(waiting)
    with socket.create_server(listener.address):
        pass  # The port is free again.


def test_a_request_in_progress_may_end(served: Serve, client: Client, app: App) -> None:
    app.go_on.clear()
    listener = served()
    link = client(listener)
    link.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    assert app.asked.acquire(timeout=ENOUGH)
    closing = threading.Thread(target=listener.close)
    closing.start()
    app.go_on.set()
    assert status_of(link) == 200
    closing.join()


def test_nothing_is_left_of_many_listeners(app: App) -> None:
    def one() -> None:
        listener = serve("x.listen", ("127.0.0.1", 0), app)
        assert ask(listener)[0] == 200
        listener.close()
        listener.close()

    one()
    threads, files = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        one()
    assert (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) == (
        threads,
        files,
    )


def test_two_apps_are_served_side_by_side(served: Serve) -> None:
    other: ASGIApp = PlainTextResponse("another")
    second = serve("y.listen", ("127.0.0.1", 0), other, headers={"X-Kind": "second"})
    try:
        assert (ask(served())[1], ask(second)[1]) == (b"ok", b"another")
    finally:
        second.close()
