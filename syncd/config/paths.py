"""Relative paths of a configuration, made absolute.

A path is relative to the folder of the file that it is written in; in an
environment variable, to the working directory.
"""

from __future__ import annotations

import re
from pathlib import Path

from syncd.config.key_tree import KeyPath, keeps_secret
from syncd.config.values import command_line

_SQLITE_FILE = re.compile(r"(sqlite(?:\+pysqlite)?:///)([^?]*)(.*)", re.DOTALL)


def anchored(key: KeyPath, value: object, folder: Path, home: str) -> object:
    """Make a relative path absolute, from the folder of the file that it is in."""
    match key, value:
        case ("store", "url"), str() if found := _SQLITE_FILE.fullmatch(value):
            scheme, file, query = found.groups()
            if file in {"", ":memory:"}:
                return value
            return f"{scheme}{_absolute(file, folder, home)}{query}"
        case _, {"file": str() as file, **rest} if file and keeps_secret(key):
            return {"file": _absolute(file, folder, home), **rest}
        case _, list() if keeps_secret(key):
            return [anchored(key, each, folder, home) for each in value]
        case (*_, "notify", "command"), _ if words := _program(value):
            # A bare name is looked for on the PATH; anything else is a path.
            first = words[0] if "/" not in words[0] else _absolute(words[0], folder, home)
            return [first, *words[1:]]
    return value


def _program(command: object) -> list[str]:
    """The words of a command; none where it is invalid, which validation reports."""
    try:
        words = command_line(command)
    except ValueError:
        return []
    return words if isinstance(words, list) and all(isinstance(w, str) for w in words) else []


def _absolute(file: str, folder: Path, home: str) -> str:
    if home and file.startswith("~/"):
        return str(Path(home) / file[2:])
    return str(folder.absolute() / file)
