"""What a cycle saw, as values: known pairs, records without a pair, and what follows.

The engine fills them after reading, `matching` finds pairs among the records
that have none, and `plan` judges what comes out. *Unseen* is kept apart from
*gone* here: a record that was not shown is never taken for deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core.contacts import Resolution
from syncd.core.model import Hold, Missing, Pair, Side, Snapshot

MatchKey = tuple[str, datetime | None]
"""A contact and a start."""

Seen = Snapshot | Missing
"""A record that was asked for: shown, or not (which proves nothing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A pair and what each side shows of it now.

    With `met`, the two records were matched just now, and the pair is new.
    With `followed`, one of them has another id than the store knows.
    """

    pair: Pair
    ghl: Seen
    hubspot: Seen
    met: bool = False
    followed: bool = False

    def on(self, side: Side) -> Seen:
        """What that side shows."""
        return self.ghl if side is Side.GHL else self.hubspot


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A record to create on the other side, and its contact there."""

    record: Snapshot
    contact: Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything that plan has to judge in this cycle."""

    sightings: tuple[Sighting, ...] = ()
    new_records: tuple[NewRecord, ...] = ()
    holds: tuple[Hold, ...] = ()
    parted: frozenset[str] = frozenset()
    """Ids of new records that are no duplicates only by a person's decision."""
    free: frozenset[tuple[Side, MatchKey]] = field(default=frozenset(), compare=False)
    """Match keys of active records without a pair: what is created there may be a duplicate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedRecords:
    """Records of both sides that no pair knows, and what is known around them."""

    ghl: Mapping[str, Seen] = field(default_factory=dict)
    """Listed records, and those that were asked for because an external id names them."""
    hubspot: Mapping[str, Snapshot] = field(default_factory=dict)
    paired_at: Mapping[Side, Collection[Pair]] = field(default_factory=dict)
    """By side, the pairs that have the match key of a record without a pair."""
    paired_ids: frozenset[str] = frozenset()
    """HighLevel ids that belong to a pair, among the external ids of these records."""
    beside: frozenset[str] = frozenset()
    """HighLevel ids that no list showed: they may be matched, but create nothing by themselves."""

    def with_more(self, more: UnpairedRecords) -> UnpairedRecords:
        """All of them; the pairs at their match keys have to be looked up anew."""
        return UnpairedRecords(
            ghl={**self.ghl, **more.ghl},
            hubspot={**self.hubspot, **more.hubspot},
            paired_ids=self.paired_ids | more.paired_ids,
            beside=self.beside | more.beside,
        )

    def without(self, ids: Collection[str]) -> UnpairedRecords:
        """These, without some ids of either side."""
        if not ids:
            return self
        return replace(
            self,
            ghl={each: seen for each, seen in self.ghl.items() if each not in ids},
            hubspot={each: seen for each, seen in self.hubspot.items() if each not in ids},
        )
