"""`syncd forget CONTACT`: take everything of a person out of the store.

For somebody who asks to be forgotten. Works on the store alone: no
credentials, no request; neither system is touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, config_option, config_path, link_option

if TYPE_CHECKING:
    from syncd.store.retention import Forgotten


@click.command(
    cls=Verb,
    short_help="Take a person's data out of the store.",
    examples=(
        ("syncd forget 51", "the contact with that id in HubSpot, or in HighLevel"),
        ("syncd forget 51 --link clinic", "in one link only"),
    ),
)
@click.argument("contact", metavar="CONTACT")
@config_option
@link_option
@click.pass_context
def forget(ctx: click.Context, contact: str, config: Path | None, links: tuple[str, ...]) -> int:
    """Take everything of a contact, an id of either side, out of the store.

    Its pairs, their before-and-after values, holds and reports. Remove the
    person from HighLevel and HubSpot first: what is still there is paired again
    by the next cycle. Delete copies made with `syncd db backup`, saved plans and
    log files yourself.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin, selected_links

    settings = begin(config_path(ctx, config))
    with open_app(settings) as app:
        for name in selected_links(app.link_names(), links):
            click.echo(f"{name}: {_summary(app.store.forget(name, contact), contact)}")
    return 0


def _summary(gone: Forgotten, contact: str) -> str:
    from dataclasses import asdict

    from syncd.cli.output.formatting import count

    counts = asdict(gone)
    if not any(counts.values()):
        return f"nothing is known of contact {contact}"
    parts = [
        count(counts["pairs"], "pair"),
        count(counts["history"], "entry of the history", "entries of the history"),
        count(counts["holds"], "held record"),
        count(counts["contacts"], "known contact"),
        count(counts["reports"], "report emptied", "reports emptied"),
    ]
    return f"forgotten: {', '.join(parts)}"
