"""Whether a paging gets on: a vendor that always tells of a next page is not asked for ever.

Both adapters keep a `Progress` beside each loop over pages. Where no total is
told, nothing else says when such a loop has to end.
"""

from collections.abc import Iterable

from syncd.core.model import Side
from syncd.errors import Unreadable

IDLE = 3
"""Pages in a row that may show nothing new: rows may be filtered after a page was cut."""


class Progress:
    """What one paging has shown so far."""

    def __init__(self, side: Side, what: str) -> None:
        self._side, self._what = side, what
        self._shown: set[str] = set()
        self._places: set[str] = {""}
        self._idle = 0

    def page(self, ids: Iterable[str], onward: str) -> None:
        """A page showed these records, and goes on at that place.

        Raises:
            Unreadable: the place was there before, or page after page shows nothing new: what is
                listed is not known, and never will be this way.
        """
        known = len(self._shown)
        self._shown.update(ids)
        self._idle = 0 if len(self._shown) > known else self._idle + 1
        if onward in self._places or self._idle > IDLE:
            raise Unreadable(
                f"the list of {self._what} never comes to its end: page after page shows the "
                "same; the next cycle asks again",
                side=self._side,
            )
        self._places.add(onward)
