"""A vendor's rate limits in the headers of an answer.

`rate_budget` calls this with every answer. HighLevel's names are in its
Authorization page (the daily reset: observed 2026-07-17); HubSpot's in its usage
guidelines, absent on search. Every header is optional.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST_DAY = 25 * 3_600_000
_LONGEST_INTERVAL = 60.0
"""Seconds; both vendors count bursts over ten."""

_MOST = 100_000
"""Requests; neither vendor allows nearly as many in a burst."""

_PREFIXES = ("x-hubspot-ratelimit-", "x-ratelimit-")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateHeaders:
    """Limits as the vendor gives them; None for what is missing.

    `most` requests are allowed in any `seconds`, `left` of them remain;
    `daily_left` remain of the day's `daily`, and the day ends in
    `daily_reset` seconds.
    """

    most: int | None = None
    left: int | None = None
    seconds: float | None = None
    daily: int | None = None
    daily_left: int | None = None
    daily_reset: float | None = None


def read(headers: Mapping[str, str]) -> RateHeaders:
    """Read the rate headers of either vendor; names are lower case."""
    for prefix in _PREFIXES:
        numbers = {
            name.removeprefix(prefix): number
            for name, text in headers.items()
            if name.startswith(prefix) and (number := _number(text)) is not None
        }
        if numbers:
            return _of(numbers)
    return RateHeaders()


def _of(numbers: Mapping[str, int]) -> RateHeaders:
    interval = numbers.get("interval-milliseconds")
    reset = numbers.get("daily-reset")
    most, seconds = numbers.get("max"), interval / 1000 if interval else None
    if seconds is not None and (seconds > _LONGEST_INTERVAL or (most or 0) > _MOST):
        seconds = None  # No such limit exists: obeying it would stop everything.
    return RateHeaders(
        most=most,
        left=numbers.get("remaining"),
        seconds=seconds,
        daily=numbers.get("limit-daily", numbers.get("daily")),
        daily_left=numbers.get("daily-remaining"),
        # The milliseconds that remain (observed 2026-07-17); more than a day is no such count.
        daily_reset=reset / 1000 if reset is not None and reset <= _LONGEST_DAY else None,
    )


def _number(text: str) -> int | None:
    try:
        return max(0, int(float(text)))
    except (ValueError, OverflowError):
        return None
