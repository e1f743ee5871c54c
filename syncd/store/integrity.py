"""The integrity check of a large SQLite file, in parallel with other work.

`Store.inspect` begins one for the daemon, which has to be ready soon even with a
large store. A write to a vendor first waits for it (`Store.ensure_intact`): a
broken page would else show only when it is needed, maybe after a write. Small
files, and those of verbs that run one cycle, are checked first: `migrate.check`.
"""

import sqlite3
import threading
from typing import cast

import structlog
from sqlalchemy import Engine

from syncd.errors import StoreError
from syncd.store import migrate
from syncd.store.engine import reading
from syncd.store.errors import explained

log = structlog.get_logger(__name__)

AFTER = 5.0
"""Seconds that a start has for itself before the look begins, unless somebody waits for it."""

_ENDS = "the program is stopping: nothing is written any more"


class Inspection:
    """One integrity check, in its own thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: sqlite3.Connection | None = None
        self._found = ""
        self._given_up = False
        self._due = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="inspection", daemon=True)

    def begin(self) -> None:
        """Look in a moment."""
        self._thread.start()

    def ensure_intact(self) -> None:
        """Wait for the end, and go on if the file is intact.

        Raises:
            StoreError: it is corrupt, or the check was stopped.
        """
        self._due.set()
        self._over.wait()
        if self._found:
            raise StoreError(self._found)

    def give_up(self) -> None:
        """Look no further: the program ends."""
        self._given_up = True
        self._due.set()
        if self._connection is not None:
            self._connection.interrupt()
        self._thread.join()
        self._found = self._found or _ENDS

    def _look(self) -> None:
        self._due.wait(AFTER)
        try:
            with explained(self._engine.url), reading(self._engine).connect() as connection:
                bare = connection.connection.dbapi_connection
                self._connection = cast("sqlite3.Connection", bare)
                if not self._given_up:
                    migrate.refuse_corrupt(connection)
                self._connection = None
        except StoreError as error:
            self._found = str(error)
            if not self._given_up:
                log.error("store.corrupt", detail=self._found)  # noqa: TRY400 - no bug
        finally:
            if self._given_up:
                self._found = _ENDS
            self._over.set()
