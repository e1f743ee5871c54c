"""The arguments of a HubSpot handler besides the request, and its reading of bodies.

Made by `api` once the gate let a request in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncd.sandbox.http import ApiError, JsonObject, Response
from syncd.sandbox.hubspot.errors import invalid
from syncd.sandbox.hubspot.records import APPOINTMENTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from syncd.sandbox.http import Request
    from syncd.sandbox.hubspot.portal import HubspotPortal
    from syncd.sandbox.hubspot.table import ObjectTable
    from syncd.sandbox.settings import SandboxSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class HubspotCall:
    """One admitted call: the account, the settings, the API version of the path."""

    portal: HubspotPortal
    settings: SandboxSettings
    version: str

    @property
    def dated(self) -> bool:
        """Whether the path is a dated one (2026-03), not v3 or v4."""
        return not self.version.startswith("v")

    @property
    def strict(self) -> bool:
        """Whether the vendor's description is held against the request."""
        return self.dated and self.settings.strict

    def table(self, name: str) -> ObjectTable:
        """The table of an object type of a path.

        Raises:
            ApiError: there is no such type, or appointments are not activated.
        """
        found = self.portal.table(name)
        if found is None:
            raise invalid(f"Unable to infer object type from: {name}")
        if found.type_id == APPOINTMENTS and not self.portal.activated:
            status = self.settings.not_activated_status
            body = {"status": "error", "message": "Object type 0-421 is not available"}
            category = "OBJECT_NOT_FOUND" if status == 404 else "MISSING_SCOPES"
            raise ApiError(Response(status=status, payload=body | {"category": category}))
        return found

    def body(
        self, request: Request, known: Collection[str], required: Collection[str] = ()
    ) -> JsonObject:
        """The JSON object of a request; on strict paths with these keys and no others."""
        try:
            body = request.json()
        except ValueError as error:
            raise invalid(f"Invalid input JSON on line 1, column 1: {error}") from error
        if not isinstance(body, dict):
            raise invalid("Invalid input JSON on line 1, column 1: an object is needed")
        self.keys(body, known, required)
        return body

    def keys(self, body: Any, known: Collection[str], required: Collection[str] = ()) -> None:
        """Holds the vendor's description against an object of a body."""
        if not isinstance(body, dict):
            raise invalid("Invalid input JSON: an object is needed")
        if not self.strict:
            return
        unknown = [key for key in body if key not in known]
        if unknown:
            raise invalid(f'Invalid input JSON: Unrecognized field "{unknown[0]}"')
        missing = [key for key in required if body.get(key) is None]
        if missing:
            raise invalid(f"Invalid input JSON: Some required fields were not set: {missing}")

    def query(self, request: Request, *known: str) -> None:
        """On strict paths, refuses query keys that the description does not know."""
        unknown = [key for key in request.query if key not in known]
        if unknown and self.strict:
            raise invalid(f"Unknown query parameter {unknown[0]}")


def texts(values: Any) -> dict[str, Any]:
    """The `properties` of a body: a map of texts; numbers, booleans and nulls are refused."""
    if not isinstance(values, dict):
        raise invalid("Invalid input JSON: properties must be an object")
    for name, value in values.items():
        if not isinstance(value, str):
            raise invalid(
                f"Invalid input JSON: Cannot deserialize value of type `java.lang.String` "
                f'from {type(value).__name__} value of "{name}"'
            )
    return values


def size(request: Request, default: int, most: int, name: str = "limit") -> int:
    """A page size of a query."""
    text = request.one(name)
    if text is None:
        return default
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise invalid(f"{name} must be between 1 and {most}, was {text}")
    return int(text)
