# ruff: noqa: D102, SLF001 - a port's methods say what they do there; the server is the tests' own
"""Many links on several processes: cycles a second, lateness, statements and CPU of scheduling.

Starts a PostgreSQL server, and so many processes with the real scheduler, the
real store and links whose cycle only sleeps; reads `pg_stat_statements` and
/proc. Beside it, in the same run and with the same load, stands a yardstick: a
plain loop that leases rows that are due (`FOR UPDATE SKIP LOCKED`), works on
them and writes when they are due next, and knows nothing else.

    python bench/fleet.py [--links 2000] [--processes 4] [--poll 10] [--seconds 60]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import postgres_server
import psycopg
import scenarios
import structlog
from scenarios import row, table

from syncd.bootstrap import open_app
from syncd.bootstrap.app import App
from syncd.config import Settings
from syncd.core.outcome import Outcome
from syncd.engine.cycle import CycleRequest
from syncd.engine.poll.prepare import FIRST
from syncd.engine.report import CycleReport
from syncd.fleet import tables
from syncd.observability.metrics import Metrics
from syncd.scheduler import Links, Runner, Scheduler
from syncd.store import migrate
from syncd.store.engine import open_engine

CYCLE = 0.05
"""Seconds of sleep that stand for a cycle."""

WORKERS = 16


class Sleeper:
    """A link whose cycle sleeps, and tells when it began."""

    def __init__(self, name: str, began: list[tuple[str, float]]) -> None:
        self.name, self._began = name, began

    def cycle(self, request: CycleRequest) -> CycleReport:
        self._began.append((self.name, time.time()))
        time.sleep(CYCLE)
        kind = "full" if request.full else "incremental"
        return CycleReport(link=self.name, kind=kind, outcome=Outcome.OK)

    def traffic(self) -> Mapping[Any, Any]:
        return {}

    def close(self) -> None:
        """Nothing to give back."""


def settings_of(url: str, links: int, poll: float, engine: str) -> Settings:
    return Settings.model_validate(
        {
            "store": {"url": url},
            "fleet": {"engine": engine},
            "schedule": {"poll_interval": poll, "sweep_interval": 86_400},
            "links": {
                f"link_{number}": {
                    "ghl": {"location_id": f"location-{number}", "token": {"env": "T"}},
                    "hubspot": {"token": {"env": f"T_{number}"}},
                    "sync": {"first_sync": "go"},
                }
                for number in range(links)
            },
        }
    )


def work(url: str, links: int, poll: float, seconds: float) -> None:
    """One process of the fleet."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    stop = threading.Event()
    tokens = {f"T_{number}": f"token-{number}" for number in range(links)} | {"T": "t"}
    began: list[tuple[str, float]] = []
    with open_app(settings_of(url, links, poll, "procrastinate"), stop=stop, env=tokens) as app:
        opened = cast("App", app)
        opened.open_link = lambda name, _: Sleeper(name, began)  # type: ignore[assignment,misc,return-value]
        fleet = app.join()
        assert fleet is not None
        metrics = Metrics("bench")
        scheduler = Scheduler(
            cast("Links", app),
            Runner(cast("Links", app), metrics, stop, chance=lambda: 0.0),
            metrics,
            share=fleet.share(),
            workers=ThreadPoolExecutor(WORKERS),
        )
        scheduler.check_links()
        scheduler.start()
        sys.stdin.readline()
        began.clear()
        used = time.process_time()
        time.sleep(seconds)
        used = time.process_time() - used
        print(json.dumps({"began": began, "cpu": used, "memory": memory()}), flush=True)
        stop.set()
        scheduler.stop_claiming()
        scheduler.close()


def memory() -> float:
    """MiB that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def lease_rows(url: str, poll: float, seconds: float) -> None:
    """One process of the yardstick: it leases rows one by one, and works on each."""
    began: list[tuple[str, float]] = []
    sys.stdin.readline()
    until = time.monotonic() + seconds
    used = time.process_time()

    def loop() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while time.monotonic() < until:
                taken = connection.execute(
                    "UPDATE due SET lease = clock_timestamp() + interval '30 s' WHERE id = ("
                    "SELECT id FROM due WHERE at <= clock_timestamp() "
                    "AND lease < clock_timestamp() ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED) "
                    "RETURNING id"
                ).fetchone()
                if taken is None:
                    time.sleep(0.05)
                    continue
                began.append((str(taken[0]), time.time()))
                time.sleep(CYCLE)
                connection.execute(
                    "UPDATE due SET lease = '-infinity', "
                    "at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
                    [poll, taken[0]],
                )

    threads = [threading.Thread(target=loop) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used = time.process_time() - used
    print(json.dumps({"began": began, "cpu": used, "memory": memory()}), flush=True)


@contextmanager
def processes(count: int, *args: str) -> Iterator[list[subprocess.Popen[str]]]:
    started = [
        subprocess.Popen(
            [sys.executable, __file__, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for _ in range(count)
    ]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
            each.wait()


def backends_cpu(control: psycopg.Connection[Any]) -> float:
    """CPU seconds of all server processes that live, and of those that ended."""
    pids = [r[0] for r in control.execute("SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL")]
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def statements(control: psycopg.Connection[Any]) -> int:
    found = control.execute(
        "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE toplevel"
    ).fetchone()
    assert found is not None
    return int(found[0])


def measure(
    what: str,
    control: psycopg.Connection[Any],
    started: list[subprocess.Popen[str]],
    poll: float,
) -> None:
    sent, used = statements(control), backends_cpu(control)
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    told = [json.loads(cast("Any", each.stdout).readline()) for each in started]
    sent, used = statements(control) - sent, backends_cpu(control) - used
    cycles = sorted((name, at) for each in told for name, at in each["began"])
    moments = [at for _, at in cycles]
    span = max(moments) - min(moments)
    late = sorted(
        max(0.0, later - earlier - poll)
        for (one, earlier), (other, later) in pairwise(cycles)
        if one == other
    )
    cpu = sum(each["cpu"] for each in told)
    shares = [len({name for name, _ in each["began"]}) for each in told]
    row(
        what,
        f"{len(cycles) / span:.1f}",
        f"{statistics.median(late):.2f}",
        f"{late[int(len(late) * 0.99)]:.2f}",
        f"{sent / len(cycles):.2f}",
        f"{1000 * cpu / len(cycles):.2f}",
        f"{1000 * used / len(cycles):.2f}",
        f"{max(each['memory'] for each in told):.0f}",
        f"{min(shares)}-{max(shares)}",
        len({name for name, _ in cycles}),
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--links", type=int, default=2_000)
    options.add_argument("--processes", type=int, default=4)
    options.add_argument("--poll", type=float, default=10.0)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--work", default="")
    options.add_argument("--lease", default="")
    given = options.parse_args()
    if given.work:
        work(given.work, given.links, given.poll, given.seconds)
        return
    if given.lease:
        lease_rows(given.lease, given.poll, given.seconds)
        return
    scenarios.machine()
    table(
        "what",
        "cycles/s",
        "late p50, s",
        "late p99, s",
        "statements per cycle",
        "our CPU ms per cycle",
        "PostgreSQL's CPU ms per cycle",
        "MiB per process",
        "links per process",
        "links that ran",
    )
    common = (
        "--links",
        str(given.links),
        "--poll",
        str(given.poll),
        "--seconds",
        str(given.seconds),
    )
    library = "shared_preload_libraries=pg_stat_statements"
    postgres_server._SETTINGS = (*postgres_server._SETTINGS, library)
    for server in postgres_server.running():
        url = server.url(server.create())
        plain = url.replace("+psycopg", "")
        engine = open_engine(url)
        migrate.upgrade(engine)
        engine.dispose()
        tables.upgrade(plain)
        with psycopg.connect(plain, autocommit=True) as control:
            control.execute("CREATE EXTENSION pg_stat_statements")
            control.execute(
                "INSERT INTO link (name, created_at) SELECT 'link_' || n, now() "
                "FROM generate_series(0, %s - 1) AS n",
                [given.links],
            )
            control.execute(
                "INSERT INTO cursor (link_id, name, value) SELECT id, %s, 'yes' FROM link", [FIRST]
            )
            with processes(given.processes, "--work", url, *common) as started:
                settle(control, given.links, given.poll)
                measure("syncd", control, started, given.poll)
            control.execute(
                "CREATE TABLE due (id integer PRIMARY KEY, at timestamptz, lease timestamptz)"
            )
            control.execute("CREATE INDEX ON due (at)")
            control.execute(
                "INSERT INTO due SELECT n, now() + n * make_interval(secs => %s), '-infinity' "
                "FROM generate_series(0, %s - 1) AS n",
                [given.poll / given.links, given.links],
            )
            with processes(given.processes, "--lease", plain, *common) as started:
                measure("yardstick: lease rows", control, started, given.poll)


def settle(control: psycopg.Connection[Any], links: int, poll: float) -> None:
    """Wait until every link is held and has run once."""
    held = 0
    while held < links:
        time.sleep(1)
        found = control.execute("SELECT count(*) FROM link WHERE owner IS NOT NULL").fetchone()
        assert found is not None
        held = found[0]
    time.sleep(2 * poll)


if __name__ == "__main__":
    main()
