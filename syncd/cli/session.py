"""What most verbs begin with: the configuration, the log, the store, the selected links.

Verbs that sync or write call `begin`, then `selected_links`, then open the app; verbs
that only read the store call `open_reader`. The log goes to stderr as the
configuration says; at a terminal it leaves out what the output shows anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from syncd.cli.command import log_level, suggestion

if TYPE_CHECKING:
    from datetime import timedelta

    from syncd.bootstrap import App, StoreReader
    from syncd.config import LoggingSettings, Settings
    from syncd.observability.health import LinkHealth
    from syncd.observability.logging import Level
    from syncd.ports.store import StatusReader


_logging: ContextVar[LoggingSettings | None] = ContextVar("logging", default=None)
"""How the configuration wants the log, once it was read."""


def begin(path: Path | None, *, linkless: bool = False) -> Settings:
    """Read the configuration and set the log up; `linkless` lets it have no link yet.

    Raises:
        ConfigError: the configuration is wrong; every problem at once.
    """
    settings = _load(path, linkless=linkless)
    set_up_log()
    if settings.foreign:
        import structlog

        log = structlog.get_logger(__name__)
        log.warning("config.unknown_variables", variables=list(settings.foreign), detail="ignored")
    return settings


def open_reader(path: Path | None) -> StoreReader:
    """Read the configuration and open the store for a verb that only reads it.

    The log is not set up, since nothing logs: that alone would import more than
    the verb does. Only the full store logs, where it is needed.

    Raises:
        ConfigError: the configuration is wrong; every problem at once.
        StoreError: the store is missing, too new, corrupt or cannot be reached.
    """
    from syncd import bootstrap

    def open_full(settings: Settings) -> App:
        set_up_log()
        return bootstrap.open_app(settings)

    return bootstrap.open_reader(_load(path), open_full)


def set_up_log() -> None:
    """Send the log to stderr, as the configuration says where it was read."""
    from syncd.observability import logging

    wanted = _logging.get()
    level = wanted.level if wanted else cast("Level", log_level() or "warning")
    # At a terminal the output shows what `info` would log, unless it is configured.
    if wanted and "level" not in wanted.model_fields_set and sys.stderr.isatty():
        level = "warning"
    logging.configure(
        format=wanted.format if wanted else "auto",
        level=level,
        stream=_stderr(),
        colour=_colour(),
    )


def _load(path: Path | None, *, linkless: bool = False) -> Settings:
    from syncd import config

    settings = config.load(path, linkless=linkless).logged_at(log_level())
    _logging.set(settings.logging)
    return settings


def selected_links(known: Sequence[str], links: Iterable[str]) -> list[str]:
    """The links that were named, else all.

    Raises:
        UsageError: a link is not configured.
    """
    for name in links:
        if name not in known:
            raise click.UsageError(f"--link {name}: no such link{suggestion(name, known)}")
    return list(dict.fromkeys(links)) or list(known)


def look(
    app: StoreReader, names: Sequence[str], max_age: timedelta | None = None
) -> list[LinkHealth]:
    """The status of these links, worst first.

    Raises:
        StoreError: our own store failed.
    """
    from syncd.observability.health import STATES, by_trouble, examine

    now, daemons = app.clock.now(), app.daemons(names)
    return by_trouble(
        examine(name, store, now, max_age=max_age, dead=name not in daemons)
        for name, store in app.readers(names, STATES).items()
    )


def timezone_of(store: StatusReader) -> str:
    """The location's time zone as the last cycles found it; "" where none has run."""
    for row in store.cycles(limit=5):
        if found := row.report.get("timezone"):
            return str(found)
    return ""


class _Stderr:
    """The current stderr: a progress bar replaces it while it is shown."""

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
