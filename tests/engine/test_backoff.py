"""When a refused write is tried again, also after somebody set the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.model import Hold
from syncd.engine.backoff import BACKOFF, pause_after, waits

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def put_off(attempts: int) -> Hold:
    """A hold as it is kept now."""
    return Hold(
        ghl_id="g1",
        hubspot_id="h1",
        group="",
        reason="rejected",
        detail="no",
        since=NOW,
        attempts=attempts,
        retry_at=NOW + pause_after(attempts),
    )


@pytest.mark.parametrize("attempts", [1, 2, 3, 4, 5, 50])
def test_it_waits_for_its_pause_and_no_longer(attempts: int) -> None:
    hold, pause = put_off(attempts), pause_after(attempts)
    assert pause.total_seconds() <= BACKOFF[-1]
    assert waits(hold, NOW)
    assert waits(hold, NOW + pause - timedelta(seconds=1))
    assert not waits(hold, NOW + pause)


@pytest.mark.parametrize("attempts", [1, 2, 3, 4, 5, 50])
@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=400)])
def test_a_clock_that_is_set_back_keeps_nothing_waiting(attempts: int, back: timedelta) -> None:
    assert not waits(put_off(attempts), NOW - back)


def test_what_was_never_put_off_is_due() -> None:
    assert not waits(replace(put_off(1), retry_at=None), NOW)
