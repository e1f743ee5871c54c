"""What has to be looked up before records without a pair can be matched.

`sightings` calls `match` for the unpaired records whose turn it is, and for
the pairs whose contact changed. Leaves out whose turn it is (`unpaired_queue`),
the look-up itself (`contacts`) and the matching (`core.matching`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from syncd.core.contacts import ContactBook, Known, Resolution
from syncd.core.matching import match_unpaired
from syncd.core.model import Group, Pair, Side, Snapshot
from syncd.core.observe import Observed, Sighting, UnpairedRecords
from syncd.core.policy import Policy
from syncd.engine.context import CycleContext
from syncd.engine.link import Link
from syncd.engine.observe import contacts


def match(
    context: CycleContext,
    policy: Policy,
    sightings: Sequence[Sighting],
    unpaired: UnpairedRecords,
) -> tuple[Observed, ContactBook]:
    """Look up contacts and neighbours of these records, and match those without a pair.

    Raises:
        ProviderError: a look-up failed.
    """
    book = _contacts(context.link, policy, sightings, unpaired)
    if not unpaired.ghl and not unpaired.hubspot:
        return Observed(), book
    around = _with_neighbours(context.link, unpaired, book, sightings)
    return match_unpaired(around, book, policy, context.translator.statuses), book


def _contacts(
    link: Link, policy: Policy, sightings: Sequence[Sighting], unpaired: UnpairedRecords
) -> ContactBook:
    """The contacts of unpaired records, and of pairs whose contact changed or is open."""
    ghl = {
        record.appointment.contact
        for record in unpaired.ghl.values()
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
        for record in unpaired.hubspot.values()
        if _in_play(record, policy) and policy.belongs(record)
        for contact in (*record.contacts, policy.override(record.id).contact)
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
    """Pairs, by key, whose record on a side moves because only the other one was moved."""
    return {
        side: {
            sighting.pair.key
            for sighting in sightings
            if _is_moved(sighting, side.other) and not _is_moved(sighting, side)
        }
        for side in Side
    }


def _is_moved(sighting: Sighting, side: Side) -> bool:
    """Whether a record starts at another time than was agreed."""
    seen = sighting.on(side)
    return (
        isinstance(seen, Snapshot)
        and not seen.gone
        and seen.appointment.start != sighting.pair.shown_on(side).start
    )


def _with_neighbours(
    link: Link, unpaired: UnpairedRecords, book: ContactBook, sightings: Sequence[Sighting]
) -> UnpairedRecords:
    """Add the pairs that stand, and stay, where the unpaired records may belong."""
    match_keys: dict[Side, set[tuple[str, datetime]]] = {Side.GHL: set(), Side.HUBSPOT: set()}
    for record in unpaired.ghl.values():
        if isinstance(record, Snapshot):
            match_keys[Side.HUBSPOT] |= set(_match_keys(record, book.from_ghl))
    for snapshot in unpaired.hubspot.values():
        match_keys[Side.GHL] |= set(_match_keys(snapshot, book.from_hubspot))
    leaving = _leaving(sightings)
    paired: dict[Side, tuple[Pair, ...]] = {}
    for side, wanted in match_keys.items():
        found = {pair.key: pair for pair in (link.store.pairs_at(side, wanted) if wanted else ())}
        # What was read goes before what was agreed: a record may be restored or moved.
        for sighting in sightings if wanted else ():
            pair = _as_seen(sighting, side)
            shown = pair.shown_on(side)
            if pair.key in found or (shown.contact, shown.start) in wanted:
                found[pair.key] = pair
        paired[side] = tuple(pair for key, pair in found.items() if key not in leaving[side])
    return replace(unpaired, paired_at=paired)


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


def _match_keys(
    record: Snapshot, names: Mapping[str, Resolution]
) -> Iterable[tuple[str, datetime]]:
    start = record.appointment.start
    if start is None or record.gone:
        return
    for contact in record.contacts:
        found = names.get(contact)
        if isinstance(found, Known):
            yield (found.id, start)
