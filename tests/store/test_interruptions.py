"""A PostgreSQL that goes away in the middle of something: nothing is lost and nothing twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from postgres_server import PostgresServer
from sqlalchemy import Connection, event
from stores import StandingClock

from syncd.core.model import Pair, Side
from syncd.errors import StoreError, StoreInterrupted
from syncd.ports.store import HistoryEntry
from syncd.store import Store, open_engine
from syncd.store.database import PATIENCE, QUICK_PATIENCE
from syncd.store.link_store import SqlLinkStore

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_store_url: str, standing_clock: StandingClock) -> Iterator[Store]:
    with Store(open_engine(postgres_store_url), standing_clock) as found:
        yield found


@pytest.fixture
def cut(postgres: PostgresServer, store: Store) -> Callable[[], None]:
    """Break every connection to the store."""
    return lambda: postgres.cut_connections(str(store._database.engine.url.database))


@contextmanager
def at_first(store: Store, moment: str, act: Callable[[Connection], None]) -> Iterator[None]:
    """Do something when SQLAlchemy reaches a moment for the first time."""
    to_do = [act]

    def once(connection: Connection, *_: Any) -> None:
        if to_do:
            to_do.pop()(connection)

    event.listen(store._database.engine, moment, once)
    yield
    event.remove(store._database.engine, moment, once)
    assert not to_do, f"{moment} was never reached"


def commit_and_lose_the_answer(connection: Connection) -> None:
    connection.connection.commit()
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.close()


def write(link: SqlLinkStore, store: Store, *pairs: Pair) -> list[Pair]:
    """Pairs and a line of history, in one transaction."""
    with link.begin() as transaction:
        saved = transaction.save_pairs(pairs)
        transaction.add_history(
            HistoryEntry(
                at=store._database.clock.now(),
                cycle="c1",
                side=Side.GHL,
                ghl_id=pair.ghl_id,
                hubspot_id=pair.hubspot_id,
                action="create",
                pair_key=pair.key,
            )
            for pair in saved
        )
    return saved


def stored(link: SqlLinkStore) -> tuple[list[Pair], list[int]]:
    pairs = link.pairs_by_id(Side.GHL, ["g1", "g2", "g3"])
    return sorted(pairs, key=lambda pair: pair.key), [entry.pair_key for entry in link.history()]


def test_a_connection_lost_between_two_writes_costs_nothing(
    store: Store, link: SqlLinkStore, a_pair: Callable[..., Pair], cut: Callable[[], None]
) -> None:
    with link.begin() as transaction:
        (first,) = transaction.save_pairs([a_pair(1)])
        transaction.set_state("hubspot", "1")
        cut()
        (second,) = transaction.save_pairs([a_pair(2)])
        cut()
        transaction.set_state("hubspot", "2")
        cut()
    assert stored(link)[0] == [first, second]
    assert link.count_pairs() == 2
    assert link.get_state("hubspot") == "2"
    del store


def test_a_connection_lost_before_the_commit_costs_nothing(
    store: Store, link: SqlLinkStore, a_pair: Callable[..., Pair], cut: Callable[[], None]
) -> None:
    with at_first(store, "commit", lambda _: cut()):
        saved = write(link, store, a_pair(1), a_pair(2))
    assert stored(link) == (saved, [pair.key for pair in reversed(saved)])


def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    store: Store, link: SqlLinkStore, a_pair: Callable[..., Pair]
) -> None:
    with at_first(store, "commit", commit_and_lose_the_answer):
        saved = write(link, store, a_pair(1))
    assert stored(link) == (saved, [saved[0].key])


def test_a_refusal_to_serialise_costs_nothing(
    store: Store, link: SqlLinkStore, a_pair: Callable[..., Pair]
) -> None:
    def refuse(connection: Connection) -> None:
        connection.exec_driver_sql(
            "DO $$ BEGIN RAISE 'no' USING ERRCODE = 'serialization_failure'; END $$"
        )

    with at_first(store, "before_cursor_execute", refuse):
        saved = write(link, store, a_pair(1))
    assert stored(link) == (saved, [saved[0].key])


def test_a_restart_of_the_server_costs_nothing(
    postgres: PostgresServer,
    link: SqlLinkStore,
    a_pair: Callable[..., Pair],
    standing_clock: StandingClock,
) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    starts = iter([postgres.start])
    standing_clock.on_sleep = lambda _: next(starts, lambda: None)()
    with link.begin() as transaction:
        (saved,) = transaction.save_pairs([a_pair(1)])
        postgres.stop()
        transaction.set_state("hubspot", "1")
    assert stored(link)[0] == [saved]
    assert 0 < sum(standing_clock.slept) < PATIENCE
    with link.begin() as transaction:
        (next_one,) = transaction.save_pairs([a_pair(2)])
    assert stored(link)[0] == [saved, next_one]


def test_what_is_only_read_is_read_again(
    link: SqlLinkStore,
    saved: Callable[..., list[Pair]],
    a_pair: Callable[..., Pair],
    store: Store,
    cut: Callable[[], None],
) -> None:
    (kept,) = saved(a_pair(1))
    with at_first(store, "before_cursor_execute", lambda _: cut()):
        assert link.pairs_by_id(Side.GHL, ["g1"]) == [kept]


def test_a_server_that_stays_away_is_reported_in_the_end(
    postgres: PostgresServer, link: SqlLinkStore, standing_clock: StandingClock
) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    postgres.stop()
    try:
        with pytest.raises(StoreInterrupted, match="check that the server runs"):
            link.count_pairs()
        with (
            pytest.raises(StoreInterrupted, match="check that the server runs"),
            link.begin() as transaction,
        ):
            transaction.set_state("hubspot", "1")
    finally:
        postgres.start()
    assert PATIENCE <= sum(standing_clock.slept) / 2 < PATIENCE + 10


def test_who_looks_in_passing_is_told_soon(
    store: Store,
    saved: Callable[..., list[Pair]],
    a_pair: Callable[..., Pair],
    cut: Callable[[], None],
    postgres: PostgresServer,
    standing_clock: StandingClock,
) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    (one,) = saved(a_pair(1))
    quick_view = store.quick_view("clinic")
    cut()
    assert list(quick_view.pairs_by_key([one.key])) == [one], "a new connection is made"
    standing_clock.slept.clear()
    postgres.stop()
    try:
        with pytest.raises(StoreInterrupted, match="check that the server runs"):
            quick_view.count_pairs()
    finally:
        postgres.start()
    assert sum(standing_clock.slept) < 2 * QUICK_PATIENCE


def test_a_decision_that_may_have_been_written_is_not_written_twice(
    store: Store, link: SqlLinkStore
) -> None:
    now = store._database.clock.now()
    link.decide("retry", {}, now)
    with (
        at_first(store, "commit", commit_and_lose_the_answer),
        pytest.raises(StoreError, match="unknown whether"),
    ):
        link.decide("kick", {}, now)
    assert [each.kind for each in link.decisions()] == ["retry", "kick"]
