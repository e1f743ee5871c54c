"""The timeline of a link: its last cycles as a small drawing, writes above, delay below.

Plain SVG without text in it, so that it may be stretched to any width; what it
says is told in words beside it. One column is one cycle, the newest on the
right; a cycle that did not end well stands on a coloured ground, with a mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p

from syncd.observability import words
from syncd.observability.heartbeat import CYCLES, STOPPED, CyclePoint

WIDTH, HEIGHT = 600, 120
_BARS = 76.0
"""The height of the writes' part; the delays' part is below it."""
_DELAYS = 34.0
LINES = (_BARS, HEIGHT - 1)
"""Where the two parts stand."""
_WELL = frozenset({"ok", STOPPED})
"""What asks nothing of anybody: a stop was asked for."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, in units of the drawing."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One cycle."""

    title: str
    boxes: list[Box]


def draw(points: Sequence[CyclePoint]) -> list[Column]:
    """The last cycles, oldest first."""
    shown = points[-CYCLES:]
    step = WIDTH / CYCLES
    most = max((point.writes for point in shown), default=0)
    slowest = max((point.delay or 0.0 for point in shown), default=0.0)
    first = CYCLES - len(shown)
    return [
        _column(point, (first + place) * step, step, most=most, slowest=slowest)
        for place, point in enumerate(shown)
    ]


def described(points: Sequence[CyclePoint]) -> str:
    """The drawing in one sentence."""
    if not points:
        return "no cycle has run yet"
    writes = sum(point.writes for point in points)
    failed = sum(point.outcome not in _WELL for point in points)
    told = [f"the last {words.count(len(points), 'cycle')}", words.count(writes, "write")]
    told.append(f"{failed} not well ended" if failed else "all ended well")
    delays = [point.delay for point in points if point.delay is not None]
    if delays:
        told.append(f"longest delay {words.span(max(delays))}")
    return ", ".join(told)


def _column(point: CyclePoint, x: float, step: float, *, most: int, slowest: float) -> Column:
    boxes = []
    if point.outcome not in _WELL:
        boxes.append(_box("failed", x, 0, step, HEIGHT))
        boxes.append(_box("cross", x + step * 0.2, 2, step * 0.6, 6))
    if point.writes:
        # A first sync of thousands must not press the ones and twos of later cycles flat.
        height = max(3.0, (_BARS - 12) * log1p(point.writes) / log1p(most))
        boxes.append(_box("writes", x + step * 0.15, _BARS - height, step * 0.7, height))
    if point.delay is not None:
        height = max(3.0, _DELAYS * (point.delay / slowest if slowest else 0.0))
        boxes.append(_box("delay", x + step * 0.3, HEIGHT - 1 - height, step * 0.4, height))
    # The whole column answers the pointer with its title.
    boxes.append(_box("all", x, 0, step, HEIGHT))
    return Column(_title(point), boxes)


def _title(point: CyclePoint) -> str:
    told = [
        f"{point.at:%H:%M:%S} {point.kind}",
        point.outcome,
        words.count(point.writes, "write"),
        words.span(point.seconds),
    ]
    if point.delay is not None:
        told.append(f"delay {words.span(point.delay)}")
    return ", ".join(told)


def _box(kind: str, *place: float) -> Box:
    return Box(kind, *(round(each, 1) for each in place))
