"""`syncd sync`: the same as `syncd --sync-now`, options included; see `sync_now`."""

from __future__ import annotations

from pathlib import Path

import click

from syncd.cli.command import (
    Verb,
    config_option,
    config_path,
    guard_options,
    held_option,
    ids_option,
    json_option,
    link_option,
)


@click.command(
    cls=Verb,
    short_help="Run one full cycle of every link, then end.",
    examples=(
        ("syncd sync", "one full cycle of every link"),
        ("syncd sync --link clinic --json", "one link, with a report for a script"),
        ("syncd sync --dry-run", "show every write that it would make, and write nothing"),
    ),
)
@config_option
@link_option
@click.option("--dry-run", is_flag=True, help="Plan, and write nothing.")
@json_option
@guard_options
@held_option
@ids_option
@click.pass_context
def sync(ctx: click.Context, /, *, config: Path | None, **given: bool | tuple[str, ...]) -> int:
    """Run one full cycle of every link and report it; the same as `syncd --sync-now`."""
    from syncd.cli.sync_now import SyncOptions
    from syncd.cli.sync_now import sync as run

    return run(config_path(ctx, config), SyncOptions.of(given))
