"""Writing appointments in batches: every order gets its own receipt, whatever becomes of the rest.

`HubSpotProvider.write` delegates to this. Updates and removals are in
`changing`, creations in `creating`; here they are put in line, several batches
are under way at once, and a vendor that has gone away is told apart from one
bad record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from syncd.errors import DailyBudgetSpent, Outdated, SyncdError, Transient, Unreadable
from syncd.ports.provider import NO_CHECKS, CommandKind, Failed, Receipt, WriteChecks, WriteCommand
from syncd.providers.hubspot.account import AccountReader
from syncd.providers.hubspot.batches import batches, record_of
from syncd.providers.hubspot.creating import Creator
from syncd.providers.hubspot.reading import Reader
from syncd.providers.hubspot.session import Session
from syncd.providers.hubspot.updating import Changer

FAILURES_IN_A_ROW = 2
"""Batches that fail for lack of an answer before the vendor is taken to be unreachable."""

P = ParamSpec("P")
T = TypeVar("T")


class Writer:
    """Carries out orders on one account, `concurrency` batches at once."""

    def __init__(
        self, session: Session, account: AccountReader, reader: Reader, *, concurrency: int = 1
    ) -> None:
        self._creator = Creator(session, account, reader)
        self._changer = Changer(session, account, reader)
        self._abreast = concurrency

    def write(
        self,
        commands: Iterable[WriteCommand],
        checks: WriteChecks = NO_CHECKS,
    ) -> Iterator[Receipt]:
        """See `ports.provider.Provider.write`."""
        with self._threads() as threads:
            works = _Works(threads, lambda batch: self._sent(batch, checks))
            for batch in batches(commands):
                while len(works.under_way) >= self._abreast or works.touches(batch):
                    yield from works.next_receipts()
                if works.fatal is not None:
                    break
                works.begin(batch)
            while works.under_way:
                yield from works.next_receipts()
        if works.fatal is not None:
            raise works.fatal

    def _threads(self) -> AbstractContextManager[Executor]:
        if self._abreast == 1:
            return nullcontext(_Here())
        return ThreadPoolExecutor(self._abreast, thread_name_prefix="hubspot")

    def _sent(self, batch: Sequence[WriteCommand], checks: WriteChecks) -> _Outcome:
        """What became of a batch; some may have an answer although the rest has none."""
        outcome = _Outcome(batch=batch)
        try:
            outcome.receipts.extend(self._carry_out(batch, checks))
        except SyncdError as error:
            outcome.error = error
        return outcome

    def _carry_out(self, batch: Sequence[WriteCommand], checks: WriteChecks) -> Iterator[Receipt]:
        match batch[0].kind:
            case CommandKind.CREATE:
                return self._creator.create(batch)
            case CommandKind.UPDATE:
                return self._changer.update(batch, checks)
            case CommandKind.REMOVE:
                return self._changer.remove(batch, checks)


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """What became of one batch."""

    batch: Sequence[WriteCommand]
    receipts: list[Receipt] = field(default_factory=list)
    error: SyncdError | None = None


class _Works:
    """The batches under way, and whether any further one makes sense."""

    def __init__(
        self, threads: Executor, send: Callable[[Sequence[WriteCommand]], _Outcome]
    ) -> None:
        self._threads, self._send = threads, send
        self._silent = 0
        self.under_way: dict[Future[_Outcome], frozenset[str]] = {}
        self.fatal: SyncdError | None = None

    def touches(self, batch: Sequence[WriteCommand]) -> bool:
        """Whether an order for one of its records is under way: their order must be kept."""
        names = {record_of(command) for command in batch}
        return any(not names.isdisjoint(each) for each in self.under_way.values())

    def begin(self, batch: Sequence[WriteCommand]) -> None:
        """Send it."""
        names = frozenset(record_of(command) for command in batch)
        self.under_way[self._threads.submit(self._send, batch)] = names

    def next_receipts(self) -> Iterator[Receipt]:
        """Wait for an answer, and give what came."""
        done, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
        for future in done:
            del self.under_way[future]
            yield from self._receipts(future.result())

    def _receipts(self, outcome: _Outcome) -> Iterator[Receipt]:
        yield from outcome.receipts
        error = outcome.error
        if error is None:
            self._silent = 0
            return
        if isinstance(error, Transient | Unreadable | Outdated) and not isinstance(
            error, DailyBudgetSpent
        ):
            self._silent += 1
            if self._silent < FAILURES_IN_A_ROW or isinstance(error, Unreadable | Outdated):
                answered = {receipt.key for receipt in outcome.receipts}
                for command in outcome.batch:
                    if command.key not in answered:
                        yield Failed(key=command.key, error=error)
                return
        self.fatal = self.fatal or error


class _Here(Executor):
    """Does at once, in this thread, what it is given."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it; what it raises, other than to end the process, is the future's."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
