"""What one command is asked for, the next keeps: two budgets over one real store."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from harness import HarnessClock, Shelf

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent, RateLimited
from syncd.providers.message import Response
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import Limit
from syncd.store.database import Database
from syncd.store.rate_ledger import SqlLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def command(sqlite_store_url: str, harness_clock: HarnessClock) -> Iterator[Callable[..., Budget]]:
    """Begins a process of an account: `command()`, or of another with its name."""
    with closing(Shelf(sqlite_store_url, harness_clock)) as shelf:
        ledger = SqlLedger(Database(shelf.engine, harness_clock))
        yield lambda account="pat-one": Budget(
            side=Side.HUBSPOT,
            clock=harness_clock,
            limit=Limit(requests=100, seconds=10.0),
            ledger=ledger,
            account=account,
        )


def test_a_pause_outlives_the_command_it_was_requested_of(
    command: Callable[..., Budget], harness_clock: HarnessClock
) -> None:
    first = command()
    first.observe(Response(status=477, headers={"retry-after": "3600"}))
    first.close()
    with pytest.raises(RateLimited):
        command().acquire()
    command("pat-two").acquire()
    harness_clock.sleep(3600)
    command().acquire()


def test_a_used_up_quota_is_tested_once_by_the_next_command(
    command: Callable[..., Budget],
) -> None:
    spent = Response(status=429, payload={"policyName": "DAILY"})
    command().observe(spent)
    second = command()
    second.acquire()
    second.observe(spent)
    with pytest.raises(DailyBudgetSpent):
        second.acquire()
