"""What the next full cycle would do with each pair: the same steps, and nothing is written.

Records without a pair get no turn: matching them may take hundreds of requests while a
backfill runs, and no difference of a pair is explained by them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from syncd.core.actions import Create, Update, Write, WriteExternalId
from syncd.core.model import Group, GroupKey
from syncd.engine.context import CycleRequest
from syncd.engine.link import Link
from syncd.engine.observe.sightings import Turn, find, observe_turn
from syncd.engine.plan.planning import plan
from syncd.engine.poll.poll import poll
from syncd.engine.poll.prepare import prepare
from syncd.engine.recover.recover import recover

ALL = "*"
"""Stands for every group of a pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Reasons by pair key and group: what would be written, and what would be held."""

    reasons: dict[int, dict[GroupKey, str]] = field(default_factory=lambda: defaultdict(dict))

    def why(self, pair_key: int, group: GroupKey) -> str:
        """Why a difference is to be expected; "" where the next cycle would leave it."""
        found = self.reasons.get(pair_key, {})
        return found.get(group) or found.get(ALL, "")

    def expect(self, write: Write, reason: str) -> None:
        """Every group that a write carries has this reason."""
        if write.pair is None:
            return
        groups: tuple[GroupKey, ...] = (ALL,)
        if isinstance(write, Update):
            groups = tuple(change.group for change in write.changes)
        elif isinstance(write, WriteExternalId):
            groups = (*write.groups, *([Group.STATUS] if write.status else []))
        for group in groups:
            self.reasons[write.pair.key].setdefault(group, reason)


def forecast(link: Link) -> Forecast:
    """Ask the planner; `link` has the readings of the audit.

    Raises:
        ProviderError: something that planning needs could not be read.
        StoreError: our own store failed.
    """
    request = CycleRequest(full=True, dry_run=True)
    recovered = recover(link, "audit", dry_run=True)
    polled = poll(prepare(link, request, "audit"), recovered.unsettled)
    found_now = find(polled)
    turn = Turn(polled=polled, recent=polled.recent, sightings=found_now.sightings)
    planned = plan(replace(observe_turn(turn), found=found_now))
    found = Forecast()
    by_ids = {pair.ids: pair.key for pair in polled.pairs.values()}
    for hold in (*planned.plan.holds, *planned.waiting):
        if hold.ids in by_ids:
            found.reasons[by_ids[hold.ids]].setdefault(hold.group or ALL, f"held: {hold.reason}")
    for kept in planned.plan.kept_back:
        found.expect(kept.write, f"held: {kept.guard}")
    for write in (*planned.plan.writes, *planned.plan.id_writes):
        made = isinstance(write, Create)
        where = (
            f"it is made anew in {write.side.label}" if made else f"{write.side.label} is written"
        )
        found.expect(write, f"pending: {where}")
    return found
