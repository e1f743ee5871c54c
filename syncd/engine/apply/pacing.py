"""When a run of writes is to end, and what HighLevel's lane leaves alone until then.

`apply` keeps one `Pace`. A look at what people did meanwhile is taken in a
lull, where little can be written anyway. Leaves out when to look next
(`rounds`), and what else ends a lane.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.model import Side
from syncd.engine.link import Link

LULL = 1.0
"""Seconds in which there is time for something else, where little can be sent in them."""

APPROACH = 10.0
"""Seconds, HighLevel's own window: what is not used in them is there when they are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePause:
    """When a run may end early: HighLevel's rate budget is used up for a while.

    Writing has to wait then anyway, so what else there is to do costs few writes.
    """

    since: float
    """Not before that moment (monotonic)."""
    needs: int
    """So many requests are to be sent to HighLevel then."""


class Pace:
    """The end of a run: a moment (monotonic), or a lull before it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lull: WritePause | None = None
        self.until: float | None = None

    def begin(self, until: float | None, lull: WritePause | None) -> None:
        """A run begins."""
        self.until, self._lull = until, lull

    def is_over(self, side: Side) -> bool:
        """Whether this run's time is up; a lull ends it too, once HighLevel's lane meets one."""
        now = self._link.clock.monotonic()
        if side is Side.GHL and self._lull is not None and self._is_lull(self._lull, now):
            self.until, self._lull = now, None
        return self.until is not None and now >= self.until

    def spare(self) -> int:
        """Places that HighLevel's lane leaves alone, because the next lull has too few of its own.

        Where the writes went out evenly, enough come back in it; where they
        went out at once, none does.
        """
        now, lull = self._link.clock.monotonic(), self._lull
        if lull is None or (self.until is not None and now >= self.until):
            return 0
        away = max(0.0, lull.since - now)
        if away > APPROACH:
            return 0
        coming = self._link.ghl.available(away + LULL) - self._link.ghl.available(away)
        return max(0, self._needs(lull) - coming)

    def _is_lull(self, lull: WritePause, now: float) -> bool:
        if now < lull.since:
            return False
        needs = self._needs(lull)
        # Enough can be sent in it for what is to be done, and not much more.
        return needs <= self._link.ghl.available(LULL) <= 2 * needs

    def _needs(self, lull: WritePause) -> int:
        """What is kept for a lull, of all that there is no more than half: writing goes on."""
        return min(lull.needs, self._link.ghl.available(APPROACH + LULL) // 2)
