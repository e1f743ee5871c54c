"""What a cycle would write, field by field, with the reason for each write.

`plan` and `--sync-now --dry-run` print it. Nothing is cut here, on a terminal
either: a plan is read before it is let go.
"""

from __future__ import annotations

from syncd.cli.output import cycles, words
from syncd.cli.output.paper import Paper
from syncd.core.model import Side
from syncd.engine.report import CycleReport, Outcome, PlannedWrite

_MARKS = {"create": "+", "update": "~", "remove": "-", "restore": "+"}
_STYLES = {"create": "green", "update": "yellow", "remove": "red", "restore": "green"}


def print_plan(paper: Paper, report: CycleReport) -> None:
    """Every write that a cycle of this link would make."""
    planned = report.planned or []
    if planned or report.held:
        paper.line(cycles.headline(report), "bold")
    for write in planned:
        _print_write(paper, report, write)
    cycles.print_troubles(paper, report)
    _print_sum(paper, report, planned)


def _print_write(paper: Paper, report: CycleReport, write: PlannedWrite) -> None:
    zone = words.zone_of(report.timezone)
    side = words.SIDES[write.side.value]
    title = words.tame(write.title) or "(no title)"
    what = f"{_MARKS[write.action]} {words.action(write)} in {side}: {title}, "
    paper.line(f"  {what}{words.when(write.starts_at, zone)}", _STYLES[write.action])
    paper.line(f"      why: {words.tame(write.why)}")
    if write.ghl_id or write.hubspot_id:
        paper.line(f"      record: {cycles.named(write.ghl_id, write.hubspot_id)}")
    for name, values in write.fields.items():
        if write.action == "create":
            paper.line(f"      {name}: {words.field_value(name, values[1], zone)}")
        else:
            paper.line(f"      {words.change(name, values, zone)}")


def _print_sum(paper: Paper, report: CycleReport, planned: list[PlannedWrite]) -> None:
    if report.outcome not in {Outcome.OK, Outcome.GUARD, Outcome.FAILED_WRITES}:
        cycles.print_sum(paper, report)
        return
    if not planned:
        open_ends = report.held or report.unread or report.outcome is not Outcome.OK
        told = "nothing to write" if open_ends else "nothing to write, both sides are in step"
        paper.line(f"{report.link}: {told}", "green")
    else:
        told = "; ".join(
            _to_do(side.value, planned) for side in Side if _to_do(side.value, planned)
        )
        paper.line(f"{report.link}: {told}. Nothing was written.", "bold")
    if report.detail:
        paper.line(f"  {words.tame(report.detail)}", "yellow")


def _to_do(side: str, planned: list[PlannedWrite]) -> str:
    """`HubSpot: 9 to create, 1 to update`."""
    actions = [words.action(write) for write in planned if write.side.value == side]
    told = [f"{actions.count(each):,} to {each}" for each in dict.fromkeys(actions)]
    return f"{words.SIDES[side]}: {', '.join(told)}" if told else ""
