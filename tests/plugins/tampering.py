"""Answers of the sandbox that change on their way: what no vendor should ever send.

`test_faults` and `test_bad_data` mount it as a town's transport.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import httpx
from harness import InProcess, SyncHarness

from syncd.sandbox import application

Change = Callable[[str, Any], Any]
"""(path, decoded body) → the body that arrives."""


class Tampering(httpx.BaseTransport):
    """Changes the JSON of every successful answer; `changed` counts what it really changed."""

    def __init__(self, harness: SyncHarness, change: Change) -> None:
        self._inner = InProcess(application(harness.world))
        self._change = change
        self.changed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if response.status_code >= 300:
            return response
        response.read()
        told = json.loads(response.content) if response.content else None
        changed = self._change(request.url.path, deepcopy(told))
        if changed == told and type(changed) is type(told):
            return response
        self.changed += 1
        content = json.dumps(changed).encode()
        return httpx.Response(
            response.status_code,
            content=content,
            headers={"Content-Type": "application/json"},
            request=request,
        )


def rows_of(body: Any, record: str) -> list[dict[str, Any]]:
    """Every object in an answer that has this id."""
    found: list[dict[str, Any]] = []
    if isinstance(body, dict):
        if body.get("id") == record:
            found.append(body)
        for held in body.values():
            found += rows_of(held, record)
    elif isinstance(body, list):
        for held in body:
            found += rows_of(held, record)
    return found


class Between(httpx.BaseTransport):
    """Lets a person do something once, right after a request of that kind was answered."""

    def __init__(
        self, harness: SyncHarness, method: str, path: str, does: Callable[[], object]
    ) -> None:
        self._inner = InProcess(application(harness.world))
        self._method, self._path, self._does = method, path, does
        self.done = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if not self.done and request.method == self._method and self._path in request.url.path:
            self.done = True
            self._does()
        return response
