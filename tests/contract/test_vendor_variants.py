"""Whatever the vendors do within what was documented or observed, one story ends the same way.

The story goes both ways: bookings, edits of every field, a status, a removal
on each side. A weather is one habit of a vendor that accounts, versions or
reports disagree about; it changes the sandbox's settings, or its answers on
their way to us. After each step both sides must show the same, and a further
cycle must write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from harness import InProcess

from syncd.core.outcome import Outcome
from syncd.sandbox import application

if TYPE_CHECKING:
    from harness import SyncHarness

    from tests.contract.conftest import Person

Payload = dict[str, Any]
Change = Callable[[httpx.Request, Payload], object]

INDIA = timezone(timedelta(hours=5, minutes=30))
ZURICH = ZoneInfo("Europe/Zurich")


class Weather(httpx.BaseTransport):
    """The sandbox, whose answers change on their way to us."""

    def __init__(self, inner: httpx.BaseTransport, side: str, change: Change) -> None:
        self._inner, self._side, self._change = inner, side, change
        self.changed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if not request.url.path.startswith(f"/{self._side}/") or not response.content:
            return response
        before, payload = response.json(), response.json()
        status = self._change(request, payload)
        if payload == before and not isinstance(status, int):
            return response
        self.changed += 1
        return httpx.Response(
            status if isinstance(status, int) else response.status_code,
            json=payload,
            headers={key: held for key, held in response.headers.items() if key == "date"},
        )


@dataclass(frozen=True, kw_only=True)
class Habit:
    """One habit: settings of the sandbox, or what happens to a side's answers."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    side: str = ""
    change: Change | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of our HubSpot provider."""
    unread: str = ""
    """A field that HighLevel does not show: what is written there cannot be compared."""

    def __str__(self) -> str:
        return self.name


# --- HighLevel's answers


def events(payload: Payload) -> Iterator[Payload]:
    """The rows of a list, of a get and of a write."""
    if isinstance(payload.get("events"), list):
        yield from payload["events"]
    for name in ("appointment", "event"):
        if isinstance(payload.get(name), dict):
            yield payload[name]
    if "calendarId" in payload and "contactId" in payload:
        yield payload


def of_events(change: Callable[[Payload], object]) -> Change:
    def changed(_: httpx.Request, payload: Payload) -> None:
        for row in events(payload):
            change(row)

    return changed


def without(*keys: str) -> Change:
    return of_events(lambda row: [row.pop(key, None) for key in keys])


def of_writes(*keys: str) -> Change:
    def changed(request: httpx.Request, payload: Payload) -> None:
        if request.method in {"POST", "PUT"} and "/appointments" in request.url.path:
            for key in keys:
                payload.pop(key, None)

    return changed


def retimed(*keys: str, as_written: Callable[[datetime], object]) -> Change:
    def change(row: Payload) -> None:
        for key in keys:
            if isinstance(row.get(key), str) and "T" in row[key]:
                row[key] = as_written(datetime.fromisoformat(row[key]))

    return of_events(change)


def filled(value: object) -> Change:
    """Keys without a value are there, and hold nothing."""

    def change(row: Payload) -> None:
        for key in ("assignedUserId", "description", "address", "notes", "groupId", "rrule"):
            row.setdefault(key, value)

    return of_events(change)


def misspelt(row: Payload) -> None:
    if "appoinmentStatus" in row:
        row.pop("appointmentStatus", None)


def in_newer_words(row: Payload) -> None:
    words = {"showed": "completed", "confirmed": "active"}
    for key in ("appointmentStatus", "appoinmentStatus"):
        if key in row:
            row[key] = words.get(row[key], row[key])


def thin_calendars(_: httpx.Request, payload: Payload) -> None:
    for row in payload.get("calendars", ()):
        for key in ("isActive", "openHours", "slotDurationUnit", "calendarType"):
            row.pop(key, None)


def no_user_list(request: httpx.Request, payload: Payload) -> int | None:
    if request.url.path.endswith("/users/"):
        payload.clear()
        payload |= {"statusCode": 404, "message": "Cannot GET /users/", "error": "Not Found"}
        return 404
    return None


def wordy(_: httpx.Request, payload: Payload) -> None:
    """Every object has keys that nobody knows, and its own in another order."""
    _grow(payload)


def _grow(found: Any) -> None:
    if isinstance(found, list):
        for each in found:
            _grow(each)
    elif isinstance(found, dict):
        for each in found.values():
            _grow(each)
        turned = dict(reversed(found.items()))
        found.clear()
        found |= {"zzNew": {"id": 1, "of": ["next", "year"]}, **turned, "newerStill": None}


def enveloped(request: httpx.Request, payload: Payload) -> None:
    if request.method in {"POST", "PUT"} and "/appointments" in request.url.path:
        row = dict(payload)
        payload.clear()
        payload |= {"appointment": row, "traceId": "t"}


def as_texts(_: httpx.Request, payload: Payload) -> None:
    """Numbers and truths of calendars are texts."""
    for row in payload.get("calendars", ()):
        for key in ("slotDuration", "slotInterval", "isActive"):
            if key in row:
                row[key] = str(row[key]).lower()


def loud(_: httpx.Request, payload: Payload) -> None:
    """People's addresses are in capitals, their names in one piece."""
    people = [*payload.get("users", ()), *payload.get("contacts", ())]
    if isinstance(payload.get("contact"), dict):
        people.append(payload["contact"])
    for row in people:
        if row.get("email"):
            row["email"] = row["email"].upper()
            row["name"] = f"{row.pop('firstName', '')} {row.pop('lastName', '')}".strip()


NAIVE = "%Y-%m-%d %H:%M:%S"

HIGHLEVEL = [
    Habit(name="as observed"),
    Habit(name="a get comes under event", settings={"get_envelope": "event"}),
    Habit(name="a create is a 201", settings={"create_status": 201}),
    Habit(name="unknown events are a 400", settings={"unknown_event_status": 400}),
    Habit(name="lists show what starts inside", settings={"list_rule": "start"}),
    Habit(name="lists show masters", settings={"list_masters": True}),
    Habit(name="updates keep the status", settings={"status_reset_on_put": False}),
    Habit(name="slots are compared as texts", settings={"slot_validation": "verbatim"}),
    Habit(name="only overlaps are refused", settings={"slot_validation": "overlap"}),
    Habit(name="deletions move the stamp", settings={"delete_moves_date_updated": True}),
    Habit(name="duplicates are allowed", settings={"allow_duplicate_contacts": True}),
    Habit(name="its clock is ahead", settings={"ghl_skew": timedelta(minutes=4)}),
    Habit(name="its clock is behind", settings={"ghl_skew": timedelta(minutes=-4)}),
    Habit(
        name="write answers have no dates",
        side="ghl",
        change=of_writes("dateAdded", "dateUpdated"),
    ),
    Habit(
        name="write answers say as little as they may",
        side="ghl",
        change=of_writes(
            *("dateAdded", "dateUpdated", "title", "appointmentStatus", "appoinmentStatus"),
            *("assignedUserId", "address", "status", "isRecurring", "traceId"),
        ),
    ),
    Habit(
        name="stamps have offsets",
        side="ghl",
        change=retimed(
            "dateAdded", "dateUpdated", as_written=lambda at: at.astimezone(INDIA).isoformat()
        ),
    ),
    Habit(
        name="times have another zone's offset",
        side="ghl",
        change=retimed(
            "startTime", "endTime", as_written=lambda at: at.astimezone(INDIA).isoformat()
        ),
    ),
    Habit(
        name="times are local and have no offset",
        side="ghl",
        change=retimed(
            "startTime", "endTime", as_written=lambda at: at.astimezone(ZURICH).strftime(NAIVE)
        ),
    ),
    Habit(
        name="times are milliseconds",
        side="ghl",
        change=retimed("startTime", "endTime", as_written=lambda at: int(at.timestamp() * 1000)),
    ),
    Habit(
        name="rows do not say deleted",
        side="ghl",
        change=of_events(
            lambda row: row.pop("deleted", None) if row.get("deleted") is False else None
        ),
    ),
    Habit(name="rows have no creator", side="ghl", change=without("createdBy", "appointmentMeta")),
    Habit(name="rows have no stamps", side="ghl", change=without("dateAdded", "dateUpdated")),
    Habit(name="rows do not name the location", side="ghl", change=without("locationId")),
    Habit(name="empty keys are null", side="ghl", change=filled(None)),
    Habit(name="empty keys are empty texts", side="ghl", change=filled("")),
    Habit(name="the status is misspelt", side="ghl", change=of_events(misspelt)),
    Habit(name="the status is in newer words", side="ghl", change=of_events(in_newer_words)),
    Habit(
        name="descriptions are never shown",
        side="ghl",
        change=without("description"),
        unread="description",
    ),
    Habit(
        name="addresses are never shown", side="ghl", change=without("address"), unread="address"
    ),
    Habit(name="calendars say little", side="ghl", change=thin_calendars),
    Habit(name="there is no list of users", side="ghl", change=no_user_list),
    Habit(
        name="times have milliseconds",
        side="ghl",
        change=retimed(
            *("startTime", "endTime", "dateAdded", "dateUpdated"),
            as_written=lambda at: at.isoformat(timespec="milliseconds"),
        ),
    ),
    Habit(name="write answers have an envelope", side="ghl", change=enveloped),
    Habit(name="numbers of calendars are texts", side="ghl", change=as_texts),
    Habit(name="addresses are in capitals", side="ghl", change=loud),
    Habit(name="everything says more", side="ghl", change=wordy),
    Habit(
        name="nothing has a trace id",
        side="ghl",
        change=lambda _, payload: payload.pop("traceId", None),
    ),
]


# --- HubSpot's answers


def records(payload: Payload) -> Iterator[Payload]:
    rows = payload.get("results")
    for row in rows if isinstance(rows, list) else [payload]:
        if isinstance(row, dict) and isinstance(row.get("properties"), dict):
            yield row


def of_records(change: Callable[[Payload], object]) -> Change:
    def changed(_: httpx.Request, payload: Payload) -> None:
        for row in records(payload):
            change(row)

    return changed


def of_values(change: Callable[[str, Any], Any]) -> Change:
    def changed(row: Payload) -> None:
        row["properties"] = {name: change(name, held) for name, held in row["properties"].items()}

    return of_records(changed)


def _instants(name: str) -> bool:
    return name in {
        "hs_appointment_start",
        "hs_appointment_end",
        "hs_lastmodifieddate",
        "hs_createdate",
    }


def epoch(name: str, held: Any) -> Any:
    if held and _instants(name) and "T" in held:
        return str(int(datetime.fromisoformat(held).timestamp() * 1000))
    return held


def short(name: str, held: Any) -> Any:
    if held and _instants(name) and name != "hs_lastmodifieddate":
        return datetime.fromisoformat(held).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return held


def numbered(_: httpx.Request, payload: Payload) -> None:
    """Associated ids are numbers."""
    for row in payload.get("results", ()):
        for to in row.get("to", ()) if isinstance(row, dict) else ():
            to["toObjectId"] = int(to["toObjectId"])


def numbers_for_ids(_: httpx.Request, payload: Payload) -> None:
    """Whatever is an id is a number."""
    _number(payload)


def _number(found: Any) -> None:
    if isinstance(found, list):
        for each in found:
            _number(each)
    elif isinstance(found, dict):
        for key, held in found.items():
            ids = ("id", "toObjectId", "hs_object_id", "hubspot_owner_id", "after")
            if key in ids and isinstance(held, str) and held.isdecimal():
                found[key] = int(held)
            else:
                _number(held)


def elsewhere(name: str, held: Any) -> Any:
    if held and _instants(name) and "T" in held:
        return datetime.fromisoformat(held).astimezone(INDIA).isoformat()
    return held


def texts_for_types(request: httpx.Request, payload: Payload) -> None:
    if request.url.path.endswith("/labels"):
        for row in payload["results"]:
            row |= {"typeId": str(row["typeId"]), "label": row.get("label") or "Contact"}


def uncounted(_: httpx.Request, payload: Payload) -> None:
    """Neither totals nor links; an empty paging where there is no more."""
    if isinstance(payload.get("results"), list):
        payload.pop("total", None)
        payload.setdefault("paging", None)


def silent_about_absence(request: httpx.Request, payload: Payload) -> int | None:
    """What a batch does not find is left out without a word."""
    if request.url.path.endswith("/batch/read") and payload.pop("errors", None):
        payload.pop("numErrors", None)
        return 200
    return None


def archived_by_date(row: Payload) -> None:
    if row.pop("archived", False):
        row.setdefault("archivedAt", "2026-03-02T09:00:00Z")


def only_what_is_set(row: Payload) -> None:
    row["properties"] = {name: held for name, held in row["properties"].items() if held}


def shy_writes(request: httpx.Request, payload: Payload) -> None:
    """Answers to writes hold nothing but the unique value and the system's own properties."""
    if request.url.path.endswith(("/batch/create", "/batch/update")):
        for row in records(payload):
            row["properties"] = {
                name: held
                for name, held in row["properties"].items()
                if name.startswith(("hs_object", "hs_last", "hs_create"))
                or name == "ghl_appointment_id"
            }


def padded(name: str, held: Any) -> Any:
    texts = {"hs_appointment_name", "ghl_description", "ghl_address"}
    return f" {held}\r\n" if held and name in texts else held


def refused(part: str, status: int) -> Change:
    def changed(request: httpx.Request, payload: Payload) -> int | None:
        if part not in request.url.path:
            return None
        payload.clear()
        payload |= {"status": "error", "category": "X", "message": "not for this token"}
        return status

    return changed


def absent_as(status: int) -> Change:
    """A batch read that finds not one of its records answers so."""

    def changed(request: httpx.Request, payload: Payload) -> int | None:
        if not request.url.path.endswith("/batch/read") or "associations" in request.url.path:
            return None
        if payload.get("results") or not payload.get("errors"):
            return None
        if status == 404:
            error = payload["errors"][0]
            payload.clear()
            payload |= error
        return status

    return changed


HUBSPOT = [
    Habit(
        name="the id of an archived record is not freed",
        settings={"unique_of_archived": "conflict"},
    ),
    Habit(name="restores lose the contact", settings={"restore_associations": False}),
    Habit(name="errors hide in a 200", settings={"errors_inside_200": True}),
    Habit(name="associations in the dated shape", settings={"inline_associations": "dated"}),
    Habit(name="no associations are errors", settings={"associations_of_none": "errors"}),
    Habit(name="batches keep their order", settings={"reverse_batch_results": False}),
    Habit(name="the account has no status", settings={"hubspot_status": "none"}),
    Habit(name="cancelled has one l", settings={"cancelled_spelling": "CANCELED"}),
    Habit(name="the index lags", settings={"search_lag": timedelta(seconds=30)}),
    Habit(name="its clock is ahead", settings={"hubspot_skew": timedelta(minutes=4)}),
    Habit(name="its clock is behind", settings={"hubspot_skew": timedelta(minutes=-4)}),
    Habit(name="a later version", options={"api_version": "2026-09"}),
    Habit(name="the object by its name", options={"object_type": "appointments"}),
    Habit(name="instants are milliseconds", side="hubspot", change=of_values(epoch)),
    Habit(name="instants are short", side="hubspot", change=of_values(short)),
    Habit(name="associated ids are numbers", side="hubspot", change=numbered),
    Habit(name="what is not set is left out", side="hubspot", change=of_records(only_what_is_set)),
    Habit(name="answers to writes are shy", side="hubspot", change=shy_writes),
    Habit(name="texts have blanks around them", side="hubspot", change=of_values(padded)),
    Habit(
        name="records say as little as they may",
        side="hubspot",
        change=of_records(
            lambda row: (
                [row.pop(key, None) for key in ("createdAt", "updatedAt", "url")]
                + [row.pop("archived") if row.get("archived") is False else None]
            )
        ),
    ),
    Habit(name="labels may not be read", side="hubspot", change=refused("/labels", 403)),
    Habit(
        name="activation may not be asked", side="hubspot", change=refused("/object-library/", 403)
    ),
    Habit(name="every id is a number", side="hubspot", change=numbers_for_ids),
    Habit(name="instants have offsets", side="hubspot", change=of_values(elsewhere)),
    Habit(
        name="empty values are empty texts",
        side="hubspot",
        change=of_values(lambda _, held: held or ""),
    ),
    Habit(name="association types are texts and labelled", side="hubspot", change=texts_for_types),
    Habit(name="pages are not counted", side="hubspot", change=uncounted),
    Habit(name="absence is not mentioned", side="hubspot", change=silent_about_absence),
    Habit(name="archived is told by its date", side="hubspot", change=of_records(archived_by_date)),
    Habit(name="everything says more", side="hubspot", change=wordy),
    Habit(name="a stage is demanded", settings={"stage_required": True}),
    Habit(
        name="the account tells nothing of itself",
        side="hubspot",
        change=refused("/account-info/", 403),
    ),
    Habit(name="a batch of nobody is a 404", side="hubspot", change=absent_as(404)),
    Habit(name="a batch of nobody is a 200", side="hubspot", change=absent_as(200)),
]


# --- the story


@pytest.mark.parametrize("habit", [*HIGHLEVEL, *HUBSPOT], ids=str)
def test_one_story_ends_the_same_in_every_weather(
    make_town: Callable[..., SyncHarness], met: Callable[..., Person], habit: Habit
) -> None:
    harness = make_town(**habit.settings)
    harness.provider_options = dict(habit.options)
    weather = None
    if habit.change is not None:
        weather = Weather(InProcess(application(harness.world)), habit.side, habit.change)
        harness.transport = weather
    _tell(harness, met(harness), habit)
    assert weather is None or weather.changed


def _tell(harness: SyncHarness, ann: Person, habit: Habit) -> None:
    dana, milo = list(harness.ghl.users)[:2]
    here = harness.ghl.book(
        harness.calendars["Team"],
        ann.ghl,
        harness.at(48),
        title="Check-up",
        assignee=dana,
        description="Knee",
        address="Room 2",
    )
    there = harness.hubspot.create(
        {
            "hs_appointment_name": "Intro",
            "hs_appointment_start": harness.at(72),
            "hs_appointment_end": harness.at(72.5),
            "ghl_description": "Bring the scan",
            "ghl_address": "Room 4",
        },
        [ann.hubspot],
    )
    _cycles(harness, habit)
    first, second = _pairs(harness)
    assert (first, second) == (here, _event_of(harness, there))

    # Each side is edited, in every field and in both records.
    record = _record_of(harness, here)
    status = (
        "hs_appointment_status"
        if harness.world.settings.hubspot_status == "native"
        else "ghl_appointment_status"
    )
    harness.hubspot.edit(record, hs_appointment_name="Renamed", ghl_description="Both knees")
    harness.hubspot.edit(record, **{status: "COMPLETED"})
    harness.ghl.edit(here, address="Room 3")
    harness.ghl.move(second, harness.at(75))
    harness.ghl.edit(second, status="noshow", assignee=milo)
    _cycles(harness, habit)
    row, other = harness.ghl.get(here), harness.ghl.get(second)
    assert (row.title, row.status, row.description) == ("Renamed", "showed", "Both knees")
    assert (other.start, other.status, other.assignee) == (harness.at(75), "noshow", milo)
    shown = harness.hubspot.get(there).properties
    assert (shown["ghl_description"], shown["ghl_address"]) == ("Bring the scan", "Room 4")
    assert shown[status] == "NO_SHOW"

    # Each side loses one of two more.
    gone = [
        harness.ghl.book(
            harness.calendars["Team"], ann.ghl, harness.at(hours), assignee=dana, title="More"
        )
        for hours in (96, 98)
    ]
    _cycles(harness, habit)
    harness.ghl.delete(gone[0])
    harness.hubspot.archive(_record_of(harness, gone[1]))
    _cycles(harness, habit)
    assert harness.ghl.get(gone[1]).status == "cancelled"
    assert len(harness.hubspot.archived()) == 2
    assert len(harness.ghl.events()) == 3


def _cycles(harness: SyncHarness, habit: Habit) -> None:
    """A poll and a sweep; then both sides agree, and nothing is written any more."""
    for full in (False, True):
        harness.later(minutes=2)
        report = harness.sync(full=full)
        assert report.outcome is Outcome.OK, report
        assert report.held == [], report
        assert report.failed == [], report
    for full in (True, False):
        harness.later(minutes=2)
        harness.world.reset_requests()
        report = harness.sync(full=full)
        assert report.written == []
        assert harness.world.writes("ghl") == []
        assert harness.world.writes("hubspot") == []
    assert harness.world.notifications == []
    _agree(harness, habit)


def _agree(harness: SyncHarness, habit: Habit) -> None:
    for record in harness.hubspot.records():
        held = record.properties
        row = harness.ghl.get(held["ghl_appointment_id"])
        assert held["hs_appointment_name"] == row.title
        assert datetime.fromisoformat(held["hs_appointment_start"]) == row.start
        assert datetime.fromisoformat(held["hs_appointment_end"]) == row.end
        for name in ("description", "address"):
            if name != habit.unread:
                assert (held.get(f"ghl_{name}") or "") == (getattr(row, name) or "")


def _pairs(harness: SyncHarness) -> list[str]:
    return [
        each.properties["ghl_appointment_id"]
        for each in sorted(
            harness.hubspot.records(), key=lambda each: each.properties["hs_appointment_start"]
        )
    ]


def _event_of(harness: SyncHarness, record: str) -> str:
    return str(harness.hubspot.get(record).properties["ghl_appointment_id"])


def _record_of(harness: SyncHarness, event: str) -> str:
    (found,) = (
        each.id
        for each in harness.hubspot.records()
        if each.properties["ghl_appointment_id"] == event
    )
    return str(found)
