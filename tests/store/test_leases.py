"""One writer per link: who gets it, who keeps it, and who takes over from the dead."""

import os
import platform
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from other_process import Instance
from sqlalchemy import make_url
from stores import StandingClock

from syncd.core.model import Pair
from syncd.errors import LinkLocked
from syncd.store import Store, open_engine


@pytest.fixture
def another(store_url: str) -> Iterator[Callable[[], Instance]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Instance(store_url)))


@pytest.fixture
def second_store(store_url: str, standing_clock: StandingClock) -> Iterator[Store]:
    """The same store as another program opens it."""
    with Store(open_engine(store_url), standing_clock) as found:
        yield found


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


def test_a_killed_holder_is_replaced_at_once(store: Store, another: Callable[[], Instance]) -> None:
    holder = another()
    holder.tell()
    assert holder.heard() == "held 1"
    with pytest.raises(LinkLocked, match=f"process {holder.process.pid}"):
        store.acquire("clinic", "sync-now")
    holder.kill()
    with store.acquire("clinic", "sync-now") as lease:
        assert lease.fence == 2


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
    return store_path.with_name("syncd.db.locks") / "clinic.lock"


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
            standing_clock.tick(30.0)
            lease.renew()
        assert log.stat().st_size == before > 0


def test_all_lock_files_lie_in_one_folder(sqlite_store: Store, store_path: Path) -> None:
    for name in ("clinic", "praxis"):
        sqlite_store.acquire(name, "run")
    beside = {path.name for path in store_path.parent.iterdir()}
    assert beside - {"syncd.db", "syncd.db-wal", "syncd.db-shm"} == {"syncd.db.locks"}


def test_a_holder_that_only_hangs_keeps_its_link_beside_sqlite(
    sqlite_store_url: str, sqlite_store: Store, standing_clock: StandingClock
) -> None:
    with closing(Instance(sqlite_store_url)) as holder:
        holder.tell()
        assert holder.heard() == "held 1"
        holder.process.send_signal(signal.SIGSTOP)
        with pytest.raises(LinkLocked):
            sqlite_store.acquire("clinic", "sync-now", wait=True)
        assert standing_clock.slept == []


def test_notes_of_many_links_are_kept_where_they_are_ours(store: Store) -> None:
    for name in ("clinic", "praxis"):
        store.acquire(name, "run")
    store.write_notes("daemon", {"clinic": "busy, 7 pairs", "praxis": "idle", "unknown": "-"})
    assert store.link("clinic").get_state("daemon") == "busy, 7 pairs"
    assert store.link("praxis").get_state("daemon") == "idle"
