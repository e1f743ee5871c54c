"""Judges the calendars of a location against what the link's configuration names; pure.

`examine` calls this with HighLevel's answer. It reports all problems, not only the
first one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from syncd.config import LinkSettings
from syncd.core.model import Calendar, Person
from syncd.doctor.finding import Finding, error, ok, warning

AREA = "calendars"
_ASSIGNS = ("round_robin", "collective", "class_booking", "service_booking", "personal")
"""Kinds of calendar whose bookings have an assignee."""


def judge(
    link: LinkSettings, calendars: Collection[Calendar], users: Collection[Person] | None
) -> Iterator[Finding]:
    """Every calendar and assignee that the link names; `users` is None if they are unknown."""
    known = {each.id: each for each in calendars}
    yield from _synced(link, known)
    if link.sync.direction != "ghl_to_hubspot":
        yield from _default(link, known)
        yield from _routes(link, known)
        yield from _people(link, known, users)


def _synced(link: LinkSettings, known: Mapping[str, Calendar]) -> Iterator[Finding]:
    if not known:
        yield warning(
            AREA, "the location has no calendar: nothing to sync", "create one in HighLevel"
        )
        return
    for key in link.ghl.calendars:
        if key not in known:
            yield _unknown(key, "ghl.calendars", known)
        elif not known[key].active:
            yield warning(
                AREA,
                f"{_named(known[key])} is deactivated; its bookings are still synced",
                "activate it in HighLevel, or remove it from ghl.calendars",
            )
    active = [each for each in known.values() if each.active]
    chosen = [known[key] for key in link.ghl.calendars if key in known] or active
    if not chosen:
        remedy = "activate one in HighLevel, or name it in ghl.calendars"
        yield warning(AREA, "no calendar of the location is active: nothing to sync", remedy)
        return
    names = ", ".join(_named(each) for each in chosen[:8])
    more = f" and {len(chosen) - 8} more" if len(chosen) > 8 else ""
    yield ok(AREA, f"{len(chosen)} synced: {names}{more}")


def _default(link: LinkSettings, known: Mapping[str, Calendar]) -> Iterator[Finding]:
    key = link.ghl.default_calendar
    if not key:
        yield warning(
            AREA,
            "no default_calendar: an appointment created in HubSpot"
            + (" without a matching route" if link.ghl.routes else "")
            + " is held (no_default_calendar)",
            "set ghl.default_calendar to the calendar for such bookings",
        )
    elif key not in known:
        yield _unknown(key, "ghl.default_calendar", known)
    else:
        yield from _bookable(known[key], "default_calendar")


def _routes(link: LinkSettings, known: Mapping[str, Calendar]) -> Iterator[Finding]:
    for place, route in enumerate(link.ghl.routes):
        where = f"ghl.routes[{place}].calendar"
        if route.calendar and route.calendar not in known:
            yield _unknown(route.calendar, where, known)
        elif route.calendar:
            yield from _bookable(known[route.calendar], where)


def _bookable(calendar: Calendar, where: str) -> Iterator[Finding]:
    if not calendar.active:
        yield warning(
            AREA,
            f"{where}: {_named(calendar)} is deactivated; appointments created in HubSpot are held",
            "activate it in HighLevel, or name another one",
        )
    elif not calendar.team and calendar.kind in _ASSIGNS:
        yield warning(
            AREA,
            f"{where}: {_named(calendar)} has no team member; HighLevel may refuse bookings",
            "add a team member to it in HighLevel",
        )
    else:
        yield ok(AREA, f"{where}: {_named(calendar)}, {_team(calendar)}")


def _people(
    link: LinkSettings, known: Mapping[str, Calendar], users: Collection[Person] | None
) -> Iterator[Finding]:
    wishes = [("ghl.default_assignee", link.ghl.default_assignee, link.ghl.default_calendar)]
    for place, route in enumerate(link.ghl.routes):
        calendar = route.calendar or link.ghl.default_calendar
        wishes.append((f"ghl.routes[{place}].assignee", route.assignee, calendar))
    for where, user, key in wishes:
        calendar_of = known.get(key)
        if not user:
            continue
        if users is not None and user not in {each.id for each in users}:
            names = ", ".join(f"{each.id} {each.name!r}" for each in [*users][:20])
            yield error(
                AREA,
                f"{where}: the location has no user {user}",
                f"name one of these: {names or 'HighLevel lists none'}",
            )
        elif calendar_of and calendar_of.team and user not in calendar_of.team:
            yield warning(
                AREA,
                f"{where}: user {user} is not in the team of {_named(calendar_of)}; "
                + (
                    "its primary team member is used instead"
                    if where.endswith("default_assignee")
                    else "HighLevel refuses such bookings"
                ),
                "add the user to the calendar's team, or name another one",
            )


def _unknown(key: str, where: str, known: Mapping[str, Calendar]) -> Finding:
    there = ", ".join(_named(each) for each in [*known.values()][:20]) or "none"
    return error(AREA, f"{where}: the location has no calendar {key}", f"it has: {there}")


def _named(calendar: Calendar) -> str:
    return f"{calendar.id} {calendar.name!r}"


def _team(calendar: Calendar) -> str:
    count = len(calendar.team)
    return f"team of {count}" if count else "no team"
