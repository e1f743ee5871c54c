"""The text of a link's file in `links.d`: a new one, and one that a person may have edited.

`link_files` calls it. An edited file keeps its comments and its other keys; where that
cannot be done, it is left to the person.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syncd.config import toml
from syncd.config.key_tree import LINKS
from syncd.config.link_rows import LinkRow
from syncd.errors import ConfigError

_HEAD = "# Written by `syncd link add`; `syncd link add --update` keeps other keys and comments.\n"


def _sides(row: LinkRow) -> dict[str, dict[str, Any]]:
    """What a row says, by table; nothing that it does not say."""
    sides: dict[str, dict[str, Any]] = {
        "ghl": {"location_id": row.location, "default_calendar": row.calendar},
        "hubspot": {
            "hub_id": row.hub_id,
            "filter": {name: list(each) for name, each in row.filter.items()},
        },
    }
    return {
        side: {key: value for key, value in each.items() if value} for side, each in sides.items()
    }


def new(row: LinkRow) -> str:
    """The file of a link that is not there yet."""
    text = _HEAD
    for side, table in _sides(row).items():
        if table or side == "ghl":  # without a table there would be no link to find wrong
            lines = (f"{key} = {toml.value(value)}\n" for key, value in table.items())
            text += f"\n[{LINKS}.{row.name}.{side}]\n{''.join(lines)}"
    return text


def says(table: Mapping[str, Any], row: LinkRow) -> bool:
    """Whether a file says all of the row already."""
    link = table[LINKS][row.name]
    return isinstance(link, Mapping) and all(
        isinstance(there := link.get(side, {}), Mapping) and there.get(key) == value
        for side, wanted in _sides(row).items()
        for key, value in wanted.items()
    )


def updated(path: Path, text: str, row: LinkRow) -> str:
    """The file with what the row says; all else stays, comments as well.

    Raises:
        ConfigError: that cannot be done without losing something.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted: Any = toml.loads(path, text.encode())
    changes = []
    try:
        for side, table in _sides(row).items():
            there = wanted[LINKS][row.name].setdefault(side, {})
            changes += [(side, key, each) for key, each in table.items() if there.get(key) != each]
            there |= table
        if not changes:
            return text
        document = tomlkit.parse(text.removeprefix("\ufeff"))
        links: Any = document[LINKS]
        link = links[row.name]
        for side, key, value in changes:
            if side not in link:
                link[side] = tomlkit.table()
            _set(link[side], key, value)
        changed = document.as_string()
    except (TOMLKitError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError([f"{path}: cannot be changed; edit it by hand"]) from error
    comments = [line[line.index("#") :].strip() for line in text.splitlines() if "#" in line]
    if lost := next((each for each in comments if each not in changed), ""):
        raise ConfigError([f"{path}: the comment {toml.text(lost)} would be lost; edit it by hand"])
    if _without_empty(tomllib.loads(changed)) != _without_empty(wanted):
        raise ConfigError([f"{path}: cannot be changed; edit it by hand"])
    return changed


def _set(table: Any, key: str, value: Any) -> None:
    """Change a value of a table; of a table within it only what differs."""
    import tomlkit

    if isinstance(value, Mapping) and key in table:
        for name in [name for name in table[key] if name not in value]:
            del table[key][name]
        for name, each in value.items():
            if table[key].get(name) != each:
                table[key][name] = each
    elif isinstance(value, Mapping):
        table[key] = tomlkit.inline_table()
        table[key].update(value)
    else:
        table[key] = value


def _without_empty(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table without tables that hold nothing."""
    plain = {k: _without_empty(v) if isinstance(v, Mapping) else v for k, v in table.items()}
    return {key: value for key, value in plain.items() if value != {}}


def written_by_us(path: Path, text: str, name: str) -> bool:
    """Whether a file is as `new` writes it: then a person loses nothing with it.

    Raises:
        ConfigError: it is not TOML.
    """
    table: Any = toml.loads(path, text.encode())
    try:
        link = table[LINKS][name]
        ghl, hubspot = link.get("ghl", {}), link.get("hubspot", {})
        row = LinkRow(
            name=name,
            location=ghl.get("location_id", ""),
            calendar=ghl.get("default_calendar", ""),
            hub_id=hubspot.get("hub_id", 0),
            filter={key: tuple(each) for key, each in hubspot.get("filter", {}).items()},
        )
        return text == new(row)
    except (AttributeError, KeyError, TypeError):
        return False
