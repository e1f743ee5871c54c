"""Turns for what vendors announced: which announcements, which cycle, and how soon.

`turn` asks for a link that something was announced for, and imports this module
then. All that waits is one cycle. Between two targeted cycles of a link there is
a second at least; where several changes come within seconds, the next cycle gathers
what comes within two seconds, so that a burst is a few cycles and not dozens.
Changes that come one by one, each after the cycle of the one before, are no burst,
and neither is one that comes when nothing did for a while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from syncd.core.model import Side
from syncd.engine.report import CycleReport
from syncd.ports.announcements import MOST_WAITING, Announced, Announcement

GAP = 1.1
"""Seconds from the end of a targeted cycle to the next one of that link."""

QUIET = 1.5
"""Seconds from the end of a targeted cycle after which what comes belongs to no burst."""

BURST = 5.0
"""Seconds after which a targeted cycle is no part of a burst any more."""

GATHERED = 1.98
"""Seconds that a change in a burst waits at most, from when it came and the link was idle: contract
section 6 allows two."""

FIRST_RETRY, LAST_RETRY = 5.0, 45.0
"""Seconds until an announcement is tried again that could not be read: a minute at the most."""

Record = tuple[Side, str]


def retry_after(failures: int) -> float:
    """Seconds until the next try, after so many failed ones in a row."""
    return min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 10))


def wants_poll(announced: Sequence[Announcement]) -> bool:
    """Whether an incremental cycle is to read all of it, and not one by one."""
    single = {Announced.RECORD, Announced.CONTACT}
    return len(announced) > MOST_WAITING or any(each.what not in single for each in announced)


def wants_full(announced: Iterable[Announcement]) -> bool:
    """Whether a full cycle was asked for."""
    return any(each.what is Announced.FULL for each in announced)


@dataclass(slots=True)
class TargetedPace:
    """The last targeted cycles of a link; moments are monotonic seconds."""

    _ended: float = float("-inf")
    _cycles: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=8))
    """When each began, and how many records it was told of that nobody but people changed."""
    _gathers_until: float = float("-inf")
    """When a burst ends, and with it the wait of what came in it."""
    _wrote: frozenset[Record] = frozenset()
    """What the last one wrote: announcements of that are our own echo."""

    def from_then(self, now: float) -> float:
        """When the next one may begin at the earliest."""
        return max(now, self._ended + GAP)

    def earliest(self, waiting: Collection[Announcement], now: float, waited: float = 0.0) -> float:
        """When the next one may begin, with what waits for it, the oldest for so many seconds."""
        if now < self._gathers_until:
            return self._gathers_until
        lately = [count for began, count in self._cycles if now - began < BURST and count]
        together = max(self._fresh(waiting), *lately, 0) > 1
        due = self.from_then(now)
        if lately and together and now - self._ended < QUIET:
            since = max(self._ended, now - max(waited, 0.0))
            due = self._gathers_until = max(due, since + GATHERED)
        return due

    def ran(
        self, began: float, ended: float, taken: Collection[Announcement], report: CycleReport
    ) -> None:
        """A targeted cycle took these."""
        self._cycles.append((began, self._fresh(taken)))
        self._ended = ended
        self._wrote = frozenset(
            (each.side, each.ghl_id if each.side is Side.GHL else each.hubspot_id)
            for each in report.written
        )

    def _fresh(self, announced: Iterable[Announcement]) -> int:
        return len({(each.side, each.record) for each in announced} - self._wrote)


__all__ = ["TargetedPace", "retry_after", "wants_full", "wants_poll"]
