"""Instants in the five formats of HighLevel's API. Pure.

`mapping` and `reading` parse with this, `protocol` and `mapping` write. Lists
and gets have the location's offset, stamps are UTC with a `Z`, a contact's
appointments are local times without an offset, queries are epoch milliseconds
(observed 2026-07-17). Instants are compared, never texts.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from syncd.core.essence import instant
from syncd.providers.parse_cache import cached

_NAIVE_TAIL = re.compile(r"[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$")
_DIGITS = re.compile(r"-?\d{1,14}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def parse(raw: object, zone: tzinfo) -> datetime | None:
    """The UTC instant of a value, to the second; None where it is unreadable.

    A text without an offset is local time in `zone`; within the hour that a
    clock change repeats it means the first of the two. Epoch milliseconds are
    accepted as well.
    """
    if isinstance(raw, str):
        return _read(raw, zone)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    return _of_epoch(raw)


def stamp(raw: object, zone: tzinfo) -> datetime | None:
    """The UTC instant of a stamp, with its fraction: two writes may share a second."""
    whole = parse(raw, zone)
    if whole is None or not isinstance(raw, str) or "." not in raw:
        return whole
    return whole.replace(microsecond=datetime.fromisoformat(raw.strip()).microsecond)


@cached
def _read(raw: str, zone: tzinfo) -> datetime | None:
    if _DIGITS.fullmatch(raw):
        return _of_epoch(float(raw))
    try:
        moment = datetime.fromisoformat(raw.strip())
        return instant(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return None


def _of_epoch(milliseconds: float) -> datetime | None:
    try:
        return instant(_EPOCH + timedelta(milliseconds=milliseconds))
    except (ValueError, OverflowError):
        return None


def is_ambiguous(raw: object, zone: tzinfo) -> bool:
    """Whether a local time without an offset is two instants, in the repeated hour."""
    if not isinstance(raw, str) or not _NAIVE_TAIL.search(raw.strip()):
        return False
    try:
        local = datetime.fromisoformat(raw.strip())
        first = local.replace(tzinfo=zone, fold=0).utcoffset()
        return first != local.replace(tzinfo=zone, fold=1).utcoffset()
    except (ValueError, OverflowError):
        return False


def with_offset(moment: datetime, zone: tzinfo) -> str:
    """ISO to the second with the location's own offset, as the service shows it.

    In UTC where that offset is out of range, on the first and last day of the calendar.
    """
    try:
        return moment.astimezone(zone).isoformat(timespec="seconds")
    except OverflowError:
        return moment.isoformat(timespec="seconds")


def milliseconds(moment: datetime) -> str:
    """Epoch milliseconds as a string, as queries need them."""
    return str((moment - _EPOCH) // timedelta(milliseconds=1))


def shifted(moment: datetime, by: timedelta) -> datetime:
    """That much later or earlier, at most the first or last instant of the calendar."""
    return moment + min(max(by, _FIRST - moment), _LAST - moment)
