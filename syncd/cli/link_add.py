"""`syncd link add` and `link remove`: a file for each link, in `links.d`.

No vendor is asked and nothing is written to the store: a running daemon takes the
change up when it is told to reload its configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli import candidates
from syncd.cli.command import Verb, config_option, config_path, json_option

if TYPE_CHECKING:
    from syncd.config.link_files import Plan
    from syncd.config.link_rows import LinkRow

SHOWN = 10
"""Lines for single links; of more there is a sum."""

RELOAD = (
    "A running daemon takes it up when it reloads: systemctl reload syncd, or SIGHUP to its process"
)

ADD_EXAMPLES = (
    ("syncd link add north --location C2QujeCh8ZnC7al2InWR --hub-id 14800123", "one link"),
    (
        "syncd link add north --location C2QujeCh8ZnC7al2InWR --filter team=north",
        "one of several in an account",
    ),
    ("syncd link add --csv clients.csv --dry-run", "check a list"),
    ("syncd link add --csv clients.csv --update", "add what is new, change what is there"),
)


@click.command(cls=Verb, short_help="Add a link, or many from a CSV file.", examples=ADD_EXAMPLES)
@click.argument("name", default="", metavar="[NAME]", shell_complete=candidates.links)
@config_option
@click.option("--location", default="", metavar="ID", help="The HighLevel location's id.")
@click.option("--hub-id", default="", metavar="NUMBER", help="The HubSpot account's number.")
@click.option(
    "--calendar", default="", metavar="ID", help="Where appointments made in HubSpot are booked."
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="P=V",
    help="HubSpot records with this value belong to it; repeatable.",
)
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Many links: name,location_id,hub_id,default_calendar,filter (P=V;P=V2).",
)
@click.option("--update", is_flag=True, help="Change links that are there already.")
@click.option("--dry-run", is_flag=True, help="Check everything, and write nothing.")
@json_option
@click.pass_context
def add(
    ctx: click.Context,
    /,
    *,
    name: str,
    config: Path | None,
    table: Path | None,
    update: bool,
    dry_run: bool,
    as_json: bool,
    **said: str | tuple[str, ...],
) -> int:
    """Write links into `links.d/NAME.toml` beside the configuration.

    Every row is checked before anything is written, together with the whole
    configuration as it would be. What is not given, or is empty in the CSV
    file, stays as it is; a link that says all of it already is unchanged. A
    file that you have edited keeps its comments.
    """
    from syncd.cli.output.printer import Printer
    from syncd.config import link_files, link_rows

    if bool(name) == (table is not None):
        raise click.UsageError("give the NAME of a link, or --csv FILE", ctx)
    if table is not None and any(said.values()):
        raise click.UsageError("--csv FILE has all of it: give no other option of a link", ctx)
    if table is not None:
        rows, problems = link_rows.read_csv(table)
    else:
        rows, problems = [_of_options(ctx, name, said)], []
    path = config_path(ctx, config)
    with link_files.alone(path):
        plan = link_files.plan(path, rows, problems, update=update)
        if not dry_run:
            link_files.write(plan)
    if as_json:
        click.echo(json.dumps(_document(plan, dry_run=dry_run), indent=2))
    else:
        for line in _lines(plan, dry_run=dry_run):
            Printer().line(line)
    return 0


def _of_options(ctx: click.Context, name: str, said: dict[str, str | tuple[str, ...]]) -> LinkRow:
    from syncd.config import link_rows

    if wrong := link_rows.name_problem(name):
        raise click.UsageError(wrong, ctx)
    try:
        return link_rows.LinkRow(
            name=name,
            location=str(said["location"]).strip(),
            hub_id=link_rows.number(str(said["hub_id"])),
            calendar=str(said["calendar"]).strip(),
            filter=link_rows.filters(tuple(said["filters"])),
        )
    except ValueError as error:
        raise click.UsageError(f"--{error}".replace("hub_id", "hub-id", 1), ctx) from None


def _document(plan: Plan, *, dry_run: bool) -> dict[str, object]:
    return {
        "version": 1,
        "exit_code": 0,
        "dry_run": dry_run,
        **{what: plan.names(what) for what in ("added", "updated", "unchanged")},
        "files": {name: str(file.path) for name, file in plan.files.items()},
        "included": plan.included,
        "missing_tokens": [place for place, _ in _missing(plan)],
    }


def _lines(plan: Plan, *, dry_run: bool) -> Iterator[str]:
    """What was done, and what is still to do."""
    from syncd.cli.output.formatting import count
    from syncd.config import link_files

    would = "would be " if dry_run else ""
    for what in ("added", "updated", "unchanged"):
        names = plan.names(what)
        verb = what if what == "unchanged" else f"{would}{what}"
        if len(names) > SHOWN:
            folder = plan.files[names[0]].path.parent
            yield f"{count(len(names), 'link')} {verb}, in {folder}"
        else:
            yield from (f"{name}: {verb}, {plan.files[name].path}" for name in names)
    if not plan.included:
        yield f"{plan.main} does not include the folder; add this line at its top:"
        yield f"  {link_files.INCLUDE_LINE}"
    missing = _missing(plan)
    if missing:
        yield "Tokens that are still to be put there, readable only by the service's user:"
        yield from (f"  {place}  ({key})" for place, key in missing[:SHOWN])
    if len(missing) > SHOWN:
        yield f"  and {len(missing) - SHOWN} more"
    if not dry_run and len(plan.names("unchanged")) < len(plan.files):
        yield f"{RELOAD}."
        yield f"Next: `syncd setup{_selected(plan)}`, then `syncd plan{_selected(plan)}`"


def _selected(plan: Plan) -> str:
    return f" --link {next(iter(plan.files))}" if len(plan.files) == 1 else ""


def _missing(plan: Plan) -> list[tuple[str, str]]:
    """Files for tokens that are not there, each with the key that names it."""
    references = [
        (f"links.{name}.{side}.token", reference)
        for name, link in plan.links.items()
        for side, reference in (("ghl", link.ghl.token), ("hubspot", link.hubspot.token))
    ]
    missing: dict[str, str] = {}
    for key, reference in references:
        for kind, place in reference.places:
            if kind == "file" and place not in missing and not Path(place).exists():
                missing[place] = key
    return list(missing.items())


@click.command(
    cls=Verb,
    short_help="Take a link away that `link add` wrote.",
    examples=(("syncd link remove north", "its file goes; nothing is erased in HubSpot"),),
)
@click.argument("name", metavar="NAME", shell_complete=candidates.links)
@config_option
@json_option
@click.pass_context
def remove(ctx: click.Context, name: str, config: Path | None, *, as_json: bool) -> int:
    """Take the file of a link out of `links.d`, and say what stays behind.

    Nothing is erased in HubSpot or HighLevel, and the store keeps what it knows
    of the link: the ids prevent duplicates when it comes back.
    """
    from syncd.cli.output.printer import Printer
    from syncd.config import link_files

    path = config_path(ctx, config)
    known = _known(path, name)
    with link_files.alone(path):
        kept = link_files.remove(path, name)
    file = kept.with_name(f"{name}.toml")
    if as_json:
        document = {
            "version": 1,
            "exit_code": 0,
            "removed": name,
            "file": str(file),
            "kept": str(kept) if kept != file else None,
            "location_id": known[0] or None,
            "pairs": known[1],
            "notes": known[2],
        }
        click.echo(json.dumps(document, indent=2))
        return 0
    for line in _farewell(name, file, kept, known):
        Printer().line(line)
    return 0


_Known = tuple[str, int | None, int]
"""A link's location, its appointments in the store, and how many records say why they are held."""


def _known(path: Path | None, name: str) -> _Known:
    """What stays behind of a link, where that can be said."""
    from syncd.cli.session import open_reader
    from syncd.config import load
    from syncd.errors import SyncdError
    from syncd.ports.store import HELD_NOTES

    location = ""
    try:
        link = load(path).links.get(name)
        location = link.ghl.location_id if link else ""
        with open_reader(path) as app:
            store = app.link_store(name)
            notes = json.loads(store.get_state(HELD_NOTES) or "{}").values() if link else ()
            shown = sum(bool(each["note"]) for each in notes)
            return location, store.count_pairs() if link else None, shown
    except SyncdError:
        return location, None, 0


def _farewell(name: str, file: Path, kept: Path, known: _Known) -> Sequence[str]:
    location, pairs, notes = known
    lines = [f"{name}: {file} was removed"]
    if kept != file:
        lines.append(f"What you had written into it is kept in {kept}")
    if notes:
        lines.append(
            f"{notes:,} of its HubSpot records keep a note in ghl_sync_note: empty it there by "
            "a list and bulk edit, or before the removal by hubspot.show_held = false and "
            "`syncd --sync-now`."
        )
    number = f"{pairs:,} appointments" if pairs else "The appointments of this link"
    which = f": find them by ghl_location_id = {location}" if location else ""
    lines += [
        f"{number} stay in HubSpot, with ghl_appointment_id and ghl_location_id{which}.",
        (
            "Nothing was erased there: without these ids a link that comes back would make all of "
            "them twice. docs/agencies.md shows HubSpot's own list and bulk edit."
        ),
        "The app or token of this client still works: take it away in HighLevel and HubSpot.",
        f"{RELOAD}; until then the link goes on.",
    ]
    return lines
