"""Held records as blocks: `held` and the reports of cycles print them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from syncd.cli.output import formatting
from syncd.cli.output.names import Names
from syncd.cli.output.printer import Printer
from syncd.core.model import Hold, Side
from syncd.observability import words
from syncd.observability.remedies import remedy_of


def print_holds(printer: Printer, holds: Sequence[Hold], timezone: str) -> None:
    """The held records, a block for each: which, why, since when, and how to resolve it."""
    zone, names = formatting.zone_of(timezone), printer.names
    for hold in holds:
        called = formatting.called(hold.title, hold.ghl_id, hold.hubspot_id, names)
        printer.line(f"  {called}, {formatting.when(hold.starts_at, zone)}", "bold")
        field = f", {hold.group} only" if hold.group else ""
        detail = formatting.strip_control_chars(words.value(hold.detail, personal=True, zone=zone))
        printer.line(f"    {hold.reason}{field}: {detail}", "yellow")
        if hold.values:
            has = (
                _has(side, value, hold.group, names, zone) for side, value in hold.values.items()
            )
            printer.line(f"    {', '.join(has)}")
        if hold.since:
            printer.line(f"    held since {formatting.when(hold.since, zone)}")
        _print_remedy(printer, hold)


def _has(side: str, value: str, group: str, names: Names, zone: tzinfo) -> str:
    """`HighLevel has Control`."""
    shown = names.value(Side(side))(group, value) if value else "nothing"
    told = shown or formatting.strip_control_chars(words.value(value, personal=True, zone=zone))
    return f"{formatting.SIDES[side]} has {told}"


def _print_remedy(printer: Printer, hold: Hold) -> None:
    remedy = remedy_of(hold)
    printer.line(f"    to resolve it: {remedy.instead_for(hold)}, or:")
    for command in remedy.commands_for(hold):
        printer.command(command)
