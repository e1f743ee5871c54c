"""An account with apps of its own, whose link uses connections on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
from forkserver import ForkServer
from live_listener import PUBLIC_KEY
from program import environment
from running_program import PATIENCE, RunningProgram, free_port
from vendor_accounts import VendorAccounts

CONFIG = """
[schedule]
poll_interval = "1s"
[live]
listen = "127.0.0.1:{port}"
[apps.highlevel]
client_id = "{settings.ghl_client_id}"
webhook_key = "{key}"
base_url = "{server.ghl_url}"
authorize_url = "{server.ghl_url}/v2/oauth/chooselocation"
[apps.hubspot]
client_id = "{settings.hubspot_client_id}"
base_url = "{server.hubspot_url}"
authorize_url = "{server.hubspot_url}/oauth/authorize"
[links.clinic.ghl]
base_url = "{server.ghl_url}"
location_id = "{clinic.ghl.id}"
token = {{ oauth = true }}
default_calendar = "{clinic.calendar}"
[links.clinic.hubspot]
base_url = "{server.hubspot_url}"
token = {{ oauth = true }}
hub_id = {clinic.hubspot.portal_id}
search_lag = 0
"""


def configure(clinic: VendorAccounts, port: int) -> dict[str, str]:
    """Write config.toml into the clinic's folder; gives the secrets of its apps, by variable."""
    settings = clinic.world.settings
    text = CONFIG.format(
        port=port, settings=settings, server=clinic.server, key=PUBLIC_KEY, clinic=clinic
    )
    (clinic.folder / "config.toml").write_text(text, encoding="utf-8")
    return {
        "GHL_CLIENT_SECRET": settings.ghl_client_secret,
        "HUBSPOT_CLIENT_SECRET": settings.hubspot_client_secret,
    }


class Office:
    """The account, its daemons, and what its commands printed."""

    def __init__(
        self,
        clinic: VendorAccounts,
        forkserver: ForkServer,
        folder: Path,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.clinic, self.forkserver, self.folder = clinic, forkserver, folder
        self.port = free_port()
        secrets = configure(clinic, self.port)
        self.env = environment(SYNCD_HTTP__LISTEN="", **secrets, **(more or {}))
        self.said: list[str] = []
        self.daemons: list[RunningProgram] = []

    def run(self, *args: str) -> int:
        """A command, to its end."""
        done = self.forkserver.run(*args, cwd=self.clinic.folder, env=self.env)
        self.said += [done.stdout, done.stderr]
        return done.returncode

    def daemon(self) -> RunningProgram:
        """Start one."""
        folder = self.folder / f"notify{len(self.daemons)}"
        folder.mkdir()
        # Cycles without news are told at debug.
        env = self.env | {"SYNCD_LOGGING__LEVEL": "debug"}
        started = RunningProgram(self.clinic, env, folder, self.forkserver)
        self.daemons.append(started)
        started.told("READY=1")
        return started

    def connect(self, vendor: str, **choice: str) -> httpx.Response:
        """`syncd connect`, with a person who follows the address that it prints."""
        child = self.forkserver.start(
            "connect", vendor, "--no-browser", cwd=self.clinic.folder, env=self.env
        )
        address = next(line for line in child.stdout if line.startswith("http")).strip()
        chosen = httpx.get(
            address, params=httpx.QueryParams(address.partition("?")[2]).merge(choice)
        )
        page = httpx.get(chosen.headers["location"])
        out, err = child.communicate(PATIENCE)
        self.said += [out, err, page.text]
        assert child.wait(PATIENCE) == 0, err
        return page

    def connect_both(self) -> None:
        """A location and a HubSpot account, and what HubSpot needs."""
        assert self.connect("highlevel", location=self.clinic.ghl.id).status_code == 200
        portal = str(self.clinic.hubspot.portal_id)
        assert self.connect("hubspot", account=portal).status_code == 200
        assert self.run("setup") == 0
