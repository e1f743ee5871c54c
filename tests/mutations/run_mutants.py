"""Break copies of the package on purpose, and see whether the tests notice.

    .ci/breakages [--only NAME ...] [--under engine] [--histories N]

Every breakage of `mutants` is applied, one at a time, to a copy in a
temporary folder; there the tests that could notice it run, in one process,
until the first of them fails: the properties, the simulation's histories, and
then the examples of the package that is broken. Before that, all of them must
pass on the package as it is. `--jobs` breakages are tried at the same time,
each in a copy of its own. Histories of the kinds that a breakage names are
played first for it, then those that noticed others, which changes nothing but
the time that it takes. Prints a table, and with `--write` writes it to a page
with the commit that it was run on; ends with 1 where fewer than 95 % were
noticed. The work tree is not broken. `test_sample` tries a few of them in
every hunt.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from time import monotonic  # noqa: TID251 - a script that times programs

from mutants import AIMED_AT, MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
PROPERTIES = tuple(
    f"tests/properties/test_{name}.py"
    for name in (
        "life",
        "merge",
        "statuses",
        "matching",
        "every_history",
        "traces",
        "series",
        "decisions",
    )
)
"""The sharpest first. They play the core alone, so they say nothing of the engine."""
SIMULATION = ("tests/simulation/test_simulation.py::test_aimed_and_drawn_histories_end_well",)
EXAMPLES = {
    "connections": ("tests/connections", "tests/live"),
    "core": ("tests/core", "tests/engine"),
    "engine": ("tests/engine",),
    "live": ("tests/live",),
    "ports": ("tests/providers", "tests/engine"),
    "providers": ("tests/providers", "tests/engine"),
    "store": ("tests/store", "tests/connections", "tests/live", "tests/engine"),
}
"""The tests that give examples of what a package does, the quickest first."""
HUNTERS = ("tests/properties/", "history ")
"""How those begin that look for what nobody thought of: the properties and the histories."""
HISTORIES = 3
"""So many drawn histories try to notice a breakage, after the aimed ones."""
GOAL = 0.95
STRIDE = 12
"""Every so many-th of the aimed histories tries to notice it, beside those of the hinted kinds."""
JOBS = 2
PATIENCE = 1800
"""Seconds for one breakage; one that makes the judges run for ever was noticed."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one breakage."""

    mutant: Mutant
    noticed_by: str
    """The test or the history that failed; "" where nobody noticed."""

    @property
    def told(self) -> str:
        """The same, for a table."""
        # The number of a history says little to a reader, and changes with the list.
        kind = re.fullmatch(r"history (\w+)-\d+", self.noticed_by)
        test = self.noticed_by.rpartition("::")[2]
        return f"a history `{kind[1]}`" if kind else test or "nothing"


class Jury:
    """Several copies, each for one breakage at a time, and what noticed something so far."""

    def __init__(self, folder: Path, histories: int, stride: int, jobs: int) -> None:
        self._histories, self._stride = histories, stride
        self._copies = SimpleQueue[Path]()
        for number in range(jobs):
            self._copies.put(copied(folder / f"copy-{number}"))
        self._eager: list[str] = []
        self._lock = Lock()

    def sound(self) -> str:
        """Who fails on the unbroken package; "" where nobody does."""
        copy = self._copies.get()
        self._copies.put(copy)
        examples = {each for folders in EXAMPLES.values() for each in folders}
        judges = (*PROPERTIES, *SIMULATION, *sorted(examples))
        return noticed(copy, judges, self._histories, stride=self._stride)

    def try_it(self, mutant: Mutant) -> Result:
        """Try one breakage, and tell what came of it."""
        began, copy = monotonic(), self._copies.get()
        with self._lock:
            hint = mutant.hint or AIMED_AT.get(mutant.file, "")
            eager = [*hint.split(), *self._eager]
        try:
            examples = EXAMPLES[mutant.file.partition("/")[0]]
            result = tried(copy, mutant, self._histories, eager, self._stride, examples)
        finally:
            self._copies.put(copy)
        with self._lock:
            if result.noticed_by and not mutant.hint:
                known = result.noticed_by.removeprefix("history ")
                self._eager = [known, *(each for each in self._eager if each != known)]
            took = f"{monotonic() - began:4.0f} s"
            print(f"{took} {result.told:60} {mutant.name}", flush=True)
        return result


def main(arguments: list[str]) -> int:
    """Run what was asked for; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="names of breakages")
    parser.add_argument("--under", default="", help="breakages of files below this folder")
    parser.add_argument("--histories", type=int, default=HISTORIES, help="drawn ones, for each")
    parser.add_argument("--stride", type=int, default=STRIDE, help="every so many-th aimed one")
    parser.add_argument("--jobs", type=int, default=JOBS, help="so many at the same time")
    parser.add_argument("--write", type=Path, help="the page to write the result to")
    parser.add_argument("--unchecked", action="store_true", help="skip the unbroken package")
    asked = parser.parse_args(arguments)
    chosen = [
        each
        for each in MUTANTS
        if each.file.startswith(asked.under) and (not asked.only or each.name in asked.only)
    ]
    with tempfile.TemporaryDirectory(prefix="breakages-") as folder:
        jury = Jury(Path(folder), asked.histories, asked.stride, asked.jobs)
        sound = "" if asked.unchecked else jury.sound()
        if sound:
            print(f"{sound} fails on the unbroken package: mend that first", file=sys.stderr)
            return 2
        with ThreadPoolExecutor(asked.jobs) as pool:
            # Those that name a hint are the harder ones.
            results = list(pool.map(jury.try_it, sorted(chosen, key=lambda each: not each.hint)))
    results.sort(key=lambda each: chosen.index(each.mutant))
    page = _page(results, _commit(), datetime.now(UTC).date().isoformat())  # noqa: TID251 - a script
    print(f"\n{page}")
    if asked.write and len(chosen) == len(MUTANTS):
        asked.write.write_text(page, encoding="utf-8")
    count = sum(bool(each.noticed_by) for each in results)
    return 0 if results and count >= GOAL * len(results) else 1


def copied(target: Path) -> Path:
    """A copy of the package and its tests that may be broken."""
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in ("syncd", "migrations", "tests", "tools"):
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in ("pyproject.toml", "config.example.toml"):
        shutil.copy(ROOT / name, target / name)
    return target


def tried(
    copy: Path,
    mutant: Mutant,
    histories: int,
    eager: Sequence[str] = (),
    stride: int = 1,
    examples: Sequence[str] = (),
) -> Result:
    """Break the copy, let the judges look, the eager histories first, and mend it again."""
    path = copy / "syncd" / mutant.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(mutant.applied_to(whole), encoding="utf-8")
    try:
        judges = (*_judges(mutant.file), *examples)
        who = noticed(copy, judges, histories, eager, stride)
        return Result(mutant=mutant, noticed_by=who)
    finally:
        path.write_text(whole, encoding="utf-8")


def _judges(file: str) -> tuple[str, ...]:
    """Who looks at a breakage of this file, the sharpest first."""
    if not file.startswith("core"):
        return (PROPERTIES[-1], *SIMULATION)
    if file.endswith("guards.py"):
        # It takes whole cycles to trip one.
        return (PROPERTIES[0], *SIMULATION, *PROPERTIES[1:])
    return (*PROPERTIES, *SIMULATION)


def noticed(
    copy: Path,
    judges: Sequence[str],
    histories: int,
    eager: Sequence[str] = (),
    stride: int = 1,
) -> str:
    """The first test or history that fails; "" where none does."""
    inherited = os.environ  # noqa: TID251 - a script that starts other programs
    environment = {
        **inherited,
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "",
        "HYPOTHESIS_PROFILE": "quick",
        "SYNCD_TEST_HISTORIES": str(histories),
        "SYNCD_TEST_FIRST": " ".join(eager),
        "SYNCD_TEST_STRIDE": str(stride),
        "SYNCD_TEST_BROKEN": "1",
    }
    options = ["-x", "-q", "-s", "--tb=no", "--no-header", "-m", "not postgres and not hunt"]
    options += ["-p", "no:cacheprovider", "--numprocesses=0"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *judges],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "the time that a run may take"
    if not done.returncode:
        return ""
    told = re.search(r"^(history \S+):$", done.stdout, re.MULTILINE)
    failed = told or re.search(r"^(?:FAILED|ERROR) (\S+\.py(?:::\w+)?)", done.stdout, re.MULTILINE)
    if not failed:
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
    return failed[1]


def _commit() -> str:
    """The commit that the work tree shows, and whether it was changed since."""
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run(
        [*git, "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def _page(results: Sequence[Result], commit: str, day: str) -> str:
    """What came of it, as the page that `.ci/breakages` writes."""
    count = sum(bool(each.noticed_by) for each in results)
    hunted = sum(each.noticed_by.startswith(HUNTERS) for each in results)
    share = 100 * count // max(1, len(results))
    rows = [f"| {each.mutant.name} | `{each.mutant.file}` | {each.told} |" for each in results]
    return "\n".join(
        (
            "# Broken on purpose",
            "",
            "`.ci/breakages` writes this page ([how](../tests/simulation/README.md)).",
            "",
            f"Run on {day}, on commit `{commit}`.",
            f"**{count} of {len(results)} were noticed** ({share} %).",
            f"By a property or a history: {hunted}; by an example: {count - hunted}.",
            f"The goal is {GOAL * 100:.0f} %.",
            "",
            "| breakage | file | noticed by |",
            "|---|---|---|",
            *rows,
            "",
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
