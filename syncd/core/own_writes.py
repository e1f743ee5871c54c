"""What our own writes leave behind, told from what people do.

A write moves the record's stamp, though nobody edited it, and a vendor may
store something else than it was sent. `engine.record` notes each write on its
pair; plan and fields ask here. Leaves out what a rendering looks like:
`rendering`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import compress

from syncd.core import essence
from syncd.core.model import Appointment, Group, GroupKey, Pair, Side, Snapshot, Wrote
from syncd.core.rendering import is_vendors

_BY_THE_WAY = (Group.TITLE, Group.DESCRIPTION, Group.ADDRESS, Group.OWNER)
"""What a vendor may change of a record while it takes another field: a title that it renders, an
assignee that it takes away. A status or a time that changes so is news."""

_SOON = timedelta(seconds=2)
"""So far a stamp may be from a write whose answer did not tell it."""


def note(
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
    if last is not None and is_own(last, was, timedelta(0)):
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


def wrote_on(pair: Pair, side: Side, wrote: Wrote | None) -> Pair:
    """The pair with another note of our last write to a side."""
    if side is Side.GHL:
        return replace(pair, wrote_ghl=wrote)
    return replace(pair, wrote_hubspot=wrote)


def is_own(wrote: Wrote, stamp: datetime | None, skew: timedelta) -> bool:
    """Whether the stamp is the one that our write left; nobody edited the record since."""
    if stamp is None:
        return False
    if wrote.stamp is not None:
        return stamp <= wrote.stamp
    return abs(stamp - skew - wrote.at) <= _SOON


def edited_at(pair: Pair, record: Snapshot, skew: timedelta) -> datetime | None:
    """When a person edited the record last, as far as its stamp tells.

    Where our own write left that stamp, the one before it counts. None where
    nobody but us is known to have touched the record.
    """
    wrote = pair.wrote_on(record.side)
    if wrote is not None and is_own(wrote, record.updated_at, skew):
        return wrote.before
    return record.updated_at


def settled(pair: Pair, record: Snapshot, looked: datetime | None) -> Pair:
    """The pair with what a vendor made of our last write agreed on.

    Only the first look after the write can tell: a difference that comes up
    later is somebody's edit. `looked` is when the side was looked at last.
    """
    side = record.side
    wrote = pair.wrote_on(side)
    if wrote is None or record.gone or (looked is not None and looked > wrote.at):
        return pair
    for group in wrote.groups - pair.open - {Group.CONTACT}:
        shown = pair.shown_on(side)
        agreed, now = essence.value(shown, group), essence.value(record.appointment, group)
        if agreed != now and is_vendors(agreed, now, wrote.stamp, record.updated_at):
            shown = essence.with_value(shown, group, now)
            pair = replace(pair, ghl=shown) if side is Side.GHL else replace(pair, hubspot=shown)
    return pair
