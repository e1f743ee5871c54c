"""Which orders travel together: full batches, nobody overtaken for long, no record twice.

`provider.writing` calls this. Pure. Leaves out what is sent for an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from syncd.ports.provider import Order, OrderKind
from syncd.providers.hubspot.protocol import BATCH

PATIENCE = 2 * BATCH
"""An order goes out before so many later ones do, even if its batch is not full: what is
urgent stands in front, and must not wait for the end of a backfill."""


def batches(orders: Iterable[Order]) -> Iterator[list[Order]]:
    """Batches of one kind each, of at most `BATCH` orders, in about the order given.

    Two orders for one record never share a batch, for that refuses all of it,
    and keep their order.
    """
    waiting = _Waiting()
    for place, order in enumerate(orders):
        yield from waiting.taken_before(order)
        waiting.add(place, order)
        yield from waiting.due(place)
    yield from waiting.rest()


class _Waiting:
    def __init__(self) -> None:
        self._held: dict[OrderKind, list[Order]] = {}
        self._since: dict[OrderKind, int] = {}
        self._records: dict[str, OrderKind] = {}

    def taken_before(self, order: Order) -> Iterator[list[Order]]:
        """The batch that holds another order for the same record."""
        kind = self._records.get(record_of(order))
        if kind is not None:
            yield self._take(kind)

    def add(self, place: int, order: Order) -> None:
        self._held.setdefault(order.kind, []).append(order)
        self._since.setdefault(order.kind, place)
        self._records[record_of(order)] = order.kind

    def due(self, place: int) -> Iterator[list[Order]]:
        """What is full, and what has waited long enough; the oldest first."""
        for kind, since in sorted(self._since.items(), key=lambda each: each[1]):
            if len(self._held[kind]) >= BATCH or place - since >= PATIENCE:
                yield self._take(kind)

    def rest(self) -> Iterator[list[Order]]:
        for kind, _ in sorted(self._since.items(), key=lambda each: each[1]):
            yield self._take(kind)

    def _take(self, kind: OrderKind) -> list[Order]:
        taken = self._held.pop(kind)
        del self._since[kind]
        for order in taken:
            self._records.pop(record_of(order), None)
        return taken


def record_of(order: Order) -> str:
    """What two orders under way must not share: a record, or the identity that a new one gets."""
    if order.id:
        return order.id
    return f"new {order.mark.ghl_id}" if order.mark else f"key {order.key}"
