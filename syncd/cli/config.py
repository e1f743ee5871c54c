"""`syncd config`: the configuration that is in force, secrets masked; `config_init` writes one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click

from syncd.cli.command import Verb, Verbs, config_option, config_path, json_option

EXAMPLES = (
    ("syncd config init", "ask, and write a first configuration"),
    ("syncd config show", "every key with the value that is in force"),
)


@click.group(
    cls=Verbs,
    places={"init": "syncd.cli.config_init:init", "show": "syncd.cli.config:show"},
    examples=EXAMPLES,
)
def config() -> None:
    """Write a first configuration, or look at it."""


@click.command(
    cls=Verb,
    short_help="Print the effective configuration.",
    examples=(
        EXAMPLES[1],
        ("syncd config show --config new.toml > full.toml", "it loads again to the same"),
    ),
)
@config_option
@json_option
@click.pass_context
def show(ctx: click.Context, config: Path | None, *, as_json: bool) -> int:
    """Print the effective configuration as TOML: files, defaults and environment together.

    Tokens are shown as the place where they are kept, addresses without user
    and password.
    """
    from syncd.cli.session import begin
    from syncd.config import show as shown

    settings = begin(config_path(ctx, config))
    if as_json:
        document = {
            "version": 1,
            "exit_code": 0,
            "files": [str(file) for file in settings.files],
            "configuration": tomllib.loads(shown(settings)),
        }
        click.echo(json.dumps(document, indent=2))
        return 0
    click.echo(f"# from {settings.path}")
    click.echo(shown(settings), nl=False)
    return 0
