"""The files of `links.d`, one for each link: what `syncd link add` and `link remove` change.

A plan is made first, from the whole configuration as it would be then; nothing is
written unless that loads. A file that a person has edited keeps its comments and
its other keys.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from syncd.config import link_text, toml
from syncd.config.key_tree import LINKS, did_you_mean
from syncd.config.layers import Layers
from syncd.config.link_rows import LinkRow, name_problem
from syncd.config.link_settings import LinkSettings
from syncd.config.loading import validated, working_directory
from syncd.config.masking import masked
from syncd.config.sources import find_config, gather, includes
from syncd.errors import ConfigError

FOLDER = "links.d"
INCLUDE_LINE = f'include = ["{FOLDER}/*.toml"]'

_NAMES = re.compile(r"links\.([a-z0-9_]+)")
_CONFLICT = re.compile(r"links\.([a-z0-9_]+) and links\.([a-z0-9_]+): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file as it is to be written."""

    path: Path
    text: str
    before: str | None
    """What it holds now; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `link add` would write, which was checked as a whole."""

    main: Path
    files: Mapping[str, PlannedFile]
    """By the link's name, in the order of the rows."""
    links: Mapping[str, LinkSettings]
    """The links of these files as they will be."""
    included: bool
    """Whether the configuration reads these files."""

    def names(self, what: str) -> list[str]:
        """The links that are `added`, `updated` or `unchanged`."""
        return [name for name, file in self.files.items() if _kind(file) == what]


def _kind(file: PlannedFile) -> str:
    if file.before is None:
        return "added"
    return "unchanged" if file.before == file.text else "updated"


def plan(
    config: Path | None, rows: Sequence[LinkRow], known: Sequence[str] = (), *, update: bool
) -> Plan:
    """Lay the rows over the configuration that is there; `known` are problems of other rows.

    Raises:
        ConfigError: with every problem of every row, and of the configuration itself.
    """
    env, cwd = os.environ, working_directory()
    main = find_config(config, env=env, cwd=cwd)
    if not main.is_file():
        raise ConfigError([f"{main}: not a file, so no folder {FOLDER} can stand beside it"])
    found = gather(main, env=env, cwd=cwd)
    files: dict[str, PlannedFile] = {}
    problems = list(known)
    lines: dict[str, LinkRow] = {}
    for row in rows:
        if row.name in lines:
            first = lines[row.name].line
            problems.append(row.told(f"links.{row.name}: given twice, first in line {first}"))
            continue
        lines[row.name] = row
        try:
            files[row.name] = _file(found, row, update=update)
        except ConfigError as error:
            problems += [row.told(each) for each in error.problems]
    planned = {file.path: file.text for file in files.values()}
    layers = gather(main, env=env, cwd=cwd, planned=planned) if files else found
    settings, wrong = validated(layers) if files else (None, [])
    problems += _of_rows(wrong, lines, files)
    if problems or settings is None:
        raise ConfigError([masked(each) for each in problems])
    return Plan(
        main=main,
        files=files,
        links={name: settings.links[name] for name in files},
        included=all(includes(found, file.path, env, cwd) for file in files.values()),
    )


def _of_rows(
    problems: Iterable[str], rows: Mapping[str, LinkRow], files: Mapping[str, PlannedFile]
) -> Iterator[str]:
    """The problems with their lines; of the conflicts of a row, the first one."""
    told: set[str] = set()
    for problem in problems:
        text, names = problem, _NAMES.findall(problem)
        if pair := _CONFLICT.match(problem):
            later = max(pair.groups(), key=lambda name: rows[name].line if name in rows else -1)
            if later in told:
                continue
            told.add(later)
            names = [later]
        row = next((rows[name] for name in names if name in rows), None)
        for name in names:
            if name in files:
                text = text.removesuffix(f" [{files[name].path}]")
        yield row.told(text) if row else text


def _file(found: Layers, row: LinkRow, *, update: bool) -> PlannedFile:
    path = path_of(found.main, row.name)
    before = _read(path)
    elsewhere = [place for place in homes(found, row.name) if place != str(path)]
    if elsewhere:
        raise ConfigError([f"links.{row.name}: stands in {elsewhere[0]}; change it there"])
    if before is None:
        return PlannedFile(path=path, text=link_text.new(row), before=None)
    table = toml.loads(path, before.encode())
    if not isinstance(links := table.get(LINKS), Mapping) or row.name not in links:
        raise ConfigError(
            [f"{path}: is there, and has no links.{row.name}; take it away, or name another link"]
        )
    if not update and not link_text.says(table, row):
        raise ConfigError([f"links.{row.name}: exists already, in {path}; --update changes it"])
    return PlannedFile(path=path, text=link_text.updated(path, before, row), before=before)


def path_of(main: Path, name: str) -> Path:
    """The file of a link beside the configuration."""
    return main.parent.absolute() / FOLDER / f"{name}.toml"


def homes(found: Layers, name: str) -> list[str]:
    """Where a link's own keys stand: files, and variables of the environment."""
    origins = (
        given.origin or str(found.main)
        for key, given in found.given.items()
        if key[:2] == (LINKS, name) and given.key[:1] == (LINKS,)
    )
    return [os.path.normpath(each) if "/" in each else each for each in dict.fromkeys(origins)]


def _read(path: Path) -> str | None:
    """What a file holds; None where there is none.

    Raises:
        ConfigError: it is no plain file, or cannot be read.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            what = "a symbolic link" if stat.S_ISLNK(mode) else "not a file"
            raise ConfigError([f"{path}: {what}; nothing is written in its place"])
        return toml.held(path).decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(
            [f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"]
        ) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error


# --- writing


def write(plan: Plan) -> None:
    """Write the files of a plan, each whole or not at all.

    Raises:
        ConfigError: a file cannot be written, or was changed since the plan was made.
    """
    wanted = [file for file in plan.files.values() if file.before != file.text]
    folder = plan.main.parent.absolute() / FOLDER
    ready: list[tuple[Path, Path]] = []
    done: list[str] = []
    try:
        like = plan.main.stat()
        if wanted and not folder.is_dir():
            folder.mkdir()
            _give(folder, like, 0o111)
        ready.extend((_beside(file, like), file.path) for file in wanted)
        for file in wanted:
            if _read(file.path) != file.before:
                raise ConfigError(
                    [f"{file.path}: was changed meanwhile, nothing was written; run it again"]
                )
        for temporary, path in ready:
            temporary.replace(path)
            done.append(path.name)
        _to_disk(folder)
    except OSError as error:
        why = f"{error.filename or folder}: cannot be written: {error.strerror or error}"
        kept = f"written were only {', '.join(done)}" if done else "nothing was written"
        raise ConfigError([f"{why}; {kept}"]) from error
    finally:
        for temporary, _ in ready[len(done) :]:
            temporary.unlink(missing_ok=True)


def _beside(file: PlannedFile, like: os.stat_result) -> Path:
    """Write the text to a new file in the same folder, which no pattern of an include finds."""
    temporary = file.path.with_name(f".{file.path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8", newline="") as out:
        try:
            out.write(file.text)
            out.flush()
            _give(temporary, like if file.before is None else file.path.stat())
            os.fsync(out.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    return temporary


def _give(path: Path, like: os.stat_result, more: int = 0) -> None:
    """Let the same people read it that read the configuration."""
    mode = like.st_mode & 0o666
    path.chmod(mode | (more & (mode >> 2 | 0o100)))
    with suppress(PermissionError):
        os.chown(path, like.st_uid, like.st_gid)


def _to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(config: Path | None) -> Iterator[None]:
    """Keep other commands from changing the files meanwhile: each checks all of them together.

    Raises:
        ConfigError: another one is at it.
    """
    main = find_config(config, env=os.environ, cwd=working_directory())
    try:
        handle = os.open(main, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError([f"{main}: cannot be read: {error.strerror or error}"]) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigError(
            [f"{main}: another `syncd link` command is changing its links; run this one again"]
        ) from error
    finally:
        os.close(handle)


def remove(config: Path | None, name: str) -> Path:
    """Take a link's file away; gives where what a person wrote into it is kept, else the file.

    Raises:
        ConfigError: there is no such link, or it stands elsewhere too.
    """
    env, cwd = os.environ, working_directory()
    found = gather(find_config(config, env=env, cwd=cwd), env=env, cwd=cwd)
    path = path_of(found.main, name)
    elsewhere = [place for place in homes(found, name) if place != str(path)]
    if elsewhere:
        raise ConfigError([f"links.{name}: stands in {elsewhere[0]}; take it away there"])
    if wrong := name_problem(name) or (_read(path) is None and _unknown(name, found)):
        raise ConfigError([wrong])
    others = [each for each in found.links if each != name and str(path) in homes(found, each)]
    if others:
        raise ConfigError(
            [f"{path}: holds links.{others[0]} too; take [links.{name}] out of it by hand"]
        )
    kept = path if link_text.written_by_us(path, _read(path) or "", name) else _free(path)
    try:
        if kept == path:
            path.unlink()
        else:
            path.replace(kept)
        _to_disk(path.parent)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be removed: {error.strerror or error}"]) from error
    return kept


def _free(path: Path) -> Path:
    """A name beside it that nobody has."""
    names = (f"{path.name}.removed{number or ''}" for number in count())
    return next(each for name in names if not os.path.lexists(each := path.with_name(name)))


def _unknown(name: str, found: Layers) -> str:
    return f"links.{name}: no such link{did_you_mean(name, found.links)}"
