"""The HubSpot endpoints of single records: list, create, read, update, archive, merge.

Routed by `api`, for appointments and contacts alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.http import Response
from syncd.sandbox.hubspot import wire
from syncd.sandbox.hubspot.call import size, texts
from syncd.sandbox.hubspot.errors import Problem, invalid, invalid_values, not_found, refusal
from syncd.sandbox.hubspot.portal import ASSOCIATION_TYPES
from syncd.sandbox.hubspot.records import APP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import JsonObject, Request
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.records import HubspotRecord
    from syncd.sandbox.hubspot.table import ObjectTable

_READ = ("properties", "propertiesWithHistory", "associations", "archived")
HISTORY_LIMIT = 50


def list_records(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /{type}: by id; `archived=true` shows only archived ones."""
    call.query(request, *_READ, "limit", "after")
    table = call.table(names["type"])
    history = request.many("propertiesWithHistory")
    most = HISTORY_LIMIT if history else 100
    limit = size(request, 10, most)
    after = request.one("after")
    if after is not None and not after.isdigit():
        raise invalid(f"after must be an integer, was {after}")
    archived = request.flag("archived")
    found: list[HubspotRecord] = []
    for row in table.after(after):
        if archived and table.binned(row.id) is None:
            continue
        if archived or not row.archived:
            found.append(row)
        if len(found) > limit:
            break
    shown = [_shown(call, table, row, request) for row in found[:limit]]
    # `after` is the id of the next record.
    following = found[limit].id if len(found) > limit else None
    return Response(payload=wire.page(shown, following))


def read_record(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /{type}/{id}: an id that was merged away answers with the survivor."""
    call.query(request, *_READ, "idProperty")
    table = call.table(names["type"])
    row = found(call, table, names["id"], request.one("idProperty"), request.flag("archived"))
    if row is None:
        raise not_found()
    return Response(payload=_shown(call, table, row, request))


def create_record(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}: with inline associations."""
    call.query(request)
    table = call.table(names["type"])
    keys = ("associations", "properties")
    body = call.body(request, (*keys, "objectWriteTraceId"), keys)
    row = made(call, table, body)
    answer = Response(status=201, payload=wire.written(table, row, body.get("properties") or ()))
    if call.version >= "2026-09" and call.dated:
        answer.headers["Location"] = f"/crm/objects/{call.version}/{table.type_id}/{row.id}"
    return answer


def update_record(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """PATCH /{type}/{id}."""
    call.query(request, "idProperty")
    table = call.table(names["type"])
    body = call.body(request, ("properties", "objectWriteTraceId"), ("properties",))
    row = found(call, table, names["id"], request.one("idProperty"))
    if row is None:
        raise not_found()
    changed(call, table, row, body.get("properties"))
    return Response(payload=wire.written(table, row, body.get("properties") or ()))


def archive_record(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """DELETE /{type}/{id}: 204 whatever the id is."""
    table = call.table(names["type"])
    archived(call, table, names["id"])
    return Response(status=204)


def merge_records(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/merge."""
    table = call.table(names["type"])
    keys = ("primaryObjectId", "objectIdToMerge")
    body = call.body(request, keys, keys)
    both = [str(body.get(key)) for key in keys]
    if any(table.living(record) is None for record in both):
        raise not_found()
    row = table.rows[call.portal.merged(table, *both)]
    return Response(payload=wire.record(table, row))


def gdpr_delete(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/gdpr-delete: for good; an unknown address is blocklisted."""
    table = call.table(names["type"])
    body = call.body(request, ("objectId", "idProperty"), ("objectId",))
    row = found(call, table, str(body["objectId"]), body.get("idProperty"))
    if row is not None:
        call.portal.erase(table, row)
    elif body.get("idProperty") == "email":
        call.portal.blocklist.add(str(body["objectId"]).lower())
    return Response(status=204)


# What batches use as well.


def found(
    call: HubspotCall,
    table: ObjectTable,
    key: str,
    id_property: str | None = None,
    only_archived: bool = False,  # noqa: FBT001, FBT002 - the vendor's flag
) -> HubspotRecord | None:
    """The record that an id or a unique value names."""
    if id_property is None:
        return table.binned(key) if only_archived else table.living(key)
    unique(table, id_property)
    row = table.holder(id_property, key)
    if row is None or row.archived != only_archived:
        return None
    primary = row.properties.get("email", "").lower() == key.strip().lower()
    if id_property == "email" and not primary and not call.settings.secondary_email_lookup:
        return None
    return row


def unique(table: ObjectTable, name: str) -> None:
    """Refuses a property that does not name one record; `hs_object_id` included."""
    definition = table.definition(name)
    if definition is None or not definition.unique:
        raise invalid(
            f"Unable to find object by non-unique or unknown property {name} on {table.type_id}"
        )


def creatable(
    call: HubspotCall, table: ObjectTable, body: JsonObject
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The checked values and associations that a body describes, or a refusal."""
    values = texts(body.get("properties") or {})
    kept, problems = table.checked(values)
    problems += _missing(call, table, values, new=True)
    if table.is_contacts:
        _new_contact(call, table, values)
    elif call.settings.stage_required:
        _refuse_without(values, "hs_pipeline", "hs_pipeline_stage")
    if problems:
        raise invalid_values(problems)
    return kept, [_target(call, table, item) for item in body.get("associations") or ()]


def _missing(
    call: HubspotCall, table: ObjectTable, values: Mapping[str, str], *, new: bool
) -> list[Problem]:
    """What a record would lack by the account's rules, which hold from 2026-09 on."""
    if not (call.version >= "2026-09" and call.dated):
        return []
    portal = call.portal
    required = portal.required_of_contacts if table.is_contacts else portal.required
    found = [
        Problem(name=name, code="MISSING_REQUIRED_PROPERTY", message=f"{name} is required")
        for name in sorted(required)
        if new and not values.get(name)
    ]
    found += [
        Problem(
            name=needed,
            code="MISSING_CONDITIONAL_REQUIRED_PROPERTY",
            message=f"{needed} is required by a conditional property rule based on [{name}]",
        )
        for (name, value), needed in ({} if table.is_contacts else portal.conditional).items()
        if values.get(name) == value and not values.get(needed)
    ]
    return found


def _refuse_without(values: Mapping[str, str], *names: str) -> None:
    missing = [name for name in names if not values.get(name)]
    if missing:
        raise invalid(
            "Error creating APPOINTMENT. Some required properties were not set.",
            context={"properties": missing},
        )


def made(call: HubspotCall, table: ObjectTable, body: JsonObject) -> HubspotRecord:
    """Creates what a body describes, or refuses it whole."""
    kept, targets = creatable(call, table, body)
    row = call.portal.make(table, kept, APP)
    for to_type, other in targets:
        call.portal.link(table.type_id, row.id, to_type, other)
    return row


def writable(
    call: HubspotCall, table: ObjectTable, row: HubspotRecord, values: Any
) -> dict[str, str]:
    """The checked values of an update, or a refusal."""
    kept, problems = table.checked(texts(values if values is not None else {}), row.id)
    problems += _missing(call, table, {**row.properties, **kept}, new=False)
    if problems:
        raise invalid_values(problems)
    return kept


def changed(call: HubspotCall, table: ObjectTable, row: HubspotRecord, values: Any) -> None:
    """Writes what a body says, or refuses it whole."""
    table.write(row, writable(call, table, row, values), APP)


def archived(call: HubspotCall, table: ObjectTable, record: str) -> None:
    """Archives a record if there is one."""
    row = table.living(record)
    if row is None:
        return
    if table.is_contacts:
        call.portal.unlink_all(row)
    table.archive(row)


def _shown(
    call: HubspotCall, table: ObjectTable, row: HubspotRecord, request: Request
) -> JsonObject:
    shown = wire.record(
        table,
        row,
        request.many("properties"),
        history=request.many("propertiesWithHistory"),
    )
    wanted = request.many("associations")
    linked = wire.associations(call, row, wanted) if wanted else {}
    return shown | ({"associations": linked} if linked else {})


def _new_contact(call: HubspotCall, table: ObjectTable, values: Mapping[str, str]) -> None:
    if not any(values.get(name) for name in ("email", "firstname", "lastname")):
        raise invalid("At least one of email, firstname or lastname is needed")
    email = values.get("email", "").strip().lower()
    # Another contact may have it as its primary or as an additional address.
    holder = table.holder("email", email) if email else None
    if holder is not None:
        message = f"Contact already exists. Existing ID: {holder.id}"
        raise refusal(409, "OBJECT_ALREADY_EXISTS", message, error="CONTACT_EXISTS")
    if email in call.portal.blocklist:
        raise invalid(f"{email} is on the list of addresses that must not be added again")


def _target(call: HubspotCall, table: ObjectTable, item: Any) -> tuple[str, str]:
    try:
        target = str(item["to"]["id"])
        (kind,) = item["types"]
        type_id = int(kind["associationTypeId"])
        category = kind["associationCategory"]
    except (KeyError, TypeError, ValueError) as error:
        raise invalid("Invalid input JSON: associations need to.id and types") from error
    return linked_to(call, table, target, type_id, category)


def linked_to(
    call: HubspotCall, table: ObjectTable, target: str, type_id: int, category: str
) -> tuple[str, str]:
    """The other end of an association by its type id, checked."""
    ends = {(a, kind): b for (a, b), kind in ASSOCIATION_TYPES.items()}
    to_type = ends.get((table.type_id, type_id))
    if to_type is None or category != "HUBSPOT_DEFINED":
        raise invalid(
            f"One or more association types are not valid for objects {table.type_id}: {type_id}"
        )
    row = call.table(to_type).living(target)
    if row is None:
        raise not_found(f"No {to_type} with ID {target} exists")
    return to_type, row.id
