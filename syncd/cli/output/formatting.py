"""Formats sides, actions, times, field values and reasons for people.

Every verb that prints for people uses it; the JSON reports do not. Pure
functions and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncd.core.model import Hold, Side
from syncd.observability.remedies import remedy_of

if TYPE_CHECKING:
    from syncd.cli.output.names import Names
    from syncd.engine.planned_writes import PlannedWrite

SIDES: Mapping[str, str] = {side.value: side.label for side in Side}

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

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord("\n"): " / ",
    ord("\t"): " ",
}


def counted(what: str, number: int) -> str:
    """One of a side's counts in a report, by its key: `3 updated`, `1 contact created`."""
    if what == "contacts_created":
        return f"{count(number, 'contact')} created"
    return f"{number:,} {what}"


def strip_control_chars(text: str) -> str:
    """A vendor's text on one line, with nothing in it that could steer a terminal."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def how_to_resolve(hold: Hold) -> str:
    """How to resolve a held record: what to change, or the commands for it.

    Every full cycle checks held records again by itself.
    """
    remedy = remedy_of(hold)
    commands = [f"`{each}`" for each in remedy.commands_for(hold)]
    return ", or ".join([remedy.instead_for(hold), *commands])


def held_because(reason: str, group: str, detail: str, values: Mapping[str, str]) -> str:
    """The reason's name, the field that waits, the particulars, and what each side has."""
    field = f", {group} only" if group else ""
    has = [
        f"{SIDES.get(side, side)} has {strip_control_chars(value) or 'nothing'}"
        for side, value in values.items()
    ]
    both = f" ({', '.join(has)})" if has else ""
    return f"{reason}{field}: {strip_control_chars(detail)}{both}"


def called(title: str, ghl_id: str, hubspot_id: str, names: Names | None = None) -> str:
    """A record by its title, where it has one, and its ids."""
    ids = named(ghl_id, hubspot_id, names)
    return f"{strip_control_chars(title)} ({ids})" if title else ids


def named(ghl_id: str, hubspot_id: str, names: Names | None = None) -> str:
    """A record by its ids, as the other verbs take them."""
    ids = {Side.GHL: ghl_id, Side.HUBSPOT: hubspot_id}
    shown = names.record if names else lambda _, key: key
    told = [f"{side.label} {shown(side, key)}" for side, key in ids.items() if key]
    return ", ".join(told) or "unknown"


def person(ghl_id: str, hubspot_id: str, names: Names) -> str:
    """A contact on both sides, by name or id."""
    ids = {Side.GHL: ghl_id, Side.HUBSPOT: hubspot_id}
    told = [f"{side.label} {names.contact(side, key)}" for side, key in ids.items() if key]
    return ", ".join(told) or "unknown"


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


Shown = Callable[[str, str], str | None]
"""How a field's value is shown, by its name and itself; None where that is as it is."""


def field_value(
    name: str, raw: str | None, zone: tzinfo = UTC, shown: Shown = lambda *_: None
) -> str:
    """A report's field value; start and end are written there in UTC, as ISO texts."""
    if not raw:
        return "(empty)"
    if (text := shown(name, raw)) is not None:
        return text
    if name in {"start", "end"}:
        return when(_instant(raw), zone)
    return strip_control_chars(raw)


def change(
    name: str,
    values: tuple[str | None, str | None],
    zone: tzinfo = UTC,
    most: int = 0,
    shown: Shown = lambda *_: None,
) -> str:
    """`title: Check-up → Control`; `most` cuts long texts for a screen."""
    before, after = values
    old, new = (field_value(name, raw, zone, shown) for raw in (before, after))
    if name in {"start", "end"} and before and after and old[:14] == new[:14]:
        new = new[15:]  # on the same day the time is enough
    if most and name not in {"owner", "contact"}:
        old, new = short(old, most), short(new, most)
    return f"{name}: {old} → {new}"


def changes(
    fields: Mapping[str, tuple[str | None, str | None]],
    zone: tzinfo = UTC,
    most: int = 0,
    show: Shown = lambda *_: None,
) -> list[str]:
    """What changed, field by field; an end that only moves along with its start goes unsaid."""
    shown = [name for name in fields if name != "end" or not _moves_along(fields)]
    return [change(name, fields[name], zone, most, show) for name in shown]


def action(write: PlannedWrite) -> str:
    """What a write does; a removal by the name that it has on its side."""
    if write.action != "remove":
        return write.action
    return removal(write.side, cancels=bool(write.fields))


def removal(side: Side, *, cancels: bool) -> str:
    """A removal by the name that it has on a side; one that changes fields is a cancellation."""
    if cancels:
        return "cancel"
    return "archive" if side is Side.HUBSPOT else "delete"


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
