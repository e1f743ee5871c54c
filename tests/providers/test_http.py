"""The shared client and its retry decision, on canned transports and virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from syncd.core.model import Side
from syncd.errors import (
    DailyBudgetSpent,
    LinkLocked,
    Outdated,
    RateLimited,
    TimedOut,
    Unavailable,
)
from syncd.providers.http import Client
from syncd.providers.message import Answered, NoAnswer, NotSent, Request, Response, redacted
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import Limit
from syncd.providers.retry import Accept, GiveUp, Retry, decide, retry_after

if TYPE_CHECKING:
    from tests.providers.conftest import FreeBudget, VirtualClock

GET = Request(method="GET", path="/things")
CREATE = Request(method="POST", path="/things", json={"name": "é\ud800"}, repeatable=False)

Handler = Callable[[httpx.Request], httpx.Response]


class Token:
    """A token that can be renewed once."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens or ("pit-00000000-test",))

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._tokens[0]}"}

    def renewed(self, refused: Response) -> bool:  # noqa: ARG002 - the port
        if len(self._tokens) > 1:
            self._tokens.pop(0)
            return True
        return False


class Script:
    """Answers with one thing after the other, and keeps what it was sent."""

    def __init__(self, *steps: httpx.Response | Exception) -> None:
        self._steps = list(steps)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Exception):
            raise step
        return step


class MakeClient(Protocol):
    def __call__(self, handler: Handler, *, token: Token | None = None) -> Client: ...


@pytest.fixture
def make(clock: VirtualClock, free_budget: FreeBudget) -> MakeClient:
    def client(handler: Handler, *, token: Token | None = None) -> Client:
        return Client(
            side=Side.GHL,
            base_url="https://api.example.com/prefix",
            auth=token or Token(),
            budget=free_budget,
            clock=clock,
            transport=httpx.MockTransport(handler),
            chance=lambda: 0.5,
        )

    return client


def ok(**body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def test_a_request_carries_the_prefix_the_token_and_a_user_agent(make: MakeClient) -> None:
    script = Script(ok(fine=True))
    request = Request(method="GET", path="/a%2Fb", query={"number": "+15550100", "id": ["1", "2"]})
    answer = make(script).send(request)
    sent = script.seen[0]
    assert answer.payload == {"fine": True}
    assert str(sent.url) == "https://api.example.com/prefix/a%2Fb?number=%2B15550100&id=1&id=2"
    assert sent.headers["authorization"] == "Bearer pit-00000000-test"
    assert sent.headers["user-agent"].startswith("syncd/")


def test_a_lone_surrogate_in_a_body_is_sent_not_raised(make: MakeClient) -> None:
    script = Script(ok())
    make(script).send(CREATE)
    assert json.loads(script.seen[0].content) == {"name": "é\ud800"}


def test_a_broken_gateway_is_asked_again_with_growing_pauses(
    make: MakeClient, clock: VirtualClock
) -> None:
    script = Script(httpx.Response(502, json={}), httpx.Response(503, json={}), ok())
    assert make(script).send(GET).ok
    assert clock.sleeps == [0.5, 1.0]


def test_a_vendor_that_stays_broken_is_unavailable_after_five_attempts(make: MakeClient) -> None:
    script = Script(httpx.Response(500, json={"message": "boom"}))
    client = make(script)
    with pytest.raises(Unavailable, match="boom"):
        client.send(GET)
    assert len(script.seen) == client.requests == 5


@pytest.mark.parametrize(
    "step",
    [
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        httpx.Response(500, json={}),
        httpx.Response(200, text="<html>"),
    ],
)
def test_a_create_that_may_have_taken_effect_is_never_sent_twice(
    make: MakeClient, step: httpx.Response | Exception
) -> None:
    script = Script(step)
    with pytest.raises(TimedOut) as caught:
        make(script).send(CREATE)
    assert caught.value.sent
    assert len(script.seen) == 1


@pytest.mark.parametrize(
    "step",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("no route"),
        httpx.Response(429, json={}),
        httpx.Response(423, json={}),
        httpx.Response(477, json={}, headers={"Retry-After": "1"}),
    ],
)
def test_a_create_that_did_nothing_is_sent_again(
    make: MakeClient, step: httpx.Response | Exception
) -> None:
    script = Script(step, ok(id="1"))
    assert make(script).send(CREATE).payload == {"id": "1"}
    assert len(script.seen) == 2


def test_retry_after_is_honoured_in_seconds(make: MakeClient, clock: VirtualClock) -> None:
    script = Script(httpx.Response(429, json={}, headers={"Retry-After": "7"}), ok())
    make(script).send(GET)
    assert clock.sleeps == [7.0]


def test_a_retry_after_beyond_the_patience_of_a_cycle_is_raised(make: MakeClient) -> None:
    script = Script(httpx.Response(477, json={}, headers={"Retry-After": "86400"}))
    with pytest.raises(Unavailable) as caught:
        make(script).send(GET)
    assert caught.value.retry_after == 86400
    assert len(script.seen) == 1


def test_a_cloudflare_page_is_no_missing_permission(make: MakeClient) -> None:
    page = "<html><h1>Error 1010: Access denied</h1></html>"
    with pytest.raises(Unavailable, match="1010"):
        make(Script(httpx.Response(403, text=page))).send(GET)


def test_a_redirect_is_not_followed(make: MakeClient) -> None:
    script = Script(httpx.Response(302, headers={"Location": "https://other.example.com/"}))
    with pytest.raises(Unavailable):
        make(script).send(GET)
    assert {sent.url.host for sent in script.seen} == {"api.example.com"}


def test_refusals_in_json_are_handed_back_as_they_are(make: MakeClient) -> None:
    for status in (400, 401, 403, 404, 409, 422):
        script = Script(httpx.Response(status, json={"message": ["a", "b"]}))
        answer = make(script).send(GET)
        assert (answer.status, answer.message) == (status, "a; b")


def test_a_rotated_token_is_tried_once_more(make: MakeClient) -> None:
    script = Script(httpx.Response(401, json={"message": "Invalid token"}), ok())
    assert make(script, token=Token("old", "new")).send(GET).ok
    assert [sent.headers["authorization"] for sent in script.seen] == ["Bearer old", "Bearer new"]


def test_a_token_that_another_thread_has_renewed_meanwhile_is_used(make: MakeClient) -> None:
    token = Token("old", "new")

    def renew_behind_our_back(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer old":
            token._tokens.pop(0)
            return httpx.Response(401, json={"message": "Invalid token"})
        return ok()

    assert make(renew_behind_our_back, token=token).send(GET).ok


def test_answers_are_counted_by_status(make: MakeClient) -> None:
    script = Script(httpx.ReadTimeout("slow"), httpx.Response(503, json={}), ok())
    client = make(script)
    client.send(GET)
    assert client.answers == {0: 1, 503: 1, 200: 1}


def test_a_stop_while_waiting_ends_the_wait_at_once(make: MakeClient, clock: VirtualClock) -> None:
    clock.stopped = True
    script = Script(httpx.Response(500, json={}))
    with pytest.raises(Unavailable, match="asked to stop"):
        make(script).send(GET)
    assert len(script.seen) == 1


def test_the_clock_skew_comes_from_the_date_header(make: MakeClient, clock: VirtualClock) -> None:
    ahead = clock.now() + timedelta(seconds=42)
    date = ahead.strftime("%a, %d %b %Y %H:%M:%S GMT")
    client = make(Script(httpx.Response(200, json={}, headers={"Date": date})))
    client.send(GET)
    assert client.skew_seconds == 42


def test_a_used_up_quota_ends_the_retries(clock: VirtualClock) -> None:
    script = Script(httpx.Response(429, json={"policyName": "DAILY", "message": "daily limit"}))
    client = Client(
        side=Side.HUBSPOT,
        base_url="https://api.example.com",
        auth=Token(),
        budget=Budget(side=Side.HUBSPOT, clock=clock, limit=Limit(requests=100, seconds=10.0)),
        clock=clock,
        transport=httpx.MockTransport(script),
    )
    with pytest.raises(DailyBudgetSpent):
        client.send(GET)
    with pytest.raises(DailyBudgetSpent):
        client.send(GET)
    assert len(script.seen) == 1


def test_secrets_addresses_and_numbers_stay_out_of_errors() -> None:
    text = (
        "Bearer abc.def pit-12345678-aaaa pat-eu1-1234-5678 ann@example.com "
        "called +1 555 010 0199 or (555) 010-0199 about 123456789012"
    )
    assert redacted(text) == (
        "<secret> <secret> <secret> <e-mail> called <phone> or <phone> about 123456789012"
    )
    assert len(redacted("x" * 1000)) == 256


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1.5", 1.5),
        ("86400", 86_400.0),
        *(
            (nonsense, None)
            for nonsense in ("-3", "0", "inf", "nan", "soon", "9e99", "1e309", "1000000000")
        ),
        ("Fri, 02 Jan 2099 09:00:00 GMT", None),
        ("Fri, 02 Jan 1998 09:00:00 GMT", None),
        ("Mon, 02 Mar 2026 09:00:30 +99999999999", None),
        ("9" * 100_000, None),
    ],
)
def test_a_retry_after_that_makes_no_sense_pauses_nothing_forever(
    clock: VirtualClock, said: str, seconds: float | None
) -> None:
    assert retry_after(Response(status=429, headers={"retry-after": said}), clock.now()) == seconds


def test_retry_after_may_be_a_date(clock: VirtualClock) -> None:
    said = Response(status=503, headers={"retry-after": "Mon, 02 Mar 2026 09:00:30 GMT"})
    assert retry_after(said, clock.now()) == 30


def test_a_request_is_given_up_once_its_tries_have_taken_too_long() -> None:
    lost = NoAnswer(detail="ReadTimeout")
    assert isinstance(decide(1, GET, lost, spent=30.0), Retry)
    assert isinstance(decide(2, GET, lost, spent=60.5), GiveUp)
    busy = Answered(response=Response(status=503))
    assert isinstance(decide(2, GET, busy, spent=60.5), Retry)
    assert isinstance(decide(2, GET, busy, spent=120.0), GiveUp)


def test_the_decision_is_a_value() -> None:
    fine = Response(status=201, payload={})
    assert decide(1, GET, Answered(response=fine)) == Accept(response=fine)
    assert isinstance(decide(1, GET, NotSent(detail="refused")), Retry)
    assert isinstance(decide(5, GET, NotSent(detail="refused")), GiveUp)
    assert isinstance(decide(1, CREATE, NoAnswer(detail="slow")), GiveUp)
    locked = decide(1, GET, Answered(response=Response(status=423, payload={})))
    assert isinstance(locked, Retry)
    assert locked.after >= 2
    slow = Response(status=429, payload={"policyName": "secondly"})
    verdict = decide(9, GET, Answered(response=slow))
    assert isinstance(verdict, GiveUp)
    assert isinstance(verdict.error, RateLimited)
    assert verdict.error.policy == "SECONDLY"


# --- leave to send


def test_who_lost_the_link_writes_nothing_but_may_read(make: MakeClient) -> None:
    script = Script(httpx.Response(200, json={}))
    client = make(script)

    def lost() -> None:
        raise LinkLocked("clinic", holder="another")

    client.guard = lost
    for path in ("/crm/objects/search", "/crm/objects/batch/read"):
        client.send(Request(method="POST", path=path, json={}))
    client.send(GET)
    with pytest.raises(LinkLocked):
        client.send(CREATE)
    assert len(script.seen) == 3


def test_leave_is_asked_before_each_attempt(make: MakeClient) -> None:
    asked: list[int] = []
    script = Script(httpx.Response(503, json={}), httpx.Response(200, json={}))
    client = make(script)
    client.guard = lambda: asked.append(len(script.seen))
    client.send(Request(method="PUT", path="/things/1", json={}))
    assert asked == [0, 1]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (httpx.Response(429, headers={"Retry-After": "8"}, json={}), RateLimited),
        (httpx.Response(503, json={}), Unavailable),
    ],
)
def test_what_waited_too_long_for_the_vendor_says_so(
    make: MakeClient, answer: httpx.Response, cause: type[Exception]
) -> None:
    script = Script(answer)

    def ready() -> None:
        if script.seen:
            raise Outdated

    with pytest.raises(Outdated) as late:
        make(script).send(Request(method="PUT", path="/things/1", json={}, ready=ready))
    assert isinstance(late.value.cause, cause)
    assert len(script.seen) == 1


def test_what_may_have_happened_is_not_told_as_unsent(make: MakeClient) -> None:
    script = Script(httpx.ReadTimeout("slow"))

    def ready() -> None:
        if script.seen:
            raise Outdated

    with pytest.raises(TimedOut) as unknown:
        make(script).send(Request(method="PUT", path="/things/1", json={}, ready=ready))
    assert unknown.value.sent


def test_what_is_outdated_before_it_is_sent_did_nothing(make: MakeClient) -> None:
    script = Script(httpx.Response(200, json={}))

    def ready() -> None:
        raise Outdated

    with pytest.raises(Outdated) as late:
        make(script).send(Request(method="PUT", path="/things/1", json={}, ready=ready))
    assert (late.value.cause, script.seen) == (None, [])


def test_after_timeouts_a_request_is_tried_once_until_an_answer_comes(
    make: MakeClient, clock: VirtualClock
) -> None:
    answers: list[httpx.Response | None] = [*[None] * 3, ok(), *[httpx.Response(503, json={})] * 9]

    def vendor(_: httpx.Request) -> httpx.Response:
        answer = answers.pop(0)
        if answer is None:
            clock.advance(30.0)
            raise httpx.ReadTimeout("nothing")
        return answer

    asked = make(vendor)
    for tried in (2, 3):
        with pytest.raises(TimedOut):
            asked.send(GET)
        assert asked.requests == tried
    assert asked.send(GET).ok
    with pytest.raises(Unavailable):
        asked.send(GET)
    assert asked.requests == 4 + 5


def test_connections_that_break_are_tried_again_however_many(make: MakeClient) -> None:
    asked = make(Script(httpx.ReadError("reset")))
    for tried in (5, 10, 15):
        with pytest.raises(TimedOut):
            asked.send(GET)
        assert asked.requests == tried


def test_an_endpoint_that_hangs_is_waited_for_less_though_others_answer(
    clock: VirtualClock, free_budget: FreeBudget
) -> None:
    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/contacts"):
            clock.sleep(30)
            raise httpx.ReadTimeout("", request=request)
        return httpx.Response(200, json={})

    asked = Client(
        side=Side.GHL,
        base_url="https://vendor.test",
        auth=Token(),
        budget=free_budget,
        clock=clock,
        transport=httpx.MockTransport(answered),
    )
    sent = []
    for number in range(4):
        before = asked.requests
        with pytest.raises(TimedOut):
            asked.send(Request(method="GET", path=f"/contacts/ab{number}cdef"))
        sent.append(asked.requests - before)
        asked.send(GET)
    assert sent[0] > 1
    assert sent[1:] == [1, 1, 1]
