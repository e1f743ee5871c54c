"""The HighLevel token: a private integration's, which may be rotated while we run.

Made by `bootstrap`, used by `http.Client`. When the token is refused it is
read again, once: HighLevel keeps old and new valid for seven days after a
rotation, so a file that was replaced in time is picked up without a restart.
Leaves out OAuth: a private integration token never expires by itself.
"""

from collections.abc import Callable, Mapping

from syncd.providers.message import Response


class PrivateToken:
    """A bearer token; `read` gives the present one, from wherever it is kept."""

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
        """Whether another token than the refused one is kept now.

        A missing scope is a 401 too, but no other token cures it.
        """
        if "scope" in refused.words.casefold():
            return False
        fresh = self._read()
        changed = fresh != self._token
        self._token = fresh
        return changed
