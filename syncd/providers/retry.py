"""Whether to send a request again: one decision, as a value. Pure.

`http` calls `decide` after each attempt. Leaves out the wait itself, and the
rate budget (`rate_budget`), which may delay the next attempt for longer.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from syncd.errors import ProviderError, RateLimited, TimedOut, Unavailable
from syncd.providers.message import Answered, NoAnswer, NotSent, Outcome, Request, Response

ATTEMPTS = 5
"""Attempts altogether, where waiting helps (back-off: 0.5, 1, 2, 4 s)."""

OPTIONAL_ATTEMPTS = 3
"""Attempts for what a cycle can do without."""

PATIENCE = 60.0
"""Seconds that a request may wait inside a cycle; longer waits are for later cycles."""

PATIENCE_WITH_ANSWERS = 2 * PATIENCE
"""Seconds that it may wait where the vendor answers and says when to retry."""

LONGEST_WAIT = 25 * 3600.0
"""Seconds; the longest wait of either vendor is a day, so that more is an error of theirs."""

_LONGEST_HEADER = 64
"""Characters of a number or a date."""

_FIRST_PAUSE = 0.5
_LOCKED_PAUSE = 2.0
"""HubSpot's guidance for 423: at least two seconds (error-handling guide, 2026-03)."""
_POLICY_BY_TEXT = {"ten_secondly": "TEN_SECONDLY_ROLLING", "secondly": "SECONDLY", "daily": "DAILY"}
_NO_EFFECT = frozenset({423, 425, 429, 477, 521, 523, 525, 526})
"""Statuses of requests without effect: too many, locked, account migrating (HubSpot's
error-handling guide, 2026-03), and Cloudflare's "origin not reached"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """The adapter reads the answer itself, refusals included."""

    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Send it again after so many seconds."""

    after: float
    error: ProviderError
    """The error if there is no more time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Sending it again is useless, unsafe or too late."""

    error: ProviderError


Verdict = Accept | Retry | GiveUp


def decide(
    attempt: int,
    request: Request,
    outcome: Outcome,
    *,
    side: str = "",
    now: datetime | None = None,
    attempts: int = ATTEMPTS,
    spent: float = 0.0,
) -> Verdict:
    """What to do after the `attempt`-th try (1 is the first), `spent` seconds after it began.

    A request that is not repeatable is sent again only where it surely had no
    effect. `now` is needed to read a `Retry-After` that is a date.
    """
    error: ProviderError
    pause, patience = _back_off(attempt), PATIENCE
    match outcome:
        case Answered(response=response):
            if not _may_pass(response):
                return Accept(response=response)
            if not request.repeatable and _may_have_effect(response):
                return GiveUp(error=_outcome_unknown(request, response.summary, side))
            asked = retry_after(response, now)
            error = _error(request, response, side, asked)
            pause, patience = _pause(pause, response, asked), PATIENCE_WITH_ANSWERS
        case NotSent(detail=detail):
            error = Unavailable(
                f"cannot connect for {request.label}: {detail}; check the network and base_url",
                side=side,
            )
        case NoAnswer(detail=detail) if request.repeatable:
            error = TimedOut(
                f"no answer to {request.label}: {detail}; the next cycle tries again",
                side=side,
                sent=request.method != "GET",
            )
        case NoAnswer(detail=detail):
            return GiveUp(error=_outcome_unknown(request, detail, side))
    if attempt >= attempts or pause > PATIENCE or spent + pause > patience:
        return GiveUp(error=error)
    return Retry(after=pause, error=error)


def retry_after(response: Response, now: datetime | None = None) -> float | None:
    """Seconds that the answer asks to wait (`Retry-After`: seconds, or a date), or None.

    An impossible value, such as a moment in the past, is ignored.
    """
    text = response.headers.get("retry-after", "").strip()[:_LONGEST_HEADER]
    try:
        return _bounded(float(text))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if now is None:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return _bounded((until - now).total_seconds())


def _bounded(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and 0.0 < seconds <= LONGEST_WAIT else None


def policy_of(response: Response) -> str:
    """HubSpot's name for the limit that a 429 is about: SECONDLY, TEN_SECONDLY_ROLLING, DAILY.

    Every key of an error may be missing (error-handling guide): then its text has it.
    """
    body = response.payload
    named = body.get("policyName") if isinstance(body, dict) else None
    if named:
        return str(named).strip().upper()
    text = response.message.casefold()
    return next((policy for word, policy in _POLICY_BY_TEXT.items() if word in text), "")


def _may_pass(response: Response) -> bool:
    return (
        response.status in _NO_EFFECT
        or response.status == 408
        or response.status >= 500
        or _from_a_proxy(response)
    )


def _from_a_proxy(response: Response) -> bool:
    # A page instead of JSON, or a redirect, comes from a proxy: Cloudflare's "Error 1010" is a
    # 403 that looks like a missing permission and is none (observed 2026-09-12).
    garbled = response.payload is None and response.text.strip() != ""
    return garbled or 300 <= response.status < 400


def _may_have_effect(response: Response) -> bool:
    if response.status in _NO_EFFECT:
        return False
    return response.ok or response.status == 408 or response.status >= 500


def _error(
    request: Request, response: Response, side: str, wait: float | None
) -> RateLimited | Unavailable:
    message = f"{request.label}: {response.summary}"
    if response.status == 429:
        return RateLimited(message, side=side, retry_after=wait, policy=policy_of(response))
    return Unavailable(message, side=side, status=response.status, retry_after=wait)


def _outcome_unknown(request: Request, detail: str, side: str) -> TimedOut:
    return TimedOut(
        f"{request.label} may or may not have taken effect ({detail}); "
        "the next cycle looks before it tries again",
        side=side,
        sent=True,
    )


def _pause(pause: float, response: Response, asked: float | None) -> float:
    if asked is not None:
        return asked
    return max(pause, _LOCKED_PAUSE) if response.status == 423 else pause


def _back_off(attempt: int) -> float:
    return float(_FIRST_PAUSE * 2 ** (attempt - 1))
