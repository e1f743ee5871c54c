"""What every judgement needs beside the sighting itself: rules, words, evidence.

`engine.rounds` lays it out for each plan; plan, fields and making work on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.core import essence
from syncd.core.actions import Change
from syncd.core.contacts import ContactBook
from syncd.core.essence import Value
from syncd.core.model import Appointment, Group, GroupKey, Hold, Pair, Side, Snapshot
from syncd.core.policy import Policy
from syncd.core.translate import Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSync:
    """When the link's first sync was complete, and what it had left undone then."""

    ended: datetime | None = None
    """None where nobody noted it."""
    left_over: Mapping[str, str] = field(default_factory=dict)
    """What the HubSpot records showed (`freshness.fingerprint_of_value`) that were held, or
    whose writes failed or had an unknown outcome; by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What plan may know beyond the sightings themselves."""

    edited_at: Mapping[tuple[Side, str, GroupKey], datetime] = field(default_factory=dict)
    """When a group of a record (by id) was last changed, where the vendor tells."""
    fought: Mapping[tuple[int, Side, GroupKey], int] = field(default_factory=dict)
    """Per pair key: writes of a group within the hour without a new human value between."""
    skew: Mapping[Side, timedelta] = field(default_factory=dict)
    """How far each vendor's clock is ahead of ours; stamps of two clocks are compared with it."""
    reverts: tuple[Revert, ...] = ()
    """What people want undone."""
    first_sync: FirstSync = field(default_factory=FirstSync)
    looked: Mapping[Side, datetime] = field(default_factory=dict)
    """When each side was looked at last, before this cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """A value of a group that a person wants back on one side, and so on both.

    `was` and `back` hold the report's fields of the group (`start` and `end`,
    or the group's own name) as text: what we wrote, and what stood there
    before. `across` is what the other side showed when the person decided,
    None for what was agreed last. It counts only while nobody has changed the
    group since: each side shows what it showed then, or what the undo puts
    there (one half of it may be done).
    """

    pair_key: int
    ghl_id: str
    hubspot_id: str = ""
    side: Side
    group: GroupKey
    was: Mapping[str, str | None]
    back: Mapping[str, str | None]
    across: Mapping[str, str | None] | None = None


UNDONE = "a person undid what was written"
"""Why a value was put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """What every judgement needs: the link's rules, the words, and the evidence."""

    policy: Policy
    words: Translator
    book: ContactBook = field(default_factory=ContactBook)
    evidence: Evidence = field(default_factory=Evidence)


def held(pair: Pair, group: GroupKey, reason: str, detail: str, shown: Appointment) -> Hold:
    """A hold of a pair, or of one of its groups."""
    return Hold(
        reason=reason,
        detail=detail,
        ghl_id=pair.ghl_id,
        hubspot_id=pair.hubspot_id,
        group=group,
        starts_at=shown.start,
        title=shown.title,
    )


def validates(
    side: Side, changes: Iterable[Change], pair: Pair, now: Snapshot, context: PlanContext
) -> bool:
    """Whether HighLevel should check the slot of this update (promise 2)."""
    if side is not Side.GHL or not context.policy.refuse_double_booking:
        return False
    if context.policy.override(pair.ghl_id, pair.hubspot_id).book_anyway:
        return False
    after = now.appointment
    touched = False
    for change in changes:
        touched = touched or change.group in {Group.TIME, Group.STATUS, Group.OWNER}
        after = essence.with_value(after, change.group, change.after)
    upcoming = after.start is not None and after.start > context.policy.now
    return touched and upcoming and context.words.statuses.takes_slot(after.status)


def reopens(side: Side, changes: Iterable[Change], context: PlanContext) -> bool:
    """Whether HighLevel's record takes a slot again, which a status alone never checks."""
    takes = context.words.statuses.takes_slot
    return side is Side.GHL and any(
        change.group == Group.STATUS and not takes(str(change.before)) and takes(str(change.after))
        for change in changes
    )


def in_words(value: Value) -> str:
    """A value as a person reads it."""
    if not isinstance(value, tuple):
        return value
    return " to ".join(moment.isoformat() if moment else "?" for moment in value)
