"""What the vendors announced, as rows: what waits, and which deliveries came.

`Store.announce` writes them, in one transaction for any number of deliveries and
links; a cycle deletes what it has looked at in the transaction that records it.
A row is never changed: an announcement of the same record replaces it by one
with a new key, so that a cycle that read the record before closes the old one only.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from syncd.core.model import Side
from syncd.ports.announcements import (
    MOST_WAITING,
    Announced,
    Announcement,
    Delivered,
    Stored,
    Way,
)
from syncd.store import tables
from syncd.store.bulk import Row, among, many
from syncd.store.database import Database

DELIVERIES_KEPT = timedelta(days=31)
"""How long the id of a delivery is remembered: HighLevel resends for 30 days."""

MOST_DELIVERIES = 100_000
"""How many of them are remembered of a link."""

_CHECKED_EVERY = 1_000
"""Deliveries of a link after which they are counted again."""

_CHUNK = 1_000
"""Rows of one statement with several rows."""

_SINGLE = frozenset({Announced.RECORD.value, Announced.CONTACT.value})
"""What names a single record."""

_Key = tuple[str, str, str]
"""The identity of an announcement within its link: side, what and record."""


class Inbox:
    """Takes deliveries; its commits survive a power cut."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stored: dict[int, int] = {}
        """Deliveries since they were counted last, by link."""

    def announce(self, delivered: Collection[Delivered]) -> Stored:
        """Store deliveries for many links, in one transaction; repetitions are left out.

        Raises:
            StoreError: the store cannot be written; nothing was stored.
        """
        now = self._database.clock.now()
        return self._database.write(lambda at: self.announce_with(at, delivered, now), durable=True)

    def announce_with(
        self,
        connection: Connection,
        delivered: Collection[Delivered],
        now: datetime,
    ) -> Stored:
        """The same inside a transaction of the caller."""
        links = _links(connection, {each.link for each in delivered}, now)
        fresh, repeated = self._fresh(connection, delivered, links, now)
        waiting = _waiting(connection, {links[each.link] for each in fresh})
        gone: list[int] = []
        rows: list[Row] = []
        for name, group in groupby(sorted(fresh, key=_link_of), key=_link_of):
            link = links[name]
            dropped, added = _merged(waiting.get(link, ()), group, link, now)
            gone += dropped
            rows += added
        table = tables.announcement
        if gone:
            connection.execute(delete(table).where(among(connection, table.c.id, gone)))
        if rows:
            many(connection, table.insert(), rows)
        links_of = frozenset(each.link for each in fresh)
        return Stored(links=links_of, fresh=fresh, repeated=repeated)

    def _fresh(
        self,
        connection: Connection,
        delivered: Iterable[Delivered],
        links: Mapping[str, int],
        now: datetime,
    ) -> tuple[list[Delivered], int]:
        """Those that were not stored before, and the number of deliveries that were."""
        named = {
            (links[each.link], _digest(each.delivery)): each for each in delivered if each.delivery
        }
        new = _remember(connection, list(named), now)
        for link in {link for link, _ in new}:
            self._count(connection, link, sum(each == link for each, _ in new))
        fresh = [
            each
            for each in delivered
            if not each.delivery or (links[each.link], _digest(each.delivery)) in new
        ]
        return fresh, len(named) - len(new)

    def _count(self, connection: Connection, link: int, added: int) -> None:
        """Forget the oldest deliveries of a link, now and then, where there are too many."""
        since = self._stored.get(link)
        if since is not None and since + added < _CHECKED_EVERY:
            self._stored[link] = since + added
            return
        self._stored[link] = 0
        forget_deliveries(connection, link, MOST_DELIVERIES - _CHECKED_EVERY)


def _link_of(delivered: Delivered) -> str:
    return delivered.link


def _digest(delivery: str) -> str:
    return blake2b(delivery.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _links(connection: Connection, names: Collection[str], now: datetime) -> dict[str, int]:
    """The keys of links; a row is made for one that nothing was ever written of."""
    table = tables.link
    asked = select(table.c.name, table.c.id).where(among(connection, table.c.name, sorted(names)))
    found = dict(connection.execute(asked).all()) if names else {}
    if missing := sorted(set(names) - set(found)):
        rows = [{"name": name, "created_at": now} for name in missing]
        insert = _insert(connection, table).values(rows).on_conflict_do_nothing()
        connection.execute(insert)
        found = dict(connection.execute(asked).all())
    return found


def _insert(connection: Connection, table: Any) -> Any:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _remember(
    connection: Connection, named: Sequence[tuple[int, str]], now: datetime
) -> set[tuple[int, str]]:
    """Remember deliveries; gives those that were new."""
    table, new = tables.delivery, set()
    # In one order, so that two processes that store the same wait for each other once.
    ordered = sorted(named)
    for begin in range(0, len(ordered), _CHUNK):
        rows = [
            {"link_id": link, "digest": digest, "received_at": now}
            for link, digest in ordered[begin : begin + _CHUNK]
        ]
        insert = _insert(connection, table).values(rows).on_conflict_do_nothing()
        told = connection.execute(insert.returning(table.c.link_id, table.c.digest))
        new |= {(link, digest) for link, digest in told}
    return new


def _waiting(connection: Connection, links: Collection[int]) -> Mapping[int, Sequence[Any]]:
    if not links:
        return {}
    table = tables.announcement
    its = among(connection, table.c.link_id, sorted(links))
    found = connection.execute(select(table).where(its).order_by(table.c.link_id))
    return {link: list(rows) for link, rows in groupby(found, key=lambda row: int(row.link_id))}


def _merged(
    waiting: Iterable[Any], fresh: Iterable[Delivered], link: int, now: datetime
) -> tuple[list[int], list[Row]]:
    """The rows of a link to delete, and those to insert."""
    new: dict[_Key, Row] = {}
    for each in fresh:
        key = (each.side.value, each.what.value, each.record)
        before = new.pop(key, None)
        stamps = (each.occurred_at, before["occurred_at"] if before else None)
        row = _row(link, each.side, each.what, now, record=each.record, way=each.way)
        new[key] = row | {"occurred_at": max((at for at in stamps if at), default=None)}
    standing: dict[_Key, list[Any]] = {}
    for old in waiting:
        standing.setdefault((old.side, old.what, old.record), []).append(old)
    replaced = set(new)
    keys = {*standing, *new}
    if sum(what in _SINGLE for _, what, _ in keys) > MOST_WAITING:
        replaced = {key for key in keys if key in new or key[1] != Announced.FULL}
        ways = [(old.side, old.way) for olds in standing.values() for old in olds]
        ways += [(row["side"], row["way"]) for row in new.values()]
        new = {key: row for key, row in new.items() if key[1] == Announced.FULL}
        for side in Side:
            if any(key[0] == side and key[1] != Announced.FULL for key in keys):
                way = Way.APP if (side, Way.APP) in ways else Way.HOOK
                new[side, Announced.LINK, ""] = _row(link, side, Announced.LINK, now, way=way)
    gone = [old.id for key in replaced for old in standing.get(key, ())]
    return gone, list(new.values())


def _row(
    link: int, side: Side, what: Announced, now: datetime, *, record: str = "", way: Way
) -> dict[str, Any]:
    return {
        "link_id": link,
        "side": side.value,
        "what": what.value,
        "record": record,
        "way": way.value,
        "received_at": now,
        "occurred_at": None,
    }


def forget_deliveries(connection: Connection, link_id: int, most: int) -> None:
    """Forget all deliveries of a link but the newest."""
    table = tables.delivery
    of_link = table.c.link_id == link_id
    oldest = (
        select(table.c.received_at)
        .where(of_link)
        .order_by(table.c.received_at.desc())
        .offset(most)
        .limit(1)
    )
    last = connection.execute(oldest).scalar()
    if last is not None:
        connection.execute(delete(table).where(of_link, table.c.received_at <= last))


# --- a cycle's share


def announcements(connection: Connection, link_id: int) -> list[Announcement]:
    """What waits for a link, oldest first."""
    table = tables.announcement
    found = select(table).where(table.c.link_id == link_id).order_by(table.c.id)
    return [
        Announcement(
            key=row.id,
            side=Side(row.side),
            what=Announced(row.what),
            record=row.record,
            received_at=row.received_at,
            occurred_at=row.occurred_at,
            way=Way(row.way),
        )
        for row in connection.execute(found)
    ]


def close_announcements(connection: Connection, link_id: int, keys: Collection[int]) -> None:
    """A cycle has looked at these."""
    table = tables.announcement
    its = table.c.link_id == link_id, among(connection, table.c.id, sorted(keys))
    connection.execute(delete(table).where(*its))
