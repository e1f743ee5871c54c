"""A vendor that answers a little differently: the sandbox, its answers changed on the way to us."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import httpx

Payload = dict[str, Any]
Change = Callable[[httpx.Request, Payload], object]

INDIA = timezone(timedelta(hours=5, minutes=30))
ZURICH = ZoneInfo("Europe/Zurich")


class VariantTransport(httpx.BaseTransport):
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
class Variant:
    """One variant: settings of the sandbox, or what happens to a side's answers."""

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


def batches_of_the_living(request: httpx.Request, payload: Payload) -> None:
    """A batch read shows no archived record, whatever it is asked for."""
    if request.url.path.endswith("/batch/read") and "archived" in request.url.params:
        payload["results"] = []


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
