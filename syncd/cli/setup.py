"""`syncd setup`: make the properties that HubSpot needs; safe to repeat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import (
    Verb,
    config_option,
    config_path,
    json_option,
    link_option,
)

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.cli.output.printer import Printer


@click.command(
    cls=Verb,
    short_help="Create the properties that HubSpot needs.",
    examples=(
        ("syncd setup", "make what is missing, for every link"),
        ("syncd setup --link clinic", "for one link"),
        ("syncd setup --json", "the same, for a script"),
    ),
)
@config_option
@link_option
@json_option
@click.pass_context
def setup(ctx: click.Context, config: Path | None, links: tuple[str, ...], *, as_json: bool) -> int:
    """Make what HubSpot needs: a property group and a few properties.

    What is there already stays as it is, so it can be run again at any time.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin, selected_links
    from syncd.core.outcome import worst_code

    settings = begin(config_path(ctx, config))
    names = selected_links(list(settings.links), links)
    rows: dict[str, object] = {}
    with open_app(settings, make_store=True) as app:
        code = worst_code([_set_up(app, name, rows, quiet=as_json) for name in names])
    if as_json:
        click.echo(json.dumps({"version": 1, "exit_code": code, "links": rows}, indent=2))
    return code


def _set_up(app: App, name: str, rows: dict[str, object], *, quiet: bool) -> int:
    """Set one link up; an error is printed, and stops no other link."""
    from syncd.cli.output.printer import Printer
    from syncd.errors import ProviderError, SyncdError

    try:
        made = app.setup(name)
        waker = _wake(app, name)
    except SyncdError as error:
        where = "HubSpot: " if isinstance(error, ProviderError) else ""
        problems = [f"{where}{line}" for line in str(error).splitlines()]
        for line in problems:
            click.echo(f"{name}: {line}", err=True)
        rows[name] = {"exit_code": error.outcome.exit_code, "problems": problems}
        return error.outcome.exit_code
    there = [what for what, is_new in made if not is_new]
    fresh = [what for what, is_new in made if is_new]
    rows[name] = {"exit_code": 0, "made": fresh, "there": there}
    if not quiet:
        print_setup(Printer(), name, made)
        if waker:
            Printer().line(f"{name}: {waker} looks again now")
    return 0


def _wake(app: App, name: str) -> str:
    """Have a daemon that waits for what was made look again at once; gives who it is."""
    from syncd.ports.store import RESUME

    holder = app.store.holder(name)
    if holder is None or holder.verb != "run":
        return ""
    app.link_store(name).decide(RESUME, {}, app.clock.now())
    return str(holder)


def print_setup(printer: Printer, name: str, made: list[tuple[str, bool]]) -> None:
    """What was made, and what was there."""
    for what, is_new in made:
        if is_new:
            printer.line(f"{name}: made in HubSpot: {what}", "green")
    there = sum(not is_new for _, is_new in made)
    if there == len(made):
        printer.line(f"{name}: HubSpot has everything that is needed", "green")
    elif there:
        printer.line(f"{name}: {there} of {len(made)} were there already")
