"""Reads and writes for all links at once, with one statement each.

`Store` uses it for the daemon, whose links are many.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, cast, func, literal, null, select, text, union_all

from syncd.core.essence import moment_text
from syncd.ports.store import PAUSE, PAUSED, RESUME, Decided, Decision, Switch
from syncd.store.bulk import among, many, upsert
from syncd.store.escaping import storable
from syncd.store.tables import announcement, cursor, decision, link
from syncd.store.types import Instant, Json

_ANNOUNCED = "announced"
"""In place of a decision's kind."""

_DECIDED = union_all(
    select(link.c.name, decision.c.id, decision.c.kind, decision.c.made_at, decision.c.payload)
    .join(link, link.c.id == decision.c.link_id)
    .where(decision.c.closed_at.is_(None)),
    select(
        link.c.name,
        literal(0),
        literal(PAUSED),
        cast(null(), Instant),
        cast(null(), Json),
    )
    .join(link, link.c.id == cursor.c.link_id)
    .where(cursor.c.name == PAUSED, cursor.c.value != ""),
    select(
        link.c.name,
        func.max(announcement.c.id),
        literal(_ANNOUNCED),
        cast(null(), Instant),
        cast(null(), Json),
    )
    .join(link, link.c.id == announcement.c.link_id)
    .group_by(link.c.name),
)

_PAUSED = (
    select(link.c.name, cursor.c.value)
    .join(link, link.c.id == cursor.c.link_id)
    .where(cursor.c.name == PAUSED, cursor.c.value != "")
)

_NOTE = text(
    """
    INSERT INTO cursor (link_id, name, value)
    SELECT link.id, :cursor, note.value
    FROM unnest(CAST(:names AS text[]), CAST(:values AS text[])) AS note (name, value)
    JOIN link ON link.name = note.name
    WHERE link.owner = :me
    ON CONFLICT (link_id, name) DO UPDATE SET value = excluded.value
    """
)


def decided(connection: Connection) -> Decided:
    """Decisions and announcements of all links that no cycle has dealt with yet."""
    decisions: dict[str, list[Decision]] = {}
    announced: dict[str, int] = {}
    paused = set()
    for row in sorted(connection.execute(_DECIDED), key=lambda row: row.id):
        if not row.id:
            paused.add(row.name)
            continue
        if row.kind == _ANNOUNCED:
            announced[row.name] = row.id
            continue
        made = Decision(id=row.id, kind=row.kind, made_at=row.made_at, payload=row.payload)
        decisions.setdefault(row.name, []).append(made)
    return Decided(decisions=decisions, paused=frozenset(paused), announced=announced)


def switch(
    connection: Connection, names: Collection[str], turn: Switch, wakes: Collection[str]
) -> frozenset[str]:
    """Take links out of service or put them back, in one transaction; gives those that changed.

    Those of `wakes` get a decision too, so that their daemon looks at once.
    """
    before = {name: datetime.fromisoformat(at) for name, at in connection.execute(_PAUSED)}
    changed = [name for name in names if (name in before) != turn.pausing]
    turn.check({name: before[name] for name in names if name in before})
    keys = _ensured(connection, changed, turn.at)
    # In one order, so that two who switch wait for each other at most once.
    ordered = sorted(changed, key=keys.__getitem__)
    value = moment_text(turn.at) if turn.pausing else ""
    rows = [{"link_id": keys[each], "name": PAUSED, "value": value} for each in ordered]
    upsert(connection, cursor, rows, by=("link_id", "name"))
    kind = PAUSE if turn.pausing else RESUME
    queued = [
        {"link_id": keys[each], "kind": kind, "made_at": turn.at, "payload": dict(turn.payload)}
        for each in ordered
        if each in wakes
    ]
    if queued:
        many(connection, decision.insert(), queued)
    return frozenset(changed)


def _ensured(connection: Connection, names: Collection[str], now: datetime) -> dict[str, int]:
    """The keys of links, by name; a row is made with the first write for it."""
    asked = select(link.c.name, link.c.id).where(among(connection, link.c.name, names))
    found = dict(connection.execute(asked).all())
    missing = [{"name": each, "created_at": now} for each in names if each not in found]
    if missing:
        upsert(connection, link, missing, by=("name",))
        found = dict(connection.execute(asked).all())
    return found


def write_notes(connection: Connection, name: str, notes: Mapping[str, str]) -> None:
    """Keep a short text of each of these links."""
    keys = dict(connection.execute(select(link.c.name, link.c.id)).all())
    rows = [
        {"link_id": keys[each], "name": name, "value": value}
        for each, value in notes.items()
        if each in keys
    ]
    upsert(connection, cursor, rows, by=("link_id", "name"))


def write_notes_of_ours(
    connection: Connection, name: str, notes: Mapping[str, str], member: int
) -> None:
    """On PostgreSQL: the same of those that this member owns, with one statement."""
    names, values = zip(*((each, storable(value)) for each, value in notes.items()), strict=True)
    connection.execute(
        _NOTE,
        {"cursor": name, "names": [*names], "values": [*values], "me": member},
    )
