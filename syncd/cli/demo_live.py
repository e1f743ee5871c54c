"""`syncd demo --live`: a real daemon beside the sandbox, which announces its changes.

People edit either side while the daemon runs; its polls are minutes apart, so what
arrives within seconds was announced. Everything is on this machine.
"""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd.cli.output.printer import Printer
    from syncd.ports.clock import Clock
    from syncd.sandbox import SandboxServer, SandboxWorld

PATIENCE = 60.0
"""Seconds for the daemon to start and to finish its first sync."""

ARRIVES_WITHIN = 20.0
"""Seconds after which an edit counts as not announced: the polls are minutes apart."""

QUIET = 6.0
"""Seconds until the announcements of the daemon's own first sync have passed."""

BREATH = 2.0
"""Seconds between two edits: people are no faster."""

_LOOK_EVERY = 0.02


class LiveDemo:
    """The steps, and how long each change was on its way."""

    def __init__(self, server: SandboxServer, daemon: Daemon, printer: Printer) -> None:
        from syncd.bootstrap import SystemClock

        self._world: SandboxWorld = server.world
        self._server, self._daemon, self._paper = server, daemon, printer
        self._clock: Clock = SystemClock()
        self._edits: list[dict[str, object]] = []

    @property
    def told(self) -> dict[str, object]:
        """What happened, as JSON: each edit, and after how many seconds it had arrived."""
        return {"edits": self._edits}

    def run(self) -> int:
        """All steps: 0 where every edit arrived, 7 where one did not."""
        paper = self._paper
        paper.line("1. Two systems on this machine announce their changes to a daemon", "bold cyan")
        paper.line(f"  HighLevel  {self._server.ghl_url}")
        paper.line(f"  HubSpot    {self._server.hubspot_url}")
        paper.line(f"  deliveries {self._world.announcer.rules.url}")
        if not self._daemon.first_sync(PATIENCE):
            paper.line(f"The daemon did not finish its first sync: {self._daemon.last}", "red")
            return 7
        self._clock.sleep(QUIET)
        paper.line()
        paper.line("2. People edit; the next poll is minutes away", "bold cyan")
        arrived = [self._edit(*step) for step in self._steps()]
        paper.line()
        if not all(arrived):
            paper.line("Not every edit arrived; the next poll would bring the rest.", "red")
            return 7
        paper.line(
            "An announcement says only where to look; `docs/live.md` tells how to set it up."
        )
        return 0

    def _edit(self, did: str, edit: Callable[[], object], shown: Callable[[], bool]) -> bool:
        """Make an edit, and wait until the other side shows it."""
        self._paper.line(f"  {did}", "bold")
        began = self._clock.monotonic()
        edit()
        while not shown():
            if self._clock.monotonic() - began > ARRIVES_WITHIN:
                self._paper.line("    did not arrive", "red")
                self._edits.append({"people": did, "seconds": None})
                return False
            self._clock.sleep(_LOOK_EVERY)
        took = self._clock.monotonic() - began
        self._paper.line(f"    on the other side after {took:.1f} seconds", "green")
        self._edits.append({"people": did, "seconds": round(took, 1)})
        self._clock.sleep(BREATH)
        return True

    def _steps(self) -> Iterator[tuple[str, Callable[[], object], Callable[[], bool]]]:
        ghl, portal = self._world.location, self._world.portal
        now = self._clock.now()
        row = next(each for each in ghl.events() if each.start > now and each.status == "confirmed")
        record = self._across(row.id)
        moved = row.start + timedelta(minutes=90)
        yield (
            f"HighLevel: {row.title!r} is moved by 90 minutes",
            lambda: ghl.move(row.id, moved),
            lambda: _starts(portal.get(record).properties) == moved.isoformat(),
        )
        yield (
            f"HubSpot: {row.title!r} is renamed",
            lambda: portal.edit(record, hs_appointment_name="By video"),
            lambda: ghl.get(row.id).title == "By video",
        )
        booked: list[str] = []
        calendar, contact = row.calendar, row.contact
        yield (
            "HighLevel: somebody books",
            lambda: booked.append(ghl.book(calendar, contact, moved + timedelta(days=20))),
            lambda: bool(self._find(booked[0])),
        )
        yield (
            "HighLevel: the booking is deleted",
            lambda: ghl.delete(booked[0]),
            lambda: not self._find(booked[0]),
        )

    def _across(self, ghl_id: str) -> str:
        return self._find(ghl_id) or ""

    def _find(self, ghl_id: str) -> str | None:
        """The living HubSpot record of a HighLevel appointment."""
        for record in self._world.portal.records():
            if record.properties.get("ghl_appointment_id") == ghl_id:
                return record.id
        return None


class Daemon:
    """The real daemon, in a process of its own, and what it logs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.last = "it ended"
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="daemon's log", daemon=True).start()

    def first_sync(self, seconds: float) -> bool:
        """Wait for the end of its first cycle."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except queue.Empty:
                return False
            if not line:
                return False
            told = json.loads(line) if line.startswith("{") else {}
            self.last = told.get("detail") or line.strip()
            if told.get("event") == "cycle.finished":
                return bool(told.get("outcome") == "ok")

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def opened(folder: Path, printer: Printer) -> Iterator[LiveDemo]:
    """The sandbox, and a daemon that takes its deliveries; both end with the block."""
    from syncd import config
    from syncd.bootstrap import SystemClock, open_app
    from syncd.bootstrap.process import environment
    from syncd.cli.sandbox import Live, config_for
    from syncd.sandbox import SandboxSettings, seeded, serve

    settings = SandboxSettings()
    with serve(seeded(SystemClock().now, settings)) as server:
        live = Live(address=_free_address())
        live.begin(server.world)
        file = folder / "config.toml"
        text = config_for(server, settings.search_lag, live)
        file.write_text(f"{text}{_DAEMON}", encoding="utf-8")
        env = {name: text for name, text in environment().items() if not name.startswith("SYNCD_")}
        env |= live.secrets(server.world) | {
            "GHL_TOKEN": settings.ghl_token,
            "HUBSPOT_TOKEN": settings.hubspot_token,
        }
        with open_app(config.load(file, env=env, cwd=folder), make_store=True, env=env) as app:
            app.setup("clinic")
        command = [sys.executable, "-m", "syncd", "run", "--config", str(file)]
        process = subprocess.Popen(  # noqa: S603 - syncd itself
            command, env=env, stderr=subprocess.PIPE, text=True
        )
        try:
            yield LiveDemo(server, Daemon(process), printer)
        finally:
            process.terminate()
            process.wait()


_DAEMON = """
[schedule]
poll_interval = "5m"

[http]
listen = ""

[logging]
format = "json"

[links.clinic.sync]
first_sync = "go"
"""


def _free_address() -> str:
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def _starts(properties: object) -> str:
    from syncd.sandbox.timestamps import parse_iso

    text = dict(properties).get("hs_appointment_start")  # type: ignore[call-overload] # a mapping
    return parse_iso(text).isoformat() if text else ""
