"""A HubSpot account in the sandbox, and the provider on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from syncd.core.model import Appointment, Side
from syncd.ports.provider import CommandKind, ExternalIds, WriteCommand
from syncd.providers.http import Client
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.sandbox import SandboxSettings, SandboxWorld, empty, hubspot_application
from syncd.sandbox.world import LoggedRequest

LOCATION = "SandboxClinicLoc0001"
STATUSES = ("SCHEDULED", "COMPLETED", "NO_SHOW", "CANCELLED")
TEN = datetime(2026, 3, 3, 10, tzinfo=UTC)

Account = Callable[..., "Desk"]


def unhindered(transport: httpx.BaseTransport) -> httpx.BaseTransport:
    """The way to the sandbox as it is."""
    return transport


class Desk:
    """A world with its provider, and a person's hands in HubSpot."""

    def __init__(self, world: SandboxWorld, provider: HubSpotProvider) -> None:
        self.world, self.provider, self.portal = world, provider, world.portal

    def book(self, *contacts: str, title: str = "Check-up", **more: Any) -> str:
        """An appointment that a person makes; returns its id."""
        held = {
            "hs_appointment_name": title,
            "hs_appointment_start": TEN,
            "hs_appointment_end": TEN + timedelta(minutes=30),
        }
        return self.portal.create(held | more, contacts)

    def command(self, ghl_id: str, contact: str = "", **wanted: Any) -> WriteCommand:
        """A creation for a HighLevel appointment."""
        given: dict[str, Any] = {
            "title": "Check-up",
            "start": TEN,
            "end": TEN + timedelta(minutes=30),
            "status": "SCHEDULED",
            "contact": contact,
        }
        return WriteCommand(
            key=f"create-{ghl_id}",
            kind=CommandKind.CREATE,
            wanted=Appointment(**(given | wanted)),
            external_ids=ExternalIds(ghl_id=ghl_id, location_id=LOCATION),
        )

    def asked(self, part: str = "") -> list[LoggedRequest]:
        """The requests that arrived, those whose path holds `part`."""
        return [row for row in self.world.requests_of("hubspot") if part in row.path]

    def configure(self, **settings: Any) -> None:
        """Change the account's habits."""
        self.world.settings = replace(self.world.settings, **settings)


@pytest.fixture
def account(clock: Any, free_budget: Any, transport_of: Any) -> Iterator[Account]:
    """Builds a desk: `settings` for the sandbox, the rest for the provider; set up unless told."""
    opened: list[HubSpotProvider] = []

    def make(
        *, settings: dict[str, Any] | None = None, set_up: bool = True, **options: Any
    ) -> Desk:
        world = empty(clock.now, SandboxSettings(**(settings or {})))
        client = Client(
            side=Side.HUBSPOT,
            base_url="http://hubspot.test",
            auth=Token(options.pop("token", world.settings.hubspot_token)),
            budget=free_budget,
            clock=clock,
            transport=options.pop("way", unhindered)(transport_of(hubspot_application(world))),
        )
        given = {"location_id": LOCATION, "search_lag": timedelta(seconds=10), "clock": clock}
        provider = HubSpotProvider(client, **(given | options))
        opened.append(provider)
        if set_up:
            provider.setup(STATUSES)
            provider.prepare()
            world.reset_requests()
        return Desk(world, provider)

    yield make
    for provider in opened:
        provider.close()


@pytest.fixture
def desk(account: Account) -> Desk:
    """An account that is set up, with the native status."""
    return account()
