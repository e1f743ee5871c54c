"""The HubSpot API: its gate (token, scope), its versions, and its table of routes.

Called by `app`, which has logged and metered the request before. The table is written for
`/objects/{type}` and so on; a version stands before it (`/crm/v3/objects`) or within it
(`/crm/objects/2026-03`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from syncd.sandbox.http import Route, Router
from syncd.sandbox.hubspot import (
    account,
    associations,
    batch,
    journal_api,
    objects,
    properties,
    search,
)
from syncd.sandbox.hubspot.call import HubspotCall
from syncd.sandbox.hubspot.errors import missing_scopes, not_found, refusal
from syncd.sandbox.hubspot.records import APPOINTMENTS
from syncd.sandbox.oauth import hubspot as oauth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import Request, Response
    from syncd.sandbox.world import SandboxWorld

_O = "/objects/{type}"
_L = "/objects/{type}/{id}/associations"
_A = "/associations/{from}/{to}"
_P = "/properties/{type}"
_READ = ("crm.objects.{kind}.read",)
_WRITE = ("crm.objects.{kind}.write",)
_SCHEMA = ("crm.schemas.{kind}.read", "crm.objects.{kind}.read")
_SCHEMA_WRITE = ("crm.schemas.{kind}.write",)
_OWNERS = ("crm.objects.owners.read",)

ROUTES: tuple[Route[HubspotCall], ...] = (
    Route("POST", f"{_O}/batch/read", batch.batch_read, _READ),
    Route("POST", f"{_O}/batch/create", batch.batch_create, _WRITE),
    Route("POST", f"{_O}/batch/update", batch.batch_update, _WRITE),
    Route("POST", f"{_O}/batch/upsert", batch.batch_upsert, _WRITE),
    Route("POST", f"{_O}/batch/archive", batch.batch_archive, _WRITE),
    Route("POST", f"{_O}/search", search.search, _READ),
    Route("POST", f"{_O}/merge", objects.merge_records, _WRITE),
    Route("POST", f"{_O}/gdpr-delete", objects.gdpr_delete, _WRITE),
    Route("GET", _O, objects.list_records, _READ),
    Route("POST", _O, objects.create_record, _WRITE),
    Route("GET", f"{_O}/{{id}}", objects.read_record, _READ),
    Route("PATCH", f"{_O}/{{id}}", objects.update_record, _WRITE),
    Route("DELETE", f"{_O}/{{id}}", objects.archive_record, _WRITE),
    Route("PUT", f"{_L}/default/{{to}}/{{other}}", associations.put_default, _WRITE),
    Route("GET", f"{_L}/{{to}}", associations.of_record, _READ),
    Route("PUT", f"{_L}/{{to}}/{{other}}", associations.put_pair, _WRITE),
    Route("DELETE", f"{_L}/{{to}}/{{other}}", associations.delete_pair, _WRITE),
    Route("PUT", f"{_L}/{{to}}/{{other}}/{{kind}}", associations.put_typed, _WRITE),
    Route("DELETE", f"{_L}/{{to}}/{{other}}/{{kind}}", associations.delete_pair, _WRITE),
    Route("POST", f"{_A}/batch/read", associations.batch_read, _READ),
    Route("POST", f"{_A}/batch/associate/default", associations.batch_default, _WRITE),
    Route("POST", f"{_A}/batch/create", associations.batch_create, _WRITE),
    Route("POST", f"{_A}/batch/archive", associations.batch_archive, _WRITE),
    Route("GET", f"{_A}/labels", associations.labels, _READ),
    Route("GET", f"{_P}/groups", properties.list_groups, _SCHEMA),
    Route("POST", f"{_P}/groups", properties.create_group, _SCHEMA_WRITE),
    Route("GET", f"{_P}/groups/{{name}}", properties.get_group, _SCHEMA),
    Route("POST", f"{_P}/batch/create", properties.batch_create_properties, _SCHEMA_WRITE),
    Route("POST", f"{_P}/batch/read", properties.batch_read_properties, _SCHEMA),
    Route("GET", _P, properties.list_properties, _SCHEMA),
    Route("POST", _P, properties.create_property, _SCHEMA_WRITE),
    Route("GET", f"{_P}/{{name}}", properties.get_property, _SCHEMA),
    Route("PATCH", f"{_P}/{{name}}", properties.update_property, _SCHEMA_WRITE),
    Route("DELETE", f"{_P}/{{name}}", properties.archive_property, _SCHEMA_WRITE),
    Route("GET", "/pipelines/{type}", account.list_pipelines, _SCHEMA),
    Route("GET", "/pipelines/{type}/{id}", account.get_pipeline, _SCHEMA),
    Route("GET", "/pipelines/{type}/{id}/stages", account.list_stages, _SCHEMA),
    Route("GET", "/owners", account.list_owners, _OWNERS),
    Route("GET", "/owners/{id}", account.get_owner, _OWNERS),
    Route("GET", "/object-library/enablement", account.enablements),
    Route("GET", "/object-library/enablement/{type}", account.enablement),
    Route("GET", "/property-validations/{type}", account.validations),
    Route("GET", "/account-info/details", account.details),
    Route("GET", "/schemas/{type}", account.schema, _SCHEMA),
)
_GONE: Final = frozenset(
    {
        objects.gdpr_delete,
        associations.put_default,
        associations.of_record,
        associations.put_pair,
        associations.put_typed,
        associations.delete_pair,
    }
)
"""What the description of 2026-09 has no longer, for appointments; of records' associations to
read, for nobody.
"""
_VERSIONS = ("2026-03", "2026-09", "v3", "v4")
_OLD = re.compile(r"^/crm/(v3|v4)/(.*)$")
_DATED = re.compile(r"^/crm/([a-z-]+)/(\d{4}-\d{2})(/.*)?$")
_INFO = re.compile(r"^/account-info/(v3|\d{4}-\d{2})/(.*)$")
_SCHEMAS = re.compile(r"^/crm-object-schemas/(v3|\d{4}-\d{2})(/schemas/.*)$")


class HubspotApi:
    """Answers the requests of one world's HubSpot side."""

    def __init__(self) -> None:
        self._router = Router(ROUTES)

    def handle(self, world: SandboxWorld, request: Request) -> Response:
        """The answer to a request.

        Raises:
            ApiError: the answer is a refusal.
        """
        if oauth.handles(request):
            return oauth.handle(world, request)
        if request.path.startswith("/webhooks-journal/"):
            return journal_api.handle(world, request)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not _admits(world, token):
            raise refusal(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
            )
        version, path = split_version(request.path)
        found = self._router.find(request.method, path)
        if found is None or version not in _VERSIONS:
            raise not_found(f"Resource not found: {request.method} {request.path}")
        route, names = found
        if version == "2026-09" and not world.settings.paths_as_in_2026_03:
            table = world.portal.table(names.get("type", ""))
            ours = table is not None and table.type_id == APPOINTMENTS
            if route.handler is associations.of_record or (ours and route.handler in _GONE):
                raise not_found(f"Resource not found: {request.method} {request.path}")
        call = HubspotCall(portal=world.portal, settings=world.settings, version=version)
        _scoped(call, route.scopes, names)
        return route.handler(call, request, names)


def _admits(world: SandboxWorld, token: str) -> bool:
    settings = world.settings
    if token in {settings.hubspot_token, *settings.further_hubspot_tokens}:
        return True
    holder = world.oauth.holder_of(token)
    return holder is not None and (holder.vendor, holder.account) == (
        "hubspot",
        str(world.portal.portal_id),
    )


def split_version(path: str) -> tuple[str, str]:
    """The version of a path, and the path without it; ("", path) where it has none."""
    if old := _OLD.match(path):
        return old[1], f"/{old[2]}"
    if info := _INFO.match(path):
        return info[1], f"/account-info/{info[2]}"
    if schemas := _SCHEMAS.match(path):
        return schemas[1], schemas[2]
    if dated := _DATED.match(path):
        return dated[2], f"/{dated[1]}{dated[3] or ''}"
    return "", path


def _scoped(call: HubspotCall, scopes: tuple[str, ...], names: Mapping[str, str]) -> None:
    """Refuses a token that lacks the scope of any object type in the path."""
    granted = call.settings.hubspot_scopes
    for kind in _kinds(call, names):
        wanted = [scope.format(kind=kind) for scope in scopes]
        if wanted and not granted.intersection(wanted):
            raise missing_scopes(wanted)


def _kinds(call: HubspotCall, names: Mapping[str, str]) -> list[str]:
    types = [names[key] for key in ("type", "from", "to") if key in names] or [APPOINTMENTS]
    tables = [call.portal.table(name) for name in types]
    return [table.plural for table in tables if table is not None]
