"""A vendor that refuses whatever has to do with one thing, and nothing else.

Mounted as a town's transport; the sandbox's own faults go by method and path,
and cannot tell what stands in a query or a body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from harness import InProcess, SyncHarness

from syncd.sandbox import application

Fits = Callable[[httpx.Request], bool]


def naming(text: str, path: str = "", method: str = "") -> Fits:
    """Requests that name this in their address or body, to such a path, with such a method."""

    def fits(request: httpx.Request) -> bool:
        where = request.url.path
        named = text in str(request.url) or text.encode() in request.read()
        return named and path in where and method in ("", request.method)

    return fits


@dataclass
class RefusingTransport(httpx.BaseTransport):
    """Answers what fits with that status, as long as `on`; `hits` are the paths it refused."""

    harness: SyncHarness
    fits: Fits
    status: int
    body: object = None
    on: bool = True
    hits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inner = InProcess(application(self.harness.world))
        self.harness.transport = self

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not (self.on and self.fits(request)):
            return self._inner.handle_request(request)
        self.hits.append(request.url.path)
        body = self.body or {"statusCode": self.status, "message": "there is a stone in the way"}
        return httpx.Response(self.status, json=body, request=request)
