"""One incremental cycle with many changes, in a store that is full of other links' pairs.

Measures one cycle (poll, observe, merge, plan, apply, record and the real
store) of one link, with so many edits since the last one, half of them on each
side, beside 199 other links of the same size; and then a round of a cycle for
every link, the same number of edits spread over all of them. The providers
answer from memory. A link's bookings are old but for a share that lies in the
window, as in a store that has run for years: HighLevel lists that share in
every cycle, HubSpot shows what changed.

Must not be compared with anything that talks to a network, nor with `engine`,
which plans its changes and writes none of them.

    python bench/delta.py [--links 200] [--pairs 5000] [--window 1000] [--changes 1000]
                          [--keep FILE]   leaves the filled SQLite store there, for `start`
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import scenarios
from scenarios import ReadySide, row, table

from syncd.core.model import Pair, Scan, Side, Snapshot
from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.report import CycleReport
from syncd.ports.provider import ScanRequest
from syncd.store.database import Database
from syncd.store.link_store import SqlLinkStore

INCREMENTAL = CycleRequest(full=False)
LONG_AGO = timedelta(days=400)
AT_ONCE = 5000


class Changing(ReadySide):
    """A side that shows what its vendor would: HighLevel the window, HubSpot what changed."""

    def scan(self, request: ScanRequest) -> Scan:
        """HubSpot's answer to a search is never a complete list."""
        return replace(super().scan(request), complete=self.complete)


def name_of(link: int, number: int, side: Side) -> str:
    """Ids are unique over all links, as the vendors' are."""
    return scenarios.name_of(link * 10_000_000 + number, side)


def pair(link: int, number: int, window: int) -> Pair:
    """A settled pair; all but the first `window` of them ended long ago."""
    settled = replace(
        scenarios.pair(number),
        ghl_id=name_of(link, number, Side.GHL),
        hubspot_id=name_of(link, number, Side.HUBSPOT),
    )
    if number < window:
        return settled
    return replace(settled, ghl=_earlier(settled.ghl), hubspot=_earlier(settled.hubspot))


def _earlier(appointment: scenarios.Appointment) -> scenarios.Appointment:
    assert appointment.start is not None
    assert appointment.end is not None
    return replace(appointment, start=appointment.start - LONG_AGO, end=appointment.end - LONG_AGO)


def shown(link: int, number: int, side: Side, *, edited: str = "") -> Snapshot:
    """The record of a booking in the window, with an edit's mark in its title."""
    snapshot = replace(scenarios.shown(number, side), id=name_of(link, number, side))
    if side is Side.HUBSPOT:
        snapshot = replace(snapshot, external_id=name_of(link, number, Side.GHL))
    if edited:
        title = f"Visit {number}, {edited}"
        snapshot = replace(snapshot, appointment=replace(snapshot.appointment, title=title))
    return snapshot


def fill(database: Database, links: int, pairs: int, window: int) -> None:
    """Settled pairs for every link."""
    for link in range(links):
        store = SqlLinkStore(database, f"link_{link:03d}")
        for first in range(0, pairs, AT_ONCE):
            some = range(first, min(first + AT_ONCE, pairs))
            with store.begin() as transaction:
                transaction.save_pairs([pair(link, number, window) for number in some])
        with store.begin() as transaction:
            transaction.set_state("first_sync_done", "yes")
            transaction.set_state("hubspot", "1")


def run(database: Database, link: int, window: int, changes: int, edited: str) -> CycleReport:
    """One cycle of one link with so many edits, every other one on HubSpot's side."""
    ours = changes // 2
    ghl = {
        name_of(link, number, Side.GHL): shown(
            link, number, Side.GHL, edited=edited if number < changes - ours else ""
        )
        for number in range(window)
    }
    hubspot = {
        name_of(link, number, Side.HUBSPOT): shown(
            link, number, Side.HUBSPOT, edited=edited if number >= window - ours else ""
        )
        for number in range(window)
    }
    news = tuple(list(hubspot.values())[window - ours :]) if ours else ()
    store = SqlLinkStore(database, f"link_{link:03d}")
    prepared = scenarios.link(
        store,
        Changing(Side.GHL, tuple(ghl.values()), ghl),
        Changing(Side.HUBSPOT, news, hubspot, complete=False),
    )
    said: list[CycleReport] = []
    seconds, used = scenarios.timed(lambda: said.append(cycle.run(prepared, INCREMENTAL)))
    assert said[0].outcome is Outcome.OK, (said[0].outcome, said[0].detail)
    assert said[0].ghl.updated + said[0].hubspot.updated == changes, said[0].as_json()
    SPENT.append((seconds, used))
    return said[0]


SPENT: list[tuple[float, float]] = []
"""Wall and CPU seconds of each cycle; what makes the observations is not in them."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--links", type=int, default=200)
    options.add_argument("--pairs", type=int, default=5000)
    options.add_argument("--window", type=int, default=1000)
    options.add_argument("--changes", type=int, default=1000)
    options.add_argument("--keep", type=Path)
    options.add_argument("--postgres", action="store_true")
    given = options.parse_args()
    scenarios.machine()
    print(f"{given.links * given.pairs:,} pairs over {given.links} links, "
          f"{given.window:,} bookings of each in the window\n")  # fmt: skip
    table("store", "what", "edits", "queries", "seconds", "CPU seconds")
    with scenarios.store(f"sqlite:///{given.keep.absolute()}" if given.keep else "") as database:
        measure("SQLite", database, given)
    if given.postgres:
        with scenarios.postgres() as url, scenarios.store(url) as database:
            measure("PostgreSQL", database, given)
    print(f"\npeak memory of this process: {scenarios.peak_mib():.0f} MiB")


def measure(name: str, database: Database, given: argparse.Namespace) -> None:
    """The rows of one store."""
    fill(database, given.links, given.pairs, given.window)
    heard = scenarios.count_statements(database.engine)
    edits = min(given.changes, given.window)
    # Twice nothing: the first of all cycles in a process compiles the statements.
    for what, changes in (("one link, nothing", 0), ("the same again", 0), ("one link", edits)):
        _report(name, what, changes, heard, lambda n=changes: run(
            database, given.links // 2, given.window, n, "edited" if n else ""))  # fmt: skip
    if given.links == 1:
        return
    each = given.changes // given.links
    _report(name, f"a round of {given.links} links", each * given.links, heard, lambda: [
        run(database, link, given.window, each, "edited in a round")
        for link in range(given.links) if link != given.links // 2
    ])  # fmt: skip


def _report(name: str, what: str, edits: int, heard: list[str], go: object) -> None:
    SPENT.clear()
    heard.clear()
    assert callable(go)
    go()
    seconds, used = (sum(column) for column in zip(*SPENT, strict=True))
    row(name, what, f"{edits:,}", f"{len(heard):,}", seconds, used)


if __name__ == "__main__":
    main()
