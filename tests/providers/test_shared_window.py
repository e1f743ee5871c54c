"""A limit that several processes share through a ledger: never too many together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent, RateLimited, StoreError, Unavailable
from syncd.providers.message import Response
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import MARGIN, Limit
from syncd.providers.shared_window import FLIGHT, FRESH, LARGEST_BLOCK, LIFETIME, Answered
from syncd.providers.spare import SpareBudget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tests.providers.conftest import VirtualClock

TWENTY = Limit(requests=20, seconds=10.0)


@dataclass
class MemoryLedger:
    """What the store does, in memory."""

    rows: dict[int, tuple[str, int, datetime]] = field(default_factory=dict)
    silences: list[tuple[str, datetime]] = field(default_factory=list)
    looks: int = 0
    transactions: int = 0
    lock: Lock = field(default_factory=Lock)
    _key: int = 0

    def exchange(
        self,
        account: str,
        *,
        now: datetime,
        answered: Answered,
        wanted: int,
        places: int,
        until: datetime,
        span: timedelta,
    ) -> tuple[int, int, datetime | None]:
        with self.lock:
            self.transactions += 1
            self._free(answered)
            self.rows = {
                key: row if row[2] <= until else (*row[:2], now + span)
                for key, row in self.rows.items()
                if row[0] != account or row[2] > now
            }
            mine = [row for row in self.rows.values() if row[0] == account]
            size = min(wanted, places - sum(row[1] for row in mine))
            if size <= 0:
                return 0, 0, min(row[2] for row in mine)
            self._key += 1
            self.rows[self._key] = (account, size, until)
            return self._key, size, None

    def release(self, answered: Mapping[str, Answered]) -> None:
        with self.lock:
            self.transactions += 1
            for account, places in answered.items():
                assert all(self.rows.get(key, (account,))[0] == account for key in places)
                self._free(places)

    def taken(self, account: str, *, now: datetime) -> int:
        with self.lock:
            mine = [row for row in self.rows.values() if row[0] == account and row[2] > now]
            return sum(row[1] for row in mine)

    def pause(self, account: str, *, now: datetime, until: datetime) -> None:
        assert now < until
        self.silences.append((account, until))

    def paused_until(self, account: str, *, now: datetime) -> datetime | None:
        self.looks += 1
        ends = [until for name, until in self.silences if name == account and until > now]
        return max(ends, default=None)

    def _free(self, answered: Answered) -> None:
        for key, free_at in answered.items():
            if key not in self.rows:
                continue
            account, size, until = self.rows.pop(key)
            if size > len(free_at):
                self.rows[key] = (account, size - len(free_at), until)
            for each in free_at:
                self._key += 1
                self.rows[self._key] = (account, 1, each)


def process(clock: VirtualClock, ledger: MemoryLedger, limit: Limit = TWENTY) -> Budget:
    return Budget(side=Side.GHL, clock=clock, limit=limit, ledger=ledger, account="pit-secret")


def fullest(arrivals: list[float], seconds: float) -> int:
    arrivals = sorted(arrivals)
    return max(sum(1 for at in arrivals if first <= at < first + seconds) for first in arrivals)


@given(
    turns=st.lists(
        st.tuples(st.integers(0, 2), st.floats(0, 2), st.booleans()), min_size=30, max_size=60
    ),
    requests=st.integers(1, 25),
)
def test_several_processes_together_never_exceed_the_limit(
    make_clock: type[VirtualClock], turns: list[tuple[int, float, bool]], requests: int
) -> None:
    """They take turns, and now and then one is killed or ends and another starts."""
    clock, ledger = make_clock(), MemoryLedger()
    limit = Limit(requests=requests, seconds=10.0)
    processes = [process(clock, ledger, limit) for _ in range(3)]
    arrivals: list[float] = []
    for number, length, ends in turns:
        permit = processes[number].acquire()
        arrivals.append(clock.monotonic() + length / 2)
        clock.advance(length)
        permit.settle()
        if ends:
            if length > 1:
                processes[number].close()
            processes[number] = process(clock, ledger, limit)
    assert fullest(arrivals, 10.0) <= requests


def test_a_command_right_after_another_knows_what_was_used(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    first = process(clock, ledger)
    for _ in range(20):
        first.acquire().settle()
    first.close()
    assert clock.monotonic() == 0
    process(clock, ledger).acquire()
    assert 10 <= clock.monotonic() < 11


def test_a_command_that_used_little_leaves_the_rest(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    first = process(clock, ledger)
    first.acquire().settle()
    first.close()
    second = process(clock, ledger)
    for _ in range(18):
        second.acquire().settle()
    assert clock.monotonic() == 0


def test_a_killed_process_frees_its_requests_by_itself(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    killed = process(clock, ledger)
    for _ in range(20):
        killed.acquire()
    process(clock, ledger).acquire()
    longest = LIFETIME + FLIGHT + timedelta(seconds=11)
    assert clock.monotonic() <= longest.total_seconds()


def test_sharing_costs_one_transaction_per_block(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    account = process(clock, ledger, Limit(requests=100, seconds=10.0))
    for _ in range(1000):
        account.acquire().settle()
        clock.advance(0.12)
    assert ledger.transactions <= 1000 / LARGEST_BLOCK


def test_where_places_come_back_one_by_one_each_is_used_at_once(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    account = process(clock, ledger, Limit(requests=100, seconds=10.0))
    for _ in range(1000):
        permit = account.acquire()
        clock.advance(0.015)
        permit.settle()
    assert clock.monotonic() <= 9 * (10 + MARGIN + 0.03) + 100 * 0.015
    assert ledger.transactions <= 1000


def test_what_could_not_be_given_back_is_given_back_later(clock: VirtualClock) -> None:
    class Shaky(MemoryLedger):
        away = False

        def exchange(self, *given: Any, **named: Any) -> tuple[int, int, datetime | None]:
            if self.away:
                raise StoreError("the store is away")
            return super().exchange(*given, **named)

    ledger = Shaky()
    account = process(clock, ledger)
    for _ in range(20):
        account.acquire().settle()
    clock.advance(11)
    ledger.away = True
    with pytest.raises(StoreError):
        account.acquire()
    ledger.away = False
    for _ in range(19):  # One place of the process itself went with the attempt.
        account.acquire().settle()
    assert clock.monotonic() == 11


def test_threads_share_blocks(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    account = process(clock, ledger)
    arrivals: list[float] = []
    lock = Lock()

    def work() -> None:
        for _ in range(10):
            permit = account.acquire()
            with lock:
                arrivals.append(clock.monotonic())
            permit.settle()

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrivals) == 60
    assert fullest(arrivals, 10.0) <= 20


def test_the_ledger_never_sees_a_secret(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    process(clock, ledger).acquire()
    (row,) = ledger.rows.values()
    assert "secret" not in row[0]
    assert row[0].startswith("ghl:")


def test_a_search_counts_against_both_limits(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    account = Budget(
        side=Side.HUBSPOT,
        clock=clock,
        limit=TWENTY,
        kinds={"search": Limit(requests=5, seconds=1.0)},
        ledger=ledger,
        account="a",
    )
    account.acquire("search")
    names = {row[0] for row in ledger.rows.values()}
    assert len(names) == 2
    assert sum(name.endswith(":search") for name in names) == 1


def refused(status: int = 429, policy: str = "", **headers: str) -> Response:
    named = {name.replace("_", "-"): held for name, held in headers.items()}
    return Response(status=status, headers=named, payload={"policyName": policy})


def test_a_pause_requested_of_one_process_is_kept_by_all(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    first, beside = process(clock, ledger), process(clock, ledger)
    beside.acquire().settle()
    first.observe(refused(retry_after="30"))
    clock.advance(FRESH)
    beside.acquire().settle()
    assert clock.monotonic() >= 30


def test_a_command_after_another_keeps_the_requested_pause(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    first = process(clock, ledger)
    first.observe(refused(477, retry_after="7200"))
    first.close()
    clock.advance(60)
    with pytest.raises(RateLimited) as caught:
        process(clock, ledger).acquire()
    assert caught.value.retry_after == 7140
    clock.advance(7140)
    process(clock, ledger).acquire()


def test_a_pause_of_the_search_leaves_other_requests_alone(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    kinds = {"search": Limit(requests=5, seconds=1.0)}

    def command() -> Budget:
        return Budget(
            side=Side.HUBSPOT, clock=clock, limit=TWENTY, kinds=kinds, ledger=ledger, account="a"
        )

    command().observe(refused(policy="SECONDLY"), "search")
    command().acquire()
    assert clock.monotonic() == 0
    command().acquire("search")
    assert clock.monotonic() >= 1


def test_a_used_up_quota_is_tested_once_by_each_new_process(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    first = process(clock, ledger)
    first.observe(refused(policy="DAILY", retry_after="3600"))
    with pytest.raises(DailyBudgetSpent):
        first.acquire()
    process(clock, ledger).acquire()
    assert clock.monotonic() == 0


def test_looking_for_pauses_costs_little(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    account = process(clock, ledger, Limit(requests=1000, seconds=10.0))
    for _ in range(1000):
        account.acquire().settle()
        clock.advance(0.01)
    assert ledger.looks <= 1000 * 0.01 / FRESH + 2


def test_an_answer_is_not_lost_where_its_pause_cannot_be_written_down(
    clock: VirtualClock,
) -> None:
    class Broken(MemoryLedger):
        def pause(self, *_: object, **__: object) -> None:
            raise StoreError("the store is away")

    account = process(clock, Broken())
    account.observe(refused(retry_after="30"))
    account.acquire()
    assert clock.monotonic() >= 30


def test_a_stop_ends_the_wait_for_another_process(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    busy = process(clock, ledger)
    for _ in range(20):
        busy.acquire()
    clock.stopped = True
    with pytest.raises(Unavailable):
        process(clock, ledger).acquire()


def test_a_broken_ledger_takes_no_request_of_the_process(clock: VirtualClock) -> None:
    class Broken(MemoryLedger):
        def exchange(self, *_: object, **__: object) -> tuple[int, int, datetime | None]:
            raise StoreError("the store is away")

    account = process(clock, Broken())
    for _ in range(30):
        with pytest.raises(StoreError):
            account.acquire()
    assert account.view().used <= 20


# --- the spare part, beside a busy process


class Busy:
    """Another process that sends whatever its limit lets it, most of the time."""

    def __init__(self, clock: VirtualClock, ledger: MemoryLedger, arrivals: list[float]) -> None:
        self.clock, self.ledger, self.arrivals = clock, ledger, arrivals
        self.budget = process(clock, ledger)
        self.random = Random(7)
        self.sleep, clock.sleep = clock.sleep, self.while_others_sleep  # type: ignore[method-assign]
        self.works = False

    def while_others_sleep(self, seconds: float) -> None:
        self.sleep(seconds)
        name = self.budget.shared[""].account
        while not self.works and self.random.random() < 0.8:
            if self.ledger.taken(name, now=self.clock.now()) >= TWENTY.requests:
                return
            self.works = True
            self.budget.acquire().settle()
            self.arrivals.append(self.clock.monotonic())
            self.works = False


def test_beside_a_busy_process_a_share_is_used_and_no_more(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    arrivals: list[float] = []
    busy = Busy(clock, ledger, arrivals)
    for _ in range(15):
        busy.budget.acquire().settle()
        arrivals.append(clock.monotonic())
    spare = SpareBudget(Side.GHL, process(clock, ledger), clock, share=0.1)
    ours: list[float] = []
    for _ in range(20):
        spare.acquire().settle()
        ours.append(clock.monotonic())
    assert 70 < ours[-1] < 130
    assert fullest([*arrivals, *ours], TWENTY.seconds) <= TWENTY.requests
    assert len(arrivals) > 1.2 * ours[-1]  # the other one has most of it


def test_without_a_share_it_waits_until_more_than_half_is_free(clock: VirtualClock) -> None:
    ledger = MemoryLedger()
    cycle = process(clock, ledger)
    for _ in range(15):
        cycle.acquire().settle()
    cycle.close()
    SpareBudget(Side.GHL, process(clock, ledger), clock).acquire().settle()
    assert 10 < clock.monotonic() < 11


def test_a_narrow_kind_has_its_spare_part_too(clock: VirtualClock) -> None:
    ledger = MemoryLedger()

    def portal() -> Budget:
        search = {"search": Limit(requests=5, seconds=1.0)}
        limit = Limit(requests=100, seconds=10.0)
        return Budget(
            side=Side.HUBSPOT, clock=clock, limit=limit, kinds=search, ledger=ledger, account="a"
        )

    cycle = portal()
    for _ in range(3):
        cycle.acquire("search").settle()
    cycle.close()
    spare = SpareBudget(Side.HUBSPOT, portal(), clock)
    spare.acquire().settle()
    assert clock.monotonic() == 0
    spare.acquire("search").settle()
    assert 1 < clock.monotonic() < 1.5
