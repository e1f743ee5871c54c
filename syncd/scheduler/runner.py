"""One turn at a link: hold it, open it, run the cycle that is due, say when the next one is.

A worker thread calls `work`, and nothing that happens in here leaves it: a
link's trouble is a state with a back-off, never the end of the others. What is
written about the cycle goes to the metrics, the log and the note in the store.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.errors import (
    LinkLocked,
    StoreError,
    StoreFault,
    StoreInterrupted,
    StoreUncertain,
    SyncdError,
    ended_by,
)
from syncd.observability import heartbeat
from syncd.observability.heartbeat import PollCost
from syncd.observability.metrics import Metrics
from syncd.observability.state import State
from syncd.scheduler import backoff
from syncd.scheduler.facts import account_of
from syncd.scheduler.link_state import NOTED_AFTER_A_TURN, LinkState
from syncd.scheduler.notes import Notes
from syncd.scheduler.ports import Links
from syncd.scheduler.quota import Quota
from syncd.scheduler.turn import Turn, Turns

log = structlog.get_logger(__name__)

DUE_SHIFTED = 1.0
"""Seconds by which the next turn is another one than the note tells of."""

SOON = 3.0
"""Seconds within which links that came in from another process are due."""

SILENT_AFTER = 20.0
"""Seconds without an answer in mid-cycle that are still no trouble, however often is polled."""

SILENT_POLLS = 1.5
"""Poll intervals after which they are: a stall shows within two, and looking takes its time."""


class Runner:
    """The work of the daemon's threads."""

    def __init__(
        self,
        links: Links,
        metrics: Metrics,
        stop: threading.Event,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.links = links
        self.quota = Quota()
        self.notes = Notes(links, metrics, together=not links.settings.store.is_embedded)
        self._turns = Turns(links, metrics, stop, self.quota)
        self._metrics = metrics
        self._stop = stop
        self._clock = links.clock
        self._chance = chance

    def work(self, state: LinkState) -> None:
        """One turn; afterwards `state` says what came of it, and when the link is due again."""
        state.began = state.sign = self._clock.monotonic()
        state.settled = False
        with structlog.contextvars.bound_contextvars(link=state.name):
            turn = self._guarded(state)
            if self._stop.is_set():
                return  # What a stop broke off is no trouble of the link.
            self._settle(state, turn)
            state.settled = True
            age = self._clock.monotonic() - state.noted_at
            told_of_work = state.noted_work == state.began
            old = age >= min(NOTED_AFTER_A_TURN, state.poll / 2)
            # A turn out of turn moves the next one: the note has to say so.
            put_off = abs(state.due - state.noted_due) >= DUE_SHIFTED
            self.notes.write(state, force=old or told_of_work or put_off)

    def hold(self, state: LinkState) -> None:
        """Take the link for this process, and open it; both may be done already.

        Raises:
            LinkLocked: another syncd holds it.
            ConfigError: a token is missing.
            StoreError: our own store failed.
        """
        if state.lease is None:
            state.lease = self.links.lock(state.name)
        if state.reopen and state.link is not None:
            state.link.close()
            state.link = None
        state.reopen = False
        if state.link is None:
            state.link = self.links.open_link(state.name, state.lease)
            state.heard = 0

    def let_go(self, state: LinkState) -> None:
        """Give the link back, and everything that was opened for it."""
        state.announced_key = 0
        if state.link is not None:
            state.link.close()
            state.link = None
        if state.lease is not None:
            try:
                state.lease.release()
            except StoreError as error:
                log.warning("lease.not_released", link=state.name, detail=str(error))
            state.lease, state.lost = None, False

    def take_over(self, states: Sequence[LinkState], *, soon: bool) -> None:
        """Take several links that nobody else holds, with one statement; they may be due `soon`."""
        try:
            taken, refused = self.links.lock_all([state.name for state in states])
        except StoreError as error:
            self._metrics.store_failed("")
            log.warning("links.not_taken", detail=str(error))
            return
        now, poll = self._clock.monotonic(), states[0].poll
        for position, state in enumerate(states):
            if (lease := taken.get(state.name)) is not None:
                state.lease, state.lost = lease, False
                if soon:
                    state.due = now + backoff.spread(position, len(states), min(poll, SOON))
            elif state.state is not State.LOCKED:
                self._refused(state, refused.get(state.name, ""))

    def stand_by(self, states: Sequence[LinkState]) -> None:
        """Say of the links that are others', and that were not looked at yet, who holds them."""
        waiting = {s.name: s for s in states if not s.shared and s.state is State.STARTING}
        if not waiting:
            return
        try:
            held = self.links.holders(list(waiting))
        except StoreError:
            return  # There is another time.
        for name, holder in held.items():
            self._refused(waiting[name], holder)

    def _refused(self, state: LinkState, holder: str) -> None:
        detail = str(LinkLocked(state.name, holder))
        with structlog.contextvars.bound_contextvars(link=state.name):
            turn = Turn(state=State.LOCKED, outcome=Outcome.LOCKED, detail=detail, holder=holder)
            self._enter(state, turn)

    def give_up(self, states: Sequence[LinkState]) -> None:
        """Give several links back at once, for other processes to work on."""
        leases = []
        for state in states:
            if state.link is not None:
                state.link.close()
                state.link = None
            if state.lease is not None:
                leases.append(state.lease)
                self._metrics.forget(state.name)
            state.lease, state.lost, state.recalled = None, False, False
            state.state, state.detail, state.failures = State.STARTING, "", 0
            state.announced_key = 0
        if leases:
            self.links.unlock_all(leases)

    def check(self, state: LinkState) -> None:
        """Hold and open the link before its first turn; what is wrong stands in the watch."""
        with structlog.contextvars.bound_contextvars(link=state.name):
            turn = self._caught(lambda: self._recalled(state))
            if turn.state is not State.OK:
                self._enter(state, turn)
            self.notes.write(state)

    def listen(self, state: LinkState) -> None:
        """Say so where a cycle that runs is not answered: to give up may take it minutes."""
        silent = state.silence(self._clock.monotonic())
        well = state.state in {State.OK, State.STARTING}
        if well and silent > max(SILENT_AFTER, SILENT_POLLS * state.poll):
            detail = f"no answer for {silent:.0f} s; the cycle that runs goes on trying"
            with structlog.contextvars.bound_contextvars(link=state.name):
                self._enter(state, Turn(state=State.UNREACHABLE, detail=detail))
                self.notes.write(state)

    # --- the turn

    def _guarded(self, state: LinkState) -> Turn:
        return self._caught(lambda: self._taken(state), state)

    def _caught(self, work: Callable[[], Turn], state: LinkState | None = None) -> Turn:
        try:
            return work()
        except Exception as error:
            if isinstance(error, StoreError):
                self._metrics.store_failed(state.name if state else "")
                bug = isinstance(error, StoreFault)
                log.error("store.failed", detail=str(error), exc_info=error if bug else None)  # noqa: TRY400 - no bug, no traceback
            elif not isinstance(error, SyncdError):
                log.exception("cycle.failed")
            if state is not None:
                state.announced_key = 0  # What the turn took is to be found again.
            outcome, detail = ended_by(error)
            holder = error.holder if isinstance(error, LinkLocked) else ""
            return Turn(
                state=State.of(outcome),
                outcome=outcome,
                detail=detail,
                holder=holder,
                store_away=isinstance(error, StoreInterrupted | StoreUncertain),
            )

    def _taken(self, state: LinkState) -> Turn:
        def hold() -> None:
            self.hold(state)
            self._recall(state)

        return self._turns.take(state, hold)

    def _recalled(self, state: LinkState) -> Turn:
        self.hold(state)
        self._recall(state)
        return Turn(state=State.OK)

    def _recall(self, state: LinkState) -> None:
        """When it was good last, the daemon before this one may be the only one to know."""
        if not state.recalled:
            store = self.links.link_store(state.name)
            before = heartbeat.read(store.get_state(heartbeat.HEARTBEAT))
            state.good_at = before.good_at if before else None
            state.live = None
            self._turns.judge_sides(state)
            state.recalled = True

    # --- afterwards

    def _settle(self, state: LinkState, turn: Turn) -> None:
        if turn.outcome is Outcome.LOCKED:
            self.let_go(state)  # What was lost is taken again at the next turn.
        if turn.targeted and turn.outcome.completed:
            # It is no poll: what that came to stands, but where this one met something worse.
            if turn.outcome is not Outcome.OK:
                self._enter(state, turn)
            state.due = max(state.due, self._turns.bearable(state, self._clock.monotonic()))
            return
        self._enter(state, turn)
        state.turns += 1
        now = self._clock.monotonic()
        state.asked = self.links.settings.schedule.poll_interval.total_seconds()
        wanted = self._wanted(state)
        state.poll, state.stretched_by = self._stretched(state, wanted)
        after = backoff.pause_after(
            turn.outcome, state.failures, wanted if turn.outcome.completed else state.asked
        )
        if turn.outcome is Outcome.UNREACHABLE and state.announced_due < math.inf:
            after = min(after, state.announced_due - now)
        if self._waits_for_connection(state, turn):
            after = state.asked  # Looking costs the vendor next to nothing.
        if turn.store_away:
            after = min(after, backoff.STORE_AWAY)
        if turn.searched and state.relaxed:
            # The search index is late, and the next poll is far away.
            lag = state.settings.hubspot.search_lag.total_seconds()
            after = min(after, max(lag, state.asked / 10))
        if turn.outcome.completed and turn.state is not State.WAITING:
            # An interval counts from beginning to beginning; a pause after a failure from its end.
            due = state.began + backoff.jittered(after, self._chance())
        else:
            due = now + backoff.jittered(after, self._chance())
        state.due = max(
            now, due, self._turns.bearable(state, now), self._day_over(state, turn, now)
        )

    def _waits_for_connection(self, state: LinkState, turn: Turn) -> bool:
        if turn.outcome not in {Outcome.REFUSED, Outcome.NOT_PREPARED}:
            return False
        try:
            return self.links.waits_for_connection(state.name)
        except StoreError:
            return False

    def _enter(self, state: LinkState, turn: Turn) -> None:
        """The state that the turn leads to; its first and its last moment are logged."""
        before = state.state
        state.detail, state.planned, state.holder = turn.detail, turn.planned, turn.holder
        state.guards = tuple(turn.report.guards) if turn.report is not None else ()
        if turn.state is State.OK and turn.report is not None:
            state.good_at = turn.report.started_at
        if turn.state is before:
            state.failures += 1
            return
        lasted, state.failures = state.failures, 1
        state.state, state.since = turn.state, self._clock.now()
        self._metrics.state_entered(state.name, turn.state)
        if before is State.PAUSED:
            log.info("link.resumed")
        if turn.state is State.PAUSED:
            log.info("link.paused", remedy=turn.state.remedy(state.name))
        elif turn.state is State.OK:
            if before not in {State.STARTING, State.PAUSED}:
                log.info("link.recovered", was=before.value, cycles=lasted)
        else:
            log.warning(
                "link.troubled",
                state=turn.state.value,
                detail=turn.detail,
                remedy=turn.state.remedy(state.name, state.guards),
            )

    def _wanted(self, state: LinkState) -> float:
        """The interval that the link needs: a longer one where both sides announce."""
        self._turns.judge_sides(state)
        if not state.relaxed:
            return state.asked
        relaxed = self.links.settings.live.relaxed_poll_interval
        return max(state.asked, relaxed.total_seconds())

    def _stretched(self, state: LinkState, wanted: float) -> tuple[float, str]:
        """The interval that the accounts bear in the long run, and whose limit makes it longer."""
        found, why = wanted, ""
        accounts = {side: account_of(state.settings, side) for side in Side}
        state.polls = {
            side.value: PollCost(
                requests=self.quota.cost(side, account, state.name),
                daily=self.quota.daily(side, account),
            )
            for side, account in accounts.items()
        }
        for side, account in accounts.items():
            seconds = self.quota.sustained(side, account)
            if seconds > found:
                daily = self.quota.daily(side, account)
                found, why = seconds, f"half of {side.label}'s {daily:,} requests a day"
        return found, why

    def _day_over(self, state: LinkState, turn: Turn, now: float) -> float:
        """When the daily quota is reset, if it ended the turn."""
        if turn.outcome is not Outcome.UNREACHABLE:
            return now
        ends = [wire.budget.spent_until for wire in state.traffic().values()]
        wait = max((end - self._clock.now() for end in ends if end), default=timedelta())
        return now + max(0.0, wait.total_seconds())


__all__ = ["Runner"]
