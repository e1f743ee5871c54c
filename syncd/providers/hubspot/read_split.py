"""Divides a batch that fails because of one of its rows, within limits.

All batches of reads and writes go through this. A batch that is refused or
fails repeatedly is halved until only the row that causes it is left out
(promise 10). It is not divided where the vendor does not answer at all, or
where no part of it succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from syncd.core.model import Side
from syncd.errors import AuthFailed, Outdated, ProviderError, SyncdError, TimedOut, Transient
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.hubspot import wire
from syncd.providers.hubspot.protocol import BATCH
from syncd.providers.hubspot.search import chunks
from syncd.providers.hubspot.session import Session
from syncd.providers.message import Request

MAX_SPLITS = 40
"""Additional requests for one batch: enough for a handful of bad rows."""

MAX_FAILED_PARTS = 10
"""Parts that may fail in a row; a single row of a hundred is the eighth part."""

PART_ATTEMPTS = 2
"""Attempts for a part; the whole batch had all attempts of a request."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Division:
    """How far one batch may still be divided."""

    def __init__(self, session: Session, asked: Asked, *, repeatable: bool) -> None:
        self._session, self._asked, self._repeatable = session, asked, repeatable
        self._left, self._failed_in_row = MAX_SPLITS, 0
        self._answers: bool | None = None
        self.attempts: int | None = None
        """Attempts for the next part."""
        self.any_success = False
        """Whether any part succeeded."""

    def succeeded(self) -> None:
        """A part succeeded."""
        self._failed_in_row, self.any_success = 0, True

    def allow_split(self, rows: int, error: SyncdError) -> bool:
        """Count a failure of so many rows; returns whether they are sent as two halves."""
        self._failed_in_row += isinstance(error, Transient)
        if rows < 2 or self._left < 2 or self.gave_up:
            return False
        self._left -= 2
        self.attempts = PART_ATTEMPTS
        return True

    def about_rows(self, error: SyncdError) -> bool:
        """Whether the error is about these rows, and not about the whole side."""
        if not isinstance(error, ProviderError):
            return False
        if stops(self._asked, error) is not Stops.DIVIDE:
            return False
        if isinstance(error, TimedOut) and error.sent and not self._repeatable:
            return False  # It may have taken effect: the caller checks first.
        if isinstance(error, Transient) and self._answers is None:
            self._answers = self._session.answers()
        return not isinstance(error, Transient) or bool(self._answers)

    @property
    def gave_up(self) -> bool:
        """Whether no further part is sent."""
        return self._failed_in_row > MAX_FAILED_PARTS


def read_batches(
    session: Session,
    ids: Iterable[str],
    request: Callable[[Sequence[str]], Request],
    size: int = BATCH,
) -> Iterator[tuple[Sequence[str], wire.Batch | ProviderError]]:
    """Read records in batches of `size`; yields each part with its answer or its error."""

    def ask(part: Sequence[str], attempts: int | None) -> wire.Batch:
        return session.batch(request(part), attempts)

    for chunk in chunks(dict.fromkeys(ids), size):
        yield from divided(session, Asked.RECORDS, chunk, ask)


def divided(
    session: Session,
    asked: Asked,
    items: Sequence[_T],
    ask: Callable[[Sequence[_T], int | None], _R],
    *,
    repeatable: bool = True,
) -> Iterator[tuple[Sequence[_T], _R | ProviderError]]:
    """Send the items; yields each part with its answer or its error.

    `ask` gets the items and the number of attempts (None: the client's own).
    With `repeatable` False, a missing answer is raised, not divided.

    Raises:
        SyncdError: it concerns the whole side, or no part succeeds.
    """
    division = _Division(session, asked, repeatable=repeatable)
    waiting, forbidden = [items], 0
    while waiting:
        part = waiting.pop()
        try:
            found = ask(part, division.attempts)
        except SyncdError as error:
            cause = (error.cause or error) if isinstance(error, Outdated) else error
            if not division.about_rows(cause) or not isinstance(error, ProviderError):
                raise
            if division.allow_split(len(part), cause):
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                continue
            if division.gave_up and not division.any_success:
                raise
            forbidden += len(part) if error.status in (401, 403) else 0
            yield part, error
            if division.gave_up:
                yield from ((rest, error) for rest in waiting)
                return
            continue
        division.succeeded()
        yield part, found
    if 1 < len(items) == forbidden:
        raise AuthFailed(
            f"none of {forbidden} rows is allowed; check what the token may do",
            side=Side.HUBSPOT,
            status=403,
        )
