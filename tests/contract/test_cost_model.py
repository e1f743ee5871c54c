"""What a cycle asks of the two vendors, counted: each sentence of the cost model.

The counts are of requests as the sandbox saw them arrive. Rows, queries and
memory are guarded elsewhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from harness import SyncHarness

from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest

PEOPLE = 30


def book(harness: SyncHarness, count: int, first: int = 0) -> list[str]:
    """So many bookings more, of thirty people whom only HighLevel knows."""
    if not list(harness.ghl.contacts):
        for number in range(PEOPLE):
            harness.ghl.add_contact(
                f"Pat {number}", f"p{number}@example.com", f"+155501{number:02}"
            )
    contacts = [contact.id for contact in harness.ghl.contacts]
    calendars = (harness.calendars["Event"], harness.calendars["Class"])
    return [
        harness.ghl.book(
            calendars[number % 2],
            contacts[number % PEOPLE],
            harness.at(24 + number / 2),
            title=f"Visit {number}",
        )
        for number in range(first, first + count)
    ]


def shapes(harness: SyncHarness, side: str = "hubspot") -> Counter[str]:
    """How often each kind of request arrived."""
    return Counter(f"{row.method} {row.path}" for row in harness.world.requests_of(side))


def asked(harness: SyncHarness, part: str) -> int:
    """How many requests to HubSpot have this in their path."""
    return sum(part in row.path for row in harness.world.requests_of("hubspot"))


def twice(harness: SyncHarness) -> list[Any]:
    """What was asked more than once, to the letter."""
    seen = Counter(
        (row.side, row.method, row.path, str(sorted(row.query.items())), str(row.body))
        for row in harness.world.requests
    )
    return [key for key, count in seen.items() if count > 1]


@pytest.fixture
def settled(harness: SyncHarness) -> Callable[[int], Any]:
    """A town with so many pairs, and a process that has polled it before."""

    def make(count: int) -> Any:
        book(harness, count)
        harness.sync()
        link = harness.link()
        harness.later(hours=1)
        cycle.run(link, CycleRequest(full=False))
        harness.later(minutes=1)
        harness.world.reset_requests()
        return link

    return make


@pytest.mark.parametrize("pairs", [20, 260])
def test_an_idle_poll_costs_its_calendars_an_enumeration_a_search_and_the_rotation(
    harness: SyncHarness, settled: Callable[[int], Any], pairs: int
) -> None:
    assert cycle.run(settled(pairs), CycleRequest(full=False)).outcome is Outcome.OK
    ghl = shapes(harness, "ghl")
    assert ghl.pop("GET /calendars/") == 1
    assert ghl == {"GET /calendars/events": len(harness.calendars)}
    assert shapes(harness) == {
        "POST /crm/objects/2026-03/0-421/search": 1,
        "POST /crm/objects/2026-03/0-421/batch/read": 1,
        "POST /crm/associations/2026-03/0-421/0-1/batch/read": 1,
    }


@pytest.mark.parametrize("rotation", [0, 7, 150])
def test_the_rotation_costs_what_it_is_configured_to(
    harness: SyncHarness, settled: Callable[[int], Any], rotation: int
) -> None:
    harness.rules = replace(harness.rules, rotation=rotation)
    cycle.run(settled(300), CycleRequest(full=False))
    read = [
        row for row in harness.world.requests_of("hubspot") if row.path.endswith("0-421/batch/read")
    ]
    assert sum(len(row.body["inputs"]) for row in read) == rotation
    assert len(read) == math.ceil(rotation / 100)


def test_the_rotation_comes_round_to_every_record(
    harness: SyncHarness, settled: Callable[[int], Any]
) -> None:
    harness.rules = replace(harness.rules, rotation=10)
    link = settled(35)
    read: Counter[str] = Counter()
    for _ in range(4):
        harness.world.reset_requests()
        cycle.run(link, CycleRequest(full=False))
        harness.later(minutes=1)
        for row in harness.world.requests_of("hubspot"):
            if row.path.endswith("0-421/batch/read"):
                read.update(each["id"] for each in row.body["inputs"])
    assert set(read) == {record.id for record in harness.hubspot.records()}
    assert max(read.values()) == 1


def test_what_moves_no_stamp_is_found_between_sweeps(
    harness: SyncHarness, settled: Callable[[int], Any]
) -> None:
    link = settled(4)
    archived, merged, other, moved = sorted(record.id for record in harness.hubspot.records())
    ben = harness.hubspot.add_contact("Ben Torres", "ben@example.com")
    harness.hubspot.archive(archived)
    survivor = harness.hubspot.merge(merged, other)
    for contact in list(harness.hubspot.get(moved).contacts):
        harness.hubspot.dissociate(moved, contact)
    harness.hubspot.associate(moved, ben)
    harness.later(hours=2)
    report = cycle.run(link, CycleRequest(full=False))
    assert report.ghl.removed == 1, report
    assert "contact_changed" in {each.reason for each in report.held}
    assert survivor in {pair.hubspot_id for pair in harness.pairs()}


def test_pairs_that_ended_before_the_window_leave_the_sweep(harness: SyncHarness) -> None:
    book(harness, 60)
    harness.sync()
    harness.later(days=45)
    for _ in range(2):
        harness.world.reset_requests()
        assert harness.sync().outcome is Outcome.OK
    ghl = shapes(harness, "ghl")
    assert ghl["GET /calendars/events"] == len(harness.calendars)
    assert not any("/appointments/" in shape for shape in ghl), ghl
    assert asked(harness, "batch/read") == 0, "a list shows them all the same"


@pytest.mark.parametrize("count", [100, 450])
def test_a_first_sync_costs_hubspot_one_request_for_a_hundred_appointments(
    harness: SyncHarness, count: int
) -> None:
    book(harness, count)
    harness.world.reset_requests()
    assert harness.sync().hubspot.created == count
    hundreds = math.ceil(count / 100)
    assert asked(harness, "0-421/batch/create") == hundreds
    people = asked(harness, "/contacts")
    assert asked(harness, "/contacts/batch/read") == 1
    assert asked(harness, "/contacts/search") == 1 + math.ceil(PEOPLE / 15)
    assert asked(harness, "/contacts/batch/create") == 1
    constant = len(harness.world.requests_of("hubspot")) - people - hundreds
    assert constant <= hundreds + 12, shapes(harness)


def test_nothing_is_asked_twice_in_a_first_sync(harness: SyncHarness) -> None:
    book(harness, 150)
    ann = harness.hubspot.add_contact("Ann Lee", "ann@example.com", "+15550100001")
    for hours in range(500, 505):
        start = harness.at(hours)
        harness.hubspot.create(
            {"hs_appointment_name": "Call", "hs_appointment_start": start}, [ann]
        )
    harness.world.reset_requests()
    report = harness.sync()
    assert (report.hubspot.created, report.ghl.created) == (150, 5)
    # What a booking and its identity rest on is read again before each (promise 9).
    again = [key for key in twice(harness) if not rereading(key)]
    assert again == []


@pytest.mark.parametrize("full", [True, False])
def test_nothing_is_asked_twice_where_both_sides_were_edited(
    harness: SyncHarness, settled: Callable[[int], Any], full: bool
) -> None:
    link = settled(60)
    pairs = harness.pairs()
    for pair in pairs[:20]:
        harness.ghl.edit(pair.ghl_id, title="Changed in HighLevel")
    for pair in pairs[20:40]:
        harness.hubspot.edit(pair.hubspot_id, ghl_description="Changed in HubSpot")
    for pair in pairs[40:45]:
        harness.ghl.edit(pair.ghl_id, title="One title")
        harness.hubspot.edit(pair.hubspot_id, hs_appointment_name="Another title")
    harness.hubspot.archive(pairs[46].hubspot_id)
    harness.ghl.delete(pairs[47].ghl_id)
    harness.later(minutes=2)
    harness.world.reset_requests()
    report = cycle.run(link, CycleRequest(full=full))
    assert report.ghl.updated + report.hubspot.updated == 45, report
    again = [key for key in twice(harness) if not rereading(key)]
    assert again == []
    history = [
        row for row in harness.world.requests if row.body and row.body.get("propertiesWithHistory")
    ]
    assert len(history) == 1, "one batch tells all conflicts"


def rereading(key: Any) -> bool:
    """Whether it is the reading just before a write, which must be fresh."""
    _, method, path, _, _ = key
    return bool(method == "GET" and "/appointments/" in path) or path.endswith("batch/read")
