"""`syncd history`: what was written, when, why, and the value before and after.

Reads the store alone: no credentials, no lock, no request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.command import (
    Verb,
    config_option,
    config_path,
    ids_option,
    json_option,
    link_option,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from syncd.cli.output.printer import Printer
    from syncd.ports.store import HistoryEntry, LinkReader


ACTIONS = ("create", "update", "remove", "restore", "adopt", "conflict")
"""The actions in the history; a conflict is an update that overwrote a value."""

FIELDS = 12
"""Entries that a record has at the most, as a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which part of the history."""

    records: Sequence[str] = ("",)
    """Ids of records; "" is every record."""
    limit: int = 0
    """How many records at most; 0 for all."""
    since: datetime | None = None
    action: str = ""


def entries_of(store: LinkReader, query: Query) -> list[HistoryEntry]:
    """The entries of the newest records that fit, all fields of each."""
    rows = FIELDS * query.limit
    while True:
        entries = _merged(store, query.records, rows)
        writes = [list(together) for _, together in groupby(entries, key=_write)]
        is_all = not rows or len(entries) < rows
        if not is_all:
            writes.pop()  # Its other fields may lie beyond what was read.
        fresh = [w for w in writes if query.since is None or w[0].at >= query.since]
        fits = [w for w in fresh if query.action in {"", *(entry.action for entry in w)}]
        if is_all or len(fits) >= query.limit or len(fresh) < len(writes):
            fits = fits[: query.limit] if query.limit else fits
            return [entry for write in fits for entry in write]
        rows *= 4


def _merged(store: LinkReader, records: Sequence[str], rows: int) -> list[HistoryEntry]:
    """The entries of several records, newest first, each once."""
    if len(records) == 1:
        return store.history(records[0], limit=rows)
    found = {entry.id: entry for each in records for entry in store.history(each, limit=rows)}
    entries = sorted(found.values(), key=lambda entry: (entry.at, entry.id), reverse=True)
    return entries[:rows] if rows else entries


def _moment(
    _ctx: click.Context, _option: click.Parameter, given: str | None
) -> timedelta | datetime | None:
    """A length of time, or an instant, in UTC where it names no zone."""
    from datetime import UTC

    from syncd.config.values import duration

    if given is None:
        return None
    try:
        return duration(given)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(given)
    except ValueError as error:
        message = f"{given!r}; accepted: a duration such as 2d, or a date such as 2026-03-02T09:00"
        raise click.BadParameter(message) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.command(
    cls=Verb,
    short_help="Show what was written, when and why.",
    examples=(
        ("syncd history", "the last 50 records that were written, of every link, newest first"),
        ("syncd history 501", "one appointment, by its id on either side"),
        ("syncd history --since 2d --action remove", "what was removed in the last two days"),
        ("syncd history --limit 0 --json", "everything, for a script"),
    ),
)
@click.argument("record", metavar="[ID]", default="")
@config_option
@link_option
@json_option
@ids_option
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(0, 10**9),
    default=50,
    show_default=True,
    help="How many records of each link at most; 0 for all.",
)
@click.option(
    "--since",
    metavar="2d",
    callback=_moment,
    help="Only writes since then: a duration, or a date and time such as 2026-03-02T09:00.",
)
@click.option("--action", type=click.Choice(ACTIONS), help="Only this action.")
@click.pass_context
def history(
    ctx: click.Context,
    record: str,
    config: Path | None,
    links: tuple[str, ...],
    *,
    as_json: bool,
    ids: bool,
    limit: int,
    since: timedelta | datetime | None,
    action: str | None,
) -> int:
    """Show what was written, when and why, with the value before and after, by cycle.

    ID is an appointment's id on either side, or a contact's e-mail address. The
    losing value of a conflict is shown as `overwritten`.
    """
    from syncd.cli.naming import Screen
    from syncd.cli.output.printer import Printer
    from syncd.cli.people import ids_given
    from syncd.cli.session import open_reader, selected_links, timezone_of

    path = config_path(ctx, config)
    records = ids_given(path, links, record)
    with open_reader(path) as app:
        stores = {name: app.link_store(name) for name in selected_links(app.link_names(), links)}
        start = app.clock.now() - since if isinstance(since, timedelta) else since
        query = Query(records=records, limit=limit, since=start, action=action or "")
        found = {name: entries_of(store, query) for name, store in stores.items()}
        zones = {name: timezone_of(store) for name, store in stores.items()}
    if as_json:
        rows = {name: [as_value(entry) for entry in entries] for name, entries in found.items()}
        click.echo(json.dumps({"version": 1, "exit_code": 0, "links": rows}, indent=2))
        return 0
    with Screen(Printer(), ids=ids, path=path) as screen:
        for name, entries in found.items():
            screen.show(
                name, partial(print_history, name=name, entries=entries, timezone=zones[name])
            )
    return 0


def as_value(entry: HistoryEntry) -> dict[str, object]:
    """An entry as JSON; instants in UTC."""
    from syncd.core.essence import moment_text

    return {
        "at": moment_text(entry.at),
        "cycle": entry.cycle,
        "side": entry.side.value,
        "record": entry.record,
        "ghl_id": entry.ghl_id or None,
        "hubspot_id": entry.hubspot_id or None,
        "action": entry.action,
        "field": entry.field or None,
        "before": entry.before,
        "after": entry.after,
        "why": entry.why,
        "title": entry.title or None,
        "start": moment_text(entry.starts_at),
        "author": entry.author,
        **({"by": entry.by} if entry.by else {}),
    }


def print_history(
    printer: Printer, name: str, entries: Iterable[HistoryEntry], timezone: str
) -> None:
    """One link's entries, for people: by cycle, one block for each write, newest first."""
    from syncd.cli.output import formatting

    writes = [list(together) for _, together in groupby(entries, key=_write)]
    if not writes:
        printer.line(f"{name}: nothing was written")
        return
    number = formatting.count(len(writes), "record")
    printer.line(f"{name}: {number} written (times in {timezone or 'UTC'})", "bold")
    zone = formatting.zone_of(timezone)
    for cycle, together in groupby(writes, key=lambda write: write[0].cycle):
        of_cycle = list(together)
        printer.line(f"cycle {cycle}, {formatting.when(of_cycle[0][0].at, zone)}", "bold")
        for write in of_cycle:
            _print_write(printer, write[::-1], timezone)
    if len(writes) > 1:
        printer.line(f"{name}: {number} written", "bold")


def print_writes(printer: Printer, entries: Iterable[HistoryEntry], timezone: str) -> None:
    """The entries of one cycle, for people: one block for each write."""
    for _, together in groupby(entries, key=_write):
        _print_write(printer, [*together][::-1], timezone)


def _write(entry: HistoryEntry) -> tuple[object, ...]:
    """What the entries of one write have in common."""
    return (entry.at, entry.cycle, entry.side, entry.record, entry.ghl_id, entry.hubspot_id)


def _named(entry: HistoryEntry, done: str, zone: tzinfo) -> str:
    """What was done, to which appointment: its title and start as they were then."""
    from syncd.cli.output import formatting
    from syncd.ports.store import CONTACT

    if entry.record == CONTACT:
        return f"contact {done}"
    title = f": {formatting.strip_control_chars(entry.title)}" if entry.title else ""
    return done + title + (f", {formatting.when(entry.starts_at, zone)}" if entry.starts_at else "")


def _print_write(printer: Printer, entries: list[HistoryEntry], timezone: str) -> None:
    """The entries of one write, in the order in which they were written down."""
    from syncd.cli.output import formatting
    from syncd.ports.store import CONTACT, SYNC

    zone, first = formatting.zone_of(timezone), entries[0]
    actions = {entry.action for entry in entries} - {"conflict"}
    action = next(iter(actions)) if len(actions) == 1 else "update"
    if action == "remove":
        action = formatting.removal(first.side, cancels=any(entry.field for entry in entries))
    side, done = first.side.label, formatting.DONE.get(action, action)
    whys = "; ".join(
        dict.fromkeys(formatting.strip_control_chars(entry.why) for entry in entries if entry.why)
    )
    text = f"  {formatting.when(first.at, zone)}  {side}: {_named(first, done, zone)}"
    by = (
        ""
        if first.author == SYNC
        else f", decided by {formatting.strip_control_chars(first.by or first.author)}"
    )
    printer.line(text + (f" ({whys}{by})" if whys else ""), "cyan")
    names = printer.names
    if first.record == CONTACT:
        printer.line(f"      record: {formatting.person(first.ghl_id, first.hubspot_id, names)}")
    else:
        printer.line(f"      record: {formatting.named(first.ghl_id, first.hubspot_id, names)}")
    shown = names.value(first.side)
    for entry in entries:
        if not entry.field:
            continue
        if action == "create":
            value = formatting.field_value(entry.field, entry.after, zone, shown)
            printer.line(f"      {entry.field}: {value}")
            continue
        changed = formatting.change(entry.field, (entry.before, entry.after), zone, shown=shown)
        lost = f" ({formatting.DONE['conflict']})" if entry.action == "conflict" else ""
        printer.line(f"      {changed}{lost}")
