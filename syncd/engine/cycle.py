"""One cycle of one link, in seven words.

recover finishes what a crash left. poll scans both sides. observe matches
what was seen with the stored pairs. merge compares field by field. plan turns
that into actions, under the rules and their guards. apply carries them out.
record writes down what is agreed now, so that our own write is not news next
time.

`run` is called by the scheduler, by `--sync-now` and by `plan`. (merge works
inside `core.plan`, record inside `apply`.) The cursor moves last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import uuid4

import structlog

from syncd.core.guards import GuardOverrides, Plan
from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine import planned_writes
from syncd.engine.decisions import pending
from syncd.engine.decisions.approval import Approval
from syncd.engine.decisions.pending import PendingDecisions
from syncd.engine.finish import (
    FIRST,
    conclude,
    first_sync,
    keep,
    looked,
    still_held,
    tell_of_stop,
)
from syncd.engine.link import Link
from syncd.engine.plan.translation import translator
from syncd.engine.poll import poll
from syncd.engine.recover.recover import Recovered, recover
from syncd.engine.report import CycleReport
from syncd.engine.rounds import CycleContext, Rounds
from syncd.errors import LinkLocked, NotPrepared, ProviderError, StoreError, ended_by
from syncd.ports.store import CycleRow

log = structlog.get_logger(__name__)

LOOKS = (2.0, 4.0, 8.0)
"""Seconds before each look for a write whose answer never came: it may be under way still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRequest:
    """What kind of cycle is wanted."""

    full: bool = True
    dry_run: bool = False
    rebuild: bool = False
    """Pair what belongs together and write nothing to either side."""
    allowed: GuardOverrides = field(default_factory=GuardOverrides)
    progress: Callable[[int, int], None] | None = None
    """Told how many writes are done, of how many."""
    approval: Approval | None = None
    """What a person let go of a first sync that waited for them."""
    halted: Callable[[], bool] | None = None
    """Whether the link was taken out of service meanwhile; asked between writes."""
    planned_only: bool = False
    """Write what stands in approved plans, and nothing else."""


def run(link: Link, request: CycleRequest) -> CycleReport:
    """Run one cycle; what went wrong with a vendor is in the report, not raised.

    Raises:
        StoreError: our own store failed.
    """
    if (halted := request.halted) is not None:
        stopping = link.stopping
        link = replace(link, stopping=lambda: stopping() or halted())
    started = link.clock.monotonic()
    report = CycleReport(
        link=link.name,
        cycle=uuid4().hex[:12],
        kind="full" if request.full else "incremental",
        started_at=link.clock.now(),
        dry_run=request.dry_run,
    )
    before = {side: link.side(side).requests for side in Side}
    bound = {"link": link.name, "cycle_id": report.cycle, "dry_run": request.dry_run}
    with structlog.contextvars.bound_contextvars(**bound):
        try:
            unsure, pauses = _cycle(link, request, report), iter(LOOKS)
            while unsure and (pause := next(pauses, None)):
                link.clock.sleep(pause)
                if link.stopping():
                    break  # recovery finishes it when this starts again
                unsure = _look_again(link, request, report)
        except (LinkLocked, NotPrepared, ProviderError) as error:
            report.outcome, report.detail = ended_by(error)
            report.held = still_held(link)
        except StoreError:
            # Who has the link now may have written what this one was about to: no fault of ours.
            lost = _lost(link)
            if lost is None:
                raise
            report.outcome, report.detail = ended_by(lost)
        if link.stopping():
            tell_of_stop(report)
        for side in Side:
            report.tally(side).requests = link.side(side).requests - before[side]
        report.seconds = link.clock.monotonic() - started
        if report.pairs is None:
            report.pairs = link.store.count_pairs()
        _finish(link, request, report)
    return report


def _lost(link: Link) -> LinkLocked | None:
    """Who has the link, where it is not ours any more and that can be told."""
    try:
        link.check_held()
    except LinkLocked as error:
        return error
    except StoreError:
        pass
    return None


def _look_again(link: Link, request: CycleRequest, report: CycleReport) -> bool:
    """Do what may or may not have been done: recover looks for it first (promise 10).

    An answer that never came is the one failure that no back-off may simply repeat.
    Gives whether another look may do what this one did not.
    """
    again = CycleReport(link=report.link, cycle=report.cycle, kind=report.kind)
    try:
        unsure = _cycle(link, request, again, looks_again=True)
    except ProviderError as error:
        log.warning("cycle.look_failed", error=type(error).__name__)
        return False
    report.followed_by(again)
    return unsure


def _cycle(
    link: Link, request: CycleRequest, report: CycleReport, *, looks_again: bool = False
) -> bool:
    """Go through the seven steps; gives whether another look may finish what is open.

    Raises:
        LinkLocked, NotPrepared, ProviderError: as far as it came stands in `report`.
    """
    recovered = Recovered()
    if not request.dry_run:
        recovered = recover(link, report.cycle, report if looks_again else None)
    accounts = poll.read_accounts(link)
    report.timezone = accounts[0].timezone
    decided = pending.read(link.store, keep=not request.dry_run, planned_only=request.planned_only)
    if request.dry_run or request.rebuild:
        decided = replace(decided, only=None)
    first = not link.store.cursor(FIRST)
    began = link.clock.now()
    policy = link.rules.at(began, first=first, overrides=decided.overrides()[0])
    cycle_context = CycleContext(
        link=link,
        policy=policy,
        words=translator(link, accounts, report),
        decided=decided,
        allowed=_allowed(link, request, decided),
        first=first,
        first_sync=first_sync(link),
        looked=looked(link),
        began=began,
        dry_run=request.dry_run,
        rebuild=request.rebuild,
    )
    polled = poll.poll(
        link,
        policy,
        decided,
        full=request.full,
        people_unread=cycle_context.words.people_unread,
        unsettled=recovered.unsettled,
    )
    rounds = Rounds(cycle_context, polled, report, request.progress)
    made = rounds.plan()
    report.looked = True
    if request.full:
        report.left_out = {reason: len(ids) for reason, ids in polled.left_out.items()}
    if request.dry_run:
        _tell(report, made)
    else:
        rounds.apply(made)
        _go_on(rounds)
    applied = rounds.executor.applied
    report.held = rounds.holds + applied.holds
    conclude(report, rounds.total, applied)
    if not request.dry_run:
        partly = request.rebuild or decided.only is not None or rounds.total.guarded
        keep(link, rounds, report, decided.parting(rounds.parted), partly=partly)
    return applied.unsure and not (applied.stopped or decided.only is not None)


def _go_on(rounds: Rounds) -> None:
    """Round after round, until nothing is left."""
    while rounds.goes_on():
        try:
            made = rounds.plan()
        except ProviderError as error:
            # What was written so far has to be kept.
            rounds.failed(error)
            return
        rounds.apply(made)


def _tell(report: CycleReport, made: Plan) -> None:
    """What would be written."""
    report.planned = planned_writes.of_plan(made)
    for write in report.planned:
        if write.goes_out:
            report.count(write.side, write.action, write.record)


def _allowed(link: Link, request: CycleRequest, decided: PendingDecisions) -> GuardOverrides:
    approved = decided.only is not None
    covered = request.approval.left(link.store) if request.approval else None
    return replace(
        decided.allowed,
        removals=request.allowed.removals or approved,
        changes=request.allowed.changes or approved,
        covered=covered,
    )


def _finish(link: Link, request: CycleRequest, report: CycleReport) -> None:
    """Log the cycle, and keep it where it did anything that counts."""
    log.info(
        "cycle.finished",
        kind=report.kind,
        outcome=report.outcome.value,
        detail=report.detail,
        pairs=report.pairs,
        held=len(report.held) if report.looked else None,
        failed=len(report.failed) if report.looked else None,
        conflicts=report.conflicts if report.looked else None,
        ghl=report.counts(Side.GHL),
        hubspot=report.counts(Side.HUBSPOT),
        seconds=round(report.seconds, 3),
    )
    if request.dry_run or report.outcome is Outcome.LOCKED or report.started_at is None:
        return
    if report.idle:
        return  # A poll every minute would leave half a million rows a year that say nothing.
    row = CycleRow(
        cycle=report.cycle,
        kind=report.kind,
        started_at=report.started_at,
        finished_at=link.clock.now(),
        outcome=report.outcome.value,
        report=report.as_json(),
    )
    try:
        with link.store.begin() as transaction:
            transaction.save_cycle(row)
    except LinkLocked as error:
        report.outcome, report.detail = ended_by(error)
