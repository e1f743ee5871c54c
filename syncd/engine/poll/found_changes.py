"""What a poll found changed, for the scheduler: it learns from it how late a vendor announces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from syncd.core.model import Side, Snapshot
from syncd.engine.poll.poll import PollResult, fingerprint_of, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChange:
    """A record that a poll found changed."""

    stamp: datetime
    """The vendor's (UTC)."""
    shown: str
    """A digest of what it shows."""


def found_changes(polled: PollResult, since: datetime) -> dict[Side, dict[str, FoundChange]]:
    """The records that a poll found changed since then, by side and id; without a stamp, none."""
    found: dict[Side, dict[str, FoundChange]] = {}
    for side in Side:
        seen = polled.seen[side]
        ids = {*polled.changed[side], *unknown(polled, side)}
        found[side] = {
            record_id: FoundChange(stamp=shown.updated_at, shown=fingerprint_of(shown))
            for record_id in ids
            if isinstance(shown := seen.get(record_id), Snapshot)
            and shown.updated_at is not None
            and shown.updated_at > since
        }
    return found
