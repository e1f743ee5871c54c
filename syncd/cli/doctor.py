"""`syncd doctor`: checks what a sync depends on, one line each with a remedy; `--probe` tests more.

Takes no lock and creates no store, so it can run while a daemon runs.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, config_option, config_path, json_option, link_option

if TYPE_CHECKING:
    from syncd.cli.output.printer import Printer
    from syncd.config import Settings
    from syncd.doctor import Answer, Finding, Interruption

STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@click.command(
    cls=Verb,
    short_help="Check everything that a sync depends on.",
    examples=(
        ("syncd doctor", "configuration, store, tokens, scopes, properties, statuses, calendars"),
        ("syncd doctor --link clinic --json", "one link, for a script"),
        (
            "syncd doctor --probe --link clinic",
            "check with test records what no documentation says",
        ),
    ),
)
@config_option
@link_option
@click.option(
    "--probe",
    is_flag=True,
    help="Also create test records on both sides, check the vendors with them, and remove them.",
)
@click.option("--yes", is_flag=True, help="With --probe: do not ask first.")
@json_option
@click.pass_context
def doctor(
    ctx: click.Context,
    config: Path | None,
    links: tuple[str, ...],
    *,
    probe: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Check everything that a sync depends on, and say how to fix it.

    It changes nothing without --probe: it finds out whether a token may
    write with empty batches, and with changes to an id that no record has.

    Ends with 0 where all is well, warnings included, else with the exit code
    of the worst error: 2 configuration or account, 6 credentials, 7 a
    vendor or a store that is away.
    """
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin, selected_links
    from syncd.doctor import code_of
    from syncd.doctor.finding import raised
    from syncd.errors import ConfigError

    if yes and not probe:
        raise click.UsageError("--yes goes with --probe", ctx)
    printer = Printer()
    try:
        settings = begin(config_path(ctx, config))
    except ConfigError as fault:
        if as_json:
            raise  # Then there is no report, as with every verb.
        findings = _shown(raised("configuration", fault), printer)
        return _ended(findings, [], printer, as_json=False)
    names = selected_links(list(settings.links), links)
    if probe:
        _ask(names, yes=yes)
    findings = _shown(_examined(settings, names), None if as_json else printer)
    answers: list[Answer] = []
    if probe and not code_of(findings):
        answers = _probed(settings, names, None if as_json else printer)
    elif probe:
        click.echo("Nothing was probed: fix the errors first.", err=True)
    return _ended(findings, answers, printer, as_json=as_json)


def _examined(settings: Settings, names: Sequence[str]) -> Iterable[Finding]:
    from syncd.bootstrap import SystemClock
    from syncd.doctor import examine

    return examine(settings, names, clock=SystemClock())


def _probed(settings: Settings, names: Sequence[str], printer: Printer | None) -> list[Answer]:
    from contextlib import closing

    from syncd.bootstrap import SystemClock
    from syncd.cli.output.formatting import strip_control_chars
    from syncd.doctor import Interruption, probe

    interruption = Interruption()
    answers: list[Answer] = []
    # Closed in any case, so that no test record stays.
    with (
        _cleanup_on_stop(interruption),
        closing(
            probe(settings, names, clock=SystemClock(), env=None, interruption=interruption)
        ) as asked,
    ):
        for each in asked:
            answers.append(each)
            if printer is not None:
                text = f"{each.side}: {each.question} {strip_control_chars(each.answer)}"
                printer.line(f"{each.state:<9}{each.link}  {text}", hang=9)
    return answers


@contextmanager
def _cleanup_on_stop(interruption: Interruption) -> Iterator[None]:
    """SIGTERM and SIGHUP end a probe as Ctrl-C does.

    Its test records are removed; a second signal ends it at once.
    """
    from syncd.cli.shutdown import on_stop_signal

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, lambda *_: interruption.ask()) for n in numbers}
    try:
        with on_stop_signal(code=128 + signal.SIGINT):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ask(names: Sequence[str], *, yes: bool) -> None:
    """Warn, and let a person at a terminal say no; elsewhere `--probe` is consent enough.

    Raises:
        Abort: the person said no.
    """
    import sys

    links = ", ".join(names)
    click.echo(
        f"Probing {links} makes a scratch contact and scratch appointments in HighLevel and in "
        "HubSpot, and removes them again. The account's own automations (workflows, "
        "notifications) may start because of them.",
        err=True,
    )
    if not yes and sys.stdin.isatty():
        click.confirm("Go on?", abort=True, err=True)


def _shown(findings: Iterable[Finding], printer: Printer | None) -> list[Finding]:
    """The findings, printed as they come if there is a printer."""
    seen = []
    for each in findings:
        seen.append(each)
        if printer is not None:
            printer.line(_line(each), STYLES[each.mark], hang=9)
    return seen


def _line(found: Finding) -> str:
    from syncd.cli.output.formatting import strip_control_chars

    head = f"{found.mark:<9}" + (f"{found.link}  " if found.link else "")
    remedy = f" → {strip_control_chars(found.remedy)}" if found.remedy else ""
    return f"{head}{found.area}: {strip_control_chars(found.what)}{remedy}"


def _ended(
    findings: Sequence[Finding],
    answers: Sequence[Answer],
    printer: Printer,
    *,
    as_json: bool,
) -> int:
    from syncd.cli.output.formatting import count
    from syncd.doctor import Mark, code_of

    code = code_of(findings)
    if as_json:
        document = as_value(findings, answers, code)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return code
    errors = sum(each.mark is Mark.ERROR for each in findings)
    warnings = sum(each.mark is Mark.WARNING for each in findings)
    if errors or warnings:
        printer.line(f"{count(errors, 'error')}, {count(warnings, 'warning')}")
    else:
        printer.line("All is well.")
    return code


def as_value(
    findings: Sequence[Finding], answers: Sequence[Answer], code: int
) -> dict[str, object]:
    """The report for a script."""
    return {
        "version": 1,
        "exit_code": code,
        "findings": [
            {
                "link": each.link or None,
                "area": each.area,
                "mark": each.mark.value,
                "what": each.what,
                "remedy": each.remedy or None,
                "code": each.code,
            }
            for each in findings
        ],
        "probes": [
            {
                "link": each.link,
                "side": each.side,
                "question": each.question,
                "state": each.state.value,
                "answer": each.answer,
            }
            for each in answers
        ],
    }
