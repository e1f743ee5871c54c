"""Where values come from: the main file, its includes, the environment.

Called by `load`. Everything is flattened into leaves that remember where they
were written, so that a later layer replaces exactly the keys that it names and
an error names the file or the variable to change. What the values must be is
none of its business: `settings` says that.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    dotted,
    known_keys,
    leaves,
    node_at,
)
from syncd.config.problems import nearest
from syncd.config.settings import StoreSettings
from syncd.config.values import command_line
from syncd.errors import ConfigError

PREFIX = "SYNCD_"
_NOT_KEYS = re.compile(r"SYNCD_(CONFIG|TEST_.*)")
_SQLITE_FILE = re.compile(r"(sqlite(?:\+pysqlite)?:///)([^?]*)(.*)", re.DOTALL)


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
            return  # A single value stands where a table is due: validation says so.
        table = below
    if not (value == {} and path[-1] in table):
        table[path[-1]] = value


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
        raise ConfigError([f"{path}: no such file (named by {said_by})"]) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a file name"
        raise ConfigError([f"{path}: cannot be read: {why} (named by {said_by})"]) from error
    if stat.S_ISDIR(mode):
        raise ConfigError([f"{path}: a folder; name the file in it (named by {said_by})"])
    return path


def _is_file(path: Path) -> bool:
    """Whether there is a file for us: what this user may not look at is meant for others."""
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


def gather(main: Path, *, env: Mapping[str, str], cwd: Path) -> Layers:
    """Read the main file, its includes and the environment, weakest first.

    Raises ConfigError where a file cannot be read at all; milder problems are
    collected in the answer.
    """
    layers = Layers(main=main)
    home = env.get("HOME", "")
    _add_file(layers, main, home)
    unreadable: list[str] = []
    for path in _included(layers, env, cwd):
        try:
            _add_file(layers, path, home)
        except ConfigError as error:
            unreadable.extend(error.problems)
    if unreadable:
        raise ConfigError(unreadable)
    if ("store", "url") not in layers.given:
        # The default is relative to the main file, like a value that stands in it.
        default = StoreSettings.model_fields["url"].default
        url = _anchored(("store", "url"), default, main.parent, home)
        layers.given["store", "url"] = Given(value=url, key=("store", "url"), origin="")
    overrides = _Overrides(layers=layers, env=env, cwd=cwd)
    overrides.apply(defaults=True)
    _spread_defaults(layers)
    overrides.apply(defaults=False)
    return layers


def _add_file(layers: Layers, path: Path, home: str) -> None:
    origin = "" if path == layers.main else str(path)
    layers.files.append(path)
    for key, value in leaves(toml.read(path)):
        if origin and key[0] == INCLUDE:
            layers.problems.append(f"include: only the main file may include others [{origin}]")
        elif key in layers.given:
            first = layers.given[key].origin or str(layers.main)
            layers.problems.append(f"{dotted(key)}: given twice, in {first} and {origin}")
        else:
            anchored = _anchored(key, value, path.parent, home)
            layers.given[key] = Given(value=anchored, key=key, origin=origin)


def _anchored(key: KeyPath, value: object, folder: Path, home: str) -> object:
    """Make a relative path absolute, from the folder of the file that it stands in."""
    match key, value:
        case ("store", "url"), str() if found := _SQLITE_FILE.fullmatch(value):
            scheme, file, query = found.groups()
            return (
                value if file in {"", ":memory:"} else f"{scheme}{_path(file, folder, home)}{query}"
            )
        case (*_, "token" | "webhook" | "urls"), {"file": str() as file, **rest} if file:
            return {"file": _path(file, folder, home), **rest}
        case (*_, "urls"), list():
            return [_anchored(key, each, folder, home) for each in value]
        case (*_, "notify", "command"), _ if words := _program(value):
            # A bare name is looked for on the PATH; anything else is a path.
            first = words[0] if "/" not in words[0] else _path(words[0], folder, home)
            return [first, *words[1:]]
    return value


def _program(command: object) -> list[str]:
    """The words of a command; none where it is not one: validation says so."""
    try:
        words = command_line(command)
    except ValueError:
        return []
    return words if isinstance(words, list) and all(isinstance(w, str) for w in words) else []


def _path(file: str, folder: Path, home: str) -> str:
    if home and file.startswith("~/"):
        return str(Path(home) / file[2:])
    return str(folder.absolute() / file)


def _included(layers: Layers, env: Mapping[str, str], cwd: Path) -> list[Path]:
    variable = f"{PREFIX}{INCLUDE.upper()}"
    given = layers.given.get((INCLUDE,))
    patterns, folder = (given.value if given else []), layers.main.parent
    if variable in env:
        patterns, folder = _parsed(env[variable]), cwd
        patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not all(isinstance(item, str) for item in patterns):
        layers.problems.append(
            f'include = {toml.value(patterns)}: accepted: a list of files: ["links.d/*.toml"]'
        )
        return []
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = _matches(pattern, folder)
        if not matches and not any(mark in pattern for mark in "*?["):
            layers.problems.append(f"include: {folder / pattern}: no such file")
        found.update(dict.fromkeys(path for path in matches if path != layers.main))
    return list(found)


def _matches(pattern: str, folder: Path) -> list[Path]:
    # Only the pattern is one: brackets in the name of the folder are just brackets.
    start = Path(Path(pattern).anchor or folder.absolute())
    relative = pattern.lstrip("/") if Path(pattern).is_absolute() else pattern
    try:
        return sorted(path for path in start.glob(relative) if path.is_file())
    except (ValueError, NotImplementedError, IndexError):
        return []  # An empty pattern, or one that glob does not take: it matches nothing.
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(
            [f"include: {error.filename or pattern}: cannot be read: {why}"]
        ) from None


def _spread_defaults(layers: Layers) -> None:
    """Put every default below each link that does not name the key itself.

    What [notify] says for all is the default of each link as well.
    """
    shared = [(path[1:], given) for path, given in layers.given.items() if path[0] == DEFAULTS]
    shared += [(path, given) for path, given in layers.given.items() if path[0] == NOTIFY]
    for name in layers.links:
        for path, given in shared:
            if path:
                layers.given.setdefault((LINKS, name, *path), given)


def _parsed(text: str) -> object:
    """A variable's text: a list or a table where it reads as one, else the text itself."""
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            return text
    return text


@dataclass(slots=True, kw_only=True)
class _Overrides:
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
                self.layers.problems.append(self._unknown(variable))
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
        value = _anchored(leaf, value, self.cwd, self.env.get("HOME", ""))
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
        """The next key and how many words it takes: a link's name may hold two underscores."""
        if path == (LINKS,):
            for used in range(len(rest), 0, -1):
                name = "__".join(rest[:used]).lower()
                if name in self.layers.links:
                    return name, used
            return "", 0
        return rest[0].lower(), 1

    def _value(self, leaf: KeyPath, item: str, variable: str) -> object:
        given = _parsed(self.env[variable])
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
        if leaf[-1] in {"token", "webhook"} and not (so_far and so_far.origin.startswith(PREFIX)):
            return {}  # One place replaces the other.
        value = so_far.value if so_far else _default(leaf)
        value = section.as_table(value) if section else value
        return value if isinstance(value, Mapping) else {}

    def _holds_a_token(self, variable: str) -> bool:
        """Whether a reference names this variable; then it is no override."""
        tokens = (
            token
            for path, given in self.layers.given.items()
            if path[-1] in {"token", "webhook", "urls"}
            for token in (given.value if isinstance(given.value, list) else [given.value])
        )
        return any(isinstance(token, Mapping) and token.get("env") == variable for token in tokens)

    def _unknown(self, variable: str) -> str:
        known = (variable_of(path) for path in known_keys(self.layers.links))
        return f"{variable}: unknown variable{nearest(variable, known)}"


def _default(leaf: KeyPath) -> object:
    parent = node_at(leaf[:-1])
    if parent is None or parent.section is None:
        return None
    return parent.section.model_fields[leaf[-1]].default


def variable_of(path: Iterable[str]) -> str:
    """The environment variable that overrides a key."""
    return PREFIX + "__".join(path).upper()
