"""Formats times, amounts and redacted text for the page and `syncd status`. Pure functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncd.core.model import Side
from syncd.observability.health import LinkHealth
from syncd.observability.redaction import redact

SIDES = {side.value: side.label for side in Side}

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_TIMES = re.compile(rf"(?:({_INSTANT.pattern})|\?(?= to \d))(?: to (?:({_INSTANT.pattern})|\?))?")
"""A time as holds and the history write it: one instant, or a start and an end, "?" for none."""
_TOLD = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\b")
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def text(held: object, *, personal: bool = False) -> str:
    """Text from outside, redacted; the templates escape it."""
    return redact(str(held), personal=not personal)


def value(held: str, *, personal: bool = False, zone: tzinfo = UTC) -> str:
    """A field's value, or what is said of one, redacted; instants are told in the zone."""
    try:
        if found := _TIMES.fullmatch(held):
            start, end = (datetime.fromisoformat(each) if each else None for each in found.groups())
            return _from_to(start, end, zone)
        told = _TOLD.sub(lambda each: _day(datetime.fromisoformat(f"{each[1]}Z"), zone), held)
    except (ValueError, OverflowError):
        told = held
    return text(told, personal=personal)


def _from_to(start: datetime | None, end: datetime | None, zone: tzinfo) -> str:
    if start is None or end is None:
        known = start or end
        return _day(known, zone) if known else "no time"
    return f"{_day(start, zone)} to {moment(end, start, zone)}"


def _day(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%a %Y-%m-%d %H:%M")


def span(seconds: float) -> str:
    """A length of time in its two largest units: `3 min`, `2 h 5 min`, `0.4 s`."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    found: list[str] = []
    left = int(seconds)
    for size, unit in _UNITS:
        if left >= size and len(found) < 2:
            found.append(f"{left // size} {unit}")
            left %= size
        elif found:
            break
    return " ".join(found)


_LEFT_OUT = {
    "window": "outside the window",
    "calendar": "on a calendar that is not synced",
    "filter": "not passing the filter",
    "location": "of another location",
    "series": "instances of a series",
    "ignored": "ignored by a person",
    "merged": "merged into another record",
}


def rule(reason: str) -> str:
    """Which rule leaves a record out."""
    return _LEFT_OUT.get(reason, reason)


def left_out(reason: str, number: int) -> str:
    """How many records one rule leaves out: `3 outside the window (window)`."""
    told = _LEFT_OUT.get(reason)
    return f"{number:,} {told} ({reason})" if told else f"{number:,} {text(reason)}"


def verified(link: LinkHealth) -> str:
    """How many pairs were verified: `1,204 of 1,204 in the last 24 h, the oldest 5 h ago`."""
    found = link.verified
    if not found.pairs:
        return "nothing yet"
    told = f"{found.count:,} of {found.pairs:,} in the last 24 h"
    return f"{told}, the oldest {ago(found.oldest, link.at)}" if found.oldest else told


def polls(link: LinkHealth) -> str:
    """How often a link is polled, and why not as configured."""
    told = f"every {span(link.poll_seconds)}"
    if link.stretched_by:
        return f"{told} instead of {span(link.asked_seconds)}: at most {link.stretched_by}"
    if link.relaxed and link.poll_seconds > link.asked_seconds:
        return f"{told} instead of {span(link.asked_seconds)}: both sides announce their changes"
    return told


def requests_a_day(link: LinkHealth) -> str:
    """What idle polls use of each account's day: `HighLevel 576 of 100,000 instead of 2,880`."""
    parts = []
    for side, of in link.polls_per_day.items():
        told = f"{SIDES.get(side, side)} {of['requests']:,} of {of['at_most']:,}"
        saved = of["unrelaxed"] != of["requests"]
        parts.append(f"{told} instead of {of['unrelaxed']:,}" if saved else told)
    return ", ".join(parts)


def announces(link: LinkHealth) -> str:
    """What each side announces, "" where nothing is set up: `HighLevel heard, HubSpot deaf`."""
    if all(word == "off" for word in link.hearing.values()):
        return ""
    return ", ".join(f"{SIDES.get(side, side)} {word}" for side, word in link.hearing.items())


def next_cycle(link: LinkHealth) -> str:
    """The time of a link's next cycle, for the page and `syncd status`."""
    if link.working_since:
        return f"runs since {link.working_since.astimezone(UTC):%H:%M:%S} UTC"
    if link.paused:
        return "none while it is paused"
    if not link.daemon:
        return "no daemon runs"
    if link.next_due is None or link.next_due <= link.at:
        return "now"
    return f"in {span((link.next_due - link.at).total_seconds())}"


def moment(at: datetime, now: datetime, zone: tzinfo = UTC) -> str:
    """The hour of an instant, with the day where it is another one."""
    at, now = at.astimezone(zone), now.astimezone(zone)
    return at.strftime("%H:%M") if at.date() == now.date() else _day(at, zone)


def zone_of(name: str) -> tzinfo:
    """The zone in which a person reads times; UTC where it is not known."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


_LONG = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def long_ago(at: datetime, now: datetime) -> str:
    """How long ago an instant is, in whole words: `3 minutes ago`."""
    seconds = int((now - at).total_seconds())
    for size, unit in _LONG:
        if seconds >= size:
            return f"{count(seconds // size, unit)} ago"
    return "just now"


def iso(at: datetime) -> str:
    """An instant for machines (UTC)."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def ago(at: datetime, now: datetime) -> str:
    """How long before or after now an instant is."""
    seconds = (now - at).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def count(number: int, noun: str, nouns: str = "") -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
