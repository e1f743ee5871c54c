"""HubSpot's credentials: one static bearer token.

`bootstrap` makes it for the link's client. A service key, a legacy private
app and a project app with static auth all send the same header; OAuth for
several accounts is left out, since a link is one account.
"""

from collections.abc import Mapping

from syncd.providers.message import Response


class Token:
    """A token that never renews itself: a 401 is for a person, not for another try."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def headers(self) -> Mapping[str, str]:
        """The header that carries it."""
        return {"Authorization": f"Bearer {self._secret}"}

    def renewed(self, refused: Response) -> bool:  # noqa: ARG002 - the client asks every credential
        """Never: there is nothing to renew."""
        return False

    def __repr__(self) -> str:
        """Without the secret, wherever it is printed."""
        return "Token(***)"
