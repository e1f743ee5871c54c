"""Instants in the notations that the two vendors write and accept.

Used by both halves of the sandbox. Every datetime that leaves or enters a record is aware.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_milliseconds(moment: datetime) -> datetime:
    """The moment in UTC, cut to the millisecond: finer stamps exist on neither side."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso_ms(moment: datetime) -> str:
    """`2026-03-02T09:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def iso_offset(moment: datetime, zone: ZoneInfo) -> str:
    """`2026-03-02T10:00:00+01:00`, as HighLevel shows it in the location's zone."""
    return _local(moment, zone).isoformat(timespec="seconds")


def naive_local(moment: datetime, zone: ZoneInfo) -> str:
    """`2026-03-02 10:00:00`, without an offset, as a contact's appointments come."""
    return _local(moment, zone).strftime("%Y-%m-%d %H:%M:%S")


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """An instant in a zone; in UTC where the zone's offset would lead out of the calendar."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970 in UTC."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_epoch_ms(value: int) -> datetime:
    """The instant of so many milliseconds since 1970.

    Raises:
        ValueError: the instant lies outside the years 1 to 9999.
    """
    try:
        return EPOCH + timedelta(milliseconds=value)
    except OverflowError as error:
        raise ValueError(f"{value} milliseconds are out of range") from error


def parse_iso(text: str, *, naive: ZoneInfo | None = None) -> datetime:
    """The instant in UTC that an ISO text means.

    Args:
        text: a date and time; `Z` and offsets are understood.
        naive: the zone of a text without an offset; None refuses such a text.

    Raises:
        ValueError: it is no date and time, or has no offset and needs one.
    """
    if len(text) < len("2026-01-01T00:00"):
        raise ValueError(f"{text!r} is no date and time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if naive is None:
            raise ValueError(f"{text!r} has no offset")
        moment = moment.replace(tzinfo=naive)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def instant(value: datetime | str) -> datetime:
    """What a test may give as a moment: an aware datetime or ISO text with an offset.

    Raises:
        ValueError: it has no offset.
    """
    if isinstance(value, str):
        return parse_iso(value)
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone: give one, appointments are instants")
    return value.astimezone(UTC)
