"""The configured program: its store, its links, and one cycle of each.

Made by `open_app`. The verbs run single cycles (`cycle`); the daemon keeps links
open between cycles, with their lease (`lock`, `open_link`). The first cycle imports
what cycles need (`links`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

from syncd.bootstrap.clock import SystemClock
from syncd.bootstrap.unfinished import UnfinishedRefreshes
from syncd.config import Settings
from syncd.errors import ConfigError, StoreError
from syncd.ports.clock import Clock
from syncd.ports.store import PAUSED, Decided, JournalState, LinkStore, StatusReader, Switch

MANY = 50
"""From so many links on, reading all at once costs less than reading each."""

if TYPE_CHECKING:
    from syncd.bootstrap.fleet import Fleet
    from syncd.bootstrap.links import LinkFactory, LinkOpener
    from syncd.bootstrap.lookup import Lookup
    from syncd.bootstrap.names import NameBook
    from syncd.bootstrap.oauth import OAuth
    from syncd.engine.audit.report import AuditReport
    from syncd.engine.cycle import CycleRequest
    from syncd.engine.report import CycleReport
    from syncd.notifications import LinkStatus, Notifier, Tested
    from syncd.recording.record import Recorded
    from syncd.store import Lease, Store


def open_app(
    settings: Settings,
    *,
    make_store: bool = False,
    at_once: bool = False,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    env: Mapping[str, str] | None = None,
) -> App:
    """Open the store and get everything ready; no vendor is asked yet.

    With `at_once`, a large store is looked at whole while the links are polled,
    and before anything is written, rather than now.

    Raises:
        ConfigError: an embedded store cannot be shared as the configuration wants.
        StoreError: the store is missing, too new, corrupt or cannot be reached.
    """
    from syncd.store import Store, migrate, open_engine

    if settings.fleet.engine != "none" and settings.store.is_embedded:
        raise ConfigError(
            [
                (
                    "fleet.engine: it deals links out to processes that share PostgreSQL: "
                    'set store.url to one, or fleet.engine = "none"'
                )
            ]
        )
    stop = stop or threading.Event()
    clock = clock or SystemClock(stop)
    engine = open_engine(settings.store.url)
    try:
        migrate.check(engine, may_create=make_store, whole=not at_once)
        later = at_once and migrate.is_large(engine)
    except BaseException:
        engine.dispose()
        raise
    store = Store(engine, clock)
    if store.members is not None and isinstance(clock, SystemClock):
        store.members.keep_alive()
    if later:
        store.inspect()
    environment = os.environ if env is None else env
    return App(settings, store, clock, stop, environment, finishes=not at_once)


class App:
    """The configured program."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        stop: threading.Event,
        env: Mapping[str, str],
        *,
        finishes: bool = True,
    ) -> None:
        """A command `finishes` the refreshes of tokens that another one died in."""
        self.settings = settings
        self.store = store
        self.clock = clock
        self.stop = stop
        self._env = env
        self._fleet: Fleet | None = None
        self._unfinished = UnfinishedRefreshes(self) if finishes else None

    def __enter__(self) -> Self:
        if self._unfinished is not None:
            self._unfinished.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the store's connections."""
        if self._unfinished is not None:
            self._unfinished.end()
        if "oauth" in self.__dict__:
            self.oauth.tokens.close()
        self.store.close()

    def link_names(self) -> list[str]:
        """The configured links, in the order of the file."""
        return list(self.settings.links)

    def link_store(self, name: str) -> LinkStore:
        """The store as one link sees it; needs no credentials."""
        return self.store.link(name)

    def quick_view(self, name: str) -> LinkStore:
        """The same for who does not wait for a database that is away."""
        return self.store.quick_view(name)

    def paused(self, name: str) -> bool:
        """Whether a person took the link out of service."""
        return bool(self.store.link(name).get_state(PAUSED))

    def overview(self, states: Sequence[str]) -> Mapping[str, StatusReader]:
        """What the status of every link rests on, with these state keys, read at once.

        Raises:
            StoreError: our own store failed.
        """
        return self.store.overview(states)

    def switch(self, names: Collection[str], turn: Switch) -> None:
        """Take links out of service or put them back, all or none; their daemon looks at once.

        Raises:
            StoreError: our own store failed.
        """
        self.store.switch(names, turn, wakes=names)

    def look(self) -> Decided:
        """Open decisions of all links; does not wait for an unreachable database.

        Raises:
            StoreError: our own store failed.
        """
        return self.store.decided()

    def write_notes(self, cursor: str, notes: Mapping[str, str]) -> None:
        """Store a short text for each of these links that this process holds.

        Raises:
            StoreError: our own store failed.
        """
        self.store.write_notes(cursor, notes)

    def daemon(self, name: str) -> bool:
        """Whether a daemon holds a link now.

        Raises:
            StoreError: our own store failed.
        """
        holder = self.store.holder(name)
        return holder is not None and holder.verb == "run"

    def daemons(self, names: Collection[str]) -> frozenset[str]:
        """Those of these links that a daemon holds now.

        Raises:
            StoreError: our own store failed.
        """
        if self.store.members is None:
            return frozenset(name for name in names if self.daemon(name))
        living = self.store.members.living(names)
        return frozenset(name for name, holder in living.items() if holder.verb == "run")

    def readers(
        self, names: Collection[str], states: Sequence[str] = ()
    ) -> Mapping[str, StatusReader]:
        """What the store knows of these links; of many it is read at once, with these state keys.

        Raises:
            StoreError: our own store failed.
        """
        if len(names) < MANY:
            return {name: self.link_store(name) for name in names}
        from syncd.store.overview import LinkOverview

        whole = self.store.overview(states)
        return {name: whole.get(name, LinkOverview()) for name in names}

    def differing(self) -> list[str]:
        """The daemons of the store whose configuration is another than the newest one's.

        Raises:
            StoreError: our own store failed.
        """
        if self.store.members is None:
            return []
        from syncd.store.members import differing

        return [str(each.holder) for each in differing(self.store.members.members())]

    def prune(self, name: str, before: datetime) -> bool:
        """Delete a link's history from before an instant.

        The daemon does so every hour, a verb after its cycle. Gives whether the store
        could: data that cannot be deleted now is deleted later.
        """
        import structlog

        log = structlog.get_logger(__name__)
        try:
            rows = self.store.prune(name, before)
        except StoreError as error:
            log.warning("history.not_pruned", link=name, detail=str(error))
            return False
        if rows:
            log.info("history.pruned", link=name, rows=rows)
        return True

    def adopt(self, settings: Settings) -> None:
        """Use another configuration; open links keep theirs."""
        self.settings = settings
        self._workshop.adopt()
        if self._fleet is not None:
            self._fleet.announce(self.settings)

    def join(self) -> Fleet | None:
        """Become one of the daemons of a PostgreSQL store; None beside SQLite, which has one.

        Raises:
            ConfigError: what deals out the links is not installed or not prepared.
            StoreError: our own store failed.
        """
        if self.store.members is None:
            return None
        from syncd.bootstrap.fleet import Fleet

        self._fleet = Fleet(
            self.store.members,
            self.clock,
            settings=lambda: self.settings,
            accounts=self._workshop.accounts,
        )
        self._fleet.announce(self.settings)
        return self._fleet

    def journal(self) -> JournalState | None:
        """How far HubSpot's journal is read, by any process; None where none is to be read.

        Raises:
            StoreError: our own store failed.
        """
        given = self.settings.apps.hubspot
        return self.store.journal.state(given.journal_key) if given.journal else None

    def hubspot_accounts(self) -> Mapping[str, str]:
        """The server and account of each configured link, as far as known without asking.

        Raises:
            StoreError: our own store failed.
        """
        return self._workshop.accounts()

    @property
    def environment(self) -> Mapping[str, str]:
        """Where tokens and keys may be."""
        return self._env

    @cached_property
    def oauth(self) -> OAuth:
        """The OAuth connections of the store."""
        from syncd.bootstrap.oauth import OAuth

        return OAuth(
            self.store,
            self.clock,
            lambda: self.settings,
            self._env,
            self.stop,
            budget=lambda company: self._workshop.await_agency(self.settings, company),
        )

    def served(self) -> dict[int, list[str]]:
        """The links that use each connection, by its id.

        Raises:
            StoreError: our own store failed.
        """
        from syncd.bootstrap.oauth import served

        return served(self.settings.links.values(), self.store.connections)

    def waits_for_connection(self, name: str) -> bool:
        """Whether a link can do nothing before somebody connects it; asks no vendor.

        Raises:
            StoreError: our own store failed.
        """
        link = self.settings.links.get(name)
        uses = link is not None and (link.ghl.token.oauth or link.hubspot.token.oauth)
        return bool(link and uses and self.oauth.waits(link))

    @cached_property
    def notices(self) -> Notifier:
        """The notifier of this process; called between the cycles, never in them."""
        from syncd.notifications import Notifier

        return Notifier(
            outbox=self.store.outbox,
            clock=self.clock,
            env=self._env,
            links=lambda: self.settings.links,
        )

    @cached_property
    def _workshop(self) -> LinkFactory:
        return self._factory(self.clock, self.stop)

    def _factory(self, clock: Clock, stop: threading.Event) -> LinkFactory:
        from syncd.bootstrap.links import LinkFactory

        return LinkFactory(
            self.store,
            clock,
            stop,
            self._env,
            poll=lambda: self.settings.schedule.poll_interval,
            links=lambda: self.settings.links,
            oauth=lambda: self.oauth,
        )

    # --- one cycle, for the verbs

    def cycles(self, names: Iterable[str], request: CycleRequest) -> dict[str, CycleReport]:
        """One cycle of each link, one after another; one link's failure stops no other's."""
        return {name: self.cycle(name, request) for name in names}

    def cycle(self, name: str, request: CycleRequest, *, verb: str = "--sync-now") -> CycleReport:
        """One cycle of a link, under its lock unless it is a dry run; never raises for a link.

        `verb` is shown to other processes as the holder of the link.
        """
        return self._workshop.cycle(self.settings.links[name], request, verb)

    def audit(self, name: str) -> AuditReport:
        """Compare every pair of a link, without its lock; never raises for a link."""
        return self._workshop.audit(self.settings.links[name])

    def record(self, name: str) -> Recorded:
        """Record one dry cycle of a link.

        Raises:
            SyncdError: it could not even begin.
        """
        return self._workshop.record(self.settings.links[name])

    def tell_audit(self, report: AuditReport) -> None:
        """Notify people of differences that an audit could not explain; never raises."""
        from syncd.notifications import LinkStatus
        from syncd.observability.state import State

        if report.pairs is None:
            return
        name, found = report.link, report.unexplained
        # Of the link itself an audit knows nothing new.
        status = LinkStatus(link=name, state=State.LOCKED, since=report.at, unexplained=found)
        self.notices.queue_events(status, self.store.link(name).holds)
        self.notices.deliver(name, self.stop)

    def tell(self, report: CycleReport) -> None:
        """Notify people of a verb's cycle, if it brought new events; never raises.

        A notification that is not delivered now waits in the store for the next command.
        """
        name = report.link
        if report.stopped:
            return  # The person who stopped it knows.
        self.notices.queue_events(_status(report), self.store.link(name).holds)
        self.notices.deliver(name, self.stop)

    def setup(self, name: str) -> list[tuple[str, bool]]:
        """Create what HubSpot needs; returns each item, and whether it was created just now.

        Raises:
            ConfigError: a token is missing.
            NotPrepared: something that a person has to do first.
            ProviderError: HubSpot refuses or cannot be reached.
        """
        return self._workshop.setup(self.settings.links[name])

    def hub_number(self, name: str) -> str:
        """The number of a link's HubSpot account, where it is known without asking; else ""."""
        return self.hub_numbers().get(name, "")

    def hub_numbers(self) -> dict[str, str]:
        """The same of every link whose account is known, in one look."""
        numbers = {
            name: account.rpartition(" ")[2] for name, account in self._workshop.accounts().items()
        }
        return {name: number for name, number in numbers.items() if number.isdigit()}

    @cached_property
    def names(self) -> NameBook:
        """Names of people and calendars, asked when they are shown."""
        from syncd.bootstrap.names import NameBook

        return NameBook(self)

    def look_up(self, name: str, stop: threading.Event | None = None) -> Lookup:
        """Both sides of a link, for a person's question; `stop` ends every wait.

        Raises:
            ConfigError: a token is missing.
        """
        from syncd.bootstrap.lookup import Lookup

        settings = self.settings.links[name]
        factory = self._workshop if stop is None else self._factory(SystemClock(stop), stop)
        return Lookup(factory.open(settings), settings)

    # --- kept links, for the daemon

    def lock(self, name: str) -> Lease:
        """Take a link for this process.

        Raises:
            LinkLocked: another syncd holds it.
            StoreError: our own store failed.
        """
        return self.store.acquire(name, "run")

    def lock_all(self, names: Collection[str]) -> tuple[Mapping[str, Lease], Mapping[str, str]]:
        """Take as many of these links as are free; of the others, who holds them, in words.

        Raises:
            StoreError: our own store failed.
        """
        return self.store.acquire_all(names, "run")

    def holders(self, names: Collection[str]) -> Mapping[str, str]:
        """Who holds each of these links of a PostgreSQL store now, in words.

        Raises:
            StoreError: our own store failed.
        """
        return self.store.members.holders(names) if self.store.members else {}

    def unlock_all(self, leases: Iterable[Lease]) -> None:
        """Give several links back at once."""
        self.store.release_all(leases)

    def open_link(self, name: str, lease: Lease) -> LinkOpener:
        """Get a link ready; no vendor is asked yet.

        Raises:
            ConfigError: a token is missing.
        """
        return self._workshop.open(self.settings.links[name], lease)


def notify_without_store(
    settings: Settings,
    reports: Iterable[CycleReport],
    *,
    clock: Clock | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Notify people of links whose store cannot be opened; never raises.

    Nothing can be remembered without a store: every such command sends it again.
    """
    from syncd.notifications import Notifier

    notifier = Notifier(
        outbox=None,
        clock=clock or SystemClock(),
        env=os.environ if env is None else env,
        links=lambda: settings.links,
    )
    for report in reports:
        notifier.queue_events(_status(report), list)


def send_tests(settings: Settings, links: Iterable[str]) -> list[Tested]:
    """Send a test notification through every channel of these links; uses no store."""
    from syncd.notifications import Notifier

    notifier = Notifier(
        outbox=None, clock=SystemClock(), env=os.environ, links=lambda: settings.links
    )
    return notifier.test(links)


def _status(report: CycleReport) -> LinkStatus:
    """The status of a link after a cycle of a verb."""
    from syncd.notifications import LinkStatus
    from syncd.observability.state import State

    return LinkStatus(
        link=report.link,
        state=State.of(report.outcome),
        detail=report.detail,
        since=report.started_at,
        guards=tuple(report.guards),
    )
