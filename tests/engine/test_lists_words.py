"""A removal that only a list tells of removes nothing: the record is read by id (promise 6)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tampering import Tampering

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def booked(harness: SyncHarness) -> tuple[str, str]:
    """One appointment, agreed on both sides."""
    contact = harness.ghl.add_contact("Ada Winter", "ada@example.com")
    ghl_id = harness.ghl.book(harness.calendars["Event"], contact, harness.at(48), title="Visit")
    assert harness.sync().hubspot.created == 1
    return ghl_id, harness.hubspot.records()[0].id


def still_archived(harness: SyncHarness, record: str, *, living: bool = True) -> Tampering:
    """The list of archived records shows one that is there; the living ones' as `living` says."""
    rows: list[dict[str, Any]] = []

    def change(path: str, body: Any) -> Any:
        if "/objects/" not in path or not path.endswith("/0-421"):
            return body
        mine = [row for row in body["results"] if row["id"] == record]
        if mine:
            rows[:] = [
                {**row, "archived": True, "archivedAt": "2026-03-02T09:00:00Z"} for row in mine
            ]
            return body if living else body | {"results": []}
        return body | {"results": [*body["results"], *rows]}

    return Tampering(harness, change)


@pytest.mark.parametrize("living", [True, False])
@pytest.mark.parametrize("restored", [True, False])
def test_the_archived_list_shows_one_that_is_there(
    harness: SyncHarness, booked: tuple[str, str], living: bool, restored: bool
) -> None:
    ghl_id, hubspot_id = booked
    if restored:
        harness.hubspot.archive(hubspot_id)
        harness.sync()
        harness.hubspot.restore(hubspot_id)
    harness.transport = still_archived(harness, hubspot_id, living=living)
    report = harness.sync(removals=True)
    assert report.ghl.removed == 0, report.written
    harness.transport = None
    harness.sync()
    assert harness.ghl.get(ghl_id).status == "confirmed"
    assert harness.sync().written == []


def test_highlevels_list_shows_one_as_deleted_that_is_there(
    harness: SyncHarness, booked: tuple[str, str]
) -> None:
    def change(path: str, body: Any) -> Any:
        if not path.endswith("/calendars/events"):
            return body
        return body | {"events": [{**row, "deleted": True} for row in body["events"]]}

    meddling = harness.transport = Tampering(harness, change)
    for full in (True, False):
        harness.later(minutes=5)
        assert harness.sync(full=full, removals=True).written == []
    assert meddling.changed
    assert [each.id for each in harness.hubspot.records()] == [booked[1]]


def test_a_list_whose_pages_repeat_is_no_whole_reading(
    harness: SyncHarness, booked: tuple[str, str]
) -> None:
    """Else what stands on the pages behind it would be taken for not there."""
    contact = next(iter(harness.ghl.contacts)).id
    person = harness.hubspot.get(booked[1]).contacts[0]
    start = harness.at(60)
    told = {"hs_appointment_start": start, "hs_appointment_end": start + timedelta(minutes=30)}
    twin = harness.hubspot.create(
        {"hs_appointment_name": "Twin", "hs_appointment_status": "SCHEDULED", **told}, [person]
    )
    harness.ghl.book(harness.calendars["Event"], contact, start, title="Twin")

    def change(path: str, body: Any) -> Any:
        if "/objects/" not in path or not path.endswith("/0-421"):
            return body
        rows = [row for row in body["results"] if row["id"] != twin]
        return body | {"results": rows, "paging": {"next": {"after": "5"}}}

    harness.transport = Tampering(harness, change)
    assert harness.sync().written == []
    harness.transport = None
    report = harness.sync()
    assert (report.adopted, report.written) == (1, []), report.written
