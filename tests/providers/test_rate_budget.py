"""The rate budget: exact in every window, fair, obedient, and never asleep for real."""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Lock, Semaphore, Thread
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent, RateLimited, Unavailable
from syncd.providers.message import Response
from syncd.providers.rate_budget import ASK_AGAIN, Budget
from syncd.providers.rate_window import Limit, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.providers.conftest import VirtualClock

TEN = Limit(requests=10, seconds=10.0)


def budget(clock: VirtualClock, limit: Limit = TEN, **more: object) -> Budget:
    return Budget(side=Side.HUBSPOT, clock=clock, limit=limit, **more)  # type: ignore[arg-type]


def answer(status: int = 200, payload: object = None, **headers: object) -> Response:
    named = {name.replace("_", "-"): str(held) for name, held in headers.items()}
    return Response(status=status, headers=named, payload=payload)


def spend(account: Budget, times: int, kind: str = "") -> None:
    for _ in range(times):
        account.acquire(kind).settle()


def fullest(arrivals: list[float], seconds: float) -> int:
    """The most arrivals in any half-open window of that length."""
    arrivals = sorted(arrivals)
    most = first = 0
    for last, at in enumerate(arrivals):
        while at - arrivals[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(
    requests=st.integers(1, 7),
    seconds=st.sampled_from([0.5, 1.0, 10.0]),
    trips=st.lists(
        st.tuples(st.floats(0, 3), st.floats(0, 1), st.floats(0, 20)), min_size=20, max_size=60
    ),
)
@settings(deadline=None)
def test_no_window_ever_sees_more_arrivals_than_allowed(
    make_clock: type[VirtualClock],
    requests: int,
    seconds: float,
    trips: list[tuple[float, float, float]],
) -> None:
    """A request may arrive at any moment between being let go and its answer."""
    clock = make_clock()
    account = budget(clock, Limit(requests=requests, seconds=seconds))
    arrivals: list[float] = []
    for way, share, rest in trips:
        permit = account.acquire()
        arrivals.append(clock.monotonic() + way * share)
        clock.advance(way)
        permit.settle()
        clock.advance(rest if rest > 15 else 0)
    assert fullest(arrivals, seconds) <= requests


@given(
    lengths=st.lists(st.floats(0.01, 4), min_size=10, max_size=40),
    concurrency=st.integers(1, 6),
    shares=st.lists(st.floats(0, 1), min_size=40, max_size=40),
)
@settings(deadline=None)
def test_requests_in_flight_together_are_counted_together(
    make_clock: type[VirtualClock],
    lengths: list[float],
    concurrency: int,
    shares: list[float],
) -> None:
    clock = make_clock()
    window = Window(Limit(requests=4, seconds=5.0), clock)
    flying: list[float] = []
    arrivals: list[float] = []
    for length, share in zip(lengths, shares, strict=False):
        while flying and (len(flying) >= min(concurrency, 4) or flying[0] <= clock.monotonic()):
            clock.advance(max(0.0, flying[0] - clock.monotonic()))
            flying.pop(0)
            window.settle()
        window.take()
        arrivals.append(clock.monotonic() + length * share)
        flying = sorted([*flying, clock.monotonic() + length])
    assert fullest(arrivals, 5.0) <= 4


def test_nearly_all_of_the_permitted_rate_is_used(clock: VirtualClock) -> None:
    account = budget(clock, Limit(requests=100, seconds=10.0))
    for _ in range(1000):
        permit = account.acquire()
        clock.advance(0.015)  # eight at a time at 120 ms each
        permit.settle()
    assert 1000 / clock.monotonic() >= 0.95 * 10


def test_what_will_be_free_is_known_beforehand(clock: VirtualClock) -> None:
    account = budget(clock)
    clock.advance(3)
    spend(account, 5)
    clock.advance(2)
    spend(account, 3)
    assert [account.available(within) for within in (0, 7.9, 8.1, 9.9, 10.1)] == [2, 2, 7, 7, 10]
    account.observe(answer(429, retry_after=9))
    assert [account.available(within) for within in (0, 8.9, 9.1)] == [0, 0, 7]


def test_who_is_on_the_way_frees_no_place_before_a_window_is_over(clock: VirtualClock) -> None:
    account = budget(clock)
    permits = [account.acquire() for _ in range(10)]
    clock.advance(60)
    assert account.available(10) == 0
    for permit in permits:
        permit.settle()
    assert account.available(10) == 0
    clock.advance(4)
    assert (account.available(5.9), account.available(6.1)) == (0, 10)


def test_threads_share_one_budget(clock: VirtualClock) -> None:
    account = budget(clock, Limit(requests=5, seconds=1.0))
    arrivals: list[float] = []
    lock = Lock()
    together = Barrier(8)

    def work() -> None:
        together.wait()
        for _ in range(20):
            permit = account.acquire()
            with lock:
                arrivals.append(clock.monotonic())
            permit.settle()

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrivals) == 160
    assert fullest(arrivals, 1.0) <= 5


class Queue(deque[object]):
    """A queue that tells when somebody has joined it."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = Semaphore(0)

    def append(self, ticket: object, /) -> None:
        super().append(ticket)
        self.joined.release()


def test_who_waits_longest_goes_first(clock: VirtualClock) -> None:
    """With one place, threads get it in turns: nobody starves."""
    window = Window(Limit(requests=1, seconds=1.0), clock)
    window.take()
    window._queue = queue = Queue()
    command: list[int] = []

    def work(number: int) -> None:
        window.take()
        command.append(number)
        window.settle()

    threads = [Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
        queue.joined.acquire()
    window.settle()
    for thread in threads:
        thread.join()
    assert command == [0, 1, 2, 3, 4]


def test_search_has_a_budget_of_its_own_inside_the_accounts(clock: VirtualClock) -> None:
    account = budget(
        clock,
        Limit(requests=100, seconds=10.0),
        kinds={"search": Limit(requests=5, seconds=1.0)},
    )
    spend(account, 5, "search")
    spend(account, 5)
    assert clock.monotonic() == 0
    spend(account, 1, "search")
    assert clock.monotonic() >= 1.0
    assert account.view().used == 11


def test_a_search_that_waits_keeps_nobody_else_waiting(clock: VirtualClock) -> None:
    account = budget(clock, TEN, kinds={"search": Limit(requests=1, seconds=100.0)})
    spend(account, 1, "search")
    account.acquire("")
    assert clock.monotonic() == 0
    assert account.view().used == 2


def test_retry_after_pauses_the_whole_account(clock: VirtualClock) -> None:
    account = budget(clock, kinds={"search": Limit(requests=5, seconds=1.0)})
    account.observe(answer(429, retry_after=3))
    spend(account, 1, "search")
    assert clock.monotonic() == 3.0
    spend(account, 1)
    assert clock.monotonic() == 3.0


def test_a_pause_longer_than_a_cycle_waits_is_raised(clock: VirtualClock) -> None:
    account = budget(clock)
    account.observe(answer(477, retry_after=7200))
    with pytest.raises(RateLimited) as caught:
        account.acquire()
    assert caught.value.retry_after == 7200
    clock.advance(7200)
    account.acquire()


def test_the_secondly_policy_pauses_search_only(clock: VirtualClock) -> None:
    account = budget(clock, kinds={"search": Limit(requests=5, seconds=1.0)})
    account.observe(answer(429, {"policyName": "SECONDLY"}), "search")
    spend(account, 1)
    assert clock.monotonic() == 0
    spend(account, 1, "search")
    assert clock.monotonic() == 1.0


def test_the_ten_secondly_policy_pauses_everything_for_ten_seconds(clock: VirtualClock) -> None:
    account = budget(clock)
    account.observe(answer(429, {"policyName": "TEN_SECONDLY_ROLLING"}))
    spend(account, 1)
    assert clock.monotonic() == 10.0


def test_refusals_that_were_on_their_way_together_count_as_one(clock: VirtualClock) -> None:
    account = budget(clock)
    permits = [account.acquire() for _ in range(8)]
    for permit in permits:
        account.observe(answer(429))
        permit.settle()
    spend(account, 1)
    assert clock.monotonic() == 1.0


def test_refusals_without_a_wait_are_answered_with_growing_pauses(clock: VirtualClock) -> None:
    account = budget(clock, Limit(requests=1000, seconds=1.0))
    pauses = []
    for _ in range(6):
        before = clock.monotonic()
        account.observe(answer(429))
        spend(account, 1)
        pauses.append(clock.monotonic() - before)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_used_up_quota_stops_until_midnight_of_the_accounts_zone(clock: VirtualClock) -> None:
    account = budget(clock, zone=ZoneInfo("America/Denver"))
    account.observe(answer(429, {"policyName": "DAILY"}))
    with pytest.raises(DailyBudgetSpent) as caught:
        account.acquire()
    assert caught.value.until == datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
    clock.advance(22 * 3600)
    account.acquire()


@pytest.mark.parametrize("said", ["You have reached your daily limit.", "Daily quota exceeded"])
def test_a_used_up_quota_may_be_named_in_the_text_alone(clock: VirtualClock, said: str) -> None:
    account = budget(clock)
    account.observe(answer(429, {"message": said}))
    with pytest.raises(DailyBudgetSpent) as caught:
        account.acquire()
    assert caught.value.until == clock.now() + ASK_AGAIN


def test_a_burst_may_be_named_in_the_text_alone(clock: VirtualClock) -> None:
    account = budget(clock)
    account.observe(answer(429, {"message": "You have reached your ten_secondly_rolling limit."}))
    spend(account, 1)
    assert clock.monotonic() == 10.0


def test_a_used_up_quota_of_an_unknown_zone_is_tested_hourly(clock: VirtualClock) -> None:
    account = budget(clock)
    account.observe(answer(429, {"policyName": "DAILY"}))
    with pytest.raises(DailyBudgetSpent):
        account.acquire()
    clock.advance(3600)
    account.acquire()


def test_the_daily_window_of_highlevel_ends_when_its_header_says(clock: VirtualClock) -> None:
    """Milliseconds that remain, not an instant and not midnight."""
    account = budget(clock)
    account.observe(answer(200, x_ratelimit_daily_remaining=0, x_ratelimit_daily_reset=5_400_000))
    with pytest.raises(DailyBudgetSpent) as caught:
        account.acquire()
    assert caught.value.until == clock.now() + timedelta(minutes=90)


def test_a_daily_reset_that_is_no_count_of_a_day_is_not_believed(clock: VirtualClock) -> None:
    account = budget(clock)
    stamp = 1_772_445_600_000
    account.observe(answer(429, x_ratelimit_daily_remaining=0, x_ratelimit_daily_reset=stamp))
    with pytest.raises(DailyBudgetSpent) as caught:
        account.acquire()
    assert caught.value.until == clock.now() + ASK_AGAIN


def test_a_new_process_asks_once(clock: VirtualClock) -> None:
    """A spent day is no memory of another process: only a refusal stops."""
    account = budget(clock)
    account.acquire()


def test_a_smaller_limit_of_the_vendor_is_kept(clock: VirtualClock) -> None:
    account = budget(clock, Limit(requests=100, seconds=10.0))
    told: Mapping[str, int] = {
        "x_hubspot_ratelimit_max": 4,
        "x_hubspot_ratelimit_interval_milliseconds": 10_000,
    }
    permit = account.acquire()
    account.observe(answer(x_hubspot_ratelimit_remaining=3, **told))
    permit.settle()
    spend(account, 3)
    assert clock.monotonic() == 0
    spend(account, 1)
    assert clock.monotonic() >= 10.0


def test_what_others_use_of_the_same_account_is_left_to_them(clock: VirtualClock) -> None:
    account = budget(clock, Limit(requests=100, seconds=10.0))
    permit = account.acquire()
    account.observe(
        answer(
            x_ratelimit_max=100, x_ratelimit_remaining=2, x_ratelimit_interval_milliseconds=10_000
        )
    )
    permit.settle()
    spend(account, 2)
    assert clock.monotonic() == 0
    spend(account, 1)
    assert clock.monotonic() >= 10.0


def test_what_became_free_meanwhile_is_not_mistaken_for_anothers(clock: VirtualClock) -> None:
    """The vendor counted when the request arrived; our places may be free when its answer does."""
    account = budget(clock, Limit(requests=100, seconds=10.0))
    told = {"x_ratelimit_max": 100, "x_ratelimit_interval_milliseconds": 10_000}
    account.observe(answer(x_ratelimit_remaining=100, **told))
    spend(account, 60)
    clock.advance(9.9)
    permit, sent = account.acquire(), clock.monotonic()
    clock.advance(0.5)
    account.observe(answer(x_ratelimit_remaining=39, **told), sent=sent)
    permit.settle()
    assert account.available() == 99


def test_our_own_requests_are_not_mistaken_for_anothers(clock: VirtualClock) -> None:
    account = budget(clock, Limit(requests=100, seconds=10.0))
    for number in range(1, 101):
        permit = account.acquire()
        account.observe(
            answer(
                x_ratelimit_max=100,
                x_ratelimit_remaining=100 - number,
                x_ratelimit_interval_milliseconds=10_000,
            )
        )
        permit.settle()
    assert clock.monotonic() == 0


def test_nonsense_in_headers_is_ignored(clock: VirtualClock) -> None:
    account = budget(clock)
    account.observe(
        answer(
            x_ratelimit_max="many",
            x_ratelimit_remaining="-1",
            x_ratelimit_interval_milliseconds="",
            retry_after="soon",
        )
    )
    spend(account, 10)
    assert clock.monotonic() == 0


@pytest.mark.parametrize(
    "said",
    [
        {"most": 10**15, "remaining": 0, "interval": 10_000},
        {"most": 5, "remaining": 0, "interval": 10**15},
        {"most": 5, "remaining": 0, "interval": "1e300"},
    ],
)
def test_limits_that_cannot_be_meant_are_not_learned(
    clock: VirtualClock, said: dict[str, object]
) -> None:
    account = budget(clock)
    account.observe(
        answer(
            x_ratelimit_max=said["most"],
            x_ratelimit_remaining=said["remaining"],
            x_ratelimit_interval_milliseconds=said["interval"],
        )
    )
    spend(account, 10)
    assert clock.monotonic() == 0


def test_a_stop_ends_every_wait_at_once(clock: VirtualClock) -> None:
    account = budget(clock, Limit(requests=1, seconds=10.0))
    spend(account, 1)
    clock.stopped = True
    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(account.acquire) for _ in range(4)]
        outcomes = Counter(type(wait.exception()) for wait in waits)
    assert outcomes == {Unavailable: 4}


def test_the_view_tells_what_is_left(clock: VirtualClock) -> None:
    account = budget(clock)
    spend(account, 11)
    account.observe(
        answer(
            429,
            retry_after=5,
            x_hubspot_ratelimit_daily=250_000,
            x_hubspot_ratelimit_daily_remaining=7,
        )
    )
    view = account.view()
    assert (view.used, view.daily_left, view.daily, view.refusals) == (1, 7, 250_000, 1)
    assert view.paused_seconds == 5.0
    assert view.throttled_seconds >= 10.0
