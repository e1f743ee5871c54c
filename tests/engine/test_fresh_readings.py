"""No write rests on a reading older than five seconds, however busy both accounts are.

Time is virtual: every request takes a while, and the real budgets keep the
vendors' limits. What was read by id, and when, is seen on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from harness import InProcess

from syncd.core.guards import GuardOverrides
from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.apply.preconditions import FRESH
from syncd.engine.cycle import CycleRequest
from syncd.engine.workers import side_by_side
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import Limit
from syncd.sandbox import application

if TYPE_CHECKING:
    from harness import SyncHarness

LATENCY = timedelta(seconds=0.05)
COUNT = 60

Key = tuple[Side, str]


@dataclass
class Wire(httpx.BaseTransport):
    """What goes over the wire, and how old the readings are when something is written."""

    harness: SyncHarness
    partner: dict[Key, Key] = field(default_factory=dict)
    """The record across of each that is paired."""
    source: dict[str, str] = field(default_factory=dict)
    """The HubSpot record of each title that is to be booked."""
    read: dict[Key, datetime] = field(default_factory=dict)
    ages: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inner = InProcess(application(self.harness.world))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.harness.clock.advance(LATENCY)
        now = self.harness.clock.now()
        body = json.loads(request.content) if request.content else {}
        path, method = request.url.path, request.method
        for key in self._written(method, path, body):
            self.ages.append((now - self.read[key]).total_seconds() if key in self.read else 1e9)
        for key in self._read(method, path, body):
            self.read[key] = now
        return self._inner.handle_request(request)

    def _read(self, method: str, path: str, body: Any) -> Iterator[Key]:
        if method == "GET" and "/events/appointments/" in path:
            yield Side.GHL, path.rpartition("/")[2]
        elif path.endswith("0-421/batch/read"):
            yield from ((Side.HUBSPOT, each["id"]) for each in body["inputs"])

    def _written(self, method: str, path: str, body: Any) -> Iterator[Key]:
        """The records that a write rests on."""
        if method == "POST" and path.endswith("/events/appointments"):
            yield Side.HUBSPOT, self.source[body["title"]]
        elif method in {"PUT", "DELETE"} and "/calendars/events/" in path:
            yield from self._both(Side.GHL, path.rpartition("/")[2])
        elif path.endswith("0-421/batch/archive"):
            for each in body["inputs"]:
                yield from self._both(Side.HUBSPOT, each["id"])
        elif path.endswith("0-421/batch/update"):
            for each in body["inputs"]:
                if "ghl_appointment_id" not in each["properties"]:
                    yield from self._both(Side.HUBSPOT, each["id"])

    def _both(self, side: Side, record_id: str) -> Iterator[Key]:
        yield side, record_id
        yield self.partner[side, record_id]


@pytest.fixture
def busy(harness: SyncHarness) -> SyncHarness:
    """Pairs that were edited and removed on both sides, and records that are to be booked."""
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    across = harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    for number in range(4 * COUNT):
        harness.ghl.book(
            harness.calendars["Event"], ann, harness.at(24 + number), title=f"Visit {number}"
        )
    harness.obey(refuse_double_booking=False)
    assert harness.sync().hubspot.created == 4 * COUNT
    pairs = sorted(harness.pairs(), key=lambda pair: pair.key)
    for pair in pairs[:COUNT]:
        harness.ghl.edit(pair.ghl_id, title="Edited in HighLevel")
    for pair in pairs[COUNT : 2 * COUNT]:
        harness.hubspot.edit(pair.hubspot_id, hs_appointment_name="Edited in HubSpot")
    for pair in pairs[2 * COUNT : 3 * COUNT]:
        harness.ghl.delete(pair.ghl_id)
    for pair in pairs[3 * COUNT :]:
        harness.hubspot.archive(pair.hubspot_id)
    wire = Wire(harness)
    for pair in pairs:
        wire.partner[Side.GHL, pair.ghl_id] = (Side.HUBSPOT, pair.hubspot_id)
        wire.partner[Side.HUBSPOT, pair.hubspot_id] = (Side.GHL, pair.ghl_id)
    for number in range(COUNT):
        told = {
            "hs_appointment_name": f"Call {number}",
            "hs_appointment_start": harness.at(500 + number),
            "hs_appointment_end": harness.at(500.5 + number),
            "hs_appointment_status": "SCHEDULED",
        }
        wire.source[f"Call {number}"] = str(harness.hubspot.create(told, [across]))
    harness.later(hours=1)
    harness.transport = wire
    return harness


@pytest.mark.parametrize("side_lanes", [False, True], ids=["in turn", "side by side"])
@pytest.mark.parametrize(
    "limit",
    [Limit(requests=100, seconds=10), Limit(requests=4, seconds=2)],
    ids=["the usual limit", "a small one"],
)
def test_no_write_rests_on_an_old_reading(
    busy: SyncHarness, limit: Limit, side_lanes: bool
) -> None:
    busy.budgets = {
        Side.GHL: Budget(side=Side.GHL, clock=busy.clock, limit=limit),
        Side.HUBSPOT: Budget(
            side=Side.HUBSPOT,
            clock=busy.clock,
            limit=limit,
            kinds={"search": Limit(requests=5, seconds=1)},
        ),
    }
    if side_lanes:
        busy.lanes = side_by_side
    link = replace(busy.link())
    report = cycle.run(link, CycleRequest(allowed=GuardOverrides(changes=True, removals=True)))
    assert report.outcome is Outcome.OK, (report.detail, report.failed[:3])
    assert (report.ghl.created, report.ghl.updated, report.ghl.removed) == (COUNT,) * 3
    assert (report.hubspot.updated, report.hubspot.removed) == (COUNT,) * 2
    wire = busy.transport
    assert isinstance(wire, Wire)
    assert len(wire.ages) == COUNT * (1 + 2 * 4)
    assert max(wire.ages) <= FRESH
