"""`syncd record` and `syncd replay`: one dry cycle in a file, to be attached to a bug report.

`record` takes no lock and writes nothing but its file. `replay` needs neither
network nor configuration nor store.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, config_option, config_path, json_option, link_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncd.bootstrap.app import App
    from syncd.errors import ConfigError, ProviderError
    from syncd.recording.record import Recorded


@click.command(
    cls=Verb,
    short_help="Keep one dry cycle in a file, persons replaced.",
    examples=(
        ("syncd record cycle.jsonl", "what one cycle reads and would write, for a bug report"),
        ("syncd record cycle.jsonl --link clinic", "one link only"),
    ),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@config_option
@link_option
@json_option
@click.pass_context
def record(
    ctx: click.Context,
    file: Path,
    config: Path | None,
    links: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Run one dry cycle, and keep everything that it read in a file that only you can read.

    Names, e-mails, phone numbers, texts and ids are replaced, so that the
    file can be given away; every decision stays the same. The exit code is
    that of the cycle.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin, selected_links
    from syncd.cli.sync_now import graceful_stop
    from syncd.cli.written import begins_with, check, write
    from syncd.core.outcome import worst_code
    from syncd.errors import ended_by
    from syncd.recording.file import MARK, written

    settings = begin(config_path(ctx, config))
    names = selected_links(list(settings.links), links)
    check(file, begins_with(MARK), settings.store.file, option="")
    with graceful_stop() as stop, open_app(settings, stop=stop) as app:
        found, failed = _recorded(app, names)
    write(file, written([line for each in found.values() for line in each.lines]), option="")
    codes = [each.report.outcome.exit_code for each in found.values()]
    code = worst_code([*codes, *(ended_by(each)[0].exit_code for each in failed.values())])
    if as_json:
        document = {name: _told(each) for name, each in found.items()}
        document |= {name: _told_of(each) for name, each in failed.items()}
        click.echo(json.dumps({"version": 1, "exit_code": code, "links": document}, indent=2))
        return code
    for name, each in found.items():
        planned = len(each.report.planned or ())
        Printer().line(
            f"{name}: recorded in {file}: {planned:,} planned writes ({each.report.outcome})"
        )
        for told in each.differs:
            Printer().line(f"  the recording decides otherwise: {told}; say so in the report")
    for name, error in failed.items():
        click.echo(f"{name}: not recorded: {error}")
    return code


def _recorded(
    app: App, names: Sequence[str]
) -> tuple[dict[str, Recorded], dict[str, ConfigError | ProviderError]]:
    """The recordings, and the links that could not even begin.

    Raises:
        ConfigError, ProviderError: no link could.
    """
    from syncd.errors import ConfigError, ProviderError

    found: dict[str, Recorded] = {}
    failed: dict[str, ConfigError | ProviderError] = {}
    for name in names:
        try:
            found[name] = app.record(name)
        except (ConfigError, ProviderError) as error:
            failed[name] = error
    if not found:
        raise next(iter(failed.values()))
    return found, failed


def _told_of(error: ConfigError | ProviderError) -> dict[str, object]:
    from syncd.errors import ended_by

    outcome, detail = ended_by(error)
    return {"outcome": outcome.value, "detail": detail}


def _told(each: Recorded) -> dict[str, object]:
    return {
        "outcome": each.report.outcome.value,
        "planned": len(each.report.planned or ()),
        "differs": list(each.differs),
    }


@click.command(
    cls=Verb,
    short_help="Show the plan of a recorded cycle.",
    examples=(
        ("syncd replay cycle.jsonl", "decide on it again, offline, and show the plan"),
        ("syncd replay cycle.jsonl --json", "the same as a report for a script"),
    ),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def replay(file: Path, *, as_json: bool) -> int:
    """Run the real core on a recording, offline, and show its plan.

    Needs no configuration, network or store. The exit code is that of the
    recorded cycle. A file that is cut off or no recording ends with 2.
    """
    from syncd.cli.output.plan_report import print_plan
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import set_up_log
    from syncd.core.outcome import worst_code
    from syncd.errors import ConfigError
    from syncd.recording.file import read
    from syncd.recording.replay import as_written, replayed, sections

    set_up_log()
    parts = sections(read(file))
    reports, differs = {}, []
    try:
        for lines in parts:
            report = replayed(lines)
            reports[report.link] = report
            kept = next((line["value"] for line in lines if line["part"] == "plan"), None)
            if kept != as_written(report):
                differs.append(report.link)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(
            [f"{file}: this recording cannot be understood: record it again"]
        ) from error
    code = worst_code(report.outcome.exit_code for report in reports.values())
    if as_json:
        links = {name: each.as_json() for name, each in reports.items()}
        document = {"version": 1, "exit_code": code, "same": not differs, "links": links}
        click.echo(json.dumps(document, indent=2))
    else:
        printer = Printer()
        for report in reports.values():
            print_plan(printer, report)
    for name in differs:
        click.echo(f"{name}: this version decides otherwise than the recorded one", err=True)
    return code
