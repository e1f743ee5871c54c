"""Makes the reader of HubSpot's journal of a configured app.

The daemon opens one where `apps.hubspot.journal` is on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from syncd import config
from syncd.bootstrap import App
from syncd.config import Settings, object_kind
from syncd.errors import ConfigError
from syncd.live.announced_properties import announced_properties
from syncd.live.journal_client import JournalClient
from syncd.live.journal_events import Installation
from syncd.live.journal_keeper import SubscriptionKeeper
from syncd.live.journal_reader import JournalReader
from syncd.live.journal_subscriptions import Heard
from syncd.observability.redaction import register_secret

log = structlog.get_logger(__name__)

_LONGEST_NUMBER = 19


def open_reader(
    app: App,
    settings: Settings,
    env: Mapping[str, str],
    wake: Callable[[Collection[str]], None],
) -> JournalReader:
    """The reader, not started yet.

    Raises:
        ConfigError: the client id or the client secret is missing.
    """
    apps = settings.apps
    given = apps.hubspot

    def secret() -> str:
        """The secret as it is now: a file may have been replaced."""
        found = config.resolve_client_secret(apps, "hubspot", env)
        shown = found.get_secret_value() if found else ""
        register_secret(shown)
        return shown

    if not given.client_id or not secret():
        raise ConfigError(
            [
                (
                    "apps.hubspot.journal: the journal is read with the client id and secret of "
                    "your app: set apps.hubspot.client_id and apps.hubspot.client_secret"
                )
            ]
        )
    client = JournalClient(
        base_url=given.base_url,
        client_id=given.client_id,
        secret=secret,
        clock=app.clock,
    )
    key, store = given.journal_key, app.store.journal

    def interval() -> float:
        return app.settings.live.journal_interval.total_seconds()

    def installed(life: Installation) -> None:
        moved = app.store.connections
        tell = moved.installed if life.installed else moved.uninstalled
        tell("hubspot", location=life.account, company="", at=life.at)
        log.info("journal.installation", account=life.account, installed=life.installed)

    return JournalReader(
        app=key,
        client=client,
        store=store,
        keeper=SubscriptionKeeper(
            app=key, client=client, store=store, clock=app.clock, kept=store.accounts
        ),
        clock=app.clock,
        interval=interval,
        links=lambda: links_of(app),
        wake=wake,
        installed=installed,
    )


def links_of(app: App) -> Mapping[int, Sequence[Heard]]:
    """The links of each account whose number is known.

    Raises:
        StoreError: our own store failed.
    """
    found: dict[int, list[Heard]] = {}
    for name, account in app.hubspot_accounts().items():
        link = app.settings.links.get(name)
        number = account.rpartition(" ")[2]
        if link is None or not (number.isascii() and number.isdigit()):
            continue
        if len(number) > _LONGEST_NUMBER:  # a token's digest
            continue
        heard = Heard(
            name=name,
            object_type=object_kind(link.hubspot.object_type),
            properties=announced_properties([link]),
        )
        found.setdefault(int(number), []).append(heard)
    return found
