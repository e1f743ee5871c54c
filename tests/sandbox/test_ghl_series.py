"""Recurring HighLevel appointments: instances whose ids tell their time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxWorld

Call = Callable[..., Any]
APPOINTMENTS = "/calendars/events/appointments"
START = "2026-03-24T09:00:00+01:00"


@pytest.fixture
def master(world: SandboxWorld, event_calendar: str, ada: str) -> str:
    """Three Tuesdays across the spring clock change."""
    return world.location.add_series(
        event_calendar, ada, START, rrule="RRULE:FREQ=WEEKLY;INTERVAL=1;COUNT=3"
    )


@pytest.fixture
def listed(world: SandboxWorld, event_calendar: str, ghl: Call) -> Callable[[], list[Any]]:
    def act() -> list[Any]:
        query = {
            "locationId": world.location.id,
            "calendarId": event_calendar,
            "startTime": "0",
            "endTime": "9999999999999",
        }
        events: list[Any] = ghl("GET", "/calendars/events", params=query)["events"]
        return events

    return act


def test_instances_are_listed_and_named_after_master_start_and_length(
    master: str, listed: Callable[[], list[Any]]
) -> None:
    events = listed()
    first = int(datetime.fromisoformat(START).timestamp() * 1000)
    assert f"{master}_{first}_1800" in [event["id"] for event in events]
    assert len(events) == 3
    for event in events:
        assert event["isRecurring"] is True
        assert event["masterEventId"] == master
        assert event["rrule"].startswith("RRULE:FREQ=WEEKLY")


def test_instances_keep_their_local_time_over_a_clock_change(
    master: str, listed: Callable[[], list[Any]]
) -> None:
    starts = sorted(event["startTime"] for event in listed())
    assert starts == [
        "2026-03-24T09:00:00+01:00",
        "2026-03-31T09:00:00+02:00",
        "2026-04-07T09:00:00+02:00",
    ], master


def test_moving_an_instance_changes_its_id(
    world: SandboxWorld, master: str, listed: Callable[[], list[Any]], ghl: Call
) -> None:
    old = world.location.instances(master)[0]
    new = world.location.move(old, "2026-03-24T15:00:00+01:00")
    assert new != old
    assert old not in [event["id"] for event in listed()]
    ghl("GET", f"{APPOINTMENTS}/{old}", expect=404)
    assert ghl("GET", f"{APPOINTMENTS}/{new}")["appointment"]["masterEventId"] == master


def test_an_instance_can_be_moved_and_deleted_through_the_api(
    world: SandboxWorld, master: str, ghl: Call
) -> None:
    first, second, _ = world.location.instances(master)
    body = {"startTime": "2026-03-24T10:00:00+01:00", "toNotify": False}
    answer = ghl("PUT", f"{APPOINTMENTS}/{first}", json=body | {"ignoreFreeSlotValidation": True})
    assert answer["id"] != first
    ghl("DELETE", f"/calendars/events/{second}", json={})
    assert second not in world.location.instances(master)
    assert answer["id"] in world.location.instances(master)


def test_moving_the_series_changes_every_id(world: SandboxWorld, master: str) -> None:
    before = world.location.instances(master)
    starts = [world.location.get(key).start for key in before]
    after = world.location.move_series(master, timedelta(hours=1))
    assert not set(before) & set(after)
    moved = [world.location.get(key).start - timedelta(hours=1) for key in after]
    assert moved == starts


def test_a_series_moved_by_its_own_step_gives_old_ids_to_other_instances(
    world: SandboxWorld, master: str, listed: Callable[[], list[Any]]
) -> None:
    before = world.location.instances(master)
    after = world.location.move_series(master, timedelta(days=7))
    assert after[1] == before[2]
    assert sorted(event["startTime"] for event in listed()) == [
        "2026-03-31T09:00:00+02:00",
        "2026-04-07T09:00:00+02:00",
        "2026-04-14T09:00:00+02:00",
    ]


def test_deleting_the_master_deletes_the_series(
    world: SandboxWorld, master: str, listed: Callable[[], list[Any]], ghl: Call
) -> None:
    ghl("DELETE", f"/calendars/events/{master}", json={})
    assert listed() == []
    assert world.location.instances(master) == []


@pytest.mark.parametrize("ignore", [True, False])
def test_a_rule_is_only_heard_without_slot_validation(
    ignore: bool, world: SandboxWorld, event_calendar: str, ada: str, ghl: Call
) -> None:
    body = {
        "calendarId": event_calendar,
        "locationId": world.location.id,
        "contactId": ada,
        "startTime": START,
        "toNotify": False,
        "rrule": "RRULE:FREQ=DAILY;INTERVAL=1;COUNT=5",
        "ignoreFreeSlotValidation": ignore,
    }
    answer = ghl("POST", APPOINTMENTS, json=body)
    assert answer["isRecurring"] is ignore
    assert len(world.location.events()) == (5 if ignore else 1)


def test_masters_are_listed_only_where_the_settings_say_so(
    make_world: Callable[..., SandboxWorld], ghl_of: Callable[..., Call]
) -> None:
    world = make_world(list_masters=True)
    calendar = next(iter(world.location.calendars))
    contact = world.location.add_contact("Bo")
    master = world.location.add_series(calendar, contact, START)
    query = {
        "locationId": world.location.id,
        "calendarId": calendar,
        "startTime": "0",
        "endTime": "9999999999999",
    }
    events = ghl_of(world)("GET", "/calendars/events", params=query)["events"]
    assert master in [event["id"] for event in events]


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("RRULE:FREQ=DAILY;INTERVAL=2;COUNT=4", 4),
        ("RRULE:FREQ=MONTHLY;COUNT=3", 3),
        ("RRULE:FREQ=DAILY;UNTIL=20260326T235959Z", 3),
        ("RRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260325T080000Z", 2),
        ("RRULE:FREQ=WEEKLY", 53),
    ],
)
def test_rules_that_are_understood(
    rule: str, count: int, world: SandboxWorld, event_calendar: str, ada: str
) -> None:
    master = world.location.add_series(event_calendar, ada, START, rrule=rule)
    assert len(world.location.instances(master)) == count
