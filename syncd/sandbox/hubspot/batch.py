"""The HubSpot endpoints of batches: read, create, update, upsert, archive.

Routed by `api`. At most 100 inputs; two for the same record refuse the
whole batch; a single failure is reported in a 207. A create with one bad row fails
whole unless every input carries an `objectWriteTraceId`. Results come in no promised order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncd.sandbox import rewriting
from syncd.sandbox.http import ApiError, JsonObject, Response
from syncd.sandbox.hubspot import wire
from syncd.sandbox.hubspot.errors import invalid, not_found
from syncd.sandbox.hubspot.errors import item as error_item
from syncd.sandbox.hubspot.objects import (
    HISTORY_LIMIT,
    archived,
    changed,
    creatable,
    found,
    made,
    unique,
    writable,
)
from syncd.sandbox.timestamps import iso_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syncd.sandbox.http import Request
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.records import HubspotRecord
    from syncd.sandbox.hubspot.table import ObjectTable

MOST = 100


@dataclass(slots=True)
class _Batch:
    """The results of a batch so far."""

    results: list[JsonObject] = field(default_factory=list)
    errors: list[JsonObject] = field(default_factory=list)

    def answer(self, call: HubspotCall, table: ObjectTable, status: int = 200) -> Response:
        results = self.results[::-1] if call.settings.reverse_batch_results else self.results
        at = iso_ms(table.stamp())
        body: JsonObject = {
            "status": "COMPLETE",
            "results": results,
            "startedAt": at,
            "completedAt": at,
        }
        if self.errors:
            body |= {"numErrors": len(self.errors), "errors": self.errors}
        if self.errors and not call.settings.errors_inside_200:
            status = 207
        return Response(status=status, payload=body)


def batch_read(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/batch/read: missing ids come as one error that lists them."""
    call.query(request, "archived")
    table = call.table(names["type"])
    keys = ("inputs", "properties", "propertiesWithHistory")
    body = call.body(request, (*keys, "idProperty"), keys)
    history = body.get("propertiesWithHistory") or []
    if history and len(body["inputs"]) > HISTORY_LIMIT:
        raise invalid(
            f"A batch read with history takes at most {HISTORY_LIMIT} inputs, "
            f"not {len(body['inputs'])}"
        )
    wanted = [str(item["id"]) for item in _inputs(call, body, ("id",))]
    only_archived = request.flag("archived")
    rows: dict[str, Any] = {}
    missing = []
    for key in wanted:
        row = found(call, table, key, body.get("idProperty"), only_archived)
        if row is None:
            missing.append(key)
        else:
            rows[row.id] = row
    batch = _Batch(
        [
            wire.record(table, row, body.get("properties") or (), history=history)
            for row in rows.values()
        ]
    )
    if missing:
        batch.errors.append(_missing(table, missing))
    return batch.answer(call, table)


def batch_create(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/batch/create."""
    table = call.table(names["type"])
    inputs = _inputs(
        call,
        call.body(request, ("inputs",), ("inputs",)),
        ("associations", "properties", "objectWriteTraceId"),
        ("associations", "properties"),
    )

    def create(item: JsonObject) -> JsonObject:
        row = made(call, table, {**item, "properties": _stored(call, table, item)})
        return _answered(call, table, row, item)

    if not _traced(inputs):
        # Without trace ids one bad row sinks the whole batch, before anything happened.
        for item in inputs:
            creatable(call, table, item)
    return _each(inputs, create).answer(call, table, 201)


def batch_update(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/batch/update: 200 or 207."""
    table = call.table(names["type"])
    inputs = _inputs(
        call,
        call.body(request, ("inputs",), ("inputs",)),
        ("id", "properties", "idProperty", "objectWriteTraceId"),
        ("id", "properties"),
    )
    _distinct(_named(call, table, item) for item in inputs)

    def update(item: JsonObject) -> JsonObject:
        row = found(call, table, str(item["id"]), item.get("idProperty"))
        if row is None:
            raise not_found("resource not found", context={"ids": [str(item["id"])]})
        changed(call, table, row, _stored(call, table, item))
        return _answered(call, table, row, item)

    if not _traced(inputs):
        for item in inputs:
            row = found(call, table, item["id"], item.get("idProperty"))
            if row is not None:
                writable(call, table, row, item.get("properties"))
    return _each(inputs, update).answer(call, table)


def batch_upsert(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/batch/upsert: by a unique property, never with associations."""
    table = call.table(names["type"])
    inputs = _inputs(
        call,
        call.body(request, ("inputs",), ("inputs",)),
        ("id", "properties", "idProperty", "objectWriteTraceId"),
        ("id", "properties"),
    )
    for item in inputs:
        if not item.get("idProperty"):
            raise invalid("idProperty is required for an upsert")
        unique(table, item["idProperty"])
    _distinct(_named(call, table, item) for item in inputs)

    def upsert(item: JsonObject) -> JsonObject:
        row = found(call, table, str(item["id"]), item["idProperty"])
        values = item.get("properties") or {}
        if row is not None:
            changed(call, table, row, values)
            return wire.written(table, row, values) | {"new": False}
        values = {**values, item["idProperty"]: str(item["id"])}
        row = made(call, table, {"properties": values})
        return wire.written(table, row, values) | {"new": True}

    return _each(inputs, upsert).answer(call, table)


def batch_archive(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/batch/archive: 204, unknown ids included."""
    table = call.table(names["type"])
    inputs = _inputs(call, call.body(request, ("inputs",), ("inputs",)), ("id",), ("id",))
    _distinct(str(item["id"]) for item in inputs)
    for item in inputs:
        archived(call, table, str(item["id"]))
    return Response(status=204)


def _stored(call: HubspotCall, table: ObjectTable, item: JsonObject) -> Any:
    """What becomes of the properties that were sent; anything but an object is refused later."""
    given, habit = item.get("properties"), call.settings.hubspot_texts
    if table is not call.portal.appointments or not isinstance(given, dict):
        return given
    return {
        name: rewriting.text(held, habit) if name in _TEXTS and isinstance(held, str) else held
        for name, held in given.items()
    }


def _answered(
    call: HubspotCall, table: ObjectTable, row: HubspotRecord, item: JsonObject
) -> JsonObject:
    """A written row; with the sent texts if the service repeats them."""
    sent = item.get("properties") or {}
    told: JsonObject = wire.written(table, row, sent)
    if call.settings.hubspot_repeats and table is call.portal.appointments:
        told["properties"] |= {name: sent[name] for name in _TEXTS if name in sent}
    return told


_TEXTS = ("hs_appointment_name", "ghl_description", "ghl_address")


def _inputs(
    call: HubspotCall,
    body: JsonObject,
    known: tuple[str, ...],
    required: tuple[str, ...] = ("id",),
) -> list[JsonObject]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise invalid("Invalid input JSON: inputs must be a list with at least one element")
    if len(inputs) > MOST:
        raise invalid(f"The batch has {len(inputs)} inputs; at most {MOST} are allowed")
    for item in inputs:
        call.keys(item, known, required)
        if "id" in required and not isinstance(item.get("id"), str):
            raise invalid("Invalid input JSON: id must be a string")
    return inputs


def _traced(inputs: list[JsonObject]) -> bool:
    traces = [item.get("objectWriteTraceId") for item in inputs]
    given = [trace for trace in traces if trace]
    if len(set(given)) != len(given):
        raise invalid("objectWriteTraceId must be unique within a batch")
    return len(given) == len(inputs)


def _each(inputs: Iterable[JsonObject], act: Callable[[JsonObject], JsonObject]) -> _Batch:
    batch = _Batch()
    for item in inputs:
        try:
            batch.results.append(act(item))
        except ApiError as error:
            batch.errors.append(_error_item(item, error))
    return batch


def _error_item(item: JsonObject, error: ApiError) -> JsonObject:
    body: JsonObject = dict(error.response.payload)
    context = dict(body.pop("context", {}))
    if item.get("objectWriteTraceId"):
        context["objectWriteTraceId"] = [item["objectWriteTraceId"]]
    if item.get("id"):
        context.setdefault("ids", [str(item["id"])])
    kept = {key: body[key] for key in ("errors", "subCategory", "error") if key in body}
    return error_item(body["category"], body["message"], context=context, **kept)


def _named(call: HubspotCall, table: ObjectTable, item: JsonObject) -> str:
    row = found(call, table, str(item["id"]), item.get("idProperty"))
    return row.id if row is not None else f"{item.get('idProperty')}={item['id']}"


def _distinct(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise invalid(f"Duplicate IDs found in batch input: [{key}]")
        seen.add(key)


def _missing(table: ObjectTable, ids: list[str]) -> JsonObject:
    message = (
        f"Could not get some {table.plural.upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    return error_item("OBJECT_NOT_FOUND", message, context={"ids": ids})
