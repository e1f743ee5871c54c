"""A rate budget of which only half is used, so that whoever works meanwhile has the other half.

`syncd audit` reads through it: the cycles go first, those of a daemon in another
process too, since the store tells how much all processes use. While they use more than
half, a small share is taken all the same, so that an audit ends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from threading import Lock

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent
from syncd.ports.clock import Clock
from syncd.providers.message import Response
from syncd.providers.rate_budget import Budget, BudgetView, Permit
from syncd.providers.rate_window import pause

PAUSE = 0.1
"""Seconds between two looks at whether more than half is free."""

KEPT = 10
"""One part in so many of a daily quota is left to the cycles."""


class SpareBudget:
    """The spare part of an account's budget."""

    def __init__(
        self,
        side: Side,
        inner: Budget,
        clock: Clock,
        *,
        take: Callable[[Side], None] = lambda _: None,
        share: float = 0.0,
    ) -> None:
        """`take` is called before each request, and may raise where there were enough.

        `share` is the part of the limit that is used even where the rest is busy.
        """
        self.inner, self._side, self._clock, self._take = inner, side, clock, take
        self._share, self._turn, self._passed_at = share, Lock(), clock.monotonic()

    @property
    def zone(self) -> tzinfo | None:
        """See `RateBudget.zone`."""
        return self.inner.zone

    @zone.setter
    def zone(self, found: tzinfo | None) -> None:
        self.inner.zone = found

    def acquire(self, kind: str = "") -> Permit:
        """See `RateBudget.acquire`; waits until more than half of each limit is free.

        Raises:
            StoreError: our own store failed.
            DailyBudgetSpent: less than a tenth of the day's quota is left.
        """
        view = self.inner.view()
        if view.daily and view.daily_left is not None and view.daily_left * KEPT < view.daily:
            raise DailyBudgetSpent(
                f"less than a tenth of {self._side.label}'s daily quota is left, and that is for "
                "the cycles: run this again after the quota is renewed",
                side=self._side,
                until=view.spent_until or self._clock.now(),
            )
        with self._turn:
            while not (view.paused_seconds or self.inner.is_half_free(kind) or self._is_due(view)):
                pause(self._clock, PAUSE)
                view = self.inner.view()
            self._passed_at = self._clock.monotonic()
        self._take(self._side)
        return self.inner.acquire(kind)

    def observe(self, response: Response, kind: str = "", *, sent: float | None = None) -> None:
        """See `RateBudget.observe`."""
        self.inner.observe(response, kind, sent=sent)

    def available(self, within: float = 0.0) -> int:
        """See `RateBudget.available`."""
        return max(0, self.inner.available(within) - self.inner.view().limit.requests // 2)

    def _is_due(self, view: BudgetView) -> bool:
        """Whether the share lets a request pass however busy the account is."""
        if not self._share:
            return False
        every = view.limit.seconds / (view.limit.requests * self._share)
        return self._clock.monotonic() - self._passed_at >= every
