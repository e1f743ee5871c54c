"""HighLevel appointments through the API: read, list, create, update, delete."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from syncd.sandbox import SandboxClock, SandboxWorld

Call = Callable[..., Any]
EVENTS = "/calendars/events"
APPOINTMENTS = "/calendars/events/appointments"


@pytest.fixture
def booking(world: SandboxWorld, team: str, ada: str, users: list[str]) -> dict[str, Any]:
    """The body of a create that everything is right with."""
    return {
        "calendarId": team,
        "locationId": world.location.id,
        "contactId": ada,
        "startTime": "2026-03-03T13:00:00+01:00",
        "assignedUserId": users[0],
        "toNotify": False,
    }


@pytest.fixture
def listed(world: SandboxWorld, ghl: Call) -> Callable[..., list[dict[str, Any]]]:
    """The events of a calendar, all times."""

    def act(calendar: str, start: str = "0", end: str = "9999999999999") -> list[dict[str, Any]]:
        query = {
            "locationId": world.location.id,
            "calendarId": calendar,
            "startTime": start,
            "endTime": end,
        }
        events: list[dict[str, Any]] = ghl("GET", EVENTS, params=query)["events"]
        return events

    return act


# Reading.


def test_times_come_in_the_locations_zone_and_stamps_in_utc(
    world: SandboxWorld, team: str, ada: str, ghl: Call
) -> None:
    booked = world.location.book(team, ada, "2026-07-01T10:00:00+00:00")
    event = ghl("GET", f"{APPOINTMENTS}/{booked}")["appointment"]
    assert event["startTime"] == "2026-07-01T12:00:00+02:00"
    assert event["endTime"] == "2026-07-01T12:30:00+02:00"
    assert event["dateAdded"] == event["dateUpdated"] == "2026-03-02T12:00:00.000Z"


def test_a_get_wraps_in_appointment_or_event_as_set(
    make_world: Callable[..., SandboxWorld], ghl_of: Callable[..., Call]
) -> None:
    world = make_world(get_envelope="event")
    contact = world.location.add_contact("Bo")
    calendar = next(iter(world.location.calendars))
    booked = world.location.book(calendar, contact, "2026-07-01T10:00:00Z")
    assert set(ghl_of(world)("GET", f"{APPOINTMENTS}/{booked}")) == {"event", "traceId"}


def test_an_event_calendar_leaves_keys_out(
    world: SandboxWorld, event_calendar: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    booked = world.location.book(event_calendar, ada, tomorrow)
    event = ghl("GET", f"{APPOINTMENTS}/{booked}")["appointment"]
    assert not {"assignedUserId", "users", "notes", "groupId", "description"} & set(event)


def test_a_deleted_appointment_answers_200_with_its_old_status_and_leaves_the_list(
    world: SandboxWorld,
    team: str,
    ada: str,
    tomorrow: datetime,
    ghl: Call,
    listed: Callable[..., list[dict[str, Any]]],
) -> None:
    booked = world.location.book(team, ada, tomorrow, status="showed")
    world.location.delete(booked)
    event = ghl("GET", f"{APPOINTMENTS}/{booked}")["appointment"]
    assert (event["deleted"], event["appointmentStatus"]) == (True, "showed")
    assert listed(team) == []


def test_an_unknown_id_is_404(ghl: Call) -> None:
    ghl("GET", f"{APPOINTMENTS}/nobody", expect=404)


# Listing.


def test_a_list_needs_a_calendar_a_user_or_a_group(world: SandboxWorld, ghl: Call) -> None:
    query = {"locationId": world.location.id, "startTime": "0", "endTime": "1"}
    body = ghl("GET", EVENTS, params=query, expect=422)
    assert isinstance(body["message"], list)


@pytest.mark.parametrize("value", ["2026-03-02T00:00:00Z", "", "now"])
def test_a_list_takes_epoch_milliseconds_only(
    value: str, world: SandboxWorld, team: str, ghl: Call
) -> None:
    query = {
        "locationId": world.location.id,
        "calendarId": team,
        "startTime": value,
        "endTime": "9999999999999",
    }
    ghl("GET", EVENTS, params=query, expect=422)


def test_a_list_refuses_a_contact(world: SandboxWorld, team: str, ada: str, ghl: Call) -> None:
    query = {
        "locationId": world.location.id,
        "calendarId": team,
        "contactId": ada,
        "startTime": "0",
        "endTime": "1",
    }
    body = ghl("GET", EVENTS, params=query, expect=422)
    assert "property contactId should not exist" in body["message"]


@pytest.mark.parametrize("gone", [True, False], ids=["deleted", "unknown"])
def test_a_calendar_that_is_gone_is_an_error_not_an_empty_list(
    gone: bool, world: SandboxWorld, team: str, ghl: Call
) -> None:
    if gone:
        world.location.delete_calendar(team)
    query = {
        "locationId": world.location.id,
        "calendarId": team if gone else "unknown",
        "startTime": "0",
        "endTime": "9999999999999",
    }
    assert ghl("GET", EVENTS, params=query, expect=400)["message"] == "The calendar is not found"


def test_a_deactivated_calendar_still_lists(
    world: SandboxWorld,
    team: str,
    ada: str,
    tomorrow: datetime,
    listed: Callable[..., list[dict[str, Any]]],
) -> None:
    booked = world.location.book(team, ada, tomorrow)
    world.location.deactivate_calendar(team)
    assert [event["id"] for event in listed(team)] == [booked]


@pytest.mark.parametrize(
    ("start", "end", "seen"),
    [
        (datetime(2026, 3, 3, 11, tzinfo=UTC), datetime(2026, 3, 3, 13, tzinfo=UTC), True),
        (datetime(2026, 3, 3, 12, 10, tzinfo=UTC), datetime(2026, 3, 3, 13, tzinfo=UTC), True),
        (datetime(2026, 3, 3, 12, 30, tzinfo=UTC), datetime(2026, 3, 3, 13, tzinfo=UTC), False),
        (datetime(2026, 3, 3, 10, tzinfo=UTC), datetime(2026, 3, 3, 11, 59, tzinfo=UTC), False),
    ],
    ids=["around", "within", "behind", "before"],
)
def test_the_window_is_over_the_events_own_time(
    start: datetime,
    end: datetime,
    seen: bool,
    world: SandboxWorld,
    team: str,
    ada: str,
    tomorrow: datetime,
    listed: Callable[..., list[dict[str, Any]]],
) -> None:
    world.location.book(team, ada, tomorrow)
    span = [str(int(moment.timestamp() * 1000)) for moment in (start, end)]
    assert bool(listed(team, *span)) is seen


def test_a_list_by_user_finds_what_is_assigned_to_them(
    world: SandboxWorld, team: str, ada: str, users: list[str], tomorrow: datetime, ghl: Call
) -> None:
    mine = world.location.book(team, ada, tomorrow, assignee=users[1])
    world.location.book(team, ada, tomorrow, assignee=users[0])
    query = {
        "locationId": world.location.id,
        "userId": users[1],
        "startTime": "0",
        "endTime": "9999999999999",
    }
    assert [event["id"] for event in ghl("GET", EVENTS, params=query)["events"]] == [mine]


# Creating.


def test_a_create_answers_flat_without_times_and_with_a_misspelt_twin(
    ghl: Call, booking: dict[str, Any]
) -> None:
    answer = ghl("POST", APPOINTMENTS, json=booking)
    assert answer["status"] == "booked"
    assert answer["appoinmentStatus"] == answer["appointmentStatus"] == "confirmed"
    assert answer["dateAdded"] == answer["dateUpdated"]
    assert not {"startTime", "endTime"} & set(answer)


def test_what_a_create_leaves_out_is_filled_in(
    world: SandboxWorld, ghl: Call, booking: dict[str, Any]
) -> None:
    row = world.location.get(ghl("POST", APPOINTMENTS, json=booking)["id"])
    assert row.title == "Ada Winter"
    assert row.end - row.start == timedelta(minutes=30)
    assert (row.source, row.created_by) == ("third_party", None)


def test_description_and_address_are_kept_and_notes_are_dropped(
    ghl: Call, booking: dict[str, Any]
) -> None:
    texts = {"description": "Bring papers", "address": "Room 2", "notes": "secret"}
    created = ghl("POST", APPOINTMENTS, json=booking | texts)["id"]
    event = ghl("GET", f"{APPOINTMENTS}/{created}")["appointment"]
    assert (event["description"], event["address"]) == ("Bring papers", "Room 2")
    assert event["notes"] == ""


def test_identical_creates_without_validation_make_duplicates(
    world: SandboxWorld, ghl: Call, booking: dict[str, Any]
) -> None:
    for _ in range(4):
        ghl("POST", APPOINTMENTS, json=booking | {"ignoreFreeSlotValidation": True})
    assert len(world.location.events()) == 4


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"colour": "red"}, 422, "property colour should not exist"),
        ({"calendarId": None}, 422, "calendarId should not be empty"),
        ({"contactId": None}, 422, "contactId should not be empty"),
        ({"startTime": "soon"}, 422, "startTime must be a valid ISO 8601 date string"),
        ({"startTime": 1772532000000}, 422, "startTime must be a string"),
        ({"toNotify": "no"}, 422, "toNotify must be a boolean value"),
        ({"appointmentStatus": "no_show"}, 422, "appointmentStatus must be a valid enum value"),
        ({"appointmentStatus": "pending"}, 422, "appointmentStatus must be a valid enum value"),
        ({"calendarId": "gone"}, 400, "The calendar is not found"),
        ({"contactId": "gone"}, 400, "The contact is not found"),
        ({"locationId": "other"}, 403, "The token does not have access to this location."),
        ({"assignedUserId": "stranger"}, 422, "The user id not part of calendar team."),
        (
            {"assignedUserId": None},
            422,
            "A team member needs to be selected. assignedUserId is missing",
        ),
        (
            {"startTime": "2026-03-03T13:10:00+01:00"},
            400,
            "The slot you have selected is no longer available.",
        ),
    ],
)
def test_what_is_wrong_with_a_create_is_said_in_the_vendors_words(
    change: dict[str, Any],
    status: int,
    text: str,
    world: SandboxWorld,
    ghl: Call,
    booking: dict[str, Any],
) -> None:
    body = ghl("POST", APPOINTMENTS, json=booking | change, expect=status)
    assert isinstance(body["message"], list) == (status == 422)
    assert text in body["message"]
    assert world.location.events() == []
    assert world.notifications == []


@pytest.mark.parametrize("status", ["new", "confirmed", "cancelled", "showed", "noshow", "invalid"])
def test_every_status_is_kept_as_it_was_sent(
    status: str, ghl: Call, booking: dict[str, Any]
) -> None:
    answer = ghl("POST", APPOINTMENTS, json=booking | {"appointmentStatus": status})
    assert answer["appointmentStatus"] == status


def test_completed_is_stored_as_showed(ghl: Call, booking: dict[str, Any]) -> None:
    answer = ghl("POST", APPOINTMENTS, json=booking | {"appointmentStatus": "completed"})
    assert answer["appointmentStatus"] == "showed"


def test_an_event_calendar_needs_no_assignee(
    ghl: Call, booking: dict[str, Any], event_calendar: str
) -> None:
    del booking["assignedUserId"]
    answer = ghl("POST", APPOINTMENTS, json=booking | {"calendarId": event_calendar})
    assert "assignedUserId" not in answer


def test_a_personal_calendar_assigns_its_owner(
    ghl: Call, booking: dict[str, Any], personal: str, users: list[str]
) -> None:
    del booking["assignedUserId"]
    answer = ghl("POST", APPOINTMENTS, json=booking | {"calendarId": personal})
    assert answer["assignedUserId"] == users[2]


def test_only_writes_without_tonotify_false_notify(
    world: SandboxWorld, ghl: Call, booking: dict[str, Any]
) -> None:
    quiet = ghl("POST", APPOINTMENTS, json=booking)["id"]
    ghl("PUT", f"{APPOINTMENTS}/{quiet}", json={"title": "x", "toNotify": False})
    ghl("DELETE", f"{EVENTS}/{quiet}", json={})
    assert world.notifications == []
    del booking["toNotify"]
    loud = ghl("POST", APPOINTMENTS, json=booking)["id"]
    ghl("PUT", f"{APPOINTMENTS}/{loud}", json={"title": "x"})
    assert [row["event"] for row in world.notifications] == ["created", "updated"]


# Updating.


@pytest.mark.parametrize(("reset", "status"), [(True, "confirmed"), (False, "noshow")])
def test_an_update_without_a_status_resets_it(
    reset: bool,
    status: str,
    make_world: Callable[..., SandboxWorld],
    ghl_of: Callable[..., Call],
) -> None:
    world = make_world(status_reset_on_put=reset)
    contact = world.location.add_contact("Bo")
    calendar = next(iter(world.location.calendars))
    row = world.location.book(calendar, contact, "2026-03-03T10:00:00Z", status="noshow")
    ghl_of(world)("PUT", f"{APPOINTMENTS}/{row}", json={"title": "x", "toNotify": False})
    assert world.location.get(row).status == status


def test_an_update_moves_the_stamp_and_changes_only_what_it_names(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, clock: SandboxClock, ghl: Call
) -> None:
    row = world.location.book(team, ada, tomorrow, title="Old", address="Room 1")
    clock.advance(timedelta(minutes=5))
    answer = ghl("PUT", f"{APPOINTMENTS}/{row}", json={"title": "New", "toNotify": False})
    assert answer["dateUpdated"] == "2026-03-02T12:05:00.000Z"
    after = world.location.get(row)
    assert (after.title, after.address, after.start) == ("New", "Room 1", tomorrow)


@pytest.mark.parametrize("key", ["contactId", "locationId"])
def test_an_update_cannot_change_contact_or_location(
    key: str, world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    row = world.location.book(team, ada, tomorrow)
    body = ghl("PUT", f"{APPOINTMENTS}/{row}", json={key: "x"}, expect=422)
    assert body["message"] == [f"property {key} should not exist"]


def test_an_update_may_change_the_calendar_if_the_assignee_is_on_its_team(
    world: SandboxWorld,
    team: str,
    personal: str,
    ada: str,
    users: list[str],
    tomorrow: datetime,
    ghl: Call,
) -> None:
    row = world.location.book(team, ada, tomorrow)
    path = f"{APPOINTMENTS}/{row}"
    ghl("PUT", path, json={"calendarId": personal}, expect=422)
    ghl("PUT", path, json={"calendarId": personal, "assignedUserId": users[2]})
    assert world.location.get(row).calendar == personal


def test_a_start_alone_keeps_the_length(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    row = world.location.book(team, ada, tomorrow, 45)
    body = {"startTime": "2026-03-03T16:00:00+01:00", "toNotify": False}
    ghl("PUT", f"{APPOINTMENTS}/{row}", json=body)
    after = world.location.get(row)
    assert (after.start.hour, after.end - after.start) == (15, timedelta(minutes=45))


def test_a_deleted_appointment_cannot_be_updated(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    row = world.location.book(team, ada, tomorrow)
    world.location.delete(row)
    ghl("PUT", f"{APPOINTMENTS}/{row}", json={"title": "x"}, expect=400)


# Deleting.


def test_deleting_twice_is_an_error(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    row = world.location.book(team, ada, tomorrow)
    assert ghl("DELETE", f"{EVENTS}/{row}", json={})["succeeded"] is True
    body = ghl("DELETE", f"{EVENTS}/{row}", json={}, expect=400)
    assert body["message"] == "The event id is invalid or it has already been deleted."


def test_deleting_needs_a_json_body(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl_client: httpx.Client
) -> None:
    row = world.location.book(team, ada, tomorrow)
    assert ghl_client.delete(f"{EVENTS}/{row}").status_code == 400
    assert not world.location.get(row).deleted


@pytest.mark.parametrize("moves", [True, False])
def test_whether_a_deletion_moves_the_stamp_is_a_setting(
    moves: bool,
    make_world: Callable[..., SandboxWorld],
    clock: SandboxClock,
    ghl_of: Callable[..., Call],
) -> None:
    world = make_world(delete_moves_date_updated=moves)
    contact = world.location.add_contact("Bo")
    row = world.location.book(next(iter(world.location.calendars)), contact, clock())
    clock.advance(timedelta(hours=1))
    ghl_of(world)("DELETE", f"{EVENTS}/{row}", json={})
    after = world.location.get(row)
    assert (after.updated > after.added) is moves


def test_an_orphan_is_invalid_and_cannot_be_deleted(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    row = world.location.book(team, ada, tomorrow)
    ghl("DELETE", f"/contacts/{ada}")
    assert ghl("GET", f"{APPOINTMENTS}/{row}")["appointment"]["appointmentStatus"] == "invalid"
    ghl("DELETE", f"{EVENTS}/{row}", json={}, expect=400)


# Other lists.


def test_a_contacts_appointments_have_local_times_without_an_offset(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    world.location.book(team, ada, tomorrow, description="hidden here")
    (event,) = ghl("GET", f"/contacts/{ada}/appointments")["events"]
    assert (event["startTime"], event["endTime"]) == ("2026-03-03 13:00:00", "2026-03-03 13:30:00")
    assert not {"description", "deleted", "createdBy", "rrule"} & set(event)


def test_blocked_time_is_a_list_of_its_own(
    world: SandboxWorld, event_calendar: str, team: str, ghl: Call
) -> None:
    body = {
        "locationId": world.location.id,
        "calendarId": event_calendar,
        "startTime": "2026-03-03T13:00:00+01:00",
        "endTime": "2026-03-03T15:00:00+01:00",
        "title": "Away",
    }
    block = ghl("POST", "/calendars/events/block-slots", json=body, expect=201)["id"]
    query = {
        "locationId": world.location.id,
        "calendarId": event_calendar,
        "startTime": "0",
        "endTime": "9999999999999",
    }
    shown = ghl("GET", "/calendars/blocked-slots", params=query)["events"]
    assert [row["id"] for row in shown] == [block]
    assert ghl("GET", EVENTS, params=query)["events"] == []
    refused = ghl(
        "POST", "/calendars/events/block-slots", json=body | {"calendarId": team}, expect=400
    )
    assert refused["message"] == "The calendar is not an event calendar."
    later = {"endTime": "2026-03-03T16:00:00+01:00"}
    moved = ghl("PUT", f"/calendars/events/block-slots/{block}", json=later, expect=201)
    assert moved["endTime"] == later["endTime"]
    ghl("DELETE", f"{EVENTS}/{block}", json={})
    assert ghl("GET", "/calendars/blocked-slots", params=query)["events"] == []


def test_notes_of_an_appointment_are_paged_by_twenty(
    world: SandboxWorld, team: str, ada: str, tomorrow: datetime, ghl: Call
) -> None:
    row = world.location.book(team, ada, tomorrow)
    path = f"/calendars/appointments/{row}/notes"
    for number in range(3):
        ghl("POST", path, json={"body": f"note {number}"}, expect=201)
    page = ghl("GET", path, params={"limit": 2, "offset": 0})
    assert (len(page["notes"]), page["hasMore"]) == (2, True)
    ghl("GET", path, params={"limit": 21, "offset": 0}, expect=422)
    one = f"{path}/{page['notes'][0]['id']}"
    assert ghl("PUT", one, json={"body": "changed"})["note"]["body"] == "changed"
    assert ghl("DELETE", one)["success"] is True
    assert len(ghl("GET", path, params={"limit": 20, "offset": 0})["notes"]) == 2
    ghl("PUT", one, json={"body": "gone"}, expect=404)
