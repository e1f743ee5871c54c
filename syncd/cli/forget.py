"""`syncd forget CONTACT`: take everything of a person out of the store.

For somebody who asks to be forgotten. Shows what it would delete, then asks.
Works on the store alone, with an id: no credentials, no request; neither system
is touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.asking import asking_options, confirm
from syncd.cli.command import Verb, config_option, config_path, json_option, link_option

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.store.retention import Forgotten


@click.command(
    cls=Verb,
    short_help="Take a person's data out of the store.",
    examples=(
        ("syncd forget 51", "the contact with that id in HubSpot, or in HighLevel"),
        ("syncd forget 51 --link clinic", "in one link only"),
        ("syncd forget 51 --dry-run", "show what is stored of them, and keep it"),
        ("syncd forget 51 --yes", "without a question, for a script"),
    ),
)
@click.argument("contact", metavar="CONTACT")
@config_option
@link_option
@asking_options
@json_option
@click.pass_context
def forget(
    ctx: click.Context,
    /,
    *,
    contact: str,
    config: Path | None,
    links: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Take everything of a contact, an id of either side or an e-mail address, out of the store.

    Its pairs, their before-and-after values, holds and reports. It shows them
    first, and asks. Remove the person from HighLevel and HubSpot first: what is
    still there is paired again by the next cycle. Delete copies made with
    `syncd db backup`, saved plans and log files yourself.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.people import contacts_of
    from syncd.cli.session import begin, selected_links

    settings = begin(config_path(ctx, config))
    with open_app(settings) as app:
        names = selected_links(app.link_names(), links)
        people = {name: contacts_of(app, name, contact) for name in names}
        found = _forgotten(app, people, dry_run=True)
        known = any(_is_known(each) for each in found.values())
        printer = Printer()
        if known and not as_json and (dry_run or not yes):
            for name, each in found.items():
                printer.line(f"{name}: {_summary('to forget', each, contact)}")
        if known and not dry_run:
            confirm(f"Forget contact {contact}?", yes=yes)
            found = _forgotten(app, people, dry_run=False)
    if as_json:
        document = {"version": 1, "exit_code": 0, "dry_run": dry_run, "links": _rows(found)}
        click.echo(json.dumps(document, indent=2))
    elif not (known and dry_run):
        for name, each in found.items():
            printer.line(f"{name}: {_summary('forgotten', each, contact)}")
    return 0


def _forgotten(
    app: App, people: Mapping[str, Sequence[str]], *, dry_run: bool
) -> dict[str, Forgotten]:
    return {
        name: app.store.forget(name, contacts, dry_run=dry_run) for name, contacts in people.items()
    }


def _rows(found: Mapping[str, Forgotten]) -> dict[str, object]:
    from dataclasses import asdict

    return {name: asdict(each) for name, each in found.items()}


def _is_known(gone: Forgotten) -> bool:
    from dataclasses import asdict

    return any(asdict(gone).values())


def _summary(done: str, gone: Forgotten, contact: str) -> str:
    from dataclasses import asdict

    from syncd.cli.output.formatting import count

    if not _is_known(gone):
        return f"nothing is known of contact {contact}"
    counts = asdict(gone)
    parts = [
        count(counts["pairs"], "pair"),
        count(counts["history"], "entry of the history", "entries of the history"),
        count(counts["holds"], "held record"),
        count(counts["contacts"], "known contact"),
        count(counts["reports"], "report to empty", "reports to empty"),
    ]
    return f"{done}: {', '.join(parts)}"
