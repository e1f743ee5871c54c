"""Sending a batch that may be refused as a whole: find the bad rows, and let the others through.

`changing` and `creating` send through this. HubSpot names the bad rows of a
batch where each row has a trace id, but some refusals are still about the
whole request; then the batch is halved, within bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from syncd.errors import ProviderError
from syncd.providers.hubspot import refusals, wire
from syncd.providers.hubspot.provider.line import Line
from syncd.providers.hubspot.wire import Problem, Record
from syncd.providers.message import Request

SPLITS = 40
"""Further requests that the halving of one batch may cost: enough for a handful of bad rows."""


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


Fate = Record | Problem | ProviderError | None
"""What became of a row: its record, its refusal, a refusal of the whole request, or silence."""


@dataclass(slots=True)
class Parting:
    """One batch on its way."""

    line: Line
    request: Callable[[Sequence[wire.Json]], Request]
    left: int = SPLITS
    fates: dict[str, Fate] = field(default_factory=dict)

    def send(self, rows: Sequence[Row]) -> dict[str, Fate]:
        """What became of each row, by its trace.

        Raises:
            AuthFailed: the token was refused: nothing further can be written.
            NotPrepared: the object is gone.
            Transient: as the client says; rows that were sent before are in `fates`.
        """
        request = self.request([row.body for row in rows])
        response = self.line.send(request)
        if response.ok:
            self._read(rows, wire.batch(self.line.body(request, response)))
            return self.fates
        error = refusals.refusal(request, response)
        if not refusals.is_about_rows(error):
            raise error
        found = wire.problem(response.payload)
        if len(rows) == 1:
            self.fates[rows[0].trace] = found
        elif self.left < 2:
            self.fates |= {row.trace: refusals.of_row(found) for row in rows}
        else:
            self.left -= 2
            half = len(rows) // 2
            self.send(rows[:half])
            self.send(rows[half:])
        return self.fates

    def _read(self, rows: Sequence[Row], answer: wire.Batch) -> None:
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
