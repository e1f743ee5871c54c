"""HubSpot's refusals as errors, with their text and remedy. Pure.

The other modules call this for every answer that is no 2xx, and for the errors
inside a batch. Leaves out what the shared client retries itself: 429, 423, 477
and 5xx.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from syncd.core.model import Side
from syncd.errors import (
    AuthFailed,
    NotFound,
    NotPrepared,
    ProviderError,
    Rejected,
    Stale,
    SyncdError,
    Unavailable,
    quoted,
)
from syncd.providers.hubspot.mapping import PIPELINE, STAGE
from syncd.providers.hubspot.wire import Batch, Problem, problem
from syncd.providers.message import Request, Response, redacted

UNIQUE_VALUE_TAKEN = "CONFLICTING_UNIQUE_VALUE"
NOT_ACTIVATED = (
    "activate appointments in HubSpot (Settings > Data Management > Data Model, "
    "or the object library), then run `syncd doctor`"
)
_NO_OBJECT = "infer object type"
_PASSING = frozenset({"RATE_LIMIT", "RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"})
_OBJECT_PATHS = ("/crm/objects/", "/crm/properties/", "/crm/object-library/", "/crm/pipelines/")
_CATEGORY = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
_CORRELATION = re.compile(r"(?=.*\d)[0-9A-Za-z-]{4,64}")
_SCOPE = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_PROPERTY = re.compile(r"[a-z][a-z0-9_]*")
_REQUIRED = ("MISSING_REQUIRED_PROPERTY", "MISSING_CONDITIONAL_REQUIRED_PROPERTY")


def refusal(request: Request, response: Response) -> SyncdError:
    """The error of a refused request."""
    found = problem(response.payload)
    text = describe(found) or response.summary
    where = f"{request.label}: {text}"
    if response.status == 401:
        return AuthFailed(
            f"HubSpot refuses the token ({text}); make a new one and set it in the link's "
            "[hubspot] section",
            side=Side.HUBSPOT,
        )
    if response.status == 403:
        return _forbidden(request, found, where)
    if response.status == 400 and _NO_OBJECT in (found.message or response.message).casefold():
        return NotPrepared(f"HubSpot does not know the object ({where}); {NOT_ACTIVATED}")
    if response.status == 404 and not _asks_for_one(request):
        return NotPrepared(f"HubSpot does not know the object ({where}); {NOT_ACTIVATED}")
    if response.status == 404:
        return NotFound(where, side=Side.HUBSPOT, status=404)
    return Rejected(f"{where}{_demanded(found)}", side=Side.HUBSPOT, status=response.status)


def _forbidden(request: Request, found: Problem, where: str) -> SyncdError:
    """Distinguish a missing scope from an object that is not activated."""
    if found.scopes or "MISSING_SCOPES" in found.codes or "scope" in found.message.casefold():
        scopes = (
            ", ".join(each for each in found.scopes if _SCOPE.fullmatch(each))
            or "those that the documentation lists"
        )
        return AuthFailed(
            f"the HubSpot token lacks a scope for {request.label}; grant it one of: {scopes}",
            side=Side.HUBSPOT,
            status=403,
            missing_scope=True,
        )
    if "/associations/" in request.path and request.method in {"PUT", "DELETE"}:
        # A refusal for one contact does not concern the others.
        return Rejected(
            f"HubSpot does not allow the association ({where}); check that the token may write "
            "contacts and appointments, and who may see this contact",
            side=Side.HUBSPOT,
            status=403,
        )
    if _would_show_the_object(request):
        return NotPrepared(f"HubSpot does not open the object ({where}); {NOT_ACTIVATED}")
    return AuthFailed(
        f"HubSpot does not allow it ({where}); check what the token may do",
        side=Side.HUBSPOT,
        status=403,
    )


def _would_show_the_object(request: Request) -> bool:
    """Whether it reads appointments or their definitions: a refused write proves nothing."""
    reads = request.method == "GET" or request.path.endswith(("/search", "/batch/read"))
    return reads and request.path.startswith(_OBJECT_PATHS) and "/contacts" not in request.path


def _asks_for_one(request: Request) -> bool:
    """Whether the path ends in a record, a property or two records: a 404 means these."""
    if request.method in {"PUT", "DELETE", "PATCH"}:
        return True
    parts = request.path.strip("/").split("/")
    return (
        request.method == "GET"
        and parts[:2] in (["crm", "objects"], ["crm", "properties"])
        and len(parts) == 5
    )


def describe(found: Problem) -> str:
    """A problem for a person: HubSpot's text, its category, and the id for its support.

    A category or an id in an unexpected form is left out: only `quoted` text
    may contain anything.
    """
    parts = [quoted(redacted(found.message))] if found.message else []
    if _CATEGORY.fullmatch(found.category):
        parts.append(found.category)
    if _CORRELATION.fullmatch(found.correlation_id):
        parts.append(f"correlation id {found.correlation_id}")
    return f"{parts[0]} ({', '.join(parts[1:])})" if parts[1:] else "".join(parts)


def explain(found: Problem) -> str:
    """A problem of an appointment's values for a person, with the remedy where it lacks one."""
    remedy = _demanded(found)
    more = ", or map a field to the property under `map` in the link's configuration"
    return f"{describe(found)}{remedy}{more}" if remedy else describe(found)


def _demanded(found: Problem) -> str:
    """What to do about a value that the account demands, by the names of the properties."""
    if not lacks_a_value(found):
        return ""
    lacking = [each for each in found.properties if _PROPERTY.fullmatch(each)]
    names = f" ({', '.join(lacking)})" if lacking else ""
    return f"; no longer demand a value{names} in HubSpot"


def of_row(found: Problem) -> ProviderError:
    """The error of one refused row of a batch."""
    text = explain(found) or "no reason given"
    if found.codes & _PASSING:
        return Unavailable(f"HubSpot could not take it just now: {text}", side=Side.HUBSPOT)
    if "OBJECT_NOT_FOUND" in found.codes:
        return Stale(f"HubSpot shows the record no more: {text}", side=Side.HUBSPOT)
    return Rejected(f"HubSpot refuses it: {text}", side=Side.HUBSPOT)


def unread(answer: Batch, wanted: Collection[str]) -> dict[str, ProviderError]:
    """Errors of rows that may be readable later; most rows without a record do not exist."""
    return {
        each: of_row(found)
        for found in answer.problems
        if found.codes & _PASSING
        for each in found.ids
        if each in wanted
    }


def unique_value_taken(found: Problem) -> bool:
    """Whether another record holds the unique value."""
    return UNIQUE_VALUE_TAKEN in found.codes or UNIQUE_VALUE_TAKEN in found.message


def lacks_a_value(found: Problem) -> bool:
    """Whether the account requires a property that the record lacks."""
    return bool(found.codes & {*_REQUIRED}) or "required propert" in found.message.casefold()


def wants_a_stage(found: Problem) -> bool:
    """Whether the missing value may be a pipeline stage."""
    stage = {STAGE, PIPELINE}
    if not lacks_a_value(found):
        return STAGE in found.message and "required" in found.message.casefold()
    return not found.properties or bool(stage & {*found.properties})


def about_association(found: Problem) -> bool:
    """Whether the association that is sent with a record is refused."""
    return any("ASSOCIATION" in code.upper() for code in found.codes) or (
        "association" in found.message.casefold()
    )


def of_request(found: Problem, error: Rejected) -> ProviderError:
    """The error of a refused batch; a passing one where the refusal says so."""
    described = of_row(found)
    return error if isinstance(described, Rejected) and not describe(found) else described
