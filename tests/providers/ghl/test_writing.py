"""Creates, updates and deletes in HighLevel: what is sent, what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.essence import value
from syncd.core.model import Appointment, Group, Side
from syncd.errors import (
    AuthFailed,
    Rejected,
    Stale,
    TimedOut,
    Unavailable,
    Unreadable,
)
from syncd.ports.provider import (
    CommandKind,
    Done,
    Failed,
    NextPoll,
    Receipt,
    WriteChecks,
    WriteCommand,
)
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import Limit
from syncd.sandbox import RateLimit
from syncd.sandbox.faults import Fault

if TYPE_CHECKING:
    from syncd.sandbox import LoggedRequest
    from tests.providers.conftest import VirtualClock
    from tests.providers.ghl.conftest import Clinic, Open

    IsDone = Callable[[Receipt], Done]
    IsFailed = Callable[[Receipt], Failed]

ALL = (Group.TITLE, Group.TIME, Group.STATUS, Group.DESCRIPTION, Group.ADDRESS, Group.OWNER)


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


def test_a_booking_notifies_only_where_it_is_told_to(clinic: Clinic, is_done: IsDone) -> None:
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


def test_completed_is_stored_as_showed_and_said_so(clinic: Clinic, is_done: IsDone) -> None:
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


# Slots


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


def test_free_slots_are_asked_for_once_per_calendar_and_month(clinic: Clinic) -> None:
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


# Updates


def test_an_update_writes_its_groups_and_re_sends_the_fresh_status(
    clinic: Clinic, is_done: IsDone
) -> None:
    """A PUT without a status was seen to turn noshow into confirmed."""
    key = clinic.book(24, title="Old", status="noshow")
    receipt = is_done(clinic.update(key, Group.TITLE, seen=clinic.see(key), title="New"))
    (sent,) = clinic.sent("PUT")
    assert sent.body == {
        "title": "New",
        "appointmentStatus": "noshow",
        "toNotify": False,
        "ignoreFreeSlotValidation": True,
    }
    shown = clinic.see(key).appointment
    assert (shown.title, shown.status) == ("New", "noshow")
    assert receipt.returned == shown
    assert clinic.world.notifications == []


def test_the_status_that_is_re_sent_is_the_one_of_this_moment(
    clinic: Clinic, is_done: IsDone
) -> None:
    key = clinic.book(24, status="confirmed")
    seen = clinic.see(key)
    clinic.world.location.edit(key, status="showed")
    is_done(clinic.update(key, Group.TITLE, seen=seen, title="New"))
    assert clinic.see(key).appointment.status == "showed"


def test_a_status_that_can_only_be_read_is_not_re_sent(clinic: Clinic, is_done: IsDone) -> None:
    """It would refuse the whole update."""
    key = clinic.book(24, title="Old")
    shown = {"id": key, "locationId": clinic.world.location.id, "appointmentStatus": "rescheduled"}
    clinic.world.faults.add(method="GET", path=key, status=200, body={"appointment": shown})
    is_done(clinic.update(key, Group.TITLE, title="New"))
    assert "appointmentStatus" not in clinic.sent("PUT")[0].body


def test_every_field_can_be_written(clinic: Clinic, is_done: IsDone) -> None:
    key = clinic.book(24, title="Old", status="new", assignee=clinic.users[0])
    wanted = Appointment(
        title="New",
        start=clinic.at(48),
        end=clinic.at(49),
        status="cancelled",
        description="why",
        address="Main St 1",
        owner=clinic.users[1],
    )
    receipt = is_done(
        clinic.write(kind=CommandKind.UPDATE, id=key, wanted=wanted, groups=frozenset(ALL))
    )
    shown = clinic.see(key).appointment
    assert shown == replace(wanted, contact=clinic.contact)
    assert receipt.returned == shown
    assert receipt.refused == ()


def test_clearing_a_text_sends_an_empty_one(clinic: Clinic, is_done: IsDone) -> None:
    key = clinic.book(24, description="why", address="Main St 1")
    is_done(clinic.update(key, Group.DESCRIPTION, Group.ADDRESS))
    shown = clinic.see(key).appointment
    assert (shown.description, shown.address) == ("", "")


def test_an_owner_cannot_be_taken_away_and_the_receipt_says_so(
    clinic: Clinic, is_done: IsDone
) -> None:
    key = clinic.book(24, assignee=clinic.users[1])
    receipt = is_done(clinic.update(key, Group.OWNER, owner=""))
    assert "assignedUserId" not in clinic.sent("PUT")[0].body
    assert receipt.returned.owner == clinic.users[1]


def test_a_record_that_changed_since_the_plan_is_not_overwritten(
    clinic: Clinic, is_failed: IsFailed
) -> None:
    key = clinic.book(24, title="Old")
    seen = clinic.see(key)
    clinic.world.location.edit(key, title="Theirs")
    receipt = is_failed(clinic.update(key, Group.TITLE, seen=seen, title="Ours"))
    assert isinstance(receipt.error, Stale)
    assert clinic.see(key).appointment.title == "Theirs"


def test_a_change_elsewhere_in_the_record_stops_no_write(clinic: Clinic, is_done: IsDone) -> None:
    key = clinic.book(24, title="Old")
    seen = clinic.see(key)
    clinic.world.location.edit(key, description="theirs")
    is_done(clinic.update(key, Group.TITLE, seen=seen, title="Ours"))
    shown = clinic.see(key).appointment
    assert (shown.title, shown.description) == ("Ours", "theirs")


@pytest.mark.parametrize("erase", ["delete", "forget"])
def test_a_record_that_is_gone_is_stale_and_not_resurrected(
    clinic: Clinic, is_failed: IsFailed, erase: str
) -> None:
    key = clinic.book(24)
    seen = clinic.see(key)
    if erase == "delete":
        clinic.world.location.delete(key)
    else:
        key = "nosuchappointment001"
    receipt = is_failed(clinic.update(key, Group.TITLE, seen=seen, title="New"))
    assert isinstance(receipt.error, Stale)
    assert clinic.sent("PUT") == []


def test_a_refused_move_holds_the_times_and_writes_the_rest(
    clinic: Clinic, is_done: IsDone
) -> None:
    clinic.book(48, assignee=clinic.users[0])
    key = clinic.book(24, title="Old", assignee=clinic.users[0])
    receipt = is_done(
        clinic.update(
            key,
            Group.TIME,
            Group.TITLE,
            title="New",
            start=clinic.at(48),
            end=clinic.at(48.5),
            validate_slot=True,
        )
    )
    shown = clinic.see(key).appointment
    assert (shown.title, shown.start) == ("New", clinic.at(24))
    assert [(each.group, each.reason) for each in receipt.refused] == [(Group.TIME, "slot_taken")]
    assert receipt.returned == shown
    assert clinic.sent("GET", "/free-slots") == []


def test_a_refused_move_alone_is_not_sent_twice(clinic: Clinic, is_done: IsDone) -> None:
    clinic.book(48, assignee=clinic.users[0])
    key = clinic.book(24, assignee=clinic.users[0])
    receipt = is_done(
        clinic.update(key, Group.TIME, start=clinic.at(48), end=clinic.at(48.5), validate_slot=True)
    )
    assert [each.group for each in receipt.refused] == [Group.TIME]
    assert receipt.returned.start == clinic.at(24)
    assert len(clinic.sent("PUT")) == 1


def test_a_move_onto_a_free_slot_is_validated_by_the_vendor(
    clinic: Clinic, is_done: IsDone
) -> None:
    key = clinic.book(24, assignee=clinic.users[0])
    receipt = is_done(
        clinic.update(key, Group.TIME, start=clinic.at(48), end=clinic.at(48.5), validate_slot=True)
    )
    assert receipt.refused == ()
    assert clinic.sent("PUT")[0].body["ignoreFreeSlotValidation"] is False
    assert clinic.see(key).appointment.start == clinic.at(48)


def test_of_a_pair_an_owner_outside_the_team_holds_only_the_owner(
    clinic: Clinic, is_done: IsDone
) -> None:
    key = clinic.book(24, title="Old", assignee=clinic.users[0])
    receipt = is_done(
        clinic.update(key, Group.OWNER, Group.TITLE, title="New", owner=clinic.users[2])
    )
    shown = clinic.see(key).appointment
    assert (shown.title, shown.owner) == ("New", clinic.users[0])
    assert [(each.group, each.reason) for each in receipt.refused] == [
        (Group.OWNER, "outside_team")
    ]


def test_the_contact_cannot_be_changed_and_is_not_sent(clinic: Clinic, is_done: IsDone) -> None:
    key = clinic.book(24)
    receipt = is_done(clinic.update(key, Group.CONTACT, contact="somebodyelse00000001"))
    assert [(each.group, each.reason) for each in receipt.refused] == [
        (Group.CONTACT, "contact_changed")
    ]
    assert clinic.sent("PUT") == []


def test_an_update_that_timed_out_is_sent_again_with_the_same_values(
    clinic: Clinic, is_done: IsDone
) -> None:
    key = clinic.book(24)
    clinic.world.faults.add(side="ghl", method="PUT", kind="timeout_after", times=2)
    is_done(clinic.update(key, Group.TITLE, title="New"))
    bodies = [row.body for row in clinic.sent("PUT")]
    assert len(bodies) == 3
    assert bodies[0] == bodies[1] == bodies[2]


def test_an_instance_that_moves_is_known_by_its_new_id(clinic: Clinic, is_done: IsDone) -> None:
    """Its id holds its start: a move renames it."""
    location_context = clinic.world.location
    master = location_context.add_series(clinic.calendars["Team"], clinic.contact, clinic.at(24))
    first = location_context.instances(master)[0]
    receipt = is_done(clinic.update(first, Group.TIME, start=clinic.at(30), end=clinic.at(30.5)))
    assert receipt.id != first
    assert clinic.see(receipt.id).appointment.start == clinic.at(30)


def test_a_status_that_the_vendor_changed_unasked_is_in_the_receipt(
    clinic: Clinic, is_done: IsDone
) -> None:
    key = clinic.book(24, status="showed")
    answer = {"id": key, "title": "New", "appointmentStatus": "confirmed"}
    clinic.world.faults.add(side="ghl", method="PUT", status=200, body=answer)
    receipt = is_done(clinic.update(key, Group.TITLE, title="New"))
    assert receipt.returned.status == "confirmed"


# Removals


def test_a_delete_is_soft_and_carries_a_json_body(clinic: Clinic, is_done: IsDone) -> None:
    key = clinic.book(24)
    is_done(clinic.remove(key, clinic.see(key)))
    (sent,) = clinic.sent("DELETE")
    assert (sent.path.endswith(f"/calendars/events/{key}"), sent.body) == (True, {})
    assert clinic.see(key).gone


@pytest.mark.parametrize("before", ["delete", "forget"])
def test_what_is_gone_already_counts_as_deleted(
    clinic: Clinic, is_done: IsDone, before: str
) -> None:
    key = clinic.book(24) if before == "delete" else "nosuchappointment001"
    if before == "delete":
        clinic.world.location.delete(key)
    is_done(clinic.remove(key))
    assert clinic.sent("DELETE") == []


def test_a_delete_whose_answer_was_lost_ends_as_done(clinic: Clinic, is_done: IsDone) -> None:
    """The second try is answered with 400, already deleted."""
    key = clinic.book(24)
    clinic.world.faults.add(side="ghl", method="DELETE", kind="drop_after")
    is_done(clinic.remove(key, clinic.see(key)))
    assert len(clinic.sent("DELETE")) == 2


def test_an_orphan_that_cannot_be_deleted_is_rejected(clinic: Clinic, is_failed: IsFailed) -> None:
    """Its contact was deleted first; the words are those of an appointment deleted already."""
    key = clinic.book(24)
    clinic.world.location.delete_contact(clinic.contact)
    receipt = is_failed(clinic.remove(key, clinic.see(key)))
    assert reason(receipt) == "rejected"
    assert "its contact was" in str(receipt.error)


def test_an_edited_record_is_not_deleted(clinic: Clinic, is_failed: IsFailed) -> None:
    key = clinic.book(24)
    seen = clinic.see(key)
    clinic.world.location.edit(key, description="theirs")
    receipt = is_failed(clinic.remove(key, seen))
    assert isinstance(receipt.error, Stale)
    assert not clinic.see(key).gone


def test_a_wrong_id_never_deletes_blocked_time_or_a_series(
    clinic: Clinic, is_done: IsDone, is_failed: IsFailed
) -> None:
    location_context = clinic.world.location
    block = location_context.block(clinic.at(24), clinic.at(25), user=clinic.users[0])
    is_done(clinic.remove(block))
    master = location_context.add_series(clinic.calendars["Team"], clinic.contact, clinic.at(24))
    assert reason(is_failed(clinic.remove(master))) == "rejected"
    assert clinic.sent("DELETE") == []


# Many orders


def many(clinic: Clinic, count: int, **more: Any) -> list[WriteCommand]:
    return [
        WriteCommand(
            key=f"order-{number}",
            kind=CommandKind.CREATE,
            wanted=Appointment(
                title="Check-up",
                start=clinic.at(24 + number),
                end=clinic.at(24.5 + number),
                status="confirmed",
                contact=clinic.contact,
            ),
            calendar=clinic.calendars["Event"],
            **more,
        )
        for number in range(count)
    ]


def test_one_refused_order_stops_no_other(clinic: Clinic) -> None:
    clinic.world.faults.add(side="ghl", method="POST", nth=3, status=422, body={"message": ["no"]})
    receipts = list(clinic.provider.write(many(clinic, 8)))
    assert {each.key for each in receipts} == {f"order-{number}" for number in range(8)}
    assert sum(isinstance(each, Failed) for each in receipts) == 1


def test_one_order_that_always_breaks_the_server_stops_no_other(clinic: Clinic) -> None:
    key = clinic.book(1)
    clinic.world.faults.add(side="ghl", method="PUT", path=key, status=500, times=None)
    poison = WriteCommand(
        key="poison", kind=CommandKind.UPDATE, id=key, groups=frozenset({Group.TITLE})
    )
    receipts = {each.key: each for each in clinic.provider.write([poison, *many(clinic, 20)])}
    assert len(receipts) == 21
    broken = receipts["poison"]
    assert isinstance(broken, Failed)
    assert isinstance(broken.error, Unavailable)


def test_a_lost_token_stops_the_rest_and_leaves_it_unsent(clinic: Clinic) -> None:
    clinic.world.faults.add(
        side="ghl",
        method="POST",
        nth=4,
        times=None,
        status=401,
        body={"statusCode": 401, "message": "Invalid token: access token is invalid"},
    )
    receipts: list[Receipt] = []
    with pytest.raises(AuthFailed):
        receipts.extend(clinic.provider.write(many(clinic, 40)))
    assert len(clinic.world.location.events()) == 3
    assert len(clinic.sent("POST")) < 12


def test_a_missing_write_scope_is_named(open_clinic: Open) -> None:
    """Reads go on working, so a run looks healthy while every write is refused."""
    scopes = open_clinic().world.settings.ghl_scopes - {"calendars/events.write"}
    clinic = open_clinic(ghl_scopes=scopes)
    with pytest.raises(AuthFailed, match=r"calendars/events\.write"):
        list(clinic.provider.write(many(clinic, 2)))


def test_a_vendor_that_went_down_stops_the_rest(clinic: Clinic) -> None:
    clinic.provider.prepare()
    clinic.world.faults.add(side="ghl", status=503, times=None)
    with pytest.raises(Unavailable):
        list(clinic.provider.write(many(clinic, 60)))
    assert len(clinic.sent("POST")) < 12


def test_closing_the_receipts_waits_for_what_is_in_flight_and_sends_no_more(
    clinic: Clinic,
) -> None:
    receipts = clinic.provider.write(many(clinic, 200))
    next(receipts)
    assert isinstance(receipts, Generator)
    receipts.close()
    sent = len(clinic.sent("POST"))
    assert sent < 200
    assert len(clinic.world.location.events()) == sent
    clinic.scan()
    assert len(clinic.sent("POST")) == sent


def test_a_strict_server_never_has_to_refuse_a_backfill(
    open_clinic: Open, clock: VirtualClock
) -> None:
    limit = Limit(requests=20, seconds=10.0)
    clinic = open_clinic(
        budget=Budget(side=Side.GHL, clock=clock, limit=limit),
        enforce_limits=True,
        ghl_limit=RateLimit(requests=20, seconds=10.0),
    )
    receipts = list(clinic.provider.write(many(clinic, 100)))
    assert all(isinstance(each, Done) for each in receipts)
    assert {row.status for row in clinic.world.requests} == {200}
    assert (clock.now() - clinic.now).total_seconds() >= 50


def test_orders_are_taken_no_faster_than_they_are_sent(clinic: Clinic) -> None:
    """What comes in while others are written overtakes those that were not taken yet."""
    taken: list[int] = []

    def commands() -> Iterator[WriteCommand]:
        for number in range(60):
            taken.append(number)
            yield booking(clinic, number)

    receipts = clinic.provider.write(commands())
    most = 0
    for done, receipt in enumerate(receipts, 1):
        assert isinstance(receipt, Done)
        most = max(most, len(taken) - done)
    assert len(taken) == 60
    assert most <= 2 * 4, "the pool of four, and as many again"


def booking(clinic: Clinic, number: int) -> WriteCommand:
    """A booking at an hour of its own."""
    return WriteCommand(
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
    )


def test_no_order_is_taken_while_the_budget_has_no_place(
    open_clinic: Any, clock: VirtualClock
) -> None:
    """What was taken could not be overtaken, and would keep a pause in the writing waiting."""
    limit = Limit(requests=25, seconds=10)
    clinic = open_clinic(budget=Budget(side=Side.GHL, clock=clock, limit=limit))
    clinic.provider.prepare()
    clinic.world.reset_requests()
    began, taken = clock.monotonic(), []

    def commands() -> Iterator[WriteCommand]:
        for number in range(60):
            taken.append(clock.monotonic() - began)
            yield booking(clinic, number)

    until = began + 5

    class UntilThen(WriteChecks):
        def cancelled(self, side: Side) -> bool:
            return side is Side.GHL and clock.monotonic() >= until

    receipts = list(clinic.provider.write(commands(), UntilThen()))
    assert len(receipts) == len(taken) == len(clinic.sent("POST"))
    assert 15 <= len(taken) <= 25
    assert clock.monotonic() < until + 1


def test_capacity_that_is_reserved_for_a_poll_is_left_free_and_writing_pauses_for_it(
    open_clinic: Any, clock: VirtualClock
) -> None:
    budget = Budget(side=Side.GHL, clock=clock, limit=Limit(requests=25, seconds=10))
    clinic = open_clinic(budget=budget)
    clinic.provider.prepare()
    began, left = clock.monotonic(), []

    class Watched(WriteChecks):
        def cancelled(self, side: Side) -> bool:
            left.append(budget.available())
            return super().cancelled(side)

    clinic.provider.reserve(NextPoll(requests=6, earliest=began + 5, latest=began + 9))
    commands = (booking(clinic, number) for number in range(60))
    assert len(list(clinic.provider.write(commands, Watched()))) >= 10
    assert min(left) == 6
    assert began + 5 <= clock.monotonic() < began + 6


# --- one group that is refused in words that nobody knows


@pytest.mark.parametrize("status", [400, 413, 415, 422])
@pytest.mark.parametrize("key", ["description", "address", "title", "startTime"])
def test_a_group_that_is_refused_in_unknown_words_keeps_no_other_back(
    clinic: Clinic, is_done: IsDone, monkeypatch: pytest.MonkeyPatch, status: int, key: str
) -> None:
    refuse(clinic, monkeypatch, lambda body: key in body, status)
    appointment = clinic.book(24, title="Old", description="Old", address="Old")
    seen = clinic.see(appointment)
    group = {"startTime": Group.TIME}.get(key, key)
    wanted = replace(
        seen.appointment,
        title="New",
        description="New",
        address="New",
        status="cancelled",
        start=clinic.at(30),
        end=clinic.at(31),
    )
    groups = {Group.TITLE, Group.DESCRIPTION, Group.ADDRESS, Group.STATUS, Group.TIME}
    receipt = is_done(
        clinic.write(
            kind=CommandKind.UPDATE,
            id=appointment,
            wanted=wanted,
            groups=frozenset(groups),
            seen=seen,
            notify=True,
        )
    )
    assert [(each.group, each.reason) for each in receipt.refused] == [(group, "rejected")]
    assert "a stone in the way" in receipt.refused[0].detail
    shown = clinic.see(appointment).appointment
    for each in groups - {group}:
        assert value(shown, each) == value(wanted, each) == value(receipt.returned, each)
    assert value(shown, group) == value(seen.appointment, group) == value(receipt.returned, group)
    told = [row for row in clinic.sent("PUT") if row.body["toNotify"] and (row.status or 0) < 400]
    assert len(told) == 1


def test_an_update_of_which_nothing_is_taken_is_refused_whole(
    clinic: Clinic, is_failed: IsFailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(clinic, monkeypatch, lambda _: True, 422)
    key = clinic.book(24)
    receipt = is_failed(clinic.update(key, "title", "status", title="New", status="cancelled"))
    assert isinstance(receipt.error, Rejected)
    assert "a stone in the way" in str(receipt.error)
    assert len(clinic.sent("PUT")) <= 3


def test_a_group_that_the_server_stumbles_over_keeps_no_other_back(
    clinic: Clinic, is_failed: IsFailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(clinic, monkeypatch, lambda body: "description" in body, 500)
    key = clinic.book(24, title="Old", description="Old")
    receipt = is_failed(
        clinic.update(
            key,
            "title",
            "description",
            "status",
            title="New",
            description="New",
            status="cancelled",
        )
    )
    assert isinstance(receipt.error, Unavailable)
    shown = clinic.see(key).appointment
    assert (shown.status, shown.title, shown.description) == ("cancelled", "New", "Old")


def test_a_server_that_takes_no_update_is_not_asked_group_by_group(
    clinic: Clinic, is_failed: IsFailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(clinic, monkeypatch, lambda _: True, 500)
    key = clinic.book(24)
    receipt = is_failed(
        clinic.update(
            key,
            "title",
            "description",
            "address",
            "status",
            title="New",
            description="New",
            address="New",
            status="cancelled",
        )
    )
    assert isinstance(receipt.error, Unavailable)
    assert len({str(row.body) for row in clinic.sent("PUT")}) == 3  # all, and two of the four


def refuse(
    clinic: Clinic, patch: pytest.MonkeyPatch, fits: Callable[[Any], bool], status: int
) -> None:
    """HighLevel refuses updates whose body fits."""
    location_context = type(clinic.world.faults)
    take = location_context.take

    def taken(self: Any, side: str, request: Any) -> Any:
        if request.method == "PUT" and fits(request.json()):
            body = {"statusCode": status, "message": "there is a stone in the way"}
            return Fault(status=status, body=body), None
        return take(self, side, request)

    patch.setattr(location_context, "take", taken)
