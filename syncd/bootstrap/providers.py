"""Makes the vendors' providers: tokens, rate budgets, TLS.

`LinkFactory` keeps one `ProviderFactory` per process: all links of an account share its
budget, and through the store so do all processes.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from syncd import config
from syncd.bootstrap import mapped_fields
from syncd.config import LinkSettings, RateLimit, server_of
from syncd.core.model import Side
from syncd.errors import ConfigError, ProviderError
from syncd.observability.redaction import register_secret
from syncd.ports.clock import Clock
from syncd.providers.ghl.auth import PrivateToken
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.http import Client
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.providers.rate_budget import Budget, close_all
from syncd.providers.rate_window import Limit
from syncd.providers.retry import ATTEMPTS
from syncd.providers.shared_window import Ledger

if TYPE_CHECKING:
    from syncd.bootstrap.oauth import OAuth
    from syncd.connections.auth import ConnectionAuth

CONCURRENCY = 8
"""Requests to HighLevel that are under way at once: enough to use its rate at 500 ms each."""


_Key = tuple[Side, str, str]
"""Side, server and account: the key of a budget."""

_Limits = tuple[Limit, tuple[tuple[str, Limit], ...]]


class ProviderFactory:
    """Makes providers; `env` is where tokens may be; None for the process's.

    `attempts` is the number of attempts if a vendor cannot be reached;
    `stopping` returns whether the process was asked to stop.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        env: Mapping[str, str] | None,
        ledger: Ledger | None,
        attempts: int = ATTEMPTS,
        stopping: Callable[[], bool] = bool,
        oauth: Callable[[], OAuth] | None = None,
    ) -> None:
        self._clock, self._env, self._ledger = clock, env, ledger
        self._attempts, self._stopping, self._oauth = attempts, stopping, oauth
        self._tls: ssl.SSLContext | None = None
        self._budgets: dict[_Key, Budget] = {}
        self._limits: dict[_Key, _Limits] = {}
        self._unsure: set[_Key] = set()
        self._numbers: dict[tuple[str, str], str] = {}
        """The account's number by server and token, if known."""
        self._lock = threading.Lock()

    def ghl(self, link: LinkSettings) -> tuple[GhlProvider, Client]:
        """The link's HighLevel location.

        Raises:
            ConfigError: the token is missing.
        """
        settings = link.ghl
        self._token(link, "ghl")  # a missing token is reported before any request
        budget = self._ghl_budget(link)
        client = Client(
            side=Side.GHL,
            base_url=settings.base_url,
            auth=self._auth(link, Side.GHL)
            if settings.token.oauth
            else PrivateToken(lambda: self._token(link, "ghl")),
            budget=budget,
            clock=self._clock,
            tls=self._tls_context(),
            attempts=self._attempts,
            stopping=self._stopping,
            concurrency=CONCURRENCY,
        )
        provider = GhlProvider(
            client,
            location_id=settings.location_id,
            calendars=settings.calendars,
            default_calendar=settings.default_calendar,
            mapped_fields=mapped_fields.fields(link),
            templates=mapped_fields.templates(link),
            clock=self._clock,
            concurrency=CONCURRENCY,
        )
        return provider, client

    def hubspot(
        self,
        link: LinkSettings,
        country: Callable[[], str] = str,
        *,
        attempts: int | None = None,
    ) -> tuple[HubSpotProvider, Client]:
        """The link's HubSpot account; `country` is where numbers without a country code are from.

        `attempts` is for somebody who can do without an answer.

        Raises:
            ConfigError: the token is missing.
        """
        settings = link.hubspot
        token = self._token(link, "hubspot")
        budget = self._hubspot_budget(link)
        client = Client(
            side=Side.HUBSPOT,
            base_url=settings.base_url,
            auth=self._auth(link, Side.HUBSPOT) if settings.token.oauth else Token(token),
            budget=budget,
            clock=self._clock,
            tls=self._tls_context(),
            attempts=attempts or self._attempts,
            stopping=self._stopping,
        )
        filter_properties = {*settings.filter, *(route.property for route in link.ghl.routes)}
        provider = HubSpotProvider(
            client,
            location_id=link.ghl.location_id,
            object_type=settings.object_type,
            api_version=settings.api_version,
            status_property=settings.status_property,
            filter_property_names=tuple(sorted(filter_properties)),
            search_lag=settings.search_lag,
            mapped_fields=mapped_fields.properties(link),
            record_link=mapped_fields.record_link(link),
            show_held=settings.show_held,
            needs=_needed(link),
            writes=_written(link),
            default_country=country,
            clock=self._clock,
        )
        return provider, client

    def await_agency(self, base_url: str, company: str) -> None:
        """Wait for a place in an agency's rate limit, and take it."""
        self._budget(Side.GHL, server_of(base_url), company, RateLimit()).acquire().settle()

    def budget_of(self, side: Side, link: LinkSettings) -> Budget:
        """The budget that a link's requests to a side are taken from.

        Raises:
            ConfigError: the token is missing.
        """
        return self._ghl_budget(link) if side is Side.GHL else self._hubspot_budget(link)

    # --- whose account it is

    def hubspot_token(self, link: LinkSettings) -> str:
        """The token that leads to the link's account.

        Raises:
            ConfigError: it is missing.
        """
        return self._token(link, "hubspot")

    def follow(self, client: Client, token: str) -> bool:
        """Have a client of HubSpot send this token from now on; gives whether it is another one."""
        return isinstance(client.auth, Token) and client.auth.use(token)

    def note_number(self, link: LinkSettings, number: str) -> None:
        """The account of a link's token is known: its tokens share one budget."""
        name = server_of(link.hubspot.base_url), self._token(link, "hubspot")
        with self._lock:
            self._numbers[name] = number

    def charge(self, link: LinkSettings) -> None:
        """Count a request that was sent before it was known whose it is."""
        with suppress(ProviderError):
            self._hubspot_budget(link).acquire().settle()

    def settle(self, link: LinkSettings, client: Client) -> Budget:
        """Have a client of the link's HubSpot account keep to that account's budget."""
        budget = self._hubspot_budget(link)
        if client.budget is not budget:
            budget.zone = budget.zone or client.budget.zone
            client.budget = budget
        return budget

    def refresh_limits(self) -> None:
        """Rate limits may have changed: replace each budget whose limit is different."""
        with self._lock:
            self._unsure = set(self._budgets)

    def rest(self) -> None:
        """Nothing is sent for a while: give reserved places back to the other processes."""
        close_all(self._budgets.values())

    def _auth(self, link: LinkSettings, side: Side) -> ConnectionAuth:
        if self._oauth is None:
            problem = f"links.{link.name}.{side}.token: a connection needs the store"
            raise ConfigError([problem])
        return self._oauth().auth(link, side)

    def _token(self, link: LinkSettings, side: Literal["ghl", "hubspot"]) -> str:
        settings = link.ghl if side == "ghl" else link.hubspot
        if settings.token.oauth:
            # What identifies the account, since a connection's token changes.
            account = link.ghl.location_id if side == "ghl" else link.hubspot.hub_id
            return f"oauth {account}"
        secret = config.resolve_token(link, side, self._env).get_secret_value()
        register_secret(secret)
        return secret

    def _ghl_budget(self, link: LinkSettings) -> Budget:
        settings = link.ghl
        return self._budget(
            Side.GHL, server_of(settings.base_url), settings.location_id, settings.rate_limit
        )

    def _hubspot_budget(self, link: LinkSettings) -> Budget:
        settings = link.hubspot
        server, token = server_of(settings.base_url), self._token(link, "hubspot")
        return self._budget(
            Side.HUBSPOT,
            server,
            self._numbers.get((server, token), token),
            settings.rate_limit,
            {"search": _limit(settings.search_rate_limit)},
        )

    def _budget(
        self,
        side: Side,
        server: str,
        account: str,
        rate: RateLimit,
        kinds: Mapping[str, Limit] | None = None,
    ) -> Budget:
        """One budget for each account, shared by its links."""
        key = (side, server, account)
        limits = (_limit(rate), tuple((kinds or {}).items()))
        with self._lock:
            if key in self._unsure and self._limits[key] != limits:
                # The new budget reads from the store how much is used.
                self._budgets.pop(key).close()
            self._unsure.discard(key)
            if key not in self._budgets:
                self._limits[key] = limits
                self._budgets[key] = Budget(
                    side=side,
                    clock=self._clock,
                    limit=limits[0],
                    kinds=kinds,
                    ledger=self._ledger,
                    account=f"{server} {account}",
                )
            return self._budgets[key]

    def _tls_context(self) -> ssl.SSLContext:
        # Building one costs 70 ms: once per process.
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _limit(rate: RateLimit) -> Limit:
    return Limit(requests=rate.requests, seconds=rate.per.total_seconds())


def _needed(link: LinkSettings) -> frozenset[str]:
    """The fields that are on: the account must have what they need."""
    return frozenset(name for name, way in link.fields if way != "off")


def _written(link: LinkSettings) -> frozenset[str]:
    """The fields whose values flow into HubSpot."""
    if link.sync.direction == "hubspot_to_ghl":
        return frozenset()
    return frozenset(name for name, way in link.fields if way in {"both", "ghl_to_hubspot"})
