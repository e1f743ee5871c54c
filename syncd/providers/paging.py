"""Ends loops over pages: a vendor may announce a next page forever.

Both adapters keep a `Progress` for each loop over pages. Where an answer has no
total, nothing else limits such a loop.
"""

from collections.abc import Iterable

from syncd.core.model import Side
from syncd.errors import Unreadable

IDLE = 3
"""Pages in a row that may have no new row: rows may be filtered after paging."""

MANY = 200
"""Pages after which each must have `FEW` new rows on average, of a hundred requested; so many
list every person of the largest account."""

FEW = 10

LONGEST = 5_000
"""Pages of any list: half a million records."""


class Progress:
    """The progress of one loop over pages."""

    def __init__(self, side: Side, what: str, longest: int = LONGEST) -> None:
        self._side, self._what, self._longest = side, what, longest
        self._pages = 0
        self._shown: set[str] = set()
        self._places: set[str] = {""}
        self._idle = 0

    def page(self, ids: Iterable[str], onward: str) -> None:
        """Note the records of a page, and where the next page begins.

        Raises:
            Unreadable: the place was given before, the pages have next to no new rows, or there
                are too many of them: the list cannot be read.
        """
        self._pages += 1
        known = len(self._shown)
        self._shown.update(ids)
        self._idle = 0 if len(self._shown) > known else self._idle + 1
        thin = self._pages > MANY and len(self._shown) < FEW * self._pages
        if onward in self._places or self._idle > IDLE or thin or self._pages > self._longest:
            raise Unreadable(
                f"the list of {self._what} never comes to its end, even after {self._pages} "
                "pages; the next cycle asks again",
                side=self._side,
            )
        self._places.add(onward)
