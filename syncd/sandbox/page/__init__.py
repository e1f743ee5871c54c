"""The sandbox's own page: both calendars side by side, to be touched by a person.

`app` serves `/` with it; the page's script reads `/control/board` every second and edits
through the control API. `board` is what it shows, `weather` are its switches for what goes wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syncd.sandbox.http import Response, Route
from syncd.sandbox.page.board import board
from syncd.sandbox.page.weather import show_weather, turn_weather

if TYPE_CHECKING:
    from syncd.sandbox.http import Request
    from syncd.sandbox.world import SandboxWorld

_FOLDER = Path(__file__).parent
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}

ROUTES: tuple[Route[SandboxWorld], ...] = (
    Route("GET", "/board", board),
    Route("GET", "/weather", show_weather),
    Route("PUT", "/weather", turn_weather),
)
"""What the page adds to the control API."""


def serve_page(request: Request) -> Response | None:
    """A file of the page; None for any other path."""
    if request.method not in {"GET", "HEAD"} or request.path not in _FILES:
        return None
    name, kind = _FILES[request.path]
    return Response(
        text=(_FOLDER / name).read_text("utf-8"),
        content_type=kind,
        headers={"Cache-Control": "no-store"},
    )
