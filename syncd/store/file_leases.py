"""Leases beside SQLite: a file lock per link, which dies with its process, whatever kills it.

The kernel lets a lock go at the end of the process, so that a killed holder
holds nothing. The files lie in one folder beside the store, `syncd.db.locks`,
and stay when the locks are let go: taking one away could leave two processes
with a lock on two files of the same name.
"""

import fcntl
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, select, update

from syncd.errors import LinkLocked, StoreError
from syncd.store import holder as holders
from syncd.store.database import Database
from syncd.store.holder import Holder
from syncd.store.leases import Lease
from syncd.store.tables import link as table
from syncd.store.transaction import ensure_link, find_link

_PATIENCE = 5.0
"""Seconds for which a lock is tried again whose holder is dead or has not written its name yet."""


class FileLease(Lease):
    """A link whose lock file is ours."""

    def __init__(self, leases: "FileLeases", name: str, link_id: int, fence: int) -> None:
        super().__init__(name, link_id, fence)
        self._leases = leases
        self._released = False

    def check(self) -> None:
        """Whether the lock file is still ours: somebody may have taken it away.

        Raises:
            LinkLocked: it is not.
        """
        if self._released or not self._leases.locks.holds(self.name):
            raise self._leases.refusal(self.name, self.link_id)

    def left(self) -> float:
        """For ever: a lock ends with its process."""
        return float("inf")

    def renew(self) -> None:
        """The same as `check`; nothing is written.

        Raises:
            LinkLocked: another syncd has the link.
        """
        self.check()

    def release(self) -> None:
        """Give the link back; the next holder takes it at once. Safe to repeat."""
        if not self._released:
            self._released = True
            self._leases.sign_off(self)


class FileLeases:
    """`leases.Leases` of one process, beside a SQLite file."""

    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self.locks = FileLocks(path)

    def acquire(self, name: str, verb: str, *, wait: bool = False) -> FileLease:
        """Take a link for this process; a living holder is never waited for.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: the store cannot be used.
        """
        del wait  # A lock whose holder is dead is free.
        # Links are known but for once: a look takes no lock.
        link_id = self._database.read(lambda at: find_link(at, name))
        if link_id is None:
            link_id = self._database.write(lambda at: ensure_link(at, self._database, name))
        waited, pause = 0.0, 0.05
        while not self.locks.take(name):
            found = self._written(link_id)
            if waited >= _PATIENCE or (found is not None and not found.is_dead):
                raise LinkLocked(name, str(found or "a process that is just starting"))
            self._database.clock.sleep(pause)
            waited += pause
            pause = min(2 * pause, 1.0)
        try:
            fence = self._database.write(lambda at: self._claim(at, link_id, verb))
        except BaseException:
            self.locks.let_go(name)
            raise
        return FileLease(self, name, link_id, fence)

    def acquire_all(
        self, names: Collection[str], verb: str
    ) -> tuple[Mapping[str, Lease], Mapping[str, str]]:
        """Take as many of these links as are free; of the others, who holds them, in words.

        Raises:
            StoreError: the store cannot be used.
        """
        taken: dict[str, Lease] = {}
        refused: dict[str, str] = {}
        for name in names:
            try:
                taken[name] = self.acquire(name, verb)
            except LinkLocked as error:
                refused[name] = error.holder
        return taken, refused

    def release_all(self, leases: Iterable[Lease]) -> None:
        """Give several links back."""
        for lease in leases:
            lease.release()

    def holder(self, name: str) -> Holder | None:
        """The process that holds a link now, as far as can be told; takes no lock.

        Raises:
            StoreError: the store cannot be used.
        """
        link_id = self._database.read(lambda at: find_link(at, name))
        return self._living(name, None if link_id is None else self._written(link_id))

    def holders(self, names: Collection[str]) -> dict[str, str]:
        """Who holds each of these links, in words; those that nobody holds are left out.

        Raises:
            StoreError: the store cannot be used.
        """
        asked = select(table.c.name, table.c.holder)
        stored = dict(self._database.read(lambda at: at.execute(asked).all()))
        found = {name: self._living(name, holders.read(stored.get(name))) for name in names}
        return {name: str(holder) for name, holder in found.items() if holder is not None}

    def _living(self, name: str, found: Holder | None) -> Holder | None:
        """The process that wrote its name at a link, unless it ended."""
        if found is None or found.is_here:
            return None if found is None or found.is_dead else found
        # Of another container's process only its lock is known.
        return found if self.locks.is_taken(name) else None

    def close(self) -> None:
        """Give up every lock."""
        self.locks.close()

    def sign_off(self, lease: FileLease) -> None:
        """Take our name off a link, and let its lock go."""

        def act(connection: Connection) -> None:
            ours = table.c.id == lease.link_id, table.c.fence == lease.fence
            connection.execute(update(table).where(*ours).values(holder=None))

        with suppress(StoreError):
            self._database.write(act)
        self.locks.let_go(lease.name)

    def refusal(self, name: str, link_id: int) -> LinkLocked:
        """Why a link is not ours any more."""
        return LinkLocked(name, self._database.read(lambda at: holders.read_holder(at, link_id)))

    def _claim(self, connection: Connection, link_id: int, verb: str) -> int:
        """With the lock in hand, write our name over one that is no longer good."""
        ours = holders.write(holders.this_process(verb, self._database.clock.now()))
        claim = update(table).where(table.c.id == link_id)
        claim = claim.values(holder=ours, fence=table.c.fence + 1)
        fence: int = connection.execute(claim.returning(table.c.fence)).scalar_one()
        return fence

    def _written(self, link_id: int) -> Holder | None:
        asked = select(table.c.holder).where(table.c.id == link_id)
        return holders.read(self._database.read(lambda at: at.execute(asked).scalar()))


class FileLocks:
    """`flock` on one file per link."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._held: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Take the lock, or say at once that somebody else has it."""
        descriptor = self._open(self._path(name))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._held[name] = descriptor
        return True

    def holds(self, name: str) -> bool:
        """Whether it is still ours: somebody may have taken the file away."""
        held = self._held.get(name)
        if held is None:
            return False
        try:
            there = self._path(name).stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(held)
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def is_taken(self, name: str) -> bool:
        """Whether anybody has it, this process included."""
        return is_locked(self._path(name))

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
        return folder(self._database) / f"{name}.lock"

    def _open(self, path: Path) -> int:
        try:
            made = not path.parent.is_dir()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            # Never through a link: root would give whatever it leads to away, below.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            if os.geteuid() == 0:
                # A command of root beside a service's store must not shut the service out.
                owner = self._database.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
                if made:
                    os.chown(path.parent, owner.st_uid, owner.st_gid, follow_symlinks=False)
        except OSError as error:
            raise StoreError(
                f"the lock {path} cannot be opened ({error.strerror}): run as the user that owns "
                "the store, or give this user the right to write in its folder"
            ) from error
        return descriptor


def folder(database: Path) -> Path:
    """Where the lock files of a SQLite store lie."""
    return database.with_name(f"{database.name}.locks")


def is_locked(path: Path) -> bool:
    """Whether a process has this lock: looked at with a shared one, which is given back at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
