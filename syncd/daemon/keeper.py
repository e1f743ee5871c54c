"""Finishes the refreshes in which another process, or the daemon before this one, died.

HighLevel repeats its answer to a refresh token for thirty seconds only, which is less
than a poll may be away. A daemon without connections has no such thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from syncd.config import Settings
from syncd.errors import StoreError

if TYPE_CHECKING:
    from syncd.bootstrap import App

log = structlog.get_logger(__name__)

LOOKED_EVERY = 3.0
"""Seconds between looks: two more tries fit into what is left of the thirty."""


class ConnectionKeeper:
    """The thread; it ends when the process is asked to stop."""

    def __init__(self, app: App, stop: threading.Event) -> None:
        self._app, self._stop = app, stop
        self._thread: threading.Thread | None = None

    def start(self, settings: Settings) -> Settings:
        """Begin, where a link of this configuration uses a connection; gives it back."""
        uses = any(
            link.ghl.token.oauth or link.hubspot.token.oauth for link in settings.links.values()
        )
        if uses and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="connections", daemon=True)
            self._thread.start()
        return settings

    def _run(self) -> None:
        while True:
            try:
                self._app.oauth.tokens.recover()
            except StoreError as error:
                log.warning("connections.not_seen", detail=str(error))
            except Exception:
                log.exception("connections.failed")
            if self._stop.wait(LOOKED_EVERY):
                return
