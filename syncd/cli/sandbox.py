"""`syncd sandbox`: both vendors' APIs on loopback, to try syncd on and to test against.

Prints the addresses, the made-up tokens and a configuration that uses them,
and serves until Ctrl-C or SIGTERM. It reads no configuration.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from syncd.cli.command import Verb

if TYPE_CHECKING:
    from datetime import timedelta

    from syncd.sandbox import SandboxServer, SandboxWorld

Status = Literal["native", "none", "pipeline"]

PAGE_TOKEN = "try-it-here"  # noqa: S105 - of made-up data
"""What the page of a syncd beside the sandbox asks for."""


@click.command(
    cls=Verb,
    short_help="Serve both vendors' APIs, to try and test.",
    examples=(
        ("syncd sandbox", "a small clinic with bookings on both sides"),
        ("syncd sandbox --init try", "the same, with a configuration in the new folder try"),
        ("syncd sandbox --port 4000 --empty", "calendars and staff only, on a fixed port"),
        ("syncd sandbox --limits --search-lag 10", "as strict and as slow as the real services"),
        ("syncd sandbox --announce http://127.0.0.1:8788", "announce changes to a daemon"),
        ("syncd sandbox --status none", "a HubSpot account without hs_appointment_status"),
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port; 0, the default, takes a free one.",
)
@click.option("--empty", is_flag=True, help="Calendars and staff, but no appointments.")
@click.option(
    "--timezone", default="Europe/Zurich", show_default=True, help="The location's time zone."
)
@click.option(
    "--status",
    type=click.Choice(["native", "none", "pipeline"]),
    default="native",
    show_default=True,
    help="Where HubSpot keeps the status of appointments.",
)
@click.option(
    "--search-lag",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Seconds until HubSpot's search shows a change.",
)
@click.option(
    "--init",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a ready configuration and both tokens into DIR.",
)
@click.option("--limits", is_flag=True, help="Answer 429 beyond the vendors' rate limits.")
@click.option(
    "--announce",
    metavar="URL",
    default="",
    help="Deliver every change to a daemon that listens there, as the vendors do.",
)
@click.option(
    "--journal",
    is_flag=True,
    help="Print a configuration that reads HubSpot's Webhooks Journal.",
)
def sandbox(
    *,
    host: str,
    port: int,
    empty: bool,
    timezone: str,
    status: Status,
    search_lag: float,
    limits: bool,
    announce: str,
    journal: bool,
    init: Path | None,
) -> int:
    """Serve both vendors' APIs on this machine, with made-up data, until Ctrl-C.

    Its page shows both calendars side by side: book, move, cancel or delete there,
    and watch syncd follow. People's edits also go through the control API that it
    prints, or through the vendors' own APIs. With --init, `syncd doctor`, `setup`,
    `plan`, `sync` and `run` work in that folder as they stand.
    """
    from datetime import timedelta

    from syncd.bootstrap import SystemClock
    from syncd.sandbox import SandboxSettings, serve
    from syncd.sandbox import empty as bare
    from syncd.sandbox import seeded as clinic

    settings = SandboxSettings(
        location_timezone=_checked_zone(timezone),
        hubspot_status=status,
        search_lag=timedelta(seconds=search_lag),
        enforce_limits=limits,
    )
    live = Live(address=_checked_address(announce), journal=journal)
    world = (bare if empty else clinic)(SystemClock().now, settings)
    live.begin(world)
    stop = threading.Event()
    # Where a shell script starts it in the background, it inherits that SIGINT is ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with serve(world, host, port) as server:
            if init is not None:
                _prepared(init, server, settings.search_lag, live)
            click.echo(described(server, settings.search_lag, live, init))
            stop.wait()
            click.echo(err=True)  # a terminal shows ^C on this line
    except OSError as error:
        raise click.UsageError(f"{host}:{port} cannot be listened on: {error.strerror}") from error
    click.echo("the sandbox has stopped; its data is gone", err=True)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What the sandbox announces, and to whom."""

    address: str = ""
    """Where a daemon listens for deliveries; "" announces nothing."""
    journal: bool = False
    """Whether the configuration reads HubSpot's journal, in place of taking its deliveries."""

    def begin(self, world: SandboxWorld) -> None:
        """Announce from now on."""
        rules = replace(world.announcer.rules, url=self.address)
        world.announcer.rules = replace(rules, hubspot="off") if self.journal else rules

    def secrets(self, world: SandboxWorld) -> dict[str, str]:
        """The variables that the configuration names."""
        if not (self.address or self.journal):
            return {}
        return {"HUBSPOT_CLIENT_SECRET": world.settings.hubspot_client_secret}

    def config(self, server: SandboxServer) -> str:
        """The part of a configuration that takes what the sandbox announces."""
        from urllib.parse import urlsplit

        from syncd.sandbox.announcing.signing import ghl_public_key

        settings, text = server.world.settings, ""
        if self.address:
            text += f"""
[live]
listen = "{urlsplit(self.address).netloc}"
public_url = "{self.address}"

[apps.highlevel]
client_id = "{settings.ghl_client_id}"
webhook_key = "{ghl_public_key()}"
"""
        if self.address or self.journal:
            text += f"""
[apps.hubspot]
client_id = "{settings.hubspot_client_id}"
base_url = "{server.hubspot_url}"
journal = {"true" if self.journal else "false"}
"""
        return text


def _prepared(folder: Path, server: SandboxServer, search_lag: timedelta, live: Live) -> None:
    """Write a configuration that works as it stands; raises UsageError as `prepare` does."""
    from syncd.cli.sandbox_folder import prepare

    settings = server.world.settings
    secrets = {"GHL_TOKEN": settings.ghl_token, "HUBSPOT_TOKEN": settings.hubspot_token}
    prepare(
        folder,
        config_for(server, search_lag, live),
        secrets | live.secrets(server.world),
        page_token=PAGE_TOKEN,
    )


def _on_the_path() -> str:
    """The command that makes `syncd` one word, where it is none: in a virtual environment."""
    activate = Path(sys.executable).parent / "activate"
    if shutil.which("syncd") or not activate.is_file():
        return ""
    return f". {shlex.quote(str(activate))}\n"


def described(
    server: SandboxServer, search_lag: timedelta, live: Live, init: Path | None = None
) -> str:
    """Everything that a person needs to use the sandbox, ready to copy."""
    world = server.world
    more = "".join(f"export {name}={value}\n" for name, value in live.secrets(world).items())
    addresses = f"""\
page       {server.url}/
HighLevel  {server.ghl_url}
HubSpot    {server.hubspot_url}
control    {server.control_url}
"""
    if init is not None:
        return f"""\
{addresses}
# In the next terminal:
{_on_the_path()}cd {shlex.quote(str(init))}
syncd doctor
syncd setup
syncd plan
syncd sync
syncd run
# While it runs, its page is at http://127.0.0.1:8787/ (any user name, password {PAGE_TOKEN}).
# Ctrl-C stops the sandbox."""
    return f"""\
{addresses}
# In a shell:
export GHL_TOKEN={world.settings.ghl_token}
export HUBSPOT_TOKEN={world.settings.hubspot_token}
{more}
# In config.toml:
{config_for(server, search_lag, live)}
# Or have all of this written into a folder: syncd sandbox --init DIR
# Then: syncd setup, syncd plan, syncd --sync-now. Ctrl-C stops the sandbox."""


def config_for(server: SandboxServer, search_lag: timedelta, live: Live | None = None) -> str:
    """A configuration with one link on this sandbox; the store is next to the file."""
    world = server.world
    return f"""\
[store]
url = "sqlite:///syncd.db"

[links.clinic.ghl]
base_url = "{server.ghl_url}"
location_id = "{world.location.id}"
token = {{ env = "GHL_TOKEN" }}
default_calendar = "{default_calendar(world)}"

[links.clinic.hubspot]
base_url = "{server.hubspot_url}"
token = {{ env = "HUBSPOT_TOKEN" }}
search_lag = {search_lag.total_seconds():g}
{live.config(server) if live else ""}"""


def default_calendar(world: SandboxWorld) -> str:
    """The calendar on which appointments created in HubSpot are booked: the first one."""
    return next(iter(world.location.calendars))


def _checked_address(address: str) -> str:
    from urllib.parse import urlsplit

    if not address:
        return ""
    try:
        parts = urlsplit(address)
        fits = parts.scheme == "http" and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        fits = False
    if not fits or parts.path.strip("/") or parts.query:
        raise click.UsageError(
            f"--announce {address}: write the address at which a daemon listens, such as "
            "http://127.0.0.1:8788"
        )
    return address.rstrip("/")


def _checked_zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.UsageError(
            f"--timezone {name}: no such time zone; write one such as America/New_York"
        ) from error
    return name
