"""Opening a store: set up as it has to be, and clear about why it cannot be used."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from postgres_server import PostgresServer
from sqlalchemy import make_url, select, text, update
from sqlalchemy.exc import OperationalError
from stores import StandingClock, opened

from syncd.core.model import Pair, Side, Window
from syncd.errors import LinkLocked, StoreError, StoreInterrupted
from syncd.store import Store, migrate, open_engine
from syncd.store.backup import backup
from syncd.store.tables import link as table

OPEN = """
import os, pwd, sys
import alembic.command, alembic.config, sqlalchemy.dialects.sqlite
from syncd.errors import StoreError
from syncd.store import migrate, open_engine
if os.geteuid() == 0:
    os.setuid(pwd.getpwnam("nobody").pw_uid)
try:
    migrate.check(open_engine(sys.argv[1]), may_create=True)
except StoreError as error:
    print(error)
"""


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def refusal(url: str) -> str:
    with opened(url) as engine, pytest.raises(StoreError) as refused:
        migrate.check(engine, may_create=True)
    return str(refused.value)


def as_nobody(url: str) -> str:
    """What another user is told."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, url],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


# --- SQLite


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "syncd.db"
    with opened(f"sqlite:///{path}") as engine:
        migrate.check(engine, may_create=True)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM link"))
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_sqlite_is_set_up_for_several_programs_at_once(sqlite_store_url: str) -> None:
    with opened(sqlite_store_url) as engine, engine.connect() as connection:
        for pragma, wanted in (("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == wanted
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 15_000


def test_opening_makes_no_file(tmp_path: Path) -> None:
    with (
        opened(f"sqlite:///{tmp_path / 'syncd.db'}") as engine,
        pytest.raises(OperationalError, match="unable to open"),
    ):
        engine.connect()
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_hold_blanks_and_percent_signs(tmp_path: Path) -> None:
    path = tmp_path / "a b%20#c.db"
    with opened(f"sqlite:///{path}") as engine:
        migrate.check(engine, may_create=True)
    assert path.exists()


def test_programs_that_read_and_then_write_do_not_lose_to_each_other(
    sqlite_store_url: str, standing_clock: StandingClock
) -> None:
    with Store(open_engine(sqlite_store_url), standing_clock) as store:
        store.acquire("clinic", "run").release()
    with opened(sqlite_store_url) as one, opened(sqlite_store_url) as other:

        def count_up(number: int) -> None:
            for _ in range(50):
                with (one, other)[number].begin() as connection:
                    found = connection.execute(select(table.c.fence)).scalar_one()
                    connection.execute(update(table).values(fence=found + 1))

        threads = [Thread(target=count_up, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with one.connect() as connection:
            assert connection.execute(select(table.c.fence)).scalar_one() == 101


def test_a_reader_does_not_wait_for_a_writer(
    sqlite_store_url: str, standing_clock: StandingClock
) -> None:
    with Store(open_engine(sqlite_store_url), standing_clock) as store:
        link = store.link("clinic")
        with link.begin() as transaction:
            transaction.set_state("hubspot", "new")
            assert link.get_state("hubspot") == ""
        assert link.get_state("hubspot") == "new"


def test_a_store_that_is_put_back_under_a_running_program_is_taken_up(
    sqlite_store_url: str, standing_clock: StandingClock, tmp_path: Path
) -> None:
    path = Path(str(make_url(sqlite_store_url).database))
    with Store(open_engine(sqlite_store_url), standing_clock) as store:
        backup(store._database.engine, tmp_path / "old.db")
        lease = store.acquire("clinic", "run")
        with store.link("clinic", lease).begin() as transaction:
            transaction.set_state("hubspot", "new")
        (tmp_path / "old.db").rename(path)
        path.with_name("syncd.db-wal").unlink()
        path.with_name("syncd.db-shm").unlink()
        assert store.link("clinic").get_state("hubspot") == ""
        with pytest.raises(LinkLocked), store.link("clinic", lease).begin() as transaction:
            transaction.set_state("hubspot", "newest")


def test_a_store_that_is_taken_away_under_a_running_program_is_missed(
    sqlite_store_url: str, standing_clock: StandingClock
) -> None:
    with Store(open_engine(sqlite_store_url), standing_clock) as store:
        store.link("clinic").decide("kick", {}, standing_clock.now())
        Path(str(make_url(sqlite_store_url).database)).unlink()
        with pytest.raises(StoreError, match="cannot be opened: check that it exists"):
            store.link("clinic").decisions()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, " * 100)
    said = refusal(f"sqlite:///{tmp_path / 'notes.txt'}")
    assert f"{tmp_path / 'notes.txt'} is not an SQLite file: check `store.url`" in said
    assert (tmp_path / "notes.txt").read_text().startswith("not a database")


def test_a_corrupt_file_is_named_with_the_remedy(sqlite_store_url: str) -> None:
    path = Path(str(make_url(sqlite_store_url).database))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    said = refusal(sqlite_store_url)
    assert f"{path} is corrupt: replace it with a backup" in said


def test_a_truncated_file_is_named_with_the_remedy(sqlite_store_url: str) -> None:
    path = Path(str(make_url(sqlite_store_url).database))
    path.write_bytes(path.read_bytes()[:5000])
    assert "is corrupt: replace it with a backup" in refusal(sqlite_store_url)


def test_a_file_that_breaks_off_in_the_middle_of_an_answer_is_named_with_the_remedy(
    sqlite_store_url: str, standing_clock: StandingClock, a_pair: Callable[..., Pair]
) -> None:
    """Long answers come straight from the driver: what it raises has to be explained, too."""
    path = Path(str(make_url(sqlite_store_url).database))
    with (
        Store(open_engine(sqlite_store_url), standing_clock) as store,
        store.link("clinic").begin() as writing,
    ):
        writing.save_pairs(a_pair(number) for number in range(3000))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4] + b"\xff" * (len(whole) // 4))
    since = standing_clock.now() - timedelta(days=1)
    window = Window(since=since, until=since + timedelta(days=900))
    with (
        Store(open_engine(sqlite_store_url), standing_clock) as store,
        pytest.raises(StoreError, match="is corrupt: replace it with a backup"),
    ):
        store.link("clinic").missing_from_scan(Side.GHL, window, ())


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert "not a regular file" in refusal(f"sqlite:///{tmp_path}")


@pytest.fixture
def visible_folder() -> Iterator[Path]:
    """A folder that everybody may look into and only we may write in."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@as_root
def test_a_folder_that_cannot_be_written_is_told(visible_folder: Path) -> None:
    said = as_nobody(f"sqlite:///{visible_folder}/syncd.db")
    assert "cannot be created (Permission denied)" in said
    assert "this user may write in that folder" in said


@as_root
def test_a_store_of_another_user_is_told(visible_folder: Path, sqlite_store_url: str) -> None:
    path = shutil.copy(str(make_url(sqlite_store_url).database), visible_folder)
    assert "run as the user that owns it" in as_nobody(f"sqlite:///{path}")
    Path(path).chmod(0o644)
    assert "cannot be written: run as the user that owns it" in as_nobody(f"sqlite:///{path}")


@as_root
def test_a_store_in_a_folder_that_is_closed_is_told(sqlite_store_url: str) -> None:
    assert "run as the user that owns it" in as_nobody(sqlite_store_url)


def test_a_store_that_another_program_keeps_locked_is_told(
    store_url: str, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("engine", "sqlite_reader"):
        monkeypatch.setattr(f"syncd.store.{module}.BUSY_SECONDS", 0.01)
    with opened(store_url) as hog, hog.begin() as connection:
        connection.execute(
            text("INSERT INTO link (name, created_at) VALUES ('clinic', '2026-01-01')")
        )
        with (
            Store(open_engine(store_url), standing_clock) as store,
            pytest.raises(StoreInterrupted, match="locked by another program"),
        ):
            store.link("clinic").decide("kick", {}, standing_clock.now())


# --- what may stand in store.url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root@db/x",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql+asyncpg://db/x",
        "nonsense",
    ],
)
def test_other_databases_are_refused_with_what_is_accepted(url: str) -> None:
    with pytest.raises(StoreError, match=r"`store.url`.*write sqlite:///syncd\.db"):
        open_engine(url)


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'syncd\[postgres\]'"):
        open_engine("postgresql://syncd:s3cret@127.0.0.1/syncd")


# --- PostgreSQL


def test_a_server_that_is_not_there_is_named_without_the_password(
    unused_port: Callable[[], int],
) -> None:
    said = refusal(f"postgresql://syncd:s3cret@127.0.0.1:{unused_port()}/syncd")
    assert "the database syncd on 127.0.0.1 cannot be reached" in said
    assert "check that the server runs" in said
    assert "s3cret" not in said


@pytest.mark.postgres
def test_a_database_that_is_not_there_is_named(postgres: PostgresServer) -> None:
    said = refusal(postgres.url("nowhere"))
    assert "the database nowhere" in said
    assert "create the database, or check `store.url`" in said


@pytest.mark.postgres
def test_a_users_missing_rights_are_told(postgres: PostgresServer) -> None:
    name = postgres.create()
    with opened(postgres.url(name)) as engine, engine.begin() as connection:
        connection.execute(text("CREATE ROLE guest LOGIN"))
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    guest = make_url(postgres.url(name)).set(username="guest")
    assert "grant this user the right" in refusal(guest.render_as_string(hide_password=False))
    with opened(postgres.url("postgres")) as engine, engine.begin() as connection:
        connection.execute(text("DROP ROLE guest"))
    postgres.drop(name)


@pytest.mark.postgres
def test_postgresql_instants_are_read_in_utc(postgres_store_url: str) -> None:
    with opened(postgres_store_url) as engine, engine.connect() as connection:
        assert connection.execute(text("SHOW timezone")).scalar() == "UTC"
