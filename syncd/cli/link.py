"""`syncd link`: the links, worst first, and taking one out of service and back.

Reads and writes the store alone: no credentials, no lock, no request. A link
that is paused is one cursor in the store, which the daemon asks for before
every cycle and `--sync-now` before it begins.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli import candidates
from syncd.cli.command import Verb, Verbs, config_option, config_path, json_option, suggestion

if TYPE_CHECKING:
    from datetime import datetime

    from syncd.bootstrap import App
    from syncd.observability.health import LinkHealth

EXAMPLES = (
    ("syncd link list", "every link, worst first"),
    ("syncd link pause clinic", "take a link out of service"),
    ("syncd link resume clinic", "and back"),
    ("syncd link pause --all", "every link"),
)


@click.group(
    cls=Verbs,
    short_help="List links, pause and resume them.",
    places={
        "list": "syncd.cli.link:list_links",
        "pause": "syncd.cli.link:pause",
        "resume": "syncd.cli.link:resume",
        "add": "syncd.cli.link_add:add",
        "remove": "syncd.cli.link_add:remove",
        "discover": "syncd.cli.link_discover:discover",
    },
    examples=EXAMPLES,
)
def link() -> None:
    """Manage the links: each is one HighLevel location and one HubSpot account."""


@click.command(
    name="list",
    cls=Verb,
    short_help="List the links, worst first.",
    examples=(EXAMPLES[0], ("syncd link list --json", "the same, for a script")),
)
@config_option
@json_option
@click.pass_context
def list_links(ctx: click.Context, config: Path | None, *, as_json: bool) -> int:
    """List the links, worst first: state, and what to do about it."""
    from syncd.cli.session import look, open_reader

    with open_reader(config_path(ctx, config)) as app:
        links = look(app, app.link_names())
    if as_json:
        rows = {each.name: each.as_json() for each in links}
        click.echo(json.dumps({"version": 1, "exit_code": 0, "links": rows}, indent=2))
    else:
        _print(links)
    return 0


@click.command(
    cls=Verb,
    short_help="Take a link out of service.",
    examples=(EXAMPLES[1],),
)
@click.argument("name", default="", metavar="[NAME]", shell_complete=candidates.links)
@click.option("--all", "everything", is_flag=True, help="Every link.")
@config_option
@json_option
@click.pass_context
def pause(
    ctx: click.Context, name: str, config: Path | None, *, everything: bool, as_json: bool
) -> int:
    """Take a link out of service until `syncd link resume NAME`; the others go on.

    A running daemon finishes the writes in hand. `syncd --sync-now` leaves the
    link out, unless it is named with --link. Nothing is forgotten: what is
    changed meanwhile is synced afterwards.
    """
    target = _target(ctx, name, everything=everything)
    return _switch(ctx, target, config, pausing=True, as_json=as_json)


@click.command(
    cls=Verb,
    short_help="Put a link back into service.",
    examples=(EXAMPLES[2],),
)
@click.argument("name", default="", metavar="[NAME]", shell_complete=candidates.links)
@click.option("--all", "everything", is_flag=True, help="Every link.")
@config_option
@json_option
@click.pass_context
def resume(
    ctx: click.Context, name: str, config: Path | None, *, everything: bool, as_json: bool
) -> int:
    """Put a paused link back into service; a running daemon continues with it at once."""
    target = _target(ctx, name, everything=everything)
    return _switch(ctx, target, config, pausing=False, as_json=as_json)


def _target(ctx: click.Context, name: str, *, everything: bool) -> str:
    """The named link, or "" for all."""
    if bool(name) == everything:
        raise click.UsageError("give the NAME of a link, or --all", ctx)
    return name


def _switch(
    ctx: click.Context, name: str, config: Path | None, *, pausing: bool, as_json: bool
) -> int:
    """Pause or resume a link, or with "" all of them."""
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin

    settings = begin(config_path(ctx, config))
    with open_app(settings) as app:
        if name and name not in settings.links:
            raise click.UsageError(f"{name}: no such link{suggestion(name, settings.links)}")
        told = _switched(app, [name] if name else app.link_names(), pausing=pausing)
    if as_json:
        rows = {each: {"paused": pausing, "detail": text} for each, text in told.items()}
        click.echo(json.dumps({"version": 1, "exit_code": 0, "links": rows}, indent=2))
        return 0
    for text in told.values():
        Printer().line(text)
    return 0


def _switched(app: App, names: Sequence[str], *, pausing: bool) -> dict[str, str]:
    """Pause or resume these links; what to say of each."""
    from syncd.engine.decisions import making

    holders = app.store.holders(names)
    turn = making.switch(app.clock.now(), pausing=pausing)
    changed = app.store.switch(names, turn, wakes=holders)
    return {
        name: _message(name, holders.get(name, ""), pausing=pausing)
        if name in changed
        else f"{name} is {'paused' if pausing else 'in service'} already"
        for name in names
    }


def _message(name: str, holder: str, *, pausing: bool) -> str:
    if pausing:
        meanwhile = f"; {holder} finishes the writes in hand" if holder else ""
        return f"{name} is paused{meanwhile}; to take it back: `syncd link resume {name}`"
    then = f"{holder} goes on with it now" if holder else "the next cycle takes it up"
    return f"{name} is in service again; {then}"


def _print(links: Sequence[LinkHealth]) -> None:
    from syncd.cli.output import formatting
    from syncd.cli.output.printer import Printer

    rows = [
        (
            each.name,
            _state(each),
            _time(each.good_at, each.timezone) if each.good_at else "never",
            f"{each.pairs:,}",
            f"{len(each.held):,}",
            "; ".join(
                formatting.strip_control_chars(part) for part in (each.detail, each.remedy) if part
            ),
        )
        for each in links
    ]
    heads = ("Link", "State", "Last good cycle", "Pairs", "Held", "What to know and do")
    Printer().table(heads, rows, ("bold",))


def _time(moment: datetime, timezone: str) -> str:
    from syncd.cli.output import formatting

    zone = formatting.zone_of(timezone)
    return f"{formatting.when(moment, zone)} {timezone or 'UTC'}"


def _state(link: LinkHealth) -> str:
    """The state in words."""
    from syncd.observability.state import State

    if link.state is State.STARTING and not link.daemon:
        return "not begun"
    return link.state.words
