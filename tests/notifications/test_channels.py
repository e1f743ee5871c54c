"""The two ways of a message, where the other end takes its time: every one has an end."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic  # noqa: TID251 - the real time is what this is about
from typing import TYPE_CHECKING

import pytest

from syncd.bootstrap.clock import SystemClock
from syncd.notifications import channels
from syncd.notifications.channels import Command, Undelivered, Webhook
from syncd.providers import deadlines

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = 10.0
"""Seconds by which everything here is over, on a machine that has much else to do."""

BODY = {"id": "1", "text": "x" * 300_000}
ENV = {"PATH": os.defpath}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "WEBHOOK_TIMEOUT", 0.4)
    monkeypatch.setattr(channels, "COMMAND_TIMEOUT", 0.6)


@contextmanager
def webhook(before: bytes, drop: bytes) -> Iterator[str]:
    """A webhook that answers in drops."""
    over = threading.Event()

    def talk(listener: socket.socket) -> None:
        with suppress(OSError):
            link, _ = listener.accept()
            with link:
                link.sendall(before)
                while not over.wait(0.02):
                    link.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("drops", [(b"", b"H"), (b"HTTP/1.1 200 OK\r\n", b"X-More: y\r\n")])
def test_a_webhook_that_answers_in_drops_is_given_up(drops: tuple[bytes, bytes]) -> None:
    began = monotonic()
    with webhook(*drops) as url, pytest.raises(Undelivered, match="did not answer within"):
        Webhook(url, SystemClock()).send(BODY)
    assert monotonic() - began < ENOUGH


def test_a_stop_ends_a_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "WEBHOOK_TIMEOUT", 600.0)
    monkeypatch.setattr(deadlines, "GRACE", 0.2)
    began = monotonic()
    with webhook(b"", b"H") as url, pytest.raises(Undelivered):
        Webhook(url, SystemClock()).send(BODY, lambda: True)
    assert monotonic() - began < ENOUGH


def run(script: str, *, stop: bool = False) -> float:
    """Run it; gives the seconds that it took."""
    began = monotonic()
    Command(["/bin/sh", "-c", script], ENV).send(BODY, lambda: stop)
    return monotonic() - began


def test_a_command_gets_the_whole_message(tmp_path: Path) -> None:
    got = tmp_path / "got"
    run(f"cat > {got}")
    assert json.loads(got.read_text()) == BODY


@pytest.mark.parametrize(
    "script",
    ["exit 0", "exec 0<&-; exit 0", "head -c 10 >/dev/null", "yes | head -c 1000000 >&2"],
)
def test_a_command_that_reads_little_and_says_much_is_no_trouble(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "COMMAND_TIMEOUT", 30.0)
    assert run(script) < ENOUGH


def test_a_child_that_keeps_the_pipe_open_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "COMMAND_TIMEOUT", 600.0)
    child = tmp_path / "child"
    assert run(f"sleep 1000 & echo $! > {child}; exit 0") < ENOUGH
    assert is_gone(int(child.read_text()))


def test_a_command_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(Undelivered, match="took longer than"):
        run(f"trap '' TERM; sleep 1000 & echo $! > {child}; wait")
    assert is_gone(int(child.read_text()))


def test_a_child_of_its_own_session_that_holds_the_pipe_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    child = tmp_path / "child"
    began = monotonic()
    try:
        with pytest.raises(Undelivered):
            run(f"setsid sh -c 'echo $$ > {child}; exec sleep 1000' & exec sleep 1000")
        assert monotonic() - began < ENOUGH
    finally:
        with suppress(OSError, ValueError):
            os.kill(int(child.read_text()), signal.SIGKILL)


def test_a_stop_ends_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "COMMAND_TIMEOUT", 600.0)
    monkeypatch.setattr(channels, "STOP_GRACE", 0.2)
    began = monotonic()
    with pytest.raises(Undelivered):
        run("exec sleep 1000", stop=True)
    assert monotonic() - began < ENOUGH


def test_what_a_command_complains_of_is_told() -> None:
    with pytest.raises(Undelivered, match="ended with 3: no such room"):
        run("cat >/dev/null; echo no such room >&2; exit 3")


def is_gone(pid: int) -> bool:
    """Whether the process has ended, within a while; what waits to be buried has."""
    until = monotonic() + ENOUGH
    while monotonic() < until:
        try:
            told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            if told.rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
    return False
