"""`syncd why ID`: where the value of every field of an appointment comes from.

Reads the store: the pair as it was last agreed, and the history of what was
written. A record that the store does not know is asked of its vendor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from syncd.bootstrap.lookup import Looked
    from syncd.cli.naming import Screen
    from syncd.cli.output.names import Names
    from syncd.cli.output.printer import Printer
    from syncd.core.model import Hold, Pair
    from syncd.ports.store import HistoryEntry, LinkReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One field: what each side shows, and where it comes from."""

    field: str
    ghl: str | None
    hubspot: str | None
    last: HistoryEntry | None
    """Our last write to that field; None where we never wrote it."""


@click.command(
    cls=Verb,
    short_help="Show where each value of an appointment comes from.",
    examples=(
        ("syncd why 88100000001", "every field of that appointment, by its id on either side"),
        ("syncd why g2emAyjmP4IzHcVtAulJ --json", "the same, for a script"),
    ),
)
@click.argument("record", metavar="ID", shell_complete=candidates.held)
@config_option
@link_option
@json_option
@ids_option
@click.pass_context
def why(
    ctx: click.Context,
    /,
    *,
    record: str,
    config: Path | None,
    links: tuple[str, ...],
    as_json: bool,
    ids: bool,
) -> int:
    """Show which edit, rule and write each field of an appointment has its value from.

    Where it is held: why, and how to resolve it; where it is left out: which rule does so.
    A record that the store does not know is asked of its vendor. ID may be a
    contact's e-mail address.
    """
    from syncd.cli.naming import Screen
    from syncd.cli.output.printer import Printer
    from syncd.cli.people import record_given
    from syncd.cli.session import open_reader, selected_links

    path = config_path(ctx, config)
    record = record_given(path, links, record)
    with open_reader(path) as app:
        names = selected_links(app.link_names(), links)
        with Screen(Printer(), ids=ids, path=path) as screen:
            for name in names:
                if _tell_known(app.link_store(name), name, record, screen, as_json=as_json):
                    return 0
        for name in names:
            if (known := unsynced(app.link_store(name), record)) is not None:
                _tell_unsynced(name, record, known, as_json=as_json)
                return 0
    found = _asked(path, names, record)
    if not found:
        raise click.UsageError(
            f"{record}: neither the store nor the two systems know such a record; check the id"
        )
    # With links that share an account, the one that it belongs to goes first.
    (name, first), *others = sorted(found, key=lambda each: bool(each[1].left_out))
    _tell_unsynced(name, record, first, as_json=as_json)
    for name, each in others if not as_json else ():
        _tell_unsynced(name, record, each, as_json=False)
    return 0


def _tell_known(
    store: LinkReader, name: str, record: str, screen: Screen, *, as_json: bool
) -> bool:
    """Tell of the pair that has this record; gives whether there is one."""
    from syncd.cli.held import as_value as held_value
    from syncd.cli.output.holds import print_holds
    from syncd.cli.session import timezone_of
    from syncd.observability.words import rule

    pair = _pair(store, record)
    if pair is None:
        return False
    entries = store.history(pair.ghl_id) or store.history(pair.hubspot_id)
    reasons = reasons_of(pair, entries)
    left_out = rule_of(store, pair.ghl_id, pair.hubspot_id)
    audited = audited_of(store, pair)
    held = holds_of(store, pair.ghl_id, pair.hubspot_id)
    if as_json:
        value = as_value(name, pair, reasons) | {"left_out": left_out or None}
        value |= {"unexplained": audited, "held": [held_value(hold) for hold in held]}
        click.echo(json.dumps(value, indent=2))
        return True
    timezone = timezone_of(store)

    def told(printer: Printer) -> None:
        _print(printer, name, pair, reasons, adopted=_adopted(entries), timezone=timezone)
        if left_out:
            printer.line(f"  not synced any more: {rule(left_out)} ({left_out})")
        if held:
            printer.line("  held for a person:", "bold")
            print_holds(printer, held, timezone)

    screen.show(name, told)
    _print_audited(audited, timezone)
    return True


def _asked(path: Path | None, names: Sequence[str], record: str) -> list[tuple[str, Unsynced]]:
    """What the vendors say of a record that the store does not know, link by link.

    Raises:
        SyncdError: no link knows it, and one could not ask.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin
    from syncd.engine.decisions.pending import ignores
    from syncd.errors import SyncdError

    found, failed = [], None
    with open_app(begin(path)) as app:
        for name in names:
            try:
                with app.look_up(name) as lookup:
                    asked = lookup.record(record, ignored=ignores(app.link_store(name), record))
            except SyncdError as error:
                failed = error
                continue
            found += [(name, _as_unsynced(each)) for each in asked if each.exists]
    if not found and failed is not None:
        raise failed
    return found


def _as_unsynced(looked: Looked) -> Unsynced:
    from syncd.core.model import Snapshot

    shown = looked.shown
    if not isinstance(shown, Snapshot):
        return Unsynced(left_out=looked.rule, told=f"it was merged into {shown.became}")
    title, start = shown.appointment.title, shown.appointment.start
    if shown.gone:
        done = "deleted in HighLevel" if looked.side.value == "ghl" else "archived in HubSpot"
        return Unsynced(told=f"it is {done}", title=title, start=start)
    told = "" if looked.rule else "no rule leaves it out: the next full cycle takes it up"
    return Unsynced(left_out=looked.rule, told=told, title=title, start=start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsynced:
    """Why a record without a pair is not synced: what holds it, or the rule that leaves it out."""

    held: tuple[Hold, ...] = ()
    left_out: str = ""
    told: str = ""
    """What else there is to say, in words."""
    title: str = ""
    start: datetime | None = None


def unsynced(store: LinkReader, record: str) -> Unsynced | None:
    """What the last cycles knew of a record without a pair; None where it is nothing."""
    if held := holds_of(store, record):
        return Unsynced(held=held)
    left_out = rule_of(store, record)
    return Unsynced(left_out=left_out) if left_out else None


def holds_of(store: LinkReader, *records: str) -> tuple[Hold, ...]:
    """What holds one of these records, or a field of it."""
    wanted = {*records} - {""}
    return tuple(hold for hold in store.holds() if wanted & {hold.ghl_id, hold.hubspot_id})


def audited_of(store: LinkReader, pair: Pair) -> list[dict[str, object]]:
    """What the last audit could not explain of a pair."""
    from syncd.core import looks

    audited = looks.read_audited(store.get_state(looks.AUDITED))
    names = ("field", "ghl", "hubspot", "agreed", "missing")
    return [
        {"at": audited.get("at"), **{name: each.get(name) for name in names}}
        for each in audited.get("found") or ()
        if each["key"] == pair.key
    ]


def _print_audited(found: Sequence[Mapping[str, Any]], timezone: str) -> None:
    """What both sides showed, what was agreed, and which observation is missing."""
    from datetime import datetime

    from syncd.cli.output import formatting
    from syncd.cli.output.printer import Printer

    printer, zone = Printer(), formatting.zone_of(timezone)
    for each in found:
        at = formatting.when(datetime.fromisoformat(each["at"]), zone)
        printer.line(f"  unexplained in the audit of {at}: {each['field']}", "bold red")
        for side, told in formatting.SIDES.items():
            shown, agreed = (
                formatting.field_value(each["field"], value, zone)
                for value in (each[side], each["agreed"].get(side))
            )
            printer.line(f"    {told} showed {shown}; agreed was {agreed}")
        printer.line(f"    {each['missing']}")


def rule_of(store: LinkReader, *records: str) -> str:
    """Which rule left one of these out in the last full cycle; "" where none did."""
    from syncd.ports.store import LEFT_OUT_IDS

    found = json.loads(store.get_state(LEFT_OUT_IDS) or "{}").items()
    return next((reason for reason, ids in found if {*records} & {*ids}), "")


def _tell_unsynced(name: str, record: str, found: Unsynced, *, as_json: bool) -> None:
    from syncd.cli.held import as_value as held_value
    from syncd.cli.output import formatting
    from syncd.cli.output.printer import Printer
    from syncd.core.essence import moment_text
    from syncd.observability.words import rule

    if as_json:
        document = {
            "version": 1,
            "exit_code": 0,
            "link": name,
            "id": record,
            "held": [held_value(hold) for hold in found.held],
            "left_out": found.left_out or None,
            "detail": found.told or None,
            "title": found.title or None,
            "start": moment_text(found.start),
        }
        click.echo(json.dumps(document, indent=2))
        return
    printer = Printer()
    for hold in found.held:
        why = formatting.held_because(hold.reason, hold.group, hold.detail, hold.values)
        printer.line(f"{name}: {record} is not synced, it is held: {why}")
        printer.line(f"  {formatting.how_to_resolve(hold)}")
    if found.left_out:
        which = f"{rule(found.left_out)} ({found.left_out})"
        printer.line(f"{name}: {record} is not synced, it is left out: {which}")
    if found.told:
        printer.line(
            f"{name}: {record} is not synced: {formatting.strip_control_chars(found.told)}"
        )
    if found.title or found.start:
        title = formatting.strip_control_chars(found.title) or "(no title)"
        printer.line(f"  {title}, {formatting.when(found.start)} UTC")


def _pair(store: LinkReader, record: str) -> Pair | None:
    from syncd.core.model import Side

    for side in Side:
        for pair in store.pairs_by_id(side, [record]):
            return pair
    return None


def reasons_of(pair: Pair, entries: Sequence[HistoryEntry]) -> list[Reason]:
    """Every field of a pair with the last write that it had; `entries` are newest first."""
    from syncd.core import essence
    from syncd.core.model import MAPPED_PREFIX, Group
    from syncd.ports.store import APPOINTMENT

    last: dict[str, HistoryEntry] = {}
    own = [e for e in entries if e.pair_key in {0, pair.key} and e.record == APPOINTMENT]
    for entry in own:
        if entry.field:
            last.setdefault(entry.field, entry)
    _with_its_contact(pair, own, last)
    mapped_fields = (f"{MAPPED_PREFIX}{name}" for name, _ in pair.ghl.mapped_fields)
    found = []
    for group in (*Group, *mapped_fields):
        ghl = essence.to_report_fields(essence.value(pair.ghl, group), group)
        hubspot = essence.to_report_fields(essence.value(pair.hubspot, group), group)
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
        "exit_code": 0,
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
    printer: Printer,
    name: str,
    pair: Pair,
    reasons: Sequence[Reason],
    *,
    adopted: HistoryEntry | None,
    timezone: str,
) -> None:
    from syncd.cli.output import formatting
    from syncd.core.model import Side

    zone, names = formatting.zone_of(timezone), printer.names
    printer.line(f"{name}: {formatting.named(pair.ghl_id, pair.hubspot_id, names)}", "bold")
    printer.line(f"  times in {timezone or 'UTC'}; agreed {formatting.count(pair.version, 'time')}")
    never_written = "as it was found, never written by syncd"
    if adopted is not None:
        never_written = (
            f"as both sides had it when they were paired, {formatting.when(adopted.at, zone)}"
        )
    rows = []
    for reason in reasons:
        if reason.ghl is None and reason.hubspot is None and reason.last is None:
            continue
        entry = reason.last
        origin = never_written
        if entry is not None:
            origin = (
                f"{formatting.when(entry.at, zone)}: "
                f"written to {entry.side.label}, "
                f"{_changed(entry, zone, names)} "
                f"({formatting.strip_control_chars(entry.why)}; cycle {entry.cycle})"
            )
        rows.append(
            (
                reason.field,
                formatting.field_value(reason.field, reason.ghl, zone, names.value(Side.GHL)),
                formatting.field_value(
                    reason.field, reason.hubspot, zone, names.value(Side.HUBSPOT)
                ),
                origin,
            )
        )
    printer.table(("Field", "HighLevel", "HubSpot", "Because"), rows, ("cyan",))


def _changed(entry: HistoryEntry, zone: tzinfo, names: Names) -> str:
    from syncd.cli.output import formatting

    values = (entry.before, entry.after)
    return formatting.change(entry.field, values, zone, shown=names.value(entry.side))
