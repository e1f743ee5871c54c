"""`syncd db`: the store itself: its migration, a copy of it, a move to another database.

Works on the store alone: no credentials, no request. Neither copy takes a
lock, so a backup can be made beside a running daemon.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, Verbs, config_option, config_path, json_option

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from syncd.config import Settings

EXAMPLES = (
    ("syncd db upgrade", "bring the store to this version of syncd, or make it"),
    ("syncd db backup /var/backups/syncd.db", "a consistent copy, also beside a running daemon"),
    ("syncd db copy postgresql+psycopg://user@host/dbname", "move to another, empty database"),
)


@click.group(
    cls=Verbs,
    short_help="Manage the store.",
    places={
        "upgrade": "syncd.cli.db:upgrade",
        "backup": "syncd.cli.db:backup",
        "copy": "syncd.cli.db:copy",
    },
    examples=EXAMPLES,
)
def db() -> None:
    """Manage the store: the file or database of what was agreed."""


@click.command(
    cls=Verb,
    short_help="Bring the store to this version, or make it.",
    examples=(
        EXAMPLES[0],
        ("syncd db upgrade --config /etc/syncd/config.toml", "the store of that configuration"),
    ),
)
@config_option
@json_option
@click.pass_context
def upgrade(ctx: click.Context, config: Path | None, *, as_json: bool) -> int:
    """Bring the store to this version of syncd, and make it where there is none.

    An embedded SQLite store is migrated by every verb that needs it; a
    PostgreSQL database waits for this one.
    """
    from syncd.cli.session import begin
    from syncd.store import migrate, open_engine
    from syncd.store.errors import place

    settings = begin(config_path(ctx, config))
    engine = open_engine(settings.store.url)
    try:
        before = migrate.upgrade(engine)
        dealt = _upgrade_engine(settings, engine)
    finally:
        engine.dispose()
    where = place(engine.url)
    if not before:
        told = f"{where} was made (migration {migrate.HEAD})"
    elif before == migrate.HEAD:
        told = f"{where} is up to date (migration {before})"
    else:
        told = f"{where} was brought from migration {before} to {migrate.HEAD}"
    engine_told = [f"the tables of fleet.engine were {dealt}"] if dealt else []
    facts = {"before": before or None, "migration": migrate.HEAD}
    return _report([told, *engine_told], facts, as_json=as_json)


def _report(lines: list[str], facts: Mapping[str, object], *, as_json: bool) -> int:
    """Say what was done, in words or as JSON."""
    from syncd.cli.output.printer import Printer

    if as_json:
        document = {"version": 1, "exit_code": 0, **facts, "detail": "; ".join(lines)}
        click.echo(json.dumps(document, indent=2))
        return 0
    for line in lines:
        Printer().line(line)
    return 0


def _upgrade_engine(settings: Settings, engine: Engine) -> str:
    """Make or migrate the tables of what deals out the links; gives what was done, in words."""
    if settings.fleet.engine == "none" or settings.store.is_embedded:
        return ""
    from syncd.bootstrap.fleet import engine_url, require_engine
    from syncd.store.at_work import refuse_at_all

    require_engine()
    from syncd.fleet import tables

    url = engine_url(settings)
    if tables.is_older(url):
        # Its workers speak the tables that they were started with.
        refuse_at_all(engine)
    return tables.upgrade(url)


@click.command(
    cls=Verb,
    short_help="Write a consistent copy of the store to a file.",
    examples=(
        EXAMPLES[1],
        ("syncd db backup monday.db", "a file of that day, in this folder"),
    ),
)
@click.argument("path", type=click.Path(path_type=Path))
@config_option
@json_option
@click.pass_context
def backup(ctx: click.Context, path: Path, config: Path | None, *, as_json: bool) -> int:
    """Write the store's present content to a new SQLite file, readable only by its owner.

    To go back to it, stop syncd and put the file where `store.url` says; the
    next cycle brings it up to date from the two systems.
    """
    from syncd.cli.session import begin
    from syncd.store import backup
    from syncd.store.errors import place

    settings = begin(config_path(ctx, config))
    with _ready(settings.store.url) as engine:
        backup.backup(engine, path)
        size = path.stat().st_size
        told = [f"{place(engine.url)} was copied to {path}, {size:,} bytes"]
        if _connections(engine):
            told += [_KEY_APART, _OLD_BACKUP]
    return _report(told, {"path": str(path), "bytes": size}, as_json=as_json)


@click.command(
    cls=Verb,
    short_help="Copy the store into another database.",
    examples=(
        EXAMPLES[2],
        ("syncd db copy sqlite:////var/lib/syncd/syncd.db", "and back to a SQLite file"),
    ),
)
@click.argument("url")
@config_option
@json_option
@click.pass_context
def copy(ctx: click.Context, url: str, config: Path | None, *, as_json: bool) -> int:
    """Copy everything into another, empty database, and print what to change then.

    Stop syncd first: refused while a link is held by another syncd, because what
    is written during the copy would stay behind. Every link is held until the
    copy is done.
    """
    from sqlalchemy.engine import make_url

    from syncd.bootstrap import open_app
    from syncd.cli.output.formatting import count
    from syncd.cli.session import begin
    from syncd.store import backup
    from syncd.store.errors import place

    settings = begin(config_path(ctx, config))
    target = _checked(url, ctx)
    with (
        _ready(settings.store.url) as engine,
        open_app(settings) as app,
        ExitStack() as held,
    ):
        for name in backup.links(engine):
            held.enter_context(app.store.acquire(name, "db copy"))
        pairs = backup.copy(engine, target)
        connected = _connections(engine)
    where = place(make_url(target))
    told = [f"{count(pairs, 'pair')} copied to {where}; set store.url to it, then start syncd"]
    if connected:
        told += [_KEY_APART, _SECOND_STORE]
    return _report(told, {"pairs": pairs, "target": where}, as_json=as_json)


_KEY_APART = (
    "It holds OAuth connections, and not the key that decrypts their tokens (store.secret_key): "
    "keep that apart"
)
_OLD_BACKUP = (
    "A HighLevel refresh token counts once: an old copy brings back dead ones, and those accounts "
    "are then connected again with `syncd connect highlevel`"
)
_SECOND_STORE = (
    "Only one of the two stores may go on: a copy that is tried elsewhere with the key renews the "
    "HighLevel tokens, and so ends the connections of the other one"
)


def _connections(engine: Engine) -> int:
    """How many OAuth connections a store holds."""
    from sqlalchemy import func, select

    from syncd.store import engine as engines
    from syncd.store.errors import explained
    from syncd.store.tables import connection

    with explained(engine.url), engines.reading(engine).connect() as at:
        return at.execute(select(func.count()).select_from(connection)).scalar_one()


def _checked(url: str, ctx: click.Context) -> str:
    """The address of a store, held to what the configuration accepts."""
    from pydantic import ValidationError

    from syncd.config import StoreSettings
    from syncd.config.key_tree import node_at
    from syncd.config.masking import without_login

    try:
        return StoreSettings(url=url).url
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"]
        node = node_at(("store", "url"))
        raise click.UsageError(
            f"URL {without_login(url)}: {message.removeprefix('Value error, ')}; "
            f"accepted: {node.accepted if node else ''}",
            ctx,
        ) from error


@contextmanager
def _ready(url: str) -> Iterator[Engine]:
    """The store that is there, brought to this version where it may be."""
    from syncd.store import migrate, open_engine

    engine = open_engine(url)
    try:
        migrate.check(engine, may_create=False)
        yield engine
    finally:
        engine.dispose()
