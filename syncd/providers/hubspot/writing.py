"""Writing appointments in batches: one receipt for each command, whatever happens to the others.

`HubSpotProvider.write` delegates to `Writer`. Updates and removals are in
`updating`, creations in `creating`. Here commands are put in batches, several
batches are in flight at once, and a vendor that is down is distinguished from
a bad record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from syncd.errors import (
    DailyBudgetSpent,
    Outdated,
    ProviderError,
    SyncdError,
    Transient,
    Unreadable,
)
from syncd.ports.provider import NO_CHECKS, CommandKind, Failed, Receipt, WriteChecks, WriteCommand
from syncd.providers.hubspot.account import AccountReader
from syncd.providers.hubspot.batches import batches, record_of
from syncd.providers.hubspot.creating import Creator
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.updating import Updater
from syncd.providers.outage import OutageCounter

FAILURES_IN_A_ROW = 2
"""Batches in a row without an answer after which the vendor counts as unreachable."""

P = ParamSpec("P")
T = TypeVar("T")


class Writer:
    """Carries out commands on one account, `concurrency` batches at once."""

    def __init__(
        self, session: Session, account: AccountReader, reader: Reader, *, concurrency: int = 1
    ) -> None:
        self._creator = Creator(session, account, reader)
        self._updater = Updater(session, account, reader)
        self._concurrency = concurrency

    def write(
        self, commands: Iterable[WriteCommand], checks: WriteChecks = NO_CHECKS
    ) -> Iterator[Receipt]:
        """See `ports.provider.Provider.write`."""
        with self._threads() as threads:
            in_flight = _BatchesInFlight(threads, lambda batch: self._send(batch, checks))
            for batch in batches(commands):
                while len(in_flight) >= self._concurrency or in_flight.shares_record(batch):
                    yield from in_flight.next_receipts()
                if in_flight.fatal is not None:
                    break
                in_flight.submit(batch)
            while in_flight:
                yield from in_flight.next_receipts()
        if in_flight.fatal is not None:
            raise in_flight.fatal

    def _threads(self) -> AbstractContextManager[Executor]:
        if self._concurrency == 1:
            return nullcontext(_InlineExecutor())
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="hubspot")

    def _send(self, batch: Sequence[WriteCommand], checks: WriteChecks) -> _BatchResult:
        """Send a batch; some of its commands may have receipts although the batch failed."""
        result = _BatchResult(batch=batch)
        try:
            result.receipts.extend(self._carry_out(batch, checks))
        except SyncdError as error:
            result.error = error
        return result

    def _carry_out(self, batch: Sequence[WriteCommand], checks: WriteChecks) -> Iterator[Receipt]:
        match batch[0].kind:
            case CommandKind.CREATE:
                return self._creator.create(batch)
            case CommandKind.UPDATE:
                return self._updater.update(batch, checks)
            case CommandKind.REMOVE:
                return self._updater.remove(batch, checks)


@dataclass(slots=True, kw_only=True)
class _BatchResult:
    """The receipts of one batch, and the error that ended it."""

    batch: Sequence[WriteCommand]
    receipts: list[Receipt] = field(default_factory=list)
    error: SyncdError | None = None


class _BatchesInFlight:
    """The batches that were sent and not answered, and whether a further one makes sense."""

    def __init__(
        self, threads: Executor, send: Callable[[Sequence[WriteCommand]], _BatchResult]
    ) -> None:
        self._threads, self._send = threads, send
        self._outage = OutageCounter(FAILURES_IN_A_ROW)
        self._records: dict[Future[_BatchResult], frozenset[str]] = {}
        self.fatal: SyncdError | None = None

    def __len__(self) -> int:
        return len(self._records)

    def shares_record(self, batch: Sequence[WriteCommand]) -> bool:
        """Whether a command for one of its records is in flight: their order must be kept."""
        records = {record_of(command) for command in batch}
        return any(not records.isdisjoint(each) for each in self._records.values())

    def submit(self, batch: Sequence[WriteCommand]) -> None:
        """Send it."""
        records = frozenset(record_of(command) for command in batch)
        self._records[self._threads.submit(self._send, batch)] = records

    def next_receipts(self) -> Iterator[Receipt]:
        """Wait for a batch, and give its receipts."""
        done, _ = wait(self._records, return_when=FIRST_COMPLETED)
        for future in done:
            del self._records[future]
            yield from self._receipts(future.result())

    def _receipts(self, result: _BatchResult) -> Iterator[Receipt]:
        yield from result.receipts
        error = result.error
        if error is None:
            self._outage.reset()
        elif self._count(error):
            self.fatal = self.fatal or error
        elif isinstance(error, ProviderError):
            answered = {receipt.key for receipt in result.receipts}
            for command in result.batch:
                if command.key not in answered:
                    yield Failed(key=command.key, error=error)

    def _count(self, error: SyncdError) -> bool:
        """Count the error; returns whether no further write can succeed."""
        passing = isinstance(error, Transient | Unreadable | Outdated)
        if not passing or isinstance(error, DailyBudgetSpent):
            return True
        return self._outage.add(unanswered=True) and isinstance(error, Transient)


class _InlineExecutor(Executor):
    """Runs each call at once, in the calling thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it; an exception is raised here, not by the future."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
