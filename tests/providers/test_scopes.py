"""Scopes are checked by requests that can change nothing, on both vendors."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from harness import HarnessClock, InProcess, NoBudget

from syncd.core.model import Side
from syncd.errors import Transient
from syncd.providers.ghl import scopes as ghl_scopes
from syncd.providers.ghl.auth import PrivateToken
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.http import Client
from syncd.providers.hubspot import scopes as hubspot_scopes
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.providers.scope_check import ScopeStatus
from syncd.sandbox import SandboxSettings, SandboxWorld, application, empty
from syncd.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Collection

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def world() -> SandboxWorld:
    return empty(lambda: NOW, SandboxSettings())


def provider(world: SandboxWorld, side: Side) -> Any:
    clock = HarnessClock()
    common: dict[str, Any] = {
        "clock": clock,
        "budget": NoBudget(),
        "transport": InProcess(application(world)),
    }
    settings = world.settings
    if side is Side.GHL:
        auth = PrivateToken(lambda: settings.ghl_token)
        client = Client(side=side, base_url="http://sandbox/ghl", auth=auth, **common)
        return GhlProvider(client, location_id=world.location.id, clock=clock, concurrency=1)
    client = Client(
        side=side, base_url="http://sandbox/hubspot", auth=Token(settings.hubspot_token), **common
    )
    return HubSpotProvider(
        client, location_id=world.location.id, clock=clock, search_lag=timedelta()
    )


def checked(world: SandboxWorld, side: Side, needed: Collection[str]) -> dict[str, ScopeStatus]:
    return {each.scope: each.status for each in provider(world, side).check_scopes(needed)}


EVERY = [(Side.GHL, scope) for scope in ghl_scopes.SCOPES] + [
    (Side.HUBSPOT, scope) for scope in hubspot_scopes.SCOPES
]


@pytest.mark.parametrize(("side", "lacking"), EVERY, ids=str)
def test_each_scope_that_is_missing_is_named_and_no_other(
    world: SandboxWorld, side: Side, lacking: str
) -> None:
    key = "ghl_scopes" if side is Side.GHL else "hubspot_scopes"
    fewer: dict[str, Any] = {key: getattr(world.settings, key) - {lacking}}
    if lacking.startswith("crm.schemas"):
        fewer[key] -= {"crm.schemas.appointments.read"}
    world.settings = replace(world.settings, **fewer)
    scopes = ghl_scopes.SCOPES if side is Side.GHL else hubspot_scopes.SCOPES
    found = checked(world, side, scopes)
    assert found.pop(lacking) is ScopeStatus.MISSING
    assert set(found.values()) == {ScopeStatus.GRANTED}


@pytest.mark.parametrize("side", Side)
def test_checking_changes_nothing(world: SandboxWorld, side: Side) -> None:
    contact = world.location.add_contact("Ann Lee", "ann@example.com")
    world.location.book(next(iter(world.location.calendars)), contact, NOW)
    world.portal.create({"hs_appointment_name": "Intro"})
    before = state(world)
    scopes = ghl_scopes.SCOPES if side is Side.GHL else hubspot_scopes.SCOPES
    assert set(checked(world, side, scopes).values()) == {ScopeStatus.GRANTED}
    assert state(world) == before


@pytest.mark.parametrize("side", Side)
def test_only_what_is_needed_is_checked(world: SandboxWorld, side: Side) -> None:
    scope = "users.readonly" if side is Side.GHL else "crm.objects.owners.read"
    assert list(checked(world, side, {scope})) == [scope]
    assert len(world.requests) == 1


def test_an_object_that_is_not_activated_proves_nothing_about_scopes(world: SandboxWorld) -> None:
    world.portal.activated = False
    found = checked(world, Side.HUBSPOT, hubspot_scopes.SCOPES)
    assert found[hubspot_scopes.RECORDS_READ] is ScopeStatus.UNKNOWN
    assert found[hubspot_scopes.OWNERS_READ] is ScopeStatus.GRANTED


def test_a_vendor_that_is_down_proves_nothing(world: SandboxWorld) -> None:
    world.faults.add(Fault(status=503, times=None))
    with pytest.raises(Transient):
        checked(world, Side.GHL, ghl_scopes.SCOPES)


def state(world: SandboxWorld) -> Any:
    return (
        world.location.events(),
        [repr(row) for row in world.location.contacts],
        world.portal.records(),
        world.portal.contact_records(),
        sorted(world.portal.appointments.definitions),
    )


@pytest.mark.parametrize("status", [403, 500, 503])
@pytest.mark.parametrize(
    ("side", "path", "scope"),
    [
        (Side.GHL, "^/users/", "users.readonly"),
        (Side.HUBSPOT, "owners", "crm.objects.owners.read"),
        (Side.HUBSPOT, "0-421/batch/update", "crm.objects.appointments.write"),
    ],
)
def test_one_scope_that_cannot_be_checked_does_not_stop_the_others(
    world: SandboxWorld, side: Side, path: str, scope: str, status: int
) -> None:
    world.faults.add(Fault(path=path, status=status, times=None, body={"message": "No"}))
    every = ghl_scopes.SCOPES if side is Side.GHL else hubspot_scopes.SCOPES
    found = checked(world, side, every)
    assert found.pop(scope) is ScopeStatus.UNKNOWN
    assert set(found.values()) == {ScopeStatus.GRANTED}
