"""Sending a batch that may be refused as a whole: find the bad rows, and let the others through.

`changing` and `creating` send through this. HubSpot names the bad rows of a
batch where each row has a trace id, but some refusals are still about the
whole request, or it goes on failing; then the batch is divided.
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
        """Whether that record of the answer is this row's."""
        ...


RowResult = Record | Problem | ProviderError | None
"""What became of a row: its record, its refusal, a refusal of the whole request, or silence."""


R = TypeVar("R", bound=Row)

Fresh = Callable[[Sequence[R]], tuple[Sequence[R], Mapping[str, ProviderError]]]
"""The rows of a part as they may be sent now, and by trace why the others may not."""


def as_they_are(rows: Sequence[R]) -> tuple[Sequence[R], Mapping[str, ProviderError]]:
    """Rows that rest on nothing that may have changed."""
    return rows, {}


class BatchSplit(Generic[R]):
    """One batch of writes on its way; `ready` as a `Request` has it."""

    def __init__(
        self,
        session: Session,
        request: Callable[[Sequence[wire.Json]], Request],
        *,
        repeatable: bool = True,
        fresh: Fresh[R] = as_they_are,
        ready: Callable[[], None] | None = None,
    ) -> None:
        self._session, self._request, self._repeatable = session, request, repeatable
        self._fresh, self._ready = fresh, ready
        self.fates: dict[str, RowResult] = {}
        """What became of the rows that were sent so far, by trace."""

    def send(self, rows: Sequence[R]) -> dict[str, RowResult]:
        """What became of each row, by its trace.

        Raises:
            AuthFailed: the token was refused: nothing further can be written.
            NotPrepared: the object is gone.
            TimedOut: the rows without a fate may have been written, or not.
            Transient: nothing gets through; the rows without a fate were not written.
            Outdated: the same, because they were read too long ago.
        """
        parts = divided(self._session, Asked.WRITES, rows, self._ask, repeatable=self._repeatable)
        for part, error in parts:
            if error is not None:
                self.fates |= {row.trace: error for row in part}
        return self.fates

    def _ask(self, rows: Sequence[R], attempts: int | None) -> None:
        rows, fallen = self._fresh(rows)
        self.fates |= fallen
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
        self.fates[rows[0].trace] = found

    def _read(self, rows: Sequence[R], answer: wire.Batch) -> None:
        """Match records by what makes them the row's, never by their place in the answer."""
        if len(rows) == 1 and len(answer.records) == 1:
            self.fates[rows[0].trace] = answer.records[0]
            return
        for row in rows:
            record = next((each for each in answer.records if row.answered_by(each)), None)
            problem = next((each for each in answer.problems if row.trace in each.traces), None)
            self.fates[row.trace] = record or problem or _by_id(row, answer)
        unnamed = [each for each in answer.problems if not each.traces and not each.ids]
        silent = [row for row in rows if self.fates[row.trace] is None]
        if len(unnamed) == 1 and len(silent) == 1:
            self.fates[silent[0].trace] = unnamed[0]


def _by_id(row: Row, answer: wire.Batch) -> Problem | None:
    record_id = row.body.get("id")
    return next((each for each in answer.problems if record_id in each.ids), None)
