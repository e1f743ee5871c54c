"""Identifiers in the vendors' shapes, from a counter: two equal runs get equal ids.

Used by every record maker of the sandbox. Nothing here is random.
"""

from __future__ import annotations

import string
from collections import defaultdict

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTH = 20
_SPACE = 62**_LENGTH
_STRIDE = 433494437 * 2971215073 * 1500450271 * 3**21 + 62
"""Multiplying by a number that shares no factor with the space visits each id once."""

_FIRST = {"appointments": 88_100_000_000, "contacts": 51_200_000_000, "owners": 71_400_000}


class Ids:
    """One world's supply of identifiers."""

    def __init__(self) -> None:
        self._counters: defaultdict[str, int] = defaultdict(int)

    def ghl(self) -> str:
        """The next HighLevel id: 20 letters and digits, unlike its neighbours."""
        value = (self._next("ghl") * _STRIDE) % _SPACE
        letters = []
        for _ in range(_LENGTH):
            value, digit = divmod(value, 62)
            letters.append(_ALPHABET[digit])
        return "".join(reversed(letters))

    def hubspot(self, kind: str) -> str:
        """The next HubSpot id of a kind of record: a number as text, growing."""
        return str(_FIRST.get(kind, 900_000) + self._next(kind))

    def trace(self) -> str:
        """The next trace or correlation id: the shape of a UUID."""
        number = self._next("trace")
        return f"{number:08x}-5a5a-4b4b-8c8c-{number:012x}"

    def _next(self, kind: str) -> int:
        self._counters[kind] += 1
        return self._counters[kind]
