"""`syncd cycles`: the last cycles with their ids, what each wrote, and one of them in full.

Reads the store alone: no credentials, no lock, no request. A cycle that found
nothing to do is not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli import candidates
from syncd.cli.command import (
    Verb,
    config_option,
    config_path,
    ids_option,
    json_option,
    link_option,
)

if TYPE_CHECKING:
    from syncd.cli.output.printer import Printer
    from syncd.ports.store import CycleRow, LinkReader

SIDES = ("ghl", "hubspot")


@click.command(
    cls=Verb,
    short_help="List the last cycles, or show one in full.",
    examples=(
        ("syncd cycles", "the last 20 cycles of every link, newest first"),
        ("syncd cycles 3f2a9c1b7d20", "one cycle in full: what it wrote, held and left out"),
        ("syncd cycles --link clinic --json", "one link, for a script"),
    ),
)
@click.argument("cycle", metavar="[ID]", default="", shell_complete=candidates.cycles)
@config_option
@link_option
@json_option
@ids_option
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 10**6),
    default=20,
    show_default=True,
    help="How many cycles of each link at most.",
)
@click.pass_context
def cycles(
    ctx: click.Context,
    /,
    *,
    cycle: str,
    config: Path | None,
    links: tuple[str, ...],
    as_json: bool,
    ids: bool,
    limit: int,
) -> int:
    """List the last cycles with their ids and what each wrote; with an ID, one in full.

    `syncd undo --cycle ID` puts back what a cycle overwrote. Cycles that found
    nothing to do are not kept, and do not stand here.
    """
    from syncd.cli.naming import Screen
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import open_reader, selected_links, timezone_of

    path = config_path(ctx, config)
    with open_reader(path) as app:
        stores = {name: app.link_store(name) for name in selected_links(app.link_names(), links)}
        found = {name: _cycles(store, cycle, limit) for name, store in stores.items()}
        if cycle and not any(found.values()):
            raise click.UsageError(f"no such cycle: {cycle}; to see them: `syncd cycles`")
        shown = {name: rows for name, rows in found.items() if rows or not cycle}
        if as_json:
            document = {
                name: {"cycles": [_as_value(row, stores[name] if cycle else None) for row in rows]}
                for name, rows in shown.items()
            }
            click.echo(json.dumps({"version": 1, "exit_code": 0, "links": document}, indent=2))
            return 0
        with Screen(Printer(), ids=ids, path=path) as screen:
            for name, rows in shown.items():
                if cycle:
                    told = partial(print_cycle, name=name, row=rows[0], store=stores[name])
                else:
                    timezone = timezone_of(stores[name])
                    told = partial(_print_list, name=name, rows=rows, timezone=timezone)
                screen.show(name, told)
    return 0


def _cycles(store: LinkReader, cycle: str, limit: int) -> list[CycleRow]:
    return store.cycles(limit=1, cycle=cycle) if cycle else store.cycles(limit=limit)


def _as_value(row: CycleRow, store: LinkReader | None) -> dict[str, object]:
    """A cycle as JSON; one in full with its report and its entries of the history."""
    from syncd.cli.history import as_value
    from syncd.core.essence import moment_text

    found: dict[str, object] = {
        "id": row.cycle,
        "cycle": row.kind,
        "started_at": moment_text(row.started_at),
        "ended_at": moment_text(row.finished_at),
        "outcome": row.outcome,
        **{side: _counts(row, side) for side in SIDES},
    }
    if store is not None:
        found["report"] = dict(row.report)
        found["history"] = [as_value(entry) for entry in store.history(cycle=row.cycle)]
    return found


def _counts(row: CycleRow, side: str) -> dict[str, object]:
    """What it wrote to a side; empty where a person's data was taken out of the report."""
    found = row.report.get(side)
    return dict(found) if isinstance(found, Mapping) else {}


def _print_list(printer: Printer, name: str, rows: Sequence[CycleRow], timezone: str) -> None:
    from syncd.cli.output import formatting

    if not rows:
        printer.line(f"{name}: no cycle has written anything yet")
        return
    number = formatting.count(len(rows), "cycle")
    printer.line(f"{name}: {number}, newest first (times in {timezone or 'UTC'})", "bold")
    zone = formatting.zone_of(timezone)
    for row in rows:
        at = formatting.when(row.started_at, zone)
        printer.line(f"  {row.cycle}  {at}  {row.kind}, {row.outcome}", "cyan", hang=16)
        printer.line(f"    {_wrote(row)}")


def _wrote(row: CycleRow) -> str:
    """`HighLevel: 1 created; HubSpot: 2 updated`."""
    from syncd.cli.output import formatting

    told = []
    for side in SIDES:
        counts = {what: n for what, n in _counts(row, side).items() if what != "requests" and n}
        if counts:
            parts = [
                formatting.counted(what, n) for what, n in counts.items() if isinstance(n, int)
            ]
            told.append(f"{formatting.SIDES[side]}: {', '.join(parts)}")
    held = row.report.get("held")
    told += [f"{len(held):,} held"] if isinstance(held, list) and held else []
    return "; ".join(told) or "nothing was written"


def print_cycle(printer: Printer, name: str, row: CycleRow, store: LinkReader) -> None:
    """One cycle in full, for people: what it wrote, what it held, how it ended."""
    from syncd.cli.history import print_writes
    from syncd.cli.output import formatting

    timezone = str(row.report.get("timezone") or "")
    zone = formatting.zone_of(timezone)
    printer.line(f"{name}: cycle {row.cycle} (times in {timezone or 'UTC'})", "bold")
    ended = (row.finished_at - row.started_at).total_seconds()
    began = formatting.when(row.started_at, zone)
    printer.line(f"  {row.kind}, {began}, {formatting.seconds(ended)}: {_wrote(row)}")
    print_writes(printer, store.history(cycle=row.cycle), timezone)
    for hold in _listed(row, "held"):
        title, ghl_id, hubspot_id = (
            str(hold.get(key) or "") for key in ("title", "ghl_id", "hubspot_id")
        )
        ids = formatting.called(title, ghl_id, hubspot_id, printer.names)
        why = formatting.strip_control_chars(f"{hold.get('reason')}: {hold.get('detail')}")
        printer.line(f"  held: {ids}: {why}", "yellow")
    for failed in _listed(row, "failed"):
        ids = formatting.named(str(failed.get("ghl_id") or ""), str(failed.get("hubspot_id") or ""))
        side = formatting.SIDES.get(str(failed.get("side")), "")
        detail = formatting.strip_control_chars(str(failed.get("detail")))
        printer.line(
            f"  failed, and tried again: {side}: {failed.get('action')} of {ids}: {detail}",
            "yellow",
        )
    for key, told in (("unread", "not read, and tried again"), ("warnings", "warning")):
        found = row.report.get(key)
        for text in found if isinstance(found, list) else ():
            printer.line(f"  {told}: {formatting.strip_control_chars(str(text))}", "yellow")
    style = {"ok": "green", "failed_writes": "yellow", "guard": "yellow"}.get(row.outcome, "red")
    detail = formatting.strip_control_chars(str(row.report.get("detail") or ""))
    printer.line(f"{name}: {row.outcome}, {_wrote(row)}", style)
    if detail:
        printer.line(f"  {detail}", style)


def _listed(row: CycleRow, key: str) -> list[Mapping[str, object]]:
    found = row.report.get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
