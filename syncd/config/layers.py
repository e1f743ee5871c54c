"""What the sources of a configuration give, leaf by leaf, and where each was written.

`sources` and `environment` fill `Layers`; `loading` validates them, and
`problems` names the file or variable of a value that is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from syncd.config.key_tree import DEFAULTS, INCLUDE, LINKS, KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value, and where it was written: the key there, and the file or variable."""

    value: object
    key: KeyPath
    origin: str


@dataclass(slots=True, kw_only=True)
class Layers:
    """What all sources give together, and what was wrong with them."""

    main: Path
    files: list[Path] = field(default_factory=list)
    """Every file that was read, the main one first."""
    given: dict[KeyPath, Given] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Variables with our prefix that resemble no key."""

    @property
    def links(self) -> list[str]:
        """The names of the links, in the order of the files."""
        return list(
            dict.fromkeys(path[1] for path in self.given if path[:1] == (LINKS,) and path[1:])
        )

    def tree(self) -> dict[str, object]:
        """The leaves as nested tables, without `defaults` and `include`."""
        root: dict[str, object] = {}
        for path, given in self.given.items():
            if path[0] not in {DEFAULTS, INCLUDE}:
                _plant(root, path, given.value)
        return root


def _plant(table: dict[str, object], path: KeyPath, value: object) -> None:
    for key in path[:-1]:
        below = table.setdefault(key, {})
        if not isinstance(below, dict):
            return  # A single value in place of a table: validation reports it.
        table = below
    if not (value == {} and path[-1] in table):
        table[path[-1]] = value
