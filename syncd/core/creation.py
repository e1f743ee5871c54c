"""Builds the other side's record: every field translated, and its calendar.

Plan calls this for a record without a pair, and for a removed record that an
edit brings back. What cannot be translated, booked or assigned is held whole.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from syncd.core import essence, translate
from syncd.core.actions import Action, Create
from syncd.core.contacts import Known, MatchBasis, Resolution, Unresolved
from syncd.core.context import PlanContext
from syncd.core.freshness import is_fresh
from syncd.core.model import Appointment, Calendar, Group, GroupKey, Hold, Pair, Side, Snapshot
from syncd.core.policy import Policy
from syncd.core.translate import KeepTarget, Translated, Unread, Untranslatable


def plan_creation(
    source: Snapshot,
    context: PlanContext,
    pair: Pair | None,
    *,
    why: str,
    contact: Resolution | None = None,
    fresh: bool | None = None,
) -> list[Action]:
    """Build the other side's record: every field of that direction, translated.

    `fresh` says whether it is a person's fresh doing, where the source's stamps cannot tell.
    """
    side, policy = source.side.other, context.policy
    wanted = Appointment()
    unread = set[GroupKey]()
    for group in policy.groups:
        if not policy.may_write(group, side):
            continue
        translated = _translated(context, group, source, wanted)
        if isinstance(translated, Untranslatable):
            return [_held_record(source, pair, translated.reason, translated.detail)]
        if isinstance(translated, Unread):
            unread.add(group)
        if isinstance(translated, Translated):
            wanted = essence.with_value(wanted, group, translated.value)
    if wanted.start is None:
        wanted = replace(wanted, start=source.appointment.start, end=source.appointment.end)
    across = contact or _same_contact(source, pair, context)
    if isinstance(across, Unresolved):
        return [_held_record(source, pair, across.reason, across.detail)]
    create = Create(
        side=side,
        source=source,
        wanted=wanted,
        contact=across,
        pair=pair,
        unread=frozenset(unread),
        notify=policy.notifies(
            lambda: is_fresh(source, context, paired=pair is not None) if fresh is None else fresh
        ),
        why=why,
    )
    return [create] if side is Side.HUBSPOT else _booking(create, context)


def _translated(
    context: PlanContext, group: GroupKey, source: Snapshot, target: Appointment
) -> translate.Translation:
    field_error = next((each for each in source.field_errors if each.group == group), None)
    if field_error is not None:
        return Untranslatable(reason=field_error.reason, detail=field_error.detail)
    held = essence.value(source.appointment, group)
    said = translate.translate(context.translator, group, source.side, held, target)
    if isinstance(said, KeepTarget) and group == Group.STATUS and source.side is Side.HUBSPOT:
        return Translated(
            value="confirmed"
        )  # a record that is created without a status (promise 5)
    return said


def _booking(create: Create, context: PlanContext) -> list[Action]:
    """Complete a HighLevel booking: calendar, end, assignee, slot."""
    source, policy, wanted = create.source, context.policy, create.wanted
    route = policy.route(source)
    stood = context.translator.calendars.get(create.pair.calendar) if create.pair else None
    # A booking is created again on its former calendar, as long as that one is active.
    calendar = stood if stood and stood.active else context.translator.calendars.get(route.calendar)
    if calendar is None or not calendar.active:
        detail = (
            f"calendar {route.calendar} is not an active calendar of this location"
            if route.calendar
            else "no route fits and the link names no default_calendar"
        )
        return [_held_record(source, create.pair, "no_default_calendar", detail)]
    if wanted.start and wanted.end is None:
        wanted = replace(wanted, end=wanted.start + timedelta(minutes=calendar.slot_minutes))
    if wanted.owner and calendar.team and wanted.owner not in calendar.team:
        detail = f"user {wanted.owner} is not in the team of calendar {calendar.id}"
        return [_held_record(source, create.pair, "outside_team", detail)]
    if not wanted.owner:
        wanted = replace(wanted, owner=_assignee(route.assignee, calendar, policy))
    if not wanted.status:
        wanted = replace(wanted, status="confirmed")
    free = policy.override(source.id).book_anyway or not policy.refuse_double_booking
    past = wanted.start is not None and wanted.start <= policy.now
    takes = context.translator.statuses.takes_slot(wanted.status)
    return [
        replace(
            create,
            wanted=wanted,
            calendar=calendar.id,
            validate_slot=takes and not past and not free,
            backfill_status=_fill(source, wanted, context),
            follow_up_fields=_late(source, policy),
        )
    ]


def _late(source: Snapshot, policy: Policy) -> tuple[GroupKey, ...]:
    """What the HubSpot record takes as soon as the booking shows it.

    Mapped fields of HighLevel's own, and the end of one that was created without (promise 2).
    """
    endless = source.appointment.end is None and policy.may_write(Group.TIME, Side.HUBSPOT)
    return tuple(
        group
        for group in policy.groups
        if policy.flows_late(group) or (endless and group == Group.TIME)
    )


def _assignee(routed: str, calendar: Calendar, policy: Policy) -> str:
    """Who gets a booking without an owner: the route's user, else the default, else the primary.

    A user that a route names is taken at its word. `default_assignee` serves
    only the calendars that need one and that the user works for.
    """
    if routed != policy.default_assignee or routed in calendar.team:
        return routed
    return calendar.primary


def _same_contact(source: Snapshot, pair: Pair | None, context: PlanContext) -> Resolution:
    """The contact of the pair's lost record, or of the source now."""
    if pair is None:
        return Unresolved(
            reason="no_contact", detail="no contact on the other side is known for it"
        )
    here, lost = pair.shown_on(source.side).contact, pair.shown_on(source.side.other).contact
    known, reason = context.translator.contacts, "no_contact"
    here = context.translator.merged.get(here, here)
    if source.side is Side.GHL:
        now = source.appointment.contact or here
        if now != here and now not in known:
            unknown = Unresolved(
                reason=reason, detail="HighLevel's new contact has none on the other side"
            )
            return context.contacts.from_ghl.get(now, unknown)
        lost = known.get(now, lost)
    elif here and source.contacts and here not in source.contacts:
        # A new booking can be for another contact, where an old one could not be changed.
        candidates = [ghl for ghl, hubspot in known.items() if hubspot in source.contacts]
        lost, reason = candidates[0] if len(candidates) == 1 else "", "contact_changed"
    if lost:
        # Its record was for this contact. Whether they are one person is another question.
        return Known(id=lost, basis=MatchBasis.PAIRED_RECORD)
    return Unresolved(
        reason=reason, detail="no contact on the other side is known to be its present one"
    )


def _held_record(source: Snapshot, pair: Pair | None, reason: str, detail: str) -> Hold:
    ids = {source.side: source.id, source.side.other: pair.id_on(source.side.other) if pair else ""}
    return Hold(
        reason=reason,
        detail=detail,
        ghl_id=ids[Side.GHL],
        hubspot_id=ids[Side.HUBSPOT],
        starts_at=source.appointment.start,
        title=source.appointment.title,
        fingerprint=essence.snapshot_fingerprint(source),
    )


def _fill(source: Snapshot, wanted: Appointment, context: PlanContext) -> str:
    """An empty HubSpot status takes HighLevel's (promise 5)."""
    if source.appointment.status or not context.policy.may_write(Group.STATUS, Side.HUBSPOT):
        return ""
    return context.translator.statuses.to_hubspot.get(wanted.status, "")
