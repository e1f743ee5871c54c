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


class Command(Enum):
    """What the daemon may be asked for."""

    STOP = "stop"
    RELOAD = "reload"
    KICK = "kick"


SIGNALS = {
    signal.SIGTERM: Command.STOP,
    signal.SIGINT: Command.STOP,
    signal.SIGHUP: Command.RELOAD,
    signal.SIGUSR1: Command.KICK,
}


class SignalQueue:
    """Where signals arrive."""

    def __init__(self) -> None:
        self._letters: SimpleQueue[tuple[Command, int]] = SimpleQueue()
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

    def drop(self, command: Command, number: int = 0) -> None:
        """Put a letter in; safe in a signal handler."""
        self._letters.put((command, number))

    def take(self, seconds: float) -> Command | None:
        """The next letter, or None where none came for so long."""
        try:
            command, self.last_signal = self._letters.get(timeout=seconds)
        except Empty:
            return None
        return command

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.drop(SIGNALS[signal.Signals(number)], number)
