"""What starting costs: `syncd --help`, `history` and `status`, and the daemon on a full store.

Measures whole processes, in turn and several times over. The verbs run on an
empty configuration and a store without links, beside an interpreter that
imports click. With `--store`, a SQLite file that `delta --keep` left, the
daemon is started on it as well, with every link of it configured and vendors
that answer nothing, until it tells the service manager that it is ready. Its
first poll is timed with one link to a sandbox in this process.

Must not be compared with: a start that reaches the vendors, since what a
network costs is not in here; nor with the first start ever, which makes the
store.

    python bench/start.py [--store FILE] [--links 200]
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import scenarios
from backfill import RealClock
from harness import Shelf, SyncHarness, build
from scenarios import row, table

from syncd.sandbox import SandboxSettings
from syncd.sandbox.server import serve
from syncd.store import migrate

TIMES = 3
POLLED = "/calendars/events"
PATIENCE = 120.0
"""Seconds that the daemon may take to be ready, or to poll."""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(scenarios.ROOT)}
"""`main` adds where compiled modules are kept: an installed program has its own."""

_STORE = """
[store]
url = "sqlite:///{store}"

[http]
listen = ""
"""
_POLLING = """
[links.polled]
ghl.location_id = "{location}"
ghl.token = {{ env = "GHL_TOKEN" }}
ghl.base_url = "{ghl}"
hubspot.token = {{ env = "HUBSPOT_TOKEN" }}
hubspot.base_url = "{hubspot}"
"""
_LINK = """
[links.link_{number:03d}]
ghl.location_id = "loc{number:017d}"
ghl.token = {{ file = "token-{number}" }}
ghl.base_url = "http://127.0.0.1:9"
hubspot.token = {{ file = "token-{number}" }}
hubspot.base_url = "http://127.0.0.1:9"
"""


def used(command: Sequence[str], folder: Path) -> tuple[float, int]:
    """CPU seconds of a process, and its exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.returncode


def modules(code: str, folder: Path) -> int:
    """How many modules a piece of code leaves imported."""
    said = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(len(sys.modules))"],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
        text=True,
    )
    return int(said.stdout.split()[-1])


def medians(found: Iterable[Sequence[float]]) -> list[float]:
    """The middle of each column."""
    return [statistics.median(each) for each in zip(*found, strict=True)]


def configured(folder: Path, store: Path, links: int) -> None:
    """Write a configuration of so many links over a store, with a token file for each."""
    config = folder / "config.toml"
    written = _STORE.format(store=store)
    config.write_text(written + "".join(_LINK.format(number=number) for number in range(links)))
    for number in range(links):
        (folder / f"token-{number}").write_text(f"made-up-{number}")
    for file in filter(Path.is_file, folder.iterdir()):
        file.chmod(0o600)


# --- the daemon


def until_ready(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds from the start of a process to its READY=1."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(folder / "notify"))
        heard.settimeout(PATIENCE)
        began = time.perf_counter()
        try:
            with started(command, folder, NOTIFY_SOCKET=str(folder / "notify")) as daemon:
                while b"READY=1" not in heard.recv(4096):
                    pass
                return time.perf_counter() - began, _cpu_of(daemon.pid)
        finally:
            (folder / "notify").unlink()


@contextmanager
def started(command: Sequence[str], folder: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon, which is killed at the end."""
    daemon = subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT | more,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield daemon
    finally:
        daemon.kill()
        daemon.wait()


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_daemon(syncd: list[str], folder: Path, store: Path, links: int) -> None:
    """The rows of the daemon, and of the verbs beside it."""
    configured(folder, store, links)
    print(f"\nA store of {store.stat().st_size / 2**20:,.0f} MiB, {links} links:\n")
    table("what", "seconds", "CPU seconds")
    command = [*syncd, "--config", "config.toml", "run"]
    until_ready(command, folder)  # compiles
    found = [until_ready(command, folder) for _ in range(TIMES)]
    row("syncd run, to its READY=1", *medians(found))
    for verb in (["status"], ["history"]):
        times = [_timed([*syncd, "--config", "config.toml", *verb], folder) for _ in range(TIMES)]
        row(f"syncd {verb[0]}", *medians(times))


def _timed(command: Sequence[str], folder: Path) -> tuple[float, float]:
    began = time.perf_counter()
    cpu, _ = used(command, folder)
    return time.perf_counter() - began, cpu


# --- the first poll


def until_polled(command: Sequence[str], folder: Path, harness: SyncHarness) -> tuple[float, float]:
    """Wall and CPU seconds from the start of a process to its first list of bookings."""
    harness.world.reset_requests()
    began = time.perf_counter()
    with started(command, folder) as daemon:
        while not any(each.path == POLLED for each in harness.world.requests_of("ghl")):
            time.sleep(0.002)
            assert time.perf_counter() < began + PATIENCE, "it never polled"
        return time.perf_counter() - began, _cpu_of(daemon.pid)


def measure_poll(syncd: list[str], folder: Path) -> None:
    """The row of a daemon with one link to a sandbox in this process, and an empty store."""
    clock = RealClock()
    with closing(Shelf(f"sqlite:///{folder}/town.db", clock)) as shelf:
        migrate.check(shelf.engine, may_create=True)
        harness = build(shelf, clock, SandboxSettings())
        with serve(harness.world) as server:
            (folder / "config.toml").write_text(
                _STORE.format(store=folder / "polled.db")
                + _POLLING.format(
                    location=harness.ghl.id,
                    ghl=server.ghl_url,
                    hubspot=server.hubspot_url,
                )
            )
            tokens = harness.world.settings
            ENVIRONMENT.update(GHL_TOKEN=tokens.ghl_token, HUBSPOT_TOKEN=tokens.hubspot_token)
            command = [*syncd, "--config", "config.toml", "run"]
            used([*syncd, "--config", "config.toml", "db", "upgrade"], folder)
            until_polled(command, folder, harness)  # compiles
            found = [until_polled(command, folder, harness) for _ in range(TIMES)]
    print()
    table("what", "seconds", "CPU seconds")
    row("syncd run, to its first poll", *medians(found))


# --- the verbs


def measure_verbs(syncd: list[str], folder: Path) -> None:
    """The rows of what a person runs."""
    configured(folder, folder / "syncd.db", 1)
    used([*syncd, "--config", "config.toml", "db", "upgrade"], folder)
    commands = {
        "python, import click": [sys.executable, "-c", "import click"],
        "syncd --help": [*syncd, "--help"],
        "syncd history": [*syncd, "--config", "config.toml", "history"],
        "syncd status": [*syncd, "--config", "config.toml", "status"],
    }
    found: dict[str, list[float]] = {what: [] for what in commands}
    codes: dict[str, int] = {}
    for turn in range(TIMES + 1):
        for what, command in commands.items():
            spent, codes[what] = used(command, folder)
            if turn:  # the first one compiles
                found[what].append(spent)
    least = statistics.median(found["python, import click"])
    table("what", "CPU seconds", "beside the bare interpreter", "exit code")
    for what, each in found.items():
        middle = statistics.median(each)
        row(what, middle, f"{middle / least:.2f}x", codes[what])
    print(f"\nmodules after `import syncd.cli`: {modules('import syncd.cli', folder)}; "
          f"after `import syncd.bootstrap`: {modules('import syncd.bootstrap', folder)}; "
          f"of click alone: {modules('import click', folder)}")  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--store", type=Path)
    options.add_argument("--links", type=int, default=200)
    given = options.parse_args()
    scenarios.machine()
    syncd = [sys.executable, "-m", "syncd"]
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as name:
        ENVIRONMENT["PYTHONPYCACHEPREFIX"] = f"{name}/compiled"
        ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)
        measure_verbs(syncd, Path(name))
        measure_poll(syncd, Path(name))
        if given.store:
            measure_daemon(syncd, Path(name), given.store.absolute(), given.links)


if __name__ == "__main__":
    main()
