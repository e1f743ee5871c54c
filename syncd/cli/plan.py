"""`syncd plan`: what a cycle would write, field by field, and why; it writes nothing.

The same as `syncd --sync-now --dry-run`, in `sync_now`.
"""

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
    short_help="Show what a cycle would write, and why.",
    examples=(
        ("syncd plan", "every write of every link, with the reason"),
        ("syncd plan --link clinic --json", "one link, for a script"),
        ("syncd plan --out monday.json", "keep the plan, for `syncd apply monday.json`"),
        ("syncd plan --allow-removals", "as it would be with the removal guard open"),
    ),
)
@config_option
@link_option
@json_option
@guard_options
@held_option
@ids_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the plan in a file that only you can read.",
)
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    *,
    config: Path | None,
    out: Path | None,
    **given: bool | tuple[str, ...],
) -> int:
    """Show every write that a cycle would make, and why; write nothing.

    Takes no lock, creates no store, and can run while the daemon runs. The exit
    code is that of the cycle.
    """
    from syncd.cli.sync_now import SyncOptions, sync

    return sync(config_path(ctx, config), SyncOptions.of(given | {"dry_run": True}), out=out)
