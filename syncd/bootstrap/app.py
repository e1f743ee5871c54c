"""The configured program: its store, its links, and one cycle of each.

Made by `open_app`. The verbs ask it for single cycles (`cycle`), the daemon
for links that it keeps, with their lease, between cycles (`lock`,
`open_link`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Self

import structlog

from syncd.bootstrap.accounts import Accounts
from syncd.bootstrap.clock import SystemClock
from syncd.bootstrap.rules import rules_of
from syncd.config import LinkSettings, Settings
from syncd.core.model import Side
from syncd.engine import cycle
from syncd.engine.closing import outcome_of
from syncd.engine.cycle import CycleRequest
from syncd.engine.link import Link
from syncd.engine.report import CycleReport, Outcome
from syncd.errors import ConfigError, LinkLocked, NotPrepared, ProviderError, StoreError
from syncd.notices import Notices, Standing
from syncd.observability import traffic
from syncd.observability.state import State
from syncd.ports.clock import Clock
from syncd.ports.store import LinkStore
from syncd.providers import limits
from syncd.providers.http import Client
from syncd.store import Lease, Store, migrate, open_engine

log = structlog.get_logger(__name__)

PAUSED = "paused"
"""The cursor that says that a person took a link out of service."""


def open_app(
    settings: Settings,
    *,
    make_store: bool = False,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    env: Mapping[str, str] | None = None,
) -> App:
    """Open the store and get everything ready; no vendor is asked yet.

    Raises:
        StoreError: the store is missing, too new, corrupt or cannot be reached.
    """
    stop = stop or threading.Event()
    clock = clock or SystemClock(stop)
    engine = open_engine(settings.store.url)
    try:
        migrate.check(engine, may_create=make_store)
    except BaseException:
        engine.dispose()
        raise
    return App(settings, Store(engine, clock), clock, stop, os.environ if env is None else env)


class KeptLink:
    """A link that stays open, with its providers and their memory, between cycles."""

    def __init__(
        self, link: Link, wires: Mapping[Side, tuple[Client, limits.Budget]], stack: ExitStack
    ) -> None:
        self.link = link
        self._wires, self._stack = wires, stack

    def cycle(self, request: CycleRequest) -> CycleReport:
        """Run one cycle; what a vendor did, or a lost lease, is in the report.

        Raises:
            StoreError: our own store failed.
        """
        try:
            return cycle.run(self.link, request)
        finally:
            for _, budget in self._wires.values():
                budget.close()

    def traffic(self) -> Mapping[Side, traffic.Traffic]:
        """What went over the wire so far; safe to ask from another thread."""
        return {
            side: traffic.Traffic(budget=_seen(budget), answers=_answers(client))
            for side, (client, budget) in self._wires.items()
        }

    def close(self) -> None:
        """Give back connections; the lease stays."""
        self._stack.close()


class App:
    """The configured program."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        stop: threading.Event,
        env: Mapping[str, str],
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.stop = stop
        self.notices = Notices(
            outbox=store.outbox, clock=clock, env=env, links=lambda: self.settings.links
        )
        """Who tells people of trouble; asked beside the cycles, never in them."""
        self._accounts = Accounts(clock=clock, env=env, ledger=store.ledger)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the store's connections."""
        self.store.close()

    def link_names(self) -> list[str]:
        """The configured links, in the order of the file."""
        return list(self.settings.links)

    def link_store(self, name: str) -> LinkStore:
        """The store as one link sees it; needs no credentials."""
        return self.store.link(name)

    def paused(self, name: str) -> bool:
        """Whether a person took the link out of service."""
        return bool(self.store.link(name).cursor(PAUSED))

    def prune(self, name: str, before: datetime) -> int:
        """Delete a link's history from before an instant; gives how many rows went."""
        return self.store.prune(name, before)

    def adopt(self, settings: Settings) -> None:
        """Go on with another configuration; links that are open keep what they have."""
        self.settings = settings

    # --- one cycle, for the verbs

    def cycles(self, names: Iterable[str], request: CycleRequest) -> dict[str, CycleReport]:
        """One cycle of each link, one after another; one link's failure stops no other's."""
        return {name: self.cycle(name, request) for name in names}

    def cycle(self, name: str, request: CycleRequest, *, verb: str = "--sync-now") -> CycleReport:
        """One cycle of a link, under its lock unless it is a dry run; never raises for a link.

        `verb` is what another syncd is told about who holds the link.
        """
        return _reported(name, lambda: self._cycle(name, request, verb))

    def _cycle(self, name: str, request: CycleRequest, verb: str) -> CycleReport:
        with ExitStack() as stack:
            # The configuration is judged before the lock is asked for: a missing token is
            # said whoever holds the link.
            kept = self._open(name)
            stack.callback(kept.close)
            if not request.dry_run:
                lease = stack.enter_context(self.store.acquire(name, verb, wait=True))
                kept.link = self._leased(kept.link, name, lease)
            return kept.cycle(request)

    def tell(self, report: CycleReport) -> None:
        """Tell people what a cycle of a verb came to, where it is news; never raises.

        What is not taken now waits in the store for the next command.
        """
        name = report.link
        if report.stopped:
            return  # Whoever asked for it knows.
        standing = Standing(
            link=name,
            state=State.of(report.outcome.value),
            detail=report.detail,
            since=report.started_at,
        )
        self.notices.look(standing, self.store.link(name).holds)
        self.notices.deliver(name, self.stop)

    def setup(self, name: str) -> list[tuple[str, bool]]:
        """Make what HubSpot needs; gives what it is, and whether it was made just now.

        Raises:
            ConfigError: a token is missing.
            NotPrepared: something that a person has to do first.
            ProviderError: HubSpot refuses or cannot be reached.
        """
        link = self.settings.links[name]
        hubspot, _ = self._accounts.hubspot(link)
        try:
            return hubspot.setup(tuple(dict.fromkeys(link.status.to_hubspot.values())))
        finally:
            hubspot.close()
            self._accounts.rest()

    # --- kept links, for the daemon

    def lock(self, name: str) -> Lease:
        """Take a link for this process.

        Raises:
            LinkLocked: another syncd holds it.
            StoreError: our own store failed.
        """
        return self.store.acquire(name, "run")

    def open_link(self, name: str, lease: Lease) -> KeptLink:
        """Get a link ready; no vendor is asked yet.

        Raises:
            ConfigError: a token is missing.
        """
        kept = self._open(name)
        kept.link = self._leased(kept.link, name, lease)
        return kept

    def _open(self, name: str) -> KeptLink:
        settings = self.settings.links[name]
        with ExitStack() as opened:
            ghl, ghl_client = self._accounts.ghl(settings)
            opened.callback(ghl.close)
            hubspot, hubspot_client = self._accounts.hubspot(settings, lambda: ghl.country)
            opened.callback(hubspot.close)
            stack = opened.pop_all()  # `KeptLink.close` gives it all back
        link = Link(
            name=name,
            ghl=ghl,
            hubspot=hubspot,
            store=self.store.link(name),
            clock=self.clock,
            rules=rules_of(settings),
            stopping=self.stop.is_set,
        )
        wires = {
            Side.GHL: (ghl_client, self._budget(Side.GHL, settings)),
            Side.HUBSPOT: (hubspot_client, self._budget(Side.HUBSPOT, settings)),
        }
        return KeptLink(link, wires, stack)

    def _leased(self, link: Link, name: str, lease: Lease) -> Link:
        """The link, fenced: it writes only while the lease is ours."""
        return replace(link, store=self.store.link(name, lease), check_held=lease.check)

    def _budget(self, side: Side, settings: LinkSettings) -> limits.Budget:
        return self._accounts.budget_of(side, settings)


def _reported(name: str, work: Callable[[], CycleReport]) -> CycleReport:
    """The report of a cycle that could not even begin, in place of its error."""
    try:
        return work()
    except LinkLocked as error:
        return CycleReport(link=name, outcome=Outcome.LOCKED, detail=str(error))
    except (ConfigError, NotPrepared) as error:
        return CycleReport(link=name, outcome=Outcome.NOT_PREPARED, detail=str(error))
    except ProviderError as error:
        return CycleReport(link=name, outcome=outcome_of(error), detail=str(error))
    except StoreError as error:
        log.exception("store.failed", link=name)
        return CycleReport(link=name, outcome=Outcome.FAULT, detail=str(error))
    except Exception as error:
        log.exception("cycle.failed", link=name)
        detail = f"unexpected fault: {type(error).__name__}; the log has the traceback"
        return CycleReport(link=name, outcome=Outcome.FAULT, detail=detail)


def _seen(budget: limits.Budget) -> traffic.Budget:
    view = budget.view()
    return traffic.Budget(
        used=view.used,
        limit=view.limit.requests,
        seconds=view.limit.seconds,
        daily_left=view.daily_left,
        daily=view.daily,
        silent_seconds=view.silent_seconds,
        throttled_seconds=view.throttled_seconds,
        refusals=view.refusals,
        spent_until=view.spent_until,
    )


def _answers(client: Client) -> dict[str, int]:
    return {str(status) if status else "none": count for status, count in client.answers.items()}
