"""The HubSpot endpoints of associations.

Routed by `api`. A change of associations moves no modification stamp; a record without any is
left out of a batch read, or reported as an error, but never an empty list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.http import Response
from syncd.sandbox.hubspot import wire
from syncd.sandbox.hubspot.call import size
from syncd.sandbox.hubspot.errors import invalid, not_found
from syncd.sandbox.hubspot.errors import item as error_item
from syncd.sandbox.hubspot.objects import linked_to
from syncd.sandbox.hubspot.portal import ASSOCIATION_TYPES
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import JsonObject, Request
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.records import HubspotRecord
    from syncd.sandbox.hubspot.table import ObjectTable

_MOST_READ = 1000
_MOST_WRITTEN = 2000


def of_record(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /{type}/{id}/associations/{toType}: two shapes, by version."""
    call.query(request, "limit", "after")
    table, other = call.table(names["type"]), call.table(names["to"])
    row = table.living(names["id"])
    if row is None:
        raise not_found()
    limit = size(request, 500, 500)
    linked = list(row.links.get(other.type_id, {}).items())
    first = int(request.one("after") or 0)
    shown = [_item(call, table, other, target, kinds) for target, kinds in linked[first:][:limit]]
    following = str(first + limit) if len(linked) > first + limit else None
    return Response(payload=wire.page(shown, following))


def put_pair(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """PUT /{type}/{id}/associations/{toType}/{toId}: a list of types as the body."""
    table, other = call.table(names["type"]), call.table(names["to"])
    row, target = _ends(table, other, names)
    types = _json_list(request)
    for item in types:
        try:
            kind, category = int(item["associationTypeId"]), item["associationCategory"]
        except (KeyError, TypeError, ValueError) as error:
            raise invalid("Invalid input JSON: association types are needed") from error
        linked_to(call, table, target.id, kind, category)
    if not types:
        raise invalid("Invalid input JSON: at least one association type is needed")
    call.portal.link(table.type_id, row.id, other.type_id, target.id)
    labels = {
        "fromObjectTypeId": table.type_id,
        "fromObjectId": row.id,
        "toObjectTypeId": other.type_id,
        "toObjectId": target.id,
        "labels": [],
    }
    return Response(status=201, payload=labels)


def put_typed(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """PUT …/{toType}/{toId}/{associationType}: of v3 alone; dated versions lack the route."""
    if call.dated:
        raise not_found("Resource not found")
    table, other = call.table(names["type"]), call.table(names["to"])
    row, target = _ends(table, other, names)
    kind = names["kind"]
    wanted = {str(ASSOCIATION_TYPES[table.type_id, other.type_id]), _type_name(table, other)}
    if kind not in wanted:
        raise invalid(f"{kind} is no association type between {table.plural} and {other.plural}")
    call.portal.link(table.type_id, row.id, other.type_id, target.id)
    return Response(payload=wire.record(table, row))


def put_default(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """PUT /{type}/{id}/associations/default/{toType}/{toId}: no type id is needed."""
    table, other = call.table(names["type"]), call.table(names["to"])
    row, target = _ends(table, other, names)
    call.portal.link(table.type_id, row.id, other.type_id, target.id)
    return Response(payload=_batch(table, [_created(table, other, row.id, target.id)]))


def delete_pair(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """DELETE …/{toType}/{toId}: all associations between the two; 204 whatever there was."""
    table, other = call.table(names["type"]), call.table(names["to"])
    call.portal.unlink(table.type_id, names["id"], other.type_id, names["other"])
    return Response(status=204)


def batch_read(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /associations/{from}/{to}/batch/read: who has none is absent, or an error."""
    table, other = call.table(names["from"]), call.table(names["to"])
    results, errors = [], []
    for item in _inputs(call, request, _MOST_READ, ("id", "after")):
        row = table.living(str(item.get("id")))
        linked = row.links.get(other.type_id) if row is not None else None
        if not linked:
            errors.append(_none_found(table, other, str(item.get("id"))))
            continue
        # An id that was merged away answers under its own number, with nothing.
        assert row is not None  # noqa: S101 - it has links
        shown = [_item(call, table, other, target, kinds) for target, kinds in linked.items()]
        results.append({"from": {"id": row.id}, "to": shown})
    body = _batch(table, results)
    if errors and call.settings.associations_of_none == "errors":
        body |= {"numErrors": len(errors), "errors": errors}
        return Response(status=207, payload=body)
    return Response(payload=body)


def batch_default(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /associations/{from}/{to}/batch/associate/default."""
    table, other = call.table(names["from"]), call.table(names["to"])
    results, errors = [], []
    for item in _inputs(call, request, _MOST_WRITTEN, ("from", "to")):
        one, two = _pair(item)
        if table.living(one) is None or other.living(two) is None:
            errors.append(
                error_item("OBJECT_NOT_FOUND", "No such object", context={"ids": [one, two]})
            )
            continue
        call.portal.link(table.type_id, one, other.type_id, two)
        results.append(_created(table, other, one, two))
    return _multi(table, results, errors)


def batch_create(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /associations/{from}/{to}/batch/create: with types (v3: one `type`)."""
    table, other = call.table(names["from"]), call.table(names["to"])
    results, errors = [], []
    for item in _inputs(call, request, _MOST_WRITTEN, ("from", "to", "types", "type")):
        one, two = _pair(item)
        row, target = table.living(one), other.living(two)
        if row is None or target is None:
            errors.append(
                error_item("OBJECT_NOT_FOUND", "No such object", context={"ids": [one, two]})
            )
            continue
        for kind in item.get("types") or ():
            linked_to(call, table, two, int(kind["associationTypeId"]), kind["associationCategory"])
        call.portal.link(table.type_id, one, other.type_id, two)
        results.append(_created(table, other, row.id, target.id))
    return _multi(table, results, errors, 201)


def batch_archive(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /associations/{from}/{to}/batch/archive: `to` is a list, except in v3."""
    table, other = call.table(names["from"]), call.table(names["to"])
    for item in _inputs(call, request, _MOST_WRITTEN, ("from", "to", "type")):
        to = item["to"]
        targets = to if isinstance(to, list) else [to]
        for target in targets:
            call.portal.unlink(
                table.type_id, str(item["from"]["id"]), other.type_id, str(target["id"])
            )
    return Response(status=204)


def labels(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /associations/{from}/{to}/labels."""
    kind = ASSOCIATION_TYPES.get(
        (call.table(names["from"]).type_id, call.table(names["to"]).type_id)
    )
    if kind is None:
        return Response(payload={"results": []})
    return Response(
        payload={"results": [{"category": "HUBSPOT_DEFINED", "typeId": kind, "label": None}]}
    )


def _ends(
    table: ObjectTable, other: ObjectTable, names: Mapping[str, str]
) -> tuple[HubspotRecord, HubspotRecord]:
    row, target = table.living(names["id"]), other.living(names["other"])
    if row is None or target is None:
        raise not_found()
    if (table.type_id, other.type_id) not in ASSOCIATION_TYPES:
        raise invalid(f"{table.plural} cannot be associated with {other.plural}")
    return row, target


def _item(
    call: HubspotCall, table: ObjectTable, other: ObjectTable, target: str, kinds: set[int]
) -> JsonObject:
    if call.version == "v3":
        return {"id": target, "type": _type_name(table, other)}
    shown = wire.pair(target, kinds)
    # The older version's samples have a number where the dated description says text.
    return shown | {"toObjectId": int(target)} if call.version == "v4" else shown


def _type_name(table: ObjectTable, other: ObjectTable) -> str:
    return f"{table.singular}_to_{other.singular}"


def _inputs(
    call: HubspotCall, request: Request, most: int, known: tuple[str, ...]
) -> list[JsonObject]:
    inputs = call.body(request, ("inputs",), ("inputs",)).get("inputs")
    if not isinstance(inputs, list) or len(inputs) > most:
        raise invalid(f"inputs must be a list of at most {most} elements")
    for item in inputs:
        call.keys(item, known)
    return inputs


def _pair(item: JsonObject) -> tuple[str, str]:
    try:
        return str(item["from"]["id"]), str(item["to"]["id"])
    except (KeyError, TypeError) as error:
        raise invalid("Invalid input JSON: from.id and to.id are needed") from error


def _json_list(request: Request) -> list[Any]:
    try:
        body = request.json()
    except ValueError as error:
        raise invalid(f"Invalid input JSON: {error}") from error
    if not isinstance(body, list):
        raise invalid("Invalid input JSON: a list is needed")
    return body


def _created(table: ObjectTable, other: ObjectTable, one: str, two: str) -> JsonObject:
    kind = ASSOCIATION_TYPES[table.type_id, other.type_id]
    return {
        "from": {"id": one},
        "to": {"id": two},
        "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind},
    }


def _batch(table: ObjectTable, results: list[JsonObject]) -> JsonObject:
    at = iso_ms(table.stamp())
    return {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}


def _multi(
    table: ObjectTable, results: list[JsonObject], errors: list[JsonObject], status: int = 200
) -> Response:
    body = _batch(table, results)
    if errors:
        return Response(status=207, payload=body | {"numErrors": len(errors), "errors": errors})
    return Response(status=status, payload=body)


def _none_found(table: ObjectTable, other: ObjectTable, record: str) -> JsonObject:
    message = f"No {other.singular} is associated with {table.singular} {record}."
    return error_item(
        "OBJECT_NOT_FOUND",
        message,
        subCategory="crm.associations.NO_ASSOCIATIONS_FOUND",
        context={"fromObjectId": [record]},
    )
