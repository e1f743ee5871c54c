"""Killing a run at a numbered point: a request, an answer, or a commit of the store.

`simulation` runs its crashes through this. A `Killed` is as sudden as SIGKILL:
nothing in the program may catch it, and what was not committed is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from harness import InProcess, Shelf, nobody

from syncd.sandbox import SandboxWorld, application

Moment = Literal["before", "lost", "after", "cut off"]
"""Before the point takes effect; after it did, the answer lost; after the answer came.

Or no crash at all: a request takes effect, and neither its answer nor any later one arrives.
"""

MOMENTS: tuple[Moment, ...] = ("before", "lost", "after", "cut off")


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


@dataclass(slots=True)
class CrashInjector:
    """Counts the points that a run passes, and ends it at one of them; 0 is never."""

    at: int = 0
    """Below 0, only requests that write and their answers are counted."""
    moment: Moment = "before"
    passed: int = 0
    dead: bool = False
    """Whether the line was cut off: nobody can be reached any more."""

    def point(self, *, writes: bool = False) -> bool:
        """Whether this is the point."""
        if self.at < 0 and not writes:
            return False
        self.passed += 1
        return self.passed == abs(self.at)


class Watched(httpx.BaseTransport):
    """Requests on their way to the sandbox; each request and each answer is a point."""

    def __init__(self, world: SandboxWorld, crashes: CrashInjector) -> None:
        self._inner = InProcess(application(world))
        self._executioner = crashes

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        writes = _writes(request)
        if self._executioner.dead:
            raise httpx.ConnectError("the line is dead", request=request)
        if self._executioner.point(writes=writes):
            if self._executioner.moment == "cut off":
                self._executioner.dead = True
                self._inner.handle_request(request)
                raise httpx.ReadTimeout("the line was cut off", request=request)
            if self._executioner.moment != "before":
                self._inner.handle_request(request)
            raise Killed
        response = self._inner.handle_request(request)
        if self._executioner.point(writes=writes) and self._executioner.moment != "cut off":
            raise Killed
        return response


def _writes(request: httpx.Request) -> bool:
    reads = ("/search", "/batch/read")
    return request.method != "GET" and not request.url.path.endswith(reads)


class WatchedShelf(Shelf):
    """The store; each commit is a point."""

    crashes: CrashInjector = CrashInjector()
    guard: Callable[[], None] = staticmethod(nobody)
    """Raises once somebody else has the link: then nothing is committed any more."""

    def link(self, name: str) -> Any:
        link: Any = super().link(name)
        begin, crashes, guard = link.begin, self.crashes, self.guard

        @contextmanager
        def watched() -> Iterator[Any]:
            mine = crashes.point() and crashes.moment != "cut off"
            with begin() as transaction:
                yield transaction
                guard()
                if mine and crashes.moment == "before":
                    raise Killed
            if mine:
                raise Killed

        link.begin = watched
        return link
