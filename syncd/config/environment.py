"""The SYNCD_ variables of the environment, each of which overrides one key.

`sources` applies them: those of defaults before the defaults are spread over
the links, all others last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncd.config import toml
from syncd.config.key_tree import (
    DEFAULTS,
    INCLUDE,
    LINKS,
    NOTIFY,
    ROOT,
    KeyPath,
    Node,
    keeps_secret,
    known_keys,
    leaves,
    nearest,
    node_at,
)
from syncd.config.layers import Given, Layers
from syncd.config.paths import anchored

PREFIX = "SYNCD_"
_NOT_KEYS = re.compile(r"SYNCD_(CONFIG|TEST_.*)")


@dataclass(slots=True, kw_only=True)
class Overrides:
    """The SYNCD_ variables, laid over what the files give."""

    layers: Layers
    env: Mapping[str, str]
    cwd: Path

    def apply(self, *, defaults: bool) -> None:
        """Lay over the variables of what all links share, or all others."""
        for variable in sorted(self.env):
            if not variable.startswith(PREFIX) or _NOT_KEYS.fullmatch(variable):
                continue
            words = variable.removeprefix(PREFIX).split("__")
            shared = words[0] in {DEFAULTS.upper(), NOTIFY.upper()}
            if shared == defaults and words != [INCLUDE.upper()]:
                self._lay(variable, words)

    def _lay(self, variable: str, words: Sequence[str]) -> None:
        path = self._key(words)
        if path is None:
            if not self._holds_a_token(variable):
                self._unknown(variable)
            return
        leaf, item = path
        value = self._value(leaf, item, variable)
        node = node_at(leaf)
        if node is not None and node.merges and isinstance(value, Mapping):
            for below, inner in leaves(value, node):
                self._put((*leaf, *below), inner, variable)
            return
        for deeper in [known for known in self.layers.given if known[: len(leaf)] == leaf]:
            del self.layers.given[deeper]
        self._put(leaf, value, variable)

    def _put(self, leaf: KeyPath, value: object, variable: str) -> None:
        value = anchored(leaf, value, self.cwd, self.env.get("HOME", ""))
        self.layers.given[leaf] = Given(value=value, key=leaf, origin=variable)

    def _key(self, words: Sequence[str]) -> tuple[KeyPath, str] | None:
        """The leaf that a variable names, and the item inside of it, if any."""
        path: KeyPath = ()
        node: Node | None = ROOT
        rest = list(words)
        while rest and node is not None and node.merges:
            key, used = self._word(path, rest)
            if not used:
                return None
            path, rest, node = (*path, key), rest[used:], node.child(key)
        if node is None or len(rest) > 1:
            return None
        if not rest:
            return path, ""
        item = rest[0] if node.free_table else rest[0].lower()
        return (path, item) if node.child(item) is not None else None

    def _word(self, path: KeyPath, rest: Sequence[str]) -> tuple[str, int]:
        """The next key and its number of words: a link's name may have two underscores in it."""
        if path == (LINKS,):
            for used in range(len(rest), 0, -1):
                name = "__".join(rest[:used]).lower()
                if name in self.layers.links:
                    return name, used
            return "", 0
        return rest[0].lower(), 1

    def _value(self, leaf: KeyPath, item: str, variable: str) -> object:
        given = toml.parsed(self.env[variable])
        if not item:
            return given
        table = dict(self._table(leaf))
        named = next((key for key in table if key.upper() == item.upper()), None)
        node = node_at(leaf)
        fallback = item.lower() if node and leaf[-1] == "to_hubspot" else item
        table[named or fallback] = given
        return table

    def _table(self, leaf: KeyPath) -> Mapping[str, object]:
        """What a single item is added to: the value so far, or the default."""
        so_far = self.layers.given.get(leaf)
        node = node_at(leaf)
        section = node.section if node else None
        if keeps_secret(leaf) and not (so_far and so_far.origin.startswith(PREFIX)):
            return {}  # One place replaces the other.
        value = so_far.value if so_far else _default(leaf)
        value = section.as_table(value) if section else value
        return value if isinstance(value, Mapping) else {}

    def _holds_a_token(self, variable: str) -> bool:
        """Whether a reference names this variable; then it is no override."""
        tokens = (
            token
            for path, given in self.layers.given.items()
            if keeps_secret(path)
            for token in (given.value if isinstance(given.value, list) else [given.value])
        )
        return any(isinstance(token, Mapping) and token.get("env") == variable for token in tokens)

    def _unknown(self, variable: str) -> None:
        """A misspelled key is an error; what resembles none may be somebody else's."""
        # Of a name without a table the prefix is no resemblance: anything short would be a key.
        start = "" if "__" in variable else PREFIX
        known = {
            variable_of(path).removeprefix(start): variable_of(path)
            for path in known_keys(self.layers.links)
        }
        if meant := nearest(variable.removeprefix(start), known):
            told = f"{variable}: unknown variable; did you mean {known[meant]}?"
            self.layers.problems.append(told)
        else:
            self.layers.foreign.append(variable)


def _default(leaf: KeyPath) -> object:
    parent = node_at(leaf[:-1])
    if parent is None or parent.section is None:
        return None
    return parent.section.model_fields[leaf[-1]].default


def variable_of(path: Iterable[str]) -> str:
    """The environment variable that overrides a key."""
    return PREFIX + "__".join(path).upper()
