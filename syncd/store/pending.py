"""What waits, as rows: intents without an outcome, held records, decisions of people.

`link_store` reads through these functions and `transaction` writes through
them; each takes a connection and the link's key.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Delete, bindparam, delete, select, update

from syncd.core.model import Hold, Side
from syncd.ports.store import Decision, Intent, IntentKind
from syncd.store import reads, tables
from syncd.store.bulk import VALUES, Row, among, asking, one_of, packed, upsert

_Key = tuple[str, str, str, str]
"""The identity of a hold: both ids, group and reason."""


# --- intents


def intents(connection: Connection, link_id: int) -> list[Intent]:
    """Every intent whose outcome is not known, oldest first."""
    table = tables.intent
    found = select(table).where(table.c.link_id == link_id).order_by(table.c.id)
    return [
        Intent(
            key=row.key,
            side=Side(row.side),
            kind=IntentKind(row.kind),
            pair_key=row.pair_key,
            created_at=row.created_at,
            payload=row.payload,
        )
        for row in connection.execute(found)
    ]


def open_intents(connection: Connection, link_id: int, opened: Iterable[Intent]) -> None:
    """Write intents down; one that is open under the same key is replaced."""
    rows = [
        {
            "link_id": link_id,
            "key": intent.key,
            "side": intent.side.value,
            "kind": intent.kind.value,
            "pair_key": intent.pair_key,
            "created_at": intent.created_at,
            "payload": dict(intent.payload),
        }
        for intent in opened
    ]
    upsert(connection, tables.intent, rows, by=("link_id", "key"))


def close_intents(connection: Connection, link_id: int, keys: Collection[str]) -> None:
    """Their outcome is known."""
    closed = _closed(connection.dialect.name)
    connection.execute(closed, {"its_link": link_id, VALUES: packed(connection, keys)})


@cache
def _closed(dialect: str) -> Delete:
    table = tables.intent
    return delete(table).where(
        table.c.link_id == bindparam("its_link"), one_of(dialect, table.c.key)
    )


# --- holds


def replace_holds(
    connection: Connection,
    link_id: int,
    given: Collection[Hold],
    judged: Collection[tuple[str, str]],
    now: datetime,
) -> None:
    """Write the holds of the judged records, let their others go; only differences are written."""
    standing = {hold.key: (key, hold) for key, hold in reads.holds(asking(connection), link_id)}
    wanted = {hold.key: _aged(hold, standing, now) for hold in given}
    records = set(judged)
    over = [
        key for name, (key, hold) in standing.items() if name not in wanted and hold.ids in records
    ]
    table = tables.hold
    if over:
        connection.execute(delete(table).where(among(connection, table.c.id, over)))
    changed = [
        hold for name, hold in wanted.items() if name not in standing or standing[name][1] != hold
    ]
    rows = [_hold_row(link_id, hold) for hold in changed]
    upsert(connection, table, rows, by=("link_id", "ghl_id", "hubspot_id", "group_key", "reason"))


def _aged(hold: Hold, standing: Mapping[_Key, tuple[int, Hold]], now: datetime) -> Hold:
    """A hold that goes on is held since it began."""
    known = standing.get(hold.key)
    return replace(hold, since=known[1].since if known else hold.since or now)


def _hold_row(link_id: int, hold: Hold) -> Row:
    return {
        "link_id": link_id,
        "ghl_id": hold.ghl_id,
        "hubspot_id": hold.hubspot_id,
        "group_key": hold.group,
        "reason": hold.reason,
        "detail": hold.detail,
        "since": hold.since,
        "attempts": hold.attempts,
        "retry_at": hold.retry_at,
        "fingerprint": hold.fingerprint,
        "starts_at": hold.starts_at,
        "title": hold.title,
        "sides": dict(hold.values),
        "candidates": list(hold.candidates),
    }


# --- decisions


def decisions(connection: Connection, link_id: int) -> list[Decision]:
    """Decisions that no cycle has carried out yet, oldest first."""
    table = tables.decision
    found = (
        select(table)
        .where(table.c.link_id == link_id, table.c.closed_at.is_(None))
        .order_by(table.c.id)
    )
    return [
        Decision(id=row.id, kind=row.kind, made_at=row.made_at, payload=row.payload)
        for row in connection.execute(found)
    ]


def decide(
    connection: Connection, link_id: int, kind: str, payload: Mapping[str, object], at: datetime
) -> int:
    """Queue a decision; gives its id."""
    made = connection.execute(
        tables.decision.insert().returning(tables.decision.c.id),
        {"link_id": link_id, "kind": kind, "made_at": at, "payload": dict(payload)},
    )
    key: int = made.scalar_one()
    return key


def amend_decision(
    connection: Connection, link_id: int, decision_id: int, payload: Mapping[str, object]
) -> None:
    """Replace the parts of a decision."""
    table = tables.decision
    connection.execute(
        update(table)
        .where(table.c.link_id == link_id, table.c.id == decision_id)
        .values(payload=dict(payload))
    )


_PARTED = {"undo": "parts", "apply": "writes"}
"""The kinds of decisions that are carried out part by part, and where their parts stand."""


def settle_decisions(
    connection: Connection, link_id: int, done: Collection[tuple[int, str]], now: datetime
) -> None:
    """Mark parts of decisions as carried out; a decision without open parts is closed."""
    table = tables.decision
    ids = {decision_id for decision_id, _ in done}
    standing = select(table).where(
        table.c.link_id == link_id, table.c.closed_at.is_(None), among(connection, table.c.id, ids)
    )
    over = set(ids)
    for row in connection.execute(standing).all():
        name = _PARTED.get(row.kind, "")
        parts = row.payload.get(name) or {}
        left = {part: each for part, each in parts.items() if (row.id, part) not in done}
        if left:
            over.discard(row.id)
            amend_decision(connection, link_id, row.id, {**row.payload, name: left})
    close_decisions(connection, link_id, over, now)


def close_decisions(
    connection: Connection, link_id: int, ids: Collection[int], now: datetime
) -> None:
    """They were carried out."""
    table = tables.decision
    connection.execute(
        update(table)
        .where(table.c.link_id == link_id, among(connection, table.c.id, ids))
        .values(closed_at=now)
    )
