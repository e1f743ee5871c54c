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
from syncd.ports.provider import FIRM, Failed, Ground, Order, OrderKind, Receipt
from syncd.providers.hubspot.batches import batches, record_of
from syncd.providers.hubspot.mapping import Columns
from syncd.providers.hubspot.provider.changing import Changer
from syncd.providers.hubspot.provider.creating import Creator
from syncd.providers.hubspot.provider.line import Line
from syncd.providers.hubspot.provider.reading import Reader

FAILURES_IN_A_ROW = 2
"""Batches that fail for lack of an answer before the vendor is taken to be unreachable."""

P = ParamSpec("P")
T = TypeVar("T")


class Writer:
    """Carries out orders on one account, `abreast` batches at once."""

    def __init__(self, line: Line, reader: Reader, *, abreast: int = 1) -> None:
        self._creator = Creator(line, reader)
        self._changer = Changer(line, reader)
        self._abreast = abreast

    def write(
        self, columns: Columns, orders: Iterable[Order], ground: Ground = FIRM
    ) -> Iterator[Receipt]:
        """See `ports.provider.Provider.write`."""
        with self._threads() as threads:
            works = _Works(threads, lambda batch: self._sent(columns, batch, ground))
            for batch in batches(orders):
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

    def _sent(self, columns: Columns, batch: Sequence[Order], ground: Ground) -> _Outcome:
        """What became of a batch; some may have an answer although the rest has none."""
        outcome = _Outcome(batch=batch)
        try:
            outcome.receipts.extend(self._carry_out(columns, batch, ground))
        except SyncdError as error:
            outcome.error = error
        return outcome

    def _carry_out(
        self, columns: Columns, batch: Sequence[Order], ground: Ground
    ) -> Iterator[Receipt]:
        match batch[0].kind:
            case OrderKind.CREATE:
                return self._creator.create(columns, batch)
            case OrderKind.UPDATE:
                return self._changer.update(columns, batch, ground)
            case OrderKind.REMOVE:
                return self._changer.remove(columns, batch, ground)


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """What became of one batch."""

    batch: Sequence[Order]
    receipts: list[Receipt] = field(default_factory=list)
    error: SyncdError | None = None


class _Works:
    """The batches under way, and whether any further one makes sense."""

    def __init__(self, threads: Executor, send: Callable[[Sequence[Order]], _Outcome]) -> None:
        self._threads, self._send = threads, send
        self._silent = 0
        self.under_way: dict[Future[_Outcome], frozenset[str]] = {}
        self.fatal: SyncdError | None = None

    def touches(self, batch: Sequence[Order]) -> bool:
        """Whether an order for one of its records is under way: their order must be kept."""
        names = {record_of(order) for order in batch}
        return any(not names.isdisjoint(each) for each in self.under_way.values())

    def begin(self, batch: Sequence[Order]) -> None:
        """Send it."""
        names = frozenset(record_of(order) for order in batch)
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
                for order in outcome.batch:
                    if order.key not in answered:
                        yield Failed(key=order.key, error=error)
                return
        self.fatal = self.fatal or error


class _Here(Executor):
    """Does at once, in this thread, what it is given."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it; what it raises, other than to end the process, is the future's."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
