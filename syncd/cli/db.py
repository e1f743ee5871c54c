"""`syncd db`: the store itself; here its migration."""

from __future__ import annotations

from pathlib import Path

import click

from syncd.cli.command import Verb, Verbs, config_option, config_path

EXAMPLES = (("syncd db upgrade", "bring the store to this version of syncd, or make it"),)


@click.group(
    cls=Verbs,
    short_help="Look after the store.",
    places={"upgrade": "syncd.cli.db:upgrade"},
    examples=EXAMPLES,
)
def db() -> None:
    """Look after the store: the file or database that holds what was agreed."""


@click.command(
    cls=Verb,
    short_help="Bring the store to this version, or make it.",
    examples=(
        *EXAMPLES,
        ("syncd db upgrade --config /etc/syncd/config.toml", "the store of that configuration"),
    ),
)
@config_option
@click.pass_context
def upgrade(ctx: click.Context, config: Path | None) -> int:
    """Bring the store to this version of syncd, and make it where there is none.

    An embedded SQLite store is migrated by every verb that needs it; a
    PostgreSQL database waits for this one.
    """
    from syncd.cli.session import begin
    from syncd.store import migrate, open_engine
    from syncd.store.failures import place

    settings = begin(config_path(ctx, config))
    engine = open_engine(settings.store.url)
    try:
        before = migrate.upgrade(engine)
    finally:
        engine.dispose()
    where = place(engine.url)
    if not before:
        click.echo(f"{where} was made (migration {migrate.HEAD})")
    elif before == migrate.HEAD:
        click.echo(f"{where} is up to date (migration {before})")
    else:
        click.echo(f"{where} was brought from migration {before} to {migrate.HEAD}")
    return 0
