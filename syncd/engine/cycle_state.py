"""What a cycle knows of itself: its request, and what its steps gave so far.

`cycle` fills it, `rounds` adds to it, `finish` keeps what it comes to, and
`report` says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.model import Hold, Missing, Side
from syncd.engine.apply.results import WriteResults
from syncd.engine.context import CycleContext, CycleRequest
from syncd.engine.link import Link
from syncd.engine.plan.planning import Planned
from syncd.engine.poll.found_changes import FoundChange
from syncd.engine.poll.poll import PollResult
from syncd.engine.recover.recover import Recovered
from syncd.ports.announcements import Announced, Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was committed at the end of a cycle."""

    pairs: int
    held: tuple[Hold, ...] = ()
    """Earlier holds that the cycle did not judge: it did not come to its end, or was targeted."""
    warnings: tuple[str, ...] = ()
    closed: frozenset[int] = frozenset()
    """Keys of the announcements that were closed."""


@dataclass(slots=True, kw_only=True)
class Cycle:
    """One pass through the steps of a cycle, and what they gave so far."""

    link: Link
    request: CycleRequest
    id: str
    started_at: datetime | None
    """None for a further pass."""
    results: WriteResults
    recovered: Recovered = field(default_factory=Recovered)
    context: CycleContext | None = None
    polled: PollResult | None = None
    rounds: list[Planned] = field(default_factory=list)
    kept: Kept | None = None
    announced: list[Announcement] = field(default_factory=list)
    """What the cycle was told of, before it began and since."""
    changes: Mapping[Side, Mapping[str, FoundChange]] = field(default_factory=dict)
    """What the first poll found changed, where it was asked for."""
    read: dict[int, frozenset[tuple[Side, str]]] = field(default_factory=dict)
    """By key of an announcement, the records that were read for it after it came."""

    def note_read(self, announced: Iterable[Announcement], polled: PollResult) -> None:
        """Note the announcements of which everything was read in this poll."""
        self.announced += announced
        whole = not any(scan.passing for scan in polled.scans.values())
        for each in announced:
            records = polled.announced.get(each.key)
            if each.what is Announced.FULL and not self.request.full:
                continue
            if each.what is Announced.LINK and (self.request.targeted or not whole):
                continue
            if records is not None and all(_was_read(polled, *record) for record in records):
                self.read[each.key] = records


def _was_read(polled: PollResult, side: Side, record_id: str) -> bool:
    """Whether there is word of a record, if only that the vendor shows none."""
    seen = polled.seen[side].get(record_id)
    unsettled = (side, record_id) in polled.unsettled or (side, record_id) in polled.recheck
    return not (seen is None or unsettled or (isinstance(seen, Missing) and seen.unread))
