"""What may mislead us, and never removes a record that no person removed.

One row is one way in which a vendor, the machine or a configuration makes
records look gone. Each lasts for two cycles and then ends. In all that time,
and afterwards, no record is removed or cancelled, nothing is made twice, and
in the end all is as it was (promises 6, 9 and 11).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import HarnessClock, InProcess, Shelf, SyncHarness, build
from tampering import Tampering

from syncd.core.policy import Direction
from syncd.sandbox import application
from syncd.sandbox.settings import RateLimit

Undo = Callable[[], None]
Trouble = Callable[[SyncHarness], Undo]

EVENTS = r"^/calendars/events$"
EVENT = r"^/calendars/events/appointments/"
LIST = r"^/crm/objects/[^/]+/0-421$"
READ = r"0-421/batch/read$"
SEARCH = r"0-421/search$"


# --- kinds of trouble


def faults(*every: dict[str, Any]) -> Trouble:
    """Every request that matches one of these is hit, until it ends."""

    def begin(harness: SyncHarness) -> Undo:
        for told in every:
            harness.world.faults.add(times=None, **told)

        def end() -> None:
            assert not harness.world.faults.pending, "a trouble never came"
            harness.world.faults.clear()

        return end

    return begin


def fault(**told: Any) -> Trouble:
    """Every request that matches is hit, until it ends."""
    return faults(told)


def both(one: Trouble, other: Trouble) -> Trouble:
    """Two troubles that come together."""

    def begin(harness: SyncHarness) -> Undo:
        first, second = one(harness), other(harness)

        def end() -> None:
            second()
            first()

        return end

    return begin


def settings(**changed: Any) -> Trouble:
    """The accounts change their habits."""

    def begin(harness: SyncHarness) -> Undo:
        before = harness.world.settings
        harness.world.settings = replace(before, **changed)

        def end() -> None:
            harness.world.settings = before

        return end

    return begin


def rules(**changed: Any) -> Trouble:
    """The configuration changes, apart from the policy."""

    def begin(harness: SyncHarness) -> Undo:
        before = harness.rules
        harness.rules = replace(before, **{k: _told(v, harness) for k, v in changed.items()})

        def end() -> None:
            harness.rules = before

        return end

    return begin


def policy(**changed: Any) -> Trouble:
    """The link's policy changes."""

    def begin(harness: SyncHarness) -> Undo:
        before = harness.rules
        harness.obey(**{k: _told(v, harness) for k, v in changed.items()})

        def end() -> None:
            harness.rules = before

        return end

    return begin


def _told(value: Any, harness: SyncHarness) -> Any:
    return value(harness) if callable(value) else value


def answers(path: str, change: Callable[[Any], Any]) -> Trouble:
    """Answers whose path contains this arrive changed."""

    def begin(harness: SyncHarness) -> Undo:
        def meddle(asked: str, body: Any) -> Any:
            return change(body) if path in asked else body

        harness.transport = meddling = Tampering(harness, meddle)

        def end() -> None:
            assert meddling.changed, "the trouble never came"
            harness.transport = None

        return end

    return begin


def half(name: str) -> Callable[[Any], Any]:
    """Half of the rows, and no word of the others."""

    def change(body: Any) -> Any:
        if isinstance(body, dict) and isinstance(body.get(name), list):
            kept = body[name][: len(body[name]) // 2]
            body = {key: held for key, held in body.items() if key != "paging"} | {name: kept}
        return body

    return change


def none_of(name: str) -> Callable[[Any], Any]:
    """No rows at all."""

    def change(body: Any) -> Any:
        return body | {name: []} if isinstance(body, dict) and name in body else body

    return change


def without(*names: str) -> Callable[[Any], Any]:
    """Rows that lack keys."""

    def change(body: Any) -> Any:
        if isinstance(body, dict):
            return {key: change(held) for key, held in body.items() if key not in names}
        return [change(each) for each in body] if isinstance(body, list) else body

    return change


def swapped(body: Any) -> Any:
    """The list answers with what another question asked for."""
    if isinstance(body, dict) and "events" in body:
        for row in body["events"]:
            row["calendarId"] = "AnotherCalendar00001"
    return body


def unfiltered(body: Any) -> Any:
    """Rows that do not say whether they are archived."""
    return without("archived", "archivedAt")(body)


def another_event(body: Any) -> Any:
    """A get by id answers with another record."""
    row = body.get("appointment", body.get("event", body)) if isinstance(body, dict) else body
    if isinstance(row, dict):
        row["id"] = "AnotherEvent00000001"
    return body


class Repeating(InProcess):
    """HubSpot's list answers with the same page for ever."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path.endswith("/0-421"):
            first = request.url.copy_remove_param("after")
            response = super().handle_request(httpx.Request("GET", first, headers=request.headers))
            response.read()
            body = json.loads(response.content)
            body["paging"] = {"next": {"after": "88100000001", "link": str(first)}}
            return httpx.Response(response.status_code, json=body, request=request)
        return super().handle_request(request)


def repeated_pages(harness: SyncHarness) -> Undo:
    """The list never ends: each page is the first one again."""
    harness.transport = Repeating(application(harness.world))

    def end() -> None:
        harness.transport = None

    return end


def clock(**by: float) -> Trouble:
    """The machine's clock goes wrong, and is put right."""

    def begin(harness: SyncHarness) -> Undo:
        harness.later(**by)

        def end() -> None:
            harness.later(**{unit: -amount for unit, amount in by.items()})

        return end

    return begin


def another_location(harness: SyncHarness) -> Undo:
    """The configuration names another location, with a token that works there."""
    before, rules_before = harness.world.location, harness.rules
    other = harness.world.add_location(token=harness.world.settings.ghl_token + "-other")
    other.tokens.add(harness.world.settings.ghl_token)
    before.tokens.discard(harness.world.settings.ghl_token)
    other.add_calendar("Team")
    harness.world.location = other
    harness.obey(location_id=other.id)

    def end() -> None:
        before.tokens.add(harness.world.settings.ghl_token)
        harness.world.location, harness.rules = before, rules_before

    return end


def location_of_another_agency(harness: SyncHarness) -> Undo:
    """The token is taken away from the location, and given to another one."""
    location, token = harness.world.location, harness.world.settings.ghl_token
    other = harness.world.add_location(token="pit-other")
    other.tokens.add(token)
    location.tokens.discard(token)

    def end() -> None:
        other.tokens.discard(token)
        location.tokens.add(token)

    return end


def another_portal(harness: SyncHarness) -> Undo:
    """The token belongs to an empty HubSpot account, prepared like ours."""
    before = harness.world.portal
    clock_ = HarnessClock(harness.clock.now())
    harness.world.portal = build(harness.store, clock_).world.portal

    def end() -> None:
        harness.world.portal = before

    return end


def unprepared_portal(harness: SyncHarness) -> Undo:
    """The token belongs to a HubSpot account that `setup` never saw."""
    before, activated = harness.world.portal, harness.world.portal.activated
    harness.world.portal = type(before)(before._context)
    harness.world.portal.activated = activated

    def end() -> None:
        harness.world.portal = before

    return end


def not_activated(harness: SyncHarness) -> Undo:
    """Appointments are switched off in the portal."""
    harness.world.portal.activated = False

    def end() -> None:
        harness.world.portal.activated = True

    return end


def calendars_deactivated(harness: SyncHarness) -> Undo:
    """Every calendar is a draft for a while."""
    for calendar in harness.ghl.calendars:
        harness.ghl.deactivate_calendar(calendar)

    def end() -> None:
        for calendar in harness.ghl.calendars:
            harness.ghl.deactivate_calendar(calendar, active=True)

    return end


def contacts_lost(harness: SyncHarness) -> Undo:
    """Every HubSpot record loses its contact."""
    lost = [(record.id, record.contacts) for record in harness.hubspot.records()]
    for record, contacts in lost:
        for contact in contacts:
            harness.hubspot.dissociate(record, contact)

    def end() -> None:
        for record, contacts in lost:
            for contact in contacts:
                harness.hubspot.associate(record, contact)

    return end


def marks_wiped(harness: SyncHarness) -> Undo:
    """Somebody clears the property that holds the booking's id."""
    for record in harness.hubspot.records():
        harness.hubspot.edit(record.id, ghl_appointment_id="", ghl_location_id="")
    return lambda: None


def marks_swapped(harness: SyncHarness) -> Undo:
    """Somebody exchanges the ids of two records."""
    one, other = harness.hubspot.records()[:2]
    first, second = (each.properties["ghl_appointment_id"] for each in (one, other))
    harness.hubspot.edit(one.id, ghl_appointment_id="")
    harness.hubspot.edit(other.id, ghl_appointment_id=first)
    harness.hubspot.edit(one.id, ghl_appointment_id=second)
    return lambda: None


def statuses_renamed(harness: SyncHarness) -> Undo:
    """The account's status values have other names now."""
    definition = harness.hubspot.appointments.definitions["hs_appointment_status"]
    before = list(definition.options)
    definition.options = [each | {"value": f"OLD_{each['value']}"} for each in before]

    def end() -> None:
        definition.options = before

    return end


def old_store(harness: SyncHarness) -> Undo:
    """A copy of the store from before the last records and edits is put back."""
    path = Path(str(harness.store.engine.url.database))
    shutil.copy(path, path.with_suffix(".old"))
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            shutil.copy(beside, path.with_suffix(f".old{suffix}"))
    _some_work(harness)
    harness.store.close()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
        kept = path.with_suffix(f".old{suffix}")
        if kept.exists():
            shutil.copy(kept, path.with_name(path.name + suffix))
    harness.store = Shelf(f"sqlite:///{path}", harness.clock)
    return lambda: None


def _some_work(harness: SyncHarness) -> None:
    """What people and syncd did since the copy was made; nothing is removed."""
    event, record = harness.ghl.events()[0], harness.hubspot.records()[-1]
    harness.ghl.edit(event.id, title="Later", description="Since the copy")
    harness.hubspot.edit(record.id, ghl_address="Since the copy")
    contact = next(iter(harness.ghl.contacts)).id
    harness.ghl.book(
        harness.calendars["Team"], contact, harness.at(24 * 20), title="New since the copy"
    )
    harness.sync()


def two_processes(harness: SyncHarness) -> Undo:
    """Another process with a store of its own works on the same two accounts."""
    other = replace(harness, name="twin")
    nested: list[bool] = []

    def meanwhile(_: object) -> None:
        if not nested:
            nested.append(True)
            harness.world.before_request = None
            other.sync()
            harness.world.before_request = meanwhile
            nested.clear()

    count = iter(range(10_000))

    def sometimes(entry: object) -> None:
        if next(count) % 7 == 3:
            meanwhile(entry)

    harness.world.before_request = sometimes

    def end() -> None:
        harness.world.before_request = None

    return end


def store_lost(harness: SyncHarness) -> Undo:
    """The store is gone for good."""
    harness.name = "afresh"
    return lambda: None


NOTHING = (
    {"kind": "empty_list", "path": EVENTS},
    {"status": 404, "method": "GET", "path": EVENT},
    {"kind": "empty_list", "path": LIST},
    {"kind": "empty_list", "path": SEARCH},
    {"kind": "empty_list", "path": READ},
)
"""A scope was lost that lists nothing: empty lists, and every id is unknown."""

TROUBLES: dict[str, Trouble] = {
    "HighLevel lists nothing": fault(kind="empty_list", path=EVENTS),
    "HubSpot lists nothing": fault(kind="empty_list", path=LIST),
    "both list nothing": faults(NOTHING[0], NOTHING[2]),
    "HighLevel lists nothing and knows no id": faults(*NOTHING[:2]),
    "HubSpot lists nothing and knows no id": faults(NOTHING[2], NOTHING[4]),
    "a lost scope shows nothing anywhere": faults(NOTHING[0], *NOTHING[2:]),
    "the search shows nothing": fault(kind="empty_list", path=SEARCH),
    "HighLevel's list is half of it": answers("/calendars/events", half("events")),
    "HubSpot's list ends early without a word": answers("/0-421", half("results")),
    "HubSpot's batch read forgets half": answers("/0-421/batch/read", half("results")),
    "HighLevel lists no calendars": answers("/calendars/", none_of("calendars")),
    "HighLevel lists another calendar's events": answers("/calendars/events", swapped),
    "HighLevel answers for another id": both(
        answers("/calendars/events/appointments/", another_event),
        fault(kind="empty_list", path=EVENTS),
    ),
    "events come without their ids": answers("/calendars/events", without("id")),
    "events come without their calendar": answers("/calendars/events", without("calendarId")),
    "events come without times": answers("/calendars/events", without("startTime", "endTime")),
    "events come without status": answers("/calendars/events", without("appointmentStatus")),
    "events come without contact": answers("/calendars/events", without("contactId")),
    "HubSpot records come without properties": answers("/0-421", without("properties")),
    "HubSpot records come without associations": answers("/0-421", without("associations")),
    "answers of HighLevel are empty objects": answers("/calendars", lambda _: {}),
    "answers of HubSpot are empty objects": answers("/crm/", lambda _: {}),
    "answers of HighLevel are empty lists": answers("/calendars", lambda _: []),
    "answers of HubSpot are null": answers("/crm/", lambda _: None),
    "HighLevel says 200 with an error inside": fault(
        side="ghl", status=200, method="GET", body={"error": "Unauthorized", "statusCode": 401}
    ),
    "HubSpot says 200 with an error inside": fault(
        side="hubspot", status=200, body={"status": "error", "message": "no"}
    ),
    "HighLevel answers with a page": fault(kind="html", side="ghl", status=200),
    "HubSpot answers with a page": fault(kind="html", side="hubspot", status=200),
    "HighLevel's answers are cut off": fault(kind="cut_body", side="ghl"),
    "HubSpot's answers are cut off": fault(kind="cut_body", side="hubspot"),
    "HighLevel's answers are half of the text": fault(kind="garbled_body", side="ghl"),
    "HubSpot's answers are half of the text": fault(kind="garbled_body", side="hubspot"),
    "HighLevel refuses the token": fault(side="ghl", status=401),
    "HubSpot refuses the token": fault(side="hubspot", status=401),
    "HighLevel lacks a scope": fault(side="ghl", status=403, path="/calendars/events"),
    "HubSpot lacks a scope": fault(side="hubspot", status=403, path="/0-421"),
    "HighLevel knows no such thing": fault(side="ghl", status=404),
    "HubSpot knows no such thing": fault(side="hubspot", status=404),
    "HighLevel says it is gone": fault(side="ghl", status=410, path="/calendars/events"),
    "HubSpot says it is gone": fault(side="hubspot", status=410, path="/0-421"),
    "HighLevel throttles for ever": fault(side="ghl", status=429),
    "HubSpot's daily budget is spent": fault(
        side="hubspot", status=429, body={"policyName": "DAILY", "errorType": "RATE_LIMIT"}
    ),
    "HighLevel is down": fault(side="ghl", status=503),
    "HubSpot moves house": fault(side="hubspot", status=477),
    "HighLevel hangs up": fault(kind="drop_before", side="ghl"),
    "HubSpot never answers": fault(kind="timeout_before", side="hubspot"),
    "HighLevel sends elsewhere": fault(
        side="ghl", status=302, headers={"Location": "https://login.example.com/"}
    ),
    "the search index is stale": fault(kind="stale", path=SEARCH),
    "the list shows the living as archived ones": answers("/0-421", unfiltered),
    "the list's pages repeat": repeated_pages,
    "another location's token": location_of_another_agency,
    "the configuration names another location": another_location,
    "another account's token": another_portal,
    "the portal was never prepared": unprepared_portal,
    "the portal is without the object": not_activated,
    "the clock is a year ahead": clock(days=365),
    "the clock is a year behind": clock(days=-365),
    "HighLevel's clock is a year ahead": settings(ghl_skew=timedelta(days=365)),
    "HubSpot's clock is a year behind": settings(hubspot_skew=timedelta(days=-365)),
    "a calendar is removed from the configuration": rules(
        calendars=lambda harness: frozenset({harness.calendars["Personal"]})
    ),
    "the configuration names a calendar that is not there": rules(
        calendars=frozenset({"NoSuchCalendar000001"})
    ),
    "the default calendar is another one": policy(
        default_calendar=lambda harness: harness.calendars["Class"]
    ),
    "the window is made smaller": rules(past=timedelta(hours=1), future=timedelta(days=3)),
    "the window shuts": rules(past=timedelta(0), future=timedelta(0)),
    "no record passes the filter": policy(filter={"hs_appointment_name": ("Nobody",)}),
    "the link flows to HubSpot only": policy(direction=Direction.GHL_TO_HUBSPOT),
    "the link flows to HighLevel only": policy(direction=Direction.HUBSPOT_TO_GHL),
    "the calendars are drafts": calendars_deactivated,
    "HighLevel shows no users": answers("/users/", none_of("users")),
    "HubSpot shows no owners": answers("/crm/owners", none_of("results")),
    "the records lose their contacts": contacts_lost,
    "the marks are wiped": marks_wiped,
    "the marks are swapped": marks_swapped,
    "the status values are renamed": statuses_renamed,
    "the store is lost": store_lost,
    "an old copy of the store is put back": old_store,
    "two processes with two stores": two_processes,
    "limits are tiny": settings(
        enforce_limits=True, hubspot_limit=RateLimit(requests=1, seconds=60.0), retry_after=True
    ),
}


def test_there_are_more_than_forty_ways_to_be_misled() -> None:
    assert len(TROUBLES) >= 40


@pytest.fixture
def busy(harness: SyncHarness) -> SyncHarness:
    """Eight appointments, half of them born on each side, all agreed."""
    who = [
        (f"Pat {letter}", f"{letter.lower()}@example.com", f"+1555010{number}")
        for number, letter in enumerate("ABCD")
    ]
    here = [harness.ghl.add_contact(*each) for each in who]
    there = [harness.hubspot.add_contact(*each) for each in who]
    for number in range(4):
        start = harness.at(24 * (2 + number))
        harness.ghl.book(harness.calendars["Team"], here[number], start, title=f"Visit {number}")
        harness.hubspot.create(
            {
                "hs_appointment_name": f"Call {number}",
                "hs_appointment_start": start + timedelta(hours=2),
                "hs_appointment_end": start + timedelta(hours=2, minutes=30),
            },
            contacts=[there[number]],
        )
    harness.sync()
    assert harness.sync().written == []
    return harness


def living(harness: SyncHarness) -> tuple[dict[str, str], dict[str, str]]:
    """Every record that was ever there: what becomes of it."""
    events = {row.id: "deleted" if row.deleted else row.status for row in harness.ghl.appointments}
    records = {
        row.id: row.properties.get("hs_appointment_status", "") for row in harness.hubspot.records()
    }
    return events, records | {row.id: "archived" for row in harness.hubspot.archived()}


@pytest.mark.parametrize("name", TROUBLES)
def test_nothing_is_removed_that_no_person_removed(busy: SyncHarness, name: str) -> None:
    ghl, portal = busy.world.location, busy.world.portal
    end = TROUBLES[name](busy)
    before = _of(busy, ghl, portal)
    for full in (True, False):
        busy.later(minutes=20)
        busy.sync(full=full)
        assert _of(busy, ghl, portal) == before
    end()
    for _ in range(2):
        busy.later(hours=7)
        busy.sync()
    assert _of(busy, ghl, portal) == before
    busy.world.reset_requests()
    report = busy.sync()
    assert (report.written, busy.world.notifications) == ([], []), report


def _of(harness: SyncHarness, location: Any, portal: Any) -> tuple[dict[str, str], dict[str, str]]:
    here = replace(harness, world=harness.world)
    before = harness.world.location, harness.world.portal
    harness.world.location, harness.world.portal = location, portal
    try:
        return living(here)
    finally:
        harness.world.location, harness.world.portal = before


@pytest.mark.parametrize("side", ["ghl", "hubspot"])
def test_when_everything_is_said_to_be_removed_the_guard_asks_a_person(
    busy: SyncHarness, side: str
) -> None:
    if side == "ghl":
        for event in busy.ghl.events():
            busy.ghl.delete(event.id)
    else:
        for record in busy.hubspot.records():
            busy.hubspot.archive(record.id)
    report = busy.sync()
    assert report.outcome.value == "guard"
    assert {hold.reason for hold in report.held} == {"removal_guard"}
    events, records = living(busy)
    assert set((records if side == "ghl" else events).values()) <= {"SCHEDULED", "confirmed"}


def test_an_old_store_beside_a_new_one_makes_nothing_twice(
    busy: SyncHarness, tmp_path: Path
) -> None:
    path = Path(str(busy.store.engine.url.database))
    copy = tmp_path / "clone.db"
    shutil.copy(path, copy)
    with closing(Shelf(f"sqlite:///{copy}", busy.clock)) as shelf:
        clone = replace(busy, store=shelf)
        _some_work(busy)
        clone.sync()
        before = living(busy)
        for _ in range(3):
            busy.sync()
            clone.sync()
        assert living(busy) == before
