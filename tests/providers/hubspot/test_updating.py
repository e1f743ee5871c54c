"""Updates and removals: only what was ordered, only over what was seen, each row for itself."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.core.essence import value
from syncd.core.model import Appointment, Group, GroupKey
from syncd.errors import Rejected, Stale, Unavailable
from syncd.ports.provider import CommandKind, Done, ExternalIds, Failed, Receipt, WriteCommand
from syncd.providers.hubspot.schema import MappedProperty
from syncd.sandbox.faults import Fault

Account = Callable[..., Any]


def _update(desk: Any, record: str, *groups: GroupKey, **wanted: Any) -> WriteCommand:
    seen = desk.provider.fetch([record])[record]
    return WriteCommand(
        key=f"update-{record}",
        kind=CommandKind.UPDATE,
        id=record,
        wanted=replace(seen.appointment, **wanted),
        groups=frozenset(groups),
        seen=seen,
    )


def _remove(desk: Any, record: str) -> WriteCommand:
    seen = desk.provider.fetch([record])[record]
    return WriteCommand(key=f"remove-{record}", kind=CommandKind.REMOVE, id=record, seen=seen)


def _write(desk: Any, *commands: WriteCommand) -> list[Receipt]:
    receipts = {each.key: each for each in desk.provider.write(commands)}
    return [receipts[command.key] for command in commands]


def _done(receipt: Receipt) -> Done:
    assert isinstance(receipt, Done), receipt
    return receipt


def _error(receipt: Receipt) -> Exception:
    assert isinstance(receipt, Failed), receipt
    return receipt.error


# --- updates


def test_only_the_requested_fields_are_sent(desk: Any) -> None:
    record = desk.book()
    command = _update(desk, record, Group.TITLE, title="Moved", description="not ordered")
    (receipt,) = _write(desk, command)
    (row,) = desk.asked("/batch/update")[0].body["inputs"]
    assert row == {
        "id": record,
        "properties": {"hs_appointment_name": "Moved"},
        "objectWriteTraceId": command.key,
    }
    assert _done(receipt).returned.title == "Moved"


def test_start_and_end_are_written_together(desk: Any) -> None:
    record = desk.book()
    later = desk.provider.fetch([record])[record].appointment.start + timedelta(hours=1)
    command = _update(desk, record, Group.TIME, start=later, end=later + timedelta(minutes=30))
    done = _done(_write(desk, command)[0])
    assert value(done.returned, Group.TIME) == (command.wanted.start, command.wanted.end)
    assert set(desk.asked("/batch/update")[0].body["inputs"][0]["properties"]) == {
        "hs_appointment_start",
        "hs_appointment_end",
    }


def test_a_field_is_cleared_with_an_empty_string(desk: Any) -> None:
    record = desk.book(ghl_description="Bring papers")
    done = _done(_write(desk, _update(desk, record, Group.DESCRIPTION, description=""))[0])
    assert done.returned.description == ""
    assert desk.provider.fetch([record])[record].appointment.description == ""


def test_a_record_that_was_edited_after_it_was_seen_is_left_alone(desk: Any) -> None:
    record = desk.book()
    command = _update(desk, record, Group.TITLE, title="Ours")
    desk.portal.edit(record, hs_appointment_name="Theirs")
    assert isinstance(_error(_write(desk, command)[0]), Stale)
    assert desk.portal.get(record).properties["hs_appointment_name"] == "Theirs"


def test_an_edit_of_another_field_does_not_stop_ours_and_survives(desk: Any) -> None:
    record = desk.book()
    command = _update(desk, record, Group.TITLE, title="Ours")
    desk.portal.edit(record, ghl_description="Theirs")
    _done(_write(desk, command)[0])
    held = desk.portal.get(record).properties
    assert (held["hs_appointment_name"], held["ghl_description"]) == ("Ours", "Theirs")


def test_a_record_that_was_archived_after_it_was_seen_is_left_alone(desk: Any) -> None:
    record = desk.book()
    command = _update(desk, record, Group.TITLE, title="Ours")
    desk.portal.archive(record)
    assert isinstance(_error(_write(desk, command)[0]), Stale)


def test_a_hundred_updates_are_one_reading_and_one_writing(desk: Any) -> None:
    records = [desk.book() for _ in range(100)]
    commands = [_update(desk, record, Group.TITLE, title="New") for record in records]
    desk.world.reset_requests()
    assert all(isinstance(each, Done) for each in _write(desk, *commands))
    assert [row.path.rsplit("/", 2)[-1] for row in desk.asked()] == ["read", "update"]


def test_two_commands_for_one_record_never_share_a_batch(desk: Any) -> None:
    record = desk.book()
    one = _update(desk, record, Group.TITLE, title="New")
    two = replace(
        _update(desk, record, Group.DESCRIPTION, description="More"), key="the second one"
    )
    assert all(isinstance(each, Done) for each in _write(desk, one, two))
    assert [len(row.body["inputs"]) for row in desk.asked("/batch/update")] == [1, 1]


@pytest.mark.parametrize("inside_200", [False, True])
def test_an_error_in_one_row_is_found_whatever_the_status_of_the_answer(
    account: Account, inside_200: bool
) -> None:
    desk = account(settings={"errors_inside_200": inside_200})
    good, bad = desk.book(), desk.book()
    receipts = _write(
        desk,
        _update(desk, good, Group.STATUS, status="COMPLETED"),
        _update(desk, bad, Group.STATUS, status="WHENEVER"),
    )
    _done(receipts[0])
    assert "WHENEVER was not one of the allowed options" in str(_error(receipts[1]))


def test_a_field_that_is_refused_does_not_keep_the_others_back(desk: Any) -> None:
    record = desk.book()
    command = _update(desk, record, Group.OWNER, Group.TITLE, owner="4711", title="New")
    done = _done(_write(desk, command)[0])
    assert [(each.group, each.reason) for each in done.refused] == [(Group.OWNER, "rejected")]
    assert "4711" in done.refused[0].detail
    assert desk.portal.get(record).properties["hs_appointment_name"] == "New"


def test_a_field_that_the_server_fails_on_does_not_keep_the_others_back(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = type(desk.world.faults).take

    def taken(self: Any, side: str, request: Any) -> Any:
        rows = request.json()["inputs"] if request.path.endswith("/batch/update") else ()
        if any("ghl_description" in row["properties"] for row in rows):
            return Fault(status=500, body={}), None
        return take(self, side, request)

    monkeypatch.setattr(type(desk.world.faults), "take", taken)
    record = desk.book()
    command = _update(
        desk,
        record,
        Group.DESCRIPTION,
        Group.TITLE,
        Group.STATUS,
        description="x",
        title="New",
        status="CANCELLED",
    )
    assert isinstance(_error(_write(desk, command)[0]), Unavailable)
    held = desk.portal.get(record).properties
    assert (held["hs_appointment_name"], held["hs_appointment_status"]) == ("New", "CANCELLED")
    assert held.get("ghl_description") != "x"


def test_a_lost_answer_to_an_update_is_simply_repeated(desk: Any) -> None:
    record = desk.book()
    command = _update(desk, record, Group.TITLE, title="New")
    desk.world.faults.add(Fault(kind="timeout_after", path="/batch/update$"))
    assert _done(_write(desk, command)[0]).returned.title == "New"


# --- the identity


def test_external_ids_write_their_two_properties_and_nothing_else(desk: Any) -> None:
    record = desk.book()
    command = replace(_update(desk, record), external_ids=ExternalIds(ghl_id="g1", location_id="L"))
    done = _done(_write(desk, command)[0])
    (row,) = desk.asked("/batch/update")[0].body["inputs"]
    assert row["properties"] == {"ghl_appointment_id": "g1", "ghl_location_id": "L"}
    assert not done.external_id_refused


def test_an_external_id_that_another_record_holds_is_left_out_and_the_rest_is_written(
    desk: Any,
) -> None:
    desk.book(ghl_appointment_id="g1")
    record = desk.book()
    external_ids = ExternalIds(ghl_id="g1", location_id="L")
    command = replace(_update(desk, record, Group.TITLE, title="New"), external_ids=external_ids)
    done = _done(_write(desk, command)[0])
    assert done.external_id_refused
    assert done.returned.title == "New"
    held = desk.portal.get(record).properties
    assert held["hs_appointment_name"] == "New"
    assert "ghl_appointment_id" not in held


def test_an_external_id_alone_that_another_record_holds_writes_nothing(desk: Any) -> None:
    desk.book(ghl_appointment_id="g1")
    record = desk.book()
    command = replace(_update(desk, record), external_ids=ExternalIds(ghl_id="g1", location_id="L"))
    assert _done(_write(desk, command)[0]).external_id_refused
    assert len(desk.asked("/batch/update")) == 1


def test_an_external_id_never_replaces_one_that_appeared_since(desk: Any) -> None:
    record = desk.book()
    command = replace(_update(desk, record), external_ids=ExternalIds(ghl_id="g1", location_id="L"))
    desk.portal.edit(record, ghl_appointment_id="g2")
    assert isinstance(_error(_write(desk, command)[0]), Stale)
    assert desk.portal.get(record).properties["ghl_appointment_id"] == "g2"


# --- the contact


SUB_PATHS = ["PUT", "DELETE"]


@pytest.mark.parametrize(
    ("version", "as_before", "sent"),
    [
        ("2026-03", False, SUB_PATHS),
        ("2026-09", True, SUB_PATHS),
        ("2026-09", False, ["PUT", "POST", "POST"]),
    ],
)
def test_another_contact_replaces_the_association(
    account: Account, version: str, sent: list[str], *, as_before: bool
) -> None:
    desk = account(api_version=version, settings={"paths_as_in_2026_03": as_before})
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    ben = desk.portal.add_contact("Ben Torres", "ben@example.com")
    record = desk.book(ada)
    command = replace(_update(desk, record, Group.CONTACT, contact=ben), replaced=ada)
    done = _done(_write(desk, command)[0])
    assert done.returned.contact == ben
    assert desk.provider.fetch([record])[record].contacts == (ben,)
    assert [row.method for row in desk.world.writes("hubspot")] == sent
    desk.world.reset_requests()
    again = replace(_update(desk, record, Group.CONTACT, contact=ada), replaced=ben)
    assert _done(_write(desk, again)[0]).returned.contact == ada
    assert desk.provider.fetch([record])[record].contacts == (ada,)
    assert len(desk.world.writes("hubspot")) == 2, "which route there is is known by now"


def test_a_contact_that_is_not_there_is_refused_by_either_route(account: Account) -> None:
    desk = account(api_version="2026-09")
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    record = desk.book(ada)
    for _ in range(2):
        command = _update(desk, record, Group.CONTACT, Group.TITLE, contact="999", title="New")
        command = replace(command, replaced=ada)
        (refused,) = _done(_write(desk, command)[0]).refused
        assert (refused.group, refused.reason) == (Group.CONTACT, "rejected")
        assert desk.provider.fetch([record])[record].contacts == (ada,)


def test_a_conditionally_demanded_value_is_named_and_keeps_no_other_field_back(
    account: Account,
) -> None:
    desk = account(api_version="2026-09")
    desk.portal.add_property("reason")
    desk.portal.conditional["hs_appointment_status", "CANCELLED"] = "reason"
    record = desk.book()
    command = _update(desk, record, Group.STATUS, Group.TITLE, status="CANCELLED", title="New")
    done = _done(_write(desk, command)[0])
    ((group, detail),) = [(each.group, each.detail) for each in done.refused]
    assert group == Group.STATUS
    assert "(reason) in HubSpot" in detail
    assert done.returned.title == "New"


def test_a_contact_beside_the_replaced_one_stays(desk: Any) -> None:
    ada, ben, cleo = (
        desk.portal.add_contact(name, f"{name.casefold()}@example.com")
        for name in ("Ada", "Ben", "Cleo")
    )
    record = desk.book(ada)
    desk.portal.associate(record, cleo)
    command = replace(_update(desk, record, Group.CONTACT, contact=ben), replaced=ada)
    _done(_write(desk, command)[0])
    assert set(desk.provider.fetch([record])[record].contacts) == {ben, cleo}


def test_a_contact_that_was_added_since_makes_the_command_stale(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    ben = desk.portal.add_contact("Ben Torres", "ben@example.com")
    record = desk.book(ada)
    command = _update(desk, record, Group.CONTACT, contact=ben)
    desk.portal.associate(record, desk.portal.add_contact("Cleo Marsh", "cleo@example.com"))
    assert isinstance(_error(_write(desk, command)[0]), Stale)


def test_a_contact_that_cannot_be_associated_does_not_undo_the_rest(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    record = desk.book(ada)
    command = _update(desk, record, Group.CONTACT, Group.TITLE, contact="999", title="New")
    done = _done(_write(desk, command)[0])
    assert [each.group for each in done.refused] == [Group.CONTACT]
    assert done.returned.title == "New"
    assert desk.provider.fetch([record])[record].contacts == (ada,)


# --- removals


def test_removals_are_archived_in_one_request_and_repeatable(desk: Any) -> None:
    records = [desk.book() for _ in range(3)]
    commands = [_remove(desk, record) for record in records]
    assert all(isinstance(each, Done) for each in _write(desk, *commands))
    assert all(isinstance(each, Done) for each in _write(desk, *commands))
    assert len(desk.asked("/batch/archive")) == 1
    assert len(desk.portal.archived()) == 3


def test_an_edit_beats_a_removal(desk: Any) -> None:
    record = desk.book()
    command = _remove(desk, record)
    desk.portal.edit(record, hs_appointment_name="Still on")
    assert isinstance(_error(_write(desk, command)[0]), Stale)
    assert desk.portal.archived() == []


def test_a_merged_record_is_not_taken_for_removed(desk: Any) -> None:
    record, other = desk.book(), desk.book()
    command = _remove(desk, record)
    desk.portal.merge(record, other)
    assert isinstance(_error(_write(desk, command)[0]), Stale)


def test_a_removal_that_is_refused_is_the_only_one(desk: Any) -> None:
    records = [desk.book() for _ in range(4)]
    commands = [_remove(desk, record) for record in records]

    def refuse(entry: Any) -> None:
        if "archive" in entry.path and {"id": records[2]} in entry.body["inputs"]:
            desk.world.faults.add(Fault(path="/batch/archive$", status=400, body={"message": "No"}))

    desk.world.before_request = refuse
    receipts = _write(desk, *commands)
    assert isinstance(_error(receipts.pop(2)), Rejected)
    assert all(isinstance(each, Done) for each in receipts)


# --- extras


def test_a_mapped_field_is_written_to_the_property_that_the_configuration_names(
    account: Account,
) -> None:
    desk = account(
        set_up=False, mapped_fields=(MappedProperty(name="room", property="clinic_room"),)
    )
    desk.portal.add_property("clinic_room")
    desk.provider.setup(("SCHEDULED",))
    record = desk.book()
    command = _update(desk, record, "x:room", mapped_fields=(("room", "3"),))
    done = _done(_write(desk, command)[0])
    assert done.returned.mapped_fields == (("room", "3"),)
    assert desk.portal.get(record).properties["clinic_room"] == "3"


def test_an_update_of_nothing_sends_nothing(desk: Any) -> None:
    record = desk.book()
    command = WriteCommand(key="k", kind=CommandKind.UPDATE, id=record, wanted=Appointment())
    _done(_write(desk, command)[0])
    assert desk.world.writes("hubspot") == []
