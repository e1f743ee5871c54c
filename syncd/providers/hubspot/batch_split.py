"""Sends a batch that may be refused as a whole: finds the bad rows and writes the others.

`updating` and `creating` send through this. HubSpot names the bad rows of a
batch whose rows have trace ids (error-handling guide). Some refusals are still
about the whole request, or it fails repeatedly; then the batch is divided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from syncd.errors import ProviderError, Rejected
from syncd.ports.refusals import Asked
from syncd.providers.hubspot import refusals, wire
from syncd.providers.hubspot.read_split import divided
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.wire import Problem, Record
from syncd.providers.message import Request


class Row(Protocol):
    """One input of a batch."""

    @property
    def trace(self) -> str:
        """Its `objectWriteTraceId`."""
        ...

    @property
    def body(self) -> wire.Json:
        """As it is sent."""
        ...

    def answered_by(self, record: Record) -> bool:
        """Whether that record of the answer belongs to this row."""
        ...


RowResult = Record | Problem | ProviderError | None
"""The result of a row: its record, its refusal, an error, or None where the answer omits it."""

R = TypeVar("R", bound=Row)

Refresh = Callable[[Sequence[R]], tuple[Sequence[R], Mapping[str, ProviderError]]]
"""The rows of a part that may be sent now, and the errors of the others by trace."""


def unchanged(rows: Sequence[R]) -> tuple[Sequence[R], Mapping[str, ProviderError]]:
    """All rows: they depend on no reading."""
    return rows, {}


class BatchSplit(Generic[R]):
    """One batch of writes; `ready` as in `Request`."""

    def __init__(
        self,
        session: Session,
        request: Callable[[Sequence[wire.Json]], Request],
        *,
        repeatable: bool = True,
        refresh: Refresh[R] = unchanged,
        ready: Callable[[], None] | None = None,
    ) -> None:
        self._session, self._request, self._repeatable = session, request, repeatable
        self._refresh, self._ready = refresh, ready
        self.results: dict[str, RowResult] = {}
        """The results of the rows that were sent so far, by trace."""

    def send(self, rows: Sequence[R]) -> dict[str, RowResult]:
        """Send the rows; returns the result of each by trace.

        Raises:
            AuthFailed: the token was refused; nothing can be written.
            NotPrepared: the object is gone.
            TimedOut: the rows without a result may have been written.
            Transient: nothing succeeds; the rows without a result were not written.
            Outdated: they were read too long ago; the rows without a result were not written.
        """
        parts = divided(self._session, Asked.WRITES, rows, self._ask, repeatable=self._repeatable)
        for part, error in parts:
            if error is not None:
                self.results |= {row.trace: error for row in part}
        return self.results

    def _ask(self, rows: Sequence[R], attempts: int | None) -> None:
        rows, failed = self._refresh(rows)
        self.results |= failed
        if not rows:
            return
        request = replace(self._request([row.body for row in rows]), ready=self._ready)
        response = self._session.send(request, attempts)
        if response.ok:
            self._read(rows, wire.batch(self._session.body(request, response)))
            return
        error = self._session.refusal(request, response)
        if not isinstance(error, Rejected):
            raise error
        found = wire.problem(response.payload)
        if len(rows) > 1:
            raise refusals.of_request(found, error)
        self.results[rows[0].trace] = found

    def _read(self, rows: Sequence[R], answer: wire.Batch) -> None:
        """Match records with rows by their ids, never by their place in the answer."""
        if len(rows) == 1 and len(answer.records) == 1:
            self.results[rows[0].trace] = answer.records[0]
            return
        for row in rows:
            record = next((each for each in answer.records if row.answered_by(each)), None)
            problem = next((each for each in answer.problems if row.trace in each.traces), None)
            self.results[row.trace] = record or problem or _by_id(row, answer)
        unnamed = [each for each in answer.problems if not each.traces and not each.ids]
        unmatched = [row for row in rows if self.results[row.trace] is None]
        if len(unnamed) == 1 and len(unmatched) == 1:
            self.results[unmatched[0].trace] = unnamed[0]


def _by_id(row: Row, answer: wire.Batch) -> Problem | None:
    record_id = row.body.get("id")
    return next((each for each in answer.problems if record_id in each.ids), None)
