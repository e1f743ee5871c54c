"""An audit for people: on the screen, and as a page that can be handed to an auditor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.cli.output import formatting
from syncd.observability.words import left_out

if TYPE_CHECKING:
    from syncd.cli.output.printer import Printer
    from syncd.engine.audit.report import AuditReport, Found

MARK = '<!doctype html>\n<html lang="en" data-by="syncd audit">'
"""How the page begins."""


def print_audit(printer: Printer, report: AuditReport) -> None:
    """One link: the counts, then each difference as a block."""
    style = "green" if report.exit_code == 0 else "bold red"
    printer.line(f"{report.link}: {headline(report)}", style)
    zone = formatting.zone_of(report.timezone)
    if report.differences:
        printer.line(f"  times in {report.timezone or 'UTC'}")
    # What needs a person comes first.
    for each in sorted(report.differences, key=lambda found: bool(found.why)):
        printer.line()
        style = "" if each.why else "bold red"
        record = formatting.called(each.title, each.ghl_id, each.hubspot_id)
        printer.line(f"  {record}", "bold")
        printer.line(f"    {each.name}: {each.why or 'UNEXPLAINED'}", style)
        for side, value in values(each).items():
            printer.line(f"    {side}: {formatting.field_value(each.name, value, zone)}")
        if not each.why:
            printer.line(f"    {each.missing}")
            printer.line(f"    syncd why {each.hubspot_id or each.ghl_id}")
    for line in notes(report):
        printer.line(f"  {line}")


def headline(report: AuditReport) -> str:
    """The counts in one sentence."""
    if report.pairs is None:
        return f"not compared: {formatting.strip_control_chars(report.detail)}"
    found = f"{report.verified:,} of {formatting.count(report.pairs, 'pair')} verified"
    return f"{found}, {report.explained:,} explained, {report.unexplained:,} unexplained"


def notes(report: AuditReport) -> list[str]:
    """What was left out or could not be read."""
    found = []
    if report.left_out:
        counts = ", ".join(left_out(*each) for each in report.left_out.items())
        found.append(f"left out: {counts}")
    unread = (formatting.strip_control_chars(each) for each in report.unread)
    return [*found, *(f"could not be read: {each}" for each in unread)]


def values(found: Found) -> Mapping[str, str | None]:
    """What each side shows."""
    return {"HighLevel": found.ghl, "HubSpot": found.hubspot}


def page(reports: Iterable[AuditReport], now: datetime) -> str:
    """The page: counts, each difference with its reason, the time and the version."""
    from jinja2 import Environment

    from syncd import __version__

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {
        "headline": headline,
        "notes": notes,
        "values": values,
        "called": formatting.called,
        "shown": formatting.field_value,
        "zone_of": formatting.zone_of,
        "at": lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "-",
    }
    text = (Path(__file__).parent / "audit.html.jinja").read_text(encoding="utf-8")
    found = list(reports)
    return environment.from_string(text).render(reports=found, now=now, version=__version__)
