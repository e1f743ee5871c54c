"""Reads and writes for all links at once, with one statement each.

`Store` uses it for the daemon, whose links are many.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, cast, func, literal, null, select, text, union_all

from syncd.ports.store import PAUSED, Decided, Decision
from syncd.store.bulk import upsert
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
