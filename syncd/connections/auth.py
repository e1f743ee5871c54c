"""A connection's token as the credentials of an HTTP client: fresh for every request."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.connections.tokens import Tokens
from syncd.connections.vendors import Vendor
from syncd.providers.message import Response


class ConnectionAuth:
    """The credentials of one location or account; safe to share between threads."""

    def __init__(self, tokens: Tokens, vendor: Vendor, account: str) -> None:
        self._tokens, self._vendor, self._account = tokens, vendor, account
        self._last = ""

    def __repr__(self) -> str:
        return f"ConnectionAuth({self._vendor} {self._account})"

    def headers(self) -> Mapping[str, str]:
        """The header that carries the token; raises as `Tokens.token` does."""
        self._last = self._tokens.token(self._vendor, self._account)
        return {"Authorization": f"Bearer {self._last}"}

    def renewed(self, refused: Response) -> bool:
        """Whether the store has another token now; nothing is refreshed for a refusal.

        A missing scope is a 401 too (observed 2026-08-19), but another token does not help.
        """
        if "scope" in refused.message.casefold():
            return False
        return self._tokens.newer(self._vendor, self._account, self._last)
