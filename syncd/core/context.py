"""What planning needs beside the sightings themselves: rules, translations, evidence.

Values only. The engine fills them for each plan; `plan`, `reconcile` and `creation` read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.core.contacts import ContactBook
from syncd.core.model import GroupKey, Side
from syncd.core.policy import Policy
from syncd.core.translate import Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSync:
    """When the link's first sync was complete, and what it had left undone then."""

    ended: datetime | None = None
    """None where nobody noted it."""
    left_over: Mapping[str, str] = field(default_factory=dict)
    """What the HubSpot records showed (`freshness.fingerprint_of_value`) that were held, or
    whose writes failed or had an unknown outcome; by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What plan may know beyond the sightings themselves."""

    edited_at: Mapping[tuple[Side, str, GroupKey], datetime] = field(default_factory=dict)
    """When a group of a record (by id) was last changed, where the vendor tells."""
    fought: Mapping[tuple[int, Side, GroupKey], int] = field(default_factory=dict)
    """Per pair key: writes of a group within the hour without a new human value between."""
    skew: Mapping[Side, timedelta] = field(default_factory=dict)
    """How far each vendor's clock is ahead of ours; stamps of two clocks are compared with it."""
    reverts: tuple[Revert, ...] = ()
    """What people want undone."""
    first_sync: FirstSync = field(default_factory=FirstSync)
    looked: Mapping[Side, datetime] = field(default_factory=dict)
    """When each side was looked at last, before this cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """A value of a group that a person wants back on one side, and so on both.

    `was` and `back` hold the report's fields of the group (`start` and `end`,
    or the group's own name) as text: what we wrote, and what stood there
    before. `across` is what the other side showed when the person decided,
    None for what was agreed last. It counts only while nobody has changed the
    group since: each side shows what it showed then, or what the undo puts
    there (one half of it may be done).
    """

    pair_key: int
    ghl_id: str
    hubspot_id: str = ""
    side: Side
    group: GroupKey
    was: Mapping[str, str | None]
    back: Mapping[str, str | None]
    across: Mapping[str, str | None] | None = None


UNDONE = "a person undid what was written"
"""Why a value was put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """What planning needs: the link's rules, translations, contacts and evidence."""

    policy: Policy
    translator: Translator
    contacts: ContactBook = field(default_factory=ContactBook)
    evidence: Evidence = field(default_factory=Evidence)
