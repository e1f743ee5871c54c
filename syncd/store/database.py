"""One database as the rest of the store uses it: short reads and writes that survive interruptions.

`link_store`, `leases`, `ledger` and `outbox` work on it. A PostgreSQL server
that restarts, drops a connection or refuses to serialise costs a wait, not a
cycle: the current work is repeated, for up to `PATIENCE` seconds. The
transactions of a cycle are not here: `transaction` repeats them itself.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import structlog
from sqlalchemy import Connection, Engine

from syncd.errors import StoreInterrupted, StoreUncertain
from syncd.ports.clock import Clock
from syncd.store.engine import reading
from syncd.store.errors import explained

log = structlog.get_logger(__name__)

PATIENCE = 30.0
"""Seconds of waiting for a database that is away, all waits together."""

QUICK_PATIENCE = 1.0
"""The same for `quick_view`: long enough to replace a broken connection."""

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0

T = TypeVar("T")


class Database:
    """An engine, a clock, and the patience to try again."""

    def __init__(self, engine: Engine, clock: Clock, *, patience: float = PATIENCE) -> None:
        self.engine = engine
        self.clock = clock
        self._patience = patience
        self._reading = reading(engine)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file or memory of this machine."""
        return self.engine.dialect.name == "sqlite"

    def read(self, ask: Callable[[Connection], T]) -> T:
        """Run one read in a transaction of its own.

        Raises:
            StoreError: the database cannot answer.
        """

        def once() -> T:
            with explained(self.engine.url), self._reading.connect() as connection:
                return ask(connection)

        return self.patiently(once)

    def write(
        self, act: Callable[[Connection], T], *, repeatable: bool = True, durable: bool = False
    ) -> T:
        """One short transaction; done again where its connection broke.

        One that is not `repeatable` is not done again once its commit was sent,
        since that may have taken effect. One that is `durable` outlasts a power cut
        on SQLite, too (PRAGMA synchronous); on PostgreSQL every one does.

        Raises:
            StoreError: the database cannot do it, or it is not known whether it did.
        """

        def once() -> T:
            with (
                explained(self.engine.url),
                self.engine.connect() as connection,
                self._synchronous(connection, durable=durable),
            ):
                done = act(connection)
                try:
                    with explained(self.engine.url):
                        connection.commit()
                except StoreInterrupted as error:
                    if repeatable:
                        raise
                    raise StoreUncertain(
                        f"it is unknown whether this was written: check before you repeat it; "
                        f"{error}"
                    ) from error
                return done

        return self.patiently(once)

    @contextmanager
    def _synchronous(self, connection: Connection, *, durable: bool) -> Iterator[None]:
        """Have SQLite wait for the disk at the commit; outside of transactions, as it asks for."""
        if not durable or not self.is_sqlite:
            yield
            return
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        driver.execute("PRAGMA synchronous=FULL").close()
        try:
            yield
        finally:
            if not connection.closed and not connection.invalidated:
                connection.rollback()
                driver.execute("PRAGMA synchronous=NORMAL").close()

    def patiently(self, act: Callable[[], T]) -> T:
        """Do something again while the database is away or busy, with growing waits.

        Raises:
            StoreInterrupted: it was still away in the end.
        """
        wait, waited = _FIRST_WAIT, 0.0
        while True:
            try:
                done = act()
            except StoreInterrupted as error:
                interrupted = error
                # SQLite has waited in the statement itself, for longer than anything takes.
                if self.is_sqlite or waited >= self._patience:
                    raise
                if not waited:
                    log.warning("store.interrupted", detail=str(error))
            else:
                if waited:
                    log.info("store.returned", waited=round(waited, 1))
                return done
            began = self.clock.monotonic()
            self.clock.sleep(wait)
            if self.clock.monotonic() - began < wait / 2:
                raise interrupted  # woken early: the process was asked to stop
            waited += wait
            wait = min(2 * wait, _LONGEST_WAIT)
