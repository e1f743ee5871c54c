"""Why a record that was read is not synced: one word for each rule that leaves records out.

`engine.poll` counts by it in every full cycle. What waits for a person is
held, and no business of this module; neither is what is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from syncd.core.model import Missing, Side, Snapshot
from syncd.core.observe import Seen, Sighting
from syncd.core.policy import Policy

WINDOW, CALENDAR, FILTER, LOCATION = "window", "calendar", "filter", "location"
SERIES, IGNORED, MERGED = "series", "ignored", "merged"

REASONS = (WINDOW, CALENDAR, FILTER, LOCATION, SERIES, IGNORED, MERGED)
"""The reasons of the report's `left_out` (`docs/report.md`)."""


def why(record: Snapshot, policy: Policy, calendars: Collection[str]) -> str:
    """The rule that leaves out a record without a pair; "" where none does.

    `calendars` are the HighLevel calendars that were read.
    """
    if record.gone:
        return ""
    if policy.override(record.id).ignore:
        return IGNORED
    if record.side is Side.HUBSPOT and not policy.belongs(record):
        return LOCATION if record.location_id else FILTER
    if record.side is Side.GHL and record.calendar not in calendars:
        return CALENDAR
    if outside(record, policy):
        return WINDOW
    return SERIES if not policy.makes_instance(record) else ""


def outside(record: Snapshot, policy: Policy) -> bool:
    """Whether it starts outside the link's window; without a start, nothing can tell."""
    start = record.appointment.start
    return start is not None and not policy.window.holds(start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a full cycle read, by side and id."""

    seen: Mapping[Side, Mapping[str, Seen]]
    known: Mapping[Side, Collection[str]]
    """Ids that a pair has."""
    news: Collection[str]
    """Known HubSpot ids that do not show what was agreed."""
    calendars: Collection[str]
    """The HighLevel calendars that were read."""


def found_in(
    read: Read, sightings: Iterable[Sighting], policy: Policy
) -> dict[str, tuple[str, ...]]:
    """The records that are left out, by reason; of a pair, its HubSpot record counts."""
    found: dict[str, list[str]] = defaultdict(list)
    for side, records in read.seen.items():
        for record_id, shown in records.items():
            if not isinstance(shown, Snapshot) or shown.gone:
                continue
            if record_id not in read.known[side]:
                found[why(shown, policy, read.calendars)].append(record_id)
            elif policy.override(record_id).ignore:
                found[IGNORED].append(record_id)
            elif side is Side.HUBSPOT and outside(shown, policy) and record_id not in read.news:
                found[WINDOW].append(record_id)
    found[MERGED] = [
        each.pair.hubspot_id
        for each in sightings
        if isinstance(each.hubspot, Missing) and each.hubspot.became
    ]
    return {reason: tuple(found[reason]) for reason in REASONS if found[reason]}
