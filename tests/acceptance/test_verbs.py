"""The verbs as people and machines start them: the real program, under a terminal and in pipes."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import program
import pytest
from process_harness import OpenStage, ProcessHarness, held_up
from vendor_accounts import VendorAccounts

pytestmark = pytest.mark.acceptance

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a person at a terminal saw of a command."""

    code: int
    screen: str


@pytest.fixture
def processes(open_stage: OpenStage) -> ProcessHarness:
    """Two vendors on loopback, config.toml in the folder, a store of each kind."""
    return open_stage("")


@pytest.fixture
def accounts(processes: ProcessHarness) -> VendorAccounts:
    """What people do at the two vendors."""
    return processes.accounts


@pytest.fixture
def env(processes: ProcessHarness) -> dict[str, str]:
    """The environment of the program: it finds the tokens and the store there."""
    return processes.env | {"TERM": "xterm-256color"}


@pytest.fixture
def ready(processes: ProcessHarness) -> VendorAccounts:
    """The clinic, its HubSpot account set up."""
    done = processes.run("setup")
    assert done.returncode == 0, done.stderr
    return processes.accounts


@pytest.fixture
def at_a_terminal(accounts: VendorAccounts, env: dict[str, str]) -> Callable[..., Seen]:
    """`at_a_terminal("plan", NO_COLOR="1")` runs the program under a pseudo-terminal."""

    def act(*args: str, width: int = 80, **more: str) -> Seen:
        child, screen = pty.fork()
        if child == 0:
            os.chdir(accounts.folder)
            line = [*program.COMMAND, *args]
            os.execvpe(line[0], line, env | more)  # noqa: S606 - a terminal takes no shell
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        shown = b"".join(_read(screen))
        _, status = os.waitpid(child, 0)
        os.close(screen)
        return Seen(code=os.waitstatus_to_exitcode(status), screen=shown.decode())

    return act


def _read(screen: int) -> Iterator[bytes]:
    while select.select([screen], [], [], 60)[0]:
        try:
            part = os.read(screen, 65536)
        except OSError:
            return  # the other end is closed: the program has ended
        if not part:
            return
        yield part


def test_a_person_at_a_terminal_sees_colour_a_bar_and_lines_that_fit(
    ready: VendorAccounts, at_a_terminal: Callable[..., Seen]
) -> None:
    ready.book("A check-up with a long title that does not fit in a narrow column")
    seen = at_a_terminal("--sync-now", width=70)
    assert seen.code == 0
    assert COLOUR.search(seen.screen)
    assert "clinic: writing" in seen.screen
    assert "1/1" in seen.screen
    told = seen.screen.rpartition("\x1b[?25h")[2]  # the bar is gone, the cursor is back
    assert "clinic (times in Europe/Zurich)" in told
    assert "{" not in told  # no line of the log among what the person asked for
    assert max(len(COLOUR.sub("", line)) for line in told.splitlines()) <= 70


def test_no_color_is_obeyed_at_a_terminal(
    ready: VendorAccounts, at_a_terminal: Callable[..., Seen]
) -> None:
    ready.book()
    seen = at_a_terminal("plan", NO_COLOR="1")
    coloured = [code for code in COLOUR.findall(seen.screen) if re.search(r"[34][0-7]", code)]
    assert "create in HubSpot" in seen.screen
    assert coloured == []


def test_in_a_pipe_the_report_is_on_stdout_and_the_log_on_stderr(
    ready: VendorAccounts, env: dict[str, str]
) -> None:
    ready.book()
    done = program.run("--sync-now", cwd=ready.folder, env=env)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "HubSpot: created" in done.stdout
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert "cycle.finished" in events


def test_a_reader_that_goes_away_early_is_no_fault(
    accounts: VendorAccounts, processes: ProcessHarness, env: dict[str, str]
) -> None:
    processes.run("db", "upgrade")
    with program.start("config", "show", cwd=accounts.folder, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert "Traceback" not in told


def test_an_output_without_unicode_still_gets_everything(
    ready: VendorAccounts, env: dict[str, str]
) -> None:
    ready.book("Prüfung ✓")
    done = program.run("plan", cwd=ready.folder, env=env | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "Pr\\xfcfung \\u2713" in done.stdout


def test_nobody_at_the_other_end_ends_with_7(
    accounts: VendorAccounts, processes: ProcessHarness
) -> None:
    file = accounts.folder / "config.toml"
    file.write_text(file.read_text().replace(accounts.server.url, "http://127.0.0.1:9"))
    done = processes.run("--sync-now", "--json")
    assert done.returncode == 7
    report = json.loads(done.stdout)
    assert (report["exit_code"], report["links"]["clinic"]["outcome"]) == (7, "unreachable")


def test_a_second_syncd_ends_with_5_and_names_the_first(
    ready: VendorAccounts, processes: ProcessHarness
) -> None:
    ready.book()
    with held_up(ready) as gate, processes.start("--sync-now") as first:
        assert gate.reached.wait(60)
        second = processes.run("--sync-now", "--json")
        plan = processes.run("plan", "--json")
        gate.open.set()
        out, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert "HubSpot: created" in out
    report = json.loads(second.stdout)
    assert (second.returncode, report["links"]["clinic"]["outcome"]) == (5, "locked")
    assert str(first.pid) in report["links"]["clinic"]["detail"]
    assert plan.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_write_in_hand_finish_and_nothing_is_lost(
    number: signal.Signals, ready: VendorAccounts, processes: ProcessHarness
) -> None:
    ready.book()
    with held_up(ready) as gate, processes.start("--sync-now", "--json") as process:
        assert gate.reached.wait(60)
        process.send_signal(number)
        for line in process.stderr:
            if "stopping after the write in hand" in line:
                break
        gate.open.set()
        out, _ = process.communicate(timeout=60)
    assert json.loads(out)["exit_code"] == process.returncode
    again = processes.run("--sync-now", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["links"]["clinic"]["pairs"] == 1
    assert len(ready.hubspot.records()) == 1
