"""The table `notify`: who is notified, of the whole and of each link."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.config import values
from syncd.config.references import NotifyUrl, WebhookReference
from syncd.config.section import Section
from syncd.config.values import Duration, duration


class NotifySettings(Section):
    """Who is notified when a link or a record needs a person; a link may have its own."""

    webhook: WebhookReference = WebhookReference()
    """Where a JSON message is posted to when a link breaks, recovers or trips a guard, or when
    a record waits too long: an address, { env = "…" }, { file = "…" } or { credential = "…" }.
    "" posts none.
    """
    command: values.CommandLine = ()
    """A program that is given the same message on its standard input:
    ["/usr/local/bin/page", "--urgent"]
    """
    urls: values.OneOrMore[NotifyUrl] = ()
    """Where the same message goes by mail, Slack, Teams, ntfy and many more: addresses of
    Apprise, each as a text or where it is kept: ["ntfys://topic", { env = "OPS_MAIL" }]
    They need the extra: pip install 'syncd[notify]'
    """
    held_longer_than: Duration = duration("24h")
    """How long a record may be held before people are notified."""
    starts_within: Duration = duration("24h")
    """People are notified at once of a held appointment that starts within this time."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The ways that messages take, by their names."""
        return (*self.addresses, *(["command"] if self.command else []))

    @property
    def addresses(self) -> Mapping[str, WebhookReference]:
        """The channels that have an address; one of `urls` is called by its place."""
        found: dict[str, WebhookReference] = {"webhook": self.webhook} if self.webhook.given else {}
        for number, url in enumerate(self.urls):
            place = f"urls[{number}]" if url.url is not None else ":".join(url.place)
            found[place] = url
        return found
