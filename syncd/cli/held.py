"""`syncd held`: the held records, and how to resolve each.

Reads the store alone: no credentials, no lock, no request.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import (
    Verb,
    config_option,
    config_path,
    ids_option,
    json_option,
    link_option,
)

if TYPE_CHECKING:
    from syncd.cli.output.printer import Printer
    from syncd.core.model import Hold


@click.command(
    cls=Verb,
    short_help="List held records, and why they are held.",
    examples=(
        ("syncd held", "the held records of every link"),
        ("syncd held --link clinic --json", "one link, for a script"),
    ),
)
@config_option
@link_option
@json_option
@ids_option
@click.pass_context
def held(
    ctx: click.Context, config: Path | None, links: tuple[str, ...], *, as_json: bool, ids: bool
) -> int:
    """List held records: why, since when, and how to resolve each.

    Every full cycle checks held records again, and syncs those whose cause is
    gone.
    """
    from syncd.cli.naming import Screen
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import open_reader, selected_links, timezone_of

    with open_reader(config_path(ctx, config)) as app:
        stores = app.readers(selected_links(app.link_names(), links))
        waiting = {name: store.holds() for name, store in stores.items()}
        zones = {name: timezone_of(store) for name, store in stores.items()}
    if as_json:
        rows = {name: [as_value(hold) for hold in holds] for name, holds in waiting.items()}
        click.echo(json.dumps({"version": 1, "exit_code": 0, "links": rows}, indent=2))
        return 0
    with Screen(Printer(), ids=ids, path=config_path(ctx, config)) as screen:
        for name, holds in waiting.items():
            screen.show(name, partial(print_held, name=name, holds=holds, timezone=zones[name]))
    return 0


def as_value(hold: Hold) -> dict[str, object]:
    """A held record as JSON; instants in UTC."""
    from syncd.core.essence import moment_text

    return {
        "ghl_id": hold.ghl_id or None,
        "hubspot_id": hold.hubspot_id or None,
        "reason": hold.reason,
        "field": hold.group or None,
        "detail": hold.detail,
        "since": moment_text(hold.since),
        "starts_at": moment_text(hold.starts_at),
        "title": hold.title or None,
        "attempts": hold.attempts,
        "retry_at": moment_text(hold.retry_at),
        "values": dict(hold.values),
    }


def print_held(printer: Printer, name: str, holds: list[Hold], timezone: str) -> None:
    """One link's held records, for people."""
    from syncd.cli.output import formatting
    from syncd.cli.output.holds import print_holds

    if not holds:
        printer.line(f"{name}: nothing is held", "green")
        return
    number = formatting.count(len(holds), "record")
    printer.line(f"{name}: {number} held (times in {timezone or 'UTC'})", "bold")
    print_holds(printer, holds, timezone)
    if len(holds) > 1:
        printer.line(f"{name}: {number} held", "bold")
