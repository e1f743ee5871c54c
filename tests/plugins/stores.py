"""Fixtures for whatever needs a store: each test that asks runs on SQLite and on PostgreSQL.

Loaded for every folder by the root conftest. The PostgreSQL server is started
once per session, a template database is migrated once, and each test gets a
copy of it. Without a server these tests skip and say why; in CI they fail.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import postgres_server
import pytest
from postgres_server import NoPostgresError, PostgresServer
from sqlalchemy import Engine

from syncd.store import migrate
from syncd.store.engine import open_engine
from syncd.store.store import Store

POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
BACKENDS = ["sqlite", POSTGRES]


class StandingClock:
    """A clock that only moves when it is told to, or when somebody sleeps on it."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        self.seconds = 0.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[float], None] = lambda _: None

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.on_sleep(seconds)
        self.tick(seconds)

    def tick(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    try:
        yield from postgres_server.running()
    except NoPostgresError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> Iterator[str]:
    """A migrated database to copy."""
    name = postgres.create()
    with opened(postgres.url(name)) as engine:
        migrate.upgrade(engine)
    yield name
    postgres.drop(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "syncd.db"
    with opened(f"sqlite:///{path}") as engine:
        migrate.upgrade(engine)
    return path


@pytest.fixture(params=BACKENDS)
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store that is not there yet, or has no tables yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'syncd.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated store."""
    yield from _migrated(request, request.param, tmp_path)


@pytest.fixture
def sqlite_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated SQLite store."""
    yield from _migrated(request, "sqlite", tmp_path)


@pytest.fixture
def postgres_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated PostgreSQL store; mark the test `postgres`."""
    yield from _migrated(request, "postgres", tmp_path)


@pytest.fixture
def store_engine(store_url: str) -> Iterator[Engine]:
    """An engine on a migrated store."""
    with opened(store_url) as engine:
        yield engine


@pytest.fixture
def store(store_url: str, standing_clock: StandingClock) -> Iterator[Store]:
    """A migrated store, its clock standing."""
    with Store(open_engine(store_url), standing_clock) as found:
        yield found


@pytest.fixture
def standing_clock() -> StandingClock:
    """A clock that stands."""
    return StandingClock()


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """An engine, closed afterwards."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _migrated(request: pytest.FixtureRequest, backend: str, folder: Path) -> Iterator[str]:
    if backend == "sqlite":
        path = folder / "syncd.db"
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop(name)
