"""A write rests on what still stands: people edit between the poll and the write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from towns import InProcess, in_turn

from syncd.core.model import Side
from syncd.core.policy import OnRemoval
from syncd.engine import cycle, planned
from syncd.engine.cycle import CycleRequest
from syncd.engine.report import Outcome
from syncd.errors import LinkLocked
from syncd.sandbox import application

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towns import Town

    from syncd.engine.lanes import Lane
    from syncd.engine.report import CycleReport

Deed = Callable[[], object]


@pytest.fixture
def ann(town: Town) -> tuple[str, str]:
    """A person whom both sides know, as (HighLevel contact, HubSpot contact)."""
    return (
        town.ghl.add_contact("Ann Lee", "ann@example.com"),
        town.hubspot.add_contact("Ann Lee", "ann@example.com"),
    )


@pytest.fixture
def bob(town: Town) -> tuple[str, str]:
    """Another one."""
    return (
        town.ghl.add_contact("Bob Ray", "bob@example.com"),
        town.hubspot.add_contact("Bob Ray", "bob@example.com"),
    )


def book(town: Town, contact: str, hours: float = 48, **more: Any) -> str:
    return str(town.ghl.book(town.calendars["Event"], contact, town.at(hours), **more))


def make(town: Town, contact: str, hours: float = 96, **more: Any) -> str:
    start = town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    end = town.at(hours + 0.5).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = {"hs_appointment_start": start, "hs_appointment_end": end, **more}
    return str(town.hubspot.create(shown, contacts=[contact]))


@pytest.fixture
def pair(town: Town, ann: tuple[str, str]) -> tuple[str, str]:
    """A booking and its HubSpot record, in step."""
    event = book(town, ann[0], title="Check-up")
    town.sync()
    (record,) = town.hubspot.records()
    return event, str(record.id)


def meanwhile(town: Town, deed: Deed, **more: Any) -> CycleReport:
    """One cycle, during which somebody does something right before the first write."""
    due = [deed]

    def lanes(lanes_: Sequence[Lane]) -> None:
        while due:
            due.pop()()
        in_turn(lanes_)

    town.lanes = lanes
    try:
        return town.sync(**more)
    finally:
        town.lanes = in_turn


def moved(town: Town, hours: float) -> dict[str, str]:
    """The times of a HubSpot record that starts then."""
    return {
        "hs_appointment_start": town.at(hours).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hs_appointment_end": town.at(hours + 0.5).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def settled(town: Town) -> None:
    """The next cycles have nothing to do."""
    town.sync()
    town.world.reset_requests()
    assert town.sync().outcome is Outcome.OK
    assert [*town.world.writes("ghl"), *town.world.writes("hubspot")] == []


# --- removals


@pytest.mark.parametrize("rule", [OnRemoval.ARCHIVE, OnRemoval.CANCEL])
@pytest.mark.parametrize("full", [True, False])
def test_an_edit_of_the_time_beats_a_removal_that_is_under_way(
    town: Town, pair: tuple[str, str], rule: OnRemoval, full: bool
) -> None:
    town.obey(ghl_deleted=rule)
    event, record = pair
    town.ghl.delete(event)
    report = meanwhile(town, lambda: town.hubspot.edit(record, **moved(town, 72)), full=full)
    assert (report.outcome, report.hubspot.removed, report.ghl.created) == (Outcome.OK, 0, 1)
    living = town.hubspot.get(record)
    assert (living.archived, living.properties["hs_appointment_status"]) == (False, "SCHEDULED")
    assert [each.start for each in town.ghl.events()] == [town.at(72)]
    settled(town)


@pytest.mark.parametrize("rule", [OnRemoval.DELETE, OnRemoval.CANCEL])
def test_an_edit_in_highlevel_beats_an_archive_that_is_carried(
    town: Town, pair: tuple[str, str], rule: OnRemoval
) -> None:
    town.obey(hubspot_archived=rule)
    event, record = pair
    town.hubspot.archive(record)
    report = meanwhile(town, lambda: town.ghl.edit(event, description="Bring the scan"))
    assert (report.ghl.removed, report.hubspot.created) == (0, 1)
    shown = town.ghl.get(event)
    assert (shown.deleted, shown.status) == (False, "confirmed")
    settled(town)


@pytest.mark.parametrize("rule", [OnRemoval.DELETE, OnRemoval.CANCEL])
def test_what_is_restored_meanwhile_is_not_removed_across(
    town: Town, pair: tuple[str, str], rule: OnRemoval
) -> None:
    town.obey(hubspot_archived=rule)
    event, record = pair
    town.hubspot.archive(record)
    report = meanwhile(town, lambda: town.hubspot.restore(record))
    assert (report.outcome, report.ghl.removed) == (Outcome.OK, 0)
    assert town.ghl.get(event).status == "confirmed"
    settled(town)


def test_a_booking_that_comes_back_is_not_archived_across(
    town: Town, pair: tuple[str, str]
) -> None:
    event, record = pair
    town.ghl.delete(event)
    report = meanwhile(town, lambda: town.ghl.undelete(event))
    assert (report.outcome, report.hubspot.removed) == (Outcome.OK, 0)
    assert not town.hubspot.get(record).archived
    settled(town)


def test_a_record_that_comes_back_is_not_made_anew(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    town.hubspot.archive(record)
    town.ghl.edit(event, title="Follow-up")
    report = meanwhile(town, lambda: town.hubspot.restore(record))
    assert (report.hubspot.created, len(town.hubspot.records())) == (0, 1)
    assert town.hubspot.get(record).properties["hs_appointment_name"] == "Follow-up"
    settled(town)


def test_a_booking_that_comes_back_is_not_booked_anew(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    town.ghl.delete(event)
    town.hubspot.edit(record, hs_appointment_name="Follow-up")
    report = meanwhile(town, lambda: town.ghl.undelete(event))
    assert (report.ghl.created, len(town.ghl.events())) == (0, 1)
    assert town.ghl.get(event).title == "Follow-up"
    settled(town)


# --- bookings


@pytest.mark.parametrize(
    ("edit", "shows"),
    [
        ({"hs_appointment_name": "Follow-up"}, {"title": "Follow-up"}),
        ({"ghl_description": "Knee"}, {"description": "Knee"}),
        ({"hs_appointment_status": "CANCELLED"}, {"status": "cancelled"}),
    ],
    ids=["title", "description", "status"],
)
def test_a_booking_shows_what_its_source_shows_now(
    town: Town, ann: tuple[str, str], edit: dict[str, str], shows: dict[str, str]
) -> None:
    record = make(town, ann[1], hs_appointment_status="SCHEDULED", hs_appointment_name="Intro")
    report = meanwhile(town, lambda: town.hubspot.edit(record, **edit))
    assert (report.outcome, report.ghl.created, report.failed) == (Outcome.OK, 1, [])
    (event,) = town.ghl.events()
    assert {name: getattr(event, name) for name in shows} == shows
    bodies = [row.body for row in town.world.writes("ghl") if row.method == "POST"]
    assert len(bodies) == 1
    settled(town)


def test_a_booking_is_for_the_contact_of_now(
    town: Town, ann: tuple[str, str], bob: tuple[str, str]
) -> None:
    record = make(town, ann[1])

    def replaced() -> None:
        town.hubspot.dissociate(record, ann[1])
        town.hubspot.associate(record, bob[1])

    assert meanwhile(town, replaced).ghl.created == 1
    assert [event.contact for event in town.ghl.events()] == [bob[0]]
    settled(town)


def test_what_is_archived_meanwhile_is_not_booked(town: Town, ann: tuple[str, str]) -> None:
    record = make(town, ann[1])
    report = meanwhile(town, lambda: town.hubspot.archive(record))
    assert (report.outcome, report.ghl.created, town.ghl.events()) == (Outcome.OK, 0, [])
    settled(town)


def test_a_look_serves_many_bookings(town: Town, ann: tuple[str, str]) -> None:
    for number in range(45):
        make(town, ann[1], hours=24 + number)
    town.sync(dry_run=True)
    town.world.reset_requests()
    assert town.sync().ghl.created == 45
    asked = [row for row in town.world.requests_of("ghl", "GET") if "/appointments/" in row.path]
    assert asked == [], "no request to HighLevel for a look"
    read = [
        row for row in town.world.requests_of("hubspot") if row.path.endswith("0-421/batch/read")
    ]
    assert len(read) <= 3 + 1, "a batch for each chunk, and one before the identities"


# --- updates


def test_a_move_of_which_the_source_moved_on_goes_where_it_is_now(
    town: Town, pair: tuple[str, str]
) -> None:
    event, record = pair
    town.hubspot.edit(record, **moved(town, 60))
    report = meanwhile(town, lambda: town.hubspot.edit(record, **moved(town, 72)))
    assert (report.outcome, report.ghl.updated) == (Outcome.OK, 1)
    assert town.ghl.get(event).start == town.at(72)
    assert len([row for row in town.world.writes("ghl") if row.method == "PUT"]) == 1
    settled(town)


def test_an_update_of_hubspot_rests_on_the_booking_of_now(
    town: Town, pair: tuple[str, str]
) -> None:
    event, record = pair
    town.ghl.move(event, town.at(60))
    report = meanwhile(town, lambda: town.ghl.move(event, town.at(72)))
    assert (report.outcome, report.hubspot.updated) == (Outcome.OK, 1)
    shown = town.hubspot.get(record).properties["hs_appointment_start"]
    assert shown == town.at(72).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    settled(town)


def test_a_contact_is_replaced_by_the_one_of_now(
    town: Town, pair: tuple[str, str], bob: tuple[str, str]
) -> None:
    event, record = pair
    eve = town.ghl.add_contact("Eve Fox", "eve@example.com")
    across = town.hubspot.add_contact("Eve Fox", "eve@example.com")
    town.ghl.edit(event, contact=bob[0])
    meanwhile(town, lambda: town.ghl.edit(event, contact=eve))
    assert list(town.hubspot.get(record).contacts) == [across]
    settled(town)


# --- what goes along with an identity


def test_an_identity_overwrites_no_status_that_a_person_set(
    town: Town, ann: tuple[str, str]
) -> None:
    record = make(town, ann[1])
    town.world.faults.add(side="hubspot", path="/batch/update$", status=503, times=None)
    assert town.sync().ghl.created == 1
    town.world.faults.clear()
    (event,) = town.ghl.events()

    town.hubspot.edit(record, hs_appointment_status="COMPLETED")
    town.sync()
    shown = town.hubspot.get(record).properties
    assert (shown["hs_appointment_status"], shown["ghl_appointment_id"]) == ("COMPLETED", event.id)
    town.sync()
    assert town.ghl.get(event.id).status == "showed"


def test_a_status_that_is_set_while_the_booking_is_sent_stays(
    town: Town, ann: tuple[str, str]
) -> None:
    record = make(town, ann[1])
    stage = Meanwhile(town)
    stage.before("POST", "/batch/update", lambda: None)
    stage.after(
        "POST", "/appointments", lambda: town.hubspot.edit(record, hs_appointment_status="NO_SHOW")
    )
    town.transport = stage
    town.sync()
    shown = town.hubspot.get(record).properties
    (event,) = town.ghl.events()
    assert (shown["hs_appointment_status"], shown["ghl_appointment_id"]) == ("NO_SHOW", event.id)
    town.sync()
    assert town.ghl.get(event.id).status == "noshow"


# --- approved plans


@pytest.mark.parametrize("when", ["before the cycle", "within it"])
@pytest.mark.parametrize("what", ["contact", "title", "calendar"])
def test_an_approved_booking_is_left_out_when_its_source_moves_on(
    town: Town, ann: tuple[str, str], bob: tuple[str, str], when: str, what: str
) -> None:
    record = make(town, ann[1], hs_appointment_name="Intro")
    shown = town.plan().planned or []
    writes = {planned.digest(each): planned.in_one_line(each) for each in shown}
    town.store.link(town.name).decide("apply", {"writes": writes}, town.clock.now())

    def moves_on() -> None:
        if what == "title":
            town.hubspot.edit(record, hs_appointment_name="Else")
        elif what == "contact":
            town.hubspot.dissociate(record, ann[1])
            town.hubspot.associate(record, bob[1])
        else:
            town.obey(default_calendar=town.calendars["Event"])

    if when == "before the cycle":
        moves_on()
        report = town.sync()
    elif what == "calendar":
        pytest.skip("another configuration is another cycle's")
    else:
        report = meanwhile(town, moves_on)
    assert (report.ghl.created, town.ghl.events(), report.failed) == (0, [], [])
    assert any("moved on since" in each for each in report.warnings)


def test_an_approved_move_is_left_out_when_its_record_is_somebody_elses_by_now(
    town: Town, pair: tuple[str, str], ann: tuple[str, str], bob: tuple[str, str]
) -> None:
    event, record = pair
    town.hubspot.edit(record, **moved(town, 60))
    shown = town.plan().planned or []
    writes = {planned.digest(each): planned.in_one_line(each) for each in shown}
    town.store.link(town.name).decide("apply", {"writes": writes}, town.clock.now())
    town.hubspot.dissociate(record, ann[1])
    town.hubspot.associate(record, bob[1])
    report = town.sync()
    assert (report.ghl.updated, town.ghl.get(event).start) == (0, town.at(48))
    assert any("moved on since" in each for each in report.warnings)


# --- how old a reading may be


@dataclass
class Meanwhile(httpx.BaseTransport):
    """Does something right before, or after, the first request of a kind."""

    town: Town
    befores: list[tuple[str, str, Deed]] = field(default_factory=list)
    afters: list[tuple[str, str, Deed]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inner = InProcess(application(self.town.world))

    def before(self, method: str, part: str, deed: Deed) -> None:
        self.befores.append((method, part, deed))

    def after(self, method: str, part: str, deed: Deed) -> None:
        self.afters.append((method, part, deed))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._do(self.befores, request)
        answer = self.inner.handle_request(request)
        self._do(self.afters, request)
        return answer

    @staticmethod
    def _do(due: list[tuple[str, str, Deed]], request: httpx.Request) -> None:
        for each in list(due):
            method, part, deed = each
            if request.method == method and part in request.url.path:
                due.remove(each)
                deed()


def test_a_write_that_waits_is_sent_on_a_fresh_reading_only(
    town: Town, pair: tuple[str, str]
) -> None:
    """Turned away with 429 for longer than a reading may be old, and edited meanwhile."""
    event, record = pair
    town.hubspot.edit(record, hs_appointment_name="Second")
    town.world.faults.add(
        side="ghl", method="PUT", status=429, headers={"Retry-After": "8"}, times=1
    )
    stage = Meanwhile(town)
    stage.after("PUT", event, lambda: town.hubspot.edit(record, hs_appointment_name="Third"))
    town.transport = stage
    report = town.sync()
    assert report.outcome is Outcome.OK, report
    assert town.ghl.get(event).title == "Third"
    sent = [row.body["title"] for row in town.world.writes("ghl") if row.method == "PUT"]
    assert sent == ["Second", "Third"], "the first was refused"
    settled(town)


def test_a_write_that_waits_and_still_stands_is_sent(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    town.ghl.edit(event, title="Second")
    town.world.faults.add(
        side="hubspot",
        method="POST",
        path="/batch/update$",
        status=429,
        headers={"Retry-After": "8"},
        times=2,
    )
    report = town.sync()
    assert (report.outcome, report.hubspot.updated) == (Outcome.OK, 1), report
    assert town.hubspot.get(record).properties["hs_appointment_name"] == "Second"


def test_where_the_other_side_cannot_be_read_nothing_is_written(
    town: Town, ann: tuple[str, str]
) -> None:
    make(town, ann[1])
    fault: dict[str, Any] = {"side": "hubspot", "path": "0-421/batch/read$", "status": 503}
    report = meanwhile(town, lambda: town.world.faults.add(times=None, **fault))
    assert (report.outcome, town.ghl.events()) == (Outcome.FAILED_WRITES, [])
    town.world.faults.clear()
    assert town.sync().ghl.created == 1


# --- reopenings


@pytest.mark.parametrize("refused", [True, False])
def test_a_reopening_onto_a_slot_of_somebody_else_is_held(
    town: Town, pair: tuple[str, str], bob: tuple[str, str], refused: bool
) -> None:
    town.obey(refuse_double_booking=refused)
    event, record = pair
    town.hubspot.edit(record, hs_appointment_status="CANCELLED")
    town.sync()
    book(town, bob[0], title="Taken")
    town.hubspot.edit(record, hs_appointment_status="SCHEDULED", hs_appointment_name="Again")
    report = town.sync()
    held = [hold.reason for hold in report.held]
    shown = town.ghl.get(event)
    assert shown.title == "Again", "the rest goes on"
    assert (held, shown.status) == ((["slot_taken"], "cancelled") if refused else ([], "confirmed"))


def test_a_reopening_onto_a_free_slot_goes_through(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    town.hubspot.edit(record, hs_appointment_status="CANCELLED")
    town.sync()
    town.hubspot.edit(record, hs_appointment_status="SCHEDULED")
    report = town.sync()
    assert (report.held, town.ghl.get(event).status) == ([], "confirmed")


def test_a_reopening_needs_the_whole_of_its_time(
    town: Town, ann: tuple[str, str], bob: tuple[str, str]
) -> None:
    """The slot that it starts in is offered again; the next one, that it needs too, is not."""
    event = book(town, ann[0], minutes=60)
    town.sync()
    (record,) = town.hubspot.records()
    town.hubspot.edit(record.id, hs_appointment_status="CANCELLED")
    town.sync()
    book(town, bob[0], hours=48.5, title="Taken")
    town.hubspot.edit(record.id, hs_appointment_status="SCHEDULED")
    report = town.sync()
    assert [hold.reason for hold in report.held] == ["slot_taken"]
    assert town.ghl.get(event).status == "cancelled"


def test_a_booking_beside_the_grid_takes_its_own_time_again(
    town: Town, ann: tuple[str, str]
) -> None:
    event = book(town, ann[0], hours=48.2)
    town.sync()
    (record,) = town.hubspot.records()
    town.hubspot.edit(record.id, hs_appointment_status="CANCELLED")
    town.sync()
    town.hubspot.edit(record.id, hs_appointment_status="SCHEDULED")
    assert town.sync().held == []
    assert town.ghl.get(event).status == "confirmed"


def test_a_restore_reopens_no_slot_of_somebody_else(
    town: Town, pair: tuple[str, str], bob: tuple[str, str]
) -> None:
    event, record = pair
    town.hubspot.archive(record)
    assert town.sync().ghl.removed == 1
    book(town, bob[0], title="Taken")
    town.hubspot.restore(record)
    report = town.sync()
    assert [hold.reason for hold in report.held] == ["slot_taken"]
    assert town.ghl.get(event).status == "cancelled"


# --- looks that are refused


@pytest.mark.parametrize("status", [400, 403])
def test_a_look_that_is_refused_puts_the_write_off_and_holds_nothing(
    town: Town, pair: tuple[str, str], status: int
) -> None:
    event, record = pair
    town.hubspot.edit(record, hs_appointment_name="Later")
    path = f"/appointments/{event}$"
    town.world.faults.add(side="ghl", method="GET", status=status, path=path, times=None)
    town.world.reset_requests()
    report = town.sync()
    assert (report.held, [each.ghl_id for each in report.failed]) == ([], [event])
    assert town.world.writes("ghl") == []
    town.world.faults.clear()
    town.sync()
    assert town.ghl.get(event).title == "Later"


@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_look_at_a_hubspot_record_is_no_refusal_of_the_write(
    town: Town, pair: tuple[str, str], status: int
) -> None:
    event, record = pair
    town.ghl.edit(event, title="Later")
    path = "/0-421/batch/read$"
    town.world.faults.add(side="hubspot", status=status, path=path, times=None)
    report = town.sync()
    assert (report.held, [each.hubspot_id for each in report.failed]) == ([], [record])
    town.world.faults.clear()
    town.sync()
    assert town.hubspot.get(record).properties["hs_appointment_name"] == "Later"


# --- the lease


@pytest.mark.parametrize("side", Side)
def test_a_link_that_is_lost_amid_a_chunk_writes_nothing_more(
    town: Town, ann: tuple[str, str], side: Side
) -> None:
    """The holder was stopped and another took over, after some of the chunk was sent."""
    if side is Side.GHL:
        for number in range(10):
            make(town, ann[1], hours=24 + number)
    else:
        for number in range(10):
            book(town, ann[0], hours=24 + number, title=f"Visit {number}")
        town.sync()
        for event in town.ghl.events():
            town.ghl.edit(event.id, title="Changed")
    link, sent = town.link(), [3 if side is Side.GHL else 0]

    def check() -> None:
        sent[0] -= 1
        if sent[0] < 0:
            raise LinkLocked("clinic", holder="another")

    for provider in (link.ghl, link.hubspot):
        provider._line.client.guard = check  # type: ignore[attr-defined]
    town.world.reset_requests()
    report = cycle.run(link, CycleRequest())
    assert report.outcome is Outcome.LOCKED
    writes = [*town.world.writes("ghl"), *town.world.writes("hubspot")]
    assert len(writes) == (3 if side is Side.GHL else 0)


# --- what is told


def test_a_conflict_that_is_judged_anew_is_counted_once(town: Town, pair: tuple[str, str]) -> None:
    event, record = pair
    town.ghl.edit(event, title="Left")
    town.hubspot.edit(record, hs_appointment_name="Right")
    town.later(minutes=1)
    report = meanwhile(town, lambda: town.hubspot.edit(record, hs_appointment_name="Newest"))
    assert (report.outcome, report.conflicts, town.ghl.get(event).title) == (
        Outcome.OK,
        1,
        "Newest",
    )
    settled(town)
