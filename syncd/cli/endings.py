"""How a command ends that did not end well: lines on stderr, and the exit code.

`execute` hands over whatever a verb raised. What a link's cycle runs into is
not raised but stands in its report; what is left here concerns the whole
command.
"""

from __future__ import annotations

import click

from syncd.errors import (
    AuthFailed,
    ConfigError,
    GuardTripped,
    LinkLocked,
    NotPrepared,
    ProviderError,
    StoreError,
    StoreMissing,
    StoreTaken,
    StoreTooNew,
    SyncdError,
)

INTERRUPTED = 130
"""What a shell expects after Ctrl-C: 128 and the signal's number."""

_CODES: tuple[tuple[type[SyncdError], int], ...] = (
    (ConfigError, 2),
    (NotPrepared, 2),
    (StoreMissing, 2),
    (StoreTaken, 2),
    (StoreTooNew, 2),
    (StoreError, 1),
    (LinkLocked, 5),
    (GuardTripped, 4),
    (AuthFailed, 6),
    (ProviderError, 7),
)


def code_of(error: SyncdError) -> int:
    """The exit code of the contract for an error that ended a command."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


def ended(error: click.ClickException | click.Abort | SyncdError) -> int:
    """Tell what went wrong, and give the exit code."""
    match error:
        case click.ClickException():
            error.show()
            return error.exit_code
        case click.Abort():
            click.echo("syncd: interrupted; the next cycle finishes what was begun", err=True)
            return INTERRUPTED
        case ConfigError():
            for problem in error.problems:
                click.echo(problem, err=True)
        case _:
            click.echo(f"syncd: {error}", err=True)
    return code_of(error)


def fault(error: Exception) -> int:
    """A bug: the traceback goes to the log, and one line says so."""
    import structlog

    from syncd.observability import logging

    if not structlog.is_configured():
        logging.configure()
    structlog.get_logger(__name__).error("command.failed", exc_info=error)
    name = type(error).__name__
    click.echo(f"syncd: unexpected fault ({name}); the log has the traceback", err=True)
    return 1
