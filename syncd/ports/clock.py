"""Time as the engine takes it: the real one lives in `bootstrap`, tests bring their own."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where "now" and "wait" come from."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; for rates and durations."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; returns early when the process is asked to stop."""
        ...
