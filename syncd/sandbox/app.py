"""The sandbox as an application: requests in, answers out, as WSGI or called directly.

`application(world)` answers `/ghl/…`, `/hubspot/…` and `/control/…`; tests mount it in an
in-process transport, `server` puts it on a socket. Every request passes the same stations: log,
hook, fault, meter, handler, fault, hook.
"""

from __future__ import annotations

import json
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from syncd.sandbox.control import handle_control
from syncd.sandbox.faults import Fault
from syncd.sandbox.ghl.api import GhlApi
from syncd.sandbox.http import (
    AnswerTimedOut,
    ApiError,
    ConnectionDropped,
    Request,
    Response,
)
from syncd.sandbox.hubspot.api import HubspotApi
from syncd.sandbox.hubspot.journal_api import serve_file
from syncd.sandbox.page import serve_page
from syncd.sandbox.timestamps import to_milliseconds
from syncd.sandbox.world import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from syncd.sandbox.world import SandboxWorld

_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})
_OF_THE_APP = ("/oauth/", "/webhooks-journal/")
"""Requests that no account's budget pays for."""
_ROWS = ("events", "results", "calendars", "contacts", "users")
_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    207: "Multi-Status",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    423: "Locked",
    429: "Too Many Requests",
    477: "Migration In Progress",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class SandboxApp:
    """One world's application. `root` serves one vendor at the root of a host."""

    def __init__(self, world: SandboxWorld, root: str | None = None) -> None:
        self.world = world
        self._root = root
        self._apis: Mapping[str, GhlApi | HubspotApi] = {"ghl": GhlApi(), "hubspot": HubspotApi()}

    def handle(self, request: Request) -> Response:
        """The answer to a request.

        Raises:
            ConnectionDropped: a fault wants no answer.
        """
        side, path = self._side(request.path)
        if self._root is None and (page := serve_page(request)) is not None:
            return page
        if side == "control":
            with self.world.lock:
                return handle_control(self.world, replace(request, path=path))
        if side == "files":
            with self.world.lock:
                return serve_file(self.world, replace(request, path=path))
        if side not in self._apis:
            known = {"message": "Not found. Paths start with /ghl, /hubspot or /control."}
            return Response(status=404, payload=known)
        return self._vendor(side, replace(request, path=path))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """The WSGI interface."""
        response = self.handle(_request_of(environ))
        content = response.content()
        start_response(status_line(response.status), headers_of(response, len(content)))
        if response.pause:
            self.world.sleep(response.pause)
        return [content] if response.cut_at is None else _cut(content, response.cut_at)

    def _side(self, path: str) -> tuple[str, str]:
        if self._root is not None:
            return self._root, path
        side, _, rest = path.lstrip("/").partition("/")
        return side, f"/{rest}"

    def _vendor(self, side: str, request: Request) -> Response:
        world = self.world
        entry = self._logged(side, request)
        if world.before_request is not None:
            world.before_request(entry)
        if world.settings.latency:
            world.sleep(world.settings.latency)
        response = self._with_fault(side, request)
        at = formatdate(world.time_at(side).timestamp(), usegmt=True)
        response.headers.setdefault("Date", at)
        entry.status = response.status
        if world.after_request is not None:
            world.after_request(entry, response)
        return response

    def _with_fault(self, side: str, request: Request) -> Response:
        taken = self.world.faults.take(side, request)
        if taken is None:
            return self._answered(side, request)
        fault, copy = taken
        match fault.kind:
            case "status":
                return _scripted(fault)
            case "html":
                page = fault.body or "<html><body><h1>Bad gateway</h1></body></html>"
                return Response(status=fault.status, text=page, content_type="text/html")
            case "drop_before":
                raise ConnectionDropped(took_effect=False)
            case "timeout_before":
                raise AnswerTimedOut(took_effect=False)
            case "stale":
                return self._answered(side, request, copy)
            case "half_batch":
                self._answered(side, _halved(request))
                return _scripted(fault)
        response = self._answered(side, request)
        match fault.kind:
            case "drop_after":
                raise ConnectionDropped(took_effect=True)
            case "timeout_after":
                raise AnswerTimedOut(took_effect=True)
            case "status_after":
                return _scripted(fault)
        return _spoilt(response, fault)

    def _answered(self, side: str, request: Request, world: SandboxWorld | None = None) -> Response:
        api = self._apis[side]
        with self.world.lock, self.world.announcer.through_api():
            try:
                headers = self._metered(side, api, request)
            except ApiError as refusal:
                return refusal.response
            try:
                response = api.handle(world or self.world, request)
            except ApiError as refusal:
                response = refusal.response
        response.headers = headers | response.headers
        return response

    def _metered(self, side: str, api: GhlApi | HubspotApi, request: Request) -> dict[str, str]:
        world = self.world
        if side == "hubspot":
            if request.path.startswith(_OF_THE_APP):
                return {}
            search = request.path.rstrip("/").endswith("/search")
            return world.meters.hubspot(world.settings, search=search)
        account = api.budget(world, request) if isinstance(api, GhlApi) else ""
        return world.meters.ghl(account, world.settings) if account else {}

    def _logged(self, side: str, request: Request) -> LoggedRequest:
        entry = LoggedRequest(
            side=side,
            method=request.method,
            path=request.path,
            query={key: values[-1] for key, values in request.query.items()},
            headers={key: text for key, text in request.headers.items() if key not in _SECRET},
            body=_decoded(request),
            at=to_milliseconds(self.world.now()),
        )
        if self.world.settings.record_requests:
            with self.world.lock:
                self.world.requests.append(entry)
        return entry


def application(world: SandboxWorld) -> SandboxApp:
    """Both vendors and the control API, under `/ghl`, `/hubspot` and `/control`."""
    return SandboxApp(world)


def ghl_application(world: SandboxWorld) -> SandboxApp:
    """HighLevel alone, at the root of a host."""
    return SandboxApp(world, "ghl")


def hubspot_application(world: SandboxWorld) -> SandboxApp:
    """HubSpot alone, at the root of a host."""
    return SandboxApp(world, "hubspot")


def status_line(status: int) -> str:
    """`404 Not Found`."""
    return f"{status} {_REASONS.get(status, 'Unknown')}"


def headers_of(response: Response, length: int) -> list[tuple[str, str]]:
    """The headers of an answer, its type and length included."""
    headers = list(response.headers.items())
    if response.status != 204:
        headers += [("Content-Type", response.content_type), ("Content-Length", str(length))]
    return headers


def _request_of(environ: Mapping[str, Any]) -> Request:
    headers = {
        key[5:].replace("_", "-").lower(): str(value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    if kind := environ.get("CONTENT_TYPE"):
        headers["content-type"] = str(kind)
    length = environ.get("CONTENT_LENGTH") or ""
    stream = environ["wsgi.input"]
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO") or "/",
        query=query_of(environ.get("QUERY_STRING") or ""),
        headers=headers,
        body=stream.read(int(length)) if length else b"",
    )


def query_of(text: str) -> dict[str, tuple[str, ...]]:
    """The decoded query, every value of each key."""
    found: dict[str, tuple[str, ...]] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found[key] = (*found.get(key, ()), value)
    return found


def _decoded(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        return request.body.decode(errors="replace")


def _scripted(fault: Fault) -> Response:
    body = fault.body if fault.body is not None else {"message": "scripted fault"}
    response = Response(status=fault.status, headers=dict(fault.headers))
    if isinstance(body, str):
        response.text, response.content_type = body, "text/plain"
    else:
        response.payload = body
    return response


def _spoilt(response: Response, fault: Fault) -> Response:
    content = response.content()
    match fault.kind:
        case "slow_body":
            response.pause = fault.seconds
        case "cut_body":
            response.cut_at = len(content) // 2
        case "garbled_body":
            response.text = content[: len(content) // 2].decode(errors="ignore")
        case "empty_list" if isinstance(response.payload, dict):
            shown = {key: value for key, value in response.payload.items() if key != "paging"}
            empty: dict[str, Any] = {key: [] for key in _ROWS if key in shown}
            response.payload = shown | empty | ({"total": 0} if "total" in shown else {})
    return response


def _halved(request: Request) -> Request:
    body = request.json()
    inputs = body["inputs"]
    half = body | {"inputs": inputs[: len(inputs) // 2]}
    return replace(request, body=json.dumps(half).encode())


def _cut(content: bytes, at: int) -> Iterator[bytes]:
    yield content[:at]
    raise ConnectionDropped(took_effect=True)
