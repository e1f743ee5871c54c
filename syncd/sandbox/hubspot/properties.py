"""The HubSpot endpoints of properties and their groups.

Routed by `api`. A name that exists is refused with 409; the name of an archived property brings
that one back, with its old settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.http import ApiError, JsonObject, Response
from syncd.sandbox.hubspot.errors import invalid, not_found, refusal
from syncd.sandbox.hubspot.errors import item as error_item
from syncd.sandbox.hubspot.property_types import PropertyDef, described, option_of
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import Request
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.table import ObjectTable

_KEYS = (
    *("name", "label", "type", "fieldType", "groupName", "description", "options"),
    *("displayOrder", "hasUniqueValue", "hidden", "formField", "calculationFormula"),
    *("externalOptions", "referencedObjectType", "dataSensitivity"),
)
_MOST_UNIQUE = 10


def list_properties(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /properties/{type}."""
    table = call.table(names["type"])
    archived = request.flag("archived")
    rows = [row.shown() for row in table.definitions.values() if row.archived == archived]
    return Response(payload={"results": rows})


def get_property(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /properties/{type}/{name}."""
    return Response(payload=_known(call.table(names["type"]), names["name"]).shown())


def create_property(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /properties/{type}."""
    table = call.table(names["type"])
    required = ("name", "label", "type", "fieldType", "groupName")
    return Response(status=201, payload=_made(table, call.body(request, _KEYS, required)).shown())


def update_property(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """PATCH /properties/{type}/{name}: options are replaced as a whole."""
    table = call.table(names["type"])
    row = _known(table, names["name"])
    body = call.body(request, _KEYS)
    if row.hubspot_defined:
        raise invalid(f"{row.name} is defined by HubSpot and cannot be changed")
    row.label = body.get("label", row.label)
    row.description = body.get("description", row.description)
    if "options" in body:
        row.options = [option_of(option) for option in body["options"]]
    row.updated = table.stamp()
    return Response(payload=row.shown())


def archive_property(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """DELETE /properties/{type}/{name}."""
    row = _known(call.table(names["type"]), names["name"])
    if row.hubspot_defined:
        raise invalid(f"{row.name} is defined by HubSpot and cannot be archived")
    row.archived = True
    return Response(status=204)


def batch_create_properties(
    call: HubspotCall, request: Request, names: Mapping[str, str]
) -> Response:
    """POST /properties/{type}/batch/create."""
    table = call.table(names["type"])
    results, errors = [], []
    for item in call.body(request, ("inputs",), ("inputs",)).get("inputs") or ():
        try:
            results.append(_made(table, item).shown())
        except ApiError as error:
            body = error.response.payload
            errors.append(error_item(body["category"], body["message"]))
    return _batch(table, results, errors, 201)


def batch_read_properties(
    call: HubspotCall, request: Request, names: Mapping[str, str]
) -> Response:
    """POST /properties/{type}/batch/read."""
    table = call.table(names["type"])
    body = call.body(request, ("inputs", "archived", "dataSensitivity"), ("inputs",))
    wanted = [str(item.get("name")) for item in body.get("inputs") or ()]
    rows = [table.definition(name) for name in wanted]
    missing = [name for name, row in zip(wanted, rows, strict=True) if row is None]
    errors = [error_item("OBJECT_NOT_FOUND", "No such property", context={"name": missing})]
    results = [row.shown() for row in rows if row is not None]
    return _batch(table, results, errors if missing else [], 200)


def list_groups(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /properties/{type}/groups."""
    table = call.table(names["type"])
    return Response(payload={"results": [_group(table, name) for name in table.groups]})


def get_group(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /properties/{type}/groups/{name}."""
    table = call.table(names["type"])
    if names["name"] not in table.groups:
        raise not_found(f"Property group {names['name']} does not exist")
    return Response(payload=_group(table, names["name"]))


def create_group(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /properties/{type}/groups."""
    table = call.table(names["type"])
    body = call.body(request, ("name", "label", "displayOrder"), ("name", "label"))
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise invalid("Invalid input JSON: name is needed")
    if name in table.groups:
        raise refusal(
            409,
            "OBJECT_ALREADY_EXISTS",
            f"A property group named '{name}' already exists.",
            subCategory="Properties.GROUP_WITH_NAME_EXISTS",
        )
    table.groups[name] = str(body.get("label") or name)
    return Response(status=201, payload=_group(table, name))


def _made(table: ObjectTable, body: JsonObject) -> PropertyDef:
    asked = described(body, list(table.groups))
    if isinstance(asked, str):
        raise invalid(asked)
    existing = table.definitions.get(asked.name)
    if existing is not None and not existing.archived:
        raise refusal(
            409,
            "OBJECT_ALREADY_EXISTS",
            f"A property named '{asked.name}' already exists.",
            subCategory="Properties.PROPERTY_WITH_NAME_EXISTS",
        )
    if existing is not None:
        existing.archived = False
        return existing
    taken = sum(row.unique for row in table.definitions.values() if not row.hubspot_defined)
    if asked.unique and taken >= _MOST_UNIQUE:
        raise invalid(f"At most {_MOST_UNIQUE} properties of an object can be unique")
    asked.created = asked.updated = table.stamp()
    table.definitions[asked.name] = asked
    return asked


def _known(table: ObjectTable, name: str) -> PropertyDef:
    row = table.definition(name)
    if row is None:
        raise not_found(f"Property with name {name} does not exist")
    return row


def _group(table: ObjectTable, name: str) -> JsonObject:
    return {"name": name, "label": table.groups[name], "displayOrder": -1, "archived": False}


def _batch(
    table: ObjectTable, results: list[JsonObject], errors: list[JsonObject], status: int
) -> Response:
    at = iso_ms(table.stamp())
    body: JsonObject = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": at,
        "completedAt": at,
    }
    if errors:
        return Response(status=207, payload=body | {"numErrors": len(errors), "errors": errors})
    return Response(status=status, payload=body)
