"""How a command ends that did not end well: lines on stderr, and the exit code.

`execute` hands over whatever a verb raised. What a link's cycle runs into is
not raised but stands in its report; what is left here concerns the whole
command.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from syncd.errors import ConfigError, SyncdError
from syncd.observability.redaction import redact

INTERRUPTED = 130
"""What a shell expects after Ctrl-C: 128 and the signal's number."""


def ending(error: Exception | KeyboardInterrupt, args: Sequence[str]) -> int:
    """Tell what ended a command line, and give the exit code."""
    as_json = "--json" in args
    match error:
        case KeyboardInterrupt():
            return ended(click.Abort(), as_json=as_json)
        case click.ClickException() | click.Abort() | SyncdError():
            return ended(error, as_json=as_json)
        case OSError():
            return outside(error, as_json=as_json)
        case UnicodeEncodeError() if not all(map(_is_text, args)):
            return ended(click.UsageError("an argument is not text"), as_json=as_json)
        case _:
            return fault(error, as_json=as_json)


def _is_text(argument: str) -> bool:
    """Whether all of it could be decoded; Python keeps what could not as half characters."""
    return not any("\ud800" <= mark <= "\udfff" for mark in argument)


def ended(error: click.ClickException | click.Abort | SyncdError, *, as_json: bool = False) -> int:
    """Tell what went wrong, and give the exit code."""
    match error:
        case click.ClickException():
            error.show()
            return _told(error.exit_code, [error.format_message()], as_json=as_json)
        case click.Abort():
            said = ["interrupted; the next cycle finishes what was begun"]
            code = INTERRUPTED
        case ConfigError():
            for problem in error.problems:
                click.echo(problem, err=True)
            return _told(2, error.problems, as_json=as_json)
        case _:
            said, code = [redact(str(error), personal=False)], error.outcome.exit_code
    click.echo(f"syncd: {said[0]}", err=True)
    return _told(code, said, as_json=as_json)


def outside(error: OSError, *, as_json: bool = False) -> int:
    """The machine refused something: a file, a folder, a connection."""
    import errno

    away = isinstance(error, ConnectionError | TimeoutError) or error.errno in {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
    }
    what = f"{error.filename}: " if error.filename else ""
    why = error.strerror or str(error) or type(error).__name__
    said = redact(f"{what}{why}: fix that, then run the command again", personal=False)
    click.echo(f"syncd: {said}", err=True)
    return _told(7 if away else 2, [said], as_json=as_json)


def fault(error: Exception, *, as_json: bool = False) -> int:
    """A bug: the traceback goes to the log, and one line says so."""
    import structlog

    from syncd.cli.session import set_up_log

    if not structlog.is_configured():
        set_up_log()
    structlog.get_logger(__name__).error("command.failed", exc_info=error)
    said = f"unexpected fault ({type(error).__name__}); the log has the traceback"
    click.echo(f"syncd: {said}", err=True)
    return _told(1, [said], as_json=as_json)


def told_all(code: int) -> int:
    """The code of a verb that came to its end; 2 where all was well but its report is lost."""
    import sys

    from syncd.cli.streams import unwritten

    if why := unwritten(sys.stdout):
        click.echo(
            f"syncd: what this command did is done, but stdout cannot be written ({why}): "
            "send it somewhere else to see the report",
            err=True,
        )
        return code or 2
    return code


def _told(code: int, problems: Sequence[str], *, as_json: bool) -> int:
    """With `--json`, what ended a command before its report is one object on stdout."""
    if as_json:
        told = {"version": 1, "exit_code": code, "problems": list(problems)}
        click.echo(json.dumps(told, indent=2))
    return code
