"""The ledger of rate limits: what is taken by one process is not there for another."""

from datetime import datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import select
from stores import StandingClock

from syncd.providers.shared_window import Ledger
from syncd.store import Store
from syncd.store.rate_ledger import SqlLedger
from syncd.store.tables import block

SECOND = timedelta(seconds=1)


@pytest.fixture
def now(standing_clock: StandingClock) -> datetime:
    return standing_clock.now()


def take(
    ledger: SqlLedger,
    now: datetime,
    wanted: int = 10,
    answered: dict[int, list[datetime]] | None = None,
    account: str = "ghl:a",
) -> tuple[int, int, datetime | None]:
    return ledger.exchange(
        account,
        now=now,
        answered=answered or {},
        wanted=wanted,
        places=25,
        until=now + 10 * SECOND,
        span=3 * SECOND,
    )


def test_it_is_what_the_budgets_ask_for(store: Store) -> None:
    asked: Ledger = store.ledger
    assert asked is store.ledger


def test_no_more_places_are_given_than_there_are(store: Store, now: datetime) -> None:
    sizes = [take(store.ledger, now)[1] for _ in range(4)]
    assert sizes == [10, 10, 5, 0]
    assert take(store.ledger, now) == (0, 0, now + 10 * SECOND)
    assert take(store.ledger, now, account="ghl:b")[1] == 10


def test_what_all_processes_have_taken_is_told(store: Store, now: datetime) -> None:
    first, _, _ = take(store.ledger, now, wanted=7)
    take(store.ledger, now, wanted=2, answered={first: [now + SECOND] * 3})
    take(store.ledger, now, account="ghl:b")
    store.ledger.pause("ghl:a", now=now, until=now + SECOND)
    taken = [store.ledger.taken("ghl:a", now=now + each * SECOND) for each in (0, 1, 10)]
    assert taken == [9, 6, 0]


def test_each_place_comes_back_when_its_answer_is_a_window_old(store: Store, now: datetime) -> None:
    first, _, _ = take(store.ledger, now, wanted=25)
    answered = [now + each * SECOND for each in (1, 1, 2, 3)]
    assert take(store.ledger, now, answered={first: answered}) == (0, 0, now + SECOND)
    assert take(store.ledger, now + SECOND)[1] == 2
    assert take(store.ledger, now + 3 * SECOND)[1] == 2
    assert take(store.ledger, now + 9 * SECOND)[1] == 0
    assert take(store.ledger, now + 10 * SECOND)[1] == 10


def test_blocks_nobody_gave_back_come_back_by_themselves(store: Store, now: datetime) -> None:
    take(store.ledger, now, wanted=25)
    assert take(store.ledger, now + 10 * SECOND)[1] == 10


def test_places_are_given_back_without_taking_any(store: Store, now: datetime) -> None:
    first, _, _ = take(store.ledger, now, wanted=25)
    store.ledger.release({"ghl:b": {first: [now] * 25}})
    assert take(store.ledger, now)[1] == 0
    store.ledger.release({"ghl:a": {first: [now] * 25}})
    assert take(store.ledger, now)[1] == 10


def test_a_forgotten_block_is_never_taken_for_another(store: Store, now: datetime) -> None:
    old, _, _ = take(store.ledger, now, wanted=25)
    new, _, _ = take(store.ledger, now + 10 * SECOND, wanted=25)
    assert new != old
    store.ledger.release({"ghl:a": {old: [now] * 25}})
    assert take(store.ledger, now + 10 * SECOND)[1] == 0


def test_many_at_once_get_no_more_than_there_is(store: Store, now: datetime) -> None:
    sizes: list[int] = []
    threads = [
        Thread(target=lambda: sizes.append(take(store.ledger, now, wanted=3)[1])) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sizes) == 12
    assert sum(sizes) == 25


def test_the_longest_silence_counts_until_it_is_over(store: Store, now: datetime) -> None:
    assert store.ledger.paused_until("ghl:a", now=now) is None
    store.ledger.pause("ghl:a", now=now, until=now + 30 * SECOND)
    store.ledger.pause("ghl:a", now=now, until=now + 10 * SECOND)
    assert store.ledger.paused_until("ghl:a", now=now) == now + 30 * SECOND
    assert store.ledger.paused_until("ghl:a", now=now + 30 * SECOND) is None


def test_a_silence_is_one_accounts_and_takes_no_place(store: Store, now: datetime) -> None:
    store.ledger.pause("ghl:a", now=now, until=now + 30 * SECOND)
    assert store.ledger.paused_until("ghl:a:search", now=now) is None
    assert store.ledger.paused_until("ghl:b", now=now) is None
    assert take(store.ledger, now, wanted=25)[1] == 25


def test_silences_that_are_over_leave_the_store(store: Store, now: datetime) -> None:
    for second in range(5):
        moment = now + second * SECOND
        store.ledger.pause("ghl:a", now=moment, until=moment + SECOND)
    with store._database.engine.connect() as connection:
        assert len(connection.execute(select(block)).all()) == 1


def test_a_place_from_before_the_clock_was_set_back_is_free_after_a_window(
    store: Store, now: datetime
) -> None:
    take(store.ledger, now + 3600 * SECOND, wanted=25)
    assert take(store.ledger, now) == (0, 0, now + 3 * SECOND)
    assert take(store.ledger, now + 2 * SECOND)[1] == 0
    assert take(store.ledger, now + 3 * SECOND)[1] == 10


def test_a_silence_from_before_the_clock_was_set_back_is_over(store: Store, now: datetime) -> None:
    later = now + 3600 * SECOND
    store.ledger.pause("ghl:a", now=later, until=later + 30 * SECOND)
    assert store.ledger.paused_until("ghl:a", now=later) == later + 30 * SECOND
    assert store.ledger.paused_until("ghl:a", now=now) is None
    store.ledger.pause("ghl:a", now=now, until=now + 20 * SECOND)
    assert store.ledger.paused_until("ghl:a", now=now) == now + 20 * SECOND
