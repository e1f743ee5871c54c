"""The claim loop: APScheduler ticks it, it gives due links to worker threads.

The daemon starts it, kicks it, has it adopt a new configuration, asks whether
it is alive and drains it. Three jobs tick: `claim` (what is due?), `renew_leases`
(renew leases, refresh notes) and `keep_house` (hourly). Never two turns of one
link at once: one that is running is not given out again. Leaves out what a
turn does (`runner`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta

import structlog

from syncd.errors import LinkLocked, StoreError
from syncd.observability.heartbeat import Heartbeat
from syncd.observability.metrics import Metrics
from syncd.scheduler.jobs import Jobs
from syncd.scheduler.link_state import NOTED_EVERY, LinkState, Looked
from syncd.scheduler.ports import AllLinks, Links, Share
from syncd.scheduler.requests import APPROVE, KICK
from syncd.scheduler.roster import Roster
from syncd.scheduler.runner import Runner

log = structlog.get_logger(__name__)

SLOWEST_TICK = 1.0
FASTEST_TICK = 0.02
RENEWED_EVERY = 8.0
"""Seconds between looks whether the leases are still ours."""

RENEWED_TOGETHER_EVERY = 2.0
"""The same where it asks nobody: a member's heartbeat keeps all its leases."""

LOOKED_TOGETHER_EVERY = 1.0
"""Seconds between looks for decisions where one is for hundreds of links."""

TICK_TOGETHER = 0.1
"""Seconds of a tick where links share a database: none is later than that."""

MANY = 2_000
"""Links from which on the ticks are slower, each having so many to look at."""

FLUSHED_EVERY = 1.0
"""Seconds between notes where those of many links go out at once."""

SHARED_EVERY = 0.5
"""Seconds between looks at which links are ours."""

SUMMED_UP_EVERY = 3600.0
TICKS_TOLD_EVERY = 60.0
"""Seconds after which the log tells again of ticks of a job that were missed."""

HOUSE_KEPT_EVERY = 6 * 3600.0

DECISIONS_EVERY = 2.0
"""Seconds between looks for what people decided."""

STANDS_STILL = 10.0
"""Seconds without a turn after which the claim loop is nudged."""

TURN_LIMIT = 60.0
"""Seconds after which a claim loop that has not turned counts as dead."""

STUCK_AFTER = 600.0
"""Seconds without an answer or a write after which a cycle counts as stuck: ten times as long as a
request may wait for its turn, and twenty times as long as one may take."""

MOST_WORKERS = 16


class Scheduler:
    """Gives out turns at links until it is drained."""

    def __init__(
        self,
        links: Links,
        runner: Runner,
        metrics: Metrics,
        *,
        workers: Executor | None = None,
        ticks: Jobs | None = None,
        share: Share | None = None,
    ) -> None:
        self._links = links
        self._runner = runner
        self._metrics = metrics
        self._clock = links.clock
        self._workers = workers or ThreadPoolExecutor(
            max_workers=min(MOST_WORKERS, max(2, len(links.settings.links))),
            thread_name_prefix="cycle",
        )
        self._ticks = ticks or Jobs(self._tick_missed)
        self._ticks_told: dict[str, float] = {}
        self._turned = self._clock.monotonic()
        self._looked = float("-inf")
        self._flushed = float("-inf")
        self._closing = False
        self._share = share or AllLinks(lambda: links.settings.links)
        self._shared = float("-inf")
        """When the share was followed last."""
        self._together = not links.settings.store.is_embedded
        """Whether links are taken and given back many at a time."""
        self._roster = Roster(links, together=self._together)

    # --- from start to end

    def check_links(self) -> None:
        """Hold and open every link of ours; one that cannot be is out of service and says so."""
        self._share.start()
        self._follow_share(soon=False)
        for state in self.watches():
            if state.shared:
                self._runner.check(state)

    def start(self) -> None:
        """Begin to tick."""
        self._turned = self._clock.monotonic()
        self._ticks.add("claim", self.claim, self._tick())
        every = RENEWED_TOGETHER_EVERY if self._together else RENEWED_EVERY
        self._ticks.add("tend", self.renew_leases, every)
        self._ticks.add("keep_house", self.keep_house, HOUSE_KEPT_EVERY)
        self._ticks.add("sum_up", self.sum_up, SUMMED_UP_EVERY)
        self._ticks.start()

    def stop_claiming(self) -> None:
        """Give out no more turns; those that run go on."""
        self._closing = True
        if self._ticks.running:
            self._ticks.stop()
        self._share.stop()

    def busy(self) -> list[str]:
        """The links that a worker is at."""
        return [state.name for state in self.watches() if state.running]

    def close(self) -> None:
        """Mark every heartbeat as stopped, and release every link without a running worker."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        # The thread of one that runs hangs: its lease ends with the process.
        idle = [state for state in self.watches() if not state.running]
        for state in idle:
            if state.lease is not None:
                self._runner.notes.write(state, force=True, stopped=True)
        self._runner.notes.flush(idle, stopped=True)
        self._runner.give_up(idle)

    # --- the ticks

    def claim(self) -> None:
        """One turn of the claim loop: everything that is due goes to a worker."""
        if self._closing:
            return
        now = self._clock.monotonic()
        if now - self._shared >= SHARED_EVERY:
            self._follow_share()
        self._look(now)
        for state in self._roster.ours:
            self._runner.notes.tell_of_work(state)
        for state in self._roster.take_due(now):
            self._workers.submit(self._work, state)
        self._tick_at(self._roster.next_announced())
        if now - self._flushed >= FLUSHED_EVERY:
            self._flushed = now
            self._runner.notes.flush(self._roster.ours)
        self._turned = self._clock.monotonic()

    def renew_leases(self) -> None:
        """Renew every lease, and refresh the notes that grow old."""
        for state in self.watches():
            self._renew(state)
            if state.running:
                self._runner.listen(state)
            if state.lease is not None and self._clock.monotonic() - state.noted_at >= NOTED_EVERY:
                self._runner.notes.write(state, force=True)

    def keep_house(self) -> None:
        """Delete what is older than the configuration keeps."""
        for state in self.watches():
            if state.lease is None:
                continue  # Its holder keeps house.
            before = self._clock.now() - state.settings.sync.history_keep
            if not self._links.prune(state.name, before):
                self._metrics.store_failed(state.name)
                return

    def sum_up(self) -> None:
        """Tell of the cycles that found nothing to do, which are in the log at debug only."""
        states = [state for state in self.watches() if state.idle]
        cycles = sum(state.idle for state in states)
        requests = sum(state.idle_requests for state in states)
        for state in states:
            state.idle = state.idle_requests = 0
        if cycles:
            log.info("cycles.idle", links=len(states), cycles=cycles, requests=requests)

    def _tick_missed(self, job: str, what: str) -> None:
        """Count it, and tell of it once in a while."""
        self._metrics.tick_missed(job, what)
        now = self._clock.monotonic()
        if now - self._ticks_told.get(job, float("-inf")) >= TICKS_TOLD_EVERY:
            self._ticks_told[job] = now
            log.warning("tick.missed", job=job, what=what)

    # --- what others ask

    def kick(self) -> None:
        """Have every link run a full cycle at once."""
        self._roster.kick()
        self._tick_now()

    def announced(self, names: Collection[str]) -> None:
        """Have these links of ours look at what vendors announced; never waits.

        Called from the thread that stored the announcements.
        """
        if self._roster.announced(names):
            self._tick_at(self._clock.monotonic())

    def adopt(self) -> list[str]:
        """Follow the new configuration; gives the links that are new."""
        fresh = self._roster.adopt()
        self._follow_share()
        for state in self.watches():
            if state.name in fresh:
                if state.shared:
                    self._runner.check(state)
                state.running = False
        self._part()
        self._runner.quota.keep_only(set(self._links.settings.links))
        if self._ticks.running:
            self._ticks.pace("claim", self._tick())
        return fresh

    def wake(self) -> None:
        """Tick now if the ticks stand still: after the clock was set back they would wait for it.

        The daemon's loop calls it, which goes by monotonic time.
        """
        if self._clock.monotonic() - self._turned > STANDS_STILL:
            self._tick_now()

    def watches(self) -> list[LinkState]:
        """Every link, in the order of the configuration."""
        return self._roster.all()

    def notes(self) -> dict[str, Heartbeat]:
        """What there is to say of every link now."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        return {state.name: state.heartbeat(now, monotonic) for state in self.watches()}

    def unhealthy_reason(self) -> str:
        """Why the process should be started again; "" while it is sound."""
        now = self._clock.monotonic()
        if not self._ticks.running:
            return "the scheduler does not run"
        if now - self._turned > TURN_LIMIT:
            return f"the claim loop has not turned for {now - self._turned:.0f} s"
        for state in self.watches():
            if state.running and state.look(now) > STUCK_AFTER:
                return f"the cycle of link {state.name} has given no sign of life for too long"
        return ""

    # --- inside

    def _work(self, state: LinkState) -> None:
        try:
            self._runner.work(state)
        finally:
            self._roster.rest([state])
            if state.announced_due < math.inf:
                self._roster.called(state)
                self._tick_at(state.announced_due)
            if state.leaving:
                self._part()

    def _look(self, now: float) -> None:
        """Read what people decided of all links, with one statement; what is new is due at once."""
        every = LOOKED_TOGETHER_EVERY if self._together else min(DECISIONS_EVERY, self._tick())
        if now - self._looked < every:
            return
        self._looked = now
        try:
            found = self._links.look()
        except StoreError as error:
            self._metrics.store_failed("")
            log.warning("decisions.not_read", detail=str(error))
            return
        if found.announced:
            fresh_links = [
                state.name
                for state in self.watches()
                if found.announced.get(state.name, state.announced_key) != state.announced_key
            ]
            self._roster.announced(fresh_links)
        for state in self.watches():
            decided = found.decisions.get(state.name, ())
            fresh = [each for each in decided if each.id not in state.seen]
            with self._roster.lock:
                if state.running or not state.shared:
                    continue
                state.looked = Looked(
                    at=now, decisions=tuple(decided), paused=state.name in found.paused
                )
                if fresh:
                    state.seen = frozenset(each.id for each in decided)
                    state.kicked |= any(each.kind in {KICK, APPROVE} for each in fresh)
                    state.due = now

    def _follow_share(self, *, soon: bool = True) -> None:
        """Let go of links that left the share, once nobody is at them; take those that came in."""
        self._shared = self._clock.monotonic()
        leaving, wanted = self._roster.share(self._share.names())
        try:
            self._runner.give_up(leaving)
        finally:
            self._roster.rest(leaving)
        if self._share.stands_by:
            self._runner.stand_by(self.watches())
        if wanted and self._together:
            self._runner.take_over(wanted, soon=soon)

    def _renew(self, state: LinkState) -> None:
        lease = state.lease
        if lease is None or state.lost:
            return
        try:
            lease.renew()
        except LinkLocked as error:
            state.lost = True
            self._metrics.lease_lost(state.name)
            log.warning("lease.lost", link=state.name, detail=str(error))
            self._drop_lost(state)
        except StoreError as error:
            self._metrics.store_failed(state.name)
            log.warning("lease.not_renewed", link=state.name, detail=str(error))

    def _drop_lost(self, state: LinkState) -> None:
        """Be ready to take the link again, unless a cycle is at it, which does so at its end."""
        with self._roster.lock:
            if state.running:
                return
            state.running = True
        self._runner.let_go(state)
        with self._roster.lock:
            state.running, state.due = False, self._clock.monotonic()

    def _part(self) -> None:
        """Let go of links that the configuration no longer has, once nobody is at them."""
        for state in self._roster.part():
            self._runner.notes.write(state, force=True, stopped=True)
            self._runner.notes.flush([state], stopped=True)
            self._runner.let_go(state)

    def _tick(self) -> float:
        poll = self._links.settings.schedule.poll_interval.total_seconds()
        slowest = SLOWEST_TICK
        if self._together:
            slowest = TICK_TOGETHER if len(self._roster) <= MANY else 2.5 * TICK_TOGETHER
        return min(slowest, max(FASTEST_TICK, poll / 4))

    def _tick_at(self, moment: float) -> None:
        """Tick at that moment (monotonic), unless a tick comes before."""
        if moment < math.inf and self._ticks.running:
            ahead = max(0.0, moment - self._clock.monotonic())
            self._ticks.by("claim", self._clock.now() + timedelta(seconds=ahead))

    def _tick_now(self) -> None:
        if self._ticks.running:
            for job in ("claim", "tend"):
                self._ticks.now(job, self._clock.now())


__all__ = ["Scheduler"]
