"""The same edits with a real daemon that both vendors announce to, and a storm of deliveries.

Called by `latency`. The sandbox answers after 120 ms, enforces the vendors' limits and shows
changes in its search index after two seconds; it announces each change as it is made. The daemon
is a process of its own and polls as in the rows of polling, until its polls relax because both
sides announce; of the storm, every ten minutes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import scenarios
from scenarios import row, table

from syncd.cli.sandbox import Live, config_for
from syncd.sandbox import SandboxSettings, empty, serve
from syncd.sandbox.announcing import sending
from syncd.sandbox.announcing.announcer import Announcer
from syncd.sandbox.ghl.location import GhlLocation
from syncd.sandbox.server import SandboxServer

PAIRS = 100
EDIT_EVERY = 6.0
LINKS, DELIVERIES, WITHIN = 50, 500, 5.0
POLL = "10s"
_DAEMON = """
[schedule]
poll_interval = "{poll}"

[http]
listen = ""

[logging]
format = "json"
"""
_RULES = """
[links.{name}.sync]
first_sync = "go"
"""


class Daemon:
    """The real daemon, and every line that it logs."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "syncd", "run", "--config", str(folder / "config.toml")]
        self.process = subprocess.Popen(
            command, env=os.environ | env, stderr=subprocess.PIPE, text=True, cwd=scenarios.ROOT
        )
        self.cycles: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            if '"cycle.finished"' in line:
                self.cycles.append(json.loads(line) | {"read_at": time.monotonic()})


@contextmanager
def daemon(server: SandboxServer, text: str, live: Live) -> Iterator[Daemon]:
    """A daemon with this configuration, set up; it ends with the block."""
    settings = server.world.settings
    env = {
        "GHL_TOKEN": settings.ghl_token,
        "HUBSPOT_TOKEN": settings.hubspot_token,
    } | live.secrets(server.world)
    locations = server.world.locations.values()
    env |= {f"GHL_TOKEN_{number}": each.token for number, each in enumerate(locations)}
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as name:
        folder = Path(name)
        (folder / "config.toml").write_text(text)
        setup = [sys.executable, "-m", "syncd", "setup", "--config", str(folder / "config.toml")]
        subprocess.run(setup, env=os.environ | env, check=True, capture_output=True)
        made = Daemon(folder, env)
        try:
            yield made
        finally:
            made.process.terminate()
            made.process.wait()


def announced(minutes: float) -> None:
    """Print the row of edits that were announced, in the table of polling."""
    settings = SandboxSettings(enforce_limits=True, latency=0.12, search_lag=timedelta(seconds=2))
    live = Live(address=_free())
    with serve(empty(lambda: datetime.now(UTC), settings)) as server:
        world = server.world
        for number in range(10 - len(world.location.calendars)):
            world.location.add_calendar(f"Room {number}", kind="event")
        live.begin(world)
        rows = [_booked(world.location, number) for number in range(PAIRS)]
        text = config_for(server, settings.search_lag, live)
        text += _DAEMON.format(poll=POLL) + _RULES.format(name="clinic")
        with daemon(server, text, live) as program:
            pairs = _mirrored(server, rows)
            time.sleep(20)  # the echoes of the first sync have passed, and its use of the limits
            world.reset_requests()
            began = time.monotonic()
            delays, away = _people(server, pairs, began + 60 * minutes)
            seconds = time.monotonic() - began
        asked = len(world.requests_of("ghl"))
        spread = sorted(delays)
        row(
            "announced, without a backfill",
            len(spread),
            away,
            f"{spread[len(spread) // 2]:.1f}",
            f"{spread[min(len(spread) - 1, int(len(spread) * 0.99))]:.1f}",
            f"{asked / seconds:.1f} / {len(world.requests_of('hubspot')) / seconds:.1f}",
            f"{asked / seconds * 86_400 / 200_000:.0%}",
            sum(each.status == 429 for each in world.requests),
            "-",
        )
        print(f"(targeted cycles: {sum(c['kind'] == 'targeted' for c in program.cycles)})")


def storm() -> None:
    """Print what 500 deliveries within five seconds for 50 links come to."""
    settings = SandboxSettings(latency=0.12)
    live = Live(address=_free())
    with serve(empty(lambda: datetime.now(UTC), settings)) as server:
        world = server.world
        live.begin(world)
        world.portal.add_property("clinic")
        locations = [world.location]
        for _ in range(LINKS - 1):
            made = world.add_location()
            made.add_calendar("Room", kind="event")
            locations.append(made)
        text = live.config(server) + _DAEMON.format(poll="10m")
        text += "".join(_link(server, number, each) for number, each in enumerate(locations))
        rows = [[_booked(each, number) for number in range(10)] for each in locations]
        with daemon(server, text, live) as program:
            for each in rows:
                _mirrored(server, each)
            time.sleep(30)
            answers = _timed(world.announcer)
            before = len(program.cycles)
            began = time.monotonic()
            for number in range(DELIVERIES):
                time.sleep(max(0.0, began + number * WITHIN / DELIVERIES - time.monotonic()))
                place = number % LINKS
                locations[place].edit(rows[place][number // LINKS], title=f"Edited {number}")
            wanted = {f"Edited {number}" for number in range(DELIVERIES)}
            while time.monotonic() < began + 90:
                shown = {r.properties.get("hs_appointment_name") for r in world.portal.records()}
                if wanted <= shown:
                    break
                time.sleep(0.1)
            took = time.monotonic() - began
            counts = Counter(each["link"] for each in program.cycles[before:])
        ghl = [(status, seconds) for path, status, seconds in answers if "calendars" in path]
        row(
            len(ghl),
            sum(isinstance(status, int) and 200 <= status < 300 for status, _ in ghl),
            f"{max(seconds for _, seconds in ghl):.2f}",
            max(counts.values()),
            f"{sum(counts.values()) / LINKS:.1f}",
            f"{took:.1f}",
            len(wanted - shown),
        )


def _people(
    server: SandboxServer, pairs: list[tuple[str, str]], end: float
) -> tuple[list[float], int]:
    """Edits now on this side, now on that; how long each was on its way, and how many are."""
    ghl, portal = server.world.location, server.world.portal
    chance, number, delays = random.Random(7), 0, []
    watched: list[tuple[float, str, str, str, bool]] = []
    due = time.monotonic() + 1
    while time.monotonic() < end or (watched and time.monotonic() < end + 60):
        now = time.monotonic()
        if now >= due and now < end:
            (one, other), in_ghl = pairs[number % len(pairs)], bool(number % 2)
            title = f"Edited {number}"
            if in_ghl:
                ghl.edit(one, title=title)
            else:
                portal.edit(other, hs_appointment_name=title)
            watched.append((now, one, other, title, in_ghl))
            number, due = number + 1, now + chance.uniform(EDIT_EVERY / 2, EDIT_EVERY * 1.5)
        for each in list(watched):
            _, one, other, title, in_ghl = each
            there = portal.get(other).properties.get("hs_appointment_name")
            if (there if in_ghl else ghl.get(one).title) == title:
                watched.remove(each)
                delays.append(time.monotonic() - each[0])
        time.sleep(0.02)
    return delays, len(watched)


def _timed(announcer: Announcer) -> list[tuple[str, int | str, float]]:
    """What each delivery was answered from now on, and after how many seconds."""
    answers: list[tuple[str, int | str, float]] = []

    def post(address: str, headers: Any, body: bytes) -> int | str:
        began = time.monotonic()
        status = sending.post(address, headers, body)
        answers.append((address, status, time.monotonic() - began))
        return status

    announcer.post = post
    return answers


def _booked(location: GhlLocation, number: int) -> str:
    calendar = list(location.calendars)[-1]
    contact = location.add_contact(
        f"Person {number}", f"p{number}.{location.id.lower()}@example.com"
    )
    first = int(time.time()) // 3600 * 3600 + 86_400
    start = datetime.fromtimestamp(first + number * 1800, UTC)
    return location.book(calendar, contact, start, title="Visit")


def _mirrored(server: SandboxServer, rows: list[str]) -> list[tuple[str, str]]:
    """The pairs of these bookings, once all are there."""
    for _ in range(3000):
        found = {
            each.properties["ghl_appointment_id"]: each.id
            for each in server.world.portal.records()
            if "ghl_appointment_id" in each.properties
        }
        if found.keys() >= set(rows):
            return [(each, found[each]) for each in rows]
        time.sleep(0.1)
    raise SystemExit("the first sync did not end")


def _link(server: SandboxServer, number: int, location: GhlLocation) -> str:
    return f"""
[links.clinic_{number}.ghl]
base_url = "{server.ghl_url}"
location_id = "{location.id}"
token = {{ env = "GHL_TOKEN_{number}" }}

[links.clinic_{number}.hubspot]
base_url = "{server.hubspot_url}"
token = {{ env = "HUBSPOT_TOKEN" }}
filter = {{ clinic = "{number}" }}
rate_limit = {{ requests = 1000, per = "10s" }}
search_rate_limit = {{ requests = 100, per = "1s" }}
""" + _RULES.format(name=f"clinic_{number}")


def _free() -> str:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def storm_table() -> None:
    table(
        "deliveries in 5 s for 50 links",
        "answered 2xx",
        "slowest answer s",
        "most cycles of a link",
        "on average",
        "all on the other side after s",
        "missing",
    )
    storm()


if __name__ == "__main__":
    scenarios.machine()
    storm_table()
