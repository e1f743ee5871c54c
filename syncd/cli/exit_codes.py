"""What a command prints when it fails, and its exit code.

`execute` passes on whatever a verb raised. Failures of one link's cycle are in
its report; errors here concern the whole command.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from syncd.errors import ConfigError, SyncdError

INTERRUPTED = 130
"""What a shell expects after Ctrl-C: 128 and the signal's number."""


def report_error(error: Exception | KeyboardInterrupt, args: Sequence[str]) -> int:
    """Print what ended a command line on stderr; gives the exit code.

    With `--json` one object on stdout has the same text.
    """
    code, problems = _reported(error, args)
    if "--json" in args:
        document = {"version": 1, "exit_code": code, "problems": problems}
        click.echo(json.dumps(document, indent=2))
    return code


def _reported(error: Exception | KeyboardInterrupt, args: Sequence[str]) -> tuple[int, list[str]]:
    """Print an error; gives the exit code and the lines that were printed."""
    match error:
        case UnicodeEncodeError() if not all(map(_is_text, args)):
            return _reported(click.UsageError("an argument is not text"), args)
        case click.ClickException() if error.exit_code == 0:
            error.show()
            return 0, []
        case click.ClickException():
            if isinstance(error, click.UsageError) and error.ctx is not None:
                click.echo(f"{error.ctx.get_usage()}\n", err=True)
            _say(f"Error: {_told(error)}")
            return error.exit_code, [_told(error)]
        case ConfigError():
            for problem in error.problems:
                _say(problem)
            return 2, list(error.problems)
        case KeyboardInterrupt() | click.Abort():
            code, message = INTERRUPTED, "interrupted; the next cycle finishes what was begun"
        case SyncdError():
            code, message = error.outcome.exit_code, _redacted(str(error))
        case OSError():
            code, message = _os_error(error)
        case _:
            _log(error)
            code = 1
            message = f"unexpected fault ({type(error).__name__}); the log has the traceback"
    _say(f"syncd: {message}")
    return code, [message]


def _told(error: click.ClickException) -> str:
    """The message; click's own with what is accepted, where it says what is not only."""
    told, ctx = error.format_message(), getattr(error, "ctx", None)
    kind = getattr(getattr(error, "param", None), "type", None)
    if told.endswith(" is a directory."):
        return f"{told[:-1]}; accepted: a file"
    if isinstance(kind, click.IntRange) and " is not a valid " in told:
        return f"{told.partition(' is not a valid ')[0]}; accepted: a whole number"
    if ctx is None or not told.startswith("Got unexpected extra argument"):
        return told
    params = ctx.command.params
    takes = [each.make_metavar(ctx) for each in params if isinstance(each, click.Argument)]
    told += f"; accepted: {' '.join(takes) or 'no argument'}"
    with_link = any("--link" in each.opts for each in params)
    return f"{told}; a link is named with `--link NAME`" if with_link else told


def _say(text: str) -> None:
    """Print on stderr: on a terminal wrapped at words, with commands on lines of their own."""
    from syncd.cli.output.printer import Printer

    printer = Printer(sys.stderr)
    for line in text.splitlines():
        printer.line(line)


def _is_text(argument: str) -> bool:
    """Whether it could be decoded; Python keeps undecodable bytes as lone surrogates."""
    return not any("\ud800" <= mark <= "\udfff" for mark in argument)


def _redacted(message: str) -> str:
    from syncd.observability.redaction import redact

    return redact(message, personal=False)


def _os_error(error: OSError) -> tuple[int, str]:
    """The operating system refused a file, a folder or a connection: exit code and message."""
    import errno

    unreachable = isinstance(error, ConnectionError | TimeoutError) or error.errno in {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
    }
    what = f"{error.filename}: " if error.filename else ""
    why = error.strerror or str(error) or type(error).__name__
    message = _redacted(f"{what}{why}: fix that, then run the command again")
    return 7 if unreachable else 2, message


def _log(error: BaseException) -> None:
    """Log the traceback of a bug."""
    import structlog

    from syncd.cli.session import set_up_log

    if not structlog.is_configured():
        set_up_log()
    structlog.get_logger(__name__).error("command.failed", exc_info=error)


def check_output(code: int) -> int:
    """The exit code of a verb that finished; 2 where it would be 0 but its report is lost."""
    import sys

    from syncd.cli.streams import write_error

    if why := write_error(sys.stdout):
        click.echo(
            f"syncd: what this command did is done, but stdout cannot be written ({why}): "
            "send it somewhere else to see the report",
            err=True,
        )
        return code or 2
    return code
