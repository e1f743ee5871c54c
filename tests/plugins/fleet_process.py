"""A process of a fleet without links to work on: it takes what its share says, and tells of it.

Run as a script by `tests/fleet`: `fleet_process.py URL LINK…`. It prints a line
of JSON whenever what it holds changes; the moments are the machine's own.
"""

import json
import signal
import sys
import threading

import structlog

from syncd.bootstrap.clock import SystemClock
from syncd.errors import LinkLocked, StoreError
from syncd.fleet.dealer import Dealer
from syncd.store import Store, open_engine
from syncd.store.leases import Lease
from syncd.store.members import Card


def main() -> None:
    """Hold what is ours until SIGTERM."""
    url, names = sys.argv[1], sys.argv[2:]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = SystemClock()
    store = Store(open_engine(url), clock)
    members = store.members
    assert members is not None
    members.keep_alive()
    members.announce("run", Card(digest=str(hash(tuple(names))), knows=tuple(names)))
    plain = url.replace("postgresql+psycopg", "postgresql")
    dealer = Dealer(plain, members, clock, lambda: {name: name for name in names})
    dealer.start()
    held: dict[str, Lease] = {}
    told: set[str] | None = None
    while not stop.wait(0.25):
        try:
            turn(store, held, dealer.names())
        except StoreError as error:
            print(json.dumps({"at": clock.now().timestamp(), "error": str(error)}), flush=True)
        if told != set(held):
            told = set(held)
            print(json.dumps({"at": clock.now().timestamp(), "holds": sorted(held)}), flush=True)
    dealer.stop()
    store.close()
    print(json.dumps({"at": clock.now().timestamp(), "holds": []}), flush=True)


def turn(store: Store, held: dict[str, Lease], wanted: frozenset[str]) -> None:
    """Let go of what left the share, and of what is lost; take what came in."""
    for name, lease in list(held.items()):
        try:
            lease.renew()
        except LinkLocked:
            del held[name]
    leaving = [held.pop(name) for name in set(held) - wanted]
    if leaving:
        store.release_all(leaving)
    if missing := wanted - set(held):
        taken, _ = store.acquire_all(sorted(missing), "run")
        held |= taken


if __name__ == "__main__":
    main()
