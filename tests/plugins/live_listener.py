"""A listener on a real socket, with a store behind it, and vendors that sign."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from stores import StandingClock

from syncd.config import GhlSettings, LinkSettings
from syncd.config.vendor_settings import HubSpotSettings
from syncd.live.highlevel_events import HighLevelEvent
from syncd.live.intake import Intake
from syncd.live.listener import LiveServer, Proofs
from syncd.live.routing import Routes
from syncd.live.signatures import hubspot_signature
from syncd.ports.announcements import Stored
from syncd.store import Store

APP = "66f0c0ffee00000000000001"
HUBSPOT_SECRET = "5c1d7a90-1111-4222-8333-9a9a9a9a9a9a"
HOOK_SECRET = "hush-hush"
PUBLIC = "https://sync.example.com/syncd"
KEY = Ed25519PrivateKey.generate()
PUBLIC_KEY = b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


def links() -> dict[str, LinkSettings]:
    """Two links of location L1, one each of L2 and L3; two of account 148."""
    return {
        name: LinkSettings(
            ghl=GhlSettings(location_id=location),
            hubspot=HubSpotSettings(object_type=kind),
        )
        for name, location, kind in (
            ("clinic", "L1", "0-421"),
            ("praxis", "L1", "appointments"),
            ("north", "L2", "visits"),
            ("south", "L3", "0-421"),
        )
    }


@dataclass(slots=True, kw_only=True)
class Live:
    """The listener, and what became of what was sent to it."""

    store: Store
    clock: StandingClock
    server: LiveServer
    intake: Intake
    counts: CountsKept
    lifecycle: list[HighLevelEvent]
    stored: list[Stored]

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> int:
        """Send a request; gives the status."""
        connection = HTTPConnection(*self.server.address, timeout=10)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def highlevel(self, event: Any, **headers: str) -> int:
        """A delivery of HighLevel's, signed; an event is completed by what every one has."""
        if isinstance(event, dict):
            event = {"appId": APP, "locationId": "L1", **event}
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        signature = b64encode(KEY.sign(body)).decode()
        return self.post("/hooks/calendars", body, {"X-GHL-Signature": signature, **headers})

    def hubspot(self, events: Any, *, path: str = "/hooks/crm", off: float = 0.0) -> int:
        """A delivery of HubSpot's, signed `off` seconds from now."""
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        stamp = str(int((self.clock.now().timestamp() + off) * 1000))
        url = f"{PUBLIC}{path}".encode()
        signature = hubspot_signature(HUBSPOT_SECRET, "POST", url, body, stamp)
        headers = {"X-HubSpot-Request-Timestamp": stamp, "X-HubSpot-Signature-v3": signature}
        return self.post(path, body, headers)

    def waiting(self, link: str = "clinic") -> list[str]:
        """What waits for a link: `ghl record a1`."""
        found = self.store.link(link).announcements()
        return [f"{each.side} {each.what} {each.record}".rstrip() for each in found]


@dataclass(slots=True)
class CountsKept:
    """The numbers, by what is counted."""

    taken: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: frozenset[str] = frozenset()

    def delivery_taken(self, vendor: str) -> None:
        """A delivery was stored."""
        self.taken[vendor] += 1

    def delivery_refused(self, reason: str) -> None:
        """A delivery was refused, for a reason that the metrics show from the start."""
        assert reason in self.reasons
        self.refused[reason] += 1

    def refusals_from_zero(self, reasons: Iterable[str]) -> None:
        """Every reason, before the first refusal."""
        self.reasons = frozenset(reasons)


PROOFS = Proofs(
    app=APP,
    keys=(PUBLIC_KEY,),
    hook_secrets={"clinic": SecretStr(HOOK_SECRET)},
    hubspot=SecretStr(HUBSPOT_SECRET),
    public_url=PUBLIC,
)


def opened(
    store: Store,
    clock: StandingClock,
    *,
    announce: Callable[..., Stored] | None = None,
    proofs: Proofs = PROOFS,
) -> Iterator[Live]:
    """A listener whose store may be another's."""
    counts, lifecycle, told = CountsKept(), [], []  # type: ignore[var-annotated] # see Live
    configured = links()
    routes = Routes(
        links=lambda: configured,
        accounts=lambda: {"clinic": "148", "praxis": "148", "north": "149", "south": "150"},
        locations_of=lambda agency: ["L1", "L2", "L9"] if agency == "A1" else [],
        monotonic=clock.monotonic,
    )
    intake = Intake(announce or store.inbox.announce, stored=told.append)
    server = LiveServer(
        ("127.0.0.1", 0),
        proofs=proofs,
        routes=routes,
        intake=intake,
        counts=counts,
        clock=clock,
        lifecycle=lifecycle.append,
    )
    try:
        yield Live(
            store=store,
            clock=clock,
            server=server,
            intake=intake,
            counts=counts,
            lifecycle=lifecycle,
            stored=told,
        )
    finally:
        server.close()
        intake.close()
