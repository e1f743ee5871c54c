"""A PostgreSQL that restarts, drops connections or refuses to serialise under the real program.

Each disturbance meets `--sync-now` at some of its requests, or the daemon
between them; the two worlds have to end as those that nobody disturbed. On
demand at every request:

    SYNCD_TEST_KILL_POINTS=all pytest tests/acceptance/test_database_away.py
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from postgres_server import PostgresServer
from process_harness import (
    Disturbance,
    Moment,
    OpenStage,
    ProcessHarness,
    be_quiet,
    disturbed,
    populate,
    same,
    shape,
)
from running_program import RunningProgram
from sqlalchemy import create_engine, text
from stores import POSTGRES

from syncd.bootstrap import SystemClock

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(3600),
    pytest.mark.parametrize("open_stage", [POSTGRES], indirect=True),
]

SAMPLE = 2
"""A plain run disturbs so many requests, spread over the sync."""

BACK = 10.0
"""Seconds after its return until all links run (`docs/fleet.md`)."""

COUNT = """
CREATE SEQUENCE refused;
CREATE FUNCTION refuse_some() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF pg_current_xact_id()::text::bigint % 3 = 0 THEN
        PERFORM nextval('refused');
        RAISE 'made up' USING ERRCODE = '{state}';
    END IF;
    RETURN NULL;
END $$;
"""
"""A third of all transactions: each has a new number, so that the same again passes; the sequence
counts on through what is rolled back."""

REFUSE = """
CREATE CONSTRAINT TRIGGER refusing AFTER INSERT OR UPDATE ON {table}
    {when} FOR EACH ROW EXECUTE FUNCTION refuse_some();
"""


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that the tests may stop; it runs again afterwards."""
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    yield postgres
    postgres.start()


@pytest.fixture
def start(open_stage: OpenStage) -> ProcessHarness:
    """A clinic that was synced once, and edited since."""
    processes = open_stage()
    populate(processes)
    return processes


@pytest.fixture
def untouched(open_stage: OpenStage, start: ProcessHarness) -> ProcessHarness:
    """The same, synced by a program that nobody disturbed."""
    processes = open_stage(like=start)
    assert processes.run("--sync-now").returncode == 0
    return processes


def restart(server: PostgresServer, _: ProcessHarness) -> None:
    """As a power failure would."""
    server.stop()
    server.start()


def cut(server: PostgresServer, processes: ProcessHarness) -> None:
    """As a firewall would."""
    server.cut_connections(processes.database)


@pytest.mark.parametrize("happens", [restart, cut])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_sync_that_meets_it_ends_where_an_untouched_one_does(
    open_stage: OpenStage,
    start: ProcessHarness,
    untouched: ProcessHarness,
    server: PostgresServer,
    happens: Callable[[PostgresServer, ProcessHarness], None],
    moment: Moment,
    *,
    every_point: bool,
) -> None:
    wanted = shape(untouched)
    requests = len(untouched.accounts.world.requests)
    step = 1 if every_point else requests // SAMPLE
    for at in range(1 + step // 2, requests + 1, step):
        processes = open_stage(like=start)
        with disturbed(
            processes, Disturbance(at, moment, partial(happens, server, processes))
        ) as met:
            done = processes.run("--sync-now")
        assert met.done
        assert done.returncode == 0, done.stderr
        same(processes, wanted, f"{happens.__name__} {moment} request {at}")
        be_quiet(processes)


@pytest.mark.parametrize("when", ["", "DEFERRABLE INITIALLY DEFERRED"], ids=["at once", "late"])
@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialisation", "deadlock"])
def test_transactions_that_are_refused_now_and_then_are_done_again(
    open_stage: OpenStage,
    start: ProcessHarness,
    untouched: ProcessHarness,
    postgres: PostgresServer,
    state: str,
    when: str,
) -> None:
    processes = open_stage(like=start)
    engine = create_engine(postgres.url(processes.database))
    with engine.begin() as connection:
        connection.execute(text(COUNT.format(state=state)))
        for table in ("link", "pair", "intent", "history"):
            connection.execute(text(REFUSE.format(table=table, when=when)))
    done = processes.run("--sync-now")
    with engine.begin() as connection:
        refused = connection.execute(text("SELECT last_value FROM refused")).scalar_one()
    engine.dispose()
    assert done.returncode == 0, done.stderr
    assert refused >= 3
    same(processes, shape(untouched), f"{refused} transactions refused")
    be_quiet(processes)


def wrote(side: str, kind: str) -> Callable[[Any], bool]:
    return lambda line: bool(line[side][kind])


def test_a_daemon_outlives_a_database_that_is_away_for_long_and_says_so(
    start: ProcessHarness,
    server: PostgresServer,
    start_daemon: Callable[[ProcessHarness], RunningProgram],
) -> None:
    daemon = start_daemon(start)
    daemon.until("cycle.finished", wrote("hubspot", "created"))
    server.stop()
    start.accounts.book("Meanwhile", hours=200)
    told = daemon.until("store.interrupted")
    assert "check that the server runs" in told["detail"]
    troubled = daemon.until("link.troubled")
    assert troubled["state"] == "unreachable"
    errors = [line for line in daemon.ask("/metrics")[1].splitlines() if "store_errors" in line]
    assert any(float(line.split()[-1]) > 0 for line in errors if not line.startswith("#"))
    assert daemon.ask("/livez")[0] == 200
    status, said = daemon.ask("/healthz")
    assert (status, json.loads(said)["status"]) == (503, "store")
    server.start()
    began = SystemClock().monotonic()
    daemon.until("link.recovered")
    assert SystemClock().monotonic() - began < BACK
    titles = [r.properties["hs_appointment_name"] for r in start.accounts.hubspot.records()]
    assert titles.count("Meanwhile") == 1
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(10) == 0
    be_quiet(start)


def test_a_daemon_whose_database_restarts_now_and_then_loses_nothing(
    start: ProcessHarness,
    untouched: ProcessHarness,
    server: PostgresServer,
    start_daemon: Callable[[ProcessHarness], RunningProgram],
) -> None:
    """The server restarts in the middle of the first cycle, and again between two."""
    met = Disturbance(9, "after", partial(restart, server, start))
    start.env["SYNCD_LOGGING__LEVEL"] = "debug"  # where cycles without news are told
    with disturbed(start, met):
        daemon = start_daemon(start)
        daemon.until("cycle.finished", wrote("hubspot", "created"))
    assert met.done
    restart(server, start)
    daemon.until("cycle.finished")
    same(start, shape(untouched), "two restarts")
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(10) == 0
    be_quiet(start)
