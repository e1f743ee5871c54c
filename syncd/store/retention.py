"""Deletes old values, and the data of a person who is to be forgotten.

`Store` offers both. They work in small transactions, so that a cycle never waits
long; the rest is done the next time.
"""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from syncd.core import looks
from syncd.ports.store import CONTACT, HELD_NOTES
from syncd.store import state, tables
from syncd.store.announcements import DELIVERIES_KEPT
from syncd.store.bulk import among
from syncd.store.database import Database
from syncd.store.pairs import living
from syncd.store.transaction import find_link

_CHUNK = 2000
"""Rows that one transaction deletes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The numbers of deleted rows."""

    pairs: int = 0
    history: int = 0
    holds: int = 0
    contacts: int = 0
    reports: int = 0


def prune(database: Database, name: str, before: datetime) -> int:
    """Delete a link's history, reports and closed decisions from before an instant.

    The last cycle's report stays however old it is, and deliveries are forgotten by
    an age of their own. Gives how many rows went.

    Raises:
        StoreError: the store cannot be used.
    """
    link_id = database.read(lambda at: find_link(at, name))
    if link_id is None:
        return 0
    delivered = database.clock.now() - DELIVERIES_KEPT
    last = select(func.max(tables.cycle.c.id)).where(tables.cycle.c.link_id == link_id)
    return (
        _delete(database, tables.history, link_id, tables.history.c.at < before)
        + _delete(
            database,
            tables.cycle,
            link_id,
            tables.cycle.c.finished_at < before,
            tables.cycle.c.id != last.scalar_subquery(),
        )
        + _delete(database, tables.decision, link_id, tables.decision.c.closed_at < before)
        + _delete(database, tables.delivery, link_id, tables.delivery.c.received_at < delivered)
    )


def forget(
    database: Database, name: str, contacts: Collection[str], *, dry_run: bool = False
) -> Forgotten:
    """Delete all data of contacts (ids of either side) from a link's store.

    Its pairs and their history are deleted, and the reports that name their
    records are emptied. The next cycle pairs records that still exist in the two
    systems: delete the person there first. A dry run only counts.

    Raises:
        StoreError: the store cannot be used.
    """
    link_id = database.read(lambda at: find_link(at, name))
    if link_id is None:
        return Forgotten()

    def act(connection: Connection) -> Forgotten:
        gone = _forget(connection, link_id, contacts)
        if dry_run:
            connection.rollback()
        return gone

    return database.write(act)


def _delete(
    database: Database, table: Table, link_id: int, *conditions: ColumnElement[bool]
) -> int:
    old = select(table.c.id).where(table.c.link_id == link_id, *conditions).limit(_CHUNK)
    gone = 0
    while True:
        done = database.write(_run(delete(table).where(table.c.id.in_(old))))
        gone += done
        if done < _CHUNK:
            return gone


def _run(statement: Delete) -> Callable[[Connection], int]:
    return lambda connection: connection.execute(statement).rowcount


def _forget(connection: Connection, link_id: int, contacts: Collection[str]) -> Forgotten:
    contact, pair, hold, history = tables.contact, tables.pair, tables.hold, tables.history
    people = set(contacts)
    known = select(contact.c.ghl_id, contact.c.hubspot_id).where(
        contact.c.link_id == link_id,
        or_(
            among(connection, contact.c.ghl_id, contacts),
            among(connection, contact.c.hubspot_id, contacts),
        ),
    )
    for row in connection.execute(known):
        people |= set(row)
    of_them = select(pair.c.id, pair.c.ghl_id, pair.c.hubspot_id).where(
        pair.c.link_id == link_id,
        or_(
            among(connection, pair.c.ghl_contact, people),
            among(connection, pair.c.hubspot_contact, people),
        ),
    )
    pairs = connection.execute(of_them).all()
    keys = [row.id for row in pairs]
    records = {name for row in pairs for name in (row.ghl_id, row.hubspot_id) if name}

    def gone(table: Table, *conditions: ColumnElement[bool]) -> int:
        where = delete(table).where(table.c.link_id == link_id, or_(*conditions))
        return connection.execute(where).rowcount

    _delete_notifications(connection, link_id, records | people)
    _forget_decisions(connection, link_id, records | people)
    _forget_states(connection, link_id, records | people)
    less = living(connection, link_id, keys)
    of_link = update(tables.link).where(tables.link.c.id == link_id)
    connection.execute(of_link.values(living=tables.link.c.living - less))
    return Forgotten(
        history=gone(
            history,
            among(connection, history.c.pair_key, keys),
            among(connection, history.c.ghl_id, records),
            among(connection, history.c.hubspot_id, records),
            and_(
                history.c.record == CONTACT,
                or_(
                    among(connection, history.c.ghl_id, people),
                    among(connection, history.c.hubspot_id, people),
                ),
            ),
        ),
        holds=gone(
            hold,
            among(connection, hold.c.ghl_id, records),
            among(connection, hold.c.hubspot_id, records),
            among(connection, hold.c.id, _naming(connection, link_id, records | people)),
        ),
        contacts=gone(
            contact,
            among(connection, contact.c.ghl_id, people),
            among(connection, contact.c.hubspot_id, people),
        ),
        reports=_empty_reports(connection, link_id, records | people),
        pairs=gone(pair, among(connection, pair.c.id, keys)),
    )


def _naming(connection: Connection, link_id: int, names: set[str]) -> list[int]:
    """Keys of the held records that may belong to one of these ids."""
    hold = tables.hold
    found = select(hold.c.id, hold.c.candidates).where(
        hold.c.link_id == link_id, hold.c.candidates.is_not(None)
    )
    return [row.id for row in connection.execute(found) if _mentions(row.candidates, names)]


def _empty_reports(connection: Connection, link_id: int, names: set[str]) -> int:
    """Empty the reports in which one of these ids stands; the cycle itself stays."""
    cycle = tables.cycle
    naming = [
        row.id
        for row in connection.execute(
            select(cycle.c.id, cycle.c.report).where(cycle.c.link_id == link_id)
        )
        if _mentions(row.report, names)
    ]
    if naming:
        emptied = update(cycle).where(among(connection, cycle.c.id, naming)).values(report={})
        connection.execute(emptied)
    return len(naming)


def _delete_notifications(connection: Connection, link_id: int, names: set[str]) -> None:
    """Messages that still wait and name one of these ids are not sent any more."""
    letter = tables.letter
    waiting = select(letter.c.id, letter.c.body).where(letter.c.link_id == link_id)
    naming = [row.id for row in connection.execute(waiting) if _mentions(row.body, names)]
    if naming:
        connection.execute(delete(letter).where(among(connection, letter.c.id, naming)))


def _forget_states(connection: Connection, link_id: int, names: set[str]) -> None:
    """Take these ids out of what an audit found, and of what held records say."""
    for name, without in ((looks.AUDITED, looks.forgotten), (HELD_NOTES, _without_notes)):
        stored = state.read_cursor(connection, link_id, name)
        if any(each in stored for each in names):
            state.set_state(connection, link_id, name, without(stored, names))


def _without_notes(stored: str, names: set[str]) -> str:
    return json.dumps({key: held for key, held in json.loads(stored).items() if key not in names})


def _forget_decisions(connection: Connection, link_id: int, names: set[str]) -> None:
    """Delete decisions about these ids; they are not carried out any more."""
    table = tables.decision
    decided = select(table.c.id, table.c.payload).where(table.c.link_id == link_id)
    for row in connection.execute(decided).all():
        writes = row.payload.get("writes") or {}
        left = {digest: says for digest, says in writes.items() if not _says(says, names)}
        this = table.c.id == row.id
        if left and len(left) < len(writes):
            changed = update(table).where(this).values(payload={**row.payload, "writes": left})
            connection.execute(changed)
        elif (writes and not left) or _mentions({**row.payload, "writes": None}, names):
            connection.execute(delete(table).where(this))


def _says(words: object, names: set[str]) -> bool:
    """Whether a line for people names one of these ids."""
    return not names.isdisjoint(re.findall(r"\w+", str(words)))


def _mentions(value: object, names: set[str]) -> bool:
    """Whether a JSON value holds one of these texts, whole."""
    match value:
        case str():
            return value in names
        case dict():
            return any(_mentions(each, names) for each in value.values())
        case list():
            return any(_mentions(each, names) for each in value)
        case _:
            return False
