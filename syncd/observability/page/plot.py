"""The axis of a day: what was written in each half hour, newest on the right, and what went wrong.

Plain SVG without text in it, so that it may be stretched to any width; the hours
stand below it, and what it says is told in words as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import log1p
from typing import TYPE_CHECKING

from syncd.core.model import Side
from syncd.observability import words

if TYPE_CHECKING:
    from syncd.observability.page.render import Days

SLOT = timedelta(minutes=30)
SLOTS = 48
STEP, HEIGHT = 20, 100
WIDTH = STEP * SLOTS
_TOP = 14
"""The room above the bars, for the marks of trouble."""


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
    """One half hour."""

    title: str
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class Mark:
    """A time below the axis."""

    share: float
    """How far along the axis, in percent."""
    told: str


def draw(days: Days, now: datetime, zone: tzinfo) -> list[Column]:
    """The half hours in which something happened, oldest first."""
    written: dict[Side, Counter[int]] = {side: Counter() for side in Side}
    for event in days.events:
        if (slot := _slot(event.at, now)) is not None:
            written[event.side][slot] += 1
    trouble = Counter(slot for at, _ in days.trouble if (slot := _slot(at, now)) is not None)
    most = max((sum(written[side][slot] for side in Side) for slot in range(SLOTS)), default=0)
    return [
        _column(slot, {side: written[side][slot] for side in Side}, trouble[slot], most, now, zone)
        for slot in range(SLOTS)
        if trouble[slot] or any(written[side][slot] for side in Side)
    ]


def described(days: Days, now: datetime) -> str:
    """The drawing in one sentence."""
    lately = [event for event in days.events if _slot(event.at, now) is not None]
    counted = Counter(event.side for event in lately)
    told = [f"{counted[side]:,} written in {side.label}" for side in Side]
    failed = sum(_slot(at, now) is not None for at, _ in days.trouble)
    told.append(f"{words.count(failed, 'cycle')} with trouble" if failed else "no trouble")
    return f"The last 24 hours: {', '.join(told)}"


def hours(now: datetime, zone: tzinfo) -> Iterator[Mark]:
    """Every sixth hour of the axis, by the clock of the zone."""
    start = now - SLOTS * SLOT
    first = start.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    for number in range(1, 25):
        at = first + timedelta(hours=number)
        share = (at - start) / (now - start) * 100
        if at.hour % 6 == 0 and share <= 94:
            yield Mark(round(share, 2), at.strftime("%H:%M"))


def _slot(at: datetime, now: datetime) -> int | None:
    back = int((now - at) / SLOT)
    return SLOTS - 1 - back if 0 <= back < SLOTS and at <= now else None


def _column(
    slot: int, written: dict[Side, int], trouble: int, most: int, now: datetime, zone: tzinfo
) -> Column:
    x, boxes, base = slot * STEP, [], float(HEIGHT)
    if trouble:
        boxes += [_box("failed", x, 0, STEP, HEIGHT), _box("cross", x + 5, 2, STEP - 10, 8)]
    total = sum(written.values())
    # A first sync of thousands must not press the ones and twos of later hours flat.
    full = max(6.0, (HEIGHT - _TOP) * log1p(total) / log1p(most)) if total else 0.0
    for side, number in written.items():
        if number:
            height = full * number / total
            base -= height
            boxes.append(_box(side.value, x + 3, base, STEP - 6, height))
    # The whole column answers the pointer with its title.
    boxes.append(_box("all", x, 0, STEP, HEIGHT))
    start = (now - (SLOTS - slot) * SLOT).astimezone(zone)
    told = [f"{number:,} in {side.label}" for side, number in written.items() if number]
    if trouble:
        told.append(f"{words.count(trouble, 'cycle')} with trouble")
    return Column(f"from {start:%H:%M}: {', '.join(told)}", boxes)


def _box(kind: str, *place: float) -> Box:
    return Box(kind, *(round(each, 1) for each in place))
