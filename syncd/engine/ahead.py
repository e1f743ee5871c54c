"""What is asked for at once about new records: everything that needs no other answer first.

`targeted` calls `read_ahead` before it looks contacts up and reads what stands
at the spots of records without a pair. Contacts stay in the providers' caches,
so that the look-up (`observe.contacts`) sends nothing for them; lists of
contacts and carriers of ids are kept here. What was asked for in vain, because
a contact turned out to be another one, is not used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.model import Missing, Side, Snapshot
from syncd.engine.link import Link
from syncd.engine.workers import Lane
from syncd.errors import AuthFailed, DailyBudgetSpent, ProviderError

Starts = Mapping[str, Collection[datetime]]
"""The starts that are asked for, by contact."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A contact's appointments that start at some times, or why they cannot be read."""

    starts: frozenset[datetime]
    found: tuple[Snapshot, ...] | ProviderError


@dataclass(slots=True)
class Ahead:
    """What was read already."""

    carriers: Mapping[str, Snapshot | Missing | None] = field(default_factory=dict)
    """By HighLevel id, the HubSpot record that carries it (None: none does), or why."""
    listed: dict[tuple[Side, str], Listed] = field(default_factory=dict)
    """Appointments by side and contact."""

    def bookings_of(
        self, link: Link, side: Side, contact: str, starts: Collection[datetime]
    ) -> tuple[Snapshot, ...]:
        """A contact's appointments that start then; read now where they were not.

        Raises:
            ProviderError: they cannot be read.
        """
        listed = self.listed.get((side, contact))
        if listed is None or not listed.starts.issuperset(starts):
            # Of other starts nothing is known: somebody else turned out to be this contact.
            return link.side(side).bookings_of(contact, starts)
        if isinstance(listed.found, ProviderError):
            raise listed.found
        return listed.found


def read_ahead(link: Link, records: Iterable[Snapshot]) -> Ahead:
    """Read contacts, their appointments and carriers of ids, all at the same time.

    Raises:
        ProviderError: contacts or carriers cannot be read.
    """
    records = list(records)
    starts = _starts(link, records)
    unknown = {each.id for each in records if each.side is Side.GHL}
    ahead = Ahead()

    def contacts(side: Side) -> Lane:
        link.side(side).contacts(starts[side].keys())
        yield None

    def bookings(side: Side) -> Lane:
        for contact, wanted in starts[side].items():
            ahead.listed[side, contact] = Listed(
                frozenset(wanted), _listed(link, side, contact, wanted)
            )
            yield None

    def carriers() -> Lane:
        ahead.carriers = dict.fromkeys(unknown) | dict(link.hubspot.find_by_external_id(unknown))
        yield None

    lanes = [lane(side) for side in Side if starts[side] for lane in (contacts, bookings)]
    if unknown:
        lanes.append(carriers())
    if lanes:
        link.lanes(lanes)
    return ahead


def _starts(link: Link, records: Iterable[Snapshot]) -> Mapping[Side, Starts]:
    """The starts by contact, and by the other side's contact that was the same person."""
    starts: dict[Side, dict[str, set[datetime]]] = {side: defaultdict(set) for side in Side}
    for record in records:
        if (start := record.appointment.start) is not None:
            for contact in record.contacts:
                starts[record.side][contact].add(start)
    own = {side: set(starts[side]) for side in Side}
    for side in Side:
        # Most often they still are one person, and the look-up finds the answers here.
        for here, there in (link.store.contact_pairs(side, own[side]) if own[side] else {}).items():
            starts[side.other][there] |= starts[side][here]
    return starts


def _listed(
    link: Link, side: Side, contact: str, starts: Collection[datetime]
) -> tuple[Snapshot, ...] | ProviderError:
    try:
        return link.side(side).bookings_of(contact, starts)
    except (AuthFailed, DailyBudgetSpent):
        raise
    except ProviderError as error:
        return error


__all__ = ["Ahead", "read_ahead"]
