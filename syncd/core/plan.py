"""What is to be done, and why: the page to read first.

`judge` looks at one sighting (a pair, and what each side shows of it now) and
says what follows; `welcome` does the same for a record without a pair; `plan`
does it for a whole cycle and puts the guards over it. Same input, same plan;
a settled world gives an empty one. Nothing here reads a clock or a network:
what it decides is carried out by `engine.apply`.

The ladder of `judge`, rung by rung:

1. A side cannot be seen: hold, and touch nothing. Unseen is never gone.
2. Both sides are gone: settled.
3. One side is gone, and the other was edited since: the edit beats the
   removal, and the record is made again. (A cancellation agrees with it.)
4. One side is gone, and the other is as it was: the link's removal rule.
5. A side is back that was gone: what we did for the removal is undone.
6. Both sides are there: merge, field by field.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.core import actions, essence
from syncd.core.actions import Action, Rebase, Remove
from syncd.core.bench import Bench, held, name
from syncd.core.fields import Reconciliation
from syncd.core.guards import Allowed, Past, Plan, guard
from syncd.core.making import make
from syncd.core.model import Group, GroupKey, Pair, Removal, Response, Side, Snapshot
from syncd.core.observe import Newcomer, Observed, Sighting
from syncd.core.policy import OnRemoval, Policy


def plan(observed: Observed, bench: Bench, past: Past, allowed: Allowed | None = None) -> Plan:
    """Judge everything that was observed, and put the guards over it."""
    decided: list[Action] = list(observed.holds)
    for sighting in observed.sightings:
        decided += judge(sighting, bench)
    for newcomer in observed.newcomers:
        decided += welcome(newcomer, bench)
    return guard(decided, bench, past, allowed or Allowed())


# --- one pair


def judge(sighting: Sighting, bench: Bench) -> list[Action]:
    """What follows from what the two sides show of a pair now."""
    pair, ghl, hubspot = sighting.pair, sighting.ghl, sighting.hubspot
    if bench.policy.ruling(pair.ghl_id, pair.hubspot_id).ignore:
        return []
    if not isinstance(ghl, Snapshot) or not isinstance(hubspot, Snapshot):
        return _unseen(sighting)
    if ghl.gone and hubspot.gone:
        return _settled(pair, Removal(gone=frozenset(Side)))
    if ghl.gone or hubspot.gone:
        gone, living = (ghl, hubspot) if ghl.gone else (hubspot, ghl)
        return _one_gone(pair, gone, living, bench)
    if pair.removal is not None:
        return _restored(sighting, ghl, hubspot, bench)
    return _both_there(sighting, ghl, hubspot, bench)


def _unseen(sighting: Sighting) -> list[Action]:
    """A record that is neither shown nor provably removed: nothing is touched."""
    details = [
        f"{name(side)}: {seen.detail}"
        for side in Side
        if not isinstance(seen := sighting.on(side), Snapshot)
    ]
    pair = sighting.pair
    return [held(pair, "", "unreadable", "; ".join(details), pair.ghl)]


def _one_gone(pair: Pair, gone: Snapshot, living: Snapshot, bench: Bench) -> list[Action]:
    """One record is gone: an edit beats it, a cancellation agrees, else the rule decides."""
    side, policy = living.side, bench.policy
    statuses = bench.words.statuses
    shown, now = pair.shown_on(side), living.appointment
    edited = _edited(pair, living, bench)
    if pair.gone_on(side):
        edited = (*edited, Group.STATUS)  # it is back: that is an edit of its own
    if statuses.is_cancelled(side, now.status):
        return _settled(_agreeing(pair, living, policy), _settlement(pair, gone.side))
    if pair.gone_on(gone.side) and not pair.gone_on(side):
        left = statuses.is_cancelled(side, shown.status)
        if not left:
            # The rule left it alone when the removal was settled; it still does.
            return _settled(_agreeing(pair, living, policy), _settlement(pair, gone.side))
    if edited and policy.direction.reaches(gone.side):
        return make(living, bench, pair, why=_because(edited, side, gone.side))
    return _carry_removal(pair, gone.side, living, bench)


def _carry_removal(pair: Pair, where: Side, living: Snapshot, bench: Bench) -> list[Action]:
    """Do across what the link's removal rule says."""
    side, rule = living.side, bench.policy.on_removal_at(where)
    nothing = _settled(pair, Removal(gone=frozenset({where})))
    why = f"removed in {name(where)}"
    if rule is OnRemoval.IGNORE:
        return nothing
    if rule is OnRemoval.ARCHIVE:
        return [
            Remove(
                pair=pair, side=side, seen=living, why=why, notify=bench.policy.notifies(live=True)
            )
        ]
    start = living.appointment.start
    started = start is None or start <= bench.policy.now
    if started or bench.words.statuses.is_over(side, living.appointment.status):
        return nothing
    if rule is OnRemoval.DELETE:
        return [
            Remove(
                pair=pair, side=side, seen=living, why=why, notify=bench.policy.notifies(live=True)
            )
        ]
    word = "cancelled" if side is Side.GHL else bench.words.statuses.to_hubspot.get("cancelled")
    if not word:
        return [held(pair, Group.STATUS, "unknown_status", "no value says cancelled", pair.ghl)]
    return [
        Remove(
            pair=pair,
            side=side,
            seen=living,
            cancel_as=word,
            why=why,
            notify=bench.policy.notifies(live=True),
        )
    ]


def _restored(sighting: Sighting, ghl: Snapshot, hubspot: Snapshot, bench: Bench) -> list[Action]:
    """A removed record is back: take back our cancellation, then merge as ever."""
    pair = sighting.pair
    cancelled = _cancelled_by_us(pair)
    if cancelled is None:
        revived = replace(sighting, pair=replace(pair, removal=None))
        return _both_there(revived, ghl, hubspot, bench, always_rebase=True)
    record = ghl if cancelled is Side.GHL else hubspot
    back = hubspot if cancelled is Side.GHL else ghl
    untouched = all(
        each.appointment.status == pair.shown_on(each.side).status for each in (record, back)
    )
    if not untouched:
        # A status that a person set meanwhile is an edit like any other.
        revived = replace(sighting, pair=replace(pair, removal=None))
        return _both_there(revived, ghl, hubspot, bench, always_rebase=True)
    merged = Reconciliation(sighting, ghl, hubspot, bench)
    for group in bench.policy.groups:
        if group != Group.STATUS:
            merged.group(group)
    merged.contact()
    merged.restore(cancelled, pair.removal.status_before if pair.removal else "")
    return merged.actions()


def _cancelled_by_us(pair: Pair) -> Side | None:
    """The side on which we cancelled the record for a removal, if we did."""
    removal = pair.removal
    if removal is None or removal.response is not Response.CANCELLED or len(removal.gone) != 1:
        return None
    return next(iter(removal.gone)).other


def _both_there(
    sighting: Sighting,
    ghl: Snapshot,
    hubspot: Snapshot,
    bench: Bench,
    *,
    always_rebase: bool = False,
) -> list[Action]:
    """Merge two living records, field by field."""
    merged = Reconciliation(sighting, ghl, hubspot, bench)
    for group in bench.policy.groups:
        merged.group(group)
    merged.contact()
    return merged.actions(always_rebase=always_rebase or sighting.met)


# --- one record without a pair


def welcome(newcomer: Newcomer, bench: Bench) -> list[Action]:
    """What follows from a record that has no pair: it is made across, or held."""
    record = newcomer.record
    why = f"new in {name(record.side)}"
    return make(record, bench, None, contact=newcomer.contact, why=why)


# --- agreements without a write


def _settled(pair: Pair, removal: Removal) -> list[Action]:
    """Come to terms with a removal; nothing to do where that was done before."""
    kept = pair.removal
    if kept is not None and kept.gone == removal.gone:
        removal = kept
    settled = replace(pair, removal=removal, open=frozenset())
    return [Rebase(pair=settled)]


def _settlement(pair: Pair, gone: Side) -> Removal:
    """The removal of one side; what we did for it before is remembered."""
    kept = pair.removal
    if kept is not None and kept.gone == frozenset({gone}):
        return kept
    return Removal(gone=frozenset({gone}))


def _agreeing(pair: Pair, living: Snapshot, policy: Policy) -> Pair:
    """The pair with what the living record shows as agreed."""
    shown = pair.shown_on(living.side)
    agreed = essence.with_groups(shown, living.appointment, policy.groups)
    return actions.showing(pair, living.side, agreed)


def _edited(pair: Pair, living: Snapshot, bench: Bench) -> tuple[GroupKey, ...]:
    """The groups that changed on the living side and flow across."""
    shown = pair.shown_on(living.side)
    return tuple(
        group
        for group in bench.policy.groups
        if bench.policy.may_write(group, living.side.other)
        and group not in pair.open
        and essence.value(shown, group) != essence.value(living.appointment, group)
    )


def _because(edited: tuple[GroupKey, ...], side: Side, gone: Side) -> str:
    what = ", ".join(dict.fromkeys(str(group) for group in edited))
    return f"{what} edited in {name(side)}, which beats the removal in {name(gone)}"
