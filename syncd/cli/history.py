"""`syncd history`: what was written, when, why, and the value before and after.

Reads the store alone: no credentials, no lock, no request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, config_option, config_path, json_option, link_option

if TYPE_CHECKING:
    from syncd.cli.output.paper import Paper
    from syncd.ports.store import HistoryEntry


@click.command(
    cls=Verb,
    short_help="Show what was written, when and why.",
    examples=(
        ("syncd history", "the last 50 entries of every link, newest first"),
        ("syncd history 501", "one appointment, by its id on either side"),
        ("syncd history --limit 0 --json", "everything, for a script"),
    ),
)
@click.argument("record", metavar="[ID]", default="")
@config_option
@link_option
@json_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="How many entries of each link at most; 0 for all.",
)
@click.pass_context
def history(
    ctx: click.Context,
    record: str,
    config: Path | None,
    links: tuple[str, ...],
    *,
    as_json: bool,
    limit: int,
) -> int:
    """Show what was written, when and why, with the value before and after.

    ID is an appointment's id on either side. A value that lost a conflict is
    kept here, as `overwritten`.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.paper import Paper
    from syncd.cli.session import begin, chosen, zone_name

    settings = begin(config_path(ctx, config))
    with open_app(settings) as app:
        stores = {name: app.link_store(name) for name in chosen(app.link_names(), links)}
        found = {name: store.history(record, limit=limit) for name, store in stores.items()}
        zones = {name: zone_name(store) for name, store in stores.items()}
    if as_json:
        told = {name: [as_value(entry) for entry in entries] for name, entries in found.items()}
        click.echo(json.dumps({"version": 1, "links": told}, indent=2))
        return 0
    for name, entries in found.items():
        print_history(Paper(), name, entries, zones[name])
    return 0


def as_value(entry: HistoryEntry) -> dict[str, object]:
    """An entry as JSON; instants in UTC."""
    from syncd.core.essence import moment_text

    return {
        "at": moment_text(entry.at),
        "cycle": entry.cycle,
        "side": entry.side.value,
        "ghl_id": entry.ghl_id or None,
        "hubspot_id": entry.hubspot_id or None,
        "action": entry.action,
        "field": entry.field or None,
        "before": entry.before,
        "after": entry.after,
        "why": entry.why,
    }


def print_history(paper: Paper, name: str, entries: Iterable[HistoryEntry], timezone: str) -> None:
    """One link's entries, for people, newest first."""
    from syncd.cli.output import cycles, words

    zone = words.zone_of(timezone)
    rows = [
        (
            words.when(entry.at, zone),
            cycles.named(entry.ghl_id, entry.hubspot_id),
            _did(paper, entry, timezone),
            words.tame(entry.why),
        )
        for entry in entries
    ]
    if not rows:
        paper.line(f"{name}: nothing was written")
        return
    paper.line(f"{name} (times in {timezone or 'UTC'})", "bold")
    paper.table(("Written", "Record", "What syncd did", "Why"), rows, ("cyan",))


def _did(paper: Paper, entry: HistoryEntry, timezone: str) -> str:
    from syncd.cli.output import cycles, words

    side, done = words.SIDES[entry.side.value], words.DONE.get(entry.action, entry.action)
    if not entry.field:
        return f"{side}: {done}"
    most = cycles.CUT if paper.on_screen else 0
    zone = words.zone_of(timezone)
    changed = words.change(entry.field, (entry.before, entry.after), zone, most)
    told = f"{side}: {changed}"
    return told if entry.action == "update" else f"{told} ({done})"
