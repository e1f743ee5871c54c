"""The end of a process that waits in the operating system, where no handler of Python's runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from program import environment

if TYPE_CHECKING:
    from pathlib import Path

BEGINNING = """
import signal, sqlite3, sys, threading
from syncd.cli import shutdown
shutdown.LIMIT, shutdown.AT_ONCE = {limit}, {at_once}
for number in shutdown.STOPS:
    signal.signal(number, lambda *_: None)
first = sqlite3.connect("locked.db", isolation_level=None)
first.execute("BEGIN EXCLUSIVE")
second = sqlite3.connect("locked.db", isolation_level=None, timeout=600)
heard = threading.Event()
"""

BLOCKED = """
with shutdown.on_stop_signal(lambda: print("heard", flush=True), code={code}):
    print("ready", flush=True)
    second.execute("BEGIN IMMEDIATE")  # waits in C, for ten minutes
"""


def blocked(
    folder: Path, *, limit: float = 600.0, at_once: float = 600.0, code: int | None = None
) -> subprocess.Popen[str]:
    script = BEGINNING.format(limit=limit, at_once=at_once) + BLOCKED.format(code=code)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("code", [None, 0])
def test_a_stop_ends_what_waits_in_the_operating_system(
    tmp_path: Path, number: signal.Signals, code: int | None
) -> None:
    with blocked(tmp_path, limit=0.2, code=code) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert out == "heard\n"
    assert process.returncode == (128 + number if code is None else code)
    assert not err


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with blocked(tmp_path, at_once=0.1, code=0) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "heard\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT


def test_nothing_ends_once_the_block_is_over(tmp_path: Path) -> None:
    script = BEGINNING.format(limit=0.05, at_once=0.05) + (
        "with shutdown.on_stop_signal(heard.set, code=7):\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    heard.wait()\n"
        "with shutdown.on_stop_signal():\n"
        "    pass\n"
        "threading.Event().wait(0.3)\n"
        "print('still here')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (0, "still here\n"), ended.stderr
