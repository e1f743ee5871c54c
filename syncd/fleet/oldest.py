"""The share of a process without an engine: every link is the oldest process's that knows it."""

from collections.abc import Callable, Collection

from syncd.errors import StoreError
from syncd.fleet.peers import Peers
from syncd.ports.clock import Clock

LOOKED_EVERY = 2.0
"""Seconds for which what was seen of the others holds."""


class Oldest:
    """`scheduler.ports.Share`: what no older living process knows; the others stand by."""

    stands_by = True

    def __init__(self, peers: Peers, clock: Clock, known: Callable[[], Collection[str]]) -> None:
        """`known` gives the configured links."""
        self._peers, self._clock, self._known = peers, clock, known
        self._looked = float("-inf")
        self._names: frozenset[str] = frozenset()

    def start(self) -> None:
        """Nothing runs beside the scheduler."""

    def names(self) -> frozenset[str]:
        """The links that this process may hold now; what it was, while the database is away."""
        now = self._clock.monotonic()
        if now - self._looked >= LOOKED_EVERY:
            self._looked = now
            known = frozenset(self._known())
            try:
                me = self._peers.me
                older = [peer for peer in self._peers.peers(len(known)) if peer.id < me]
            except StoreError:
                return self._names & known
            taken = (known if peer.knows is None else peer.knows for peer in older)
            self._names = known.difference(*taken) if me else frozenset()
        return self._names

    def stop(self) -> None:
        """There is nothing to give back but the links."""
