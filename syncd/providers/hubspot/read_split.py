"""Asking for many at once where one of them may spoil it: halve, within bounds.

Reading, the directory of contacts, changes and creations go through this. A
batch that goes on being refused or failing is divided, until only the row
that causes it is left out (promise 10). It is not divided where nothing
at all can be had of the vendor, or where no part of it gets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from syncd.core.model import Side
from syncd.errors import AuthFailed, Outdated, ProviderError, SyncdError, TimedOut, Transient
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.hubspot.session import Session

SPLITS = 40
"""Further requests that the halving of one batch may cost: enough for a handful of bad rows."""

FRUITLESS = 10
"""Parts in a row that fail before the rest is given up: a row alone of a hundred is the eighth."""

AGAIN = 2
"""Attempts for a part: the whole was tried as often as a request is."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Division:
    """How far one batch may still be divided."""

    def __init__(self, session: Session, asked: Asked, *, repeatable: bool) -> None:
        self._session, self._asked, self._repeatable = session, asked, repeatable
        self._left, self._fruitless = SPLITS, 0
        self._answers: bool | None = None
        self.attempts: int | None = None
        """How often the next part is tried."""
        self.fruit = False
        """Whether any part got through."""

    def went_through(self) -> None:
        """A part was taken."""
        self._fruitless, self.fruit = 0, True

    def worth_it(self, rows: int, error: SyncdError) -> bool:
        """Whether so many rows that failed together are tried as two halves."""
        self._fruitless += isinstance(error, Transient)
        if rows < 2 or self._left < 2 or self.given_up:
            return False
        self._left -= 2
        self.attempts = AGAIN
        return True

    def about_rows(self, error: SyncdError) -> bool:
        """Whether it is these rows that are in trouble, and not the whole side."""
        if not isinstance(error, ProviderError):
            return False
        if stops(self._asked, error) is not Stops.DIVIDE:
            return False
        if isinstance(error, TimedOut) and error.sent and not self._repeatable:
            return False  # What may have taken effect is looked for first.
        if isinstance(error, Transient) and self._answers is None:
            self._answers = self._session.answers()
        return not isinstance(error, Transient) or bool(self._answers)

    @property
    def given_up(self) -> bool:
        """Whether no further part is tried."""
        return self._fruitless > FRUITLESS


def divided(
    session: Session,
    asked: Asked,
    items: Sequence[_T],
    ask: Callable[[Sequence[_T], int | None], _R],
    *,
    repeatable: bool = True,
) -> Iterator[tuple[Sequence[_T], _R | ProviderError]]:
    """Ask for these; gives what was answered for which of them, or why there is no answer.

    `ask` is given the items and how often to try (None: as often as ever). Of
    what is not `repeatable`, an answer that never came is no failure yet.

    Raises:
        SyncdError: it stops the whole side, or nothing at all gets through.
    """
    division = _Division(session, asked, repeatable=repeatable)
    waiting, forbidden = [items], 0
    while waiting:
        part = waiting.pop()
        try:
            found = ask(part, division.attempts)
        except SyncdError as error:
            told = (error.cause or error) if isinstance(error, Outdated) else error
            if not division.about_rows(told) or not isinstance(error, ProviderError):
                raise
            if division.worth_it(len(part), told):
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                continue
            if division.given_up and not division.fruit:
                raise
            forbidden += len(part) if error.status in (401, 403) else 0
            yield part, error
            if division.given_up:
                yield from ((rest, error) for rest in waiting)
                return
            continue
        division.went_through()
        yield part, found
    if 1 < len(items) == forbidden:
        raise AuthFailed(
            f"none of {forbidden} rows is allowed; check what the token may do",
            side=Side.HUBSPOT,
            status=403,
        )
