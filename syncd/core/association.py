"""Whom a paired HubSpot record is for, when either side names somebody else.

`fields` asks for each pair. HighLevel's contact leads, and HubSpot's may gain
others beside it (promise 3). Leaves out who is the same person: `contacts`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from syncd.core.actions import Change
from syncd.core.contacts import Known, Resolution, ToMake, Unresolved
from syncd.core.context import PlanContext
from syncd.core.model import Group, Pair, Side, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What follows for a pair: another agreement, a change in HubSpot, or a hold."""

    pair: Pair
    change: Change | None = None
    making: ToMake | None = None
    """The contact to create before the change can name it."""
    unresolved: Unresolved | None = None


def associate(
    pair: Pair, ghl: Snapshot, hubspot: Snapshot, context: PlanContext
) -> Association | None:
    """What the contacts that the two records show now come to; None for nothing."""
    followed = _after_merge(pair, hubspot, context)
    agreed, shown = followed.hubspot.contact, ghl.appointment.contact
    known = context.translator.contacts.get(shown)
    never = known and not agreed and (not hubspot.contacts or known in hubspot.contacts)
    if shown and (shown != followed.ghl.contact or never):
        return _follow(followed, shown, hubspot, context)
    left = agreed and hubspot.contacts and agreed not in hubspot.contacts
    if left and context.policy.direction.reaches(Side.GHL):
        detail = "another contact is associated in HubSpot, and HighLevel cannot change it"
        return Association(
            pair=followed, unresolved=Unresolved(reason="contact_changed", detail=detail)
        )
    return Association(pair=followed) if followed is not pair else None


def _after_merge(pair: Pair, hubspot: Snapshot, context: PlanContext) -> Pair:
    """A merged contact is the same person under another id."""
    survivor = context.translator.merged.get(pair.hubspot.contact)
    if survivor not in hubspot.contacts:
        return pair
    return replace(pair, hubspot=replace(pair.hubspot, contact=survivor))


def _follow(pair: Pair, contact: str, hubspot: Snapshot, context: PlanContext) -> Association:
    """HighLevel names another contact: HubSpot's association follows it."""
    if not context.policy.direction.reaches(Side.HUBSPOT):
        return Association(pair=replace(pair, ghl=replace(pair.ghl, contact=contact)))
    across = _across(contact, context)
    if isinstance(across, Unresolved):
        return Association(pair=pair, unresolved=across)
    former = pair.hubspot.contact
    if isinstance(across, Known) and _stands_alone(across.id, former, hubspot):
        return Association(
            pair=replace(
                pair,
                ghl=replace(pair.ghl, contact=contact),
                hubspot=replace(pair.hubspot, contact=across.id),
                open=pair.open - {Group.CONTACT},
            )
        )
    change = Change(
        group=Group.CONTACT,
        before=_displaced(former, hubspot),
        after=across.id if isinstance(across, Known) else "",
        source=contact,
        why="the contact changed in HighLevel"
        if hubspot.contacts
        else "HubSpot's record has no contact",
    )
    making = across if isinstance(across, ToMake) else None
    return Association(pair=pair, change=change, making=making)


def _displaced(former: str, hubspot: Snapshot) -> str:
    """Whose place a new contact takes: the paired one's, or that of the only one there is.

    What else is associated beside it, a person put there, and it stays.
    """
    only = hubspot.contacts[0] if len(hubspot.contacts) == 1 else former
    return former if former in hubspot.contacts else only


def _stands_alone(contact: str, former: str, hubspot: Snapshot) -> bool:
    """Whether the contact is associated, and the one that it takes the place of no more."""
    return contact in hubspot.contacts and former not in set(hubspot.contacts) - {contact}


def _across(contact: str, context: PlanContext) -> Resolution:
    known = context.translator.contacts.get(contact)
    if known is not None:
        return Known(id=known)
    unknown = Unresolved(
        reason="no_contact", detail="HighLevel's new contact has none on the other side"
    )
    return context.contacts.from_ghl.get(contact, unknown)
