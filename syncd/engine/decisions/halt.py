"""Whether a person takes a link out of service while a cycle of it runs.

The daemon's turns and `--sync-now` give the answer to `cycle` as `halted`,
which asks between writes.
"""

from __future__ import annotations

from collections.abc import Callable

from syncd.errors import StoreError

PAUSE_HEARD = 1.0
"""Seconds after which a cycle that runs looks whether its link was paused."""


def pauses(paused: Callable[[], bool], monotonic: Callable[[], float]) -> Callable[[], bool]:
    """Whether the link is paused by now; `paused` is asked once in a while, and no more once so."""
    asked, found = monotonic(), False

    def halted() -> bool:
        nonlocal asked, found
        now = monotonic()
        if not found and now - asked >= PAUSE_HEARD:
            asked = now
            try:
                found = paused()
            except StoreError:
                return False  # The next write of ours tells.
        return found

    return halted
