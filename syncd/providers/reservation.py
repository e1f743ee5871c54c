"""Capacity that is kept for the next poll while a backfill is written.

Each client has one `Reservation`. The engine announces a poll through its
provider, the writer asks before it takes a command. The rate budget itself
gives reads the priority: they queue for it, while writes are taken only when
nothing queues. Leaves out the rate limits (`rate_budget`).
"""

from __future__ import annotations

from syncd.ports.clock import Clock
from syncd.ports.provider import NextPoll
from syncd.providers.rate_budget import RateBudget

LULL = 1.0
"""Seconds in which writing pauses for a poll at little cost, because few requests are left."""

WINDOW = 10.0
"""Seconds over which both vendors count bursts: what is unused in them is available afterwards."""


class Reservation:
    """Requests kept for one poll, and the time at which writing pauses for it."""

    def __init__(self, budget: RateBudget, clock: Clock) -> None:
        self._budget, self._clock = budget, clock
        self._poll: NextPoll | None = None
        self._written = False
        self._spare = 0

    def announce(self, poll: NextPoll | None, spare: int = 0) -> None:
        """Keep capacity for this poll from now on; for none with None. And `spare` requests."""
        self._poll, self._written, self._spare = poll, False, spare

    def write_done(self) -> None:
        """A write was answered: the poll does not take all the time."""
        self._written = True

    def is_due(self) -> bool:
        """Whether to pause writing now: its capacity is used up, but for what the poll needs.

        Writing would have to wait anyway, so the poll costs few writes. It is
        not due before something was written.
        """
        poll = self._poll
        if poll is None or not self._written or self._clock.monotonic() < poll.earliest:
            return False
        needed = self._needed(poll)
        return needed <= self._budget.available(LULL) <= 2 * needed

    def reserved(self) -> int:
        """Requests to keep free for the poll.

        Evenly spaced writes free enough by then; a burst frees none.
        """
        poll, now = self._poll, self._clock.monotonic()
        if poll is None or now >= poll.latest:
            return self._spare
        ahead = max(0.0, poll.earliest - now)
        if ahead > WINDOW:
            return self._spare
        freed = self._budget.available(ahead + LULL) - self._budget.available(ahead)
        return max(self._spare, self._needed(poll) - freed)

    def _needed(self, poll: NextPoll) -> int:
        """At most half of all capacity, so that writing goes on."""
        return min(poll.requests, self._budget.available(WINDOW + LULL) // 2)
