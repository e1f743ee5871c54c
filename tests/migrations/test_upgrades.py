"""A store of every earlier migration comes through the upgrade with all that it held."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from harness import HarnessClock, Shelf, build
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    select,
    text,
)
from stores import StandingClock, opened

from syncd.core.outcome import Outcome
from syncd.errors import LinkLocked
from syncd.store import Store, migrate
from syncd.store.at_work import refuse_at_work
from syncd.store.engine import MIGRATES, open_engine

EARLIER = [
    script.revision
    for script in ScriptDirectory(str(migrate.scripts())).walk_revisions()
    if script.revision != migrate.HEAD
]
"""Every migration that a store may be at, the newest first; a new one is proved by itself."""

ROWS = 3
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def empty(empty_store_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_store_url)
    yield engine
    engine.dispose()


def move(connection: Connection, go: Callable[[Config, str], None], revision: str) -> None:
    """Take the tables to a migration, up or down."""
    config = Config()
    config.set_main_option("script_location", str(migrate.scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    go(config, revision)


DROPPED = {("link", "lease_until")}
"""Columns that a later migration took away: what stood there is nobody's any more."""


def shelf_of(engine: Engine) -> MetaData:
    """The tables as the database says they are."""
    found = MetaData()
    found.reflect(engine)
    found.remove(found.tables[migrate.VERSION_TABLE])
    return found


def value(table: Table, column: Column[Any], number: int) -> Any:
    """Something that tells table, column and row."""
    if column.foreign_keys or column.name == "id":
        return number
    words = f"{table.name}.{column.name} {number} ✓"
    made: dict[type, Any] = {
        Boolean: number % 2 == 0,
        Integer: 100 * number + len(column.name),
        Numeric: 100 * number + len(column.name),
        DateTime: NOON + timedelta(hours=number),
        LargeBinary: words.encode(),
        JSON: {"of": words},
    }
    return next((each for kind, each in made.items() if isinstance(column.type, kind)), words)


def fill(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Rows in every table, every column with a value; gives them as they are stored."""
    tables = shelf_of(engine)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            rows = [
                {column.name: value(table, column, number) for column in table.columns}
                for number in range(1, ROWS + 1)
            ]
            connection.execute(table.insert(), rows)
    return stored(engine, tables)


def stored(engine: Engine, tables: MetaData) -> dict[str, list[dict[str, Any]]]:
    """What these columns of these tables hold."""
    with engine.connect() as connection:
        return {
            table.name: sorted(
                (dict(row) for row in connection.execute(select(*kept(table))).mappings()),
                key=repr,
            )
            for table in tables.sorted_tables
        }


def kept(table: Table) -> list[Column[Any]]:
    """The columns that are still there."""
    return [column for column in table.columns if (table.name, column.name) not in DROPPED]


@pytest.mark.parametrize("revision", EARLIER)
def test_every_row_comes_through(empty: Engine, revision: str) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        move(connection, command.downgrade, "base")
        move(connection, command.upgrade, revision)
    before, tables = fill(empty), shelf_of(empty)
    assert migrate.current(empty) == revision
    assert migrate.upgrade(empty) == revision
    assert migrate.current(empty) == migrate.HEAD
    assert stored(empty, tables) == before
    assert all(len(rows) == ROWS for rows in before.values())


@pytest.mark.parametrize("revision", EARLIER)
def test_a_sync_after_the_upgrade_has_nothing_to_do(store_url: str, revision: str) -> None:
    clock = HarnessClock()
    with closing(Shelf(store_url, clock)) as shelf:
        harness = build(shelf, clock)
        for number in range(3):
            ann = (f"Ann {number}", f"ann{number}@example.com", f"+1555010{number}")
            contact = harness.ghl.add_contact(*ann)
            harness.ghl.book(
                harness.calendars["Team"], contact, harness.at(24 + number), title="Check-up"
            )
        assert harness.sync().outcome is Outcome.OK
        # As `migrate.upgrade` does it: a table that is copied takes nothing of others with it.
        migrating = shelf.engine.execution_options(**{MIGRATES: True})
        with migrating.connect() as connection:
            with connection.begin():
                move(connection, command.downgrade, revision)
            connection.invalidate()
        assert migrate.current(shelf.engine) == revision
        migrate.upgrade(shelf.engine)
        after = harness.sync()
    assert (after.outcome, after.pairs, after.written) == (Outcome.OK, 3, [])


def at_0003(engine: Engine) -> None:
    """A store of the version before members, with one link."""
    migrate.upgrade(engine)
    with engine.begin() as connection:
        move(connection, command.downgrade, "0003")
        connection.execute(
            text("INSERT INTO link (name, created_at) VALUES ('clinic', '2026-01-01 00:00:00')")
        )


@pytest.mark.postgres
def test_an_older_process_that_holds_a_link_keeps_its_postgresql_store(
    postgres_store_url: str,
) -> None:
    with opened(postgres_store_url) as engine, opened(postgres_store_url) as older:
        at_0003(engine)
        with older.connect() as session:
            session.execute(text("SELECT pg_advisory_lock(1937337955, id::int) FROM link"))
            with pytest.raises(LinkLocked, match="stop every process"):
                migrate.upgrade(engine)
            assert migrate.current(engine) == "0003"
        older.dispose()
        assert migrate.upgrade(engine) == "0003"


@pytest.mark.postgres
def test_an_older_process_without_its_connection_keeps_its_store_until_its_lease_ends(
    postgres_store_url: str,
) -> None:
    with opened(postgres_store_url) as engine:
        at_0003(engine)
        leased = "UPDATE link SET holder = :holder, lease_until = clock_timestamp() + :left"
        elsewhere = '{"verb": "run", "pid": 7, "host": "web2", "machine": "another"}'
        values = {"holder": elsewhere, "left": timedelta(seconds=20)}
        with engine.begin() as connection:
            connection.execute(text(leased), values)
        with pytest.raises(LinkLocked, match="stop every process"):
            migrate.upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text(leased), values | {"left": timedelta(seconds=-1)})
        assert migrate.upgrade(engine) == "0003"


def test_an_older_process_that_holds_a_link_keeps_its_sqlite_store(
    sqlite_store_url: str, tmp_path: Path
) -> None:
    lock = tmp_path / "syncd.db.clinic.lock"
    with opened(sqlite_store_url) as engine, lock.open("w") as held:
        at_0003(engine)
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LinkLocked, match="stop it"):
            migrate.upgrade(engine)
        fcntl.flock(held, fcntl.LOCK_UN)
        assert migrate.upgrade(engine) == "0003"
    assert not lock.exists()


@pytest.mark.postgres
def test_a_member_that_could_not_go_on_keeps_the_tables_from_changing(
    postgres_store_url: str, standing_clock: StandingClock
) -> None:
    with Store(open_engine(postgres_store_url), standing_clock) as store:
        engine = store._database.engine
        store.acquire("clinic", "run")
        with engine.begin() as connection:
            refuse_at_work(connection, migrate.HEAD, migrate.HEAD)
            with pytest.raises(LinkLocked, match="stop every process"):
                refuse_at_work(connection, migrate.HEAD, "9999")
