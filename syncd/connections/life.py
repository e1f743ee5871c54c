"""When a token is renewed, and how long to wait after a try that brought none: arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Self

from syncd.store.connections import StoredConnection

SHARE = 0.1
"""A token is renewed when this share of its life is left."""

MOST_LEFT = 300.0
"""And never more seconds than these."""

_NEVER = datetime.min.replace(tzinfo=UTC)

GRACE = 30.0
"""Seconds for which HighLevel gives the same answer to the same refresh token (its changelog)."""

LOOKS_BACK = GRACE + 8.0
"""Seconds for which a lost answer is asked for again: the vendor may have acted as late as the
deadline of an exchange."""

LEASE = 10.0
"""Seconds of a lease: longer than an exchange, so that two tries fit into the vendor's grace."""

LONGEST_PAUSE = 300.0
"""Seconds for which a vendor's `Retry-After` is obeyed, at most."""

REST = 5.0
"""Seconds for which a process does not repeat a refused try, which thousands of links may share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """When a token ends, and when a new one is due (aware UTC)."""

    ends: datetime
    renew_at: datetime

    @classmethod
    def of(cls, row: StoredConnection) -> Self:
        """That of a row; one without a token has ended."""
        return cls(ends=row.token_ends or _NEVER, renew_at=row.renew_at or _NEVER)

    def due(self, now: datetime) -> bool:
        """Whether a new token is due."""
        return now >= self.renew_at

    def good_for(self, now: datetime) -> float:
        """Seconds for which the token is good."""
        return (self.ends - now).total_seconds()

    def rested(self, now: datetime, seconds: float) -> Life:
        """The same, with nobody asking for a new one for so many seconds."""
        return replace(self, renew_at=max(self.renew_at, now + timedelta(seconds=seconds)))


def renewal(at: datetime, seconds: float, row: StoredConnection | None) -> Life:
    """The life of a token that was asked for at an instant and is good for so many seconds.

    `row` is the connection as it was before; None for one that a person makes now.
    A row that had no living token may be one of thousands that are renewed in one go:
    its first renewal falls somewhere in the second half of the life, and the next ones
    keep that distance from each other.
    """
    after = seconds - min(seconds * SHARE, MOST_LEFT)
    if row is not None and not (row.token_ends and row.token_ends > at):
        after *= 0.5 + _point(f"{row.vendor} {row.account}") / 2
    return Life(ends=at + timedelta(seconds=seconds), renew_at=at + timedelta(seconds=after))


def _point(key: str) -> float:
    """A point in [0, 1) that is always the same for the same key."""
    return int.from_bytes(blake2b(key.encode(), digest_size=6).digest()) / 2**48
