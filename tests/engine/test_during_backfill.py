"""What people do while a backfill is written goes out soon, not when the backfill is done.

Time is virtual: every request takes a while, the vendors' limits are kept by
the real budget, and people edit at fixed moments in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import pytest
from harness import InProcess, in_turn

from syncd.core.guards import GuardOverrides
from syncd.core.model import Pair, Side
from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.apply.executor import WriteExecutor
from syncd.engine.cycle import CycleRequest
from syncd.engine.observe.duplicate_check import SHARE
from syncd.ports import announcements
from syncd.ports.announcements import Delivered
from syncd.ports.provider import NextPoll
from syncd.providers.rate_budget import Budget
from syncd.providers.rate_window import Limit
from syncd.providers.reservation import LULL
from syncd.sandbox import application

if TYPE_CHECKING:
    from datetime import datetime

    from harness import SyncHarness

    from syncd.engine.report import CycleReport

PAIRS = 20
LATENCY = timedelta(seconds=0.03)
"""Eight threads with 0.2 s each, in one."""
BOUND = 20.0
"""Seconds from an edit to the other side while a backfill runs."""
EVERY = 10.0
LIMIT = Limit(requests=100, seconds=10)
SEARCHES = Limit(requests=5, seconds=1)


class Act(Protocol):
    """Something that a person does, and whether the other side shows it."""

    def make(self) -> None: ...

    def has_arrived(self) -> bool: ...


@dataclass
class Deed:
    """Any act; nothing is expected of it."""

    do: Callable[[], object]

    def make(self) -> None:
        self.do()

    def has_arrived(self) -> bool:
        return True


@dataclass
class Edit:
    """A title that somebody changes on one side."""

    harness: SyncHarness
    pair: Pair
    title: str
    in_ghl: bool
    announce: Callable[[Edit], None] | None = None

    def make(self) -> None:
        if self.announce is not None:
            self.announce(self)
        if self.in_ghl:
            self.harness.ghl.edit(self.pair.ghl_id, title=self.title)
        else:
            self.harness.hubspot.edit(self.pair.hubspot_id, hs_appointment_name=self.title)

    def has_arrived(self) -> bool:
        if self.in_ghl:
            shown = self.harness.hubspot.get(self.pair.hubspot_id).properties
            return bool(shown.get("hs_appointment_name") == self.title)
        return bool(self.harness.ghl.get(self.pair.ghl_id).title == self.title)


@dataclass
class Bustle(httpx.BaseTransport):
    """Requests that take time, during which people edit; measures how long edits are on the way."""

    harness: SyncHarness
    inner: httpx.BaseTransport
    due: list[tuple[datetime, Act]] = field(default_factory=list)
    away: list[tuple[datetime, Act]] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.harness.clock.advance(LATENCY)
        now = self.harness.clock.now()
        self.act(now)
        answer = self.inner.handle_request(request)
        for at, edit in list(self.away):
            if edit.has_arrived():
                self.away.remove((at, edit))
                self.delays.append((now - at).total_seconds())
        return answer

    def act(self, now: datetime) -> None:
        """Do what is due."""
        while self.due and self.due[0][0] <= now:
            self.away.append(self.due.pop(0))
            self.away[-1][1].make()


@pytest.fixture
def clinic(harness: SyncHarness) -> SyncHarness:
    """Ten calendars, some pairs, and the vendors' limits."""
    for number in range(10 - len(harness.calendars)):
        harness.ghl.add_calendar(f"Room {number}", kind="event")
    contact = harness.ghl.add_contact("Ann Lee", "ann@example.com")
    harness.hubspot.add_contact("Ann Lee", "ann@example.com")
    for number in range(PAIRS):
        harness.ghl.book(
            harness.calendars["Event"], contact, harness.at(5_000 + number), title="Visit"
        )
    harness.obey(refuse_double_booking=False)
    assert harness.sync().hubspot.created == PAIRS
    harness.later(hours=1)
    harness.budgets = {
        Side.GHL: Budget(side=Side.GHL, clock=harness.clock, limit=LIMIT),
        Side.HUBSPOT: Budget(
            side=Side.HUBSPOT, clock=harness.clock, limit=LIMIT, kinds={"search": SEARCHES}
        ),
    }
    harness.rules = replace(harness.rules, look_again=timedelta(seconds=EVERY))
    return harness


def bustle(harness: SyncHarness, moments: range) -> Bustle:
    """Edits so many seconds from now, on both sides in turn."""
    found = Bustle(harness, InProcess(application(harness.world)))
    pairs = harness.pairs()
    for number, seconds in enumerate(moments):
        edit = Edit(harness, pairs[number % PAIRS], f"Edited {number}", in_ghl=bool(number % 2))
        found.due.append((harness.clock.now() + timedelta(seconds=seconds), edit))
    harness.transport = found
    return found


def run(harness: SyncHarness, seconds: float = 0.0) -> CycleReport:
    """A full cycle, which may be asked to stop after so long."""
    link = harness.link()
    if seconds:
        end = harness.clock.now() + timedelta(seconds=seconds)
        link = replace(link, stopping=lambda: harness.clock.now() >= end)
    return cycle.run(link, CycleRequest(allowed=GuardOverrides(changes=True)))


def records(harness: SyncHarness, count: int) -> None:
    """Appointments that only HubSpot has: HighLevel takes them one by one."""
    people = []
    for number in range(20):
        who = (f"Pat {number}", f"p{number}@example.com")
        harness.ghl.add_contact(*who)
        people.append(harness.hubspot.add_contact(*who))
    for number in range(count):
        told = {
            "hs_appointment_name": f"Call {number}",
            "hs_appointment_start": harness.at(48 + number / 2),
            "hs_appointment_status": "SCHEDULED",
        }
        harness.hubspot.create(told, [people[number % 20]])


def bookings_of_strangers(harness: SyncHarness, count: int, first: int = 0) -> None:
    """Bookings that only HighLevel has, each of a person whom HubSpot does not know."""
    for number in range(first, first + count):
        who = (f"Pat {number}", f"p{number}@example.com", f"+1555{number:07}")
        harness.ghl.book(
            harness.calendars["Class"], harness.ghl.add_contact(*who), harness.at(48 + number / 2)
        )


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("backfill", "others", "moments"),
    [(records, 5_000, range(3, 40, 4)), (bookings_of_strangers, 1_200, range(2, 11, 2))],
)
def test_an_edit_during_a_backfill_of_thousands_arrives_within_twenty_seconds(
    clinic: SyncHarness, backfill: Callable[[SyncHarness, int], None], others: int, moments: range
) -> None:
    backfill(clinic, others)
    people = bustle(clinic, moments)
    report = run(clinic, seconds=60)
    assert 300 < report.ghl.created + report.hubspot.created <= others
    assert not people.due, "the backfill was over too soon"
    assert not people.away, "an edit never arrived"
    assert max(people.delays) <= BOUND, sorted(people.delays)


@pytest.fixture
def busy(clinic: SyncHarness) -> Bustle:
    """Half a minute of writing, over transport that takes time; acts are put in by hand."""
    return over_time(clinic, 250)


def over_time(clinic: SyncHarness, others: int) -> Bustle:
    records(clinic, others)
    clinic.later(hours=1)  # What changed a moment ago would be looked at twice.
    found = Bustle(clinic, InProcess(application(clinic.world)))
    clinic.transport = found
    return found


def at(people: Bustle, seconds: float, act: Act) -> None:
    """Somebody will do that, so many seconds from now; in order of time."""
    people.due.append((people.harness.clock.now() + timedelta(seconds=seconds), act))


def test_one_report_tells_of_everything(busy: Bustle) -> None:
    """What was there, what was edited meanwhile, and what was booked meanwhile."""
    harness, (one, other) = busy.harness, busy.harness.pairs()[:2]
    at(busy, 3, Edit(harness, one, "Later", in_ghl=True))
    at(busy, 5, Edit(harness, other, "Much later", in_ghl=False))
    person = next(iter(harness.ghl.contacts)).id
    at(busy, 8, Deed(lambda: harness.ghl.book(harness.calendars["Class"], person, harness.at(900))))
    report = run(harness)
    assert (report.outcome, report.failed, report.held) == (Outcome.OK, [], [])
    assert (report.ghl.created, report.hubspot.created) == (250, 1)
    assert report.ghl.updated + report.hubspot.updated == 2
    assert busy.away == []
    assert harness.sync().written == []


def whole_lists(harness: SyncHarness) -> list[Any]:
    """The lists of a calendar that show the link's whole window."""
    return [
        row
        for row in harness.world.requests_of("ghl")
        if row.path.endswith("/calendars/events")
        and int(row.query["endTime"]) - int(row.query["startTime"]) > 200 * 86_400_000
    ]


def test_looking_again_costs_a_list_per_calendar_and_little_of_hubspot(busy: Bustle) -> None:
    harness = busy.harness
    harness.world.reset_requests()
    report = run(harness)
    asked = Counter(
        (row.side, row.method, row.path, str(sorted(row.query.items())), str(row.body))
        for row in harness.world.requests
    )
    lists = len(whole_lists(harness))
    looks = lists // 10 - 1
    assert lists % 10 == 0
    assert 2 <= looks <= report.seconds / EVERY
    hubspot = [row for row in harness.world.requests_of("hubspot") if "/0-421" in row.path]
    listed = [row for row in hubspot if row.method == "GET" and "properties" in row.query]
    assert len(listed) <= 2 * 3, "the portal was listed once: three living pages, one of archived"
    searches = [row for row in hubspot if row.path.endswith("/search")]
    assert looks <= len(searches) <= 2 * looks
    account, people = 8, 20
    asked_of_ghl = len(harness.world.requests_of("ghl"))
    beside = 250 / SHARE + 11  # for what somebody may have booked, around what comes next
    assert asked_of_ghl <= 250 + 11 * (looks + 1) + account + people + beside
    looking = ("/calendars/", "/calendars/events")
    assert [key for key, count in asked.items() if count > 1 and not key[2].endswith(looking)] == []


def test_looking_again_waits_for_a_lull_in_the_writing_and_then_for_nothing(busy: Bustle) -> None:
    """A look that had to wait for the rate budget would keep the writing waiting as well."""
    harness = busy.harness
    harness.world.reset_requests()
    run(harness)
    asked = harness.world.requests_of("ghl")
    whole = set(map(id, whole_lists(harness)))
    lists = [number for number, row in enumerate(asked) if id(row) in whole]
    looks = [lists[at : at + 10] for at in range(10, len(lists), 10)]
    assert len(looks) >= 2
    for first, *_, last in looks:
        assert (asked[last].at - asked[first - 1].at).total_seconds() < 1, "it went on at once"
        # What was sent within the last nine seconds cannot be sent again in the next.
        since = asked[first].at - timedelta(seconds=LIMIT.seconds - LULL)
        taken = sum(since < row.at < asked[first].at for row in asked)
        assert LIMIT.requests - taken <= 2 * 11, "more could have been written than it asked for"


def test_the_permitted_rate_is_used_while_there_is_something_to_write(clinic: SyncHarness) -> None:
    """However often it looks again in between."""
    harness = over_time(clinic, 800).harness
    harness.world.reset_requests()
    report = run(harness)
    assert report.ghl.created == 800
    asked = harness.world.requests_of("ghl")
    posted = [row.at for row in asked if row.method == "POST"]
    # The first window is a gift: all of its places are there at once.
    first, last = posted[0] + timedelta(seconds=LIMIT.seconds), posted[-1]
    sent = sum(first <= row.at <= last for row in asked)
    permitted = (last - first).total_seconds() * LIMIT.requests / LIMIT.seconds
    assert permitted > 700
    assert sent >= 0.975 * permitted


@pytest.mark.parametrize("requests", [9, 12, 20])
def test_writing_goes_on_where_a_look_takes_nearly_all_that_is_permitted(
    clinic: SyncHarness, requests: int
) -> None:
    """Ten calendars are eleven requests at every look: more than nine, all but one of twelve."""
    harness = over_time(clinic, 60).harness
    tight = Limit(requests=requests, seconds=10)
    budget = Budget(side=Side.GHL, clock=harness.clock, limit=tight)
    harness.budgets = {**harness.budgets, Side.GHL: budget}
    report = run(harness, seconds=400)
    assert (report.outcome, report.ghl.created) == (Outcome.OK, 60)


@pytest.mark.parametrize(
    ("requests", "seconds", "every"), [(4, 8.0, 1.0), (4, 8.0, 10.0), (1, 1.0, 1.0), (5, 10.0, 1.0)]
)
@pytest.mark.parametrize("sides", [(Side.GHL,), (Side.HUBSPOT,), tuple(Side)])
def test_writing_goes_on_however_little_is_permitted_and_however_often_is_polled(
    clinic: SyncHarness, requests: int, seconds: float, every: float, sides: tuple[Side, ...]
) -> None:
    """A look costs several windows here: what it costs is what there is to write next."""
    harness = over_time(clinic, 12).harness
    bookings_of_strangers(harness, 12, first=500)
    harness.rules = replace(harness.rules, look_again=timedelta(seconds=every))
    tight = Limit(requests=requests, seconds=seconds)
    kinds = {Side.GHL: {}, Side.HUBSPOT: {"search": SEARCHES}}
    harness.budgets = {
        **harness.budgets,
        **{
            side: Budget(side=side, clock=harness.clock, limit=tight, kinds=kinds[side])
            for side in sides
        },
    }
    began = harness.clock.monotonic()
    report = run(harness, seconds=3 * 3600)
    took = harness.clock.monotonic() - began
    assert (report.outcome, report.ghl.created, report.hubspot.created) == (Outcome.OK, 12, 12)
    assert took < 3 * 3600


def test_something_is_written_to_each_side_before_the_next_look_however_late_that_is(
    clinic: SyncHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where reading and planning take longer than the time between two looks, as with a vendor
    whose limit others use as well, it is late before the first write could be sent."""
    harness = over_time(clinic, 12).harness
    bookings_of_strangers(harness, 12, first=500)

    def late(_: WriteExecutor, __: float, requests: int) -> NextPoll:
        return NextPoll(requests=requests, earliest=0.0, latest=harness.clock.monotonic() - 1)

    monkeypatch.setattr(WriteExecutor, "next_poll", late)
    report = run(harness, seconds=600)
    assert (report.outcome, report.ghl.created, report.hubspot.created) == (Outcome.OK, 12, 12)


def test_what_was_edited_before_its_turn_is_booked_as_it_is_now(busy: Bustle) -> None:
    harness = busy.harness
    last = harness.hubspot.records()[-1].id
    assert harness.hubspot.get(last).properties["hs_appointment_name"] == "Call 249"
    at(busy, 4, Deed(lambda: harness.hubspot.edit(last, hs_appointment_name="Another")))
    report = run(harness)
    assert (report.ghl.created, report.ghl.updated) == (250, 0)
    titles = [each.title for each in harness.ghl.appointments]
    assert titles.count("Another") == 1
    assert "Call 249" not in titles


@pytest.mark.parametrize("looks", [True, False])
def test_what_somebody_books_while_its_record_waits_in_line_is_met(
    busy: Bustle, looks: bool
) -> None:
    """It was planned already; the booking comes up at the next look, or before its own is sent."""
    harness = busy.harness
    if not looks:
        harness.rules = replace(harness.rules, look_again=None)
    last = harness.hubspot.records()[-1]
    person = next(
        each.id for each in harness.ghl.contacts if each.email == f"p{249 % 20}@example.com"
    )
    start = harness.at(48 + 249 / 2)
    booked: list[str] = []

    def book() -> None:
        booked.append(harness.ghl.book(harness.calendars["Class"], person, start, title="By hand"))

    at(busy, 4, Deed(book))
    report = run(harness)
    assert (report.outcome, report.failed) == (Outcome.OK, [])
    assert (report.ghl.created, report.hubspot.created) == (249, 0)
    assert (booked[0], last.id) in {(each.ghl_id, each.hubspot_id) for each in harness.pairs()}
    assert harness.sync().written == []


@pytest.mark.parametrize("looks", [True, False])
def test_what_somebody_writes_down_while_its_booking_waits_in_line_is_met(
    clinic: SyncHarness, looks: bool
) -> None:
    harness, busy = clinic, over_time(clinic, 0)
    if not looks:
        harness.rules = replace(harness.rules, look_again=None)
    who = ("Zoe Last", "zoe@example.com")
    ghl, hubspot = harness.ghl.add_contact(*who), harness.hubspot.add_contact(*who)
    bookings_of_strangers(harness, 1_500)
    start = harness.at(2_000)
    booked = harness.ghl.book(harness.calendars["Class"], ghl, start)
    made: list[str] = []

    def write_down() -> None:
        told = {
            "hs_appointment_name": "By hand",
            "hs_appointment_start": start,
            "hs_appointment_end": start + timedelta(minutes=30),
            "hs_appointment_status": "SCHEDULED",
        }
        made.append(harness.hubspot.create(told, [hubspot]))

    at(busy, 4, Deed(write_down))
    report = run(harness)
    assert (report.outcome, report.failed) == (Outcome.OK, [])
    assert (report.ghl.created, report.hubspot.created) == (0, 1_500)
    assert (booked, made[0]) in {(each.ghl_id, each.hubspot_id) for each in harness.pairs()}


def test_a_booking_that_is_deleted_during_a_backfill_is_removed_across(busy: Bustle) -> None:
    harness, pair = busy.harness, busy.harness.pairs()[3]
    at(busy, 5, Deed(lambda: harness.ghl.delete(pair.ghl_id)))
    harness.world.reset_requests()
    report = run(harness)
    assert report.hubspot.removed == 1
    asked = [row for row in harness.world.requests_of("ghl", "GET") if pair.ghl_id in row.path]
    assert len(asked) == 2, "once however often the cycle looks, and once before the removal"


@dataclass
class Announced:
    """What a vendor announces of edits while a cycle runs, as the scheduler hands it over."""

    harness: SyncHarness
    people: Bustle
    taken: set[int] = field(default_factory=set)
    waits: bool = False

    def called(self) -> bool:
        self.people.act(self.harness.clock.now())  # though no request is sent just now
        return self.waits

    def announce(self, edit: Edit) -> None:
        side = Side.GHL if edit.in_ghl else Side.HUBSPOT
        told = Delivered(
            link=self.harness.name,
            side=side,
            what=announcements.Announced.RECORD,
            record=edit.pair.id_on(side),
        )
        self.harness.store.inbox.announce([told])
        self.waits = True

    def more(self) -> tuple[announcements.Announcement, ...]:
        self.waits = False
        waiting = self.harness.store.link(self.harness.name).announcements()
        fresh = tuple(each for each in waiting if each.key not in self.taken)
        self.taken |= {each.key for each in fresh}
        return fresh


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("backfill", "others", "moments"),
    [(records, 300, range(2, 30, 3)), (bookings_of_strangers, 900, range(2, 10, 2))],
)
def test_an_announced_edit_arrives_within_five_seconds(
    clinic: SyncHarness, backfill: Callable[[SyncHarness, int], None], others: int, moments: range
) -> None:
    """Though the polls of this cycle are five minutes apart."""
    clinic.rules = replace(clinic.rules, look_again=timedelta(minutes=5))
    # In one thread, HubSpot's lane must not wait for HighLevel's, which waits for its budget.
    clinic.lanes = lambda lanes: in_turn(lanes[::-1])
    backfill(clinic, others)
    clinic.later(hours=1)
    people = bustle(clinic, moments)
    told = Announced(clinic, people)
    for _, act in people.due:
        assert isinstance(act, Edit)
        act.announce = told.announce
    request = CycleRequest(
        allowed=GuardOverrides(changes=True),
        called=told.called,
        more=told.more,
        spare=5,
    )
    report = cycle.run(clinic.link(), request)
    assert report.ghl.created + report.hubspot.created == others
    assert report.outcome is Outcome.OK, report.detail
    assert len(people.delays) >= 3
    assert max(people.delays) <= 5.0, sorted(people.delays)
    assert clinic.store.link(clinic.name).announcements() == []
    assert clinic.sync(changes=True).written == []
