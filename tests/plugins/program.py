"""The real program in its own process: for acceptance tests and those that need a clean start."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import syncd

COMMAND = (sys.executable, "-m", "syncd")


def environment(**more: str) -> dict[str, str]:
    """This process's environment, by which a child finds the same syncd, and more."""
    root = str(Path(syncd.__file__).parent.parent)
    inherited = dict(os.environ)  # noqa: TID251 - a child inherits it
    for size in ("COLUMNS", "LINES"):  # of the terminal that the tests are run in
        inherited.pop(size, None)
    return inherited | {"PYTHONPATH": root} | more


def start(*args: str, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start `syncd ARGS…`; its streams are pipes of text."""
    return subprocess.Popen(
        [*COMMAND, *args],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*args: str, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `syncd ARGS…` to its end."""
    return subprocess.run(
        [*COMMAND, *args],
        cwd=cwd,
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
