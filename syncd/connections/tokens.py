"""Hands out the access token of a location or account, and renews it once for everybody.

A token is renewed by the clock. Who finds it due takes the lease of its row, which is
committed first and proves that the store can be written; then it asks the vendor, with
no transaction open; the answer is committed only where the row still has the
generation that was read, and used after that. Whoever finds a lease that has ended
repeats the same refresh token, which the vendor answers alike for thirty seconds. A
location of an agency gets its token from the agency's, and never refreshes it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from syncd.connections.cipher import Cipher
from syncd.connections.endpoint import Grant, TokenEndpoint, TokenRefused, Why
from syncd.connections.life import GRACE, LONGEST_PAUSE, REST, Life, renewal
from syncd.connections.vendors import App, Kind, Vendor
from syncd.errors import (
    AuthFailed,
    ConfigError,
    NotPrepared,
    ProviderError,
    RateLimited,
    StoreError,
    Unavailable,
    quoted,
)
from syncd.ports.clock import Clock
from syncd.store.connections import SqlConnections, StoredConnection

log = structlog.get_logger(__name__)

LEASE = 10.0
"""Seconds of a lease: longer than an exchange, so that two tries fit into the vendor's grace."""

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

    def rests(self, row: StoredConnection, now: float) -> bool:
        """Whether the same try is not worth it yet; a lost answer always is."""
        same = row.generation == self.generation and row.asked_at is None
        return same and now - self.at < REST


class Tokens:
    """The tokens of this process; safe to share between threads.

    `app`, `cipher` and `endpoint` read the configuration as it is now, and raise
    ConfigError; `budget` waits for a request's place in an agency's rate limit.
    """

    def __init__(
        self,
        store: SqlConnections,
        clock: Clock,
        *,
        app: Callable[[Vendor], App],
        cipher: Callable[[], Cipher],
        endpoint: Callable[[App], TokenEndpoint],
        budget: Callable[[str], None] = lambda _: None,
        secret: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        """`secret` is told every token before it is used, and the one that it replaces."""
        self._store, self._clock = store, clock
        self._app, self._cipher, self._endpoint = app, cipher, endpoint
        self._budget, self._secret = budget, secret
        self._held: dict[Key, Held] = {}
        self._unsaved: dict[tuple[int, int], tuple[Grant, datetime]] = {}
        """Answers that could not be committed yet, by row and generation."""
        self._refreshed: dict[int, str] = {}
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
        return self._handed((vendor, account), lambda: self._row(vendor, account))

    def agency_token(self, company: str) -> str:
        """The access token of an agency; raises as `token` does."""
        key = Vendor.HIGHLEVEL, f"agency {company}"
        return self._handed(key, lambda: self._agency(company))

    def check(self, vendor: Vendor, account: str) -> None:
        """Look at the store whether the connection is still there; asks no vendor.

        Raises:
            ConfigError: nobody has connected it, or its key is missing or wrong.
            AuthFailed: it is refused, or the app was taken away.
            StoreError: the store cannot be used.
        """
        row = self._row(vendor, account)
        if row.access:
            self._keep((vendor, account), row)
        else:
            self._cipher().decrypt(row.refresh)

    def unmade(self, vendor: Vendor, account: str) -> bool:
        """Whether its agency gave no token yet, perhaps for lack of the app in that location.

        Raises as `check` does.
        """
        row = self._row(vendor, account)
        return row.kind == Kind.MINTED and Life.of(row).good_for(self._clock.now()) <= 0

    def newer(self, vendor: Vendor, account: str, used: str) -> bool:
        """Whether there is another token than this one, which was refused.

        A refusal is no reason to refresh (HubSpot's page on tokens).
        """
        with suppress(ConfigError, ProviderError, StoreError):
            row = self._row(vendor, account)
            return bool(row.access) and self._keep((vendor, account), row).access != used
        return False

    def recover(self) -> int:
        """Repeat the refreshes that a process died in, while the vendor repeats its answer.

        Gives how many connections have a token again; called now and then by a daemon.

        Raises:
            StoreError: the store cannot be used.
        """
        now, done = self._clock.now(), 0
        for row in self._store.unsure(now - timedelta(seconds=GRACE)):
            if row.leased(now) or row.refused:
                continue
            key = Vendor(row.vendor), _name_of(row)
            with suppress(ConfigError, ProviderError):
                self._held.pop(key, None)
                self._handed(key, partial(self._still, row.id))
                done += 1
        return done

    def _still(self, key: int) -> StoredConnection:
        row = self._store.get(key)
        if row is None:
            raise ConfigError([f"connection {key} was forgotten"])
        return self._usable(row)

    def close(self) -> None:
        """Commit what could not be committed before."""
        for (key, generation), (grant, at) in list(self._unsaved.items()):
            with suppress(StoreError, ConfigError, ProviderError):
                row = self._store.get(key)
                if row is not None and row.generation == generation:
                    self._commit(row, grant, at)

    # --- whose token

    def _row(self, vendor: Vendor, account: str) -> StoredConnection:
        """The row that serves a location or account: its own before its agency's."""
        rows = self._store.of(vendor, account)
        own = next((row for row in rows if row.kind in {Kind.LOCATION, Kind.ACCOUNT}), None)
        if own is not None:
            return self._usable(own)
        agencies = self._agencies() if vendor is Vendor.HIGHLEVEL else []
        if not agencies:
            what = "location" if vendor is Vendor.HIGHLEVEL else "HubSpot account"
            problem = f"{what} {account} is not connected: run `syncd connect {vendor}`"
            raise ConfigError([problem])
        minted = next((row for row in rows if row.kind == Kind.MINTED), None)
        agency = self._usable(_agency_of(minted, agencies))
        if minted is None:
            fields = {"company": agency.account}
            minted = self._store.save(vendor, Kind.MINTED, account, fields=fields, renew=False)
        if minted.uninstalled(max(agency.connected_at, agency.installed_at or agency.connected_at)):
            raise AuthFailed(_TAKEN_AWAY.format(minted=minted), side=vendor.side)
        return minted

    def _agencies(self) -> list[StoredConnection]:
        return [row for row in self._store.all(Vendor.HIGHLEVEL) if row.kind == Kind.AGENCY]

    def _agency(self, company: str) -> StoredConnection:
        for row in self._agencies():
            if row.account == company:
                return self._usable(row)
        raise ConfigError([f"agency {company} is not connected: run `syncd connect highlevel`"])

    def _usable(self, row: StoredConnection) -> StoredConnection:
        """The row, where it was made with our app and is not refused."""
        vendor = Vendor(row.vendor)
        app = self._app(vendor)
        if row.client_id and app.id != replace(app, client_id=row.client_id).id:
            problem = (
                f"apps.{vendor}.client_id: connection {row.id} was made with another app; put its "
                f"client id there, or run `syncd connect {vendor}` again"
            )
            raise ConfigError([problem])
        if row.refused:
            raise AuthFailed(refusal_of(row), side=vendor.side)
        return row

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
            if failed and not usable and failed.rests(row, self._clock.monotonic()):
                raise failed.error
            try:
                if self._renewed(row):
                    return self._keep(key, find())
            except _Unsure as unsure:
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
        last = failed.error if failed else _later(row, f"tried again in {seconds:.0f} s")
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

    def _renewed(self, row: StoredConnection) -> bool:
        """Ask for a new token and commit it; False where somebody else was first.

        Raises:
            ProviderError: there is none.
        """
        unsaved = self._unsaved.get((row.id, row.generation))
        if unsaved is not None:
            return self._commit(row, *unsaved)
        app = self._app(Vendor(row.vendor))
        app.secret()  # a missing one is told before anything is asked
        endpoint = self._endpoint(app)
        ask = self._mint(row, endpoint) if row.kind == Kind.MINTED else self._refresh(row, endpoint)
        # The commit of the lease proves that the store can be written.
        lease = self._store.lease(row.id, row.generation, LEASE)
        if lease is None:
            return False
        asked_at = self._clock.now()
        try:
            grant = ask()
        except TokenRefused as refusal:
            return self._after(row, lease, refusal)
        if _is_of_another(grant, row):
            self._store.failed(row.id, row.generation, lease, 0.0, unsure=False)
            raise AuthFailed(
                f"{Vendor(row.vendor).label} answered with a token of {quoted(grant.account)}, "
                f"not of {row.account}: it is not used",
                side=Vendor(row.vendor).side,
            )
        self._unsaved[row.id, row.generation] = grant, asked_at
        return self._commit(row, grant, asked_at)

    def _refresh(self, row: StoredConnection, endpoint: TokenEndpoint) -> Callable[[], Grant]:
        refresh = self._cipher().decrypt(row.refresh)
        self._secret(refresh, self._refreshed.get(row.id, ""))
        self._refreshed[row.id] = refresh
        return lambda: endpoint.refresh(refresh)

    def _mint(self, row: StoredConnection, endpoint: TokenEndpoint) -> Callable[[], Grant]:
        """How to get a location's token from the agency whose app is in it."""
        self._cipher()
        agencies = sorted(self._agencies(), key=lambda agency: agency.account != row.company)
        ready: list[tuple[str, str]] = []
        last: ProviderError | None = None
        for agency in agencies:
            try:
                ready.append((agency.account, self.agency_token(agency.account)))
            except ProviderError as error:
                last = error
        if not ready and last is not None:
            raise last
        for company, _ in ready[:1]:
            self._budget(company)  # before the lease: it may take minutes

        def mint() -> Grant:
            refusal = TokenRefused(Why.NOT_INSTALLED, "no agency is connected")
            for company, access in ready:
                try:
                    return endpoint.mint(access, company=company, location=row.account)
                except TokenRefused as error:
                    refusal = error
                    if error.why is not Why.NOT_INSTALLED:
                        break
            raise refusal

        return mint

    def _commit(self, row: StoredConnection, grant: Grant, asked_at: datetime) -> bool:
        """Commit an answer before it is used; False where the row has moved on.

        Raises:
            StoreError: it could not be; the answer is kept for the next try.
        """
        cipher, life = self._cipher(), renewal(asked_at, grant.seconds, row)
        minted = row.kind == Kind.MINTED
        fields = {
            "access": cipher.encrypt(grant.access),
            # One that is never used need not be kept.
            "refresh": "" if minted else cipher.encrypt(grant.refresh) or row.refresh,
            "token_ends": life.ends,
            "renew_at": life.renew_at,
            **({"scopes": grant.scopes} if grant.scopes else {}),
            **({"company": grant.company} if grant.company else {}),
        }
        done = self._store.commit(row.id, row.generation, fields)
        self._unsaved.pop((row.id, row.generation), None)
        self._failed.pop(row.id, None)
        if done:
            log.info("token.renewed", connection=row.id, vendor=row.vendor, account=row.account)
        return done

    def _after(self, row: StoredConnection, lease: datetime, refusal: TokenRefused) -> bool:
        """What a refusal leads to; False where the store has a newer token already.

        Raises:
            ProviderError: it has none.
        """
        newest = self._store.get(row.id)
        if newest is None or newest.generation != row.generation:
            return False
        vendor = Vendor(row.vendor)
        if refusal.why is Why.DEAD and row.kind != Kind.MINTED:
            words = f"{vendor.label} renews it no more ({quoted(refusal.words)})"
            if not self._store.refuse(row.id, row.generation, words):
                return False
            log.warning("connection.refused", connection=row.id, account=row.account)
            raise AuthFailed(refusal_of(replace(row, refusal=words)), side=vendor.side)
        rotates = vendor is Vendor.HIGHLEVEL and row.kind != Kind.MINTED
        unsure = rotates and refusal.unsure
        pause = min(refusal.retry_after, LONGEST_PAUSE)
        self._store.failed(row.id, row.generation, lease, pause, unsure=unsure)
        error = error_of(row, refusal)
        raise _Unsure(error) if unsure and isinstance(error, ProviderError) else error

    def _keep(self, key: Key, row: StoredConnection, *, rest: float = 0.0) -> Held:
        """Remember a row's token; nobody asks for a newer one while it rests (seconds)."""
        before, life = self._held.get(key), Life.of(row)
        if rest:
            life = life.rested(self._clock.now(), rest)
        same = before is not None and (before.row, before.generation) == (row.id, row.generation)
        access = before.access if before and same else self._cipher().decrypt(row.access)
        if not same:
            self._secret(access, before.access if before else "")
        held = Held(row=row.id, generation=row.generation, access=access, life=life)
        self._held[key] = held
        return held


def _agency_of(
    minted: StoredConnection | None, agencies: Sequence[StoredConnection]
) -> StoredConnection:
    """The agency that a location's token came from, else the first that may give one."""
    if minted is not None and minted.access:
        for agency in agencies:
            if agency.account == minted.company:
                return agency
    return next((agency for agency in agencies if not agency.refused), agencies[0])


def _is_of_another(grant: Grant, row: StoredConnection) -> bool:
    """Whether an answer names another location or account than the row's."""
    if grant.guessed and row.kind != Kind.AGENCY:
        return False
    return grant.account not in {"", row.account}


def _name_of(row: StoredConnection) -> str:
    """What its token is kept under."""
    return f"agency {row.account}" if row.kind == Kind.AGENCY else row.account


class _Unsure(Exception):  # noqa: N818 - never leaves this module
    """No answer came, and the refresh token may have been replaced: it is sent again."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(str(error))
        self.error = error


def refusal_of(row: StoredConnection) -> str:
    """Why a connection is refused, and what to do."""
    if row.refusal:
        return (
            f"connection {row.id} ({row.kind} {row.account}) is refused: {row.refusal}; "
            f"run `syncd connect {row.vendor}` again"
        )
    return _TAKEN_AWAY.format(minted=row)


def error_of(row: StoredConnection, refusal: TokenRefused) -> ProviderError | NotPrepared:
    """The error of a link whose token could not be renewed; the connection stays as it is."""
    vendor = Vendor(row.vendor)
    said = quoted(refusal.words)
    match refusal.why:
        case Why.INACTIVE:
            return AuthFailed(
                f"the sub-account {row.account} is suspended ({said}): reactivate it, or pause "
                "this link; it goes on by itself then",
                side=vendor.side,
                status=400,  # whatever the endpoint's: like the API's own answer of that text
            )
        case Why.NOT_INSTALLED:
            return NotPrepared(
                f"the agency's app is not in location {row.account} ({said}): install it there, or "
                "run `syncd connect highlevel` and choose that location"
            )
        case Why.APP if row.kind == Kind.MINTED:
            return AuthFailed(
                f"HighLevel makes no token of the agency's for location {row.account} ({said}): "
                "the app needs the scope oauth.write; else run `syncd connect highlevel` again",
                side=vendor.side,
            )
        case Why.APP | Why.DEAD:
            return AuthFailed(
                f"the token endpoint refuses our app ({said}): check apps.{vendor}.client_id and "
                f"apps.{vendor}.client_secret",
                side=vendor.side,
            )
    if refusal.status == 429:
        return RateLimited(
            f"too many tokens were asked for ({said})",
            side=vendor.side,
            retry_after=refusal.retry_after or None,
        )
    return _later(row, said)


def _later(row: StoredConnection, why: str) -> Unavailable:
    vendor = Vendor(row.vendor)
    return Unavailable(f"{vendor.label} gives no new token now ({why})", side=vendor.side)


_TAKEN_AWAY = (
    "the app was taken away from {minted.kind} {minted.account}: install it again, or run "
    "`syncd connect {minted.vendor}` again"
)
