"""Bringing a store to the tables that this program speaks, and refusing one that it cannot.

`bootstrap` calls `check` before anything else touches the store; `syncd db
upgrade` calls `upgrade`. Opening a store that is up to date asks one question
and imports no Alembic, which costs half a second.

All migrations that are missing run in one transaction, under a lock: what
fails leaves the store as it was, for the old program to go on with, and of two
programs that start at once one migrates and the other waits.
"""

import re
from importlib.resources import files
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect

import syncd
from syncd.errors import StoreError, StoreMissing, StoreTooNew
from syncd.store import engine as engines
from syncd.store.errors import corrupt, explained, place
from syncd.store.version import HEAD, READER, READER_OF, VERSION, VERSION_TABLE

_LOCK = 0x73796E63
"""The key of PostgreSQL's advisory lock around a migration."""

_SET_READER = f"UPDATE {VERSION_TABLE} SET reader = '{READER}'"  # noqa: S608 - constants

__all__ = [
    "HEAD",
    "VERSION_TABLE",
    "check",
    "current",
    "is_large",
    "refuse_corrupt",
    "scripts",
    "upgrade",
]

LARGE = 100 * 2**20
"""Bytes of a SQLite file from which on a look at all of it, 0.3 s, keeps a daemon waiting."""


def check(engine: Engine, *, may_create: bool, whole: bool = True) -> None:
    """Make sure that the store is usable; create or migrate it if that is allowed.

    A missing or empty store is created with `may_create`. An older SQLite file is
    migrated; an older PostgreSQL database waits for a person, because other
    programs may be using it. The verbs that may create a store also change the
    vendors' records: for them a whole SQLite file is checked before, which costs
    0.2 s with 100,000 pairs; a large one only if `whole`, else its caller starts
    the check in parallel with its work.

    Raises:
        StoreMissing: there is none, and the verb may not create it.
        StoreTooNew: a newer syncd wrote it.
        StoreError: it is not syncd's, is corrupt, needs `syncd db upgrade`, or cannot be used.
    """
    found = current(engine)
    if found == HEAD or _may_go_on(engine, found):
        if may_create and (whole or not is_large(engine)):
            with explained(engine.url), engines.reading(engine).connect() as connection:
                refuse_corrupt(connection)
        return
    if not found and not may_create:
        raise StoreMissing(
            f"{place(engine.url)} is not there yet: `syncd --sync-now`, `syncd run` or "
            "`syncd db upgrade` creates it"
        )
    if found and engine.dialect.name != "sqlite":
        _refuse_newer(engine, found)
        raise StoreError(f"{place(engine.url)} is from an older syncd: run `syncd db upgrade`")
    upgrade(engine)


def current(engine: Engine) -> str:
    """The migration that the store is at; "" for one that is not there or is empty.

    Raises:
        StoreError: the store cannot be read.
    """
    path = engines.sqlite_path(engine)
    if path is not None and not engines.is_there(path):
        return ""
    with explained(engine.url), engines.reading(engine).connect() as connection:
        return _version(connection)


def upgrade(engine: Engine) -> str:
    """Bring the store to the newest migration; a missing one is created.

    Returns the earlier migration, "" for a new store.

    Raises:
        StoreTooNew: a newer syncd wrote it.
        LinkLocked: a process that could not go on with the new tables holds a link.
        StoreError: it is not syncd's, or the migration failed and left nothing behind.
    """
    path = engines.sqlite_path(engine)
    if path is not None:
        engines.make_file(path)
    migrating = engine.execution_options(**{engines.MIGRATES: True})
    with explained(engine.url), migrating.connect() as connection:
        with connection.begin():
            found = _lock_and_look(connection)
            if found != HEAD and not _may_go_on(engine, found):
                _refuse_newer(engine, found)
                _refuse_strange(connection)
                if found:
                    from syncd.store.at_work import refuse_at_work

                    refuse_at_work(connection, found, READER)
                _run(connection)
                connection.exec_driver_sql(_SET_READER)
        # Its foreign keys were switched off: it does not go back among the others.
        connection.invalidate()
    return found


def is_large(engine: Engine) -> bool:
    """Whether this is a SQLite file that takes its time to be looked at whole."""
    path = engines.sqlite_path(engine)
    return path is not None and engines.is_there(path) and path.stat().st_size > LARGE


def refuse_corrupt(connection: Connection) -> None:
    """Look at all of a SQLite file: a broken page would show only after a write, perhaps.

    Raises:
        StoreError: the file does not hold together.
    """
    if connection.dialect.name != "sqlite":
        return
    reported = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if reported != "ok":
        raise corrupt(connection.engine.url, str(reported))


def scripts() -> Path:
    """The folder of migrations: inside the installed package, else beside it in the repository."""
    inside = Path(str(files(syncd) / "_migrations"))
    if (inside / "env.py").is_file():
        return inside
    return Path(str(files(syncd))).parent / "migrations"


def _lock_and_look(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")  # as long as the other one takes
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    return _version(connection)


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    found = connection.exec_driver_sql(VERSION).scalar()
    return "" if found is None else str(found)


def _may_go_on(engine: Engine, found: str) -> bool:
    """Whether the tables are a newer program's, which only added to those that we speak."""
    if not _is_newer(found):
        return False
    with explained(engine.url), engines.reading(engine).connect() as connection:
        reader = connection.exec_driver_sql(READER_OF).scalar()
    return reader is not None and str(reader) <= HEAD


def _is_newer(found: str) -> bool:
    """Migrations are numbered, so a larger number is a newer program's."""
    return bool(re.fullmatch(r"\d{4}", found)) and int(found) > int(HEAD)


def _refuse_newer(engine: Engine, found: str) -> None:
    if found and (not re.fullmatch(r"\d{4}", found) or _is_newer(found)):
        raise StoreTooNew(
            f"{place(engine.url)} was written by a newer syncd (migration {found}, this one knows "
            f"{HEAD}): install that version again, or restore a backup from before it"
        )


def _refuse_strange(connection: Connection) -> None:
    """A SQLite file with tables of somebody else's is not ours to write in."""
    tables = set(inspect(connection).get_table_names())
    if connection.dialect.name == "sqlite" and tables and VERSION_TABLE not in tables:
        raise StoreError(
            f"{place(connection.engine.url)} contains another program's tables: check `store.url`"
        )


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise StoreError(
                f"the migration would leave rows of {broken[0]} with broken references; "
                "nothing was changed: `syncd rebuild` creates a new store"
            )
