"""What most verbs begin with: the configuration, the log, the links that are meant.

Verbs call `begin`, then `chosen`, then open the app. The log goes to stderr as
the configuration says; a person at a terminal is spared what the output tells
anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from syncd.cli.command import nearest

if TYPE_CHECKING:
    from syncd.config import Settings
    from syncd.ports.store import LinkStore


def begin(path: Path | None) -> Settings:
    """Read the configuration and set the log up; the log works before there is one.

    Raises:
        ConfigError: the configuration is wrong; every problem at once.
    """
    from syncd import config
    from syncd.observability import logging

    logging.configure(level="warning", stream=_stderr(), colour=_colour())
    settings = config.load(path)
    told = settings.logging
    # At a terminal the output says what `info` would say, unless somebody asked for it.
    quiet = sys.stderr.isatty() and "level" not in told.model_fields_set
    logging.configure(
        format=told.format,
        level="warning" if quiet else told.level,
        stream=_stderr(),
        colour=_colour(),
    )
    return settings


def chosen(known: Sequence[str], links: Iterable[str]) -> list[str]:
    """The links that are meant: those that were named, else all.

    Raises:
        UsageError: a link is not configured.
    """
    for name in links:
        if name not in known:
            raise click.UsageError(f"--link {name}: no such link{nearest(name, known)}")
    return list(dict.fromkeys(links)) or list(known)


def zone_name(store: LinkStore) -> str:
    """The location's time zone as the last cycles found it; "" where none has run."""
    for row in store.cycles(limit=5):
        if found := row.report.get("timezone"):
            return str(found)
    return ""


class _Stderr:
    """The stderr of the moment: a progress bar puts its own in place while it shows."""

    def write(self, text: str) -> int:
        """Write to what is stderr now."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush what is stderr now."""
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether stderr is a terminal."""
        return sys.stderr.isatty()


def _stderr() -> TextIO:
    return cast("TextIO", _Stderr())


def _colour() -> bool:
    """Whether to colour the log; rich knows the terminal and NO_COLOR."""
    if not sys.stderr.isatty():
        return False
    from rich.console import Console

    console = Console(stderr=True)
    return console.color_system is not None and not console.no_color
