"""Instances of recurring appointments that moved, found again under their new id.

`engine.poll` calls this for instances whose id HighLevel does not know any
more. An instance's id holds its start and length, so a moved one is a new id.
Leaves out those that are there, were deleted, or could not be asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from syncd.core.model import Pair, Snapshot

LONE = timedelta(days=31)
"""How far an instance may have moved of which no other shows the series' step."""

CLOCK_CHANGE = timedelta(hours=2)
_NEVER = datetime.min.replace(tzinfo=UTC)


def rejoin_series(
    vanished: Sequence[Pair], arrivals: Iterable[Snapshot], listed: Iterable[Snapshot] = ()
) -> dict[int, Snapshot]:
    """Which instance is which now: pair key → the instance under its new id.

    It is found by its series and its place in it. Where a whole series moved,
    by one span, its instances keep their order. Else the nearest are joined,
    and none that lies a step of the series away or more: that one is another
    instance. The step is what lies mostly between those that did not move,
    `listed` or known, and where the vanished ones stood.
    """
    found = _by_master(arrivals)
    standing = _by_master(listed)
    departed: dict[str, list[Pair]] = defaultdict(list)
    for pair in vanished:
        if pair.series and pair.ghl.start:
            departed[pair.series.master].append(pair)
    joined: dict[int, Snapshot] = {}
    for master, pairs in departed.items():
        came = found.get(master, [])
        ids = {each.id for each in came}
        others = [each for each in standing.get(master, []) if each.id not in ids]
        joined |= _joined(pairs, came, others)
    return joined


def _by_master(records: Iterable[Snapshot]) -> dict[str, list[Snapshot]]:
    found: dict[str, list[Snapshot]] = defaultdict(list)
    for record in records:
        if record.series and not record.gone and record.appointment.start:
            found[record.series.master].append(record)
    return found


def _joined(
    pairs: list[Pair], arrivals: list[Snapshot], others: list[Snapshot]
) -> dict[int, Snapshot]:
    pairs = sorted(pairs, key=lambda pair: (_left(pair), pair.key))
    arrivals = sorted(arrivals, key=lambda record: (_start(record), record.id))
    if len(pairs) == len(arrivals) > 1 and not others and _is_one_move(pairs, arrivals):
        return {pair.key: record for pair, record in zip(pairs, arrivals, strict=True)}
    step = _step([*map(_left, pairs), *map(_start, others)])
    joined: dict[int, Snapshot] = {}
    taken: set[str] = set()
    near = [(abs(_start(each) - _left(pair)), pair, each) for pair in pairs for each in arrivals]
    for away, pair, record in sorted(near, key=lambda each: each[0]):
        if away < step and pair.key not in joined and record.id not in taken:
            joined[pair.key] = record
            taken.add(record.id)
    return joined


def _is_one_move(pairs: Sequence[Pair], arrivals: Sequence[Snapshot]) -> bool:
    """Whether all of them moved by the same span, but for a clock change that some lie behind."""
    shifts = [_start(record) - _left(pair) for pair, record in zip(pairs, arrivals, strict=True)]
    return max(shifts) - min(shifts) <= CLOCK_CHANGE and max(map(abs, shifts)) <= LONE


def _step(starts: Iterable[datetime]) -> timedelta:
    """What lies mostly between two instances; none is further from its place than that."""
    gaps = sorted(later - earlier for earlier, later in pairwise(sorted(set(starts))))
    return min(gaps[(len(gaps) - 1) // 2], LONE) if gaps else LONE


def _left(pair: Pair) -> datetime:
    """Where the vanished instance stood."""
    return pair.ghl.start or _NEVER  # only those with a start come here


def _start(record: Snapshot) -> datetime:
    return record.appointment.start or _NEVER
