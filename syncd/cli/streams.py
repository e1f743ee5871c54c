"""The three streams of the process, made to outlast whatever they lead to.

`main` calls `steadied` before anything else. A reader that goes away, a disk
that is full and a stream that was closed before the start interrupt no verb:
the work goes on, and the end says that its report is lost. The daemon's log
goes on as soon as there is room again.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_STDOUT, _STDERR = 1, 2


class Outlet(io.TextIOWrapper):
    """A text stream whose writes never fail; `lost` says what one met."""

    lost: OSError | None = None
    hung_up = False
    """Whether the reader has gone away, having seen enough."""

    def write(self, text: str, /) -> int:
        """Write, or take note that it could not be written."""
        try:
            return super().write(text)
        except OSError as error:
            self._note(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or take note."""
        try:
            super().flush()
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        self.hung_up = self.hung_up or isinstance(error, BrokenPipeError)
        self.lost = self.lost or error


class _Closed(Outlet):
    """What stands in for a stream that was closed before the start."""

    def write(self, text: str, /) -> int:
        """Take note that somebody wanted to write."""
        if text:
            self._note(OSError(errno.EBADF, "it was closed"))
        return len(text)


@contextmanager
def steadied() -> Iterator[None]:
    """Stand-ins for the process's streams, in place until its end."""
    _fill_gaps()
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    sys.stdout, sys.stderr = _outlet(sys.stdout, _STDOUT), _outlet(sys.stderr, _STDERR)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Outlet):
                _let_go(stream)


def _fill_gaps() -> None:
    """No file that is opened later, the store first of all, may become a standard stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def _outlet(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return _Closed(os.fdopen(number, "wb", closefd=False), encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    encoding, by_line = stream.encoding, stream.line_buffering or number == _STDERR
    held = stream.detach()
    return Outlet(
        held,
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=by_line,
        write_through=isinstance(held, io.RawIOBase),  # $PYTHONUNBUFFERED
    )


def _let_go(stream: Outlet) -> None:
    """Flush for the last time; what is stuck is dropped, or the interpreter would complain."""
    stream.flush()
    if stream.lost is not None:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        stream.flush()


def unwritten(stream: TextIO | None) -> str:
    """Why a report did not arrive; "" where it did, or where its reader has seen enough."""
    if not isinstance(stream, Outlet):
        return ""
    stream.flush()
    if stream.lost is None or stream.hung_up:
        return ""
    return stream.lost.strerror or str(stream.lost)


def hung_up(stream: TextIO | None) -> bool:
    """Whether nobody reads this stream any more."""
    return isinstance(stream, Outlet) and stream.hung_up
