"""Plan, and where that leaves a question open, ask for the evidence and plan again.

`rounds` calls `decide`. Two questions can be open: who changed a contested
field last (one request for all conflicts of the cycle), and whether something
on the other side fights back (our own history of the last hour).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from syncd.core.actions import Change, Update
from syncd.core.context import PlanContext
from syncd.core.guards import GuardOverrides, Plan, RecentWrites
from syncd.core.model import GroupKey, Pair, Side
from syncd.core.observe import Observed
from syncd.core.plan import plan
from syncd.core.policy import Policy, Winner
from syncd.engine import report
from syncd.engine.link import Link
from syncd.engine.report import CycleReport

LEAST_SKEW = 2.0
"""Seconds."""

FIGHT_WRITES = 3
"""So many writes of a field undone within the hour, and a value that was written before."""

FIGHT_CEILING = 10
"""So many writes of a field undone within the hour are a fight, whatever their values."""


def decide(
    link: Link,
    observed: Observed,
    context: PlanContext,
    past: RecentWrites,
    allowed: GuardOverrides,
    *,
    retried: Callable[[Pair], bool] = lambda _: False,
) -> Plan:
    """Plan; where that leaves a question open, ask for the evidence and plan again.

    `retried` says of which pairs a person wants every write tried once more,
    whatever became of the last ones.
    """
    made = plan(observed, context, past, allowed)
    evidence = replace(
        context.evidence,
        edited_at=_edits(link, made, context.policy),
        fought=_fights(link, made, context.policy, retried),
    )
    if not evidence.edited_at and not evidence.fought:
        return made
    return plan(observed, replace(context, evidence=evidence), past, allowed)


def clock_skew(link: Link, said: CycleReport) -> dict[Side, timedelta]:
    """How far the vendors' clocks are ahead of ours, as far as a `Date` header can tell.

    Such a header counts whole seconds and was on its way for a while, so less
    than `LEAST_SKEW` is taken for none.
    """
    seconds = {side: link.side(side).skew_seconds or 0.0 for side in Side}
    said.clock_skew = {side.value: round(ahead, 1) for side, ahead in seconds.items()}
    return {
        side: timedelta(seconds=ahead) for side, ahead in seconds.items() if abs(ahead) > LEAST_SKEW
    }


def _edits(link: Link, made: Plan, policy: Policy) -> dict[tuple[Side, str, GroupKey], datetime]:
    """When contested fields were changed: one request for all conflicts of the cycle."""
    contested = {
        write.pair.hubspot_id
        for write, change in _changes(made)
        if change.lost and policy.winner(change.group) is Winner.NEWEST
    }
    if not contested:
        return {}
    return {
        (Side.HUBSPOT, record_id, edit.group): edit.at
        for record_id, edits in link.hubspot.edits(contested).items()
        for edit in edits
    }


def _fights(
    link: Link, made: Plan, policy: Policy, retried: Callable[[Pair], bool]
) -> dict[tuple[int, Side, GroupKey], int]:
    """Groups whose writes were undone again and again within the hour.

    A person who changes their mind on one side sends value after value to the
    other, which keeps each: however often, that is no fight.
    """
    changes = [each for each in _changes(made) if not retried(each[0].pair)]
    keys = {write.pair.key for write, _ in changes if write.pair.key}
    if not keys:
        return {}
    lately = link.store.writes_since(policy.now - timedelta(hours=1), keys)
    written: dict[tuple[int, str], list[tuple[Side, str | None]]] = {}
    for entry in lately:
        if entry.action != "create":
            written.setdefault((entry.pair_key, entry.field), []).append((entry.side, entry.after))
    fights: dict[tuple[int, Side, GroupKey], int] = {}
    for write, change in changes:
        for name, (_, after) in report.field_values(
            change.group, change.before, change.after
        ).items():
            past, new = written.get((write.pair.key, name), []), (write.side, after)
            undone = sum(_undone(*each) for each in pairwise((*past, new)))
            if undone >= FIGHT_CEILING or (undone >= FIGHT_WRITES and new in past):
                fights[write.pair.key, write.side, change.group] = undone
    return fights


def _undone(earlier: tuple[Side, str | None], later: tuple[Side, str | None]) -> bool:
    """Whether a value that we wrote did not last: the next one had to go the other way.

    Or the same value had to be written to the same side once more.
    """
    return earlier[0] is not later[0] or earlier[1] == later[1]


def _changes(made: Plan) -> list[tuple[Update, Change]]:
    return [
        (write, change)
        for write in made.writes
        if isinstance(write, Update)
        for change in write.changes
    ]
