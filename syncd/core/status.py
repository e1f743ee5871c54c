"""Status translation: two tables, as values.

Adapters and configuration fill the tables; merge and plan ask them. A value
in neither table is never guessed. Where several HighLevel statuses share one
HubSpot value, that value agrees with each of them, so that an echo never
turns `new` into `confirmed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.core.model import Side

GHL_STATUSES = ("new", "confirmed", "showed", "noshow", "cancelled", "invalid")
"""The statuses that HighLevel documents for reading and writing (v2)."""

CANCELLED = "cancelled"
OVER = frozenset({"showed", "noshow", CANCELLED})
"""HighLevel statuses that a removal across no longer cancels (promise 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTable:
    """The translation of statuses; HubSpot values in the account's spelling."""

    to_hubspot: Mapping[str, str]
    to_ghl: Mapping[str, str]

    def translate(self, side: Side, value: str) -> str | None:
        """The other side's word for `side`'s value; `None` where the table has none."""
        table = self.to_hubspot if side is Side.GHL else self.to_ghl
        return table.get(value)

    def agree(self, ghl: str, hubspot: str) -> bool:
        """Whether the HubSpot value already stands for the HighLevel status."""
        if not ghl or not hubspot:
            return ghl == hubspot
        return self.to_hubspot.get(ghl) == hubspot or self.to_ghl.get(hubspot) == ghl

    def is_cancelled(self, side: Side, value: str) -> bool:
        """Whether the value says that the appointment will not take place."""
        if side is Side.GHL:
            return value == CANCELLED
        return bool(value) and (
            self.to_hubspot.get(CANCELLED) == value or self.to_ghl.get(value) == CANCELLED
        )

    def is_over(self, side: Side, value: str) -> bool:
        """Whether the appointment was kept, missed or cancelled already."""
        if side is Side.GHL:
            return value in OVER
        if value in self.to_ghl:
            return self.is_cancelled(side, value) or self.to_ghl[value] in OVER
        return bool(value) and any(self.to_hubspot.get(ghl) == value for ghl in OVER)

    def takes_slot(self, ghl: str) -> bool:
        """Whether a HighLevel appointment of that status occupies its time."""
        return ghl not in {CANCELLED, "invalid"}
