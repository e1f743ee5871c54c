"""Links in every state that the page and the server show, on made-up data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from page_states import NOW, STATES, link, shown

from syncd.core.model import Hold
from syncd.observability import page
from syncd.observability.health import LinkHealth
from syncd.observability.page import Look
from syncd.ports.store import CycleRow, HistoryEntry, LinkStore


@dataclass
class Shelf:
    """What `examine` reads of a link's store."""

    notes: str = ""
    paused: str = ""
    rows: list[CycleRow] = field(default_factory=list)
    waiting: list[Hold] = field(default_factory=list)
    entries: list[HistoryEntry] = field(default_factory=list)

    def get_state(self, name: str) -> str:
        return {"daemon": self.notes, "paused": self.paused}.get(name, "")

    def cycles(self, limit: int = 20) -> list[CycleRow]:
        return self.rows[:limit]

    def holds(self) -> list[Hold]:
        return self.waiting

    def count_later(self, key: int) -> int:  # noqa: ARG002 - the port
        return 0

    def count_pairs(self) -> int:
        return 7

    def history(self, record_id: str = "", *, cycle: str = "", limit: int = 0) -> Any:
        del record_id, cycle
        return self.entries[:limit]

    def as_store(self) -> LinkStore:
        return cast("LinkStore", self)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(params=STATES)
def state_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def look_at() -> Callable[..., Look]:
    """`look_at("held", personal=…)` gives a page's content in that state."""

    return shown


@pytest.fixture(scope="session")
def colours() -> dict[str, dict[str, str]]:
    """The colours of the style sheet by name, `light` and `dark`."""
    style = Path(page.__file__).with_name("style.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root\{([^}]*)\}", style)
    named = re.compile(r"--([\w-]+):(#\w{6})")
    return {"light": dict(named.findall(light)), "dark": dict(named.findall(dark))}


@pytest.fixture
def a_link() -> Callable[..., LinkHealth]:
    return link


@pytest.fixture
def now() -> datetime:
    return NOW
