"""The column types that SQLite and PostgreSQL share, so that one value reads back alike on both.

`tables` uses them. SQLite forgets time zones, and some characters are stored
escaped (`escaping`).
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from syncd.store.escaping import MARK, readable, storable

_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _storable(text: str | None) -> str | None:
    return text if text is None else storable(text)


def _readable(stored: str | None) -> str | None:
    return stored if stored is None or MARK not in stored else readable(stored)


class Words(TypeDecorator[str]):
    """Any text that a vendor or a person can send, lossless."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:
        """Escape characters that a database would refuse."""
        del dialect
        return _storable

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[str | None], str | None]:
        """Undo the escapes; without the layers in between, which a hundred thousand ids feel."""
        del dialect, coltype
        return _readable


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"an instant without a time zone cannot be stored: {moment}")
    return moment.astimezone(UTC)


def _utc_text(moment: datetime | None) -> str | None:
    in_utc = _utc(moment)
    if in_utc is None:
        return None
    return in_utc.replace(tzinfo=None).isoformat(" ", "microseconds")


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; a naive one is refused, because it would be read as another."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], object]:
        """Convert it to UTC; on SQLite to SQLAlchemy's text format.

        The processor raises ValueError where the instant has no time zone.
        """
        return _utc_text if dialect.name == "sqlite" else _utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite gives it back naive, PostgreSQL in the session's zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _json_text(value: Any) -> str | None:
    return None if value is None else storable(_write_json(value))


def _json_value(stored: str | None) -> Any:
    return None if stored is None else json.loads(readable(stored))


class Json(TypeDecorator[Any]):
    """A JSON value, kept as text on both databases.

    JSONB would refuse U+0000 and lone surrogates and forget the order of keys;
    nothing here searches inside a value.
    """

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        """Write it."""
        del dialect
        return _json_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:
        """Read it."""
        del dialect, coltype
        return _json_value
