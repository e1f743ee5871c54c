"""One idle incremental cycle at several sizes: requests, queries, bytes, CPU seconds.

Measures the real engine, the real providers and a SQLite store against the
sandbox in this process, after a first sync and one settling cycle. CPU is
told apart: what the sandbox takes to answer, what the providers take to ask and
to read the answers (HighLevel is always listed whole, so they grow with the
bookings in the window), and the rest. Requests and queries are exact. Must not
be compared with a cycle over a real network: there is none here, and time is
virtual.

    python bench/idle.py [--sizes 150,1000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from dataclasses import replace

import httpx
import scenarios
from harness import HarnessClock, InProcess, Shelf, SyncHarness, build
from scenarios import row, table

from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.ports.provider import Provider
from syncd.store import migrate

PEOPLE = 50
INCREMENTAL = CycleRequest(full=False)


class Scales(httpx.BaseTransport):
    """Weighs the answers that pass."""

    def __init__(self, inner: InProcess) -> None:
        self._inner = inner
        self.bytes = 0
        self.used = 0.0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, and add up what comes back and what it costs the sandbox."""
        began = time.thread_time()
        response = self._inner.handle_request(request)
        self.used += time.thread_time() - began
        self.bytes += len(response.content)
        return response


class Asked:
    """A provider, and the CPU seconds that its calls take, the sandbox's included."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.used = 0.0

    def __getattr__(self, name: str) -> object:
        found = getattr(self._provider, name)
        if not callable(found):
            return found

        def ask(*given: object, **named: object) -> object:
            began = time.process_time()
            try:
                return found(*given, **named)
            finally:
                self.used += time.process_time() - began

        return ask


def settle(harness: SyncHarness, size: int) -> None:
    """Book so many appointments, and sync until nothing is left to do."""
    for number in range(PEOPLE):
        harness.ghl.add_contact(f"Pat {number}", f"p{number}@example.com", f"+1555{number:04}")
    contacts = [contact.id for contact in harness.ghl.contacts]
    for number in range(size):
        at = harness.at(24 + (number // PEOPLE) * 0.75)
        calendar = harness.calendars["Event"]
        harness.ghl.book(calendar, contacts[number % PEOPLE], at, title=f"Visit {number}")
    said = harness.sync(changes=True)
    assert said.pairs == size, (said.pairs, said.outcome, said.detail)
    harness.later(hours=1)
    cycle.run(harness.link(), INCREMENTAL)


def measure(size: int) -> None:
    """Print the row of one size."""
    from syncd.sandbox import application

    clock = HarnessClock()
    with (
        tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder,
        closing(Shelf(f"sqlite:///{folder}/syncd.db", clock)) as shelf,
    ):
        migrate.check(shelf.engine, may_create=True)
        harness = build(shelf, clock)
        settle(harness, size)
        harness.later(minutes=1)
        harness.world.reset_requests()
        scales = harness.transport = Scales(InProcess(application(harness.world)))
        statements = scenarios.count_statements(shelf.engine)
        said, link = [], harness.link()
        ghl, hubspot = Asked(link.ghl), Asked(link.hubspot)
        link = replace(link, ghl=ghl, hubspot=hubspot)
        _, used = scenarios.timed(lambda: said.append(cycle.run(link, INCREMENTAL)))
        read = ghl.used + hubspot.used
        assert said[0].outcome is Outcome.OK, said[0].detail
        row(
            f"{size:,}",
            len(harness.world.requests_of("ghl")),
            len(harness.world.requests_of("hubspot")),
            len(statements),
            f"{scales.bytes:,}",
            scales.used,
            read - scales.used,
            used - read,
        )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sizes", default="150,1000")
    given = options.parse_args()
    scenarios.machine()
    table(
        "pairs",
        "HighLevel requests",
        "HubSpot requests",
        "queries",
        "bytes read",
        "CPU seconds of the sandbox",
        "of asking and reading",
        "of the rest",
    )
    for size in map(int, given.sizes.split(",")):
        measure(size)


if __name__ == "__main__":
    main()
