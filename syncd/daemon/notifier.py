"""The daemon's messenger: a thread that tells people of trouble, beside the cycles.

The daemon starts and stops it. It looks at each link that this process holds
once after every turn, and now and then without one, since a record grows old
by itself. A webhook that hangs delays other messages and nothing else: the
thread is not waited for at the end.
"""

from __future__ import annotations

import threading
from datetime import datetime

import structlog

from syncd.notifications import LinkStatus, Notifier
from syncd.scheduler import Links, Scheduler
from syncd.scheduler.link_state import LinkState

log = structlog.get_logger(__name__)

ROUND = 2.0
"""Seconds between two rounds."""

LOOKED_AT_LEAST_EVERY = 60.0
"""Seconds after which a link without a turn is looked at again."""

GOODBYE = 2.0
"""Seconds for a message that is on its way when the daemon ends, and for the end of a command that
takes one; it is sent again otherwise."""


class NotifierThread:
    """Goes round the links."""

    def __init__(self, links: Links, scheduler: Scheduler, notices: Notifier) -> None:
        self._links, self._scheduler, self._notices = links, scheduler, notices
        self._looked: dict[str, tuple[int, float]] = {}
        self._again: dict[str, datetime | None] = {}
        """When what is left of a link's messages is due."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begin to go round."""
        self._thread.start()

    def stop(self) -> None:
        """Go no further; what is on its way has a moment left."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(GOODBYE)

    def round(self) -> None:
        """Look at every link that is ours, and send what is due."""
        for state in self._scheduler.watches():
            if self._stop.is_set():
                return
            if state.lease is None or not self._notices.wanted(state.name):
                continue  # Its holder tells.
            looked = self._is_due(state)
            if looked:
                store = self._links.link_store(state.name)
                self._notices.look(self._standing(state), store.holds)
            again = self._again.get(state.name)
            if looked or (again is not None and again <= self._links.clock.now()):
                self._again[state.name] = self._notices.deliver(state.name, self._stop)

    def _run(self) -> None:
        while not self._stop.wait(ROUND):
            try:
                self.round()
            except Exception:
                # A bug in here must not silence every message to come.
                log.exception("notices.failed")

    def _is_due(self, state: LinkState) -> bool:
        now = self._links.clock.monotonic()
        turns, at = self._looked.get(state.name, (-1, 0.0))
        if state.turns == turns and now - at < LOOKED_AT_LEAST_EVERY:
            return False
        self._looked[state.name] = state.turns, now
        return True

    def _standing(self, state: LinkState) -> LinkStatus:
        now = self._links.clock.now()
        since = state.good_at or state.since
        # Trouble that lasts beyond its second cycle is no hiccup any more.
        lasting = state.failures > 1 or (
            since is not None and (now - since).total_seconds() > 2 * state.poll
        )
        return LinkStatus(
            link=state.name,
            state=state.state,
            detail=state.detail,
            since=state.since,
            guards=state.guards,
            lasting=lasting,
        )
