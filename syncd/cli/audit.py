"""`syncd audit`: every pair compared, from fresh readings of both sides.

Takes no lock, and writes nothing to either side. What it found is kept in the
store: `status`, `why` and the next full cycle use it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, config_option, config_path, json_option, link_option

if TYPE_CHECKING:
    from syncd.engine.audit.report import AuditReport


@click.command(
    cls=Verb,
    short_help="Compare every pair, field by field.",
    examples=(
        ("syncd audit", "every pair of every link, and each difference with its reason"),
        ("syncd audit --link clinic --json", "one link, for a script"),
        ("syncd audit --out audit.html", "the result as a page, for an auditor"),
    ),
)
@config_option
@link_option
@json_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the result as a page (HTML) that only you can read.",
)
@click.pass_context
def audit(
    ctx: click.Context,
    config: Path | None,
    links: tuple[str, ...],
    *,
    as_json: bool,
    out: Path | None,
) -> int:
    """Read both sides whole, and compare the records of every pair; write nothing.

    Each difference is explained (held, one-way, off, pending, a vendor's
    rendering) or unexplained; then it ends with 3, and the next full cycle
    looks at that pair. Runs beside the daemon, on the requests that it leaves.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.audit_report import MARK, page, print_audit
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin, selected_links
    from syncd.cli.sync_now import graceful_stop
    from syncd.cli.written import begins_with, check, write
    from syncd.core.outcome import worst_code

    settings = begin(config_path(ctx, config))
    names = selected_links(list(settings.links), links)
    if out is not None:
        check(out, begins_with(MARK), settings.store.file)
    with graceful_stop() as stop, open_app(settings, stop=stop) as app:
        reports = {}
        for name in names:
            reports[name] = app.audit(name)
            app.tell_audit(reports[name])
        now = app.clock.now()
    code = worst_code(report.exit_code for report in reports.values())
    if out is not None:
        write(out, page(reports.values(), now))
    if as_json:
        click.echo(json.dumps(document(reports, code), indent=2))
    else:
        printer = Printer()
        for report in reports.values():
            print_audit(printer, report)
    return code


def document(reports: Mapping[str, AuditReport], code: int) -> dict[str, object]:
    """The JSON of the whole audit."""
    links = {name: report.as_json() for name, report in reports.items()}
    return {"version": 1, "exit_code": code, "links": links}
