"""The tables `live` and `apps`: your own apps at the vendors, and what these send to the daemon.

The apps make the tokens of `syncd connect`, and verify the vendors' deliveries.
"""

from __future__ import annotations

from typing import ClassVar

from syncd.config import addresses, values
from syncd.config.references import SecretReference
from syncd.config.section import Section
from syncd.config.values import PositiveDuration, duration


class LiveSettings(Section):
    """Announcements of the vendors: a change is on the other side within seconds."""

    listen: addresses.Listen = ""
    """Where the daemon takes the vendors' deliveries and the redirects of OAuth, such as
    "127.0.0.1:8788", behind a proxy that ends TLS; "" takes none.
    """
    public_url: addresses.PublicUrl = ""
    """The address at which the vendors reach it: "https://sync.example.com".
    HubSpot signs it: without it no delivery of HubSpot is taken.
    """
    relaxed_poll_interval: PositiveDuration = duration("5m")
    """The poll interval of a link both of whose sides announce their changes."""
    journal_interval: PositiveDuration = duration("5s")
    """How often HubSpot's journal is read."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or None where nothing listens."""
        return addresses.host_and_port(self.listen) if self.listen else None


class HighLevelApp(Section):
    """Your own Marketplace app of HighLevel, target user Sub-account."""

    client_id: values.OptionalId = ""
    """The client id, as the app's page shows it: the app's id, a dash and a suffix."""
    client_secret: SecretReference = SecretReference(env="GHL_CLIENT_SECRET")
    """Where the client secret is kept:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
    """
    webhook_key: values.OneOrMore[values.Ed25519Key] = (
        "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=",
    )
    """HighLevel's public key, which verifies deliveries; of a list, any of them does."""
    base_url: addresses.ServiceUrl = "https://services.leadconnectorhq.com"
    """Where tokens are made; another one only for tests."""
    authorize_url: addresses.ServiceUrl = (
        "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
    )
    """Where a person installs the app."""
    version_id: values.OptionalId = ""
    """Sent along to authorize_url, where the link that HighLevel shows has one."""

    @property
    def app_id(self) -> str:
        """The id of the app, which deliveries name; "" where there is no app."""
        # Observed on 2026-08-20: a client id is the app's id, a dash and eight characters.
        return self.client_id.partition("-")[0]


class HubSpotApp(Section):
    """Your own project app of HubSpot."""

    client_id: values.OptionalId = ""
    """The client id, from the Auth tab of the app."""
    client_secret: SecretReference = SecretReference(env="HUBSPOT_CLIENT_SECRET")
    """Where the client secret is kept, which verifies deliveries as well:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
    """
    base_url: addresses.ServiceUrl = "https://api.hubapi.com"
    """Where tokens are made and the journal is read; another one only for tests."""
    authorize_url: addresses.ServiceUrl = "https://app.hubspot.com/oauth/authorize"
    """Where a person installs the app."""
    scopes: values.Ids = ()
    """What the app asks for; empty means the list that syncd needs.
    HubSpot installs only what equals the list of the app itself.
    """
    journal: bool = False
    """Whether to read the Webhooks Journal of the app, which only OAuth apps have."""

    @property
    def journal_key(self) -> str:
        """What the store knows the app by: the server and the client id."""
        return f"{addresses.server_of(self.base_url)} {self.client_id}"


class AppsSettings(Section):
    """Your own apps at the vendors: they announce changes, and connect accounts."""

    groups: ClassVar[bool] = True

    highlevel: HighLevelApp = HighLevelApp()
    """The app at HighLevel."""
    hubspot: HubSpotApp = HubSpotApp()
    """The app at HubSpot."""
