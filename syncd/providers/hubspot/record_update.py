"""A record that is changed: what is sent of it, and what is left of that after a refusal.

`changing` sends these. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncd.core import essence
from syncd.core.model import Appointment, Group, GroupKey, Side, Snapshot
from syncd.errors import Permanent, ProviderError, Rejected, Stale, Transient, Unavailable
from syncd.ports.provider import Done, Refusal, WriteCommand
from syncd.providers.hubspot import mapping, refusals, wire
from syncd.providers.hubspot.mapping import GHL_ID, GHL_LOCATION, PropertyMap
from syncd.providers.hubspot.protocol import update_row
from syncd.providers.hubspot.wire import Problem, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUpdate:
    """One row of a batch update."""

    command: WriteCommand
    now: Snapshot
    sent: Mapping[str, str]
    refused: tuple[Refusal, ...] = ()
    external_id_refused: bool = False
    parted: bool = False
    """Whether its groups were tried one by one."""

    @property
    def trace(self) -> str:
        """See `parting.Row`."""
        return self.command.key

    @property
    def body(self) -> wire.Json:
        """See `parting.Row`."""
        return update_row(self.trace, self.command.id, self.sent)

    def answered_by(self, record: Record) -> bool:
        """See `parting.Row`."""
        return record.id == self.command.id


def row_of(command: WriteCommand, now: Snapshot, property_map: PropertyMap) -> RecordUpdate:
    """What is sent for an order, to a record as it is now."""
    moved = essence.differing(command.seen, now, command.groups) if command.seen else ()
    yielding = command.groups & {*moved} if command.skip_changed else frozenset[GroupKey]()
    sent = mapping.properties(command.wanted, command.groups - yielding, property_map)
    if command.external_ids:
        sent |= mapping.external_id_properties(command.external_ids) | property_map.address(
            command.id
        )
    words = "it was changed in HubSpot meanwhile, and so is left alone"
    kept = tuple(
        Refusal(group=group, reason="rejected", detail=words) for group in sorted(yielding)
    )
    return RecordUpdate(command=command, now=now, sent=sent, refused=kept)


def seen_again(row: RecordUpdate, now: RecordUpdate) -> RecordUpdate:
    """A row on a newer reading; what was refused before is not tried again."""
    told = {each.group for each in row.refused}
    return replace(
        row,
        now=now.now,
        sent={name: held for name, held in row.sent.items() if name in now.sent},
        refused=(*row.refused, *(each for each in now.refused if each.group not in told)),
    )


def staleness(command: WriteCommand, now: Snapshot | None) -> Stale | None:
    """Why the plan no longer holds: the record went away, or shows something else."""
    if now is None:
        return vanished(command)
    if command.seen is None or command.skip_changed:
        return None
    if essence.differing(command.seen, now, rests(command)):
        return moved_on(command)
    if command.external_ids and now.external_id not in {
        command.seen.external_id,
        command.external_ids.ghl_id,
    }:
        return moved_on(command)
    return None


def vanished(command: WriteCommand) -> Stale:
    """The record is not among the living any more."""
    return Stale(
        f"the HubSpot appointment {command.id} was archived or merged since it was read; "
        "the next cycle looks for it",
        side=Side.HUBSPOT,
    )


def unread(command: WriteCommand, error: ProviderError) -> ProviderError:
    """Why the record cannot be written: where its reading was refused, no write was."""
    if not isinstance(error, Permanent):
        return error
    return Transient(
        f"the HubSpot appointment {command.id} could not be read before the write ({error}); "
        "the next cycle tries again",
        side=Side.HUBSPOT,
    )


def moved_on(command: WriteCommand) -> Stale:
    """The record shows something else than what the order was made from."""
    return Stale(
        f"the HubSpot appointment {command.id} was edited since it was read; "
        "the next cycle takes the edit up",
        side=Side.HUBSPOT,
    )


def no_word(command: WriteCommand) -> ProviderError:
    """The answer says nothing about the record."""
    return Stale(
        f"HubSpot did not say what became of the appointment {command.id}; "
        "the next cycle looks again",
        side=Side.HUBSPOT,
    )


def rests(command: WriteCommand) -> frozenset[GroupKey]:
    """The groups that must still show what the order was made from."""
    return command.groups | command.depends_on


def removal_of(command: WriteCommand) -> Done:
    """The record is archived."""
    return Done(key=command.key, id=command.id, returned=Appointment())


def without_refused(
    row: RecordUpdate, found: Problem, property_map: PropertyMap
) -> RecordUpdate | ProviderError:
    """The same row without what was refused, or the error where nothing would be left of it."""
    if refusals.unique_value_taken(found) and GHL_ID in row.sent:
        # Another record holds the identity: the rest of the write does not suffer for it.
        kept = {name: held for name, held in row.sent.items() if name not in _MARK}
        return replace(row, sent=kept, external_id_refused=True)
    named = {mapping.group_of(name, property_map) for name in found.properties if name in row.sent}
    refused = {group for group in named if group in row.command.groups}
    if not refused or refused >= set(row.command.groups):
        return refusals.of_row(found)
    lost = {mapping.PIPELINE, *(name for group in refused for name in property_map.of(group))}
    kept = {name: held for name, held in row.sent.items() if name not in lost}
    detail = refusals.words(found)
    notes = tuple(
        Refusal(group=group, reason="rejected", detail=detail) for group in sorted(refused)
    )
    return replace(row, sent=kept, refused=row.refused + notes)


def may_be_divided(row: RecordUpdate, error: ProviderError) -> bool:
    """Whether some groups may be taken where all of them together were not."""
    # A server may stumble over one text; of one that is down, no row comes to this.
    told = isinstance(error, Rejected) or (isinstance(error, Unavailable) and error.status >= 500)
    return told and not row.parted and len(row.command.groups) > 1


def groups_in(row: RecordUpdate, property_map: PropertyMap) -> list[GroupKey]:
    """The groups that are sent as properties, in a settled order."""
    return [group for group in sorted(row.command.groups) if names_of(group, row, property_map)]


def names_of(group: GroupKey, row: RecordUpdate, property_map: PropertyMap) -> list[str]:
    """The properties of a group that are sent."""
    names = property_map.of(group)
    if group == Group.STATUS:
        names += (mapping.PIPELINE,)
    return [name for name in names if name in row.sent]


_MARK = frozenset({GHL_ID, GHL_LOCATION})
