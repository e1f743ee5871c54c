"""One run of the executor's two lanes, and how long it may last.

`executor` makes one between two polls. Leaves out what is sent: see `queue`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from syncd.core.model import Side

LEAST_PAUSE = 5.0
"""Seconds between two polls, however often the link is polled when it has little to write."""

LATE = 1.3
"""A poll waits for a pause in writing, but not for longer than this share of its time."""

POLL_REQUESTS = 1
"""Requests that a poll sends to HighLevel beside one for every calendar."""

HEED_EVERY = 2.0
"""Seconds of writing, at least, between two pauses for what vendors announced meanwhile."""

MOST_PASSED_OVER = 3
"""Runs in a row that may pause for announcements before a side got the write that it waits for."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of both lanes, from one poll to the next."""

    until: float | None = None
    """When it is over (monotonic); None if it only ends with the queue."""
    not_written: set[Side] = field(default_factory=set)
    """The sides with something to write that nothing was written to yet."""
    ended: set[Side] = field(default_factory=set)
    failed: bool = False
    """Whether a lane failed: the other one has to end as well."""
    paused: bool = False
    """Whether it paused for a poll before the poll's latest moment."""
    closing: bool = False
    """Whether it only writes the ids of bookings that were made, whatever ended the cycle."""
    changed: Event = field(default_factory=Event)
    """Set when HubSpot's lane may have something to do again."""
