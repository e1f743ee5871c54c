"""HubSpot's Webhooks Journal over HTTP: the app's token, offsets, files, subscriptions.

`journal_reader` calls it from one thread. A file lies at a signed address on another
host, which is asked without our token. Addresses of files are credentials: they are
never logged. Versions: 2026-09, and 2026-03 where an account knows no other.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

import syncd
from syncd.errors import SyncdError
from syncd.ports.clock import Clock
from syncd.providers import proxies

SCOPES = (
    "developer.webhooks_journal.read",
    "developer.webhooks_journal.subscriptions.read",
    "developer.webhooks_journal.subscriptions.write",
    "crm.objects.appointments.read",
    "crm.objects.contacts.read",
)
"""HubSpot, "Webhooks Journal": its own scopes, and those of the objects that are subscribed."""

LARGEST_FILE = 16 * 1024 * 1024
"""Bytes of a file; HubSpot's own limit is 5 MB."""

_LARGEST_ANSWER = 16 * 1024 * 1024
_TIMEOUT = 8.0
_WHOLE = 12.0
"""Seconds for a whole answer: shorter than the lease of the reader."""
_VERSIONS = ("2026-09", "2026-03")
_SOONEST_RENEWAL = 0.9
"""A token is used for that part of its life."""


class JournalAway(SyncdError):  # noqa: N818 - the tree reads as states of the world
    """HubSpot does not answer now: tried again later. `after` is in seconds, 0 where not said."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class JournalRefused(SyncdError):  # noqa: N818
    """HubSpot refuses, and goes on to until a person changes something."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class TooLarge(JournalAway):
    """An answer has more bytes than any can have."""


class NotThere(JournalAway):
    """The address of a file is good no more: its place has to be asked for again."""


class Nothing(Enum):
    """An answer without a file."""

    NEW = "nothing new"
    """204, or an empty 200."""
    KNOWN = "no such place"
    """404 or 400: also how some say "nothing new"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where a file is, and the place after it."""

    offset: str
    address: str


class JournalClient:
    """One app's journal."""

    def __init__(
        self,
        *,
        base_url: str,
        client_id: str,
        secret: Callable[[], str],
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._client_id, self._secret, self._clock = client_id, secret, clock
        self._version = _VERSIONS[0]
        self._token = ""
        self._renew_at = 0.0
        self._is_secure = urlsplit(base_url).scheme == "https"
        given = {"User-Agent": f"syncd/{syncd.__version__}"}
        verify = tls if tls is not None else True
        self._http = proxies.opened(
            lambda: httpx.Client(base_url=base_url, headers=given, timeout=_TIMEOUT, verify=verify)
        )
        # A client of its own: no header or cookie of ours goes along.
        self._files = proxies.opened(
            lambda: httpx.Client(headers=given, timeout=_TIMEOUT, verify=verify)
        )

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Reading.

    def latest(self) -> Pointer | Nothing:
        """The newest file.

        Raises:
            JournalAway: HubSpot does not answer now.
            JournalRefused: it refuses.
        """
        return self._read("latest")

    def earliest(self) -> Pointer | Nothing:
        """The oldest file that is still kept; raises as `latest` does."""
        return self._read("earliest")

    def after(self, offset: str) -> Pointer | Nothing:
        """The file after a place; raises as `latest` does."""
        return self._read(f"offset/{quote(offset, safe='')}/next")

    def file(self, pointer: Pointer) -> bytes:
        """The content of a file.

        Raises:
            NotThere: its address is good no more.
            JournalAway: it cannot be had now.
            TooLarge: it has more bytes than any file can have.
            JournalRefused: it lies at no https address.
        """
        parts = urlsplit(pointer.address)
        if parts.scheme != "https" and (self._is_secure or parts.scheme != "http"):
            raise JournalRefused("a journal file lies at no https address")
        try:
            with self._files.stream("GET", pointer.address) as answer:
                if answer.status_code in {400, 403, 404, 410}:
                    raise NotThere(f"a journal file answers {answer.status_code}")
                if answer.status_code != 200:
                    raise JournalAway(f"a journal file answers {answer.status_code}")
                return self._content(answer, LARGEST_FILE)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise JournalAway(f"a journal file cannot be read: {type(error).__name__}") from None

    def _read(self, what: str) -> Pointer | Nothing:
        answer = self._ask("GET", f"/webhooks-journal/journal/{self._version}/{what}")
        if answer.status_code in {400, 404}:
            return Nothing.KNOWN
        body = self._accepted(answer, empty=True)
        if body is None:
            return Nothing.NEW
        offset, address = body.get("currentOffset"), body.get("url")
        if not isinstance(offset, str) or not offset or not isinstance(address, str):
            raise JournalAway("an answer of the journal names no file and no place")
        return Pointer(offset=offset, address=address)

    # Subscriptions.

    def subscriptions(self) -> list[Mapping[str, Any]]:
        """All subscriptions of the app; raises as `latest` does."""
        answer = self._ask("GET", self._subscriptions())
        if answer.status_code == 404 and self._version == _VERSIONS[0]:
            self._version = _VERSIONS[1]
            answer = self._ask("GET", self._subscriptions())
        try:
            body = answer.json() if answer.is_success and answer.content else None
        except ValueError:
            body = None
        if not isinstance(body, list):
            told = self._accepted(answer)
            body = (told or {}).get("results")
        if not isinstance(body, list):
            raise JournalAway("the list of journal subscriptions cannot be understood")
        return [row for row in body if isinstance(row, dict)]

    def subscribe(self, body: Mapping[str, Any]) -> str:
        """Make a subscription, or change the one of the same kind; its id.

        Raises as `latest` does.
        """
        told = self._accepted(self._ask("POST", self._subscriptions(), body))
        made = (told or {}).get("id")
        if not isinstance(made, int | str) or isinstance(made, bool):
            raise JournalAway("HubSpot names no id of a new journal subscription")
        return str(made)

    def unsubscribe(self, subscription: str) -> None:
        """Take a subscription away; one that is gone already is no error."""
        answer = self._ask("DELETE", f"{self._subscriptions()}/{quote(subscription, safe='')}")
        if answer.status_code != 404:
            self._accepted(answer, empty=True)

    def _subscriptions(self) -> str:
        return f"/webhooks-journal/subscriptions/{self._version}"

    # Asking.

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        for attempt in (1, 2):
            headers = {"Authorization": f"Bearer {self._bearer()}"}
            answer = self._send(method, path, json=body, headers=headers)
            if answer.status_code != 401 or attempt == 2:
                return answer
            self._token = ""  # revoked before its time
        raise AssertionError  # pragma: no cover - the loop returns

    def _bearer(self) -> str:
        if self._token and self._clock.monotonic() < self._renew_at:
            return self._token
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret(),
            "scope": " ".join(SCOPES),
        }
        asked_at = self._clock.monotonic()
        for version in _VERSIONS:
            answer = self._send("POST", f"/oauth/{version}/token", data=form)
            # The description of 2026-09 lacked this grant for a while.
            if answer.status_code != 404 and "BAD_GRANT_TYPE" not in answer.text[:1000]:
                break
        body = self._accepted(answer) or {}
        token, lasts = body.get("access_token"), body.get("expires_in")
        if not isinstance(token, str) or not token:
            raise JournalAway("HubSpot's answer has no token of the app")
        seconds = float(lasts) if isinstance(lasts, int | float) and lasts > 0 else 1800.0
        self._token, self._renew_at = token, asked_at + _SOONEST_RENEWAL * min(seconds, 86_400.0)
        return token

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            with self._http.stream(method, path, **more) as answer:
                content = self._content(answer, _LARGEST_ANSWER)
            headers = [
                pair for pair in answer.headers.multi_items() if pair[0] != "content-encoding"
            ]
            return httpx.Response(
                answer.status_code, headers=headers, content=content, request=answer.request
            )
        except httpx.HTTPError as error:
            raise JournalAway(f"HubSpot cannot be reached: {type(error).__name__}") from None

    def _content(self, answer: httpx.Response, most: int) -> bytes:
        """The body, within so many bytes and within the time for a whole answer."""
        ends = self._clock.monotonic() + _WHOLE
        content = bytearray()
        for piece in answer.iter_bytes(65_536):
            content += piece
            if len(content) > most:
                raise TooLarge(f"an answer of HubSpot's journal is larger than {most} bytes")
            if self._clock.monotonic() > ends:
                raise JournalAway("an answer of HubSpot's journal takes too long")
        return bytes(content)

    def _accepted(self, answer: httpx.Response, *, empty: bool = False) -> dict[str, Any] | None:
        """The JSON object of a good answer; None for an empty one where that is allowed."""
        status = answer.status_code
        if status in {423, 425, 429, 477} or status >= 500 or 300 <= status < 400:
            raise JournalAway(f"HubSpot answers {status}", _retry_after(answer))
        if not answer.is_success:
            raise JournalRefused(f"HubSpot answers {status}: {_words(answer)}", status)
        if not answer.content.strip():
            if empty:
                return None
            raise JournalAway("an answer of HubSpot is empty")
        try:
            body = answer.json()
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise JournalAway("an answer of HubSpot is no JSON object")
        return body


def _words(answer: httpx.Response) -> str:
    """The vendor's own words, shortened."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return "no reason given"
    if not isinstance(body, dict):
        return "no reason given"
    named = (body.get("status"), body.get("category"), body.get("message"))
    told = [text for text in named if isinstance(text, str) and text not in {"", "error"}]
    return ": ".join(told)[:300] or "no reason given"


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else 0.0
