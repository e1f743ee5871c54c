"""The table of traps is true: every trap has a row, every row its tests, every test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).resolve().parents[1]
COUNTS = {"HighLevel": 34, "HubSpot": 33}
"""How many traps are known of each vendor."""

_ROW = re.compile(r"\| (\d+) \| (.+) \| (.+) \|")
_EXCUSE = "Does not apply"


class Row(NamedTuple):
    vendor: str
    number: int
    sentence: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.vendor}-{self.number}"


def _rows() -> list[Row]:
    found: list[Row] = []
    vendor = ""
    for line in (TESTS / "TRAPS.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            vendor = line.removeprefix("## ")
        elif row := _ROW.fullmatch(line):
            tests = tuple(re.findall(r"`([\w/.]+\.py::\w+)`", row[3]))
            found.append(Row(vendor, int(row[1]), row[2], tests))
    return found


@cache
def _tests_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("vendor", COUNTS)
def test_every_trap_has_its_row(vendor: str) -> None:
    numbers = [row.number for row in _rows() if row.vendor == vendor]
    assert numbers == list(range(1, COUNTS[vendor] + 1))


@pytest.mark.parametrize("row", _rows(), ids=str)
def test_every_row_names_tests_that_exist_or_says_why_not(row: Row) -> None:
    assert row.sentence.endswith(".")
    assert row.tests or row.sentence.startswith(_EXCUSE)
    missing = [name for name in row.tests if not _exists(name)]
    assert not missing


def _exists(name: str) -> bool:
    file, _, test = name.partition("::")
    path = TESTS / file
    return test.startswith("test_") and path.is_file() and test in _tests_of(path)


@pytest.mark.parametrize(
    "file", ["contract/test_highlevel_traps.py", "contract/test_hubspot_traps.py"]
)
def test_every_test_of_a_trap_stands_in_its_row(file: str) -> None:
    vendor = "HighLevel" if "highlevel" in file else "HubSpot"
    listed = {(row.number, name) for row in _rows() if row.vendor == vendor for name in row.tests}
    for test in _tests_of(TESTS / file):
        if number := re.match(r"test_trap_(\d+)_", test):
            assert (int(number[1]), f"{file}::{test}") in listed
