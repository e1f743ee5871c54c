"""What HighLevel's answers hold, read defensively into frozen values.

The other modules call this with decoded JSON. The service leaves out keys that
the API descriptions require, spells some twice and wraps a get in another
envelope (observed 2026-07-17). So any key may be missing, null or of another
type, and an unreadable value is left empty, never an exception. Leaves out
what the values mean: `mapping` (appointments) and `contacts`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType

Json = Mapping[str, object]

_EMPTY: Json = {}
_TEXTS = ("title", "assignedUserId", "address", "description", "contactId")
_PLAIN = frozenset({str, NoneType})
_READABLE = (str, int, float, NoneType)
_NONE = frozenset[str]()
_USUAL_MINUTES = 30
"""The length of a slot where the calendar has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An appointment, or one instance of a series, with its values as they came.

    Times are not parsed yet: that needs the location's zone. `broken` names the
    keys whose value is of a type that cannot be a text.
    """

    id: str
    calendar: str = ""
    location: str = ""
    contact: str = ""
    title: str | None = None
    status: str = ""
    assignee: str | None = None
    address: str | None = None
    description: str | None = None
    start: object = None
    end: object = None
    added: object = None
    updated: object = None
    deleted: bool = False
    master: str = ""
    rule: str = ""
    """The recurrence rule; a master's, and possibly its instances' as well."""
    source: str = ""
    """`createdBy.source`."""
    broken: frozenset[str] = frozenset()
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRow:
    """A calendar of the location."""

    id: str
    name: str
    active: bool
    kind: str
    team: tuple[str, ...]
    primary: str
    slot_minutes: int
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationRow:
    """The location, with its time zone."""

    id: str
    name: str
    timezone: str
    country: str
    company: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """A user of the location."""

    id: str
    email: str
    name: str
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A contact, of a get or of a search (whose rows have other names for some keys)."""

    id: str
    first_name: str
    last_name: str
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    country: str
    search_after: tuple[object, ...] = ()
    location: str = ""


def event(raw: object) -> Event | None:
    """An event from any answer; None where it has no id."""
    row = _object(raw)
    key = _text(row.get("id"))
    if not key:
        return None
    # The service sends the status twice, once misspelt (observed 2026-07-17).
    status = _text(row.get("appointmentStatus")) or _text(row.get("appoinmentStatus"))
    return Event(
        id=key,
        calendar=_text(row.get("calendarId")),
        location=_text(row.get("locationId")),
        contact=_text(row.get("contactId")),
        title=_optional(row, "title"),
        status=status.strip(),
        assignee=_optional(row, "assignedUserId"),
        address=_optional(row, "address"),
        description=_optional(row, "description"),
        start=row.get("startTime"),
        end=row.get("endTime"),
        added=row.get("dateAdded"),
        updated=row.get("dateUpdated"),
        deleted=_flag(row.get("deleted"), absent=False),
        master=_text(row.get("masterEventId")),
        rule=_text(row.get("rrule")),
        source=_text(_object(row.get("createdBy")).get("source")),
        broken=_broken(row),
        raw=row,
    )


def enveloped(payload: object) -> Event | None:
    """The event of a get: in `appointment` (observed 2026-09-12), `event` (described), or bare."""
    body = _object(payload)
    for name in ("appointment", "event"):
        if isinstance(body.get(name), Mapping):
            return event(body[name])
    return event(body)


def events(payload: object) -> Iterator[Event | None] | None:
    """The rows of a list, one by one, with None for a row without an id; None if there is no list.

    A row that was read is freed: a list may be long.
    """
    rows = _object(payload).get("events")
    return _consumed(rows) if isinstance(rows, list) else None


def _consumed(rows: list[object]) -> Iterator[Event | None]:
    rows.reverse()
    while rows:
        yield event(rows.pop())


def calendars(payload: object) -> list[CalendarRow] | None:
    """The calendars of a location; None where the answer holds no list."""
    rows = _object(payload).get("calendars")
    if not isinstance(rows, list):
        return None
    return [_calendar(row) for row in _objects(rows) if _text(row.get("id"))]


def location(payload: object) -> LocationRow:
    """The location of a get."""
    body = _object(payload)
    row = _object(body.get("location")) or body
    business = _object(row.get("business"))
    return LocationRow(
        id=_text(row.get("id")),
        name=_text(row.get("name")),
        timezone=_text(row.get("timezone")) or _text(business.get("timezone")),
        country=(_text(row.get("country")) or _text(business.get("country"))).upper(),
        company=_text(row.get("companyId")),
    )


def users(payload: object) -> list[UserRow] | None:
    """Users of either list; None where the answer holds no list of them."""
    if not isinstance(_object(payload).get("users"), list):
        return None
    return [
        UserRow(
            id=_text(row.get("id")),
            email=_text(row.get("email")),
            name=_text(row.get("name"))
            or f"{_text(row.get('firstName'))} {_text(row.get('lastName'))}".strip(),
            deleted=_flag(row.get("deleted"), absent=False),
        )
        for row in _objects(_object(payload).get("users"))
        if _text(row.get("id"))
    ]


def contact(payload: object) -> ContactRow | None:
    """The contact of a get, a create or a duplicate look-up, where it may be null."""
    return _contact(_object(payload).get("contact"))


def contacts(payload: object) -> tuple[list[ContactRow], int]:
    """A page of a search, and how many contacts there are altogether."""
    body = _object(payload)
    found = [each for row in _objects(body.get("contacts")) if (each := _contact(row))]
    total = body.get("total")
    return found, total if isinstance(total, int) else len(found)


def duplicate_of(payload: object) -> str:
    """The id of the existing contact that a refused create names."""
    meta = _object(_object(payload).get("meta"))
    return _text(meta.get("contactId")) or _text(meta.get("id"))


def slots(payload: object) -> list[str] | None:
    """Every offered start, as the exact text of the offer; None where there are no slots at all.

    The answer is a map by local date, with a `traceId` among the dates (API description).
    """
    if not isinstance(payload, Mapping):
        return None
    offered: list[str] = []
    for day in payload.values():
        found = _object(day).get("slots")
        if isinstance(found, list):
            offered += [each for each in found if isinstance(each, str)]
    return offered


def _calendar(row: Json) -> CalendarRow:
    # An event calendar has no team at all (observed 2026-07-17).
    members = [each for each in _objects(row.get("teamMembers")) if _text(each.get("userId"))]
    team = tuple(dict.fromkeys(_text(each.get("userId")) for each in members))
    chosen = [_text(each.get("userId")) for each in members if each.get("isPrimary") is True]
    return CalendarRow(
        id=_text(row.get("id")),
        name=_text(row.get("name")),
        active=_flag(row.get("isActive"), absent=True),
        kind=_text(row.get("calendarType")),
        team=team,
        primary=(chosen or list(team) or [""])[0],
        slot_minutes=_minutes(row.get("slotDuration"), _text(row.get("slotDurationUnit"))),
        location=_text(row.get("locationId")),
    )


def _contact(raw: object) -> ContactRow | None:
    row = _object(raw)
    key = _text(row.get("id"))
    if not key:
        return None
    first, last = _text(row.get("firstName")), _text(row.get("lastName"))
    if not (first or last):
        whole = _text(row.get("name")) or _text(row.get("contactName"))
        first, _, last = whole.partition(" ")
    after = row.get("searchAfter")
    return ContactRow(
        id=key,
        first_name=first.strip(),
        last_name=last.strip(),
        emails=_distinct([row.get("email"), *_others(row.get("additionalEmails"), "email")]),
        phones=_distinct([row.get("phone"), *_others(row.get("additionalPhones"), "phone")]),
        country=_text(row.get("country")).upper(),
        search_after=tuple(after) if isinstance(after, list) else (),
        location=_text(row.get("locationId")),
    )


def _others(raw: object, key: str) -> list[object]:
    # A get shows objects, a search plain texts (observed 2026-07-17).
    rows = raw if isinstance(raw, list) else []
    return [row.get(key) if isinstance(row, Mapping) else row for row in rows]


def _distinct(values: list[object]) -> tuple[str, ...]:
    texts = (_text(each).strip() for each in values)
    return tuple({text.casefold(): text for text in texts if text}.values())


def _minutes(length: object, unit: str) -> int:
    try:
        number = float(_text(length))
        minutes = round(number * 60 if unit.startswith("hour") else number)
    except (ValueError, OverflowError):
        return _USUAL_MINUTES
    return max(1, minutes) if number > 0 else _USUAL_MINUTES


def _object(raw: object) -> Json:
    return raw if isinstance(raw, Mapping) else _EMPTY


def _objects(raw: object) -> Iterator[Json]:
    for row in raw if isinstance(raw, list) else ():
        if isinstance(row, Mapping):
            yield row


def _text(raw: object) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return ""
    return str(raw)


def _optional(row: Json, key: str) -> str | None:
    return None if row.get(key) is None else _text(row[key])


def _broken(row: Json) -> frozenset[str]:
    """The keys of texts whose value cannot be one."""
    if _PLAIN.issuperset(map(type, map(row.get, _TEXTS))):
        return _NONE
    return frozenset(name for name in _TEXTS if not isinstance(row.get(name), _READABLE))


def _flag(raw: object, *, absent: bool) -> bool:
    if isinstance(raw, str):
        return raw.strip().casefold() == "true"
    return raw if isinstance(raw, bool) else absent
