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

from syncd.cli.command import Verb, Verbs, config_option, config_path, json_option, nearest

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.observability.health import LinkHealth

EXAMPLES = (
    ("syncd link list", "every link, the one in most trouble first"),
    ("syncd link pause clinic", "take a link out of service"),
    ("syncd link resume clinic", "and back"),
)


@click.group(
    cls=Verbs,
    short_help="List links, pause and resume them.",
    places={
        "list": "syncd.cli.link:list_links",
        "pause": "syncd.cli.link:pause",
        "resume": "syncd.cli.link:resume",
    },
    examples=EXAMPLES,
)
def link() -> None:
    """Look after the links: each is one HighLevel location and one HubSpot account."""


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
    """List the links, the one in most trouble first: its state, and what to do about it."""
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin
    from syncd.observability.health import by_trouble

    settings = begin(config_path(ctx, config))
    with open_app(settings) as app:
        links = by_trouble(_look(app, name) for name in app.link_names())
        paused = {name for name in app.link_names() if app.paused(name)}
    if as_json:
        told = {each.name: {"paused": each.name in paused, **each.as_json()} for each in links}
        click.echo(json.dumps({"version": 1, "links": told}, indent=2))
    else:
        _print(links, paused)
    return 0


@click.command(
    cls=Verb,
    short_help="Take a link out of service.",
    examples=(EXAMPLES[1],),
)
@click.argument("name")
@config_option
@click.pass_context
def pause(ctx: click.Context, name: str, config: Path | None) -> int:
    """Take a link out of service until `syncd link resume NAME`; the others go on.

    A running daemon finishes the cycle in hand. `syncd --sync-now` leaves the
    link out, unless it is named with --link. Nothing is forgotten: what is
    changed meanwhile is synced afterwards.
    """
    return _turn(ctx, name, config, pausing=True)


@click.command(
    cls=Verb,
    short_help="Take a link into service again.",
    examples=(EXAMPLES[2],),
)
@click.argument("name")
@config_option
@click.pass_context
def resume(ctx: click.Context, name: str, config: Path | None) -> int:
    """Take a paused link into service again; the daemon goes on with it at its next turn."""
    return _turn(ctx, name, config, pausing=False)


def _turn(ctx: click.Context, name: str, config: Path | None, *, pausing: bool) -> int:
    from syncd.bootstrap import open_app
    from syncd.bootstrap.app import PAUSED
    from syncd.cli.session import begin
    from syncd.core.essence import moment_text

    settings = begin(config_path(ctx, config))
    with open_app(settings) as app:
        if name not in settings.links:
            raise click.UsageError(f"{name}: no such link{nearest(name, settings.links)}", ctx)
        if app.paused(name) == pausing:
            click.echo(f"{name} is {'paused' if pausing else 'in service'} already")
            return 0
        at = (moment_text(app.clock.now()) or "") if pausing else ""
        with app.link_store(name).begin() as transaction:
            transaction.set_cursor(PAUSED, at)
        holder = app.store.holder(name)
    click.echo(_told(name, str(holder) if holder else "", pausing=pausing))
    return 0


def _told(name: str, holder: str, *, pausing: bool) -> str:
    if pausing:
        meanwhile = f"; {holder} finishes the cycle in hand" if holder else ""
        return f"{name} is paused{meanwhile}; `syncd link resume {name}` takes it back"
    then = f"{holder} goes on with it at its next turn" if holder else "the next cycle takes it up"
    return f"{name} is in service again; {then}"


def _look(app: App, name: str) -> LinkHealth:
    from syncd.observability.health import examine

    return examine(name, app.link_store(name), app.clock.now(), paused=app.paused(name))


def _print(links: Sequence[LinkHealth], paused: set[str]) -> None:
    from syncd.cli.output import words
    from syncd.cli.output.paper import Paper

    rows = [
        (
            each.name,
            _state(each, paused=each.name in paused),
            f"{words.when(each.good_at)} UTC" if each.good_at else "never",
            f"{each.pairs:,}",
            f"{len(each.held):,}",
            "; ".join(words.tame(part) for part in (each.detail, each.remedy) if part),
        )
        for each in links
    ]
    heads = ("Link", "State", "Last good cycle", "Pairs", "Held", "What to know and do")
    Paper().table(heads, rows, ("bold",))


def _state(link: LinkHealth, *, paused: bool) -> str:
    """The state in words; a daemon learns of a pause at its next turn only."""
    from syncd.observability.state import State

    if paused and link.state is not State.PAUSED:
        return f"paused; the daemon's last word: {link.state.words}"
    if link.state is State.STARTING and not link.daemon:
        return "not begun"
    return link.state.words
