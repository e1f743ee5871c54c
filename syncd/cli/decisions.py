"""The verbs by which people decide: `retry`, `resolve`, `undo`, `apply`, `kick`.

Each queues a decision in the store; the next cycle carries it out, the
daemon's where one runs. Nothing here asks a vendor or takes a lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli import candidates
from syncd.cli.command import (
    Verb,
    config_option,
    config_path,
    guard_options,
    link_option,
)

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.core.model import Hold
    from syncd.ports.store import HistoryEntry, LinkStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A link that knows a record, and what it holds of it."""

    name: str
    store: LinkStore
    holds: tuple[Hold, ...]
    ignored: bool = False
    """Whether a person decided to ignore it."""


@contextmanager
def _app(ctx: click.Context, config: Path | None) -> Iterator[App]:
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin

    with open_app(begin(config_path(ctx, config))) as app:
        yield app


def _holding(app: App, record: str, links: tuple[str, ...]) -> list[Found]:
    """The links that hold this record, or ignore it by a person's decision."""
    from syncd.cli.session import selected_links
    from syncd.engine.decisions.pending import ignores

    found = []
    for name in selected_links(app.link_names(), links):
        store = app.link_store(name)
        holds = tuple(h for h in store.holds() if record in {h.ghl_id, h.hubspot_id})
        ignored = ignores(store, record)
        if holds or ignored:
            found.append(Found(name=name, store=store, holds=holds, ignored=ignored))
    return found


def _next_cycle(app: App, name: str) -> str:
    if app.paused(name):
        return f"the link is paused: done after `syncd link resume {name}`"
    holder = app.store.holder(name)
    if holder is not None:
        return f"the running syncd ({holder}) does it in its next cycle"
    return "the next `syncd --sync-now` does it"


@click.command(
    cls=Verb,
    short_help="Retry held records at once.",
    examples=(
        ("syncd retry", "everything that is held, in every link"),
        ("syncd retry 88100000001", "one record, by its id on either side"),
    ),
)
@click.argument("record", metavar="[ID]", default="", shell_complete=candidates.held)
@config_option
@link_option
@click.pass_context
def retry(ctx: click.Context, record: str, config: Path | None, links: tuple[str, ...]) -> int:
    """Try held records again in the next cycle, without waiting.

    Only refused writes wait at all; every full cycle checks all others again.
    With an ID it also takes `syncd resolve ID --ignore` back.
    """
    from syncd.cli.session import selected_links
    from syncd.engine.decisions.basis import shown_of

    with _app(ctx, config) as app:
        if not record:
            for name in selected_links(app.link_names(), links):
                app.link_store(name).decide("retry", {}, app.clock.now())
                click.echo(f"{name}: everything that is held; {_next_cycle(app, name)}")
            return 0
        for found in _required(_holding(app, record, links), record):
            payload = {"id": record, "holds": [shown_of(hold) for hold in found.holds]}
            found.store.decide("retry", payload, app.clock.now())
            click.echo(f"{found.name}: {record}; {_next_cycle(app, found.name)}")
    return 0


@click.command(
    cls=Verb,
    short_help="Decide about a held record.",
    examples=(
        ("syncd resolve 88100000001 --keep hubspot", "a conflict: HubSpot's value wins"),
        ("syncd resolve 88100000001 --pair g2emAyjmP4IzHcVtAulJ", "these two are one appointment"),
        ("syncd resolve 88100000001 --separate", "it is an appointment of its own"),
        ("syncd resolve 88100000001 --contact 51", "it is for this HubSpot contact"),
        ("syncd resolve 88100000001 --book-anyway", "book it onto the taken slot"),
        ("syncd resolve 88100000001 --ignore", "leave it alone for good"),
    ),
)
@click.argument("record", metavar="ID", shell_complete=candidates.held)
@click.option("--keep", type=click.Choice(["ghl", "hubspot"]), help="A conflict: which side wins.")
@click.option(
    "--pair", "pair_with", metavar="OTHER", help="The record on the other side that it belongs to."
)
@click.option("--separate", is_flag=True, help="It is no duplicate: create it on the other side.")
@click.option("--contact", metavar="ID", help="The HubSpot contact that it is for.")
@click.option("--book-anyway", is_flag=True, help="Book it onto the taken slot.")
@click.option("--ignore", is_flag=True, help="Leave it alone, and stop holding it.")
@config_option
@link_option
@click.pass_context
def resolve(
    ctx: click.Context,
    /,
    *,
    record: str,
    config: Path | None,
    links: tuple[str, ...],
    **ways: str | bool | None,
) -> int:
    """Decide about a held record; ID is its id on either side.

    The next cycle carries it out if the record still shows what is held now;
    otherwise it reports that, and holds the record again. A decision counts
    once; only --ignore counts until `syncd retry ID`.
    """
    taken = {way: value for way, value in ways.items() if value}
    if len(taken) != 1:
        raise click.UsageError(
            "say one of --keep, --pair, --separate, --contact, --book-anyway, --ignore", ctx
        )
    from syncd.engine.decisions.basis import shown_of
    from syncd.engine.decisions.pending import WAYS

    (way,) = taken
    with _app(ctx, config) as app:
        holding = [each for each in _holding(app, record, links) if each.holds]
        for found in _required(holding, record):
            meant = [h for h in found.holds if h.reason in WAYS[way] or not WAYS[way]]
            if not meant:
                reasons = {hold.reason for hold in found.holds}
                raise click.UsageError(
                    f"--{_option(way)} is for {' and '.join(WAYS[way])}; "
                    f"{record} is held as {', '.join(sorted(reasons))}"
                )
            other = taken.get("pair_with", "")
            meant += [h for h in found.store.holds() if other and other in {h.ghl_id, h.hubspot_id}]
            payload = {"id": record, "holds": [shown_of(hold) for hold in meant], **taken}
            found.store.decide("resolve", payload, app.clock.now())
            click.echo(f"{found.name}: {record}; {_next_cycle(app, found.name)}")
    return 0


def _option(way: str) -> str:
    return {"pair_with": "pair"}.get(way, way.replace("_", "-"))


def _required(found: list[Found], record: str) -> list[Found]:
    if not found:
        raise click.UsageError(f"nothing is held for {record}; `syncd held` lists what is")
    return found


@click.command(
    cls=Verb,
    short_help="Put back what was overwritten.",
    examples=(
        ("syncd undo 88100000001", "the values that the last cycle overwrote in it, on both sides"),
        ("syncd undo --cycle 3f2a9c1b7d20", "everything that one cycle overwrote"),
    ),
)
@click.argument("record", metavar="[ID]", default="")
@click.option(
    "--cycle",
    default="",
    metavar="CYCLE",
    help="A cycle, as `syncd history` names it.",
    shell_complete=candidates.cycles,
)
@config_option
@link_option
@click.pass_context
def undo(
    ctx: click.Context, record: str, cycle: str, config: Path | None, links: tuple[str, ...]
) -> int:
    """Put back the values that a conflict, a mistaken edit or a cycle overwrote.

    Field by field, on both sides, unless the field was changed since. A record
    that was created or deleted is listed and stays as it is: neither vendor has
    an undelete. A cancellation that replaced a removal is taken back, and the
    record that a person had removed is created again, with a new id.
    """
    if bool(record) == bool(cycle):
        raise click.UsageError("give an ID or --cycle CYCLE", ctx)
    from syncd.cli.output import formatting
    from syncd.cli.session import selected_links, timezone_of
    from syncd.engine.decisions.undo import lasting, overtaken, parts_of, reverts_of, standing

    payload = {"id": record} if record else {"cycle": cycle}
    queued = 0
    with _app(ctx, config) as app:
        for name in selected_links(app.link_names(), links):
            store = app.link_store(name)
            entries = store.history(record, cycle=cycle)
            found = reverts_of(entries)
            for entry in lasting(entries):
                ids = formatting.named(entry.ghl_id, entry.hubspot_id)
                click.echo(f"{name}: {ids}: {_stays(entry)}")
            later = overtaken(store, found)
            for revert in later:
                ids = formatting.named(revert.ghl_id, revert.hubspot_id)
                click.echo(f"{name}: {ids}: {revert.group} was changed since, and stays")
            reverts = standing(store, [each for each in found if each not in later])
            if not reverts:
                continue
            store.decide("undo", {**payload, "parts": parts_of(reverts)}, app.clock.now())
            queued += 1
            zone = formatting.zone_of(timezone_of(store))
            for revert in reverts:
                for field, back in revert.back.items():
                    value = formatting.field_value(field, back, zone)
                    click.echo(
                        f"{name}: {formatting.named(revert.ghl_id, '')}: {field} back to {value}"
                    )
            click.echo(f"{name}: {_next_cycle(app, name)}")
    if not queued:
        raise click.UsageError(f"nothing was overwritten by {record or cycle} that can be put back")
    return 0


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


@click.command(
    cls=Verb,
    short_help="Carry out a saved plan, exactly as shown.",
    examples=(("syncd apply monday.json", "the plan that `syncd plan --out monday.json` saved"),),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@config_option
@click.pass_context
def apply(ctx: click.Context, file: Path, config: Path | None) -> int:
    """Have the next cycle carry out a plan that `syncd plan --out` saved.

    Record by record, exactly as shown; a record that has changed since is left
    out, and the cycle's report lists it.
    """
    from syncd.cli import plan_file
    from syncd.cli.output.formatting import count

    kept = plan_file.read(file)
    with _app(ctx, config) as app:
        unknown = sorted(set(kept) - set(app.link_names()))
        if unknown:
            raise click.UsageError(f"{file}: no such link: {', '.join(unknown)}")
        if not kept:
            click.echo(f"{file}: the plan has no writes")
        for name, writes in kept.items():
            if not writes:
                click.echo(f"{name}: the plan has no writes")
                continue
            app.link_store(name).decide("apply", {"writes": writes}, app.clock.now())
            click.echo(f"{name}: {count(len(writes), 'write')}; {_next_cycle(app, name)}")
    return 0


@click.command(
    cls=Verb,
    short_help="Ask a running daemon for a full cycle now.",
    examples=(
        ("syncd kick", "every link"),
        ("syncd kick --link clinic --allow-removals", "one link, its removal guard open once"),
        ("syncd kick --approve", "approve a first sync that is waiting for approval"),
    ),
)
@config_option
@link_option
@guard_options
@click.option("--approve", is_flag=True, help="Approve a first sync that is waiting for approval.")
@click.pass_context
def kick(
    ctx: click.Context, /, *, config: Path | None, links: tuple[str, ...], **given: bool
) -> int:
    """Ask a running daemon for a full cycle now; without one it ends with 2.

    --allow-… lets pass what a guard has kept back until now, and nothing that
    comes later. --approve covers a first sync until it is
    complete, and up to twice the writes that were shown. A paused link is left
    out; one that is named ends with 2.
    """
    from syncd.cli.session import selected_links

    with _app(ctx, config) as app:
        names = selected_links(app.link_names(), links)
        paused = [name for name in names if app.paused(name)]
        if paused and (links or len(paused) == len(names)):
            back = f"syncd link resume {paused[0] if len(paused) == 1 else '--all'}"
            raise click.UsageError(f"paused: {', '.join(paused)}; `{back}` takes it back first")
        idle = [name for name in names if name not in paused and not app.daemon(name)]
        running = [name for name in names if name not in {*paused, *idle}]
        if not running or (links and idle):
            raise click.UsageError(f"no daemon runs for {', '.join(idle)}: use `syncd --sync-now`")
        for name in paused:
            click.echo(f"{name}: paused, and left out; `syncd link resume {name}` takes it back")
        for name in running:
            app.link_store(name).decide("kick", _asked(app, name, given), app.clock.now())
            click.echo(f"{name}: {app.store.holder(name)} runs a full cycle now")
        for name in idle:
            click.echo(f"{name}: no daemon runs for it, and it is left out")
    return 0


def _asked(app: App, name: str, given: Mapping[str, bool]) -> dict[str, object]:
    """The payload of a kick: what the guards keep back now, what of a first sync was shown."""
    import json

    from syncd.engine.decisions.approval import SHOWN
    from syncd.engine.decisions.pending import leave_of

    store, now = app.link_store(name), app.clock.now()
    asked: dict[str, object] = dict(given)
    if given["allow_removals"] or given["allow_changes"]:
        asked |= leave_of(
            store, now, removals=given["allow_removals"], changes=given["allow_changes"]
        )
    if given["approve"]:
        asked["shown"] = json.loads(store.get_state(SHOWN) or "null")
    return asked
