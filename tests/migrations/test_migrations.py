"""The migrations, on both databases: from empty, without drift, all or nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from syncd.errors import StoreError, StoreMissing, StoreTooNew
from syncd.store import migrate
from syncd.store.engine import open_engine, sqlite_path
from syncd.store.tables import metadata


@pytest.fixture
def empty(empty_store_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_store_url)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def set_version(engine: Engine, version: str, *, reader: str = "") -> None:
    """`reader` is the oldest program that may go on with it; that version, unless given."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE syncd_version SET version_num = :v, reader = :r"),
            {"v": version, "r": reader or version},
        )


@pytest.fixture
def broken_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations as they are, and one more that fails after it made a table."""
    scripts = tmp_path / "scripts"
    (scripts / "versions").mkdir(parents=True)
    for script in (*migrate.scripts().glob("*.*"), *migrate.scripts().glob("versions/*.py")):
        target = scripts / script.relative_to(migrate.scripts())
        target.write_text(script.read_text())
    after = f"{int(migrate.HEAD) + 1:04}"
    (scripts / "versions" / f"{after}_breaks.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        "revision = 'AFTER'\ndown_revision = 'HEAD'\n"
        "def upgrade():\n"
        "    op.create_table('half', sa.Column('id', sa.Integer()))\n"
        '    op.execute("INSERT INTO half VALUES (1)")\n'
        "    op.execute('SELECT nothing FROM nowhere')\n".replace("AFTER", after).replace(
            "HEAD", migrate.HEAD
        )
    )
    monkeypatch.setattr(migrate, "scripts", lambda: scripts)
    monkeypatch.setattr(migrate, "HEAD", after)


def test_the_newest_migration_is_the_one_that_the_program_expects() -> None:
    found = ScriptDirectory(str(migrate.scripts())).get_current_head()
    assert found == migrate.HEAD


def test_an_empty_database_gets_every_table(empty: Engine) -> None:
    assert migrate.upgrade(empty) == ""
    assert tables(empty) == {*metadata.tables, migrate.VERSION_TABLE}
    assert migrate.current(empty) == migrate.HEAD


def test_migrating_again_changes_nothing(empty: Engine) -> None:
    migrate.upgrade(empty)
    assert migrate.upgrade(empty) == migrate.HEAD


def test_migrations_and_tables_say_the_same(store_engine: Engine) -> None:
    options = {
        "version_table": migrate.VERSION_TABLE,
        "compare_type": True,
        "compare_server_default": store_engine.dialect.name == "postgresql",
    }
    with store_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_pairs_history_and_decisions_never_get_a_number_twice(sqlite_store_url: str) -> None:
    engine = open_engine(sqlite_store_url)
    with engine.begin() as connection:
        made = connection.execute(
            text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")
        ).scalars()
        assert set(made) == {
            name
            for name, table in metadata.tables.items()
            if table.dialect_options["sqlite"]["autoincrement"]
        }
    engine.dispose()


def test_going_back_leaves_nothing(empty: Engine) -> None:
    migrate.upgrade(empty)
    config = Config()
    config.set_main_option("script_location", str(migrate.scripts()))
    with empty.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert tables(empty) == {migrate.VERSION_TABLE}


def test_a_migration_that_fails_half_way_leaves_the_store_as_it_was(
    store_engine: Engine, broken_migration: None
) -> None:
    del broken_migration
    before, revision = tables(store_engine), migrate.current(store_engine)
    with pytest.raises(StoreError):
        migrate.upgrade(store_engine)
    assert tables(store_engine) == before
    assert migrate.current(store_engine) == revision != migrate.HEAD


def test_a_first_migration_that_fails_leaves_no_table(
    empty: Engine, broken_migration: None
) -> None:
    del broken_migration
    with pytest.raises(StoreError):
        migrate.upgrade(empty)
    assert tables(empty) == set()


def test_tables_that_a_newer_program_only_added_to_are_gone_on_with(store_engine: Engine) -> None:
    set_version(store_engine, "0099", reader=migrate.HEAD)
    migrate.check(store_engine, may_create=True)
    assert migrate.upgrade(store_engine) == "0099"


@pytest.mark.parametrize("version", ["0099", "9999", "5f3a2b"])
def test_a_store_of_a_newer_program_is_refused(store_engine: Engine, version: str) -> None:
    set_version(store_engine, version)
    for attempt in (migrate.upgrade, lambda e: migrate.check(e, may_create=True)):
        with pytest.raises(StoreTooNew, match=f"newer syncd .*{version}.*install that version"):
            attempt(store_engine)
    assert migrate.current(store_engine) == version


def test_a_store_that_is_not_there_is_made_only_by_verbs_that_may(empty: Engine) -> None:
    with pytest.raises(StoreMissing, match="not there yet"):
        migrate.check(empty, may_create=False)
    path = sqlite_path(empty)
    assert path is None or not path.exists()
    migrate.check(empty, may_create=True)
    migrate.check(empty, may_create=False)


def test_an_older_sqlite_file_is_migrated_by_whoever_comes_first(
    sqlite_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(sqlite_store_url)
    set_version(engine, "0000")
    migrated: list[str] = []
    monkeypatch.setattr(
        migrate, "_run", lambda connection: migrated.append(connection.dialect.name)
    )
    migrate.check(engine, may_create=False)
    assert migrated == ["sqlite"]
    engine.dispose()


@pytest.mark.postgres
def test_an_older_postgresql_database_waits_for_a_person(postgres_store_url: str) -> None:
    engine = open_engine(postgres_store_url)
    set_version(engine, "0000")
    with pytest.raises(StoreError, match="syncd db upgrade"):
        migrate.check(engine, may_create=True)
    engine.dispose()


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    (tmp_path / "other.db").touch()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE recipes (name TEXT)"))
    with pytest.raises(StoreError, match="another program's tables"):
        migrate.check(engine, may_create=True)
    assert tables(engine) == {"recipes"}
    engine.dispose()


def test_two_programs_that_start_at_once_migrate_once(empty: Engine, empty_store_url: str) -> None:
    program = (
        "import sys; from syncd.store import migrate; from syncd.store.engine import open_engine\n"
        "sys.stdin.readline(); migrate.check(open_engine(sys.argv[1]), may_create=True)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, empty_store_url],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert migrate.current(empty) == migrate.HEAD


def test_opening_a_store_that_is_up_to_date_imports_no_alembic(store_url: str) -> None:
    program = (
        "import sys; from syncd.store import migrate; from syncd.store.engine import open_engine\n"
        "migrate.check(open_engine(sys.argv[1]), may_create=False); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, store_url], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
