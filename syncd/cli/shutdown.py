"""How SIGINT and SIGTERM end the process, whatever it is waiting for.

A Python signal handler runs in the main thread, and only after a system call
returns: not during a name lookup or while waiting for a database lock. So the
signal's number is written to a socket at once, and a thread reads it there.
The first signal starts an orderly end with a time limit; the second one ends
the process within a second.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

LIMIT = 9.0
"""Seconds for an orderly end; the process is gone within ten (`docs/exit-codes.md`)."""

AT_ONCE = 1.0
"""Seconds that a second signal leaves for what ends by itself."""

STOPS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """The stop signals that arrived, and what to do at the first one."""

    def __init__(self) -> None:
        self.handlers: list[tuple[Callable[[], None], int | None]] = []
        """Callback and exit code of each enclosing block, the innermost last."""
        self._ended = threading.Event()
        self.count = 0

    def listen(self, socket_: socket.socket) -> None:
        """Read signal numbers until the other end is closed."""
        with suppress(OSError):
            while numbers := socket_.recv(64):
                for number in numbers:
                    if number in STOPS:
                        self._stopped(number)

    def finish(self) -> None:
        """The process ends by itself: cancel the time limit."""
        self._ended.set()

    def _stopped(self, number: int) -> None:
        self.count += 1
        if self.count == 1:
            codes = [code for _, code in self.handlers if code is not None]
            self._end_after(LIMIT, codes[-1] if codes else 128 + number)
            for on_stop, _ in self.handlers:
                on_stop()
        elif self.count == 2:
            self._end_after(AT_ONCE, 128 + number)

    def _end_after(self, seconds: float, code: int) -> None:
        def end() -> None:
            if not self._ended.wait(seconds):
                leave(code)

        threading.Thread(target=end, name="end", daemon=True).start()


@contextmanager
def on_stop_signal(
    on_stop: Callable[[], None] = lambda: None, *, code: int | None = None
) -> Iterator[StopSignals]:
    """Make sure that a stop signal ends the process while the block runs; blocks may nest.

    The first signal calls `on_stop` in another thread. If the orderly end takes
    too long, the process exits with `code`, or with 128 + the signal's number.
    The caller installs the signal handlers: without one no number is written.
    """
    with _listening() as signals:
        signals.handlers.append((on_stop, code))
        try:
            yield signals
        finally:
            signals.handlers.pop()


_listeners: list[StopSignals] = []
"""The active one, if any: a process has one wake-up socket for signals."""


@contextmanager
def _listening() -> Iterator[StopSignals]:
    if _listeners or threading.current_thread() is not threading.main_thread():
        # Only the main thread gets signals.
        yield _listeners[0] if _listeners else StopSignals()
        return
    signals = StopSignals()
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    thread = threading.Thread(target=signals.listen, args=(ours,), name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    _listeners.append(signals)
    try:
        yield signals
    finally:
        _listeners.remove(signals)
        signal.set_wakeup_fd(before)
        theirs.close()
        thread.join()
        ours.close()
        signals.finish()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end a verb as Ctrl-C does: with cleanup."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave(code: int) -> None:
    """End the process without waiting for threads that hang; the kernel frees its locks."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
