"""Which account each token leads to, as its vendor said: asked once, and kept for good.

`bootstrap.identities` works on it. A token stands here as a digest only.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from syncd.store.bulk import among, upsert
from syncd.store.database import Database
from syncd.store.tables import account as table


class SqlAccounts:
    """What is known of tokens; every method is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def numbers(self, tokens: Collection[str]) -> Mapping[str, str]:
        """The account's number by token, for those that are known.

        Raises:
            StoreError: the store cannot be used.
        """

        def ask(connection: Connection) -> Mapping[str, str]:
            found = select(table.c.token, table.c.number).where(
                among(connection, table.c.token, tokens)
            )
            return dict(connection.execute(found).all())

        return self._database.read(ask) if tokens else {}

    def keep(self, numbers: Mapping[str, str], now: datetime) -> None:
        """Remember what vendors said at that instant (UTC).

        Raises:
            StoreError: the store cannot be used.
        """
        rows = [
            {"token": token, "number": number, "told_at": now} for token, number in numbers.items()
        ]
        if rows:
            self._database.write(lambda at: upsert(at, table, rows, by=("token",)))
