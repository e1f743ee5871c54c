"""Three-way comparison, group by group: the one module that is blind to sides.

Plan calls it. It compares what each side shows now with what that side showed
at the last agreement, and never looks at a clock: what counts is the value.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from syncd.core.essence import Value, is_empty


class Comparison(Enum):
    """What became of one group since the last agreement."""

    UNCHANGED = "nothing changed"
    CONVERGED = "what changed means the same on both sides"
    LEFT = "only the left side changed"
    RIGHT = "only the right side changed"
    BOTH = "both sides changed, to different things"


def compare(
    base: tuple[Value, Value], now: tuple[Value, Value], agree: Callable[[Value, Value], bool]
) -> Comparison:
    """Compare a group with the last agreement; equal results are no conflict."""
    left, right = now[0] != base[0], now[1] != base[1]
    if not left and not right:
        return Comparison.UNCHANGED
    if agree(now[0], now[1]):
        return Comparison.CONVERGED
    if left and right:
        return Comparison.BOTH
    return Comparison.LEFT if left else Comparison.RIGHT


def compare_unagreed(now: tuple[Value, Value], agree: Callable[[Value, Value], bool]) -> Comparison:
    """Compare a group that was never agreed on: an empty value takes the other's."""
    if agree(now[0], now[1]) or (is_empty(now[0]) and is_empty(now[1])):
        return Comparison.CONVERGED
    if _says_less(now[1], now[0]):
        return Comparison.LEFT
    if _says_less(now[0], now[1]):
        return Comparison.RIGHT
    return Comparison.BOTH


def _says_less(one: Value, other: Value) -> bool:
    """Whether `one` is empty, or is `other` without its end."""
    if is_empty(one):
        return True
    return (
        isinstance(one, tuple)
        and isinstance(other, tuple)
        and one[0] == other[0]
        and one[1] is None
    )
