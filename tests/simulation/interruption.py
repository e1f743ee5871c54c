"""What happens between a plan and its writes: a person acts, or another syncd takes over.

`simulation` runs its interruptions through this. Between two steps of the lanes
no request is under way, and time passes first, so that whatever was read
before is too old to rest a write on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from harness import HarnessClock, in_turn

from syncd.engine.workers import Lane
from syncd.errors import LinkLocked

TOO_OLD = timedelta(seconds=6)
"""A look at a record serves for 5 seconds."""


class Lease:
    """What makes a link a process's own, until another has taken it."""

    def __init__(self, link: str) -> None:
        self._link = link
        self.lost = False

    def check(self) -> None:
        """As the client of either side asks before each request that writes."""
        if self.lost:
            raise LinkLocked(self._link, "the next holder")


class Interruption:
    """Lanes that are interrupted once, after so many of their steps."""

    def __init__(
        self, after: int, act: Callable[[], None], clock: HarnessClock, takes: timedelta = TOO_OLD
    ) -> None:
        self._left, self._act, self._clock, self._takes = after, act, clock, takes
        self.happened = False

    def lanes(self, lanes: Sequence[Lane]) -> None:
        """Work the lanes in turn, and interrupt them when it is time."""
        self._interrupt()
        in_turn([self._counted(lane) for lane in lanes])

    def _counted(self, lane: Lane) -> Lane:
        for step in lane:
            self._left -= 1
            self._interrupt()
            yield step

    def _interrupt(self) -> None:
        if self._left > 0 or self.happened:
            return
        self.happened = True
        self._clock.advance(self._takes)
        self._act()
