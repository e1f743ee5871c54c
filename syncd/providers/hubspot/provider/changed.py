"""A record that is changed: what is sent of it, and what is left of that after a refusal.

`changing` sends these. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncd.core import standing
from syncd.core.model import Appointment, Group, GroupKey, Side, Snapshot
from syncd.errors import Permanent, ProviderError, Rejected, Stale, Transient, Unavailable
from syncd.ports.provider import Done, Order, Refusal
from syncd.providers.hubspot import mapping, refusals, wire
from syncd.providers.hubspot.mapping import GHL_ID, GHL_LOCATION, Columns
from syncd.providers.hubspot.protocol import update_row
from syncd.providers.hubspot.wire import Problem, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One row of a batch update."""

    order: Order
    now: Snapshot
    sent: Mapping[str, str]
    refused: tuple[Refusal, ...] = ()
    unmarked: bool = False
    parted: bool = False
    """Whether its groups were tried one by one."""

    @property
    def trace(self) -> str:
        """See `parting.Row`."""
        return self.order.key

    @property
    def body(self) -> wire.Json:
        """See `parting.Row`."""
        return update_row(self.trace, self.order.id, self.sent)

    def answered_by(self, record: Record) -> bool:
        """See `parting.Row`."""
        return record.id == self.order.id


def row_of(order: Order, now: Snapshot, columns: Columns) -> Changed:
    """What is sent for an order, to a record as it is now."""
    moved = standing.differing(order.seen, now, order.groups) if order.seen else ()
    yielding = order.groups & {*moved} if order.gives_way else frozenset[GroupKey]()
    sent = mapping.properties(order.wanted, order.groups - yielding, columns)
    if order.mark:
        sent |= mapping.mark_properties(order.mark) | columns.address(order.id)
    words = "it was changed in HubSpot meanwhile, and so is left alone"
    kept = tuple(
        Refusal(group=group, reason="rejected", detail=words) for group in sorted(yielding)
    )
    return Changed(order=order, now=now, sent=sent, refused=kept)


def seen_again(row: Changed, now: Changed) -> Changed:
    """A row on a newer reading; what was refused before is not tried again."""
    told = {each.group for each in row.refused}
    return replace(
        row,
        now=now.now,
        sent={name: held for name, held in row.sent.items() if name in now.sent},
        refused=(*row.refused, *(each for each in now.refused if each.group not in told)),
    )


def staleness(order: Order, now: Snapshot | None) -> Stale | None:
    """Why the plan no longer holds: the record went away, or shows something else."""
    if now is None:
        return vanished(order)
    if order.seen is None or order.gives_way:
        return None
    if standing.differing(order.seen, now, rests(order)):
        return moved_on(order)
    if order.mark and now.carried_id not in {order.seen.carried_id, order.mark.ghl_id}:
        return moved_on(order)
    return None


def vanished(order: Order) -> Stale:
    """The record is not among the living any more."""
    return Stale(
        f"the HubSpot appointment {order.id} was archived or merged since it was read; "
        "the next cycle looks for it",
        side=Side.HUBSPOT,
    )


def unread(order: Order, error: ProviderError) -> ProviderError:
    """Why the record cannot be written: where its reading was refused, no write was."""
    if not isinstance(error, Permanent):
        return error
    return Transient(
        f"the HubSpot appointment {order.id} could not be read before the write ({error}); "
        "the next cycle tries again",
        side=Side.HUBSPOT,
    )


def moved_on(order: Order) -> Stale:
    """The record shows something else than what the order was made from."""
    return Stale(
        f"the HubSpot appointment {order.id} was edited since it was read; "
        "the next cycle takes the edit up",
        side=Side.HUBSPOT,
    )


def no_word(order: Order) -> ProviderError:
    """The answer says nothing about the record."""
    return Stale(
        f"HubSpot did not say what became of the appointment {order.id}; "
        "the next cycle looks again",
        side=Side.HUBSPOT,
    )


def rests(order: Order) -> frozenset[GroupKey]:
    """The groups that must still show what the order was made from."""
    return order.groups | order.rests


def removal_of(order: Order) -> Done:
    """The record is archived."""
    return Done(key=order.key, id=order.id, returned=Appointment())


def without_refused(row: Changed, found: Problem, columns: Columns) -> Changed | ProviderError:
    """The same row without what was refused, or the error where nothing would be left of it."""
    if refusals.unique_value_taken(found) and GHL_ID in row.sent:
        # Another record holds the identity: the rest of the write does not suffer for it.
        kept = {name: held for name, held in row.sent.items() if name not in _MARK}
        return replace(row, sent=kept, unmarked=True)
    named = {mapping.group_of(name, columns) for name in found.properties if name in row.sent}
    refused = {group for group in named if group in row.order.groups}
    if not refused or refused >= set(row.order.groups):
        return refusals.of_row(found)
    lost = {mapping.PIPELINE, *(name for group in refused for name in columns.of(group))}
    kept = {name: held for name, held in row.sent.items() if name not in lost}
    detail = refusals.words(found)
    notes = tuple(
        Refusal(group=group, reason="rejected", detail=detail) for group in sorted(refused)
    )
    return replace(row, sent=kept, refused=row.refused + notes)


def may_be_divided(row: Changed, error: ProviderError) -> bool:
    """Whether some groups may be taken where all of them together were not."""
    # A server may stumble over one text; of one that is down, no row comes to this.
    told = isinstance(error, Rejected) or (isinstance(error, Unavailable) and error.status >= 500)
    return told and not row.parted and len(row.order.groups) > 1


def groups_in(row: Changed, columns: Columns) -> list[GroupKey]:
    """The groups that are sent as properties, in a settled order."""
    return [group for group in sorted(row.order.groups) if names_of(group, row, columns)]


def names_of(group: GroupKey, row: Changed, columns: Columns) -> list[str]:
    """The properties of a group that are sent."""
    names = columns.of(group)
    if group == Group.STATUS:
        names += (mapping.PIPELINE,)
    return [name for name in names if name in row.sent]


_MARK = frozenset({GHL_ID, GHL_LOCATION})
