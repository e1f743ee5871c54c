"""The limit of one account, shared between processes in small blocks, and the vendor's pauses.

A part of `rate_budget`, used where a `Ledger` is given. Within a process
`Window` is exact to the request; across processes a block of places is stored
before any of them is used, and each is given back for one window after its own
answer, with the next block or at the end. So consecutive commands, a daemon
beside them and processes on other machines never exceed the limit together.
The places of a killed process stay taken for as long as one of its requests
may be in flight. A pause that the vendor asked one process for is stored at
once; the others read it before they send.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from syncd.errors import StoreError
from syncd.ports.clock import Clock
from syncd.providers.rate_window import MARGIN, Limit, pause

LARGEST_BLOCK = 5
"""Places that are taken at once: each block costs a transaction, and unused places of a block are
lost for `LIFETIME`.
"""

LIFETIME = timedelta(seconds=5)
"""How long the places of a block may wait to be used."""

FLIGHT = timedelta(seconds=60)
"""How long a request may be in flight; longer than the client's time-outs."""

FRESH = 0.25
"""Seconds between two reads of what other processes stored: pauses, and taken places."""

_LONGEST_NAP = 0.5
"""Seconds after which to try again: a place may become free earlier than its stored time."""


Answered = Mapping[int, Sequence[datetime]]
"""Places that are given back: by their block's id, the instant (UTC) at which each is free."""


class Ledger(Protocol):
    """The places of an account that the processes of one store use.

    Each method is one short transaction, and may raise `errors.StoreError`.
    `account` is a name without any secret in it.
    """

    def exchange(
        self,
        account: str,
        *,
        now: datetime,
        answered: Answered,
        wanted: int,
        places: int,
        until: datetime,
        span: timedelta,
    ) -> tuple[int, int, datetime | None]:
        """Give back and take places, in one transaction that no other may overlap.

        First the places in `answered` leave their blocks, if these still
        exist, and each is free at its instant; places that are free at `now`
        are deleted. No place is held for longer than `until`: one that is was
        stored before a clock was set back, and is free in one window, a `span`
        from now.
        Then up to `wanted` of the remaining `places` are taken as one block
        that is held `until` that instant.

        Returns:
            The block's id, its size, and None; or 0, 0 and the instant at
            which the next place becomes free.
        """
        ...

    def release(self, answered: Mapping[str, Answered]) -> None:
        """Give back places of several accounts without taking any."""
        ...

    def taken(self, account: str, *, now: datetime) -> int:
        """How many places are taken at `now`, by all processes."""
        ...

    def pause(self, account: str, *, now: datetime, until: datetime) -> None:
        """The vendor wants no request of the account until that instant (UTC)."""
        ...

    def paused_until(self, account: str, *, now: datetime) -> datetime | None:
        """When the longest pause that is not over at `now` ends (UTC); None if there is none.

        One with more time left than its full length was stored before a clock
        was set back: it counts as over.
        """
        ...


@dataclass(slots=True, kw_only=True)
class _Block:
    """Places of this process alone, for a while."""

    key: int
    left: int
    expires: float
    """Monotonic seconds: the wall clock may be set."""


class SharedWindow:
    """The places of one limit that several processes share."""

    def __init__(self, ledger: Ledger, account: str, limit: Limit, clock: Clock) -> None:
        self.ledger = ledger
        self.account = account
        self._limit = limit
        self._clock = clock
        self._span = timedelta(seconds=limit.seconds + MARGIN)
        self._size = max(1, min(LARGEST_BLOCK, limit.requests // 10))
        self._lock = Lock()
        self._turn = Lock()
        self._open: _Block | None = None
        self._to_return: defaultdict[int, list[float]] = defaultdict(list)
        """Places to give back with the next block: when each is free (monotonic)."""
        self._free, self._looked_at = 0, -FRESH

    @property
    def places(self) -> int:
        """How many there are."""
        return self._limit.requests

    def take(self) -> int:
        """Wait for a place and take it; gives the number of its block, for `settle`.

        Raises:
            StoreError: the ledger cannot be used.
            Unavailable: the process was asked to stop.
        """
        with self._turn:
            while True:
                taken = self._from_open_block()
                if taken:
                    return taken
                now = self._clock.now()
                free_at = self._reserve(now)
                if free_at is not None:
                    wait = (free_at - now).total_seconds()
                    pause(self._clock, min(max(wait, 0.0), _LONGEST_NAP))

    def settle(self, block: int) -> None:
        """A request with a place of this block was answered, or never will be."""
        with self._lock:
            self._to_return[block].append(self._clock.monotonic() + self._span.total_seconds())

    def free(self) -> int:
        """Places that no process has taken, as known a moment ago.

        Raises:
            StoreError: the ledger cannot be used.
        """
        with self._lock:
            if self._clock.monotonic() - self._looked_at >= FRESH:
                taken = self.ledger.taken(self.account, now=self._clock.now())
                self._free = max(0, self._limit.requests - taken)
                self._looked_at = self._clock.monotonic()
            return self._free

    def unused(self) -> Answered:
        """Every place that is not used any more, for whoever gives it back (`close_all`)."""
        return self._by_the_wall_clock(self._to_give_back(), self._clock.now())

    def _from_open_block(self) -> int:
        with self._lock:
            block = self._open
            if block is None or not block.left or self._clock.monotonic() >= block.expires:
                return 0
            block.left -= 1
            self._free = max(0, self._free - 1)
            return block.key

    def _reserve(self, now: datetime) -> datetime | None:
        answered = self._to_give_back()
        try:
            key, size, free_at = self.ledger.exchange(
                self.account,
                now=now,
                answered=self._by_the_wall_clock(answered, now),
                wanted=self._size,
                places=self._limit.requests,
                until=now + LIFETIME + FLIGHT + self._span,
                span=self._span,
            )
        except StoreError:
            with self._lock:
                for block, places in answered.items():
                    self._to_return[block] += places
            raise
        if not size:
            return free_at or now
        with self._lock:
            ends = self._clock.monotonic() + LIFETIME.total_seconds()
            self._open = _Block(key=key, left=size, expires=ends)
        return None

    def _by_the_wall_clock(
        self, answered: Mapping[int, Sequence[float]], now: datetime
    ) -> dict[int, list[datetime]]:
        """The instants at which places are free, by the clock that processes share."""
        seconds = self._clock.monotonic()
        return {
            block: [now + timedelta(seconds=at - seconds) for at in places]
            for block, places in answered.items()
        }

    def _to_give_back(self) -> dict[int, list[float]]:
        """The places without a request in flight, and when each is free."""
        with self._lock:
            if self._open is not None and self._open.left:
                # Unused places are free at once.
                self._to_return[self._open.key] += [self._clock.monotonic()] * self._open.left
            self._open = None
            answered, self._to_return = self._to_return, defaultdict(list)
        return dict(answered)


def close_all(windows: Iterable[SharedWindow]) -> None:
    """Give back what these windows do not use any more, in one statement; all have one ledger.

    Raises:
        StoreError: the ledger cannot be used.
    """
    unused: dict[str, Answered] = {}
    ledger: Ledger | None = None
    for window in windows:
        if places := window.unused():
            unused[window.account], ledger = places, window.ledger
    if ledger is not None:
        ledger.release(unused)


class SharedPause:
    """A pause that the vendor asked one of the processes of this store for."""

    def __init__(self, ledger: Ledger, account: str, clock: Clock) -> None:
        self.ledger = ledger
        self.account = account
        self._clock = clock
        self._read_at = -FRESH
        self._until: datetime | None = None

    def ask(self, seconds: float) -> None:
        """Make all processes pause for so long.

        Raises:
            StoreError: the ledger cannot be used.
        """
        now = self._clock.now()
        self.ledger.pause(self.account, now=now, until=now + timedelta(seconds=seconds))

    def left(self) -> float:
        """Seconds that are left of the pause, as known a moment ago.

        Raises:
            StoreError: the ledger cannot be used.
        """
        # Two threads at once only read it twice.
        now = self._clock.now()
        if self._clock.monotonic() - self._read_at >= FRESH:
            self._until = self.ledger.paused_until(self.account, now=now)
            self._read_at = self._clock.monotonic()
        return max(0.0, (self._until - now).total_seconds()) if self._until else 0.0
