"""A SQLite store for verbs that only read it: it imports only the driver.

`bootstrap.open_reader` opens it. A store that is missing, older, newer or damaged
is not opened here: the full store reports the problem or migrates it.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from syncd.core.model import Hold, Pair, Side
from syncd.errors import StoreError
from syncd.ports.store import CycleRow, HistoryEntry
from syncd.store import reads
from syncd.store.holder import Holder
from syncd.store.version import HEAD, VERSION

SCHEMES = ("sqlite:///", "sqlite+pysqlite:///")

BUSY_SECONDS = 15
"""How long a statement waits for another process's transaction: longer than any of ours takes, and
short enough for a person who waits for a command."""


_UNSURE = "SELECT id FROM connection WHERE asked_at > :since AND kind <> 'minted' LIMIT 1"


def connect(path: Path) -> sqlite3.Connection:
    """Open a file for reading and writing; a missing one is not created.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    return sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
    )


def _explained(error: sqlite3.Error, path: Path) -> StoreError:
    from syncd.store.errors import explain_sqlite

    return explain_sqlite(str(error), f"the store {path}")


class SqliteReader:
    """All links of a SQLite file that is up to date; reads take no lock."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._connection = path, connection

    @classmethod
    def open(cls, url: str) -> "SqliteReader | None":
        """The store of a URL; None unless it is a SQLite file that is readable as it is.

        Raises:
            StoreInterrupted: another program keeps it locked.
        """
        address = url.split("?", 1)[0]
        scheme = next((each for each in SCHEMES if address.startswith(each)), "")
        path = Path(address.removeprefix(scheme))
        if not scheme or not path.is_file():
            return None
        try:
            connection = connect(path)
        except sqlite3.Error:
            return None
        try:
            if connection.execute(VERSION).fetchone() == (HEAD,):
                return cls(path, connection)
        except sqlite3.Error as error:
            if "locked" in str(error):
                connection.close()
                # The full store would wait just as long once more.
                raise _explained(error, path) from None
        connection.close()
        return None

    def link(self, name: str) -> "SqliteLinkReader":
        """One link's share."""
        return SqliteLinkReader(self, name)

    def has_unsure(self, since: datetime) -> bool:
        """Whether the answer to a refresh may be missing that was asked for after an instant.

        Raises:
            StoreError: the file cannot be read.
        """
        return bool(self.ask(_UNSURE, {"since": reads.instant(since)}))

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def ask(self, statement: str, values: Mapping[str, object]) -> Iterable[Sequence[Any]]:
        """All rows of a statement.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _explained(error, self._path) from None


class SqliteLinkReader:
    """`ports.store.LinkReader` of one link."""

    def __init__(self, store: SqliteReader, name: str) -> None:
        self._ask = store.ask
        self._link_id = reads.find_link(store.ask, name) or 0

    def get_state(self, name: str) -> str:
        """The value of a state key, "" if it was never set."""
        return reads.state(self._ask, self._link_id, name)

    def count_pairs(self) -> int:
        """How many pairs live: both records known and not removed."""
        return reads.count_pairs(self._ask, self._link_id)

    def count_later(self, key: int) -> int:
        """How many of them have a higher key."""
        return reads.count_later(self._ask, self._link_id, key)

    def holds(self) -> list[Hold]:
        """The holds, oldest first."""
        return [hold for _, hold in reads.holds(self._ask, self._link_id)]

    def cycles(self, limit: int = 20, *, cycle: str = "") -> list[CycleRow]:
        """The last cycles, newest first; or the one of that id."""
        return reads.cycles(self._ask, self._link_id, limit, cycle)

    def history(
        self, record_id: str = "", *, cycle: str = "", limit: int = 0
    ) -> list[HistoryEntry]:
        """History, newest first; of one record (id of either side), one cycle, or all."""
        return reads.history(self._ask, self._link_id, record_id, cycle, limit)

    def pairs_by_id(self, side: Side, ids: Collection[str]) -> list[Pair]:
        """Pairs whose record on that side has one of these ids."""
        found = (reads.pair_of(self._ask, self._link_id, side, each) for each in ids)
        return [pair for pair in found if pair is not None]

    def pairs_of_contact(self, side: Side, contact: str) -> list[Pair]:
        """Pairs whose record on that side is for this contact, gone ones included."""
        return reads.pairs_of_contact(self._ask, self._link_id, side, contact)

    def contacts_made(self, email: str) -> list[str]:
        """Ids of the contacts that were made with this e-mail address, by the history."""
        return reads.contacts_made(self._ask, self._link_id, email)

    def holder(self) -> Holder | None:
        """The process that works, or worked, on the link."""
        return reads.holder(self._ask, self._link_id)
