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

from sqlalchemy import Connection, delete, func, select, text, update

from syncd.store.database import Database
from syncd.store.tables import block as table

_PAUSE = "!"
"""The suffix of an account's name in the row of its pause."""

_DIFFERENCE = timedelta(minutes=1)
"""What clocks of several machines may differ by."""

_SPACE = 0x73796C64
"""The first half of the advisory locks' keys; the second is drawn from the account's name."""


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

        def act(connection: Connection) -> tuple[int, int, datetime | None]:
            _queue_up(connection, account)
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

    def release(self, account: str, *, answered: Mapping[int, Sequence[datetime]]) -> None:
        """Give back places without taking any."""
        self._database.write(lambda connection: _give_back(connection, account, answered))

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


def _queue_up(connection: Connection, account: str) -> None:
    """Let no other exchange of this account overlap; on SQLite none ever does."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:space, hashtext(:account))"),
            {"space": _SPACE, "account": account},
        )


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
