"""One turn at a link: hold it, open it, run the cycle that is due, say when the next one is.

A worker thread calls `work`, and nothing that happens in here leaves it: a
link's trouble is a state with a back-off, never the end of the others. What is
written about the cycle goes to the metrics, the log and the note in the store.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from syncd.config import LinkSettings, account_by_token
from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.cycle import CycleRequest
from syncd.engine.decisions.approval import ASK_ABOVE, SHOWN
from syncd.engine.decisions.halt import pauses
from syncd.engine.finish import FIRST
from syncd.engine.report import CycleReport
from syncd.errors import LinkLocked, StoreError, StoreFault, SyncdError, ended_by
from syncd.observability import heartbeat
from syncd.observability.heartbeat import CyclePoint
from syncd.observability.metrics import CycleFacts, Metrics
from syncd.observability.state import State
from syncd.ports.store import LinkStore
from syncd.scheduler import backoff
from syncd.scheduler.link_state import NOTED_AFTER_A_TURN, LinkState
from syncd.scheduler.ports import Links
from syncd.scheduler.quota import Quota
from syncd.scheduler.requests import CycleRequests, orders_in

log = structlog.get_logger(__name__)

DUE_SHIFTED = 1.0
"""Seconds by which the next turn is another one than the note tells of."""

SOON = 3.0
"""Seconds within which links that came in from another process are due."""

SILENT_AFTER = 20.0
"""Seconds without an answer in mid-cycle that are still no trouble, however often is polled."""

SILENT_POLLS = 1.5
"""Poll intervals after which they are: a stall shows within two, and looking takes its time."""

_NAMES = {Side.GHL: "HighLevel", Side.HUBSPOT: "HubSpot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What came of a turn."""

    state: State
    outcome: Outcome = Outcome.OK
    detail: str = ""
    report: CycleReport | None = None
    planned: Mapping[str, int] = field(default_factory=dict)
    holder: str = ""


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
            self.write_note(state, force=old or told_of_work or put_off)

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
                holder = refused.get(state.name, "")
                locked = str(LinkLocked(state.name, holder))
                with structlog.contextvars.bound_contextvars(link=state.name):
                    turn = _Turn(
                        state=State.LOCKED, outcome=Outcome.LOCKED, detail=locked, holder=holder
                    )
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
            state.lease, state.lost, state.recalled = None, False, False
            state.state, state.detail, state.failures = State.STARTING, "", 0
        if leases:
            self.links.unlock_all(leases)

    def check(self, state: LinkState) -> None:
        """Hold and open the link before its first turn; what is wrong stands in the watch."""
        with structlog.contextvars.bound_contextvars(link=state.name):
            turn = self._caught(lambda: self._recalled(state))
            if turn.state is not State.OK:
                self._enter(state, turn)
            self.write_note(state)

    def listen(self, state: LinkState) -> None:
        """Say so where a cycle that runs is not answered: to give up may take it minutes."""
        silent = state.silence(self._clock.monotonic())
        well = state.state in {State.OK, State.STARTING}
        if well and silent > max(SILENT_AFTER, SILENT_POLLS * state.poll):
            detail = f"no answer for {silent:.0f} s; the cycle that runs goes on trying"
            with structlog.contextvars.bound_contextvars(link=state.name):
                self._enter(state, _Turn(state=State.UNREACHABLE, detail=detail))
                self.write_note(state)

    def tell_of_work(self, state: LinkState) -> None:
        """Note, once a turn, that a cycle is under way; one that is over soon goes without."""
        if state.working and state.noted_work != state.began:
            state.noted_work = state.began
            # The claim loop must not wait for a database that is away.
            self._keep_note(state, self.links.quick_view(state.name))

    def write_note(self, state: LinkState, *, force: bool = False, stopped: bool = False) -> None:
        """Keep what there is to say of the link, if it is news."""
        if state.noted != state.news or force:
            self._keep_note(state, self.links.link_store(state.name), stopped=stopped)

    def _keep_note(self, state: LinkState, store: LinkStore, *, stopped: bool = False) -> None:
        if state.lease is None:
            return  # A link that is not ours may have another daemon's note.
        # Whoever writes last says what is so then: a turn may end while it is told of.
        with state.noting:
            said = state.heartbeat(self._clock.now(), self._clock.monotonic(), stopped=stopped)
            try:
                with store.begin() as transaction:
                    transaction.set_state(heartbeat.HEARTBEAT, said.as_text())
            except StoreError as error:
                self._metrics.store_failed(state.name)
                log.warning("note.not_written", link=state.name, detail=str(error))
                return
            state.noted, state.noted_at = state.news, self._clock.monotonic()
            state.noted_due = state.due

    # --- the turn

    def _guarded(self, state: LinkState) -> _Turn:
        return self._caught(lambda: self._turn(state), state)

    def _caught(self, work: Callable[[], _Turn], state: LinkState | None = None) -> _Turn:
        try:
            return work()
        except Exception as error:
            if isinstance(error, StoreError):
                self._metrics.store_failed(state.name if state else "")
                bug = isinstance(error, StoreFault)
                log.error("store.failed", detail=str(error), exc_info=error if bug else None)  # noqa: TRY400 - no bug, no traceback
            elif not isinstance(error, SyncdError):
                log.exception("cycle.failed")
            outcome, detail = ended_by(error)
            holder = error.holder if isinstance(error, LinkLocked) else ""
            return _Turn(state=State.of(outcome), outcome=outcome, detail=detail, holder=holder)

    def _recalled(self, state: LinkState) -> _Turn:
        self.hold(state)
        self._recall(state)
        return _Turn(state=State.OK)

    def _recall(self, state: LinkState) -> None:
        """When it was good last, the daemon before this one may be the only one to know."""
        if not state.recalled:
            store = self.links.link_store(state.name)
            before = heartbeat.read(store.cursor(heartbeat.HEARTBEAT))
            state.good_at = before.good_at if before else None
            state.recalled = True

    def _turn(self, state: LinkState) -> _Turn:
        store = self.links.link_store(state.name)
        orders = orders_in(store.decisions())
        state.seen = set(orders.all_ids)
        self._close(state, orders.turns)
        if self.links.paused(state.name):
            return _Turn(state=State.PAUSED)
        self.hold(state)
        self._recall(state)
        first = not store.cursor(FIRST)
        kicked, state.kicked = state.kicked, False
        full = first or kicked or orders.full or state.began >= state.sweep_due
        asks = first and state.settings.sync.first_sync == "ask"
        if asks and not orders.approved:
            waiting = self._asked(state, orders)
            if waiting is not None:
                return waiting
        report = self._run(
            state,
            CycleRequest(
                full=full,
                approval=orders.approval if asks else None,
                progress=self._signs(state),
                halted=self._pauses(state),
            ),
        )
        if report.stopped and self.links.paused(state.name):
            state.kicked |= kicked
            return _Turn(state=State.PAUSED)
        if report.uncovered:
            self._close(state, orders.approvals)
            return self._waits(state, {s.value: n for s, n in report.uncovered.items()})
        if report.outcome.completed and not self._stop.is_set():
            if full:
                sweep = self.links.settings.schedule.sweep_interval.total_seconds()
                state.sweep_due = state.began + sweep
        elif kicked:
            state.kicked = True  # What was asked for is still to be done.
        return _turn_of(report)

    def _asked(self, state: LinkState, orders: CycleRequests) -> _Turn | None:
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

    def _waits(self, state: LinkState, counts: Mapping[str, int]) -> _Turn:
        """A first sync waits for a person, whose approval is for what is shown now."""
        store = self.links.link_store(state.name)
        if store.cursor(SHOWN) != (shown := json.dumps(dict(counts), sort_keys=True)):
            with store.begin() as transaction:
                transaction.set_state(SHOWN, shown)
        return _waiting(counts)

    def _run(self, state: LinkState, request: CycleRequest) -> CycleReport:
        assert state.link is not None  # noqa: S101 - `hold` went before
        report = state.link.cycle(request)
        if not request.dry_run:
            self._metrics.cycle_ended(facts_of(report))
            if report.started_at is not None and report.outcome is not Outcome.LOCKED:
                state.recent.append(_point_of(report))
        self._charge(state, report)
        return report

    def _close(self, state: LinkState, ids: frozenset[int]) -> None:
        if ids:
            with self.links.link_store(state.name).begin() as transaction:
                transaction.close_decisions(ids)

    def _pauses(self, state: LinkState) -> Callable[[], bool]:
        """Whether a person has paused the link."""
        return pauses(lambda: self.links.paused(state.name), self._clock.monotonic)

    def _signs(self, state: LinkState) -> Callable[[int, int], None]:
        def progress(done: int, of: int) -> None:
            del done, of
            state.sign = self._clock.monotonic()

        return progress

    # --- afterwards

    def _settle(self, state: LinkState, turn: _Turn) -> None:
        if turn.outcome is Outcome.LOCKED:
            self.let_go(state)  # What was lost is taken again at the next turn.
        self._enter(state, turn)
        state.turns += 1
        now = self._clock.monotonic()
        state.asked = self.links.settings.schedule.poll_interval.total_seconds()
        state.poll, state.stretched_by = self._stretched(state)
        after = backoff.pause_after(turn.outcome, state.failures, state.asked)
        if turn.outcome.completed and turn.state is not State.WAITING:
            # An interval counts from beginning to beginning; a pause after a failure from its end.
            due = state.began + backoff.jittered(after, self._chance())
        else:
            due = now + backoff.jittered(after, self._chance())
        state.due = max(now, due, self._bearable(state, now), self._day_over(state, turn, now))

    def _enter(self, state: LinkState, turn: _Turn) -> None:
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
        if turn.state is State.OK:
            if before is not State.STARTING:
                log.info("link.recovered", was=before.value, cycles=lasted)
        else:
            log.warning(
                "link.troubled",
                state=turn.state.value,
                detail=turn.detail,
                remedy=turn.state.remedy(state.name, state.guards),
            )

    def _charge(self, state: LinkState, report: CycleReport) -> None:
        """Count what the cycle read against the polls' share of the day."""
        now = self._clock.monotonic()
        quiet = report.outcome is Outcome.OK and not any(_writes(report, side) for side in Side)
        for side, wire in state.traffic().items():
            account = account_of(state.settings, side)
            used = report.tally(side).requests
            self.quota.told(side, account, wire.budget.daily)
            if quiet and report.kind != "full":
                self.quota.learn(side, account, state.name, used)
            # What a cycle wrote is no poll: then the last quiet one says what its reading cost.
            cost = used if quiet else min(used, self.quota.cost(side, account, state.name))
            self.quota.charge(side, account, cost, now)

    def _stretched(self, state: LinkState) -> tuple[float, str]:
        """The interval that the accounts bear in the long run, and whose limit makes it longer."""
        found, why = state.asked, ""
        for side in Side:
            account = account_of(state.settings, side)
            seconds = self.quota.sustained(side, account)
            if seconds > found:
                daily = self.quota.daily(side, account)
                found, why = seconds, f"half of {_NAMES[side]}'s {daily:,} requests a day"
        return found, why

    def _bearable(self, state: LinkState, now: float) -> float:
        return max(
            self.quota.earliest(side, account_of(state.settings, side), now) for side in Side
        )

    def _day_over(self, state: LinkState, turn: _Turn, now: float) -> float:
        """When a spent day is over, if that is what ended the turn."""
        if turn.outcome is not Outcome.UNREACHABLE:
            return now
        ends = [wire.budget.spent_until for wire in state.traffic().values()]
        wait = max((end - self._clock.now() for end in ends if end), default=timedelta())
        return now + max(0.0, wait.total_seconds())


def _turn_of(report: CycleReport) -> _Turn:
    return _Turn(
        state=State.of(report.outcome),
        outcome=report.outcome,
        detail=report.detail or _reason(report),
        report=report,
    )


def _point_of(report: CycleReport) -> CyclePoint:
    assert report.started_at is not None  # noqa: S101 - it began
    return CyclePoint(
        at=report.started_at,
        kind=report.kind,
        outcome=heartbeat.STOPPED if report.stopped else report.outcome.value,
        writes=sum(_writes(report, side) for side in Side),
        seconds=report.seconds,
        delay=report.delay,
    )


def _waiting(counts: Mapping[str, int]) -> _Turn:
    told = ", ".join(f"{counts[side]} in {_NAMES[side]}" for side in Side if counts.get(side))
    detail = (
        f"the first sync would write more than {ASK_ABOVE} records on a side ({told}); "
        "look at them with `syncd plan`, then approve them with `syncd kick --approve` "
        "(or stop the daemon and run `syncd --sync-now`)"
    )
    return _Turn(state=State.WAITING, detail=detail, planned=dict(counts))


def _reason(report: CycleReport) -> str:
    """What kept a cycle from being a good one, where it has no words of its own."""
    if report.unread:
        return f"could not be read: {'; '.join(report.unread)}"
    if report.failed:
        return f"{len(report.failed)} writes failed: {report.failed[0].detail}"
    return ""


def account_of(settings: LinkSettings, side: Side) -> str:
    """The account that a link polls on a side; links may share one."""
    if side is Side.GHL:
        return f"{settings.ghl.base_url} {settings.ghl.location_id}"
    return str(account_by_token(settings))


def _writes(report: CycleReport, side: Side) -> int:
    return report.tally(side).writes


def facts_of(report: CycleReport) -> CycleFacts:
    """A report as the metrics take it."""
    writes = {
        (side.value, action): count
        for side in Side
        for action, count in (
            ("create", report.tally(side).created),
            ("update", report.tally(side).updated),
            ("remove", report.tally(side).removed),
            ("restore", report.tally(side).restored),
            ("create_contact", report.tally(side).contacts_created),
        )
        if count
    }
    return CycleFacts(
        link=report.link,
        kind=report.kind,
        outcome=report.outcome.value,
        seconds=report.seconds,
        pairs=report.pairs or 0,
        writes=writes,
        failed=Counter(write.side.value for write in report.failed),
        held=Counter(hold.reason for hold in report.held),
        conflicts=report.conflicts,
        delays=()
        if report.delay is None
        else tuple((w.side.value, w.delay) for w in report.written if w.delay is not None),
        started_at=report.started_at,
    )


__all__ = ["ASK_ABOVE", "Runner", "account_of", "facts_of"]
