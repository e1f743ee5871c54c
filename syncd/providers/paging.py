"""Whether a paging gets on: a vendor that always tells of a next page is not asked for ever.

Both adapters keep a `Progress` beside each loop over pages. Where no total is
told, nothing else says when such a loop has to end.
"""

from collections.abc import Iterable

from syncd.core.model import Side
from syncd.errors import Unreadable

IDLE = 3
"""Pages in a row that may show nothing new: rows may be filtered after a page was cut."""

MANY = 200
"""Pages after which each has to have shown `FEW` new rows on average, where a hundred are asked
for; so many show every person of the largest account."""

FEW = 10

LONGEST = 5_000
"""Pages of any list: half a million records."""


class Progress:
    """What one paging has shown so far."""

    def __init__(self, side: Side, what: str, longest: int = LONGEST) -> None:
        self._side, self._what, self._longest = side, what, longest
        self._pages = 0
        self._shown: set[str] = set()
        self._places: set[str] = {""}
        self._idle = 0

    def page(self, ids: Iterable[str], onward: str) -> None:
        """A page showed these records, and goes on at that place.

        Raises:
            Unreadable: the place was there before, page after page shows next to nothing new, or
                there are more than there can be: what is listed is not known, and never will be
                this way.
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
