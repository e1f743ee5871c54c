"""No record is made before everything was read that could show that it is there already.

Each test has a visit that stands on both sides without being paired, and a
reading that cannot show one of the two (promises 7 and 9).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from harness import InProcess

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.core.policy import Direction
from syncd.sandbox import application

if TYPE_CHECKING:
    from datetime import datetime

    from harness import SyncHarness

    from syncd.engine.report import CycleReport

HALF_AN_HOUR = timedelta(minutes=30)
WHO = ("Ada Winter", "ada@example.com", "+15550100101")


class RefusingTransport(httpx.BaseTransport):
    """Answers with a status of its own where a query holds a value."""

    def __init__(self, harness: SyncHarness, path: str, status: int, **query: str) -> None:
        self._inner = InProcess(application(harness.world))
        self._path, self._status, self._query = path, status, query
        self.refused = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = dict(request.url.params)
        if not request.url.path.endswith(self._path) or asked | self._query != asked:
            return self._inner.handle_request(request)
        self.refused += 1
        return httpx.Response(self._status, json={"message": "no"}, request=request)


def refuse(harness: SyncHarness, status: int, calendar: str = "Class") -> None:
    """That calendar cannot be listed."""
    calendar_id = harness.calendars[calendar]
    harness.transport = RefusingTransport(
        harness, "/calendars/events", status, calendarId=calendar_id
    )


@pytest.fixture
def ada(harness: SyncHarness) -> tuple[str, str]:
    """One person, known on both sides by an appointment that is paired."""
    ids = (harness.ghl.add_contact(*WHO), harness.hubspot.add_contact(*WHO))
    harness.ghl.book(harness.calendars["Event"], ids[0], harness.at(500), title="Known")
    assert harness.sync().hubspot.created == 1
    return ids


def visit(harness: SyncHarness, contact: str, start: datetime, calendar: str = "Event") -> str:
    booked: str = harness.ghl.book(harness.calendars[calendar], contact, start, title="Visit")
    return booked


def record(harness: SyncHarness, start: datetime, contacts: list[str], **more: Any) -> str:
    """The same visit, as somebody wrote it down in HubSpot."""
    told = {
        "hs_appointment_name": "Visit",
        "hs_appointment_start": start,
        "hs_appointment_end": start + HALF_AN_HOUR,
        "hs_appointment_status": "SCHEDULED",
    }
    made: str = harness.hubspot.create(told | more, contacts)
    return made


def is_one(harness: SyncHarness, ghl_id: str, hubspot_id: str) -> None:
    """Both are one pair, and nothing was made beside them."""
    assert (ghl_id, hubspot_id) in {(each.ghl_id, each.hubspot_id) for each in harness.pairs()}
    assert len(harness.ghl.events()) == len(harness.hubspot.records()) == len(harness.pairs())


def nothing_made(report: CycleReport) -> None:
    assert (report.ghl.created, report.hubspot.created) == (0, 0), report.written


# --- HighLevel was not read whole


@pytest.mark.parametrize("full", [True, False])
def test_while_a_calendar_cannot_be_read_nothing_is_booked_that_may_stand_on_it(
    harness: SyncHarness, ada: tuple[str, str], full: bool
) -> None:
    ghl_id = visit(harness, ada[0], harness.at(48), "Class")
    hubspot_id = record(harness, harness.at(48), [ada[1]])
    refuse(harness, 500)
    report = harness.sync(full=full)
    nothing_made(report)
    assert report.outcome is Outcome.FAILED_WRITES
    (waiting,) = report.failed
    assert (waiting.hubspot_id, waiting.action) == (hubspot_id, "create")
    assert "calendar" in waiting.detail
    assert report.held == []
    harness.transport = None
    report = harness.sync(full=full)
    nothing_made(report)
    is_one(harness, ghl_id, hubspot_id)


@pytest.mark.usefixtures("ada")
def test_somebody_whom_highlevel_does_not_know_has_no_twin_there(harness: SyncHarness) -> None:
    stranger = harness.hubspot.add_contact("Ben Moss", "ben@example.com")
    record(harness, harness.at(48), [stranger])
    refuse(harness, 500)
    assert harness.sync().ghl.created == 1


@pytest.mark.parametrize("status", [400, 404])
def test_where_a_list_is_refused_for_good_the_contacts_own_appointments_tell(
    harness: SyncHarness, ada: tuple[str, str], status: int
) -> None:
    ghl_id = visit(harness, ada[0], harness.at(48), "Class")
    twin = record(harness, harness.at(48), [ada[1]])
    record(harness, harness.at(60), [ada[1]])
    refuse(harness, status)
    report = harness.sync()
    assert report.ghl.created == 1, "the one without a twin"
    assert report.hubspot.created == 0
    is_one(harness, ghl_id, twin)


def test_where_the_contacts_own_appointments_fail_as_well_it_waits(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    visit(harness, ada[0], harness.at(48), "Class")
    twin = record(harness, harness.at(48), [ada[1]])
    refuse(harness, 400)
    harness.world.faults.add(
        side="ghl", status=404, path="/appointments$", method="GET", times=None
    )
    report = harness.sync()
    nothing_made(report)
    assert [each.hubspot_id for each in report.failed] == [twin]


def test_what_is_only_found_beside_the_lists_is_not_mirrored(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    """It stands there at the same time, but is another one."""
    visit(harness, ada[0], harness.at(48), "Class")
    record(harness, harness.at(48), [ada[1]], hs_appointment_end=harness.at(50))
    refuse(harness, 400)
    report = harness.sync()
    nothing_made(report)
    assert {hold.reason for hold in report.held} == {"possible_duplicate"}


# --- HubSpot was only asked for changes


def test_a_held_record_that_got_its_contact_meets_what_was_booked_by_hand(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    """Associating moves no stamp, and the retry of the hold is not due."""
    hubspot_id = record(harness, harness.at(48), [])
    for _ in range(3):
        harness.later(minutes=20)
        assert [hold.reason for hold in harness.sync(full=False).held] in ([], ["no_contact"])
    harness.later(minutes=1)
    harness.sync(full=False)
    harness.hubspot.associate(hubspot_id, ada[1])
    ghl_id = visit(harness, ada[0], harness.at(48))
    report = harness.sync(full=False)
    nothing_made(report)
    is_one(harness, ghl_id, hubspot_id)
    assert harness.sync().written == []
    assert harness.store.link(harness.name).holds() == []


def test_a_record_that_no_rule_wanted_until_now_meets_its_booking(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    """With a link to HubSpot only, what is born there is neither booked nor held."""
    harness.obey(direction=Direction.GHL_TO_HUBSPOT)
    hubspot_id = record(harness, harness.at(48), [ada[1]])
    harness.sync()
    harness.later(hours=1)
    harness.sync(full=False)
    ghl_id = visit(harness, ada[0], harness.at(48))
    nothing_made(harness.sync(full=False))
    is_one(harness, ghl_id, hubspot_id)


def test_a_record_that_the_window_reaches_later_meets_its_booking(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    start = harness.at(24 * 366)
    hubspot_id = record(harness, start, [ada[1]])
    harness.sync()
    harness.later(hours=1)
    harness.sync(full=False)
    harness.later(days=3)
    harness.sync(full=False)
    ghl_id = visit(harness, ada[0], start)
    nothing_made(harness.sync(full=False))
    is_one(harness, ghl_id, hubspot_id)


def test_a_record_that_the_index_does_not_show_yet_meets_its_booking(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    harness.world.faults.add(kind="empty_list", path="0-421/search$", times=None)
    hubspot_id = record(harness, harness.at(48), [ada[1]])
    ghl_id = visit(harness, ada[0], harness.at(48))
    nothing_made(harness.sync(full=False))
    is_one(harness, ghl_id, hubspot_id)


def test_what_hubspot_cannot_say_keeps_a_booking_waiting(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    ghl_id = visit(harness, ada[0], harness.at(48))
    path = "/associations/.*/0-1/0-421/batch/read$"
    harness.world.faults.add(side="hubspot", status=400, path=path, times=None)
    report = harness.sync(full=False)
    nothing_made(report)
    assert report.outcome is Outcome.FAILED_WRITES
    assert [each.ghl_id for each in report.failed] == [ghl_id]
    harness.world.faults.clear()
    assert harness.sync(full=False).hubspot.created == 1
    assert harness.sync().written == []


def test_what_stands_on_a_calendar_that_was_switched_off_is_met(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    ghl_id = visit(harness, ada[0], harness.at(48), "Class")
    visit(harness, ada[0], harness.at(52), "Class")
    twin = record(harness, harness.at(48), [ada[1]])
    harness.ghl.deactivate_calendar(harness.calendars["Class"])
    record(harness, harness.at(60), [ada[1]])
    report = harness.sync()
    assert (report.ghl.created, report.hubspot.created) == (1, 0), "the one without a twin"
    assert (ghl_id, twin) in {(each.ghl_id, each.hubspot_id) for each in harness.pairs()}
    assert harness.sync().written == []


# --- a record is made anew


def test_what_was_removed_and_booked_again_by_hand_is_not_made_a_third_time(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    """Deleted and booked again in HighLevel, while HubSpot's record was edited."""
    ghl_id = visit(harness, ada[0], harness.at(48))
    harness.sync()
    (pair,) = (each for each in harness.pairs() if each.ghl_id == ghl_id)
    harness.ghl.delete(ghl_id)
    again = visit(harness, ada[0], harness.at(48))
    harness.hubspot.edit(pair.hubspot_id, hs_appointment_name="Edited")
    report = harness.sync()
    nothing_made(report)
    assert {hold.reason for hold in report.held} == {"possible_duplicate"}
    harness.ghl.delete(again)
    assert harness.sync().ghl.created == 1
    assert harness.sync().written == []


# --- HubSpot was listed, but not whole


def test_without_the_archived_list_nothing_is_mirrored_that_an_archived_record_carries(
    harness: SyncHarness, ada: tuple[str, str]
) -> None:
    ghl_id = visit(harness, ada[0], harness.at(48))
    harness.sync()
    (pair,) = (each for each in harness.pairs() if each.ghl_id == ghl_id)
    harness.hubspot.archive(pair.hubspot_id)
    harness.name = "afresh"
    broken = RefusingTransport(harness, "/0-421", 503, archived="true")
    harness.transport = broken
    for full in (True, False):
        report = harness.sync(full=full)
        assert broken.refused
        nothing_made(report)
    assert [each.ghl_id for each in report.failed] == [ghl_id]
    harness.transport = None
    nothing_made(harness.sync(full=False))
    assert len(harness.hubspot.records()) == 1


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("here", "across", "at", "is_made"),
    [
        (False, False, 530, True),
        (True, False, 530, True),
        (False, True, 530, False),
        (True, True, 530, False),
        (True, False, 500, True),
        (True, True, 500, True),
    ],
    ids=["nobody", "here", "across", "both", "away here", "away on both"],
)
def test_a_newcomer_waits_where_people_moved_a_record_to_across(
    harness: SyncHarness,
    ada: tuple[str, str],
    side: Side,
    here: bool,
    across: bool,
    at: float,
    is_made: bool,
) -> None:
    """What people moved on both sides stands there, whatever was agreed before."""
    [pair] = harness.pairs()
    start = harness.at(530)
    moved = {side: here, side.other: across}
    if moved[Side.GHL]:
        harness.ghl.move(pair.ghl_id, start, start + HALF_AN_HOUR)
    if moved[Side.HUBSPOT]:
        times = {"hs_appointment_start": start, "hs_appointment_end": start + HALF_AN_HOUR}
        harness.hubspot.edit(pair.hubspot_id, **times)
    if side is Side.GHL:
        new = visit(harness, ada[0], harness.at(at), "Class")
    else:
        new = record(harness, harness.at(at), [ada[1]])
    report = harness.sync(full=False)
    made = new in {each.id_on(side) for each in harness.pairs()}
    held = {hold.reason for hold in report.held if new in (hold.ghl_id, hold.hubspot_id)}
    assert (made, held) == (is_made, set() if is_made else {"possible_duplicate"})
