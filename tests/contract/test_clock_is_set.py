"""The wall clock is set in mid-run: what the store holds counts only as far as it can be true."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from harness import HarnessClock, Shelf

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent
from syncd.providers.message import Response
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import Limit
from syncd.store.database import Database
from syncd.store.rate_ledger import SqlLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WINDOW = 10.0
HOUR = timedelta(hours=1)


class Watch(HarnessClock):
    """A clock whose hands can be set; its count of seconds goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.off = timedelta()

    def now(self) -> datetime:
        return super().now() + self.off

    def monotonic(self) -> float:
        return (super().now() - datetime.min.replace(tzinfo=super().now().tzinfo)).total_seconds()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def command(sqlite_store_url: str, watch: Watch) -> Iterator[Callable[[], Budget]]:
    with closing(Shelf(sqlite_store_url, watch)) as shelf:
        ledger = SqlLedger(Database(shelf.engine, watch))
        yield lambda: Budget(
            side=Side.HUBSPOT,
            clock=watch,
            limit=Limit(requests=10, seconds=WINDOW),
            ledger=ledger,
            account="pat-one",
        )


def spend(account: Budget, times: int) -> None:
    for _ in range(times):
        account.acquire().settle()


@pytest.mark.parametrize("off", [-HOUR, HOUR, -timedelta(days=400), timedelta(days=400)])
def test_requests_go_on_within_a_window(
    command: Callable[[], Budget], watch: Watch, off: timedelta
) -> None:
    account = command()
    spend(account, 10)
    watch.off = off
    began = watch.monotonic()
    spend(account, 10)
    assert watch.monotonic() - began < 3 * WINDOW
    account.close()
    began = watch.monotonic()
    spend(command(), 10)
    assert watch.monotonic() - began < 3 * WINDOW


def test_the_limit_is_kept_although_the_clock_is_set_back_and_forth(
    command: Callable[[], Budget], watch: Watch
) -> None:
    account, sent = command(), list[float]()
    for number in range(60):
        watch.off = (HOUR, -HOUR, timedelta())[number % 3] * (number % 7)
        permit = account.acquire()
        sent.append(watch.monotonic())
        permit.settle()
    assert all(later - first >= WINDOW for first, later in zip(sent, sent[10:], strict=False))


@pytest.mark.parametrize("off", [-HOUR, -timedelta(days=400)])
def test_a_pause_lasts_no_longer_than_requested(
    command: Callable[[], Budget], watch: Watch, off: timedelta
) -> None:
    account = command()
    account.observe(Response(status=429, headers={"retry-after": "30"}))
    watch.off = off
    began = watch.monotonic()
    spend(command(), 1)  # another process, which knows of it from the store alone
    spend(account, 1)
    assert watch.monotonic() - began <= 30.0 + 2 * WINDOW


def test_a_used_up_quota_is_over_in_time(command: Callable[[], Budget], watch: Watch) -> None:
    account = command()
    account.observe(Response(status=429, payload={"policyName": "DAILY"}))
    watch.off = -HOUR * 24 * 30
    with pytest.raises(DailyBudgetSpent):
        account.acquire()
    until = account.view().spent_until
    assert until is not None
    assert until - watch.now() == HOUR
    watch.sleep(3601)
    spend(account, 1)
    assert account.view().spent_until is None
