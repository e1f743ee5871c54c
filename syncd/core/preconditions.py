"""What a write rests on, and whether it still stands.

A write is decided from both records of an appointment as they were seen. The
engine asks here, for each of its writes, which fields of which record that
decision rests on; engine and adapters then compare what a record shows just
before the write goes out. Pure. Leaves out when to look, and who looks.

- A booking rests on everything that its source shows, its contacts, and the
  properties that choose a calendar included.
- A removal rests on everything that the living record shows, and on the other
  one being gone.
- An update rests on the fields that it writes, on both sides. Time and status
  belong together, because they decide about a slot. So does the contact across.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from syncd.core import essence
from syncd.core.actions import Create, Remove, Update, WriteExternalId
from syncd.core.essence import Value
from syncd.core.model import EXTRA_PREFIX, Group, GroupKey, Side, Snapshot

_SLOT = frozenset({Group.TIME, Group.STATUS})

CALENDAR, IDENTITY, GONE, FACETS = "calendar", "identity", "removal", "properties"
"""What may differ beside the groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """A record as it was seen, and the groups of it that a decision rests on."""

    seen: Snapshot
    groups: frozenset[GroupKey]
    whole: bool = False
    """Whether the identity and the properties that choose a calendar count, too."""


def source_of(write: Create | Update | Remove | WriteExternalId) -> Precondition | None:
    """The record across that a write rests on; None where the last poll's word is enough.

    A creation in HubSpot rests on the last poll, because a look for each would make a
    first sync many times slower. An identity says nothing of its booking's fields that
    HubSpot's own record does not decide.
    """
    match write:
        case Create(side=Side.GHL):
            return Precondition(seen=write.source, groups=everything(write.source), whole=True)
        case Update(source=Snapshot() as source):
            groups = written_by(write) | {Group.CONTACT}
            return Precondition(seen=source, groups=groups)
        case Remove(source=Snapshot() as source):
            return Precondition(seen=source, groups=frozenset())
        case _:
            return None


def written_by(write: Update) -> frozenset[GroupKey]:
    """The groups that an update rests on, on the side that it is written to."""
    groups = frozenset(change.group for change in write.changes)
    return groups | _SLOT if groups & _SLOT else groups


def everything(*records: Snapshot) -> frozenset[GroupKey]:
    """Every group that these records may show."""
    mapped_fields = {
        f"{EXTRA_PREFIX}{name}" for each in records for name, _ in each.appointment.mapped_fields
    }
    return frozenset({*Group, *mapped_fields})


def differing(seen: Snapshot, now: Snapshot, groups: Iterable[GroupKey]) -> tuple[str, ...]:
    """What a record shows otherwise than it did, by name; nothing where the decision stands.

    Contacts are compared as a set. A removal and another calendar always count.
    """
    if seen.gone or now.gone:
        return (GONE,) if seen.gone != now.gone else ()
    found = [group for group in groups if _differs(seen, now, group)]
    if seen.calendar and now.calendar and seen.calendar != now.calendar:
        found.append(CALENDAR)
    return tuple(sorted(found))


def moved_on(
    footing: Precondition, now: Snapshot, ours: Mapping[GroupKey, Collection[Value]] | None = None
) -> tuple[str, ...]:
    """What of a footing does not stand any more.

    `ours` are values that we write to the record at the same time, and those they take the
    place of: both sides of a pair may be written at once, as an undo does.
    """
    seen, groups = footing.seen, footing.groups
    if footing.whole and not now.gone:
        groups |= everything(now)
    found = [each for each in differing(seen, now, groups) if not _is_ours(each, now, ours or {})]
    if footing.whole and not now.gone:
        if (seen.external_id, seen.location_id) != (now.external_id, now.location_id):
            found.append(IDENTITY)
        if dict(seen.filter_properties) != dict(now.filter_properties):
            found.append(FACETS)
    return tuple(found)


def _is_ours(name: str, now: Snapshot, ours: Mapping[GroupKey, Collection[Value]]) -> bool:
    if name == Group.CONTACT:
        return name in ours and all(each in ours[name] for each in now.contacts)
    return name in ours and essence.value(now.appointment, name) in ours[name]


def _differs(seen: Snapshot, now: Snapshot, group: GroupKey) -> bool:
    if group == Group.CONTACT:
        return set(seen.contacts) != set(now.contacts)
    return essence.value(seen.appointment, group) != essence.value(now.appointment, group)
