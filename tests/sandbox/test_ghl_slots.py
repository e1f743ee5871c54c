"""What a HighLevel calendar offers, and which bookings it takes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from syncd.sandbox import SandboxWorld

Call = Callable[..., Any]
APPOINTMENTS = "/calendars/events/appointments"
GONE = "The slot you have selected is no longer available."


@pytest.fixture
def surgery(world: SandboxWorld, users: list[str]) -> str:
    """One doctor, weekdays from eight to twelve, half-hour slots."""
    return world.location.add_calendar(
        "Surgery",
        kind="personal",
        team=users[:1],
        opens=time(8),
        closes=time(12),
        open_days=range(5),
    )


@pytest.fixture
def offered(ghl: Call) -> Callable[..., dict[str, list[str]]]:
    """The offered slots by day, from one UTC date to another."""

    def act(calendar: str, first: str, last: str, **query: str) -> dict[str, list[str]]:
        span = {
            "startDate": str(_ms(f"{first}T00:00:00+00:00")),
            "endDate": str(_ms(f"{last}T00:00:00+00:00")),
        }
        body = ghl("GET", f"/calendars/{calendar}/free-slots", params=span | query)
        assert body.pop("traceId")
        return {day: value["slots"] for day, value in body.items()}

    return act


@pytest.fixture
def booking(world: SandboxWorld, surgery: str, ada: str) -> dict[str, Any]:
    return {
        "calendarId": surgery,
        "locationId": world.location.id,
        "contactId": ada,
        "startTime": "2026-03-03T09:00:00+01:00",
        "toNotify": False,
    }


def test_slots_come_by_local_date_with_the_offset(
    offered: Callable[..., dict[str, list[str]]], surgery: str
) -> None:
    days = offered(surgery, "2026-03-03", "2026-03-04")
    assert list(days) == ["2026-03-03"]
    assert days["2026-03-03"][0] == "2026-03-03T08:00:00+01:00"
    assert days["2026-03-03"][-1] == "2026-03-03T11:30:00+01:00"
    assert len(days["2026-03-03"]) == 8


def test_slots_may_be_asked_for_in_another_zone(
    offered: Callable[..., dict[str, list[str]]], surgery: str
) -> None:
    days = offered(surgery, "2026-03-03", "2026-03-04", timezone="America/New_York")
    assert days["2026-03-03"][0] == "2026-03-03T02:00:00-05:00"


def test_days_off_and_the_past_offer_nothing(
    offered: Callable[..., dict[str, list[str]]], surgery: str
) -> None:
    days = offered(surgery, "2026-02-23", "2026-03-10")
    assert list(days) == [
        *("2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06", "2026-03-09"),
    ]


def test_the_clock_change_keeps_opening_hours_local(
    offered: Callable[..., dict[str, list[str]]], surgery: str
) -> None:
    days = offered(surgery, "2026-03-27", "2026-03-31")
    assert days["2026-03-27"][0] == "2026-03-27T08:00:00+01:00"
    assert days["2026-03-30"][0] == "2026-03-30T08:00:00+02:00"


@pytest.mark.parametrize(
    ("status", "free"),
    [("confirmed", False), ("new", False), ("cancelled", True), ("invalid", True)],
)
def test_a_booking_hides_its_slot_unless_it_was_cancelled(
    status: str,
    free: bool,
    world: SandboxWorld,
    surgery: str,
    ada: str,
    offered: Callable[..., dict[str, list[str]]],
) -> None:
    world.location.book(surgery, ada, "2026-03-03T09:00:00+01:00", status=status)
    days = offered(surgery, "2026-03-03", "2026-03-04")
    assert ("2026-03-03T09:00:00+01:00" in days["2026-03-03"]) is free


def test_a_deletion_frees_the_slot_at_once(
    world: SandboxWorld, surgery: str, ada: str, offered: Callable[..., dict[str, list[str]]]
) -> None:
    row = world.location.book(surgery, ada, "2026-03-03T09:00:00+01:00")
    world.location.delete(row)
    days = offered(surgery, "2026-03-03", "2026-03-04")
    assert "2026-03-03T09:00:00+01:00" in days["2026-03-03"]


def test_a_users_booking_on_another_calendar_takes_the_slot_too(
    world: SandboxWorld,
    team: str,
    surgery: str,
    ada: str,
    users: list[str],
    offered: Callable[..., dict[str, list[str]]],
) -> None:
    world.location.book(team, ada, "2026-03-03T09:00:00+01:00", assignee=users[0])
    days = offered(surgery, "2026-03-03", "2026-03-04")
    assert "2026-03-03T09:00:00+01:00" not in days["2026-03-03"]


def test_a_round_robin_slot_stays_while_one_member_is_free(
    world: SandboxWorld,
    team: str,
    ada: str,
    users: list[str],
    offered: Callable[..., dict[str, list[str]]],
) -> None:
    slot = "2026-03-03T09:00:00+01:00"
    world.location.book(team, ada, slot, assignee=users[0])
    assert slot in offered(team, "2026-03-03", "2026-03-04")["2026-03-03"]
    only = offered(team, "2026-03-03", "2026-03-04", userId=users[0])
    assert slot not in only["2026-03-03"]
    world.location.book(team, ada, slot, assignee=users[1])
    assert slot not in offered(team, "2026-03-03", "2026-03-04")["2026-03-03"]


def test_blocked_time_is_not_offered(
    world: SandboxWorld,
    surgery: str,
    users: list[str],
    offered: Callable[..., dict[str, list[str]]],
) -> None:
    world.location.block("2026-03-03T08:00:00+01:00", "2026-03-03T11:30:00+01:00", user=users[0])
    assert offered(surgery, "2026-03-03", "2026-03-04")["2026-03-03"] == [
        "2026-03-03T11:30:00+01:00"
    ]


def test_more_than_31_days_are_refused(ghl: Call, surgery: str) -> None:
    start = _ms("2026-03-03T00:00:00+00:00")
    for days, status in ((31, 200), (32, 400)):
        end = start + days * 24 * 3600 * 1000
        ghl(
            "GET",
            f"/calendars/{surgery}/free-slots",
            params={"startDate": start, "endDate": end},
            expect=status,
        )


@pytest.mark.parametrize(
    "start",
    [
        "2026-03-03T07:30:00+01:00",
        "2026-03-03T12:00:00+01:00",
        "2026-03-03T09:10:00+01:00",
        "2026-03-07T09:00:00+01:00",
        "2026-03-02T09:00:00+01:00",
    ],
    ids=["before hours", "after hours", "off the grid", "Saturday", "past"],
)
def test_a_validated_booking_must_be_an_offered_slot(
    start: str, ghl: Call, booking: dict[str, Any]
) -> None:
    body = ghl("POST", APPOINTMENTS, json=booking | {"startTime": start}, expect=400)
    assert body["message"] == GONE
    ignoring = booking | {"startTime": start, "ignoreFreeSlotValidation": True}
    ghl("POST", APPOINTMENTS, json=ignoring)


def test_the_second_of_two_bookings_of_a_slot_is_refused(
    ghl: Call, booking: dict[str, Any]
) -> None:
    ghl("POST", APPOINTMENTS, json=booking)
    assert ghl("POST", APPOINTMENTS, json=booking, expect=400)["message"] == GONE


@pytest.mark.parametrize(
    ("text", "status"), [("2026-03-03T09:00:00+01:00", 200), ("2026-03-03T08:00:00Z", 400)]
)
def test_where_texts_are_compared_only_the_offered_text_will_do(
    text: str,
    status: int,
    make_world: Callable[..., SandboxWorld],
    ghl_of: Callable[..., Call],
) -> None:
    world = make_world(slot_validation="verbatim")
    body = {
        "calendarId": list(world.location.calendars)[-1],
        "locationId": world.location.id,
        "contactId": world.location.add_contact("Bo"),
        "startTime": text,
        "toNotify": False,
    }
    ghl_of(world)("POST", APPOINTMENTS, json=body, expect=status)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"title": "x"}, 200),
        ({"startTime": "2026-03-03T09:00:00+01:00"}, 200),
        ({"startTime": "2026-03-03T10:00:00+01:00"}, 200),
        ({"startTime": "2026-03-03T09:30:00+01:00"}, 200),
        ({"startTime": "2026-03-03T11:00:00+01:00"}, 400),
        ({"startTime": "2026-03-03T11:00:00+01:00", "ignoreFreeSlotValidation": True}, 200),
        ({"startTime": "2026-03-03T11:00:00+01:00", "appointmentStatus": "cancelled"}, 200),
    ],
    ids=[
        "no move",
        "same time",
        "free",
        "over itself",
        "taken",
        "taken, unchecked",
        "taken, cancelled",
    ],
)
def test_an_update_that_moves_is_validated(
    change: dict[str, Any],
    status: int,
    world: SandboxWorld,
    surgery: str,
    ada: str,
    ghl: Call,
) -> None:
    world.location.book(surgery, ada, "2026-03-03T11:00:00+01:00")
    row = world.location.book(surgery, ada, "2026-03-03T09:00:00+01:00", 60)
    body = {"appointmentStatus": "confirmed", "toNotify": False} | change
    ghl("PUT", f"{APPOINTMENTS}/{row}", json=body, expect=status)


@pytest.mark.parametrize("checked", [True, False])
def test_reopening_onto_a_taken_slot_is_refused_where_it_is_checked(
    world: SandboxWorld, surgery: str, ada: str, ghl: Call, checked: bool
) -> None:
    world.settings = replace(world.settings, reopening_validated=checked)
    expected = 400 if checked else 200
    slot = "2026-03-03T09:00:00+01:00"
    row = world.location.book(surgery, ada, slot, status="cancelled")
    ghl("PUT", f"{APPOINTMENTS}/{row}", json={"appointmentStatus": "confirmed"})
    world.location.edit(row, status="cancelled")
    world.location.book(surgery, ada, slot)
    ghl("PUT", f"{APPOINTMENTS}/{row}", json={"appointmentStatus": "confirmed"}, expect=expected)


def test_reassigning_to_somebody_who_is_busy_is_refused(
    world: SandboxWorld, team: str, ada: str, users: list[str], ghl: Call
) -> None:
    slot = "2026-03-03T09:00:00+01:00"
    row = world.location.book(team, ada, slot, assignee=users[0])
    path = f"{APPOINTMENTS}/{row}"
    body = {"assignedUserId": users[1], "appointmentStatus": "confirmed"}
    other = world.location.book(team, ada, slot, assignee=users[1])
    ghl("PUT", path, json=body, expect=400)
    world.location.delete(other)
    ghl("PUT", path, json=body)


def test_notice_and_buffers_count(
    world: SandboxWorld, ada: str, offered: Callable[..., dict[str, list[str]]]
) -> None:
    calendar = world.location.add_calendar(
        kind="event", notice=timedelta(hours=30), buffer_minutes=15
    )
    world.location.book(calendar, ada, "2026-03-04T09:00:00+01:00")
    slots = offered(calendar, "2026-03-02", "2026-03-05")
    assert slots["2026-03-03"][0] == "2026-03-03T19:00:00+01:00"
    assert "2026-03-04T08:30:00+01:00" not in slots["2026-03-04"]
    assert "2026-03-04T08:00:00+01:00" in slots["2026-03-04"]


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
