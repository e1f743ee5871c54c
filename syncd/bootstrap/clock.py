"""The real time: the only clock of the program that is not a test's."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


def _seconds() -> float:
    """Linux counts no time asleep in its monotonic clock; others have no second one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class SystemClock:
    """The real time; `stop` ends every sleep early."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards, and go on while the machine sleeps."""
        return _seconds()

    def sleep(self, seconds: float) -> None:
        """Wait, or return early when the process is asked to stop."""
        self._stop.wait(max(0.0, seconds))
