"""The filters of HighLevel's contact search.

Called by `people.search_contacts`. Understood: `query`, and `filters` with the operators eq,
not_eq, contains, exists, not_exists and range (an object with gte, lte, gt, lt), nested in AND
and OR groups. Anything else is refused, as the service refuses a flat `gte`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.ghl.checks import unprocessable
from syncd.sandbox.timestamps import epoch_ms, parse_iso

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from syncd.sandbox.ghl.records import GhlContact


def matches(row: GhlContact, body: Mapping[str, Any]) -> bool:
    """Whether a contact, as the index shows it, is one of those that a body asks for."""
    query = (body.get("query") or "").lower()
    if query and not any(query in str(value).lower() for value in _searched(row) if value):
        return False
    return all(_one(row, item) for item in body.get("filters") or ())


def _searched(row: GhlContact) -> list[str | None]:
    return [row.name, row.email, row.phone, *row.additional_emails]


def _one(row: GhlContact, item: Any) -> bool:
    if not isinstance(item, dict):
        raise unprocessable("filters must contain objects")
    if "group" in item:
        parts = [_one(row, part) for part in item.get("filters") or ()]
        return any(parts) if item["group"] == "OR" else all(parts)
    return _compare(item.get("operator"), _value(row, item.get("field")), item.get("value"))


def _value(row: GhlContact, field: Any) -> Any:
    known = {
        "id": row.id,
        "email": row.email,
        "phone": row.phone,
        "firstName": row.first_name,
        "lastName": row.last_name,
        "firstNameLowerCase": row.first_name.lower(),
        "lastNameLowerCase": row.last_name.lower(),
        "contactName": row.name,
        "dateAdded": row.added,
        "dateUpdated": row.updated,
        "tags": row.tags,
        "additionalEmails": row.additional_emails,
    }
    if field not in known:
        raise unprocessable(f"Invalid field {field} in filters")
    return known[field]


def _compare(operator: Any, value: Any, wanted: Any) -> bool:
    match operator:
        case "eq":
            return _same(value, wanted)
        case "not_eq":
            return not _same(value, wanted)
        case "contains":
            return str(wanted).lower() in str(value or "").lower()
        case "exists":
            return bool(value)
        case "not_exists":
            return not value
        case "range" if isinstance(wanted, dict):
            return _in_range(value, wanted)
    raise unprocessable(f"Invalid operator {operator} in filters")


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, list):
        return wanted in value
    return str(value or "").lower() == str(wanted).lower()


def _in_range(value: datetime, wanted: Mapping[str, Any]) -> bool:
    moment = epoch_ms(value)
    tests = {
        "gte": lambda bound: moment >= bound,
        "gt": lambda bound: moment > bound,
        "lte": lambda bound: moment <= bound,
        "lt": lambda bound: moment < bound,
    }
    return all(tests[key](_bound(bound)) for key, bound in wanted.items() if key in tests)


def _bound(value: Any) -> int:
    if isinstance(value, str) and not value.isdigit():
        return epoch_ms(parse_iso(value))
    return int(value)
