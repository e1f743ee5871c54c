"""This process as one of several daemons on a PostgreSQL store, and its share of the links.

`App.join` makes it for the daemon; `syncd fleet` and `syncd db upgrade` use the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING

import syncd
from syncd.config import Settings
from syncd.errors import ConfigError
from syncd.store.members import Card, Member, Members, differing
from syncd.store.version import HEAD

if TYPE_CHECKING:
    from syncd.fleet.dealer import Dealer
    from syncd.fleet.oldest import Oldest
    from syncd.ports.clock import Clock

UNHELD_AFTER = 60.0
"""Seconds without a holder after which a link is in trouble."""

LEARNED_EVERY = 10.0
"""Seconds for which what is known of the links' accounts holds."""

OUTSIDE: Mapping[str, bool | set[str]] = {"http": True, "logging": True, "live": {"listen"}}
"""Parts of the configuration that may differ from process to process."""


class Fleet:
    """The daemons of one store, this one among them."""

    def __init__(
        self,
        members: Members,
        clock: Clock,
        *,
        settings: Callable[[], Settings],
        accounts: Callable[[], Mapping[str, str]],
    ) -> None:
        """`accounts` gives the HubSpot account of every link, as far as it is known."""
        self._members, self._clock = members, clock
        self._settings, self._accounts = settings, accounts
        self._lock = threading.Lock()
        self._known: tuple[Settings, float, Mapping[str, str]] | None = None
        self._listens: dict[str, str] = {}
        self._unheld: dict[str, float] = {}
        """Since when nobody has held a link, as far as we looked."""

    def announce(self, settings: Settings) -> None:
        """Say what this process is; again after every change.

        Raises:
            StoreError: our own store failed.
        """
        self._members.announce(
            "run",
            Card(
                version=syncd.__version__,
                schema=HEAD,
                digest=digest(settings),
                knows=tuple(sorted(settings.links)),
                listens=tuple(filter(None, self._listens.values())),
            ),
        )

    def listen(self, key: str, address: str) -> None:
        """Say where this process listens for what that key of the configuration names; "" nowhere.

        Raises:
            StoreError: our own store failed.
        """
        if self._listens.get(key, "") != address:
            self._listens[key] = address
            self.announce(self._settings())

    def is_taken(self, address: str) -> bool:
        """Whether another living process of this machine and this store listens there.

        Raises:
            StoreError: our own store failed.
        """
        return any(
            each.lives and each.holder.may_be_here and address in each.card.listens
            for each in self._members.members()
            if each.id != self._members.me
        )

    def members(self) -> list[Member]:
        """Every process, oldest first.

        Raises:
            StoreError: our own store failed.
        """
        return self._members.members()

    def differing(self) -> list[str]:
        """The daemons whose configuration is another than the newest one's.

        Raises:
            StoreError: our own store failed.
        """
        return [str(each.holder) for each in differing(self._members.members())]

    def look(self) -> tuple[int, list[str]]:
        """How many daemons live, and which links none of them has held for a minute.

        Raises:
            StoreError: our own store failed.
        """
        living, unheld = self._members.unheld(sorted(self._settings().links))
        now = self._clock.monotonic()
        self._unheld = {name: self._unheld.get(name, now) for name in unheld}
        return living, sorted(n for n, at in self._unheld.items() if now - at >= UNHELD_AFTER)

    def share(self) -> Dealer | Oldest:
        """What says which links this process may hold.

        Raises:
            ConfigError: the engine is not installed, or its tables are not of its version.
        """
        if self._settings().fleet.engine == "none":
            from syncd.fleet.oldest import Oldest

            return Oldest(self._members, self._clock, lambda: self._settings().links)
        url = engine_url(self._settings())
        require_engine()
        from syncd.fleet import tables
        from syncd.fleet.dealer import Dealer

        tables.check(url)
        return Dealer(url, self._members, self._clock, self.accounts)

    def accounts(self) -> Mapping[str, str]:
        """The account of every configured link; what is new is noticed within seconds.

        Raises:
            StoreError: our own store failed.
        """
        with self._lock:
            settings, now = self._settings(), self._clock.monotonic()
            known = self._known
            if known is None or known[0] is not settings or now - known[1] > LEARNED_EVERY:
                known = self._known = settings, now, self._accounts()
            return known[2]


def digest(settings: Settings) -> str:
    """Of everything that all processes of a store should have in common."""
    common = settings.model_dump_json(exclude=OUTSIDE)
    return blake2b(common.encode(), digest_size=6).hexdigest()


def engine_url(settings: Settings) -> str:
    """The address of the database as libpq reads it."""
    return settings.store.url.replace("postgresql+psycopg:", "postgresql:", 1)


def require_engine() -> None:
    """Make sure that the engine is installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("procrastinate") is None or find_spec("psycopg") is None:
        raise ConfigError(
            ["fleet.engine: procrastinate is not installed: pip install 'syncd[fleet]'"]
        )
