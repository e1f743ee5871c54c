"""Opens links for cycles: combines providers, rules and store, with or without a lease.

`App` makes one before the first cycle: this module imports the providers and the
engine, which a verb that only reads the store never needs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

import structlog

from syncd.bootstrap.account_identities import Identities
from syncd.bootstrap.providers import ProviderFactory
from syncd.bootstrap.rules import rules_of
from syncd.config import LinkSettings, Settings
from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.engine.link import Link
from syncd.engine.report import CycleReport
from syncd.errors import (
    AccountUnknown,
    LinkLocked,
    StoreError,
    StoreFault,
    SyncdError,
    ended_by,
)
from syncd.observability import traffic
from syncd.ports.clock import Clock
from syncd.ports.store import LinkStore
from syncd.providers import rate_budget
from syncd.providers.http import Client
from syncd.store import Lease, Store

if TYPE_CHECKING:
    from syncd.bootstrap.oauth import OAuth
    from syncd.engine.audit.report import AuditReport
    from syncd.recording.record import Recorded

log = structlog.get_logger(__name__)

_NOT_BEGUN = frozenset({Outcome.NOT_PREPARED, Outcome.REFUSED})
"""Ends of a cycle that could not begin which only a person can change."""

AUDIT_SHARE = 0.1
"""The part of a rate limit that an audit uses however busy the cycles are: so it ends."""


class LinkOpener:
    """A link that stays open, with its providers and their memory, between cycles."""

    def __init__(
        self,
        link: Link,
        wires: Mapping[Side, tuple[Client, rate_budget.Budget]],
        stack: ExitStack,
        identify: Callable[[Client], rate_budget.Budget],
        learn: Callable[[], None],
    ) -> None:
        self.link = link
        self._wires, self._stack = dict(wires), stack
        self._identify, self._learn = identify, learn

    def cycle(self, request: CycleRequest) -> CycleReport:
        """Run one cycle; a vendor's error, or a lost lease, is in the report.

        Raises:
            StoreError: our own store failed.
            ConfigError: another link shares the account, and their filters overlap.
            NotPrepared: the token belongs to another account than `hub_id`.
            AccountUnknown: another link may share it.
            ProviderError: and HubSpot does not answer at all.
        """
        try:
            self._identify_account()
            report = cycle.run(self.link, request)
            self._learn()
            return report
        finally:
            rate_budget.close_all(budget for _, budget in self._wires.values())

    def audit(self, clock: Clock) -> AuditReport:
        """Compare every pair, from what the rate budgets have to spare; raises as `cycle` does."""
        from syncd.engine.audit.audit import audit

        with self.asked(), self.spare(clock, share=AUDIT_SHARE):
            return audit(self.link)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Requests for a person's question may be sent in the block; raises as `cycle` does."""
        try:
            self._identify_account()
            yield
        finally:
            rate_budget.close_all(budget for _, budget in self._wires.values())

    def record(self, name: str) -> Recorded:
        """Record one dry cycle; raises as `cycle` does."""
        from syncd.recording.record import record

        try:
            self._identify_account()
            return record(self.link, name)
        finally:
            for _, budget in self._wires.values():
                budget.close()

    @contextmanager
    def spare(
        self, clock: Clock, take: Callable[[Side], None] = lambda _: None, *, share: float = 0.0
    ) -> Iterator[None]:
        """Send requests only while more than half of a budget is free, and as `take` lets it.

        A `share` of the budget is used even where the rest is busy.
        """
        from syncd.providers.spare import SpareBudget

        for side, (client, budget) in self._wires.items():
            client.budget = SpareBudget(side, budget, clock, take=take, share=share)
        try:
            yield
        finally:
            for client, budget in self._wires.values():
                client.budget = budget

    def _identify_account(self) -> None:
        client, _ = self._wires[Side.HUBSPOT]
        try:
            self._wires[Side.HUBSPOT] = client, self._identify(client)
        except AccountUnknown:
            self.link.hubspot.prepare()  # a worse error goes first
            raise

    def guard(
        self, store: LinkStore, check: Callable[[], None], guarded_for: Callable[[], float]
    ) -> None:
        """Have `check` asked before every request that writes, and commit to `store`.

        No such request is waited for any longer than it is `guarded_for`.
        """
        self.link = replace(self.link, store=store, check_held=check)
        for client, _ in self._wires.values():
            client.guard, client.guarded_for = check, guarded_for

    def traffic(self) -> Mapping[Side, traffic.Traffic]:
        """What went over the wire so far; safe to ask from another thread."""
        return {
            side: traffic.Traffic(budget=_seen(budget), answers=_answers(client))
            for side, (client, budget) in self._wires.items()
        }

    def close(self) -> None:
        """Give back connections; the lease stays."""
        self._stack.close()


class LinkFactory:
    """Opens links; `env` is where tokens may be, `poll` says how often links are polled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        stop: threading.Event,
        env: Mapping[str, str],
        poll: Callable[[], timedelta],
        *,
        links: Callable[[], Mapping[str, LinkSettings]],
        oauth: Callable[[], OAuth],
    ) -> None:
        self._store, self._clock, self._stop, self._poll = store, clock, stop, poll
        self._oauth = oauth
        self._accounts = ProviderFactory(
            clock=clock, env=env, ledger=store.ledger, stopping=stop.is_set, oauth=oauth
        )
        self._identities = Identities(self._accounts, store.accounts, clock, links)

    def adopt(self) -> None:
        """Another configuration is in force: rate limits may be others."""
        self._accounts.refresh_limits()

    def accounts(self) -> Mapping[str, str]:
        """The HubSpot account of every configured link, as far as it is known without asking.

        Raises:
            StoreError: our own store failed.
        """
        return self._identities.accounts()

    def await_agency(self, settings: Settings, company: str) -> None:
        """Wait for a place in an agency's rate limit, which all its locations' tokens share."""
        self._accounts.await_agency(settings.apps.highlevel.base_url, company)

    def open(self, settings: LinkSettings, lease: Lease | None = None) -> LinkOpener:
        """Get a link ready; no vendor is asked yet.

        Raises:
            ConfigError: a token is missing, or a connection is not made.
            AuthFailed: a connection is refused.
        """
        self._check_connections(settings)
        with ExitStack() as opened:
            ghl, ghl_client = self._accounts.ghl(settings)
            opened.callback(ghl.close)
            hubspot, hubspot_client = self._accounts.hubspot(settings, lambda: ghl.country)
            opened.callback(hubspot.close)
            stack = opened.pop_all()  # `LinkOpener.close` gives it all back
        link = Link(
            name=settings.name,
            ghl=ghl,
            hubspot=hubspot,
            store=self._store.link(settings.name),
            clock=self._clock,
            rules=rules_of(settings, look_again=self._poll()),
            stopping=self._stop.is_set,
            settings_fingerprint=_fingerprint(settings),
        )
        wires = {
            Side.GHL: (ghl_client, self._accounts.budget_of(Side.GHL, settings)),
            Side.HUBSPOT: (hubspot_client, self._accounts.budget_of(Side.HUBSPOT, settings)),
        }

        used = self._accounts.hubspot_token(settings)

        def identify(client: Client) -> rate_budget.Budget:
            nonlocal used
            self._check_connections(settings)
            used = self._accounts.hubspot_token(settings)
            if self._accounts.follow(client, used):
                hubspot.forget_account()
            self._identities.check(settings, used)
            return self._accounts.settle(settings, client)

        def learn() -> None:
            self._identities.learn(settings, used, hubspot.number)

        kept = LinkOpener(link, wires, stack, identify, learn)
        if lease is not None:
            self._fence(kept, lease)
        return kept

    def _check_connections(self, settings: LinkSettings) -> None:
        if settings.ghl.token.oauth or settings.hubspot.token.oauth:
            self._oauth().check(settings)

    def cycle(self, settings: LinkSettings, request: CycleRequest, verb: str) -> CycleReport:
        """One cycle of a link, under its lock unless it is a dry run; never raises for a link."""
        report = _report_of(settings.name, lambda: self._cycle(settings, request, verb))
        if report.started_at is None and report.outcome in _NOT_BEGUN and not request.dry_run:
            self._keep(report, verb)
        return report

    def _keep(self, report: CycleReport, verb: str) -> None:
        """Keep a cycle that could not begin, so that `status` does not go on saying "in step".

        Not where another process holds the link: it may have the token that is missing here.
        """
        at = self._clock.now()
        begun = replace(report, cycle=cycle.new_id(), started_at=at)
        with suppress(LinkLocked, StoreError), self._store.acquire(report.link, verb) as lease:
            store = self._store.link(report.link, lease)
            with store.begin() as transaction:
                transaction.save_cycle(cycle.row_of(begun, at, at))

    def _cycle(self, settings: LinkSettings, request: CycleRequest, verb: str) -> CycleReport:
        with ExitStack() as stack:
            # The configuration is checked before the lock is taken: a missing token is
            # reported even if another process holds the link.
            kept = self.open(settings)
            stack.callback(kept.close)
            if not request.dry_run:
                held = self._store.acquire(settings.name, verb, wait=True)
                self._fence(kept, stack.enter_context(held))
            return kept.cycle(request)

    def audit(self, settings: LinkSettings) -> AuditReport:
        """Compare every pair of a link, without its lock; never raises for a link."""
        from syncd.engine.audit.report import AuditReport

        def compare() -> AuditReport:
            kept = self.open(settings)
            with closing(kept):
                return kept.audit(self._clock)

        try:
            return compare()
        except Exception as error:  # noqa: BLE001 - what it does with it is logged
            report = _failed(settings.name, error)
            return AuditReport(link=settings.name, outcome=report.outcome, detail=report.detail)

    def record(self, settings: LinkSettings) -> Recorded:
        """Record one dry cycle of a link, without its lock.

        Raises:
            SyncdError: it could not even begin.
        """
        with closing(self.open(settings)) as kept:
            return kept.record(settings.name)

    def _fence(self, kept: LinkOpener, lease: Lease) -> None:
        """Have the link write only while the lease is ours, and to a store that is whole."""
        store = self._store.link(kept.link.name, lease)

        def check() -> None:
            self._store.ensure_intact()
            lease.check()

        kept.guard(store, check, lease.left)

    def setup(self, settings: LinkSettings) -> list[tuple[str, bool]]:
        """Create what HubSpot needs; returns each item, and whether it was created just now.

        Raises:
            ConfigError: a token is missing.
            NotPrepared: something that a person has to do first.
            AccountUnknown: whether the token belongs to `hub_id` cannot be asked.
            ProviderError: HubSpot refuses or cannot be reached.
        """
        used = self._accounts.hubspot_token(settings)
        hubspot, client = self._accounts.hubspot(settings)
        try:
            self._accounts.follow(client, used)
            self._identities.check_number(settings, used)
            return hubspot.setup(tuple(dict.fromkeys(settings.status.to_hubspot.values())))
        finally:
            hubspot.close()
            self._accounts.rest()


def _report_of(name: str, work: Callable[[], CycleReport]) -> CycleReport:
    """The report of a cycle; also of one that raised an error."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - what it does with it is logged
        return _failed(name, error)


def _failed(name: str, error: Exception) -> CycleReport:
    """The report of a link that an error ended."""
    if isinstance(error, StoreError):
        _log_store_failure(error, link=name)
    elif not isinstance(error, SyncdError):
        log.error("cycle.failed", link=name, exc_info=error)
    outcome, detail = ended_by(error)
    return CycleReport(link=name, outcome=outcome, detail=detail)


def _log_store_failure(error: StoreError, *, link: str) -> None:
    """Log it: in one sentence, unless it is a bug."""
    bug = isinstance(error, StoreFault)
    log.error("store.failed", link=link, detail=str(error), exc_info=error if bug else None)


def _fingerprint(settings: LinkSettings) -> str:
    """A digest of everything that is configured for a link; tokens are references in it."""
    return blake2b(settings.model_dump_json().encode(), digest_size=6).hexdigest()


def _seen(budget: rate_budget.Budget) -> traffic.Budget:
    view = budget.view()
    return traffic.Budget(
        used=view.used,
        limit=view.limit.requests,
        seconds=view.limit.seconds,
        daily_left=view.daily_left,
        daily=view.daily,
        silent_seconds=view.paused_seconds,
        throttled_seconds=view.throttled_seconds,
        refusals=view.refusals,
        spent_until=view.spent_until,
    )


def _answers(client: Client) -> dict[str, int]:
    return {str(status) if status else "none": count for status, count in client.answers.items()}
