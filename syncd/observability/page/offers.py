"""What the page offers to decide, as forms; `daemon.desk` makes them, the templates draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form: what it is about, what was shown, and its buttons."""

    decisions: tuple[str, ...]
    """The values of its buttons."""
    link: str
    """"" for all links."""
    record: str = ""
    seen: str = ""
    other: str = ""
    """With `pair`: the record of the other side."""
    other_side: str = ""
    """The name of that side, for its button."""
    other_title: str = ""
    """What that record is called, where it is held too."""
    contact: str = ""
    asks_contact: bool = False
    """With `contact`, where nobody is proposed: the person types it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredRecord:
    """A record that a person decided to ignore."""

    record: str
    title: str = ""
    starts_at: datetime | None = None
    forms: tuple[Form, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """A decision that no cycle has carried out yet."""

    at: datetime
    told: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """The decisions about one link."""

    link: tuple[Form, ...] = ()
    """Sync now, pause or resume."""
    approve: tuple[Form, ...] = ()
    first_sync: Mapping[str, int] = field(default_factory=dict)
    """What the first sync would write, by side."""
    guards: tuple[Form, ...] = ()
    removals: int = 0
    changes: int = 0
    """How many of each the guards keep back."""
    records: Mapping[tuple[str, str], tuple[Form, ...]] = field(default_factory=dict)
    """By the ids of the held record."""
    ignored: tuple[IgnoredRecord, ...] = ()
    underway: tuple[Underway, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What a person pressed: the fields of a form, and the user name."""

    decision: str
    link: str = ""
    record: str = ""
    seen: str = ""
    other: str = ""
    contact: str = ""
    by: str = ""


class NotDecided(Exception):  # noqa: N818 - an answer, not a fault
    """Nothing was done.

    `status` is 400 (no such decision), 404 (no such link or record) or 409 (what
    was shown no longer holds); the text says it to a person.
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status
