"""Sweeps, incremental polls and reads by id, on a vendor that lags, archives and merges."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syncd.core.model import Group, Missing, Scan, Snapshot, Window
from syncd.errors import NotPrepared, Unavailable, Unreadable
from syncd.ports.provider import ScanRequest
from syncd.providers.hubspot.polling import FULL_SEARCH_INTERVAL
from syncd.sandbox.faults import Fault

Account = Callable[..., Any]


def _scan(desk: Any, cursor: str = "") -> Scan:
    now = desk.world.now()
    window = Window(since=now, until=now)
    scan: Scan = desk.provider.scan(ScanRequest(window=window, cursor=cursor))
    return scan


def _one(scan: Scan) -> Snapshot:
    (found,) = scan.snapshots
    return found


# --- full sweeps


def test_a_sweep_shows_active_and_archived_records_with_their_contacts(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    kept, binned = desk.book(ada), desk.book(ada)
    desk.portal.archive(binned)
    scan = _scan(desk)
    shown = {each.id: each for each in scan.snapshots}
    assert scan.complete
    assert (shown[kept].gone, shown[kept].contacts) == (False, (ada,))
    assert shown[binned].gone
    assert shown[kept].appointment.title == "Check-up"


def test_every_page_of_a_sweep_is_read(desk: Any) -> None:
    ids = {desk.book() for _ in range(230)}
    assert {each.id for each in _scan(desk).snapshots} == ids
    assert len(desk.asked("/objects/2026-03/0-421")) == 3 + 1


def test_a_list_address_stays_short(desk: Any) -> None:
    _scan(desk)
    for request in desk.asked("/objects/"):
        assert len(request.path) + sum(map(len, request.query.values())) < 1000


@pytest.mark.parametrize("shape", ["id_type", "dated"])
def test_both_shapes_of_associations_in_a_list_are_read(account: Account, shape: str) -> None:
    desk = account(settings={"inline_associations": shape})
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    desk.book(ada)
    assert _one(_scan(desk)).contacts == (ada,)


def test_archived_records_that_cannot_be_listed_are_reported_and_the_rest_is_kept(
    desk: Any,
) -> None:
    kept = desk.book()
    desk.world.faults.add(Fault(path="0-421$", nth=2, times=None, status=503))
    scan = _scan(desk)
    assert [each.id for each in scan.snapshots] == [kept]
    assert scan.complete
    assert "archived" in scan.failures[0]


def test_a_list_that_breaks_off_is_no_empty_account(desk: Any) -> None:
    desk.book()
    desk.world.faults.add(Fault(kind="garbled_body", path="0-421$", times=None))
    with pytest.raises(Unavailable):
        _scan(desk)


@pytest.mark.parametrize("body", [{"message": "welcome"}, [], {"results": None}])
def test_an_answer_of_another_shape_is_no_empty_account(desk: Any, body: object) -> None:
    desk.book()
    desk.world.faults.add(Fault(path="0-421$", status=200, body=body))
    with pytest.raises(Unreadable):
        _scan(desk)


def test_an_object_that_was_switched_off_is_no_empty_account(desk: Any) -> None:
    desk.book()
    desk.configure(activated=False)
    desk.portal.activated = False
    with pytest.raises(NotPrepared):
        _scan(desk)


# --- incremental polls


def test_an_idle_poll_is_one_search_however_many_records_there_are(desk: Any, clock: Any) -> None:
    for _ in range(120):
        desk.book()
    cursor = _scan(desk).cursor
    desk.world.reset_requests()
    clock.advance(60)
    scan = _scan(desk, cursor)
    assert [row.path for row in desk.asked()] == ["/crm/objects/2026-03/0-421/search"]
    assert scan.snapshots == ()
    assert not scan.complete


def test_a_changed_record_is_found_and_shown_once(desk: Any, clock: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    record = desk.book(ada)
    cursor = _scan(desk).cursor
    clock.advance(60)
    desk.portal.edit(record, hs_appointment_name="Moved")
    scan = _scan(desk, cursor)
    assert (_one(scan).appointment.title, _one(scan).contacts) == ("Moved", (ada,))
    clock.advance(60)
    assert _scan(desk, scan.cursor).snapshots == ()


def test_what_a_lost_cycle_had_read_is_read_again(desk: Any, clock: Any) -> None:
    record = desk.book()
    cursor = _scan(desk).cursor
    clock.advance(60)
    desk.portal.edit(record, hs_appointment_name="Moved")
    assert _scan(desk, cursor).snapshots
    assert _scan(desk, cursor).snapshots, "the first of the two was never committed"


def test_what_a_lost_cycle_had_read_is_read_again_even_in_the_same_instant(
    desk: Any, clock: Any
) -> None:
    _scan(desk)
    clock.advance(60)
    cursor = _scan(desk).cursor
    desk.book()
    assert _scan(desk, cursor).cursor == cursor
    assert _scan(desk, cursor).snapshots


@pytest.mark.parametrize(("lag", "told"), [(10, 10), (60, 10), (1800, 1800)])
def test_no_edit_is_lost_to_an_index_that_lags(
    account: Account, clock: Any, lag: int, told: int
) -> None:
    desk = account(
        settings={"search_lag": timedelta(seconds=lag)}, search_lag=timedelta(seconds=told)
    )
    records = [desk.book() for _ in range(12)]
    clock.advance(lag)
    cursor = _scan(desk).cursor
    seen = set()
    for number in range(30):
        clock.advance(max(7, lag / 8))
        if number < len(records):
            desk.portal.edit(records[number], hs_appointment_name=f"Edit {number}")
        scan = _scan(desk, cursor)
        cursor = scan.cursor
        seen |= {(each.id, each.appointment.title) for each in scan.snapshots}
    assert {(record, f"Edit {n}") for n, record in enumerate(records)} <= seen


def test_a_later_version_of_a_record_is_shown_again(account: Account, clock: Any) -> None:
    desk = account(settings={"search_lag": timedelta(seconds=30)})
    clock.advance(60)
    cursor = _scan(desk).cursor
    record = desk.book(title="First")
    clock.advance(20)
    desk.portal.edit(record, hs_appointment_name="Second")
    clock.advance(15)
    scan = _scan(desk, cursor)
    assert _one(scan).appointment.title == "First", "the index shows old values for a while"
    clock.advance(20)
    assert _one(_scan(desk, scan.cursor)).appointment.title == "Second"


def test_more_than_ten_thousand_changes_in_one_poll_are_all_found(desk: Any, clock: Any) -> None:
    cursor = _scan(desk).cursor
    clock.advance(3600)
    records = {desk.book() for _ in range(10_500)}
    desk.world.reset_requests()
    scan = _scan(desk, cursor)
    assert {each.id for each in scan.snapshots} == records
    assert len(desk.asked("/search")) == 53
    assert len(desk.asked()) == 53 + 11, "and eleven for the contacts of a thousand each"


@pytest.fixture
def settled(desk: Any, clock: Any) -> tuple[list[str], str]:
    """450 records that were made and polled within the last minutes, and the cursor."""
    cursor = _scan(desk).cursor
    made = []
    for _ in range(450):
        clock.advance(0.01)
        made.append(desk.book())
    clock.advance(30)
    cursor = _scan(desk, cursor).cursor
    clock.advance(10)
    desk.world.reset_requests()
    return made, cursor


def test_what_a_poll_has_read_costs_the_next_one_a_single_search(
    desk: Any, clock: Any, settled: tuple[list[str], str]
) -> None:
    _, cursor = settled
    for _ in range(3):
        scan = _scan(desk, cursor)
        assert scan.snapshots == ()
        cursor = scan.cursor
        clock.advance(10)
    assert [request.path[-7:] for request in desk.asked()] == ["/search"] * 3


def test_an_edit_among_many_recent_records_is_on_the_first_page(
    desk: Any, clock: Any, settled: tuple[list[str], str]
) -> None:
    made, cursor = settled
    for record in (made[0], made[200], made[449]):
        desk.portal.edit(record, hs_appointment_name="Moved")
    clock.advance(10)
    scan = _scan(desk, cursor)
    assert {each.id for each in scan.snapshots} == {made[0], made[200], made[449]}
    assert len(desk.asked("/search")) == 1
    clock.advance(10)
    assert _scan(desk, scan.cursor).snapshots == ()
    assert len(desk.asked("/search")) == 2


def test_more_news_than_a_page_holds_is_found_whole(
    desk: Any, clock: Any, settled: tuple[list[str], str]
) -> None:
    made, cursor = settled
    for record in made[:250]:
        desk.portal.edit(record, hs_appointment_name="Moved")
    clock.advance(10)
    assert {each.id for each in _scan(desk, cursor).snapshots} == set(made[:250])
    assert len(desk.asked("/search")) == 1 + 3


def test_a_page_that_is_not_all_there_is_is_not_believed(
    desk: Any, clock: Any, settled: tuple[list[str], str]
) -> None:
    """Fewer records than were known, or another order than was asked for."""
    made, cursor = settled
    desk.portal.archive(made[7])
    clock.advance(10)
    cursor = _scan(desk, cursor).cursor
    assert len(desk.asked("/search")) == 1 + 3
    rows: list[Any] = [
        {"id": each, "properties": {"hs_lastmodifieddate": f"2026-03-02T09:00:0{each}Z"}}
        for each in ("7", "8")
    ]
    body = {"total": 449, "results": rows}
    desk.world.faults.add(Fault(path="/search", times=1, status=200, body=body))
    clock.advance(10)
    cursor = _scan(desk, cursor).cursor
    assert len(desk.asked("/search")) == 1 + 3 + 1 + 3
    desk.world.faults.add(Fault(path="/search", times=1, status=400))
    clock.advance(10)
    assert _scan(desk, cursor).snapshots == ()
    assert len(desk.asked("/search")) == 1 + 3 + 1 + 3 + 1 + 3


def test_the_whole_overlap_is_searched_now_and_then(
    desk: Any, clock: Any, settled: tuple[list[str], str]
) -> None:
    """The index may have shown something late, behind all that changed since."""
    _, cursor = settled
    clock.advance(FULL_SEARCH_INTERVAL.total_seconds())
    assert _scan(desk, cursor).snapshots == ()
    assert len(desk.asked("/search")) == 3


def test_one_stamp_on_many_records_neither_loops_nor_loses(desk: Any, clock: Any) -> None:
    records = [desk.book() for _ in range(450)]
    cursor = _scan(desk).cursor
    clock.advance(60)
    for record in records:  # the clock stands still: one millisecond for all
        desk.portal.edit(record, hs_appointment_name="Bulk")
    scan = _scan(desk, cursor)
    assert len({each.updated_at for each in scan.snapshots}) == 1
    assert {each.id for each in scan.snapshots} == set(records)


def test_search_filters_are_epoch_milliseconds_sorted_by_id(desk: Any, clock: Any) -> None:
    cursor = _scan(desk).cursor
    clock.advance(60)
    _scan(desk, cursor)
    body = desk.asked("/search")[-1].body
    assert body["sorts"] == ["hs_object_id"]
    assert all(each["value"].isdigit() for each in body["filterGroups"][0]["filters"])


def test_a_search_that_is_not_sorted_is_refused_because_paging_would_skip(
    desk: Any, clock: Any
) -> None:
    cursor = _scan(desk).cursor
    clock.advance(60)
    rows: list[Any] = [{"id": each, "properties": {}} for each in ("7", "5")]
    body = {"total": 3, "results": rows}
    desk.world.faults.add(Fault(path="/search", times=None, status=200, body=body))
    with pytest.raises(Unreadable):
        _scan(desk, cursor)


def test_the_sort_of_a_search_that_shows_everything_is_all_one(desk: Any, clock: Any) -> None:
    cursor = _scan(desk).cursor
    clock.advance(60)
    rows: list[Any] = [{"id": each, "properties": {}} for each in ("7", "5")]
    body = {"total": 2, "results": rows}
    desk.world.faults.add(Fault(path="/search", status=200, body=body))
    assert [each.id for each in _scan(desk, cursor).snapshots] == ["7", "5"]


@pytest.mark.parametrize("status", [200, 400])
def test_a_search_that_does_not_understand_the_sort_is_asked_in_the_other_way(
    desk: Any, clock: Any, status: int
) -> None:
    cursor = _scan(desk).cursor
    clock.advance(60)
    record = desk.book()
    rows: list[Any] = [{"id": each, "properties": {}} for each in ("7", "5")]
    body = {"total": 3, "results": rows, "message": "sorts is invalid"}
    desk.world.faults.add(Fault(path="/search", status=status, body=body))
    assert _one(_scan(desk, cursor)).id == record
    other_way = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    assert desk.asked("/search")[-1].body["sorts"] == other_way
    searches = len(desk.asked("/search"))
    _scan(desk, cursor)
    assert [row.body["sorts"] for row in desk.asked("/search")[searches:]] == [other_way]


@pytest.mark.parametrize("cursor", ["never", "99999999999999", "9" * 40])
def test_a_cursor_that_makes_no_sense_leads_to_a_full_sweep(desk: Any, cursor: str) -> None:
    record = desk.book()
    scan = _scan(desk, cursor)
    assert scan.complete
    assert _one(scan).id == record


# --- by id


def test_absent_archived_merged_and_unknown_are_four_things(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    here, binned = desk.book(ada), desk.book()
    first, second = desk.book(), desk.book()
    desk.portal.archive(binned)
    survivor = desk.portal.merge(first, second)
    found = desk.provider.fetch([here, binned, first, "999999"])
    assert (found[here].gone, found[here].contacts) == (False, (ada,))
    assert found[binned].gone
    assert isinstance(found[first], Missing)
    assert found[first].became == survivor
    assert found["999999"] == Missing(
        detail="HubSpot shows no such appointment, archived ones included", absent=True
    )


def test_a_record_deleted_for_good_is_missing_and_not_gone(desk: Any) -> None:
    record = desk.book()
    desk.portal.gdpr_delete(record)
    assert isinstance(desk.provider.fetch([record])[record], Missing)


def test_ids_are_read_a_hundred_at_a_time_with_contacts_a_thousand_at_a_time(desk: Any) -> None:
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    ids = [desk.book(ada) for _ in range(1_050)]
    found = desk.provider.fetch(ids)
    assert all(each.contacts == (ada,) for each in found.values())
    assert len(desk.asked("/0-421/batch/read")) == 11
    assert len(desk.asked("/associations/")) == 2


@pytest.mark.parametrize("habit", ["absent", "errors"])
def test_a_record_without_contacts_has_none_and_is_no_failure(account: Account, habit: str) -> None:
    desk = account(settings={"associations_of_none": habit})
    record = desk.book()
    assert desk.provider.fetch([record])[record].contacts == ()


def test_an_active_record_in_an_archived_answer_is_not_trusted(desk: Any) -> None:
    """Nobody has shown that every version heeds `archived` on batch reads."""
    ada = desk.portal.add_contact("Ada Winter", "ada@example.com")
    record = desk.book(ada)
    row = {"id": record, "archived": False, "properties": {}}
    desk.world.faults.add(Fault(path="/0-421/batch/read", status=200, body={"results": []}))
    desk.world.faults.add(Fault(path="/0-421/batch/read", status=200, body={"results": [row]}))
    found = desk.provider.fetch([record])[record]
    assert (found.gone, found.contacts) == (False, (ada,))


def test_thousands_of_missing_records_are_not_read_one_by_one(desk: Any) -> None:
    found = desk.provider.fetch([str(number) for number in range(900_000, 900_300)])
    assert all(isinstance(each, Missing) for each in found.values())
    read = {row.path for row in desk.asked() if row.method == "GET"}
    assert len(read) == 50


def test_records_are_found_by_the_id_they_carry_archived_ones_included(desk: Any) -> None:
    living = desk.book(ghl_appointment_id="g1", ghl_location_id="L")
    binned = desk.book(ghl_appointment_id="g2", ghl_location_id="L")
    desk.configure(unique_of_archived="conflict")
    desk.portal.archive(binned)
    found = desk.provider.find_by_external_id(["g1", "g2", "g3"])
    assert {key: (each.id, each.gone) for key, each in found.items()} == {
        "g1": (living, False),
        "g2": (binned, True),
    }


def test_a_record_id_is_never_sent_as_an_id_property(desk: Any) -> None:
    desk.provider.fetch([desk.book()])
    assert all("idProperty" not in (row.body or {}) for row in desk.asked("/batch/read"))


def test_the_vendor_being_away_is_an_error_and_not_missing_records(desk: Any) -> None:
    record = desk.book()
    desk.world.faults.add(Fault(times=None, status=503))
    with pytest.raises(Unavailable):
        desk.provider.fetch([record])


def test_what_cannot_be_read_while_the_account_answers_is_unread_and_not_missing(desk: Any) -> None:
    record = desk.book()
    desk.world.faults.add(Fault(path="/batch/read", times=None, status=503))
    found = desk.provider.fetch([record])[record]
    assert isinstance(found, Missing)
    assert found.unread


# --- history


def test_each_group_is_dated_by_its_own_history(desk: Any, clock: Any) -> None:
    record = desk.book()
    clock.advance(3600)
    desk.portal.edit(record, hs_appointment_name="Later")
    edits = {each.group: each.at for each in desk.provider.edits([record])[record]}
    assert edits[Group.TITLE] - edits[Group.TIME] == timedelta(hours=1)


def test_history_is_read_for_fifty_records_at_a_time(desk: Any) -> None:
    ids = [desk.book() for _ in range(120)]
    assert len(desk.provider.edits(ids)) == 120
    assert [len(row.body["inputs"]) for row in desk.asked("/batch/read")] == [50, 50, 20]


# --- properties that vanish


@pytest.mark.parametrize("how", ["sweep", "fetch", "carriers"])
def test_a_property_that_was_deleted_meanwhile_does_not_read_as_cleared(
    desk: Any, how: str
) -> None:
    record = desk.book(ghl_description="Knee", ghl_appointment_id="GhlEvent0001")
    desk.provider.prepare()
    del desk.portal.appointments.definitions["ghl_description"]
    ask: dict[str, Callable[[], object]] = {
        "sweep": lambda: _scan(desk),
        "fetch": lambda: desk.provider.fetch([record]),
        "carriers": lambda: desk.provider.find_by_external_id(["GhlEvent0001"]),
    }
    with pytest.raises(NotPrepared, match="ghl_description"):
        ask[how]()


def test_properties_without_a_value_cost_no_further_question(desk: Any) -> None:
    record = desk.book()
    desk.provider.prepare()
    desk.world.reset_requests()
    desk.provider.fetch([record])
    assert not desk.asked("/crm/properties/")
