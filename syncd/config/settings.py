"""The configuration as values: every key, its meaning, its default.

A key is defined once, in the table that it stands in: `load` fills these
models, the rest of syncd reads them, and the example file, `config show` and
the error messages are generated from them: a new key is a new line in its
table. The text under a key is its documentation; it must make sense to a
person who reads the example file (`describe` reads it from the source when it
is asked for, because pydantic's own way costs every start 60 ms).

Here are the whole and its small tables; the others have a module each
(`link_settings` with `vendor_settings` and `sync_settings`, `app_settings`,
`notify_settings`). Defaults that depend on a machine, and where values come
from, live in `sources`; what several links may not do together in `overlaps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
)

from syncd.config import addresses, values
from syncd.config.app_settings import AppsSettings, LiveSettings
from syncd.config.link_settings import LinkSettings
from syncd.config.notify_settings import NotifySettings
from syncd.config.references import KeyReference, SecretReference
from syncd.config.section import Section
from syncd.config.values import Accepts, PositiveDuration, duration


def _some_key(keys: tuple[KeyReference, ...]) -> tuple[KeyReference, ...]:
    if not keys:
        raise ValueError("an empty list names no key")
    return keys


class StoreSettings(Section):
    """Where syncd keeps what the two sides agreed on."""

    url: Annotated[addresses.StoreUrl, Field(repr=False)] = "sqlite:///syncd.db"
    """A SQLite file, relative to this file, or a PostgreSQL database:
    postgresql+psycopg://user@host/dbname
    """
    secret_key: Annotated[
        values.OneOrMore[KeyReference],
        AfterValidator(_some_key),
        Accepts(
            words='where the key is kept: { file = "syncd.key" }, { env = "NAME" } or '
            '{ credential = "name" }, or a list of them'
        ),
    ] = (KeyReference(file="syncd.key"),)
    """Where the key is kept that encrypts OAuth tokens in the store: one Fernet key on one line.
    `syncd connect` makes the file. A list: the first encrypts, the others still decrypt.
    """

    @property
    def is_embedded(self) -> bool:
        """Whether it is a file of this machine, which one daemon works on."""
        return self.url.startswith("sqlite")

    @property
    def file(self) -> Path | None:
        """The SQLite file, where it is one."""
        name = self.url.split("?", 1)[0].partition(":///")[2]
        return Path(name) if self.is_embedded else None


class ScheduleSettings(Section):
    """When the daemon works."""

    poll_interval: PositiveDuration = duration("60s")
    """The incremental cycle of a link; any length longer than nothing.
    Stretched so that polls use at most half of a vendor's daily quota.
    """
    sweep_interval: PositiveDuration = duration("6h")
    """The full cycle: re-reads everything in the window and every pair that is not retired."""


class HttpSettings(Section):
    """The daemon's own listener."""

    listen: addresses.Listen = "127.0.0.1:8787"
    """Health, metrics and status page of the daemon; "" turns it off."""
    token: SecretReference = SecretReference()
    """Where the token is kept that clients must send, as a bearer token or a browser's password:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd); "" is none.
    Who sends it may also decide on the page.
    Where others than this machine can ask, and there is no read_token, it is needed:
    then it is looked for in $STATUS_TOKEN unless another place is named.
    """
    read_token: SecretReference = SecretReference()
    """Where a second token is kept, for monitoring: it shows `/`, `/healthz` and `/metrics`
    without the names of people, and decides nothing.
    """
    public_url: addresses.PageUrl = ""
    """The address at which a proxy serves the page, such as "https://syncd.example.com":
    decisions are taken from there, too.
    """

    @property
    def asks_for_token(self) -> bool:
        """Whether requests need a token."""
        if self.address is None:
            return False
        given = self.token.given or self.read_token.given
        return given or not addresses.is_loopback(self.address[0])

    @property
    def token_place(self) -> SecretReference | None:
        """Where the token is kept that decides; None where there is none."""
        if self.token.given:
            return self.token
        if self.read_token.given or not self.asks_for_token:
            return None
        return SecretReference(env="STATUS_TOKEN")

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or None where nothing listens."""
        return addresses.host_and_port(self.listen) if self.listen else None


class LoggingSettings(Section):
    """What is logged, and how it looks."""

    format: Literal["auto", "console", "json"] = "auto"
    """auto (console on a terminal, json otherwise) | console | json."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are still written: debug | info | warning | error."""


class FleetSettings(Section):
    """Many machines on one PostgreSQL database."""

    engine: Literal["none", "procrastinate"] = "none"
    """procrastinate (the extra syncd[fleet]) deals the links out evenly to all processes.
    With none each link is worked by the oldest living process that knows it.
    """


class Settings(Section):
    """The whole configuration, after includes, defaults and environment."""

    _files: tuple[Path, ...] = PrivateAttr(default=())
    _foreign: tuple[str, ...] = PrivateAttr(default=())

    store: StoreSettings = StoreSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    http: HttpSettings = HttpSettings()
    logging: LoggingSettings = LoggingSettings()
    live: LiveSettings = LiveSettings()
    apps: AppsSettings = AppsSettings()
    notify: NotifySettings = NotifySettings()
    fleet: FleetSettings = FleetSettings()
    links: Annotated[
        Mapping[values.LinkName, LinkSettings],
        Accepts(words="tables [links.NAME], NAME being made of a-z, 0-9 and _"),
    ] = {}

    def model_post_init(self, context: object, /) -> None:
        """Tell each link its name."""
        del context
        for name, link in self.links.items():
            link._name = name  # noqa: SLF001 - the name is the key of the table that holds the link

    def logged_at(self, level: str) -> Self:
        """The same with another log level; "" leaves it as it is."""
        if not level:
            return self
        logging = self.logging.model_copy(update={"level": level})
        return self.model_copy(update={"logging": logging})

    @property
    def path(self) -> Path | None:
        """The main file, where the configuration came from one."""
        return next(iter(self._files), None)

    @property
    def foreign(self) -> tuple[str, ...]:
        """Variables of the environment with the prefix SYNCD_ that resemble no key."""
        return self._foreign

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it came from, the main one first."""
        return self._files
