"""The records of a HubSpot account, as the service keeps them.

Made and changed by `table.ObjectTable` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

APPOINTMENTS = "0-421"
CONTACTS = "0-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The author of a write, as the history shows it."""

    source_type: str
    source_id: str
    user_id: int | None = None


PERSON = Origin(source_type="CRM_UI", source_id="userId:9001", user_id=9001)
APP = Origin(source_type="INTEGRATION", source_id="4711001")
MERGE = Origin(source_type="MERGE_OBJECTS", source_id="userId:9001", user_id=9001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One value in the history of a property."""

    value: str
    at: datetime
    origin: Origin


@dataclass(slots=True, kw_only=True)
class HubspotRecord:
    """A record: only properties that have a value, all of them texts."""

    id: str
    created: datetime
    updated: datetime
    properties: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[Written]] = field(default_factory=dict)
    """Newest first, per property."""
    links: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    """Associated records: object type, record id, association type ids."""
    archived: bool = False
    archived_at: datetime | None = None
    earlier: list[tuple[datetime, dict[str, str] | None, datetime]] = field(default_factory=list)
    """The earlier version (None if new) and its stamp, while the index is late."""

    def copied(self) -> HubspotRecord:
        """A copy that later writes leave alone."""
        return replace(
            self,
            properties=dict(self.properties),
            history={name: list(entries) for name, entries in self.history.items()},
            links={
                to: {record: set(kinds) for record, kinds in linked.items()}
                for to, linked in self.links.items()
                if linked
            },
            earlier=[],
        )

    @property
    def contacts(self) -> list[str]:
        """Ids of the associated contacts."""
        return list(self.links.get(CONTACTS, ()))


@dataclass(slots=True, kw_only=True)
class Owner:
    """Somebody who can own records: another number than the user's."""

    id: str
    user_id: int
    email: str | None
    first_name: str
    last_name: str
    created: datetime
    archived: bool = False


@dataclass(slots=True, kw_only=True)
class Stage:
    """A stage of a pipeline; for appointments its metadata say nothing."""

    id: str
    label: str


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """A pipeline of an object type."""

    id: str
    label: str
    stages: list[Stage]
