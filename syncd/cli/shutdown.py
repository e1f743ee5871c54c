"""The end of the process, whatever it waits in: a thread of its own hears SIGINT and SIGTERM.

A handler of Python's runs in the main thread, once that comes back from the
operating system: not while it looks a name up, or waits for a database's lock.
The number of a signal is written into a socket at once, and a thread that does
nothing else reads it there. The first stop begins an orderly end, for which
there is a limit; a second one ends the process in a moment.
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


class Ear:
    """What was heard so far."""

    def __init__(self) -> None:
        self.wishes: list[tuple[Callable[[], None], int | None]] = []
        """What the blocks around the present moment want of a stop, the innermost last."""
        self._over = threading.Event()
        self.heard = 0
        """How many stops there were."""

    def listen(self, socket_: socket.socket) -> None:
        """Hear signals until the other end is closed."""
        with suppress(OSError):
            while numbers := socket_.recv(64):
                for number in numbers:
                    if number in STOPS:
                        self._stopped(number)

    def rest(self) -> None:
        """The end has come; nothing is ended any more."""
        self._over.set()

    def _stopped(self, number: int) -> None:
        self.heard += 1
        if self.heard == 1:
            codes = [code for _, code in self.wishes if code is not None]
            self._end_after(LIMIT, codes[-1] if codes else 128 + number)
            for on_stop, _ in self.wishes:
                on_stop()
        elif self.heard == 2:
            self._end_after(AT_ONCE, 128 + number)

    def _end_after(self, seconds: float, code: int) -> None:
        def end() -> None:
            if not self._over.wait(seconds):
                leave(code)

        threading.Thread(target=end, name="end", daemon=True).start()


@contextmanager
def watched(
    on_stop: Callable[[], None] = lambda: None, *, code: int | None = None
) -> Iterator[Ear]:
    """See to it that a stop ends the process, while the block runs; blocks share one ear.

    `on_stop` is called at the first one, in another thread; where the orderly
    end takes too long, the exit code is `code`, or what shells expect of a
    signal. Handlers are for the caller: a signal that has none is not heard.
    """
    with _listening() as ear:
        ear.wishes.append((on_stop, code))
        try:
            yield ear
        finally:
            ear.wishes.pop()


_ears: list[Ear] = []
"""The one that listens, while there is one: a process has one socket for its signals."""


@contextmanager
def _listening() -> Iterator[Ear]:
    if _ears or threading.current_thread() is not threading.main_thread():
        yield _ears[0] if _ears else Ear()  # only a main thread gets signals
        return
    ear = Ear()
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    thread = threading.Thread(target=ear.listen, args=(ours,), name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    _ears.append(ear)
    try:
        yield ear
    finally:
        _ears.remove(ear)
        signal.set_wakeup_fd(before)
        theirs.close()
        thread.join()
        ours.close()
        ear.rest()


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends a verb as Ctrl-C does, with everything put away that was made for it."""
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
    """End the process without waiting for a thread that hangs; locks end with it."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
