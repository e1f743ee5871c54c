"""Who meets whom: what has to be looked up before a record without a pair can be judged.

`rounds` calls `acquaint` for the strangers whose turn it is, and for the pairs
whose contact changed. Leaves out which strangers (`newcomers`), the look-up
itself (`contacts`) and the matching (`core.observe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from syncd.core.contacts import ContactBook, Known, Resolution
from syncd.core.model import Group, Pair, Side, Snapshot
from syncd.core.observe import Sighting, Strangers
from syncd.core.policy import Policy
from syncd.engine import contacts
from syncd.engine.link import Link


def acquaint(
    link: Link, policy: Policy, sightings: Iterable[Sighting], strangers: Strangers
) -> tuple[Strangers, ContactBook]:
    """Look up the contacts of these records across, and the pairs that stand where they stand.

    Raises:
        ProviderError: a look-up failed.
    """
    judged = list(sightings)
    book = _contacts(link, policy, judged, strangers)
    return _with_neighbours(link, strangers, book, judged), book


def _contacts(
    link: Link, policy: Policy, sightings: list[Sighting], strangers: Strangers
) -> ContactBook:
    """The contacts of strangers, and of pairs whose contact changed or is open."""
    ghl = {
        record.appointment.contact
        for record in strangers.ghl.values()
        if isinstance(record, Snapshot) and _in_play(record, policy)
    }
    for sighting in sightings:
        pair, seen = sighting.pair, sighting.ghl
        if isinstance(seen, Snapshot) and (
            Group.CONTACT in pair.open or seen.appointment.contact != pair.ghl.contact
        ):
            ghl.add(seen.appointment.contact)
    hubspot = {
        contact
        for record in strangers.hubspot.values()
        if _in_play(record, policy) and policy.belongs(record)
        for contact in (*record.contacts, policy.ruling(record.id).contact)
    }
    left = {
        # A survivor tells whom it took in, where the old id leads nowhere.
        contact
        for sighting in sightings
        if isinstance(seen := sighting.hubspot, Snapshot)
        and seen.contacts
        and sighting.pair.hubspot.contact not in ("", *seen.contacts)
        for contact in (sighting.pair.hubspot.contact, *seen.contacts)
    }
    return ContactBook(
        merged=contacts.merged(link, left),
        from_ghl=contacts.resolve(link, Side.GHL, ghl),
        from_hubspot=contacts.resolve(link, Side.HUBSPOT, hubspot),
    )


def _in_play(record: Snapshot, policy: Policy) -> bool:
    return not record.gone and policy.window.holds(record.appointment.start)


def _leaving(sightings: Iterable[Sighting]) -> dict[Side, set[int]]:
    """Pairs, by key, whose record on a side goes elsewhere because the one across was moved."""
    return {
        side: {
            sighting.pair.key
            for sighting in sightings
            if isinstance(across := sighting.on(side.other), Snapshot)
            and not across.gone
            and across.appointment.start != sighting.pair.shown_on(side.other).start
        }
        for side in Side
    }


def _with_neighbours(
    link: Link, strangers: Strangers, book: ContactBook, sightings: Sequence[Sighting]
) -> Strangers:
    """Add the pairs that stand where a stranger's contact and start point to, and stay there."""
    spots: dict[Side, set[tuple[str, datetime]]] = {Side.GHL: set(), Side.HUBSPOT: set()}
    for record in strangers.ghl.values():
        if isinstance(record, Snapshot):
            spots[Side.HUBSPOT] |= set(_spots(record, book.from_ghl))
    for snapshot in strangers.hubspot.values():
        spots[Side.GHL] |= set(_spots(snapshot, book.from_hubspot))
    leaving = _leaving(sightings)
    paired: dict[Side, tuple[Pair, ...]] = {}
    for side, wanted in spots.items():
        found = {pair.key: pair for pair in (link.store.pairs_at(side, wanted) if wanted else ())}
        # What was read goes before what was agreed: a record may be restored or moved.
        for sighting in sightings if wanted else ():
            pair = _as_seen(sighting, side)
            shown = pair.shown_on(side)
            if pair.key in found or (shown.contact, shown.start) in wanted:
                found[pair.key] = pair
        paired[side] = tuple(pair for key, pair in found.items() if key not in leaving[side])
    return replace(strangers, paired_at=paired)


def _as_seen(sighting: Sighting, side: Side) -> Pair:
    """The pair with what its record on a side shows now, where it can be seen there."""
    pair, seen = sighting.pair, sighting.on(side)
    if not isinstance(seen, Snapshot) or seen.gone:
        return pair
    shown, removal, across = seen.appointment, pair.removal, sighting.on(side.other)
    if removal and isinstance(across, Snapshot) and not across.gone:
        # Restored over there: our cancellation is about to go back.
        shown = replace(shown, status=removal.status_before or shown.status)
    if removal:
        pair = replace(pair, removal=replace(removal, gone=removal.gone - {side}))
    if side is Side.GHL:
        return replace(pair, ghl=shown)
    return replace(pair, hubspot=replace(shown, contact=pair.hubspot.contact))


def _spots(record: Snapshot, names: Mapping[str, Resolution]) -> Iterable[tuple[str, datetime]]:
    start = record.appointment.start
    if start is None or record.gone:
        return
    for contact in record.contacts:
        found = names.get(contact)
        if isinstance(found, Known):
            yield (found.id, start)
