"""HubSpot's search: from an index that may lag behind, with the vendor's limits.

Routed by `api`. At most 5 groups of 6 filters, 18 in all, one sort rule, 200 rows a page, 10,000
in all. Archived records never appear.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from syncd.sandbox.http import Response
from syncd.sandbox.hubspot import wire
from syncd.sandbox.hubspot.errors import invalid
from syncd.sandbox.moments import epoch_ms, from_epoch_ms, parse_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syncd.sandbox.http import JsonObject, Request
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.records import HubspotRecord
    from syncd.sandbox.hubspot.table import ObjectTable

_KEYS = ("after", "filterGroups", "limit", "properties", "sorts")
_CAP = 10_000
_SEARCHED = (
    *("email", "hs_additional_emails", "phone", "mobilephone", "firstname", "lastname"),
    "hs_appointment_name",
)
_ORDERED = frozenset({"BETWEEN", "GT", "GTE", "LT", "LTE"})
_PLAIN = frozenset(
    {
        *("EQ", "NEQ", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"),
        *("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"),
    }
)


def search(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """POST /{type}/search."""
    table = call.table(names["type"])
    body = call.body(request, (*_KEYS, "query"), _KEYS)
    if len(request.body) > 3000:
        raise invalid("The request body must be shorter than 3000 characters")
    limit, first = _page(body)
    groups = _groups(table, body.get("filterGroups") or [])
    rows = _hits(call, table, groups, str(body.get("query") or ""))
    rows = _sorted(table, rows, body.get("sorts") or [])
    shown = [
        wire.record(table, row, body.get("properties") or (), value=read)
        for row, read in rows[first : first + limit]
    ]
    following = str(first + limit) if len(rows) > first + limit else None
    return Response(payload={"total": len(rows), **wire.page(shown, following)})


def _page(body: JsonObject) -> tuple[int, int]:
    limit = body.get("limit") or 10
    if not isinstance(limit, int) or not 1 <= limit <= 200:
        raise invalid(f"limit must be between 1 and 200, was {limit}")
    after = str(body.get("after") or "0")
    if not after.isdigit():
        raise invalid(f"after must be an integer, was {after}")
    if int(after) + limit > _CAP:
        raise invalid(f"A search shows at most {_CAP} results; after={after} is beyond them")
    return limit, int(after)


def _groups(table: ObjectTable, groups: Any) -> list[list[JsonObject]]:
    if not isinstance(groups, list) or len(groups) > 5:
        raise invalid("filterGroups must be a list of at most 5 groups")
    found = [group.get("filters") or [] for group in groups]
    if any(len(filters) > 6 for filters in found) or sum(map(len, found)) > 18:
        raise invalid("At most 6 filters in a group and 18 in all are allowed")
    for item in (item for filters in found for item in filters):
        _known_filter(table, item)
    return found


def _known_filter(table: ObjectTable, item: JsonObject) -> None:
    name, operator = str(item.get("propertyName")), item.get("operator")
    if operator not in _ORDERED | _PLAIN:
        raise invalid(f"operator {operator} is not valid")
    if name.startswith("associations."):
        return
    # A contact has no hs_lastmodifieddate of its own; asking for it finds nothing.
    if table.definition(name) is None and name != "hs_lastmodifieddate":
        raise invalid(f"There is no property {name} on {table.plural}")


def _hits(
    call: HubspotCall, table: ObjectTable, groups: list[list[JsonObject]], query: str
) -> list[tuple[HubspotRecord, Callable[[str], str | None]]]:
    hits = []
    for row in _candidates(table, groups):
        read = None if row.archived else table.indexed(row)
        if read is None or (query and not _says(read, query.lower())):
            continue
        if not groups or any(all(_fits(call, table, row, read, i) for i in g) for g in groups):
            hits.append((row, read))
    return hits


def _candidates(table: ObjectTable, groups: list[list[JsonObject]]) -> Iterable[HubspotRecord]:
    """All rows, or those written since the earliest stamp that every group asks for.

    Every write of a row is in `by_change`, so an index that lags behind finds its older ones.
    """
    bounds = [_earliest(table, group) for group in groups]
    known = [bound for bound in bounds if bound is not None]
    if not bounds or len(known) != len(bounds):
        return table.after(None)
    first = bisect_left(table.by_change, (min(known), 0))
    ids = sorted({number for _, number in table.by_change[first:]})
    return [table.rows[str(number)] for number in ids if str(number) in table.rows]


def _earliest(table: ObjectTable, group: list[JsonObject]) -> int | None:
    bounds = [
        _milliseconds(str(item.get("value")))
        for item in group
        if item.get("propertyName") == table.modified_name
        and item.get("operator") in ("GT", "GTE", "BETWEEN")
    ]
    return max((bound for bound in bounds if bound is not None), default=None)


def _says(read: Callable[[str], str | None], query: str) -> bool:
    return any(query in (read(name) or "").lower() for name in _SEARCHED)


def _fits(
    call: HubspotCall,
    table: ObjectTable,
    row: HubspotRecord,
    read: Callable[[str], str | None],
    item: JsonObject,
) -> bool:
    name = str(item["propertyName"])
    if name.startswith("associations."):
        return _associated(call, row, name.removeprefix("associations."), item)
    value = read(name) if table.definition(name) is not None else None
    return _compares(table, name, value, item)


def _associated(call: HubspotCall, row: HubspotRecord, name: str, item: JsonObject) -> bool:
    other = call.portal.table(name)
    linked = row.links.get(other.type_id, {}) if other is not None else {}
    match item["operator"]:
        case "HAS_PROPERTY":
            return bool(linked)
        case "NOT_HAS_PROPERTY":
            return not linked
        case "IN":
            return any(str(value) in linked for value in item.get("values") or ())
    return str(item.get("value")) in linked


def _compares(table: ObjectTable, name: str, value: str | None, item: JsonObject) -> bool:
    operator = item["operator"]
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return bool(value is None) == bool(operator == "NOT_HAS_PROPERTY")
    if operator in ("NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN"):
        positive = {"NEQ": "EQ", "NOT_IN": "IN", "NOT_CONTAINS_TOKEN": "CONTAINS_TOKEN"}
        return not _compares(table, name, value, {**item, "operator": positive[operator]})
    if value is None:
        return False
    if operator in _ORDERED:
        return _in_order(table, name, value, item)
    wanted = [str(part) for part in item.get("values") or [item.get("value")]]
    if operator == "CONTAINS_TOKEN":
        return wanted[0].strip("*").lower() in value.lower()
    return any(_equal(table, name, value, part, operator) for part in wanted)


def _equal(table: ObjectTable, name: str, value: str, wanted: str, operator: str) -> bool:
    definition = table.definition(name)
    kind = definition.type if definition is not None else "string"
    if kind in ("datetime", "date", "number"):
        return _number(value) == _number(wanted)
    if kind == "enumeration":
        return value == wanted
    # Texts of IN must be given in lower case; a text with capitals finds nothing.
    return value.lower() == (wanted if operator == "IN" else wanted.lower())


def _in_order(table: ObjectTable, name: str, value: str, item: JsonObject) -> bool:
    del table, name
    number, bound = _number(value), _number(str(item.get("value")))
    if number is None or bound is None:
        raise invalid(f"{item.get('value')} is no value to compare with")
    match item["operator"]:
        case "GT":
            return number > bound
        case "GTE":
            return number >= bound
        case "LT":
            return number < bound
        case "LTE":
            return number <= bound
    high = _number(str(item.get("highValue")))
    return high is not None and bound <= number <= high


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return _milliseconds(text)


def _milliseconds(text: str) -> int | None:
    try:
        if text.lstrip("-").isdigit():
            return epoch_ms(from_epoch_ms(int(text)))
        return epoch_ms(parse_iso(text))
    except ValueError:
        return None


def _sorted(
    table: ObjectTable,
    rows: list[tuple[HubspotRecord, Callable[[str], str | None]]],
    sorts: Any,
) -> list[tuple[HubspotRecord, Callable[[str], str | None]]]:
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid("Only one sort rule is allowed")
    if not sorts:
        return sorted(rows, key=lambda hit: (hit[0].created, int(hit[0].id)))
    rule = {"propertyName": sorts[0]} if isinstance(sorts[0], str) else sorts[0]
    name = str(rule.get("propertyName"))
    definition = table.definition(name)
    numeric = name == "hs_object_id" or (definition is not None and definition.type == "number")

    def key(hit: tuple[HubspotRecord, Callable[[str], str | None]]) -> tuple[float, str]:
        value = hit[1](name) or ""
        return (_number(value) or 0.0, "") if numeric else (0.0, value)

    return sorted(rows, key=key, reverse=rule.get("direction") == "DESCENDING")
