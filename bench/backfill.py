# ruff: noqa: D102 - the methods of a port say what they do there
"""A first sync in each direction, against a strict sandbox on loopback HTTP with real latency.

Measures, in real time: the share of the permitted requests that was used while
there was work, how many answers were 429, how many writes HubSpot was sent,
and the growth of the process's memory. The sandbox enforces both vendors'
limits (100 requests in 10 s, 5 searches a second) and answers after 120 ms; it
lives in this process, so CPU and memory include its own.
Must not be compared with a sync of real accounts: their latency varies.

    python bench/backfill.py [--ghl 2000] [--hubspot 500]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import scenarios
from harness import TO_HUBSPOT, HarnessClock, Shelf, SyncHarness, build
from scenarios import row, table

from syncd.core.guards import GuardOverrides
from syncd.core.model import Side
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.link import Link
from syncd.providers.ghl.auth import PrivateToken
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.http import Client
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.providers.rate_budget import Budget, Limit
from syncd.sandbox import SandboxSettings
from syncd.sandbox.server import SandboxServer, serve
from syncd.store import migrate
from syncd.store.database import Database
from syncd.store.rate_ledger import SqlLedger

LIMIT = Limit(requests=100, seconds=10)
SEARCHES = Limit(requests=5, seconds=1)
CONCURRENCY = 8
LOOK_AGAIN = timedelta(seconds=10)
PEOPLE = 100


class RealClock(HarnessClock):
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def link_over(server: SandboxServer, harness: SyncHarness, shelf: Shelf) -> Link:
    """The link as the program wires it, to a server on loopback."""
    settings, clock = server.world.settings, harness.clock
    ledger = SqlLedger(Database(shelf.engine, clock))
    ghl = GhlProvider(
        Client(
            side=Side.GHL,
            base_url=server.ghl_url,
            auth=PrivateToken(lambda: settings.ghl_token),
            budget=Budget(side=Side.GHL, clock=clock, limit=LIMIT, ledger=ledger, account="one"),
            clock=clock,
            concurrency=CONCURRENCY,
        ),
        location_id=harness.ghl.id,
        clock=clock,
        default_calendar=harness.rules.template.default_calendar,
        concurrency=CONCURRENCY,
    )
    hubspot = HubSpotProvider(
        Client(
            side=Side.HUBSPOT,
            base_url=server.hubspot_url,
            auth=Token(settings.hubspot_token),
            budget=Budget(
                side=Side.HUBSPOT,
                clock=clock,
                limit=LIMIT,
                kinds={"search": SEARCHES},
                ledger=ledger,
                account="one",
            ),
            clock=clock,
        ),
        location_id=harness.ghl.id,
        clock=clock,
        search_lag=settings.search_lag,
        default_country=lambda: ghl.country,
    )
    return Link(
        name="bench",
        ghl=ghl,
        hubspot=hubspot,
        store=harness.store.link("bench"),
        clock=clock,
        # As the daemon has it with polls every ten seconds.
        rules=replace(harness.rules, look_again=LOOK_AGAIN),
    )


def people(harness: SyncHarness) -> tuple[list[str], list[str]]:
    """The same people on both sides."""
    across = []
    for number in range(PEOPLE):
        mail, phone = f"p{number}@example.com", f"+1555{number:04}"
        harness.ghl.add_contact(f"Pat {number}", mail, phone)
        across.append(harness.hubspot.add_contact(f"Pat {number}", mail))
    return [each.id for each in harness.ghl.contacts], across


def measure(what: str, side: Side, size: int) -> None:
    """Print the row of a first sync of so many records of one side."""
    clock = RealClock()
    settings = SandboxSettings(enforce_limits=True, latency=0.12)
    with (
        tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder,
        closing(Shelf(f"sqlite:///{folder}/syncd.db", clock)) as shelf,
    ):
        migrate.check(shelf.engine, may_create=True)
        harness = build(shelf, clock, settings)
        ghl, hubspot = people(harness)
        first = int(clock.now().timestamp()) // 3600 * 3600 + 86_400
        for number in range(size):
            # One after the other: two bookings in one slot would be held, and not written.
            start = datetime.fromtimestamp(first + number * 1800, UTC)
            end = datetime.fromtimestamp(first + number * 1800 + 1800, UTC)
            if side is Side.GHL:
                person = ghl[number % PEOPLE]
                harness.ghl.book(harness.calendars["Event"], person, start, title=f"Visit {number}")
            else:
                told = {
                    "hs_appointment_name": f"Visit {number}",
                    "hs_appointment_start": start,
                    "hs_appointment_end": end,
                    "hs_appointment_status": TO_HUBSPOT["confirmed"],
                }
                harness.hubspot.create(told, [hubspot[number % PEOPLE]])
        clock.sleep(LIMIT.seconds)  # what setting up used of the limits is free again
        harness.world.reset_requests()
        with serve(harness.world) as server:
            link = link_over(server, harness, shelf)
            before = scenarios.peak_mib()
            began = time.monotonic()
            said = cycle.run(link, CycleRequest(allowed=GuardOverrides(changes=True)))
            seconds = time.monotonic() - began
        sent = harness.world.requests
        asked = {each: harness.world.requests_of(each.value) for each in Side}
        times = [each.at.timestamp() for each in asked[side.other]]
        span = times[-1] - times[0]
        # A window's full places at the first request, and as many after each window.
        most = LIMIT.requests * (int(span / LIMIT.seconds) + 1)
        rate = span * LIMIT.requests / LIMIT.seconds
        batches = [each for each in harness.world.writes("hubspot") if "contacts" not in each.path]
        row(
            what,
            f"{said.pairs} pairs, {said.outcome.value}",
            f"{seconds:.0f}",
            f"{len(asked[Side.GHL])} / {len(asked[Side.HUBSPOT])}",
            f"{len(times) / rate:.0%} ({len(times) / most:.0%})",
            sum(each.status == 429 for each in sent),
            len(batches),
            f"{scenarios.peak_mib() - before:.0f}",
        )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ghl", type=int, default=2000)
    options.add_argument("--hubspot", type=int, default=500)
    given = options.parse_args()
    scenarios.machine()
    table(
        "first sync",
        "result",
        "seconds",
        "requests to HighLevel / HubSpot",
        "of the rate that the written side permits (of all that its windows let through)",
        "429",
        "HubSpot write requests",
        "MiB more",
    )
    if given.ghl:
        measure(f"{given.ghl} HighLevel bookings", Side.GHL, given.ghl)
    if given.hubspot:
        measure(f"{given.hubspot} HubSpot appointments", Side.HUBSPOT, given.hubspot)


if __name__ == "__main__":
    main()
