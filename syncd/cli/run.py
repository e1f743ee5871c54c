"""`syncd run`, and `syncd` without a verb: the daemon.

Only hands over to `syncd.daemon`, which is imported when it is wanted.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from syncd.cli.command import Verb, config_option, config_path


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
    from syncd.cli.session import begin

    settings = begin(config)
    code: int = import_module("syncd.daemon").run(settings)
    return code
