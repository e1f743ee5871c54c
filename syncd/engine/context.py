"""What holds for a whole cycle: the request, and the context that every step works in.

`poll` makes the context, the later steps read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.context import FirstSync
from syncd.core.guards import GuardOverrides
from syncd.core.model import Side
from syncd.core.policy import Policy
from syncd.core.translate import Translator
from syncd.engine.decisions.approval import Approval
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.link import Link
from syncd.ports.announcements import Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRequest:
    """What kind of cycle is wanted."""

    full: bool = True
    dry_run: bool = False
    rebuild: bool = False
    """Pair what belongs together and write nothing to either side."""
    allowed: GuardOverrides = field(default_factory=GuardOverrides)
    progress: Callable[[int, int], None] | None = None
    """Called with the number of writes that are done, and of all."""
    approval: Approval | None = None
    """What a person approved of a first sync that waited for approval."""
    halted: Callable[[], bool] | None = None
    """Whether the link was taken out of service meanwhile; asked between writes."""
    planned_only: bool = False
    """Write what stands in approved plans, and nothing else."""
    targeted: bool = False
    """Read what was announced and what belongs to it by id, and no list; `full` is false then."""
    announced: tuple[Announcement, ...] = ()
    """What was announced before the cycle began: closed in the transaction that records it."""
    called: Callable[[], bool] | None = None
    """Whether anything was announced since; asked between writes, from any thread."""
    more: Callable[[], tuple[Announcement, ...]] | None = None
    """Gives what was announced since; asked between the rounds of a long cycle."""
    spare: int = 0
    """Requests to HighLevel that writing leaves free for what is announced."""
    changes_since: datetime | None = None
    """Report the changes since then that the poll found; None reports none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleContext:
    """What holds for all rounds of a cycle."""

    link: Link
    request: CycleRequest
    cycle: str
    """The cycle's id."""
    began: datetime
    """When this cycle had not made anything yet."""
    began_at: float
    """The same, monotonic."""
    policy: Policy
    """The rules as they are when the cycle begins."""
    translator: Translator
    decisions: PendingDecisions
    allowed: GuardOverrides
    first: bool
    """Whether this is the link's first sync."""
    first_sync: FirstSync = field(default_factory=FirstSync)
    last_polled: Mapping[Side, datetime] = field(default_factory=dict)
    """When each side was polled last, before this cycle."""
    pairs: int = 0
    """Pairs that lived when the cycle began."""
    plans_once: bool = False
    """Whether the first plan is the only one: nothing is written, or an approved plan."""
    timezone: str = ""
    """The location's time zone."""
    warnings: tuple[str, ...] = ()
    """What people should know of the two accounts."""
