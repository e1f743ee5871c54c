"""What is to be done, and why: the page to read first.

`judge` decides what follows for one sighting (a pair, and what each side shows of
it now); `plan_new_record` does so for a record without a pair; `plan` does it for
a whole cycle and applies the guards. Same input, same plan;
a settled world gives an empty one. Nothing here reads a clock or a network:
what it decides is carried out by `engine.apply`.

The ladder of `judge`, rung by rung:

1. A side cannot be seen: hold, and touch nothing. Unseen is never gone.
2. Both sides are gone: settled.
3. One side is gone, and the other is cancelled: that says the same, settled.
4. One side is gone, and the other was edited since: the edit beats the
   removal, and the record is made again.
5. One side is gone, and the other is as it was: the link's removal rule.
6. A side is back that was gone: what we did for the removal is undone.
7. Both sides are there: merge, field by field.

A removal that is settled leaves the agreed values as they are: what a person
edits on the survivor meanwhile is still an edit when the record comes back.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.core import essence, own_writes
from syncd.core.actions import Action, Change, Create, Rebase, Remove, Update, Write
from syncd.core.contacts import Known
from syncd.core.context import UNDONE, PlanContext
from syncd.core.creation import plan_creation
from syncd.core.freshness import is_fresh
from syncd.core.guards import GuardOverrides, Plan, RecentWrites, guard
from syncd.core.model import (
    Group,
    GroupKey,
    Hold,
    Missing,
    Pair,
    Removal,
    Response,
    Side,
    Snapshot,
)
from syncd.core.observe import NewRecord, Observed, Seen, Sighting
from syncd.core.policy import OnRemoval
from syncd.core.reconcile import FieldReconciler, reopens, validates
from syncd.core.status import CANCELLED, StatusTable

_BOTH = frozenset(Side)


def plan(
    observed: Observed,
    context: PlanContext,
    past: RecentWrites,
    allowed: GuardOverrides | None = None,
) -> Plan:
    """Judge everything that was observed, and put the guards over it."""
    decided: list[Action] = list(observed.holds)
    for sighting in observed.sightings:
        judged = [_unless_duplicate(each, observed, context) for each in judge(sighting, context)]
        decided += judged
        if sighting.followed and all(isinstance(each, Hold) for each in judged):
            # Nothing else would keep the new id.
            decided.append(Rebase(pair=sighting.pair))
    for new_record in observed.new_records:
        decided += plan_new_record(new_record, context)
    decided = [_with_contact_proof(each, context) for each in decided]
    return guard(decided, context, past, allowed or GuardOverrides())


def _unless_duplicate(action: Action, observed: Observed, context: PlanContext) -> Action:
    """Hold a repeated creation whose record somebody seems to have created already."""
    if not isinstance(action, Create) or action.pair is None:
        return action
    pair, contact = action.pair, action.contact
    spot = (contact.id if isinstance(contact, Known) else "", action.wanted.start)
    if (action.side, spot) not in observed.free:
        return action
    if context.policy.override(pair.ghl_id, pair.hubspot_id).separate:
        return action
    detail = f"the same contact has another record in {action.side.label} at the same time"
    return Hold.of(pair, "", "possible_duplicate", detail, action.wanted)


def _with_contact_proof(action: Action, context: PlanContext) -> Action:
    """An adoption, with whether its two contacts are known to be one person."""
    if not isinstance(action, Rebase) or action.pair.key:
        return action
    pair = action.pair
    ruled = context.policy.override(pair.ghl_id).contact
    said = bool(ruled) and ruled == pair.hubspot.contact
    return replace(action, one_person=said or context.contacts.one_person(pair))


# --- one pair


def judge(sighting: Sighting, context: PlanContext) -> list[Action]:
    """What follows from what the two sides show of a pair now.

    What a vendor made of our own write is agreed on first: it is no edit.
    """
    pair, looked = sighting.pair, context.evidence.looked
    for record in (sighting.ghl, sighting.hubspot):
        if not isinstance(record, Snapshot) or pair.wrote_on(record.side) is None:
            continue
        if record.appointment != pair.shown_on(record.side):
            pair = own_writes.settled(pair, record, looked.get(record.side))
    if pair is sighting.pair:
        return _judge(sighting, context)
    decided = _judge(replace(sighting, pair=pair), context)
    kept = any(isinstance(each, Rebase) for each in decided)
    return decided if kept else [Rebase(pair=pair), *decided]


def _judge(sighting: Sighting, context: PlanContext) -> list[Action]:
    """The ladder."""
    pair, ghl, hubspot = sighting.pair, sighting.ghl, sighting.hubspot
    if context.policy.override(pair.ghl_id, pair.hubspot_id).ignore:
        return []
    if not isinstance(ghl, Snapshot) or not isinstance(hubspot, Snapshot):
        return _unseen(sighting, context)
    if ghl.gone and hubspot.gone:
        return _settled(pair, replace(pair.removal or Removal(gone=_BOTH), gone=_BOTH))
    if ghl.gone or hubspot.gone:
        gone, living = (ghl, hubspot) if ghl.gone else (hubspot, ghl)
        return _one_gone(sighting, gone, living, context)
    if pair.removal is not None:
        return _restored(sighting, ghl, hubspot, context)
    return _both_there(sighting, ghl, hubspot, context)


def _unseen(sighting: Sighting, context: PlanContext) -> list[Action]:
    """A record that is neither shown nor provably removed: nothing is touched.

    One that was removed long ago is shown by nobody in the end (HubSpot keeps
    archived records for 90 days). Such a pair stays as it was settled.
    """
    pair = sighting.pair
    recalled = replace(
        sighting,
        ghl=_as_settled(pair, Side.GHL, sighting.ghl),
        hubspot=_as_settled(pair, Side.HUBSPOT, sighting.hubspot),
    )
    if isinstance(recalled.ghl, Snapshot) and isinstance(recalled.hubspot, Snapshot):
        decided = judge(recalled, context)
        if not any(isinstance(each, Write) for each in decided):
            return decided
    details = [
        f"{side.label}: {seen.detail}"
        for side in Side
        if isinstance(seen := sighting.on(side), Missing)
    ]
    return [Hold.of(pair, "", "unreadable", "; ".join(details), pair.ghl)]


def _as_settled(pair: Pair, side: Side, seen: Seen) -> Seen:
    """What is missing where the pair knows of a removal is what it was: gone."""
    if isinstance(seen, Snapshot) or not pair.gone_on(side):
        return seen
    return Snapshot(side=side, id=pair.id_on(side), appointment=pair.shown_on(side), gone=True)


def _one_gone(
    sighting: Sighting, gone: Snapshot, living: Snapshot, context: PlanContext
) -> list[Action]:
    """One record is gone: a cancellation agrees, an edit beats it, else the rule decides."""
    pair, where, side = sighting.pair, gone.side, living.side
    if sighting.met:
        return _settled(pair, _unanswered(where, living, context))
    if pair.gone_on(side):
        return _one_restored(pair, where, living, context)
    if pair.gone_on(where):
        return _already_settled(pair, where, living, context)
    if context.translator.statuses.is_cancelled(side, living.appointment.status):
        return _settled(pair, _unanswered(where, living, context))
    edited = _edited(pair, living, context)
    if edited and context.policy.direction.reaches(where):
        return plan_creation(living, context, pair, why=_edit_beats_removal(edited, side, where))
    return _carry_removal(pair, gone, living, context)


def _already_settled(
    pair: Pair, where: Side, living: Snapshot, context: PlanContext
) -> list[Action]:
    """The removal was settled before: only leaving a cancellation brings the record back."""
    side, kept, status = living.side, pair.removal, living.appointment.status
    if kept is None or kept.response is Response.NOTHING:
        return []  # The rule left the survivor alone, and still does.
    if kept.response is Response.CANCELLED and (undone := _undone(pair, where, living, context)):
        return undone
    # An emptied status says nothing, and so leaves nothing.
    still = not status or context.translator.statuses.is_cancelled(side, status)
    if still or not context.policy.direction.reaches(where):
        return []
    return plan_creation(
        living, context, pair, why=_edit_beats_removal((Group.STATUS,), side, where)
    )


def _undone(pair: Pair, where: Side, living: Snapshot, context: PlanContext) -> list[Action]:
    """A person wants the cancellation that we wrote for a removal taken back.

    The record leaves it, and so the one that is gone is made anew.
    """
    side, shown = living.side, living.appointment.status
    for revert in context.evidence.reverts:
        back = revert.back.get(Group.STATUS) or ""
        ours = (revert.pair_key, revert.side, revert.group) == (pair.key, side, Group.STATUS)
        # One half of it may be done.
        if not ours or not back or shown not in {revert.was.get(Group.STATUS), back}:
            continue
        why = UNDONE
        reopened = replace(living, appointment=replace(living.appointment, status=back))
        across = pair.shown_on(where).status
        made: list[Action] = []
        if context.policy.direction.reaches(where):
            made = plan_creation(reopened, context, pair, why=why, fresh=False)
            across = next((w.wanted.status for w in made if isinstance(w, Create)), across)
        status = Change(group=Group.STATUS, before=shown, after=back, source=across, why=why)
        validated = validates(side, (status,), pair, living, context)
        update = Update(
            pair=pair,
            side=side,
            seen=living,
            changes=(status,),
            validate_slot=validated,
            reopens=validated and reopens(side, (status,), context),
            notify=context.policy.notifies(lambda: False),
        )
        return made if shown == back else [update, *made]
    return []


def _one_restored(pair: Pair, where: Side, living: Snapshot, context: PlanContext) -> list[Action]:
    """Both were gone, and one is restored: the other is created again.

    A cancelled one agrees with the removal across, unless that was our doing.
    """
    side, kept = living.side, pair.removal
    cancelled = context.translator.statuses.is_cancelled(side, living.appointment.status)
    ours = kept is not None and kept.response is Response.REMOVED
    if (ours or not cancelled) and context.policy.direction.reaches(where):
        # A restoration moves no stamp of HubSpot's.
        return plan_creation(living, context, pair, why=f"restored in {side.label}", fresh=True)
    same = living.appointment.status == pair.shown_on(side).status
    if kept is not None and kept.response is Response.CANCELLED and cancelled and same:
        return _settled(pair, replace(kept, gone=frozenset({where})))
    return _settled(pair, _unanswered(where, living, context))


def _unanswered(where: Side, living: Snapshot, context: PlanContext) -> Removal:
    """A deletion without a response: the other record stays as it is."""
    gone, status = frozenset({where}), living.appointment.status
    if not context.translator.statuses.is_cancelled(living.side, status):
        return Removal(gone=gone)
    return Removal(gone=gone, response=Response.AGREED, status_agreed=status)


def _carry_removal(
    pair: Pair, gone: Snapshot, living: Snapshot, context: PlanContext
) -> list[Action]:
    """Do across what the link's removal rule says."""
    where, side = gone.side, living.side
    rule = context.policy.on_removal_at(where)
    if rule is OnRemoval.IGNORE or (rule is not OnRemoval.ARCHIVE and _too_late(living, context)):
        return _settled(pair, _unanswered(where, living, context))
    remove = Remove(
        pair=pair,
        side=side,
        seen=living,
        source=gone,
        why=f"{'deleted' if where is Side.GHL else 'archived'} in {where.label}",
        notify=context.policy.notifies(lambda: is_fresh(gone, context)),
    )
    if rule is not OnRemoval.CANCEL:
        return [remove]
    word = CANCELLED if side is Side.GHL else context.translator.statuses.to_hubspot.get(CANCELLED)
    if not word:
        return [Hold.of(pair, Group.STATUS, "unknown_status", "no value says cancelled", pair.ghl)]
    return [replace(remove, cancel_as=word)]


def _too_late(living: Snapshot, context: PlanContext) -> bool:
    """Whether the appointment has started or is over: it is neither cancelled nor deleted."""
    start = living.appointment.start
    started = start is None or start <= context.policy.now
    return started or context.translator.statuses.is_over(living.side, living.appointment.status)


def _restored(
    sighting: Sighting, ghl: Snapshot, hubspot: Snapshot, context: PlanContext
) -> list[Action]:
    """A removed record is back: take back our cancellation, then merge as ever."""
    pair = sighting.pair
    statuses = context.translator.statuses
    cancelled = _cancelled_by_us(pair, statuses)
    if cancelled is None:
        revived = replace(sighting, pair=replace(pair, removal=None))
        return _both_there(revived, ghl, hubspot, context, always_rebase=True)
    record = ghl if cancelled is Side.GHL else hubspot
    back = hubspot if cancelled is Side.GHL else ghl
    # One that came back with its status emptied says nothing of it, and so changed nothing.
    untouched = statuses.is_cancelled(cancelled, record.appointment.status) and all(
        each.appointment.status in {pair.shown_on(each.side).status, said_nothing}
        for each, said_nothing in ((record, pair.shown_on(cancelled).status), (back, ""))
    )
    if not untouched:
        # A status that a person set meanwhile is an edit like any other.
        revived = replace(sighting, pair=replace(pair, removal=None))
        return _both_there(revived, ghl, hubspot, context, always_rebase=True)
    merged = FieldReconciler(sighting, ghl, hubspot, context)
    for group in context.policy.groups:
        if group != Group.STATUS:
            merged.group(group)
    merged.contact()
    before = pair.removal.status_before if pair.removal else ""
    # One that had no status takes the other's, as ever (promise 5).
    other = statuses.translate(back.side, back.appointment.status)
    merged.restore(cancelled, before or other or "")
    return merged.actions()


def _cancelled_by_us(pair: Pair, statuses: StatusTable) -> Side | None:
    """The side on which we cancelled the record for a removal, if we did."""
    if pair.removal is None or pair.removal.response is not Response.CANCELLED:
        return None
    sides = [side for side in Side if statuses.is_cancelled(side, pair.shown_on(side).status)]
    return sides[0] if len(sides) == 1 else None


def _both_there(
    sighting: Sighting,
    ghl: Snapshot,
    hubspot: Snapshot,
    context: PlanContext,
    *,
    always_rebase: bool = False,
) -> list[Action]:
    """Merge two living records, field by field."""
    merged = FieldReconciler(sighting, ghl, hubspot, context)
    for group in context.policy.groups:
        merged.group(group)
    merged.contact()
    return merged.actions(always_rebase=always_rebase or sighting.met)


# --- one record without a pair


def plan_new_record(new_record: NewRecord, context: PlanContext) -> list[Action]:
    """A record without a pair: it is created on the other side, or held."""
    record = new_record.record
    why = f"new in {record.side.label}"
    return plan_creation(record, context, None, contact=new_record.contact, why=why)


# --- agreements without a write


def _settled(pair: Pair, removal: Removal) -> list[Action]:
    """Settle a deletion; nothing to do where that was done before."""
    settled = replace(pair, removal=removal)
    return [Rebase(pair=settled)] if settled != pair or not pair.key else []


def _edited(pair: Pair, living: Snapshot, context: PlanContext) -> tuple[GroupKey, ...]:
    """The groups that changed on the living side and flow across."""
    side, shown, now = living.side, pair.shown_on(living.side), living.appointment
    groups = [
        group
        for group in context.policy.groups
        if context.policy.may_write(group, side.other)
        and essence.value(shown, group) != essence.value(now, group)
        # An emptied HubSpot status says nothing (promise 5).
        and not (group == Group.STATUS and side is Side.HUBSPOT and not now.status)
    ]
    across = context.translator.contacts.get(now.contact, "")
    if side is Side.GHL and now.contact not in {"", shown.contact}:
        groups += [Group.CONTACT] if across != pair.hubspot.contact else []
    return tuple(groups)


def _edit_beats_removal(edited: tuple[GroupKey, ...], side: Side, gone: Side) -> str:
    what = ", ".join(dict.fromkeys(str(group) for group in edited))
    return f"{what} edited in {side.label}, which beats the removal in {gone.label}"
