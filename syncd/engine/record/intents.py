"""What is written down before a write is sent, so that a crash leaves no question open.

`apply` writes intents, `recover` reads them. An intent holds the action as
JSON values: enough to recognise its effect in the world and to settle the
pair as if the answer had come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from syncd.core import essence
from syncd.core.actions import Change, Create, Remove, Update, WriteExternalId
from syncd.core.contacts import Known, Proof
from syncd.core.essence import Value
from syncd.core.model import Appointment, Pair, Series, Side, Snapshot
from syncd.ports.store import SYNC, Intent, IntentKind

AnyWrite = Create | Update | Remove | WriteExternalId


def intent_of(
    write: AnyWrite,
    key: str,
    at: datetime,
    contact: str = "",
    *,
    carries: Iterable[tuple[int, str]] = (),
    author: str = SYNC,
) -> Intent:
    """The intent of a write; `contact` is the contact that a CREATE is for.

    `carries` are the parts of people's decisions that are done once it is, and
    `author` is who decided it.
    """
    match write:
        case Create():
            kind, pair_key, side = (
                IntentKind.CREATE,
                write.pair.key if write.pair else 0,
                write.side,
            )
        case Update():
            kind, pair_key, side = IntentKind.UPDATE, write.pair.key, write.side
        case Remove():
            kind, pair_key, side = IntentKind.REMOVE, write.pair.key, write.side
        case WriteExternalId():
            kind, pair_key, side = IntentKind.UPDATE, write.pair.key, Side.HUBSPOT
    return Intent(
        key=key,
        side=side,
        kind=kind,
        pair_key=pair_key,
        created_at=at,
        payload=_payload(write, contact) | _decided(carries, author),
    )


def _payload(write: AnyWrite, contact: str) -> dict[str, object]:
    match write:
        case Create():
            return {
                "source": _snapshot(write.source),
                "wanted": appointment(write.wanted),
                "contact": contact,
                "unproven": isinstance(write.contact, Known) and write.contact.proof is Proof.NONE,
                "calendar": write.calendar,
                "fill": write.fill,
                "late": list(write.late),
                "unread": sorted(write.unread),
                "why": write.why,
            }
        case Update():
            return {
                "seen": _snapshot(write.seen),
                "changes": [_change(change) for change in write.changes],
                "restores": write.restores,
            }
        case Remove():
            return {
                "seen": _snapshot(write.seen),
                "cancel_as": write.cancel_as,
                "why": write.why,
            }
        case WriteExternalId():
            return {}


def _decided(carries: Iterable[tuple[int, str]], author: str) -> dict[str, object]:
    parts = [list(part) for part in carries]
    said: dict[str, object] = {"carries": parts} if parts else {}
    return said if author == SYNC else {**said, "author": author}


def author_of(intent: Intent) -> str:
    """Who decided the write of an intent."""
    return str(intent.payload.get("author", SYNC))


def carries_of(intent: Intent) -> tuple[tuple[int, str], ...]:
    """The parts of people's decisions that are done once the write of an intent is."""
    held: Any = intent.payload.get("carries", ())
    return tuple((int(decision), str(part)) for decision, part in held)


def create_of(intent: Intent, pair: Pair | None) -> tuple[Create, str]:
    """The CREATE that an intent stands for, and the contact across that it was for."""
    held: Mapping[str, Any] = intent.payload
    contact = str(held["contact"])
    create = Create(
        side=intent.side,
        source=_read_snapshot(intent.side.other, held["source"]),
        wanted=read_appointment(held["wanted"]),
        contact=Known(id=contact, proof=Proof.NONE if held.get("unproven") else Proof.OWN),
        pair=pair,
        calendar=str(held["calendar"]),
        fill=str(held.get("fill", "")),
        late=tuple(held.get("late", ())),
        unread=frozenset(held.get("unread", ())),
        why=str(held["why"]),
    )
    return create, contact


def update_of(intent: Intent, pair: Pair) -> Update:
    """The UPDATE that an intent stands for."""
    held: Mapping[str, Any] = intent.payload
    return Update(
        pair=pair,
        side=intent.side,
        seen=_read_snapshot(intent.side, held["seen"]),
        changes=tuple(_read_change(each) for each in held["changes"]),
        restores=bool(held["restores"]),
    )


def remove_of(intent: Intent, pair: Pair) -> Remove:
    """The REMOVE that an intent stands for."""
    held: Mapping[str, Any] = intent.payload
    return Remove(
        pair=pair,
        side=intent.side,
        seen=_read_snapshot(intent.side, held["seen"]),
        cancel_as=str(held["cancel_as"]),
        why=str(held["why"]),
    )


# --- JSON


def appointment(shown: Appointment) -> dict[str, object]:
    """An appointment as JSON values; empty fields are left out."""
    found: dict[str, object] = {
        name: held
        for name in ("title", "status", "description", "address", "owner", "contact")
        if (held := getattr(shown, name))
    }
    if shown.start:
        found["start"] = shown.start.isoformat()
    if shown.end:
        found["end"] = shown.end.isoformat()
    if shown.mapped_fields:
        found["extras"] = [list(extra) for extra in shown.mapped_fields]
    return found


def read_appointment(held: Mapping[str, Any]) -> Appointment:
    """The appointment back from its JSON values."""
    return Appointment(
        title=held.get("title", ""),
        start=_moment(held.get("start")),
        end=_moment(held.get("end")),
        status=held.get("status", ""),
        description=held.get("description", ""),
        address=held.get("address", ""),
        owner=held.get("owner", ""),
        contact=held.get("contact", ""),
        mapped_fields=tuple((name, value) for name, value in held.get("extras", ())),
    )


def _snapshot(record: Snapshot) -> dict[str, object]:
    return {
        "id": record.id,
        "shows": appointment(record.appointment),
        "calendar": record.calendar,
        "contacts": list(record.contacts),
        "carried_id": record.external_id,
        "location_id": record.location_id,
        "series": record.series.master if record.series else "",
    }


def _read_snapshot(side: Side, held: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        side=side,
        id=held["id"],
        appointment=read_appointment(held["shows"]),
        calendar=held["calendar"],
        contacts=tuple(held["contacts"]),
        external_id=held["carried_id"],
        location_id=held["location_id"],
        series=Series(master=held["series"]) if held["series"] else None,
    )


def _change(change: Change) -> dict[str, object]:
    return {
        "group": str(change.group),
        "before": _value(change.before),
        "after": _value(change.after),
        "source": _value(change.source),
        "why": change.why,
        "lost": change.lost,
    }


def _read_change(held: Mapping[str, Any]) -> Change:
    return Change(
        group=held["group"],
        before=_read_value(held["before"]),
        after=_read_value(held["after"]),
        source=_read_value(held["source"]),
        why=held["why"],
        lost=held["lost"],
    )


def _value(value: Value) -> object:
    if isinstance(value, tuple):
        return [moment.isoformat() if moment else None for moment in value]
    return value


def _read_value(held: Any) -> Value:
    if isinstance(held, list):
        return (_moment(held[0]), _moment(held[1]))
    return str(held)


def _moment(held: str | None) -> datetime | None:
    return essence.instant(datetime.fromisoformat(held)) if held else None
