"""A few breakages in every run: the properties still notice what they noticed.

The whole list takes long; `break_it` runs it on demand. Which few is a
matter of SYNCD_TEST_BREAKAGES, a number: each chooses others, in turn.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from break_it import copied, tried
from breakages import BREAKAGES

SAMPLE = 5
HISTORIES = 25
SEED = int(os.environ.get("SYNCD_TEST_BREAKAGES", "0"))  # noqa: TID251 - for the tests
PLAIN = [breakage for breakage in BREAKAGES if not breakage.rare]
CHOSEN = [
    PLAIN[(SEED + number * (len(PLAIN) - 1) // (SAMPLE - 1)) % len(PLAIN)]
    for number in range(SAMPLE)
]
"""Spread over the list, so that planner, guards, intents and recovery all take part."""


@pytest.mark.timeout(600)
def test_a_few_breakages_are_noticed(tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    survived = [each.name for each in CHOSEN if not tried(copy, each, HISTORIES).noticed_by]
    assert not survived, "the properties let these pass"
