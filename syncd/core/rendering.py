"""Whether what a side shows is what a vendor makes of a value that was sent.

A vendor that strips tags, escapes or wraps a text, collapses blanks, drops
signs that it cannot keep, cuts a long text or rounds a time did not edit
anything. The adapters ask right after a write, the core at the first look
after one, and recovery where an answer was lost. A person's own words hardly
look like that; where a stamp can tell, it does.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from datetime import datetime, timedelta
from html import unescape

from syncd.core.essence import Value, is_empty

SHORTEST_CUT = 10
"""Letters: a shorter beginning of what was sent may as well be somebody's word."""

_ROUNDED = timedelta(minutes=1)
_TAG = re.compile(r"<[^<>]*>")
_BASIC = 0xFFFF
"""What lies beyond it is what old databases cannot keep: emoji, most of all."""
_INSTEAD = "?\ufffd"
"""What may stand in the place of a sign that could not be kept."""
_CUT_OFF = (" …", "…", " ...", "...")


def is_vendors(sent: Value, shown: Value, left: datetime | None, now: datetime | None) -> bool:
    """Whether only the vendor can have changed what was sent to `shown`.

    `left` is the stamp that our write left on the record, `now` the one that
    it has. A newer one is somebody's edit, whatever it looks like; equal ones
    prove that there was none, where they are finer than a second.
    """
    if left is not None and now is not None:
        if now > left:
            return False
        if left.microsecond:
            return True
    return renders(sent, shown)


def renders(sent: Value, shown: Value) -> bool:
    """Whether `shown` is `sent` without its markup, blanks, odd signs, end or seconds."""
    if is_empty(sent) or is_empty(shown):
        return False
    if isinstance(sent, tuple) and isinstance(shown, tuple):
        return all(_rounds(*each) for each in zip(sent, shown, strict=True))
    if isinstance(sent, tuple) or isinstance(shown, tuple):
        return False
    plain = _without_entities(shown)
    return (
        _ends_early(sent, shown)
        or _ends_early(_flat(sent), _flat(plain))
        or _ends_early(_flat(sent), _flat(_without_entities(plain)))
        # A tag may part two words, as a line break does, or stand within one.
        or _ends_early(_bare(sent, " "), _bare(shown, " "))
        or _ends_early(_bare(sent, ""), _bare(shown, ""))
        or _lacks_signs(sent, shown)
    )


def _rounds(sent: datetime | None, shown: datetime | None) -> bool:
    if sent is None or shown is None:
        return sent is None
    return shown == sent or (not shown.second and abs(shown - sent) < _ROUNDED)


def _ends_early(whole: str, found: str) -> bool:
    if whole == found:
        return True
    for mark in _CUT_OFF:
        found = found.removesuffix(mark)
    return len(found) >= SHORTEST_CUT and whole.startswith(found)


def _lacks_signs(sent: str, shown: str) -> bool:
    """Whether only signs are gone, or stand for others, that not every database keeps."""
    kept = _kept(sent)
    return kept != sent and _ends_early(_words(kept), _words(_kept(shown)))


def _kept(text: str) -> str:
    """The text without signs beyond the basic plane, symbols, and what joins them."""
    return "".join(
        char for char in text if ord(char) <= _BASIC and unicodedata.category(char) not in _SIGNS
    )


_SIGNS = frozenset({"So", "Cs", "Cf", "Cn", "Mn"})


def _words(text: str) -> str:
    return " ".join("".join(char for char in text if char not in _INSTEAD).split())


def _flat(text: str) -> str:
    """The text with single blanks, in one of the ways in which its letters can be written."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _bare(text: str, tag: str) -> str:
    """The words alone, with `tag` for each tag."""
    return _flat(_without_entities(_TAG.sub(tag, text)))


def _without_entities(text: str) -> str:
    with suppress(ValueError):  # the number of a letter may have too many digits for Python
        return unescape(text)
    return text
