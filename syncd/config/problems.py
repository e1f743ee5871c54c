"""Describes what is wrong with a configuration: one line for each problem.

Called by `load` with what pydantic found. A line names the key as it was
written, the value (never a secret), what is accepted there, the nearest known
key, and the file or variable where it stands unless that is the main file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from syncd.config import toml
from syncd.config.key_tree import (
    DEFAULTS,
    LINKS,
    NOTIFY,
    KeyPath,
    dotted,
    known_keys,
    nearest,
    node_at,
)
from syncd.config.layers import Given, Layers
from syncd.config.masking import MASK, masked, without_login

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

LONGEST_VALUE = 80
"""Longer values are cut: the line has to stay a line."""

_SECRET_KEYS = ("token", "secret", "password", "api_key", "apikey", "webhook", "urls")


def problems_of(error: ValidationError, layers: Layers) -> list[str]:
    """One line for each problem; a default that is wrong for many links is reported once."""
    lines = [_line(detail, layers) for detail in error.errors(include_url=False)]
    return list(dict.fromkeys(lines))


def _line(detail: ErrorDetails, layers: Layers) -> str:
    path = tuple(key for key in detail["loc"] if key != "[key]")
    given = _given(path, layers)
    written = (*given.key, *path[_depth(path, layers) :]) if given else path
    head = dotted(written)
    if detail["type"] == "missing":
        return f"{head}: missing; {_accepted(path)}{_place(given)}"
    if detail["type"] == "extra_forbidden":
        what, like = _unknown(path, layers)
        # A notification address may hold a credential, under a wrong name as well.
        secret = _secret((*written, *like)) or NOTIFY in path[:-1]
    else:
        what, secret = _wrong(detail, path), _secret(written)
    if given:
        head += f" = {MASK if secret else _shown(_reach(given.value, path, layers))}"
    return masked(f"{head}: {what}{_place(given)}")


def _given(path: Sequence[str | int], layers: Layers) -> Given | None:
    depth = _depth(path, layers)
    return layers.given[tuple(str(key) for key in path[:depth])] if depth else None


def _depth(path: Sequence[str | int], layers: Layers) -> int:
    """How many keys of the path lead to the leaf that was given."""
    for depth in range(len(path), 0, -1):
        if tuple(str(key) for key in path[:depth]) in layers.given:
            return depth
    return 0


def _reach(value: object, path: Sequence[str | int], layers: Layers) -> object:
    for key in path[_depth(path, layers) :]:
        match value, key:
            case (Mapping(), str()) if key in value:
                value = value[key]
            case (list() | tuple(), int()) if key < len(value):
                value = value[key]
    return value


def _secret(path: Sequence[str | int]) -> bool:
    """Whether a value may be a secret; the file that holds a token is none."""
    named = any(word in str(key).lower() for key in path for word in _SECRET_KEYS)
    return named and path[-1] != "file"


def _shown(value: object) -> str:
    # As it was given: quoted, a password with a space or a quote in it has no clear end.
    text = toml.value(without_login(value) if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _place(given: Given | None) -> str:
    return f" [{given.origin}]" if given and given.origin else ""


def _accepted(path: Sequence[str | int]) -> str:
    node = node_at(path)
    return f"accepted: {node.accepted}" if node else "accepted: another kind of value"


def _wrong(detail: ErrorDetails, path: Sequence[str | int]) -> str:
    table = node_at(path[:-1])
    if "[key]" in detail["loc"] and table:
        return f"wrong key; accepted: {table.accepted_keys}"
    words = _accepted(path)
    if detail["type"] == "value_error":
        cause = str(detail["ctx"]["error"])
        return cause if cause.startswith("accepted: ") else f"{cause}; {words}"
    return words


def _unknown(path: Sequence[str | int], layers: Layers) -> tuple[str, tuple[str, ...]]:
    """The message for an unknown key, and the known keys that it resembles."""
    word = str(path[-1])
    table = node_at(path[:-1])
    siblings = table.children() if table else ()
    if close := nearest(word, siblings):
        like = node_at((*path[:-1], close))
        words = "" if like is None or like.merges else f" (accepted: {like.accepted})"
        return f"unknown key; did you mean {close}{words}?", (close,)
    homes = _homes(word, path, layers)
    if homes:
        return f"unknown key here; it belongs in [{dotted(homes[0])}]", (word,)
    return f"unknown key; known here: {', '.join(siblings)}", ()


def _homes(word: str, path: Sequence[str | int], layers: Layers) -> list[KeyPath]:
    """The tables that do have a key of that name, those of the same link first."""
    link = [str(path[1])] if path[0] == LINKS and len(path) > 2 else layers.links[:1]
    found = [known[:-1] for known in known_keys(link) if known[-1] == word]
    return [home for home in found if home and home[0] != DEFAULTS]
