"""What can be decided: the closed set of actions, and what each leaves agreed.

`plan` decides them, `engine.apply` carries them out, `syncd plan` prints them. They are
values that do nothing. A write knows which fields of which records its decision
depends on (`precondition`, `depends_on`): engine and adapters compare them with
what a record shows just before the write goes out. `updated`, `created`, `removed`
and `noted_write` give the pair as it stands once a write's receipt is in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import compress
from typing import ClassVar

from syncd.core import essence
from syncd.core.contacts import Resolution, ToMake
from syncd.core.essence import Value
from syncd.core.model import (
    Appointment,
    Contact,
    Group,
    GroupKey,
    Hold,
    Pair,
    Removal,
    Response,
    Side,
    Snapshot,
    Wrote,
)

_BY_THE_WAY = (Group.TITLE, Group.DESCRIPTION, Group.ADDRESS, Group.OWNER)
"""What a vendor may change of a record while it takes another field: a title that it renders, an
assignee that it takes away. A status or a time that changes so is news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One group that a write changes, as the written side writes it."""

    group: GroupKey
    before: Value
    after: Value
    source: Value
    """What the other side shows, and `after` says."""
    why: str
    lost: bool = False
    """Whether `before` is the losing value of a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    """A contact to create on `side`, because writes to that side name it."""

    side: Side
    source: str
    """The id of the same person's contact on the other side."""
    contact: Contact

    @property
    def key(self) -> tuple[Side, str]:
        """Alike for two contacts across that are one person's: the addresses tell."""
        known = (*self.contact.emails, *self.contact.phones, self.source)
        return self.side, known[0].casefold()


_SLOT = frozenset({Group.TIME, Group.STATUS})
"""They belong together, because they decide about a slot."""

EXTERNAL_ID, PROPERTIES = "identity", "properties"
"""What may break a precondition beside `essence.differing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """A record as it was seen, and the groups of it that a decision rests on."""

    seen: Snapshot
    groups: frozenset[GroupKey]
    whole: bool = False
    """Whether the identity and the properties that choose a calendar count, too."""

    def broken_by(
        self, now: Snapshot, ours: Mapping[GroupKey, Collection[Value]] | None = None
    ) -> tuple[str, ...]:
        """What does not stand any more, by name, in the record as it is read now.

        `ours` are values that we write to the record at the same time, and those they take the
        place of: both sides of a pair may be written at once, as an undo does.
        """
        seen, groups = self.seen, self.groups
        if self.whole and not now.gone:
            groups |= essence.all_groups(now)
        found = [
            each
            for each in essence.differing(seen, now, groups)
            if not _is_ours(each, now, ours or {})
        ]
        if self.whole and not now.gone:
            if (seen.external_id, seen.location_id) != (now.external_id, now.location_id):
                found.append(EXTERNAL_ID)
            if dict(seen.filter_properties) != dict(now.filter_properties):
                found.append(PROPERTIES)
        return tuple(found)


def _is_ours(name: str, now: Snapshot, ours: Mapping[GroupKey, Collection[Value]]) -> bool:
    if name == Group.CONTACT:
        return name in ours and all(each in ours[name] for each in now.contacts)
    return name in ours and essence.value(now.appointment, name) in ours[name]


class _Write:
    """What all writes share: they are about an appointment, which starts at some time."""

    __slots__ = ()

    counted: ClassVar[bool] = True
    """Whether reports count it: an external id is not a change that people see."""

    @property
    def starts(self) -> tuple[datetime, ...]:
        """When the appointment starts: as it is, and as it will be."""
        return ()

    @property
    def starts_at(self) -> datetime | None:
        """When the appointment starts: the earlier of what is and what will be."""
        return min(self.starts, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(_Write):
    """Make the record that is missing on `side`; with a `pair`, make it anew."""

    side: Side
    source: Snapshot
    wanted: Appointment
    contact: Resolution
    """Of the source's contact; a missing contact is created first."""
    pair: Pair | None = None
    calendar: str = ""
    validate_slot: bool = False
    notify: bool = False
    backfill_status: str = ""
    """HighLevel: the status that the HubSpot record takes, because it was created without one."""
    follow_up_fields: tuple[GroupKey, ...] = ()
    """HighLevel: the groups that the HubSpot record takes as soon as the booking shows them."""
    unread: frozenset[GroupKey] = frozenset()
    """What the source holds and nobody could translate now: it goes across when that is known."""
    why: str = ""

    action: ClassVar[str] = "create"

    @property
    def ids(self) -> tuple[str, str]:
        """The (ghl, hubspot) ids, "" for the record that is not there yet."""
        missing = self.pair.id_on(self.side) if self.pair is not None else ""
        return (missing, self.source.id) if self.side is Side.GHL else (self.source.id, missing)

    @property
    def starts(self) -> tuple[datetime, ...]:
        """When the new record starts."""
        return (self.wanted.start,) if self.wanted.start else ()

    @property
    def title(self) -> str:
        """What the appointment is called."""
        return self.wanted.title

    @property
    def changed_at(self) -> datetime | None:
        """The vendor's stamp of the change that the write carries across, where it is known."""
        return self.source.updated_at

    @property
    def precondition(self) -> Precondition | None:
        """A booking depends on everything that its source shows, what chooses a calendar included.

        A creation in HubSpot depends on the last poll alone, because a look for each would make a
        first sync many times slower.
        """
        if self.side is Side.HUBSPOT:
            return None
        groups = essence.all_groups(self.source)
        return Precondition(seen=self.source, groups=groups, whole=True)

    @property
    def new_contact(self) -> NewContact | None:
        """The contact to create before the write can be sent."""
        return _new_contact(self.side, self.source.appointment.contact, self.contact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(_Write):
    """Write the changed groups of a pair to one side; `restores` after a removal was undone."""

    pair: Pair
    side: Side
    seen: Snapshot
    changes: tuple[Change, ...]
    validate_slot: bool = False
    notify: bool = False
    restores: bool = False
    contact: ToMake | None = None
    """The contact to create before this write can name it."""
    source: Snapshot | None = field(default=None, compare=False)
    """The record on the other side that the decision used."""
    reopens: bool = False
    """HighLevel: it takes a slot again that it had given up, which has to be free."""
    changed_at: datetime | None = field(default=None, compare=False)
    """The vendor's stamp of the change that this write carries across."""

    @property
    def action(self) -> str:
        """The report's name for the write."""
        return "restore" if self.restores else "update"

    @property
    def ids(self) -> tuple[str, str]:
        """The (ghl, hubspot) ids."""
        return self.pair.ids

    @property
    def starts(self) -> tuple[datetime, ...]:
        """When the appointment starts: as it is, and as it will be."""
        new = [change.after[0] for change in self.changes if isinstance(change.after, tuple)]
        return tuple(at for at in (self.seen.appointment.start, *new) if at)

    @property
    def title(self) -> str:
        """What the appointment is called on the side that is written."""
        return self.seen.appointment.title

    @property
    def depends_on(self) -> frozenset[GroupKey]:
        """The groups of the written record that the update was decided from."""
        groups = frozenset(change.group for change in self.changes)
        return groups | _SLOT if groups & _SLOT else groups

    @property
    def precondition(self) -> Precondition | None:
        """An update depends on the same fields of the other record, and on its contact."""
        if self.source is None:
            return None
        return Precondition(seen=self.source, groups=self.depends_on | {Group.CONTACT})

    @property
    def new_contact(self) -> NewContact | None:
        """The contact to create before the write can be sent."""
        named = (str(each.source) for each in self.changes if each.group == Group.CONTACT)
        return _new_contact(self.side, next(named, ""), self.contact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(_Write):
    """Carry a removal across: archive, delete, or cancel (with the status to write)."""

    pair: Pair
    side: Side
    seen: Snapshot
    cancel_as: str = ""
    """The status to write; "" archives in HubSpot and deletes in HighLevel."""
    why: str = ""
    notify: bool = False
    source: Snapshot | None = field(default=None, compare=False)
    """The removed record on the other side."""

    action: ClassVar[str] = "remove"
    changed_at: ClassVar[datetime | None] = None
    new_contact: ClassVar[NewContact | None] = None

    @property
    def ids(self) -> tuple[str, str]:
        """The (ghl, hubspot) ids."""
        return self.pair.ids

    @property
    def starts(self) -> tuple[datetime, ...]:
        """When the appointment starts."""
        return (self.seen.appointment.start,) if self.seen.appointment.start else ()

    @property
    def title(self) -> str:
        """What the appointment is called on the side that is written."""
        return self.seen.appointment.title

    @property
    def depends_on(self) -> frozenset[GroupKey]:
        """Everything that the living record shows."""
        return essence.all_groups(self.seen)

    @property
    def precondition(self) -> Precondition | None:
        """A removal depends on proof that the other record is gone."""
        return None if self.source is None else Precondition(seen=self.source, groups=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase:
    """Nothing to write: agree on what both sides show. A pair with key 0 is an adoption."""

    pair: Pair
    one_person: bool = False
    """Of an adoption: whether the two contacts are known to be one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteExternalId(_Write):
    """Write the pair's identity to its HubSpot record (never counted as an update)."""

    pair: Pair
    status: str = ""
    """Also the status for a record that was created without one."""
    groups: frozenset[GroupKey] = frozenset()
    """Also the mapped fields, or the end, that its booking shows."""
    seen: Snapshot | None = None
    """With either of them: the record that was booked; one that was edited since keeps its own."""

    side: ClassVar[Side] = Side.HUBSPOT
    action: ClassVar[str] = "update"
    counted: ClassVar[bool] = False
    source: ClassVar[Snapshot | None] = None
    precondition: ClassVar[Precondition | None] = None
    """An external id says nothing that HubSpot's own record does not decide."""
    title: ClassVar[str] = ""
    changed_at: ClassVar[datetime | None] = None
    new_contact: ClassVar[NewContact | None] = None

    @property
    def ids(self) -> tuple[str, str]:
        """The (ghl, hubspot) ids."""
        return self.pair.ids


Write = Create | Update | Remove | WriteExternalId
Action = Write | Rebase | Hold


def _new_contact(side: Side, source: str, contact: Resolution | None) -> NewContact | None:
    if not isinstance(contact, ToMake):
        return None
    return NewContact(side=side, source=source, contact=contact.contact)


def new_contacts(writes: Iterable[Write]) -> list[NewContact]:
    """The contacts to create for these writes, each once."""
    found = {new.key: new for write in writes if (new := write.new_contact) is not None}
    return list(found.values())


def updated(write: Update, pair: Pair, returned: Appointment, refused: frozenset[GroupKey]) -> Pair:
    """The pair after an update: agreed are the groups that were taken, as they came back."""
    shown, source = pair.shown_on(write.side), pair.shown_on(write.side.other)
    done = [change for change in write.changes if change.group not in refused]
    for change in done:
        shown = essence.with_value(shown, change.group, essence.value(returned, change.group))
        source = essence.with_value(source, change.group, change.source)
    groups = {change.group for change in done}
    ghl, hubspot = (shown, source) if write.side is Side.GHL else (source, shown)
    return replace(
        pair,
        ghl=ghl,
        hubspot=hubspot,
        version=pair.version + 1,
        open=pair.open - groups,
        removal=None if write.restores and Group.STATUS in groups else pair.removal,
        owner_by_us=write.side if Group.OWNER in groups else pair.owner_by_us,
    )


def created(write: Create, record_id: str, returned: Appointment) -> Pair:
    """The pair after its missing record was created."""
    source = write.source.appointment
    old = write.pair
    ids = {write.side: record_id, write.side.other: write.source.id}
    late = {
        group
        for group in write.follow_up_fields
        if essence.value(returned, group) != essence.value(source, group)
    }
    if write.side is Side.HUBSPOT and not returned.contact:
        # The record is there, its contact is not: an association is a step of its own.
        late.add(Group.CONTACT)
    if write.side is Side.HUBSPOT:
        late |= write.unread  # Until then it is judged as at a first meeting: empty over there.
    else:
        # HighLevel chose somebody itself: what HubSpot holds counts as an edit from then on.
        source = essence.with_groups(source, Appointment(), write.unread)
    return Pair(
        key=old.key if old else 0,
        ghl_id=ids[Side.GHL],
        hubspot_id=ids[Side.HUBSPOT],
        ghl=returned if write.side is Side.GHL else source,
        hubspot=returned if write.side is Side.HUBSPOT else source,
        version=old.version + 1 if old else 1,
        calendar=write.calendar or write.source.calendar or (old.calendar if old else ""),
        series=write.source.series,
        open=frozenset({Group.STATUS, *late} if write.backfill_status else late),
        has_external_id=False,
        owner_by_us=write.side if returned.owner else None,
    )


def removed(write: Remove, returned: Appointment | None) -> Pair:
    """The pair after a removal was carried across."""
    pair, side = write.pair, write.side
    gone = frozenset({side.other}) if write.cancel_as else frozenset(Side)
    if write.cancel_as and returned is not None:
        shown = replace(pair.shown_on(side), status=returned.status)
        pair = showing(pair, side, shown)
    return replace(
        pair,
        version=pair.version + 1,
        removal=Removal(
            gone=gone,
            response=Response.CANCELLED if write.cancel_as else Response.REMOVED,
            status_before=write.seen.appointment.status if write.cancel_as else "",
        ),
    )


def showing(pair: Pair, side: Side, shown: Appointment) -> Pair:
    """The pair with another agreement on one side."""
    return replace(pair, ghl=shown) if side is Side.GHL else replace(pair, hubspot=shown)


def noted_write(
    pair: Pair,
    side: Side,
    groups: Collection[GroupKey],
    *,
    at: datetime,
    stamp: datetime | None,
    before: Snapshot | None,
) -> Wrote:
    """Our write to a side, for its pair to remember.

    `pair` is as it was agreed before the write. `stamp` is the one that the
    write left, `before` the record as it was read just before it; None of one
    that was made, or that could not be read.
    """
    last, was = pair.wrote_on(side), before.updated_at if before else None
    if last is not None and last.left(was, timedelta(0)):
        was, groups = last.before, (*groups, *last.groups)
    elif stamp == was:
        stamp = None  # It does not move, and so tells nothing.
    untouched = _untouched(pair.shown_on(side), before.appointment) if before else ()
    return Wrote(at=at, groups=frozenset((*groups, *untouched)), stamp=stamp, before=was)


def _untouched(agreed: Appointment, shown: Appointment) -> list[GroupKey]:
    """Of what a vendor may change by the way, what still showed what was agreed."""
    same = (
        agreed.title == shown.title,
        agreed.description == shown.description,
        agreed.address == shown.address,
        agreed.owner == shown.owner,
    )
    return list(compress(_BY_THE_WAY, same))


def with_wrote(pair: Pair, side: Side, wrote: Wrote | None) -> Pair:
    """The pair with another note of our last write to a side."""
    if side is Side.GHL:
        return replace(pair, wrote_ghl=wrote)
    return replace(pair, wrote_hubspot=wrote)
