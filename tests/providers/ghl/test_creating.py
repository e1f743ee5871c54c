"""Bookings in HighLevel: what is sent, what is made of the answers, and slots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from syncd.core.model import Appointment
from syncd.errors import (
    Rejected,
    TimedOut,
    Unreadable,
)
from syncd.ports.provider import (
    CommandKind,
    Done,
    Failed,
    Receipt,
    WriteCommand,
)

if TYPE_CHECKING:
    from syncd.sandbox import LoggedRequest
    from tests.providers.ghl.conftest import Clinic, Open

    IsDone = Callable[[Receipt], Done]
    IsFailed = Callable[[Receipt], Failed]


def reason(receipt: Failed) -> str:
    assert isinstance(receipt.error, Rejected), receipt.error
    return receipt.error.reason


def test_a_booking_sends_what_is_wanted_and_nothing_else(clinic: Clinic, is_done: IsDone) -> None:
    receipt = is_done(clinic.create(description="first visit"))
    (sent,) = clinic.sent("POST")
    assert sent.body == {
        "calendarId": clinic.calendars["Team"],
        "locationId": clinic.world.location.id,
        "contactId": clinic.contact,
        "startTime": "2026-03-03T10:00:00+01:00",
        "endTime": "2026-03-03T10:30:00+01:00",
        "title": "Check-up",
        "appointmentStatus": "confirmed",
        "assignedUserId": clinic.users[0],
        "description": "first visit",
        "toNotify": False,
        "ignoreFreeSlotValidation": True,
    }
    assert clinic.see(receipt.id).appointment == receipt.returned
    assert receipt.updated_at == clinic.now
    assert clinic.world.notifications == []


def test_a_booking_notifies_only_where_it_is_configured(clinic: Clinic, is_done: IsDone) -> None:
    """Left unset, the vendor would write to real people."""
    is_done(clinic.create(notify=True))
    assert len(clinic.world.notifications) == 1


def test_an_answer_without_times_is_filled_up_from_what_was_sent(
    clinic: Clinic, is_done: IsDone
) -> None:
    """Write answers have neither start nor end."""
    receipt = is_done(clinic.create())
    assert (receipt.returned.start, receipt.returned.end) == (clinic.at(24), clinic.at(24.5))
    assert clinic.sent("GET", receipt.id) == []


@pytest.mark.parametrize("envelope", ["appointment", "event"])
def test_the_answer_to_a_booking_may_come_in_an_envelope(
    clinic: Clinic, is_done: IsDone, envelope: str
) -> None:
    """A get does; that writes do not is only observed."""
    answer = {"id": "made-1", "title": "Check-up", "appointmentStatus": "confirmed"}
    clinic.world.faults.add(method="POST", status=201, body={envelope: answer})
    assert is_done(clinic.create()).id == "made-1"


def test_a_title_that_the_vendor_rendered_is_known_after_the_booking(
    clinic: Clinic, is_done: IsDone
) -> None:
    receipt = is_done(clinic.create(title=""))
    assert "title" not in clinic.sent("POST")[0].body
    assert receipt.returned.title == "Ann Example"


def test_an_assignee_that_the_vendor_chose_is_known_after_the_booking(
    clinic: Clinic, is_done: IsDone
) -> None:
    receipt = is_done(clinic.create(calendar="Personal", owner=""))
    assert receipt.returned.owner == clinic.users[2]


def test_an_end_that_the_vendor_derived_is_known_after_the_booking(
    clinic: Clinic, is_done: IsDone
) -> None:
    receipt = is_done(clinic.create(end=None))
    assert receipt.returned.end == clinic.at(24.5)


def test_completed_is_stored_as_showed_and_shown_so(clinic: Clinic, is_done: IsDone) -> None:
    assert is_done(clinic.create(status="completed")).returned.status == "showed"


def test_a_status_that_the_vendor_does_not_know_is_rejected(
    clinic: Clinic, is_failed: IsFailed
) -> None:
    """`message` of a 422 is a list."""
    receipt = is_failed(clinic.create(status="no_show"))
    assert reason(receipt) == "rejected"
    assert "must be a valid enum value" in str(receipt.error)


def test_a_timed_out_booking_is_never_sent_again(clinic: Clinic, is_failed: IsFailed) -> None:
    """There is no key that would make a create repeatable: four in a row make four."""
    clinic.world.faults.add(side="ghl", method="POST", kind="timeout_after")
    receipt = is_failed(clinic.create())
    assert isinstance(receipt.error, TimedOut)
    assert receipt.error.sent
    assert len(clinic.world.location.events()) == 1


@pytest.mark.parametrize("kind", ["status", "status_after", "drop_before", "cut_body", "html"])
def test_whatever_leaves_a_booking_in_doubt_says_that_it_may_have_happened(
    clinic: Clinic, is_failed: IsFailed, kind: str
) -> None:
    status = 502 if kind != "html" else 503
    clinic.world.faults.add(side="ghl", method="POST", kind=kind, status=status)
    receipt = is_failed(clinic.create())
    assert isinstance(receipt.error, TimedOut)
    assert receipt.error.sent
    assert len(clinic.sent("POST")) == 1


def test_a_throttled_booking_is_sent_again(clinic: Clinic, is_done: IsDone) -> None:
    clinic.world.faults.add(side="ghl", method="POST", status=429, times=2)
    is_done(clinic.create())
    assert len(clinic.world.location.events()) == 1


def test_an_offered_slot_is_booked_with_its_very_text(open_clinic: Open, is_done: IsDone) -> None:
    """With validation on, the same instant in another offset was refused as gone."""
    clinic = open_clinic(slot_validation="verbatim", location_timezone="America/New_York")
    receipt = is_done(clinic.create(validate_slot=True))
    (sent,) = clinic.sent("POST")
    assert sent.body["startTime"] == "2026-03-03T04:00:00-05:00"
    assert sent.body["ignoreFreeSlotValidation"] is False
    assert receipt.returned.start == clinic.at(24)


def test_a_slot_that_is_not_offered_is_taken_and_nothing_is_sent(
    clinic: Clinic, is_failed: IsFailed
) -> None:
    clinic.book(24, assignee=clinic.users[0])
    receipt = is_failed(clinic.create(24, validate_slot=True))
    assert reason(receipt) == "slot_taken"
    assert clinic.sent("POST") == []


def test_the_vendors_own_refusal_of_a_slot_is_understood(
    clinic: Clinic, is_failed: IsFailed
) -> None:
    """Somebody else may book between our look and our write."""

    def be_faster(row: LoggedRequest) -> None:
        if row.method == "POST":
            clinic.book(24, assignee=clinic.users[0])

    clinic.world.before_request = be_faster
    receipt = is_failed(clinic.create(24, validate_slot=True))
    assert reason(receipt) == "slot_taken"
    assert len(clinic.sent("POST")) == 1


def test_free_slots_are_requested_once_per_calendar_and_month(clinic: Clinic) -> None:
    commands = [
        WriteCommand(
            key=f"order-{number}",
            kind=CommandKind.CREATE,
            wanted=Appointment(
                start=clinic.at(24 + number),
                end=clinic.at(24.5 + number),
                status="confirmed",
                contact=clinic.contact,
                owner=clinic.users[0],
            ),
            calendar=clinic.calendars["Team"],
            validate_slot=True,
        )
        for number in range(0, 30 * 24, 60)
    ]
    receipts = list(clinic.provider.write(commands[::-1]))
    assert all(isinstance(each, Done) for each in receipts)
    (asked,) = clinic.sent("GET", "/free-slots")
    span = int(asked.query["endDate"]) - int(asked.query["startDate"])
    assert span <= timedelta(days=31) / timedelta(milliseconds=1)
    assert asked.query["userId"] == clinic.users[0]


@pytest.mark.parametrize("body", [5, ["2026-03-03"]])
def test_an_answer_that_tells_of_no_slots_is_not_one_without_any(
    clinic: Clinic, is_failed: IsFailed, body: object
) -> None:
    clinic.world.faults.add(side="ghl", path="/free-slots", status=200, body=body)
    receipt = is_failed(clinic.create(24, validate_slot=True))
    assert isinstance(receipt.error, Unreadable)
    assert clinic.sent("POST") == []


def test_slots_are_remembered_for_the_cycle_and_no_longer(
    clinic: Clinic, is_done: IsDone, is_failed: IsFailed
) -> None:
    clinic.provider.prepare()
    is_done(clinic.create(24, validate_slot=True))
    is_done(clinic.create(25, validate_slot=True))
    assert len(clinic.sent("GET", "/free-slots")) == 1
    clinic.provider.prepare()
    assert reason(is_failed(clinic.create(24, validate_slot=True))) == "slot_taken"
    assert len(clinic.sent("GET", "/free-slots")) == 2


def test_a_booking_without_assignee_on_a_teamless_calendar_is_not_read_again(
    clinic: Clinic, is_done: IsDone
) -> None:
    clinic.provider.prepare()
    receipt = is_done(clinic.create(calendar="Event", owner=""))
    assert receipt.returned.owner == ""
    assert clinic.sent("GET", receipt.id) == []


def test_a_month_without_any_slot_is_not_confused_by_the_trace_id(
    clinic: Clinic, is_failed: IsFailed
) -> None:
    clinic.world.faults.add(
        side="ghl", path="/free-slots", status=200, body={"traceId": "2026-03-03"}
    )
    assert reason(is_failed(clinic.create(validate_slot=True))) == "slot_taken"


def test_without_validation_a_taken_slot_is_booked(clinic: Clinic, is_done: IsDone) -> None:
    clinic.book(24, assignee=clinic.users[0])
    is_done(clinic.create(24))
    assert len(clinic.world.location.events()) == 2


def test_an_assignee_outside_the_team_holds_a_booking_whole(
    clinic: Clinic, is_failed: IsFailed
) -> None:
    receipt = is_failed(clinic.create(owner=clinic.users[2]))
    assert reason(receipt) == "outside_team"
    assert clinic.world.location.events() == []
