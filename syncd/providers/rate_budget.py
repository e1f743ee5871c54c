"""The rate limit of one account: never too many requests in any window, for all links together.

`http.Client` calls `acquire` before every attempt and settles the permit after
the answer; all threads and all links of an account share one `Budget`. It
keeps to the configured limits, learns the vendor's own from response headers,
pauses where the vendor asks for it, and stops when the daily quota is used up.
Leaves out retries (`retry`), and the capacity that is kept for the next poll
(`reservation`).
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from hashlib import blake2b
from threading import Lock
from typing import Protocol

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent, RateLimited, StoreError
from syncd.ports.clock import Clock
from syncd.providers import rate_headers, shared_window
from syncd.providers.message import Response
from syncd.providers.rate_window import Limit, Window, pause
from syncd.providers.retry import PATIENCE, policy_of, retry_after
from syncd.providers.shared_window import Ledger, SharedPause, SharedWindow

ASK_AGAIN = timedelta(hours=1)
"""How soon a used-up daily quota is tried again where no answer gives its reset."""

_LONGEST_BACK_OFF = 10.0
"""Seconds; both vendors count bursts over ten."""

_WHOLE = ""


class Permit:
    """Permission to send one request; `settle` it once, when the attempt is over."""

    def __init__(self, places: ExitStack | None = None) -> None:
        self._places = places or ExitStack()

    def settle(self) -> None:
        """The attempt is over: the place is free one window from now."""
        self._places.close()


class RateBudget(Protocol):
    """A rate limit as the client uses it."""

    zone: tzinfo | None
    """The time zone at whose midnight the daily quota is reset, once that is known."""

    def acquire(self, kind: str = "") -> Permit:
        """Wait until a request may be sent.

        Raises:
            DailyBudgetSpent: the daily quota is used up.
            RateLimited: the vendor asked for a longer pause than a cycle waits.
            Unavailable: the process was asked to stop.
        """
        ...

    def observe(self, response: Response, kind: str = "", *, sent: float | None = None) -> None:
        """Learn from an answer to a request that was `sent` at that monotonic second (or now)."""
        ...

    def available(self, within: float = 0.0) -> int:
        """Requests that could be sent within so many seconds, as far as this process knows.

        Requests that already wait are subtracted: they go first.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """How much is left, for status and metrics."""

    used: int
    limit: Limit
    daily_left: int | None
    daily: int | None
    paused_seconds: float
    """How long the pause still lasts that the vendor asked for."""
    throttled_seconds: float
    """Total time that requests have waited so far."""
    refusals: int
    """Number of answers with status 429."""
    spent_until: datetime | None = None
    """When the daily quota is reset (UTC), where it is used up."""


class Budget:
    """The budget of one account at one vendor, shared by all its threads and links.

    `kinds` are further limits for some requests (HubSpot: `search`), which
    count against the account's limit as well. The daily quota is reset at
    midnight in `zone` (HubSpot: the account's zone, set once it was read);
    without one, it is tried again hourly. With a `ledger`, other processes
    share the limits and the pauses, under the name `account`, which is hashed
    because it may contain a token. They do not share a used-up daily quota: a
    new process tries once.
    """

    def __init__(
        self,
        *,
        side: Side,
        clock: Clock,
        limit: Limit,
        kinds: Mapping[str, Limit] | None = None,
        zone: tzinfo | None = None,
        ledger: Ledger | None = None,
        account: str = "",
    ) -> None:
        self.zone = zone
        self._side = side
        self._clock = clock
        self._lock = Lock()
        self._account = Window(limit, clock)
        self._kinds = {name: Window(each, clock) for name, each in (kinds or {}).items()}
        self.shared: dict[str, SharedWindow] = {}
        self._shared_pauses: dict[str, SharedPause] = {}
        if ledger is not None:
            name = f"{side}:{blake2b(account.encode(), digest_size=8).hexdigest()}"
            for kind, each in {**(kinds or {}), _WHOLE: limit}.items():
                row = f"{name}:{kind}".rstrip(":")
                self.shared[kind] = SharedWindow(ledger, row, each, clock)
                self._shared_pauses[kind] = SharedPause(ledger, row, clock)
        self._learned: Window | None = None
        self._paused_until: dict[str, float] = {}
        self._spent: tuple[datetime, float] | None = None
        """When the daily quota is reset: by the wall clock, and monotonic."""
        self._headers = rate_headers.RateHeaders()
        self._refused_in_row = 0
        self._refusals = 0
        self._throttled = 0.0

    def acquire(self, kind: str = "") -> Permit:
        """See `RateBudget.acquire`."""
        began = self._clock.monotonic()
        self._wait_until_allowed(kind)
        with ExitStack() as places:
            for window in self._windows(kind):
                window.take()
                places.callback(window.settle)
            for shared in self._shared_windows(kind):
                places.callback(shared.settle, shared.take())
            # While we waited for a place, the vendor may have asked for a pause.
            self._wait_until_allowed(kind)
            with self._lock:
                self._throttled += self._clock.monotonic() - began
            return Permit(places.pop_all())
        raise AssertionError("unreachable")  # ExitStack swallows nothing here

    def observe(self, response: Response, kind: str = "", *, sent: float | None = None) -> None:
        """See `RateBudget.observe`."""
        headers = rate_headers.read(response.headers)
        wait = retry_after(response, self._clock.now())
        pauses: dict[str, float] = {}
        with self._lock:
            self._learn(headers, self._clock.monotonic() if sent is None else sent)
            if response.status == 429:
                pauses = self._refused(response, kind, wait)
            else:
                self._refused_in_row = 0
            if headers.daily_left == 0 or _day_is_spent(response):
                self._stop_for_the_day(headers, wait)
            elif wait is not None:
                pauses[_WHOLE] = max(wait, pauses.get(_WHOLE, 0.0))
            for each, seconds in pauses.items():
                self._pause(each, seconds)
        self._share(pauses)

    def available(self, within: float = 0.0) -> int:
        """See `RateBudget.available`."""
        with self._lock:
            if self._pause_left(_WHOLE) > within:
                return 0
        return min(window.available(within) for window in self._windows(_WHOLE))

    def is_half_free(self, kind: str = "") -> bool:
        """Whether more than half of each limit is free, counting every process of the store.

        A limit of one request in a window is as good as free: it has no half.

        Raises:
            StoreError: the ledger cannot be used.
        """
        ours = [(window.limit.requests, window.available()) for window in self._windows(kind)]
        shared = [(each.places, each.free()) for each in self._shared_windows(kind)]
        return all(most < 2 or 2 * free > most for most, free in [*ours, *shared])

    def close(self) -> None:
        """Give unused places back to the other processes; the budget may be used further."""
        close_all([self])

    def view(self) -> BudgetView:
        """How much is left."""
        with self._lock:
            return BudgetView(
                used=self._account.used,
                limit=self._account.limit,
                daily_left=self._headers.daily_left,
                daily=self._headers.daily,
                paused_seconds=self._pause_left(_WHOLE),
                throttled_seconds=self._throttled,
                refusals=self._refusals,
                spent_until=self._spent_until(),
            )

    def _windows(self, kind: str) -> list[Window]:
        # The narrowest first: a request that waits there must not hold a place of the others.
        with self._lock:
            return [
                window
                for window in (self._kinds.get(kind), self._account, self._learned)
                if window is not None
            ]

    def _shared_windows(self, kind: str) -> list[SharedWindow]:
        return [self.shared[each] for each in dict.fromkeys((kind, _WHOLE)) if each in self.shared]

    def _wait_until_allowed(self, kind: str) -> None:
        while True:
            shared = self._shared_pause_left(kind)
            with self._lock:
                until = self._spent_until()
                wait = max(self._pause_left(_WHOLE), self._pause_left(kind), shared)
            if until is not None:
                raise DailyBudgetSpent(
                    f"{self._side.label}'s daily quota is used up until "
                    f"{until:%Y-%m-%d %H:%M} UTC; syncd goes on by itself then",
                    side=self._side,
                    until=until,
                )
            if wait <= 0:
                return
            if wait > PATIENCE:
                raise RateLimited(
                    f"{self._side.label} asks for a pause of {wait:.0f} s; "
                    "the next cycle tries again",
                    side=self._side,
                    retry_after=wait,
                )
            pause(self._clock, wait)

    def _shared_pause_left(self, kind: str) -> float:
        pauses = [self._shared_pauses.get(each) for each in dict.fromkeys((kind, _WHOLE))]
        return max((each.left() for each in pauses if each is not None), default=0.0)

    def _learn(self, headers: rate_headers.RateHeaders, sent: float) -> None:
        if headers.daily_left is not None:
            self._headers = headers
        if not headers.most or headers.left is None or not headers.seconds:
            return
        limit = Limit(requests=headers.most, seconds=headers.seconds)
        used = max(0, headers.most - headers.left)
        if self._learned is None or self._learned.limit != limit:
            self._learned = Window(limit, self._clock, used=used)
        else:
            self._learned.note(used, sent)

    def _refused(self, response: Response, kind: str, wait: float | None) -> dict[str, float]:
        """Seconds for which a 429 pauses requests, by kind, beyond its `Retry-After`."""
        self._refusals += 1
        # Requests that were in flight together are refused together: that counts once.
        if not self._pause_left(kind) and not self._pause_left(_WHOLE):
            self._refused_in_row += 1
        match policy_of(response):
            case "DAILY":
                return {}
            case "SECONDLY":
                seconds = min(float(self._refused_in_row), _LONGEST_BACK_OFF)
                return {kind if kind in self._kinds else _WHOLE: seconds}
            case "TEN_SECONDLY_ROLLING":
                return {_WHOLE: _LONGEST_BACK_OFF}
        if wait is not None:
            return {}
        return {_WHOLE: min(float(2 ** min(self._refused_in_row - 1, 10)), _LONGEST_BACK_OFF)}

    def _share(self, pauses: Mapping[str, float]) -> None:
        """Share the vendor's pauses with the other processes of this account."""
        # The answer must not be lost: where the store fails, the next request raises its error
        # before anything is sent.
        with suppress(StoreError):
            for kind, seconds in pauses.items():
                if seconds and kind in self._shared_pauses:
                    self._shared_pauses[kind].ask(seconds)

    def _pause(self, kind: str, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        self._paused_until[kind] = max(until, self._paused_until.get(kind, 0.0))

    def _pause_left(self, kind: str) -> float:
        return max(0.0, self._paused_until.get(kind, 0.0) - self._clock.monotonic())

    def _stop_for_the_day(self, headers: rate_headers.RateHeaders, wait: float | None) -> None:
        now = self._clock.now()
        seconds = headers.daily_reset if headers.daily_reset is not None else wait
        if seconds is not None:
            until = now + timedelta(seconds=seconds)
        elif self.zone is not None:
            tomorrow = now.astimezone(self.zone).date() + timedelta(days=1)
            until = datetime.combine(tomorrow, time(), self.zone).astimezone(now.tzinfo)
        else:
            until = now + ASK_AGAIN
        self._spent = until, self._clock.monotonic() + (until - now).total_seconds()

    def _spent_until(self) -> datetime | None:
        """When a used-up quota is reset; None once either clock says so: one may be set."""
        if self._spent is None:
            return None
        until, at = self._spent
        now, left = self._clock.now(), at - self._clock.monotonic()
        if until <= now or left <= 0:
            return None
        return min(until, now + timedelta(seconds=left))


def close_all(budgets: Iterable[Budget]) -> None:
    """Give the unused places of these budgets back to the other processes, in one statement.

    Raises:
        StoreError: the ledger cannot be used.
    """
    shared_window.close_all(each for budget in budgets for each in budget.shared.values())


def _day_is_spent(response: Response) -> bool:
    return response.status == 429 and policy_of(response) == "DAILY"
