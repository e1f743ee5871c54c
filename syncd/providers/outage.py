"""Counts requests in a row that failed without an answer: after a few, the vendor is down.

Both writers ask here before they give up a whole batch of writes, rather than
let each remaining write fail by itself.
"""

from threading import Lock


class OutageCounter:
    """Safe to share between threads."""

    def __init__(self, limit: int) -> None:
        self._limit, self._in_row, self._lock = limit, 0, Lock()

    def add(self, *, unanswered: bool) -> bool:
        """Count one result; returns whether `limit` results in a row were unanswered."""
        with self._lock:
            self._in_row = self._in_row + 1 if unanswered else 0
            return self._in_row >= self._limit

    def reset(self) -> None:
        """The vendor answers after all."""
        self._in_row = 0
