"""Stages for the real program, each with a store in SQLite and, again, in PostgreSQL."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import program
import pytest
from forkserver import ForkServer
from process_harness import OpenStage, ProcessHarness
from running_program import RunningProgram, free_port
from stores import BACKENDS
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.sandbox import FaultScript, SandboxSettings, empty, serve

GO = '\n[defaults.sync]\nfirst_sync = "go"\n'


@pytest.fixture(params=BACKENDS)
def open_stage(
    request: pytest.FixtureRequest, tmp_path: Path, forkserver: ForkServer
) -> Iterator[OpenStage]:
    """`open_stage()`: a clinic and a store of its own; `like=` another as it is now."""
    with ExitStack() as stack:
        stages: list[ProcessHarness] = []

        def make(
            more: str = GO,
            *,
            like: ProcessHarness | None = None,
            settings: SandboxSettings = SandboxSettings(),  # noqa: B008 - frozen
        ) -> ProcessHarness:
            folder = tmp_path / f"clinic-{len(stages)}"
            folder.mkdir()
            world = like.accounts.world.copied() if like else empty(SystemClock().now, settings)
            world.faults = FaultScript(world.lock, world.copied)  # a copy has none
            accounts = VendorAccounts(stack.enter_context(serve(world)), folder)
            accounts.configure(more)
            env = program.environment(
                GHL_TOKEN=settings.ghl_token, HUBSPOT_TOKEN=settings.hubspot_token
            )
            database = ""
            if request.param == "postgres":
                postgres = request.getfixturevalue("postgres")
                template = like.database if like else request.getfixturevalue("postgres_template")
                database = postgres.copied(template)
                stack.callback(postgres.drop, database)
                env["SYNCD_STORE__URL"] = postgres.url(database)
            elif like:
                shutil.copy(like.accounts.folder / "syncd.db", folder)
            stages.append(
                ProcessHarness(accounts=accounts, env=env, database=database, forkserver=forkserver)
            )
            return stages[-1]

        yield make


@pytest.fixture
def start_daemon(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., RunningProgram]]:
    """`start_daemon(stage)`: a daemon that polls every 0.3 s, once it says that it is ready."""
    started: list[RunningProgram] = []

    def start(processes: ProcessHarness, **more: str) -> RunningProgram:
        env = processes.env | {
            "SYNCD_HTTP__LISTEN": f"127.0.0.1:{free_port()}",
            "SYNCD_SCHEDULE__POLL_INTERVAL": "0.3s",
        }
        folder = tmp_path_factory.mktemp("notify")
        started.append(RunningProgram(processes.accounts, env | more, folder, processes.forkserver))
        started[-1].told("READY=1")
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def every_point() -> bool:
    """Whether SYNCD_TEST_KILL_POINTS=all asks for every point in place of a sample."""
    return os.getenv("SYNCD_TEST_KILL_POINTS") == "all"  # noqa: TID251 - of the tests, not of syncd
