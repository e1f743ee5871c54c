"""A clock that can be put forward: for tests, the demo and `/control/clock/advance`.

Given to `SandboxWorld` as its `now`. With a datetime it stands still until it is advanced; with
another clock it runs ahead of that clock by the advanced time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SandboxClock:
    """Callable: the current instant, aware."""

    def __init__(self, base: datetime | Callable[[], datetime]) -> None:
        self._base = base
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """The current instant."""
        base = self._base if isinstance(self._base, datetime) else self._base()
        return base + self._ahead

    def advance(self, by: timedelta) -> datetime:
        """Puts the clock forward (or back); the instant that it shows then."""
        self._ahead += by
        return self()
