"""Targeted cycles: what was announced is read by id, and everything else holds as in any cycle."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from shutil import copy
from typing import TYPE_CHECKING, Any

import pytest
from harness import HarnessClock, Shelf, build

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.core.policy import Limit, Notify, Winner
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.poll.poll import CURSOR, RECHECK
from syncd.engine.poll.prepare import POLLED_AT
from syncd.ports.announcements import Announced, Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from harness import SyncHarness

    from syncd.engine.link import Link
    from syncd.engine.report import CycleReport
    from syncd.engine.workers import Lane

GHL, HUBSPOT = Side.GHL, Side.HUBSPOT
LISTS = ("/calendars/events", "/calendars/", "/search", "/pipelines", "/properties")


@dataclass
class Town:
    """A synced town whose link stays open, as in a daemon."""

    harness: SyncHarness
    link: Link
    ann: tuple[str, str]

    def __post_init__(self) -> None:
        self.inbox = self.harness.store.inbox

    # --- people

    def book(self, hours: float = 48, contact: str = "", **more: Any) -> str:
        calendar, at = self.harness.calendars["Team"], self.harness.at(hours)
        return str(self.harness.ghl.book(calendar, contact or self.ann[0], at, **more))

    def make(self, hours: float = 48, contact: str = "", **more: Any) -> str:
        start = self.harness.at(hours)
        given = {
            "hs_appointment_name": "Visit",
            "hs_appointment_start": start,
            "hs_appointment_end": start + timedelta(minutes=30),
            "hs_appointment_status": "SCHEDULED",
            **more,
        }
        return str(self.harness.hubspot.create(given, contacts=[contact or self.ann[1]]))

    def pair(self, hours: float = 48, **more: Any) -> tuple[str, str]:
        """A pair that both sides show."""
        event = self.book(hours, **more)
        self.poll()
        return next((p.ghl_id, p.hubspot_id) for p in self.harness.pairs() if p.ghl_id == event)

    # --- syncd

    def announce(self, side: Side, *ids: str, what: Announced = Announced.RECORD) -> None:
        self.inbox.announce(
            [Delivered(link=self.harness.name, side=side, what=what, record=each) for each in ids]
        )

    def waiting(self) -> list[str]:
        return [each.record for each in self.link.store.announcements()]

    def targeted(self, **more: Any) -> CycleReport:
        """A targeted cycle for all that waits."""
        self.harness.later(seconds=1)
        self.harness.world.reset_requests()
        waiting = tuple(self.link.store.announcements())
        request = CycleRequest(full=False, targeted=True, announced=waiting, **more)
        return cycle.run(self.link, request)

    def poll(self, *, full: bool = True, **more: Any) -> CycleReport:
        """A cycle by the clock, which takes along what waits."""
        self.harness.later(seconds=1)
        waiting = tuple(self.link.store.announcements())
        return cycle.run(self.link, CycleRequest(full=full, announced=waiting, **more))

    # --- what came of it

    def title(self, record: str) -> str:
        return str(self.harness.hubspot.get(record).properties["hs_appointment_name"])

    def reads(self) -> list[str]:
        """Requests that write nothing."""
        world = self.harness.world
        written = {id(row) for side in Side for row in world.writes(side.value)}
        rows = [row for row in world.requests if id(row) not in written]
        return [f"{row.side} {row.method} {row.path}" for row in rows]

    def writes(self) -> Counter[str]:
        return Counter(side for side in ("ghl", "hubspot") for _ in self.harness.world.writes(side))

    def no_list(self, but: str = "") -> None:
        """Nothing was listed, `but` a slot right before the write that takes it."""
        listed = [each for each in self.reads() if each.endswith(LISTS) and "contacts" not in each]
        listed = [each for each in listed if each != but]
        assert listed == [], listed

    def quiet(self) -> None:
        """A full cycle finds nothing more to do."""
        said = self.poll()
        assert said.outcome is Outcome.OK, said.detail
        assert said.written == [], said.written


def settle(harness: SyncHarness) -> Town:
    """A town with one pair, after its first sync."""
    who = ("Ann Lee", "ann@example.com", "+15550101")
    ann = (harness.ghl.add_contact(*who), harness.hubspot.add_contact(*who))
    found = Town(harness, harness.link(), ann)
    found.book(500, title="Known")
    assert found.poll().outcome is Outcome.OK
    return found


@pytest.fixture
def town(harness: SyncHarness) -> Town:
    return settle(harness)


# --- a known pair


@pytest.mark.parametrize("side", Side)
def test_an_edit_arrives_and_its_record_costs_three_requests(town: Town, side: Side) -> None:
    ghl_id, hubspot_id = town.pair()
    town.harness.later(hours=5)  # longer than any account is kept for polls
    if side is GHL:
        town.harness.ghl.edit(ghl_id, title="Edited")
    else:
        town.harness.hubspot.edit(hubspot_id, hs_appointment_name="Edited")
    town.announce(side, ghl_id if side is GHL else hubspot_id)
    said = town.targeted()
    assert (said.outcome, said.kind) == (Outcome.OK, "targeted"), said.detail
    assert town.title(hubspot_id) == town.harness.ghl.get(ghl_id).title == "Edited"
    assert town.waiting() == []
    assert sum(town.writes().values()) == 1
    town.no_list()
    # The echo of our own write is read, and nothing follows.
    town.announce(side.other, hubspot_id if side is GHL else ghl_id)
    said = town.targeted()
    assert said.idle
    assert len(town.reads()) == len(town.harness.world.requests) <= 3, town.reads()
    town.quiet()


def test_fifty_records_are_one_cycle_of_a_few_requests(town: Town) -> None:
    for number in range(20):
        town.book(48 + number, title=f"Visit {number}")
    town.poll(full=True)
    pairs = town.harness.pairs()
    for pair in pairs:
        town.harness.hubspot.edit(pair.hubspot_id, hs_appointment_name=f"New {pair.key}")
    town.announce(HUBSPOT, *(pair.hubspot_id for pair in pairs))
    said = town.targeted()
    assert said.ghl.updated == len(pairs) == 21
    before_writes = len(pairs)  # HighLevel reads each record again before it is written
    assert len([each for each in town.reads() if each.startswith("ghl")]) <= 2 * before_writes
    assert town.waiting() == []


@pytest.mark.parametrize(
    ("side", "act", "removed"),
    [
        (GHL, "delete", "hubspot"),
        (HUBSPOT, "archive", "ghl"),
        (HUBSPOT, "unseen", ""),
    ],
)
def test_a_deletion_counts_only_when_reading_by_id_confirms_it(
    town: Town, side: Side, act: str, removed: str
) -> None:
    ghl_id, hubspot_id = town.pair()
    if act == "delete":
        town.harness.ghl.delete(ghl_id)
    elif act == "archive":
        town.harness.hubspot.archive(hubspot_id)
    else:
        town.harness.hubspot.gdpr_delete(hubspot_id)
    town.announce(side, ghl_id if side is GHL else hubspot_id)
    said = town.targeted()
    assert (said.ghl.removed, said.hubspot.removed) == (removed == "ghl", removed == "hubspot")
    assert said.held == []
    if removed:
        assert len(town.reads()) <= 3 + 4, town.reads()  # and the looks before the write
    # Not found is no word: an incremental cycle, which reads the lists, says what comes of it.
    assert said.left is not bool(removed)
    assert bool(town.waiting()) is not bool(removed)
    town.poll(full=False)
    assert town.waiting() == []


def test_a_deleted_contact_has_its_pairs_looked_at(town: Town) -> None:
    ghl_id, _ = town.pair()
    town.harness.ghl.delete(ghl_id)  # as HighLevel does with the appointments of the contact
    town.announce(GHL, town.ann[0], what=Announced.CONTACT)
    said = town.targeted()
    assert said.hubspot.removed == 1
    assert town.waiting() == []


# --- a record that the store does not know


def newborn_in_ghl(town: Town) -> tuple[Side, str]:
    return GHL, town.book(title="New")


def newborn_in_hubspot(town: Town) -> tuple[Side, str]:
    return HUBSPOT, town.make()


@pytest.mark.parametrize("born", [newborn_in_ghl, newborn_in_hubspot])
def test_a_new_record_is_made_across_without_a_list(
    town: Town, born: Callable[[Town], tuple[Side, str]]
) -> None:
    side, record = born(town)
    town.announce(side, record)
    said = town.targeted()
    assert said.outcome is Outcome.OK, said.detail
    assert (said.ghl.created, said.hubspot.created) == (side is HUBSPOT, side is GHL)
    assert town.waiting() == []
    town.no_list()
    town.quiet()


def twin_across(town: Town) -> tuple[int, int]:
    """The same visit stands on both sides."""
    town.announce(GHL, town.book())
    town.make()
    return 1, 0


def two_for_one(town: Town) -> tuple[int, int]:
    """Two bookings fit one record, and only one of them is announced."""
    first = town.book(hours=48)
    town.book(hours=48)
    town.make(hours=48)
    town.announce(GHL, first)
    return 0, 3


def paired_at_the_spot(town: Town) -> tuple[int, int]:
    """A second booking of the same person at the time of a pair."""
    town.pair(48)
    town.announce(GHL, town.book(48))
    return 0, 1


def pair_left_the_spot(town: Town) -> tuple[int, int]:
    """The pair that stood there was moved just now, which nobody announced."""
    ghl_id, _ = town.pair(48)
    start = town.harness.at(96)
    town.harness.ghl.edit(ghl_id, start=start, end=start + timedelta(minutes=30))
    town.announce(GHL, town.book(48))
    return 0, 0


def pair_came_to_the_spot(town: Town) -> tuple[int, int]:
    """A pair was moved to its time across, which nobody announced."""
    _, hubspot_id = town.pair(96)
    start = town.harness.at(48)
    town.harness.hubspot.edit(
        hubspot_id, hs_appointment_start=start, hs_appointment_end=start + timedelta(minutes=30)
    )
    town.announce(GHL, town.book(48))
    return 0, 2  # the pair cannot move to a slot that is taken


def twin_of_a_contact_with_another_record(town: Town) -> tuple[int, int]:
    """Somebody new has a twin across, and a record of another time that was announced too."""
    who = ("Bea Moss", "bea@example.com", "+15550102")
    here, there = town.harness.ghl.add_contact(*who), town.harness.hubspot.add_contact(*who)
    town.make(48, contact=there)
    town.announce(GHL, town.book(48, contact=here))
    town.announce(HUBSPOT, town.make(72, contact=there))
    return 1, 0


def carries_the_id(town: Town) -> tuple[int, int]:
    """A record carries the id of the announced booking, for somebody else and another time."""
    event = town.book(48)
    other = town.harness.hubspot.add_contact("Bea Moss", "bea@example.com", "+15550102")
    town.make(72, contact=other, ghl_appointment_id=event, ghl_location_id=town.harness.ghl.id)
    town.announce(GHL, event)
    return 1, 0


@pytest.mark.parametrize(
    "meet",
    [
        twin_across,
        twin_of_a_contact_with_another_record,
        two_for_one,
        paired_at_the_spot,
        pair_left_the_spot,
        pair_came_to_the_spot,
        carries_the_id,
    ],
)
def test_what_a_record_may_be_is_read_before_it_is_made(
    town: Town, meet: Callable[[Town], tuple[int, int]]
) -> None:
    adopted, held = meet(town)
    before = len(town.harness.hubspot.records())
    said = town.targeted()
    assert (said.adopted, len(said.held)) == (adopted, held), said.held
    town.no_list(but="ghl GET /calendars/events" if meet is pair_came_to_the_spot else "")
    made = len(town.harness.hubspot.records()) - before
    again = town.poll()
    assert len(town.harness.hubspot.records()) == before + made
    assert {hold.key for hold in again.held} == {hold.key for hold in said.held}


def moved_instance(town: Town) -> str:
    """An instance of a series was moved: HighLevel gives it another id."""
    harness = town.harness
    master = harness.ghl.add_series(
        harness.calendars["Team"],
        town.ann[0],
        harness.at(60),
        rrule="RRULE:FREQ=WEEKLY;INTERVAL=1;COUNT=3",
    )
    town.poll()
    instance = harness.ghl.instances(master)[1]
    start = harness.ghl.get(instance).start + timedelta(hours=2)
    return str(harness.ghl.edit(instance, start=start, end=start + timedelta(minutes=30)))


def on_a_new_calendar(town: Town) -> str:
    calendar = town.harness.ghl.add_calendar("Brand new")
    at = town.harness.at(48)
    return str(town.harness.ghl.book(calendar, town.ann[0], at))


@pytest.mark.parametrize("make", [moved_instance, on_a_new_calendar])
def test_what_only_a_list_can_tell_is_left_to_an_incremental_cycle(
    town: Town, make: Callable[[Town], str]
) -> None:
    record = make(town)
    pairs = len(town.harness.pairs())
    town.announce(GHL, record)
    said = town.targeted()
    assert said.left
    assert said.written == []
    assert town.waiting() == [record]
    town.poll(full=False)
    assert town.waiting() == []
    assert len(town.harness.pairs()) == pairs + (make is on_a_new_calendar)
    town.quiet()


# --- what it costs


@dataclass
class SideBySide:
    """Runs lanes in turn, and counts the requests that would not have to wait for another."""

    town: Town
    saved: int = 0

    def __call__(self, lanes: Sequence[Lane]) -> None:
        rows = self.town.harness.world.requests
        waiting, counts = dict(enumerate(lanes)), Counter[int]()
        while waiting:
            for number, lane in list(waiting.items()):
                before = len(rows)
                if next(lane, self) is self:
                    del waiting[number]
                counts[number] += len(rows) - before
        self.saved += counts.total() - max(counts.values())


def booked(town: Town) -> tuple[Side, str]:
    return GHL, town.book(title="New")


def booked_by_a_stranger(town: Town) -> tuple[Side, str]:
    who = ("Bea Moss", "bea@example.com", "+15550102")
    town.harness.hubspot.add_contact(*who)
    return GHL, town.book(title="New", contact=town.harness.ghl.add_contact(*who))


def booked_by_somebody_new(town: Town) -> tuple[Side, str]:
    contact = town.harness.ghl.add_contact("Bea Moss", "bea@example.com", "+15550102")
    return GHL, town.book(title="New", contact=contact)


def moved(town: Town) -> tuple[Side, str]:
    ghl_id, _ = town.pair()
    start = town.harness.at(96)
    town.harness.ghl.edit(ghl_id, start=start, end=start + timedelta(minutes=30))
    return GHL, ghl_id


def cancelled(town: Town) -> tuple[Side, str]:
    ghl_id, _ = town.pair()
    town.harness.ghl.edit(ghl_id, status="cancelled")
    return GHL, ghl_id


def deleted(town: Town) -> tuple[Side, str]:
    ghl_id, _ = town.pair()
    town.harness.ghl.delete(ghl_id)
    return GHL, ghl_id


def made_in_hubspot(town: Town) -> tuple[Side, str]:
    return HUBSPOT, town.make()


def edited_in_hubspot(town: Town) -> tuple[Side, str]:
    _, hubspot_id = town.pair()
    town.harness.hubspot.edit(hubspot_id, hs_appointment_name="Edited")
    return HUBSPOT, hubspot_id


def archived(town: Town) -> tuple[Side, str]:
    _, hubspot_id = town.pair()
    town.harness.hubspot.archive(hubspot_id)
    return HUBSPOT, hubspot_id


@pytest.mark.parametrize(
    ("act", "requests", "in_a_row"),
    [
        (booked, (3, 6), 4),
        (booked_by_a_stranger, (3, 5), 6),
        (booked_by_somebody_new, (3, 7), 8),
        (moved, (2, 4), 5),
        (cancelled, (2, 4), 5),
        (deleted, (2, 5), 6),
        (made_in_hubspot, (4, 10), 9),
        (edited_in_hubspot, (3, 4), 6),
        (archived, (3, 4), 6),
    ],
)
def test_what_waits_for_no_other_answer_is_read_at_the_same_time(
    town: Town,
    act: Callable[[Town], tuple[Side, str]],
    requests: tuple[int, int],
    in_a_row: int,
) -> None:
    side, record = act(town)
    town.announce(side, record)
    lanes = SideBySide(town)
    town.link = replace(town.link, lanes=lanes)
    assert town.targeted().outcome is Outcome.OK
    world = town.harness.world
    counted = tuple(len(world.requests_of(each)) for each in ("ghl", "hubspot"))
    assert (counted, sum(counted) - lanes.saved) == (requests, in_a_row), town.reads()
    assert town.waiting() == []


def test_what_stood_at_the_spot_a_while_ago_is_read_again(town: Town) -> None:
    """Between the reading and the plan more than five seconds pass: a twin came meanwhile."""
    event = town.book(title="New")
    town.announce(GHL, event)
    asked = town.link.hubspot.find_by_external_id

    def slowly(ids: Collection[str]) -> Mapping[str, Any]:
        found = asked(ids)
        town.harness.later(seconds=8)
        town.make()
        return found

    town.link.hubspot.find_by_external_id = slowly  # type: ignore[method-assign, assignment]
    said = town.targeted()
    assert (said.adopted, said.hubspot.created) == (1, 0), said


# --- what holds as in every cycle


def test_it_touches_its_own_holds_only_and_moves_no_cursor(town: Town) -> None:
    stranger = town.make(30, contact=town.harness.hubspot.add_contact("No One"))
    ghl_id, hubspot_id = town.pair()
    store = town.link.store
    before = {name: store.get_state(name) for name in (CURSOR, POLLED_AT, "left_out")}
    holds = {hold.key: hold for hold in store.holds()}
    assert {hold.hubspot_id for hold in holds.values()} == {stranger}
    town.harness.obey(conflict=dict.fromkeys(("title",), Winner.HOLD))
    town.link = town.harness.link()
    town.poll(full=False)
    before = {name: store.get_state(name) for name in before}
    town.harness.ghl.edit(ghl_id, title="One")
    town.harness.hubspot.edit(hubspot_id, hs_appointment_name="Other")
    town.announce(GHL, ghl_id)
    said = town.targeted()
    assert {hold.reason for hold in said.held} == {"no_contact", "conflict"}
    assert {name: store.get_state(name) for name in before} == before
    town.harness.hubspot.edit(hubspot_id, hs_appointment_name="One")
    town.announce(HUBSPOT, hubspot_id)
    assert {hold.reason for hold in town.targeted().held} == {"no_contact"}
    assert {hold.key: hold.since for hold in store.holds()} == {
        key: hold.since for key, hold in holds.items()
    }


def test_the_changes_of_the_last_hour_count_together_for_its_guards(town: Town) -> None:
    pairs = [town.pair(48 + 3 * number) for number in range(6)]
    town.harness.obey(change_guard=Limit(percent=0, at_least=4))
    town.link = town.harness.link()
    town.poll(full=False)
    outcomes = []
    for number, (ghl_id, _) in enumerate(pairs):
        town.harness.ghl.edit(ghl_id, title=f"Edit {number}")
        town.announce(GHL, ghl_id)
        outcomes.append(town.targeted().outcome)
    assert outcomes == [Outcome.OK] * 4 + [Outcome.GUARD] * 2
    assert town.waiting() == []
    assert town.title(pairs[5][1]) != "Edit 5"
    assert pairs[5][0] in town.link.store.get_state(RECHECK)
    town.harness.later(hours=2)
    town.harness.ghl.edit(pairs[0][0], title="Later")
    town.announce(GHL, pairs[0][0])
    assert town.targeted().outcome is Outcome.OK
    town.poll(full=False)
    assert town.title(pairs[5][1]) == "Edit 5"


def test_removals_are_guarded_as_ever(town: Town) -> None:
    ghl_id, hubspot_id = town.pair()
    town.harness.obey(removal_guard=Limit(percent=0, at_least=0))
    town.link = town.harness.link()
    town.poll(full=False)
    town.harness.hubspot.archive(hubspot_id)
    town.announce(HUBSPOT, hubspot_id)
    said = town.targeted()
    assert said.outcome is Outcome.GUARD
    assert [hold.reason for hold in said.held] == ["removal_guard"]
    assert town.harness.ghl.get(ghl_id).status == "confirmed"


def test_nothing_is_made_of_it_before_the_first_sync_is_complete(harness: SyncHarness) -> None:
    ann = harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101")
    town = Town(harness, harness.link(), (ann, ""))
    town.announce(GHL, town.book())
    said = town.targeted()
    assert said.left
    assert not harness.hubspot.records()
    assert town.waiting()


def test_fresh_changes_notify_with_live(town: Town) -> None:
    _, hubspot_id = town.pair()
    town.harness.obey(notify=Notify.LIVE)
    town.link = town.harness.link()
    town.poll(full=False)
    start = town.harness.at(50)
    town.harness.hubspot.edit(
        hubspot_id, hs_appointment_start=start, hs_appointment_end=start + timedelta(minutes=30)
    )
    town.announce(HUBSPOT, hubspot_id)
    assert town.targeted().ghl.updated == 1
    (write,) = town.harness.world.writes("ghl")
    assert write.body["toNotify"] is True


def test_a_decision_about_its_record_is_carried_out_and_no_other(town: Town) -> None:
    ghl_id, hubspot_id = town.pair(48)
    other, other_hubspot = town.pair(72)
    town.harness.obey(conflict=dict.fromkeys(("title",), Winner.HOLD))
    town.link = town.harness.link()
    for one, two in ((ghl_id, hubspot_id), (other, other_hubspot)):
        town.harness.ghl.edit(one, title="One")
        town.harness.hubspot.edit(two, hs_appointment_name="Other")
    assert len(town.poll().held) == 2
    store = town.link.store
    for record in (ghl_id, other):
        store.decide("resolve", {"id": record, "keep": "ghl"}, town.harness.clock.now())
    town.announce(GHL, ghl_id)
    town.targeted()
    assert (town.title(hubspot_id), town.title(other_hubspot)) == ("One", "Other")
    assert [each.payload["id"] for each in store.decisions()] == [other]
    town.poll(full=False)
    assert town.title(other_hubspot) == "One"
    assert store.decisions() == []


# --- what goes wrong


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"side": "hubspot"}, Outcome.UNREACHABLE),
        ({"side": "hubspot", "path": "batch/update"}, Outcome.FAILED_WRITES),
        ({"side": "ghl", "path": "appointments/"}, Outcome.FAILED_WRITES),
        ({"side": "hubspot", "path": "associations"}, Outcome.FAILED_WRITES),
    ],
)
def test_a_failed_cycle_leaves_its_announcements(
    town: Town, fault: dict[str, Any], outcome: Outcome
) -> None:
    ghl_id, hubspot_id = town.pair()
    town.harness.ghl.edit(ghl_id, title="Edited")
    town.announce(GHL, ghl_id)
    town.harness.world.faults.add(kind="status", status=503, times=None, **fault)
    said = town.targeted()
    assert said.outcome is outcome, said.detail
    assert said.held == []
    assert town.waiting() == [ghl_id]
    town.harness.world.faults.clear()
    town.targeted()
    assert town.waiting() == []
    assert town.title(hubspot_id) == "Edited"
    town.quiet()


def test_a_record_that_cannot_be_read_for_an_hour_is_left_to_the_polls(town: Town) -> None:
    ghl_id, _ = town.pair()
    town.announce(GHL, ghl_id)
    path = f"appointments/{ghl_id}"
    town.harness.world.faults.add(kind="status", status=422, side="ghl", path=path, times=None)
    assert town.targeted().outcome is Outcome.FAILED_WRITES
    assert town.waiting() == [ghl_id]
    town.harness.later(hours=2)
    town.targeted()
    assert town.waiting() == []
    assert ghl_id in town.link.store.get_state(RECHECK)


def test_what_comes_while_it_is_at_work_leads_to_one_more(town: Town) -> None:
    ghl_id, _ = town.pair()
    town.harness.ghl.edit(ghl_id, title="One")
    town.announce(GHL, ghl_id)
    waiting = tuple(town.link.store.announcements())
    town.announce(GHL, ghl_id)  # after the cycle was given what waited
    cycle.run(town.link, CycleRequest(full=False, targeted=True, announced=waiting))
    assert town.waiting() == [ghl_id]
    assert town.targeted().idle
    assert town.waiting() == []


# --- the same end as without announcements


def live_through(town: Town, chance: Random, *, announces: bool) -> None:
    """People do some things; `announces` as vendors do: late, doubled, some not at all."""
    visits: list[tuple[Side, str]] = []
    late: list[tuple[Side, str]] = []
    for number in range(16):
        town.harness.later(minutes=1)
        act, told = chance.choice("bmghtd"), chance.choice((0, 1, 1, 2))
        which, order = chance.random(), Random(number)
        if act in "bm" or len(visits) < 3:
            touched = arrive(town, number, in_ghl=act != "m")
            visits.append(touched)
        else:
            side, visit = visits[int(which * len(visits))]
            if act == "d":
                visits.remove((side, visit))
            touched = change(town, number, act, (side, visit))
        if not announces:
            town.poll()
            continue
        late += [touched] * told
        order.shuffle(late)
        while late and order.random() < 0.7:
            town.announce(*late.pop())
        if town.waiting() and town.targeted().left:
            town.poll(full=False)
    town.harness.later(minutes=1)
    town.poll(full=False)


def arrive(town: Town, number: int, *, in_ghl: bool) -> tuple[Side, str]:
    if in_ghl:
        return GHL, town.book(48 + 3 * number, title=f"Booked {number}")
    return HUBSPOT, town.make(48 + 3 * number, hs_appointment_name=f"Made {number}")


def change(town: Town, number: int, act: str, visit: tuple[Side, str]) -> tuple[Side, str]:
    """A person changes a visit on either side, or deletes it in HighLevel."""
    side, record = visit
    if act == "d" or not town.link.store.pairs_by_id(side, {record}):
        town.poll(full=False)  # no edit that nobody announced is to beat the removal
    (pair,) = town.link.store.pairs_by_id(side, {record})
    start = town.harness.at(200 + 3 * number)
    match act:
        case "h":
            town.harness.hubspot.edit(pair.hubspot_id, hs_appointment_name=f"Name {number}")
            return HUBSPOT, pair.hubspot_id
        case "g":
            town.harness.ghl.edit(pair.ghl_id, title=f"Title {number}")
        case "d":
            town.harness.ghl.delete(pair.ghl_id)
        case _:
            town.harness.ghl.edit(pair.ghl_id, start=start, end=start + timedelta(minutes=30))
    return GHL, pair.ghl_id


def shown(town: Town) -> list[str]:
    """What both sides show, but for ids."""
    ghl = [
        ("ghl", row.title, row.start, row.end, row.status, row.deleted)
        for row in town.harness.ghl.appointments
    ]
    hubspot = [
        (
            "hubspot",
            *(record.properties.get(f"hs_appointment_{name}") for name in ("name", "start", "end")),
            record.archived,
        )
        for record in (*town.harness.hubspot.records(), *town.harness.hubspot.archived())
    ]
    return sorted(map(str, (*ghl, *hubspot)))


@pytest.mark.parametrize("seed", range(2))
def test_targeted_and_incremental_cycles_end_where_full_cycles_do(
    town: Town, sqlite_template: Path, tmp_path: Path, seed: int
) -> None:
    copy(sqlite_template, tmp_path / "other.db")
    clock = HarnessClock()
    with closing(Shelf(f"sqlite:///{tmp_path / 'other.db'}", clock)) as shelf:
        other = settle(build(shelf, clock))
        live_through(town, Random(seed), announces=True)
        live_through(other, Random(seed), announces=False)
        assert shown(town) == shown(other)
        assert town.waiting() == []
        town.quiet()
