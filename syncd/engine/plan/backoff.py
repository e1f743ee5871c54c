"""Refused writes wait with back-off, and holds are kept from cycle to cycle.

`planning` calls `put_off` where refused writes are held, `finish` the rest: how
a hold is stored, and which earlier holds a cycle judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from syncd.core.actions import Update, Write
from syncd.core.guards import Plan
from syncd.core.model import GroupKey, Hold
from syncd.engine.backoff import pause_after, waits
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.link import Link
from syncd.engine.observe.sightings import Found
from syncd.engine.planned_writes import by_group, digests, fingerprint_of
from syncd.engine.poll.poll import PollResult


def put_off(
    link: Link, plan: Plan, held: Iterable[Hold], decisions: PendingDecisions
) -> tuple[Plan, tuple[Hold, ...]]:
    """Leave out refused writes that wait with back-off, unless they would write something else.

    `held` are the refusals that were held when the cycle began. A field that
    was refused alone waits alone: the rest of its record goes out.
    """
    now = link.clock.now()
    refused = {
        (*hold.ids, hold.group): hold
        for hold in held
        if waits(hold, now) and not decisions.lets_go(hold)
    }
    if not refused:
        return plan, ()
    kept: list[Write] = []
    waiting: list[Hold] = []
    for write in plan.writes:
        due: Write | None = write
        if decisions.only_parts and digests(write).keys() & decisions.only_parts.keys():
            kept.append(write)
            continue
        if isinstance(write, Update):
            due, fields = _put_off_fields(link, write, refused)
            waiting += fields
        if due is None:
            continue
        hold = refused.get((*write.ids, ""))
        if hold is not None and hold.fingerprint == fingerprint_in_force(due, link):
            waiting.append(_still(hold, due))
        else:
            kept.append(due)
    return replace(plan, writes=tuple(kept)), tuple(waiting)


def _put_off_fields(
    link: Link, write: Update, refused: Mapping[tuple[str, str, str], Hold]
) -> tuple[Update | None, list[Hold]]:
    """What is left of the write, if anything, and the fields that wait."""
    waiting: dict[GroupKey, Hold] = {}
    for group, alone in by_group(write).items():
        hold = refused.get((*write.ids, group))
        if hold is not None and hold.fingerprint == fingerprint_in_force(alone, link):
            waiting[group] = _still(hold, alone)
    left = tuple(change for change in write.changes if change.group not in waiting)
    return replace(write, changes=left) if left else None, [*waiting.values()]


def _still(hold: Hold, write: Write) -> Hold:
    """The hold of a write that goes on waiting."""
    return replace(hold, fingerprint=fingerprint_of(write), values={})


def fingerprint_in_force(write: Write, link: Link) -> str:
    """What tells a refused write from another one, or from one under other rules."""
    return _under(fingerprint_of(write), link)


def _under(fingerprint: str, link: Link) -> str:
    """A write's fingerprint under the configuration that is in force."""
    return f"{fingerprint}.{link.settings_fingerprint}" if fingerprint else ""


def stored(hold: Hold, before: Mapping[tuple[str, str, str, str], Hold], link: Link) -> Hold:
    """The hold as it is kept: how often it was tried, and when it may be tried again."""
    old = before.get(hold.key)
    now = link.clock.now()
    fingerprint = hold.fingerprint
    if hold.reason == "rejected":
        fingerprint = _under(fingerprint, link)
    same = old is not None and old.fingerprint == fingerprint
    still = same and old is not None and waits(old, now)
    attempts = (old.attempts + (0 if still else 1)) if same and old else 1
    return replace(
        hold,
        since=old.since if old else now,
        attempts=attempts,
        retry_at=old.retry_at if still and old else now + pause_after(attempts),
        fingerprint=fingerprint,
    )


def judged_holds(
    polled: PollResult, found: Found, *, only: Collection[str] | None, unsent: Collection[str]
) -> set[tuple[str, str]]:
    """The held records (ghl, hubspot) that this cycle saw whole, so that a hold may be let go.

    Of a cycle that did not come to its end, these are `only` the ids that it
    came to; and what became of a record is not known while a write to it is
    `unsent`.
    """
    held = {
        ids
        for hold in polled.held
        if not {*(ids := hold.ids)} & set(unsent) - {""} and (only is None or {*ids} & set(only))
    }
    if all(scan.complete for scan in polled.scans.values()):
        return held
    pairs = [sighting.pair for sighting in found.sightings]
    ghl = {"", *found.unpaired.ghl, *(pair.ghl_id for pair in pairs)}
    hubspot = {"", *found.unpaired.hubspot, *(pair.hubspot_id for pair in pairs)}
    return {(one, other) for one, other in held if one in ghl and other in hubspot}
