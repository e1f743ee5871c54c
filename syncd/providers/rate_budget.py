"""The request budget of one account: never too many in any window, whoever asks.

`http.Client` asks `acquire` before every attempt and settles the permit with
the answer; all threads and all links of an account share one `Budget`. It
obeys the configured limits, learns the vendor's own from response headers,
falls silent where the vendor asks for it, and stops for the day when the
day's budget is spent. Leaves out retries (`retry`).
"""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from hashlib import blake2b
from threading import Lock
from typing import Protocol

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent, RateLimited, StoreError
from syncd.ports.clock import Clock
from syncd.providers import rate_headers
from syncd.providers.message import Response
from syncd.providers.rate_window import Limit, Window, pause
from syncd.providers.retry import PATIENCE, policy_of, retry_after
from syncd.providers.shared_window import Ledger, SharedPause, SharedWindow

ASK_AGAIN = timedelta(hours=1)
"""When a spent daily budget is asked for again where nobody said when it is back."""

_LONGEST_BACK_OFF = 10.0
"""Seconds; both vendors count bursts over ten."""

_NAMES = {Side.GHL: "HighLevel", Side.HUBSPOT: "HubSpot"}
_WHOLE = ""


class Permit:
    """Leave to send one request; `settle` it once, when the attempt is over."""

    def __init__(self, places: ExitStack | None = None) -> None:
        self._places = places or ExitStack()

    def settle(self) -> None:
        """The attempt is over: the place is free one window from now."""
        self._places.close()


class RateBudget(Protocol):
    """What the client asks of a budget."""

    zone: tzinfo | None
    """Where the account's day ends at midnight, once that is known."""

    def acquire(self, kind: str = "") -> Permit:
        """Wait until a request may be sent.

        Raises:
            DailyBudgetSpent: not before the day is over.
            RateLimited: the vendor asked for a longer silence than a cycle waits.
            Unavailable: the process was asked to stop.
        """
        ...

    def observe(self, response: Response, kind: str = "", *, sent: float | None = None) -> None:
        """Learn from an answer to a request that was `sent` at that monotonic second (or now)."""
        ...

    def available(self, within: float = 0.0) -> int:
        """How many requests could be sent within so many seconds, as far as this process knows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """How much is left, for status and metrics."""

    used: int
    limit: Limit
    daily_left: int | None
    daily: int | None
    silent_seconds: float
    """How long the vendor still wants to hear nothing."""
    throttled_seconds: float
    """How long requests have waited so far, added up."""
    refusals: int
    """How many 429 came."""
    spent_until: datetime | None = None
    """When a spent day is over (UTC)."""


class Budget:
    """The budget of one account at one vendor, shared by all its threads and links.

    `kinds` are further limits for some requests (HubSpot: `search`), which
    count against the account's limit as well. `zone` is where a day ends at
    midnight (HubSpot: the account's zone, set once it was read); without one, a
    spent day is asked for again hourly. With a `ledger`, other processes share
    the limits and the silences, under the name `account`, which is hashed
    because it may hold a token. A spent day they do not share: a new command
    asks once.
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
        self._shared: dict[str, SharedWindow] = {}
        self._others_silence: dict[str, SharedPause] = {}
        if ledger is not None:
            name = f"{side}:{blake2b(account.encode(), digest_size=8).hexdigest()}"
            for kind, each in {**(kinds or {}), _WHOLE: limit}.items():
                row = f"{name}:{kind}".rstrip(":")
                self._shared[kind] = SharedWindow(ledger, row, each, clock)
                self._others_silence[kind] = SharedPause(ledger, row, clock)
        self._learned: Window | None = None
        self._silent_until: dict[str, float] = {}
        self._spent: tuple[datetime, float] | None = None
        """When a spent day is over, by the wall clock and by the one that nobody sets."""
        self._told = rate_headers.RateHeaders()
        self._refused_in_row = 0
        self._refusals = 0
        self._throttled = 0.0

    def acquire(self, kind: str = "") -> Permit:
        """See `RateBudget.acquire`."""
        began = self._clock.monotonic()
        self._wait_for_leave(kind)
        with ExitStack() as places:
            for window in self._windows(kind):
                window.take()
                places.callback(window.settle)
            for shared in self._shared_windows(kind):
                places.callback(shared.settle, shared.take())
            # While we waited for a place, the vendor may have asked for silence.
            self._wait_for_leave(kind)
            with self._lock:
                self._throttled += self._clock.monotonic() - began
            return Permit(places.pop_all())
        raise AssertionError("unreachable")  # ExitStack swallows nothing here

    def observe(self, response: Response, kind: str = "", *, sent: float | None = None) -> None:
        """See `RateBudget.observe`."""
        heard = rate_headers.read(response.headers)
        wait = retry_after(response, self._clock.now())
        silences: dict[str, float] = {}
        with self._lock:
            self._learn(heard, self._clock.monotonic() if sent is None else sent)
            if response.status == 429:
                silences = self._refused(response, kind, wait)
            else:
                self._refused_in_row = 0
            if heard.daily_left == 0 or _day_is_spent(response):
                self._stop_for_the_day(heard, wait)
            elif wait is not None:
                silences[_WHOLE] = max(wait, silences.get(_WHOLE, 0.0))
            for each, seconds in silences.items():
                self._silence(each, seconds)
        self._tell_the_others(silences)

    def available(self, within: float = 0.0) -> int:
        """See `RateBudget.available`."""
        with self._lock:
            if self._silence_left(_WHOLE) > within:
                return 0
        return min(window.available(within) for window in self._windows(_WHOLE))

    def close(self) -> None:
        """Tell the other processes what is not used any more; the budget may be used on."""
        for shared in self._shared.values():
            shared.close()

    def view(self) -> BudgetView:
        """How much is left."""
        with self._lock:
            return BudgetView(
                used=self._account.used,
                limit=self._account.limit,
                daily_left=self._told.daily_left,
                daily=self._told.daily,
                silent_seconds=self._silence_left(_WHOLE),
                throttled_seconds=self._throttled,
                refusals=self._refusals,
                spent_until=self._spent_until(),
            )

    def _windows(self, kind: str) -> list[Window]:
        # The narrowest first: who waits there must not keep a place that others could use.
        with self._lock:
            return [
                window
                for window in (self._kinds.get(kind), self._account, self._learned)
                if window is not None
            ]

    def _shared_windows(self, kind: str) -> list[SharedWindow]:
        return [
            self._shared[each] for each in dict.fromkeys((kind, _WHOLE)) if each in self._shared
        ]

    def _wait_for_leave(self, kind: str) -> None:
        while True:
            told_others = self._silence_of_others(kind)
            with self._lock:
                until = self._spent_until()
                wait = max(self._silence_left(_WHOLE), self._silence_left(kind), told_others)
            if until is not None:
                raise DailyBudgetSpent(
                    f"{_NAMES[self._side]}'s daily quota is used up until "
                    f"{until:%Y-%m-%d %H:%M} UTC; syncd goes on by itself then",
                    side=self._side,
                    until=until,
                )
            if wait <= 0:
                return
            if wait > PATIENCE:
                raise RateLimited(
                    f"{_NAMES[self._side]} asks for {wait:.0f} s of silence; "
                    "the next cycle tries again",
                    side=self._side,
                    retry_after=wait,
                )
            pause(self._clock, wait)

    def _silence_of_others(self, kind: str) -> float:
        heard = [self._others_silence.get(each) for each in dict.fromkeys((kind, _WHOLE))]
        return max((each.left() for each in heard if each is not None), default=0.0)

    def _learn(self, heard: rate_headers.RateHeaders, sent: float) -> None:
        if heard.daily_left is not None:
            self._told = heard
        if not heard.most or heard.left is None or not heard.seconds:
            return
        limit = Limit(requests=heard.most, seconds=heard.seconds)
        used = max(0, heard.most - heard.left)
        if self._learned is None or self._learned.limit != limit:
            self._learned = Window(limit, self._clock, used=used)
        else:
            self._learned.note(used, sent)

    def _refused(self, response: Response, kind: str, wait: float | None) -> dict[str, float]:
        """For how many seconds a 429 silences which kinds, beyond its `Retry-After`."""
        self._refusals += 1
        # Those that were on their way together are refused together: that is one refusal.
        if not self._silence_left(kind) and not self._silence_left(_WHOLE):
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

    def _tell_the_others(self, silences: Mapping[str, float]) -> None:
        """Write down what the vendor asked for, for the other processes of this account."""
        # The answer is at hand and must not be lost: a store that fails says so at the next
        # request, before anything is sent.
        with suppress(StoreError):
            for kind, seconds in silences.items():
                if seconds and kind in self._others_silence:
                    self._others_silence[kind].ask(seconds)

    def _silence(self, kind: str, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        self._silent_until[kind] = max(until, self._silent_until.get(kind, 0.0))

    def _silence_left(self, kind: str) -> float:
        return max(0.0, self._silent_until.get(kind, 0.0) - self._clock.monotonic())

    def _stop_for_the_day(self, heard: rate_headers.RateHeaders, wait: float | None) -> None:
        now = self._clock.now()
        seconds = heard.daily_reset if heard.daily_reset is not None else wait
        if seconds is not None:
            until = now + timedelta(seconds=seconds)
        elif self.zone is not None:
            tomorrow = now.astimezone(self.zone).date() + timedelta(days=1)
            until = datetime.combine(tomorrow, time(), self.zone).astimezone(now.tzinfo)
        else:
            until = now + ASK_AGAIN
        self._spent = until, self._clock.monotonic() + (until - now).total_seconds()

    def _spent_until(self) -> datetime | None:
        """When a spent day is over; None where it is, by one of the clocks: one may be set."""
        if self._spent is None:
            return None
        until, at = self._spent
        now, left = self._clock.now(), at - self._clock.monotonic()
        if until <= now or left <= 0:
            return None
        return min(until, now + timedelta(seconds=left))


def _day_is_spent(response: Response) -> bool:
    return response.status == 429 and policy_of(response) == "DAILY"
