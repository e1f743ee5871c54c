"""Files that verbs write for their owner alone: whole, or as they were before."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

import click


def begins_with(mark: str) -> Callable[[Path], bool]:
    """For `check`: whether a file begins with this mark."""

    def look(path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(len(mark.encode())) == mark.encode()

    return look


def check(
    path: Path,
    is_ours: Callable[[Path], bool],
    store: Path | None = None,
    *,
    otherwise: str = "something else",
    option: str = "--out ",
) -> None:
    """See that a file may be written there, before the work begins.

    It replaces only what `is_ours` says the same verb wrote; the `store` need
    not be there yet.

    Raises:
        UsageError: something else has that name, or nothing can be written there.
    """
    from syncd.store.engine import belongs_to

    if store is not None and belongs_to(store, path):
        raise click.UsageError(f"{option}{path}: this is the store's name: name another file")
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise click.UsageError(f"{option}{path}: a symbolic link: name the file itself")
        if not stat.S_ISREG(mode):
            raise click.UsageError(f"{option}{path}: not a regular file: name another one")
        ours = is_ours(path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise click.UsageError(f"{option}{path}: there is no such folder") from None
        return
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise click.UsageError(f"{option}{path}: {why}: name another file") from error
    if not ours:
        raise click.UsageError(
            f"{option}{path}: exists already and is {otherwise}: name a new file, "
            "or remove that one"
        )


def write(path: Path, lines: str | Iterable[str], *, option: str = "--out ") -> None:
    """Write a text, readable by its owner alone.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        handle, name = mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error, option) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.writelines([lines] if isinstance(lines, str) else lines)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException as error:
        with suppress(OSError):
            Path(name).unlink()
        if isinstance(error, OSError):
            raise _unwritable(path, error, option) from error
        raise


def _unwritable(path: Path, error: OSError, option: str) -> click.UsageError:
    return click.UsageError(f"{option}{path}: cannot be written: {error.strerror or error}")
