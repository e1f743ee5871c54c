"""A daemon and its connections: it takes redirects, goes to work by itself, survives a kill."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from forkserver import ForkServer
from live_listener import KEY
from oauth_office import Office
from running_program import PATIENCE, RunningProgram
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.sandbox import LoggedRequest, SandboxSettings, empty, serve

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


def tell(office: Office, event: dict[str, Any]) -> int:
    """A signed delivery."""
    app = office.clinic.world.settings.ghl_client_id.partition("-")[0]
    body = json.dumps({"appId": app, **event}).encode()
    headers = {"X-GHL-Signature": b64encode(KEY.sign(body)).decode()}
    url = f"http://127.0.0.1:{office.port}/hooks/calendars"
    return httpx.post(url, content=body, headers=headers).status_code


@pytest.fixture
def office(
    tmp_path: Path, forkserver: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    with serve(empty(SystemClock().now, SandboxSettings())) as server:
        made = Office(VendorAccounts(server, tmp_path), forkserver, tmp_path_factory.mktemp("o"))
        yield made
        for each in made.daemons:
            each.end()


def good(line: Any) -> bool:
    return bool(line["outcome"] == "ok")


def connected(office: Office, daemon: RunningProgram) -> None:
    daemon.until("link.troubled", lambda line: line["state"] == "not_prepared")
    office.connect_both()
    daemon.until("cycle.finished", good)


def test_a_waiting_link_goes_to_work_and_no_secret_is_told(office: Office) -> None:
    daemon = office.daemon()
    connected(office, daemon)
    now = SystemClock().now()
    gone = {"type": "UNINSTALL", "locationId": office.clinic.ghl.id}
    # One that was sent again stops nothing that was connected after it.
    old = (now - timedelta(hours=1)).isoformat()
    assert tell(office, gone | {"timestamp": old, "webhookId": "w1"}) == 200
    daemon.until("cycle.finished", good)
    new = (now + timedelta(minutes=1)).isoformat()
    assert tell(office, gone | {"timestamp": new, "webhookId": "w2"}) == 200
    refused = daemon.until("link.troubled", lambda line: line["state"] == "refused")
    assert "syncd connect highlevel" in refused["detail"]
    back = {"type": "INSTALL", "locationId": office.clinic.ghl.id, "webhookId": "w3"}
    assert tell(office, back | {"timestamp": (now + timedelta(minutes=2)).isoformat()}) == 200
    daemon.until("link.recovered")
    assert office.run("connections") == 0
    assert office.run("doctor") == 0
    assert office.run("db", "backup", "copy.db") == 0
    assert any("store.secret_key" in text for text in office.said)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(PATIENCE) == 0

    world, settings = office.clinic.world, office.clinic.world.settings
    secrets = {*world.oauth.access, *world.oauth.refresh, *world.oauth.codes}
    secrets |= {settings.ghl_client_secret, settings.hubspot_client_secret}
    secrets.add((office.clinic.folder / "syncd.key").read_text().strip())
    files = [f for f in office.clinic.folder.iterdir() if f.is_file() and f.name != "syncd.key"]
    told = [*office.said, *daemon.heard]
    for secret in secrets:
        assert not [text for text in told if secret in text]
        assert not [file for file in files if secret.encode() in file.read_bytes()]


def test_a_daemon_that_is_killed_in_a_refresh_loses_no_connection(office: Office) -> None:
    daemon = office.daemon()
    connected(office, daemon)
    world = office.clinic.world
    asked = [0]
    killed = threading.Event()

    def kill(entry: LoggedRequest, _: object) -> None:
        if entry.side == "ghl" and entry.path == "/oauth/token" and not killed.is_set():
            daemon.process.send_signal(signal.SIGKILL)
            killed.set()

    def count(entry: LoggedRequest) -> None:
        asked[0] += entry.side == "ghl" and entry.path == "/oauth/token"

    world.after_request, world.before_request = kill, count
    with sqlite3.connect(office.clinic.folder / "syncd.db", timeout=15) as store:
        store.execute("UPDATE connection SET renew_at = '2020-01-01 00:00:00.000000'")
    assert killed.wait(PATIENCE)
    daemon.process.wait(PATIENCE)
    second = office.daemon()
    second.until("token.renewed", lambda line: line["vendor"] == "highlevel")
    assert asked[0] == 2
    assert office.run("connections", "--json") == 0
    rows = json.loads(office.said[-2])["connections"]
    assert [row["state"] for row in rows] == ["ok", "ok"]


def test_a_key_is_rotated_and_a_wrong_one_harms_nothing(office: Office, tmp_path: Path) -> None:
    """As a unit passes it on: a credential, never the file that `connect` made."""
    office.connect_both()
    folder = tmp_path / "credentials"
    folder.mkdir()
    old, new, wrong = (folder / name for name in ("old-key", "new-key", "wrong-key"))
    old.write_bytes((office.clinic.folder / "syncd.key").read_bytes())
    (office.clinic.folder / "syncd.key").unlink()
    for each in (new, wrong):
        each.write_bytes(Fernet.generate_key() + b"\n")
    store = office.clinic.folder / "syncd.db"

    def kept() -> list[tuple[str, str]]:
        with sqlite3.connect(store, timeout=15) as at:
            return list(at.execute("SELECT access, refresh FROM connection ORDER BY id"))

    def keys(*names: str) -> int:
        told = ", ".join(f'{{ credential = "{name}" }}' for name in names)
        office.env |= {
            "CREDENTIALS_DIRECTORY": str(folder),
            "SYNCD_STORE__SECRET_KEY": f"[{told}]",
        }
        return office.run("--sync-now")

    before = kept()
    assert keys("wrong-key") == 2
    told = office.said[-2] + office.said[-1]
    assert "this key is not the one that the connections in the store were encrypted with" in told
    assert keys("missing-key") == 2
    assert "missing-key" in office.said[-2] + office.said[-1]
    assert kept() == before
    # The new one first, which encrypts; the old one until each token was renewed.
    assert keys("new-key", "old-key") == 0, office.said[-2:]
    with sqlite3.connect(store, timeout=15) as at:
        at.execute("UPDATE connection SET renew_at = '2020-01-01 00:00:00.000000'")
    assert keys("new-key", "old-key") == 0
    assert not {*kept()} & {*before}
    assert keys("new-key") == 0
