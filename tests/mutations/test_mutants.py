"""The list of mutants stays true to the code; `run_mutants` runs it."""

from __future__ import annotations

import pytest
from mutants import MUTANTS, Mutant
from run_mutants import EXAMPLES, PROPERTIES, ROOT, SIMULATION

PACKAGE = ROOT / "syncd"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_a_mutant_breaks_exactly_one_place_and_still_is_python(mutant: Mutant) -> None:
    text = (PACKAGE / mutant.file).read_text(encoding="utf-8")
    broken = mutant.applied_to(text)
    assert broken != text
    compile(broken, mutant.file, "exec")


def test_there_are_at_least_sixty_of_different_names() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 60


def test_all_who_are_to_notice_it_are_there() -> None:
    judges = {*PROPERTIES, *SIMULATION, *(each for found in EXAMPLES.values() for each in found)}
    assert all((ROOT / each.partition("::")[0]).exists() for each in judges)
    assert {mutant.file.partition("/")[0] for mutant in MUTANTS} <= set(EXAMPLES)
