"""The daemon's loop on virtual time: every turn of it is a line of a script."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import structlog

from syncd.config import Settings
from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.daemon.daemon import Daemon, DaemonDeps, summary
from syncd.daemon.signals import Command, SignalQueue
from syncd.errors import ConfigError, LinkLocked, StoreError
from syncd.observability.notify_systemd import ServiceManager
from syncd.scheduler import scheduler as limits
from syncd.scheduler.jobs import Jobs

Act = Callable[[], object]


class Script(SignalQueue):
    """Hands out letters, or does something, turn by turn; at its end it says STOP."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Command | Act] = []
        self.each_turn: Act = lambda: None

    @contextmanager
    def open(self) -> Iterator[None]:
        yield

    def take(self, seconds: float) -> Command | None:
        del seconds
        self.each_turn()
        line = self.lines.pop(0) if self.lines else Command.STOP
        if isinstance(line, Command):
            self.last_signal = 15
            return line
        line()
        return None


class StillTicks(Jobs):
    """Ticks that come only from the script."""

    def __init__(self) -> None:
        self.is_running = False

    @property
    def running(self) -> bool:
        return self.is_running

    def add(self, name: str, work: Act, seconds: float) -> None:
        pass

    def pace(self, name: str, seconds: float) -> None:
        pass

    def now(self, name: str, at: datetime) -> None:
        pass

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False


class Stage:
    """A daemon with everything around it under a test's thumb."""

    def __init__(
        self, links: Any, folder: Path, workers: Executor | None, watchdog: float, fleet: Any
    ) -> None:
        self.links, self.script, self.stop = links, Script(), threading.Event()
        name = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.settimeout(0)
        self._heard: list[str] = []
        self.script.each_turn = self._listen
        self.new: Settings | Exception | None = None
        self.left: list[int] = []
        self.logs_set_up = 0
        around = DaemonDeps(
            mailbox=self.script,
            manager=ServiceManager(name, watchdog=watchdog),
            env={"STATUS_TOKEN": "let-me-in"},
            load=self._load,
            set_up_log=self._log,
            leave=self.left.append,
            workers=workers,
            ticks=StillTicks(),
            fleet=fleet,
        )
        self.daemon = Daemon(links, self.stop, around)

    def play(self, *lines: Command | Act) -> int:
        self.script.lines = list(lines)
        return self.daemon.run()

    def heard(self) -> list[str]:
        """What the service manager was told since it was asked last."""
        self._listen()
        found, self._heard = self._heard, []
        return found

    def _listen(self) -> None:
        """Take what there is: the kernel queues no more than ten."""
        with suppress(BlockingIOError):
            while True:
                self._heard.append(self.socket.recv(4096).decode())

    def ask(self, path: str, **headers: str) -> tuple[int, str]:
        assert self.daemon.server is not None
        connection = HTTPConnection(*self.daemon.server.address, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _load(self) -> Settings:
        if isinstance(self.new, Exception):
            raise self.new
        assert self.new is not None
        return self.new

    def _log(self, settings: Settings) -> None:
        del settings
        self.logs_set_up += 1


Build = Callable[..., Stage]


@pytest.fixture
def stage(
    build: Callable[..., Any], inline: Executor, tmp_path: Path
) -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(
        *names: str,
        listen: str = "",
        workers: Executor | None = None,
        watchdog: float = 30.0,
        fleet: Any = None,
    ) -> Stage:
        links = build(*names).links
        links.settings = with_http(links.settings, listen=listen)
        stages.append(Stage(links, tmp_path, workers or inline, watchdog, fleet))
        return stages[-1]

    yield make
    for each in stages:
        each.socket.close()


def with_http(settings: Settings, **http: Any) -> Settings:
    plain = settings.model_dump(exclude_unset=True)
    return Settings.model_validate(plain | {"http": http})


# --- start and end


def test_a_daemon_that_finds_every_link_of_its_file_held_gives_way(stage: Build) -> None:
    play = stage("clinic", "harbour", listen="127.0.0.1:1")  # which nobody may listen on
    for name in ("clinic", "harbour"):
        play.links[name].elsewhere = True
    with pytest.raises(LinkLocked, match="process 7 on host web2"):
        play.play()
    assert "READY=1" not in play.heard()


def test_a_daemon_goes_on_with_the_links_that_nobody_holds(stage: Build) -> None:
    play = stage("clinic", "harbour")
    play.links["clinic"].elsewhere = True
    assert play.play() == 0
    assert "READY=1" in play.heard()


def test_a_daemon_on_a_server_waits_to_take_over(stage: Build) -> None:
    play = stage("clinic")
    play.links["clinic"].elsewhere = True
    plain = play.links.settings.model_dump(exclude_unset=True)
    store = {"store": {"url": "postgresql+psycopg://user@host/dbname"}}
    play.links.settings = Settings.model_validate(plain | store)
    assert play.play() == 0
    assert "READY=1" in play.heard()


def test_ready_is_said_after_the_links_are_checked_and_stopping_before_the_drain(
    stage: Build,
) -> None:
    play = stage("clinic")

    def checked() -> None:
        assert play.links["clinic"].is_held
        assert play.heard()[0] == "READY=1"

    assert play.play(checked) == 0
    heard = play.heard()
    assert "STOPPING=1" in heard
    assert play.links["clinic"].is_held is False
    assert play.left == []


def test_the_status_line_names_the_worst_trouble_once(stage: Build) -> None:
    play = stage("clinic", "harbour")
    play.links["clinic"].outcomes = [Outcome.UNREACHABLE]
    play.links["harbour"].outcomes = [Outcome.REFUSED]

    def run() -> None:
        play.links.clock.seconds += 60
        play.daemon.scheduler.claim()

    play.play(run, lambda: None, lambda: None)
    lines = [line for line in play.heard() if line.startswith("STATUS=")]
    assert lines == [
        "STATUS=2 links, 2 starting",
        "STATUS=2 of 2 in trouble: harbour: credentials refused",
    ]


def test_a_listener_that_cannot_be_had_ends_the_start_with_what_is_wrong(stage: Build) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        play = stage("clinic", listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigError, match=r"http\.listen"):
            play.play()
    assert play.links["clinic"].is_held is False
    assert "READY=1" not in play.heard()


class OneOther:
    """A fleet whose other process has every address, as long as it counts as alive."""

    def __init__(self) -> None:
        self.trouble: StoreError | None = None
        self.lives = True
        self.keys: dict[str, str] = {}
        self.listens: list[str] = []

    def share(self) -> None:
        return None

    def look(self) -> tuple[int, list[str]]:
        return 2, []

    def differing(self) -> list[str]:
        return []

    def listen(self, key: str, address: str) -> None:
        self.keys[key] = address
        self.listens = [each for each in self.keys.values() if each]

    def is_taken(self, address: str) -> bool:
        del address
        if self.trouble is not None:
            raise self.trouble
        return self.lives


def test_an_address_that_another_daemon_of_the_store_has_is_tried_again(stage: Build) -> None:
    fleet = OneOther()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        play = stage("clinic", listen=listen, fleet=fleet)

        def later() -> None:
            assert play.daemon.server is None
            play.links.clock.seconds += 31

        def store_is_away() -> None:
            fleet.trouble = StoreError("away")
            later()

        def other_stands_still() -> None:
            fleet.trouble, fleet.lives = None, False
            later()

        def other_ends() -> None:
            later()
            taken.close()

        def had() -> None:
            assert play.daemon.server is not None

        assert play.play(later, store_is_away, other_stands_still, other_ends, had) == 0
    assert fleet.listens == [listen]


def test_an_address_that_is_given_up_is_no_longer_told_to_the_others(stage: Build) -> None:
    fleet = OneOther()
    play = stage("clinic", listen="127.0.0.1:0", fleet=fleet)
    told: list[list[str]] = []

    def give_up() -> None:
        told.append(fleet.listens)
        play.new = with_http(play.links.settings, listen="")

    assert play.play(give_up, Command.RELOAD, lambda: told.append(fleet.listens)) == 0
    assert told == [["127.0.0.1:0"], []]


def test_a_listener_for_others_needs_its_token(stage: Build) -> None:
    play = stage("clinic")
    play.links.settings = with_http(
        play.links.settings, listen="0.0.0.0:0", token={"env": "NOT_SET"}
    )
    with pytest.raises(ConfigError, match=r"http\.token: .*NOT_SET"):
        play.play()


# --- signals


def test_a_kick_runs_a_full_cycle_of_every_link(stage: Build) -> None:
    play = stage("clinic")

    def claim() -> None:
        play.daemon.scheduler.claim()

    play.play(claim, Command.KICK, claim)
    assert play.links["clinic"].kinds == ["full", "full"]


def test_a_drain_waits_for_the_record_in_hand(stage: Build, later: Any) -> None:
    play = stage("clinic", workers=later)
    finished = []

    def begin() -> None:
        play.daemon.scheduler.claim()
        play.links["clinic"].during = lambda: finished.append(play.stop.is_set())

    # The worker comes to its end only while the daemon drains.
    assert play.play(begin, Command.STOP, lambda: None, later.run) == 0
    assert finished == [True]
    assert play.links["clinic"].is_held is False
    assert play.left == []


def test_a_worker_that_hangs_is_left_behind_in_time_and_the_code_is_still_0(
    stage: Build, later: Any
) -> None:
    play = stage("clinic", workers=later)

    def wait() -> None:
        play.links.clock.seconds += 1

    assert play.play(play.daemon.scheduler.claim, Command.STOP, *[wait] * 10) == 0
    assert play.left == [0]
    assert play.links.clock.seconds < 10


def test_a_second_signal_ends_the_process_at_once(stage: Build, later: Any) -> None:
    play = stage("clinic", workers=later)
    play.play(play.daemon.scheduler.claim, Command.STOP, Command.STOP)
    assert play.left[0] == 128 + 15


# --- the watchdog


def test_the_watchdog_is_fed_while_all_is_well(stage: Build) -> None:
    play = stage("clinic")
    play.play(lambda: None, lambda: None, lambda: None)
    assert play.heard().count("WATCHDOG=1") == 3


def test_a_blocked_worker_silences_the_watchdog(stage: Build) -> None:
    """A real thread hangs in a cycle; only the clock is virtual."""
    hanging, go_on = threading.Event(), threading.Event()
    play = stage("clinic", workers=ThreadPoolExecutor(1))

    def hang() -> None:
        hanging.set()
        assert go_on.wait(60)

    play.links["clinic"].during = hang

    def begin() -> None:
        play.daemon.scheduler.claim()
        assert hanging.wait(60)
        play.heard()

    def later() -> None:
        play.links.clock.seconds += limits.STUCK_AFTER + 1
        play.daemon.scheduler.claim()
        assert play.heard().count("WATCHDOG=1") == 1
        assert "no sign of life" in play.daemon.panel.unhealthy_reason()

    def silent() -> None:
        assert not [line for line in play.heard() if line == "WATCHDOG=1"]
        play.links["clinic"].answers += 1  # an answer came in at last

    def alive() -> None:
        assert "WATCHDOG=1" in play.heard()
        go_on.set()

    play.play(begin, later, silent, alive)


def test_a_claim_loop_that_stands_still_silences_the_watchdog(stage: Build) -> None:
    play = stage("clinic")

    def stand_still() -> None:
        play.heard()
        play.links.clock.seconds += limits.TURN_LIMIT + 1

    def silent() -> None:
        assert "WATCHDOG=1" not in play.heard()

    with structlog.testing.capture_logs() as logs:
        play.play(stand_still, silent, silent)
    assert [line["event"] for line in logs].count("daemon.ailing") == 1


# --- a new configuration


def test_a_reload_takes_up_what_is_new_and_says_what_changed(
    stage: Build, settings_of: Callable[..., Settings]
) -> None:
    play = stage("clinic")
    play.new = with_http(
        settings_of("clinic", "harbour", schedule={"poll_interval": "5s"}), listen=""
    )
    with structlog.testing.capture_logs() as logs:
        play.play(Command.RELOAD, lambda: None)
    (line,) = [line for line in logs if line["event"] == "config.reloaded"]
    assert line["changes"] == ['schedule.poll_interval: "60s" → "5s"', "links.harbour: new"]
    assert play.links["harbour"].leases
    assert play.logs_set_up == 1
    heard = play.heard()
    at = [place for place, said in enumerate(heard) if said.startswith("RELOADING=1")]
    assert "READY=1" in heard[at[0] :]


def test_a_wrong_new_configuration_keeps_the_old_one_and_says_why(stage: Build) -> None:
    play = stage("clinic", listen="127.0.0.1:0")
    play.new = ConfigError(["schedule.poll_interval: accepted: a number of seconds"])
    before = play.links.settings

    def look() -> None:
        assert play.links.settings is before
        assert "schedule.poll_interval" in play.ask("/")[1]
        assert play.ask("/readyz")[0] == 200

    def mended() -> None:
        play.new = before

    def gone() -> None:
        assert "schedule.poll_interval" not in play.ask("/")[1]

    with structlog.testing.capture_logs() as logs:
        play.play(Command.RELOAD, look, mended, Command.RELOAD, gone)
    refused = [line for line in logs if line["event"] == "config.refused"]
    assert refused[0]["problems"] == ["schedule.poll_interval: accepted: a number of seconds"]
    assert any("a new configuration was refused" in said for said in play.heard())


@pytest.mark.parametrize(
    "raised",
    [
        FileNotFoundError(2, "No such file or directory"),
        PermissionError(13, "Permission denied", "/etc/syncd/links.d"),
        UnicodeError("label empty or too long"),
        StoreError("the store is locked"),
        RuntimeError("nobody thought of this"),
    ],
)
def test_whatever_a_reload_meets_the_daemon_goes_on(stage: Build, raised: Exception) -> None:
    play = stage("clinic", listen="127.0.0.1:0")
    before = play.links.settings
    play.new = raised

    def look() -> None:
        assert play.links.settings is before
        assert play.ask("/readyz")[0] == 200

    with structlog.testing.capture_logs() as logs:
        play.play(Command.RELOAD, look)
    assert [line["kept"] for line in logs if line["event"] == "config.refused"] == ["the old one"]


def test_another_store_needs_a_restart(stage: Build) -> None:
    play = stage("clinic")
    plain = play.links.settings.model_dump(exclude_unset=True)
    play.new = Settings.model_validate(plain | {"store": {"url": "sqlite:///other.db"}})
    before = play.links.settings
    play.play(Command.RELOAD, lambda: None)
    assert play.links.settings is before


def test_a_new_listener_is_taken_up_and_one_that_is_taken_keeps_the_old(stage: Build) -> None:
    play = stage("clinic", listen="127.0.0.1:0")
    first: list[tuple[str, int]] = []

    def remember() -> None:
        assert play.daemon.server is not None
        first.append(play.daemon.server.address)
        play.new = with_http(play.links.settings, listen="localhost:0")

    def moved() -> None:
        assert play.daemon.server is not None
        assert play.daemon.server.address != first[0]
        assert play.ask("/livez")[0] == 200

    with socket.create_server(("127.0.0.1", 0)) as taken:

        def aim_at_taken() -> None:
            port = taken.getsockname()[1]
            play.new = with_http(play.links.settings, listen=f"127.0.0.1:{port}")

        def kept() -> None:
            assert play.ask("/livez")[0] == 200
            assert play.links.settings.http.listen == "localhost:0"

        play.play(remember, Command.RELOAD, moved, aim_at_taken, Command.RELOAD, kept)


def test_a_token_given_later_is_asked_for_from_then_on(stage: Build) -> None:
    play = stage("clinic", listen="127.0.0.1:0")

    def give() -> None:
        assert play.ask("/healthz")[0] == 200
        play.new = with_http(
            play.links.settings, listen="127.0.0.1:0", token={"env": "STATUS_TOKEN"}
        )

    def asked() -> None:
        assert play.ask("/healthz")[0] == 401
        assert play.ask("/healthz", Authorization="Bearer let-me-in")[0] == 200

    play.play(give, Command.RELOAD, asked)


# --- what is shown


def test_the_server_shows_what_the_scheduler_knows(stage: Build) -> None:
    play = stage("clinic", "harbour", listen="127.0.0.1:0")
    play.links["harbour"].outcomes = [Outcome.REFUSED]
    play.links["clinic"].requests = {Side.GHL: 3, Side.HUBSPOT: 4}

    def look() -> None:
        play.links.clock.seconds += 60
        play.daemon.scheduler.claim()
        status, text = play.ask("/healthz")
        told = json.loads(text)
        states = {name: link["state"] for name, link in told["links"].items()}
        assert (status, states) == (503, {"clinic": "ok", "harbour": "refused"})
        numbers = play.ask("/metrics")[1]
        assert 'syncd_link_state{link="harbour",state="refused"} 1.0' in numbers
        # A link that never had a good cycle is behind since it was taken up.
        (behind,) = re.findall(r'syncd_seconds_since_good_cycle{link="harbour"} (.+)', numbers)
        assert float(behind) >= 60
        assert 'syncd_requests_total{link="clinic",provider="ghl",status="200"} 7.0' in numbers
        assert "credentials refused" in play.ask("/")[1]
        assert play.ask("/readyz") == (200, "ok\n")

    play.play(look)


def test_it_is_not_ready_before_the_start_and_while_it_drains(stage: Build, later: Any) -> None:
    play = stage("clinic", listen="127.0.0.1:0", workers=later)
    assert play.daemon.panel.not_ready() == "the daemon is starting"
    seen: list[Any] = []
    play.play(
        play.daemon.scheduler.claim,
        Command.STOP,
        lambda: seen.append((play.ask("/readyz"), play.ask("/livez")[0])),
        later.run,
    )
    assert seen == [((503, "the daemon is ending\n"), 200)]


def test_a_summary_of_no_trouble(stage: Build) -> None:
    watches = stage("clinic").daemon.scheduler.watches()
    assert summary(watches) == "1 link, 1 starting"
    assert summary([]) == "0 links, no trouble"
