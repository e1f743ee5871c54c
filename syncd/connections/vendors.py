"""The two vendors as OAuth knows them, and the user's own apps there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlencode

from syncd import config
from syncd.config import Settings
from syncd.core.model import Side
from syncd.errors import ConfigError


class Vendor(StrEnum):
    """A vendor, by the word that `syncd connect` takes."""

    HIGHLEVEL = "highlevel"
    HUBSPOT = "hubspot"

    @property
    def side(self) -> Side:
        """Its side of a link."""
        return Side.GHL if self is Vendor.HIGHLEVEL else Side.HUBSPOT

    @property
    def label(self) -> str:
        """Its name."""
        return self.side.label


class Kind(StrEnum):
    """What a connection is for."""

    LOCATION = "location"
    AGENCY = "agency"
    ACCOUNT = "account"
    MINTED = "minted"
    """A location's token, made from its agency's: never shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The user's app at a vendor."""

    vendor: Vendor
    client_id: str
    secret: Callable[[], str]
    """Reads the client secret; raises ConfigError where it is missing."""
    base_url: str
    authorize_url: str
    scopes: tuple[str, ...]
    version_id: str = ""

    @property
    def id(self) -> str:
        """What stays the same when another client key of the app is used."""
        # Observed on 2026-08-20: a client id is the app's id, a dash and eight characters.
        return (
            self.client_id.partition("-")[0]
            if self.vendor is Vendor.HIGHLEVEL
            else (self.client_id)
        )

    def consent_address(self, redirect_uri: str, state: str, challenge: str) -> str:
        """Where a person installs the app; spaces as %20, as HubSpot's guide wants them."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.scopes),
            "state": state,
        }
        if self.version_id:
            asked["version_id"] = self.version_id
        if challenge:
            asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        mark = "&" if "?" in self.authorize_url else "?"
        return f"{self.authorize_url}{mark}{urlencode(asked, quote_via=quote)}"

    @property
    def token_address(self) -> str:
        """Where tokens are made."""
        if self.vendor is Vendor.HIGHLEVEL:
            return f"{self.base_url}/oauth/token"
        # GA since 2026-09-08; takes refresh tokens of older versions, too (observed 2026-09-16).
        return f"{self.base_url}/oauth/2026-09/token"


def app_of(settings: Settings, vendor: Vendor, env: Mapping[str, str] | None = None) -> App:
    """The user's app at a vendor.

    Raises:
        ConfigError: it has no client id.
    """
    given = settings.apps.highlevel if vendor is Vendor.HIGHLEVEL else settings.apps.hubspot
    if not given.client_id:
        problem = (
            f"apps.{vendor}.client_id: missing; create an app of your own at {vendor.label} "
            f"and put its client id and client secret under [apps.{vendor}]"
        )
        raise ConfigError([problem])

    def secret() -> str:
        found = config.resolve_client_secret(settings.apps, vendor.value, env)
        if found is None:
            raise ConfigError(
                [f"apps.{vendor}.client_secret: missing; name the place where it is kept"]
            )
        return found.get_secret_value()

    if vendor is Vendor.HIGHLEVEL:
        from syncd.providers.ghl import scopes as theirs

        scopes: tuple[str, ...] = theirs.APP_SCOPES
        version_id = settings.apps.highlevel.version_id
    else:
        from syncd.providers.hubspot import scopes as needed

        scopes, version_id = settings.apps.hubspot.scopes or needed.APP_SCOPES, ""
    return App(
        vendor=vendor,
        client_id=given.client_id,
        secret=secret,
        base_url=given.base_url.rstrip("/"),
        authorize_url=given.authorize_url,
        scopes=scopes,
        version_id=version_id,
    )
