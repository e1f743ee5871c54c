"""The standard streams of the process, made to survive their reader, a full disk and being closed.

`main` installs them first. A stream that cannot be written interrupts no verb:
the work goes on, and at the end a message says that the report is lost. The
daemon's log continues as soon as there is room again.
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


class RobustStream(io.TextIOWrapper):
    """A text stream whose writes never raise; the first error is kept."""

    error: OSError | None = None
    reader_gone = False
    """Whether the other end of the pipe was closed: the reader has seen enough."""

    def write(self, text: str, /) -> int:
        """Write, or record why that failed."""
        try:
            return super().write(text)
        except OSError as error:
            self._record(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or record why that failed."""
        try:
            super().flush()
        except OSError as error:
            self._record(error)

    def _record(self, error: OSError) -> None:
        self.reader_gone = self.reader_gone or isinstance(error, BrokenPipeError)
        self.error = self.error or error


class _ClosedStream(RobustStream):
    """Replaces a stream that was closed before the start."""

    def write(self, text: str, /) -> int:
        """Record that there was something to write."""
        if text:
            self._record(OSError(errno.EBADF, "it was closed"))
        return len(text)


@contextmanager
def robust_streams() -> Iterator[None]:
    """Replace the standard streams until the process ends."""
    _fill_gaps()
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    sys.stdout, sys.stderr = _robust(sys.stdout, _STDOUT), _robust(sys.stderr, _STDERR)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, RobustStream):
                _flush_finally(stream)


def _fill_gaps() -> None:
    """Open the missing standard descriptors, so that no file, such as the store, gets one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one


def _robust(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return _ClosedStream(os.fdopen(number, "wb", closefd=False), encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    encoding, by_line = stream.encoding, stream.line_buffering or number == _STDERR
    buffer = stream.detach()
    return RobustStream(
        buffer,
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=by_line,
        write_through=isinstance(buffer, io.RawIOBase),  # $PYTHONUNBUFFERED
    )


def _flush_finally(stream: RobustStream) -> None:
    """Flush for the last time; drop what cannot be written, or the interpreter would complain."""
    stream.flush()
    if stream.error is not None:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        stream.flush()


def write_error(stream: TextIO | None) -> str:
    """Why output is lost; "" where it is not, or where its reader closed the pipe."""
    if not isinstance(stream, RobustStream):
        return ""
    stream.flush()
    if stream.error is None or stream.reader_gone:
        return ""
    return stream.error.strerror or str(stream.error)


def reader_gone(stream: TextIO | None) -> bool:
    """Whether the reader of this stream closed it."""
    return isinstance(stream, RobustStream) and stream.reader_gone
