"""The file in which `syncd plan --out` keeps a plan, and which `syncd apply` reads.

A plan only ever replaces a plan: whatever else has that name, be it the store,
the configuration, a link or a device, stays as it is, and nothing is planned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli import written

if TYPE_CHECKING:
    from syncd.engine.report import CycleReport

LARGEST = 256 * 2**20
"""Bytes: a plan of half a million writes."""


def check(path: Path, store: Path | None = None) -> None:
    """Make sure that a plan may be kept under this name; raises as `written.check` does."""
    written.check(path, _is_plan, store, otherwise="no plan of syncd")


def write(path: Path, reports: Mapping[str, CycleReport]) -> None:
    """Keep the plans of a dry run, readable by their owner alone: they name people's appointments.

    The file is there whole or as it was before.

    Raises:
        UsageError: as `check` does.
    """
    check(path)
    kept = {"version": 1, "links": _plans(reports)}
    written.write(path, json.JSONEncoder(indent=2).iterencode(kept))


def _is_plan(path: Path) -> bool:
    try:
        read(path)
    except click.UsageError:
        return False
    return True


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
