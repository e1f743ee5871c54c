"""Hands out the access token of a location or account, and renews it once for everybody.

A token is renewed by the clock (`renewing`). Whoever finds a lease that has ended, or
whose process is dead, repeats the same refresh token, which the vendor answers alike
for thirty seconds: in a daemon by `recover`, and in every other command, when it
begins and when it ends, by `recover` and `settle`. A location of an agency gets its
token from the agency's, and never refreshes it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from syncd.connections.life import LEASE, LOOKS_BACK, REST, Life
from syncd.connections.refusals import UnsureError, later
from syncd.connections.renewing import Renewing
from syncd.connections.services import Services
from syncd.connections.serving import Serving
from syncd.connections.vendors import Kind, Vendor
from syncd.errors import ConfigError, ProviderError, StoreError
from syncd.store.connections import StoredConnection

log = structlog.get_logger(__name__)

PATIENCE = 25.0
"""Seconds to wait for somebody else's new token where the old one has ended."""

TRIES = 3
"""How often a refresh whose answer was lost is sent, within the vendor's grace."""

_NAP = 0.25
_LAST = 5.0
"""Seconds before its end from which a token is not used any more."""

Key = tuple[Vendor, str]
"""A vendor, and the id of a location or account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A token in memory."""

    row: int
    generation: int
    access: str
    life: Life

    def __repr__(self) -> str:
        return f"Held(<secret> of connection {self.row})"


@dataclass(frozen=True, slots=True)
class _Failed:
    """A try of this process that brought no token."""

    generation: int
    at: float
    error: ProviderError

    def rests(self, row: StoredConnection, now: datetime, monotonic: float) -> bool:
        """Whether the same try is not worth it yet; an answer that can be had again always is."""
        same = row.generation == self.generation and not _repeatable(row, now)
        return same and monotonic - self.at < REST


class Tokens:
    """The tokens of this process; safe to share between threads."""

    def __init__(
        self, services: Services, *, budget: Callable[[str], None] = lambda _: None
    ) -> None:
        """`budget` waits for a request's place in an agency's rate limit."""
        self._services, self._store, self._clock = services, services.store, services.clock
        self._serving = Serving(services)
        self.renewing = Renewing(
            services, self._serving, agency_token=self.agency_token, budget=budget
        )
        self._held: dict[Key, Held] = {}
        self._failed: dict[int, _Failed] = {}
        """What the last try of a row ended with."""
        self._locks: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)

    # --- handing out

    def token(self, vendor: Vendor, account: str) -> str:
        """The access token of a location or account.

        Raises:
            ConfigError: nobody has connected it, or its key is missing or wrong.
            NotPrepared: the agency's app is not in that location.
            AuthFailed: the connection, or our own app, is refused.
            Unavailable: the vendor gives no token now.
            StoreError: the store cannot be used: nothing is asked of the vendor.
        """
        return self._handed((vendor, account), lambda: self._serving.row(vendor, account))

    def agency_token(self, company: str) -> str:
        """The access token of an agency; raises as `token` does."""
        key = Vendor.HIGHLEVEL, f"agency {company}"
        return self._handed(key, lambda: self._serving.agency(company))

    def check(self, vendor: Vendor, account: str) -> None:
        """Look at the store whether the connection is still there; asks no vendor.

        Raises:
            ConfigError: nobody has connected it, or its key is missing or wrong.
            AuthFailed: it is refused, or the app was taken away.
            StoreError: the store cannot be used.
        """
        row = self._serving.row(vendor, account)
        if row.access:
            self._keep((vendor, account), row)
        else:
            self._services.cipher().decrypt(row.refresh)

    def unmade(self, vendor: Vendor, account: str) -> bool:
        """Whether its agency gave no token yet, perhaps for lack of the app in that location.

        Raises as `check` does.
        """
        row = self._serving.row(vendor, account)
        return row.kind == Kind.MINTED and Life.of(row).good_for(self._clock.now()) <= 0

    def newer(self, vendor: Vendor, account: str, used: str) -> bool:
        """Whether there is another token than this one, which was refused.

        A refusal is no reason to refresh (HubSpot's page on tokens).
        """
        with suppress(ConfigError, ProviderError, StoreError):
            row = self._serving.row(vendor, account)
            return bool(row.access) and self._keep((vendor, account), row).access != used
        return False

    # --- what a process died in

    def recover(self, until: float = float("inf")) -> int:
        """Repeat the refreshes that a process died in, while the vendor repeats its answer.

        Gives how many connections have a token again. Asks nothing where a lease lasts,
        and begins none after `until` (monotonic).

        Raises:
            StoreError: the store cannot be used.
        """
        now, done = self._clock.now(), 0
        for row in self._unfinished(now):
            if row.leased(now) or self._clock.monotonic() > until:
                continue
            key = Vendor(row.vendor), _name_of(row)
            with suppress(ConfigError, ProviderError):
                self._held.pop(key, None)
                self._handed(key, partial(self._serving.still, row.id))
                done += 1
        return done

    def settle(self) -> None:
        """The same before a command ends, which waits for leases first, 10 s at most.

        One whose process lives on this machine is left to it. The others may be of a
        process that died elsewhere, and perhaps no other command runs in time.

        Raises:
            StoreError: the store cannot be used.
        """
        until = self._clock.monotonic() + LEASE + _NAP
        while True:
            self.recover(until)
            now, began = self._clock.now(), self._clock.monotonic()
            waits = [row.leased(now) for row in self._unfinished(now) if not row.in_good_hands]
            nap = min([_NAP, *(wait for wait in waits if wait)])
            if not any(waits) or began >= until:
                return
            self._clock.sleep(nap)
            if self._clock.monotonic() - began < nap / 2:
                return  # woken early: the process was asked to stop

    def close(self) -> None:
        """Commit what could not be committed before."""
        self.renewing.close()

    def _unfinished(self, now: datetime) -> list[StoredConnection]:
        found = self._store.unsure(now - timedelta(seconds=LOOKS_BACK))
        return [row for row in found if not row.refused]

    # --- renewing

    def _handed(self, key: Key, find: Callable[[], StoredConnection]) -> str:
        held = self._held.get(key)
        now = self._clock.now()
        if held is not None and not held.life.due(now):
            return held.access
        usable = held is not None and held.life.good_for(now) > _LAST
        lock = self._locks[key]
        if not lock.acquire(blocking=not usable):
            assert held is not None  # noqa: S101 - it is usable
            return held.access  # another thread renews it
        try:
            return self._current(key, find).access
        finally:
            lock.release()

    def _current(self, key: Key, find: Callable[[], StoredConnection]) -> Held:
        """A token that is good now, renewed where it is due."""
        until, tries = self._clock.monotonic() + PATIENCE, 0
        while True:
            row = find()
            now, life = self._clock.now(), Life.of(row)
            if row.access and not life.due(now):
                return self._keep(key, row)
            usable = bool(row.access) and life.good_for(now) > _LAST
            if wait := row.leased(now):
                if usable and not tries:
                    return self._keep(key, row, rest=min(wait, LEASE))
                self._wait(row, wait, until, again=tries > 0)
                continue
            failed = self._failed.get(row.id)
            if failed and not usable and failed.rests(row, now, self._clock.monotonic()):
                raise failed.error
            try:
                if self.renewing.renewed(row):
                    self._failed.pop(row.id, None)
                    return self._keep(key, find())
            except UnsureError as unsure:
                tries += 1
                self._note(row, unsure.error)
                if tries < TRIES:
                    continue
                if not usable:
                    raise unsure.error from None
                return self._keep(key, row, rest=LEASE)
            except ProviderError as error:
                self._note(row, error)
                if not usable or self._is_refused(row):
                    raise
                log.warning("token.not_renewed", connection=row.id, detail=str(error))
                return self._keep(key, row, rest=LEASE)

    def _wait(self, row: StoredConnection, seconds: float, until: float, *, again: bool) -> None:
        """Wait a little for whoever has the lease; `again` where our own answer was lost.

        Raises:
            ProviderError: it takes too long, or the last tries brought nothing.
        """
        began = self._clock.monotonic()
        failed = self._failed.get(row.id)
        last = failed.error if failed else later(row, f"tried again in {seconds:.0f} s")
        # Thousands of links may share it: only who has not asked yet waits through an outage.
        out = failed is not None and row.failures >= TRIES and not again
        if out or seconds > LEASE or began >= until:
            raise last
        self._clock.sleep(min(seconds, _NAP))
        if self._clock.monotonic() - began < min(seconds, _NAP) / 2:
            raise last  # woken early: the process was asked to stop

    def _note(self, row: StoredConnection, error: ProviderError) -> None:
        self._failed[row.id] = _Failed(row.generation, self._clock.monotonic(), error)

    def _is_refused(self, row: StoredConnection) -> bool:
        found = self._store.get(row.id)
        return found is None or found.refused

    def _keep(self, key: Key, row: StoredConnection, *, rest: float = 0.0) -> Held:
        """Remember a row's token; nobody asks for a newer one while it rests (seconds)."""
        before, life = self._held.get(key), Life.of(row)
        if rest:
            life = life.rested(self._clock.now(), rest)
        same = before is not None and (before.row, before.generation) == (row.id, row.generation)
        access = before.access if before and same else self._services.cipher().decrypt(row.access)
        if not same:
            self._services.secret(access, before.access if before else "")
        held = Held(row=row.id, generation=row.generation, access=access, life=life)
        self._held[key] = held
        return held


def _repeatable(row: StoredConnection, now: datetime) -> bool:
    """Whether an answer may be missing that the vendor still gives again."""
    return row.asked_at is not None and now - row.asked_at <= timedelta(seconds=LOOKS_BACK)


def _name_of(row: StoredConnection) -> str:
    """What its token is kept under."""
    return f"agency {row.account}" if row.kind == Kind.AGENCY else row.account
