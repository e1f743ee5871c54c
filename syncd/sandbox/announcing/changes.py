"""One change in either account, as the announcer hears it.

Made by the HighLevel location and the HubSpot account while they hold the world's lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GhlChange:
    """A change in a location."""

    type: str
    """The vendor's word: `AppointmentCreate`, `ContactDelete`, …."""
    location: str
    record: str
    calendar: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """The keys of the event besides its envelope."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HubspotChange:
    """A change in the HubSpot account."""

    action: str
    """The journal's word: CREATE, UPDATE, DELETE, RESTORE, MERGE, GDPR_DELETE, ASSOCIATION_ADDED,
    ASSOCIATION_REMOVED."""
    object_type: str
    record: str
    values: Mapping[str, str] = field(default_factory=dict)
    """The properties that changed."""
    to_type: str = ""
    to_record: str = ""
    association_type: int = 0
    merged: tuple[str, ...] = ()
    """The ids that a merge made one of."""
    at: datetime
