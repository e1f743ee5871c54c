"""The file of a recording: JSON lines, led by a line that names the format, ended by one too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from syncd import __version__
from syncd.errors import ConfigError
from syncd.recording.taps import Line

FORMAT = 1
"""Grows when an older program could not read a recording any more."""

OLDEST = 1
"""The oldest format that this program still reads."""

MARK = '{"part":"recording"'
"""How a recording begins."""


def written(lines: Sequence[Line]) -> Iterator[str]:
    """The text of a recording, line by line."""
    head = {"part": "recording", "format": FORMAT, "version": __version__}
    for line in (head, *lines, {"part": "end", "lines": len(lines)}):
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def read(path: Path) -> list[Line]:
    """The lines of a recording.

    Raises:
        ConfigError: the file cannot be read, is no recording, is cut off, or of another version.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogatepass") as file:
            return _read(path, file)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: {_NONE}"]) from error


_NONE = "this is no recording of syncd: make one with `syncd record FILE`"


def _read(path: Path, file: Iterable[str]) -> list[Line]:
    lines: list[Line] = []
    for number, text in enumerate(file):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            told = _NONE if number == 0 else f"line {number + 1} is cut off: record it again"
            raise ConfigError([f"{path}: {told}"]) from error
        if not isinstance(line, dict) or not isinstance(line.get("part"), str):
            raise ConfigError([f"{path}: {_NONE}"])
        lines.append(line)
    if not lines or lines[0]["part"] != "recording":
        raise ConfigError([f"{path}: {_NONE}"])
    _check_version(path, lines[0])
    if len(lines) < 3 or lines[-1] != {"part": "end", "lines": len(lines) - 2}:
        raise ConfigError([f"{path}: the recording is cut off: record it again"])
    return lines[1:-1]


def _check_version(path: Path, head: Line) -> None:
    found, version = head.get("format"), head.get("version")
    if not isinstance(found, int):
        raise ConfigError([f"{path}: {_NONE}"])
    if not OLDEST <= found <= FORMAT:
        told = (
            f"{path}: made by syncd {version} in format {found}; this is syncd {__version__}, "
            f"which replays formats {OLDEST} to {FORMAT}: use that version, or record it again"
        )
        raise ConfigError([told])
