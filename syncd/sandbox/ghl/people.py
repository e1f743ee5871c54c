"""The HighLevel endpoints of contacts: get, create, update, upsert, delete, search.

Routed by `api`. The traps of upsert are kept: tags are replaced, another contact's number
is dropped without an error, a secondary address is promoted and the first lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.ghl import wire
from syncd.sandbox.ghl.checks import body_of, fields, known_query, refusal, unprocessable
from syncd.sandbox.ghl.filters import matches
from syncd.sandbox.timestamps import epoch_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.ghl.call import GhlCall
    from syncd.sandbox.ghl.records import GhlContact
    from syncd.sandbox.http import JsonObject, Request, Response

_UPDATE_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(
        (
            *("firstName", "lastName", "name", "email", "phone", "address1", "city", "state"),
            *("postalCode", "website", "timezone", "source", "dateOfBirth", "country"),
            *("companyName", "assignedTo", "gender"),
        ),
        str,
    ),
    "dnd": bool,
    **dict.fromkeys(("dndSettings", "inboundDndSettings"), dict),
    **dict.fromkeys(("tags", "customFields"), list),
}
_CREATE_TYPES = {**_UPDATE_TYPES, "locationId": str}
_UPSERT_TYPES = {**_CREATE_TYPES, "createNewIfDuplicateAllowed": bool}
_SEARCH_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "locationId": str,
    "query": str,
    "page": int,
    "pageLimit": int,
    "filters": list,
    "sort": list,
    "searchAfter": list,
}


def get_contact(call: GhlCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /contacts/{id}."""
    return call.answer({"contact": wire.contact(call.location, _known(call, names["contact"]))})


def create_contact(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """POST /contacts/: refuses a duplicate where the location does not allow them."""
    body = body_of(request)
    fields(body, _CREATE_TYPES, required=("locationId",))
    call.own(body.pop("locationId"))
    if not call.location.allow_duplicate_contacts:
        twin, field = _duplicate(call, body)
        if twin is not None:
            meta = {"contactId": twin.id, "contactName": twin.name, "matchingField": field}
            raise refusal(400, "This location does not allow duplicated contacts.", meta=meta)
    row = call.location.contacts.add(_given(body))
    return call.answer({"contact": wire.contact(call.location, row)}, 201)


def update_contact(call: GhlCall, request: Request, names: Mapping[str, str]) -> Response:
    """PUT /contacts/{id}."""
    body = body_of(request)
    fields(body, _UPDATE_TYPES)
    row = _known(call, names["contact"])
    call.location.contacts.change(row, body)
    return call.answer(_succeeded(call, "contact", wire.contact(call.location, row)))


def upsert_contact(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """POST /contacts/upsert."""
    body = body_of(request)
    fields(body, _UPSERT_TYPES, required=("locationId",))
    call.own(body.pop("locationId"))
    fresh = body.pop("createNewIfDuplicateAllowed", False)
    twin, field = _duplicate(call, body)
    if fresh and call.location.allow_duplicate_contacts:
        twin = None
    new = twin is None
    if twin is None:
        twin = call.location.contacts.add(_given(body))
    else:
        call.location.contacts.change(twin, _upserted(call, body, twin, field))
    shown = {"contact": wire.contact(call.location, twin), "succeded": True, "succeeded": True}
    return call.answer({"new": new, **shown})


def delete_contact(call: GhlCall, _: Request, names: Mapping[str, str]) -> Response:
    """DELETE /contacts/{id}: its appointments are orphans from now on."""
    _known(call, names["contact"])
    call.location.delete_contact(names["contact"])
    return call.answer(_succeeded(call))


def find_duplicate(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /contacts/search/duplicate: `contact` may be null; immediate, unlike search."""
    known_query(request, ("locationId", "email", "number"))
    call.own_query(request)
    email, number = request.one("email"), request.one("number")
    if not email and not number:
        raise unprocessable("email or number is required")
    # A plus that was not percent-encoded arrives as a blank.
    found, field = _duplicate(call, {"email": email, "phone": number})
    shown = None if found is None else wire.contact(call.location, found)
    # `matchingField` was seen to say contactId for a look-up by e-mail.
    return call.answer({"contact": shown, "matchingField": "contactId" if field else None})


def search_contacts(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """POST /contacts/search: from an index that lags behind."""
    body = body_of(request)
    fields(body, _SEARCH_TYPES, required=("locationId", "pageLimit"))
    call.own(body["locationId"])
    size = body["pageLimit"]
    if not 1 <= size <= 500:
        raise unprocessable("pageLimit must not be greater than 500")
    hits = [row for row in call.location.contacts.indexed() if matches(row, body)]
    hits.sort(key=lambda row: (row.added, row.id))
    total = len(hits)
    if body.get("searchAfter"):
        added, key = body["searchAfter"]
        hits = [row for row in hits if (epoch_ms(row.added), row.id) > (int(added), key)]
    elif body.get("page"):
        hits = hits[(body["page"] - 1) * size :]
    shown = [wire.contact_hit(call.location, row) for row in hits[:size]]
    return call.answer({"contacts": shown, "total": total})


def list_contacts(call: GhlCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /contacts/: deprecated, and gone where the `Version` is v3."""
    known_query(request, ("locationId", "startAfterId", "startAfter", "query", "limit"))
    call.own_query(request)
    size = int(request.one("limit") or 20)
    after = (int(request.one("startAfter") or 0), request.one("startAfterId") or "")
    rows = sorted(call.location.contacts, key=lambda row: (row.added, row.id))
    rest = [row for row in rows if (epoch_ms(row.added), row.id) > after]
    shown = [wire.contact(call.location, row) for row in rest[:size]]
    return call.answer({"contacts": shown, "count": len(rows)})


def _known(call: GhlCall, contact: str) -> GhlContact:
    row = call.location.contacts.get(contact)
    if row is None:
        raise refusal(400, "Contact not found")
    return row


def _given(body: JsonObject) -> JsonObject:
    return {"source": "public api", **{key: value for key, value in body.items() if value}}


def _duplicate(call: GhlCall, body: Mapping[str, Any]) -> tuple[GhlContact | None, str | None]:
    book = call.location.contacts
    for field in call.world.settings.contact_priority:
        value = body.get(field)
        found = (
            (book.by_email(value) if field == "email" else book.by_phone(value)) if value else []
        )
        if found:
            return found[0], field
    return None, None


def _upserted(call: GhlCall, body: JsonObject, twin: GhlContact, field: str | None) -> JsonObject:
    changes = dict(body)
    book = call.location.contacts
    changes.pop("gender", None)
    if field == "email" and any(row.id != twin.id for row in book.by_phone(body.get("phone"))):
        changes.pop("phone")
    if field == "phone" and any(row.id != twin.id for row in book.by_email(body.get("email"))):
        changes.pop("email")
    email = changes.get("email")
    if email and email.lower() in [other.lower() for other in twin.additional_emails]:
        others = [other for other in twin.additional_emails if other.lower() != email.lower()]
        changes["additionalEmails"] = others
    return changes


def _succeeded(call: GhlCall, key: str | None = None, value: Any = None) -> JsonObject:
    flags = {"succeded": True} if call.version != "v3" else {"succeded": True, "succeeded": True}
    return flags if key is None else {**flags, key: value}
