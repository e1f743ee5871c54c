"""From a configuration to a running program: the only place that wires.

The verbs and the daemon call `open_app`. Here and nowhere else do the real
clock, the environment, the providers, the store and the rules meet.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Self

import structlog

from syncd import config
from syncd.config import LinkSettings, Settings
from syncd.core.model import Group, GroupKey, Side, Window
from syncd.core.policy import (
    Direction,
    Limit,
    Notify,
    OnRemoval,
    Policy,
    Route,
    Winner,
)
from syncd.core.status import StatusTable
from syncd.engine import cycle
from syncd.engine.closing import outcome_of
from syncd.engine.cycle import CycleRequest
from syncd.engine.link import Link, Rules
from syncd.engine.report import CycleReport, Outcome
from syncd.errors import ConfigError, LinkLocked, NotPrepared, ProviderError, StoreError
from syncd.observability.redaction import register_secret
from syncd.ports.clock import Clock
from syncd.ports.store import LinkStore
from syncd.providers import limits, window
from syncd.providers.ghl.auth import PrivateToken
from syncd.providers.ghl.provider import GhlProvider
from syncd.providers.http import Client
from syncd.providers.hubspot.auth import Token
from syncd.providers.hubspot.provider import HubSpotProvider
from syncd.store import Lease, Store, migrate, open_engine

log = structlog.get_logger(__name__)

TEXT_GROUPS = (Group.TITLE, Group.DESCRIPTION, Group.ADDRESS)


class SystemClock:
    """The real time; `stop` ends every sleep early."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, or return early when the process is asked to stop."""
        self._stop.wait(max(0.0, seconds))


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


class App:
    """The configured program: links that can be run."""

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
        self._env = env
        self._tls: ssl.SSLContext | None = None
        self._budgets: dict[tuple[str, str, str], limits.Budget] = {}

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

    def cycles(self, names: Iterable[str], request: CycleRequest) -> dict[str, CycleReport]:
        """One cycle of each link, one after another; one link's failure stops no other's."""
        return {name: self.cycle(name, request) for name in names}

    def cycle(self, name: str, request: CycleRequest) -> CycleReport:
        """One cycle of a link, under its lock unless it is a dry run; never raises for a link."""
        return self._guarded(name, lambda stack: self._run(stack, name, request))

    def setup(self, name: str) -> list[tuple[str, bool]]:
        """Make what HubSpot needs; gives what it is, and whether it was made just now.

        Raises:
            ConfigError: a token is missing.
            NotPrepared: something that a person has to do first.
            ProviderError: HubSpot refuses or cannot be reached.
        """
        with ExitStack() as stack:
            link = self.settings.links[name]
            hubspot = self._hubspot(link)
            stack.callback(hubspot.close)
            return hubspot.setup(tuple(dict.fromkeys(link.status.to_hubspot.values())))

    # --- one cycle

    def _run(self, stack: ExitStack, name: str, request: CycleRequest) -> CycleReport:
        # The configuration is judged before the lock is asked for: a missing token is said
        # whoever holds the link.
        ghl, hubspot = self._providers(name, stack)
        lease = None
        if not request.dry_run:
            lease = stack.enter_context(self.store.acquire(name, "sync-now", wait=True))
        return cycle.run(self._link(name, ghl, hubspot, lease), request)

    def _guarded(self, name: str, work: Callable[[ExitStack], CycleReport]) -> CycleReport:
        try:
            with ExitStack() as stack:
                return work(stack)
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

    def open_link(self, name: str, lease: Lease) -> Link:
        """A link that the daemon keeps, with its providers, between cycles.

        Raises:
            ConfigError: a token is missing.
        """
        with ExitStack() as stack:
            ghl, hubspot = self._providers(name, stack)
            stack.pop_all()  # `Link.close` gives them back
            return self._link(name, ghl, hubspot, lease)

    def _providers(self, name: str, stack: ExitStack) -> tuple[GhlProvider, HubSpotProvider]:
        settings = self.settings.links[name]
        ghl = self._ghl(settings)
        stack.callback(ghl.close)
        hubspot = self._hubspot(settings)
        stack.callback(hubspot.close)
        return ghl, hubspot

    def _link(
        self, name: str, ghl: GhlProvider, hubspot: HubSpotProvider, lease: Lease | None
    ) -> Link:
        return Link(
            name=name,
            ghl=ghl,
            hubspot=hubspot,
            store=self.store.link(name, lease),
            clock=self.clock,
            rules=rules_of(self.settings.links[name]),
            check_held=lease.check if lease else _no_check,
            stopping=self.stop.is_set,
        )

    # --- providers

    def _ghl(self, link: LinkSettings) -> GhlProvider:
        self._token(link, "ghl")  # a missing token is said before anything is asked
        rate = window.Limit(
            requests=link.ghl.rate_limit.requests,
            seconds=link.ghl.rate_limit.per.total_seconds(),
        )
        budget = self._budget(Side.GHL, link.ghl.base_url, link.ghl.location_id, rate, {})
        client = Client(
            side=Side.GHL,
            base_url=link.ghl.base_url,
            auth=PrivateToken(lambda: self._token(link, "ghl")),
            budget=budget,
            clock=self.clock,
            tls=self._tls_context(),
        )
        return GhlProvider(
            client,
            location_id=link.ghl.location_id,
            calendars=link.ghl.calendars,
            default_calendar=link.ghl.default_calendar,
            clock=self.clock,
        )

    def _hubspot(self, link: LinkSettings) -> HubSpotProvider:
        token = self._token(link, "hubspot")
        settings = link.hubspot
        rate = window.Limit(
            requests=settings.rate_limit.requests,
            seconds=settings.rate_limit.per.total_seconds(),
        )
        search = window.Limit(
            requests=settings.search_rate_limit.requests,
            seconds=settings.search_rate_limit.per.total_seconds(),
        )
        budget = self._budget(Side.HUBSPOT, settings.base_url, token, rate, {"search": search})
        client = Client(
            side=Side.HUBSPOT,
            base_url=settings.base_url,
            auth=Token(token),
            budget=budget,
            clock=self.clock,
            tls=self._tls_context(),
        )
        facets = {*settings.filter, *(route.property for route in link.ghl.routes)}
        return HubSpotProvider(
            client,
            location_id=link.ghl.location_id,
            object_type=settings.object_type,
            api_version=settings.api_version,
            status_property=settings.status_property,
            facet_properties=tuple(sorted(facets)),
            search_lag=settings.search_lag,
            needs=_needed(link),
            clock=self.clock,
        )

    def _token(self, link: LinkSettings, side: str) -> str:
        secret = config.resolve_token(
            link, "ghl" if side == "ghl" else "hubspot", self._env
        ).get_secret_value()
        register_secret(secret)
        return secret

    def _budget(
        self,
        side: Side,
        base_url: str,
        account: str,
        rate: window.Limit,
        kinds: Mapping[str, window.Limit],
    ) -> limits.Budget:
        """One budget per account, whatever links share it."""
        key = (side.value, base_url, account)
        if key not in self._budgets:
            self._budgets[key] = limits.Budget(side=side, clock=self.clock, limit=rate, kinds=kinds)
        return self._budgets[key]

    def _tls_context(self) -> ssl.SSLContext:
        # Building one costs 70 ms: once per process.
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _no_check() -> None:
    """A dry run writes nothing, so it holds nothing."""


# --- from settings to rules


def rules_of(link: LinkSettings) -> Rules:
    """What the configuration says of a link, in the core's words."""
    sync = link.sync
    epoch = datetime.fromtimestamp(0, UTC)
    template = Policy(
        location_id=link.ghl.location_id,
        window=Window(since=epoch, until=epoch),
        now=epoch,
        direction=Direction(sync.direction),
        fields=_directions(link),
        conflict=_winners(link),
        first_meeting=Winner(sync.first_meeting),
        ghl_deleted=OnRemoval(sync.ghl_deleted),
        hubspot_archived=OnRemoval(sync.hubspot_archived),
        create_contacts_on=_creates(sync.create_contacts),
        refuse_double_booking=sync.double_booking == "refuse",
        notify=Notify(link.ghl.notify),
        removal_guard=Limit(
            percent=sync.removal_guard.percent, at_least=sync.removal_guard.at_least
        ),
        change_guard=Limit(percent=sync.change_guard.percent, at_least=sync.change_guard.at_least),
        default_calendar=link.ghl.default_calendar,
        default_assignee=link.ghl.default_assignee,
        routes=tuple(
            Route(
                property=route.property,
                value=route.value,
                calendar=route.calendar,
                assignee=route.assignee,
            )
            for route in link.ghl.routes
        ),
        filter={name: tuple(allowed) for name, allowed in link.hubspot.filter.items()},
        sync_series=sync.recurring == "each",
    )
    calendars = frozenset(link.ghl.calendars)
    return Rules(
        template=template,
        past=sync.past,
        future=sync.future,
        recurring_future=sync.recurring_future,
        statuses=StatusTable(
            to_hubspot=dict(link.status.to_hubspot), to_ghl=dict(link.status.to_ghl)
        ),
        statuses_given=link.status.given,
        calendars=calendars,
    )


def _directions(link: LinkSettings) -> dict[GroupKey, Direction]:
    return {
        Group(name): Direction(getattr(link.fields, name))
        for name in ("title", "time", "status", "description", "address", "owner")
    }


def _winners(link: LinkSettings) -> dict[GroupKey, Winner]:
    conflict = link.sync.conflict
    found: dict[GroupKey, Winner] = {
        Group.TIME: Winner(conflict.time),
        Group.STATUS: Winner(conflict.status),
        Group.OWNER: Winner(conflict.owner),
    }
    return found | {group: Winner(conflict.text) for group in TEXT_GROUPS}


def _creates(setting: str) -> frozenset[Side]:
    return {
        "both": frozenset(Side),
        "hubspot": frozenset({Side.HUBSPOT}),
        "ghl": frozenset({Side.GHL}),
        "none": frozenset[Side](),
    }[setting]


def _needed(link: LinkSettings) -> frozenset[str]:
    """The fields whose properties have to be there."""
    return frozenset(
        name for name in ("description", "address", "status") if getattr(link.fields, name) != "off"
    )


__all__ = ["App", "SystemClock", "open_app", "rules_of"]
