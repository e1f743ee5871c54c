"""`syncd connections` and `syncd disconnect ID`: which OAuth connections the store holds.

They work on the store alone: no vendor is asked, no key is needed, no token is shown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.asking import asking_options, confirm
from syncd.cli.command import Verb, config_option, config_path, json_option

if TYPE_CHECKING:
    from datetime import datetime

    from syncd.store.connections import StoredConnection

_TAKE_AWAY = {
    "highlevel": "in HighLevel, under Settings, Integrations, uninstall the app there",
    "hubspot": "in HubSpot, under Settings, Integrations, Connected Apps, uninstall the app there",
}


@click.command(
    cls=Verb,
    short_help="List the OAuth connections.",
    examples=(
        ("syncd connections", "each with its account, its token's end and the links that use it"),
        ("syncd connections --json", "the same for a script"),
    ),
)
@config_option
@json_option
@click.pass_context
def connections(ctx: click.Context, config: Path | None, *, as_json: bool) -> int:
    """List the OAuth connections, and the links that use each; never a token."""
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin

    with open_app(begin(config_path(ctx, config), linkless=True)) as app:
        found = app.store.connections.all()
        served = app.served()
        now = app.clock.now()
    if as_json:
        rows = [as_value(row, served.get(row.id, [])) for row in found]
        click.echo(json.dumps({"version": 1, "exit_code": 0, "connections": rows}, indent=2))
    elif not found:
        Printer().line(
            "there is no connection: `syncd connect highlevel` or `syncd connect hubspot`"
        )
    else:
        for row in found:
            _show(row, served.get(row.id, []), now)
    return 0


def as_value(row: StoredConnection, links: list[str]) -> dict[str, object]:
    """A connection as JSON."""
    return {
        "id": row.id,
        "vendor": row.vendor,
        "kind": row.kind,
        "account": row.account,
        "name": row.name,
        "scopes": list(row.scopes),
        "connected_at": row.connected_at.isoformat(),
        "token_ends": row.token_ends.isoformat() if row.token_ends else None,
        "state": "refused" if row.refused else "ok",
        "links": links,
    }


def _show(row: StoredConnection, links: list[str], now: datetime) -> None:
    from syncd.cli.output import formatting
    from syncd.cli.output.printer import Printer
    from syncd.connections.refusals import refusal_of

    printer = Printer()
    called = f" ({row.name})" if row.name else ""
    age = formatting.seconds(max(0.0, (now - row.connected_at).total_seconds()))
    printer.line(f"{row.id}  {row.vendor} {row.kind} {row.account}{called}")
    printer.line(f"    connected for {age}, {_ends(row, now)}")
    printer.line(f"    scopes: {' '.join(row.scopes) or 'not told'}")
    printer.line(f"    links: {', '.join(links) or 'none'}")
    if row.refused:
        printer.line(f"    refused: {refusal_of(row)}")


def _ends(row: StoredConnection, now: datetime) -> str:
    from syncd.cli.output import formatting

    if row.token_ends is None:
        return "no token yet"
    left = (row.token_ends - now).total_seconds()
    if left <= 0:
        return "its token has ended, and is renewed when it is needed"
    return f"its token ends in {formatting.seconds(left)}"


@click.command(
    cls=Verb,
    short_help="Forget an OAuth connection.",
    examples=(
        ("syncd disconnect 3", "asks, then forgets connection 3 of `syncd connections`"),
        ("syncd disconnect 3 --dry-run", "shows which links it would stop"),
    ),
)
@click.argument("connection", metavar="ID", type=int)
@config_option
@asking_options
@json_option
@click.pass_context
def disconnect(
    ctx: click.Context,
    connection: int,
    config: Path | None,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Forget a connection here, and say how to take the app away there.

    The links that use it stop until they are connected again. Nothing is
    removed in either system.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin

    with open_app(begin(config_path(ctx, config), linkless=True)) as app:
        row = next((each for each in app.store.connections.all() if each.id == connection), None)
        if row is None:
            raise click.UsageError(
                f"ID {connection}: no such connection; `syncd connections` lists them", ctx
            )
        links = app.served().get(row.id, [])
        if not as_json:
            _announce(row, links)
        if not dry_run:
            confirm("Forget it?", yes=yes)
            app.store.connections.delete(connection)
    if as_json:
        value = as_value(row, links)
        document = {"version": 1, "exit_code": 0, "dry_run": dry_run, "connection": value}
        click.echo(json.dumps(document, indent=2))
        return 0
    if dry_run:
        return 0
    Printer().line(f"connection {connection} is forgotten here")
    Printer().line(f"To take the app away there as well: {_TAKE_AWAY[row.vendor]}.")
    return 0


def _announce(row: StoredConnection, links: list[str]) -> None:
    from syncd.cli.output.printer import Printer

    called = f" ({row.name})" if row.name else ""
    Printer().line(f"connection {row.id}: {row.vendor} {row.kind} {row.account}{called}")
    if links:
        Printer().line(f"these links stop until they are connected again: {', '.join(links)}")
    else:
        Printer().line("no link uses it")
