"""What a cycle would write, field by field, with the reason for each write.

`plan` and `--sync-now --dry-run` print it. Nothing is cut here, on a terminal
either: a plan is read before it is let go. Removals stand apart, and so does
what a guard keeps back, with the option that lets it pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncd.cli.output import cycle_report, formatting
from syncd.cli.output.names import Names
from syncd.cli.output.printer import Printer
from syncd.core.model import Side
from syncd.core.outcome import OPENS, REMOVALS, Outcome
from syncd.engine.planned_writes import PlannedWrite
from syncd.engine.report import CycleReport
from syncd.ports.store import CONTACT

_MARKS = {"create": "+", "update": "~", "remove": "-", "restore": "+"}
_STYLES = {"create": "green", "update": "yellow", "remove": "red", "restore": "green"}


def print_plan(printer: Printer, report: CycleReport) -> None:
    """Every write that a cycle of this link would make, and what its guards keep back."""
    planned = report.planned or []
    going = [write for write in planned if write.goes_out]
    if planned or report.held:
        number = formatting.count(len(going), "write")
        printer.line(f"{cycle_report.headline(report)}: {number} planned", "bold")
    _print_writes(printer, report, [write for write in going if write.action != "remove"])
    removals = [write for write in going if write.action == "remove"]
    if removals:
        printer.line(f"Removals: {formatting.count(len(removals), 'record')}", "bold red")
        _print_writes(printer, report, removals)
    for guard in OPENS:
        _print_kept_back(printer, report, guard)
    # What the removal guard holds was printed just now.
    others = [hold for hold in report.held if hold.reason != REMOVALS]
    cycle_report.print_troubles(printer, report, others)
    _print_sum(printer, report, going)


def _print_kept_back(printer: Printer, report: CycleReport, guard: str) -> None:
    kept = [write for write in report.planned or [] if write.kept_back == guard]
    if not kept:
        return
    name = guard.replace("_", " ")
    number = formatting.count(len(kept), "record")
    printer.line(f"Kept back by the {name}, and not written: {number}", "bold yellow")
    _print_writes(printer, report, kept)
    printer.line("  to let them pass once:")
    printer.command(f"syncd --sync-now --link {report.link} {OPENS[guard]}", 4)


def _print_writes(printer: Printer, report: CycleReport, writes: Sequence[PlannedWrite]) -> None:
    for write in writes:
        _print_write(printer, report, write)


def _print_write(printer: Printer, report: CycleReport, write: PlannedWrite) -> None:
    zone, names = formatting.zone_of(report.timezone), printer.names
    kept = "kept back: " if write.kept_back else ""
    printer.line(f"  {_MARKS[write.action]} {kept}{_what(report, write)}", _STYLES[write.action])
    printer.line(f"      why: {formatting.strip_control_chars(write.why)}")
    if write.ghl_id or write.hubspot_id:
        if write.record == CONTACT:
            printer.line(f"      of: {formatting.person(write.ghl_id, write.hubspot_id, names)}")
        else:
            printer.line(f"      record: {formatting.named(write.ghl_id, write.hubspot_id, names)}")
    if write.contact is not None:
        printer.line(f"      for: {_whom(write, names)}")
    if write.calendar:
        printer.line(f"      calendar: {names.calendar(write.calendar)}")
    shown = names.value(write.side)
    for name, values in write.fields.items():
        if write.action == "create":
            printer.line(f"      {name}: {formatting.field_value(name, values[1], zone, shown)}")
        else:
            printer.line(f"      {formatting.change(name, values, zone, shown=shown)}")


def _what(report: CycleReport, write: PlannedWrite) -> str:
    side, title = write.side.label, formatting.strip_control_chars(write.title)
    if write.record == CONTACT:
        return f"{write.action} contact in {side}: {title or '(no name)'}"
    when = formatting.when(write.starts_at, formatting.zone_of(report.timezone))
    return f"{formatting.action(write)} in {side}: {title or '(no title)'}, {when}"


def _whom(write: PlannedWrite, names: Names) -> str:
    """The contact on both sides."""
    contact = write.contact or {}

    def shown(side: Side) -> str:
        known = contact.get(side)
        return names.contact(side, known) if known else "to be made"

    return ", ".join(f"{side.label} contact {shown(side)}" for side in Side)


def _print_sum(printer: Printer, report: CycleReport, planned: list[PlannedWrite]) -> None:
    if not report.outcome.completed:
        cycle_report.print_sum(printer, report)
        return
    if not planned:
        open_ends = report.held or report.unread or report.outcome is not Outcome.OK
        text = "nothing to write" if open_ends else "nothing to write, both sides are in step"
        printer.line(f"{report.link}: {text}", "green")
    else:
        text = "; ".join(
            _to_do(side.value, planned) for side in Side if _to_do(side.value, planned)
        )
        printer.line(f"{report.link}: {text}. Nothing was written.", "bold")
    if report.detail:
        printer.line(f"  {formatting.strip_control_chars(report.detail)}", "yellow")


def _to_do(side: str, planned: list[PlannedWrite]) -> str:
    """`HubSpot: 9 to create, 1 to update, 2 contacts to create`."""
    mine = [write for write in planned if write.side.value == side]
    actions = [formatting.action(write) for write in mine if write.record != CONTACT]
    counts = [f"{actions.count(each):,} to {each}" for each in dict.fromkeys(actions)]
    if contacts := len(mine) - len(actions):
        counts.append(f"{formatting.count(contacts, 'contact')} to create")
    return f"{formatting.SIDES[side]}: {', '.join(counts)}" if counts else ""
