"""Writes values as TOML, and reads a TOML file with errors that name the place.

Used by `sources` (reading), `problems` and `show` (writing). Writing covers
what a configuration holds, not the whole of TOML.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from syncd.config.values import words_of
from syncd.errors import ConfigError

LARGEST = 16 * 2**20
"""Bytes of a file that is read at all: 2,000 links with every key take a tenth of that."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


def read(path: Path) -> dict[str, object]:
    """Parse a file; raises ConfigError with file, line and column."""
    try:
        content = held(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from error
    return loads(path, content)


def loads(path: Path, content: bytes) -> dict[str, object]:
    """Parse what a file holds; raises as `read`."""
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            [f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"]
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError([_syntax(path, str(error))]) from error


def parsed(text: str) -> object:
    """A variable's text: a list or a table where it reads as one, else the text itself."""
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            return text
    return text


def held(path: Path) -> bytes:
    """What the file holds: a pipe or a shell's `<(…)` may be one, an endless device is not."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ConfigError(
            [f"{path}: larger than {LARGEST // 2**20} MiB: this is no configuration of syncd"]
        )
    return content


def _syntax(path: Path, message: str) -> str:
    place = _PLACE.fullmatch(message)
    if place is None:
        return f"{path}: this is not TOML: {message}"
    what, line, column = place.groups()
    return f"{path}: line {line}, column {column}: this is not TOML: {what}"


def key(name: str) -> str:
    """One key, quoted where it has to be."""
    return name if _BARE.fullmatch(name) else text(name)


def text(value: str) -> str:
    """A basic string, with everything that is not printable escaped: it stays one line."""
    # JSON's short escapes are TOML's too.
    plain = json.dumps(value, ensure_ascii=False)
    return "".join(mark if mark.isprintable() else f"\\U{ord(mark):08x}" for mark in plain)


def value(given: object) -> str:
    """Any value of a configuration, on one line."""
    match given:
        case bool():
            return "true" if given else "false"
        case timedelta():
            return text(words_of(given))
        case str():
            return text(given)
        case Mapping():
            inner = ", ".join(f"{key(str(name))} = {value(item)}" for name, item in given.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(value(item) for item in given)}]"
        case _:
            return str(given)
