"""Tries the answers of `config init` with both vendors, and warns of tokens that look wrong."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.config_draft import CONNECT, Draft, parsed

if TYPE_CHECKING:
    from syncd.bootstrap.providers import ProviderFactory
    from syncd.config import LinkSettings
    from syncd.core.model import Account
    from syncd.errors import SyncdError

HIGHLEVEL, HUBSPOT = "HighLevel", "HubSpot"
BEGINS = {HIGHLEVEL: "pit-", HUBSPOT: "pat-"}
"""How the tokens of private integrations, service keys and private apps begin."""


def account_of(draft: Draft, target: Path) -> Account | None:
    """The location from HighLevel; None where it refuses, with its message on stderr.

    Raises:
        ConfigError: an answer is no value that the configuration takes.
    """
    from syncd.errors import SyncdError

    if draft.ghl_token == CONNECT:
        return None
    link, accounts = _opened(replace(draft, calendars=(), default_calendar=""), target, HIGHLEVEL)
    try:
        provider, _ = accounts.ghl(link)
        with closing(provider):
            return provider.prepare()
    except SyncdError as error:
        _show(HIGHLEVEL, error)
        return None


def portal_of(draft: Draft, target: Path) -> str | None:
    """The number of the HubSpot account, "" where it is not said; None where it is refused.

    Raises:
        ConfigError: an answer is no value that the configuration takes.
    """
    from syncd.errors import AuthFailed, SyncdError

    if draft.hubspot_token == CONNECT:
        return ""
    link, accounts = _opened(replace(draft, calendars=(), default_calendar=""), target, HUBSPOT)
    try:
        provider, _ = accounts.hubspot(link)
        with closing(provider):
            return provider.portal()
    except SyncdError as error:
        if isinstance(error, AuthFailed) and error.missing_scope:
            return ""  # the doctor tells it with the others
        _show(HUBSPOT, error)
        return None


def _opened(draft: Draft, target: Path, side: str) -> tuple[LinkSettings, ProviderFactory]:
    """The link, and what makes its providers, a pasted token included."""
    from syncd.bootstrap import SystemClock
    from syncd.bootstrap.providers import ProviderFactory
    from syncd.config import resolve_token
    from syncd.errors import ConfigError

    env: dict[str, str] | None = None
    kind, name = draft.ghl_token if side == HIGHLEVEL else draft.hubspot_token
    if kind == "file" and name in draft.secrets:
        env, place = {"PASTED": draft.secrets[name]}, ("env", "PASTED")
        draft = replace(draft, **{"ghl_token" if side == HIGHLEVEL else "hubspot_token": place})  # type: ignore[arg-type]
    link = parsed(draft, target).links[draft.name]
    with suppress(ConfigError):  # the provider says it
        token = resolve_token(link, "ghl" if side == HIGHLEVEL else "hubspot", env)
        _warn(side, token.get_secret_value())
    return link, ProviderFactory(clock=SystemClock(), env=env, ledger=None, attempts=2)


def _show(side: str, error: SyncdError) -> None:
    for line in str(error).splitlines():
        click.echo(f"{side}: {line}", err=True)


def _warn(side: str, token: str) -> None:
    """Say where a token does not look like one of this vendor."""
    (other,) = BEGINS.keys() - {side}
    if token.startswith(BEGINS[other]):
        click.echo(
            f"Warning: this looks like a token of {other}, not of {side}: were the two swapped?",
            err=True,
        )
    elif not token.startswith(BEGINS[side]):
        click.echo(
            f"Warning: this does not look like a token of {side}, which begins with {BEGINS[side]}",
            err=True,
        )
