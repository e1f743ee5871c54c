"""What the scheduler asks of the wired program; `bootstrap.App` gives it, tests bring fakes.

A link is held with a lease from the daemon's start to its end, and opened
(tokens read, connections made) apart from that, so that a link can be opened
anew without ever being let go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from syncd.config import Settings
from syncd.core.model import Side
from syncd.engine.cycle import CycleRequest
from syncd.engine.report import CycleReport
from syncd.observability.traffic import Traffic
from syncd.ports.clock import Clock
from syncd.ports.store import Decided, LinkStore, StatusReader, Switch


class Lease(Protocol):
    """The right to work on a link, which ends by itself unless it is renewed."""

    def check(self) -> None:
        """Raises `errors.LinkLocked` once the link is no longer ours; asks nobody."""
        ...

    def renew(self) -> None:
        """Make it last again.

        Raises:
            LinkLocked: it was lost.
            StoreError: nobody can be asked now; the lease may still be ours.
        """
        ...

    def release(self) -> None:
        """Give the link back; safe to repeat."""
        ...


class Share(Protocol):
    """Which links this process may hold: all of them, or what many processes leave to it."""

    def start(self) -> None:
        """Begin to take part."""
        ...

    stands_by: bool
    """Whether it waits for the links that others hold, which show as locked meanwhile."""

    def names(self) -> Collection[str]:
        """The links that it may hold now; asked twice a second, and never waits."""
        ...

    def stop(self) -> None:
        """Leave all links to the others; waits a moment at most."""
        ...


class AllLinks:
    """`Share` of a process that has the store to itself: every configured link, always."""

    stands_by = False

    def __init__(self, known: Callable[[], Collection[str]]) -> None:
        self._known = known

    def start(self) -> None:
        """There is nobody to share with."""

    def names(self) -> Collection[str]:
        """Every configured link."""
        return self._known()

    def stop(self) -> None:
        """There is nobody to leave anything to."""


class OpenLink(Protocol):
    """A link that is ready for cycles, one after another."""

    def cycle(self, request: CycleRequest) -> CycleReport:
        """Run one cycle; what a vendor did, or a lost lease, is in the report.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def traffic(self) -> Mapping[Side, Traffic]:
        """What went over the wire so far; safe to ask from another thread."""
        ...

    def close(self) -> None:
        """Give back connections; the lease stays."""
        ...


class Links(Protocol):
    """The wired program, as far as the daemon needs it."""

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    def link_store(self, name: str) -> LinkStore:
        """The store as one link sees it."""
        ...

    def quick_view(self, name: str) -> LinkStore:
        """The same for who does not wait for a database that is away."""
        ...

    def lock(self, name: str) -> Lease:
        """Take a link for this process.

        Raises:
            LinkLocked: another syncd holds it.
            StoreError: our own store failed.
        """
        ...

    def lock_all(self, names: Collection[str]) -> tuple[Mapping[str, Lease], Mapping[str, str]]:
        """Take as many of these links as are free; of the others, who holds them, in words.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def holders(self, names: Collection[str]) -> Mapping[str, str]:
        """Who holds each of these links now, in words; those that nobody holds are left out.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def unlock_all(self, leases: Iterable[Lease]) -> None:
        """Give several links back at once."""
        ...

    def open_link(self, name: str, lease: Lease) -> OpenLink:
        """Get a link ready; no vendor is asked yet.

        Raises:
            ConfigError: a token is missing.
        """
        ...

    def look(self) -> Decided:
        """What people decided of any link and no cycle has carried out yet.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def write_notes(self, cursor: str, notes: Mapping[str, str]) -> None:
        """Keep a short text of each of these links, where it is ours; never waits for long.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def paused(self, name: str) -> bool:
        """Whether a person took the link out of service."""
        ...

    def overview(self, states: Sequence[str]) -> Mapping[str, StatusReader]:
        """What the status of every link rests on, with these state keys, read at once.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def switch(self, names: Collection[str], turn: Switch) -> None:
        """Take links out of service or put them back, all or none; their daemon looks at once.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def waits_for_connection(self, name: str) -> bool:
        """Whether a link can do nothing before somebody connects it; asks no vendor.

        Raises:
            StoreError: our own store failed.
        """
        ...

    def prune(self, name: str, before: datetime) -> bool:
        """Delete a link's history from before an instant; gives whether the store could."""
        ...

    def adopt(self, settings: Settings) -> None:
        """Go on with another configuration; links that are open keep what they have."""
        ...


__all__ = ["AllLinks", "Lease", "Links", "OpenLink", "Share"]
