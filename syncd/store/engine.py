"""Opening the database that `store.url` names, set up as syncd needs it.

`Store` and `migrate` use the engine of `open_engine`. It creates no file and
connects to no server: `migrate` does, because it knows what the verb may do.

SQLite: write-ahead log, so that readers never wait for a writer; BEGIN
IMMEDIATE, so that a transaction that reads and then writes cannot lose to
another one half-way (a deferred one did in a third of all cases, measured with
four processes), and so that a migration that fails leaves nothing behind.
"""

import os
import stat
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from syncd.errors import StoreError
from syncd.store.errors import place
from syncd.store.sqlite_reader import BUSY_SECONDS, connect

CONNECT_SECONDS = 10
"""How long a PostgreSQL server may take to answer at all."""

READS = "syncd_reads"
"""The execution option of a connection with single reads only."""

SNAPSHOT = "syncd_snapshot"
"""The execution option of a connection whose statements all see the same instant."""

MIGRATES = "syncd_migrates"
"""The execution option of a connection that changes tables."""

BRISK = "syncd_brisk"
"""The execution option of a connection that waits for a locked file for `BRISK_SECONDS` only."""

BRISK_SECONDS = 1.5
"""Short enough for a vendor that waits for its answer."""

_KEEPALIVES = {
    # Detects a server that disappeared, in place of waiting for it.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""What libpq takes (PostgreSQL manual, "Parameter Key Words"): seconds, and milliseconds."""

_POSTGRES_SETTINGS = (
    "TimeZone=UTC",
    # The server detects a dead host well within a lease.
    "tcp_keepalives_idle=5",
    "tcp_keepalives_interval=5",
    "tcp_keepalives_count=3",
    # A program that was stopped in the middle of a transaction must not stop all others.
    "idle_in_transaction_session_timeout=60s",
)
"""Asked for with the connection itself: a statement that sets them would reach one of the sessions
that a pooler in transaction mode hands out in turn."""

POOL = 24
"""Connections that are kept open: one for each thread, so that no new ones are needed."""


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///path`, `postgresql://…` or `postgresql+psycopg://…`.

    Nothing is connected yet. A missing SQLite file is not created.

    Raises:
        StoreError: the URL cannot be read, or the driver is not installed.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "postgresql":
        return _open_postgres(parsed)
    return _open_sqlite(parsed)


def sqlite_path(engine: Engine) -> Path | None:
    """The SQLite file of an engine; None on PostgreSQL."""
    return Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


def belongs_to(store: Path, path: Path) -> bool:
    """Whether this is the name of the SQLite file, or of one of its companion files.

    SQLite treats files with the suffixes `-wal` and `-journal` as a part of the store.
    """
    own, name = store.name, path.name
    if path.absolute().parent.resolve() != store.absolute().parent.resolve():
        return False
    beside = name in {f"{own}{ending}" for ending in ("", "-wal", "-shm", "-journal")}
    return beside or name == f"{own}.locks"


def is_there(path: Path) -> bool:
    """Whether there is a file of that name.

    Raises:
        StoreError: this user may not look.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be examined ({error.strerror}): run as the user that owns "
            "it, or check `store.url`"
        ) from error
    if not stat.S_ISREG(mode):
        raise StoreError(f"the store {path} is not a regular file: check `store.url`")
    return True


def make_file(path: Path, *, new: bool = False) -> None:
    """Create an empty SQLite file that only its owner can read; an existing one stays.

    With `new` that name must not exist yet, not even as a link.

    Raises:
        StoreError: the folder does not exist or is not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if new else 0)
        os.close(os.open(path, flags, 0o600))
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be created ({error.strerror}): check `store.url`, and that "
            "this user may write in that folder"
        ) from error


def reading(engine: Engine) -> Engine:
    """The same engine for single reads: no lock, no transaction, no wait for a writer."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READS: True})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def at_one_instant(engine: Engine) -> Engine:
    """The same engine for reads that see one instant, even during other writes."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{SNAPSHOT: True})
    return engine.execution_options(isolation_level="REPEATABLE READ")


def brisk(engine: Engine) -> Engine:
    """The same engine for whoever cannot wait for a locked SQLite file."""
    return engine.execution_options(**{BRISK: True})


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text is not repeated: it may hold a password.
        raise StoreError(
            "`store.url` cannot be read: write sqlite:///syncd.db or "
            "postgresql+psycopg://user@host/dbname"
        ) from None
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        # A path is taken as it is written: nobody escapes the percent sign of a file name.
        return parsed.set(database=url.split("?", 1)[0].partition(":///")[2])
    if parsed.drivername in {"postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"`store.url`: {parsed.drivername!r} is not supported: write sqlite:///syncd.db or "
        "postgresql+psycopg://user@host/dbname"
    )


# --- SQLite


def _open_sqlite(url: URL) -> Engine:
    if url.database in {None, "", ":memory:"}:
        raise StoreError("`store.url` names no file: write sqlite:///syncd.db")
    path = Path(str(url.database))
    engine = create_engine(url, creator=lambda: connect(path), hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "connect", lambda _, record: record.info.update(file=_file(path)))
    event.listen(engine, "checkout", lambda _, record, __: _must_be_same(record, path))
    return engine


def _set_up_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-32000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _must_be_same(record: ConnectionPoolEntry, path: Path) -> None:
    """A file that was removed or replaced while the program runs is opened again."""
    if record.info["file"] != _file(path):
        raise DisconnectionError


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(MIGRATES, False):
        # A table is altered by copying it and dropping the old one, which must not cascade; and
        # inside a transaction this pragma does nothing.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    wanted = options.get(BRISK, False)
    if wanted != connection.info.get(BRISK, False):
        seconds = BRISK_SECONDS if wanted else BUSY_SECONDS
        connection.exec_driver_sql(f"PRAGMA busy_timeout={seconds * 1000:.0f}")
        connection.info[BRISK] = wanted
    if not options.get(READS, False):
        snapshot = options.get(SNAPSHOT, False)
        connection.exec_driver_sql("BEGIN" if snapshot else "BEGIN IMMEDIATE")


# --- PostgreSQL


def _open_postgres(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_size=POOL,
            hide_parameters=True,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                # A statement that one session prepared is unknown to a pooler's next one.
                "prepare_threshold": None,
            }
            | _KEEPALIVES,
        )
    except (NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"{place(url)} needs a driver that is not installed: pip install 'syncd[postgres]'"
        ) from error
    event.listen(engine, "do_connect", _Connector().connect)
    return engine


class _Connector:
    """Connects with our settings, or without them if a pooler refuses them."""

    def __init__(self) -> None:
        settings = (*_POSTGRES_SETTINGS, f"lock_timeout={BUSY_SECONDS * 1000:.0f}ms")
        self._options = " ".join(f"-c {setting}" for setting in settings)

    def connect(
        self, dialect: Dialect, _: ConnectionPoolEntry, arguments: Any, named: dict[str, Any]
    ) -> Any:
        given = named.get("options", "")
        if self._options:
            named["options"] = f"{self._options} {given}".rstrip()
        try:
            return dialect.connect(*arguments, **named)
        except dialect.loaded_dbapi.OperationalError as error:
            # pgbouncer(5), ignore_startup_parameters: "unsupported startup parameter".
            if not self._options or "unsupported startup parameter" not in str(error):
                raise
            self._options = ""
            named.pop("options")
            return dialect.connect(*arguments, **(named | {"options": given} if given else named))
