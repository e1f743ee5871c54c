"""Who is notified: with `live`, of what a person did just now, and of nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.policy import Notify, OnRemoval

if TYPE_CHECKING:
    from harness import SyncHarness


@pytest.fixture
def live(harness: SyncHarness) -> SyncHarness:
    """A town that notifies of fresh changes, and Ann on both sides."""
    harness.obey(notify=Notify.LIVE)
    harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    return harness


def born(harness: SyncHarness, hours: float = 48, *, contact: bool = True) -> str:
    """A record that somebody makes in HubSpot."""
    (ann,) = harness.hubspot.contact_records()
    said = {
        "hs_appointment_name": "Intro",
        "hs_appointment_start": harness.at(hours),
        "hs_appointment_end": harness.at(hours + 0.5),
    }
    return str(harness.hubspot.create(said, contacts=[ann.id] if contact else []))


def told(harness: SyncHarness) -> list[str]:
    """What customers were notified of so far."""
    return [row["event"] for row in harness.world.notifications]


def settled(harness: SyncHarness) -> None:
    """The first sync is long past."""
    harness.sync()
    harness.later(hours=30)
    harness.sync()
    assert told(harness) == []


LOST: list[dict[str, Any]] = [
    {"kind": "timeout_before"},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 422, "body": {"message": "no"}},
]


@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("lost", LOST)
def test_nobody_hears_of_a_first_syncs_booking_that_is_repeated_later(
    live: SyncHarness, lost: dict[str, Any], times: int | None
) -> None:
    born(live)
    live.world.faults.add(side="ghl", method="POST", path="/appointments", times=times, **lost)
    live.sync()
    live.world.faults.clear()
    for _ in range(3):
        live.later(minutes=30)
        live.sync()
    assert len(live.ghl.events()) == 1
    assert told(live) == []


def test_nobody_hears_of_a_first_syncs_booking_that_is_found_later(live: SyncHarness) -> None:
    born(live)
    live.world.faults.add(
        side="ghl", method="POST", path="/appointments", kind="timeout_after", times=None
    )
    live.sync()
    live.world.faults.clear()
    live.sync()
    assert (len(live.ghl.events()), told(live)) == (1, [])


def test_nobody_hears_of_what_was_held_in_a_first_sync_and_let_go_later(live: SyncHarness) -> None:
    busy = live.ghl.add_contact("Bob Moe", "bob@example.com")
    taken = live.ghl.book(live.calendars["Team"], busy, live.at(48))
    live.obey(default_calendar=live.calendars["Team"])
    born(live)
    assert "slot_taken" in {hold.reason for hold in live.sync().held}
    live.ghl.delete(taken)
    live.later(minutes=30)
    assert live.sync().ghl.created == 1
    assert told(live) == []


def test_what_a_person_completes_after_the_first_sync_is_fresh(live: SyncHarness) -> None:
    record = born(live, contact=False)
    assert [hold.reason for hold in live.sync().held] == ["no_contact"]
    live.later(hours=2)
    live.hubspot.associate(record, live.hubspot.contact_records()[0].id)
    assert live.sync().ghl.created == 1
    assert told(live) == ["created"]


def test_a_record_that_was_there_before_the_first_sync_is_never_fresh(live: SyncHarness) -> None:
    """It came into the window with time: nobody did anything."""
    born(live, hours=24 * 365 + 3)
    live.later(minutes=1)
    live.sync()
    assert live.ghl.events() == []
    live.later(hours=6)
    assert live.sync().ghl.created == 1
    assert told(live) == []


def test_a_fresh_booking_and_a_fresh_edit_are_told(live: SyncHarness) -> None:
    settled(live)
    record = born(live)
    live.sync()
    live.hubspot.edit(record, hs_appointment_name="Follow-up")
    live.sync()
    assert told(live) == ["created", "updated"]


def test_a_change_right_after_the_first_sync_is_fresh(live: SyncHarness) -> None:
    live.sync()
    born(live)
    live.sync()
    assert told(live) == ["created"]


def test_a_change_that_waited_for_days_is_told_to_nobody(live: SyncHarness) -> None:
    settled(live)
    record = born(live)
    live.sync()
    live.hubspot.edit(record, hs_appointment_name="Follow-up")
    live.later(hours=40)
    assert live.sync().ghl.updated == 1
    assert told(live) == ["created"]


def test_what_two_records_take_from_each_other_when_they_meet_is_told_to_nobody(
    live: SyncHarness,
) -> None:
    """Not even when it has to be tried again."""
    settled(live)
    (ann,) = live.ghl.contacts
    live.ghl.book(live.calendars["Event"], ann.id, live.at(48), title="")
    record = born(live)
    live.hubspot.edit(record, ghl_address="Room 9")
    live.world.faults.add(side="ghl", method="PUT", status=503, times=None)
    live.sync()
    live.world.faults.clear()
    live.later(minutes=30)
    assert live.sync().ghl.updated == 1
    assert told(live) == []


@pytest.mark.parametrize(("wait", "expected"), [(0, ["updated"]), (40, [])])
def test_a_cancellation_for_an_archive_is_told_while_it_is_fresh(
    live: SyncHarness, wait: int, expected: list[str]
) -> None:
    (ann,) = live.ghl.contacts
    live.ghl.book(live.calendars["Event"], ann.id, live.at(100), title="Check-up")
    settled(live)
    (record,) = live.hubspot.records()
    live.hubspot.archive(record.id)
    live.later(hours=wait)
    assert live.sync().ghl.removed == 1
    assert told(live) == expected


def test_a_restored_record_is_told(live: SyncHarness) -> None:
    live.obey(hubspot_archived=OnRemoval.CANCEL)
    (ann,) = live.ghl.contacts
    live.ghl.book(live.calendars["Event"], ann.id, live.at(100), title="Check-up")
    settled(live)
    (record,) = live.hubspot.records()
    live.hubspot.archive(record.id)
    live.sync()
    live.later(hours=30)
    live.hubspot.restore(record.id)
    assert live.sync().ghl.restored == 1
    assert told(live) == ["updated", "updated"]


@pytest.mark.parametrize(("notify", "expected"), [(Notify.NEVER, 0), (Notify.ALWAYS, 2)])
def test_never_and_always_are_what_they_say(
    live: SyncHarness, notify: Notify, expected: int
) -> None:
    live.obey(notify=notify)
    record = born(live)
    live.sync()
    live.later(hours=40)
    live.hubspot.edit(record, hs_appointment_name="Follow-up")
    live.later(hours=40)
    live.sync()
    assert len(told(live)) == expected


@pytest.mark.parametrize("kind", ["timeout_after", "drop_after"])
def test_a_customer_is_told_once_of_a_move_whose_answer_was_lost(
    live: SyncHarness, kind: str
) -> None:
    record = born(live)
    settled(live)
    at = live.at(60)
    live.hubspot.edit(
        record, hs_appointment_start=at, hs_appointment_end=at + timedelta(minutes=30)
    )
    live.world.faults.add(kind=kind, side="ghl", method="PUT")
    live.sync(full=False)
    live.world.faults.clear()
    live.sync(full=False)
    (booking,) = live.ghl.events()
    assert booking.start == at
    assert len(told(live)) == 1
