"""How people read sides, actions, moments, field values and reasons.

Every verb that prints for people takes its words from here; the JSON reports
do not. Pure functions and tables; nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncd.core.model import Side
from syncd.engine.report import PlannedWrite

SIDES: Mapping[str, str] = {"ghl": "HighLevel", "hubspot": "HubSpot"}

DONE: Mapping[str, str] = {
    "create": "created",
    "update": "updated",
    "remove": "removed",
    "delete": "deleted",
    "archive": "archived",
    "cancel": "cancelled",
    "restore": "restored",
    "adopt": "paired",
    "conflict": "overwritten",
    "undo": "put back",
}
"""What was done, by the action's name in reports, in the history and in `action`."""

NEXT: Mapping[str, str] = {
    "no_contact": "give the appointment a contact with an e-mail address or a phone number, "
    "or let create_contacts make the missing one",
    "ambiguous_match": "several records fit: delete or change those that are not meant",
    "possible_duplicate": "delete the record that is one too many, or change its time",
    "ambiguous_contact": "leave one contact on the HubSpot record, or merge the doubles",
    "no_default_calendar": "name a calendar: ghl.default_calendar or ghl.routes",
    "slot_taken": "free the slot, move the appointment, or set double_booking to allow",
    "unknown_status": "choose a status that the tables know, or add this one to them",
    "conflict": "make both sides show the same value, or change the conflict rule",
    "missing_time": "give the record a start, and an end that is not before it",
    "rejected": "change what the refusal names; the record is then tried again at once",
    "removal_guard": "look at the removals with `syncd plan`, then let them pass once with "
    "`syncd --sync-now --allow-removals`",
    "contact_changed": "associate the former contact again; HighLevel cannot change it",
    "outside_team": "add the user to the calendar's team, or choose another owner",
    "unreadable": "make the record readable again, or remove it on both sides",
    "oscillation": "find what changes the value back in that system, and stop it",
}
"""What lets a held record go, by reason: each is looked at again by itself in every full cycle."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord("\n"): " / ",
    ord("\t"): " ",
}


def tame(text: str) -> str:
    """A vendor's text on one line, with nothing in it that could steer a terminal."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def short(text: str, most: int) -> str:
    """At most so many characters, for a screen; never used in a pipe."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def zone_of(name: str) -> tzinfo:
    """The zone in which a person reads times; UTC where it is not known."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def when(moment: datetime | None, zone: tzinfo = UTC) -> str:
    """An instant as a person reads it: `Tue 2026-11-24 09:00`."""
    return moment.astimezone(zone).strftime("%a %Y-%m-%d %H:%M") if moment else "no time"


def field_value(name: str, raw: str | None, zone: tzinfo = UTC) -> str:
    """A report's field value; start and end are written there in UTC, as ISO texts."""
    if not raw:
        return "(empty)"
    if name in {"start", "end"}:
        return when(_instant(raw), zone)
    return tame(raw)


def change(
    name: str, values: tuple[str | None, str | None], zone: tzinfo = UTC, most: int = 0
) -> str:
    """`title: Check-up → Control`; `most` cuts long texts for a screen."""
    before, after = values
    old, new = (field_value(name, raw, zone) for raw in (before, after))
    if name in {"start", "end"} and before and after and old[:14] == new[:14]:
        new = new[15:]  # on the same day the hour says it all
    if most:
        old, new = short(old, most), short(new, most)
    return f"{name}: {old} → {new}"


def changes(
    fields: Mapping[str, tuple[str | None, str | None]], zone: tzinfo = UTC, most: int = 0
) -> list[str]:
    """What changed, field by field; an end that only moves along with its start goes unsaid."""
    shown = [name for name in fields if name != "end" or not _moves_along(fields)]
    return [change(name, fields[name], zone, most) for name in shown]


def action(write: PlannedWrite) -> str:
    """What a write does; a removal by the name that it has on its side."""
    if write.action != "remove":
        return write.action
    if write.fields:
        return "cancel"
    return "archive" if write.side is Side.HUBSPOT else "delete"


def count(number: int, one: str, many: str = "") -> str:
    """`1 write`, `2 writes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(length: float) -> str:
    """How long something took: `0.8 s`, `3 min 20 s`."""
    if length < 60:
        return f"{length:.1f} s"
    minutes, rest = divmod(round(length), 60)
    return f"{minutes} min {rest} s"


def _moves_along(fields: Mapping[str, tuple[str | None, str | None]]) -> bool:
    return _shift(fields.get("start")) == _shift(fields["end"]) is not None


def _shift(values: tuple[str | None, str | None] | None) -> timedelta | None:
    if values is None or not values[0] or not values[1]:
        return None
    return _instant(values[1]) - _instant(values[0])


def _instant(raw: str) -> datetime:
    return datetime.fromisoformat(raw)
