"""A daemon that has run for a thousand cycles holds no more than one that has run for a few."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from syncd.config import Settings
from syncd.core.model import Side
from syncd.daemon.status import DaemonStatus
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.poll.prepare import FIRST
from syncd.engine.report import CycleReport
from syncd.observability import page
from syncd.observability.metrics import Metrics
from syncd.observability.traffic import Traffic
from syncd.ports.store import Decided
from syncd.scheduler import Lease, Links, Runner, Scheduler

if TYPE_CHECKING:
    from harness import SyncHarness

    from syncd.ports.store import LinkStore

CYCLES = 1000
SETTLED = 150
"""Cycles after which every cache and every bounded memory is as full as it gets."""


class Held:
    """A lease that nobody takes away."""

    def check(self) -> None: ...

    def renew(self) -> None: ...

    def release(self) -> None: ...


class Kept:
    """The town's link, open from the first cycle to the last."""

    def __init__(self, harness: SyncHarness) -> None:
        self._link = harness.link()

    def cycle(self, request: CycleRequest) -> CycleReport:
        return cycle.run(self._link, request)

    def traffic(self) -> Mapping[Side, Traffic]:
        return {side: Traffic(answers={"200": self._link.side(side).requests}) for side in Side}

    def close(self) -> None: ...


class HarnessLinks:
    """The wired program, around a town."""

    def __init__(self, harness: SyncHarness, settings: Settings) -> None:
        self.harness, self.settings, self.clock = harness, settings, harness.clock

    def link_store(self, name: str) -> LinkStore:
        return self.harness.store.link(name)

    quick_view = link_store

    def lock(self, name: str) -> Held:
        del name
        return Held()

    def lock_all(self, names: Collection[str]) -> tuple[dict[str, Lease], dict[str, str]]:
        return {name: Held() for name in names}, {}

    def holders(self, names: Collection[str]) -> dict[str, str]:
        del names
        return {}

    def unlock_all(self, leases: Iterable[Lease]) -> None:
        del leases

    def open_link(self, name: str, lease: object) -> Kept:
        del name, lease
        return Kept(self.harness)

    def look(self) -> Decided:
        return Decided(decisions={}, paused=frozenset())

    def write_notes(self, cursor: str, notes: Mapping[str, str]) -> None:
        del cursor, notes

    def waits_for_connection(self, name: str) -> bool:
        del name
        return False

    def paused(self, name: str) -> bool:
        del name
        return False

    def prune(self, name: str, before: datetime) -> bool:
        del name, before
        return True

    def adopt(self, settings: Settings) -> None:
        self.settings = settings


def objects() -> Counter[str]:
    """What lives, by kind."""
    gc.collect()
    return Counter(type(each).__name__ for each in gc.get_objects())


@pytest.mark.hunt
@pytest.mark.timeout(900)
def test_memory_stays_flat_over_a_thousand_cycles(
    harness: SyncHarness, settings_of: Callable[..., Settings], inline: Executor, quiet: list[Any]
) -> None:
    """Polls, sweeps, outages, the page and the metrics: as a daemon meets them for months."""
    event = harness.calendars["Event"]
    harness.rules = replace(harness.rules, calendars=frozenset({event}))
    harness.obey(default_calendar=event)
    contact = harness.ghl.add_contact("Pat", "pat@example.com", "+15550100")
    for day in range(5):
        harness.ghl.book(event, contact, harness.at(24 * day + 24))
    harness.sync(changes=True)
    settings = settings_of("clinic", schedule={"poll_interval": "60s", "sweep_interval": "40m"})
    links, stop, metrics = HarnessLinks(harness, settings), threading.Event(), Metrics("0.0.0")
    shift = Runner(cast("Links", links), metrics, stop, chance=lambda: 0.0)
    scheduler = Scheduler(cast("Links", links), shift, metrics, workers=inline)
    panel = DaemonStatus(cast("Links", links), scheduler, metrics)
    assert harness.store.link("clinic").get_state(FIRST)

    def live(cycles: int) -> None:
        for number in range(cycles):
            if number % 50 == 17:
                harness.world.faults.add(side="hubspot", status=401, times=1)
            harness.later(seconds=61 if number % 50 != 18 else 700)
            scheduler.claim()
            scheduler.renew_leases()
            if number % 10 == 0:
                page.render(panel.look(personal=True))
                panel.metrics()
            # What the sandbox and the test itself keep of it is none of ours.
            harness.world.reset_requests()
            harness.world.faults.clear()
            quiet.clear()

    live(SETTLED)
    before = objects()
    live(CYCLES - SETTLED)
    after = objects()
    (state,) = scheduler.watches()
    assert state.turns >= CYCLES * 0.9, "so many cycles really ran"
    grown = {kind: more for kind, more in (after - before).items() if more > 20}
    # One object left behind by each cycle would be eight hundred and fifty.
    assert sum((after - before).values()) < 400, grown
