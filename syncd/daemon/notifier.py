"""The daemon's notification thread, beside the cycles.

The daemon starts and stops it. It checks each link that this process holds
after every turn, and from time to time without one, because a hold can become
due by itself. A webhook that hangs delays only other messages; a stop does not
wait for the thread.
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

CHECK_AT_LEAST_EVERY = 60.0
"""Seconds after which a link without a turn is checked again."""

STOP_GRACE = 2.0
"""Seconds for a message in progress when the daemon stops, its command included; a message that
takes longer is sent again later."""


class NotifierThread:
    """Checks the links, one after another."""

    def __init__(self, links: Links, scheduler: Scheduler, notices: Notifier) -> None:
        self._links, self._scheduler, self._notices = links, scheduler, notices
        self._looked: dict[str, tuple[int, float]] = {}
        self._again: dict[str, datetime | None] = {}
        """When the next message of a link is due."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; a message in progress has `STOP_GRACE` left."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_GRACE)

    def round(self) -> None:
        """Check every link of this process, and send due messages."""
        for state in self._scheduler.watches():
            if self._stop.is_set():
                return
            if state.lease is None or not self._notices.is_configured(state.name):
                continue  # Its holder notifies.
            looked = self._is_due(state)
            if looked:
                store = self._links.link_store(state.name)
                self._notices.queue_events(self._status(state), store.holds)
            again = self._again.get(state.name)
            if looked or (again is not None and again <= self._links.clock.now()):
                self._again[state.name] = self._notices.deliver(state.name, self._stop)

    def _run(self) -> None:
        while not self._stop.wait(ROUND):
            try:
                self.round()
            except Exception:
                # A bug here must not stop all later messages.
                log.exception("notifier.failed")

    def _is_due(self, state: LinkState) -> bool:
        now = self._links.clock.monotonic()
        turns, at = self._looked.get(state.name, (-1, 0.0))
        if state.turns == turns and now - at < CHECK_AT_LEAST_EVERY:
            return False
        self._looked[state.name] = state.turns, now
        return True

    def _status(self, state: LinkState) -> LinkStatus:
        now = self._links.clock.now()
        since = state.good_at or state.since
        # A problem in a second cycle is not a short interruption any more.
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
