"""What the status server shows of a running daemon: asked anew for every request."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import syncd
from syncd.daemon.desk import Desk
from syncd.daemon.people import People
from syncd.errors import StoreError
from syncd.observability.health import STATES, LinkHealth, Trust, examine, trust
from syncd.observability.metrics import LinkNow, Metrics
from syncd.observability.page import HISTORY, MANY, Days, Look, Press
from syncd.scheduler import Links, Scheduler

AGE = 60.0
"""Seconds after which the figures of verified pairs are read again for a scrape."""

AT_ONCE = 20
"""Of so many links in one scrape."""


class DaemonStatus:
    """The daemon's own view of itself."""

    version = syncd.__version__

    def __init__(
        self,
        links: Links,
        scheduler: Scheduler,
        metrics: Metrics,
        people: People | None = None,
    ) -> None:
        self._links, self._scheduler, self._metrics = links, scheduler, metrics
        self._people = people
        self._desk = Desk(links)
        self.closed = "the daemon is starting"
        """Why no work is done now; "" from the moment when the daemon is ready to its end."""
        self.notice = ""
        """What people should know that is no trouble of a link."""
        self._trust: dict[str, Trust] = {}
        self._read_at: dict[str, float] = {}
        """When that was read of each link (monotonic)."""
        metrics.watch(self._now)

    def unhealthy_reason(self) -> str:
        """Why the process should be started again; a daemon that starts or ends is sound."""
        return "" if self.closed else self._scheduler.unhealthy_reason()

    def not_ready(self) -> str:
        """Why no work is done now."""
        return self.closed

    def look(
        self, *, personal: bool, link: str = "", decides: bool = False, detail: bool = False
    ) -> Look:
        """Every link as it is now, or one.

        Where there are many, they are a table: only a link of its own page has its details.

        Raises:
            StoreError: our own store failed.
        """
        watched = [state.name for state in self._scheduler.watches()]
        names = [name for name in watched if link in {"", name}]
        whole = detail and len(names) < MANY
        links = self.links(names, history=HISTORY if whole else 0)
        return Look(
            at=self._links.clock.now(),
            version=self.version,
            links=links,
            link=link,
            known=len(watched),
            personal=personal,
            unhealthy_reason=self.unhealthy_reason(),
            notice=self.notice,
            offers={each.name: self._desk.offers(each.name, paused=each.paused) for each in links}
            if whole and decides
            else {},
            days={name: self._days(name) for name in names} if whole else {},
            names=self._people.names(links) if whole and personal and self._people else {},
            places=self._people.places(links) if whole and self._people else {},
        )

    def _days(self, name: str) -> Days:
        store, now = self._links.quick_view(name), self._links.clock.now()
        return Days(
            events=store.events(now - timedelta(days=8)),
            trouble=store.trouble(now - timedelta(days=1)),
        )

    def decide(self, press: Press) -> None:
        """Write down what a person decided on the page.

        Raises:
            NotDecided: nothing was done, and why.
            StoreError: our own store failed.
        """
        self._desk.decide(press)

    def links(self, names: Collection[str] | None = None, *, history: int = 0) -> list[LinkHealth]:
        """The health of links, by the scheduler's own word where it works on them."""
        now = self._links.clock.now()
        ours = self._scheduler.notes()
        watched = [
            state for state in self._scheduler.watches() if names is None or state.name in names
        ]
        whole = self._links.overview(STATES) if len(watched) >= MANY else {}
        return [
            examine(
                state.name,
                whole.get(state.name) or self._links.quick_view(state.name),
                now,
                # Of links that others work on, what they noted counts.
                heartbeat=ours[state.name] if state.shared else None,
                history=history,
            )
            for state in watched
        ]

    def metrics(self) -> bytes:
        """The numbers in Prometheus' format."""
        return self._metrics.text()

    def _now(self) -> Iterable[LinkNow]:
        now, monotonic = self._links.clock.now(), self._links.clock.monotonic()
        self._read_trust(now, monotonic)
        for state in self._scheduler.watches():
            if not state.shared:
                continue  # Whoever works on it counts it.
            trust, oldest = self._trust.get(state.name), None
            if trust is not None and trust.verified.oldest is not None:
                oldest = (now - trust.verified.oldest).total_seconds()
            yield LinkNow(
                link=state.name,
                verified=trust.verified.count if trust else None,
                oldest_seconds=oldest,
                unexplained=trust.unexplained if trust else None,
                state=state.state,
                good_seconds=state.lag(now, monotonic),
                poll_seconds=state.poll,
                traffic={side.value: wire for side, wire in state.traffic().items()},
                hearing=state.hearing,
            )

    def _read_trust(self, now: datetime, monotonic: float) -> None:
        """Read of a few links at a time how many pairs are verified: that changes slowly."""
        ours = [state.name for state in self._scheduler.watches() if state.shared]
        due = [name for name in ours if monotonic - self._read_at.get(name, -AGE) >= AGE]
        self._trust = {name: self._trust[name] for name in ours if name in self._trust}
        for name in sorted(due, key=lambda each: self._read_at.get(each, 0.0))[:AT_ONCE]:
            try:
                self._trust[name] = trust(self._links.quick_view(name), now)
            except StoreError:
                return  # The states say so.
            self._read_at[name] = monotonic
