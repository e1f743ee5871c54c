"""One writer per link: a lease with a fencing number, on a lock that dies with its process.

A cycle works under a `Lease`: it asks `check` before every write, and the
daemon calls `renew` between cycles. A killed holder holds nothing: its lock is
free at once, and on the same machine so is the link. Where the holder was on
another machine its lock may only have lost its connection, so that its lease
has to run out first (`LEASE` seconds after it was last renewed).

A holder never acts on a lease that it has not confirmed lately: `check` asks
the database again every `RENEW` seconds, by a clock that goes on while the
process or the machine stands still, and gives up before a successor could
take the link. What it had under way by then is fenced off: its transactions
compare the fencing number, which grows with every holder.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, func, select, update

from syncd.errors import LinkLocked, StoreError, StoreInterrupted
from syncd.ports.clock import Clock
from syncd.store import holder as holders
from syncd.store.database import Database
from syncd.store.holder import Holder
from syncd.store.locks import LinkLock
from syncd.store.tables import link as table
from syncd.store.transaction import ensure_link, find_link

LEASE = 30.0
"""Seconds that a lease lasts without being renewed."""

RENEW = 10.0
"""Seconds after which a lease is confirmed again."""

_MARGIN = 5.0
"""Seconds before its end at which a holder that cannot renew stops by itself."""

_SLACK = 3.0
"""Seconds by which a living holder's renewal may be late."""

_GOING = 5.0
"""Seconds that PostgreSQL may take to notice that a killed holder's connection is gone."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why the link cannot be had right now."""

    holder: Holder | None
    left: float
    """Seconds that the holder's lease has left, by the database's clock."""
    locked: bool
    """Whether somebody has the lock, as far as the server knows."""

    @property
    def lives(self) -> bool:
        """Whether the holder is known to live, or was heard of as lately as living ones are."""
        if not self.locked:
            return False
        if self.holder is not None and self.holder.is_here:
            return not self.holder.is_dead
        return self.left > LEASE - RENEW - _SLACK


@dataclass(frozen=True, slots=True)
class Reading:
    """A moment by two clocks: one that is never set, and one that somebody corrects.

    Where a machine was paused, only the second may know of it.
    """

    seconds: float
    instant: datetime

    @classmethod
    def now(cls, clock: Clock) -> Self:
        """The present moment."""
        return cls(clock.monotonic(), clock.now())

    def age(self, clock: Clock) -> float:
        """Seconds since then, by whichever clock counted more."""
        by_wall = (clock.now() - self.instant).total_seconds()
        return max(clock.monotonic() - self.seconds, by_wall)


class Leases:
    """Gives out the leases of one process."""

    def __init__(self, database: Database, locks: LinkLock) -> None:
        self._database, self._locks = database, locks

    def acquire(self, name: str, verb: str, *, wait: bool = False) -> "Lease":
        """Take a link for this process; `verb` is the command that it runs, for people.

        With `wait`, a holder on another machine that may be dead is waited for
        until its lease ends, at most half a minute. A living holder is never
        waited for.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: the store cannot be used.
        """
        # Links are known but for once: a look takes no lock.
        link_id = self._database.read(lambda at: find_link(at, name))
        if link_id is None:
            link_id = self._database.write(lambda at: ensure_link(at, self._database, name))
        waited = 0.0
        pause = 0.05
        while True:
            taken = self._try(name, link_id, verb)
            if isinstance(taken, Lease):
                return taken
            if waited >= _patience(taken, wait=wait):
                raise LinkLocked(name, str(taken.holder or "a process that is just starting"))
            self._database.clock.sleep(pause)
            waited += pause
            pause = min(2 * pause, 1.0)

    def holder(self, name: str) -> Holder | None:
        """The process that holds a link now, as far as can be told; takes no lock.

        Raises:
            StoreError: the store cannot be used.
        """
        link_id = self._database.read(lambda at: find_link(at, name))
        if link_id is None:
            return None
        found, left = self._database.read(lambda at: self._look(at, link_id))
        if found is None or found.is_here:
            return None if found is None or found.is_dead else found
        # Of another machine's or container's process only its lock and its lease are known.
        return found if left > 0 or self._locks.is_taken(name, link_id) else None

    def _try(self, name: str, link_id: int, verb: str) -> "Lease | _Refusal":
        locked = not self._locks.take(name, link_id)
        if locked:
            found, left = self._database.read(lambda at: self._look(at, link_id))
            return _Refusal(found, left, locked=True)
        asked = Reading.now(self._database.clock)
        try:
            claimed = self._database.write(lambda at: self._claim(at, link_id, verb))
        except BaseException:
            self._locks.let_go(name)
            raise
        if isinstance(claimed, _Refusal):
            self._locks.let_go(name)
            return claimed
        return Lease(
            self._database, self._locks, name=name, link_id=link_id, fence=claimed, asked=asked
        )

    def _claim(self, connection: Connection, link_id: int, verb: str) -> int | _Refusal:
        """With the lock in hand, write our name over one that is no longer good."""
        found, left = self._look(connection, link_id)
        # Beside SQLite the lock says it all: no other machine works on the same file.
        if left > 0 and not self._database.is_sqlite and not (found and found.is_dead):
            return _Refusal(found, left, locked=False)
        now = _now(connection, self._database)
        ours = holders.write(holders.this_process(verb, self._database.clock.now()))
        claimed = connection.execute(
            update(table)
            .where(table.c.id == link_id)
            .values(
                holder=ours,
                lease_until=now + timedelta(seconds=LEASE),
                fence=table.c.fence + 1,
            )
            .returning(table.c.fence)
        )
        fence: int = claimed.scalar_one()
        return fence

    def _look(self, connection: Connection, link_id: int) -> tuple[Holder | None, float]:
        row = connection.execute(
            select(table.c.holder, table.c.lease_until).where(table.c.id == link_id)
        ).one()
        now = _now(connection, self._database)
        left = (row.lease_until - now).total_seconds() if row.lease_until else 0.0
        return holders.read(row.holder), left


def _patience(refusal: _Refusal, *, wait: bool) -> float:
    """Seconds for which it is worth trying again."""
    if refusal.holder is None or refusal.holder.is_dead:
        # Its lock is about to be let go, or its name about to be written.
        return _GOING
    return LEASE + _GOING if wait and not refusal.lives else 0.0


class Lease:
    """A link that is ours, until `release` or until it cannot be confirmed any more."""

    def __init__(
        self,
        database: Database,
        locks: LinkLock,
        *,
        name: str,
        link_id: int,
        fence: int,
        asked: Reading,
    ) -> None:
        self._database, self._locks = database, locks
        self.name, self.fence = name, fence
        self._link_id = link_id
        self._confirmed = asked
        """When the statement was sent that confirmed it last."""
        self._asking = Lock()
        self._released = False

    def check(self) -> None:
        """Whether the link is still ours; asks the database only when that is due.

        Asked before every request that writes, by many threads: one of them asks for all.

        Raises:
            LinkLocked: another syncd has it.
            StoreError: the database does not answer, and a successor may take it any moment.
        """
        self._must_be_ours(not self._released)
        if self._database.is_sqlite:
            self._must_be_ours(self._locks.holds(self.name, self._link_id))
        elif self._is_due:
            with self._asking:
                if self._is_due:
                    self.renew()

    def renew(self) -> None:
        """Make the lease last for another `LEASE` seconds; on SQLite only the lock counts.

        Raises:
            LinkLocked: another syncd has the link.
            StoreError: the database does not answer, and a successor may take it any moment.
        """
        self._must_be_ours(not self._released)
        if self._database.is_sqlite:
            self._must_be_ours(self._locks.holds(self.name, self._link_id))
            return
        pause = 0.1
        while True:
            asked = Reading.now(self._database.clock)
            try:
                confirmed = self._confirm()
            except StoreInterrupted:
                confirmed = False
                if self._is_over:
                    raise
            if confirmed:
                self._confirmed = asked
                return
            # The lock may be our own, of a session that the server has not given up yet.
            self._must_be_ours(not self._is_over)
            self._database.clock.sleep(pause)
            pause = min(2 * pause, 1.0)

    def release(self) -> None:
        """Give the link back; the next holder takes it at once."""
        if self._released:
            return
        self._released = True
        # A database that is away needs no word from us: the lease runs out by itself.
        with suppress(StoreError):
            self._database.write(self._sign_off)
        self._locks.let_go(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def _is_due(self) -> bool:
        return self._confirmed.age(self._database.clock) >= RENEW

    @property
    def _is_over(self) -> bool:
        """Whether a successor could take the link any moment now."""
        return self._confirmed.age(self._database.clock) >= LEASE - _MARGIN

    def _confirm(self) -> bool:
        """Whether lock and row are still ours, the row for another while.

        Raises:
            LinkLocked: the row is another's.
        """
        if not self._locks.holds(self.name, self._link_id):
            self._must_be_ours(self._database.read(self._is_ours))
            return False
        self._must_be_ours(self._database.write(self._prolong))
        return True

    def _prolong(self, connection: Connection) -> bool:
        until = _now(connection, self._database) + timedelta(seconds=LEASE)
        prolonged = (
            update(table)
            .where(table.c.id == self._link_id, table.c.fence == self.fence)
            .values(lease_until=until)
        )
        return connection.execute(prolonged).rowcount == 1

    def _is_ours(self, connection: Connection) -> bool:
        fence = select(table.c.fence).where(table.c.id == self._link_id)
        return connection.execute(fence).scalar() == self.fence

    def _sign_off(self, connection: Connection) -> None:
        connection.execute(
            update(table)
            .where(table.c.id == self._link_id, table.c.fence == self.fence)
            .values(holder=None, lease_until=None)
        )

    def _must_be_ours(self, ours: bool) -> None:  # noqa: FBT001 - reads as a sentence
        if ours:
            return
        taken_by = self._database.read(lambda at: holders.read_holder(at, self._link_id))
        raise LinkLocked(self.name, taken_by)


def _now(connection: Connection, database: Database) -> datetime:
    """The database's time: clocks of several machines are not compared with each other."""
    if database.is_sqlite:
        return database.clock.now()
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now
