"""A simulation of both vendors' APIs in memory; part of the product.

For tests (`application` in-process, `serve` on loopback), for the `sandbox` verb and the demo.
`SandboxWorld` is the state, and a person's edits of it; it does not depend on the rest of syncd.
"""

from syncd.sandbox.app import (
    SandboxApp,
    application,
    ghl_application,
    hubspot_application,
)
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.faults import Fault, FaultScript
from syncd.sandbox.ghl.location import GhlLocation
from syncd.sandbox.http import AnswerTimedOut, ConnectionDropped, Request, Response
from syncd.sandbox.hubspot.portal import HubspotPortal
from syncd.sandbox.seed import empty, seeded
from syncd.sandbox.server import SandboxServer, serve
from syncd.sandbox.settings import (
    GHL_SCOPES,
    HUBSPOT_SCOPES,
    RateLimit,
    SandboxSettings,
)
from syncd.sandbox.world import LoggedRequest, SandboxWorld

__all__ = [
    "GHL_SCOPES",
    "HUBSPOT_SCOPES",
    "AnswerTimedOut",
    "ConnectionDropped",
    "Fault",
    "FaultScript",
    "GhlLocation",
    "HubspotPortal",
    "LoggedRequest",
    "RateLimit",
    "Request",
    "Response",
    "SandboxApp",
    "SandboxClock",
    "SandboxServer",
    "SandboxSettings",
    "SandboxWorld",
    "application",
    "empty",
    "ghl_application",
    "hubspot_application",
    "seeded",
    "serve",
]
