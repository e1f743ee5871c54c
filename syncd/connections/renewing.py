"""One try to renew a row's token: the lease, the question, the commit.

Who finds a token due takes the lease of its row, which is committed first and proves
that the store can be written; then it asks the vendor, with no transaction open; the
answer is committed only where the row still has the generation that was read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import structlog

from syncd.connections.endpoint import Grant, TokenEndpoint, TokenRefused, Why
from syncd.connections.life import LEASE, LONGEST_PAUSE, renewal
from syncd.connections.refusals import UnsureError, death_of, error_of, refusal_of, rotates
from syncd.connections.services import Services
from syncd.connections.serving import Serving
from syncd.connections.vendors import Kind, Vendor
from syncd.errors import AuthFailed, ConfigError, ProviderError, StoreError, quoted
from syncd.store.connections import StoredConnection

log = structlog.get_logger(__name__)


class Renewing:
    """The tries of this process, and the answers that it could not commit yet.

    `agency_token` gives the token of an agency; `budget` waits for a request's place in
    an agency's rate limit.
    """

    def __init__(
        self,
        services: Services,
        serving: Serving,
        *,
        agency_token: Callable[[str], str],
        budget: Callable[[str], None],
    ) -> None:
        self._services, self._serving = services, serving
        self._agency_token, self._budget = agency_token, budget
        self._store, self._clock = services.store, services.clock
        self.unsaved: dict[tuple[int, int], tuple[Grant, datetime]] = {}
        """Answers that could not be committed yet, by row and generation."""
        self._refreshed: dict[int, str] = {}

    def renewed(self, row: StoredConnection) -> bool:
        """Ask for a new token and commit it; False where somebody else was first.

        Raises:
            ProviderError: there is none.
            UnsureError: no answer came; it has to be asked for again.
            ConfigError: the app's secret or our key is missing or wrong.
            StoreError: the store cannot be used; an answer is kept for the next try.
        """
        unsaved = self.unsaved.get((row.id, row.generation))
        if unsaved is not None:
            return self._commit(row, *unsaved)
        app = self._services.app(Vendor(row.vendor))
        app.secret()  # a missing one is told before anything is asked
        endpoint = self._services.endpoint(app)
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
        self.unsaved[row.id, row.generation] = grant, asked_at
        return self._commit(row, grant, asked_at)

    def close(self) -> None:
        """Commit what could not be committed before."""
        for (key, generation), (grant, at) in list(self.unsaved.items()):
            with suppress(StoreError, ConfigError, ProviderError):
                row = self._store.get(key)
                if row is not None and row.generation == generation:
                    self._commit(row, grant, at)

    def _refresh(self, row: StoredConnection, endpoint: TokenEndpoint) -> Callable[[], Grant]:
        refresh = self._services.cipher().decrypt(row.refresh)
        self._services.secret(refresh, self._refreshed.get(row.id, ""))
        self._refreshed[row.id] = refresh
        return lambda: endpoint.refresh(refresh)

    def _mint(self, row: StoredConnection, endpoint: TokenEndpoint) -> Callable[[], Grant]:
        """How to get a location's token from the agency whose app is in it."""
        self._services.cipher()
        agencies = sorted(self._serving.agencies(), key=lambda each: each.account != row.company)
        ready: list[tuple[str, str]] = []
        last: ProviderError | None = None
        for agency in agencies:
            try:
                ready.append((agency.account, self._agency_token(agency.account)))
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
        cipher, life = self._services.cipher(), renewal(asked_at, grant.seconds, row)
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
        self.unsaved.pop((row.id, row.generation), None)
        if done:
            log.info("token.renewed", connection=row.id, vendor=row.vendor, account=row.account)
        return done

    def _after(self, row: StoredConnection, lease: datetime, refusal: TokenRefused) -> bool:
        """What a refusal leads to; False where the store has a newer token already.

        Raises:
            ProviderError: it has none.
            UnsureError: it may have one that nobody knows.
        """
        newest = self._store.get(row.id)
        if newest is None or newest.generation != row.generation:
            return False
        vendor = Vendor(row.vendor)
        if refusal.why is Why.DEAD and row.kind != Kind.MINTED:
            words = death_of(row, refusal.words)
            if not self._store.refuse(row.id, row.generation, words):
                return False
            log.warning("connection.refused", connection=row.id, account=row.account)
            raise AuthFailed(refusal_of(replace(row, refusal=words)), side=vendor.side)
        unsure = rotates(row) and refusal.unsure
        pause = min(refusal.retry_after, LONGEST_PAUSE)
        before = row.asked_at if rotates(row) else None
        self._store.failed(row.id, row.generation, lease, pause, unsure=unsure, asked_at=before)
        error = error_of(row, refusal)
        raise UnsureError(error) if unsure and isinstance(error, ProviderError) else error


def _is_of_another(grant: Grant, row: StoredConnection) -> bool:
    """Whether an answer names another location or account than the row's."""
    if grant.guessed and row.kind != Kind.AGENCY:
        return False
    return grant.account not in {"", row.account}
