"""What the status of every link rests on, read with a few statements for all of them.

The page and `/healthz` of thousands of links need it: a link at a time would
take as many round trips, and longer than a listener waits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from syncd.core import looks
from syncd.core.model import Hold
from syncd.ports.store import CycleRow, HistoryEntry
from syncd.store import reads
from syncd.store.reads import Ask

CYCLES = 10
"""The last cycles of each link that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOverview:
    """`ports.store.StatusReader` of one link, as it stood when all were read."""

    pairs: int = 0
    states: Mapping[str, str] = field(default_factory=dict)
    held: Sequence[Hold] = ()
    lately: Sequence[CycleRow] = ()
    """The last `CYCLES`, newest first."""
    later: Sequence[int] = ()
    """The keys of the pairs that were made after the last look at all of them, in order."""

    def get_state(self, name: str) -> str:
        """The value of a state key, "" if it was never set."""
        return self.states.get(name, "")

    def count_pairs(self) -> int:
        """How many pairs live."""
        return self.pairs

    def count_later(self, key: int) -> int:
        """How many of them have a higher key than that of the last look."""
        return len(self.later) - bisect_right(self.later, key)

    def holds(self) -> list[Hold]:
        """The holds, oldest first."""
        return [*self.held]

    def cycles(self, limit: int = 20, *, cycle: str = "") -> list[CycleRow]:
        """The last cycles, newest first, at most `CYCLES` of them; or the one of that id."""
        return [row for row in self.lately[:limit] if cycle in {"", row.cycle}]

    def history(
        self, record_id: str = "", *, cycle: str = "", limit: int = 0
    ) -> list[HistoryEntry]:
        """Nothing: only the details of one link show it."""
        del record_id, cycle, limit
        return []


def read(ask: Ask, states: Sequence[str]) -> dict[str, LinkOverview]:
    """Every link of the store by name, with these state keys."""
    found = reads.every_state(ask, states)
    looked = (looks.read(each.get(looks.LOOK, "")) for each in found.values())
    least = min((look.through for look in looked if look is not None), default=None)
    later = reads.every_later_pair(ask, least) if least is not None else {}
    holds, cycles = reads.every_hold(ask), reads.every_cycle(ask, CYCLES)
    return {
        name: LinkOverview(
            pairs=living,
            states=found.get(key, {}),
            held=holds.get(key, ()),
            lately=cycles.get(key, ()),
            later=later.get(key, ()),
        )
        for key, name, living in reads.every_link(ask)
    }
