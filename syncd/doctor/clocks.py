"""Compares the vendors' clocks with ours, from the `Date` of their answers; pure.

The stamp is to the second and older than the answer's arrival, so a difference
of a few seconds means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from syncd.core.model import Side
from syncd.doctor.finding import Finding, ok, warning

AREA = "clock"
NOTICED = 30.0
"""Seconds from which a difference is reported."""
TOLERATED = 600.0
"""Seconds by which HubSpot's polls reach back: beyond that, changes may be missed."""


def judge(skews: dict[Side, float | None]) -> Iterator[Finding]:
    """`skews`: how many seconds each vendor's clock is ahead of ours; None if unknown."""
    known = {side: skew for side, skew in skews.items() if skew is not None}
    if not known:
        return
    worst = max(abs(skew) for skew in known.values())
    shown = ", ".join(f"{side.label} {skew:+.0f} s" for side, skew in known.items())
    if worst < NOTICED:
        yield ok(AREA, f"agrees with the vendors' ({shown})")
        return
    ours = len(known) > 1 and min(abs(skew) for skew in known.values()) >= NOTICED
    danger = (
        "changes in HubSpot may be missed until the next full cycle"
        if worst > TOLERATED
        else "the later edit in a conflict may be judged wrongly"
    )
    yield warning(
        AREA,
        f"differs from the vendors' ({shown}): {danger}",
        "set this machine's clock with NTP"
        if ours
        else 'nothing to do here; `conflict = "ghl"` or "hubspot" does not use clocks',
    )
