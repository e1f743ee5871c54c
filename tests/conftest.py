"""What holds for every test: no network but this machine's, a clean environment, workers.

Fixtures of one folder live in that folder's own conftest.
"""

import os
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from forkserver import ForkServer
from hypothesis import settings

pytest_plugins = ["webhook_receiver", "stores", "harness"]

PROFILES = {"quick": 50, "ci": 200, "thorough": 5000}
"""Examples of each property; HYPOTHESIS_PROFILE chooses, quick is the default."""

QUICK = ("config", "core", "docs", "properties", "providers", "store")
"""Folders whose tests are marked `quick`, but for those that need a PostgreSQL server."""

MOST_WORKERS = 8

HERE = Path(__file__).parent

_VARIABLES = ("CREDENTIALS_DIRECTORY", "GHL_TOKEN", "HUBSPOT_TOKEN", "NO_COLOR", "XDG_CONFIG_HOME")

for name, examples in PROFILES.items():
    # The quick profile proves the same examples each time; the others go hunting for new ones.
    steady = name == "quick"
    settings.register_profile(
        name, max_examples=examples, deadline=None, print_blob=True, derandomize=steady
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Workers and programs are compiled once, also where the shell asks for no compiled files.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


class NetworkForbiddenError(AssertionError):
    """A test tried to leave this machine."""


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Let sockets reach loopback and unix addresses only, and resolve no other name."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _stay_here(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _stay_here(self, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not _is_here(host):
            raise NetworkForbiddenError(f"a test asked for the address of {host!r}")
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(scope="session")
def forkserver() -> Iterator[ForkServer]:
    """Where programs come from that need no interpreter of their own."""
    made = ForkServer()
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Take away what a developer's shell may hold; SYNCD_TEST_* is for the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            ours = variable.startswith("SYNCD_") and not variable.startswith("SYNCD_TEST_")
            if ours or variable in _VARIABLES:
                patch.delenv(variable)
        yield


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """None for named files, whose run would wait for the workers' start; else two for each core.

    Many tests wait for a process; PYTEST_XDIST_AUTO_NUM_WORKERS says another number.
    """
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    if config.option.collectonly or all(_is_file(each) for each in config.args):
        return 0
    return min(2 * len(os.sched_getaffinity(0)), MOST_WORKERS)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import nothing of the other folders for `-m quick`."""
    other = _folder(collection_path) not in {"", *QUICK}
    return True if config.option.markexpr == "quick" and other else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the quick folders."""
    for item in items:
        slow = any(item.get_closest_marker(name) for name in ("hunt", "postgres"))
        if _folder(item.path) in QUICK and not slow:
            item.add_marker("quick")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that skips for want of a server or a browser has failed: it proves nothing."""
    report = yield
    proves_nothing = report.skipped and not hasattr(report, "wasxfail")
    needed = any(item.get_closest_marker(name) for name in ("browser", "postgres"))
    needed = needed and not item.get_closest_marker("pooler")
    if proves_nothing and needed and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"
    return report


def _is_file(argument: str) -> bool:
    return Path(argument.partition("::")[0]).is_file()


def _folder(path: Path) -> str:
    """The folder below `tests` that a file stands in; "" for one that stands beside them."""
    parts = path.relative_to(HERE).parts if path.is_relative_to(HERE) else ()
    return parts[0] if len(parts) > 1 or (path.is_dir() and parts) else ""


def _stay_here(sock: socket.socket, address: Any) -> None:
    if sock.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
        raise NetworkForbiddenError(f"a test tried to connect to {address!r}")


def _is_here(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name in {"localhost", "::1", ""} or name.startswith("127.")
