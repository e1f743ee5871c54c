"""The account of each token, as its vendor named it: asked once, and stored permanently.

`bootstrap.account_identities` uses it. A token is stored as a digest only.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from syncd.store.bulk import among, upsert
from syncd.store.database import Database
from syncd.store.tables import account as table


class SqlAccounts:
    """Known accounts of tokens; every method is one short transaction."""

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
        """Store the vendors' answers of that instant (UTC).

        Raises:
            StoreError: the store cannot be used.
        """
        rows = [
            {"token": token, "number": number, "told_at": now} for token, number in numbers.items()
        ]
        if rows:
            self._database.write(lambda at: upsert(at, table, rows, by=("token",)))
