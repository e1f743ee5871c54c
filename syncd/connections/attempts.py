"""Runs of `syncd connect`: each begins with an address and ends with one redirect.

An attempt lives in the store, by the digest of its state: whichever process gets the
redirect completes it, once, and `connect` reads there what came of it.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

import structlog

from syncd.connections.cipher import Cipher
from syncd.connections.endpoint import Grant, TokenRefused, Why
from syncd.connections.life import renewal
from syncd.connections.services import Services
from syncd.connections.vendors import App, Kind, Vendor
from syncd.errors import quoted
from syncd.store.connections import StoredAttempt, StoredConnection

log = structlog.get_logger(__name__)

_LONGEST_CODE = 4096


class Ended(StrEnum):
    """How an attempt ended; a redirect that belongs to none is `foreign`."""

    OK = "ok"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What came of a redirect."""

    ended: Ended
    detail: str
    vendor: Vendor | None = None
    connection: int = 0
    """The connection that was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that waits for its redirect."""

    state: str
    """The digest by which the store knows it."""
    address: str
    """What a person has to open."""


class Attempts:
    """The attempts of a store."""

    def __init__(self, services: Services) -> None:
        self._services, self._store, self._clock = services, services.store, services.clock

    def begin(self, vendor: Vendor, redirect_uri: str, seconds: float) -> Begun:
        """A new attempt, which is over after so many seconds.

        Raises:
            ConfigError: there is no app, or no key.
            StoreError: the store cannot be used.
        """
        app, cipher, now = self._services.app(vendor), self._services.cipher(), self._clock.now()
        state = secrets.token_urlsafe(32)
        # HighLevel's page on OAuth names no PKCE; HubSpot's does.
        verifier = secrets.token_urlsafe(48) if vendor is Vendor.HUBSPOT else ""
        attempt = StoredAttempt(
            vendor=vendor,
            redirect_uri=redirect_uri,
            verifier=cipher.encrypt(verifier),
            begun_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )
        self._store.begin(_digest(state), attempt)
        address = app.consent_address(redirect_uri, state, _challenge(verifier))
        return Begun(state=_digest(state), address=address)

    def outcome(self, state: str) -> StoredAttempt | None:
        """An attempt by its digest, with what came of it.

        Raises:
            StoreError: the store cannot be used.
        """
        return self._store.attempt(state)

    def complete(self, redirected: Mapping[str, str]) -> Completed:
        """Take a redirect's query: exchange its code, and keep the connection.

        Raises:
            ConfigError: this process has no app or no key; another one may complete it.
            StoreError: the store cannot be used.
        """
        state = _digest(redirected.get("state") or "")
        code = (redirected.get("code") or "")[:_LONGEST_CODE]
        error = redirected.get("error") or ""
        attempt = self._store.attempt(state)
        if attempt is None or not (code or error):
            return Completed(ended=Ended.FOREIGN, detail="no such attempt")
        vendor = Vendor(attempt.vendor)
        app, cipher = self._services.app(vendor), self._services.cipher()
        app.secret()
        verifier = cipher.decrypt(attempt.verifier)
        if self._store.claim(state) is None:
            return Completed(ended=Ended.FOREIGN, detail="it is over", vendor=vendor)
        if error:
            told = (redirected.get("error_description") or error)[:200]
            said = quoted("".join(mark for mark in told if mark.isprintable()))
            return self._end(state, vendor, Ended.REFUSED, f"{vendor.label} says no: {said}")
        for each in (code, verifier):
            self._services.secret(each, "")
        try:
            grant = self._services.endpoint(app).exchange(code, attempt.redirect_uri, verifier)
        except TokenRefused as refusal:
            return self._end(state, vendor, *_refused(vendor, refusal))
        finally:
            for each in (code, verifier):
                self._services.secret("", each)
        if not grant.account or not grant.refresh:
            why = f"{vendor.label}'s answer names no account, or holds no refresh token"
            return self._end(state, vendor, Ended.REFUSED, why)
        row = self._save(app, cipher, grant)
        log.info("connection.made", connection=row.id, kind=row.kind, account=row.account)
        words = f"{vendor.label} {row.kind} {row.account} is connected"
        return self._end(state, vendor, Ended.OK, words, row.id)

    def _save(self, app: App, cipher: Cipher, grant: Grant) -> StoredConnection:
        kind = Kind.AGENCY if grant.agency else Kind.LOCATION
        if app.vendor is Vendor.HUBSPOT:
            kind = Kind.ACCOUNT
        for token in (grant.access, grant.refresh):
            self._services.secret(token, "")
        now = self._clock.now()
        life = renewal(now, grant.seconds, None)
        return self._store.save(
            app.vendor,
            kind,
            grant.account,
            fields={
                "company": grant.company,
                "name": self._services.endpoint(app).name_of(grant),
                "client_id": app.client_id,
                "scopes": grant.scopes,
                "access": cipher.encrypt(grant.access),
                "refresh": cipher.encrypt(grant.refresh),
                "token_ends": life.ends,
                "renew_at": life.renew_at,
            },
        )

    def _end(
        self, state: str, vendor: Vendor, ended: Ended, detail: str, connection: int = 0
    ) -> Completed:
        self._store.end(state, ended, detail, connection)
        return Completed(ended=ended, detail=detail, vendor=vendor, connection=connection)


def _refused(vendor: Vendor, refusal: TokenRefused) -> tuple[Ended, str]:
    said = quoted(refusal.words)
    if refusal.why is Why.LATER:
        return Ended.UNREACHABLE, f"{vendor.label} did not answer the exchange of the code ({said})"
    # A code that was made with another client key of the app is "not found", too.
    hint = (
        f"check that apps.{vendor}.client_id, its client_secret and the redirect address are those "
        "of one app, then connect again"
    )
    return Ended.REFUSED, f"{vendor.label} refuses the code ({said}): {hint}"


def _digest(state: str) -> str:
    return sha256(state.encode(errors="replace")).hexdigest()


def _challenge(verifier: str) -> str:
    """RFC 7636, S256."""
    if not verifier:
        return ""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
