"""Updates in HighLevel: what is sent, what is refused, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from syncd.core.essence import value
from syncd.core.model import Appointment, Group
from syncd.errors import (
    Rejected,
    Stale,
    Unavailable,
)
from syncd.ports.provider import (
    CommandKind,
    Done,
    Failed,
    Receipt,
)
from syncd.sandbox.faults import Fault

if TYPE_CHECKING:
    from tests.providers.ghl.conftest import Clinic

    IsDone = Callable[[Receipt], Done]
    IsFailed = Callable[[Receipt], Failed]


ALL = (Group.TITLE, Group.TIME, Group.STATUS, Group.DESCRIPTION, Group.ADDRESS, Group.OWNER)


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


def test_a_refused_move_alone_is_not_sent_twice(clinic: Clinic, is_done: IsDone) -> None:
    clinic.world.location.block(clinic.at(48), clinic.at(49), user=clinic.users[0])
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


def test_a_status_that_keeps_the_slot_is_not_validated(clinic: Clinic, is_done: IsDone) -> None:
    """People book outside the hours, and such a booking is never offered."""
    key = clinic.book(24, assignee=clinic.users[0])
    is_done(clinic.update(key, Group.STATUS, status="noshow", validate_slot=True))
    assert clinic.sent("PUT")[0].body["ignoreFreeSlotValidation"] is True
    assert clinic.see(key).appointment.status == "noshow"


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


@pytest.mark.parametrize("status", [400, 413, 415, 422])
@pytest.mark.parametrize("key", ["description", "address", "title", "startTime"])
def test_a_group_that_is_refused_with_an_unknown_text_keeps_no_other_back(
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


def test_a_group_that_the_server_fails_on_keeps_no_other_back(
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
