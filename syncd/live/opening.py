"""Opens the listener of `[live]` for a configured program.

The daemon opens one where `live.listen` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from pydantic import SecretStr
from starlette.routing import BaseRoute

from syncd import config
from syncd.bootstrap import App
from syncd.config import Settings
from syncd.errors import ConfigError
from syncd.live.highlevel_events import INSTALL, HighLevelEvent
from syncd.live.intake import Intake
from syncd.live.listener import LiveServer, Proofs
from syncd.live.routing import Routes
from syncd.observability.metrics import Metrics
from syncd.observability.redaction import register_secret
from syncd.ports.announcements import Stored

log = structlog.get_logger(__name__)


class LiveListener:
    """The listener with its intake; ended by `close`."""

    def __init__(
        self,
        app: App,
        settings: Settings,
        *,
        env: Mapping[str, str],
        metrics: Metrics,
        wake: Callable[[Collection[str]], None],
        more: Sequence[BaseRoute] = (),
    ) -> None:
        """Begin to listen; `wake` is called with links for which something waits, and never waits.

        `more` are paths of others, such as the redirects of OAuth.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        assert settings.live.address is not None  # noqa: S101 - asked only where it is set
        self._app, self._env, self._metrics, self._wake = app, env, metrics, wake
        self._intake = Intake(app.store.inbox.announce, stored=self._stored)
        try:
            self._server = LiveServer(
                settings.live.address,
                proofs=proofs_of(settings, env),
                routes=Routes(
                    links=lambda: app.settings.links,
                    accounts=self._accounts,
                    locations_of=app.store.quick_connections.locations_of,
                    monotonic=app.clock.monotonic,
                ),
                intake=self._intake,
                counts=metrics,
                clock=app.clock,
                lifecycle=self._lifecycle,
                more=more,
            )
        except ConfigError:
            self._intake.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._server.address

    def ask_for(self, settings: Settings) -> None:
        """Ask for the proofs that a configuration names from now on."""
        self._server.ask_for(proofs_of(settings, self._env))

    def close(self) -> None:
        """Listen no more; what was taken is stored."""
        self._server.close()
        self._intake.close()

    def _accounts(self) -> Mapping[str, str]:
        """The account's number of each link, without its server, as far as it is known."""
        return {
            link: account.rpartition(" ")[2]
            for link, account in self._app.hubspot_accounts().items()
        }

    def _stored(self, stored: Stored) -> None:
        now = self._app.clock.now()
        for each in stored.fresh:
            delay = (now - each.occurred_at).total_seconds() if each.occurred_at else None
            self._metrics.announced(each.link, each.side.value, delay)
        if stored.links:
            self._wake(stored.links)

    def _lifecycle(self, event: HighLevelEvent) -> None:
        """Keep that the app was installed or taken away, as HighLevel signed it."""
        if event.at is None or not (event.location or event.agency):
            return
        moved = self._app.store.quick_connections
        tell = moved.installed if event.type == INSTALL else moved.uninstalled
        ours = any(
            link.ghl.token.oauth and link.ghl.location_id == event.location
            for link in self._app.settings.links.values()
        )
        tell("highlevel", location=event.location, company=event.agency, at=event.at, ours=ours)
        log.info("app.installation", kind=event.type, location=event.location)


def proofs_of(settings: Settings, env: Mapping[str, str]) -> Proofs:
    """What proves deliveries; a secret that cannot be read leaves its own path without a proof."""

    def read(secret: Callable[[], SecretStr | None]) -> SecretStr | None:
        try:
            found = secret()
        except ConfigError as error:
            log.error("live.secret_missing", detail=str(error))  # noqa: TRY400 - no bug
            return None
        if found is not None:
            register_secret(found.get_secret_value())
        return found

    apps = settings.apps
    hooks = {
        name: read(lambda link=link: config.resolve_hook_secret(link, env))  # type: ignore[misc] # mypy infers no default
        for name, link in settings.links.items()
    }
    return Proofs(
        app=apps.highlevel.app_id,
        keys=apps.highlevel.webhook_key,
        hook_secrets={name: secret for name, secret in hooks.items() if secret is not None},
        hubspot=read(lambda: config.resolve_client_secret(apps, "hubspot", env)),
        public_url=settings.live.public_url,
    )
