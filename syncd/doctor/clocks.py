"""Judges the vendors' clocks against ours, from the `Date` of their answers; pure.

The stamp is to the second and made before the answer travels, so a few
seconds say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from syncd.core.model import Side
from syncd.doctor.finding import Finding, ok, warning

AREA = "clock"
NOTICED = 30.0
"""Seconds from which a difference is worth a word."""
TOLERATED = 600.0
"""Seconds by which HubSpot's polls reach back: beyond that, changes may be missed."""


def judge(skews: dict[Side, float | None]) -> Iterator[Finding]:
    """`skews`: how many seconds each vendor's clock is ahead of ours; None where it did not say."""
    told = {side: skew for side, skew in skews.items() if skew is not None}
    if not told:
        return
    worst = max(abs(skew) for skew in told.values())
    said = ", ".join(f"{_NAMES[side]} {skew:+.0f} s" for side, skew in told.items())
    if worst < NOTICED:
        yield ok(AREA, f"agrees with the vendors' ({said})")
        return
    ours = len(told) > 1 and min(abs(skew) for skew in told.values()) >= NOTICED
    danger = (
        "changes in HubSpot may be missed until the next full cycle"
        if worst > TOLERATED
        else "who was last in a conflict may be judged wrongly"
    )
    yield warning(
        AREA,
        f"differs from the vendors' ({said}): {danger}",
        "set this machine's clock by NTP"
        if ours
        else 'nothing to do here; `conflict = "ghl"` or "hubspot" asks no clock',
    )


_NAMES = {Side.GHL: "HighLevel", Side.HUBSPOT: "HubSpot"}
