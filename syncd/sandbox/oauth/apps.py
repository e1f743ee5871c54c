"""Both vendors' OAuth apps in memory: installations, codes, tokens and their chains.

The endpoints of `highlevel` and `hubspot` work on it; the APIs ask it which account an
access token belongs to. A HighLevel refresh token counts once: sent again within the
grace it gives the same answer, later it is dead. A HubSpot one stays as it is.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from syncd.sandbox.http import JsonObject, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from syncd.sandbox.context import SandboxContext

Kind = Literal["location", "agency", "account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a token speaks for."""

    vendor: Literal["ghl", "hubspot"]
    kind: Kind
    account: str
    company: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Code:
    """A code that the consent page gave out."""

    holder: Holder
    client_id: str
    redirect_uri: str
    challenge: str
    used: bool = False


@dataclass(slots=True, kw_only=True)
class Refresh:
    """A refresh token: whose it is, and what its first use gave."""

    holder: Holder
    used_at: datetime | None = None
    answer: JsonObject | None = None
    dead: bool = False


@dataclass(slots=True, kw_only=True)
class Access:
    """An access token."""

    holder: Holder
    ends_at: datetime
    dead: bool = False


@dataclass(slots=True)
class OAuthApps:
    """The apps of one world, and who installed them."""

    context: SandboxContext
    codes: dict[str, Code] = field(default_factory=dict)
    refresh: dict[str, Refresh] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)
    installed: set[str] = field(default_factory=set)
    """Locations in which the app is installed."""
    deleted_portals: set[str] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)
    """How many tokens were given out for each account, repetitions included."""

    def holder_of(self, token: str) -> Holder | None:
        """Whom a living access token speaks for."""
        found = self.access.get(token)
        if found is None or found.dead or self.context.now() >= found.ends_at:
            return None
        return found.holder

    def code(self, holder: Holder, request: Request) -> str:
        """A code for the redirect; the app is installed from now on."""
        made = self._secret("code")
        self.codes[made] = Code(
            holder=holder,
            client_id=request.one("client_id") or "",
            redirect_uri=request.one("redirect_uri") or "",
            challenge=request.one("code_challenge") or "",
        )
        return made

    def access_token(self, holder: Holder, seconds: int) -> str:
        """A new access token."""
        token = f"eyJhbGciOiJIUzI1NiJ9.{self._secret('access')}.sandbox"
        ends = self.context.now() + timedelta(seconds=seconds)
        self.access[token] = Access(holder=holder, ends_at=ends)
        self.calls[holder.account] = self.calls.get(holder.account, 0) + 1
        return token

    def refresh_token(self, holder: Holder) -> str:
        """A new refresh token."""
        token = f"eyJhbGciOiJIUzI1NiJ9.{self._secret('refresh')}.sandbox"
        self.refresh[token] = Refresh(holder=holder)
        return token

    def rotated(
        self, token: str, grace: float, answer: Callable[[Holder], JsonObject]
    ) -> JsonObject | None:
        """The answer to a refresh token that counts once; None where it is dead."""
        found = self.refresh.get(token)
        now = self.context.now()
        if found is None or found.dead:
            return None
        if found.used_at is None:
            found.used_at, found.answer = now, answer(found.holder)
        elif (now - found.used_at).total_seconds() > grace:
            return None
        return found.answer

    def uninstall(self, account: str, *, at_once: bool = True) -> None:
        """Take the app away from a location, an agency or a HubSpot account.

        Its refresh tokens are dead; its access tokens too, or only when they end.
        """
        self.installed.discard(account)
        for token in self.refresh.values():
            token.dead |= account in (token.holder.account, token.holder.company)
        for each in self.access.values():
            each.dead |= at_once and account in (each.holder.account, each.holder.company)

    def _secret(self, kind: str) -> str:
        """An unlike text for each call; the same in equal worlds."""
        seed = f"{kind} {self.context.ids.trace()}".encode()
        return hashlib.sha256(seed).hexdigest()


def form_of(request: Request) -> dict[str, str] | None:
    """The fields of a form; None where the body is of another type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))


def fits_challenge(code: Code, verifier: str) -> bool:
    """Whether a PKCE verifier (RFC 7636) belongs to the code; any where none was announced."""
    if not code.challenge:
        return True
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


def narrowed(holder: Holder, **changes: Any) -> Holder:
    """The same for another account."""
    return replace(holder, **changes)
