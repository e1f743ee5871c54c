"""Is its twin there now? What has to be read before a record without a pair is made across.

`rounds` asks `beside` before it plans: where this cycle's reading of a side
could not show a twin (HubSpot was only asked for changes, a part failed, a
calendar was refused), the contact's own appointments there are read. What is
found takes part in the meeting, whatever its retry time; who cannot be asked
for has to wait. `apply` asks `Watch` again before bookings and records are
sent that were planned a while ago. Leaves out the matching: `core.observe`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core.contacts import Known
from syncd.core.model import Scan, Side, Snapshot
from syncd.core.observe import Newcomer, Seen, Strangers
from syncd.core.policy import Policy
from syncd.engine.carried import with_carried
from syncd.engine.link import Link
from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    ProviderError,
    Transient,
)

Spot = tuple[str, datetime]
"""A contact and a start, in the words of the side that is asked."""

FRESH = 5.0
"""Seconds: a reading that is not older is as good as a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a look beside the lists showed."""

    found: Strangers = field(default_factory=Strangers)
    unsure: Mapping[str, str] = field(default_factory=dict)
    """Why a twin cannot be ruled out, by the id of the record that has to wait."""


def beside(
    link: Link,
    policy: Policy,
    scans: Mapping[Side, Scan],
    newcomers: Sequence[Newcomer],
    strangers: Strangers,
    fresh: Collection[str],
) -> Beside:
    """Look for twins of newcomers that the lists of this cycle could not show.

    `strangers` have met already; `fresh` are ids of records that came up after
    the lists were read.
    """
    ghl, unsure = _in_ghl(link, scans[Side.GHL], newcomers, strangers.ghl)
    swept = scans[Side.HUBSPOT]
    mirrored = [each for each in newcomers if each.record.side is Side.GHL]
    if swept.passing:
        # Who carries its id may be among what was not read.
        why = f"HubSpot may have it already: {'; '.join(swept.failures)}"
        unsure |= {each.record.id: why for each in mirrored}
        mirrored = []
    asked = [each for each in mirrored if not swept.whole or each.record.id in fresh]
    hubspot, unread = _in_hubspot(link, policy, _spots(asked), strangers.hubspot)
    for newcomer in asked:
        for spot in _spots([newcomer]) & unread.keys():
            why = f"HubSpot may have it already, which could not be read: {unread[spot]}"
            unsure[newcomer.record.id] = why
    found = replace(with_carried(link, policy, hubspot, ghl, strangers.ghl), beside=frozenset(ghl))
    return Beside(found=found, unsure=unsure)


def _in_ghl(
    link: Link, scan: Scan, newcomers: Iterable[Newcomer], known: Mapping[str, Seen]
) -> tuple[dict[str, Snapshot], dict[str, str]]:
    """Twins on calendars that were not listed, and who waits until they are."""
    if scan.whole:
        return {}, {}
    found: dict[str, Snapshot] = {}
    unsure: dict[str, str] = {}
    for newcomer in newcomers:
        record, contact = newcomer.record, newcomer.contact
        start = record.appointment.start
        if record.side is Side.GHL or not isinstance(contact, Known) or start is None:
            continue
        if scan.passing:
            unsure[record.id] = f"it may be booked already: {'; '.join(scan.failures)}"
            continue
        try:
            found |= _booked(link, (contact.id, start), known)
        except ProviderError as error:
            if _ends_all(error):
                raise
            unsure[record.id] = f"it may be booked already, and its contact's list fails: {error}"
    return found, unsure


def _ends_all(error: ProviderError) -> bool:
    """Whether nothing else can be asked either; else it is this look alone that failed."""
    refused = isinstance(error, AuthFailed) and not error.missing_scope
    return refused or isinstance(error, DailyBudgetSpent)


def _spots(newcomers: Iterable[Newcomer]) -> set[Spot]:
    return {
        (each.contact.id, start)
        for each in newcomers
        if isinstance(each.contact, Known) and (start := each.record.appointment.start) is not None
    }


def _booked(link: Link, spot: Spot, known: Collection[str]) -> dict[str, Snapshot]:
    """HighLevel's living appointments at this spot that no pair has, and that were not seen.

    Raises:
        ProviderError: one of them could not be read.
    """
    contact, start = spot
    shown = link.ghl.bookings_of(contact)
    ids = {each.id for each in shown if not each.gone and each.appointment.start == start}
    found: dict[str, Snapshot] = {}
    for record_id, seen in _unpaired(link, Side.GHL, ids - set(known)).items():
        if isinstance(seen, Snapshot):
            found |= {record_id: seen} if _stands_at(seen, {spot}) else {}
        elif seen.unread:
            raise Transient(f"{record_id}: {seen.detail}", side=Side.GHL)
    return found


def _in_hubspot(
    link: Link, policy: Policy, spots: Collection[Spot], known: Collection[str]
) -> tuple[dict[str, Snapshot], dict[Spot, str]]:
    """HubSpot's living records at these spots that no pair has and that were not seen.

    And why others cannot be read, by the spots that are open because of that.
    """
    if not spots:
        return {}, {}
    linked, errors = link.hubspot.linked_to({contact for contact, _ in spots})
    unread = {spot: str(errors[spot[0]]) for spot in spots if spot[0] in errors}
    found: dict[str, Snapshot] = {}
    ids = {record_id for each in linked.values() for record_id in each}
    for record_id, seen in _unpaired(link, Side.HUBSPOT, ids - set(known)).items():
        if isinstance(seen, Snapshot):
            if policy.belongs(seen) and _stands_at(seen, spots):
                found[record_id] = seen
        elif seen.unread:
            whose = {contact for contact, each in linked.items() if record_id in each}
            unread |= {spot: seen.detail for spot in spots if spot[0] in whose}
    return found, unread


def _unpaired(link: Link, side: Side, ids: Collection[str]) -> Mapping[str, Seen]:
    """These records as they are now, without those that have a pair."""
    asked = set(ids) - set(link.store.prints(side, ids) if ids else ())
    return link.side(side).fetch(asked) if asked else {}


def _stands_at(record: Snapshot, spots: Collection[Spot]) -> bool:
    start = record.appointment.start
    return not record.gone and any((contact, start) in spots for contact in record.contacts)
