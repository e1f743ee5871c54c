"""A write in its other forms: a command for a provider, and an intent for the store.

The executor makes both, `recover` reads intents. An intent is stored before its
command is sent, so that a crash leaves no write unknown: it contains the write
as JSON values, enough to recognise its effect on the vendor's side and to
update the pair as if the answer had come. Leaves out receipts
(`record.record`), and a write as a person reads it (`planned_writes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, assert_never

from syncd.core.actions import Create, Remove, Update, Write, WriteExternalId
from syncd.core.contacts import Known, MatchBasis
from syncd.core.essence import is_empty, value, with_groups, with_value
from syncd.core.model import Appointment, Group, Pair, Side
from syncd.core.serialize import (
    read_appointment,
    read_change,
    read_snapshot,
    write_appointment,
    write_change,
    write_snapshot,
)
from syncd.ports.provider import CommandKind, ExternalIds, WriteCommand
from syncd.ports.store import BY_RULE, SYNC, Author, Intent, IntentKind

_KINDS = {
    Create: IntentKind.CREATE,
    Update: IntentKind.UPDATE,
    Remove: IntentKind.REMOVE,
    WriteExternalId: IntentKind.UPDATE,
}


# --- commands


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


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


# --- intents


def intent_of(
    write: Write,
    key: str,
    at: datetime,
    contact: str = "",
    *,
    carries: Iterable[tuple[int, str]] = (),
    author: Author = BY_RULE,
) -> Intent:
    """The intent of a write; `contact` is the contact that a CREATE is for.

    `carries` are the parts of people's decisions that it completes, and `author`
    is who decided it.
    """
    return Intent(
        key=key,
        side=write.side,
        kind=_KINDS[type(write)],
        pair_key=write.pair.key if write.pair else 0,
        created_at=at,
        payload=_payload(write, contact) | _decided(carries, author),
    )


def _payload(write: Write, contact: str) -> dict[str, object]:
    match write:
        case Create():
            return {
                "source": write_snapshot(write.source),
                "wanted": write_appointment(write.wanted),
                "contact": contact,
                "unproven": isinstance(write.contact, Known)
                and write.contact.basis is MatchBasis.PAIRED_RECORD,
                "calendar": write.calendar,
                "fill": write.backfill_status,
                "late": list(write.follow_up_fields),
                "unread": sorted(write.unread),
                "why": write.why,
            }
        case Update():
            return {
                "seen": write_snapshot(write.seen),
                "changes": [write_change(change) for change in write.changes],
                "restores": write.restores,
            }
        case Remove():
            return {
                "seen": write_snapshot(write.seen),
                "cancel_as": write.cancel_as,
                "why": write.why,
            }
        case WriteExternalId():
            return {}


def _decided(carries: Iterable[tuple[int, str]], author: Author) -> dict[str, object]:
    parts = [list(part) for part in carries]
    decided: dict[str, object] = {"carries": parts} if parts else {}
    name, by = author
    if name != SYNC:
        decided["author"] = name
    return decided | ({"by": by} if by else {})


def author_of(intent: Intent) -> Author:
    """Who decided the write of an intent."""
    told = intent.payload
    return str(told.get("author", SYNC)), str(told.get("by", ""))


def carries_of(intent: Intent) -> tuple[tuple[int, str], ...]:
    """The parts of people's decisions that the write of an intent completes."""
    held: Any = intent.payload.get("carries", ())
    return tuple((int(decision), str(part)) for decision, part in held)


def create_of(intent: Intent, pair: Pair | None) -> tuple[Create, str]:
    """The CREATE of an intent, and its contact on the written side."""
    held: Mapping[str, Any] = intent.payload
    contact = str(held["contact"])
    create = Create(
        side=intent.side,
        source=read_snapshot(intent.side.other, held["source"]),
        wanted=read_appointment(held["wanted"]),
        contact=Known(
            id=contact,
            basis=MatchBasis.PAIRED_RECORD if held.get("unproven") else MatchBasis.IDENTITY,
        ),
        pair=pair,
        calendar=str(held["calendar"]),
        backfill_status=str(held.get("fill", "")),
        follow_up_fields=tuple(held.get("late", ())),
        unread=frozenset(held.get("unread", ())),
        why=str(held["why"]),
    )
    return create, contact


def update_of(intent: Intent, pair: Pair) -> Update:
    """The UPDATE of an intent."""
    held: Mapping[str, Any] = intent.payload
    return Update(
        pair=pair,
        side=intent.side,
        seen=read_snapshot(intent.side, held["seen"]),
        changes=tuple(read_change(each) for each in held["changes"]),
        restores=bool(held["restores"]),
    )


def remove_of(intent: Intent, pair: Pair) -> Remove:
    """The REMOVE of an intent."""
    held: Mapping[str, Any] = intent.payload
    return Remove(
        pair=pair,
        side=intent.side,
        seen=read_snapshot(intent.side, held["seen"]),
        cancel_as=str(held["cancel_as"]),
        why=str(held["why"]),
    )
