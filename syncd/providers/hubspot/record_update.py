"""The update of one record: the properties to send, and those that remain after a refusal.

`updating` sends these. Pure.
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
    divided_before: bool = False
    """Whether its groups were sent one by one."""

    @property
    def trace(self) -> str:
        """See `batch_split.Row`."""
        return self.command.key

    @property
    def body(self) -> wire.Json:
        """See `batch_split.Row`."""
        return update_row(self.trace, self.command.id, self.sent)

    def answered_by(self, record: Record) -> bool:
        """See `batch_split.Row`."""
        return record.id == self.command.id


def row_of(command: WriteCommand, now: Snapshot, property_map: PropertyMap) -> RecordUpdate:
    """The update of a command, for a record as it is now."""
    changed = essence.differing(command.seen, now, command.groups) if command.seen else ()
    skipped = command.groups & {*changed} if command.skip_changed else frozenset[GroupKey]()
    sent = mapping.properties(command.wanted, command.groups - skipped, property_map)
    if command.external_ids:
        sent |= mapping.external_id_properties(command.external_ids) | property_map.address(
            command.id
        )
    if command.note is not None and property_map.note:
        sent |= {property_map.note: command.note}
    words = "it was changed in HubSpot meanwhile, and so is left alone"
    kept = tuple(Refusal(group=group, reason="rejected", detail=words) for group in sorted(skipped))
    return RecordUpdate(command=command, now=now, sent=sent, refused=kept)


def with_reading(row: RecordUpdate, now: RecordUpdate) -> RecordUpdate:
    """The row on a newer reading; what was refused before is not sent again."""
    known = {each.group for each in row.refused}
    return replace(
        row,
        now=now.now,
        sent={name: held for name, held in row.sent.items() if name in now.sent},
        refused=(*row.refused, *(each for each in now.refused if each.group not in known)),
    )


def staleness(command: WriteCommand, now: Snapshot | None) -> Stale | None:
    """Why the plan is out of date: the record is not active, or has other values."""
    if now is None:
        return no_longer_active(command)
    if command.seen is None or command.skip_changed:
        return None
    if essence.differing(command.seen, now, depends_on(command)):
        return changed_since(command)
    if command.external_ids and now.external_id not in {
        command.seen.external_id,
        command.external_ids.ghl_id,
    }:
        return changed_since(command)
    return None


def no_longer_active(command: WriteCommand) -> Stale:
    """The record was archived or merged."""
    return Stale(
        f"the HubSpot appointment {command.id} was archived or merged since it was read; "
        "the next cycle looks for it",
        side=Side.HUBSPOT,
    )


def read_failed(command: WriteCommand, error: ProviderError) -> ProviderError:
    """The error of a record that could not be read: a refused reading is no refused write."""
    if not isinstance(error, Permanent):
        return error
    return Transient(
        f"the HubSpot appointment {command.id} could not be read before the write ({error}); "
        "the next cycle tries again",
        side=Side.HUBSPOT,
    )


def changed_since(command: WriteCommand) -> Stale:
    """The record differs from the one that the command was made from."""
    return Stale(
        f"the HubSpot appointment {command.id} was edited since it was read; "
        "the next cycle takes the edit up",
        side=Side.HUBSPOT,
    )


def outcome_unknown(command: WriteCommand) -> ProviderError:
    """The answer does not contain the record."""
    return Stale(
        f"HubSpot did not say what became of the appointment {command.id}; "
        "the next cycle looks again",
        side=Side.HUBSPOT,
    )


def depends_on(command: WriteCommand) -> frozenset[GroupKey]:
    """The groups that must still have the values that the command was made from."""
    return command.groups | command.depends_on


def removed(command: WriteCommand) -> Done:
    """The record is archived."""
    return Done(key=command.key, id=command.id, returned=Appointment())


def without_refused(
    row: RecordUpdate, found: Problem, property_map: PropertyMap
) -> RecordUpdate | ProviderError:
    """The row without the refused properties, or the error where none would remain."""
    if refusals.unique_value_taken(found) and GHL_ID in row.sent:
        # Another record holds the external id: the other properties are written.
        kept = {name: held for name, held in row.sent.items() if name not in _EXTERNAL_IDS}
        return replace(row, sent=kept, external_id_refused=True)
    groups = {mapping.group_of(name, property_map) for name in found.properties if name in row.sent}
    refused = {group for group in groups if group in row.command.groups}
    if not refused or refused >= set(row.command.groups):
        return refusals.of_row(found)
    dropped = {mapping.PIPELINE, *(name for group in refused for name in property_map.of(group))}
    kept = {name: held for name, held in row.sent.items() if name not in dropped}
    detail = refusals.explain(found)
    notes = tuple(
        Refusal(group=group, reason="rejected", detail=detail) for group in sorted(refused)
    )
    return replace(row, sent=kept, refused=row.refused + notes)


def may_be_divided(row: RecordUpdate, error: ProviderError) -> bool:
    """Whether some groups may be accepted although all of them together were not."""
    # A server may fail on one text; for one that is down, this is not reached.
    about_row = isinstance(error, Rejected) or (
        isinstance(error, Unavailable) and error.status >= 500
    )
    return about_row and not row.divided_before and len(row.command.groups) > 1


def groups_in(row: RecordUpdate, property_map: PropertyMap) -> list[GroupKey]:
    """The groups that are sent as properties, in a fixed order."""
    return [group for group in sorted(row.command.groups) if names_of(group, row, property_map)]


def names_of(group: GroupKey, row: RecordUpdate, property_map: PropertyMap) -> list[str]:
    """The properties of a group that are sent."""
    names = property_map.of(group)
    if group == Group.STATUS:
        names += (mapping.PIPELINE,)
    return [name for name in names if name in row.sent]


_EXTERNAL_IDS = frozenset({GHL_ID, GHL_LOCATION})
