"""What a cycle did, for people: a table of the changes, the held records, the totals.

`sync_now` and `demo` print it. Everything comes from the `CycleReport`; the
plan of a dry run is `plans`' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.cli.output import formatting
from syncd.cli.output.holds import print_holds
from syncd.cli.output.printer import Printer
from syncd.core.model import Hold, Side
from syncd.core.outcome import Outcome
from syncd.engine.planned_writes import PlannedWrite
from syncd.engine.report import CycleReport, Tally
from syncd.ports.store import CONTACT

ON_SCREEN = 100
"""Rows of changes that a terminal is given; a first sync of thousands would bury the rest."""

CUT = 60
"""The longest text of a field in a table on a terminal."""

_STYLES = {
    Outcome.OK: "green",
    Outcome.FAILED_WRITES: "yellow",
    Outcome.GUARD: "yellow",
    Outcome.LOCKED: "yellow",
}

_ENDED = {
    Outcome.OK: "done",
    Outcome.FAULT: "stopped by an unexpected fault",
    Outcome.NOT_PREPARED: "not prepared",
    Outcome.FAILED_WRITES: "done in part; the rest is tried again in the next cycle",
    Outcome.GUARD: "a guard stopped writes; everything else was done",
    Outcome.LOCKED: "not run",
    Outcome.REFUSED: "credentials refused",
    Outcome.UNREACHABLE: "a service cannot be reached or wants a pause; the next cycle goes on",
}


def print_cycle(printer: Printer, report: CycleReport) -> None:
    """Everything that one cycle of one link did."""
    if report.written or report.held:
        printer.line(headline(report), "bold")
    print_writes(printer, report)
    print_troubles(printer, report)
    print_sum(printer, report)


def headline(report: CycleReport) -> str:
    """The link, and the time zone of its times."""
    return f"{report.link} (times in {report.timezone or 'UTC'})"


def print_writes(printer: Printer, report: CycleReport) -> None:
    """The table of what changed: which appointment, where, what, and why."""
    written = sorted(report.written, key=_by_start)
    shown = written[:ON_SCREEN] if printer.on_screen else written
    removals = [write for write in shown if write.action == "remove"]
    others = [write for write in shown if write.action != "remove"]
    if others:
        _print_table(printer, report, others)
    if removals:
        if others:
            number = formatting.count(len(removals), "record")
            printer.line(f"Removals: {number}", "bold red")
        _print_table(printer, report, removals)
    if left := len(written) - len(shown):
        printer.line(
            f"  and {formatting.count(left, 'more write')}; to see them all: `syncd history`"
        )


def _print_table(printer: Printer, report: CycleReport, writes: Sequence[PlannedWrite]) -> None:
    rows = [write_row(printer, report, write) for write in writes]
    heads = ("When", "Appointment", "What happened", "What syncd did")
    printer.table(heads, rows, ("cyan", "bold"))


def _by_start(write: PlannedWrite) -> tuple[bool, float, str]:
    start = write.starts_at
    return (start is None, start.timestamp() if start else 0.0, write.title)


def write_row(printer: Printer, report: CycleReport, write: PlannedWrite) -> tuple[str, ...]:
    """One write as a row of the table."""
    zone = formatting.zone_of(report.timezone)
    unnamed = "(no name)" if write.record == CONTACT else "(no title)"
    title = formatting.strip_control_chars(write.title) or unnamed
    return (
        formatting.when(write.starts_at, zone) if write.record != CONTACT else "contact",
        formatting.short(title, CUT) if printer.on_screen else title,
        formatting.strip_control_chars(write.why),
        did(printer, report, write),
    )


def did(printer: Printer, report: CycleReport, write: PlannedWrite) -> str:
    """What a write did: on which side, and which fields from what to what."""
    side, done = write.side.label, formatting.DONE[formatting.action(write)]
    if write.record == CONTACT:
        return f"{side}: contact {done}"
    if formatting.action(write) in {"create", "cancel"}:
        return f"{side}: {done}"
    zone, most = formatting.zone_of(report.timezone), CUT if printer.on_screen else 0
    # A screen has lines to spare, a pipe has one row for one write.
    shown = printer.names.value(write.side)
    changed = formatting.changes(write.fields, zone, most, shown)
    parts = ("\n" if printer.on_screen else "; ").join(changed)
    if write.action == "update" and parts:
        return f"{side}: {parts}"
    return f"{side}: {done}, {parts}" if parts else f"{side}: {done}"


def print_troubles(printer: Printer, report: CycleReport, held: list[Hold] | None = None) -> None:
    """What is held, what failed, what could not be read, and warnings.

    `held` are the holds to print, if others were printed elsewhere.
    """
    told = report.held if held is None else held
    if told:
        number = formatting.count(len(told), "record")
        printer.line(f"Held for a person: {number}", "yellow")
        print_holds(printer, told, report.timezone)
    for write in report.failed:
        ids = formatting.named(write.ghl_id, write.hubspot_id, printer.names)
        what = f"{write.side.label}: {write.action} of {ids}"
        printer.line(
            f"Failed, and tried again: {what}: {formatting.strip_control_chars(write.detail)}",
            "yellow",
        )
    for part in report.unread:
        printer.line(f"Not read, and tried again: {formatting.strip_control_chars(part)}", "yellow")
    for warning in report.warnings:
        printer.line(f"Warning: {formatting.strip_control_chars(warning)}", "yellow")


def print_sum(printer: Printer, report: CycleReport) -> None:
    """How it ended: the counts, or what stopped it and what to do."""
    style = _STYLES.get(report.outcome, "red")
    parts = [_counts(Side.GHL, report.ghl), _counts(Side.HUBSPOT, report.hubspot)]
    counted = "; ".join(part for part in parts if part)
    requests = formatting.count(report.ghl.requests + report.hubspot.requests, "request")
    said = f": {counted}" if counted else ""
    if not counted and report.outcome is Outcome.OK:
        said = ", nothing to write"
    took = f"{formatting.seconds(report.seconds)}, {requests}"
    printer.line(f"{report.link}: {_ENDED[report.outcome]}{said} ({took})", style)
    if report.detail:
        printer.line(f"  {formatting.strip_control_chars(report.detail)}", style)
    if report.outcome.completed:
        printer.line(f"  {_pairs(report)}")


def _counts(side: Side, tally: Tally) -> str:
    done: Mapping[str, int] = {
        "created": tally.created,
        "updated": tally.updated,
        "removed": tally.removed,
        "restored": tally.restored,
    }
    parts = [f"{number:,} {what}" for what, number in done.items() if number]
    if tally.contacts_created:
        parts.append(f"{formatting.count(tally.contacts_created, 'contact')} created")
    told = ", ".join(parts)
    return f"{side.label} {told}" if told else ""


def _pairs(report: CycleReport) -> str:
    told = [formatting.count(report.pairs or 0, "pair")]
    if report.adopted:
        told.append(f"{report.adopted:,} of them found on both sides and paired")
    if report.unchanged:
        told.append(f"{report.unchanged:,} untouched")
    if report.conflicts:
        told.append(formatting.count(report.conflicts, "conflict"))
    if report.held:
        told.append(f"{len(report.held):,} held")
    if report.left_out:
        told.append(f"{sum(report.left_out.values()):,} left out; to see why: `syncd status`")
    return ", ".join(told)
