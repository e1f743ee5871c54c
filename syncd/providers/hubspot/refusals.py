"""What HubSpot's refusals mean: which error, in which words, with which remedy.

The provider calls this for every answer that is not a 2xx, and for the errors
inside a batch. Pure. Leaves out what the shared client deals with itself:
429, 423, 477 and 5xx are waited out there.
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
    """The error that a refused request stands for."""
    found = problem(response.payload)
    said = words(found) or response.said
    where = f"{request.label}: {said}"
    if response.status == 401:
        return AuthFailed(
            f"HubSpot refuses the token ({said}); make a new one and set it in the link's "
            "[hubspot] section",
            side=Side.HUBSPOT,
        )
    if response.status == 403:
        return _forbidden(request, found, where)
    if response.status == 400 and _NO_OBJECT in (found.message or response.words).casefold():
        return NotPrepared(f"HubSpot does not know the object ({where}); {NOT_ACTIVATED}")
    if response.status == 404 and not _asks_for_one(request):
        return NotPrepared(f"HubSpot does not know the object ({where}); {NOT_ACTIVATED}")
    if response.status == 404:
        return NotFound(where, side=Side.HUBSPOT, status=404)
    return Rejected(where, side=Side.HUBSPOT, status=response.status)


def _forbidden(request: Request, found: Problem, where: str) -> SyncdError:
    """A missing scope is told apart from an object that is not activated."""
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
        # What may not be done with one contact says nothing about the others.
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
    """Whether it reads appointments or what they are like: one of the rest proves nothing."""
    reads = request.method == "GET" or request.path.endswith(("/search", "/batch/read"))
    return reads and request.path.startswith(_OBJECT_PATHS) and "/contacts" not in request.path


def _asks_for_one(request: Request) -> bool:
    """Whether the path ends in a record, a property or two records: a 404 is about those."""
    if request.method in {"PUT", "DELETE", "PATCH"}:
        return True
    parts = request.path.strip("/").split("/")
    return (
        request.method == "GET"
        and parts[:2]
        in (
            ["crm", "objects"],
            ["crm", "properties"],
        )
        and len(parts) == 5
    )


def words(found: Problem) -> str:
    """A problem for a person: HubSpot's words, its name for it, the id that its support asks for.

    What has not the look of a name or an id is left out: only `quoted` words
    may hold anything.
    """
    parts = [quoted(redacted(found.message))] if found.message else []
    if _CATEGORY.fullmatch(found.category):
        parts.append(found.category)
    if _CORRELATION.fullmatch(found.correlation_id):
        parts.append(f"correlation id {found.correlation_id}")
    return f"{parts[0]} ({', '.join(parts[1:])})" if parts[1:] else "".join(parts)


def of_row(found: Problem) -> ProviderError:
    """The error that one refused row of a batch stands for."""
    said = words(found) or "no reason given"
    if found.codes & _PASSING:
        return Unavailable(f"HubSpot could not take it just now: {said}", side=Side.HUBSPOT)
    if "OBJECT_NOT_FOUND" in found.codes:
        return Stale(f"HubSpot shows the record no more: {said}", side=Side.HUBSPOT)
    if lacks_a_value(found):
        lacking = [each for each in found.properties if _PROPERTY.fullmatch(each)]
        names = f" ({', '.join(lacking)})" if lacking else ""
        said = (
            f"{said}; no longer demand a value{names} in HubSpot, or map a field to the property "
            "under `map` in the link's configuration"
        )
    return Rejected(f"HubSpot refuses it: {said}", side=Side.HUBSPOT)


def unread(answer: Batch, wanted: Collection[str]) -> dict[str, ProviderError]:
    """Why rows of a batch read have no answer just now; most that have none do not exist."""
    return {
        each: of_row(found)
        for found in answer.problems
        if found.codes & _PASSING
        for each in found.ids
        if each in wanted
    }


def unique_value_taken(found: Problem) -> bool:
    """Whether another record holds the value that had to be unique."""
    return UNIQUE_VALUE_TAKEN in found.codes or UNIQUE_VALUE_TAKEN in found.message


def lacks_a_value(found: Problem) -> bool:
    """Whether the account demands a property that the record came without."""
    return bool(found.codes & {*_REQUIRED}) or "required propert" in found.message.casefold()


def wants_a_stage(found: Problem) -> bool:
    """Whether that may be a pipeline stage, as far as the refusal names it."""
    stage = {STAGE, PIPELINE}
    if not lacks_a_value(found):
        return STAGE in found.message and "required" in found.message.casefold()
    return not found.properties or bool(stage & {*found.properties})


def about_association(found: Problem) -> bool:
    """Whether it is the association made along with a record that is refused."""
    return any("ASSOCIATION" in code.upper() for code in found.codes) or (
        "association" in found.message.casefold()
    )


def of_request(found: Problem, error: Rejected) -> ProviderError:
    """The error of a refused batch, in the words of what it says; passing where it says so."""
    said = of_row(found)
    return error if isinstance(said, Rejected) and not words(found) else said
