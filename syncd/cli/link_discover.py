"""`syncd link discover`: the locations of connected agencies that have no link yet."""

from __future__ import annotations

import csv
import json
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import click

from syncd.cli.command import Verb, config_option, config_path, json_option


@click.command(
    cls=Verb,
    short_help="List the installed locations that have no link.",
    examples=(
        ("syncd link discover", "each with what it is called"),
        ("syncd link discover --csv > clients.csv", "a list for `syncd link add --csv`"),
    ),
)
@config_option
@click.option("--csv", "as_csv", is_flag=True, help="A CSV file for `syncd link add --csv`.")
@json_option
@click.pass_context
def discover(ctx: click.Context, config: Path | None, *, as_csv: bool, as_json: bool) -> int:
    """List the locations in which your agencies have installed the app, and that have no link.

    Each agency is asked over its connection (`syncd connect highlevel`), for all
    its locations. Nothing is changed.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.output.printer import Printer
    from syncd.cli.session import begin
    from syncd.core.outcome import worst_code
    from syncd.errors import ConfigError, SyncdError, ended_by

    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both", ctx)
    settings = begin(config_path(ctx, config), linkless=True)
    found: dict[str, str] = {}
    failed: list[tuple[int, str]] = []
    with open_app(settings) as app:
        agencies = app.oauth.agencies()
        if not agencies:
            raise ConfigError(
                ["no agency is connected: run `syncd connect highlevel` as a user of the agency"]
            )
        for company in agencies:
            try:
                found |= app.oauth.installed(company)
            except SyncdError as error:
                outcome, detail = ended_by(error)
                failed.append((outcome.exit_code, detail))
    linked = {link.ghl.location_id for link in settings.links.values()}
    new = {key: name for key, name in found.items() if key not in linked}
    code = worst_code([code for code, _ in failed])
    if as_json:
        rows = [{"location_id": key, "name": name} for key, name in new.items()]
        document: dict[str, object] = {"version": 1, "exit_code": code, "locations": rows}
        document |= {"problems": [words for _, words in failed]} if failed else {}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return code
    for _, words in failed:
        click.echo(words, err=True)
    if as_csv:
        _write_csv(new, settings.links)
    else:
        for line in _lines(new, len(found), settings.links):
            Printer().line(line)
    return code


def _lines(new: Mapping[str, str], found: int, taken: Collection[str]) -> Iterator[str]:
    from syncd.cli.output.formatting import count, strip_control_chars

    yield f"{count(found, 'location')} installed, {len(new)} without a link"
    for location, name in new.items():
        yield f"  {location}  {strip_control_chars(name)}"
    for location, name in [*_named(new, taken)][:1]:
        yield f"Next: syncd link add {name} --location {location} --hub-id NUMBER"
    if len(new) > 1:
        yield "or all of them: syncd link discover --csv > clients.csv"


def _write_csv(new: Mapping[str, str], taken: Collection[str]) -> None:
    """A row for each location; the HubSpot account is left to be filled in."""
    from syncd.config.link_rows import COLUMNS

    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)
    for location, name in _named(new, taken):
        rows.writerow([name, location, "", "", ""])


def _named(new: Mapping[str, str], taken: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each location with a name for its link, made of what it is called, that nobody has."""
    used = set(taken)
    for location, called in new.items():
        plain = unicodedata.normalize("NFKD", called).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:60] or "location"
        names = (stem if number < 2 else f"{stem}_{number}" for number in range(1, 100_000))
        name = next(each for each in names if each not in used)
        used.add(name)
        yield location, name
