"""The file in which `syncd plan --out` keeps a plan, and which `syncd apply` reads.

A plan only ever replaces a plan: whatever else has that name, be it the store,
the configuration, a link or a device, stays as it is, and nothing is planned.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from syncd.engine.report import CycleReport

LARGEST = 256 * 2**20
"""Bytes: a plan of half a million writes."""


def check(path: Path, store: Path | None = None) -> None:
    """Make sure that a plan may be kept under this name; the `store` need not be there yet.

    Raises:
        UsageError: something else has that name, or nothing can be written there.
    """
    from syncd.store.engine import belongs_to

    if store is not None and belongs_to(store, path):
        raise click.UsageError(f"--out {path}: this is the store's name: name another file")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise click.UsageError(f"--out {path}: there is no such folder") from None
        return
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise click.UsageError(f"--out {path}: {why}: name another file") from error
    if stat.S_ISLNK(mode):
        raise click.UsageError(f"--out {path}: a symbolic link: name the file itself")
    if not stat.S_ISREG(mode):
        raise click.UsageError(f"--out {path}: not a regular file: name another one")
    try:
        read(path)
    except click.UsageError:
        raise click.UsageError(
            f"--out {path}: exists already and is no plan of syncd: name a new file, "
            "or remove that one"
        ) from None


def write(path: Path, reports: Mapping[str, CycleReport]) -> None:
    """Keep the plans of a dry run, readable by their owner alone: they name people's appointments.

    The file is there whole or as it was before.

    Raises:
        UsageError: as `check` does.
    """
    check(path)
    try:
        handle, name = mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)  # for its owner alone
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "links": _plans(reports)}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException as error:
        with suppress(OSError):
            Path(name).unlink()
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _unwritable(path: Path, error: OSError) -> click.UsageError:
    return click.UsageError(f"--out {path}: cannot be written: {error.strerror or error}")


def _plans(reports: Mapping[str, CycleReport]) -> dict[str, object]:
    from syncd.engine.planned_writes import digest, in_one_line, planned_as_json

    return {
        name: {
            "writes": [
                {"digest": digest(write), "says": in_one_line(write), **planned_as_json(write)}
                for write in report.planned
                if write.goes_out
            ]
        }
        for name, report in reports.items()
        if report.planned is not None
    }


def read(path: Path) -> dict[str, dict[str, str]]:
    """The writes of each link: what a person was shown, by its digest.

    Raises:
        UsageError: the file cannot be read, or is no plan.
    """
    try:
        with path.open("rb") as file:
            kept = json.loads(file.read(LARGEST).decode("utf-8"))
        _ = kept["version"]
        return {
            str(name): {str(write["digest"]): str(write["says"]) for write in link["writes"]}
            for name, link in kept["links"].items()
        }
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise click.UsageError(
            f"{path} is not a plan of this syncd: make one with `syncd plan --out FILE`"
        ) from error
