"""HubSpot records as the service writes them.

Called by the handlers. Property values are texts; a requested empty property is null; one
that does not exist is left out without an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.hubspot.portal import ASSOCIATION_TYPES
from syncd.sandbox.hubspot.records import APPOINTMENTS
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syncd.sandbox.http import JsonObject
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.records import HubspotRecord, Owner, Pipeline, Written
    from syncd.sandbox.hubspot.table import ObjectTable

_CONTACT_DEFAULTS = ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate")


def record(
    table: ObjectTable,
    row: HubspotRecord,
    wanted: Iterable[str] = (),
    *,
    history: Iterable[str] = (),
    value: Callable[[str], str | None] | None = None,
) -> JsonObject:
    """A record with the wanted properties, or the default ones where none are named.

    `value` reads from an older state: the search index's.
    """
    read = value or (lambda name: table.value(row, name))
    names = dict.fromkeys((*wanted, "hs_object_id", table.created_name, table.modified_name))
    if table.is_contacts and len(names) == 3:
        names |= dict.fromkeys((*_CONTACT_DEFAULTS, "lastname"))
    shown: JsonObject = {
        "id": row.id,
        "properties": {name: read(name) for name in names if table.definition(name) is not None},
        "createdAt": iso_ms(row.created),
        "updatedAt": read(table.modified_name),
        "archived": row.archived,
    }
    if row.archived_at is not None:
        shown["archivedAt"] = iso_ms(row.archived_at)
    if history:
        shown["propertiesWithHistory"] = {
            name: [_entry(entry) for entry in row.history.get(name, ())]
            for name in history
            if table.definition(name) is not None
        }
    return shown


def written(table: ObjectTable, row: HubspotRecord, names: Iterable[str]) -> JsonObject:
    """The answer to a write: what was written, and what the service keeps by itself."""
    system = ("hs_object_source", "hs_object_source_id", "hs_duration")
    shown = record(table, row, (*names, *system))
    shown["properties"] = {
        key: text for key, text in shown["properties"].items() if text is not None
    }
    return shown


def associations(call: HubspotCall, row: HubspotRecord, types: Iterable[str]) -> JsonObject:
    """The `associations` of a record in a list or a read; {} where it has none."""
    shown: JsonObject = {}
    for name in types:
        other = call.portal.table(name)
        linked = row.links.get(other.type_id) if other is not None else None
        if other is None or not linked or row.archived:
            continue
        own = "appointment" if other.is_contacts else "contact"
        items: list[JsonObject] = []
        for target, kinds in linked.items():
            if call.settings.inline_associations == "dated":
                items.append(pair(target, kinds))
            else:
                items += [{"id": target, "type": f"{own}_to_{other.singular}"} for _ in kinds]
        shown[other.plural] = {"results": items}
    return shown


def pair(target: str, kinds: Iterable[int]) -> JsonObject:
    """One associated record in the dated shape."""
    return {
        "toObjectId": target,
        "associationTypes": [
            {"category": category(kind), "typeId": kind, "label": None} for kind in sorted(kinds)
        ],
    }


def category(kind: int) -> str:
    """Who defined an association type."""
    return "HUBSPOT_DEFINED" if kind in ASSOCIATION_TYPES.values() else "USER_DEFINED"


def owner(row: Owner) -> JsonObject:
    """An owner; a queue or a departed user may lack an address."""
    shown: dict[str, Any] = {
        "id": row.id,
        "email": row.email,
        "type": "PERSON",
        "firstName": row.first_name,
        "lastName": row.last_name,
        "userId": None if row.archived else row.user_id,
        "userIdIncludingInactive": row.user_id,
        "createdAt": iso_ms(row.created),
        "updatedAt": iso_ms(row.created),
        "archived": row.archived,
    }
    return {key: value for key, value in shown.items() if value is not None}


def pipeline(row: Pipeline) -> JsonObject:
    """A pipeline; the metadata of its stages say nothing about their meaning."""
    return {
        "id": row.id,
        "label": row.label,
        "displayOrder": 0,
        "archived": False,
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:00:00.000Z",
        "stages": [stage(number, row) for number in range(len(row.stages))],
    }


def stage(number: int, row: Pipeline) -> JsonObject:
    """One stage of a pipeline."""
    return {
        "id": row.stages[number].id,
        "label": row.stages[number].label,
        "displayOrder": number,
        "metadata": {},
        "archived": False,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:00:00.000Z",
    }


def page(rows: list[JsonObject], following: str | None) -> Mapping[str, Any]:
    """A page of results; the link is as misleading as the vendor's: only `after` counts."""
    if following is None:
        return {"results": rows}
    link = f"https://api.hubspot.example/crm/objects/{APPOINTMENTS}?after={following}"
    return {"results": rows, "paging": {"next": {"after": following, "link": link}}}


def _entry(entry: Written) -> JsonObject:
    shown: JsonObject = {
        "value": entry.value,
        "timestamp": iso_ms(entry.at),
        "sourceType": entry.origin.source_type,
        "sourceId": entry.origin.source_id,
    }
    if entry.origin.user_id is not None:
        shown["updatedByUserId"] = entry.origin.user_id
    return shown
