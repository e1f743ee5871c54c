"""HubSpot's search: from an index that may lag behind, with the vendor's limits.

Routed by `api`. At most 5 groups of 6 filters, 18 in all, one sort rule, 200 rows a page, 10,000
in all. Archived records never appear.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, TypeAlias

from syncd.sandbox.http import Response
from syncd.sandbox.hubspot import wire
from syncd.sandbox.hubspot.errors import invalid
from syncd.sandbox.hubspot.table import Indexed, Kept, as_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syncd.sandbox.http import JsonObject, Request
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.records import HubspotRecord
    from syncd.sandbox.hubspot.table import ObjectTable

Test: TypeAlias = "Callable[[Indexed], bool]"
"""Whether the index shows a row that fits."""

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
        wire.record(table, hit.row, body.get("properties") or (), value=hit.text)
        for hit in rows[first : first + limit]
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
) -> list[Indexed]:
    """The rows of the index that match any group, by id.

    Paging after the last id repeats one query: its result is kept until a row changes.
    """
    rest, behind = _behind(groups)
    now = table.stamp() if call.settings.search_lag else None
    asked = json.dumps([rest, query])
    key = (table.version, now, asked, *sorted(table.definitions))
    # An association changes no row.
    if table.kept is None or table.kept.key != key or "associations." in asked:
        rows = _fitting(call, table, rest, query)
        table.kept = Kept(key=key, rows=rows, ids=[int(hit.row.id) for hit in rows])
    first = 0 if behind is None else bisect_right(table.kept.ids, behind)
    return table.kept.rows[first:]


def _behind(groups: list[list[JsonObject]]) -> tuple[list[list[JsonObject]], float | None]:
    """The groups without the id that all their hits lie behind, and that id."""
    parts = [_split(group) for group in groups]
    bounds = {bound for _, bound in parts}
    if len(bounds) != 1 or None in bounds:
        return groups, None
    return [rest for rest, _ in parts], bounds.pop()


def _split(group: list[JsonObject]) -> tuple[list[JsonObject], float | None]:
    bounds = [
        (item, bound)
        for item in group
        if item.get("propertyName") == "hs_object_id"
        and item.get("operator") == "GT"
        and (bound := as_number(str(item.get("value")))) is not None
    ]
    if len(bounds) != 1:
        return group, None
    return [item for item in group if item is not bounds[0][0]], bounds[0][1]


def _fitting(
    call: HubspotCall, table: ObjectTable, groups: list[list[JsonObject]], query: str
) -> list[Indexed]:
    tests = [[_test(call, table, item) for item in group] for group in groups]
    hits = []
    for row in _candidates(table, groups):
        seen = None if row.archived else table.indexed(row)
        if seen is None or (query and not _says(seen, query.lower())):
            continue
        if not tests or any(all(fits(seen) for fits in group) for group in tests):
            hits.append(seen)
    return hits


def _candidates(table: ObjectTable, groups: list[list[JsonObject]]) -> Iterable[HubspotRecord]:
    """All rows, or those written since the earliest stamp that every group asks for; by id.

    Every write of a row is in `by_change`, so an index that lags behind finds its older ones.
    """
    bounds = [_earliest(table, group) for group in groups]
    known = [bound for bound in bounds if bound is not None]
    if not bounds or len(known) != len(bounds):
        return table.after(None)
    first = bisect_left(table.by_change, (min(known), 0))
    ids = sorted({number for _, number in table.by_change[first:]})
    return [table.rows[str(number)] for number in ids if str(number) in table.rows]


def _earliest(table: ObjectTable, group: list[JsonObject]) -> float | None:
    bounds = [
        as_number(str(item.get("value")))
        for item in group
        if item.get("propertyName") == table.modified_name
        and item.get("operator") in ("GT", "GTE", "BETWEEN")
    ]
    return max((bound for bound in bounds if bound is not None), default=None)


def _says(seen: Indexed, query: str) -> bool:
    return any(query in (seen.text(name) or "").lower() for name in _SEARCHED)


def _test(call: HubspotCall, table: ObjectTable, item: JsonObject) -> Test:
    """What a filter asks of a row; its own values are read once and not for every row."""
    name, operator = str(item["propertyName"]), item["operator"]
    if name.startswith("associations."):
        kind = name.removeprefix("associations.")
        return lambda seen: _associated(call, seen.row, kind, item)
    opposite = {"NEQ": "EQ", "NOT_IN": "IN", "NOT_CONTAINS_TOKEN": "CONTAINS_TOKEN"}
    if operator in opposite:
        positive = _test(call, table, {**item, "operator": opposite[operator]})
        return lambda seen: not positive(seen)
    if table.definition(name) is None:
        return lambda _: bool(operator == "NOT_HAS_PROPERTY")
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        wanted = operator == "HAS_PROPERTY"
        return lambda seen: (seen.text(name) is not None) == wanted
    if operator in _ORDERED:
        return _in_order(name, item)
    return _equal(table, name, item)


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


def _equal(table: ObjectTable, name: str, item: JsonObject) -> Test:
    wanted = [str(part) for part in item.get("values") or [item.get("value")]]
    definition = table.definition(name)
    kind = definition.type if definition is not None else "string"
    if item["operator"] == "CONTAINS_TOKEN":
        token = wanted[0].strip("*").lower()
        return lambda seen: token in _folded(seen, name)
    if kind in ("datetime", "date", "number"):
        numbers = {as_number(part) for part in wanted} - {None}
        return lambda seen: seen.number(name) in numbers
    if kind == "enumeration":
        return lambda seen: seen.text(name) in wanted
    # Texts of IN must be given in lower case; a text with capitals finds nothing.
    texts = set(wanted if item["operator"] == "IN" else map(str.lower, wanted))
    return lambda seen: _folded(seen, name) in texts


def _folded(seen: Indexed, name: str) -> str:
    # A row without the value holds no text at all, not even an empty one.
    text = seen.text(name)
    return "\0" if text is None else text.lower()


def _in_order(name: str, item: JsonObject) -> Test:
    low = as_number(str(item.get("value")))
    high = as_number(str(item.get("highValue")))
    if low is None:
        raise invalid(f"{item.get('value')} is no value to compare with")
    compare: dict[str, Callable[[float], bool]] = {
        "GT": lambda number: number > low,
        "GTE": lambda number: number >= low,
        "LT": lambda number: number < low,
        "LTE": lambda number: number <= low,
        "BETWEEN": lambda number: high is not None and low <= number <= high,
    }
    holds = compare[item["operator"]]

    def fits(seen: Indexed) -> bool:
        number = seen.number(name)
        return number is not None and holds(number)

    return fits


def _sorted(table: ObjectTable, rows: list[Indexed], sorts: Any) -> list[Indexed]:
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid("Only one sort rule is allowed")
    if not sorts:
        return sorted(rows, key=lambda hit: (hit.row.created, int(hit.row.id)))
    rule = {"propertyName": sorts[0]} if isinstance(sorts[0], str) else sorts[0]
    name = str(rule.get("propertyName"))
    descending = rule.get("direction") == "DESCENDING"
    definition = table.definition(name)
    if name == "hs_object_id":
        return rows[::-1] if descending else rows  # they come by id
    if definition is not None and definition.type == "number":
        return sorted(rows, key=lambda hit: hit.number(name) or 0.0, reverse=descending)
    return sorted(rows, key=lambda hit: hit.text(name) or "", reverse=descending)
