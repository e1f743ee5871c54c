import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.observability import notify_systemd
from syncd.observability.notify_systemd import ServiceManager

Manager = tuple[str, socket.socket]


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A notify socket as systemd opens one, and its name in the environment."""
    name = str(tmp_path / "notify")
    if request.param == "abstract":
        name = f"@syncd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(10)
        yield name, listener


@pytest.mark.parametrize(
    ("say", "heard"),
    [
        (ServiceManager.ready, b"READY=1"),
        (ServiceManager.alive, b"WATCHDOG=1"),
        (ServiceManager.stopping, b"STOPPING=1"),
        (lambda to: to.status("2 links,\n1 in trouble"), b"STATUS=2 links, 1 in trouble"),
        (lambda to: to.reloading(12.5), b"RELOADING=1\nMONOTONIC_USEC=12500000"),
    ],
)
def test_each_word_arrives_as_systemd_expects_it(
    manager: Manager, say: Callable[[ServiceManager], None], heard: bytes
) -> None:
    name, listener = manager
    say(ServiceManager.of({"NOTIFY_SOCKET": name}, os.getpid()))
    assert listener.recv(1000) == heard


def test_without_a_socket_nothing_happens() -> None:
    ServiceManager.of({}, 1).ready()


def test_a_manager_that_is_gone_does_not_end_the_service(tmp_path: Path) -> None:
    ServiceManager.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 1).ready()


def test_a_manager_that_does_not_read_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel queues a dozen words or so; the next one would wait for ever."""
    monkeypatch.setattr(notify_systemd, "PATIENCE", 0.001)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "deaf"))
        manager = ServiceManager(str(tmp_path / "deaf"))
        for _ in range(1000):
            manager.alive()


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(
    env: dict[str, str], seconds: float | None
) -> None:
    assert ServiceManager.of(env, 7).watchdog == seconds
