"""A few breakages in every hunt: the properties still notice what they noticed.

The whole list takes long; `.ci/breakages` runs it. Which few is a
matter of SYNCD_TEST_BREAKAGES, a number: each chooses others, in turn.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mutants import MUTANTS, Mutant
from run_mutants import copied, tried

FILES = (
    "core/plan.py",
    "core/guards.py",
    "engine/writes.py",
    "engine/recover/recover.py",
    "engine/apply/executor.py",
)
"""One of each: planner, guards, intents, recovery and apply."""
HISTORIES = 0
"""The aimed ones alone: what needs more is marked `rare`, and left to the whole list."""
SEED = int(os.environ.get("SYNCD_TEST_BREAKAGES", "0"))  # noqa: TID251 - for the tests
PLAIN = [[each for each in MUTANTS if each.file == file and not each.rare] for file in FILES]
CHOSEN = [among[SEED % len(among)] for among in PLAIN]


@pytest.mark.hunt
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda each: each.file)
def test_a_mutant_is_killed(mutant: Mutant, tmp_path: Path) -> None:
    assert tried(copied(tmp_path / "copy"), mutant, HISTORIES).noticed_by
