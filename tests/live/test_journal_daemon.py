"""A real daemon reads the journal of a sandbox: an edit is announced, and its place is kept."""

from __future__ import annotations

import json
from pathlib import Path

import program
import pytest
from forkserver import ForkServer
from running_program import RunningProgram
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock
from syncd.sandbox import empty, serve

JOURNAL = """
[schedule]
poll_interval = "1h"

[live]
journal_interval = "0.2s"

[apps.hubspot]
client_id = "{client_id}"
base_url = "{base_url}"
journal = true
"""


@pytest.mark.acceptance
def test_a_daemon_keeps_the_subscriptions_and_stores_what_the_journal_announces(
    tmp_path: Path, forkserver: ForkServer
) -> None:
    with serve(empty(SystemClock().now)) as server:
        clinic = VendorAccounts(server, tmp_path)
        settings = server.world.settings
        clinic.configure(
            JOURNAL.format(client_id=settings.hubspot_client_id, base_url=server.hubspot_url)
        )
        env = program.environment(
            GHL_TOKEN=settings.ghl_token,
            HUBSPOT_TOKEN=settings.hubspot_token,
            HUBSPOT_CLIENT_SECRET=settings.hubspot_client_secret,
            SYNCD_HTTP__LISTEN="",
        )
        assert forkserver.run("setup", cwd=tmp_path, env=env).returncode == 0
        daemon = RunningProgram(clinic, env, tmp_path, forkserver)
        daemon.until("daemon.started")
        daemon.until("journal.subscribed", lambda line: line["account"] == "24600001")
        subscriptions = server.world.announcer.journal.subscriptions.values()
        assert {row.get("portalId") for row in subscriptions} == {None, 24_600_001}
        shown = json.loads(daemon.verb("status", "--json").stdout)["journal"]
        assert (shown["refused"], shown["age"] < 60) == ([], True)
        assert "HubSpot's journal: read " in daemon.verb("status").stdout
        clinic.make("Call back")
        daemon.until("journal.announced", lambda line: line["links"] == ["clinic"])
        daemon.process.terminate()
        assert daemon.process.wait(timeout=20) == 0
        daemon.end()
        assert settings.hubspot_client_secret not in "".join(daemon.heard)
        assert not any(json.loads(line)["level"] == "error" for line in daemon.heard)
