"""Finishes what another command died in while it renewed a token, however short this one is.

HighLevel's refresh tokens count once, and it repeats its answer for thirty seconds. So
every command that opens the store looks for such a refresh once when it begins, and
finishes it beside its work, at the latest before it ends. A daemon has a thread of its
own for that (`daemon.keeper`), and nothing here costs more than a statement.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from syncd.config import Settings
from syncd.errors import StoreError

if TYPE_CHECKING:
    from syncd.bootstrap.app import App
    from syncd.connections.tokens import Tokens

LOOKS_BACK = timedelta(seconds=38)
"""`connections.life.LOOKS_BACK`, which a verb that only reads does not import."""

LONGEST = 30.0
"""Seconds for which a command waits for it when it ends; asked to stop, it takes 4 at most."""


def rotates(settings: Settings) -> bool:
    """Whether there may be connections whose refresh tokens count once."""
    return bool(settings.apps.highlevel.client_id)


def since(now: datetime) -> datetime:
    """From when on a refresh without an answer can still be repeated."""
    return now - LOOKS_BACK


class UnfinishedRefreshes:
    """Those of one command."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Look for some, and finish them beside the command's work."""
        if self._are_there():
            tokens = self._app.oauth.tokens  # made here: both threads have the same
            self._thread = threading.Thread(
                target=self._recover, args=[tokens], name="refreshes", daemon=True
            )
            self._thread.start()

    def end(self) -> None:
        """Finish those that are still there, unless the command was asked to stop."""
        if self._thread is not None:
            self._thread.join(LONGEST)
        if self._app.stop.is_set() or not self._are_there():
            return
        with suppress(StoreError):
            self._app.oauth.tokens.settle()

    def _are_there(self) -> bool:
        if not rotates(self._app.settings):
            return False
        with suppress(StoreError):
            return bool(self._app.store.connections.unsure(since(self._app.clock.now())))
        return False

    @staticmethod
    def _recover(tokens: Tokens) -> None:
        import structlog

        log = structlog.get_logger(__name__)
        log.info("connections.unfinished", detail="a refresh was cut off, and is repeated")
        try:
            tokens.recover()
        except StoreError as error:
            log.warning("connections.not_seen", detail=str(error))
        except Exception:
            log.exception("connections.failed")
