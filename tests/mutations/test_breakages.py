"""The list of breakages stays true to the code; `break_it` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from breakages import BREAKAGES, Breakage

PACKAGE = Path(__file__).resolve().parents[2] / "syncd"


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.name)
def test_a_breakage_breaks_exactly_one_place_and_still_is_python(breakage: Breakage) -> None:
    text = (PACKAGE / breakage.file).read_text(encoding="utf-8")
    broken = breakage.applied_to(text)
    assert broken != text
    compile(broken, breakage.file, "exec")


def test_there_are_at_least_sixty_of_different_names() -> None:
    assert len({breakage.name for breakage in BREAKAGES}) == len(BREAKAGES) >= 60
