"""The links that the scheduler knows: which are ours, which are due, which leave.

The scheduler keeps one `LinkState` for each link of the configuration, ours or
not, in the order of the configuration. `lock` guards `running` and the list.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable

from syncd.observability.state import State
from syncd.scheduler import backoff
from syncd.scheduler.link_state import LinkState
from syncd.scheduler.ports import Links


class Roster:
    """The states of all links; `together` says whether leases are taken many at a time."""

    def __init__(self, links: Links, *, together: bool) -> None:
        self._links, self._together = links, together
        self._clock = links.clock
        self.lock = threading.Lock()
        self._states: dict[str, LinkState] = {}
        self._called: dict[str, LinkState] = {}
        """Links that were told of announcements, until a turn has taken those."""
        self.ours: list[LinkState] = []
        """Those of our share: what is done in every tick looks at no others."""
        self.enroll(links.settings.links)

    def __len__(self) -> int:
        return len(self._states)

    def all(self) -> list[LinkState]:
        """Every link, in the order of the configuration."""
        with self.lock:
            return list(self._states.values())

    def enroll(self, names: Iterable[str], *, running: bool = False) -> None:
        """Take up these links of the configuration; `running` while nobody is to begin a turn."""
        now = self._clock.monotonic()
        names = list(names)
        schedule = self._links.settings.schedule
        poll = schedule.poll_interval.total_seconds()
        with self.lock:
            for position, name in enumerate(names):
                self._states[name] = LinkState(
                    name=name,
                    settings=self._links.settings.links[name],
                    known_at=now,
                    due=now + backoff.spread(position, len(names), poll),
                    poll=poll,
                    asked=poll,
                    running=running,
                )
            order = {name: at for at, name in enumerate(self._links.settings.links)}
            self._states = dict(
                sorted(
                    self._states.items(),
                    key=lambda held: order.get(held[0], len(order)),
                )
            )

    def adopt(self) -> list[str]:
        """Follow the new configuration; gives the links that are new, which are marked running."""
        settings = self._links.settings
        fresh = [name for name in settings.links if name not in self._states]
        with self.lock:
            for name, state in list(self._states.items()):
                state.leaving = name not in settings.links
                state.settings = settings.links.get(name, state.settings)
                # Tokens are read anew as well: a reload is how a rotated one is taken up.
                state.reopen = True
                if state.state not in {State.OK, State.PAUSED}:
                    state.due = self._clock.monotonic()
        self.enroll(fresh, running=True)
        return fresh

    def share(self, names: Collection[str]) -> tuple[list[LinkState], list[LinkState]]:
        """These links are ours; gives those to give back, marked running, and those to take."""
        ours = frozenset(names)
        with self.lock:
            for state in self._states.values():
                state.shared = state.name in ours
            self.ours = [state for state in self._states.values() if state.shared]
            idle = [state for state in self._states.values() if not state.running]
            leaving = [state for state in idle if state.lease is not None and not state.shared]
            wanted = [s for s in idle if s.shared and s.lease is None and not s.leaving]
            # Nobody else begins anything with them meanwhile.
            for state in leaving:
                state.running = True
        return leaving, wanted

    def rest(self, states: Iterable[LinkState]) -> None:
        """Nobody works on these any more."""
        with self.lock:
            for state in states:
                state.running = False

    def kick(self) -> None:
        """Have every link of ours run a full cycle at once."""
        with self.lock:
            for state in self.ours:
                state.kicked, state.due = True, self._clock.monotonic()

    def announced(self, names: Collection[str]) -> bool:
        """Something waits for these links; gives whether a turn of one may begin now."""
        now, begins = self._clock.monotonic(), False
        with self.lock:
            for name in names:
                state = self._states.get(name)
                if state is None or not state.shared:
                    continue
                state.unheard = True
                if state.announced_due > now:
                    then = state.targeted.from_then(now) if state.targeted else now
                    state.announced_due = then
                elif state.state is not State.PAUSED:
                    continue
                self._called[name] = state
                begins |= not state.running and state.is_due(now)
        return begins

    def called(self, state: LinkState) -> None:
        """Something that was announced for the link waits for a later moment."""
        with self.lock:
            self._called[state.name] = state

    def next_announced(self) -> float:
        """When the next turn is due for what was announced; infinite where nothing waits."""
        with self.lock:
            for name, state in list(self._called.items()):
                if state.announced_due == math.inf:
                    del self._called[name]
            return min(
                (
                    each.announced_due
                    for each in self._called.values()
                    if not each.running and each.takes_up
                ),
                default=math.inf,
            )

    def take_due(self, now: float) -> list[LinkState]:
        """What is due at that moment, marked running; what waited longest goes first."""
        with self.lock:
            due = [
                state
                for state in self.ours
                if not state.running and not state.leaving and state.is_due(now)
                if state.shared and (state.lease is not None or not self._together)
            ]
            for state in due:
                state.running, state.began, state.sign = True, now, now
        return sorted(due, key=lambda state: state.due)

    def part(self) -> list[LinkState]:
        """Take out the links that the configuration no longer has and that nobody is at."""
        with self.lock:
            leaving = [s for s in self._states.values() if s.leaving and not s.running]
            for state in leaving:
                del self._states[state.name]
        return leaving
