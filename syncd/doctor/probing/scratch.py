"""What a probe makes, and the promise that it goes again.

Both sides' questions make their records through a `Scratch`; leaving it
removes them in reverse order, whatever was raised, and tells of each that
could not be removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from syncd.errors import SyncdError, TimedOut
from syncd.providers.http import Client
from syncd.providers.message import Request, Response


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
        self.find_lost: Callable[[], Iterable[tuple[str, Request]]] = tuple
        """Finds what was made without an answer: what it is, and how it is removed."""
        self._made: list[tuple[str, Request]] = []
        self._unanswered: list[str] = []

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
        try:
            response = self.send(request)
        except TimedOut as fault:
            if fault.sent:
                self._unanswered.append(what)
            raise
        if not response.ok:
            raise Untaken(response)
        return response

    def remove_later(self, what: str, request: Request) -> None:
        """Remember how to remove something, before anything else is done with it."""
        self._made.append((what, request))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clean()

    def clean(self) -> None:
        """Remove everything that was made, the youngest first."""
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
            found = [each for each in self.find_lost() if each[1].path not in known]
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
