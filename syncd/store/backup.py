"""A consistent copy of a store, while it is in use: as a SQLite file, or in another database.

`syncd db backup` and `syncd db copy` call it. A copy shows the store at
one instant. It leaves out which process holds which link: nobody holds the copy.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, Table, func, select

from syncd.errors import StoreTaken
from syncd.store import engine as engines
from syncd.store import migrate, tables
from syncd.store.bulk import go_on_after, last_key
from syncd.store.errors import explained, place

_CHUNK = 1000
"""Rows that travel together."""


def backup(engine: Engine, path: Path) -> None:
    """Write the store to a new SQLite file that only its owner can read.

    Raises:
        StoreTaken: the file is there already, or has a name that only the store's may have.
        StoreError: it cannot be written.
    """
    if "?" in path.name:
        raise StoreTaken(f"{path}: the name of a copy must not contain ?: choose another name")
    if os.path.lexists(path):  # a link that leads nowhere is something as well
        raise StoreTaken(f"{path} exists already: choose another name, or move that file away")
    own = engines.sqlite_path(engine)
    if own is not None and engines.belongs_to(own, path):
        raise StoreTaken(f"{path} belongs to the store itself: choose another name")
    engines.make_file(path, new=True)
    try:
        if engine.dialect.name == "sqlite":
            _copy_pages(engine, path)
        else:
            copy(engine, f"sqlite:///{path}")
    except BaseException:
        for part in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with suppress(OSError):
                part.unlink()
        raise


def copy(engine: Engine, url: str) -> int:
    """Copy everything into another, empty database; returns the number of its pairs.

    The store must be of this program's migration (`migrate.check`), and nobody
    should work on it any more: later writes are not copied.

    Raises:
        StoreTaken: the other database is not empty.
        StoreError: it cannot be used.
    """
    target = engines.open_engine(url)
    try:
        migrate.check(target, may_create=True)
        with (
            explained(target.url),
            _snapshot(engine) as source,
            target.begin() as writing,
        ):
            if writing.execute(select(func.count()).select_from(tables.link)).scalar():
                raise StoreTaken(
                    f"{place(target.url)} contains links already: copy into an empty database"
                )
            for table in tables.metadata.sorted_tables:
                if table is tables.member:
                    continue  # Who works on the one store does not work on the other.
                _copy_table(source, writing, table)
            pairs = select(func.count()).select_from(tables.pair)
            return writing.execute(pairs).scalar_one()
    finally:
        target.dispose()


def links(engine: Engine) -> list[str]:
    """Every link that the store knows, whether it is configured here or not.

    Raises:
        StoreError: the store cannot be read.
    """
    with explained(engine.url), engines.reading(engine).connect() as connection:
        return list(connection.execute(select(tables.link.c.name)).scalars())


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one instant, even during other writes."""
    with explained(engine.url), engines.at_one_instant(engine).connect() as connection:
        yield connection


def _copy_pages(engine: Engine, path: Path) -> None:
    """SQLite's own online backup, in one step: with a write-ahead log no writer waits for it."""
    with explained(engine.url), engine.connect() as connection:
        source = cast("sqlite3.Connection", connection.connection.driver_connection)
        target = sqlite3.connect(path)
        try:
            source.backup(target)
            # Copied pages carry the mark of the log; the copy is one file, whole in itself.
            target.execute("PRAGMA journal_mode=DELETE").close()
            target.execute("UPDATE link SET holder = NULL").close()
            target.commit()
        finally:
            target.close()


def _copy_table(source: Connection, target: Connection, table: Table) -> None:
    rows = source.execution_options(yield_per=_CHUNK).execute(select(table)).mappings()
    nobody = {"holder": None, "owner": None} if table is tables.link else {}
    for chunk in rows.partitions():
        target.execute(table.insert(), [dict(row) | nobody for row in chunk])
    if "id" in table.c:
        numbered = source.dialect.name == "postgresql" or _numbers_once(table)
        last = last_key(source, table) if numbered else _largest(source, table)
        if target.dialect.name == "postgresql" or _numbers_once(table):
            go_on_after(target, table, last)


def _numbers_once(table: Table) -> bool:
    """Whether SQLite remembers the keys of this table's deleted rows."""
    return bool(table.dialect_options["sqlite"]["autoincrement"])


def _largest(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.max(table.c.id))).scalar() or 0
