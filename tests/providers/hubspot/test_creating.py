"""Creations: in batches, with identity and contact, never twice, one bad row alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.errors import AuthFailed, Rejected, Stale, TimedOut, Unavailable
from syncd.ports.provider import Done, Failed, Receipt
from syncd.sandbox.faults import Fault

Account = Callable[..., Any]
CREATE = "/batch/create$"


def _write(desk: Any, *commands: Any) -> dict[str, Receipt]:
    receipts = list(desk.provider.write(commands))
    assert len({each.key for each in receipts}) == len(receipts), "one receipt each"
    return {each.key: each for each in receipts}


def _done(receipt: Receipt) -> Done:
    assert isinstance(receipt, Done), receipt
    return receipt


def _error(receipt: Receipt) -> Exception:
    assert isinstance(receipt, Failed), receipt
    return receipt.error


@pytest.fixture
def ada(desk: Any) -> str:
    contact: str = desk.portal.add_contact("Ada Winter", "ada@example.com")
    return contact


def test_a_record_is_made_with_external_ids_and_contact_in_one_request(desk: Any, ada: str) -> None:
    command = desk.command(
        "g1", ada, description="Bring papers", owner=next(iter(desk.portal.owners))
    )
    done = _done(_write(desk, command)["create-g1"])
    row = desk.portal.get(done.id)
    assert row.properties["ghl_appointment_id"] == "g1"
    assert row.properties["ghl_location_id"] == command.external_ids.location_id
    assert done.returned == command.wanted
    assert desk.provider.fetch([done.id])[done.id].contacts == (ada,)
    assert len(desk.world.writes("hubspot")) == 1


def test_the_association_is_the_accounts_own_type_and_never_a_number_from_a_guide(
    desk: Any, ada: str
) -> None:
    _write(desk, desk.command("g1", ada))
    (link,) = desk.asked("/batch/create")[0].body["inputs"][0]["associations"]
    assert link == {
        "to": {"id": ada},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 906}],
    }
    assert desk.asked("/labels")


def test_two_hundred_and_fifty_creations_are_three_requests(desk: Any, ada: str) -> None:
    commands = [desk.command(f"g{number}", ada) for number in range(250)]
    receipts = _write(desk, *commands)
    assert all(isinstance(each, Done) for each in receipts.values())
    sizes = [len(row.body["inputs"]) for row in desk.world.writes("hubspot")]
    assert sorted(sizes) == [50, 100, 100]
    assert len(desk.asked()) == 3 + 1


def test_answers_are_matched_by_external_id_and_never_by_position(desk: Any, ada: str) -> None:
    assert desk.world.settings.reverse_batch_results
    receipts = _write(desk, *(desk.command(f"g{number}", ada) for number in range(5)))
    for number in range(5):
        row = desk.portal.get(_done(receipts[f"create-g{number}"]).id)
        assert row.properties["ghl_appointment_id"] == f"g{number}"


@pytest.mark.parametrize("inside_200", [False, True])
def test_one_bad_row_does_not_sink_the_batch(account: Account, inside_200: bool) -> None:
    desk = account(settings={"errors_inside_200": inside_200})
    commands = [desk.command(f"g{number}") for number in range(4)]
    commands[2] = desk.command("g2", status="WHENEVER")
    receipts = _write(desk, *commands)
    error = _error(receipts.pop("create-g2"))
    assert isinstance(error, Rejected)
    assert "WHENEVER was not one of the allowed options" in str(error)
    assert all(isinstance(each, Done) for each in receipts.values())
    assert len(desk.portal.records()) == 3
    assert len(desk.asked("/batch/create")) == 1, "the rest needs no second request"


def test_a_batch_that_is_refused_whole_is_halved_until_the_bad_row_stands_alone(
    desk: Any,
) -> None:
    commands = [desk.command(f"g{number}") for number in range(8)]
    said = {"category": "VALIDATION_ERROR", "message": "Something in here is wrong"}

    def refuse(entry: Any) -> None:
        ids = [each["properties"]["ghl_appointment_id"] for each in entry.body["inputs"]]
        if entry.path.endswith("/batch/create") and "g5" in ids:
            desk.world.faults.add(Fault(path=CREATE, status=400, body=said))

    desk.world.before_request = lambda entry: refuse(entry) if "batch/create" in entry.path else 0
    receipts = _write(desk, *commands)
    assert isinstance(_error(receipts.pop("create-g5")), Rejected)
    assert all(isinstance(each, Done) for each in receipts.values())


def test_a_batch_that_is_always_refused_costs_a_bounded_number_of_requests(desk: Any) -> None:
    said = {"category": "VALIDATION_ERROR", "message": "No"}
    desk.world.faults.add(Fault(path=CREATE, times=None, status=400, body=said))
    receipts = _write(desk, *(desk.command(f"g{number}") for number in range(100)))
    assert len(receipts) == 100
    assert all(isinstance(_error(each), Rejected) for each in receipts.values())
    assert len(desk.asked("/batch/create")) <= 41


# --- no twin


@pytest.mark.parametrize("kind", ["timeout_after", "drop_after", "timeout_before", "half_batch"])
def test_a_lost_answer_never_makes_a_twin(desk: Any, ada: str, kind: Any) -> None:
    desk.world.faults.add(Fault(kind=kind, path=CREATE, status=502))
    receipts = _write(desk, *(desk.command(f"g{number}", ada) for number in range(6)))
    assert all(isinstance(each, Done) for each in receipts.values())
    assert len(desk.portal.records()) == 6
    for receipt in receipts.values():
        shown = desk.provider.fetch([_done(receipt).id])[_done(receipt).id]
        assert shown.contacts == (ada,)
    assert desk.world.faults.pending == []


def test_a_garbled_success_is_looked_up_and_not_repeated(desk: Any) -> None:
    desk.world.faults.add(Fault(kind="garbled_body", path=CREATE))
    assert isinstance(_write(desk, desk.command("g1"))["create-g1"], Done)
    assert len(desk.portal.records()) == 1


def test_what_stays_unknown_is_said_to_have_been_sent(desk: Any) -> None:
    desk.world.faults.add(Fault(kind="timeout_after", path=CREATE))
    desk.world.faults.add(Fault(path="/batch/read", times=None, status=503))
    error = _error(_write(desk, desk.command("g1"))["create-g1"])
    assert isinstance(error, TimedOut)
    assert error.sent


def test_a_second_missing_answer_gets_no_third_attempt(desk: Any) -> None:
    desk.world.faults.add(Fault(kind="timeout_before", path=CREATE, times=None))
    assert isinstance(_error(_write(desk, desk.command("g1"))["create-g1"]), TimedOut)
    assert len(desk.asked("/batch/create")) == 2


def test_a_record_from_an_earlier_attempt_is_taken_up(desk: Any, ada: str) -> None:
    first = _done(_write(desk, desk.command("g1", ada))["create-g1"])
    again = _done(_write(desk, desk.command("g1", ada))["create-g1"])
    assert again.id == first.id
    assert again.returned == first.returned


def test_a_record_from_an_earlier_attempt_gets_the_contact_that_it_lacks(
    desk: Any, ada: str
) -> None:
    first = _done(_write(desk, desk.command("g1"))["create-g1"])
    assert _done(_write(desk, desk.command("g1", ada))["create-g1"]).id == first.id
    assert desk.provider.fetch([first.id])[first.id].contacts == (ada,)


def test_a_holder_that_shows_something_else_is_left_for_the_next_plan(desk: Any) -> None:
    first = _done(_write(desk, desk.command("g1"))["create-g1"])
    desk.portal.edit(first.id, hs_appointment_name="A person's title")
    assert isinstance(_error(_write(desk, desk.command("g1"))["create-g1"]), Stale)
    assert desk.portal.get(first.id).properties["hs_appointment_name"] == "A person's title"


def test_a_holder_of_another_location_is_refused_and_named(desk: Any) -> None:
    held = desk.book(ghl_appointment_id="g1", ghl_location_id="elsewhere")
    error = _error(_write(desk, desk.command("g1"))["create-g1"])
    assert isinstance(error, Rejected)
    assert held in str(error)


@pytest.mark.parametrize("habit", ["freed", "conflict"])
def test_an_archived_holder_of_the_external_id_does_not_stop_the_new_record(
    account: Account, habit: str
) -> None:
    desk = account(settings={"unique_of_archived": habit})
    first = _done(_write(desk, desk.command("g1"))["create-g1"])
    desk.portal.archive(first.id)
    again = _done(_write(desk, desk.command("g1"))["create-g1"])
    assert again.id != first.id
    assert again.external_id_refused == (habit == "conflict")
    held = desk.portal.get(again.id).properties
    assert ("ghl_appointment_id" in held) == (habit == "freed")
    assert held["ghl_location_id"] == desk.command("g1").external_ids.location_id


# --- contacts


def test_where_inline_associations_are_refused_the_default_route_follows(
    desk: Any, ada: str
) -> None:
    said = {"category": "VALIDATION_ERROR", "message": "Invalid association type 906"}
    rows = [
        {
            "message": said["message"],
            "category": said["category"],
            "context": {"objectWriteTraceId": [f"create-g{n}"]},
        }
        for n in (1, 2)
    ]
    desk.world.faults.add(
        Fault(path=CREATE, status=207, body={"status": "COMPLETE", "results": [], "errors": rows})
    )
    receipts = _write(desk, desk.command("g1", ada), desk.command("g2", ada))
    for receipt in receipts.values():
        done = _done(receipt)
        assert desk.provider.fetch([done.id])[done.id].contacts == (ada,)
    assert len(desk.asked("/associations/default/")) == 2


def test_where_labels_cannot_be_read_the_default_route_is_taken(desk: Any, ada: str) -> None:
    desk.world.faults.add(Fault(path="/labels$", status=403, body={"message": "no"}))
    done = _done(_write(desk, desk.command("g1", ada))["create-g1"])
    assert desk.provider.fetch([done.id])[done.id].contacts == (ada,)


def test_a_contact_that_is_gone_leaves_no_orphan(desk: Any, ada: str) -> None:
    desk.portal.archive_contact(ada)
    assert isinstance(_error(_write(desk, desk.command("g1", ada))["create-g1"]), Rejected)
    assert desk.portal.records() == []


def test_a_contact_that_is_gone_leaves_no_orphan_whatever_the_text_of_the_refusal(
    desk: Any, ada: str
) -> None:
    desk.portal.archive_contact(ada)
    said = {"category": "VALIDATION_ERROR", "message": "The association could not be made"}
    desk.world.faults.add(Fault(path=CREATE, status=400, body=said))
    error = _error(_write(desk, desk.command("g1", ada))["create-g1"])
    assert f"no contact {ada}" in str(error)
    assert desk.portal.records() == []


# --- the vendor away


def test_a_vendor_that_is_down_ends_the_writing_and_says_which_commands_failed(desk: Any) -> None:
    desk.provider.write([])
    desk.world.faults.add(Fault(path=CREATE, times=None, status=423))
    receipts = []
    with pytest.raises(Unavailable):
        receipts += [*desk.provider.write([desk.command(f"g{n}") for n in range(250)])]
    assert desk.portal.records() == []


def test_a_refused_token_ends_the_writing(desk: Any) -> None:
    desk.configure(hubspot_token="pat-eu1-another")
    with pytest.raises(AuthFailed):
        list(desk.provider.write([desk.command("g1")]))


def test_an_owner_that_does_not_exist_is_refused_in_the_vendors_text(desk: Any) -> None:
    error = _error(_write(desk, desk.command("g1", owner="4711"))["create-g1"])
    assert "4711" in str(error)


def test_a_command_without_an_external_id_is_sent_alone_and_is_not_repeated(desk: Any) -> None:
    bare = replace(desk.command("g1"), external_ids=None)
    desk.world.faults.add(Fault(kind="timeout_after", path=CREATE, nth=2))
    receipts = _write(desk, bare, replace(bare, key="second"))
    assert isinstance(receipts["create-g1"], Done)
    assert isinstance(_error(receipts["second"]), TimedOut)
    assert len(desk.asked("/batch/create")) == 2


def test_a_stage_of_a_second_pipeline_is_written_with_its_pipeline(account: Account) -> None:
    desk = account(settings={"hubspot_status": "pipeline"}, status_property="hs_pipeline_stage")
    stages = desk.provider.prepare().status_values
    done = _done(_write(desk, desk.command("g1", status=stages[-1]))["create-g1"])
    assert desk.portal.get(done.id).properties["hs_pipeline_stage"] == stages[-1]


def test_what_the_vendor_fills_in_is_what_the_receipt_shows(desk: Any) -> None:
    command = desk.command("g1", start=desk.command("g1").wanted.start + timedelta(microseconds=5))
    assert (
        _done(_write(desk, command)["create-g1"]).returned.start == desk.command("g1").wanted.start
    )


def test_an_account_that_demands_a_stage_gets_its_first(account: Account) -> None:
    desk = account(settings={"stage_required": True})
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    receipts = _write(desk, *(desk.command(f"g{n}", ada) for n in range(3)))
    pipeline = desk.portal.pipelines["0-421"][0]
    for receipt in receipts.values():
        held = desk.portal.get(_done(receipt).id)
        assert held.properties["hs_pipeline_stage"] == pipeline.stages[0].id
        assert held.properties["hs_pipeline"] == pipeline.id
    desk.world.reset_requests()
    _done(_write(desk, desk.command("later", ada))["create-later"])
    assert len(desk.asked("/batch/create")) == 1
    assert desk.asked("/pipelines") == []


def test_a_demanded_stage_that_the_record_has_stays(account: Account) -> None:
    desk = account(
        settings={"hubspot_status": "pipeline", "stage_required": True},
        status_property="hs_pipeline_stage",
    )
    wanted = desk.provider.prepare().status_values[2]
    done = _done(_write(desk, desk.command("g1", status=wanted))["create-g1"])
    assert desk.portal.get(done.id).properties["hs_pipeline_stage"] == wanted


def test_another_value_that_an_account_demands_is_named_with_what_helps(account: Account) -> None:
    desk = account(api_version="2026-09")
    desk.portal.add_property("reason")
    desk.portal.required.add("reason")
    receipts = _write(desk, desk.command("g1"), desk.command("g2"))
    for receipt in receipts.values():
        said = str(_error(receipt))
        assert "reason is required" in said
        assert "map a field to the property" in said
    assert len(desk.asked("/batch/create")) == 1


def test_a_demanded_value_without_a_name_may_be_the_stage(account: Account) -> None:
    desk = account()
    said = {"message": "Some required properties were not set.", "category": "VALIDATION_ERROR"}
    desk.world.faults.add(Fault(path=CREATE, times=2, status=400, body=said))
    assert "Some required properties" in str(_error(_write(desk, desk.command("g1"))["create-g1"]))
    assert len(desk.asked("/batch/create")) == 2


def test_two_creations_that_are_answered_with_one_record_are_not_both_that_record(
    desk: Any,
) -> None:
    desk.world.faults.add(Fault(path=CREATE, status=200, body={"results": [{"id": "5"}]}, times=9))
    first, second = (_write(desk, desk.command(each))[f"create-{each}"] for each in ("g1", "g2"))
    assert _done(first).id == "5"
    assert isinstance(_error(second), TimedOut)
