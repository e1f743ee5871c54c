"""The error bodies of the HubSpot API.

Called by the gate, the handlers and the batches. Details of validation errors come twice, as the
vendor sends them: as JSON inside the text of `message`, and as `errors`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncd.sandbox.http import ApiError, JsonObject, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

CORRELATION = "5f5a7d2e-0000-4000-8000-000000000000"
"""A fixed correlation id: two equal runs give equal bodies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why one property value was refused."""

    name: str
    code: str
    message: str

    def described(self) -> JsonObject:
        """As it stands inside the text of `message`."""
        return {
            "isValid": False,
            "message": self.message,
            "error": self.code,
            "name": self.name,
            "localizedErrorMessage": self.message,
        }

    def listed(self) -> JsonObject:
        """As it stands in `errors`."""
        return {
            "message": self.message,
            "code": self.code,
            "context": {"propertyName": [self.name]},
        }


def body(category: str, message: str, **more: Any) -> JsonObject:
    """An error body; None values are left out."""
    shown = {
        "status": "error",
        "message": message,
        "correlationId": CORRELATION,
        "category": category,
        **more,
    }
    return {key: value for key, value in shown.items() if value is not None}


def item(category: str, message: str, **more: Any) -> JsonObject:
    """One error of a batch: no correlation id, all keys of the vendor's StandardError."""
    shown: JsonObject = {
        "context": {},
        "links": {},
        "errors": [],
        **body(category, message, **more),
    }
    shown.pop("correlationId")
    return shown


def refusal(status: int, category: str, message: str, **more: Any) -> ApiError:
    """An error answer."""
    return ApiError(Response(status=status, payload=body(category, message, **more)))


def invalid(message: str, **more: Any) -> ApiError:
    """400 with the usual category."""
    return refusal(400, "VALIDATION_ERROR", message, **more)


def not_found(message: str = "resource not found", **more: Any) -> ApiError:
    """404 for a record."""
    return refusal(404, "OBJECT_NOT_FOUND", message, **more)


def invalid_values(problems: Iterable[Problem]) -> ApiError:
    """400 for property values."""
    problems = list(problems)
    text = json.dumps([problem.described() for problem in problems])
    return invalid(
        f"Property values were not valid: {text}",
        errors=[problem.listed() for problem in problems],
    )


def missing_scopes(scopes: Iterable[str]) -> ApiError:
    """403 for a token without the scope: another thing than a wrong token."""
    return refusal(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. "
        "Read more about required scopes here: https://developers.hubspot.com/scopes.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )
