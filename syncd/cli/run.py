"""`syncd run`, and `syncd` without a verb: the daemon.

Starts `syncd.daemon`, which is imported only here.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType

import click

from syncd.cli.command import Verb, config_option, config_path, log_level
from syncd.cli.shutdown import on_stop_signal


@click.command(
    cls=Verb,
    short_help="Sync every link until stopped: the daemon.",
    examples=(
        ("syncd run", "sync every link until SIGTERM or Ctrl-C"),
        ("syncd run --config /etc/syncd/config.toml", "with this configuration"),
    ),
)
@config_option
@click.pass_context
def run(ctx: click.Context, config: Path | None) -> int:
    """Run the daemon: poll and sync every link until it is stopped."""
    return start(config_path(ctx, config))


def start(config: Path | None) -> int:
    """Run the daemon; gives its exit code."""
    stop = threading.Event()
    with _early_stop(), on_stop_signal(stop.set, code=0):
        from syncd.cli.session import begin

        settings = begin(config)
        code: int = import_module("syncd.daemon").run(settings, stop, level=log_level())
        return code


@contextmanager
def _early_stop() -> Iterator[None]:
    """End with 0 for a stop before the daemon handles its signals.

    Signals for a reload or a cycle are ignored by then: both are about to happen.
    """
    before = {
        number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGINT)
    } | {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGUSR1)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(0)
