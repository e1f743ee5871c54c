"""How far a person's approval of a first sync goes (promise 14).

It lasts until the first sync is complete, over restarts and outages, and
covers what comes after it was shown, as long as the writes on each side are at
most twice the number that was shown. The scheduler reads it from the decision,
`cycle` holds the plan against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.core.model import Side
from syncd.ports.store import LinkStore

SHOWN = "first_sync_shown"
"""The cursor that holds what people were shown of a first sync that waits: writes by side."""

ASK_ABOVE = 25
"""A first sync with more writes than this on a side waits for a person (`first_sync`)."""

STRETCH = 2
"""So many times the writes that were shown may be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What was shown when a person let a first sync go, and when that was."""

    at: datetime
    shown: Mapping[Side, int] | None
    """Writes by side; None where nothing had been shown yet."""

    def left(self, store: LinkStore) -> Mapping[Side, int] | None:
        """How many more writes it covers, by side; None for however many."""
        if self.shown is None:
            return None
        written = store.written_since(self.at)
        return {side: STRETCH * self.shown.get(side, 0) - written.get(side, 0) for side in Side}
