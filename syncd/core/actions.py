"""What can be decided: the closed set of actions, and what each leaves agreed.

Plan makes them, `engine.apply` carries them out, `syncd plan` prints them.
They are inert values. `updated`, `created` and `removed` are the other half: the
pair as it stands once an action's receipt is in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

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
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One group that a write changes, in the words of the side that it is written to."""

    group: GroupKey
    before: Value
    after: Value
    source: Value
    """What the other side shows, and `after` says."""
    why: str
    lost: bool = False
    """Whether `before` is the losing value of a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make the record that is missing on `side`; with a `pair`, make it anew."""

    side: Side
    source: Snapshot
    wanted: Appointment
    contact: Resolution
    """Of the source's contact; a contact that is to be made is made first."""
    pair: Pair | None = None
    calendar: str = ""
    validate_slot: bool = False
    notify: bool = False
    fill: str = ""
    """HighLevel: the status that the HubSpot record takes, because it was born without one."""
    late: tuple[GroupKey, ...] = ()
    """HighLevel: the groups that the HubSpot record takes as soon as the booking shows them."""
    unread: frozenset[GroupKey] = frozenset()
    """What the source holds and nobody could translate now: it goes across when that is known."""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Write the changed groups of a pair to one side; `restores` after a removal was undone."""

    pair: Pair
    side: Side
    seen: Snapshot
    changes: tuple[Change, ...]
    validate_slot: bool = False
    notify: bool = False
    restores: bool = False
    contact: ToMake | None = None
    """The contact that has to be made before this write can name it."""
    source: Snapshot | None = field(default=None, compare=False)
    """The record across that the decision was made from."""
    reopens: bool = False
    """HighLevel: it takes a slot again that it had given up, which has to be free."""
    changed_at: datetime | None = field(default=None, compare=False)
    """The vendor's stamp of the change that this write carries across."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Carry a removal across: archive, delete, or cancel (with the status to write)."""

    pair: Pair
    side: Side
    seen: Snapshot
    cancel_as: str = ""
    """The status to write; "" archives in HubSpot and deletes in HighLevel."""
    why: str = ""
    notify: bool = False
    source: Snapshot | None = field(default=None, compare=False)
    """The record across, whose removal is carried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase:
    """Nothing to write: agree on what both sides show. A pair with key 0 is an adoption."""

    pair: Pair
    one_person: bool = False
    """Of an adoption: whether the two contacts are known to be one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteExternalId:
    """Write the pair's identity to its HubSpot record (never counted as an update)."""

    pair: Pair
    status: str = ""
    """Also the status that a record takes which was born without one."""
    groups: frozenset[GroupKey] = frozenset()
    """Also the further fields, or the end, that its booking shows."""
    seen: Snapshot | None = None
    """With either of them: the record that was booked; one that was edited since keeps its own."""


Write = Create | Update | Remove
Action = Write | Rebase | WriteExternalId | Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    """A contact that is made on `side`, because writes to that side name it."""

    side: Side
    source: str
    """The id of the same person's contact on the other side."""
    contact: Contact

    @property
    def key(self) -> tuple[Side, str]:
        """Alike for two contacts across that are one person's: the addresses tell."""
        known = (*self.contact.emails, *self.contact.phones, self.source)
        return self.side, known[0].casefold()


def to_make(write: Write) -> ToMake | None:
    """The contact that has to be made before the write can be sent."""
    wanted = None if isinstance(write, Remove) else write.contact
    return wanted if isinstance(wanted, ToMake) else None


def source_contact(write: Write) -> str:
    """The id across of the contact that a write is for."""
    match write:
        case Create():
            return write.source.appointment.contact
        case Update():
            named = (each.source for each in write.changes if each.group == Group.CONTACT)
            return str(next(named, ""))
        case Remove():
            return ""


def new_contact(write: Write) -> NewContact | None:
    """The contact that is made for a write, if one is."""
    made = to_make(write)
    if made is None:
        return None
    return NewContact(side=write.side, source=source_contact(write), contact=made.contact)


def new_contacts(writes: Iterable[Write]) -> list[NewContact]:
    """The contacts that are made for these writes, each once."""
    found = {new.key: new for write in writes if (new := new_contact(write)) is not None}
    return list(found.values())


def ids_of(write: Write) -> tuple[str, str]:
    """The (ghl, hubspot) ids that a write is about, "" where there is none yet."""
    if isinstance(write, Create):
        ids = {write.source.side: write.source.id, write.side: ""}
        if write.pair is not None:
            ids[write.side] = write.pair.id_on(write.side)
        return ids[Side.GHL], ids[Side.HUBSPOT]
    return write.pair.ghl_id, write.pair.hubspot_id


def starts(write: Write) -> tuple[datetime, ...]:
    """When the appointment of a write starts: as it is, and as it will be."""
    match write:
        case Create():
            moments = [write.wanted.start]
        case Update():
            new = [change.after[0] for change in write.changes if isinstance(change.after, tuple)]
            moments = [write.seen.appointment.start, *new]
        case Remove():
            moments = [write.seen.appointment.start]
    return tuple(at for at in moments if at)


def starts_at(write: Write) -> datetime | None:
    """When the appointment of a write starts: the earlier of what is and what will be."""
    return min(starts(write), default=None)


def title_of(write: Write) -> str:
    """What the appointment of a write is called."""
    return (write.wanted if isinstance(write, Create) else write.seen.appointment).title


def changed_at(write: Write) -> datetime | None:
    """The vendor's stamp of the change that a write carries across, where it is known."""
    match write:
        case Create():
            return write.source.updated_at
        case Update():
            return write.changed_at
        case Remove():
            return None


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
    """The pair after its missing record was made."""
    source = write.source.appointment
    old = write.pair
    ids = {write.side: record_id, write.side.other: write.source.id}
    late = {
        group
        for group in write.late
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
        open=frozenset({Group.STATUS, *late} if write.fill else late),
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
