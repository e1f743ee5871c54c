"""A listener over a store."""

from collections.abc import Iterator

import pytest
from live_listener import Live, opened
from stores import StandingClock

from syncd.store import Store, open_engine


@pytest.fixture
def live(sqlite_store_url: str, standing_clock: StandingClock) -> Iterator[Live]:
    """A listener that takes everything."""
    with Store(open_engine(sqlite_store_url), standing_clock) as store:
        yield from opened(store, standing_clock)
