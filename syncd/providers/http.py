"""The HTTP client of both adapters.

`bootstrap` makes one `Client` per side of a link, with the process's TLS
context; tests give it a transport. It adds credentials and the User-Agent,
keeps to the rate budget, retries where `retry` says so, and turns every
failure into an error of `syncd.errors`. Leaves out the meaning of answers: a
JSON answer below 500 (but 423, 425, 429, 477) is returned as it is.
"""

import json
import random
import re
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Lock
from typing import Protocol

import httpx
import structlog

import syncd
from syncd.core.model import Side
from syncd.errors import Outdated, ProviderError, Rejected, TimedOut, Unavailable
from syncd.ports.clock import Clock
from syncd.providers import proxies
from syncd.providers.deadlines import Deadline, watch
from syncd.providers.message import (
    LONGEST_WORDS,
    Answered,
    NoAnswer,
    NotSent,
    Outcome,
    Request,
    Response,
)
from syncd.providers.rate_budget import RateBudget
from syncd.providers.rate_window import pause
from syncd.providers.reservation import Reservation
from syncd.providers.retry import ATTEMPTS, PATIENCE, Accept, GiveUp, Retry, decide

log = structlog.get_logger(__name__)

TIMEOUT = 30.0
"""Seconds for a whole answer."""

TIMEOUTS_IN_A_ROW = 2
"""Requests in a row that timed out, of all or of one endpoint, after which the next ones get less
time, so that a cycle soon finds an endpoint that does not answer at all."""

SHORT_TIMEOUT = 10.0
"""Seconds for a whole answer then, until an answer comes (for an endpoint: one of its own)."""

LARGEST = 64 * 1024 * 1024
"""Bytes of an answer, far above the vendors' largest."""

CONNECT_TIMEOUT = 10.0

_TYPED: Mapping[bool, Mapping[str, str]] = {True: {"Content-Type": "application/json"}, False: {}}
_ID = re.compile(r"(?<=/)(?=[^/]*\d)[^/]{5,}")
"""An id in a path: it has a digit and is longer than the name of a version."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Auth(Protocol):
    """Credentials of one account."""

    def headers(self) -> Mapping[str, str]:
        """The headers that carry them."""
        ...

    def renewed(self, refused: Response) -> bool:
        """Whether, after this refusal, `headers` has fresh credentials worth one more try."""
        ...


class Client:
    """Sends requests to one account of one vendor; safe to share between threads.

    `base_url` may have a path of its own. `concurrency` is the number of
    threads that use it: the pool is at least that large, because httpcore may
    close a connection that a queued request waits for. Once the process is
    `stopping`, requests in flight have a few seconds left, and no other is sent.
    """

    def __init__(
        self,
        *,
        side: Side,
        base_url: str,
        auth: Auth,
        budget: RateBudget,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT,
        concurrency: int = 8,
        attempts: int = ATTEMPTS,
        chance: Callable[[], float] = random.random,
        stopping: Callable[[], bool] = bool,
    ) -> None:
        self.side = side
        self.budget = budget
        self.reservation = Reservation(budget, clock)
        self.auth = auth
        self._clock = clock
        self._attempts = attempts
        self._chance = chance
        self._timeout = timeout
        self._deadline = Deadline(clock, stopping)
        self._lock = Lock()
        self.guard: Callable[[], None] = _no_guard
        """Called before each attempt that writes: raises once another process has the link."""
        self.guarded_for: Callable[[], float] = _for_ever
        """Seconds for which no other process can have the link: the limit for a write's answer."""
        self._sent = 0
        self._timeouts: Counter[str] = Counter()
        """Requests in a row that timed out, by endpoint; "" for all."""
        self._answers: Counter[int] = Counter()
        self._skew: float | None = None
        # Opened at the first request: a daemon with hundreds of links would otherwise open
        # hundreds of clients before it is ready, at more than a millisecond each.
        self._http: httpx.Client | None = None
        self._open = partial(
            httpx.Client,
            base_url=base_url,
            headers={"User-Agent": f"syncd/{syncd.__version__}", "Accept": "application/json"},
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            limits=httpx.Limits(
                max_connections=2 * concurrency, max_keepalive_connections=concurrency
            ),
            # Credentials never follow a redirect to another host.
            follow_redirects=False,
            transport=transport,
            verify=tls if tls is not None else True,
        )

    @property
    def requests(self) -> int:
        """Every attempt sent so far, retries included."""
        return self._sent

    @property
    def answers(self) -> Mapping[int, int]:
        """How many attempts ended with each status; 0 stands for no answer."""
        with self._lock:
            return dict(self._answers)

    @property
    def skew_seconds(self) -> float | None:
        """How far the vendor's clock was ahead of ours at the last answer; None if unknown."""
        return self._skew

    def monotonic(self) -> float:
        """The monotonic clock, in seconds."""
        return self._clock.monotonic()

    def await_room(self, requests: int) -> None:
        """Wait, for a while, until so many requests could be sent at once."""
        needs = min(requests, self.budget.available(PATIENCE))
        until = self._clock.monotonic() + PATIENCE
        while self.budget.available() < needs and self._clock.monotonic() < until:
            if self._deadline.refuses:
                return
            self._clock.sleep(NAP)

    def send(self, request: Request, attempts: int | None = None) -> Response:
        """Send a request, with retries where these are safe and useful, and return the answer.

        `attempts` is the limit; by default the client's.

        Raises:
            TimedOut: no answer; with `sent` the request may have taken effect.
            Unavailable: the vendor cannot be reached or does not work now.
            RateLimited: still throttled after all attempts.
            DailyBudgetSpent: the daily quota is used up.
            Rejected: it cannot be sent.
            Outdated: raised by the request's `ready`; nothing was sent.
        """
        if request.too_long:
            raise _unsendable(request, "its address is too long", self.side)
        attempts = self._attempts if attempts is None else min(attempts, self._attempts)
        attempt, renewed = 1, False
        began = self._clock.monotonic()
        last: ProviderError | None = None
        while True:
            if self._deadline.refuses:
                raise Unavailable("asked to stop; nothing more is sent", side=self.side)
            credentials = self.auth.headers()
            try:
                outcome = self._attempt(request, credentials)
            except Outdated as late:
                if isinstance(last, TimedOut):
                    raise last from late
                raise Outdated(side=self.side, cause=last) from late
            if not renewed and self._worth_renewing(outcome, credentials):
                renewed = True
                continue
            if self._keeps_timing_out(request) and request.repeatable:
                attempts = attempt
            verdict = decide(
                attempt,
                request,
                outcome,
                side=self.side,
                now=self._clock.now(),
                attempts=attempts,
                spent=self._clock.monotonic() - began,
            )
            match verdict:
                case Accept(response=response):
                    return response
                case GiveUp(error=error):
                    raise error
                case Retry(error=error):
                    last = error
                    log.info("request.retried", side=self.side, attempt=attempt, detail=str(error))
                    self._wait(verdict)
            attempt += 1

    def abandon(self) -> None:
        """End the requests in flight; nothing more is sent."""
        self._deadline.end_all()

    def close(self) -> None:
        """Close the connections."""
        self.abandon()
        with self._lock:
            if self._http is not None:
                self._http.close()

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = proxies.opened(self._open)
                watch(self._http, self._deadline)
            return self._http

    def _attempt(self, request: Request, credentials: Mapping[str, str]) -> Outcome:
        permit = self.budget.acquire(request.kind)
        try:
            # After the wait for the rate budget, which may have been long.
            if request.ready is not None:
                request.ready()
            if request.writes:
                self.guard()
            with self._lock:
                self._sent += 1
            sent = self._clock.monotonic()
            outcome = self._exchange(request, credentials)
            self._count(request, outcome, self._clock.monotonic() - sent)
            if isinstance(outcome, Answered):
                self.budget.observe(outcome.response, request.kind, sent=sent)
                if not outcome.response.ok:
                    # The only log line with a vendor's text: `info` has none.
                    summary = outcome.response.summary
                    log.debug("request.refused", side=self.side, to=request.label, detail=summary)
            return outcome
        finally:
            permit.settle()

    def _exchange(self, request: Request, credentials: Mapping[str, str]) -> Outcome:
        try:
            with (
                self._deadline.of(self._time_limit(request)),
                self._opened().stream(
                    request.method,
                    request.path,
                    params={
                        key: _sendable(held) if isinstance(held, str) else [*map(_sendable, held)]
                        for key, held in request.query.items()
                    }
                    or None,
                    content=_body(request),
                    headers={**_TYPED[request.json is not None], **request.headers, **credentials},
                ) as answer,
            ):
                content = self._whole(answer)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise _unsendable(request, _words(error), self.side) from error
        except _NOT_SENT as error:
            return NotSent(detail=_words(error))
        except httpx.HTTPError as error:
            return NoAnswer(detail=_words(error))
        self._note_date(answer.headers.get("date", ""))
        return Answered(response=_response(answer, content))

    def _keeps_timing_out(self, request: Request) -> bool:
        return max(self._timeouts[""], self._timeouts[_endpoint(request)]) >= TIMEOUTS_IN_A_ROW

    def _time_limit(self, request: Request) -> float:
        """Seconds for the whole exchange: a request that is not repeatable gets the full time."""
        short = self._keeps_timing_out(request) and request.repeatable
        longest = min(self._timeout, self.guarded_for()) if request.writes else self._timeout
        return min(longest, SHORT_TIMEOUT) if short else longest

    def _whole(self, answer: httpx.Response) -> bytes:
        """The body.

        Raises:
            HTTPError: it is late, or larger than any answer.
        """
        content = bytearray()
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > LARGEST:
                raise httpx.ReadError(f"the answer is longer than {LARGEST >> 20} MiB")
            self._deadline.clamp(None, httpx.ReadTimeout)
        return bytes(content)

    def _worth_renewing(self, outcome: Outcome, used: Mapping[str, str]) -> bool:
        if not isinstance(outcome, Answered) or outcome.response.status != 401:
            return False
        # Another thread may have renewed them meanwhile.
        return self.auth.renewed(outcome.response) or self.auth.headers() != used

    def _count(self, request: Request, outcome: Outcome, seconds: float) -> None:
        status = outcome.response.status if isinstance(outcome, Answered) else 0
        with self._lock:
            self._answers[status] += 1
            # A broken connection fails at once, and is retried as usual.
            waited = not status and seconds >= min(SHORT_TIMEOUT, self._timeout)
            for each in ("", _endpoint(request)):
                self._timeouts[each] = 0 if status else self._timeouts[each] + waited

    def _wait(self, verdict: Retry) -> None:
        # A pause that the vendor requested is kept exactly; our own are spread.
        requested = getattr(verdict.error, "retry_after", None) is not None
        after = verdict.after if requested else verdict.after * (0.75 + self._chance() / 2)
        pause(self._clock, after)

    def _note_date(self, date: str) -> None:
        try:
            theirs = parsedate_to_datetime(date)
        except (ValueError, TypeError, OverflowError):
            return
        theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
        self._skew = (theirs - self._clock.now()).total_seconds()


def _endpoint(request: Request) -> str:
    """The endpoint of a request: its method, and its path without ids."""
    return f"{request.method} {_ID.sub('*', request.path)}"


NAP = 0.05
"""Seconds between two looks whether there is room in the rate budget."""


def _for_ever() -> float:
    return float("inf")


def _no_guard() -> None:
    """No other process can have the link."""


def _body(request: Request) -> bytes | None:
    # Escaped to ASCII: a lone surrogate in a text must not fail here.
    return None if request.json is None else json.dumps(request.json, allow_nan=False).encode()


def _sendable(text: str) -> str:
    """A value of a query; a lone surrogate becomes a `?`."""
    return text.encode("utf-8", "replace").decode()


def _response(answer: httpx.Response, content: bytes) -> Response:
    try:
        payload = json.loads(content) if content else None
    except (ValueError, RecursionError):
        payload = None
    return Response(
        status=answer.status_code,
        headers={name.lower(): held for name, held in answer.headers.items()},
        payload=payload,
        # Longer than an error may be, so that redaction sees a secret whole.
        text=_text(answer, content[: 16 * LONGEST_WORDS]) if payload is None else "",
    )


def _unsendable(request: Request, why: str, side: Side) -> Rejected:
    return Rejected(f"{request.label} cannot be sent: {why}", side=side)


def _text(answer: httpx.Response, start: bytes) -> str:
    try:
        return start.decode(answer.charset_encoding or "utf-8", "replace")[: 4 * LONGEST_WORDS]
    except (LookupError, ValueError):  # an unknown encoding
        return start.decode("latin-1")[: 4 * LONGEST_WORDS]


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()[:LONGEST_WORDS]
