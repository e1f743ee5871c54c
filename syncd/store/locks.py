"""Locks that die with their process, whatever kills it: what a lease stands on.

`leases` takes one per link. Beside SQLite it is a file lock, which the kernel
lets go at the end of the process; on PostgreSQL a session advisory lock, which
the server lets go when the connection ends. Who holds a link, and for how
long, is the lease's business.
"""

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Protocol

from sqlalchemy import Connection, Engine, text

from syncd.errors import StoreError, StoreInterrupted
from syncd.store.errors import explained

_SPACE = 0x73796E63
"""The first half of our advisory locks' keys; the second is the link's key."""


_TAKEN = """
SELECT EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND classid = :space AND objid = :link
    AND datname = current_database()
)
"""


class LinkLock(Protocol):
    """One lock per link, held by this process."""

    def take(self, name: str, link_id: int) -> bool:
        """Take the lock, or say at once that somebody else has it."""
        ...

    def holds(self, name: str, link_id: int) -> bool:
        """Whether it is still ours; a lock that was lost is taken again where it is free."""
        ...

    def is_taken(self, name: str, link_id: int) -> bool:
        """Whether anybody has it, this process included."""
        ...

    def let_go(self, name: str) -> None:
        """Give it up."""
        ...

    def close(self) -> None:
        """Give up all of them."""
        ...


class FileLocks:
    """`flock` on a file beside the SQLite file, one per link: `syncd.db.clinic.lock`.

    The files stay when the locks are let go: taking one away could leave two
    processes with a lock on two files of the same name.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._held: dict[str, int] = {}

    def take(self, name: str, link_id: int) -> bool:
        """Take the lock, or say at once that somebody else has it."""
        import fcntl

        del link_id
        descriptor = self._open(self._path(name))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._held[name] = descriptor
        return True

    def holds(self, name: str, link_id: int) -> bool:
        """Whether it is still ours: somebody may have taken the file away."""
        del link_id
        held = self._held.get(name)
        if held is None:
            return False
        try:
            there = self._path(name).stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(held)
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def is_taken(self, name: str, link_id: int) -> bool:
        """Whether anybody has it: looked at with a shared lock, which is given back at once."""
        import fcntl

        del link_id
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def let_go(self, name: str) -> None:
        """Give it up."""
        held = self._held.pop(name, None)
        if held is not None:
            os.close(held)

    def close(self) -> None:
        """Give up all of them."""
        for name in list(self._held):
            self.let_go(name)

    def _path(self, name: str) -> Path:
        return self._database.with_name(f"{self._database.name}.{name}.lock")

    def _open(self, path: Path) -> int:
        try:
            # Never through a link: root would give whatever it leads to away, below.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            if os.geteuid() == 0:
                # A command of root beside a service's store must not shut the service out.
                owner = self._database.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        except OSError as error:
            raise StoreError(
                f"the lock {path} cannot be opened ({error.strerror}): run as the user that owns "
                "the store, or give this user the right to write in its folder"
            ) from error
        return descriptor


class SessionLocks:
    """Advisory locks of one PostgreSQL session: one connection for all links of the process.

    They need a session of their own for as long as they are held, so a pooler
    between syncd and the server has to pool by session.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._mutex = Lock()
        self._session: Connection | None = None
        self._held: dict[str, int] = {}

    def take(self, name: str, link_id: int) -> bool:
        """Take the lock, or say at once that somebody else has it."""
        with self._mutex:
            # A session may take its own lock twice: two leases of one process must not.
            return name not in self._held and self._take(name, link_id)

    def holds(self, name: str, link_id: int) -> bool:
        """Whether it is still ours; after a lost connection it is taken again where it is free."""
        with self._mutex:
            if name in self._held:
                try:
                    self._ask("SELECT 1")
                except StoreInterrupted:
                    self._forget()
            return name in self._held or self._take(name, link_id)

    def is_taken(self, name: str, link_id: int) -> bool:
        """Whether any session has it."""
        del name
        with self._mutex:
            return bool(self._ask(_TAKEN, link_id))

    def let_go(self, name: str) -> None:
        """Give it up; a session that is lost has given it up already."""
        with self._mutex:
            link_id = self._held.pop(name, None)
            if link_id is not None:
                with suppress(StoreInterrupted):
                    self._ask("SELECT pg_advisory_unlock(:space, :link)", link_id)

    def close(self) -> None:
        """End the session, and every lock with it."""
        with self._mutex:
            self._forget()

    def _take(self, name: str, link_id: int) -> bool:
        got = self._ask("SELECT pg_try_advisory_lock(:space, :link)", link_id)
        if got:
            self._held[name] = link_id
        return bool(got)

    def _ask(self, statement: str, link_id: int | None = None) -> object:
        values = {} if link_id is None else {"space": _SPACE, "link": link_id}
        try:
            with explained(self._engine.url):
                if self._session is None:
                    self._session = self._engine.connect()
                return self._session.execute(text(statement), values).scalar()
        except StoreInterrupted:
            self._forget()
            raise

    def _forget(self) -> None:
        self._held.clear()
        session, self._session = self._session, None
        if session is not None:
            session.invalidate()
            session.close()
