"""The request budget of one account: never too many in any window, whoever asks.

`http.Client` asks `acquire` before every attempt and settles the permit with
the answer; all threads and all links of an account share one `Budget`. It
obeys the configured limits, learns the vendor's own from response headers,
falls silent where the vendor asks for it, and stops for the day when the
day's budget is spent. Leaves out retries (`retry`).
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from hashlib import blake2b
from threading import Lock
from typing import Protocol

from syncd.core.model import Side
from syncd.errors import DailyBudgetSpent, RateLimited
from syncd.ports.clock import Clock
from syncd.providers import told
from syncd.providers.message import Response
from syncd.providers.retry import PATIENCE, policy_of, retry_after
from syncd.providers.shared import Ledger, SharedWindow
from syncd.providers.window import Limit, Window, pause

ASK_AGAIN = timedelta(hours=1)
"""When a spent daily budget is asked for again where nobody said when it is back."""

_LONGEST_BACK_OFF = 10.0
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

    def acquire(self, kind: str = "") -> Permit:
        """Wait until a request may be sent.

        Raises:
            DailyBudgetSpent: not before the day is over.
            RateLimited: the vendor asked for a longer silence than a cycle waits.
            Unavailable: the process was asked to stop.
        """
        ...

    def observe(self, response: Response, kind: str = "") -> None:
        """Learn from an answer."""
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
    midnight (HubSpot: the account's zone); without one, a spent day is asked
    for again hourly. With a `ledger`, other processes share the limits, under
    the name `account`, which is hashed because it may hold a token.
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
        if ledger is not None:
            name = f"{side}:{blake2b(account.encode(), digest_size=8).hexdigest()}"
            self._shared = {
                kind: SharedWindow(ledger, f"{name}:{kind}".rstrip(":"), each, clock)
                for kind, each in {**(kinds or {}), _WHOLE: limit}.items()
            }
        self._learned: Window | None = None
        self._silent_until: dict[str, float] = {}
        self._spent_until: datetime | None = None
        self._told = told.Told()
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

    def observe(self, response: Response, kind: str = "") -> None:
        """See `RateBudget.observe`."""
        heard = told.read(response.headers)
        with self._lock:
            self._learn(heard)
            wait = retry_after(response, self._clock.now())
            if response.status == 429:
                self._refused(response, heard, kind, wait)
            else:
                self._refused_in_row = 0
            if wait is not None:
                self._silence(_WHOLE, wait)
            if heard.daily_left == 0:
                self._stop_for_the_day(heard, wait)

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
                spent_until=self._spent_until,
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
            with self._lock:
                until, now = self._spent_until, self._clock.now()
                wait = max(self._silence_left(_WHOLE), self._silence_left(kind))
            if until is not None and now < until:
                raise DailyBudgetSpent(
                    f"the day's requests at {self._side} are spent until {until:%Y-%m-%d %H:%M} "
                    "UTC; syncd goes on by itself then",
                    side=self._side,
                    until=until,
                )
            if wait <= 0:
                return
            if wait > PATIENCE:
                raise RateLimited(
                    f"{self._side} asks for {wait:.0f} s of silence; the next cycle tries again",
                    side=self._side,
                    retry_after=wait,
                )
            pause(self._clock, wait)

    def _learn(self, heard: told.Told) -> None:
        if heard.daily_left is not None:
            self._told = heard
        if not heard.most or heard.left is None or not heard.seconds:
            return
        limit = Limit(requests=heard.most, seconds=heard.seconds)
        used = max(0, heard.most - heard.left)
        if self._learned is None or self._learned.limit != limit:
            self._learned = Window(limit, self._clock, used=used)
        else:
            self._learned.note(used)

    def _refused(self, response: Response, heard: told.Told, kind: str, wait: float | None) -> None:
        self._refusals += 1
        self._refused_in_row += 1
        policy = policy_of(response)
        if policy == "DAILY":
            self._stop_for_the_day(heard, wait)
        elif policy == "SECONDLY":
            self._silence(kind if kind in self._kinds else _WHOLE, float(self._refused_in_row))
        elif policy == "TEN_SECONDLY_ROLLING":
            self._silence(_WHOLE, 10.0)
        elif wait is None:
            self._silence(_WHOLE, float(2 ** min(self._refused_in_row - 1, 10)))

    def _silence(self, kind: str, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        self._silent_until[kind] = max(until, self._silent_until.get(kind, 0.0))

    def _silence_left(self, kind: str) -> float:
        return max(0.0, self._silent_until.get(kind, 0.0) - self._clock.monotonic())

    def _stop_for_the_day(self, heard: told.Told, wait: float | None) -> None:
        now = self._clock.now()
        seconds = heard.daily_reset if heard.daily_reset is not None else wait
        if seconds is not None:
            self._spent_until = now + timedelta(seconds=seconds)
        elif self.zone is not None:
            tomorrow = now.astimezone(self.zone).date() + timedelta(days=1)
            self._spent_until = datetime.combine(tomorrow, time(), self.zone).astimezone(now.tzinfo)
        else:
            self._spent_until = now + ASK_AGAIN
