"""One formatter for every log line, ours and the libraries'.

Bootstrap calls `configure` once; everybody else calls `structlog.get_logger()`
and logs static `noun.verb` events with facts as fields. Lines go to stderr: a
console form for persons, one JSON object a line for machines. No line carries
a secret, and none from `info` upwards an e-mail address, a phone number, a
field that belongs to a person, or words of others.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from syncd.observability.redaction import redact, redact_fields, redact_traceback, register_secret

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["configure", "register_secret"]

Format = Literal["auto", "console", "json"]
Level = Literal["debug", "info", "warning", "error"]

_QUIET = ("alembic", "httpcore", "httpx", "sqlalchemy", "urllib3")
"""Libraries whose `info` is our `debug`: httpx logs every request with its address."""

_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
"""syslog's numbers, as sd-daemon(3) has them."""

_FIRST = ("timestamp", "level", "event", "link", "cycle_id")

# Line feeds and tabs may stand in a traceback; anything else can steer a terminal.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in {9, 10}
}


def configure(
    *,
    format: Format = "auto",  # noqa: A002 - the name of the key in the configuration
    level: Level = "info",
    stream: TextIO | None = None,
    is_tty: bool | None = None,
    colour: bool | None = None,
    journald: bool = False,
) -> None:
    """Send all logging through one handler; may be called again, and then replaces it.

    `stream` is stderr unless given; `is_tty` and `colour` follow the stream
    unless given (the caller knows NO_COLOR). `journald` puts the priority in
    front of each line, `<6>` for info, which the journal takes off again.
    """
    stream = sys.stderr if stream is None else stream
    is_tty = stream.isatty() if is_tty is None else is_tty
    colour = is_tty if colour is None else colour
    console = format == "console" or (format == "auto" and is_tty)
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = _Handler(stream)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=_common(),
            processors=_rendering(console=console, colour=colour),
            journald=journald,
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    # What befalls a tick is told by `scheduler.jobs`, in our words and not for every tick.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*_common(), ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, told apart from handlers that others put on the root logger."""


class _Formatter(ProcessorFormatter):
    """Renders a line, and redacts it once more as a whole.

    The fields were redacted one by one before; this pass catches what is only
    text once it is rendered, such as a traceback or an object's representation.
    """

    def __init__(self, *, journald: bool, **more: Any) -> None:
        super().__init__(**more)
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        line = redact(super().format(record), personal=record.levelno >= logging.INFO)
        if not self._journald:
            return line
        priority = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(priority + part for part in line.split("\n"))


def _common() -> list[Processor]:
    """The processors of every event, of our loggers and others."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_fields,
    ]


def _rendering(*, console: bool, colour: bool) -> list[Processor]:
    if console:
        look: list[Processor] = [
            _for_a_person,
            _tame_controls,
            structlog.dev.ConsoleRenderer(
                colors=colour, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
            ),
        ]
    else:
        look = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [ProcessorFormatter.remove_processors_meta, _reading_order, *look]


def _redact_fields(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    del logger, method
    # Debug lines are only written for a person who asked for everything.
    personal = event.get("level") != "debug"
    inner = {key: value for key, value in event.items() if key.startswith("_")}
    facts = {key: value for key, value in event.items() if key not in inner}
    if personal and isinstance(traceback := facts.get("exception"), str):
        facts["exception"] = redact_traceback(traceback)
    return {**redact_fields(facts, personal=personal), **inner}


def _reading_order(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Time, level, event and logger come first; other keys keep the order of the call."""
    del logger, method
    first = {key: event[key] for key in _FIRST if key in event}
    return {**first, **{key: value for key, value in event.items() if key not in first}}


def _for_a_person(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Short enough to be read as it scrolls by: no fractions of seconds, nothing that is empty."""
    del logger, method
    shown = {
        key: _counts(value) if isinstance(value, dict) else value
        for key, value in event.items()
        if key != "logger"
    }
    if isinstance(shown.get("timestamp"), str):
        shown["timestamp"] = shown["timestamp"][:19].replace("T", " ")
    return {
        key: value
        for key, value in shown.items()
        if key in _FIRST or (value is not False and value not in ("", None))
    }


def _counts(values: dict[str, object]) -> str:
    """`created 3, requests 24`: what is not zero."""
    return ", ".join(f"{key} {value}" for key, value in values.items() if value)


def _tame_controls(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep a vendor's text from steering the terminal of whoever reads the log."""
    del logger, method
    return {
        key: value.translate(_CONTROLS) if isinstance(value, str) else value
        for key, value in event.items()
    }
