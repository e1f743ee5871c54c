"""Which pairs were verified when: one value for each link, however many pairs it has.

A full cycle and an audit look at every pair that is not retired. The pairs
that they could not see, or that differ without a reason, are exceptions, each
with the time of its own last look. `engine` writes the value, `observability`
shows what it says. Retired pairs lie outside the window on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.core.model import Side

LOOK = "verified"
"""State of a link: the last `Look`, as JSON."""

AUDITED = "audited"
"""State of a link: what the last audit found, as JSON."""

DAY = timedelta(hours=24)

MOST = 10_000
"""So many exceptions are remembered. A look with more of them does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The last look at all pairs of a link."""

    at: datetime
    through: int = 0
    """The highest pair key then: later pairs have not been looked at."""
    retired: int = 0
    """Living pairs that nobody looks at any more."""
    others: Mapping[int, datetime | None] = field(default_factory=dict)
    """By pair key: pairs that this look does not cover, and when they were last verified."""

    def written(self) -> str:
        """The value as it is stored."""
        others = {str(key): at.isoformat() if at else None for key, at in self.others.items()}
        return json.dumps(
            {
                "at": self.at.isoformat(),
                "through": self.through,
                "retired": self.retired,
                "others": others,
            }
        )

    def verified_at(self, key: int) -> datetime | None:
        """When a pair was verified last."""
        return self.others.get(key, self.at if key <= self.through else None)


def read(stored: str) -> Look | None:
    """The stored value; None where there is none, or where it cannot be understood."""
    try:
        held = json.loads(stored) if stored else None
        if not held:
            return None
        return Look(
            at=datetime.fromisoformat(held["at"]),
            through=int(held["through"]),
            retired=int(held["retired"]),
            others={
                int(key): datetime.fromisoformat(at) if at else None
                for key, at in held["others"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def next_look(
    before: Look | None,
    *,
    at: datetime,
    through: int,
    retired: int,
    missed: Collection[int],
    doubted: Collection[int] = (),
) -> Look | None:
    """The value after a look that did not cover the `missed` pairs; None where it has too many.

    Of the `doubted` ones, whose difference nothing explains, no earlier look counts either.
    """
    if len(missed) > MOST:
        return None
    others = {key: before.verified_at(key) if before else None for key in missed}
    others |= dict.fromkeys(doubted)
    return Look(at=at, through=through, retired=retired, others=others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How many pairs were looked at in the last 24 hours and found equal or explained."""

    count: int = 0
    pairs: int = 0
    """Of so many that are not retired."""
    oldest: datetime | None = None


def verified(look: Look | None, pairs: int, since: int, now: datetime) -> Verified:
    """The figures of a link with so many living `pairs`, `since` of them made after the look."""
    if look is None:
        return Verified(pairs=pairs)
    in_scope = max(0, pairs - look.retired)
    covered = max(0, in_scope - since - len(look.others))
    fresh = now - look.at <= DAY
    times = [at for at in look.others.values() if at is not None and now - at <= DAY]
    oldest = [*times, *([look.at] if fresh and covered else [])]
    return Verified(
        count=min(in_scope, (covered if fresh else 0) + len(times)),
        pairs=in_scope,
        oldest=min(oldest, default=None),
    )


def read_audited(stored: str) -> Mapping[str, Any]:
    """What an audit kept, see `engine.audit.report`; empty where there was none."""
    try:
        held = json.loads(stored) if stored else {}
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def unexplained(audited: Mapping[str, Any]) -> frozenset[int]:
    """The keys of the pairs whose differences an audit could not explain."""
    return frozenset(int(each["key"]) for each in audited.get("found") or ())


def doubted(stored: str) -> dict[Side, set[str]]:
    """The records of those pairs, by side: the next full cycle reads and judges them."""
    found = read_audited(stored).get("found") or ()
    return {side: {str(each[f"{side}_id"]) for each in found} for side in Side} if found else {}


def without(stored: str, keys: Collection[int]) -> str:
    """What an audit kept, without the pairs that were written or agreed on since."""
    audited = dict(read_audited(stored))
    found = [each for each in audited.get("found") or () if each["key"] not in keys]
    left = {each["key"] for each in found}
    settled = unexplained(audited) - left
    count = max(0, int(audited.get("unexplained") or 0) - len(settled))
    return json.dumps({**audited, "found": found, "unexplained": count})


def forgotten(stored: str, names: Collection[str]) -> str:
    """What an audit kept, without the pairs of which one of these is a record."""
    found = read_audited(stored).get("found") or ()
    keys = {each["key"] for each in found if {each["ghl_id"], each["hubspot_id"]} & {*names}}
    return without(stored, keys)
