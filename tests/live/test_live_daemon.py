"""The real daemon with the listener of `[live]`, in its own process."""

import json
import signal
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from forkserver import ForkServer
from live_listener import APP, KEY, PUBLIC_KEY
from program import environment
from running_program import RunningProgram, free_port
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.sandbox import SandboxSettings, empty, serve
from syncd.store import Store, open_engine

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

LIVE = """
[schedule]
poll_interval = "1h"

[live]
listen = "127.0.0.1:{port}"

[apps.highlevel]
client_id = "{app}-abcdefgh"
webhook_key = "{key}"
"""


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[VendorAccounts]:
    with serve(empty(SystemClock().now, SandboxSettings())) as server:
        yield VendorAccounts(server, tmp_path)


Start = Callable[[int], RunningProgram]


@pytest.fixture
def daemon(
    clinic: VendorAccounts, forkserver: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """`daemon(port)` starts one that takes deliveries there, and waits until it is ready."""
    settings, started = SandboxSettings(), []
    env = environment(
        GHL_TOKEN=settings.ghl_token,
        HUBSPOT_TOKEN=settings.hubspot_token,
        SYNCD_HTTP__LISTEN="",
    )

    def make(port: int) -> RunningProgram:
        clinic.configure(LIVE.format(port=port, app=APP, key=PUBLIC_KEY))
        folder = tmp_path_factory.mktemp("notify")
        started.append(RunningProgram(clinic, env, folder, forkserver))
        started[-1].told("READY=1")
        return started[-1]

    yield make
    for each in started:
        each.end()


def deliver(port: int, event: dict[str, Any]) -> int:
    body = json.dumps({"appId": APP, **event}).encode()
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"X-GHL-Signature": b64encode(KEY.sign(body)).decode()}
    connection.request("POST", "/hooks/calendars", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_what_was_answered_with_200_outlasts_a_kill(clinic: VendorAccounts, daemon: Start) -> None:
    port = free_port()
    running = daemon(port)
    # What is announced while a link is paused waits.
    assert running.verb("link", "pause", "clinic").returncode == 0
    event = {"type": "AppointmentUpdate", "locationId": clinic.ghl.id, "appointment": {"id": "a1"}}
    assert deliver(port, event) == 200
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(10)
    with Store(open_engine(f"sqlite:///{clinic.folder / 'syncd.db'}"), SystemClock()) as store:
        waiting = store.link("clinic").announcements()
        assert [each.record for each in waiting] == ["a1"]


def test_an_address_that_somebody_else_has_ends_the_start(
    clinic: VendorAccounts, forkserver: ForkServer
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        clinic.configure(LIVE.format(port=port, app=APP, key=PUBLIC_KEY))
        env = environment(GHL_TOKEN="t", HUBSPOT_TOKEN="t", SYNCD_HTTP__LISTEN="")
        ended = forkserver.run("run", cwd=clinic.folder, env=env)
    assert ended.returncode == 2
    assert "live.listen" in ended.stderr


def test_a_new_address_and_new_keys_are_taken_up_by_a_reload(
    clinic: VendorAccounts, daemon: Start
) -> None:
    first, second = free_port(), free_port()
    running = daemon(first)
    event = {"type": "ContactCreate"}
    assert deliver(first, event) == 200
    clinic.configure(LIVE.format(port=second, app="another", key=PUBLIC_KEY))
    running.process.send_signal(signal.SIGHUP)
    running.until("config.reloaded")
    assert deliver(second, event) == 401
    with pytest.raises(ConnectionRefusedError):
        deliver(first, event)
