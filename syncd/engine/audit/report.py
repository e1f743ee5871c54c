"""What an audit found, as values: the JSON of `syncd audit`, and what the store keeps of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.model import Side
from syncd.core.outcome import Outcome

MOST_KEPT = 200
"""So many unexplained differences are kept, for `syncd why` and the next full cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference of a pair."""

    pair_key: int
    ghl_id: str
    hubspot_id: str
    name: str
    """The field."""
    ghl: str | None
    hubspot: str | None
    why: str = ""
    """The reason; "" where it is unexplained."""
    agreed: Mapping[str, str | None] = field(default_factory=dict)
    """What was agreed of the field, by side."""
    missing: str = ""
    """Of an unexplained difference: the observation or the write that is missing."""
    title: str = ""

    def as_json(self) -> dict[str, object]:
        """One entry of `differences`."""
        found: dict[str, object] = {
            "ghl_id": self.ghl_id or None,
            "hubspot_id": self.hubspot_id or None,
            "field": self.name,
            "ghl": self.ghl,
            "hubspot": self.hubspot,
            "why": self.why or None,
        }
        if not self.why:
            found |= {"agreed": dict(self.agreed), "missing": self.missing}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The audit of one link."""

    link: str
    at: datetime | None = None
    """When the comparison was made."""
    outcome: Outcome = Outcome.OK
    detail: str = ""
    timezone: str = ""
    pairs: int | None = None
    """None where both sides could not be read."""
    explained: int = 0
    unexplained: int = 0
    """Pairs with at least one difference without a reason."""
    differences: Sequence[Found] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    unread: Sequence[str] = ()
    """Parts and records that could not be read, in words for a person."""
    requests: Mapping[Side, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def verified(self) -> int | None:
        """Pairs that are equal."""
        return None if self.pairs is None else self.pairs - self.explained - self.unexplained

    @property
    def exit_code(self) -> int:
        """3 where a difference is unexplained, or a part could not be read."""
        if self.outcome is Outcome.OK and (self.unexplained or self.unread):
            return Outcome.FAILED_WRITES.exit_code
        return self.outcome.exit_code

    def as_json(self) -> dict[str, object]:
        """The link's object in the JSON."""
        looked = self.pairs is not None
        found: dict[str, object] = {
            "pairs": self.pairs,
            "verified": self.verified,
            "explained": self.explained if looked else None,
            "unexplained": self.unexplained if looked else None,
            "differences": [each.as_json() for each in self.differences],
            "left_out": dict(self.left_out),
            "at": self.at.isoformat(timespec="seconds") if self.at else None,
            "requests": {side.value: count for side, count in self.requests.items()},
            "seconds": round(self.seconds, 3),
        }
        if not looked:
            found["outcome"] = self.outcome.value
        if self.detail:
            found["detail"] = self.detail
        if self.unread:
            found["unread"] = list(self.unread)
        return found

    def kept(self) -> str:
        """What the store keeps of the audit: its counts, and what is unexplained."""
        unexplained = [each for each in self.differences if not each.why]
        return json.dumps(
            {
                "at": self.at.isoformat() if self.at else None,
                "pairs": self.pairs,
                "explained": self.explained,
                "unexplained": self.unexplained,
                "found": [
                    {
                        "key": each.pair_key,
                        "ghl_id": each.ghl_id,
                        "hubspot_id": each.hubspot_id,
                        "field": each.name,
                        "ghl": each.ghl,
                        "hubspot": each.hubspot,
                        "agreed": dict(each.agreed),
                        "missing": each.missing,
                    }
                    for each in unexplained[:MOST_KEPT]
                ],
            }
        )
