"""The table of the tests leads to files that are there, and knows every folder of tests."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = set(re.findall(r"`([\w/]+\.py)`", (TESTS / "README.md").read_text(encoding="utf-8")))


def test_every_file_of_the_table_is_there() -> None:
    lost = {name for name in NAMED if not (TESTS / name).is_file()}
    assert not lost


def test_every_folder_of_tests_has_a_row() -> None:
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/test_*.py")}
    assert folders - {name.partition("/")[0] for name in NAMED} == set()
