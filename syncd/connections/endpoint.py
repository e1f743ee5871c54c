"""Asks a vendor's token endpoint, and says what each refusal means.

Authlib makes the requests, each with a client of its own: it keeps the last token, and two
threads must never get each other's. The
tables of refusals are those of the vendors' pages and of what was measured in 2026.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

import syncd
from syncd.connections.vendors import App, Vendor
from syncd.errors import ConfigError
from syncd.ports.clock import Clock
from syncd.providers import proxies
from syncd.providers.deadlines import Deadline, watch
from syncd.providers.message import redacted

DEADLINE = 8.0
"""Seconds for a whole exchange: two tries fit into the 30 in which HighLevel repeats itself."""

_PAGE = 100
"""The largest page of installed locations (measured 2026-08-19)."""

_MOST_PAGES = 1_000
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_LONGEST = 366 * 86_400.0
_UNTOLD = 1_800.0
"""Seconds that a token counts as good for where the answer does not say it."""

T = TypeVar("T")


class Why(StrEnum):
    """What a refusal means."""

    DEAD = "dead"
    """The refresh token is revoked: only a person can connect again."""
    APP = "app"
    """Our own app, its secret or its settings are refused; the connection is not."""
    INACTIVE = "inactive"
    """The location is suspended, which may end by itself."""
    NOT_INSTALLED = "not installed"
    """The agency's app is not in that location."""
    LATER = "later"
    """Worth trying again with the same token; perhaps it took effect."""


class TokenRefused(Exception):  # noqa: N818 - what happened, not a mistake
    """The endpoint gave no token; `words` are the vendor's own, redacted."""

    def __init__(
        self,
        why: Why,
        words: str,
        *,
        retry_after: float = 0.0,
        status: int = 0,
        unsure: bool = False,
    ) -> None:
        """It is `unsure` where the request may have taken effect all the same."""
        super().__init__(words)
        self.why, self.words, self.retry_after, self.status = why, words, retry_after, status
        self.unsure = unsure


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token that was granted."""

    access: str
    refresh: str
    seconds: float
    """How long it is good for."""
    scopes: tuple[str, ...]
    agency: bool
    account: str
    """The location, agency or HubSpot account that the answer names; "" where it names none."""
    company: str
    """The agency that it names."""
    guessed: bool = False
    """It does not say whether it is an agency's, which it is taken for."""

    def __repr__(self) -> str:
        return f"Grant(<secret> for {self.account or 'an account'})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A location in which an agency's app is installed."""

    id: str
    name: str


class TokenEndpoint:
    """Where one app gets its tokens; safe to share between threads."""

    def __init__(
        self,
        app: App,
        clock: Clock,
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        stopping: Callable[[], bool] = bool,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._app, self._clock = app, clock
        self._tls, self._transport = tls, transport
        self._stopping = stopping

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> Grant:
        """The tokens of a code.

        Raises:
            TokenRefused: there are none.
            ConfigError: the client secret is missing.
        """
        more = {"code_verifier": verifier} if verifier else {}
        return self._asked(
            lambda client: client.fetch_token(
                self._app.token_address,
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                **self._credentials,
                **more,
            )
        )

    def refresh(self, refresh_token: str) -> Grant:
        """New tokens for a refresh token; raises as `exchange` does."""
        return self._asked(
            lambda client: client.refresh_token(
                self._app.token_address, refresh_token=refresh_token, **self._credentials
            )
        )

    def mint(self, access: str, *, company: str, location: str) -> Grant:
        """A location's token, made from its agency's; raises as `exchange` does."""
        with self._opened() as (client, deadline), deadline.of(DEADLINE):
            answer = _sent(
                lambda: client.post(
                    f"{self._app.base_url}/oauth/locationToken",
                    data={"companyId": company, "locationId": location},
                    headers=_bearer(access),
                )
            )
        return _granted(_checked(answer, minting=True), Vendor.HIGHLEVEL)

    def installed(self, access: str, company: str) -> Iterator[Location]:
        """The locations in which an agency's app is installed, however many pages there are.

        Raises:
            TokenRefused: they cannot be listed.
        """
        seen: set[str] = set()
        skip = 0
        for _ in range(_MOST_PAGES):
            rows = self._page(access, company, skip)
            new = {_text(row.get("_id")) for row in rows} - seen
            for row in rows:
                # All locations of the agency are listed, installed or not (measured 2026-08-19).
                if row.get("isInstalled") is True and row.get("_id") in new:
                    yield Location(id=row["_id"], name=str(row.get("name") or ""))
            if not new:
                return
            seen |= new
            skip += len(rows)

    def name_of(self, grant: Grant) -> str:
        """What people call the location or account; "" where the vendor does not say it."""
        try:
            return _text(self._described(grant))[:200]
        except (TokenRefused, ConfigError):
            return ""

    def _described(self, grant: Grant) -> object:
        base = self._app.base_url
        with self._opened() as (client, deadline), deadline.of(DEADLINE):
            if self._app.vendor is Vendor.HUBSPOT:
                form = {
                    "client_id": self._app.client_id,
                    "client_secret": self._app.secret(),
                    "token": grant.access,
                    "token_type_hint": "access_token",
                }
                address = f"{self._app.token_address}/introspect"
                return _checked(_sent(lambda: client.post(address, data=form))).get("hub_domain")
            if grant.agency:
                return ""  # the agency's name needs a scope of its own
            address = f"{base}/locations/{quote(grant.account, safe='')}"
            headers = _bearer(grant.access)
            found = _checked(_sent(lambda: client.get(address, headers=headers))).get("location")
            return found.get("name") if isinstance(found, dict) else ""

    def _page(self, access: str, company: str, skip: int) -> list[dict[str, Any]]:
        asked = {
            "companyId": company,
            "appId": self._app.id,
            "skip": str(skip),
            "limit": str(_PAGE),
            "isInstalled": "true",
        }
        with self._opened() as (client, deadline), deadline.of(DEADLINE):
            answer = _sent(
                lambda: client.get(
                    f"{self._app.base_url}/oauth/installedLocations",
                    params=asked,
                    headers=_bearer(access),
                )
            )
        found = _checked(answer).get("locations")
        if not isinstance(found, list):
            raise TokenRefused(Why.LATER, "the list of locations cannot be read")
        return [row for row in found if isinstance(row, dict)]

    def _asked(self, ask: Callable[[Any], Any]) -> Grant:
        from authlib.oauth2.client import OAuth2Client

        body: dict[str, Any] = {}

        def judged(answer: httpx.Response) -> httpx.Response:
            body.update(_checked(answer))
            return answer

        with self._opened() as (client, deadline), deadline.of(DEADLINE):
            authlib = OAuth2Client(client, client_id=self._app.client_id)
            for hook in ("access_token_response", "refresh_token_response"):
                authlib.register_compliance_hook(hook, judged)
            _sent(lambda: ask(authlib))
        return _granted(body, self._app.vendor)

    @property
    def _credentials(self) -> dict[str, Any]:
        """Our app's, in the form, never in the address (HubSpot's page on tokens)."""
        return {
            "client_id": self._app.client_id,
            "client_secret": self._app.secret(),
            "auth": _as_it_is,
        }

    def _opened(self) -> _Opened:
        return _Opened(
            lambda: httpx.Client(
                headers={"User-Agent": f"syncd/{syncd.__version__}", "Accept": "application/json"},
                timeout=DEADLINE,
                follow_redirects=False,
                transport=self._transport,
                verify=self._tls() if self._tls is not None else True,
            ),
            Deadline(self._clock, self._stopping),
        )


class _Opened:
    """A client for one exchange, and its deadline."""

    def __init__(self, make: Callable[[], httpx.Client], deadline: Deadline) -> None:
        self._make, self._deadline = make, deadline

    def __enter__(self) -> tuple[httpx.Client, Deadline]:
        if self._deadline.refuses:
            raise TokenRefused(Why.LATER, "asked to stop; nothing more is sent")
        self._client = proxies.opened(self._make)
        watch(self._client, self._deadline)
        return self._client, self._deadline

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _as_it_is(request: httpx.Request) -> httpx.Request:
    """Adds nothing to a request: the credentials are in its form."""
    return request


def _bearer(access: str) -> dict[str, str]:
    # Under v3 these paths are gone (HighLevel/highlevel-api-docs issue 304).
    return {"Authorization": f"Bearer {access}", "Version": "2021-07-28"}


def _sent(send: Callable[[], T]) -> T:
    try:
        return send()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Without the cause: its request holds secrets.
        words = redacted(f"no answer: {type(error).__name__} {error}".strip())
        unsure = not isinstance(error, (*_NOT_SENT, httpx.InvalidURL))
        raise TokenRefused(Why.LATER, words, unsure=unsure) from None


def _checked(answer: httpx.Response, *, minting: bool = False) -> dict[str, Any]:
    """The body of a good answer.

    Raises:
        TokenRefused: it is none.
    """
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        body = None
    if answer.is_success:
        if isinstance(body, dict):
            return body
        raise TokenRefused(
            Why.LATER, "the answer cannot be read", status=answer.status_code, unsure=True
        )
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    words = _words(told) or f"HTTP {answer.status_code}"
    why = _why(answer.status_code, told, words, minting=minting)
    raise TokenRefused(
        why,
        redacted(words),
        retry_after=_seconds(answer.headers.get("retry-after")),
        status=answer.status_code,
        unsure=answer.status_code >= 500 or answer.status_code == 408,
    )


def _words(body: Mapping[str, Any]) -> str:
    for key in ("error_description", "message", "error"):
        if isinstance(text := body.get(key), str) and text:
            return text
    return ""


def _why(status: int, body: Mapping[str, Any], words: str, *, minting: bool) -> Why:
    """By the body first: nobody documents the status of HighLevel's refusals."""
    if status in {408, 423, 425, 429, 477} or status >= 500:
        return Why.LATER
    if "not active" in words.casefold():
        # HighLevel/highlevel-api-docs issue 249: a suspended location.
        return Why.INACTIVE
    if minting:
        return Why.APP if status == 401 else Why.NOT_INSTALLED
    named = str(body.get("status") or "")
    if named.startswith("BAD_"):
        # HubSpot's own word tells more than `error`, which may say invalid_grant of a code.
        return Why.DEAD if named in {"BAD_REFRESH_TOKEN", "BAD_HUB"} else Why.APP
    return Why.DEAD if body.get("error") == "invalid_grant" else Why.APP


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0


def _granted(body: Mapping[str, Any], vendor: Vendor) -> Grant:
    access, refresh = body.get("access_token"), body.get("refresh_token")
    if not isinstance(access, str) or not access.isascii() or not access.isprintable():
        raise TokenRefused(Why.LATER, "the answer holds no token", unsure=True)
    company = _id(body.get("companyId"))
    location = _id(body.get("locationId"))
    # An agency's answer names no location, even where one was chosen (measured 2026-08-16).
    kind = _text(body.get("userType")) or ("Location" if location else "")
    agency = vendor is Vendor.HIGHLEVEL and kind != "Location"
    return Grant(
        access=access,
        refresh=refresh if isinstance(refresh, str) else "",
        seconds=_lifetime(body.get("expires_in")),
        scopes=_scopes(body.get("scopes", body.get("scope"))),
        agency=agency,
        account=_id(body.get("hub_id"))
        if vendor is Vendor.HUBSPOT
        else (company if agency else location),
        company=company,
        guessed=agency and not kind,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _id(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _lifetime(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except ValueError:
        seconds = 0.0
    return min(seconds, _LONGEST) if seconds > 0 else _UNTOLD


def _scopes(value: object) -> tuple[str, ...]:
    words = value.split() if isinstance(value, str) else value
    return tuple(str(each) for each in words) if isinstance(words, list) else ()
