"""`syncd config init`: asks for the first dozen lines of a configuration, and writes them.

At a terminal it asks for what no option gives, and HighLevel is asked for its
calendars, so that they are chosen from a list. The file is written whole and
commented, then the doctor looks at it. No file that is there is touched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from syncd.cli.command import Verb, config_option, config_path

if TYPE_CHECKING:
    from syncd.config import Settings
    from syncd.core.model import Account

KINDS = ("env", "file", "credential")
EXAMPLES = (
    ("syncd config init", "asks, checks the answers, and writes config.toml"),
    (
        "syncd config init --location C2QujeCh8ZnC7al2InWR --hubspot-token file:/etc/syncd/hubspot",
        "asks nothing that was said",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The content of the file; tokens as (kind of place, name)."""

    name: str = "clinic"
    location: str = ""
    ghl_token: tuple[str, str] = ("env", "GHL_TOKEN")
    hubspot_token: tuple[str, str] = ("env", "HUBSPOT_TOKEN")
    calendars: tuple[str, ...] = ()
    default_calendar: str = ""
    store: str = "sqlite:///syncd.db"
    ghl_url: str = ""
    hubspot_url: str = ""
    account: Account | None = None
    """The location as HighLevel describes it, if it was asked."""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Tokens that were pasted, by the file that each is to be kept in."""


class Place(click.ParamType[tuple[str, str]]):
    """Where a token is kept: `env:NAME`, `file:PATH` or `credential:NAME`."""

    name = "place"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Split it; what is no place may be the token itself, and is not repeated."""
        if isinstance(value, tuple):
            return value
        kind, mark, name = value.partition(":")
        if kind not in KINDS or not mark or not name:
            self.fail(
                "say where it is kept: env:NAME, file:PATH or credential:NAME (a token itself "
                "never stands on a command line)",
                param,
                ctx,
            )
        return kind, name


@click.command(
    cls=Verb, short_help="Ask questions and write a first configuration.", examples=EXAMPLES
)
@config_option
@click.option("--name", help="A short name for the link: a-z, 0-9 and _.  [clinic]")
@click.option("--location", metavar="ID", help="The HighLevel location's id.")
@click.option(
    "--ghl-token", type=Place(), metavar="PLACE", help="env:NAME, file:PATH or credential:NAME."
)
@click.option("--hubspot-token", type=Place(), metavar="PLACE", help="The same for HubSpot.")
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
@click.pass_context
def init(
    ctx: click.Context,
    /,
    *,
    config: Path | None,
    no_check: bool,
    **said: str | tuple[str, ...] | None,
) -> int:
    """Write a first configuration: one link, commented, with every other key below it.

    At a terminal it asks for what no option gives. The answers are tried with
    both services at once. A token that is pasted is kept in a file of its own
    that only you can read; the configuration names that file.
    """
    from syncd.observability import logging

    target = config_path(ctx, config) or Path("config.toml")
    if target.exists():
        raise click.UsageError(f"{target} exists already: name a new file with --config")
    logging.configure(level="error", stream=sys.stderr)
    draft = Draft(**{key: value for key, value in said.items() if value})  # type: ignore[arg-type]
    given = {key for key, value in said.items() if value}
    if at_terminal():
        draft = _asked(draft, given, target, check=not no_check)
    elif not draft.location:
        raise click.UsageError("no terminal to ask questions on: give at least --location ID", ctx)
    elif not no_check:
        draft = replace(draft, account=_account(draft))
    _write(draft, target)
    return _finish(target, check=not no_check)


def at_terminal() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty()


# --- asking


def _asked(draft: Draft, given: set[str], target: Path, *, check: bool) -> Draft:
    """The draft, completed with the answers of the person at the terminal."""
    click.echo("This writes a first configuration. Enter accepts the value in brackets.\n")
    if "name" not in given:
        draft = replace(draft, name=click.prompt("A short name for this link", draft.name))
    while True:
        draft = _ask_location(draft, given, target)
        account = _account(draft) if check else None
        if account is not None or not check or not click.confirm("Enter them again?", default=True):
            break
        given -= {"location", "ghl_token"}
    draft = replace(draft, account=account)
    if account is not None:
        draft = _ask_calendars(draft, account, given)
    if "hubspot_token" not in given:
        click.echo("\nHubSpot: a service key (Development, Keys, Service keys).")
        place, secrets = _ask_token(draft, draft.hubspot_token, "HubSpot", target)
        draft = replace(draft, hubspot_token=place, secrets=secrets)
    return draft


def _ask_location(draft: Draft, given: set[str], target: Path) -> Draft:
    if "location" not in given:
        click.echo("\nHighLevel: the location's id stands in Settings, Business Profile.")
        draft = replace(draft, location=click.prompt("Location id", draft.location or None))
    if "ghl_token" not in given:
        click.echo("The token is a private integration's (Settings, Private Integrations).")
        place, secrets = _ask_token(draft, draft.ghl_token, "HighLevel", target)
        draft = replace(draft, ghl_token=place, secrets=secrets)
    return draft


def _ask_token(
    draft: Draft, known: tuple[str, str], side: str, target: Path
) -> tuple[tuple[str, str], dict[str, str]]:
    """Where the token is kept, and all that was pasted so far."""
    answer = click.prompt(
        f"{side} token: paste it (it stays hidden), or say env:NAME, file:PATH, credential:NAME",
        default=":".join(known),
        hide_input=True,
        show_default=True,
    ).strip()
    place, mark, where = answer.partition(":")
    if place in KINDS and mark and where:
        return (place, where), draft.secrets
    file = f"{draft.name}-{side.lower()}-token"
    click.echo(f"It will be kept in {target.with_name(file)}, readable only by you.")
    return ("file", file), draft.secrets | {file: answer}


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


def _account(draft: Draft) -> Account | None:
    """The location from HighLevel; None where it refuses, with its message on stderr.

    Raises:
        ConfigError: an answer is no value that the configuration takes.
    """
    from contextlib import closing

    from syncd.bootstrap import SystemClock
    from syncd.bootstrap.providers import ProviderFactory
    from syncd.errors import SyncdError

    kind, name = draft.ghl_token
    pasted = draft.secrets.get(name) if kind == "file" else None
    if pasted is not None:
        draft = replace(draft, ghl_token=("env", "PASTED"))
    link = _parsed(replace(draft, calendars=(), default_calendar="")).links[draft.name]
    try:
        env = {"PASTED": pasted} if pasted is not None else None
        accounts = ProviderFactory(clock=SystemClock(), env=env, ledger=None, attempts=2)
        provider, _ = accounts.ghl(link)
        with closing(provider):
            return provider.prepare()
    except SyncdError as error:
        for line in str(error).splitlines():
            click.echo(f"HighLevel: {line}", err=True)
        return None


# --- writing


def _parsed(draft: Draft) -> Settings:
    """The draft as it will be read.

    Raises:
        ConfigError: an answer is no value that the configuration takes.
    """
    from tempfile import TemporaryDirectory

    from syncd.config import load

    with TemporaryDirectory(prefix="syncd-init-") as folder:
        path = Path(folder, "config.toml")
        path.write_text(text_of(draft), encoding="utf-8")
        return load(path)


def _write(draft: Draft, target: Path) -> None:
    """Write the file, and next to it the pasted tokens, readable only by their owner."""
    _parsed(draft)
    used = {name for kind, name in (draft.ghl_token, draft.hubspot_token) if kind == "file"}
    wanted = {
        target.with_name(name): f"{secret}\n"
        for name, secret in draft.secrets.items()
        if name in used
    } | {target: text_of(draft)}
    made: list[Path] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            with _new(path) as file:
                made.append(path)
                file.write(text)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise click.UsageError(
            f"{error.filename or target}: {error.strerror}: nothing was written, and nothing that "
            "is there is overwritten; name another file with --config"
        ) from error


def _new(path: Path) -> TextIO:
    """A new file; the name must be free, even of a symbolic link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    return os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8")


def text_of(draft: Draft) -> str:
    """The file: the answers with a word on each, then every other key at its default."""
    from syncd.config.example import example

    _, mark, reference = example().partition("# Everything below is a reference")
    return "\n".join([*_first_part(draft), "", f"{mark}{reference}"])


def _first_part(draft: Draft) -> Iterator[str]:
    from syncd.config import toml

    here = f"links.{toml.key(draft.name)}"
    yield "# syncd keeps HighLevel appointments and HubSpot appointments in step."
    yield "# Next: syncd doctor, syncd setup, syncd plan, then syncd --sync-now or syncd run."
    yield from ("", "[store]", f"url = {toml.value(draft.store)}")
    yield from ("", f"[{here}.ghl]")
    if draft.ghl_url:
        yield f"base_url = {toml.value(draft.ghl_url)}"
    yield f"location_id = {toml.value(draft.location)}"
    yield f"token = {toml.value(dict([draft.ghl_token]))}"
    if draft.account is not None:
        yield "# The calendars of the location when this was written:"
        for each in draft.account.calendars:
            yield f"#   {each.id}  {toml.text(each.name)}{'' if each.active else ', inactive'}"
    yield "# Those that are synced; none named means every active one."
    yield f"calendars = {toml.value(draft.calendars)}"
    yield '# Where an appointment that is made in HubSpot is booked; "" holds it.'
    yield f"default_calendar = {toml.value(draft.default_calendar)}"
    yield from ("", f"[{here}.hubspot]")
    if draft.hubspot_url:
        yield f"base_url = {toml.value(draft.hubspot_url)}"
    yield f"token = {toml.value(dict([draft.hubspot_token]))}"


# --- what comes next


def _finish(target: Path, *, check: bool) -> int:
    """Print what was written, run the doctor on it, print the next step."""
    click.echo(f"\n{target} was written.")
    config = "" if target == Path("config.toml") else f"--config {target} "
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
