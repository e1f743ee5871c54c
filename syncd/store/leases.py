"""One writer per link: a lease with a fencing number.

A cycle works under a `Lease`: `check` comes before every request that writes,
and every commit compares the fencing number, which grows with every holder:
what a process still has under way when it loses its link is fenced off.

`file_leases` gives them out beside SQLite, `members` on PostgreSQL.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from syncd.ports.clock import Clock
from syncd.store.holder import Holder


@dataclass(frozen=True, slots=True)
class Reading:
    """A moment by two clocks: one that is never set, and one that somebody corrects.

    Where a machine was paused, only the second may know of it.
    """

    seconds: float
    instant: datetime

    @classmethod
    def now(cls, clock: Clock) -> Self:
        """The present moment."""
        return cls(clock.monotonic(), clock.now())

    def age(self, clock: Clock) -> float:
        """Seconds since then, by whichever clock counted more."""
        by_wall = (clock.now() - self.instant).total_seconds()
        return max(clock.monotonic() - self.seconds, by_wall)


class Lease(ABC):
    """A link that is ours, until `release` or until it cannot be confirmed any more."""

    def __init__(self, name: str, link_id: int, fence: int) -> None:
        self.name, self.link_id, self.fence = name, link_id, fence

    @abstractmethod
    def check(self) -> None:
        """Whether the link is still ours; asked before every request that writes.

        Raises:
            LinkLocked: another syncd has it.
            StoreError: the database does not answer, and a successor may take it any moment.
        """

    @abstractmethod
    def left(self) -> float:
        """Seconds for which no successor can have the link, whatever happens to the database."""

    @abstractmethod
    def renew(self) -> None:
        """Notice, between cycles, that the link is another's by now.

        Raises:
            LinkLocked: another syncd has it.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the link back; the next holder takes it at once. Safe to repeat."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Leases(Protocol):
    """Gives out the leases of one process."""

    def acquire(self, name: str, verb: str, *, wait: bool = False) -> Lease:
        """Take a link for this process; `verb` is the command that it runs, for people.

        With `wait`, a holder that may be dead is waited for until its lease
        ends. A living holder is never waited for.

        Raises:
            LinkLocked: another syncd holds the link.
            StoreError: the store cannot be used.
        """
        ...

    def acquire_all(
        self, names: Collection[str], verb: str
    ) -> tuple[Mapping[str, Lease], Mapping[str, str]]:
        """Take as many of these links as are free; of the others, who holds them, in words.

        Raises:
            StoreError: the store cannot be used.
        """
        ...

    def release_all(self, leases: Iterable[Lease]) -> None:
        """Give several links back."""
        ...

    def holder(self, name: str) -> Holder | None:
        """The process that holds a link now, as far as can be told.

        Raises:
            StoreError: the store cannot be used.
        """
        ...

    def holders(self, names: Collection[str]) -> Mapping[str, str]:
        """Who holds each of these links, in words; those that nobody holds are left out.

        Raises:
            StoreError: the store cannot be used.
        """
        ...

    def close(self) -> None:
        """Give back everything that is still held."""
        ...
