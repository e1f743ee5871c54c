"""The addresses that the daemon listens at: opened, moved to another, tried again.

Where another process of the store listens at an address, it is tried again until
that one lets go; where anybody else does, it is an error of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import structlog

from syncd.config import Settings
from syncd.errors import ConfigError, StoreError
from syncd.ports.clock import Clock

if TYPE_CHECKING:
    from syncd.bootstrap.fleet import Fleet

log = structlog.get_logger(__name__)

LISTENED_AGAIN_AFTER = 30.0
"""Seconds until an address is tried again that another process of the fleet listens at."""


class Server(Protocol):
    """What listens."""

    def close(self) -> None:
        """Listen no more."""
        ...


S = TypeVar("S", bound=Server)


class Listener(Generic[S]):
    """One address."""

    def __init__(
        self,
        key: str,
        *,
        address: Callable[[Settings], str],
        serve: Callable[[Settings], S],
        renew: Callable[[S, Settings], None],
        fleet: Fleet | None,
        clock: Clock,
    ) -> None:
        """`key` is the configuration key; an `address` of "" is none.

        `serve` begins to listen, and raises ConfigError where it cannot; `renew` has a server that
        stays ask for what another configuration says.
        """
        self._key, self._address, self._serve, self._renew = key, address, serve, renew
        self._fleet, self._clock = fleet, clock
        self.server: S | None = None
        self._again = float("inf")
        """When to try again to listen at an address that another process has."""
        self._fresh: S | None = None
        self._stays = False

    def open(self, settings: Settings) -> None:
        """Listen where the configuration says; not now, where another process of the fleet does.

        Raises:
            ConfigError: the address or a secret is not usable.
        """
        self.server = self._opened(settings)

    def retry(self, settings: Settings) -> None:
        """Listen where another process did, if it is time to try.

        That it stands still or the store is away ends nothing: a process that stands still keeps
        its address though it counts as dead.
        """
        if self._clock.monotonic() < self._again:
            return
        try:
            self.open(settings)
        except (ConfigError, StoreError) as error:
            self._later(settings, str(error))

    def prepare(self, old: Settings, new: Settings) -> None:
        """Get ready for another configuration; the old server stays until `commit`.

        Raises:
            ConfigError: the address or a secret is not usable.
        """
        self._stays = self.server is not None and self._address(old) == self._address(new)
        if self.server is not None and self._stays:
            self._renew(self.server, new)  # read anew: secrets may have been rotated
            return
        self._fresh = self._opened(new)

    def commit(self) -> None:
        """Go over to what was prepared."""
        if not self._stays:
            self.close()
            self.server, self._fresh = self._fresh, None

    def abandon(self) -> None:
        """Stay with what was before."""
        if self._fresh is not None:
            self._fresh.close()
            self._fresh = None

    def close(self) -> None:
        """Listen no more."""
        if self.server is not None:
            self.server.close()
            self.server = None

    def _opened(self, settings: Settings) -> S | None:
        self._again = float("inf")
        listen, fleet = self._address(settings), self._fleet
        if not listen:
            if fleet is not None:
                fleet.listen(self._key, "")
            return None
        try:
            server = self._serve(settings)
        except ConfigError:
            if fleet is None or not fleet.is_taken(listen):
                raise
            self._later(settings, "another process of the fleet has it")
            return None
        if fleet is not None:
            fleet.listen(self._key, listen)
        return server

    def _later(self, settings: Settings, why: str) -> None:
        listen = self._address(settings)
        log.warning(
            "listen.taken", key=self._key, listen=listen, detail=why, again_in=LISTENED_AGAIN_AFTER
        )
        self._again = self._clock.monotonic() + LISTENED_AGAIN_AFTER


def move(listeners: Sequence[Listener[Any]], old: Settings, new: Settings) -> None:
    """Have all of them listen as another configuration says, or none.

    Raises:
        ConfigError: an address or a secret is not usable.
    """
    with ExitStack() as undo:
        for each in listeners:
            undo.callback(each.abandon)
            each.prepare(old, new)
        undo.pop_all()
    for each in listeners:
        each.commit()
