"""The tree of keys of the configuration file, derived from the settings models.

`sources` merges files, defaults and environment by it, `problems` names the
nearest known key, `example` writes it. A *leaf* is a key whose value is taken
whole: a single value, a list, a free table, or a section that replaces an
earlier one.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from syncd.config import toml
from syncd.config.link_settings import LinkSettings
from syncd.config.references import Reference
from syncd.config.section import Section
from syncd.config.settings import Settings
from syncd.config.values import Accepts

KeyPath = tuple[str, ...]
"""A dotted key, split: ("links", "clinic", "sync", "past")."""

INCLUDE = "include"
DEFAULTS = "defaults"
LINKS = "links"
NOTIFY = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One place in the file, as a type and the marks that pydantic keeps beside it."""

    annotation: Any
    marks: tuple[object, ...] = ()

    @property
    def section(self) -> type[Section] | None:
        """The section that is here, if one is."""
        if isinstance(self.annotation, type) and issubclass(self.annotation, Section):
            return self.annotation
        return None

    @property
    def free_table(self) -> bool:
        """Whether this is a table whose keys are the user's own."""
        return get_origin(self.annotation) is Mapping

    @property
    def merges(self) -> bool:
        """Whether a table given here adds to an earlier one, key by key."""
        if self.section is not None:
            return not self.section.whole
        return self.free_table and _unfold(get_args(self.annotation)[1]).section is not None

    @property
    def accepted(self) -> str:
        """What is accepted here: the end of `accepted: …`."""
        for mark in self.marks:
            if isinstance(mark, Accepts):
                return mark.words
        if self.section is not None:
            return self.section.accepts
        if get_origin(self.annotation) is Literal:
            return " | ".join(get_args(self.annotation))
        return "a text"

    @property
    def accepted_keys(self) -> str:
        """What the keys of a free table may be."""
        return _unfold(get_args(self.annotation)[0]).accepted

    def child(self, key: str | int) -> Node | None:
        """The place below this one, or None where the key is not known."""
        if self.section is not None:
            if self.section is Settings and key in _FILE_ONLY:
                return _FILE_ONLY[str(key)]
            field = self.section.model_fields.get(str(key))
            return _unfold(field.annotation, field.metadata) if field else None
        if self.free_table:
            return _unfold(get_args(self.annotation)[1])
        if get_origin(self.annotation) is tuple:
            return _unfold(get_args(self.annotation)[0])
        return None

    def children(self) -> tuple[str, ...]:
        """The known keys of this table."""
        if self.section is None:
            return ()
        return (*self.section.model_fields, *(_FILE_ONLY if self.section is Settings else ()))


def _unfold(annotation: Any, marks: Iterable[object] = ()) -> Node:
    """Take the marks, and `| None`, off a type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _unfold(inner, (*marks, *more))
    if origin in {Union, types.UnionType}:
        return _unfold(get_args(annotation)[0], marks)
    return Node(annotation=annotation, marks=tuple(marks))


_FILE_ONLY = {
    DEFAULTS: Node(annotation=LinkSettings),
    INCLUDE: Node(annotation=tuple[str, ...]),
}

ROOT = Node(annotation=Settings)


def dotted(path: Iterable[str | int]) -> str:
    """A key as it is named in messages: `links.clinic.ghl.routes[0].value`."""
    words = ""
    for key in path:
        if isinstance(key, int):
            words += f"[{key}]"
        else:
            words += f".{toml.key(key)}" if words else toml.key(key)
    return words


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one; "" where none is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: `; did you mean X?`, or nothing."""
    close = nearest(word, known)
    return f"; did you mean {close}?" if close else ""


def node_at(path: Sequence[str | int]) -> Node | None:
    """The place that a path leads to, or None where a key on the way is not known."""
    node: Node | None = ROOT
    for key in path:
        node = node.child(key) if node else None
    return node


def keeps_secret(path: Sequence[str | int]) -> bool:
    """Whether a key says where a secret is kept, or lists such places."""
    node = node_at(path)
    if node is not None and get_origin(node.annotation) is tuple:
        node = node.child(0)
    return node is not None and node.section is not None and issubclass(node.section, Reference)


def leaves(table: Mapping[str, object], node: Node = ROOT) -> Iterator[tuple[KeyPath, object]]:
    """Flatten a parsed file into its leaves; unknown keys are leaves too."""
    for key, value in table.items():
        below = node.child(key)
        if below is not None and below.merges and isinstance(value, Mapping) and value:
            for path, leaf in leaves(value, below):
                yield (key, *path), leaf
        else:
            yield (key,), value


def known_keys(links: Iterable[str]) -> Iterator[KeyPath]:
    """Every leaf that a file with these links may have, in the order of the models."""
    for key in ROOT.children():
        if key == LINKS:
            for name in links:
                yield from _below((LINKS, name), Node(annotation=LinkSettings))
        else:
            yield from _below((key,), ROOT.child(key))


def _below(path: KeyPath, node: Node | None) -> Iterator[KeyPath]:
    if node is None or not node.merges:
        yield path
        return
    for key in node.children():
        yield from _below((*path, key), node.child(key))
