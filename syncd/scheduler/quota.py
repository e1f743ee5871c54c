"""Half of a day: how often polls may ask one account of a vendor.

The shift charges every idle cycle's requests here, and asks when the account
can bear the next one. The rule is a leaky bucket over half of the daily quota:
a tenth of that half may be used at once, so that a short interval is kept as
it was configured for a while, and the rest flows in evenly over the day. So
any 24 hours see at most half of the quota go to polls. Leaves out the limits
of a few seconds, and a budget that is spent (`providers.limits` owns both).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from syncd.core.model import Side

DAY = 86_400.0
SHARE = 0.5
"""The share of the daily quota that polls may use."""

RESERVE = 0.1
"""The share of that share which may be used faster than it flows in."""

USUAL = {Side.GHL: 200_000, Side.HUBSPOT: 250_000}
"""Requests a day where no answer told: HighLevel's limit per location and app, HubSpot's for a
private app (both vendors' documentation of rate limits)."""

_HELD_BACK = RESERVE / (1.0 - RESERVE) * DAY
"""How many seconds of inflow the reserve holds."""


@dataclass(slots=True, kw_only=True)
class Account:
    """What polls have used of one account; seconds are monotonic."""

    daily: int
    paid_until: float = 0.0
    """Until when the inflow is spoken for."""
    costs: dict[str, int] = field(default_factory=dict)
    """By link: requests of its last idle poll."""


class Quota:
    """Every account that the links poll; shared by all worker threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._accounts: dict[tuple[Side, str], Account] = {}

    def told(self, side: Side, account: str, daily: int | None) -> None:
        """The vendor told how many requests a day it allows."""
        if daily:
            with self._lock:
                self._account(side, account).daily = daily

    def charge(self, side: Side, account: str, requests: int, now: float) -> None:
        """A poll used so many requests."""
        with self._lock:
            held = self._account(side, account)
            each = DAY / (held.daily * SHARE * (1.0 - RESERVE))
            held.paid_until = max(now, held.paid_until) + requests * each

    def learn(self, side: Side, account: str, link: str, requests: int) -> None:
        """An incremental cycle of that link that found nothing costs so many requests."""
        with self._lock:
            self._account(side, account).costs[link] = requests

    def cost(self, side: Side, account: str, link: str) -> int:
        """What an idle poll of that link cost last; 0 where none was seen."""
        with self._lock:
            return self._account(side, account).costs.get(link, 0)

    def earliest(self, side: Side, account: str, now: float) -> float:
        """From when on the account bears another poll; a day from now at the latest."""
        with self._lock:
            return min(max(now, self._account(side, account).paid_until - _HELD_BACK), now + DAY)

    def sustained(self, side: Side, account: str) -> float:
        """Seconds between the polls of each link that use exactly the share, in the long run.

        Never more than a day, whatever a vendor says that it allows.
        """
        with self._lock:
            held = self._account(side, account)
            return min(DAY, sum(held.costs.values()) * DAY / (held.daily * SHARE))

    def daily(self, side: Side, account: str) -> int:
        """Requests that the account may send in a day."""
        with self._lock:
            return self._account(side, account).daily

    def keep_only(self, links: set[str]) -> None:
        """Forget the costs of links that are no longer polled."""
        with self._lock:
            for held in self._accounts.values():
                held.costs = {name: cost for name, cost in held.costs.items() if name in links}

    def _account(self, side: Side, account: str) -> Account:
        return self._accounts.setdefault((side, account), Account(daily=USUAL[side]))
