"""What a probe makes, and the promise that it goes again.

Both sides' questions make their records through a `Scratch`; leaving it
removes them in reverse order, whatever was raised, and tells of each that
could not be removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import structlog

from syncd.errors import SyncdError, TimedOut
from syncd.providers.http import Client
from syncd.providers.message import Request, Response

log = structlog.get_logger(__name__)

SETTLING = 30.0
"""Seconds after which a search shows what was made without an answer."""

HURRIED = 2.0
"""The same for who was asked to end; what shows later is found by the next probe."""


class Unasked(Exception):  # noqa: N818 - an answer of its own kind, caught in `run`
    """The question cannot be asked here; says why."""


class Untaken(Unasked):
    """A record that the question needs was refused."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"no scratch record could be made: {said(response)}")
        self.response = response


def said(response: Response) -> str:
    """What a refusal says."""
    return f"{response.status} {response.words}"


class Scratch:
    """The records of one probe on one account."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.left: list[str] = []
        """What could not be removed, in words for a person."""
        self.find_lost: Callable[[float], Iterable[tuple[str, Request]]] = lambda _: ()
        """Finds what a probe made, after so many seconds: what it is, and how it is removed."""
        self._hurried = False
        self._made: list[tuple[str, Request]] = []
        self._unanswered: list[str] = []
        self._pending = ""

    def send(self, request: Request) -> Response:
        """The answer, whatever its status below 500.

        Raises:
            ProviderError: no answer came.
        """
        return self.client.send(request)

    def create(self, what: str, request: Request) -> Response:
        """The answer to a creation that was taken; one that is never answered is told of.

        Raises:
            Untaken: it was refused.
            ProviderError: no answer came.
        """
        # Until the answer is in hand, whatever comes between may leave the record behind.
        self._pending = what
        try:
            response = self.send(request)
        except SyncdError as fault:
            self._pending = ""
            if isinstance(fault, TimedOut) and fault.sent:
                self._unanswered.append(what)
            raise
        if not response.ok:
            self._pending = ""
            raise Untaken(response)
        return response

    def remove_later(self, what: str, request: Request) -> None:
        """Remember how to remove something, before anything else is done with it."""
        self._made.append((what, request))
        if what.startswith(self._pending):
            self._pending = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hurried = error is not None
        self.clean()
        if self._hurried and self.left:
            log.warning("probe.left", records=self.left)

    def take_over(self) -> int:
        """Remove what an earlier probe left, which something ended; gives how many there were."""
        try:
            found = [*self.find_lost(0.0)]
        except SyncdError:
            return 0
        for what, request in found:
            self.remove_later(what, request)
        self.clean()
        return len(found)

    def clean(self) -> None:
        """Remove everything that was made, the youngest first."""
        if self._pending:
            self._unanswered.append(self._pending)
            self._pending = ""
        if self._unanswered:
            self._take_up_lost()
        while self._made:
            what, request = self._made.pop()
            try:
                response = self.send(request)
            except SyncdError as fault:
                self.left.append(f"{what} ({fault})")
                continue
            if not response.ok and not _is_gone(response):
                self.left.append(f"{what} ({response.words})")

    def _take_up_lost(self) -> None:
        known = {request.path for _, request in self._made}
        try:
            settling = HURRIED if self._hurried else SETTLING
            found = [each for each in self.find_lost(settling) if each[1].path not in known]
        except SyncdError:
            found = []
        for what, request in found:
            self.remove_later(what, request)
        if len(found) < len(self._unanswered):
            told = ", ".join(self._unanswered)
            self.left.append(f"{told} that may have been made without an answer")
        self._unanswered.clear()


def _is_gone(response: Response) -> bool:
    """A refusal to remove what is not there any more is as good as its removal."""
    said = response.words.casefold()
    return response.status == 404 or "already been deleted" in said or "not found" in said
