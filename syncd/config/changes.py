"""What is different between two configurations, one line for each key.

The daemon logs them when it takes up a new one. Secrets are masked; tokens are
references and stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncd.config import toml
from syncd.config.key_tree import dotted
from syncd.config.masking import masked
from syncd.config.section import Section
from syncd.config.settings import Settings
from syncd.config.show import plain


def changes(old: Settings, new: Settings) -> list[str]:
    """One line for each key that is not the same: `links.clinic.sync.past: "30d" → "60d"`."""
    return [masked(line) for line in _compared((), old, new)]


def _compared(path: tuple[str, ...], old: object, new: object) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Section) and type(old) is type(new) and not old.whole:
        for name in type(old).model_fields:
            yield from _compared((*path, name), getattr(old, name), getattr(new, name))
    elif _holds_sections(old) and _holds_sections(new):
        yield from _tables(path, old, new)
    else:
        yield f"{dotted(path)}: {_written(old)} → {_written(new)}"


def _holds_sections(held: object) -> bool:
    return isinstance(held, Mapping) and all(isinstance(each, Section) for each in held.values())


def _tables(path: tuple[str, ...], old: object, new: object) -> Iterator[str]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return
    for name in dict.fromkeys((*old, *new)):
        here = (*path, str(name))
        if name not in new:
            yield f"{dotted(here)}: taken out"
        elif name not in old:
            yield f"{dotted(here)}: new"
        else:
            yield from _compared(here, old[name], new[name])


def _written(held: object) -> str:
    return "nothing" if held is None else toml.value(plain(held))
