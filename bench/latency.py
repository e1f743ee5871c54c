# ruff: noqa: D102 - the methods of a port say what they do there
"""How long an edit is on its way, with and without a backfill running.

Real time, loopback HTTP: the sandbox answers after 120 ms, enforces both
vendors' limits and shows changes in its search index after two seconds. Ten
calendars, cycles as the daemon runs them with polls every ten seconds, edits
at random moments on both sides in turn. Counted are the seconds from the edit
to the moment at which the other side shows it, and the requests.
Must not be compared with real accounts, whose latency varies and whose search
index may lag more; nor between machines under different load.

The last rows have a real daemon in a process of its own, which both vendors announce to: the same
edits, and 500 deliveries within five seconds for 50 links (see `announced`).

    python bench/latency.py [--minutes 3] [--backfill 5000] [--only-announced]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import announced
import scenarios
from backfill import RealClock, link_over, people
from harness import TO_HUBSPOT, Shelf, SyncHarness, build
from scenarios import row, table

from syncd.core.guards import GuardOverrides
from syncd.core.model import Pair
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.sandbox import SandboxSettings
from syncd.sandbox.server import serve
from syncd.store import migrate

POLL = 10.0
CALENDARS = 10
PAIRS = 100
EDIT_EVERY = 4.0
DAILY = 200_000
"""HighLevel's requests a day."""


@dataclass
class People:
    """Somebody who edits now on this side, now on that, and looks when the other side shows it."""

    harness: SyncHarness
    pairs: list[Pair]
    end: float
    delays: list[float] = field(default_factory=list)
    away: int = 0

    def live(self) -> None:
        chance, number = random.Random(7), 0
        watched: list[tuple[float, Pair, str, bool]] = []
        due = time.monotonic() + chance.uniform(0, EDIT_EVERY)
        while time.monotonic() < self.end or (watched and time.monotonic() < self.end + 60):
            now = time.monotonic()
            if now >= due and now < self.end:
                pair, in_ghl = self.pairs[number % len(self.pairs)], bool(number % 2)
                self._edit(pair, f"Edited {number}", in_ghl=in_ghl)
                watched.append((now, pair, f"Edited {number}", in_ghl))
                number, due = number + 1, now + chance.uniform(0, 2 * EDIT_EVERY)
            for each in list(watched):
                if self._shows(*each[1:]):
                    watched.remove(each)
                    self.delays.append(time.monotonic() - each[0])
            time.sleep(0.05)
        self.away = len(watched)

    def _edit(self, pair: Pair, title: str, *, in_ghl: bool) -> None:
        if in_ghl:
            self.harness.ghl.edit(pair.ghl_id, title=title)
        else:
            self.harness.hubspot.edit(pair.hubspot_id, hs_appointment_name=title)

    def _shows(self, pair: Pair, title: str, in_ghl: bool) -> bool:  # noqa: FBT001 - a tuple's end
        if in_ghl:
            shown = self.harness.hubspot.get(pair.hubspot_id).properties
            return bool(shown.get("hs_appointment_name") == title)
        return bool(self.harness.ghl.get(pair.ghl_id).title == title)


def measure(what: str, minutes: float, backfill: int) -> None:
    """Print the row of a stretch of polling."""
    clock = RealClock()
    settings = SandboxSettings(enforce_limits=True, latency=0.12, search_lag=timedelta(seconds=2))
    with (
        tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder,
        closing(Shelf(f"sqlite:///{folder}/syncd.db", clock)) as shelf,
    ):
        migrate.check(shelf.engine, may_create=True)
        harness = build(shelf, clock, settings)
        harness.name = "bench"
        for number in range(CALENDARS - len(harness.calendars)):
            harness.ghl.add_calendar(f"Room {number}", kind="event")
        ghl, hubspot = people(harness)
        first = int(clock.now().timestamp()) // 3600 * 3600 + 86_400
        for number in range(PAIRS):
            start = datetime.fromtimestamp(first + (12_000 + number) * 1800, UTC)
            harness.ghl.book(
                harness.calendars["Event"], ghl[number % len(ghl)], start, title="Visit"
            )
        with serve(harness.world) as server:
            link = link_over(server, harness, shelf)
            cycle.run(link, CycleRequest())
            for number in range(backfill):
                told = {
                    "hs_appointment_name": f"Call {number}",
                    "hs_appointment_start": datetime.fromtimestamp(first + number * 1800, UTC),
                    "hs_appointment_status": TO_HUBSPOT["confirmed"],
                }
                harness.hubspot.create(told, [hubspot[number % len(hubspot)]])
            clock.sleep(10)  # what setting up used of the limits is free again
            harness.world.reset_requests()
            began = time.monotonic()
            crowd = People(harness, harness.pairs(), began + 60 * minutes)
            thread = threading.Thread(target=crowd.live)
            thread.start()
            link = replace(link, stopping=lambda thread=thread: not thread.is_alive())
            cycles = 0
            while thread.is_alive():
                started, cycles = time.monotonic(), cycles + 1
                allowed = GuardOverrides(changes=True)
                cycle.run(link, CycleRequest(full=False, allowed=allowed))
                time.sleep(max(0.0, started + POLL - time.monotonic()))
            seconds = time.monotonic() - began
        asked = len(harness.world.requests_of("ghl"))
        spread = sorted(crowd.delays)
        row(
            what,
            len(spread),
            crowd.away,
            f"{spread[len(spread) // 2]:.1f}",
            f"{spread[min(len(spread) - 1, int(len(spread) * 0.99))]:.1f}",
            f"{asked / seconds:.1f} / {len(harness.world.requests_of('hubspot')) / seconds:.1f}",
            f"{asked / seconds * 86_400 / DAILY:.0%}" if not backfill else "-",
            sum(each.status == 429 for each in harness.world.requests),
            sum(each.title.startswith("Call") for each in harness.ghl.appointments),
        )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=3)
    options.add_argument("--backfill", type=int, default=5000)
    options.add_argument("--only-announced", action="store_true")
    given = options.parse_args()
    scenarios.machine()
    table(
        "edits",
        "arrived",
        "never",
        "median s",
        "p99 s",
        "requests a second to HighLevel / HubSpot",
        "of HighLevel's day",
        "429",
        "of the backfill written",
    )
    if not given.only_announced:
        measure("without a backfill", given.minutes, 0)
        measure(f"beside {given.backfill} HubSpot appointments", given.minutes, given.backfill)
    announced.announced(given.minutes)
    announced.storm_table()


if __name__ == "__main__":
    main()
