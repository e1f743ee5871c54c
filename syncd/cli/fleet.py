"""`syncd fleet`: the processes that share a PostgreSQL store, and the links of each.

Reads the store alone: no credentials, no lock, no request. Beside SQLite there
is one process at most, which `syncd status` tells of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, config_option, config_path, json_option

if TYPE_CHECKING:
    from syncd.store.members import Member


@click.command(
    cls=Verb,
    short_help="List the processes that share the store.",
    examples=(
        ("syncd fleet", "each process, its links, and where configurations differ"),
        ("syncd fleet --json", "the same for a script"),
    ),
)
@config_option
@json_option
@click.pass_context
def fleet(ctx: click.Context, config: Path | None, *, as_json: bool) -> int:
    """List the processes that share a PostgreSQL store, and the links that each holds.

    A configuration differs where it is another than the newest process's:
    links that only some processes know are worked by one of those.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin

    with open_app(begin(config_path(ctx, config))) as app:
        members = app.store.members
        found = [] if members is None else [each for each in members.members() if each.lives]
        held = {name for each in found for name in each.links}
        unheld = [] if members is None else [n for n in app.link_names() if n not in held]
        differ = app.differing()
    if as_json:
        rows = [as_value(each, differs=str(each.holder) in differ) for each in found]
        document = {"version": 1, "exit_code": 0, "processes": rows, "unheld": unheld}
        click.echo(json.dumps(document, indent=2))
    elif members is None:
        Printer().line("a SQLite store has one process at most: `syncd status` tells of it")
    else:
        print_fleet(found, differ, unheld)
    return 0


def as_value(member: Member, *, differs: bool) -> dict[str, object]:
    """A process as JSON."""
    return {
        "host": member.holder.host,
        "pid": member.holder.pid,
        "verb": member.holder.verb,
        "version": member.card.version,
        "age": round(member.age, 1),
        "links": list(member.links),
        "digest": member.card.digest,
        "differs": differs,
    }


def print_fleet(found: list[Member], differ: list[str], unheld: list[str]) -> None:
    """The processes, for people; `differ` names those with another configuration."""
    from syncd.cli.output import formatting
    from syncd.cli.output.printer import Printer

    printer = Printer()
    if not found:
        printer.line("no process works on this store")
    rows = [
        (
            each.holder.host,
            str(each.holder.pid),
            f"syncd {each.holder.verb}",
            each.card.version,
            formatting.seconds(each.age),
            formatting.count(len(each.links), "link"),
            "another one" if str(each.holder) in differ else "",
        )
        for each in found
    ]
    if rows:
        heads = ("Host", "Process", "Runs", "Version", "For", "Holds", "Configuration")
        printer.table(heads, rows, ("cyan", "bold"))
    if unheld:
        number = formatting.count(len(unheld), "link")
        printer.line(f"held by nobody now: {number}: {', '.join(unheld)}", "yellow")
