"""HubSpot's traps, walked into by a whole link: what a naive sync would get wrong.

Each test is one trap of `tests/TRAPS.md`, on the sandbox with the real
providers, engine and store. What a single provider does about it has tests
of its own beside that provider.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest

from syncd.core.outcome import Outcome
from syncd.core.policy import OnRemoval
from syncd.core.status import StatusTable
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.report import CycleReport

if TYPE_CHECKING:
    from harness import SyncHarness

    from syncd.sandbox import LoggedRequest
    from tests.contract.conftest import Person

MakeTown = Callable[..., "SyncHarness"]
Met = Callable[..., "Person"]


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    more.setdefault("title", "Check-up")
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def make(harness: SyncHarness, *contacts: str, hours: float = 72, **more: str) -> str:
    """An appointment that a person makes in HubSpot."""
    start = harness.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(harness.hubspot.create({"hs_appointment_start": start, **more}, contacts))


def held(harness: SyncHarness) -> Mapping[str, str]:
    """The properties of the only living HubSpot record."""
    (record,) = harness.hubspot.records()
    return dict(record.properties)


def only(harness: SyncHarness) -> str:
    (record,) = harness.hubspot.records()
    return str(record.id)


def settled(harness: SyncHarness) -> CycleReport:
    """A cycle that writes nothing."""
    harness.world.reset_requests()
    report = harness.sync()
    assert report.outcome is Outcome.OK, report
    assert harness.world.writes("ghl") == []
    assert harness.world.writes("hubspot") == []
    return report


def reasons(report: CycleReport) -> list[str]:
    return [hold.reason for hold in report.held]


def sent(harness: SyncHarness, part: str = "") -> list[LoggedRequest]:
    return [row for row in harness.world.requests_of("hubspot") if part in row.path]


def untouched(harness: SyncHarness, event: str) -> bool:
    """Whether an appointment stands in HighLevel as it was booked."""
    row = harness.ghl.get(event)
    return not row.deleted and row.status == "confirmed"


# --- the account: 1, 4, 5, 31, 32


@pytest.mark.parametrize(
    "settings",
    [
        {"hubspot_status": "native"},
        {"hubspot_status": "none"},
        {"hubspot_status": "native", "cancelled_spelling": "CANCELED"},
    ],
    ids=["native", "none", "canceled"],
)
def test_trap_1_the_status_is_kept_where_the_account_has_a_place_for_it(
    make_town: MakeTown, met: Met, settings: dict[str, str]
) -> None:
    harness = make_town(**settings)
    ann = met(harness)
    event = book(harness, ann.ghl, status="noshow")
    report = harness.sync()
    assert (report.outcome, report.hubspot.created, report.held) == (Outcome.OK, 1, [])
    column = (
        "hs_appointment_status"
        if settings["hubspot_status"] == "native"
        else "ghl_appointment_status"
    )
    assert held(harness)[column] == "NO_SHOW"
    harness.ghl.edit(event, status="cancelled")
    harness.sync()
    assert held(harness)[column] == settings.get("cancelled_spelling", "CANCELLED")
    settled(harness)
    harness.hubspot.edit(only(harness), **{column: "COMPLETED"})
    harness.sync()
    assert harness.ghl.get(event).status == "showed"
    settled(harness)


def test_trap_4_an_account_without_the_object_is_reported_and_nothing_is_removed(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    harness.hubspot.activated = False
    for status in (404, 403):
        harness.world.settings = replace(harness.world.settings, not_activated_status=status)
        report = harness.sync()
        assert report.outcome is Outcome.NOT_PREPARED
        assert "activate" in report.detail
        assert untouched(harness, event)


def test_trap_31_stages_are_found_by_the_ids_of_this_account(make_town: MakeTown, met: Met) -> None:
    harness = make_town(hubspot_status="pipeline")
    (pipeline,) = harness.hubspot.pipelines["0-421"]
    first, second, third = (stage.id for stage in pipeline.stages[:3])
    harness.provider_options = {"status_property": "hs_pipeline_stage"}
    names = ("new", "confirmed", "showed", "noshow", "cancelled", "invalid")
    stages = dict(zip(names, (first, first, second, second, third, third), strict=True))
    harness.rules = replace(
        harness.rules,
        statuses=StatusTable(
            to_hubspot=stages, to_ghl={first: "confirmed", second: "showed", third: "cancelled"}
        ),
    )
    ann = met(harness)
    event = book(harness, ann.ghl)
    assert harness.sync().outcome is Outcome.OK
    assert held(harness)["hs_pipeline_stage"] == first
    for stage in pipeline.stages:
        stage.label = f"Renamed {stage.label}"
    harness.hubspot.edit(only(harness), hs_pipeline_stage=second)
    harness.sync()
    assert harness.ghl.get(event).status == "showed"
    settled(harness)


# --- associations: 2, 3, 11, 17


def test_trap_2_no_association_number_out_of_a_guide_is_ever_sent(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    event = book(harness, ann.ghl)
    harness.sync()
    harness.ghl.edit(event, contact=ben.ghl)
    harness.sync()
    numbers = {
        kind["associationTypeId"]
        for row in sent(harness, "/batch/create")
        for each in row.body["inputs"]
        for link in each["associations"]
        for kind in link["types"]
    }
    assert numbers == {906}
    (record,) = harness.hubspot.records()
    assert list(record.links["0-1"]) == [ben.hubspot]


def test_trap_3_associations_go_by_the_default_route_that_dated_paths_have(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    event = book(harness, ann.ghl)
    harness.sync()
    harness.ghl.edit(event, contact=ben.ghl)
    harness.sync()
    paths = [
        f"{row.method} {row.path}"
        for row in sent(harness, "/associations/")
        if row.method != "POST"
    ]
    assert any("/associations/default/" in path for path in paths)
    assert not [path for path in paths if re.search(r"/associations/0-1/\d+/\d+$", path)]
    assert {
        *re.findall(r"/(v\d|\d{4}-\d\d)(?:/|$)", " ".join(row.path for row in sent(harness)))
    } == {"2026-03"}


def test_trap_11_a_contact_that_changed_moves_no_stamp_and_is_found_all_the_same(
    harness: SyncHarness, ann: Person, met: Met
) -> None:
    ben = met(harness, "Ben Torres", 2)
    event = book(harness, ann.ghl)
    harness.sync()
    harness.later(hours=1)
    harness.hubspot.associate(only(harness), ben.hubspot)
    harness.hubspot.dissociate(only(harness), ann.hubspot)
    report = harness.sync(full=False)
    assert reasons(report) == ["contact_changed"]
    assert untouched(harness, event)


@pytest.mark.parametrize("full", [True, False])
def test_trap_17_a_record_whose_contact_is_not_attached_yet_gets_it(
    harness: SyncHarness, ann: Person, full: bool
) -> None:
    book(harness, ann.ghl)
    # The contact goes along with the record; where that is refused, it follows on its own.
    refusal = {"status": "error", "category": "INVALID_ASSOCIATION", "message": "association"}
    harness.world.faults.add(side="hubspot", path="batch/create$", status=400, body=refusal)
    harness.world.faults.add(side="hubspot", path="associations/default/", status=500, times=5)
    report = harness.sync()
    assert not harness.world.faults.pending
    assert (report.hubspot.created, report.held) == (1, [])
    assert not harness.hubspot.records()[0].links
    harness.later(hours=1)
    assert harness.sync(full=full).hubspot.updated == 1
    (record,) = harness.hubspot.records()
    assert list(record.links["0-1"]) == [ann.hubspot]
    settled(harness)


# --- search and change: 6 to 9, 12, 19, 21


@pytest.mark.parametrize("lag", [10, 60])
def test_trap_6_changes_that_the_index_shows_late_are_not_lost(
    make_town: MakeTown, met: Met, lag: int
) -> None:
    harness = make_town(search_lag=timedelta(seconds=lag))
    ann = met(harness)
    events = [book(harness, ann.ghl, hours) for hours in (48, 50, 52, 54, 56)]
    harness.sync()
    ids = {each.properties["ghl_appointment_id"]: each.id for each in harness.hubspot.records()}
    harness.rules = replace(harness.rules, rotation=0)
    harness.later(minutes=30)
    for number, event in enumerate(events):
        harness.hubspot.edit(ids[event], hs_appointment_name=f"Edit {number}")
        harness.later(seconds=lag / 3)
        harness.sync(full=False)
    for _ in range(3):
        harness.later(seconds=lag)
        harness.sync(full=False)
    titles = [harness.ghl.get(event).title for event in events]
    assert titles == [f"Edit {number}" for number in range(5)]


def test_trap_6_many_changes_of_one_and_the_same_millisecond_are_all_found(
    harness: SyncHarness, ann: Person
) -> None:
    for hours in range(48, 48 + 230):
        book(harness, ann.ghl, hours)
    harness.sync()
    harness.later(minutes=30)
    for record in harness.hubspot.records():
        harness.hubspot.edit(record.id, hs_appointment_name="In bulk")
    assert len({each.updated for each in harness.hubspot.records()}) == 1
    harness.later(minutes=1)
    report = harness.sync(full=False, changes=True)
    assert report.ghl.updated == 230
    assert {each.title for each in harness.ghl.events()} == {"In bulk"}


def test_trap_8_what_the_index_does_not_show_yet_is_not_made_twice(
    make_town: MakeTown,
) -> None:
    harness = make_town(search_lag=timedelta(hours=2))
    stranger = harness.ghl.add_contact("Cy Roe", "cy@example.com", "+15550100003")
    book(harness, stranger)
    harness.sync()
    harness.later(minutes=5)
    book(harness, stranger, 60)
    harness.sync(full=False)
    harness.sync(full=False)
    assert len(harness.hubspot.records()) == 2
    assert len(harness.hubspot.contact_records()) == 1
    # Not even with a store that knows nothing.
    harness.name = "afresh"
    harness.sync()
    assert len(harness.hubspot.records()) == 2


@pytest.mark.parametrize("full", [True, False])
def test_trap_9_an_archived_record_is_noticed_although_lists_leave_it_out(
    harness: SyncHarness, ann: Person, full: bool
) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    harness.later(hours=1)
    harness.hubspot.archive(only(harness))
    report = harness.sync(full=full)
    assert report.ghl.removed == 1
    assert harness.ghl.get(event).status == "cancelled"
    settled(harness)


def test_trap_12_our_own_stamps_are_no_news(harness: SyncHarness, ann: Person) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    for number in range(3):
        harness.later(minutes=20)
        harness.ghl.edit(event, title=f"Left {number}")
        assert harness.sync(full=False).hubspot.updated == 1
        harness.later(minutes=1)
        harness.world.reset_requests()
        assert harness.sync(full=False).written == []
        assert harness.world.writes("ghl") == []


def test_trap_19_an_edit_between_reading_and_writing_is_not_overwritten(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    record = only(harness)
    harness.ghl.edit(event, title="Left", address="Room 9")
    acted: list[str] = []

    def person(request: LoggedRequest) -> None:
        """Edits the record after it was listed, and before it is read again to be written."""
        if request.path.endswith("/0-421/batch/read") and not acted:
            acted.append("edit")
            harness.hubspot.edit(record, hs_appointment_name="Right, and later")

    harness.world.before_request = person
    harness.sync()
    harness.world.before_request = None
    harness.sync()
    harness.sync()
    assert acted
    assert held(harness)["hs_appointment_name"] == "Right, and later"
    assert held(harness)["ghl_address"] == "Room 9"
    assert harness.ghl.get(event).title == "Right, and later"
    settled(harness)


def test_trap_21_the_two_ways_to_write_an_instant_are_one(
    harness: SyncHarness, ann: Person
) -> None:
    book(harness, ann.ghl)
    harness.sync()
    start = harness.at(48)
    for text in (
        start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        start.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        str(int(start.timestamp() * 1000)),
        start.strftime("%Y-%m-%dT%H:%M:%S.499Z"),
    ):
        harness.hubspot.edit(only(harness), hs_appointment_start=text)
        settled(harness)


# --- removals that are none: 10, 18


@pytest.mark.parametrize("how", ["merged", "erased", "scope", "not_found", "empty"])
@pytest.mark.parametrize("full", [True, False])
def test_trap_10_a_record_that_is_not_found_was_not_removed_by_a_person(
    harness: SyncHarness, ann: Person, how: str, full: bool
) -> None:
    event, other = book(harness, ann.ghl), book(harness, ann.ghl, 60)
    harness.obey(hubspot_archived=OnRemoval.DELETE)
    harness.sync()
    ids = {each.properties["ghl_appointment_id"]: each.id for each in harness.hubspot.records()}
    harness.later(hours=1)
    match how:
        case "merged":
            harness.hubspot.merge(ids[other], ids[event])
        case "erased":
            harness.hubspot.gdpr_delete(ids[event])
        case "scope":
            scopes = harness.world.settings.hubspot_scopes - {"crm.objects.appointments.read"}
            harness.world.settings = replace(harness.world.settings, hubspot_scopes=scopes)
        case "not_found":
            body = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "gone?"}
            harness.world.faults.add(
                side="hubspot", path="batch/read$", status=404, body=body, times=None
            )
        case _:
            harness.world.faults.add(side="hubspot", kind="empty_list", times=None)
    for _ in range(2):
        report = harness.sync(full=full)
        assert report.ghl.removed == 0
    assert untouched(harness, event)
    assert untouched(harness, other)


@pytest.mark.parametrize("unique", ["freed", "conflict"])
def test_trap_18_an_archived_record_that_holds_the_id_neither_blocks_nor_doubles(
    make_town: MakeTown, met: Met, unique: Literal["freed", "conflict"]
) -> None:
    harness = make_town(unique_of_archived=unique)
    ann = met(harness)
    event = book(harness, ann.ghl)
    harness.sync()
    first = only(harness)
    harness.hubspot.archive(first)
    # The edit beats the archive: it is made again while the old one lies in the bin.
    harness.ghl.edit(event, title="Still on")
    assert harness.sync().hubspot.created == 1
    settled(harness)
    second = only(harness)
    assert second != first
    # Somebody restores the old one: two records now mean one appointment, and neither is booked.
    try:
        harness.hubspot.restore(first)
    except ValueError:
        return
    for _ in range(2):
        harness.sync()
    assert len(harness.ghl.events()) == 1
    assert not harness.ghl.get(event).deleted


# --- batches: 13 to 16, 20, 22


@pytest.mark.parametrize("inside", [False, True], ids=["207", "inside_200"])
def test_trap_13_one_bad_row_neither_sinks_the_batch_nor_goes_unnoticed(
    make_town: MakeTown, met: Met, inside: bool
) -> None:
    harness = make_town(errors_inside_200=inside)
    ann = met(harness)
    for hours in range(48, 52):
        book(harness, ann.ghl, hours)
    missed = book(harness, ann.ghl, 60, status="noshow")
    status = harness.hubspot.appointments.definitions["hs_appointment_status"]
    options = list(status.options)

    def person(request: LoggedRequest) -> None:
        """Takes a value away after it was read that it is there."""
        if request.path.endswith("/batch/create"):
            status.options = [each for each in options if each["value"] != "NO_SHOW"]

    harness.world.before_request = person
    report = harness.sync()
    harness.world.before_request = None
    assert report.hubspot.created == 4
    assert [(hold.reason, hold.ghl_id) for hold in report.held] == [("rejected", missed)]
    status.options = options
    harness.later(days=2)
    assert harness.sync().hubspot.created == 1
    settled(harness)


def test_trap_14_answers_in_another_sequence_are_matched_by_external_id(
    harness: SyncHarness, ann: Person
) -> None:
    assert harness.world.settings.reverse_batch_results
    events = {
        book(harness, ann.ghl, hours, title=f"Visit {hours}"): hours for hours in range(48, 60)
    }
    harness.sync()
    titles = {
        each.properties["ghl_appointment_id"]: each.properties["hs_appointment_name"]
        for each in harness.hubspot.records()
    }
    assert titles == {event: f"Visit {hours}" for event, hours in events.items()}
    carried = {each.id: each.properties["ghl_appointment_id"] for each in harness.hubspot.records()}
    assert {each.hubspot_id: each.ghl_id for each in harness.pairs()} == carried
    for event, hours in events.items():
        harness.ghl.edit(event, title=f"Again {hours}")
    harness.sync()
    settled(harness)


def test_trap_15_no_batch_names_a_record_twice(harness: SyncHarness, ann: Person) -> None:
    for hours in range(48, 60):
        book(harness, ann.ghl, hours)
    harness.sync()
    for event in harness.ghl.events():
        harness.ghl.edit(event.id, title="Again", address="Room 9")
    for record in harness.hubspot.records()[:3]:
        harness.hubspot.archive(record.id)
    harness.sync()
    batches = [row for row in sent(harness, "/batch/") if isinstance(row.body, dict)]
    assert batches
    for row in batches:
        ids = [each["id"] for each in row.body["inputs"] if "id" in each]
        assert len(ids) == len(set(ids)), row.path


@pytest.mark.parametrize("kind", ["timeout_after", "drop_after", "half_batch", "timeout_before"])
def test_trap_16_a_creation_without_an_answer_leaves_one_record_each(
    harness: SyncHarness, ann: Person, kind: str
) -> None:
    events = {book(harness, ann.ghl, hours) for hours in range(48, 54)}
    harness.world.faults.add(side="hubspot", kind=kind, path="batch/create$", status=504)
    for _ in range(2):
        harness.sync()
    assert not harness.world.faults.pending
    carried = [each.properties["ghl_appointment_id"] for each in harness.hubspot.records()]
    assert sorted(carried) == sorted(events)
    settled(harness)


def _values(body: Any) -> Iterator[Any]:
    if isinstance(body, dict):
        yield from (
            body.get("properties", {}).values() if isinstance(body.get("properties"), dict) else ()
        )
        for each in body.get("inputs", ()):
            yield from _values(each)


def test_trap_20_every_value_is_a_text_and_only_an_empty_one_clears(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl, description="Knee", address="Room 2")
    harness.sync()
    harness.ghl.edit(event, description="", address="")
    harness.sync()
    assert not held(harness).get("ghl_description")
    assert not held(harness).get("ghl_address")
    values = [each for row in harness.world.writes("hubspot") for each in _values(row.body)]
    assert values
    assert all(isinstance(each, str) for each in values)
    settled(harness)


def test_trap_20_a_property_that_vanished_is_no_empty_one(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl, description="Knee")
    harness.sync()
    harness.later(hours=1)
    del harness.hubspot.appointments.definitions["ghl_description"]
    report = harness.sync()
    assert report.outcome is Outcome.NOT_PREPARED
    assert "ghl_description" in report.detail
    assert harness.ghl.get(event).description == "Knee"


def test_trap_22_a_records_own_id_is_never_named_as_a_property(
    harness: SyncHarness, ann: Person
) -> None:
    book(harness, ann.ghl)
    make(harness, ann.hubspot)
    harness.sync()
    harness.sync(full=False)
    named = [
        row.body["idProperty"]
        for row in sent(harness)
        if isinstance(row.body, dict) and "idProperty" in row.body
    ]
    assert "hs_object_id" not in named
    assert "idProperty=hs_object_id" not in str([row.query for row in sent(harness)])


# --- refusals: 23, 25, 26, 28, 29


def test_trap_25_a_refused_token_ends_the_cycle_and_nothing_is_repeated(
    harness: SyncHarness, ann: Person
) -> None:
    event = book(harness, ann.ghl)
    harness.sync()
    harness.world.settings = replace(harness.world.settings, hubspot_token="rotated")
    link = harness.link()
    harness.world.settings = replace(harness.world.settings, hubspot_token="another")
    harness.world.reset_requests()
    report = cycle.run(link, CycleRequest())
    assert report.outcome is Outcome.REFUSED
    # Activation and details are what a sync can do without: only the properties end the cycle.
    asked = [row.path.partition("2026-03/")[2] for row in sent(harness) if row.status == 401]
    assert asked == ["enablement/0-421", "details", "0-421"]
    assert untouched(harness, event)


def test_trap_26_what_an_accounts_own_rules_refuse_is_held_in_its_words(
    make_town: MakeTown, met: Met
) -> None:
    harness = make_town()
    harness.provider_options = {"api_version": "2026-09"}
    harness.hubspot.add_property("reason")
    ann = met(harness)
    book(harness, ann.ghl)
    assert harness.sync().hubspot.created == 1
    harness.hubspot.required.add("reason")
    book(harness, ann.ghl, 60)
    report = harness.sync()
    assert reasons(report) == ["rejected"]
    assert "reason" in report.held[0].detail
    harness.hubspot.required.clear()
    harness.later(days=2)
    assert harness.sync().hubspot.created == 1
    settled(harness)


def test_trap_26_a_contact_that_an_accounts_own_rules_refuse_is_held_with_the_property(
    make_town: MakeTown,
) -> None:
    harness = make_town()
    harness.provider_options = {"api_version": "2026-09"}
    harness.hubspot.required_of_contacts.add("source")
    book(harness, harness.ghl.add_contact("Ann Lee", "ann@example.com"))
    report = harness.sync()
    assert (reasons(report), report.hubspot.created) == (["rejected"], 0)
    assert "(source) in HubSpot" in report.held[0].detail
    harness.hubspot.required_of_contacts.clear()
    harness.later(days=2)
    assert harness.sync().hubspot.created == 1
    settled(harness)


@pytest.mark.parametrize("lookup", [True, False])
def test_trap_28_an_additional_address_finds_its_contact_and_makes_no_second(
    make_town: MakeTown, lookup: bool
) -> None:
    harness = make_town(secondary_email_lookup=lookup)
    person = harness.hubspot.add_contact(
        "Ann Lee", "ann@example.com", hs_additional_emails="ann.lee@example.com;a.lee@example.com"
    )
    contact = harness.ghl.add_contact("Ann Lee", "A.Lee@example.com")
    book(harness, contact)
    assert harness.sync().hubspot.created == 1
    (record,) = harness.hubspot.records()
    assert list(record.links["0-1"]) == [person]
    assert len(harness.hubspot.contact_records()) == 1


def test_trap_29_owners_are_named_by_their_own_id_and_a_deactivated_one_stops_nothing(
    harness: SyncHarness, ann: Person
) -> None:
    dana, milo, _ = harness.ghl.users
    owners = {each.email: each for each in harness.hubspot.owners.values()}
    book(harness, ann.ghl, assignee=dana)
    harness.sync()
    owner = owners[harness.ghl.users[dana].email]
    assert held(harness)["hubspot_owner_id"] == owner.id != str(owner.user_id)
    gone = owners[harness.ghl.users[milo].email]
    harness.hubspot.archive_owner(gone.id)
    book(harness, ann.ghl, 60, assignee=milo)
    report = harness.sync()
    assert (report.hubspot.created, report.held) == (1, []), report
    settled(harness)
