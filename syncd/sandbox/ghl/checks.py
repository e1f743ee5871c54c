"""The checks of the HighLevel API, with its own error texts.

Called by the gate and the handlers. The service validates against a whitelist: an unknown key
of a body or a query is refused. `message` is a list for 422 and a text otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.http import ApiError, JsonObject, Request, Response
from syncd.sandbox.timestamps import parse_iso

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

_NAMES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    422: "Unprocessable Entity",
}
SLOT_GONE = "The slot you have selected is no longer available."
NO_CALENDAR = "The calendar is not found"
EVENT_GONE = "The event id is invalid or it has already been deleted."
NOT_IN_TEAM = "The user id not part of calendar team."
NO_ASSIGNEE = "A team member needs to be selected. assignedUserId is missing"


def refusal(status: int, message: str | list[str], **more: Any) -> ApiError:
    """An error answer with the vendor's body."""
    body: JsonObject = {"statusCode": status, "message": message, **more}
    if status != 400:
        body["error"] = _NAMES[status]
    return ApiError(Response(status=status, payload=body))


def unprocessable(*messages: str) -> ApiError:
    """422: `message` is a list."""
    return refusal(422, list(messages))


def known_query(request: Request, allowed: Collection[str]) -> None:
    """Refuses query keys that the endpoint does not know."""
    unknown = [
        key for key in request.query if key not in allowed and key.rstrip("[]") not in allowed
    ]
    if unknown:
        raise unprocessable(*(f"property {key} should not exist" for key in unknown))


def body_of(request: Request, *, needed: bool = True) -> JsonObject:
    """The JSON object of a request."""
    try:
        body = request.json()
    except ValueError as error:
        raise refusal(400, f"Unexpected token in JSON: {error}") from error
    if body is None and needed:
        raise refusal(400, "Unexpected end of JSON input")
    if not isinstance(body, dict):
        raise refusal(400, "The body must be a JSON object")
    return body


def fields(
    body: JsonObject,
    types: Mapping[str, type | tuple[type, ...]],
    *,
    required: Collection[str] = (),
) -> None:
    """Refuses unknown keys, wrong types and missing keys, all in one 422."""
    problems = [f"property {key} should not exist" for key in body if key not in types]
    problems += [f"{key} should not be empty" for key in required if body.get(key) in (None, "")]
    for key, kind in types.items():
        value = body.get(key)
        # A null is as good as an absent key, unless the key is needed.
        wrong = key in required if value is None else not _is(value, kind)
        if key in body and wrong:
            problems.append(f"{key} must be a {_named(kind)}")
    if problems:
        raise unprocessable(*problems)


def moment(body: JsonObject, key: str, zone: ZoneInfo) -> datetime | None:
    """An ISO date and time of a body. One without an offset is taken as the location's."""
    if body.get(key) is None:
        return None
    try:
        return parse_iso(body[key], naive=zone)
    except ValueError as error:
        raise unprocessable(f"{key} must be a valid ISO 8601 date string") from error


def milliseconds(request: Request, key: str) -> int:
    """Epoch milliseconds of a query, as digits."""
    text = request.one(key)
    if text is None or text == "":
        raise unprocessable(f"{key} should not be empty", f"{key} must be a number string")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 14:
        raise unprocessable(f"{key} must be a number string")
    return int(text)


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool) and kind is not bool:
        return False
    return isinstance(value, kind)


def _named(kind: type | tuple[type, ...]) -> str:
    names = {str: "string", bool: "boolean value", list: "array", dict: "object"}
    first = kind[0] if isinstance(kind, tuple) else kind
    return names.get(first, "number")
