"""Instants that were read before: a poll shows mostly the same ones as the poll before.

Both adapters read every stamp of every record through this; what a text means
is theirs.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TypeVarTuple

MOST = 65_536
"""Texts that are remembered, for each way of reading: some 20 MB."""

LONGEST = 40
"""Characters of a text that is remembered; a longer one is no instant, and may be anything."""

More = TypeVarTuple("More")


def cached(
    read: Callable[[str, *More], datetime | None],
) -> Callable[[str, *More], datetime | None]:
    """The same reading, which must depend on nothing but what it is given."""
    known = lru_cache(maxsize=MOST)(read)

    def ask(written: str, *more: *More) -> datetime | None:
        return known(written, *more) if len(written) <= LONGEST else read(written, *more)

    return ask
