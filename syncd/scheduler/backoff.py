"""When a link is due again: plain arithmetic, no clock and no thread.

The shift asks after every cycle. Back-off grows from the poll interval, so
that a link that polls often also recovers fast. Leaves out the daily quota
(`quota`).
"""

from __future__ import annotations

from syncd.core.outcome import Outcome

LONGEST_BACK_OFF = 300.0
"""Seconds: a vendor that is back is noticed within five minutes."""

LONGEST_REFUSED = 3600.0
"""Seconds: only a person can fix credentials, and more attempts may lock an account."""

REFUSED_STRETCH = 10
"""How many poll intervals the first pause after a refusal lasts."""

TAKE_OVER = 5.0
"""Seconds between attempts to get a link that another syncd holds."""

STORE_AWAY = 2.0
"""Seconds between attempts while our own store cannot be reached: they cost no vendor anything, and
all links have to run soon after its return."""

JITTER = 0.1
"""The share of an interval that chance may add, so that links do not march in step."""

LONGEST_SPREAD = 30.0
"""Seconds over which the first cycles of many links are spread."""


def pause_after(outcome: Outcome, failures: int, poll: float) -> float:
    """Seconds until the next cycle; `failures` counts this outcome's kind in a row, 1 or more."""
    match outcome:
        case Outcome.OK | Outcome.FAILED_WRITES | Outcome.GUARD:
            return poll
        case Outcome.LOCKED:
            return min(poll, TAKE_OVER)
        case Outcome.UNREACHABLE | Outcome.FAULT:
            return _doubled(poll, failures, LONGEST_BACK_OFF, poll)
        case Outcome.REFUSED | Outcome.NOT_PREPARED:
            return _doubled(REFUSED_STRETCH * poll, failures, LONGEST_REFUSED, poll)


def _doubled(first: float, failures: int, longest: float, poll: float) -> float:
    # A poll interval beyond the ceiling is itself the pause: failing never makes us ask more often.
    return max(poll, min(first * 2.0 ** min(failures - 1, 30), longest))


def jittered(pause: float, chance: float) -> float:
    """The pause with up to a tenth more; `chance` is in [0, 1)."""
    return pause * (1.0 + JITTER * chance)


def spread(position: int, count: int, poll: float) -> float:
    """Seconds after the start until the first cycle of the link at that position."""
    return position * min(poll, LONGEST_SPREAD) / max(count, 1)
