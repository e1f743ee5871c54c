"""What a cycle costs, in requests and queries: the cost model of the vendors' limits.

An idle incremental cycle costs one enumeration of the calendars, one list per
calendar, one search and the bounded rotation, however many appointments are
paired. A first sync costs HubSpot one write per hundred records.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import SyncHarness


@pytest.fixture
def busy(harness: SyncHarness) -> SyncHarness:
    """Twenty people, a hundred and twenty bookings, all of them synced."""
    for number in range(20):
        harness.ghl.add_contact(f"Pat {number}", f"p{number}@example.com", f"+155501{number:02}")
    contacts = [contact.id for contact in harness.ghl.contacts]
    for number in range(120):
        harness.ghl.book(
            harness.calendars["Event"],
            contacts[number % 20],
            harness.at(24 + number),
            title=f"Visit {number}",
        )
    return harness


def shapes(harness: SyncHarness) -> Counter[str]:
    """How often each kind of request was sent."""
    return Counter(f"{row.side} {row.method} {row.path}" for row in harness.world.requests)


def test_a_first_sync_writes_to_hubspot_in_hundreds(busy: SyncHarness) -> None:
    busy.world.reset_requests()
    report = busy.sync()
    assert report.hubspot.created == 120
    writes = [row for row in busy.world.writes("hubspot") if "contacts" not in row.path]
    assert len(writes) <= 120 / 100 + 5


def test_a_first_sync_makes_contacts_in_batches(busy: SyncHarness) -> None:
    busy.world.reset_requests()
    busy.sync()
    contacts = [row for row in busy.world.requests_of("hubspot") if "contacts" in row.path]
    by_address, by_phone = 20 / 5, 20 / 10
    assert len(contacts) <= by_address + by_phone + 2, [row.path for row in contacts]
    assert sum(row.path.endswith("/batch/create") for row in contacts) == 1


@pytest.mark.parametrize("more", [0, 60])
def test_an_idle_incremental_cycle_costs_the_same_at_every_size(
    busy: SyncHarness, more: int
) -> None:
    contacts = [contact.id for contact in busy.ghl.contacts]
    for number in range(more):
        busy.ghl.book(busy.calendars["Class"], contacts[number % 20], busy.at(200 + number))
    busy.sync()
    link = busy.link()
    busy.later(hours=1)
    cycle.run(link, CycleRequest(full=False))
    busy.later(minutes=1)
    busy.world.reset_requests()
    report = cycle.run(link, CycleRequest(full=False))
    assert report.outcome is Outcome.OK
    calendars = len(busy.calendars)
    assert len(busy.world.requests_of("ghl")) == calendars + 1, shapes(busy)
    assert len(busy.world.requests_of("hubspot", "POST")) <= 1 + 2, shapes(busy)
    assert len(busy.world.requests_of("hubspot")) <= 3, shapes(busy)


@pytest.fixture
def statements(busy: SyncHarness) -> Iterator[list[str]]:
    """Every statement that the store is asked."""
    heard: list[str] = []

    def hear(*args: Any) -> None:
        heard.append(str(args[2]))

    event.listen(busy.store.engine, "before_cursor_execute", hear)
    yield heard
    event.remove(busy.store.engine, "before_cursor_execute", hear)


def test_an_idle_cycle_asks_few_questions_and_writes_no_pair(
    busy: SyncHarness, statements: list[str]
) -> None:
    busy.sync()
    link = busy.link()
    busy.later(hours=1)
    cycle.run(link, CycleRequest(full=False))
    statements.clear()
    busy.later(minutes=1)
    cycle.run(link, CycleRequest(full=False))
    assert len(statements) <= 40, statements
    touched = [text for text in statements if text.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert not [text for text in touched if " pair " in text], touched


def test_no_request_is_sent_twice_in_one_cycle(busy: SyncHarness) -> None:
    busy.sync()
    busy.world.reset_requests()
    busy.sync()
    seen = Counter(
        (row.side, row.method, row.path, str(sorted(row.query.items())), str(row.body))
        for row in busy.world.requests
    )
    assert [key for key, count in seen.items() if count > 1] == []
