"""Compare the two records of a pair, and say why they may differ.

`engine.audit` asks. Nothing is taken from the planner: not its comparison with
what was agreed (`merge`, `reconcile`), not its translations (`translate`,
`status`), not the fingerprints. Shared are the nouns, the link's rules, and
what a vendor's rendering looks like. So a difference that the planner
overlooks is a difference here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core import essence
from syncd.core.model import (
    MAPPED_PREFIX,
    Group,
    GroupKey,
    Hold,
    Pair,
    Response,
    Side,
    Snapshot,
)
from syncd.core.policy import Direction, OnRemoval, Policy
from syncd.core.rendering import renders

RECORD = "record"
"""The field of a difference between a record that is removed and one that is there."""

THERE, DELETED, ARCHIVED = "there", "deleted", "archived"

RENDERING = "a vendor's rendering of our own write"
_TEXTS = (Group.TITLE, Group.DESCRIPTION, Group.ADDRESS)
_OVER = frozenset({"showed", "noshow", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the values of the two accounts stand for."""

    to_hubspot: Mapping[str, str]
    """HighLevel status → HubSpot value."""
    to_ghl: Mapping[str, str]
    owner_of_user: Mapping[str, str]
    """HighLevel user id → HubSpot owner id."""
    people_unread: bool = False
    contacts: Mapping[str, str] = field(default_factory=dict)
    """HighLevel contact id → HubSpot contact id, as far as they are needed."""
    mapped_fields: tuple[str, ...] = ()

    def same_status(self, ghl: str, hubspot: str) -> bool:
        """Whether the HubSpot value stands for the HighLevel status."""
        if ghl and hubspot:
            return hubspot == self.to_hubspot.get(ghl) or ghl == self.to_ghl.get(hubspot)
        return not ghl and not hubspot

    def same_owner(self, ghl: str, hubspot: str) -> bool:
        """Whether user and owner are one person, or both are missing."""
        return hubspot == (self.owner_of_user.get(ghl, "?") if ghl else "")

    def is_over(self, record: Snapshot) -> bool:
        """Whether the appointment was kept, missed or cancelled."""
        status = record.appointment.status
        if record.side is Side.HUBSPOT:
            words = {self.to_hubspot.get(each) for each in _OVER}
            return status in words or self.to_ghl.get(status) in _OVER
        return status in _OVER

    def is_cancelled(self, record: Snapshot) -> bool:
        """Whether the record says that the appointment will not take place."""
        status = record.appointment.status
        if record.side is Side.GHL:
            return status == "cancelled"
        cancelled = self.to_hubspot.get("cancelled")
        return bool(status) and (status == cancelled or self.to_ghl.get(status) == "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field in which the two records of a pair differ."""

    field: str
    """A field of the report (title, start, …), or `RECORD`."""
    group: GroupKey
    ghl: str | None
    hubspot: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWrite:
    """Our last write to a field of one side, from the history."""

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a pair beside what its records show now."""

    pair: Pair
    ghl: Snapshot
    hubspot: Snapshot
    holds: Sequence[Hold] = ()
    written: Mapping[tuple[Side, str], LastWrite] = field(default_factory=dict)
    """By side and field; what was never written is not in it."""
    made: Collection[Side] = frozenset()
    """The sides on which we made the record."""

    def on(self, side: Side) -> Snapshot:
        """The record of a side."""
        return self.ghl if side is Side.GHL else self.hubspot

    def moved(self, side: Side, group: GroupKey) -> bool:
        """Whether a side shows another value than the one that was agreed."""
        agreed = essence.value(self.pair.shown_on(side), group)
        return essence.value(self.on(side).appointment, group) != agreed


# --- comparing


def differences(ghl: Snapshot, hubspot: Snapshot, meaning: Meaning) -> list[Difference]:
    """The fields in which two living records differ, contacts aside."""
    one, other = ghl.appointment, hubspot.appointment
    found: list[tuple[str, GroupKey, str | None, str | None]] = []
    for group in _TEXTS:
        here, there = getattr(one, group), getattr(other, group)
        if here != there:
            found.append((group, group, here or None, there or None))
    for name in ("start", "end"):
        begun, across = getattr(one, name), getattr(other, name)
        if begun != across:
            found.append(
                (name, Group.TIME, essence.moment_text(begun), essence.moment_text(across))
            )
    if not meaning.same_status(one.status, other.status):
        found.append((Group.STATUS, Group.STATUS, one.status or None, other.status or None))
    if not meaning.same_owner(one.owner, other.owner):
        found.append((Group.OWNER, Group.OWNER, one.owner or None, other.owner or None))
    if meaning.mapped_fields:
        mapped = dict(one.mapped_fields), dict(other.mapped_fields)
        for name in meaning.mapped_fields:
            held, shown = (each.get(name, "") for each in mapped)
            if held != shown:
                found.append((name, f"{MAPPED_PREFIX}{name}", held or None, shown or None))
    return [
        Difference(field=name, group=group, ghl=here, hubspot=there)
        for name, group, here, there in found
    ]


def contact_differs(
    ghl: Snapshot, hubspot: Snapshot, agreed: tuple[str, str], meaning: Meaning
) -> bool:
    """Whether the records are for other people than those who were matched.

    `agreed` are the contact ids of the pair. A HubSpot record may name others beside its own.
    """
    contact = ghl.appointment.contact
    if contact == agreed[0] and agreed[1] in hubspot.contacts:
        return False
    known = meaning.contacts.get(contact, "")
    return bool(contact or hubspot.contacts) and (not known or known not in hubspot.contacts)


def removal(ghl: Snapshot, hubspot: Snapshot, meaning: Meaning) -> Difference | None:
    """The difference between a removed record and one that is there and not cancelled."""
    living = hubspot if ghl.gone else ghl
    if ghl.gone == hubspot.gone or meaning.is_cancelled(living):
        return None
    return Difference(
        field=RECORD,
        group="",
        ghl=presence(ghl),
        hubspot=presence(hubspot),
    )


def presence(record: Snapshot) -> str:
    """Whether a record is there, in the words of its side."""
    if not record.gone:
        return THERE
    return DELETED if record.side is Side.GHL else ARCHIVED


# --- explaining


def why(found: Difference, seen: Evidence, rules: Policy, meaning: Meaning) -> str:
    """Why two records may differ in a field; "" where nothing of this explains it."""
    if held := _held(found, seen):
        return f"held: {held}"
    if found.field == RECORD:
        return _why_removed(seen, rules, meaning)
    if found.group == Group.CONTACT:
        return _why_contact(seen, rules)
    return (
        _by_direction(found, seen, rules)
        or _rendered(found, seen)
        or _says_nothing(found, seen, meaning)
    )


def _held(found: Difference, seen: Evidence) -> str:
    for hold in seen.holds:
        if hold.group in {"", found.group}:
            return hold.reason
    for flaw in (*seen.ghl.field_errors, *seen.hubspot.field_errors):
        if flaw.group == found.group:
            return flaw.reason
    return ""


def _why_removed(seen: Evidence, rules: Policy, meaning: Meaning) -> str:
    if seen.ghl.gone == seen.hubspot.gone:
        return ""  # A record that nobody shows is not known to be removed.
    where = Side.GHL if seen.ghl.gone else Side.HUBSPOT
    living = seen.on(where.other)
    name = "ghl_deleted" if where is Side.GHL else "hubspot_archived"
    if not rules.direction.reaches(where.other):
        return f"one-way: sync.direction is {rules.direction.value}"
    rule = rules.ghl_deleted if where is Side.GHL else rules.hubspot_archived
    if rule is OnRemoval.IGNORE:
        return f"off: sync.{name} is ignore"
    start = living.appointment.start
    late = start is None or start <= rules.now or meaning.is_over(living)
    if rule is not OnRemoval.ARCHIVE and late:
        return f"off: sync.{name} leaves an appointment that has started or is over"
    settled = seen.pair.removal
    if settled is not None and where in settled.gone and settled.response is Response.NOTHING:
        return f"off: sync.{name} left it when it was removed"
    return ""


def _why_contact(seen: Evidence, rules: Policy) -> str:
    pair, reaches = seen.pair, rules.direction.reaches
    follows = seen.ghl.appointment.contact == pair.ghl.contact
    if follows and not reaches(Side.GHL):
        return f"one-way: sync.direction is {rules.direction.value}"
    if follows and not seen.hubspot.contacts and pair.hubspot.contact:
        return "one-way: HubSpot's record lost its contact, and HighLevel cannot follow"
    if not follows and not reaches(Side.HUBSPOT):
        return f"one-way: sync.direction is {rules.direction.value}"
    return ""


def _by_direction(found: Difference, seen: Evidence, rules: Policy) -> str:
    """Whether the rules let the side differ that does.

    An edit on a receiving side stays. But where that side shows what we wrote
    last, it is the sending side that was edited, and that should have gone across.
    """
    way = rules.fields.get(found.group, Direction.BOTH)
    setting = f"fields.{found.group.removeprefix(MAPPED_PREFIX)}"
    if way is Direction.OFF:
        return f"off: {setting}"
    targets = [side for side in Side if rules.direction.reaches(side) and way.reaches(side)]
    if len(targets) == len(Side):
        return ""
    if not targets:
        return f"off: sync.direction and {setting} exclude each other"
    (target,) = targets
    if seen.moved(target.other, found.group):
        return ""
    last = seen.written.get((target, found.field))
    if last is not None and last.after == _on(found, target):
        return ""
    told = f"{setting} is {way.value}" if way is not Direction.BOTH else ""
    return f"one-way: {told or f'sync.direction is {rules.direction.value}'}"


def _on(found: Difference, side: Side) -> str | None:
    return found.ghl if side is Side.GHL else found.hubspot


def _rendered(found: Difference, seen: Evidence) -> str:
    """Whether a side shows what its vendor made of the other side's value, which we wrote."""
    if found.group == Group.STATUS:
        return ""
    for side in Side:
        shown, wanted = _on(found, side), _on(found, side.other)
        if seen.moved(side, found.group) or seen.moved(side.other, found.group):
            continue
        last = seen.written.get((side, found.field))
        if last is None:
            filled = side in seen.made and wanted is None
            lost = not seen.written and seen.pair.has_external_id and _renders(wanted, shown)
            if filled or lost:
                return RENDERING
        elif last.after == wanted and (
            _renders(wanted, shown)
            or _stamped(found, seen, side)
            or (wanted is None and last.before != shown)
        ):
            return RENDERING
    return ""


def _renders(sent: str | None, shown: str | None) -> bool:
    if not sent or not shown:
        return False
    moments = _moment(sent), _moment(shown)
    if moments[0] is not None and moments[1] is not None:
        return renders((moments[0], None), (moments[1], None))
    return renders(sent, shown)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _stamped(found: Difference, seen: Evidence, side: Side) -> bool:
    """Whether the record's stamp proves that nobody edited it since our write.

    A value that stands there as before our write was not rendered: the vendor did not take it.
    """
    wrote, stamp = seen.pair.wrote_on(side), seen.on(side).updated_at
    last = seen.written[side, found.field]
    if wrote is None or stamp is None or last.before == _on(found, side):
        return False
    return found.group in wrote.groups and stamp == wrote.stamp and bool(stamp.microsecond)


def _says_nothing(found: Difference, seen: Evidence, meaning: Meaning) -> str:
    """Whether a side has a value that the other one cannot have, or none where it says nothing."""
    emptied = seen.written.get((Side.HUBSPOT, found.field))
    person = found.hubspot is None and emptied is not None and emptied.after is not None
    if found.field == "end" and person and not seen.moved(Side.GHL, Group.TIME):
        return "off: an end that was emptied in HubSpot says nothing"
    return _why_owner(found, seen, meaning, emptied=person) if found.group == Group.OWNER else ""


def _why_owner(found: Difference, seen: Evidence, meaning: Meaning, *, emptied: bool) -> str:
    known = meaning.owner_of_user
    stays = found.hubspot is None and not seen.moved(Side.GHL, Group.OWNER)
    reasons = {
        "pending: the users or owners cannot be read now": meaning.people_unread,
        "off: HighLevel's user has no owner in HubSpot": found.ghl and found.ghl not in known,
        "off: HubSpot's owner has no user in HighLevel": (
            found.hubspot and found.hubspot not in known.values()
        ),
        "one-way: a HighLevel booking cannot lose its assignee": stays and emptied,
        RENDERING: stays and Side.GHL in seen.made,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
