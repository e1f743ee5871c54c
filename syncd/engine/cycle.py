"""One cycle of one link, in six steps.

recover finishes what a crash left. poll reads both sides. observe matches what
was read with the stored pairs. plan compares them field by field and decides
what to write, under the rules and their guards. apply writes it. record keeps
what is agreed now, so that our own write is not news next time.

`run` is called by the scheduler, by `--sync-now` and by `plan`. It turns errors
into outcomes, and goes through the steps again for writes whose outcome is
unknown. A cycle that has much to write goes on in rounds (`rounds`). What is
kept at the end is in `finish`, the report in `report`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import structlog

from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.apply.executor import apply
from syncd.engine.apply.results import WriteResults
from syncd.engine.context import CycleContext, CycleRequest
from syncd.engine.cycle_state import Cycle
from syncd.engine.finish import record
from syncd.engine.link import Link
from syncd.engine.observe.sightings import observe
from syncd.engine.plan.planning import plan
from syncd.engine.poll.found_changes import found_changes
from syncd.engine.poll.poll import PollResult, poll
from syncd.engine.poll.prepare import prepare
from syncd.engine.recover.recover import recover
from syncd.engine.report import CycleReport, report_of
from syncd.engine.rounds import more_rounds
from syncd.errors import (
    LinkLocked,
    NotPrepared,
    ProviderError,
    StoreError,
    SyncdError,
    ended_by,
)
from syncd.ports.store import TARGETED, CycleRow

log = structlog.get_logger(__name__)

PAUSES = (2.0, 4.0, 8.0)
"""Seconds before each further pass for writes whose outcome is unknown: they may still be going."""

DECIDED = "decided"
"""State of a link: the newest decision that a cycle took up."""


def _steps(cycle: Cycle) -> None:
    """Go through the six steps."""
    cycle.recovered = recover(cycle.link, cycle.id, dry_run=cycle.request.dry_run)
    cycle.context = prepare(cycle.link, cycle.request, cycle.id)
    polled = cycle.polled = _poll(cycle, cycle.context)
    observed = observe(polled)
    planned = plan(observed)
    cycle.rounds.append(planned)
    written = apply(planned, cycle.results)
    if written.unfinished:
        more_rounds(cycle, written)
    record(cycle, written)


def _poll(cycle: Cycle, context: CycleContext) -> PollResult:
    """Read both sides: whole, what changed, or what was announced."""
    request, unsettled = cycle.request, cycle.recovered.unsettled
    if request.targeted:
        from syncd.engine.targeted import poll_announced

        polled = poll_announced(context, unsettled)
    else:
        polled = poll(context, unsettled)
    if request.changes_since is not None:
        # Now: what is judged later counts as seen.
        cycle.changes = found_changes(polled, request.changes_since)
    if request.announced:
        cycle.note_read(request.announced, polled)
    return polled


# --- from outside


def run(link: Link, request: CycleRequest) -> CycleReport:
    """Run one cycle; what went wrong with a vendor is in the report, not raised.

    Raises:
        StoreError: our own store failed.
    """
    if (halted := request.halted) is not None:
        stopping = link.stopping
        link = replace(link, stopping=lambda: stopping() or halted())
    started, started_at = link.clock.monotonic(), link.clock.now()
    cycle = new_id()
    before = {side: link.side(side).requests for side in Side}
    with structlog.contextvars.bound_contextvars(
        link=link.name, cycle_id=cycle, dry_run=request.dry_run
    ):
        report = _passes(link, request, cycle, started_at)
        if link.stopping():
            report = _as_stopped(report)
        report = replace(
            report,
            pairs=link.store.count_pairs() if report.pairs is None else report.pairs,
            seconds=link.clock.monotonic() - started,
            ghl=replace(report.ghl, requests=link.ghl.requests - before[Side.GHL]),
            hubspot=replace(report.hubspot, requests=link.hubspot.requests - before[Side.HUBSPOT]),
        )
        error = _save(link, report)
        if error is not None:
            outcome, detail = ended_by(error)
            report = replace(report, outcome=outcome, detail=detail)
    return report


def _passes(
    link: Link,
    request: CycleRequest,
    cycle: str,
    started_at: datetime,
) -> CycleReport:
    """The first pass, and a further one while the outcome of a write is unknown (promise 10).

    In a further pass, `recover` first checks whether those writes took effect:
    a failure without an answer is the one that may not simply be repeated.
    """

    def start(at: datetime | None) -> Cycle:
        results = WriteResults(cycle=cycle)
        return Cycle(link=link, request=request, id=cycle, started_at=at, results=results)

    current, report = start(started_at), None
    pauses = iter(PAUSES)
    try:
        _steps(current)
        report = report_of(current)
        while _has_unknown_outcome(current) and (pause := next(pauses, None)):
            link.clock.sleep(pause)
            if link.stopping():
                break  # recovery finishes it when this starts again
            current = start(None)
            try:
                _steps(current)
            except ProviderError as error:
                log.warning("cycle.look_failed", error=type(error).__name__)
                break
            report = report.followed_by(report_of(current))
    except (LinkLocked, NotPrepared, ProviderError) as error:
        ended = _ended(report or report_of(current), error)
        decided = report.decisions if report else ()
        if not (report or request.targeted):
            decided = _decided(link, started_at)
        return replace(ended, held=link.store.holds(), decisions=decided)
    except StoreError:
        # Who has the link now may have written what this one was about to: no fault of ours.
        lost = _lost(link)
        if lost is None:
            raise
        return _ended(report or report_of(current), lost)
    return report


def _decided(link: Link, by: datetime) -> tuple[int, ...]:
    """What people had decided when a cycle began that could not even read it."""
    return tuple(each.id for each in link.store.decisions() if each.made_at <= by)


def _ended(report: CycleReport, error: SyncdError) -> CycleReport:
    """The report of a cycle that an error ended: what a guard keeps back is for the next to say."""
    outcome, detail = ended_by(error)
    return replace(report, outcome=outcome, detail=detail, guards=[], uncovered={})


def _has_unknown_outcome(cycle: Cycle) -> bool:
    """Whether a further pass may find out whether a write took effect."""
    approved = cycle.context is not None and cycle.context.decisions.only is not None
    return cycle.results.outcome_unknown and not (cycle.results.stopped or approved)


def _lost(link: Link) -> LinkLocked | None:
    """Who has the link, where it is not ours any more and that can be told."""
    try:
        link.check_held()
    except LinkLocked as error:
        return error
    except StoreError:
        pass
    return None


def _as_stopped(report: CycleReport) -> CycleReport:
    """A cycle that a stop broke off is reported as that: no service was out of reach."""
    if report.outcome not in {Outcome.UNREACHABLE, Outcome.FAILED_WRITES}:
        return report
    detail = "stopped before its end, as asked; the next cycle goes on from there"
    return replace(report, outcome=Outcome.FAILED_WRITES, stopped=True, detail=detail)


def _save(link: Link, report: CycleReport) -> LinkLocked | None:
    """Log the cycle, and keep it where it did anything that counts; gives why it could not."""
    looked = report.looked
    # A poll every minute without news would bury what there is to read.
    quiet = report.idle and not (report.held_anew or report.dry_run)
    (log.debug if quiet else log.info)(
        "cycle.finished",
        kind=report.kind,
        outcome=report.outcome.value,
        detail=report.detail,
        pairs=report.pairs,
        held=len(report.held) if looked else None,
        failed=len(report.failed) if looked else None,
        conflicts=report.conflicts if looked else None,
        ghl=report.counts(Side.GHL),
        hubspot=report.counts(Side.HUBSPOT),
        seconds=round(report.seconds, 3),
    )
    if report.dry_run or report.outcome is Outcome.LOCKED or report.started_at is None:
        return None
    newest = max(report.decisions, default=0)
    first = newest > int(link.store.get_state(DECIDED) or 0) and report.kind != TARGETED
    if report.idle and not first and not (report.decisions and report.kind == TARGETED):
        return None  # A poll every minute would leave half a million rows a year without news.
    try:
        with link.store.begin() as transaction:
            transaction.save_cycle(row_of(report, report.started_at, link.clock.now()))
            if first:
                transaction.set_state(DECIDED, str(newest))
    except LinkLocked as error:
        return error
    return None


def row_of(report: CycleReport, started_at: datetime, finished_at: datetime) -> CycleRow:
    """The row in which the store keeps a cycle."""
    return CycleRow(
        cycle=report.cycle,
        kind=report.kind,
        started_at=started_at,
        finished_at=finished_at,
        outcome=report.outcome.value,
        report=report.as_json(),
    )


def new_id() -> str:
    """An id for a cycle."""
    return uuid4().hex[:12]


__all__ = ["CycleRequest", "new_id", "row_of", "run"]
