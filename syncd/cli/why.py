"""`syncd why ID`: for every field of an appointment, what put its value there.

Reads the store alone: the pair as it was last agreed, and the history of what
was written. No credentials, no lock, no request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import Verb, config_option, config_path, json_option, link_option

if TYPE_CHECKING:
    from syncd.core.model import Pair
    from syncd.ports.store import HistoryEntry, LinkStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One field: what each side shows, and what put it there."""

    field: str
    ghl: str | None
    hubspot: str | None
    last: HistoryEntry | None
    """The last write of ours to that field; None where we never wrote it."""


@click.command(
    cls=Verb,
    short_help="Tell what put each value of an appointment there.",
    examples=(
        ("syncd why 88100000001", "every field of that appointment, by its id on either side"),
        ("syncd why g2emAyjmP4IzHcVtAulJ --json", "the same, for a script"),
    ),
)
@click.argument("record", metavar="ID")
@config_option
@link_option
@json_option
@click.pass_context
def why(
    ctx: click.Context, record: str, config: Path | None, links: tuple[str, ...], *, as_json: bool
) -> int:
    """Tell for every field of an appointment which edit, rule and write put its value there."""
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin, chosen, zone_name

    settings = begin(config_path(ctx, config))
    with open_app(settings) as app:
        for name in chosen(app.link_names(), links):
            store = app.link_store(name)
            pair = _pair(store, record)
            if pair is not None:
                entries = store.history(pair.ghl_id) or store.history(pair.hubspot_id)
                reasons = reasons_of(pair, entries)
                if as_json:
                    click.echo(json.dumps(as_value(name, pair, reasons), indent=2))
                else:
                    _print(name, pair, reasons, _adopted(entries), zone_name(store))
                return 0
    raise click.UsageError(f"no pair has {record}; `syncd held` lists what waits without one")


def _pair(store: LinkStore, record: str) -> Pair | None:
    from syncd.core.model import Side

    for side in Side:
        for pair in store.pairs_by_id(side, [record]):
            return pair
    return None


def reasons_of(pair: Pair, entries: Sequence[HistoryEntry]) -> list[Reason]:
    """Every field of a pair with the last write that it had; `entries` are newest first."""
    from syncd.core import essence
    from syncd.core.model import EXTRA_PREFIX, Group
    from syncd.ports.store import APPOINTMENT

    last: dict[str, HistoryEntry] = {}
    own = [e for e in entries if e.pair_key in {0, pair.key} and e.record == APPOINTMENT]
    for entry in own:
        if entry.field:
            last.setdefault(entry.field, entry)
    _with_its_contact(pair, own, last)
    extras = (f"{EXTRA_PREFIX}{name}" for name, _ in pair.ghl.extras)
    found = []
    for group in (*Group, *extras):
        ghl = essence.said(essence.value(pair.ghl, group), group)
        hubspot = essence.said(essence.value(pair.hubspot, group), group)
        found += [
            Reason(field=name, ghl=ghl[name], hubspot=hubspot[name], last=last.get(name))
            for name in ghl
        ]
    return found


def _with_its_contact(
    pair: Pair, entries: Sequence[HistoryEntry], last: dict[str, HistoryEntry]
) -> None:
    """A record that we made was made for its contact, which the history does not repeat."""
    from syncd.core.model import Side

    made = next((entry for entry in entries if entry.action == "create"), None)
    if made is None or "contact" in last:
        return
    contact = pair.hubspot.contact if made.side is Side.HUBSPOT else pair.ghl.contact
    last["contact"] = replace(made, field="contact", before=None, after=contact)


def _adopted(entries: Sequence[HistoryEntry]) -> HistoryEntry | None:
    return next((entry for entry in entries if entry.action == "adopt"), None)


def as_value(name: str, pair: Pair, reasons: Sequence[Reason]) -> dict[str, object]:
    """The answer as JSON; instants in UTC."""
    from syncd.cli.history import as_value as entry_value

    return {
        "version": 1,
        "link": name,
        "ghl_id": pair.ghl_id,
        "hubspot_id": pair.hubspot_id,
        "agreements": pair.version,
        "fields": {
            reason.field: {
                "ghl": reason.ghl,
                "hubspot": reason.hubspot,
                "written": entry_value(reason.last) if reason.last else None,
            }
            for reason in reasons
        },
    }


def _print(
    name: str,
    pair: Pair,
    reasons: Sequence[Reason],
    adopted: HistoryEntry | None,
    timezone: str,
) -> None:
    from syncd.cli.output import cycles, words
    from syncd.cli.output.paper import Paper

    paper, zone = Paper(), words.zone_of(timezone)
    paper.line(f"{name}: {cycles.named(pair.ghl_id, pair.hubspot_id)}", "bold")
    paper.line(f"  times in {timezone or 'UTC'}; agreed {words.count(pair.version, 'time')}")
    unwritten = "as it was found, never written by syncd"
    if adopted is not None:
        unwritten = f"as both sides had it when they were paired, {words.when(adopted.at, zone)}"
    rows = []
    for reason in reasons:
        if reason.ghl is None and reason.hubspot is None and reason.last is None:
            continue
        entry = reason.last
        told = unwritten
        if entry is not None:
            told = (
                f"{words.when(entry.at, zone)}: written to {words.SIDES[entry.side.value]}, "
                f"{words.change(entry.field, (entry.before, entry.after), zone)} "
                f"({words.tame(entry.why)}; cycle {entry.cycle})"
            )
        rows.append(
            (
                reason.field,
                words.field_value(reason.field, reason.ghl, zone),
                words.field_value(reason.field, reason.hubspot, zone),
                told,
            )
        )
    paper.table(("Field", "HighLevel", "HubSpot", "Because"), rows, ("cyan",))
