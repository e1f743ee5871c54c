"""Free slots: the slots that a calendar offers, and whether it accepts a time.

Called by the free-slots, create and update handlers. A slot is taken by a living, not cancelled
booking of the same user (on team calendars, whatever calendar it stands on) or of the same
calendar (on event calendars), buffers included, and by blocked time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from typing import TYPE_CHECKING

from syncd.sandbox.timestamps import iso_offset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from syncd.sandbox.ghl.location import GhlLocation
    from syncd.sandbox.ghl.records import GhlAppointment, GhlCalendar

LONGEST_RANGE = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A time that somebody wants to book."""

    calendar: GhlCalendar
    start: datetime
    end: datetime
    assignee: str | None
    text: str | None = None
    """The start as it was written: one reporter's bookings failed where it was not the very
    text that free-slots had offered."""
    but: str | None = None
    """The appointment that moves: it is not in its own way."""
    ignore_range: bool = False


def accepts(location: GhlLocation, wish: Wish, *, moved: bool = True) -> bool:
    """Whether the service takes a wish with validation on, under the world's settings."""
    rule = location.settings.slot_validation
    if rule == "off":
        return True
    if not is_free(location, wish):
        return False
    if not moved:
        return True
    if not wish.ignore_range and wish.start < location.stamp() + wish.calendar.notice:
        return False
    if not _open(location, wish.calendar, wish.start):
        return False
    if rule == "overlap":
        return True
    if not _on_grid(location, wish.calendar, wish.start):
        return False
    return rule == "offered" or wish.text == iso_offset(wish.start, location.zone)


def is_free(location: GhlLocation, wish: Wish) -> bool:
    """Whether nobody holds the time, for the wished user or for anyone of the team."""
    team: Sequence[str | None] = wish.calendar.team or [None]
    if wish.calendar.kind == "collective":
        return all(_free_for(location, wish, user) for user in team)
    wanted = [wish.assignee] if wish.assignee else team
    return any(_free_for(location, wish, user) for user in wanted)


def offered(
    location: GhlLocation,
    calendar: GhlCalendar,
    start: datetime,
    end: datetime,
    *,
    zone: ZoneInfo,
    users: Sequence[str] = (),
) -> dict[str, dict[str, list[str]]]:
    """The offered slots of a span, by local date, as ISO texts with the zone's offset."""
    earliest = location.stamp() + calendar.notice
    days: dict[str, dict[str, list[str]]] = {}
    for begins in _grid(location, calendar, start, end):
        if begins < earliest or not _anyone(location, calendar, begins, users):
            continue
        text = iso_offset(begins, zone)
        days.setdefault(text[:10], {"slots": []})["slots"].append(text)
    return days


def _anyone(
    location: GhlLocation, calendar: GhlCalendar, begins: datetime, users: Sequence[str]
) -> bool:
    wanted: Sequence[str | None] = users or [None]
    return any(
        is_free(
            location,
            Wish(calendar=calendar, start=begins, end=begins + calendar.slot, assignee=user),
        )
        for user in wanted
    )


def _free_for(location: GhlLocation, wish: Wish, user: str | None) -> bool:
    start, end = wish.start - wish.calendar.pre_buffer, wish.end + wish.calendar.buffer
    holders: set[str] = set()
    for row in location.appointments.near(start - timedelta(hours=12), end):
        if row.id != wish.but and row.occupies() and row.start < end and row.end > start:  # noqa: SIM102
            if _stands_in_the_way(row, wish, user):
                holders.add(row.id)
    blocked = any(
        block.start < end
        and block.end > start
        and not block.deleted
        and (block.user == user if block.user else block.calendar == wish.calendar.id)
        for block in location.blocks.values()
    )
    return not blocked and len(holders) < wish.calendar.per_slot


def _stands_in_the_way(row: GhlAppointment, wish: Wish, user: str | None) -> bool:
    return row.assignee == user if user else row.calendar == wish.calendar.id


def _grid(
    location: GhlLocation, calendar: GhlCalendar, start: datetime, end: datetime
) -> Iterator[datetime]:
    day = start.astimezone(location.zone).date()
    while True:
        opening = datetime.combine(day, calendar.opens, location.zone).astimezone(start.tzinfo)
        if opening > end:
            return
        if day.weekday() in calendar.open_days:
            yield from _of_day(location, calendar, opening, (start, end))
        day += timedelta(days=1)


def _of_day(
    location: GhlLocation,
    calendar: GhlCalendar,
    opening: datetime,
    span: tuple[datetime, datetime],
) -> Iterator[datetime]:
    closing = _closing(location, calendar, opening)
    begins = opening
    while begins + calendar.slot <= closing:
        if span[0] <= begins < span[1]:
            yield begins
        begins += calendar.interval


def _closing(location: GhlLocation, calendar: GhlCalendar, opening: datetime) -> datetime:
    day = opening.astimezone(location.zone).date()
    if calendar.closes is None:
        closing = datetime.combine(day + timedelta(days=1), datetime.min.time(), location.zone)
    else:
        closing = datetime.combine(day, calendar.closes, location.zone)
    return closing.astimezone(opening.tzinfo)


def _open(location: GhlLocation, calendar: GhlCalendar, start: datetime) -> bool:
    if start.year == MAXYEAR:
        return False  # No calendar is open on the last day that there is.
    day = start.astimezone(location.zone).date()
    opening = datetime.combine(day, calendar.opens, location.zone).astimezone(start.tzinfo)
    return day.weekday() in calendar.open_days and opening <= start < _closing(
        location, calendar, opening
    )


def _on_grid(location: GhlLocation, calendar: GhlCalendar, start: datetime) -> bool:
    day = start.astimezone(location.zone).date()
    opening = datetime.combine(day, calendar.opens, location.zone).astimezone(start.tzinfo)
    return (start - opening) % calendar.interval == timedelta(0)
