"""`syncd live`: what the vendors need so that they announce changes.

`hubspot-project` reads the configuration and writes files; it asks no vendor and opens
no store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from syncd.cli.command import Verb, Verbs, config_option, config_path, json_option

if TYPE_CHECKING:
    from syncd.config import Settings

EXAMPLES = (
    ("syncd live hubspot-project hubspot-app", "for one account, with a static token"),
    ("syncd live hubspot-project hubspot-app --auth oauth", "for accounts that connect by OAuth"),
)


@click.group(
    cls=Verbs,
    short_help="Write what the vendors need to announce changes.",
    places={"hubspot-project": "syncd.cli.live:hubspot_project"},
    examples=EXAMPLES,
)
def live() -> None:
    """Prepare announcements: a change is on the other side within seconds."""


@click.command(
    name="hubspot-project",
    cls=Verb,
    short_help="Write a HubSpot project app, ready to upload.",
    examples=EXAMPLES,
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--auth",
    type=click.Choice(["static", "oauth"]),
    default="static",
    show_default=True,
    help="A token of one account, or OAuth for several.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that differ.")
@config_option
@json_option
@click.pass_context
def hubspot_project(
    ctx: click.Context,
    folder: Path,
    auth: Literal["static", "oauth"],
    config: Path | None,
    *,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Write the files of a HubSpot project app that announces changes to syncd.

    DIR is the folder of the project, which is made where it is not there.
    Files that are there and differ are replaced only with --overwrite.
    """
    from syncd.cli.session import begin

    settings = begin(config_path(ctx, config))
    texts = _texts(settings, auth)
    states = {path: _state(folder / path, text) for path, text in texts.items()}
    differing = [path for path, state in states.items() if state == "differs"]
    if differing and not overwrite:
        raise click.UsageError(
            f"{folder}: {', '.join(differing)} is there with other content, and nothing was "
            "written: name another folder, or replace it with --overwrite",
            ctx,
        )
    for path, text in texts.items():
        if states[path] != "unchanged":
            _write(folder / path, text)
    done = {"new": "written", "differs": "replaced", "unchanged": "unchanged"}
    rows = {path: done[state] for path, state in states.items()}
    if as_json:
        told = {"version": 1, "exit_code": 0, "folder": str(folder), "files": rows}
        click.echo(json.dumps(told, indent=2))
    else:
        _print(folder, rows, settings, auth)
    return 0


def _texts(settings: Settings, auth: Literal["static", "oauth"]) -> Mapping[str, str]:
    from syncd.errors import ConfigError
    from syncd.live import hubspot_project as project
    from syncd.live.announced_properties import announced_properties
    from syncd.providers.hubspot.scopes import APP_SCOPES

    if not settings.live.public_url:
        raise ConfigError(
            [
                (
                    "live.public_url: HubSpot delivers to an address of yours, and none is "
                    'configured: set it, for example "https://sync.example.com"'
                )
            ]
        )
    return project.files(
        public_url=settings.live.public_url,
        auth=auth,
        scopes=APP_SCOPES,
        properties=announced_properties(settings.links.values()),
    )


def _state(file: Path, text: str) -> Literal["new", "differs", "unchanged"]:
    try:
        there = file.read_bytes()
    except FileNotFoundError:
        return "new"
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from error
    return "unchanged" if there == text.encode() else "differs"


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}") from error


def _print(
    folder: Path, rows: Mapping[str, str], settings: Settings, auth: Literal["static", "oauth"]
) -> None:
    from syncd.cli.output.printer import Printer
    from syncd.live.hubspot_project import target

    paper = Printer()
    for path, state in rows.items():
        paper.line(f"{state}  {folder / path}")
    paper.line()
    paper.line(f"HubSpot will deliver to {target(settings.live.public_url)}")
    paper.line("Upload it with HubSpot's command line:")
    paper.raw(f"  cd {folder}")
    paper.raw("  hs project upload")
    where = "apps.hubspot.client_id and apps.hubspot.client_secret"
    paper.line(f"Then copy the client id and the client secret of its Auth tab into {where}.")
    if auth == "oauth":
        paper.line("Connect each account:")
        paper.raw("  syncd connect hubspot")
