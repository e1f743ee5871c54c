"""`syncd undo`: put back what a conflict, a mistaken edit or a whole cycle overwrote.

Shows each value with the sides that it is written to, and what stays, then asks.
The next cycle carries it out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli import candidates
from syncd.cli.asking import asking_options, confirm
from syncd.cli.command import Verb, config_option, link_option
from syncd.cli.decisions import Recorded
from syncd.cli.waiting import Waits, app_for, wait_options

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.core.context import Revert
    from syncd.core.model import Side
    from syncd.ports.store import HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """What an undo comes to in one link."""

    link: str
    timezone: str
    reverts: Sequence[Revert]
    sides: Sequence[tuple[Side, ...]]
    """For each revert, the sides that it writes to."""
    overtaken: Sequence[Revert]
    """What has been changed since, and stays."""
    lasting: Sequence[HistoryEntry]
    """What no undo changes."""


@click.command(
    cls=Verb,
    short_help="Put back what was overwritten.",
    examples=(
        ("syncd undo 88100000001", "the values that the last cycle overwrote in it, on both sides"),
        ("syncd undo --cycle 3f2a9c1b7d20", "everything that one cycle overwrote"),
        ("syncd undo 88100000001 --dry-run", "show it, and change nothing"),
        ("syncd undo 88100000001 --yes --wait", "without a question, and with the cycle's report"),
    ),
)
@click.argument("record", metavar="[ID]", default="")
@click.option(
    "--cycle",
    default="",
    metavar="CYCLE",
    help="A cycle, as `syncd cycles` names it.",
    shell_complete=candidates.cycles,
)
@config_option
@link_option
@asking_options
@wait_options
@click.pass_context
def undo(
    ctx: click.Context,
    /,
    *,
    record: str,
    cycle: str,
    config: Path | None,
    links: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    **waits: Any,
) -> int:
    """Put back the values that a conflict, a mistaken edit or a cycle overwrote.

    Shows what it would write, and where, then asks. Field by field, on both
    sides, unless the field was changed since. A record that was created or
    deleted is listed and stays as it is: neither vendor has an undelete. A
    cancellation that replaced a removal is taken back, and the record that a
    person had removed is created again, with a new id.
    """
    if bool(record) == bool(cycle):
        raise click.UsageError("give an ID or --cycle CYCLE", ctx)
    from syncd.cli.people import record_id
    from syncd.cli.session import selected_links
    from syncd.engine.decisions.undo import parts_of

    options = Waits(**waits)
    with app_for(ctx, config, options) as app:
        names = selected_links(app.link_names(), links)
        record = record_id(app, names, record)
        found = [_undoing(app, name, record, cycle) for name in names]
        going = [each for each in found if each.reverts]
        if options.as_json and dry_run:
            rows = {each.link: as_value(each) for each in found}
            document = {"version": 1, "exit_code": 0 if going else 2, "dry_run": True}
            click.echo(json.dumps(document | {"links": rows}, indent=2))
            return 0 if going else 2
        if not options.as_json:
            for each in found:
                print_undoing(each)
        if not going:
            raise click.UsageError(_nothing(app, names, record, cycle))
        if dry_run:
            return 0
        confirm("Put this back?", yes=yes)
        told = Recorded(app, options)
        payload = {"id": record} if record else {"cycle": cycle}
        for each in going:
            parts = parts_of(each.reverts)
            told.decide(each.link, "undo", {**payload, "parts": parts}, record or cycle)
        return told.conclude()


def _nothing(app: App, names: Sequence[str], record: str, cycle: str) -> str:
    """Why there is nothing to put back, and where to look."""
    entries = (app.link_store(name).history(record, limit=1, cycle=cycle) for name in names)
    if not any(entries):
        look = "`syncd history` lists the records" if record else "`syncd cycles` lists the cycles"
        return f"no write {'to' if record else 'of cycle'} {record or cycle} is known; {look}"
    return f"nothing was overwritten by {record or cycle} that can be put back"


def _undoing(app: App, name: str, record: str, cycle: str) -> Undoing:
    from syncd.bootstrap.rules import rules_of
    from syncd.cli.session import timezone_of
    from syncd.engine.decisions.undo import lasting, overtaken, reverts_of, standing

    store = app.link_store(name)
    entries = store.history(record, cycle=cycle)
    found = reverts_of(entries)
    later = overtaken(store, found)
    reverts = standing(store, [each for each in found if each not in later])
    rules = rules_of(app.settings.links[name]).template

    def sides(revert: Revert) -> tuple[Side, ...]:
        """The side that was written over, and the other one where it shows another value."""
        other = revert.side.other
        across = revert.across
        differs = across is None or any(
            across.get(field) != back for field, back in revert.back.items()
        )
        written = differs and rules.may_write(revert.group, other)
        return (revert.side, other) if written else (revert.side,)

    return Undoing(
        link=name,
        timezone=timezone_of(store),
        reverts=reverts,
        sides=[sides(each) for each in reverts],
        overtaken=later,
        lasting=lasting(entries),
    )


def as_value(undoing: Undoing) -> dict[str, object]:
    """What an undo would do, as JSON."""
    return {
        "back": [
            {
                "ghl_id": each.ghl_id or None,
                "hubspot_id": each.hubspot_id or None,
                "sides": [side.value for side in sides],
                "fields": {
                    field: {"from": each.was.get(field), "to": back}
                    for field, back in each.back.items()
                },
            }
            for each, sides in zip(undoing.reverts, undoing.sides, strict=True)
        ],
        "stays": [
            *(_staying(e.ghl_id, e.hubspot_id, _stays(e)) for e in undoing.lasting),
            *(
                _staying(r.ghl_id, r.hubspot_id, f"{r.group} was changed since, and stays")
                for r in undoing.overtaken
            ),
        ],
    }


def _staying(ghl_id: str, hubspot_id: str, why: str) -> dict[str, object]:
    return {"ghl_id": ghl_id or None, "hubspot_id": hubspot_id or None, "why": why}


def print_undoing(undoing: Undoing) -> None:
    """What an undo would do in one link, for people."""
    from syncd.cli.output import formatting
    from syncd.cli.output.printer import Printer

    if not (undoing.reverts or undoing.overtaken or undoing.lasting):
        return
    printer, zone = Printer(), formatting.zone_of(undoing.timezone)
    number = formatting.count(len(undoing.reverts), "value")
    heading = f"{undoing.link}: {number} to put back (times in {undoing.timezone or 'UTC'})"
    printer.line(heading, "bold")
    for revert, sides in zip(undoing.reverts, undoing.sides, strict=True):
        where = " and ".join(side.label for side in sides)
        printer.line(f"  {formatting.named(revert.ghl_id, revert.hubspot_id)}")
        for field, back in revert.back.items():
            value = formatting.field_value(field, back, zone)
            printer.line(f"    {field} back to {value}, in {where}")
    for entry in undoing.lasting:
        printer.line(f"  {formatting.named(entry.ghl_id, entry.hubspot_id)}: {_stays(entry)}")
    for revert in undoing.overtaken:
        ids = formatting.named(revert.ghl_id, revert.hubspot_id)
        printer.line(f"  {ids}: {revert.group} was changed since, and stays")


def _stays(entry: HistoryEntry) -> str:
    """What undo cannot change, and what a person can do about it."""
    from syncd.cli.output.formatting import DONE, removal

    side = entry.side.label
    if entry.action == "create":
        return f"created in {side} by that cycle, and stays: delete it there if it is not wanted"
    if entry.action == "remove":
        gone = DONE[removal(entry.side, cancels=bool(entry.field))]
        return f"{gone} in {side} by that cycle, and stays so: restore it there if it is wanted"
    return f"its contact in {side} stays as that cycle left it: change it in HighLevel"
