"""One rolling window: so many requests in so many seconds, exactly, first come first served.

A part of `rate_budget`. Why it is exact: the vendor counts *arrivals*, and a
request arrives at some moment between its sending and its answer. So a request
occupies a place from its sending until one window after its answer; whatever
its travel time, no window sees more arrivals than there are places. (A token
bucket would let twice as many through around a full bucket, and a log of
sending times is wrong by the jitter of the travel times.)
"""

from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from threading import Condition

from syncd.errors import Unavailable
from syncd.ports.clock import Clock

MARGIN = 0.02
"""Seconds that are added to a window, because clocks differ.

A machine's clock drifts by less than a hundredth of that in ten seconds; between machines that
share an account, it is the difference that their clocks may have.
"""

_SHORTEST_SLEEP = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float


class Window:
    """The places of one limit; all threads share it."""

    def __init__(self, limit: Limit, clock: Clock, *, used: int = 0) -> None:
        self.limit = limit
        self._clock = clock
        self._span = limit.seconds + MARGIN
        self._changed = Condition()
        self._queue: deque[object] = deque()
        self._in_flight = 0
        self._free_at: deque[float] = deque([clock.monotonic() + self._span] * used)
        self._freed: deque[float] = deque(maxlen=limit.requests)
        """When each of the latest places became free (monotonic)."""

    @property
    def used(self) -> int:
        """Places that are taken now."""
        with self._changed:
            return self._count()

    def available(self, within: float = 0.0) -> int:
        """Places that no request has taken or waits for, now or in so many seconds."""
        with self._changed:
            soon = self._clock.monotonic() + within
            return self._room() + sum(1 for _ in takewhile(lambda at: at <= soon, self._free_at))

    def take(self) -> None:
        """Wait for a place, in the order of arrival, and take it.

        Raises:
            Unavailable: the process was asked to stop.
        """
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket:
                    self._changed.wait()
                self._wait_for_room()
                self._in_flight += 1
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def settle(self) -> None:
        """The request was answered, or never will be: its place is free one window from now."""
        with self._changed:
            self._in_flight -= 1
            self._free_at.append(self._clock.monotonic() + self._span)
            self._changed.notify_all()

    def note(self, used: int, sent: float) -> None:
        """The vendor counts `used` requests: those beyond ours are other programs', and count.

        It counted when the request arrived, not before `sent` (monotonic seconds): for the vendor,
        places that became free since were still taken.
        """
        with self._changed:
            ours = self._count() + sum(each > sent for each in self._freed)
            foreign = min(used, self.limit.requests) - ours
            self._free_at.extend([self._clock.monotonic() + self._span] * max(0, foreign))

    def _room(self) -> int:
        return self.limit.requests - self._count() - len(self._queue)

    def _count(self) -> int:
        now = self._clock.monotonic()
        while self._free_at and self._free_at[0] <= now:
            self._freed.append(self._free_at.popleft())
        return self._in_flight + len(self._free_at)

    def _wait_for_room(self) -> None:
        while self._count() >= self.limit.requests:
            if not self._free_at:
                # Every place is in flight: an answer will wake us.
                self._changed.wait()
                continue
            wait = self._free_at[0] - self._clock.monotonic()
            self._changed.release()
            try:
                pause(self._clock, wait)
            finally:
                self._changed.acquire()


def pause(clock: Clock, seconds: float) -> None:
    """Sleep.

    Raises:
        Unavailable: the clock woke us early, which it does when the process shall stop.
    """
    seconds = max(seconds, _SHORTEST_SLEEP)
    began = clock.monotonic()
    clock.sleep(seconds)
    if clock.monotonic() - began < seconds / 2:
        raise Unavailable("asked to stop while waiting for the request budget; nothing was sent")
