"""Recurring appointments: a master, and instances whose ids contain start and length.

`location` books them. This understands the part of RFC 5545 that the tests need: FREQ (DAILY,
WEEKLY, MONTHLY), INTERVAL, COUNT, UNTIL and an EXDATE line; a rule without an end is expanded to
one year's instances, because the service's own bound is not documented.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from syncd.sandbox.timestamps import epoch_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncd.sandbox.ghl.records import GhlAppointment

_ENDLESS = timedelta(days=365)


def instance_id(row: GhlAppointment) -> str:
    """`master_startms_durationseconds`, the shape that the vendor's examples show."""
    seconds = int((row.end - row.start).total_seconds())
    return f"{row.master}_{epoch_ms(row.start)}_{seconds}"


def instances(master: GhlAppointment, zone: ZoneInfo) -> Iterator[GhlAppointment]:
    """The instances of a master, at the same local time of day each."""
    length = master.end - master.start
    for start in _starts(master, zone):
        row = replace(
            master,
            master=master.id,
            series=False,
            start=start,
            end=start + length,
            users=list(master.users),
        )
        row.id = instance_id(row)
        yield row


def later(moment: datetime, by: timedelta, zone: ZoneInfo) -> datetime:
    """The instant that is later by an amount of local time."""
    local = moment.astimezone(zone).replace(tzinfo=None) + by
    return local.replace(tzinfo=zone).astimezone(moment.tzinfo)


def _starts(master: GhlAppointment, zone: ZoneInfo) -> Iterator[datetime]:
    rule, without = _parts(master.rrule or "")
    last = _moment(rule["UNTIL"]) if "UNTIL" in rule else master.start + _ENDLESS
    count = int(rule.get("COUNT", "1000"))
    step = int(rule.get("INTERVAL", "1"))
    first = master.start.astimezone(zone).replace(tzinfo=None)
    for number in range(count):
        local = _nth(first, rule.get("FREQ", "DAILY"), number * step)
        start = local.replace(tzinfo=zone).astimezone(master.start.tzinfo)
        if start > last:
            return
        if start not in without:
            yield start


def _nth(first: datetime, frequency: str, steps: int) -> datetime:
    if frequency == "MONTHLY":
        months = first.month - 1 + steps
        return first.replace(year=first.year + months // 12, month=months % 12 + 1)
    return first + timedelta(days=steps * (7 if frequency == "WEEKLY" else 1))


def _parts(text: str) -> tuple[dict[str, str], set[datetime]]:
    rule: dict[str, str] = {}
    without: set[datetime] = set()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.upper() == "EXDATE":
            without |= {_moment(part) for part in value.split(",")}
        elif name.upper() == "RRULE":
            rule |= dict(part.split("=", 1) for part in value.split(";") if "=" in part)
    return rule, without


def _moment(text: str) -> datetime:
    return datetime.strptime(text + "+0000", "%Y%m%dT%H%M%SZ%z")
