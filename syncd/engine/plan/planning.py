"""Plan: decide what to write, with the evidence that the decision needs.

`cycle` and `rounds` call `plan`. The decision itself is `core.plan`. Where it
leaves a question open, the evidence is asked for and everything is planned
again. Two questions can be open: who changed a contested field last (one
request for all conflicts of the round), and whether something on the other
side undoes our writes (our own history of the last hour).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import structlog

from syncd.core import plan as core_plan
from syncd.core.actions import Change, Update
from syncd.core.contacts import Known
from syncd.core.context import Evidence, PlanContext
from syncd.core.guards import Plan
from syncd.core.model import GroupKey, Hold, Side, Snapshot
from syncd.core.policy import Winner
from syncd.core.translate import Translator
from syncd.engine.context import CycleContext
from syncd.engine.decisions.approved_plan import ApprovedPlan, approved_only
from syncd.engine.decisions.completion import MOVED_ON
from syncd.engine.link import Link
from syncd.engine.observe.sightings import Observation
from syncd.engine.plan.backoff import put_off
from syncd.engine.planned_writes import field_values

log = structlog.get_logger(__name__)

LEAST_SKEW = 2.0
"""Seconds."""

FIGHT_WRITES = 3
"""So many writes of a field undone within the hour, and a value that was written before."""

FIGHT_CEILING = 10
"""So many writes of a field undone within the hour are a fight, whatever their values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one round does, and what it rests on."""

    observation: Observation
    plan: Plan
    """What goes out in this round, and what the guards keep back."""
    waiting: tuple[Hold, ...] = ()
    """Refused writes that wait for their next attempt."""
    approved: ApprovedPlan = field(default_factory=ApprovedPlan)
    """What of approved plans is planned now."""
    clock_skew: dict[Side, float] = field(default_factory=dict)
    """Seconds that each vendor's clock is ahead of ours."""
    recheck: tuple[str, ...] = ()
    """HubSpot records whose owner was edited and cannot be translated now."""


def plan(observation: Observation) -> Planned:
    """Decide what follows from what was observed.

    Raises:
        ProviderError: evidence could not be read.
    """
    turn = observation.turn
    context = turn.polled.context
    link, decisions = context.link, context.decisions
    seconds = {side: link.side(side).skew_seconds or 0.0 for side in Side}
    evidence = Evidence(
        reverts=tuple(u.revert for u in decisions.undos if u.part not in turn.settled),
        skew=_skew(seconds),
        first_sync=context.first_sync,
        looked=context.last_polled,
    )
    found = _decide(observation, evidence)
    waiting: tuple[Hold, ...] = ()
    if refused := [each for each in turn.polled.held if each.reason == "rejected"]:
        found, waiting = put_off(link, found, refused, decisions)
    approved = ApprovedPlan()
    if decisions.only_parts:
        found, approved = approved_only(found, decisions)
    for line in approved.moved_on:
        # Beside a daemon, nobody sees the cycle's report.
        log.warning("write.left_out", detail=f"{MOVED_ON}: {line}")
    if context.request.rebuild:
        found = replace(found, writes=(), id_writes=())
    return Planned(
        observation=observation,
        plan=found,
        waiting=waiting,
        approved=approved,
        clock_skew=seconds,
        recheck=_unread_owners(observation) if context.translator.people_unread else (),
    )


def _decide(observation: Observation, evidence: Evidence) -> Plan:
    """Plan; where that leaves a question open, ask for the evidence and plan again."""
    turn = observation.turn
    context = turn.polled.context
    basis = PlanContext(
        policy=observation.policy,
        translator=_with_contacts(context.translator, observation),
        contacts=observation.contacts,
        evidence=evidence,
    )
    found = core_plan.plan(observation.observed, basis, turn.recent, context.allowed)
    changes = _changes(found)
    edited_at = _edits(context.link, changes, observation) if changes else {}
    fought = _fights(context, changes, observation) if changes else {}
    if not edited_at and not fought:
        return found
    basis = replace(basis, evidence=replace(evidence, edited_at=edited_at, fought=fought))
    return core_plan.plan(observation.observed, basis, turn.recent, context.allowed)


def _with_contacts(translator: Translator, observation: Observation) -> Translator:
    """The translator with the contacts that were looked up in this round."""
    book = observation.contacts
    known = {here: found.id for here, found in book.from_ghl.items() if isinstance(found, Known)}
    return replace(translator, contacts=known, merged=book.merged)


def _unread_owners(observation: Observation) -> tuple[str, ...]:
    """HubSpot records whose owner was edited, and that nobody can translate now."""
    return tuple(
        each.pair.hubspot_id
        for each in observation.observed.sightings
        if isinstance(each.hubspot, Snapshot)
        and each.hubspot.appointment.owner != each.pair.hubspot.owner
    )


def _skew(seconds: dict[Side, float]) -> dict[Side, timedelta]:
    """How far the vendors' clocks are ahead of ours, as far as a `Date` header can show.

    Such a header counts whole seconds and was on its way for a while, so less
    than `LEAST_SKEW` counts as none.
    """
    return {
        side: timedelta(seconds=ahead) for side, ahead in seconds.items() if abs(ahead) > LEAST_SKEW
    }


def _edits(
    link: Link, changes: list[tuple[Update, Change]], observation: Observation
) -> dict[tuple[Side, str, GroupKey], datetime]:
    """When contested fields were changed: one request for all conflicts of the round."""
    contested = {
        write.pair.hubspot_id
        for write, change in changes
        if change.lost and observation.policy.winner(change.group) is Winner.NEWEST
    }
    if not contested:
        return {}
    return {
        (Side.HUBSPOT, record_id, edit.group): edit.at
        for record_id, edits in link.hubspot.edits(contested).items()
        for edit in edits
    }


def _fights(
    context: CycleContext, changes: list[tuple[Update, Change]], observation: Observation
) -> dict[tuple[int, Side, GroupKey], int]:
    """Groups whose writes were undone again and again within the hour.

    A person who changes their mind on one side sends value after value to the
    other, which keeps each: however often, that is no fight. Nor is it one
    where a person wants every write of a pair tried once more.
    """
    decisions = context.decisions
    if decisions.words or decisions.retry_all:
        changes = [each for each in changes if not decisions.retries(each[0].pair)]
    keys = {write.pair.key for write, _ in changes if write.pair.key}
    if not keys:
        return {}
    since = observation.policy.now - timedelta(hours=1)
    written: dict[tuple[int, str], list[tuple[Side, str | None]]] = {}
    for entry in context.link.store.writes_since(since, keys):
        if entry.action != "create":
            written.setdefault((entry.pair_key, entry.field), []).append((entry.side, entry.after))
    fights: dict[tuple[int, Side, GroupKey], int] = {}
    for write, change in changes if written else ():
        fields = field_values(change.group, change.before, change.after)
        for name, (_, after) in fields.items():
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


def _changes(found: Plan) -> list[tuple[Update, Change]]:
    return [
        (write, change)
        for write in found.writes
        if isinstance(write, Update)
        for change in write.changes
    ]
