"""The mapped fields of an appointment, read from an event and written to a body. Pure.

`mapping` calls this for every event. `core.mapped_fields` lists the fields;
here is where each one is found: most under a key of the event, some derived
from it. Leaves out HubSpot's side, and the link to its record, which only
HubSpot's adapter knows.
"""

from collections.abc import Collection, Mapping
from datetime import tzinfo

from syncd.core import mapped_fields
from syncd.core.essence import moment_text, text
from syncd.core.mapped_fields import Kind
from syncd.core.model import MAPPED_PREFIX, Appointment
from syncd.providers.ghl import wire
from syncd.providers.ghl.timestamps import parse


def read(
    event: wire.Event,
    fields: Mapping[str, str],
    derived: Mapping[str, str],
    templates: Mapping[str, str],
    zone: tzinfo,
) -> tuple[tuple[str, str], ...]:
    """The values of these fields (name → field), sorted by name; "" where there is none.

    `derived` holds values that the event's own keys lack, by field; `templates`
    the URL templates of links that are not the default, by name.
    """
    found: dict[str, str] = {}
    for name, field in fields.items():
        if field == mapped_fields.HIGHLEVEL_LINK:
            found[name] = _link(event, derived, templates.get(name) or mapped_fields.DEFAULT_LINK)
        elif field in derived:
            found[name] = derived[field]
        else:
            found[name] = _value(
                _lookup(event.raw, field), mapped_fields.FIELDS.get(field, Kind.TEXT), zone
            )
    return tuple(sorted(found.items()))


def written(
    wanted: Appointment, fields: Mapping[str, str], groups: Collection[str]
) -> dict[str, object]:
    """The fields of these groups, as keys of a write's body; an empty value clears a field."""
    held = dict(wanted.mapped_fields)
    return {
        field: held.get(name, "")
        for name, field in fields.items()
        if f"{MAPPED_PREFIX}{name}" in groups
    }


def is_missing(answer: wire.Event, fields: Collection[str]) -> bool:
    """Whether a write's answer lacks one of these fields: then the record has to be read."""
    return any(_lookup(answer.raw, field) is None for field in fields)


def _link(event: wire.Event, derived: Mapping[str, str], template: str) -> str:
    ids = {
        "location": derived.get("locationId", ""),
        "contact": event.contact,
        "appointment": event.id,
        "calendar": derived.get("calendarId", ""),
    }
    return mapped_fields.address(template, ids)


def _lookup(raw: wire.Json, field: str) -> object:
    """The value of a key, or of a nested key: `createdBy.source`."""
    found: object = raw
    for key in field.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _value(held: object, kind: Kind, zone: tzinfo) -> str:
    match kind:
        case Kind.MOMENT:
            return moment_text(parse(held, zone)) or ""
        case Kind.LIST:
            return ";".join(_plain(each) for each in held) if isinstance(held, list) else ""
        case Kind.FLAG | Kind.TEXT:
            return _plain(held)


def _plain(held: object) -> str:
    if isinstance(held, bool):
        return "true" if held else "false"
    return text(str(held)) if isinstance(held, str | int | float) else ""
