"""The scratch records of a probe, and their removal.

Both sides' questions create their records through a `Scratch`. Leaving it
removes them in reverse order, whatever was raised, and lists each record that
could not be removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import structlog

from syncd.doctor.probing.interruption import Interruption
from syncd.errors import SyncdError, TimedOut
from syncd.providers.http import Client
from syncd.providers.message import Request, Response

log = structlog.get_logger(__name__)

SETTLING = 30.0
"""Seconds until a search shows a record whose creation got no answer."""

SETTLING_WHEN_STOPPED = 2.0
"""The same if the probe was asked to stop; the next probe finds later records."""


class CannotAsk(Exception):  # noqa: N818 - an answer of its own kind, caught in `run`
    """The question cannot be asked here; its text is the reason."""


class CreationRefused(CannotAsk):
    """A record that the question needs was refused."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"no scratch record could be made: {refusal_text(response)}")
        self.response = response


def refusal_text(response: Response) -> str:
    """Status and text of a refusal."""
    return f"{response.status} {response.message}"


class Scratch:
    """The records of one probe on one account."""

    def __init__(self, client: Client, interruption: Interruption) -> None:
        self.client = client
        self._interruption = interruption
        self.not_removed: list[str] = []
        """Records that could not be removed, in words for a person."""
        self.find_leftovers: Callable[[float], Iterable[tuple[str, Request]]] = lambda _: ()
        """Finds a probe's records after a number of seconds: each with the request to remove it."""
        self._stopped = False
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
        """The answer to a successful creation; one without an answer is listed at the end.

        Raises:
            CreationRefused: it was refused.
            ProviderError: no answer came.
        """
        # Until its id is known, the record may stay behind.
        self._pending = what
        self._interruption.postpone()
        try:
            response = self.send(request)
        except SyncdError as fault:
            self._pending = ""
            if isinstance(fault, TimedOut) and fault.sent:
                self._unanswered.append(what)
            self._interruption.resume()
            raise
        if not response.ok:
            self._pending = ""
            self._interruption.resume()
            raise CreationRefused(response)
        return response

    def remove_later(self, what: str, request: Request) -> None:
        """Store the request that removes a record, before anything else is done with it."""
        self._made.append((what, request))
        if what.startswith(self._pending):
            self._pending = ""
        self._interruption.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped = error is not None
        self._interruption.postpone()
        self.clean()
        if self._stopped and self.not_removed:
            log.warning("probe.left", records=self.not_removed)

    def remove_leftovers(self) -> int:
        """Remove the records of an earlier, interrupted probe; returns their number."""
        try:
            found = [*self.find_leftovers(0.0)]
        except SyncdError:
            return 0
        for what, request in found:
            self.remove_later(what, request)
        self.clean()
        return len(found)

    def clean(self) -> None:
        """Remove all created records, the newest first."""
        if self._pending:
            self._unanswered.append(self._pending)
            self._pending = ""
        if self._unanswered:
            self._find_unanswered()
        while self._made:
            what, request = self._made[-1]
            refusal = self._refusal(request)
            self._made.pop()
            if refusal:
                self.not_removed.append(f"{what} ({refusal})")

    def _refusal(self, request: Request) -> str:
        """Why a record could not be removed; "" where it is gone."""
        try:
            response = self.send(request)
        except SyncdError as fault:
            return str(fault)
        return "" if response.ok or _is_gone(response) else response.message

    def _find_unanswered(self) -> None:
        known = {request.path for _, request in self._made}
        try:
            settling = SETTLING_WHEN_STOPPED if self._stopped else SETTLING
            found = [each for each in self.find_leftovers(settling) if each[1].path not in known]
        except SyncdError:
            found = []
        self._made += found
        if len(found) < len(self._unanswered):
            answer = ", ".join(self._unanswered)
            self.not_removed.append(f"{answer} that may have been made without an answer")
        self._unanswered.clear()


def _is_gone(response: Response) -> bool:
    """Whether the refusal means that the record does not exist any more."""
    text = response.message.casefold()
    return response.status == 404 or "already been deleted" in text or "not found" in text
