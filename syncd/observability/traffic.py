"""What went over the wire to one account, as plain numbers.

Bootstrap reads them off a link's clients and budgets; the metrics, the status
page and `status` show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many requests an account has left; None if no answer showed it."""

    used: int = 0
    """Requests in the window that runs now."""
    limit: int = 0
    seconds: float = 0.0
    """`limit` requests are allowed in any so many seconds."""
    daily_left: int | None = None
    daily: int | None = None
    silent_seconds: float = 0.0
    """Seconds until the end of the vendor's pause."""
    throttled_seconds: float = 0.0
    """How long requests have waited for their turn since the process began."""
    refusals: int = 0
    """How many 429 came since the process began."""
    spent_until: datetime | None = None
    """When a used-up daily quota is reset (UTC)."""

    @property
    def left(self) -> int:
        """Requests that may be sent at once."""
        return max(0, self.limit - self.used)

    def as_json(self) -> dict[str, object]:
        """The budget in the JSON of `status` and `/healthz`."""
        return {
            "left": self.left,
            "limit": self.limit,
            "per_seconds": self.seconds,
            "daily_left": self.daily_left,
            "daily": self.daily,
            "silent_seconds": round(self.silent_seconds, 3),
            "spent_until": self.spent_until.isoformat() if self.spent_until else None,
        }

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Budget:
        """The reverse; missing keys become None."""
        until = held.get("spent_until")
        limit = int(held.get("limit") or 0)
        return cls(
            used=limit - int(held.get("left") or 0),
            limit=limit,
            seconds=float(held.get("per_seconds") or 0.0),
            daily_left=held.get("daily_left"),
            daily=held.get("daily"),
            silent_seconds=float(held.get("silent_seconds") or 0.0),
            spent_until=datetime.fromisoformat(until) if until else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """One side of a link: its account's budget, and the answers to this link's requests."""

    budget: Budget = field(default_factory=Budget)
    answers: Mapping[str, int] = field(default_factory=dict)
    """Attempts by HTTP status ("200"), "none" where no answer came; since the link was opened."""
