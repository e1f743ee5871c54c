"""A whole store: all its links, and the leases of this process.

`bootstrap` makes one per process and closes it at the end.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy import Engine

from syncd.ports.clock import Clock
from syncd.ports.store import Decided, Switch
from syncd.store import across, overview, retention
from syncd.store.accounts import SqlAccounts
from syncd.store.announcements import Inbox
from syncd.store.bulk import asking
from syncd.store.connections import SqlConnections
from syncd.store.database import QUICK_PATIENCE, Database
from syncd.store.engine import brisk
from syncd.store.holder import Holder
from syncd.store.integrity import Inspection
from syncd.store.journal import SqlJournal
from syncd.store.leases import Lease, Leases
from syncd.store.link_store import SqlLinkStore
from syncd.store.outbox import SqlOutbox
from syncd.store.overview import LinkOverview
from syncd.store.rate_ledger import SqlLedger
from syncd.store.retention import Forgotten

if TYPE_CHECKING:
    from syncd.store.members import Members


class Store:
    """All links of one database. Its tables have to be there: `migrate.check` sees to it."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._database = Database(engine, clock)
        self._quick = Database(engine, clock, patience=QUICK_PATIENCE)
        impatient = Database(brisk(engine), clock, patience=QUICK_PATIENCE)
        self.inbox = Inbox(impatient)
        """What the vendors announced."""
        self.journal = SqlJournal(self._database, self.inbox)
        """The places in HubSpot's journals."""
        self.quick_connections = SqlConnections(impatient)
        """The connections for a listener that cannot wait."""
        self._members = None if self._database.is_sqlite else _members(self._database, self._quick)
        self._leases: Leases = self._members or _file_leases(self._database, engine)
        self.ledger = SqlLedger(self._database)
        """The ledger through which the processes of this store share rate limits."""
        self.accounts = SqlAccounts(self._database)
        """Which account each token leads to."""
        self.connections = SqlConnections(self._database)
        """OAuth connections, and the attempts to make one."""
        self._inspection: Inspection | None = None
        self.outbox = SqlOutbox(self._database)
        """Announced events, and notifications that still have to be sent."""

    def link(self, name: str, lease: Lease | None = None) -> SqlLinkStore:
        """One link's store; with a lease, every commit checks it."""
        if lease is None:
            return SqlLinkStore(self._database, name)
        return SqlLinkStore(self._database, name, fence=lease.fence, link_id=lease.link_id)

    def quick_view(self, name: str) -> SqlLinkStore:
        """One link's store for a quick read: an unreachable database is reported almost at once."""
        return SqlLinkStore(self._quick, name)

    def acquire(self, name: str, verb: str, *, wait: bool = False) -> Lease:
        """Take a link for this process; `verb` is the command that runs (run, sync-now, …).

        With `wait`, a holder on another machine that may be dead is waited for
        until its lease ends; a living one never is.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: the store cannot be used.
        """
        return self._leases.acquire(name, verb, wait=wait)

    def acquire_all(
        self, names: Collection[str], verb: str
    ) -> tuple[Mapping[str, Lease], Mapping[str, str]]:
        """Take as many of these links as are free; of the others, who holds them, in words.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._leases.acquire_all(names, verb)

    def release_all(self, leases: Iterable[Lease]) -> None:
        """Give several links back."""
        self._leases.release_all(leases)

    @property
    def members(self) -> "Members | None":
        """The processes of a PostgreSQL store; None beside SQLite, which has no others."""
        return self._members

    def holder(self, name: str) -> Holder | None:
        """The process that holds a link now, for people; None if there is none.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._leases.holder(name)

    def holders(self, names: Collection[str]) -> Mapping[str, str]:
        """Who holds each of these links, in words; those that nobody holds are left out.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._leases.holders(names)

    def decided(self) -> Decided:
        """What waits of all links; does not wait for an unreachable database.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._quick.read(across.decided)

    def switch(
        self, names: Collection[str], turn: Switch, *, wakes: Collection[str]
    ) -> frozenset[str]:
        """Take links out of service or put them back, all or none; gives those that changed.

        A daemon looks at once at those of `wakes`.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._database.write(lambda at: across.switch(at, names, turn, wakes))

    def overview(self, states: Sequence[str]) -> Mapping[str, LinkOverview]:
        """What the status of every link rests on, with these state keys; see `overview`.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._quick.read(lambda at: overview.read(asking(at), states))

    def write_notes(self, cursor: str, notes: Mapping[str, str]) -> None:
        """Store a short text for each of these links that this process holds.

        Raises:
            StoreError: the store cannot be used.
        """
        if self._members is None:
            self._quick.write(lambda at: across.write_notes(at, cursor, notes))
        else:
            me = self._members.me
            self._quick.read(lambda at: across.write_notes_of_ours(at, cursor, notes, me))

    def prune(self, name: str, before: datetime) -> int:
        """Delete a link's history, reports and closed decisions from before an instant.

        Gives how many rows went; see `keeping`.

        Raises:
            StoreError: the store cannot be used.
        """
        return retention.prune(self._database, name, before)

    def forget(self, name: str, contacts: Collection[str], *, dry_run: bool = False) -> Forgotten:
        """Take everything of contacts, ids of either side, out of a link's store.

        A dry run only counts.

        Raises:
            StoreError: the store cannot be used.
        """
        return retention.forget(self._database, name, contacts, dry_run=dry_run)

    def inspect(self) -> None:
        """Begin to look at the whole of a SQLite file, beside the work; see `inspection`."""
        self._inspection = Inspection(self._database.engine)
        self._inspection.begin()

    def ensure_intact(self) -> None:
        """Wait until the file was looked at, if it is being; asked before a vendor is written to.

        Raises:
            StoreError: it is corrupt.
        """
        if self._inspection is not None:
            self._inspection.ensure_intact()

    def close(self) -> None:
        """Give up every lock and connection."""
        if self._inspection is not None:
            self._inspection.give_up()
        self._leases.close()
        self._database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _file_leases(database: Database, engine: Engine) -> Leases:
    from syncd.store.file_leases import FileLeases

    return FileLeases(database, Path(str(engine.url.database)))


def _members(database: Database, quick: Database) -> "Members":
    from syncd.store.members import Members

    return Members(database, quick=quick)
