"""Several real daemons on one PostgreSQL: killed, stopped, ended, and beside each other.

Each test ends with the sandboxes' own count of what was written: nothing twice.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from forkserver import Child, ForkServer
from pooler import pooler
from postgres_server import PostgresServer
from program import environment
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.sandbox import SandboxSettings, empty, serve

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres, pytest.mark.timeout(240)]

COUNT = 4
POLL = 1.0
REPLACED = 25.0
"""Seconds until the links of a process that is gone run elsewhere (`docs/fleet.md`)."""

HERE = 5.0
"""The same on one machine, where it is known at once (`docs/exit-codes.md`)."""


class Fleet:
    """Links of several accounts, and daemons that share them."""

    def __init__(
        self, folder: Path, forkserver: ForkServer, accounts: list[VendorAccounts], url: str
    ) -> None:
        self.folder, self._forkserver, self.accounts = folder, forkserver, accounts
        settings = SandboxSettings()
        self.env = environment(
            GHL_TOKEN=settings.ghl_token,
            HUBSPOT_TOKEN=settings.hubspot_token,
            SYNCD_HTTP__LISTEN="",
            SYNCD_STORE__URL=url,
        )
        self.daemons: list[Child] = []
        self.readers: list[threading.Thread] = []
        self._booked = 0
        self.clock = SystemClock()

    def configure(self, *, engine: str = "procrastinate", links: int = COUNT) -> None:
        """Write the configuration, each link with an account of its own."""
        text = f'[fleet]\nengine = "{engine}"\n[schedule]\npoll_interval = "{POLL}s"\n'
        for number, account in enumerate(self.accounts[:links]):
            text += f"""
[links.link_{number}.ghl]
base_url = "{account.server.ghl_url}"
location_id = "{account.world.location.id}"
token = {{ env = "GHL_TOKEN" }}
[links.link_{number}.hubspot]
base_url = "{account.server.hubspot_url}"
token = {{ env = "HUBSPOT_TOKEN" }}
search_lag = 0
"""
        (self.folder / "config.toml").write_text(text, encoding="utf-8")

    def verb(self, *args: str, **more: str) -> Any:
        """Run a verb beside the daemons; gives its code and output."""
        done = self._forkserver.run(*args, cwd=self.folder, env=self.env | more)
        return done.returncode, done.stdout, done.stderr

    def start(self, **more: str) -> Child:
        """One more daemon."""
        child = self._forkserver.start("run", cwd=self.folder, env=self.env | more)
        self.readers.append(threading.Thread(target=self._drain, args=(child,), daemon=True))
        self.readers[-1].start()
        self.daemons.append(child)
        return child

    @staticmethod
    def _drain(child: Child) -> None:
        for line in child.stderr:
            if os.environ.get("SYNCD_FLEET_LOG"):  # noqa: TID251 - for who looks for a fault
                print(child.pid, line, end="", flush=True)

    def processes(self) -> Mapping[int, list[str]]:
        """The links of each process, by its number."""
        code, out, err = self.verb("fleet", "--json")
        assert code == 0, err
        return {each["pid"]: each["links"] for each in json.loads(out)["processes"]}

    def until(self, fits: Callable[[], object], seconds: float) -> float:
        """Wait until something is so; gives how long that took."""
        began = self.clock.monotonic()
        while not fits():
            assert self.clock.monotonic() - began < seconds, self.processes()
            threading.Event().wait(0.2)
        return self.clock.monotonic() - began

    def is_dealt(self, *children: Child) -> bool:
        """Whether these hold all links, and each has its part."""
        held = self.processes()
        parts = [held.get(child.pid, []) for child in children]
        everything = sorted(name for part in parts for name in part)
        even = max(map(len, parts)) - min(map(len, parts)) <= 1
        return even and len(everything) == len(set(everything)) == COUNT

    def book(self) -> None:
        """A booking in every account."""
        self._booked += 1
        for account in self.accounts:
            account.book(hours=self._booked)

    def is_mirrored(self) -> bool:
        """Whether every booking has its record in HubSpot."""
        return all(len(each.hubspot.records()) >= self._booked for each in self.accounts)

    def must_have_written_once(self) -> None:
        """Whatever happened: one record for each booking, and one creation for each record."""
        for account in self.accounts:
            assert len(account.hubspot.records()) == self._booked
            creations = ("/objects/2026-03/0-421", "/objects/2026-03/0-421/batch/create")
            made = [
                each for each in account.world.writes("hubspot") if each.path.endswith(creations)
            ]
            assert len(made) <= self._booked


@pytest.fixture
def fleet(
    tmp_path: Path, forkserver: ForkServer, postgres: PostgresServer, postgres_template: str
) -> Iterator[Fleet]:
    """Four links, an engine that is ready, and no daemon yet."""
    name = postgres.create(postgres_template)
    yield from prepared(tmp_path, forkserver, postgres.url(name))
    postgres.drop(name)


@pytest.fixture
def pooled_fleet(
    tmp_path: Path, forkserver: ForkServer, postgres: PostgresServer, postgres_template: str
) -> Iterator[Fleet]:
    """The same with a pooler in transaction mode before the database."""
    name = postgres.create(postgres_template)
    with pooler(postgres.url(name)) as url:
        yield from prepared(tmp_path, forkserver, url)
    postgres.drop(name)


def prepared(folder: Path, forkserver: ForkServer, url: str) -> Iterator[Fleet]:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serve(empty(SystemClock().now, SandboxSettings())))
            for _ in range(COUNT)
        ]
        accounts = [VendorAccounts(server, folder) for server in servers]
        made = Fleet(folder, forkserver, accounts, url)
        made.configure()
        assert made.verb("db", "upgrade")[0] == 0
        assert made.verb("setup")[0] == 0
        yield made
        for child in made.daemons:
            if child.poll() is None:
                os.kill(child.pid, signal.SIGCONT)
                child.kill()
            child.wait(30)
        for reader in made.readers:
            reader.join(10)
        for child in made.daemons:
            child.stdout.close()
            child.stderr.close()


def test_the_links_of_a_killed_process_run_elsewhere(fleet: Fleet) -> None:
    first, second = fleet.start(), fleet.start()
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    fleet.book()
    fleet.until(fleet.is_mirrored, 20)
    first.kill()
    fleet.book()
    fleet.until(fleet.is_mirrored, REPLACED)
    second.kill()
    fleet.book()
    third = fleet.start()
    fleet.until(lambda: fleet.is_dealt(third), HERE + 5)  # its start included
    fleet.until(fleet.is_mirrored, REPLACED)
    fleet.must_have_written_once()


@pytest.mark.pooler
def test_a_pooler_in_transaction_mode_is_fine(pooled_fleet: Fleet) -> None:
    fleet = pooled_fleet
    first, second = fleet.start(), fleet.start()
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    fleet.book()
    fleet.until(fleet.is_mirrored, 20)
    os.kill(first.pid, signal.SIGSTOP)
    fleet.book()
    fleet.until(fleet.is_mirrored, REPLACED)
    os.kill(first.pid, signal.SIGCONT)
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    fleet.must_have_written_once()


def test_a_process_that_stands_still_is_replaced_and_wakes_without_links(fleet: Fleet) -> None:
    first, second = fleet.start(), fleet.start()
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    os.kill(first.pid, signal.SIGSTOP)
    fleet.book()
    fleet.until(fleet.is_mirrored, REPLACED)
    os.kill(first.pid, signal.SIGCONT)
    fleet.book()
    fleet.until(fleet.is_mirrored, 10)
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    fleet.must_have_written_once()


def test_a_process_that_ends_gives_its_links_back_and_one_that_joins_has_its_share(
    fleet: Fleet,
) -> None:
    first, second = fleet.start(), fleet.start()
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    first.terminate()
    assert first.wait(12) == 0
    fleet.book()
    fleet.until(fleet.is_mirrored, POLL + 3 + 2)
    third = fleet.start()
    fleet.until(lambda: fleet.is_dealt(second, third), 30)
    fleet.must_have_written_once()


def test_a_restart_of_the_database_ends_nothing(fleet: Fleet, postgres: PostgresServer) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    first, second = fleet.start(), fleet.start()
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    postgres.stop()
    fleet.book()
    threading.Event().wait(4)
    postgres.start()
    fleet.until(fleet.is_mirrored, 10)
    assert first.poll() is second.poll() is None
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    fleet.must_have_written_once()


def test_a_verb_beside_the_fleet_reaches_who_holds_the_link(fleet: Fleet) -> None:
    first, second = fleet.start(), fleet.start()
    fleet.until(lambda: fleet.is_dealt(first, second), 30)
    code, out, err = fleet.verb("--sync-now", "--json")
    assert code == 5, (out, err)
    held = {name: pid for pid, links in fleet.processes().items() for name in links}
    assert all(f"process {held[name]}" in out for name in held)
    fulls = [len(account.world.requests) for account in fleet.accounts]
    assert fleet.verb("kick")[0] == 0
    fleet.until(
        lambda: all(
            len(account.world.requests) > before
            for account, before in zip(fleet.accounts, fulls, strict=True)
        ),
        4,
    )


def test_a_link_that_only_some_know_is_worked_by_one_of_those(fleet: Fleet) -> None:
    fleet.configure(links=COUNT - 1)
    first = fleet.start()
    fleet.until(lambda: len(fleet.processes().get(first.pid, [])) == COUNT - 1, 30)
    fleet.configure()
    second = fleet.start()
    last = f"link_{COUNT - 1}"
    fleet.until(lambda: last in fleet.processes().get(second.pid, []), 30)
    code, out, _ = fleet.verb("fleet", "--json")
    differs = {each["pid"]: each["differs"] for each in json.loads(out)["processes"]}
    assert (code, differs) == (0, {first.pid: True, second.pid: False})
    assert (
        f"another configuration than the newest process: syncd run, process {first.pid}"
        in (fleet.verb("status")[1])
    )
    os.kill(first.pid, signal.SIGHUP)
    fleet.until(lambda: fleet.is_dealt(first, second), 30)


def test_without_an_engine_the_oldest_process_works_and_the_next_one_takes_over(
    fleet: Fleet,
) -> None:
    fleet.configure(engine="none")
    everything = [f"link_{number}" for number in range(COUNT)]
    first = fleet.start()
    fleet.until(lambda: fleet.processes().get(first.pid) == everything, 20)
    second = fleet.start()
    fleet.until(lambda: second.pid in fleet.processes(), 20)
    third = fleet.start()
    fleet.until(lambda: third.pid in fleet.processes(), 20)
    assert [len(links) for links in fleet.processes().values()] == [COUNT, 0, 0]
    first.kill()
    first.wait(10)
    fleet.book()
    fleet.until(lambda: fleet.processes().get(second.pid) == everything, HERE)
    fleet.until(fleet.is_mirrored, 2 * POLL + 3)
    fleet.must_have_written_once()


def test_an_upgrade_waits_for_processes_that_could_not_go_on(fleet: Fleet) -> None:
    first = fleet.start()
    fleet.until(lambda: len(fleet.processes().get(first.pid, [])) == COUNT, 30)
    with psycopg.connect(fleet.env["SYNCD_STORE__URL"].replace("+psycopg", "")) as connection:
        connection.execute("UPDATE fleet_schema SET migration = '00'")
    code, _, err = fleet.verb("db", "upgrade")
    assert (code, "stop every process" in err) == (5, True), err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"SYNCD_STORE__URL": "sqlite:///syncd.db"}, "set store.url"),
        ({"SYNCD_FLEET__ENGINE": "carrier pigeons"}, "procrastinate"),
    ],
)
def test_what_cannot_be_shared_is_refused(fleet: Fleet, more: dict[str, str], says: str) -> None:
    code, _, err = fleet.verb("run", **more)
    assert (code, says in err) == (2, True), err


def test_tables_of_a_newer_engine_are_left_alone(fleet: Fleet) -> None:
    url = fleet.env["SYNCD_STORE__URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE fleet_schema SET migration = '99'")
    for verb in (["run"], ["db", "upgrade"]):
        code, _, err = fleet.verb(*verb)
        assert (code, "install the version" in err, "db upgrade" in err) == (2, True, False), err


def test_tables_that_are_not_there_are_named_with_the_remedy(fleet: Fleet) -> None:
    url = fleet.env["SYNCD_STORE__URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE fleet_schema")
    code, _, err = fleet.verb("run")
    assert (code, "syncd db upgrade" in err) == (2, True), err
