"""The scheduler's state of one link: when it is due, who works on it, its status.

The scheduler keeps one watch per link and guards `running`; whoever set that
flag may change the rest. Seconds are monotonic, instants aware UTC.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from syncd.config import LinkSettings
from syncd.core.model import Side
from syncd.observability.heartbeat import CyclePoint, Heartbeat, PollCost
from syncd.observability.state import State
from syncd.observability.traffic import Traffic
from syncd.ports.store import Decision
from syncd.scheduler.liveness import Liveness
from syncd.scheduler.ports import Lease, OpenLink

if TYPE_CHECKING:
    from syncd.scheduler.announced import TargetedPace

ANSWERING = frozenset({State.OK, State.FAILED_WRITES, State.GUARD})
"""The states in which a link takes up what was announced; in all others its next poll does."""

NOTED_EVERY = 30.0
"""Seconds after which a note is written again though nothing changed."""

NOTED_AFTER_A_TURN = 10.0
"""Seconds, or half a poll interval where that is less, after which a turn that brought nothing new
is noted as well: it says when the link was good last, and when it is due next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What people decided of a link."""

    at: float
    """When it was read."""
    decisions: tuple[Decision, ...]
    paused: bool


@dataclass(slots=True, kw_only=True)
class LinkState:
    """One link under the daemon's eyes."""

    name: str
    settings: LinkSettings
    """As the configuration had it last: it may no longer have the link at all."""
    due: float
    sweep_due: float = 0.0
    """When the next full cycle is due; the first one always is."""
    kicked: bool = False
    """A person asked for a full cycle at once."""
    running: bool = False
    settled: bool = True
    """The turn that a worker is at, if any, has come to its end."""
    leaving: bool = False
    """The configuration no longer has it."""
    reopen: bool = False
    """Its settings or tokens may have changed since it was opened."""
    first_done: bool = False
    """Whether its first sync is known to be complete."""
    looked: Looked | None = None
    """What people decided of it, as it was read of all links last."""
    announced_due: float = math.inf
    """When a turn is due for what vendors announced; infinite while nothing waits."""
    unheard: bool = False
    """Whether something was announced that a turn has not noted yet."""
    announced_key: int = 0
    """The newest announcement that a turn knew of."""
    announced_failures: int = 0
    """How many turns in a row left an announcement that could not be read."""
    targeted: TargetedPace | None = None
    """The pace of its targeted cycles; None while there was none."""
    live: Liveness | None = None
    """Whether its sides announce their changes; None where none is set up to."""
    hearing: Mapping[str, str] = field(default_factory=dict)
    """What each side announces, where one is set up to."""
    relaxed: bool = False
    """Whether its polls are rarer, since both sides announce."""
    polls: Mapping[str, PollCost] = field(default_factory=dict)
    """What its polls cost, by side."""
    note_due: bool = False
    """Whether a note of it is to be written with those of other links."""
    shared: bool = True
    """Whether it belongs to this process's share; another process works on it otherwise."""
    recalled: bool = False
    """Whether what the process before this one noted of it has been read."""
    lease: Lease | None = None
    lost: bool = False
    """The lease is gone; a cycle that runs notices before its next write."""
    link: OpenLink | None = None
    seen: frozenset[int] = frozenset()
    """Decisions that have made the link due already."""

    turns: int = 0
    """How many turns came to their end."""
    state: State = State.STARTING
    detail: str = ""
    since: datetime | None = None
    failures: int = 0
    good_at: datetime | None = None
    known_at: float = 0.0
    """When this daemon took the link up: its lag begins here where it never had a good cycle."""
    planned: Mapping[str, int] = field(default_factory=dict)
    guards: tuple[str, ...] = ()
    """The guards that kept something back in the last cycle."""
    holder: str = ""
    """Who has the link, while its state is `locked`."""
    recent: tuple[CyclePoint, ...] = ()
    """The last cycles; the idle ones stand nowhere else."""
    idle: int = 0
    """Idle cycles since the log told of them."""
    idle_requests: int = 0
    began: float = 0.0
    sign: float = 0.0
    """When the cycle that runs gave its last sign of life."""
    heard: int = 0
    """How many answers had come by then."""
    answered: int = 0
    given_up: int = 0
    spoken: float = 0.0
    """How many answers said something, how many attempts had been given up by then without one,
    and when that was."""

    poll: float = 0.0
    asked: float = 0.0
    stretched_by: str = ""
    pace: Mapping[str, float] = field(default_factory=dict)
    noting: threading.Lock = field(default_factory=threading.Lock)
    noted: tuple[object, ...] = ()
    noted_at: float = 0.0
    noted_due: float = 0.0
    """What the note says of the next turn."""
    noted_work: float = 0.0
    """When the turn began of which a note says that it is under way."""

    @property
    def working(self) -> bool:
        """Whether a turn is under way."""
        return self.running and not self.settled

    def is_due(self, now: float) -> bool:
        """Whether a turn is to begin: a poll, or one for what was announced.

        A link that is in a trouble that stops every cycle waits for its poll.
        """
        return self.due <= now or (self.announced_due <= now and self.takes_up)

    @property
    def takes_up(self) -> bool:
        """Whether what is announced has a turn: to look at it, or in a pause to note it."""
        return self.state in ANSWERING or (self.state is State.PAUSED and self.unheard)

    def traffic(self) -> Mapping[Side, Traffic]:
        """What went over the wire since the link was opened."""
        link = self.link
        return link.traffic() if link is not None else {}

    def look(self, now: float) -> float:
        """Seconds since the cycle that runs gave a sign of life; an answer is one."""
        heard = sum(sum(side.answers.values()) for side in self.traffic().values())
        if heard != self.heard:
            self.heard, self.sign = heard, now
        return now - self.sign

    def silence(self, now: float) -> float:
        """Seconds for which every request of the cycle that runs was given up; 0 while none was.

        A silence that the vendor asked for, or the end of a day, is none.
        """
        traffic = self.traffic().values()
        given_up = sum(wire.answers.get("none", 0) for wire in traffic)
        answered = sum(sum(wire.answers.values()) for wire in traffic) - given_up
        asked_for = any(w.budget.silent_seconds or w.budget.spent_until for w in traffic)
        if answered != self.answered or asked_for or self.began > self.spoken:
            self.answered, self.given_up, self.spoken = answered, given_up, now
        return now - self.spoken if given_up > self.given_up else 0.0

    def lag(self, now: datetime, monotonic: float) -> float | None:
        """Seconds without a good cycle; None where another syncd holds the link, and tells."""
        if self.state is State.LOCKED:
            return None
        if self.good_at is None:
            return monotonic - self.known_at
        return (now - self.good_at).total_seconds()

    def heartbeat(self, now: datetime, monotonic: float, *, stopped: bool = False) -> Heartbeat:
        """What there is to say of the link."""
        return Heartbeat(
            state=self.state,
            at=now,
            detail=self.detail,
            since=self.since,
            failures=self.failures if self.state.code else 0,
            next_due=(
                None if self.working else now + timedelta(seconds=max(0.0, self.due - monotonic))
            ),
            working_since=(
                now - timedelta(seconds=monotonic - self.began) if self.working else None
            ),
            good_at=self.good_at,
            poll_seconds=self.poll,
            asked_seconds=self.asked,
            stretched_by=self.stretched_by,
            planned=self.planned,
            budgets={side.value: wire.budget for side, wire in self.traffic().items()},
            pace=self.pace,
            recent=self.recent,
            guards=self.guards,
            hearing=self.hearing,
            relaxed=self.relaxed,
            polls=self.polls,
            stopped=stopped,
        )

    @property
    def news(self) -> tuple[object, ...]:
        """What is worth a note at once when it changes."""
        planned = tuple(self.planned.items())
        hearing = tuple(self.hearing.items())
        return (self.state, self.detail, planned, self.stretched_by, self.guards, hearing)
