"""The connections of the status server: how many, for how long, and whose turn it is to go.

`server` keeps one `Visits`. A client that sends its request in drops, or takes
its answer in drops, holds a thread; so each of both has an end, and where all
places are taken the client that has been slowest makes room for the newest.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

CONNECTIONS = 64
"""Connections at once; each has a thread."""

RECEIVE = 5.0
"""Seconds within which a whole request has to arrive."""

ANSWER = 15.0
"""Seconds within which an answer has to be made, sent and taken."""


@dataclass(slots=True, kw_only=True)
class _Visit:
    since: float
    receiving: bool = True


class Visits:
    """Every connection that is open; safe to share between threads."""

    # The sockets' own time: no clock of a test moves them.
    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:  # noqa: TID251
        self._monotonic = monotonic
        self._lock = Lock()
        self._open: dict[socket.socket, _Visit] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, link: socket.socket) -> None:
        """A client has come; another one may have to go."""
        with self._lock:
            if len(self._open) >= CONNECTIONS:
                # Insertion is the order of age; who has not asked yet goes first.
                slowest = sorted(self._open, key=lambda each: not self._open[each].receiving)
                self._turn_away(slowest[0])
            self._open[link] = _Visit(since=self._monotonic())

    def receiving(self, link: socket.socket) -> None:
        """From now on it is to send a request."""
        self._note(link, receiving=True)

    def answering(self, link: socket.socket) -> None:
        """Its request is here, and its answer is made."""
        self._note(link, receiving=False)

    def leave(self, link: socket.socket) -> None:
        """It has gone."""
        with self._lock:
            self._open.pop(link, None)

    def tidy(self) -> None:
        """Turn away who takes too long."""
        now = self._monotonic()
        with self._lock:
            for link, visit in list(self._open.items()):
                if now - visit.since > (RECEIVE if visit.receiving else ANSWER):
                    self._turn_away(link)

    def _note(self, link: socket.socket, *, receiving: bool) -> None:
        with self._lock:
            if visit := self._open.get(link):
                visit.since, visit.receiving = self._monotonic(), receiving

    def _turn_away(self, link: socket.socket) -> None:
        del self._open[link]
        # Its thread, which waits for it, wakes and closes it.
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
