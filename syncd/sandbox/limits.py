"""The vendors' rate limits: a meter per account that counts arrivals in rolling windows.

`app` asks it for every request. It always counts, so that the vendors' headers are true; it
refuses only where the settings say so. A refused request spends nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from syncd.sandbox.http import ApiError, JsonObject, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncd.sandbox.settings import RateLimit, SandboxSettings

_DAY = timedelta(days=1)
PORTAL_ZONE = ZoneInfo("Europe/Zurich")
"""HubSpot's daily budget starts anew at midnight of the account's zone."""


@dataclass(slots=True)
class Window:
    """Arrivals of the last `seconds`."""

    arrivals: deque[datetime] = field(default_factory=deque)

    def full(self, now: datetime, limit: RateLimit) -> bool:
        """Whether one more is too many."""
        horizon = now - timedelta(seconds=limit.seconds)
        while self.arrivals and self.arrivals[0] <= horizon:
            self.arrivals.popleft()
        return len(self.arrivals) >= limit.requests


@dataclass(slots=True)
class Account:
    """The meters of one location or of the HubSpot account."""

    burst: Window = field(default_factory=Window)
    search: Window = field(default_factory=Window)
    day_started: datetime | None = None
    today: int = 0
    refused: int = 0
    """How many requests came too fast; a frugal client leaves it at zero."""


class Meters:
    """All accounts' meters, by the location's id or `hubspot`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.accounts: dict[str, Account] = {}

    @property
    def refused(self) -> int:
        """Refusals over all accounts."""
        return sum(account.refused for account in self.accounts.values())

    def of(self, account: str) -> Account:
        """The meters of an account."""
        return self.accounts.setdefault(account, Account())

    def ghl(self, location: str, settings: SandboxSettings) -> dict[str, str]:
        """Counts a HighLevel request; the headers of its answer.

        Raises:
            ApiError: 429, where limits are enforced.
        """
        now, account = self._now(), self.of(location)
        # A rolling day that starts with the first use, as the observed header counts down.
        if account.day_started is None or now - account.day_started >= _DAY:
            account.day_started, account.today = now, 0
        full = account.burst.full(now, settings.ghl_limit)
        spent = account.today >= settings.ghl_daily
        if settings.enforce_limits and (full or spent):
            account.refused += 1
            headers = _ghl_headers(account, settings, now)
            raise _refused({"statusCode": 429, "message": "Too Many Requests"}, headers, settings)
        account.burst.arrivals.append(now)
        account.today += 1
        return _ghl_headers(account, settings, now)

    def hubspot(self, settings: SandboxSettings, *, search: bool) -> dict[str, str]:
        """Counts a HubSpot request; the headers of its answer, none for a search.

        Raises:
            ApiError: 429 with its policy's name, where limits are enforced.
        """
        now, account = self._now(), self.of("hubspot")
        midnight = now.astimezone(PORTAL_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        if account.day_started != midnight:
            account.day_started, account.today = midnight, 0
        policy = _hubspot_policy(account, settings, now, search=search)
        if settings.enforce_limits and policy is not None:
            account.refused += 1
            raise _refused(policy_body(policy), {}, settings)
        account.burst.arrivals.append(now)
        account.today += 1
        if search:
            account.search.arrivals.append(now)
            return {}
        limit = settings.hubspot_limit
        return {
            "X-HubSpot-RateLimit-Max": str(limit.requests),
            "X-HubSpot-RateLimit-Remaining": str(_left(account, limit)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(limit.seconds * 1000)),
            "X-HubSpot-RateLimit-Daily": str(settings.hubspot_daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(
                max(0, settings.hubspot_daily - account.today)
            ),
        }


def policy_body(policy: str) -> JsonObject:
    """HubSpot's 429 body for TEN_SECONDLY_ROLLING, SECONDLY or DAILY."""
    words = {
        "DAILY": "daily",
        "SECONDLY": "secondly",
        "TEN_SECONDLY_ROLLING": "ten_secondly_rolling",
    }
    return {
        "status": "error",
        "message": f"You have reached your {words[policy]} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": "5f5a7d2e-0000-4000-8000-000000000429",
        "policyName": policy,
        "requestId": "5f5a7d2e-0000-4000-8000-00000000042a",
    }


def _hubspot_policy(
    account: Account, settings: SandboxSettings, now: datetime, *, search: bool
) -> str | None:
    if account.today >= settings.hubspot_daily:
        return "DAILY"
    if search and account.search.full(now, settings.search_limit):
        return "SECONDLY"
    if account.burst.full(now, settings.hubspot_limit):
        return "TEN_SECONDLY_ROLLING"
    return None


def _ghl_headers(account: Account, settings: SandboxSettings, now: datetime) -> dict[str, str]:
    limit = settings.ghl_limit
    ends = (account.day_started or now) + _DAY
    return {
        "X-RateLimit-Limit-Daily": str(settings.ghl_daily),
        "X-RateLimit-Daily-Remaining": str(max(0, settings.ghl_daily - account.today)),
        "X-RateLimit-Interval-Milliseconds": str(int(limit.seconds * 1000)),
        "X-RateLimit-Max": str(limit.requests),
        "X-RateLimit-Remaining": str(_left(account, limit)),
        "x-ratelimit-daily-reset": str((ends - now) // timedelta(milliseconds=1)),
    }


def _left(account: Account, limit: RateLimit) -> int:
    return max(0, limit.requests - len(account.burst.arrivals))


def _refused(body: JsonObject, headers: dict[str, str], settings: SandboxSettings) -> ApiError:
    if settings.retry_after:
        headers = headers | {"Retry-After": "1"}
    return ApiError(Response(status=429, payload=body, headers=headers))
