"""Where values come from: the main file, its includes, the environment.

`load` calls it. Everything becomes leaves that know where they were written
(`layers`): a later layer replaces exactly the keys that it names, and an error
names the file or the variable to change. Which values are allowed is defined
in `settings`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from syncd.config import toml
from syncd.config.environment import PREFIX, Overrides
from syncd.config.key_tree import DEFAULTS, INCLUDE, LINKS, NOTIFY, KeyPath, dotted, leaves, node_at
from syncd.config.layers import Given, Layers
from syncd.config.paths import anchored
from syncd.config.references import Reference
from syncd.config.settings import StoreSettings
from syncd.errors import ConfigError

_RELATIVE: Mapping[KeyPath, object] = {
    ("store", "url"): StoreSettings.model_fields["url"].default,
    ("store", "secret_key"): {"file": StoreSettings.model_fields["secret_key"].default[0].file},
}
"""Defaults that are relative paths."""


def find_config(explicit: Path | None, *, env: Mapping[str, str], cwd: Path) -> Path:
    """The main file: `--config`, $SYNCD_CONFIG, or the first of the usual places.

    Raises ConfigError where a named file is not there, or none is found.
    """
    for named, said_by in ((explicit, "--config"), (env.get("SYNCD_CONFIG"), "$SYNCD_CONFIG")):
        if named:
            return _named(cwd / named, said_by)
    places = list(_usual_places(env, cwd))
    for path in places:
        if _is_file(path):
            return path
    looked = ", ".join(str(path) for path in places)
    raise ConfigError(
        [f"no configuration found at {looked}; `syncd config init` writes one, --config names one"]
    )


def _named(path: Path, said_by: str) -> Path:
    """A file that somebody named; it may be a pipe, as a shell's `<(…)` is.

    Raises ConfigError where it is none.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        todo = "correct the path, or make one: `syncd config init`"
        raise ConfigError([f"{path}: no such file (named by {said_by}); {todo}"]) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a file name"
        raise ConfigError([f"{path}: cannot be read: {why} (named by {said_by})"]) from error
    if stat.S_ISDIR(mode):
        raise ConfigError([f"{path}: a folder; name the file in it (named by {said_by})"])
    return path


def _is_file(path: Path) -> bool:
    """Whether there is a file for us: one that this user may not see is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _usual_places(env: Mapping[str, str], cwd: Path) -> Iterator[Path]:
    yield cwd / "config.toml"
    # The XDG rules: unset, empty or relative means ~/.config.
    base = env.get("XDG_CONFIG_HOME", "")
    if base.startswith("/"):
        yield Path(base) / "syncd" / "config.toml"
    elif env.get("HOME"):
        yield Path(env["HOME"]) / ".config" / "syncd" / "config.toml"
    yield Path("/etc/syncd/config.toml")


def gather(
    main: Path, *, env: Mapping[str, str], cwd: Path, planned: Mapping[Path, str] | None = None
) -> Layers:
    """Read the main file, its includes and the environment, weakest first.

    `planned` are files as they are to be written: each counts as included, and in the
    place of the one that is there.

    Raises ConfigError where a file cannot be read at all; milder problems are
    collected in the answer.
    """
    layers = Layers(main=main)
    home = env.get("HOME", "")
    texts = {os.path.normpath(path): text for path, text in (planned or {}).items()}
    _add_file(layers, main, home, texts.pop(os.path.normpath(main), None))
    unreadable: list[str] = []
    paths = {os.path.normpath(path): path for path in _included(layers, env, cwd)}
    paths |= {name: Path(name) for name in texts if name not in paths}
    for name, path in paths.items():
        try:
            _add_file(layers, path, home, texts.get(name))
        except ConfigError as error:
            unreadable.extend(error.problems)
    if unreadable:
        raise ConfigError(unreadable)
    for key, default in _RELATIVE.items():
        if key not in layers.given:
            # The default is relative to the main file, like a value in it.
            value = anchored(key, default, main.parent, home)
            layers.given[key] = Given(value=value, key=key, origin="")
    overrides = Overrides(layers=layers, env=env, cwd=cwd)
    overrides.apply(defaults=True)
    _spread_defaults(layers)
    overrides.apply(defaults=False)
    return layers


def _add_file(layers: Layers, path: Path, home: str, text: str | None = None) -> None:
    origin = "" if path == layers.main else str(path)
    layers.files.append(path)
    table = toml.read(path) if text is None else toml.loads(path, text.encode())
    for key, written in leaves(table):
        if origin and key[0] == INCLUDE:
            layers.problems.append(f"include: only the main file may include others [{origin}]")
        elif key in layers.given:
            first = layers.given[key].origin or str(layers.main)
            layers.problems.append(f"{dotted(key)}: given twice, in {first} and {origin}")
        else:
            value = anchored(key, written, path.parent, home)
            layers.given[key] = Given(value=value, key=key, origin=origin)


def includes(layers: Layers, path: Path, env: Mapping[str, str], cwd: Path) -> bool:
    """Whether the main file would read a file of that name, which need not be there."""
    patterns, folder = _patterns(layers, env, cwd)
    parts = Path(os.path.normpath(path.absolute())).parts
    for pattern in patterns:
        start, relative = _split(pattern, folder)
        plain = re.sub(r"[*?[]", r"[\g<0>]", str(start))
        if _fits(Path(os.path.normpath(f"{plain}/{relative}")).parts, parts):
            return True
    return False


def _fits(words: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the parts of a path are what the words of a pattern stand for."""
    if not words or not parts:
        return not words and not parts
    if words[0] == "**":
        return _fits(words[1:], parts) or _fits(words, parts[1:])
    return fnmatchcase(parts[0], words[0]) and _fits(words[1:], parts[1:])


def _patterns(layers: Layers, env: Mapping[str, str], cwd: Path) -> tuple[list[str], Path]:
    """What is included, and the folder that it is relative to."""
    variable = f"{PREFIX}{INCLUDE.upper()}"
    given = layers.given.get((INCLUDE,))
    patterns, folder = (given.value if given else []), layers.main.parent
    if variable in env:
        patterns, folder = toml.parsed(env[variable]), cwd
        patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not all(isinstance(item, str) for item in patterns):
        layers.problems.append(
            f'include = {toml.value(patterns)}: accepted: a list of files: ["links.d/*.toml"]'
        )
        return [], folder
    return patterns, folder


def _included(layers: Layers, env: Mapping[str, str], cwd: Path) -> list[Path]:
    found: dict[Path, None] = {}
    patterns, folder = _patterns(layers, env, cwd)
    for pattern in patterns:
        matches = _matches(pattern, folder)
        if not matches and not any(mark in pattern for mark in "*?["):
            layers.problems.append(f"include: {folder / pattern}: no such file")
        found.update(dict.fromkeys(path for path in matches if path != layers.main))
    return list(found)


def _matches(pattern: str, folder: Path) -> list[Path]:
    start, relative = _split(pattern, folder)
    try:
        return sorted(path for path in start.glob(relative) if path.is_file())
    except (ValueError, NotImplementedError, IndexError):
        return []  # An empty pattern, or one that glob does not take: it matches nothing.
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(
            [f"include: {error.filename or pattern}: cannot be read: {why}"]
        ) from None


def _split(pattern: str, folder: Path) -> tuple[Path, str]:
    # Only the pattern is one: brackets in the name of the folder are just brackets.
    start = Path(Path(pattern).anchor or folder.absolute())
    return start, pattern.lstrip("/") if Path(pattern).is_absolute() else pattern


def _spread_defaults(layers: Layers) -> None:
    """Put every default below each link that does not name the key itself.

    [notify] is the default of each link as well. In [defaults.*] a reference may hold
    `{link}`, the name of the link.
    """
    shared = [(path[1:], given) for path, given in layers.given.items() if path[0] == DEFAULTS]
    named = {path for path, _ in shared if _is_reference((DEFAULTS, *path))}
    shared += [(path, given) for path, given in layers.given.items() if path[0] == NOTIFY]
    for name in layers.links:
        for path, given in shared:
            if path in named:
                given = replace(given, value=_of_link(given.value, name))  # noqa: PLW2901
            if path:
                layers.given.setdefault((LINKS, name, *path), given)


def _is_reference(path: KeyPath) -> bool:
    """Whether a reference is expected there, or a list of them."""
    node = node_at(path)
    if node is not None and node.section is None:
        node = node.child(0)
    return node is not None and node.section is not None and issubclass(node.section, Reference)


def _of_link(value: object, link: str) -> object:
    """A reference, or a list of them, with the link's name in the place of `{link}`."""
    if isinstance(value, list):
        return [_of_link(each, link) for each in value]
    if not isinstance(value, Mapping):
        return value
    names = {"file": link, "env": link.upper(), "credential": link}
    return {
        key: each.replace("{link}", names[key]) if key in names and isinstance(each, str) else each
        for key, each in value.items()
    }
