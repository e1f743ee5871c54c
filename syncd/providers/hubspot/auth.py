"""HubSpot's credentials: one bearer token, as it stands at its place when a cycle begins.

`bootstrap` makes it for the link's client. A service key, a legacy private
app and a project app with static auth all send the same header (authentication
guides). Leaves out OAuth, which is for several accounts: a link is one account.
"""

from collections.abc import Mapping

from syncd.providers.message import Response


class Token:
    """A token that never changes within a cycle: a 401 needs a person, not another attempt."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def headers(self) -> Mapping[str, str]:
        """The header that carries it."""
        return {"Authorization": f"Bearer {self._secret}"}

    def use(self, secret: str) -> bool:
        """Take this token from now on; gives whether it is another one."""
        before, self._secret = self._secret, secret
        return before != secret

    def renewed(self, refused: Response) -> bool:  # noqa: ARG002 - the port
        """Never: there is no other token."""
        return False

    def __repr__(self) -> str:
        """Without the secret, wherever it is printed."""
        return "Token(***)"
