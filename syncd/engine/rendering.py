"""Whether what a side shows is what a vendor makes of a value that was sent.

`recover` asks when the answer to a write was lost, and the record shows
neither what was there before nor what was sent: a vendor that strips tags,
collapses blanks, cuts a long text or rounds a time did not edit anything. A
person's own words hardly look like that; where they do, nothing is lost.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta
from html import unescape

from syncd.core.essence import Value, is_empty

SHORTEST_CUT = 10
"""Letters: a shorter beginning of what was sent may as well be somebody's word."""

_ROUNDED = timedelta(minutes=1)
_TAG = re.compile(r"<[^<>]*>")


def renders(sent: Value, shown: Value) -> bool:
    """Whether `shown` is `sent` without its markup, blanks, end or seconds."""
    if is_empty(sent) or is_empty(shown):
        return False
    if isinstance(sent, tuple) and isinstance(shown, tuple):
        return all(_rounds(*each) for each in zip(sent, shown, strict=True))
    if isinstance(sent, tuple) or isinstance(shown, tuple):
        return False
    return (
        _ends_early(sent, shown)
        # A tag may part two words, as a line break does, or stand within one.
        or _ends_early(_bare(sent, " "), _bare(shown, " "))
        or _ends_early(_bare(sent, ""), _bare(shown, ""))
    )


def _rounds(sent: datetime | None, shown: datetime | None) -> bool:
    if sent is None or shown is None:
        return sent is None
    return shown == sent or (not shown.second and abs(shown - sent) < _ROUNDED)


def _ends_early(whole: str, found: str) -> bool:
    return whole == found or (len(found) >= SHORTEST_CUT and whole.startswith(found))


def _bare(text: str, tag: str) -> str:
    """The words alone, with `tag` for each tag."""
    words = _TAG.sub(tag, text)
    with suppress(ValueError):  # the number of a letter may have too many digits for Python
        words = unescape(words)
    return " ".join(words.split())
