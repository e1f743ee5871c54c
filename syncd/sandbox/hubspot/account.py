"""The HubSpot endpoints of owners, pipelines, activation and the account itself.

Routed by `api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.http import Response
from syncd.sandbox.hubspot import wire
from syncd.sandbox.hubspot.call import size
from syncd.sandbox.hubspot.errors import not_found
from syncd.sandbox.hubspot.records import APPOINTMENTS
from syncd.sandbox.limits import PORTAL_ZONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import Request
    from syncd.sandbox.hubspot.call import HubspotCall
    from syncd.sandbox.hubspot.records import Pipeline


def list_owners(call: HubspotCall, request: Request, _: Mapping[str, str]) -> Response:
    """GET /owners: deactivated ones only with `archived=true`."""
    call.query(request, "email", "limit", "after", "archived")
    limit = size(request, 100, 500)
    archived = request.flag("archived")
    email = (request.one("email") or "").lower()
    rows = [
        row
        for row in call.portal.owners.values()
        if row.archived == archived and (not email or (row.email or "").lower() == email)
    ]
    rows = [row for row in rows if int(row.id) >= int(request.one("after") or 0)]
    shown = [wire.owner(row) for row in rows[:limit]]
    following = rows[limit].id if len(rows) > limit else None
    return Response(payload=wire.page(shown, following))


def get_owner(call: HubspotCall, request: Request, names: Mapping[str, str]) -> Response:
    """GET /owners/{id}: by id, or by the user's id."""
    call.query(request, "idProperty", "archived")
    by_user = request.one("idProperty") == "userId"
    archived = request.flag("archived")
    for row in call.portal.owners.values():
        key = str(row.user_id) if by_user else row.id
        if key == names["id"] and row.archived == archived:
            return Response(payload=wire.owner(row))
    raise not_found()


def list_pipelines(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /pipelines/{type}."""
    rows = call.portal.pipelines[call.table(names["type"]).type_id]
    return Response(payload={"results": [wire.pipeline(row) for row in rows]})


def get_pipeline(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /pipelines/{type}/{id}."""
    return Response(payload=wire.pipeline(_pipeline(call, names)))


def list_stages(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /pipelines/{type}/{id}/stages."""
    row = _pipeline(call, names)
    stages = [wire.stage(number, row) for number in range(len(row.stages))]
    return Response(payload={"results": stages})


def enablement(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /object-library/enablement/{type}: readable, not writable."""
    active = call.portal.activated if names["type"] == APPOINTMENTS else names["type"] == "0-1"
    return Response(payload={"enablement": active})


def enablements(call: HubspotCall, _: Request, __: Mapping[str, str]) -> Response:
    """GET /object-library/enablement: a map of type ids."""
    shown = {"0-1": True, APPOINTMENTS: call.portal.activated}
    return Response(payload={"enablementByObjectTypeId": shown})


def validations(_: HubspotCall, __: Request, ___: Mapping[str, str]) -> Response:
    """GET /property-validations/{type}: this account has no rules."""
    return Response(payload={"results": []})


def schema(call: HubspotCall, _: Request, names: Mapping[str, str]) -> Response:
    """GET /crm-object-schemas/{version}/schemas/{type}."""
    table = call.table(names["type"])
    required = call.portal.required_of_contacts if table.is_contacts else call.portal.required
    return Response(
        payload={
            "id": table.type_id,
            "objectTypeId": table.type_id,
            "name": table.singular.upper(),
            "fullyQualifiedName": table.singular.upper(),
            "labels": {"singular": table.singular, "plural": table.plural},
            "requiredProperties": sorted(required),
            "searchableProperties": [],
            "properties": [],
            "associations": [],
            "archived": False,
        }
    )


def details(call: HubspotCall, _: Request, __: Mapping[str, str]) -> Response:
    """GET /account-info/details."""
    return Response(
        payload={
            "portalId": call.portal.portal_id,
            "accountType": "DEVELOPER_TEST",
            "timeZone": str(PORTAL_ZONE),
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": "+01:00",
            "utcOffsetMilliseconds": 3_600_000,
            "uiDomain": "app.hubspot.example",
            "dataHostingLocation": "eu1",
        }
    )


def _pipeline(call: HubspotCall, names: Mapping[str, str]) -> Pipeline:
    for row in call.portal.pipelines[call.table(names["type"]).type_id]:
        if row.id == names["id"]:
            return row
    raise not_found()
