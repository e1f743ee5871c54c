"""Connects OAuth with a configuration and a store: the key, the apps, the tokens of this process.

`App.oauth` makes one; links, the daemon's live listener, and the verbs of connections use it.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from syncd.config import LinkSettings, Settings, StoreSettings
from syncd.connections import cipher as ciphers
from syncd.connections.attempts import Attempts
from syncd.connections.auth import ConnectionAuth
from syncd.connections.cipher import Cipher
from syncd.connections.endpoint import TokenEndpoint, TokenRefused, Why
from syncd.connections.services import Services
from syncd.connections.tokens import Tokens
from syncd.connections.vendors import App, Kind, Vendor, app_of
from syncd.core.model import Side
from syncd.errors import AuthFailed, ConfigError, ProviderError, Unavailable, quoted
from syncd.observability.redaction import register_secret
from syncd.ports.clock import Clock
from syncd.store import Store
from syncd.store.connections import SqlConnections

_KEY_READ_EVERY = 5.0
"""Seconds for which a key is not read again."""


class OAuth:
    """The connections of a store, under a configuration that may change."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Callable[[], Settings],
        env: Mapping[str, str],
        stop: threading.Event,
        *,
        budget: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`budget` waits for a place in an agency's rate limit."""
        self._store, self._clock, self._settings = store, clock, settings
        self._env, self._stop, self._budget = env, stop, budget
        self._cipher: tuple[StoreSettings, float, Cipher] | None = None

    @cached_property
    def tokens(self) -> Tokens:
        """The tokens of all connections."""
        return Tokens(self._services, budget=self._budget)

    @cached_property
    def attempts(self) -> Attempts:
        """The runs of `syncd connect`."""
        return Attempts(self._services)

    @cached_property
    def _services(self) -> Services:
        return Services(
            store=self._store.connections,
            clock=self._clock,
            app=self.app,
            cipher=self.cipher,
            endpoint=self.endpoint,
            secret=register_secret,
        )

    def app(self, vendor: Vendor) -> App:
        """The user's app at a vendor.

        Raises:
            ConfigError: there is none.
        """
        app = app_of(self._settings(), vendor, self._env)

        def secret() -> str:
            found = app.secret()
            register_secret(found)
            return found

        return replace(app, secret=secret)

    def endpoint(self, app: App) -> TokenEndpoint:
        """Where an app gets its tokens."""
        return TokenEndpoint(app, self._clock, tls=lambda: self._tls, stopping=self._stop.is_set)

    def cipher(self) -> Cipher:
        """What encrypts tokens; a key that was put right is found without a restart.

        Raises:
            ConfigError: the key is missing, or is none.
        """
        store, now = self._settings().store, self._clock.monotonic()
        known = self._cipher
        if known is None or known[0] != store or now - known[1] >= _KEY_READ_EVERY:
            known = self._cipher = store, now, ciphers.load(store, self._env)
        return known[2]

    def auth(self, link: LinkSettings, side: Side) -> ConnectionAuth:
        """The credentials of a link's side."""
        return ConnectionAuth(self.tokens, *account_of(link, side))

    def agencies(self) -> list[str]:
        """The agencies that are connected.

        Raises:
            StoreError: our own store failed.
        """
        rows = self._store.connections.all(Vendor.HIGHLEVEL)
        return [row.account for row in rows if row.kind == Kind.AGENCY]

    def installed(self, company: str) -> dict[str, str]:
        """The locations in which an agency has installed the app: their names by their ids.

        Raises:
            ConfigError: there is no app, no connection or no key.
            ProviderError: HighLevel refuses, or gives no answer.
            StoreError: our own store failed.
        """
        access = self.tokens.agency_token(company)
        try:
            found = self.endpoint(self.app(Vendor.HIGHLEVEL)).installed(access, company)
            return {location.id: location.name for location in found}
        except TokenRefused as refusal:
            words = f"the locations of agency {company} cannot be listed ({quoted(refusal.words)})"
            if refusal.why is Why.LATER:
                raise Unavailable(words, side=Side.GHL, status=refusal.status) from None
            raise AuthFailed(
                f"{words}; the app needs the scope oauth.readonly", side=Side.GHL
            ) from None

    def check(self, link: LinkSettings) -> None:
        """Make sure that the connections of a link are there; asks no vendor.

        Raises:
            ConfigError: one is not, or its key is missing or wrong.
            AuthFailed: one is refused.
            StoreError: our own store failed.
        """
        for side in sides_of(link):
            self.tokens.check(*account_of(link, side))

    def waits(self, link: LinkSettings) -> bool:
        """Whether a link can do nothing before somebody connects it, or installs the app there."""
        try:
            self.check(link)
            return any(self.tokens.unmade(*account_of(link, side)) for side in sides_of(link))
        except (ConfigError, ProviderError):
            return True

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def sides_of(link: LinkSettings) -> tuple[Side, ...]:
    """The sides of a link whose tokens come from a connection."""
    given = {Side.GHL: link.ghl.token.oauth, Side.HUBSPOT: link.hubspot.token.oauth}
    return tuple(side for side in Side if given[side])


def account_of(link: LinkSettings, side: Side) -> tuple[Vendor, str]:
    """The vendor and the account of a link's side."""
    if side is Side.GHL:
        return Vendor.HIGHLEVEL, link.ghl.location_id
    return Vendor.HUBSPOT, str(link.hubspot.hub_id)


def served(links: Iterable[LinkSettings], store: SqlConnections) -> dict[int, list[str]]:
    """The links that use each connection, by its id.

    Raises:
        StoreError: our own store failed.
    """
    rows = store.all()
    own = {(row.vendor, row.account): row.id for row in rows if row.kind != Kind.AGENCY}
    agencies = [row for row in rows if row.kind == Kind.AGENCY]
    found: dict[int, list[str]] = {}
    for link in links:
        for side in sides_of(link):
            vendor, account = account_of(link, side)
            key = own.get((vendor, account))
            if key is None and agencies and vendor is Vendor.HIGHLEVEL:
                company = next((m.company for m in store.of(vendor, account)), "")
                agency = next((a for a in agencies if a.account == company), agencies[0])
                key = agency.id
            if key is not None:
                found.setdefault(key, []).append(link.name)
    return found
