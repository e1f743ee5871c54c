"""One writer per link: who gets it, who keeps it, and who takes over from the dead."""

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer
from sqlalchemy import make_url, text, update
from stores import StandingClock

from syncd.core.model import Pair
from syncd.errors import LinkLocked, StoreInterrupted
from syncd.store import Store, open_engine
from syncd.store.leases import LEASE, RENEW, Leases, _now
from syncd.store.tables import link as table

HOLDER = """
import sys
import threading
from datetime import UTC, datetime
from syncd.errors import LinkLocked
from syncd.store import Store, open_engine

class Clock:
    def now(self): return datetime.now(UTC)
    def monotonic(self): return 0.0
    def sleep(self, seconds): threading.Event().wait(seconds)

store = Store(open_engine(sys.argv[1]), Clock())
print("ready", flush=True)
sys.stdin.readline()
try:
    lease = store.acquire("clinic", "run")
except LinkLocked as refusal:
    print("locked", refusal.holder, flush=True)
else:
    print("held", lease.fence, flush=True)
    sys.stdin.readline()
"""


class Instance:
    """Another syncd, which takes the link when it is told to and holds it until it ends."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.heard() == "ready"

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def another(store_url: str) -> Iterator[Callable[[], Instance]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Instance(store_url)))


@pytest.fixture
def second_store(store_url: str, standing_clock: StandingClock) -> Iterator[Store]:
    """The same store as another program opens it."""
    with Store(open_engine(store_url), standing_clock) as found:
        yield found


def pretend_elsewhere(store: Store, *, seconds_left: float) -> None:
    """Make the holder's row say that it is on another machine."""
    with store._database.engine.begin() as connection:
        connection.execute(
            text("UPDATE link SET holder = replace(holder, :here, :there)"),
            {"here": '"machine":"', "there": '"machine":"elsewhere'},
        )
        left = timedelta(seconds=seconds_left)
        connection.execute(
            update(table).values(lease_until=_now(connection, store._database) + left)
        )


def test_the_second_instance_is_told_who_holds_the_link(store: Store, second_store: Store) -> None:
    with store.acquire("clinic", "run"):
        with pytest.raises(LinkLocked) as refusal:
            second_store.acquire("clinic", "sync-now")
        assert f"syncd run, process {os.getpid()} on host {platform.node()}" in str(refusal.value)
        assert "syncd kick" in str(refusal.value)
    second_store.acquire("clinic", "sync-now").release()


def test_one_program_cannot_take_a_link_twice(store: Store) -> None:
    with store.acquire("clinic", "run"), pytest.raises(LinkLocked):
        store.acquire("clinic", "run")


def test_every_link_has_a_holder_of_its_own(store: Store, second_store: Store) -> None:
    with store.acquire("clinic", "run") as first, second_store.acquire("praxis", "run") as second:
        first.check()
        second.check()
        with pytest.raises(LinkLocked):
            second_store.acquire("clinic", "run")


def test_the_fence_grows_with_every_holder(store: Store, second_store: Store) -> None:
    fences = []
    for each in (store, second_store, store):
        with each.acquire("clinic", "run") as lease:
            fences.append(lease.fence)
    assert fences == [1, 2, 3]


def test_a_released_lease_is_no_lease(store: Store) -> None:
    lease = store.acquire("clinic", "run")
    lease.release()
    lease.release()
    for ask in (lease.check, lease.renew):
        with pytest.raises(LinkLocked):
            ask()


def test_who_holds_a_link_can_be_asked(store: Store, second_store: Store) -> None:
    assert second_store.holder("clinic") is None
    with store.acquire("clinic", "run"):
        holder = second_store.holder("clinic")
        assert holder is not None
        assert (holder.verb, holder.pid) == ("run", os.getpid())
    assert second_store.holder("clinic") is None


def test_a_killed_process_is_no_holder(store: Store, another: Callable[[], Instance]) -> None:
    instance = another()
    instance.tell()
    instance.heard()
    assert store.holder("clinic") is not None
    instance.kill()
    assert store.holder("clinic") is None


def test_of_a_process_elsewhere_the_lock_tells_whether_it_lives(
    store: Store, second_store: Store
) -> None:
    lease = store.acquire("clinic", "run")
    pretend_elsewhere(store, seconds_left=-1)
    assert second_store.holder("clinic") is not None
    lease._locks.let_go("clinic")
    assert second_store.holder("clinic") is None


def test_a_killed_holder_is_replaced_at_once(store: Store, another: Callable[[], Instance]) -> None:
    holder = another()
    holder.tell()
    assert holder.heard() == "held 1"
    with pytest.raises(LinkLocked, match=f"process {holder.process.pid}"):
        store.acquire("clinic", "sync-now")
    holder.kill()
    with store.acquire("clinic", "sync-now") as lease:
        assert lease.fence == 2


def test_a_holder_that_only_hangs_is_not_replaced(
    store: Store, another: Callable[[], Instance], standing_clock: StandingClock
) -> None:
    holder = another()
    holder.tell()
    assert holder.heard() == "held 1"
    holder.process.send_signal(signal.SIGSTOP)
    with pytest.raises(LinkLocked):
        store.acquire("clinic", "sync-now", wait=True)
    assert standing_clock.slept == []


def test_of_instances_that_start_at_the_same_instant_one_wins(
    another: Callable[[], Instance],
) -> None:
    racers = [another() for _ in range(4)]
    for racer in racers:
        racer.tell()
    heard = [racer.heard() for racer in racers]
    winners = [racer for racer, said in zip(racers, heard, strict=True) if said == "held 1"]
    assert len(winners) == 1, heard
    assert sum(said.startswith("locked") for said in heard) == len(racers) - 1


def test_a_superseded_holder_commits_nothing(
    store: Store, second_store: Store, a_pair: Callable[..., Pair]
) -> None:
    lease = store.acquire("clinic", "run")
    fenced = store.link("clinic", lease)
    with fenced.begin() as transaction:
        transaction.save_pairs([a_pair(1)])
    lease.release()
    with second_store.acquire("clinic", "sync-now"):
        with (
            pytest.raises(LinkLocked, match=r"syncd sync-now"),
            fenced.begin() as transaction,
        ):
            transaction.save_pairs([a_pair(2)])
        assert second_store.link("clinic").count_pairs() == 1


# --- SQLite: a file lock


@pytest.fixture
def sqlite_store(sqlite_store_url: str, standing_clock: StandingClock) -> Iterator[Store]:
    with Store(open_engine(sqlite_store_url), standing_clock) as found:
        yield found


@pytest.fixture
def store_path(sqlite_store_url: str) -> Path:
    return Path(str(make_url(sqlite_store_url).database))


@pytest.fixture
def lock_path(store_path: Path) -> Path:
    return store_path.with_name("syncd.db.clinic.lock")


def test_a_lock_file_that_was_taken_away_is_no_lock(sqlite_store: Store, lock_path: Path) -> None:
    lease = sqlite_store.acquire("clinic", "run")
    lease.check()
    lock_path.unlink()
    with pytest.raises(LinkLocked):
        lease.check()


def test_only_its_owner_can_open_the_lock_file(sqlite_store: Store, lock_path: Path) -> None:
    sqlite_store.acquire("clinic", "run")
    assert lock_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_command_of_root_leaves_the_lock_to_the_services_user(
    sqlite_store: Store, store_path: Path, lock_path: Path
) -> None:
    os.chown(store_path, 12345, 12345)
    sqlite_store.acquire("clinic", "sync-now")
    assert lock_path.stat().st_uid == 12345


def test_keeping_a_link_writes_nothing_beside_sqlite(
    sqlite_store: Store, store_path: Path, standing_clock: StandingClock
) -> None:
    log = store_path.with_name("syncd.db-wal")
    with sqlite_store.acquire("clinic", "run") as lease:
        before = log.stat().st_size
        for _ in range(3):
            standing_clock.tick(LEASE)
            lease.renew()
        assert log.stat().st_size == before > 0


# --- PostgreSQL: a session's lock, and a lease in the database's time


@pytest.fixture
def postgres_store(postgres_store_url: str, standing_clock: StandingClock) -> Iterator[Store]:
    with Store(open_engine(postgres_store_url), standing_clock) as found:
        yield found


@pytest.fixture
def second_postgres_store(
    postgres_store_url: str, standing_clock: StandingClock
) -> Iterator[Store]:
    with Store(open_engine(postgres_store_url), standing_clock) as found:
        yield found


def lease_until(store: Store) -> datetime:
    with store._database.engine.begin() as connection:
        found: datetime = connection.execute(text("SELECT lease_until FROM link")).scalar_one()
        return found


def cut(server: PostgresServer, store: Store) -> None:
    """Break every connection to the store's database."""
    server.cut_connections(str(store._database.engine.url.database))


@pytest.mark.postgres
def test_a_lease_is_confirmed_when_that_is_due(
    postgres_store: Store, standing_clock: StandingClock
) -> None:
    with postgres_store.acquire("clinic", "run") as lease:
        first = lease_until(postgres_store)
        lease.check()
        assert lease_until(postgres_store) == first
        standing_clock.tick(RENEW)
        lease.check()
        assert lease_until(postgres_store) > first


@pytest.mark.postgres
def test_a_lease_is_confirmed_where_only_the_wall_clock_knows_that_time_passed(
    postgres_store: Store, second_postgres_store: Store, standing_clock: StandingClock
) -> None:
    """A machine that was paused counts nothing by its other clock."""
    lease = postgres_store.acquire("clinic", "run")
    pretend_elsewhere(postgres_store, seconds_left=-1)
    lease._locks.let_go("clinic")
    with second_postgres_store.acquire("clinic", "sync-now"):
        lease.check()
        standing_clock.instant += timedelta(seconds=RENEW)
        with pytest.raises(LinkLocked, match="sync-now"):
            lease.check()


@pytest.mark.postgres
def test_the_age_of_a_lease_counts_from_before_it_was_asked_for(
    postgres_store: Store, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer may have been on its way for as long as the holder slept."""
    claim = Leases._claim

    def slowly(self: Leases, *args: Any) -> Any:
        found = claim(self, *args)
        standing_clock.tick(RENEW)
        return found

    monkeypatch.setattr(Leases, "_claim", slowly)
    with postgres_store.acquire("clinic", "run") as lease:
        first = lease_until(postgres_store)
        lease.check()
        assert lease_until(postgres_store) > first


@pytest.mark.postgres
def test_a_holder_survives_a_lost_connection(
    postgres: PostgresServer,
    postgres_store: Store,
    second_postgres_store: Store,
    standing_clock: StandingClock,
) -> None:
    with postgres_store.acquire("clinic", "run") as lease:
        cut(postgres, postgres_store)
        standing_clock.tick(RENEW)
        lease.check()
        with pytest.raises(LinkLocked):
            second_postgres_store.acquire("clinic", "sync-now")


@pytest.mark.postgres
def test_a_holder_that_lost_its_lock_to_another_stops(
    postgres: PostgresServer,
    postgres_store: Store,
    second_postgres_store: Store,
    standing_clock: StandingClock,
) -> None:
    lease = postgres_store.acquire("clinic", "run")
    pretend_elsewhere(postgres_store, seconds_left=-1)
    cut(postgres, postgres_store)
    with second_postgres_store.acquire("clinic", "sync-now"):
        standing_clock.tick(RENEW)
        with pytest.raises(LinkLocked, match="sync-now"):
            lease.check()


@pytest.mark.postgres
def test_a_silent_holder_elsewhere_keeps_its_link_until_its_lease_ends(
    postgres: PostgresServer, postgres_store: Store, second_postgres_store: Store
) -> None:
    """Its connection is gone, but it may only have lost the network."""
    postgres_store.acquire("clinic", "run")
    pretend_elsewhere(postgres_store, seconds_left=20)
    cut(postgres, postgres_store)
    with pytest.raises(LinkLocked):
        second_postgres_store.acquire("clinic", "sync-now")
    pretend_elsewhere(postgres_store, seconds_left=-1)
    with second_postgres_store.acquire("clinic", "sync-now") as lease:
        assert lease.fence == 2


@pytest.mark.postgres
def test_sync_now_waits_for_the_lease_of_a_silent_holder_elsewhere(
    postgres: PostgresServer,
    postgres_store: Store,
    second_postgres_store: Store,
    standing_clock: StandingClock,
) -> None:
    postgres_store.acquire("clinic", "run")
    pretend_elsewhere(postgres_store, seconds_left=25)
    cut(postgres, postgres_store)

    def time_passes(seconds: float) -> None:
        with second_postgres_store._database.engine.begin() as connection:
            connection.execute(
                text("UPDATE link SET lease_until = lease_until - make_interval(secs => :s)"),
                {"s": seconds},
            )

    standing_clock.on_sleep = time_passes
    second_postgres_store.acquire("clinic", "sync-now", wait=True).release()
    assert (
        timedelta(seconds=20)
        < timedelta(seconds=sum(standing_clock.slept))
        <= timedelta(seconds=LEASE)
    )


@pytest.mark.postgres
def test_a_living_holder_elsewhere_is_not_waited_for(
    postgres_store: Store, second_postgres_store: Store, standing_clock: StandingClock
) -> None:
    with postgres_store.acquire("clinic", "run"):
        pretend_elsewhere(postgres_store, seconds_left=LEASE - RENEW)
        with pytest.raises(LinkLocked):
            second_postgres_store.acquire("clinic", "sync-now", wait=True)
        assert standing_clock.slept == []


@pytest.mark.postgres
def test_a_holder_without_its_database_stops_before_anybody_else_may_start(
    postgres: PostgresServer, postgres_store: Store, standing_clock: StandingClock
) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    lease = postgres_store.acquire("clinic", "run")
    postgres.stop()
    try:
        standing_clock.tick(RENEW)
        with pytest.raises(StoreInterrupted, match="check that the server runs"):
            lease.check()
        assert standing_clock.seconds < LEASE
    finally:
        postgres.start()


@pytest.mark.postgres
def test_a_holder_outlives_a_restart_of_the_server(
    postgres: PostgresServer, postgres_store: Store, standing_clock: StandingClock
) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    lease = postgres_store.acquire("clinic", "run")
    postgres.stop()
    starts = iter([postgres.start])

    def somebody_starts_it(_: float) -> None:
        next(starts, lambda: None)()

    standing_clock.on_sleep = somebody_starts_it
    standing_clock.tick(RENEW)
    lease.check()
    with postgres_store.link("clinic", lease).begin() as transaction:
        transaction.set_state("hubspot", "1")
    lease.release()
