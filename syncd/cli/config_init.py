"""`syncd config init`: asks for the first dozen lines of a configuration, and writes them.

At a terminal it asks for what no option gives, and both vendors are asked at once:
HighLevel for its calendars, so that they are chosen from a list, and HubSpot whose
account it is. The file is written whole and commented (`config_draft`), then the
doctor looks at it. No file that is there is touched, unless `--replace` says so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.command import Verb, config_option, config_path
from syncd.cli.config_check import HIGHLEVEL, HUBSPOT, account_of, portal_of
from syncd.cli.config_draft import CONNECT, Draft, Place, place_of, secret_file, write

if TYPE_CHECKING:
    from syncd.core.model import Account

EXAMPLES = (
    ("syncd config init", "asks, checks the answers, and writes config.toml"),
    (
        "syncd config init --location C2QujeCh8ZnC7al2InWR --hubspot-token file:/etc/syncd/hubspot",
        "asks nothing that was said",
    ),
    ("syncd config init --replace", "starts over; the old file keeps another name"),
)


@click.command(
    cls=Verb, short_help="Ask questions and write a first configuration.", examples=EXAMPLES
)
@config_option
@click.option("--name", help="A short name for the link: a-z, 0-9 and _.  [clinic]")
@click.option("--location", metavar="ID", help="The HighLevel location's id.")
@click.option(
    "--ghl-token",
    type=Place(),
    metavar="PLACE",
    help="env:NAME, file:PATH, credential:NAME; or connect.",
)
@click.option("--hubspot-token", type=Place(), metavar="PLACE", help="The same for HubSpot.")
@click.option("--hub-id", type=int, metavar="NUMBER", help="The HubSpot account's number.")
@click.option("--ghl-client-id", metavar="ID", help="With connect: your Marketplace app's.")
@click.option("--hubspot-client-id", metavar="ID", help="With connect: your project app's.")
@click.option(
    "--calendar", "calendars", multiple=True, metavar="ID", help="Sync this calendar; repeatable."
)
@click.option(
    "--default-calendar", metavar="ID", help="Where appointments made in HubSpot are booked."
)
@click.option("--store", metavar="URL", help="The store.  [sqlite:///syncd.db]")
@click.option("--ghl-url", metavar="URL", help="Another address of HighLevel, such as a sandbox.")
@click.option("--hubspot-url", metavar="URL", help="Another address of HubSpot.")
@click.option("--no-check", is_flag=True, help="Check nothing with the two services.")
@click.option("--replace", "over", is_flag=True, help="Start over where the file is there already.")
@click.pass_context
def init(
    ctx: click.Context,
    /,
    *,
    config: Path | None,
    no_check: bool,
    over: bool,
    **said: str | int | tuple[str, ...] | None,
) -> int:
    """Write a first configuration: one link, commented, with every other key below it.

    At a terminal it asks for what no option gives. For each side you paste a
    token, or type `connect` to connect an app of your own in the browser
    afterwards. The answers are tried with both services at once. What is pasted
    is kept in a file of its own that only you can read; the configuration names
    that file.
    """
    from syncd.observability import logging

    target = config_path(ctx, config) or Path("config.toml")
    if target.exists() and not over:
        raise click.UsageError(
            f"{target} exists already: name a new file with --config, or start over with --replace",
            ctx,
        )
    logging.configure(level="error", stream=sys.stderr)
    given: dict[str, Any] = {key: value for key, value in said.items() if value}
    draft = Draft(**given)
    if at_terminal():
        draft = _asked(draft, set(given), target, check=not no_check)
    elif not draft.location:
        raise click.UsageError("no terminal to ask questions on: give at least --location ID", ctx)
    else:
        _all_said(ctx, draft)
        if not no_check:
            draft = replace(
                draft, account=account_of(draft, target), portal=portal_of(draft, target) or ""
            )
    return _finish(draft, target, write(draft, target, replace=over), check=not no_check)


def _all_said(ctx: click.Context, draft: Draft) -> None:
    """Make sure that a connection has what it needs, where nobody can be asked."""
    if draft.ghl_token == CONNECT and not draft.ghl_client_id:
        raise click.UsageError("--ghl-token connect: give --ghl-client-id ID too", ctx)
    if draft.hubspot_token == CONNECT and not (draft.hubspot_client_id and draft.hub_id):
        raise click.UsageError(
            "--hubspot-token connect: give --hubspot-client-id ID and --hub-id NUMBER too", ctx
        )


def at_terminal() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty()


# --- asking


def _asked(draft: Draft, given: set[str], target: Path, *, check: bool) -> Draft:
    """The draft, completed with the answers of the person at the terminal."""
    click.echo("This writes a first configuration. Enter accepts the value in brackets.")
    click.echo(
        "For each side, paste a token, or type connect to connect an app of your own in the "
        "browser afterwards (docs/credentials.md compares both ways).\n"
    )
    if "name" not in given:
        draft = replace(draft, name=_ask_name(draft.name))
    while True:
        draft = _ask_location(draft, given, target)
        account = account_of(draft, target) if check else None
        done = account is not None or not check or draft.ghl_token == CONNECT
        if done or not click.confirm("Enter them again?", default=True):
            break
        given -= {"location", "ghl_token"}
    draft = replace(draft, account=account)
    if account is not None:
        draft = _ask_calendars(draft, account, given)
    while True:
        draft = _ask_hubspot(draft, given, target)
        portal = portal_of(draft, target) if check else ""
        if portal is not None or not click.confirm("Enter it again?", default=True):
            return replace(draft, portal=portal or "")
        given -= {"hubspot_token"}


def _ask_name(known: str) -> str:
    from syncd.config.link_rows import name_problem

    while True:
        name: str = click.prompt("A short name for this link", known)
        if not (wrong := name_problem(name.strip())):
            return name.strip()
        click.echo(wrong)


def _ask_location(draft: Draft, given: set[str], target: Path) -> Draft:
    if "location" not in given:
        click.echo("\nHighLevel: the location's id stands in Settings, Business Profile.")
        location = click.prompt("Location id", draft.location or None)
        draft = replace(draft, location=location.strip())
    if "ghl_token" not in given:
        click.echo("The token is a private integration's (Settings, Private Integrations).")
        draft = _ask_token(draft, HIGHLEVEL, target)
    if draft.ghl_token == CONNECT and "ghl_client_id" not in given:
        click.echo("The app is yours: marketplace.gohighlevel.com, My Apps, Manage, Secrets.")
        client_id, secrets = _ask_app(draft, "highlevel", target)
        draft = replace(draft, ghl_client_id=client_id, secrets=secrets)
    return draft


def _ask_hubspot(draft: Draft, given: set[str], target: Path) -> Draft:
    if "hubspot_token" not in given:
        click.echo("\nHubSpot: a service key (Development, Keys, Service keys).")
        draft = _ask_token(draft, HUBSPOT, target)
    if draft.hubspot_token != CONNECT:
        return draft
    if "hubspot_client_id" not in given:
        click.echo("The app is yours: Development, Projects, the app, Auth.")
        client_id, secrets = _ask_app(draft, "hubspot", target)
        draft = replace(draft, hubspot_client_id=client_id, secrets=secrets)
    if "hub_id" not in given:
        number = click.prompt("The account's number (beside its name)", type=click.IntRange(1))
        draft = replace(draft, hub_id=number)
    return draft


def _ask_token(draft: Draft, side: str, target: Path) -> Draft:
    """The draft with the place of a token, and the token where it was pasted."""
    known = draft.ghl_token if side == HIGHLEVEL else draft.hubspot_token
    answer = click.prompt(
        f"{side} token: paste it (it stays hidden), or say env:NAME, file:PATH, credential:NAME, "
        "or connect",
        default=":".join(known) if known != CONNECT else "connect",
        hide_input=True,
        show_default=True,
    ).strip()
    place, secrets = place_of(answer), draft.secrets
    if place is None:
        file = f"{draft.name}-{side.lower()}-token"
        place, secrets = ("file", file), secrets | {file: answer}
        click.echo(f"It will be kept in {target.with_name(file)}, readable only by you.")
    if side == HIGHLEVEL:
        return replace(draft, ghl_token=place, secrets=secrets)
    return replace(draft, hubspot_token=place, secrets=secrets)


def _ask_app(draft: Draft, vendor: str, target: Path) -> tuple[str, dict[str, str]]:
    """The client id of an app, and all that was pasted so far."""
    client_id = click.prompt("Client id").strip()
    secret = click.prompt("Client secret (it stays hidden)", hide_input=True).strip()
    file = secret_file(vendor)
    click.echo(f"It will be kept in {target.with_name(file)}, readable only by you.")
    return client_id, draft.secrets | {file: secret}


def _ask_calendars(draft: Draft, account: Account, given: set[str]) -> Draft:
    ids = [each.id for each in account.calendars]
    click.echo(f"\nThe calendars of the location (time zone {account.timezone}):")
    for number, each in enumerate(account.calendars, 1):
        click.echo(f"  {number}  {each.name}{'' if each.active else ' (inactive)'}  {each.id}")
    if "calendars" not in given:
        question = "Which are synced? (numbers with commas; Enter for every active one)"
        draft = replace(draft, calendars=_choice(question, ids, several=True))
    if "default_calendar" not in given:
        question = "Which one is for appointments created in HubSpot? (Enter: none, they are held)"
        draft = replace(draft, default_calendar=next(iter(_choice(question, ids)), ""))
    return draft


def _choice(question: str, ids: Sequence[str], *, several: bool = False) -> tuple[str, ...]:
    """The ids behind the numbers that a person types; none for Enter."""
    while True:
        answer = click.prompt(question, default="", show_default=False)
        numbers = [part.strip() for part in answer.split(",") if part.strip()]
        if all(part.isdecimal() and 1 <= int(part) <= len(ids) for part in numbers) and (
            several or len(numbers) <= 1
        ):
            return tuple(dict.fromkeys(ids[int(part) - 1] for part in numbers))
        click.echo(f"Numbers from 1 to {len(ids)} are known.")


# --- what comes next


def _finish(draft: Draft, target: Path, written: Sequence[Path], *, check: bool) -> int:
    """Print what was written, run the doctor on it, print the next step."""
    click.echo("")
    for path in written:
        old = path.name.startswith(f"{target.name}.before")
        click.echo(f"{path} is what was there before." if old else f"{path} was written.")
    config = "" if target == Path("config.toml") else f"--config {target} "
    if draft.connects:
        for vendor in draft.connects:
            click.echo(f"Next: syncd {config}connect {vendor}")
        click.echo(f"Then: syncd {config}doctor, and it says what comes next")
        return 0
    code = _checked(target) if check else 0
    if code:
        click.echo(f"Fix the errors above, then: syncd {config}doctor")
    else:
        click.echo(f"Next: syncd {config}setup, then syncd {config}plan")
    return code


def _checked(target: Path) -> int:
    """The doctor's findings; what `setup` makes is not missed yet."""
    from syncd.bootstrap import SystemClock
    from syncd.cli.output.formatting import strip_control_chars
    from syncd.cli.session import begin
    from syncd.doctor import code_of, examine

    settings = begin(target)
    grave = []
    for each in examine(settings, list(settings.links), clock=SystemClock()):
        remedy = f" → {strip_control_chars(each.remedy)}" if each.remedy else ""
        if "syncd setup" in each.remedy:
            continue  # That comes next.
        click.echo(f"{each.mark:<9}{each.area}: {strip_control_chars(each.what)}{remedy}")
        grave.append(each)
    return code_of(grave)
