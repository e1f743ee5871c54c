"""Who gets in at HubSpot, through which versions, and how the others are turned away."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from syncd.sandbox import HUBSPOT_SCOPES, SandboxWorld

Call = Callable[..., Any]
OBJECTS = "/crm/objects/2026-03/0-421"


def test_a_wrong_token_is_a_401(world: SandboxWorld, hubspot_of: Callable[..., Call]) -> None:
    body = hubspot_of(world, Authorization="Bearer pat-wrong")("GET", OBJECTS, expect=401)
    assert body["category"] == "INVALID_AUTHENTICATION"


@pytest.mark.parametrize(
    ("lost", "method", "path"),
    [
        ("crm.objects.appointments.read", "GET", OBJECTS),
        ("crm.objects.appointments.write", "POST", OBJECTS),
        ("crm.schemas.appointments.write", "POST", "/crm/properties/2026-03/0-421"),
        ("crm.objects.contacts.read", "GET", "/crm/objects/2026-03/contacts"),
        ("crm.objects.owners.read", "GET", "/crm/owners/2026-03"),
        (
            "crm.objects.contacts.read",
            "POST",
            "/crm/associations/2026-03/0-421/0-1/batch/read",
        ),
    ],
)
def test_a_missing_scope_is_a_403_that_names_it(
    lost: str, method: str, path: str, world: SandboxWorld, hubspot: Call
) -> None:
    world.settings = replace(world.settings, hubspot_scopes=HUBSPOT_SCOPES - {lost})
    body = hubspot(method, path, json={} if method == "POST" else None, expect=403)
    assert body["category"] == "MISSING_SCOPES"
    assert lost in body["errors"][0]["context"]["requiredGranularScopes"]


@pytest.mark.parametrize(
    "path",
    [
        OBJECTS,
        "/crm/objects/2026-03/appointments",
        "/crm/objects/2026-09/0-421",
        "/crm/v3/objects/0-421",
        "/crm/v3/objects/appointments",
        "/crm/objects/2026-03/0-1",
        "/crm/v3/objects/contacts",
        "/crm/properties/2026-03/0-421",
        "/crm/v3/properties/appointments",
        "/crm/owners/2026-03",
        "/crm/v3/owners/",
        "/crm/pipelines/2026-03/0-421",
        "/crm/v3/pipelines/0-421",
        "/crm/associations/2026-03/0-421/0-1/labels",
        "/crm/v4/associations/0-421/0-1/labels",
        "/account-info/2026-03/details",
        "/account-info/v3/details",
    ],
)
def test_dated_and_older_paths_are_served(path: str, hubspot: Call) -> None:
    hubspot("GET", path)


@pytest.mark.parametrize(
    "path",
    [
        "/crm/objects/2025-09/0-421",
        "/crm/objects/v3/0-421",
        "/crm/objects/0-421",
        "/crm/nothing/2026-03/0-421",
    ],
)
def test_other_paths_are_not(path: str, hubspot: Call) -> None:
    hubspot("GET", path, expect=404)


def test_an_unknown_object_type_is_a_400(hubspot: Call) -> None:
    body = hubspot("GET", "/crm/objects/2026-03/0-999", expect=400)
    assert body["message"] == "Unable to infer object type from: 0-999"


@pytest.mark.parametrize("status", [404, 403])
def test_appointments_must_be_activated(
    status: int, make_world: Callable[..., SandboxWorld], hubspot_of: Callable[..., Call]
) -> None:
    world = make_world(activated=False, not_activated_status=status)
    hubspot = hubspot_of(world)
    path = "/crm/object-library/2026-03/enablement/0-421"
    assert hubspot("GET", path) == {"enablement": False}
    hubspot("GET", OBJECTS, expect=status)
    hubspot("GET", "/crm/objects/2026-03/contacts")
    world.portal.activated = True
    assert hubspot("GET", path) == {"enablement": True}
    hubspot("GET", OBJECTS)


def test_answers_carry_the_rate_headers_and_searches_do_not(
    hubspot_client: httpx.Client,
) -> None:
    headers = hubspot_client.get(OBJECTS).headers
    assert headers["X-HubSpot-RateLimit-Max"] == "100"
    assert headers["X-HubSpot-RateLimit-Remaining"] == "99"
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "249999"
    body = {"after": "0", "filterGroups": [], "limit": 1, "properties": [], "sorts": []}
    headers = hubspot_client.post(f"{OBJECTS}/search", json=body).headers
    assert not [name for name in headers if "ratelimit" in name]


def test_the_account_tells_who_it_is(hubspot: Call) -> None:
    body = hubspot("GET", "/account-info/2026-03/details")
    assert body["portalId"] == 24_600_001
    assert body["timeZone"] == "Europe/Zurich"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", OBJECTS, {"properties": {}}),
        ("POST", OBJECTS, {"properties": {}, "associations": [], "notes": "x"}),
        ("POST", f"{OBJECTS}/search", {"filterGroups": [], "limit": 1}),
        ("POST", f"{OBJECTS}/batch/read", {"inputs": [{"id": "1"}]}),
        ("POST", f"{OBJECTS}/batch/create", {"inputs": [{"properties": {}}]}),
        ("PATCH", f"{OBJECTS}/1", {"properties": {}, "associations": []}),
    ],
)
def test_dated_paths_are_held_to_the_description(
    method: str, path: str, body: dict[str, Any], world: SandboxWorld, hubspot: Call
) -> None:
    answer = hubspot(method, path, json=body, expect=400)
    assert answer["message"].startswith("Invalid input JSON")
    world.settings = replace(world.settings, strict=False)
    status = {"PATCH": 404}.get(method, 200)
    status = 207 if path.endswith("batch/read") else status
    status = 201 if path in (OBJECTS, f"{OBJECTS}/batch/create") else status
    hubspot(method, path, json=body, expect=status)


def test_an_unknown_query_key_is_refused_where_it_would_be_overlooked(hubspot: Call) -> None:
    hubspot("GET", OBJECTS, params={"property": "hs_appointment_name"}, expect=400)
    hubspot("GET", "/crm/v3/objects/0-421", params={"property": "hs_appointment_name"})


@pytest.mark.parametrize("body", [b"{", b"[]", b""])
def test_a_body_that_is_no_object_is_a_400(body: bytes, hubspot: Call) -> None:
    hubspot("POST", OBJECTS, content=body, expect=400)
