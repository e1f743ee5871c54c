"""Faults on demand: a `FaultScript` holds them, each with its condition.

Tests and the control API add `Fault`s to `world.faults`; `app` asks for the fault of each
request. A fault that never occurred is still `pending`: a test can check for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import RLock

    from syncd.sandbox.http import Request

World = TypeVar("World")

Kind: TypeAlias = Literal[
    "status",
    "status_after",
    "html",
    "drop_before",
    "drop_after",
    "timeout_before",
    "timeout_after",
    "cut_body",
    "garbled_body",
    "slow_body",
    "empty_list",
    "stale",
    "half_batch",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, for the requests that it matches.

    Kinds: `status` answers with `status`, `headers` and `body` and nothing happens;
    `status_after` does so although the write took effect; `html` sends a page; `drop_*` and
    `timeout_*` never answer, before or after the effect; `cut_body` ends the connection within
    the body, `garbled_body` sends half of it as if it were whole, `slow_body` waits `seconds`;
    `empty_list` shows no rows; `stale` answers from a copy of the world made when the fault
    was added (a read); `half_batch` lets the first half of a batch's inputs take effect and
    answers with `status`.
    """

    kind: Kind = "status"
    side: str | None = None
    """`ghl`, `hubspot`, or both."""
    method: str | None = None
    path: str = ""
    """A regular expression, searched in the path without the side's prefix."""
    query: str = ""
    """A regular expression, searched in the query, written `key=value&…` with plain values."""
    nth: int = 1
    """The first matching request that is hit, from 1."""
    times: int | None = 1
    """How many in a row are hit; None for all."""
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 0.0


@dataclass(slots=True)
class _Entry(Generic[World]):
    fault: Fault
    pattern: re.Pattern[str]
    query: re.Pattern[str]
    seen: int = 0
    hits: int = 0
    copy: World | None = None


class FaultScript(Generic[World]):
    """The faults of one world, in the order in which they were added."""

    def __init__(self, lock: RLock, copied: Callable[[], World]) -> None:
        """`copied` gives the world as it is now: what a stale answer shows."""
        self._lock = lock
        self._copied = copied
        self._entries: list[_Entry[World]] = []

    def add(self, fault: Fault | None = None, **fields: Any) -> Fault:
        """Adds a fault, or one made of fields: `add(side="ghl", status=503, times=3)`."""
        fault = fault or Fault(**fields)
        copy = self._copied() if fault.kind == "stale" else None
        with self._lock:
            path, query = re.compile(fault.path), re.compile(fault.query)
            self._entries.append(_Entry(fault, path, query, copy=copy))
        return fault

    def remove(self, fault: Fault) -> None:
        """Removes one fault."""
        with self._lock:
            self._entries = [entry for entry in self._entries if entry.fault is not fault]

    def clear(self) -> None:
        """Removes all faults."""
        with self._lock:
            self._entries.clear()

    @property
    def pending(self) -> list[Fault]:
        """Faults that have not hit anything yet."""
        return [entry.fault for entry in self._entries if not entry.hits]

    @property
    def hits(self) -> int:
        """How many requests were hit."""
        return sum(entry.hits for entry in self._entries)

    def take(self, side: str, request: Request) -> tuple[Fault, World | None] | None:
        """The fault of this request, counted; the copy that a stale answer comes from."""
        if not self._entries:
            return None
        with self._lock:
            chosen = None
            for entry in self._entries:
                if not _matches(entry, side, request):
                    continue
                entry.seen += 1
                if chosen is None and _due(entry):
                    entry.hits += 1
                    chosen = (entry.fault, entry.copy)
            return chosen


def _matches(entry: _Entry[World], side: str, request: Request) -> bool:
    fault = entry.fault
    return (
        fault.side in (None, side)
        and fault.method in (None, request.method)
        and entry.pattern.search(request.path) is not None
        and (not fault.query or entry.query.search(_written(request)) is not None)
    )


def _written(request: Request) -> str:
    return "&".join(f"{key}={each}" for key, values in request.query.items() for each in values)


def _due(entry: _Entry[World]) -> bool:
    fault = entry.fault
    if entry.seen < fault.nth:
        return False
    return fault.times is None or entry.hits < fault.times
