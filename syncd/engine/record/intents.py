"""Intents: what is stored before a write is sent, so that a crash leaves no write unknown.

`apply` writes intents, `recover` reads them. An intent contains the write as
JSON values: enough to recognise its effect on the vendor's side and to update
the pair as if the answer had come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from syncd.core.actions import Create, Remove, Update, Write, WriteExternalId
from syncd.core.contacts import Known, MatchBasis
from syncd.core.model import Pair
from syncd.core.serialize import (
    read_appointment,
    read_change,
    read_snapshot,
    write_appointment,
    write_change,
    write_snapshot,
)
from syncd.ports.store import SYNC, Intent, IntentKind

_KINDS = {
    Create: IntentKind.CREATE,
    Update: IntentKind.UPDATE,
    Remove: IntentKind.REMOVE,
    WriteExternalId: IntentKind.UPDATE,
}


def intent_of(
    write: Write,
    key: str,
    at: datetime,
    contact: str = "",
    *,
    carries: Iterable[tuple[int, str]] = (),
    author: str = SYNC,
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


def _decided(carries: Iterable[tuple[int, str]], author: str) -> dict[str, object]:
    parts = [list(part) for part in carries]
    decided: dict[str, object] = {"carries": parts} if parts else {}
    return decided if author == SYNC else {**decided, "author": author}


def author_of(intent: Intent) -> str:
    """Who decided the write of an intent."""
    return str(intent.payload.get("author", SYNC))


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
