import json
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
import structlog

from syncd.errors import ConfigError, StoreInterrupted
from syncd.observability import server as status_server
from syncd.observability.admission import Access
from syncd.observability.page import Look, NotDecided, Press, script_hash, style_hash
from syncd.observability.server import MOST_AT_ONCE, StatusServer

TOKEN = "let-me-in"


class Board:
    """A panel that shows what a test says."""

    version = "0.1.0"

    def __init__(self, look_at: Callable[..., Look]) -> None:
        self.look_at = look_at
        self.state, self.ill, self.unready = "healthy", "", ""
        self.store_is_down = False
        self.presses: list[Press] = []
        self.refuses: NotDecided | None = None

    def unhealthy_reason(self) -> str:
        return self.ill

    def not_ready(self) -> str:
        return self.unready

    def look(
        self, *, personal: bool, link: str = "", decides: bool = False, detail: bool = False
    ) -> Look:
        del link, decides, detail
        if self.store_is_down:
            raise StoreInterrupted("the database at db.example.com is away")
        return self.look_at(self.state, personal=personal, unhealthy_reason=self.ill)

    def decide(self, press: Press) -> None:
        if self.store_is_down:
            raise StoreInterrupted("the database at db.example.com is away")
        if self.refuses is not None:
            raise self.refuses
        self.presses.append(press)

    def metrics(self) -> bytes:
        return b"syncd_info 1\n"


@pytest.fixture
def board(look_at: Callable[..., Look]) -> Board:
    return Board(look_at)


@pytest.fixture
def opened() -> Iterator[Callable[..., StatusServer]]:
    servers: list[StatusServer] = []

    def make(board: Board, host: str = "127.0.0.1", **access: str) -> StatusServer:
        servers.append(StatusServer((host, 0), board, access=Access(**access)))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


Ask = Callable[..., HTTPResponse]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """`ask(server, path, **headers)`; the body is in `.text` of the answer."""
    connections: list[HTTPConnection] = []

    def act(
        server: StatusServer, path: str, method: str = "GET", body: str = "", **headers: str
    ) -> HTTPResponse:
        host, port = server.address
        connection = HTTPConnection(host, port, timeout=10)
        connections.append(connection)
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        return answer

    yield act
    for connection in connections:
        connection.close()


def text(answer: Any) -> str:
    return str(answer.text)


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/healthz", "/metrics"])
def test_every_path_of_the_contract_answers(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, path: str
) -> None:
    server = opened(board)
    answer = ask(server, path)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.headers["Server"], answer.getheader("Date") is None) == ("syncd", False)
    head = ask(server, path, method="HEAD")
    assert (head.status, text(head)) == (200, "")
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]


def test_a_path_may_come_within_a_whole_address(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board)
    assert ask(server, "http://localhost/livez?x=1", Host="localhost").status == 200
    assert ask(server, "http://localhost/nothing", Host="localhost").status == 404
    assert ask(server, "http://localhost", Host="localhost").status == 200
    assert ask(server, "http://localhost/", Host="evil.example.com").status == 421


def test_an_unknown_path_names_the_known_ones(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    answer = ask(opened(board), "/admin")
    assert answer.status == 404
    assert "/healthz" in text(answer)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, method: str
) -> None:
    answer = ask(opened(board), "/", method=method)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_the_page_comes_with_a_policy_that_lets_only_its_own_style_in(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    policy = ask(opened(board), "/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"style-src '{style_hash()}'" in policy
    assert f"script-src '{script_hash()}'" in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_live_and_ready_are_two_questions(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board)
    board.unready = "the links are being checked"
    assert (ask(server, "/livez").status, ask(server, "/readyz").status) == (200, 503)
    board.unready, board.ill = "", "the claim loop has not turned for 70 s"
    live = ask(server, "/livez")
    assert (live.status, ask(server, "/readyz").status) == (503, 200)
    assert "claim loop" in text(live)


def test_health_is_json_by_link_and_503_in_trouble(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board)
    good = json.loads(text(ask(server, "/healthz")))
    assert (good["status"], good["exit_code"]) == ("ok", 0)
    assert good["links"]["clinic"]["lag_seconds"] == 42.0
    board.state = "provider_down"
    answer = ask(server, "/healthz")
    bad = json.loads(text(answer))
    assert (answer.status, bad["status"], bad["exit_code"]) == (503, "trouble", 7)
    assert bad["links"]["clinic"]["state"] == "unreachable"
    assert bad["links"]["clinic"]["failures"] == 4
    assert bad["links"]["harbour_street"]["state"] == "ok"


def test_names_of_people_are_shown_only_to_who_may_decide(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board)
    board.state = "held"
    assert "Ana Example" not in text(ask(server, "/?personal=yes"))
    assert "Ana" not in text(ask(server, "/healthz"))
    guarded = opened(board, token=TOKEN, read_token="read-only")
    for shown, personal in ((TOKEN, True), ("read-only", False)):
        for path in ("/", "/?personal=yes"):
            answer = text(ask(guarded, path, Authorization=f"Bearer {shown}"))
            assert ("Ana Example" in answer) is personal
    assert "Ana" not in text(ask(guarded, "/?personal=no", Authorization=f"Bearer {TOKEN}"))


def test_a_store_that_is_down_is_told_and_the_probes_still_answer(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board)
    board.store_is_down = True
    for path in ("/", "/healthz"):
        answer = ask(server, path)
        assert answer.status == 503
        assert "db.example.com is away" in text(answer)
    assert ask(server, "/livez").status == 200


# --- who may ask


@pytest.mark.parametrize("host", ["localhost:8787", "127.0.0.1", "[::1]:8787"])
def test_this_machine_may_ask_without_a_token(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, host: str
) -> None:
    assert ask(opened(board), "/", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example.com", "localhost.example.com", "127.example.com", "10.0.0.1", "["]
)
def test_a_web_page_cannot_reach_it_through_a_name_of_its_own(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, host: str
) -> None:
    server = opened(board)
    for path in ("/", "/healthz", "/metrics"):
        assert ask(server, path, Host=host).status == 421
    assert ask(server, "/livez", Host=host).status == 200


def test_with_a_token_only_the_probes_answer_without_it(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board, token=TOKEN)
    for path in ("/", "/healthz", "/metrics"):
        answer = ask(server, path)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert TOKEN not in text(answer)
    assert ask(server, "/livez").status == ask(server, "/readyz").status == 200


@pytest.mark.parametrize(
    "shown",
    [
        f"Bearer {TOKEN}",
        f"bearer {TOKEN}",
        "Basic " + b64encode(f"anyone:{TOKEN}".encode()).decode(),
    ],
)
def test_the_token_is_taken_as_a_bearer_and_from_a_browser(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, shown: str
) -> None:
    server = opened(board, token=TOKEN)
    assert ask(server, "/", Authorization=shown, Host="status.example.com").status == 200


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer let-me", "Basic let-me-in", "Basic !!", "Basic é", "Token let-me-in"],
)
def test_anything_else_is_no_token(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, shown: str
) -> None:
    assert ask(opened(board, token=TOKEN), "/", Authorization=shown).status == 401


# --- decisions

ORIGIN = "http://page.example.com:8787"
WHO = {"Host": "page.example.com:8787", "Authorization": f"Bearer {TOKEN}"}


def press(
    ask: Ask, server: StatusServer, body: str = "", *, path: str = "/", **headers: str
) -> HTTPResponse:
    """Press a button as a browser does, but for what is given; "" leaves a header out."""
    proof = Access(token=TOKEN).proof()
    body = body or f"decision=sync&link=clinic&seen=in+service&record=&proof={proof}"
    sent = {**WHO, "Origin": ORIGIN, **headers}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return ask(server, path, "POST", body, **kind, **{k: v for k, v in sent.items() if v})


def test_a_decision_is_handed_on_with_its_user_and_leads_back_to_the_page(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board, token=TOKEN)
    answer = press(ask, server)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    basic = b64encode(f"Zoë \u202eÅ\tX:{TOKEN}".encode()).decode()
    assert press(ask, server, Authorization=f"Basic {basic}").status == 303
    assert [each.by for each in board.presses] == ["", "Zoë Å X"]
    assert board.presses[0] == Press(decision="sync", link="clinic", seen="in service")


@pytest.mark.parametrize(
    ("query", "back"),
    [
        ("", "/"),
        ("?link=clinic", "/?link=clinic"),
        ("?link=clinic&personal=no&next=//evil.example.com", "/?link=clinic&personal=no"),
        ("?link=//evil.example.com", "/"),
        ("?link=harbour", "/"),
        ("?q=%0d%0aSet-Cookie:+a&state=held&page=7", "/?q=Set-Cookie%3A+a&state=held&page=7"),
        ("?q=a%0d%0ab", "/?q=a%0D%0Ab"),
        ("?state=//evil.example.com&page=-1", "/"),
    ],
)
def test_a_press_leads_back_to_where_it_was_pressed_and_nowhere_else(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, query: str, back: str
) -> None:
    server = opened(board, token=TOKEN)
    answer = press(ask, server, path=f"/{query}")
    assert (answer.status, answer.headers["Location"]) == (303, back)
    board.refuses = NotDecided(409, "look again")
    refused = press(ask, server, path=f"/{query}")
    assert refused.status == 409
    assert f'action="{back.replace("&", "&amp;")}"' in text(refused)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer read-only"}, 401),
        ({"Origin": ""}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Origin": "http://page.example.com"}, 403),
        ({"Origin": "http://page.example.com:8788"}, 403),
        ({"Origin": "http://page.example.com:8787/"}, 403),
        ({"Origin": "http://page.example.com:8787.evil.example.com"}, 403),
        ({"Origin": "http://x@page.example.com:8787"}, 403),
        ({"Origin": "https://sync.example.com"}, 303),
        ({"Origin": "https://sync.example.com:443"}, 303),
        ({"Origin": "http://sync.example.com"}, 403),
        ({"Origin": "HTTP://Page.Example.com:8787"}, 303),
        ({"Host": "page.example.com", "Origin": "https://page.example.com"}, 303),
    ],
)
def test_a_decision_comes_from_the_page_itself(
    opened: Callable[..., StatusServer],
    ask: Ask,
    board: Board,
    headers: dict[str, str],
    status: int,
) -> None:
    access = {"read_token": "read-only", "public_url": "https://sync.example.com"}
    server = opened(board, token=TOKEN, **access)
    assert press(ask, server, **headers).status == status
    assert len(board.presses) == (status == 303)


def test_a_decision_needs_the_proof_that_every_process_with_the_token_accepts(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    page = text(ask(opened(board, token=TOKEN), "/", Authorization=f"Bearer {TOKEN}"))
    other = opened(board, token=TOKEN)
    assert f'name="proof" value="{Access(token=TOKEN).proof()}"' in page
    assert press(ask, other).status == 303
    for wrong in ("", "0" * 64, Access(token="another").proof()):
        assert press(ask, other, f"decision=sync&link=clinic&proof={wrong}").status == 403
    assert press(ask, other, "&".join(["a=1"] * 99)).status == 403
    assert press(ask, other, "%ff%00=%zz").status == 403
    assert len(board.presses) == 1


@pytest.mark.parametrize("status", [400, 404, 409])
def test_what_was_not_done_is_told_on_the_page_as_it_is(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, status: int
) -> None:
    board.refuses = NotDecided(status, "it is <gone>")
    answer = press(ask, opened(board, token=TOKEN))
    assert answer.status == status
    assert "Nothing was done:</strong> it is &lt;gone&gt;" in text(answer)
    assert "appointments in sync" in text(answer)


def test_without_a_token_that_decides_the_page_is_read_only(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    board.state = "held"
    for access in ({}, {"read_token": TOKEN}):
        server = opened(board, **access)
        answer = press(ask, server)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        shown = ask(server, "/", Authorization=f"Bearer {TOKEN}")
        assert "<form" not in text(shown)
        assert 'aria-label="Copy syncd resolve 501 --keep ghl"' in text(shown)
    assert board.presses == []


def test_only_the_page_takes_decisions(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    server = opened(board, token=TOKEN)
    for path in ("/healthz", "/metrics", "/livez"):
        assert ask(server, path, "POST", "x=1", **WHO).status == 405
    assert ask(server, "/", "PUT", "x=1", **WHO).headers["Allow"] == "GET, HEAD, POST"
    board.store_is_down = True
    assert press(ask, server).status == 503


# --- the socket


def test_an_address_that_is_taken_is_a_configuration_error(
    opened: Callable[..., StatusServer], board: Board
) -> None:
    taken = opened(board).address
    with pytest.raises(ConfigError, match=r"http\.listen: 127\.0\.0\.1:\d+ cannot be listened on"):
        StatusServer(taken, board)


def test_it_listens_on_ipv6_as_well(
    opened: Callable[..., StatusServer], ask: Ask, board: Board
) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        server = opened(board, host="::1")
    except ConfigError:
        pytest.skip("this machine has no IPv6 loopback")
    assert ask(server, "/livez").status == 200


def test_a_store_that_is_away_keeps_the_probes_from_nothing(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages wait for it, as many as there may be; more are refused at once."""
    back, waiting = threading.Event(), threading.Semaphore(0)
    look = board.look

    def late(**asked: Any) -> Look:
        waiting.release()
        back.wait()
        return look(**asked)

    monkeypatch.setattr(board, "look", late)
    server = opened(board)
    with ExitStack() as stack:
        stack.callback(back.set)
        for _ in range(MOST_AT_ONCE):
            link = stack.enter_context(socket.create_connection(server.address))
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            waiting.acquire()
        refused = ask(server, "/healthz")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert ask(server, "/livez").status == 200
        assert ask(server, "/readyz").status == 200


def test_a_page_that_takes_too_long_is_an_answer_too(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_server, "PATIENCE", 0.1)
    back = threading.Event()
    monkeypatch.setattr(board, "metrics", back.wait)
    answer = ask(opened(board), "/metrics")
    back.set()
    assert (answer.status, text(answer)[:15]) == (503, "no answer withi")


def test_a_fault_of_ours_is_logged_and_answered(
    opened: Callable[..., StatusServer], ask: Ask, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "not_ready", lambda: 1 / 0)
    server = opened(board)
    with structlog.testing.capture_logs() as logs:
        assert (ask(server, "/readyz").status, ask(server, "/livez").status) == (500, 200)
        server.close()
    assert [line["event"] for line in logs] == ["request.failed"]
