"""The Webhooks Journal over HTTP: reading, subscriptions, files at a pre-signed address.

Called by `api` for what belongs to the app, not to an account; files by `app`, since they lie on
another host, which refuses whoever shows a token (a signed address is the credential).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syncd.sandbox.http import ApiError, JsonObject, Request, Response
from syncd.sandbox.hubspot.errors import invalid, not_found, refusal
from syncd.sandbox.timestamps import epoch_ms, iso_ms

if TYPE_CHECKING:
    from syncd.sandbox.hubspot.journal import Journal, JournalFile
    from syncd.sandbox.world import SandboxWorld

_VERSION = r"(?:2026-03|2026-09)"
_READ = re.compile(rf"^/webhooks-journal/journal/{_VERSION}/(.+)$")
_SUBSCRIPTIONS = re.compile(rf"^/webhooks-journal/subscriptions/{_VERSION}(?:/(.+))?$")
_NEEDED = {
    "OBJECT": ("actions", "objectIds", "objectTypeId", "portalId", "properties"),
    "ASSOCIATION": ("actions", "objectIds", "objectTypeId", "portalId", "associatedObjectTypeIds"),
    "GDPR_PRIVACY_DELETION": ("actions", "objectTypeId", "portalId"),
    "APP_LIFECYCLE_EVENT": ("eventTypeId", "properties"),
}
_BATCH = 100
_KEY = b"whoever has this address may read the file"


def handle(world: SandboxWorld, request: Request) -> Response:
    """The answer to a request below `/webhooks-journal`.

    Raises:
        ApiError: the answer is a refusal.
    """
    journal = world.announcer.journal
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind != "Bearer" or not journal.admits(token):
        raise refusal(401, "INVALID_AUTHENTICATION", "The OAuth token used to make this call")
    if (found := _READ.match(request.path)) and request.method == "GET":
        return _read(world, journal, request, found[1].split("/"))
    if found := _SUBSCRIPTIONS.match(request.path):
        return _subscriptions(journal, request, (found[1] or "").strip("/"))
    raise not_found(f"Resource not found: {request.method} {request.path}")


def serve_file(world: SandboxWorld, request: Request) -> Response:
    """GET of a file: 400 with a token, 403 where the address has expired or is made up."""
    if "authorization" in request.headers:
        return Response(status=400, text="<Error><Code>InvalidArgument</Code></Error>")
    offset = request.path.strip("/")
    expires = request.one("Expires", "0") or "0"
    if not hmac.compare_digest(request.one("Signature") or "", _signature(offset, expires)):
        return Response(status=403, text="<Error><Code>SignatureDoesNotMatch</Code></Error>")
    if not expires.isdigit() or epoch_ms(world.now()) > int(expires):
        return Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
    files = world.announcer.journal.files()
    found = next((each for each in files if each.offset == offset), None)
    if found is None:
        return Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
    return Response(payload=found.shown())


def _read(world: SandboxWorld, journal: Journal, request: Request, parts: list[str]) -> Response:
    kept = journal.files()
    found: JournalFile | str | None
    match parts:
        case ["earliest"]:
            found = kept[0] if kept else None
        case ["latest"]:
            found = kept[-1] if kept else None
        case ["offset", offset, "next"]:
            found = journal.after(offset)
        case ["batch", "earliest", count]:
            return _batch(world, request, kept[: _count(count)])
        case ["batch", "latest", count]:
            return _batch(world, request, kept[-_count(count) :])
        case ["batch", offset, "next", count]:
            found = journal.after(offset)
            if found is not None and not isinstance(found, str):
                first = kept.index(found)
                return _batch(world, request, kept[first : first + _count(count)])
        case _:
            raise not_found()
    if found is None or found in ("204", "earliest"):
        return _nothing(journal)
    if found == "404":
        raise not_found("Journal entry not found")
    if isinstance(found, str):
        raise invalid("Invalid offset")
    return Response(payload=_pointer(world, request, found))


def _nothing(journal: Journal) -> Response:
    match journal.rules.nothing:
        case "204":
            return Response(status=204)
        case "empty":
            return Response(status=200, text="")
        case _:
            raise not_found("No journal entry")


def _batch(world: SandboxWorld, request: Request, files: list[JournalFile]) -> Response:
    if not files:
        return _nothing(world.announcer.journal)
    now = iso_ms(world.now())
    results = [_pointer(world, request, each) for each in files]
    return Response(
        payload={"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    )


def _pointer(world: SandboxWorld, request: Request, file: JournalFile) -> JsonObject:
    ends = world.now() + timedelta(seconds=world.announcer.journal.rules.url_seconds)
    expires = str(epoch_ms(ends))
    host = request.headers.get("host", "sandbox.test")
    signed = f"Expires={expires}&Signature={_signature(file.offset, expires)}"
    return {
        "url": f"http://{host}/files/{file.offset}?{signed}",
        "expiresAt": iso_ms(ends),
        "currentOffset": file.offset,
    }


def _signature(offset: str, expires: str) -> str:
    return hmac.new(_KEY, f"{offset} {expires}".encode(), hashlib.sha256).hexdigest()


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _BATCH:
        raise invalid(f"count must be between 1 and {_BATCH}, was {text}")
    return int(text)


def _subscriptions(journal: Journal, request: Request, rest: str) -> Response:
    if not rest and request.method == "GET":
        return Response(payload={"results": list(journal.subscriptions.values())})
    if not rest and request.method == "POST":
        return Response(payload=journal.subscribe(_asked(journal, request)))
    if request.method != "DELETE":
        raise not_found()
    whole = rest.removeprefix("portals/")
    if whole != rest:
        gone = [key for key, row in journal.subscriptions.items() if str(row["portalId"]) == whole]
    else:
        gone = [key for key in journal.subscriptions if str(key) == rest]
        if not gone:
            raise not_found()
    for key in gone:
        del journal.subscriptions[key]
    return Response(status=204)


def _asked(journal: Journal, request: Request) -> JsonObject:
    body: Any = request.json()
    if not isinstance(body, dict) or body.get("subscriptionType") not in _NEEDED:
        raise invalid("Invalid input JSON: subscriptionType")
    missing = [key for key in _NEEDED[body["subscriptionType"]] if body.get(key) is None]
    if missing:
        raise invalid(f"Invalid input JSON: Some required fields were not set: {missing}")
    if "portalId" in body and body["portalId"] not in journal.portals:
        raise ApiError(Response(status=403, payload={"status": "error", "category": "BANNED"}))
    if body.get("objectTypeId") in journal.rules.refused:
        raise invalid(f"Object type {body['objectTypeId']} is not supported")
    return body
