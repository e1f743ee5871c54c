"""Writing appointments in batches: every order gets its own receipt, whatever becomes of the rest.

`HubSpotProvider.write` delegates to this. Updates and removals are in
`changing`, creations in `creating`; here they are put in line, and a vendor
that has gone away is told apart from one bad record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from syncd.errors import DailyBudgetSpent, ProviderError, Transient, Unreadable
from syncd.ports.provider import Failed, Order, OrderKind, Receipt
from syncd.providers.hubspot.batches import batches
from syncd.providers.hubspot.mapping import Columns
from syncd.providers.hubspot.provider.changing import Changer
from syncd.providers.hubspot.provider.creating import Creator
from syncd.providers.hubspot.provider.line import Line
from syncd.providers.hubspot.provider.reading import Reader

FAILURES_IN_A_ROW = 2
"""Batches that fail for lack of an answer before the vendor is taken to be unreachable."""


class Writer:
    """Carries out orders on one account."""

    def __init__(self, line: Line, reader: Reader) -> None:
        self._creator = Creator(line, reader)
        self._changer = Changer(line, reader)

    def write(self, columns: Columns, orders: Iterable[Order]) -> Iterator[Receipt]:
        """See `ports.provider.Provider.write`."""
        silent = 0
        for batch in batches(orders):
            open_orders = {order.key: order for order in batch}
            try:
                for receipt in self._carry_out(columns, batch):
                    open_orders.pop(receipt.key, None)
                    yield receipt
            except DailyBudgetSpent:
                raise
            except (Transient, Unreadable) as error:
                silent += 1
                if silent >= FAILURES_IN_A_ROW and isinstance(error, Transient):
                    raise
                yield from _failed(open_orders.values(), error)
            else:
                silent = 0

    def _carry_out(self, columns: Columns, batch: Sequence[Order]) -> Iterator[Receipt]:
        match batch[0].kind:
            case OrderKind.CREATE:
                return self._creator.create(columns, batch)
            case OrderKind.UPDATE:
                return self._changer.update(columns, batch)
            case OrderKind.REMOVE:
                return self._changer.remove(columns, batch)


def _failed(orders: Iterable[Order], error: ProviderError) -> Iterator[Receipt]:
    return (Failed(key=order.key, error=error) for order in orders)
