"""What one turn at a link does: which cycle runs, if any, and what came of it.

The runner asks `take` in a worker's thread, with the link held and open.
Leaves out when the next turn is due, and what becomes of an error.
"""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.cycle import CycleRequest
from syncd.engine.decisions.approval import ASK_ABOVE, SHOWN
from syncd.engine.decisions.halt import pauses
from syncd.engine.poll.prepare import FIRST
from syncd.engine.report import CycleReport
from syncd.observability.heartbeat import CYCLES
from syncd.observability.metrics import Metrics
from syncd.observability.state import State
from syncd.ports.announcements import Announced, Announcement
from syncd.ports.store import FULL, INCREMENTAL, TARGETED, Decision
from syncd.scheduler.facts import account_of, facts_of, point_of, reason_of, writes_of
from syncd.scheduler.link_state import LinkState
from syncd.scheduler.liveness import LIVE, Liveness, SetUp, set_up_of
from syncd.scheduler.ports import Links
from syncd.scheduler.quota import Quota
from syncd.scheduler.requests import CycleRequests, orders_in

log = structlog.get_logger(__name__)

MOST_OF_A_RECORD = 3
"""Requests to one side that reading an announced record takes."""

SPARE = 5
"""Requests to HighLevel that a long cycle leaves free in each window for what is announced."""

_DEAF = "a poll found a change that was not announced; polls are as usual until it announces again"

JUST_LOOKED = 1.5
"""Seconds for which what was read of all links at once is not read again of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of a turn."""

    state: State
    outcome: Outcome = Outcome.OK
    detail: str = ""
    report: CycleReport | None = None
    planned: Mapping[str, int] = field(default_factory=dict)
    holder: str = ""
    targeted: bool = False
    """Whether it was for what was announced alone: the next poll is due when it was."""
    store_away: bool = False
    """Whether our own store ended it, and may be back any moment."""
    searched: bool = False
    """Whether what HubSpot announced was left to its search, which may show it only later."""


class Turns:
    """What the runner does at a link, one turn after another."""

    def __init__(self, links: Links, metrics: Metrics, stop: threading.Event, quota: Quota) -> None:
        self._links, self._metrics, self._stop, self._quota = links, metrics, stop, quota
        self._clock = links.clock

    def take(self, state: LinkState, hold: Callable[[], None]) -> Turn:
        """Run what is due; `hold` has the link held and open.

        Raises:
            SyncdError: the cycle could not even begin, or our own store failed.
        """
        store = self._links.link_store(state.name)
        decisions, paused = self._decided(state)
        orders = orders_in(decisions)
        polls = state.due <= state.began or not orders.all_ids <= state.seen
        state.seen = frozenset(orders.all_ids)
        self._close(state, orders.turns)
        if paused:
            self._overhear(state)
            return Turn(state=State.PAUSED)
        hold()
        first = not state.first_done and not store.get_state(FIRST)
        state.first_done = not first
        announced: tuple[Announcement, ...] = ()
        if not (polls or first or state.kicked):
            announced = self._announced(state)
            targeted = self._targeted(state, announced)
            if targeted is not None:
                return targeted
        kicked, state.kicked = state.kicked, False
        full = first or kicked or orders.full or state.began >= state.sweep_due
        asks = first and state.settings.sync.first_sync == "ask"
        if asks and not orders.approved:
            waiting = self._asked(state, orders)
            if waiting is not None:
                self._overhear(state)
                return waiting
        if announced := announced or self._announced(state):
            from syncd.scheduler.announced import wants_full

            full = full or wants_full(announced)
        report = self._run(
            state,
            CycleRequest(
                full=full,
                announced=announced,
                approval=orders.approval if asks else None,
                called=lambda: state.announced_due <= self._clock.monotonic(),
                spare=SPARE if self._is_live() else 0,
                progress=self._signs(state),
                halted=self._pauses(state),
            ),
        )
        if report.stopped and self._links.paused(state.name):
            state.kicked |= kicked
            return Turn(state=State.PAUSED)
        if report.uncovered:
            self._close(state, orders.approvals)
            return self._waits(state, {s.value: n for s, n in report.uncovered.items()})
        if report.outcome.completed and not self._stop.is_set():
            if full:
                sweep = self._links.settings.schedule.sweep_interval.total_seconds()
                state.sweep_due = state.began + sweep
        elif kicked:
            state.kicked = True  # What was asked for is still to be done.
        left = {Announced.LINK, Announced.FULL}
        searched = any(each.side is Side.HUBSPOT and each.what in left for each in announced)
        return replace(_turn_of(report), searched=searched)

    def _announced(self, state: LinkState) -> tuple[Announcement, ...]:
        """What waits; what comes from now on makes the link due once more."""
        if state.announced_due == math.inf:
            return ()
        state.announced_due, state.unheard = math.inf, False
        announced = tuple(self._links.link_store(state.name).announcements())
        state.announced_key = max((each.key for each in announced), default=0)
        self._hear(state, announced)
        return announced

    def _overhear(self, state: LinkState) -> None:
        """Note what is announced for a link that does not look at it now."""
        state.unheard = False
        if state.live is None:
            self.judge_sides(state)
        if state.live is not None and state.announced_due < math.inf:
            announced = self._links.link_store(state.name).announcements()
            state.announced_key = max((each.key for each in announced), default=0)
            self._hear(state, announced)

    def _hear(self, state: LinkState, announced: Sequence[Announcement]) -> None:
        if state.live is not None and announced:
            state.live.hear(announced)
            self.judge_sides(state)

    def judge_sides(self, state: LinkState) -> None:
        """Work out what the sides announce, and keep it where it is another than before."""
        settings = self._links.settings
        set_up = set_up_of(settings, state.settings)
        if state.live is None:
            if all(each is SetUp.NOTHING for each in set_up.values()):
                state.hearing, state.relaxed = {}, False
                return
            kept = self._links.link_store(state.name).get_state(LIVE)
            state.live = Liveness.read(kept, self._clock.now())
        now = self._clock.now()
        state.hearing = {
            side.value: state.live.hearing(side, set_up[side], now).value for side in Side
        }
        state.relaxed = state.live.relaxes(set_up, now)
        if (text := state.live.as_text()) != state.live.kept:
            with self._links.link_store(state.name).begin() as transaction:
                transaction.set_state(LIVE, text)
            state.live.kept = text

    def _note_changes(self, state: LinkState, report: CycleReport) -> None:
        """Compare what a poll found with what was announced."""
        if state.live is None:
            return
        at = report.started_at or self._clock.now()
        ahead = {Side(side): timedelta(seconds=n) for side, n in report.clock_skew.items()}
        found = {
            side: {
                record: replace(change, stamp=change.stamp - ahead.get(side, timedelta()))
                for record, change in changes.items()
            }
            for side, changes in report.changes.items()
        }
        for side in state.live.polled(found, at):
            log.warning("side.deaf", side=side.value, detail=_DEAF)
        wrote = {(side, each.id_on(side)) for each in report.written for side in Side}
        state.live.wrote(wrote, self._clock.now())

    def _targeted(self, state: LinkState, announced: tuple[Announcement, ...]) -> Turn | None:
        """The turn for what was announced alone; None where it takes a poll."""
        from syncd.scheduler.announced import TargetedPace, wants_poll

        nothing = Turn(state=state.state, targeted=True)
        if not announced:
            return nothing
        now = self._clock.monotonic()
        pace = state.targeted = state.targeted or TargetedPace()
        oldest = min(each.received_at for each in announced)
        waited = (self._clock.now() - oldest).total_seconds()
        due = max(pace.earliest(announced, now, waited), self.bearable(state, now))
        if due > now:
            state.announced_due = min(state.announced_due, due)
            return nothing
        if wants_poll(announced):
            return None
        request = CycleRequest(
            full=False,
            targeted=True,
            announced=announced,
            progress=self._signs(state),
            halted=self._pauses(state),
        )
        report = self._run(state, request)
        pace.ran(now, self._clock.monotonic(), announced, report)
        if report.stopped and self._links.paused(state.name):
            return Turn(state=State.PAUSED)
        return replace(_turn_of(report), targeted=True)

    def bearable(self, state: LinkState, now: float) -> float:
        """When the accounts bear another poll."""
        accounts = ((side, account_of(state.settings, side)) for side in Side)
        return max(self._quota.earliest(side, account, now) for side, account in accounts)

    def _more(
        self, state: LinkState, taken: list[Announcement], later: list[Announcement]
    ) -> tuple[Announcement, ...]:
        """What came for a link while its cycle runs; what is no single record waits for its end."""
        from syncd.scheduler.announced import wants_poll

        known = {each.key for each in (*taken, *later)}
        fresh = [each for each in self._announced(state) if each.key not in known]
        if wants_poll(fresh):
            later += fresh
            return ()
        taken += fresh
        return tuple(fresh)

    def _is_live(self) -> bool:
        settings = self._links.settings
        return bool(settings.live.listen or settings.apps.hubspot.journal)

    def _count_written(self, announced: Sequence[Announcement], report: CycleReport) -> None:
        """Count how long what was announced took to the write on the other side.

        A full cycle takes up what is old as well, so that it says nothing.
        """
        if report.kind == FULL:
            return
        now = self._clock.now()
        wrote = {
            (side.other, each.id_on(side.other))
            for side in Side
            for each in report.written
            if each.side is side
        }
        for each in announced:
            if (each.side, each.record) in wrote:
                seconds = (now - each.received_at).total_seconds()
                self._metrics.announcement_written(each.side.value, seconds)

    def _try_again(self, state: LinkState, taken: Collection[int], report: CycleReport) -> None:
        """Say when what could not be read of the announcements is read again."""
        from syncd.scheduler.announced import retry_after

        left = {*taken} - report.closed
        state.announced_key = max(left, default=0)
        if not left:
            state.announced_failures = 0
            return
        now = self._clock.monotonic()
        if report.left:
            state.due, state.announced_due = min(state.due, now), now
            return
        state.announced_failures += 1
        again = now + retry_after(state.announced_failures)
        state.announced_due = min(state.announced_due, again)

    def _decided(self, state: LinkState) -> tuple[list[Decision], bool]:
        """What people decided of the link, and whether it is paused."""
        looked = state.looked
        if looked is not None and self._clock.monotonic() - looked.at <= JUST_LOOKED:
            state.looked = None  # This turn may carry them out.
            return list(looked.decisions), looked.paused
        store = self._links.link_store(state.name)
        return store.decisions(), self._links.paused(state.name)

    def _asked(self, state: LinkState, orders: CycleRequests) -> Turn | None:
        """What comes of a first sync that is not approved; None where it may go by itself."""
        if orders.planned:
            # What a person read and approved goes out all the same, and nothing else.
            done = self._run(
                state,
                CycleRequest(full=True, planned_only=True, halted=self._pauses(state)),
            )
            if not done.outcome.completed or self._stop.is_set():
                return _turn_of(done)
        planned = self._run(state, CycleRequest(full=True, dry_run=True))
        counts = Counter(each.side.value for each in planned.planned or () if each.goes_out)
        if not planned.outcome.completed:
            return _turn_of(planned)
        if max(counts.values(), default=0) > ASK_ABOVE:
            self._close(state, orders.kicks)
            return self._waits(state, counts)
        return None

    def _waits(self, state: LinkState, counts: Mapping[str, int]) -> Turn:
        """A first sync waits for a person, whose approval is for what is shown now."""
        store = self._links.link_store(state.name)
        if store.get_state(SHOWN) != (shown := json.dumps(dict(counts), sort_keys=True)):
            with store.begin() as transaction:
                transaction.set_state(SHOWN, shown)
        return _waiting(counts)

    def _run(self, state: LinkState, request: CycleRequest) -> CycleReport:
        assert state.link is not None  # noqa: S101 - `hold` went before
        taken, later = list(request.announced), list[Announcement]()
        if request.called is not None:
            request = replace(request, more=lambda: self._more(state, taken, later))

        if state.live is not None and not (request.targeted or request.dry_run):
            request = replace(request, changes_since=state.live.since)
        report = state.link.cycle(request)
        if report.idle and not request.dry_run:
            state.idle += 1
            state.idle_requests += report.ghl.requests + report.hubspot.requests
        if not request.dry_run:
            self._note_changes(state, report)
            self._metrics.cycle_ended(facts_of(report))
            if report.started_at is not None and report.outcome is not Outcome.LOCKED:
                state.recent = (*state.recent, point_of(report))[-CYCLES:]
        self._charge(state, report, len(request.announced))
        if taken or later:
            self._count_written(taken, report)
            self._try_again(state, {each.key for each in taken}, report)
        if later:
            state.announced_due = self._clock.monotonic()
        return report

    def _close(self, state: LinkState, ids: frozenset[int]) -> None:
        if ids:
            with self._links.link_store(state.name).begin() as transaction:
                transaction.close_decisions(ids)

    def _pauses(self, state: LinkState) -> Callable[[], bool]:
        """Whether a person has paused the link."""
        return pauses(lambda: self._links.paused(state.name), self._clock.monotonic)

    def _signs(self, state: LinkState) -> Callable[[int, int], None]:
        def progress(done: int, of: int) -> None:
            del done, of
            state.sign = self._clock.monotonic()

        return progress

    def _charge(self, state: LinkState, report: CycleReport, announced: int) -> None:
        """Count what the cycle read against the polls' share of the day."""
        now = self._clock.monotonic()
        quiet = report.outcome is Outcome.OK and not any(writes_of(report, side) for side in Side)
        for side, wire in state.traffic().items():
            account = account_of(state.settings, side)
            used = report.tally(side).requests
            self._quota.told(side, account, wire.budget.daily)
            if quiet and report.kind == INCREMENTAL:
                self._quota.learn(side, account, state.name, used)
            # What a cycle wrote is no poll: then the last quiet one says what its reading cost,
            # and of a targeted one the number of its records.
            cost = self._quota.cost(side, account, state.name)
            if report.kind == TARGETED:
                cost = MOST_OF_A_RECORD * announced
            self._quota.charge(side, account, used if quiet else min(used, cost), now)


def _turn_of(report: CycleReport) -> Turn:
    return Turn(
        state=State.of(report.outcome),
        outcome=report.outcome,
        detail=report.detail or reason_of(report),
        report=report,
    )


def _waiting(counts: Mapping[str, int]) -> Turn:
    told = ", ".join(f"{counts[side]} in {side.label}" for side in Side if counts.get(side))
    detail = (
        f"the first sync would write more than {ASK_ABOVE} records on a side ({told}); "
        "look at them with `syncd plan`, then approve them with `syncd kick --approve` "
        "(or stop the daemon and run `syncd --sync-now`)"
    )
    return Turn(state=State.WAITING, detail=detail, planned=dict(counts))
