"""`syncd notify test`: a test notification through every configured channel.

Uses no store: no lock, no request to a vendor.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from syncd.cli.command import (
    Verb,
    Verbs,
    config_option,
    config_path,
    json_option,
    link_option,
)

FAILED = 3
"""The exit code where a channel failed."""

EXAMPLES = (
    ("syncd notify test", "send a test notification through every channel"),
    ("syncd notify test --link clinic --json", "the channels of one link, for a script"),
)


@click.group(
    cls=Verbs,
    short_help="Check the notifications.",
    places={"test": "syncd.cli.notify:test"},
    examples=EXAMPLES,
)
def notify() -> None:
    """Check the notifications: the channels of [notify]."""


@click.command(
    cls=Verb,
    short_help="Send a test notification through every channel.",
    examples=EXAMPLES,
)
@config_option
@link_option
@json_option
@click.pass_context
def test(ctx: click.Context, config: Path | None, links: tuple[str, ...], *, as_json: bool) -> int:
    """Send a test notification through every channel that is configured, each once.

    Ends with 0 where all were sent, with 3 where one failed, with 2 where none
    is configured.
    """
    from syncd.bootstrap import send_tests
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin, selected_links

    settings = begin(config_path(ctx, config))
    sent = send_tests(settings, selected_links(list(settings.links), links))
    if not sent:
        raise click.UsageError(
            "no channel is configured: set notify.webhook, notify.command or notify.urls"
        )
    code = FAILED if any(each.error for each in sent) else 0
    if as_json:
        rows = [
            {"link": each.link, "channel": each.channel, "sent": not each.error}
            | ({"detail": each.error} if each.error else {})
            for each in sent
        ]
        document = {"version": 1, "exit_code": code, "channels": rows}
        click.echo(json.dumps(document, indent=2))
        return code
    printer = Printer()
    for each in sent:
        told = f"not sent: {each.error}" if each.error else "sent"
        printer.line(f"{each.channel} ({each.link}): {told}", "yellow" if each.error else "green")
    return code
