"""Tells the traces of our own writes from edits by people.

A write moves the record's stamp, though nobody edited it, and a vendor may
store something else than it was sent. `engine.record` notes each write on its
pair; `plan` and `reconcile` ask here. Leaves out what a rendering looks like:
`rendering`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from syncd.core import essence
from syncd.core.model import Group, Pair, Side, Snapshot
from syncd.core.rendering import is_vendors


def edited_at(pair: Pair, record: Snapshot, skew: timedelta) -> datetime | None:
    """When a person edited the record last, as far as its stamp tells.

    Where our own write left that stamp, the one before it counts. None where
    nobody but us is known to have touched the record.
    """
    wrote = pair.wrote_on(record.side)
    if wrote is not None and wrote.left(record.updated_at, skew):
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
