# ruff: noqa: SLF001 - the statements are counted at the store's own connection
"""An idle incremental turn of one link, over real HTTP: statements and CPU milliseconds.

The sandbox runs in a process of its own; here are the real scheduler, providers
and store, on SQLite and on PostgreSQL. A turn is what the daemon does for a
link that is due: the cycle, its notes and its place in the schedule.

    PYTHONPATH=tests/plugins python bench/turn.py [--pairs 15] [--turns 60]
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import postgres_server
import scenarios
import structlog
from scenarios import row, table
from vendor_accounts import VendorAccounts

from syncd import config
from syncd.bootstrap import SystemClock, open_app
from syncd.observability.metrics import Metrics
from syncd.observability.state import State
from syncd.sandbox import SandboxSettings, empty, serve
from syncd.scheduler import Links, Runner, Scheduler
from syncd.store import migrate
from syncd.store.engine import open_engine


def play(folder: Path, pairs: int, pipe: Connection) -> None:
    """Serve both vendors with so many bookings until the pipe says to end."""
    with serve(empty(SystemClock().now, SandboxSettings())) as server:
        account = VendorAccounts(server, folder)
        account.configure('[links.clinic.sync]\nfirst_sync = "go"\n')
        for hours in range(pairs):
            account.book(hours=hours)
        pipe.send("ready")
        pipe.recv()


@contextmanager
def vendors(folder: Path, pairs: int) -> Iterator[None]:
    """Both vendors in another process, and their configuration in the folder."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=play, args=(folder, pairs, theirs))
    process.start()
    try:
        ours.recv()
        yield
        ours.send("end")
    finally:
        process.join(10)
        process.kill()


def measure(url: str, pairs: int, turns: int) -> None:
    """Print the row of one store."""
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    given = SandboxSettings()
    env = {
        "GHL_TOKEN": given.ghl_token,
        "HUBSPOT_TOKEN": given.hubspot_token,
        "SYNCD_STORE__URL": url,
    }
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as name, vendors(Path(name), pairs):
        settings = config.load(Path(name) / "config.toml", env, Path(name))
        with open_app(settings, stop=stop, env=env) as app:
            app.setup("clinic")
            app.join()
            metrics = Metrics("bench")
            runner = Runner(cast("Links", app), metrics, stop)
            scheduler = Scheduler(cast("Links", app), runner, metrics)
            scheduler.check_links()
            (state,) = scheduler.watches()

            def turn() -> None:
                scheduler._look(60 + app.clock.monotonic())  # one statement, for all links
                state.due = app.clock.monotonic()
                runner.work(state)

            for _ in range(5):
                turn()
            assert state.state is State.OK, state.detail
            statements = scenarios.count_statements(app.store._database.engine)
            used = time.process_time()
            for _ in range(turns):
                turn()
            used = time.process_time() - used
            row(
                url.partition(":")[0],
                f"{len(statements) / turns:.1f}",
                f"{1000 * used / turns:.1f}",
            )
            scheduler.close()
            stop.set()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=15)
    options.add_argument("--turns", type=int, default=60)
    given = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    scenarios.machine()
    table("store", "statements per turn", "CPU ms per turn")
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder:
        measure(f"sqlite:///{folder}/syncd.db", given.pairs, given.turns)
    for server in postgres_server.running():
        measure(server.url(server.create()), given.pairs, given.turns)


if __name__ == "__main__":
    main()
