"""The whole in-memory world: locations, one HubSpot account, and the log of requests.

Made by tests, by `seed`, by the `sandbox` and `demo` verbs; served by `app.application` and
`server.serve`. It has no clock of its own: `now` is given.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from threading import Event, RLock
from typing import TYPE_CHECKING, Any

from syncd.sandbox.announcing.announcer import Announcer
from syncd.sandbox.context import SandboxContext
from syncd.sandbox.faults import FaultScript
from syncd.sandbox.ghl.location import GhlLocation
from syncd.sandbox.hubspot.portal import HubspotPortal
from syncd.sandbox.ids import Ids
from syncd.sandbox.limits import Meters
from syncd.sandbox.oauth.apps import OAuthApps
from syncd.sandbox.page.weather import Weather
from syncd.sandbox.settings import SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from syncd.sandbox.http import Response

FIRST_LOCATION = "SandboxClinicLoc0001"


@dataclass(slots=True, kw_only=True)
class LoggedRequest:
    """One request that arrived. Its headers lack the credentials; `body` is decoded JSON."""

    side: str
    """`ghl` or `hubspot`."""
    method: str
    path: str
    query: Mapping[str, str]
    """The last value of each key."""
    headers: Mapping[str, str]
    body: Any
    at: datetime
    status: int | None = None
    """None while it is being answered, and for ever where the connection was dropped."""


class SandboxWorld:
    """Both vendors' accounts, under one lock, with a log of all requests.

    `before_request` and `after_request` are called outside the lock, in the thread of the
    request; what they raise comes out of the WSGI application, which is how crash tests stop
    a program at a chosen request.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        settings: SandboxSettings | None = None,
        *,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.now = now
        self.settings = settings or SandboxSettings()
        self.sleep = sleep or Event().wait
        self.lock = RLock()
        self.ids = Ids()
        self.requests: list[LoggedRequest] = []
        self.notifications: list[dict[str, Any]] = []
        """Every HighLevel write that would have run automations and written to people."""
        self.faults = FaultScript(self.lock, self.copied)
        self.weather = Weather()
        """What a person has switched on the sandbox's page."""
        self.meters = Meters(now)
        self.before_request: Callable[[LoggedRequest], None] | None = None
        self.after_request: Callable[[LoggedRequest, Response], None] | None = None
        self.announcer = Announcer(now, lambda: self.settings, self.ids, HubspotPortal.portal_id)
        self.locations: dict[str, GhlLocation] = {}
        self.location = self.add_location(
            FIRST_LOCATION,
            name="Lakeside Clinic",
            timezone=self.settings.location_timezone,
            country=self.settings.location_country,
            token=self.settings.ghl_token,
        )
        self.portal = HubspotPortal(self._context("hubspot"))
        self.oauth = OAuthApps(self._context("ghl"))

    def add_location(
        self,
        id: str | None = None,  # noqa: A002 - the vendor's word
        *,
        name: str = "",
        timezone: str = "Europe/Zurich",
        country: str = "CH",
        token: str | None = None,
    ) -> GhlLocation:
        """Adds a location with its own token."""
        number = len(self.locations) + 1
        key = id or f"SandboxClinicLoc{number:04}"
        location = GhlLocation(
            self._context("ghl"),
            id=key,
            name=name or f"Clinic {number}",
            timezone=timezone,
            country=country,
            token=token or f"{self.settings.ghl_token}-{number}",
        )
        self.locations[key] = location
        return location

    def time_at(self, side: str) -> datetime:
        """The instant that a vendor's own clock shows."""
        skew = self.settings.ghl_skew if side == "ghl" else self.settings.hubspot_skew
        return self.now() + skew

    def _context(self, side: str) -> SandboxContext:
        return SandboxContext(
            now=lambda: self.time_at(side),
            ids=self.ids,
            settings=lambda: self.settings,
            lock=self.lock,
            announcer=self.announcer,
        )

    def reset_requests(self) -> None:
        """Forgets the logged requests."""
        self.requests.clear()

    def requests_of(self, side: str, method: str | None = None) -> list[LoggedRequest]:
        """The logged requests of a side, of one method where given."""
        return [row for row in self.requests if row.side == side and method in (None, row.method)]

    def writes(self, side: str) -> list[LoggedRequest]:
        """The logged requests of a side that may change something."""
        reads = ("/search", "/batch/read")
        return [
            row
            for row in self.requests_of(side)
            if row.method != "GET" and not row.path.endswith(reads)
        ]

    def copied(self) -> SandboxWorld:
        """A copy of both accounts as they are now, with an empty log: what a stale answer shows."""
        with self.lock:
            shared: dict[int, Any] = {
                id(part): part
                for part in (self.lock, self.now, self.sleep, self.meters, self.announcer)
            }
            shared |= {id(self.requests): [], id(self.notifications): []}
            hooks = (self.before_request, self.after_request)
            shared |= {id(part): None for part in (self.faults, *hooks) if part is not None}
            return deepcopy(self, shared)
