"""Which kinds of values a vendor stores as they are sent, learned by reading back.

Adapters ask here after a write. An answer may leave a value out, or repeat
what was sent whatever was stored; reading every record again would double the
requests. So a value is read back only where it has a trait (markup, line
breaks, a new length, …) that was not yet read back unchanged. Leaves out the
consequences: the adapters', and `core.rendering`'s.
"""

from __future__ import annotations

from collections import defaultdict
from threading import Lock

from syncd.core.essence import Value
from syncd.core.model import GroupKey

_MARKUP = frozenset("<>&\"'")
_BASIC = 0xFFFF
_ASCII = 0x7F
_SHORT = 40
"""Characters; no vendor is known to cut a shorter text."""
_EVEN = 5
"""Minutes: the slots of calendars are multiples of it."""


class ReadBack:
    """What was learned while the process lives; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[str, GroupKey], set[str]] = defaultdict(set)
        self._longest: dict[tuple[str, GroupKey], int] = defaultdict(int)

    def keeps(self, place: str, group: GroupKey, sent: Value) -> bool:
        """Whether values with all traits of this one were read back unchanged there."""
        with self._lock:
            known = traits(sent) <= self._kept[place, group]
            return known and _length(sent) <= self._longest[place, group]

    def learn(self, place: str, group: GroupKey, sent: Value, shown: Value) -> None:
        """A record that was read right after the write shows `shown` for `sent`."""
        if sent != shown:
            return  # Values like it are read back each time.
        with self._lock:
            self._kept[place, group] |= traits(sent)
            self._longest[place, group] = max(self._longest[place, group], _length(sent))


def traits(value: Value) -> frozenset[str]:
    """The traits of a value that a vendor may not keep, its length aside.

    An even time has none: no calendar moves a start at ten.
    """
    if isinstance(value, tuple):
        odd = any(each and (each.second or each.minute % _EVEN) for each in value)
        return frozenset({"odd"} if odd else ())
    found = {"text"}
    found |= {"markup"} if not _MARKUP.isdisjoint(value) else set()
    found |= {"blanks"} if " ".join(value.split()) != value else set()
    found |= {"letters"} if any(ord(char) > _ASCII for char in value) else set()
    found |= {"signs"} if any(ord(char) > _BASIC for char in value) else set()
    return frozenset(found)


def is_plain(value: Value) -> bool:
    """Whether it is a short line of plain letters, without traits."""
    return traits(value) <= {"text"} and not _length(value)


def _length(value: Value) -> int:
    """The length of a text that may be too long."""
    return 0 if isinstance(value, tuple) or len(value) <= _SHORT else len(value)
