"""How much code a reader meets on the way of one edited title: it may only become less."""

from __future__ import annotations

from tools import main_path

MODULES = 26
TYPES = 93


def test_the_way_of_an_edited_title_is_short() -> None:
    visit = main_path.one_edited_title()
    assert len(visit.modules) <= MODULES, visit.modules
    assert len(visit.types) <= TYPES, visit.types
    assert visit.modules[0] == "engine/cycle.py"
