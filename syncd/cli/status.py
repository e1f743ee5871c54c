"""`syncd status`: the status of every link, on one screen, as JSON, or as an exit code.

Reads only the store, with or without a running daemon. It uses the same
`examine` as the daemon's page and `/healthz`, so that they agree.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import (
    Verb,
    config_option,
    config_path,
    duration_given,
    json_option,
    link_option,
)

if TYPE_CHECKING:
    from syncd.bootstrap import StoreReader
    from syncd.cli.output.printer import Printer
    from syncd.observability.health import LinkHealth
    from syncd.observability.traffic import Budget
    from syncd.ports.store import JournalState

JOURNAL_LATE = 600.0
"""Seconds since the last reading from which the journal is late (`deploy/alerts.yml`)."""

WATCH_SECONDS = 2.0
"""Seconds after which `--watch` looks again."""


@click.command(
    cls=Verb,
    short_help="Show the status of every link.",
    examples=(
        ("syncd status", "one screen, the link in most trouble first"),
        ("syncd status --check", "only links in trouble, and the exit code of the worst"),
        ("syncd status --check --max-age 15m", "7 without a good cycle in the last 15 minutes"),
        ("syncd status --json", "for a script"),
        ("syncd status --watch", "look again every two seconds, until Ctrl-C"),
    ),
)
@config_option
@link_option
@json_option
@click.option("--check", is_flag=True, help="End with the exit code of the worst link.")
@click.option(
    "--max-age",
    metavar="15m",
    callback=duration_given,
    help="Stale without a good cycle for so long, in place of three poll intervals.",
)
@click.option("--watch", is_flag=True, help="Show it again every two seconds.")
@click.pass_context
def status(
    ctx: click.Context,
    config: Path | None,
    links: tuple[str, ...],
    *,
    as_json: bool,
    check: bool,
    max_age: timedelta | None,
    watch: bool,
) -> int:
    """Show the links: state and remedy, last good cycle, what is held, budget left.

    Ends with 0, or with --check with the exit code of the worst link: 1 where a
    daemon stopped unexpectedly or met a bug, 2 to 7 as `syncd --sync-now` would, and 7
    also where a link is stale: not paused, and no good cycle for three of its
    last intervals, or for --max-age.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin, look, open_reader, selected_links

    if watch and as_json:
        raise click.UsageError("--watch is for people and --json for scripts: choose one")
    path = config_path(ctx, config)
    # `--watch` outlives a store that is moved away and put back; one look need not.
    with open_app(begin(path)) if watch else open_reader(path) as app:
        names = selected_links(app.link_names(), links)
        found = look(app, names, max_age)
        if watch:
            return _watch(app, names, max_age)
        if as_json:
            told = document(found)
            if (journal := app.journal()) is not None:
                told["journal"] = _journal_row(journal, app.clock.now())
            click.echo(json.dumps(told, indent=2))
        else:
            _show(found, check=check, differing=app.differing())
            _show_journal(app.journal(), app.clock.now())
    from syncd.observability.health import worst

    return worst(found) if check else 0


def document(links: Sequence[LinkHealth]) -> dict[str, object]:
    """The JSON of `status --json`: the links as in `/healthz`, with the worst one's exit code."""
    from syncd.observability.health import worst
    from syncd.observability.redaction import redact

    return {
        "version": 1,
        "exit_code": worst(links),
        "at": links[0].at.isoformat(timespec="seconds") if links else None,
        "links": {
            link.name: {**(row := link.as_json()), "detail": redact(str(row["detail"]))}
            for link in links
        },
    }


def _watch(app: StoreReader, names: Sequence[str], max_age: timedelta | None) -> int:
    """Show it until Ctrl-C, which is how it is meant to end."""
    from syncd.cli.session import look
    from syncd.cli.streams import reader_gone

    try:
        while not reader_gone(sys.stdout):
            click.clear()
            _show(look(app, names, max_age), check=False)
            threading.Event().wait(WATCH_SECONDS)
    except KeyboardInterrupt:
        return 0
    return 0


def _show(links: Sequence[LinkHealth], *, check: bool, differing: Sequence[str] = ()) -> None:
    """One screen; with `--check` only what is in trouble."""
    from syncd.cli.output.printer import Printer

    printer = Printer()
    for link in links:
        if not check or link.code:
            print_link(printer, link)
    for process in differing:
        printer.line(f"another configuration than the newest process: {process}", "yellow")


def _journal_row(journal: JournalState, now: datetime) -> dict[str, object]:
    until = journal.read_until
    return {
        "read_until": until.isoformat(timespec="seconds") if until else None,
        "age": round((now - until).total_seconds(), 1) if until else None,
        "refused": [
            {"account": account, "what": what, "why": why}
            for (account, what), why in sorted(journal.refused.items())
        ],
    }


def _show_journal(journal: JournalState | None, now: datetime) -> None:
    """How far HubSpot's journal is read, and the accounts that are polled because it is refused."""
    if journal is None:
        return
    from syncd.cli.output import formatting
    from syncd.cli.output.printer import Printer
    from syncd.observability.words import span

    printer, until = Printer(), journal.read_until
    age = (now - until).total_seconds() if until else None
    read = "never read yet" if age is None else f"read {span(age)} ago"
    late = age is None or age > JOURNAL_LATE
    printer.line(f"HubSpot's journal: {read}", "yellow" if late else "")
    for (account, what), why in sorted(journal.refused.items()):
        told = formatting.strip_control_chars(why)
        printer.line(f"  account {account or 'of the app'}, {what}, is polled only: {told}")


def print_link(printer: Printer, link: LinkHealth) -> None:
    """One link, for people."""
    from syncd.cli.output import formatting
    from syncd.observability.words import left_out

    held = f", {formatting.count(len(link.held), 'record')} held" if link.held else ""
    printer.line(f"{link.name}: {link.state.words}{held}", _style(link))
    for text in (link.detail, link.remedy):
        if text:
            printer.line(f"  {formatting.strip_control_chars(text)}")
    for name, value in _facts(link):
        printer.line(f"  {name}: {value}")
    if link.left_out:
        counts = ", ".join(left_out(*each) for each in link.left_out.items())
        printer.line(f"  left out: {counts}")
    for reason, number in link.reasons.items():
        printer.line(f"  held: {number} {reason}")
    if link.reasons:
        printer.line(f"  to see them: `syncd held --link {link.name}`")


def _style(link: LinkHealth) -> str:
    if link.code == 0:
        return "yellow" if link.held else "green"
    return "bold red"


def _facts(link: LinkHealth) -> list[tuple[str, str]]:
    from syncd.observability.words import (
        SIDES,
        announces,
        next_cycle,
        polls,
        requests_a_day,
        span,
        verified,
    )

    good = f"{span(link.lag)} ago" if link.lag is not None else "none yet"
    facts = [("last good cycle", good), ("next cycle", next_cycle(link))]
    if link.cycles:
        last = link.cycles[-1]
        facts.append(
            (
                "last cycle",
                f"{last.kind}, {last.outcome}, {last.writes} writes, {span(last.seconds)}",
            )
        )
    if link.poll_seconds:
        facts.append(("polls", polls(link)))
    if announced := announces(link):
        facts.append(("announcements", announced))
        if used := requests_a_day(link):
            facts.append(("requests a day for polls", used))
    facts += [("pairs", f"{link.pairs:,}"), ("verified", verified(link))]
    if link.unexplained:
        command = f"to see them: `syncd audit --link {link.name}`"
        facts.append(("unexplained", f"{link.unexplained:,} in the last audit: {command}"))
    facts += [
        (f"{SIDES.get(side, side)} budget", _budget(budget))
        for side, budget in link.budgets.items()
    ]
    return facts


def _budget(budget: Budget) -> str:
    if budget.spent_until:
        return f"daily quota used up until {budget.spent_until:%Y-%m-%d %H:%M} UTC"
    if budget.daily_left is not None and budget.daily:
        return f"{budget.daily_left:,} of {budget.daily:,} left today"
    return f"{budget.left} of {budget.limit} left"
