"""Stores deliveries before they are answered: all that wait, in one transaction.

The listener puts deliveries in from its event loop; one thread finds their links
and stores them. While a transaction runs others wait, so that a burst becomes few
transactions. What cannot be stored now is refused, and the vendor sends it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread

import structlog

from syncd.errors import StoreError, StoreInterrupted, SyncdError
from syncd.ports.announcements import Delivered, Stored

log = structlog.get_logger(__name__)

MOST_TOGETHER = 200
"""Deliveries that are stored in one transaction."""


@dataclass(slots=True, kw_only=True)
class _Item:
    """One delivery that waits for its answer."""

    route: Callable[[], Iterable[Delivered]]
    answer: Future[None] = field(default_factory=Future)
    rows: list[Delivered] = field(default_factory=list)


class Intake:
    """The thread that stores deliveries; ended by `close`."""

    def __init__(
        self,
        announce: Callable[[Collection[Delivered]], Stored],
        *,
        stored: Callable[[Stored], None],
    ) -> None:
        """`stored` is told after every transaction, and must not wait."""
        self._announce, self._stored = announce, stored
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="live-intake", daemon=True)
        self._thread.start()

    def put(self, route: Callable[[], Iterable[Delivered]]) -> Future[None]:
        """Have a delivery stored; `route` is called in the intake's thread.

        The future fails with a StoreError where it could not be stored.
        """
        item = _Item(route=route)
        self._queue.put(item)
        return item.answer

    def close(self) -> None:
        """Store what waits, and end; waits a moment at most."""
        self._queue.put(None)
        self._thread.join(1.0)

    def _run(self) -> None:
        ends = False
        while not ends:
            batch = [self._queue.get()]
            while len(batch) < MOST_TOGETHER and not self._queue.empty():
                batch.append(self._queue.get())
            ends = None in batch
            # Whoever was told to come again is not waited for.
            items = [i for i in batch if i and i.answer.set_running_or_notify_cancel()]
            self._store([item for item in items if self._routed(item)])

    def _routed(self, item: _Item) -> bool:
        try:
            item.rows = list(item.route())
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            item.answer.set_exception(error)
            return False
        return True

    def _store(self, items: list[_Item]) -> None:
        try:
            rows = [row for item in items for row in item.rows]
            stored = self._announce(rows) if rows else None
        except Exception as error:
            if len(items) > 1 and not isinstance(error, StoreInterrupted):
                for item in items:  # One that cannot be stored must not stop the others.
                    self._store([item])
                return
            if not isinstance(error, SyncdError):
                log.exception("live.not_stored")
                error = StoreError(f"unexpected fault: {type(error).__name__}")
            for item in items:
                item.answer.set_exception(error)
            return
        if stored is not None:
            self._stored(stored)
        for item in items:
            item.answer.set_result(None)
