"""When a refused write is tried again: `poll` and `plan.backoff` ask."""

from __future__ import annotations

from datetime import datetime, timedelta

from syncd.core.model import Hold

BACKOFF = (60.0, 300.0, 900.0, 3600.0, 21600.0)
"""Seconds that a refused write waits before it is tried again unchanged."""


def pause_after(attempts: int) -> timedelta:
    """How long it waits after so many attempts, 1 or more."""
    return timedelta(seconds=BACKOFF[min(max(attempts, 1), len(BACKOFF)) - 1])


def waits(hold: Hold, now: datetime) -> bool:
    """Whether it is too early for another attempt.

    One that would wait for longer than its pause is, was put off before the
    clock was set back: it is due.
    """
    return hold.retry_at is not None and now < hold.retry_at <= now + pause_after(hold.attempts)
