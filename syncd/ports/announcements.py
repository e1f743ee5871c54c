"""What the vendors announce of a link: where to look, and never what stands there.

A listener or a reader of a journal stores announcements for the links that they
name (`store.announcements`); the process that holds a link looks at the records
in a targeted cycle, which closes the announcements that it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from syncd.core.model import Side

MOST_WAITING = 50
"""Records of one link that wait one by one; more become an announcement of the whole link."""


class Announced(StrEnum):
    """What is to be looked at."""

    RECORD = "record"
    """An appointment."""
    CONTACT = "contact"
    """The appointments of a contact, which was deleted."""
    LINK = "link"
    """The whole link, by an incremental cycle."""
    FULL = "full"
    """The whole link, by a full cycle."""


class Way(StrEnum):
    """How an announcement came."""

    APP = "app"
    """An app's delivery, or a journal: deletions are announced as well."""
    HOOK = "hook"
    """A workflow's webhook, which announces no deletion."""
    LIFECYCLE = "lifecycle"
    """The installation of an app, or its end: no change at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One that waits in the store for the cycle that reads its record."""

    key: int
    """The number of its row. An announcement of the same that comes later has another one."""
    side: Side
    what: Announced
    record: str = ""
    """The vendor's id of the record or contact; "" for a whole link."""
    received_at: datetime
    """When it came (UTC)."""
    occurred_at: datetime | None = None
    """When the change happened, as the vendor says (UTC)."""
    way: Way = Way.APP


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One that was delivered and is to be stored for a link."""

    link: str
    side: Side
    what: Announced
    record: str = ""
    occurred_at: datetime | None = None
    delivery: str = ""
    """The vendor's own id of it; "" where it has none: then it is never a repetition."""
    way: Way = Way.APP


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of deliveries that were stored."""

    links: frozenset[str]
    """The links for which something waits that did not wait before."""
    fresh: Sequence[Delivered]
    """Those that had not been stored before."""
    repeated: int
    """Deliveries that had been stored before."""
