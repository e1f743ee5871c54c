"""Show first, then ask: `undo`, `forget` and `disconnect`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO, Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def asking_options(command: Command) -> Command:
    """`--yes` and `--dry-run`."""
    command = click.option("--dry-run", is_flag=True, help="Show what it would do, and stop.")(
        command
    )
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person, unless `yes`.

    Raises:
        Abort: the answer was no.
        UsageError: there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: give --yes; nothing was changed")
    if not click.confirm(question, err=True):
        raise Declined


class Declined(click.ClickException):
    """A person said no: nothing was done, and that is what they wanted."""

    exit_code = 0

    def __init__(self) -> None:
        super().__init__("nothing was changed")

    def show(self, file: IO[Any] | None = None) -> None:
        """Say so, without calling it an error."""
        click.echo(self.message, file=file, err=True)
