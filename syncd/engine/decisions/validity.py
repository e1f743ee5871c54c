"""Which of people's decisions still apply to what the records show now.

`observe` asks in every round, where there are decisions at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from syncd.core import essence
from syncd.core.model import Side, Snapshot
from syncd.core.observe import Sighting, UnpairedRecords
from syncd.core.policy import Override
from syncd.engine.decisions.basis import Shown
from syncd.engine.decisions.pending import Part, PendingDecisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What became of the open decisions in one round."""

    overrides: Mapping[str, Override] = field(default_factory=dict)
    """The decisions that apply, by record id, as the core takes them."""
    void: frozenset[Part] = frozenset()
    """Decisions that mean nothing any more: their records changed since."""
    faded: frozenset[Part] = frozenset()
    """Decisions of which some groups changed since."""
    reverted: Mapping[Part, bool] = field(default_factory=dict)
    """Of what is to be undone and can be seen: whether it shows what is to be put back."""


def validity(
    decisions: PendingDecisions, sightings: Iterable[Sighting], unpaired: UnpairedRecords
) -> Validity:
    """Compare the decisions with what these records show."""
    sightings = list(sightings)
    reverted = _reverted(decisions, sightings)
    if not decisions.words:
        return Validity(reverted=reverted)
    seen = _by_side(sightings, unpaired)

    def records(shown: Shown) -> Mapping[Side, Snapshot]:
        ids = {Side.GHL: str(shown["ghl_id"]), Side.HUBSPOT: str(shown["hubspot_id"])}
        return {side: seen[side][each] for side, each in ids.items() if each in seen[side]}

    overrides, void = decisions.overrides(records)
    return Validity(
        overrides=overrides,
        void=frozenset(void),
        faded=frozenset(decisions.faded(records)),
        reverted=reverted,
    )


def _by_side(
    sightings: Iterable[Sighting], unpaired: UnpairedRecords
) -> dict[Side, dict[str, Snapshot]]:
    """Every record that can be seen, by side and id."""
    seen: dict[Side, dict[str, Snapshot]] = {Side.GHL: {}, Side.HUBSPOT: {}}
    for sighting in sightings:
        for side in Side:
            if isinstance(shown := sighting.on(side), Snapshot):
                seen[side][sighting.pair.id_on(side)] = shown
    for record in (*unpaired.ghl.values(), *unpaired.hubspot.values()):
        if isinstance(record, Snapshot):
            seen[record.side][record.id] = record
    return seen


def _reverted(decisions: PendingDecisions, sightings: Iterable[Sighting]) -> dict[Part, bool]:
    shown = {sighting.pair.key: sighting for sighting in sightings}
    found: dict[Part, bool] = {}
    for undo in decisions.undos:
        revert = undo.revert
        sighting = shown.get(revert.pair_key)
        record = sighting.on(revert.side) if sighting else None
        if isinstance(record, Snapshot):
            now = essence.value(record.appointment, revert.group)
            fields = essence.to_report_fields(now, revert.group)
            found[undo.part] = fields.items() >= revert.back.items()
    return found
