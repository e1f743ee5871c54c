"""What a shell may complete: link names, held ids, cycles, and the verbs of `syncd help`.

click calls these while a person types. Whatever goes wrong completes nothing,
and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from syncd.bootstrap import StoreReader

Candidates = list["CompletionItem[str]"]

CYCLES = 50
"""How many of a link's last cycles are offered."""


def links(ctx: click.Context, _param: click.Parameter, begun: str) -> Candidates:
    """The configured links."""

    def found() -> Iterable[tuple[str, str]]:
        from syncd import config

        return ((name, "") for name in config.load(_path(ctx)).links)

    return _offered(found, begun)


def held(ctx: click.Context, _param: click.Parameter, begun: str) -> Candidates:
    """The ids of held records, each with its reason."""

    def found() -> Iterator[tuple[str, str]]:
        with _store(ctx) as app:
            for name in _named(ctx, app):
                for hold in app.link_store(name).holds():
                    told = f"{hold.reason}: {hold.title}" if hold.title else hold.reason
                    yield hold.hubspot_id or hold.ghl_id, told

    return _offered(found, begun)


def cycles(ctx: click.Context, _param: click.Parameter, begun: str) -> Candidates:
    """The ids of the last cycles, each with its time."""

    def found() -> Iterator[tuple[str, str]]:
        with _store(ctx) as app:
            for name in _named(ctx, app):
                for row in app.link_store(name).cycles(limit=CYCLES):
                    yield row.cycle, f"{name}, {row.kind}, {row.started_at:%Y-%m-%d %H:%M} UTC"

    return _offered(found, begun)


def verbs(ctx: click.Context, _param: click.Parameter, begun: str) -> Candidates:
    """The verbs, or those of a group that was typed before."""

    def found() -> Iterator[tuple[str, str]]:
        command: click.Command | None = ctx.find_root().command
        for word in ctx.params.get("verb") or ():
            command = command.get_command(ctx, word) if isinstance(command, click.Group) else None
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                each = command.get_command(ctx, name)
                yield name, each.get_short_help_str() if each else ""

    return _offered(found, begun)


def _offered(found: Callable[[], Iterable[tuple[str, str]]], begun: str) -> Candidates:
    from click.shell_completion import CompletionItem

    try:
        known = dict(found())
    except Exception:  # noqa: BLE001 - there is nobody to tell while a person types
        return []
    return [
        CompletionItem(name, help=told) for name, told in known.items() if name.startswith(begun)
    ]


@contextmanager
def _store(ctx: click.Context) -> Iterator[StoreReader]:
    from syncd.cli.session import open_reader

    with open_reader(_path(ctx)) as app:
        yield app


def _path(ctx: click.Context) -> Path | None:
    from syncd.cli.command import config_path

    given = ctx.params.get("config")
    return config_path(ctx, given if isinstance(given, Path) else None)


def _named(ctx: click.Context, app: StoreReader) -> Iterable[str]:
    """The links of `--link`, else all."""
    return ctx.params.get("links") or app.link_names()
