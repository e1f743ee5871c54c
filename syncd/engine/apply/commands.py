"""From writes to commands for the side that is written.

The executor calls this for each write that it sends, `plan.backoff` for the
fingerprint of a write. Pure. Leaves out intents (`record.intents`) and
receipts (`record.record`).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import assert_never

from syncd.core.actions import Create, Remove, Update, Write, WriteExternalId
from syncd.core.essence import is_empty, value, with_groups, with_value
from syncd.core.model import Appointment, Group, Side
from syncd.ports.provider import CommandKind, ExternalIds, WriteCommand


def command_of(write: Write, key: str, contact: str, location: str) -> WriteCommand:
    """The command for a write; `contact` is that of a CREATE, on the side that is written."""
    match write:
        case Create():
            return WriteCommand(
                key=key,
                kind=CommandKind.CREATE,
                id=write.pair.id_on(write.side) if write.pair else "",
                wanted=with_value(write.wanted, Group.CONTACT, contact),
                groups=_filled(write.wanted),
                external_ids=ExternalIds(ghl_id=write.source.id, location_id=location)
                if write.side is Side.HUBSPOT
                else None,
                calendar=write.calendar,
                validate_slot=write.validate_slot,
                notify=write.notify,
            )
        case Update():
            return _update(write, key, location)
        case Remove():
            return _removal(write, key)
        case WriteExternalId():
            return WriteCommand(
                key=key,
                kind=CommandKind.UPDATE,
                id=write.pair.hubspot_id,
                wanted=with_groups(Appointment(status=write.status), write.pair.ghl, write.groups),
                groups=write.groups | ({Group.STATUS} if write.status else set()),
                seen=write.seen,
                skip_changed=True,
                external_ids=ExternalIds(ghl_id=write.pair.ghl_id, location_id=location),
            )
        case _:
            assert_never(write)


def _update(write: Update, key: str, location: str) -> WriteCommand:
    wanted = Appointment()
    for change in write.changes:
        wanted = with_value(wanted, change.group, change.after)
    external_ids = None
    if (
        write.side is Side.HUBSPOT
        and not write.pair.has_external_id
        and not write.pair.external_id_taken
    ):
        external_ids = ExternalIds(ghl_id=write.pair.ghl_id, location_id=location)
    return WriteCommand(
        key=key,
        kind=CommandKind.UPDATE,
        id=write.seen.id,
        wanted=wanted,
        groups=frozenset(change.group for change in write.changes),
        seen=write.seen,
        depends_on=write.depends_on,
        external_ids=external_ids,
        replaced=next((str(c.before) for c in write.changes if c.group == Group.CONTACT), ""),
        validate_slot=write.validate_slot,
        reopens=write.reopens,
        notify=write.notify,
    )


def _removal(write: Remove, key: str) -> WriteCommand:
    """Delete or archive the record, or cancel it instead."""
    if not write.cancel_as:
        return WriteCommand(
            key=key, kind=CommandKind.REMOVE, id=write.seen.id, seen=write.seen, notify=write.notify
        )
    return WriteCommand(
        key=key,
        kind=CommandKind.UPDATE,
        id=write.seen.id,
        wanted=Appointment(status=write.cancel_as),
        groups=frozenset({Group.STATUS}),
        seen=write.seen,
        depends_on=write.depends_on,
        notify=write.notify,
    )


def _filled(wanted: Appointment) -> frozenset[str]:
    names: Iterator[str] = iter((*Group, *(f"x:{name}" for name, _ in wanted.mapped_fields)))
    return frozenset(name for name in names if not is_empty(value(wanted, name)))


def key_of(write: Write, cycle: str, number: int) -> str:
    """A unique key for this write: the pair's version is part of it."""
    version = 0 if isinstance(write, Create) else write.pair.version
    parts = (cycle, str(number), *write.ids, str(version))
    return _digest("\x1f".join(parts))


def _digest(words: str) -> str:
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
