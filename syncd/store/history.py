"""What happened, as rows: the history of every write, and the cycles.

`link_store` reads through these functions and `transaction` writes through
them; each takes a connection and the link's key.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, or_, select
from sqlalchemy import Row as Result

from syncd.core.model import Side
from syncd.ports.store import APPOINTMENT, MOST_EVENTS, CycleRow, Event, HistoryEntry
from syncd.store import tables
from syncd.store.bulk import among, many, upsert
from syncd.store.state import read_cursor, set_state
from syncd.store.tables import history as table

_ADD = table.insert()

_LAST_CYCLES = 3000
"""Cycles that are looked at for trouble: two days of a cycle each minute."""


REMOVALS = "removals"
"""The cursor that holds when records were removed lately, and how many: [instant, number] each.

The history may be pruned, and parts of it forgotten; the removal guard must not forget."""

REMEMBERED = timedelta(hours=24)
"""How long the removal guard counts a removal (promise 11)."""


def add(connection: Connection, link_id: int, entries: Collection[HistoryEntry]) -> None:
    """Append to the history."""
    removed = Counter(
        entry.at for entry in entries if entry.action == "remove" and _is_record(entry)
    )
    if removed:
        _remember(connection, link_id, removed)
    rows = [
        {
            "link_id": link_id,
            "at": entry.at,
            "cycle": entry.cycle,
            "side": entry.side.value,
            "ghl_id": entry.ghl_id,
            "hubspot_id": entry.hubspot_id,
            "action": entry.action,
            "field": entry.field,
            "before": entry.before,
            "after": entry.after,
            "why": entry.why,
            "pair_key": entry.pair_key,
            "record": entry.record,
            "title": entry.title,
            "starts_at": entry.starts_at,
            "author": entry.author,
            "decided_by": entry.by,
        }
        for entry in entries
    ]
    many(connection, _ADD, rows)


def writes_since(
    connection: Connection, link_id: int, at: datetime, pair_keys: Collection[int]
) -> list[HistoryEntry]:
    """The field writes to these pairs since then, oldest first."""
    found = (
        select(table)
        .where(
            table.c.link_id == link_id,
            among(connection, table.c.pair_key, pair_keys),
            table.c.at >= at,
            table.c.field != "",
        )
        .order_by(table.c.id)
    )
    return [_entry(row) for row in connection.execute(found)]


def written_since(connection: Connection, link_id: int, at: datetime) -> dict[Side, int]:
    """How many records were written since then, by side; the fields of one write count once."""
    written = (
        select(table.c.cycle, table.c.side, table.c.ghl_id, table.c.hubspot_id)
        .where(table.c.link_id == link_id, table.c.at >= at, table.c.action != "adopt")
        .distinct()
        .subquery()
    )
    counted = select(written.c.side, func.count()).group_by(written.c.side)
    return {Side(side): count for side, count in connection.execute(counted)}


def changed_since(connection: Connection, link_id: int, at: datetime, kind: str) -> dict[Side, int]:
    """Records that cycles of that kind created or changed since then, by side."""
    kept = tables.cycle
    changed = (
        select(table.c.cycle, table.c.side, table.c.ghl_id, table.c.hubspot_id)
        .join(kept, (kept.c.link_id == table.c.link_id) & (kept.c.cycle == table.c.cycle))
        .where(
            table.c.link_id == link_id,
            table.c.at >= at,
            kept.c.kind == kind,
            kept.c.finished_at >= at,
            table.c.action.not_in(["adopt", "remove"]),
        )
        .distinct()
        .subquery()
    )
    counted = select(changed.c.side, func.count()).group_by(changed.c.side)
    return {Side(side): count for side, count in connection.execute(counted)}


def _is_record(entry: HistoryEntry) -> bool:
    """Whether the entry concerns a whole record; the fields of a removal have separate entries."""
    return not entry.field and entry.record == APPOINTMENT


def _remember(connection: Connection, link_id: int, removed: Mapping[datetime, int]) -> None:
    known = _removals(connection, link_id)
    oldest = max(removed) - REMEMBERED
    kept = [(at, count) for at, count in (*known, *removed.items()) if at >= oldest]
    written = json.dumps([[at.isoformat(), count] for at, count in kept])
    set_state(connection, link_id, REMOVALS, written)


def _removals(connection: Connection, link_id: int) -> list[tuple[datetime, int]]:
    return _parsed(read_cursor(connection, link_id, REMOVALS))


def _parsed(held: str) -> list[tuple[datetime, int]]:
    return [(datetime.fromisoformat(at), count) for at, count in json.loads(held or "[]")]


def removals_since(
    connection: Connection, link_id: int, at: datetime, held: str | None = None
) -> int:
    """Records that syncd removed since then, of the last 24 hours at most.

    The history tells as much as is left of it, and those of an earlier version.
    `held` is the cursor `REMOVALS`, where it is known.
    """
    known = _removals(connection, link_id) if held is None else _parsed(held)
    cached = sum(count for when, count in known if when >= at)
    return max(cached, _told_removals(connection, link_id, at))


def _told_removals(connection: Connection, link_id: int, at: datetime) -> int:
    """The same by the history; the fields of one removal count once."""
    removed = (
        select(table.c.cycle, table.c.side, table.c.ghl_id, table.c.hubspot_id)
        # The condition has to stand there as the index has it.
        .where(table.c.link_id == link_id, table.c.at >= at, tables.when_removing())
        .distinct()
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(removed)).scalar_one()


def _entry(row: Result[Any]) -> HistoryEntry:
    return HistoryEntry(
        id=row.id,
        at=row.at,
        cycle=row.cycle,
        side=Side(row.side),
        ghl_id=row.ghl_id,
        hubspot_id=row.hubspot_id,
        action=row.action,
        field=row.field,
        before=row.before,
        after=row.after,
        why=row.why,
        pair_key=row.pair_key,
        record=row.record,
        title=row.title,
        starts_at=row.starts_at,
        author=row.author,
        by=row.decided_by,
    )


def events(connection: Connection, link_id: int, since: datetime) -> list[Event]:
    """What happened to appointments since then, newest first."""
    found = (
        select(
            table.c.at,
            table.c.cycle,
            table.c.side,
            table.c.ghl_id,
            table.c.hubspot_id,
            table.c.action,
            table.c.field,
            case((table.c.field == "status", table.c.after)).label("status"),
        )
        .where(
            table.c.link_id == link_id,
            table.c.at >= since,
            table.c.record == APPOINTMENT,
            table.c.action != "adopt",  # which writes nothing
            # Of a record that was made or removed, its own entry tells; of an update, the fields.
            or_(table.c.field == "", table.c.action.in_(("update", "conflict", "undo"))),
        )
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(MOST_EVENTS)
    )
    writes: dict[tuple[str, ...], list[Any]] = {}
    for row in connection.execute(found):
        key = (row.cycle, row.side, row.ghl_id, row.hubspot_id)
        writes.setdefault(key, []).append(row)
    return [_event(rows) for rows in writes.values()]


def _event(rows: list[Any]) -> Event:
    actions = {row.action for row in rows}
    whole = [row.action for row in rows if not row.field]
    return Event(
        at=rows[0].at,
        side=Side(rows[0].side),
        action=whole[0] if whole else "conflict" if "conflict" in actions else "update",
        fields=frozenset(row.field for row in rows if row.field),
        # Each account has its own values; the word is in all that people use for it.
        cancels=any((row.status or "").lower().startswith("cancel") for row in rows),
    )


# --- cycles


def trouble(connection: Connection, link_id: int, since: datetime) -> list[tuple[datetime, str]]:
    """When cycles began that did not end well since then, and their outcomes."""
    cycle = tables.cycle
    last = (
        select(cycle.c.id, cycle.c.started_at, cycle.c.outcome)
        .where(cycle.c.link_id == link_id)
        .order_by(cycle.c.id.desc())
        .limit(_LAST_CYCLES)
        .subquery()
    )
    # The reports of those alone: they are long.
    found = (
        select(cycle.c.started_at, cycle.c.outcome, cycle.c.report)
        .join(last, last.c.id == cycle.c.id)
        .where(last.c.started_at >= since, last.c.outcome != "ok")
        .order_by(cycle.c.id)
    )
    return [
        (row.started_at, row.outcome)
        for row in connection.execute(found)
        if not row.report.get("stopped")  # A person asked for that.
    ]


def save_cycle(connection: Connection, link_id: int, row: CycleRow) -> None:
    """Write down a finished cycle; one of the same name is replaced."""
    stored = {
        "link_id": link_id,
        "cycle": row.cycle,
        "kind": row.kind,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "outcome": row.outcome,
        "report": dict(row.report),
    }
    upsert(connection, tables.cycle, [stored], by=("link_id", "cycle"))
