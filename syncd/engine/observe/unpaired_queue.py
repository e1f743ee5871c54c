"""The records without a pair that wait for their turn, in a first sync all of them.

`sightings` takes as many at a time as can be looked up soon, so that ten
thousand new records do not delay a change by a person.
Who may be one appointment takes the same turn: records of the same start, and
records of which one carries the other's id or that a person paired. Leaves
out what comes of them (`core.observe`).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime

from syncd.core.guards import RecentWrites
from syncd.core.model import Side, Snapshot
from syncd.core.observe import Seen, UnpairedRecords
from syncd.core.policy import Policy

FIRST_TURN = 100
"""How many records are looked up at first; HubSpot is asked for a hundred addresses at once."""

LARGEST_TURN = 2_000

QUICK, SLOW = 1.0, 3.0
"""Seconds that a turn's look-ups take: below the one the next turn is twice as large, beyond the
other half."""

_Group = list[tuple[Side, str]]
"""Records that take the same turn, by side and id."""


class UnpairedQueue:
    """What waits, by side and id."""

    def __init__(self) -> None:
        self._ghl: dict[str, Seen] = {}
        self._hubspot: dict[str, Snapshot] = {}
        self._paired_ids: frozenset[str] = frozenset()
        self._fresh: set[str] = set()
        self._line: deque[_Group] | None = None
        """The order of turns, of those too who have left since; None where it is not known."""
        self._most = FIRST_TURN

    def __len__(self) -> int:
        return len(self._ghl) + len(self._hubspot)

    def add(self, unpaired: UnpairedRecords, *, fresh: bool = False) -> None:
        """More of them, or what is known of them now; those that are fresh take the next turn."""
        self._ghl |= unpaired.ghl
        self._hubspot |= unpaired.hubspot
        self._paired_ids |= unpaired.paired_ids
        self._line = None
        if fresh:
            self._fresh |= {*unpaired.ghl, *unpaired.hubspot}

    def drop(self, side: Side, ids: Iterable[str]) -> None:
        """They are not there any more, or are known under another id."""
        records: dict[str, Seen] | dict[str, Snapshot]
        records = self._ghl if side is Side.GHL else self._hubspot
        for record_id in ids:
            records.pop(record_id, None)

    def may_trip(self, policy: Policy, past: RecentWrites) -> bool:
        """Whether they may be more than the change guard lets through.

        Then all of them have to be known before the first is written.
        """
        # A contact that is made for one of them is a creation too.
        most = max(
            len(records) * (2 if side in policy.create_contacts_on else 1)
            for side, records in ((Side.HUBSPOT, self._ghl), (Side.GHL, self._hubspot))
        )
        return not past.first and policy.change_guard.tripped(most, past.pairs)

    def may_exceed(self, covered: Mapping[Side, int] | None, past: RecentWrites) -> bool:
        """Whether they may be more than a person let go of a first sync.

        Each may need a contact made across beside its record.
        """
        if covered is None:
            return False
        most = {Side.HUBSPOT: 2 * len(self._ghl), Side.GHL: 2 * len(self._hubspot)}
        return any(
            count + past.changes.get(side, 0) > covered[side] for side, count in most.items()
        )

    def took(self, seconds: float) -> None:
        """So long the look-ups of the last turn took."""
        if seconds < QUICK:
            self._most = min(2 * self._most, LARGEST_TURN)
        elif seconds > SLOW:
            self._most = max(self._most // 2, FIRST_TURN)

    def turn(self, policy: Policy, *, all_: bool = False) -> UnpairedRecords:
        """Those whose turn it is: the fresh ones, then what starts soonest.

        In the order in which they came, so that the same readings lead to the same plan.
        """
        if all_ or len(self) <= self._most:
            ghl, hubspot = list(self._ghl), list(self._hubspot)
        else:
            ghl, hubspot = self._soonest(policy)
        taken = UnpairedRecords(
            ghl={each: self._ghl.pop(each) for each in ghl},
            hubspot={each: self._hubspot.pop(each) for each in hubspot},
            paired_ids=self._paired_ids,
        )
        self._fresh -= {*ghl, *hubspot}
        return taken

    def _soonest(self, policy: Policy) -> tuple[list[str], list[str]]:
        if self._line is None:
            # Once for many turns: a hundred thousand records have fifty.
            by_urgency = sorted(self._groups(policy), key=lambda each: self._urgency(each, policy))
            self._line = deque(by_urgency)
        ghl, hubspot = list[str](), list[str]()
        while self._line and len(ghl) + len(hubspot) < self._most:
            for side, record_id in self._line.popleft():
                if side is Side.GHL and record_id in self._ghl:
                    ghl.append(record_id)
                elif side is Side.HUBSPOT and record_id in self._hubspot:
                    hubspot.append(record_id)
        return ghl, hubspot

    def _urgency(self, group: _Group, policy: Policy) -> tuple[bool, bool, float]:
        fresh = any(record_id in self._fresh for _, record_id in group)
        waits = [
            (ahead < 0, abs(ahead))
            for side, record_id in group
            if (start := self._start(side, record_id)) is not None
            for ahead in ((start - policy.now).total_seconds(),)
        ]
        return (not fresh, *min(waits, default=(True, 0.0)))

    def _start(self, side: Side, record_id: str) -> datetime | None:
        seen = self._ghl[record_id] if side is Side.GHL else self._hubspot[record_id]
        return seen.appointment.start if isinstance(seen, Snapshot) else None

    def _groups(self, policy: Policy) -> Iterable[_Group]:
        """Records that may have to do with each other: of one start, or tied by an id."""
        tied = UnionFind()
        for side, records in ((Side.GHL, self._ghl), (Side.HUBSPOT, self._hubspot)):
            for record_id in records:
                here = (side, record_id)
                tied.tie(here, self._start(side, record_id))
                other = policy.override(record_id).pair_with
                if other:
                    tied.tie(here, (side.other, other))
        for record_id, record in self._hubspot.items():
            if record.external_id:
                tied.tie((Side.HUBSPOT, record_id), (Side.GHL, record.external_id))
        groups: dict[object, _Group] = defaultdict(list)
        for side, records in ((Side.GHL, self._ghl), (Side.HUBSPOT, self._hubspot)):
            for record_id in records:
                groups[tied.root((side, record_id))].append((side, record_id))
        return groups.values()


class UnionFind:
    """Which things belong together, whatever they are."""

    def __init__(self) -> None:
        self._above: dict[object, object] = {}

    def root(self, thing: object) -> object:
        """The one that stands for everything in the same set."""
        while (above := self._above.get(thing, thing)) != thing:
            # Halve the way for those who come after.
            self._above[thing] = self._above.get(above, above)
            thing = self._above[thing]
        return thing

    def tie(self, one: object, other: object) -> None:
        """Join the sets of these two."""
        self._above[self.root(one)] = self.root(other)
