"""Many threads of two processes want a new token at once: the vendor is asked once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from stores import StandingClock
from token_vendor import Chain, Refresher, connected, make_cipher

from syncd.store import Store

THREADS = 8


def test_all_threads_of_two_processes_get_the_one_new_token(
    store: Store, standing_clock: StandingClock
) -> None:
    cipher, chain = make_cipher(), Chain(standing_clock)
    connected(store.connections, cipher, standing_clock, ends_in=-1)
    both = [Refresher(store, standing_clock, chain, cipher) for _ in range(2)]
    barrier = Barrier(THREADS)

    def ask(number: int) -> str:
        barrier.wait()
        return both[number % 2].token()

    with ThreadPoolExecutor(THREADS) as pool:
        tokens = set(pool.map(ask, range(THREADS)))
    assert tokens == {"access-1"}
    assert chain.asked == 1
