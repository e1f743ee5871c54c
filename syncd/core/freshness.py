"""Whether a write carries a fresh change by a person: what `notify = "live"` asks.

`plan`, `creation` and `reconcile` ask, each for the change that it carries: the
cycle in which a write goes out does not count. Leaves out who is
notified at all: `policy`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from syncd.core import essence
from syncd.core.context import PlanContext
from syncd.core.model import Snapshot

FRESH = timedelta(hours=24)
"""Automations are not notified of a change that waited longer."""

DOUBT = timedelta(seconds=2)
"""Clocks that differ by less are taken for equal."""


def is_fresh(record: Snapshot, context: PlanContext, *, paired: bool = True) -> bool:
    """Whether what a record shows now is a person's doing of today, after the first sync.

    What the first sync left behind (held, failed, or of unknown fate) stays
    its doing, however late it goes out, until a person changes the record.
    """
    first, now = context.evidence.first_sync, context.policy.now
    left = first.left_over.get(record.id)
    if left == fingerprint_of_value(record):
        return False
    if left and not paired:
        return True  # It was changed since, whether or not that moved a stamp.
    stamp = record.updated_at or record.created_at
    if stamp is None:
        return True
    at = stamp - context.evidence.skew.get(record.side, timedelta(0))
    return now - at <= FRESH and (first.ended is None or at >= first.ended - DOUBT)


def fingerprint_of_value(record: Snapshot) -> str:
    """What a person can change of a record, contacts included, as a digest."""
    contacts = " ".join(sorted(record.contacts))
    return essence.fingerprint(replace(record.appointment, contact=contacts))
