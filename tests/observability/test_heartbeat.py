from datetime import UTC, datetime

import pytest

from syncd.observability.heartbeat import CyclePoint, Heartbeat, read
from syncd.observability.state import State
from syncd.observability.traffic import Budget

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_a_note_reads_as_it_was_written() -> None:
    heartbeat = Heartbeat(
        state=State.WAITING,
        at=AT,
        detail="…",
        since=AT,
        failures=3,
        next_due=AT,
        good_at=AT,
        poll_seconds=75.5,
        asked_seconds=60.0,
        stretched_by="half of HighLevel's 200,000 requests a day",
        planned={"hubspot": 40},
        budgets={"ghl": Budget(used=10, limit=100, seconds=10.0, daily_left=5, spent_until=AT)},
        pace={"ghl": 12.5},
        recent=(CyclePoint(at=AT, kind="incremental", outcome="ok", seconds=0.3),),
        stopped=True,
    )
    assert read(heartbeat.as_text()) == heartbeat


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"state": "ok"}', '{"state": "of another version", "at": "2026"}'],
)
def test_what_cannot_be_read_is_no_note(text: str) -> None:
    assert read(text) is None
