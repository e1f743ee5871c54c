"""Caches parsed instants: a poll has mostly the same ones as the poll before.

Both adapters parse every stamp of every record through this.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TypeVarTuple

MOST = 65_536
"""Texts that each parser caches: some 20 MB."""

LONGEST = 40
"""Characters of a text that is cached; a longer one is no instant."""

More = TypeVarTuple("More")


def cached(
    read: Callable[[str, *More], datetime | None],
) -> Callable[[str, *More], datetime | None]:
    """The parser with a cache; it must depend only on its arguments."""
    known = lru_cache(maxsize=MOST)(read)

    def ask(written: str, *more: *More) -> datetime | None:
        return known(written, *more) if len(written) <= LONGEST else read(written, *more)

    return ask
