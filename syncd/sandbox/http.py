"""A request, an answer, and a small router: all that the sandbox needs of HTTP.

Used by both vendors' handlers, by the control API and by the server. It knows neither vendor.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object: the very edge, where nothing is known of the values yet."""

Context = TypeVar("Context")


class ConnectionDropped(ConnectionError):  # noqa: N818 - an event, not a mistake
    """The sandbox dropped the connection in place of an answer.

    Raised out of the WSGI application in-process (a test's transport turns it into its client's
    error); the server closes the socket. `took_effect` says whether the write had happened.
    """

    def __init__(self, *, took_effect: bool) -> None:
        self.took_effect = took_effect
        when = "after" if took_effect else "before"
        super().__init__(f"the sandbox dropped the connection {when} the request took effect")


class AnswerTimedOut(ConnectionDropped):
    """The sandbox never answers: the client runs into its own read time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `path` starts with a slash; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def one(self, key: str, default: str | None = None) -> str | None:
        """The last value of a query key."""
        values = self.query.get(key)
        return values[-1] if values else default

    def flag(self, key: str) -> bool:
        """A truth value of a query, false where absent; Python clients write `True`."""
        return (self.one(key) or "").lower() == "true"

    def many(self, key: str) -> list[str]:
        """All values of a query key, repeated or separated by commas."""
        return [part for value in self.query.get(key, ()) for part in value.split(",") if part]

    def json(self) -> Any:
        """The decoded body; None when there is none.

        Raises:
            ValueError: the body is no JSON.
        """
        return json.loads(self.body) if self.body else None


@dataclass(slots=True, kw_only=True)
class Response:
    """One answer: a JSON payload, or a text of another type.

    `cut_at` sends only so many bytes of the promised length; `pause` holds the body back for so
    many seconds. Both serve faults.
    """

    status: int = 200
    payload: Any = None
    text: str | None = None
    content_type: str = "application/json;charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    pause: float = 0.0

    def content(self) -> bytes:
        """The bytes of the body; none for 204."""
        if self.text is not None:
            return self.text.encode()
        if self.payload is None:
            return b""
        try:
            return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:  # half a character, as somebody's text may hold: escaped
            return json.dumps(self.payload, separators=(",", ":")).encode()


class ApiError(Exception):
    """An answer that a handler gives instead of its result."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__(f"{response.status}")


@dataclass(frozen=True, slots=True)
class Route(Generic[Context]):
    """A method, a path with `{names}`, what answers it, and the scopes of which one is needed."""

    method: str
    pattern: str
    handler: Callable[[Context, Request, Mapping[str, str]], Response]
    scopes: tuple[str, ...] = ()


class Router(Generic[Context]):
    """Finds the route of a path by its segments; the first that fits wins."""

    def __init__(self, routes: Iterable[Route[Context]]) -> None:
        self._table: dict[tuple[str, int], list[tuple[list[str], Route[Context]]]] = {}
        for route in routes:
            segments = split_path(route.pattern)
            self._table.setdefault((route.method, len(segments)), []).append((segments, route))

    def find(self, method: str, path: str) -> tuple[Route[Context], dict[str, str]] | None:
        """The route and the values of its names, or None."""
        parts = split_path(path)
        for segments, route in self._table.get((method, len(parts)), ()):
            names = _match(segments, parts)
            if names is not None:
                return route, names
        return None


def split_path(path: str) -> list[str]:
    """The segments of a path; a slash at its end says nothing."""
    return path.strip("/").split("/")


def _match(segments: list[str], parts: list[str]) -> dict[str, str] | None:
    names: dict[str, str] = {}
    for segment, part in zip(segments, parts, strict=True):
        if segment.startswith("{"):
            names[segment[1:-1]] = part
        elif segment != part:
            return None
    return names
