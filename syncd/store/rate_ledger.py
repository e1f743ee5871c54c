"""The use of each account's rate limit by the processes of one store, in blocks of places.

`providers.shared_window` uses it. A block is taken before its requests are sent;
when a request was answered, its place leaves the block and becomes a block that
is free at an instant. The sum of the blocks that are not free yet is the used
part of the limit. A pause that a vendor asked for is a block with its own name,
which is free when the pause ends; its places are the seconds of the pause. A
block that lasts impossibly long was written before a clock was set back.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from syncd.store.database import Database
from syncd.store.tables import block as table

_PAUSE = "!"
"""The suffix of an account's name in the row of its pause."""

_DIFFERENCE = timedelta(minutes=1)
"""What clocks of several machines may differ by."""

_EXCHANGE = text(
    """
    SELECT key, size, next_free
    FROM syncd_exchange(:account, :now, :ids, :frees, :wanted, :places, :until, :span)
    """
).bindparams(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("frees", type_=ARRAY(DateTime(timezone=True))),
)
"""On PostgreSQL all of it is one statement, a function that migration 0004 makes."""

_RELEASE = text(
    """
    WITH answered AS (
        SELECT id, count(*) AS places FROM unnest(CAST(:ids AS bigint[])) AS id GROUP BY id
    ),
    gone AS (
        DELETE FROM block USING answered WHERE block.id = answered.id
        AND block.account = ANY(:accounts) AND block.places <= answered.places
        RETURNING block.id, block.account
    ),
    less AS (
        UPDATE block SET places = block.places - answered.places FROM answered
        WHERE block.id = answered.id AND block.account = ANY(:accounts)
        AND block.places > answered.places RETURNING block.id, block.account
    ),
    mine AS (SELECT * FROM gone UNION ALL SELECT * FROM less)
    INSERT INTO block (account, places, free_at)
    SELECT mine.account, 1, place.free_at
    FROM unnest(CAST(:ids AS bigint[]), CAST(:frees AS timestamptz[])) AS place (id, free_at)
    JOIN mine ON mine.id = place.id
    """
)


class SqlLedger:
    """`providers.shared.Ledger`; every method is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def exchange(
        self,
        account: str,
        *,
        now: datetime,
        answered: Mapping[int, Sequence[datetime]],
        wanted: int,
        places: int,
        until: datetime,
        span: timedelta,
    ) -> tuple[int, int, datetime | None]:
        """Return the answered places, then take up to `wanted` of the remaining `places`.

        No block lasts beyond `until`; a longer one is free a `span` from now.

        Returns:
            The block's id, its size, and None; or 0, 0 and the instant at
            which the next place becomes free.
        """
        if not self._database.is_sqlite:
            values = {
                "account": account,
                "now": now,
                "wanted": wanted,
                "places": places,
                "until": until,
                "span": span,
            } | _flat(answered)
            return self._database.read(lambda at: _exchanged(at, values))

        def act(connection: Connection) -> tuple[int, int, datetime | None]:
            _give_back(connection, account, answered)
            connection.execute(
                delete(table).where(table.c.account == account, table.c.free_at <= now)
            )
            beyond = table.c.account == account, table.c.free_at > until
            connection.execute(update(table).where(*beyond).values(free_at=now + span))
            taken, next_free = _standing(connection, account)
            size = min(wanted, places - taken)
            if size <= 0:
                return 0, 0, next_free
            row = {"account": account, "places": size, "free_at": until}
            made = connection.execute(table.insert().returning(table.c.id), row)
            return made.scalar_one(), size, None

        return self._database.write(act)

    def release(self, answered: Mapping[str, Mapping[int, Sequence[datetime]]]) -> None:
        """Give back places of several accounts without taking any."""
        if not self._database.is_sqlite:
            blocks = {key: at for each in answered.values() for key, at in each.items()}
            values = {"accounts": [*answered]} | _flat(blocks)
            self._database.read(lambda connection: connection.execute(_RELEASE, values))
            return

        def act(connection: Connection) -> None:
            for account, each in answered.items():
                _give_back(connection, account, each)

        self._database.write(act)

    def taken(self, account: str, *, now: datetime) -> int:
        """How many places are taken now, by all processes."""
        places = func.coalesce(func.sum(table.c.places), 0)
        asked = select(places).where(table.c.account == account, table.c.free_at > now)
        return int(self._database.read(lambda connection: connection.execute(asked).scalar_one()))

    def pause(self, account: str, *, now: datetime, until: datetime) -> None:
        """The vendor asked for a pause of the account until that instant (UTC)."""
        seconds = math.ceil((until - now).total_seconds())
        row = {"account": account + _PAUSE, "places": seconds, "free_at": until}

        def act(connection: Connection) -> None:
            over = table.c.account == row["account"], table.c.free_at <= now
            connection.execute(delete(table).where(*over))
            connection.execute(table.insert(), row)

        self._database.write(act)

    def paused_until(self, account: str, *, now: datetime) -> datetime | None:
        """When the longest pause that is not over at `now` ends (UTC); None if there is none."""
        asked = select(table.c.free_at, table.c.places).where(
            table.c.account == account + _PAUSE, table.c.free_at > now
        )
        rows = self._database.read(lambda connection: connection.execute(asked).all())
        # A minute more, for clocks of several machines that differ.
        ends = [
            row.free_at
            for row in rows
            if row.free_at <= now + timedelta(seconds=row.places) + _DIFFERENCE
        ]
        return max(ends, default=None)


def _exchanged(
    connection: Connection, values: Mapping[str, object]
) -> tuple[int, int, datetime | None]:
    row = connection.execute(_EXCHANGE, values).one()
    return row.key, row.size, row.next_free


def _flat(answered: Mapping[int, Sequence[datetime]]) -> dict[str, object]:
    """A row for each place that is given back."""
    places = [(key, at) for key, each in answered.items() for at in each]
    return {"ids": [key for key, _ in places], "frees": [at for _, at in places]}


def _give_back(
    connection: Connection, account: str, answered: Mapping[int, Sequence[datetime]]
) -> None:
    places: list[dict[str, object]] = []
    for key, free_at in answered.items():
        mine = table.c.id == key, table.c.account == account
        left = {"places": table.c.places - len(free_at)}
        if connection.execute(update(table).where(*mine).values(left)).rowcount:
            places += [{"account": account, "places": 1, "free_at": each} for each in free_at]
    if places:
        connection.execute(
            delete(table).where(
                table.c.account == account, table.c.id.in_([*answered]), table.c.places <= 0
            )
        )
        connection.execute(table.insert(), places)


def _standing(connection: Connection, account: str) -> tuple[int, datetime | None]:
    """How many places are taken, and when the next of them are free."""
    found = select(func.coalesce(func.sum(table.c.places), 0), func.min(table.c.free_at))
    taken, next_free = connection.execute(found.where(table.c.account == account)).one()
    return int(taken), next_free
