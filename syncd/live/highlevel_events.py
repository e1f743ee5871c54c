"""Reads HighLevel's deliveries: what they say happened where, never what stands there now.

A delivery may be stale, doubled or of a wrong type (the examples of Update and
Delete in HighLevel's documentation carry the type of Create): whatever names an
appointment is an announcement of that appointment, and reading it by id tells the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from syncd.ports.announcements import Announced

INSTALL, UNINSTALL = "INSTALL", "UNINSTALL"

_ID = re.compile(r"[A-Za-z0-9][\w.:~@+-]{0,127}", re.ASCII)
"""What can be asked for by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HighLevelEvent:
    """One delivery of an app."""

    type: str
    app: str
    """The id of the app that it is for."""
    location: str
    agency: str
    what: Announced | None = None
    """What is to be looked at, if anything."""
    record: str = ""
    delivery: str = ""
    """HighLevel's own id of it, the same in every repetition."""
    at: datetime | None = None
    """The signed time (UTC)."""


def read_event(sent: object) -> HighLevelEvent:
    """The event of a delivery; what is none is an event of nothing.

    The event pages put it at the top, the guide's own handler reads it below
    `data` (copies of 2026-08-30): it is where its `type` is.
    """
    top = _table(sent)
    inner = _table(top.get("data"))
    event = {**inner, **top} if "type" in top else {**top, **inner}
    kind = _text(event.get("type"))
    what, record = _subject(kind, event)
    return HighLevelEvent(
        type=kind,
        app=_text(event.get("appId")),
        location=_name(event.get("locationId")),
        agency=_name(event.get("companyId")),
        what=what,
        record=record,
        delivery=_text(event.get("webhookId")),
        at=_instant(event.get("timestamp")),
    )


def _subject(kind: str, event: Mapping[str, Any]) -> tuple[Announced | None, str]:
    shown = _id(_table(event.get("appointment")).get("id"))
    if not shown and kind.startswith("Appointment"):
        shown = _id(event.get("id"))
    if shown:
        return Announced.RECORD, shown
    if kind == "ContactDelete" and (contact := _id(event.get("id"))):
        return Announced.CONTACT, contact
    return None, ""


def named_appointment(sent: object) -> str:
    """The appointment that a workflow's webhook names; "" where it names none.

    `calendar.appointmentId` is what appointment triggers send by themselves;
    the others are what people map.
    """
    top = _table(sent)
    return (
        _id(_table(top.get("calendar")).get("appointmentId"))
        or _id(top.get("appointmentId"))
        or _id(_table(top.get("appointment")).get("id"))
    )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _name(value: object) -> str:
    """The id of a location or an agency; of one that no store takes, an id that nobody has."""
    return _text(value).encode("ascii", "replace").decode().replace("\0", "?")


def _id(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    return text if _ID.fullmatch(text) else ""


def _instant(value: object) -> datetime | None:
    """A text, or milliseconds since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        found = datetime.fromisoformat(_text(value))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
