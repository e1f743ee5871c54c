"""The listener of `[live]`: takes deliveries of the vendors, and nothing else.

It is apart from the status page's. A delivery is verified over its raw bytes
before anything of it is read, stored, and only then answered with 200: whatever
else happens, the vendor sends it again. Nothing is logged of a request, since its
address may hold a code of OAuth; refusals are counted, and logged once per kind.
"""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import structlog
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syncd.errors import StoreError
from syncd.live import signatures
from syncd.live.highlevel_events import (
    INSTALL,
    UNINSTALL,
    HighLevelEvent,
    named_appointment,
    read_event,
)
from syncd.live.hubspot_events import read_events
from syncd.live.intake import Intake
from syncd.live.routing import Routes
from syncd.observability.listener import Limits, serve
from syncd.ports.announcements import Delivered
from syncd.ports.clock import Clock

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 2_048
"""Connections at once, where the process may open twice as many files."""

MOST_AT_ONCE = 1_000
"""Deliveries that wait to be stored; more are refused. A bulk installation sends hundreds."""

PATIENCE = 2.0
"""Seconds that the store has: HubSpot gives up after five (webhooks guide)."""

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_AGAIN = {"Retry-After": "5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What proves a delivery; a path whose proof is not there takes none."""

    app: str = ""
    """The id of our HighLevel app; "" where there is none."""
    keys: tuple[str, ...] = ()
    """HighLevel's public keys."""
    hook_secrets: dict[str, SecretStr] = field(default_factory=dict)
    """By link: what a workflow's webhook has to show."""
    hubspot: SecretStr | None = None
    """The client secret of our HubSpot app."""
    public_url: str = ""


Refusal = Literal[
    "signature",
    "secret",
    "app",
    "stamp",
    "unconfigured",
    "encoding",
    "not_json",
    "too_large",
    "busy",
    "store",
]


class Counts(Protocol):
    """Who counts what comes."""

    def delivery_taken(self, vendor: str) -> None:
        """A delivery was authentic and is stored."""
        ...

    def delivery_refused(self, reason: str) -> None:
        """A delivery was refused."""
        ...

    def refusals_from_zero(self, reasons: Iterable[str]) -> None:
        """Deliveries are taken from now on, or refused for one of these reasons."""
        ...


class LiveServer:
    """The listener with its app; ended by `close`."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        proofs: Proofs,
        routes: Routes,
        intake: Intake,
        counts: Counts,
        clock: Clock,
        lifecycle: Callable[[HighLevelEvent], None],
        more: Sequence[BaseRoute] = (),
    ) -> None:
        """Begin to serve; port 0 takes any free one.

        `lifecycle` is told, in the intake's thread, of installations and their ends; `more` are
        paths of others, such as the redirects of OAuth.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        self._proofs, self._routes, self._intake = proofs, routes, intake
        self._counts, self._clock, self._lifecycle = counts, clock, lifecycle
        self._waiting = 0
        self._logged: set[str] = set()
        counts.refusals_from_zero(get_args(Refusal))
        app = Starlette(
            routes=[
                Route("/livez", _live),
                Route("/hooks/calendars", self._highlevel, methods=["POST"]),
                Route("/hooks/calendars/{link}", self._workflow, methods=["POST"]),
                Route("/hooks/crm", self._hubspot, methods=["POST"]),
                *more,
            ]
        )
        app.router.redirect_slashes = False
        self._listener = serve(
            "live.listen", address, app, limits=_limits(), headers=_HEADERS, refused=self._too_large
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._listener.address

    def ask_for(self, proofs: Proofs) -> None:
        """Ask for these proofs from now on."""
        self._proofs = proofs

    def close(self) -> None:
        """Listen no more; requests in progress have a moment to end."""
        self._listener.close()

    # --- the paths

    async def _highlevel(self, request: Request) -> Response:
        proofs, body = self._proofs, await self._body(request)
        if not proofs.app:
            raise self._refused(401, "unconfigured", "apps.highlevel.client_id is not set")
        shown = request.headers.get("X-GHL-Signature", "")
        if not signatures.by_highlevel(proofs.keys, body, shown):
            raise self._refused(401, "signature", "no signature of HighLevel's")
        event = read_event(self._parsed(body))
        if event.app != proofs.app:
            # HighLevel signs the deliveries of all apps with one key.
            raise self._refused(401, "app", "the delivery is for another app")

        def route() -> Iterable[Delivered]:
            if event.type in {INSTALL, UNINSTALL}:
                self._lifecycle(event)
                return self._routes.of_installation(event)
            return self._routes.of_highlevel(event)

        return await self._stored("highlevel", route)

    async def _workflow(self, request: Request) -> Response:
        link, body = request.path_params["link"], await self._body(request)
        secret = self._proofs.hook_secrets.get(link)
        shown = request.headers.get("X-Syncd-Secret", "")
        # An unknown link takes as long as a wrong secret.
        wanted = secret.get_secret_value() if secret else "\0"
        if not signatures.equal(shown, wanted):
            raise self._refused(401, "secret", "no such link, or not its hook_secret")
        record = named_appointment(self._parsed(body))
        return await self._stored("workflow", lambda: [self._routes.of_workflow(link, record)])

    async def _hubspot(self, request: Request) -> Response:
        proofs, body = self._proofs, await self._body(request)
        if proofs.hubspot is None or not proofs.public_url:
            why = "apps.hubspot.client_secret and live.public_url are needed"
            raise self._refused(401, "unconfigured", why)
        stamp = request.headers.get("X-HubSpot-Request-Timestamp", "")
        if not signatures.is_fresh(stamp, self._clock.now()):
            raise self._refused(401, "stamp", "the time stamp is more than five minutes off")
        wanted = signatures.hubspot_signature(
            proofs.hubspot.get_secret_value(), request.method, self._url(request), body, stamp
        )
        if not signatures.equal(request.headers.get("X-HubSpot-Signature-v3", ""), wanted):
            why = "no signature of HubSpot's; it signs live.public_url and the client secret"
            raise self._refused(401, "signature", why)
        events = list(read_events(self._parsed(body)))

        def route() -> Iterable[Delivered]:
            return [row for event in events for row in self._routes.of_hubspot(event)]

        return await self._stored("hubspot", route)

    # --- what they share

    async def _body(self, request: Request) -> bytes:
        """The raw body.

        Raises:
            HTTPException: 415, it is compressed.
        """
        if request.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}:
            raise self._refused(415, "encoding", "a compressed body is not taken")
        return await request.body()

    def _parsed(self, body: bytes) -> object:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise self._refused(400, "not_json", "the body is not JSON") from None

    def _url(self, request: Request) -> bytes:
        """The address as HubSpot called it: a proxy stands between."""
        query = request.scope["query_string"]
        address: bytes = self._proofs.public_url.encode() + request.scope["raw_path"]
        return address + b"?" + query if query else address

    async def _stored(self, vendor: str, route: Callable[[], Iterable[Delivered]]) -> Response:
        """Answer once it is stored."""
        if self._waiting >= MOST_AT_ONCE:
            raise self._refused(503, "busy", "too many deliveries at once")
        self._waiting += 1
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._intake.put(route)), PATIENCE)
        except (StoreError, TimeoutError) as error:
            why = str(error) or f"the store gave no answer within {PATIENCE:g} s"
            raise self._refused(503, "store", why) from None
        finally:
            self._waiting -= 1
        self._counts.delivery_taken(vendor)
        self._logged.discard("store")
        return PlainTextResponse("ok\n")

    def _refused(self, status: int, reason: Refusal, why: str) -> HTTPException:
        """Count a refusal; the first of a kind is logged."""
        self._counts.delivery_refused(reason)
        if reason not in self._logged:
            self._logged.add(reason)
            log.warning("delivery.refused", reason=reason, status=status, detail=why)
        # Who is refused learns nothing of the configuration or the store.
        told = {401: "not authentic", 503: "try again"}.get(status, why)
        return HTTPException(status, f"{told}\n", _AGAIN if status == 503 else None)

    def _too_large(self, status: int) -> None:
        if status == 503:
            self._refused(status, "busy", "too many bytes arrive at once")
        else:
            self._refused(status, "too_large", "the body or the headers are too large")


def _limits() -> Limits:
    """Half of the files that the process may open are left to its cycles and its store."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    places = MOST_CONNECTIONS if files < 0 else min(MOST_CONNECTIONS, max(64, files // 2))
    return Limits(connections=places, body=2 * 2**20, buffered=64 * 2**20)


async def _live(_: Request) -> Response:
    return PlainTextResponse("ok\n")
