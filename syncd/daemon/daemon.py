"""From start to end: open everything, keep the service manager informed, obey signals, drain.

`run` wires a `Daemon` and runs it in the main thread, whose loop takes letters
(signals) and beats once a second. SIGTERM and SIGINT drain: the record in hand
is finished and recorded; a second one ends the process at once. SIGHUP takes
up a new configuration, or keeps the old one and says why. SIGUSR1 has every
link run a full cycle now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import structlog

from syncd import config
from syncd.bootstrap import open_app
from syncd.bootstrap.process import (
    environment,
    leave_at_once,
    process_number,
    writes_to_journal,
)
from syncd.config import Settings
from syncd.daemon.keeper import ConnectionKeeper
from syncd.daemon.listeners import Listener, move
from syncd.daemon.notifier import NotifierThread
from syncd.daemon.people import People
from syncd.daemon.signals import Command, SignalQueue
from syncd.daemon.status import DaemonStatus
from syncd.errors import ConfigError, LinkLocked, StoreError, SyncdError
from syncd.notifications import Notifier
from syncd.observability import logging
from syncd.observability.admission import Access
from syncd.observability.metrics import Metrics
from syncd.observability.notify_systemd import ServiceManager
from syncd.observability.redaction import register_secret
from syncd.observability.server import StatusServer
from syncd.observability.state import State
from syncd.scheduler import Links, Runner, Scheduler
from syncd.scheduler.jobs import Jobs
from syncd.scheduler.link_state import LinkState

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.bootstrap.fleet import Fleet
    from syncd.live.journal_reader import JournalReader
    from syncd.live.opening import LiveListener

log = structlog.get_logger(__name__)

BEAT = 1.0
"""Seconds between looks at whether all is well."""

DRAIN_LIMIT = 7.0
"""Seconds for work under way at the end; the process is gone within ten (`docs/exit-codes.md`)."""

FLEET_SEEN_EVERY = 15.0
"""Seconds between looks at the other processes."""

_PAUSE = 0.05


def run(settings: Settings, stop: threading.Event | None = None, *, level: str = "") -> int:
    """Run the daemon until it is asked to stop; gives its exit code.

    `level` is the log level of the command line, which outlasts a reload.

    Whoever hears a stop before the daemon's loop does may set `stop`: then
    nothing that it waits for keeps it.

    Raises:
        ConfigError: the listener's address or token is not usable.
        LinkLocked: another syncd holds every link of a SQLite store.
        StoreError: the store cannot be opened.
    """
    env, cwd = environment(), config.working_directory()
    set_up_log(settings, env)
    stop = stop or threading.Event()
    with open_app(settings, make_store=True, at_once=True, stop=stop) as app:
        keeper = ConnectionKeeper(app, stop)
        keeper.start(settings)
        around = DaemonDeps(
            mailbox=SignalQueue(),
            manager=ServiceManager.of(env, process_number()),
            env=env,
            load=lambda: keeper.start(config.load(settings.path, env, cwd).logged_at(level)),
            set_up_log=lambda new: set_up_log(new, env),
            notices=app.notices,
            people=People(app),
            fleet=app.join(),
            journal=lambda new, wake: _journal(app, env, new, wake),
            live=lambda new, metrics, wake: _live_listener(app, env, new, metrics, wake),
        )
        # The app is given back only leases that it gave out itself.
        return Daemon(cast("Links", app), stop, around).run()


def _journal(
    app: App,
    env: Mapping[str, str],
    settings: Settings,
    wake: Callable[[Collection[str]], None],
) -> JournalReader | None:
    """The reader of HubSpot's journal, where the configuration asks for one.

    Raises:
        ConfigError: the app's client id or secret is missing.
    """
    if not settings.apps.hubspot.journal:
        return None
    from syncd.live.journal import open_reader

    return open_reader(app, settings, env, wake)


def _live_listener(
    app: App,
    env: Mapping[str, str],
    settings: Settings,
    metrics: Metrics,
    wake: Callable[[Collection[str]], None],
) -> LiveListener:
    """The listener for the vendors, which most daemons do without."""
    from syncd.connections.callback import route
    from syncd.live.opening import LiveListener

    redirects = route(app.oauth.attempts.complete)
    return LiveListener(app, settings, env=env, metrics=metrics, wake=wake, more=[redirects])


def set_up_log(settings: Settings, env: Mapping[str, str]) -> None:
    """Log as the configuration says; a daemon at a terminal tells what it does as well."""
    logging.configure(
        format=settings.logging.format,
        level=settings.logging.level,
        colour=False if env.get("NO_COLOR") else None,
        journald=writes_to_journal(env),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonDeps:
    """What the daemon finds around itself; tests bring their own."""

    mailbox: SignalQueue
    manager: ServiceManager
    env: Mapping[str, str]
    load: Callable[[], Settings]
    """Reads the configuration again; raises ConfigError."""
    set_up_log: Callable[[Settings], None] = lambda _: None
    leave: Callable[[int], None] = leave_at_once
    workers: Executor | None = None
    """Who does the cycles; threads, unless given."""
    notices: Notifier | None = None
    """Who tells people of trouble; nobody, unless given."""
    ticks: Jobs | None = None
    """What makes the claim loop turn; APScheduler, unless given."""
    people: People | None = None
    """Knows people by name, for the page; ids stand there, unless given."""
    fleet: Fleet | None = None
    """The daemons of this store, where it may have several."""
    journal: Callable[[Settings, Callable[[Collection[str]], None]], JournalReader | None] = (
        lambda *_: None
    )
    """Makes the reader of HubSpot's journal, which calls what it is given with the links that it
    has news for; raises ConfigError where it cannot."""
    live: Callable[[Settings, Metrics, Callable[[Collection[str]], None]], LiveListener] | None = (
        None
    )
    """Opens the listener for the vendors, which calls what it is given last with the links that it
    has news for; raises ConfigError where it cannot."""


class Daemon:
    """One run of the daemon."""

    def __init__(self, links: Links, stop: threading.Event, around: DaemonDeps) -> None:
        self._links, self._stop, self._around = links, stop, around
        self._mailbox, self._manager = around.mailbox, around.manager
        metrics = self._metrics = Metrics(DaemonStatus.version)
        self.scheduler = Scheduler(
            links,
            Runner(links, metrics, stop),
            metrics,
            workers=around.workers,
            ticks=around.ticks,
            share=around.fleet.share() if around.fleet else None,
        )
        self.panel = DaemonStatus(links, self.scheduler, metrics, around.people)
        self.crier = (
            NotifierThread(links, self.scheduler, around.notices) if around.notices else None
        )
        self.journal: JournalReader | None = None
        self._page = Listener(
            "http.listen",
            address=lambda settings: settings.http.listen,
            serve=self._serve_page,
            renew=lambda server, settings: server.ask_for(self._access(settings)),
            fleet=around.fleet,
            clock=links.clock,
        )
        self._live = Listener(
            "live.listen",
            address=lambda settings: settings.live.listen if around.live else "",
            serve=self._serve_live,
            renew=lambda server, settings: server.ask_for(settings),
            fleet=around.fleet,
            clock=links.clock,
        )
        self._fleet_due = 0.0
        self._unheld: list[str] = []
        self._differing: list[str] = []
        self._told = ""
        self._ailing = ""
        self._stops = 0

    def run(self) -> int:
        """From the first lease to the end of the daemon; returns the exit code."""
        with self._mailbox.open():
            try:
                self._open()
                self._loop()
            except SyncdError as error:
                if not self._stop.is_set():
                    raise
                log.info("daemon.broken_off", detail=str(error))
            finally:
                code = self._drain()
        return code

    @property
    def server(self) -> StatusServer | None:
        """The status page's listener, where there is one now."""
        return self._page.server

    @property
    def live(self) -> LiveListener | None:
        """The listener for the vendors, where there is one now."""
        return self._live.server

    # --- start

    def _open(self) -> None:
        settings = self._links.settings
        self.scheduler.check_links()
        self._give_way()
        self._page.open(settings)
        self._live.open(settings)
        self.scheduler.start()
        if self.crier is not None:
            self.crier.start()
        self._read_journal(self._around.journal(settings, self.scheduler.announced))
        self.panel.closed = ""
        self._manager.ready()
        self._tell()
        log.info(
            "daemon.started",
            version=self.panel.version,
            links=list(settings.links),
            listen=settings.http.listen or None,
            live=settings.live.listen or None,
        )

    def _read_journal(self, reader: JournalReader | None) -> None:
        """Read HubSpot's journal with this one, or no more."""
        self._close_journal()
        self.journal = reader
        if reader is not None:
            reader.start()

    def _close_journal(self) -> None:
        if self.journal is not None:
            self.journal.stop()
            self.journal = None

    def _give_way(self) -> None:
        """End where another syncd holds every link of an embedded store (`docs/exit-codes.md`).

        Beside a database server this daemon stays, and takes over from a holder that dies.
        It is asked before the listener, whose address the holder has as well.

        Raises:
            LinkLocked: there is nothing to do here while the holder lives.
        """
        watches = self.scheduler.watches()
        if not self._links.settings.store.is_embedded:
            return
        if watches and all(state.state is State.LOCKED for state in watches):
            raise LinkLocked(watches[0].name, watches[0].holder)

    def _serve_page(self, settings: Settings) -> StatusServer:
        """Serve the status page.

        Raises:
            ConfigError: the address or the token is not usable.
        """
        assert settings.http.address is not None  # noqa: S101 - asked only where it is set
        return StatusServer(settings.http.address, self.panel, access=self._access(settings))

    def _serve_live(self, settings: Settings) -> LiveListener:
        """Take the vendors' deliveries.

        Raises:
            ConfigError: the address is not usable.
        """
        assert self._around.live is not None  # noqa: S101 - asked only where it is set
        return self._around.live(settings, self._metrics, self.scheduler.announced)

    def _access(self, settings: Settings) -> Access:
        found = config.resolve_http_tokens(settings.http, self._around.env)
        token, reads = (None if each is None else each.get_secret_value() for each in found)
        for secret in (token, reads):
            if secret:
                register_secret(secret)
        return Access(token=token, read_token=reads, public_url=settings.http.public_url)

    # --- the loop

    def _loop(self) -> None:
        watchdog = self._manager.watchdog
        beat = min(BEAT, watchdog / 3) if watchdog else BEAT
        while True:
            match self._mailbox.take(beat):
                case Command.STOP:
                    self._stops += 1
                    return
                case Command.RELOAD:
                    self._reload()
                case Command.KICK:
                    log.info("daemon.kicked")
                    self.scheduler.kick()
                case None:
                    pass
            self._beat()

    def _beat(self) -> None:
        """Tell the service manager that all is well, if it is."""
        self.scheduler.wake()
        now = self._links.clock.monotonic()
        self._page.retry(self._links.settings)
        self._live.retry(self._links.settings)
        if self._around.fleet is not None and now >= self._fleet_due:
            self._fleet_due = now + FLEET_SEEN_EVERY
            self._look_at(self._around.fleet)
        if self.journal is not None:
            self._metrics.journal_seen(self.journal.age())
        unhealthy_reason = self.scheduler.unhealthy_reason()
        if not unhealthy_reason:
            self._manager.alive()
        if unhealthy_reason != self._ailing:
            self._ailing = unhealthy_reason
            if unhealthy_reason:
                log.error("daemon.ailing", detail=unhealthy_reason)
            else:
                log.info("daemon.recovered")
        self._tell()

    def _tell(self) -> None:
        """One line for `systemctl status`, when it has changed."""
        told = self._ailing or summary(self.scheduler.watches())
        if self.panel.notice:
            told = f"{self.panel.notice}; {told}"
        if told != self._told:
            self._told = told
            self._manager.status(told)

    def _look_at(self, fleet: Fleet) -> None:
        """Count the processes, and say so where nobody has held a link for a minute."""
        try:
            living, unheld = fleet.look()
            differing = fleet.differing()
        except StoreError:
            return  # Whoever works on a link says so.
        self._metrics.fleet_seen(living, len(unheld))
        if differing != self._differing:
            self._differing = differing
            if differing:
                log.warning("configurations.differ", processes=differing)
        if unheld != self._unheld:
            self._unheld = unheld
            if unheld:
                log.error("links.unheld", links=unheld)
            else:
                log.info("links.held")

    # --- a new configuration

    def _reload(self) -> None:
        self._manager.reloading(self._links.clock.monotonic())
        try:
            new = self._around.load()
            told = self._take_up(new)
        except ConfigError as error:
            self._keep_the_old(error.problems)
        except (SyncdError, OSError) as error:
            self._keep_the_old([str(error)])
        except Exception as error:
            log.exception("config.not_read")
            self._keep_the_old([f"unexpected fault: {type(error).__name__}; the log has more"])
        else:
            self.panel.notice = ""
            log.info("config.reloaded", changes=told)
        self._manager.ready()

    def _keep_the_old(self, problems: Sequence[str]) -> None:
        """A new configuration is no reason to end: what runs goes on as it was."""
        self.panel.notice = f"a new configuration was refused: {'; '.join(problems)}"
        log.error("config.refused", problems=list(problems), kept="the old one")

    def _take_up(self, new: Settings) -> list[str]:
        """Go on with another configuration, or raise before anything of it counts."""
        old = self._links.settings
        if new.fleet != old.fleet:
            raise ConfigError(
                ["fleet.engine: another one needs a restart; everything else was kept as it was"]
            )
        if new.store.url != old.store.url:
            raise ConfigError(
                ["store.url: another store needs a restart; everything else was kept as it was"]
            )
        told = config.changes(old, new)
        anew = new.apps.hubspot != old.apps.hubspot
        reader = self._around.journal(new, self.scheduler.announced) if anew else None
        move([self._page, self._live], old, new)
        self._links.adopt(new)
        if anew:
            self._read_journal(reader)
        self._around.set_up_log(new)
        self.scheduler.adopt()
        return told

    # --- the end

    def _drain(self) -> int:
        """Let what is under way come to its end, for a while; gives the exit code."""
        self._manager.stopping()
        self.panel.closed = "the daemon is ending"
        self._stop.set()
        self._live.close()
        self.scheduler.stop_claiming()
        self._close_journal()
        log.info("daemon.draining", busy=self.scheduler.busy())
        clock = self._links.clock
        until = clock.monotonic() + DRAIN_LIMIT
        while self.scheduler.busy() and clock.monotonic() < until:
            # A first one may still lie there, where it came before the loop began.
            self._stops += self._mailbox.take(_PAUSE) is Command.STOP
            if self._stops > 1:
                log.warning("daemon.aborted", busy=self.scheduler.busy())
                self._around.leave(128 + self._mailbox.last_signal)
                break
        left = self.scheduler.busy()
        if self.crier is not None:
            self.crier.stop()
        self.scheduler.close()
        self._page.close()
        if left:
            # What hangs there ends with the process; the next start finishes what it had begun.
            log.warning("daemon.gave_up", links=left)
            self._around.leave(0)
        log.info("daemon.ended")
        return 0


def summary(watches: list[LinkState]) -> str:
    """All links in one line, the worst by its name."""
    troubled = sorted((w for w in watches if w.state.code), key=lambda w: w.state.severity)
    if not troubled:
        starting = sum(state.state is State.STARTING for state in watches)
        told = f"{len(watches)} link{'s' if len(watches) != 1 else ''}"
        return f"{told}, {starting} starting" if starting else f"{told}, no trouble"
    first = troubled[0]
    return f"{len(troubled)} of {len(watches)} in trouble: {first.name}: {first.state.words}"
