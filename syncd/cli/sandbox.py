"""`syncd sandbox`: both vendors' APIs on loopback, to try syncd on and to test against.

Prints the addresses, the made-up tokens and a configuration that uses them,
and serves until Ctrl-C or SIGTERM. It reads no configuration.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Literal

import click

from syncd.cli.command import Verb

if TYPE_CHECKING:
    from datetime import timedelta

    from syncd.sandbox import SandboxServer, SandboxWorld

Status = Literal["native", "none", "pipeline"]


@click.command(
    cls=Verb,
    short_help="Serve both vendors' APIs, to try and test.",
    examples=(
        ("syncd sandbox", "a small clinic with bookings on both sides"),
        ("syncd sandbox --port 4000 --empty", "calendars and staff only, on a fixed port"),
        ("syncd sandbox --limits --search-lag 10", "as strict and as slow as the real services"),
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
@click.option("--limits", is_flag=True, help="Answer 429 beyond the vendors' rate limits.")
def sandbox(
    *,
    host: str,
    port: int,
    empty: bool,
    timezone: str,
    status: Status,
    search_lag: float,
    limits: bool,
) -> int:
    """Serve both vendors' APIs on this machine, with made-up data, until Ctrl-C.

    People's edits go through the control API that it prints, or through the
    vendors' own APIs.
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
    world = (bare if empty else clinic)(SystemClock().now, settings)
    stop = threading.Event()
    # Where a shell script starts it in the background, it inherits that SIGINT is ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with serve(world, host, port) as server:
            click.echo(described(server, settings.search_lag))
            stop.wait()
            click.echo(err=True)  # a terminal shows ^C on this line
    except OSError as error:
        raise click.UsageError(f"{host}:{port} cannot be listened on: {error.strerror}") from error
    click.echo("the sandbox has stopped; its data is gone", err=True)
    return 0


def described(server: SandboxServer, search_lag: timedelta) -> str:
    """Everything that a person needs to use the sandbox, ready to copy."""
    world = server.world
    return f"""\
HighLevel  {server.ghl_url}
HubSpot    {server.hubspot_url}
control    {server.control_url}/state

# In a shell:
export GHL_TOKEN={world.settings.ghl_token}
export HUBSPOT_TOKEN={world.settings.hubspot_token}

# In config.toml:
{config_for(server, search_lag)}
# Then: syncd setup, syncd plan, syncd --sync-now. Ctrl-C stops the sandbox."""


def config_for(server: SandboxServer, search_lag: timedelta) -> str:
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
"""


def default_calendar(world: SandboxWorld) -> str:
    """The calendar on which appointments created in HubSpot are booked: the first one."""
    return next(iter(world.location.calendars))


def _checked_zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.UsageError(
            f"--timezone {name}: no such time zone; write one such as America/New_York"
        ) from error
    return name
