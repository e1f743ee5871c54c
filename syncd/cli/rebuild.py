"""`syncd rebuild`: a lost or empty store is made again from the two systems; nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import click

from syncd.cli.command import Verb, config_option, config_path, json_option, link_option


@click.command(
    cls=Verb,
    short_help="Rebuild a lost store from both systems.",
    examples=(
        ("syncd rebuild", "every link: pair what belongs together, write nothing"),
        ("syncd rebuild --link clinic --json", "one link, with a report for a script"),
    ),
)
@config_option
@link_option
@json_option
@click.pass_context
def rebuild(
    ctx: click.Context, config: Path | None, links: tuple[str, ...], *, as_json: bool
) -> int:
    """Pair everything again from what the two systems carry; write nothing to either.

    HubSpot's records carry the id of their booking, so an empty store finds
    every pair again. What has no pair yet is left for the next cycle.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin, selected_links
    from syncd.cli.sync_now import graceful_stop
    from syncd.core.outcome import worst_code
    from syncd.engine.cycle import CycleRequest

    settings = begin(config_path(ctx, config))
    names = selected_links(list(settings.links), links)
    with graceful_stop() as stop, open_app(settings, make_store=True, stop=stop) as app:
        request = CycleRequest(rebuild=True)
        reports = {name: app.cycle(name, request, verb="rebuild") for name in names}
    code = worst_code(report.outcome.exit_code for report in reports.values())
    if as_json:
        rows = {name: report.as_json() for name, report in reports.items()}
        click.echo(json.dumps({"version": 1, "exit_code": code, "links": rows}, indent=2))
        return code
    for name, report in reports.items():
        Printer().line(
            f"{name}: {report.detail}"
            if report.detail
            else f"{name}: {report.pairs} pairs, {report.adopted} of them found again; "
            "nothing was written to either side"
        )
    return code
