"""A first configuration as `config init` puts it together: its text, its check, its files.

Pasted tokens are kept in files of their own next to it, readable only by their owner.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from syncd.config import Settings
    from syncd.core.model import Account

KINDS = ("env", "file", "credential")
CONNECT = ("oauth", "")
"""The place of a token that comes from a connection of `syncd connect`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The content of the file; tokens as (kind of place, name)."""

    name: str = "clinic"
    location: str = ""
    ghl_token: tuple[str, str] = ("env", "GHL_TOKEN")
    hubspot_token: tuple[str, str] = ("env", "HUBSPOT_TOKEN")
    hub_id: int = 0
    ghl_client_id: str = ""
    hubspot_client_id: str = ""
    calendars: tuple[str, ...] = ()
    default_calendar: str = ""
    store: str = "sqlite:///syncd.db"
    ghl_url: str = ""
    hubspot_url: str = ""
    account: Account | None = None
    """The location as HighLevel describes it, if it was asked."""
    portal: str = ""
    """The number of the HubSpot account, if it was asked."""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Tokens and secrets that were pasted, by the file that each is to be kept in."""

    @property
    def connects(self) -> list[str]:
        """The vendors that are still to be connected, as `syncd connect` calls them."""
        places = (("highlevel", self.ghl_token), ("hubspot", self.hubspot_token))
        return [vendor for vendor, place in places if place == CONNECT]


class Place(click.ParamType[tuple[str, str]]):
    """Where a token is kept: `env:NAME`, `file:PATH` or `credential:NAME`; or `connect`."""

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
        if place := place_of(value):
            return place
        return self.fail(
            "say where it is kept: env:NAME, file:PATH or credential:NAME (a token itself "
            "never stands on a command line), or connect",
            param,
            ctx,
        )


def place_of(answer: str) -> tuple[str, str] | None:
    """The place that an answer names; None where it names none."""
    if answer == "connect":
        return CONNECT
    kind, mark, name = answer.partition(":")
    return (kind, name) if kind in KINDS and mark and name else None


def parsed(draft: Draft, target: Path) -> Settings:
    """The draft as it will be read.

    Raises:
        ConfigError: an answer is no value that the configuration takes.
    """
    from syncd.config.loading import load_text

    return load_text(target, text_of(draft))


# --- the text


def text_of(draft: Draft) -> str:
    """The file: the answers with a word on each, then every other key at its default."""
    from syncd.config.example import example

    _, mark, reference = example().partition("# Everything below is a reference")
    return "\n".join([*_first_part(draft), "", f"{mark}{reference}"])


def _first_part(draft: Draft) -> Iterator[str]:
    from syncd.config import toml

    here = f"links.{toml.key(draft.name)}"
    yield "# syncd keeps HighLevel appointments and HubSpot appointments in step."
    for vendor in draft.connects:
        yield f"# First: syncd connect {vendor}"
    yield "# Next: syncd doctor, syncd setup, syncd plan, then syncd --sync-now or syncd run."
    yield from ("", "[store]", f"url = {toml.value(draft.store)}")
    yield from _apps(draft)
    yield from ("", f"[{here}.ghl]")
    if draft.ghl_url:
        yield f"base_url = {toml.value(draft.ghl_url)}"
    yield f"location_id = {toml.value(draft.location)}"
    yield f"token = {_reference(draft.ghl_token)}"
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
    yield f"token = {_reference(draft.hubspot_token)}"
    if draft.hub_id:
        yield f"hub_id = {draft.hub_id}"
    elif draft.portal:
        yield "# The account of this token; without the #, a token of another one is refused:"
        yield f"#hub_id = {draft.portal}"


def _apps(draft: Draft) -> Iterator[str]:
    """The apps of the vendors that are connected in the browser."""
    from syncd.config import toml

    apps = {
        "highlevel": (draft.ghl_client_id, draft.ghl_url),
        "hubspot": (draft.hubspot_client_id, draft.hubspot_url),
    }
    for vendor in draft.connects:
        client_id, url = apps[vendor]
        yield from ("", f"[apps.{vendor}]", f"client_id = {toml.value(client_id)}")
        if (file := secret_file(vendor)) in draft.secrets:
            yield f"client_secret = {toml.value({'file': file})}"
        if url:
            yield f"base_url = {toml.value(url)}"


def _reference(place: tuple[str, str]) -> str:
    from syncd.config import toml

    return "{ oauth = true }" if place == CONNECT else toml.value(dict([place]))


def secret_file(vendor: str) -> str:
    """Where the client secret of an app is kept that was pasted."""
    return f"{vendor}-client-secret"


# --- the files


def write(draft: Draft, target: Path, *, replace: bool) -> list[Path]:
    """Write the file, and next to it what was pasted, readable only by its owner.

    Gives every file that was written, the one that was replaced (now called otherwise) last.

    Raises:
        ConfigError: an answer is no value that the configuration takes.
        UsageError: a file cannot be written; then none is.
    """
    parsed(draft, target)
    used = {name for kind, name in (draft.ghl_token, draft.hubspot_token) if kind == "file"}
    used |= {secret_file(vendor) for vendor in draft.connects}
    wanted = {
        target.with_name(name): f"{secret}\n"
        for name, secret in draft.secrets.items()
        if name in used
    } | {target: text_of(draft)}
    made: list[Path] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            if replace:
                _must_be_plain(path)
            at = _beside(path) if replace else path
            with _new(at) as file:
                made.append(at)
                file.write(text)
        kept = _put_in_place(list(wanted), target) if replace else []
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise click.UsageError(
            f"{error.filename or target}: {error.strerror}: nothing was written, and nothing that "
            "is there is overwritten; name another file with --config"
        ) from error
    return [*wanted, *kept]


def _put_in_place(paths: list[Path], target: Path) -> list[Path]:
    """Give the new files their names; the old configuration keeps another one."""
    kept = []
    if target.exists():
        names = (f"{target.name}.before{number or ''}" for number in range(10_000))
        old = next(each for name in names if not os.path.lexists(each := target.with_name(name)))
        target.replace(old)
        kept.append(old)
    try:
        for path in paths:
            _beside(path).replace(path)
    except OSError:
        if kept and not target.exists():
            kept[0].replace(target)
        raise
    return kept


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _must_be_plain(path: Path) -> None:
    """Raise OSError where something stands there that is no plain file."""
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise FileExistsError(17, "not a plain file", str(path))


def _new(path: Path) -> TextIO:
    """A new file; the name must be free, even of a symbolic link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    return os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8")
