"""Signals as letters: a handler only drops one, the daemon's loop takes them in turn.

A handler runs between any two instructions of the main thread, where taking a
lock that this thread holds would hang for ever; putting into a SimpleQueue
takes none (documented as reentrant).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from queue import Empty, SimpleQueue
from types import FrameType


class Letter(Enum):
    """What the daemon may be asked for."""

    STOP = "stop"
    RELOAD = "reload"
    KICK = "kick"


SIGNALS = {
    signal.SIGTERM: Letter.STOP,
    signal.SIGINT: Letter.STOP,
    signal.SIGHUP: Letter.RELOAD,
    signal.SIGUSR1: Letter.KICK,
}


class Mailbox:
    """Where signals arrive."""

    def __init__(self) -> None:
        self._letters: SimpleQueue[tuple[Letter, int]] = SimpleQueue()
        self.last_signal = 0
        """The number of the signal that was taken last."""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Receive signals while the block runs; only the main thread may do so."""
        before = {number: signal.signal(number, self._arrived) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def drop(self, letter: Letter, number: int = 0) -> None:
        """Put a letter in; safe in a signal handler."""
        self._letters.put((letter, number))

    def take(self, seconds: float) -> Letter | None:
        """The next letter, or None where none came for so long."""
        try:
            letter, self.last_signal = self._letters.get(timeout=seconds)
        except Empty:
            return None
        return letter

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.drop(SIGNALS[signal.Signals(number)], number)
