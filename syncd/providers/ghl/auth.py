"""The HighLevel token: a private integration's, which may be rotated while we run.

Made by `bootstrap`, used by `http.Client`. When the token is refused it is
read again, once: HighLevel keeps the old and the new token valid for seven
days after a rotation (page on private integrations), so a file that was
replaced in time is read without a restart. Leaves out OAuth: a private
integration token never expires by itself.
"""

from collections.abc import Callable, Mapping

from syncd.providers.message import Response


class PrivateToken:
    """A bearer token; `read` reads it from where it is stored."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self._token = ""

    def __repr__(self) -> str:
        return "PrivateToken(<secret>)"

    def headers(self) -> Mapping[str, str]:
        """The authorization header."""
        if not self._token:
            self._token = self._read()
        return {"Authorization": f"Bearer {self._token}"}

    def renewed(self, refused: Response) -> bool:
        """Whether a different token is stored now.

        A missing scope is a 401 too (observed 2026-08-19), but another token does not help.
        """
        if "scope" in refused.message.casefold():
            return False
        fresh = self._read()
        changed = fresh != self._token
        self._token = fresh
        return changed
