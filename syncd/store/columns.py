"""The column types that SQLite and PostgreSQL share, so that one value reads back alike on both.

`tables` uses them. Three things differ between the two databases and are
settled here: SQLite forgets time zones, PostgreSQL refuses U+0000 in text and
in JSON, and neither takes the lone surrogates that a vendor's JSON may hold.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

MARK = "\ue000"
"""Opens an escape: this private character and four hexadecimal digits."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff\ue000]")
_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_ESCAPED = re.compile(MARK + "([0-9a-f]{4})")


def storable(text: str) -> str:
    """The text with every character escaped that one of the databases would refuse."""
    if _UNSTORABLE.search(text) is None:
        return text
    return _UNSTORABLE.sub(lambda found: f"{MARK}{ord(found[0]):04x}", text)


def readable(text: str) -> str:
    """The text that `storable` was given."""
    if MARK not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _readable(stored: str | None) -> str | None:
    return stored if stored is None or MARK not in stored else readable(stored)


class Words(TypeDecorator[str]):
    """Any text that a vendor or a person can send, lossless."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what a database would refuse."""
        del dialect
        return None if value is None else storable(value)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[str | None], str | None]:
        """Undo the escapes; without the layers in between, which a hundred thousand ids feel."""
        del dialect, coltype
        return _readable


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; a naive one is refused, because it would be read as another."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn it to UTC.

        Raises:
            ValueError: the instant has no time zone.
        """
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant without a time zone cannot be stored: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite gives it back naive, PostgreSQL in the session's zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value, kept as text on both databases.

    JSONB would refuse U+0000 and lone surrogates and forget the order of keys;
    nothing here searches inside a value.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write it."""
        del dialect
        return None if value is None else storable(_write_json(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read it."""
        del dialect
        return None if value is None else json.loads(readable(value))
